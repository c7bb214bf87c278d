# pacman: Arch Linux and its kin. Its questions take no lock and write nothing; `-Sy` is no question.
pacman_place() {
    pacman_db=$(pacman-conf DBPath) || return
    pacman_db=${pacman_db%/}
    TZ=UTC
    export TZ
}

# Without the mirrors: a Server may have a password in its URL.
pacman_config() {
    pacman-conf | sed -n '/^\[/p; /^DBPath = /p; /^IgnorePkg = /p; /^IgnoreGroup = /p; /^Usage = /p'
}

# Entries of packages that pacman began to write, and did not finish.
pacman_halves() {
    for pacman_path in "$pacman_db"/local/*/; do
        [ ! -d "$pacman_path" ] || [ -s "${pacman_path}desc" ] || printf 'half=%s\n' "${pacman_path%/}"
    done
}

# A field's name and its value are two lines; its own name begins a package.
pacman_installed() {
    pacman_halves
    set -- "$pacman_db"/local/*/desc
    [ -e "$1" ] || return 1
    sed -n -e '/^%NAME%$/{' -e 'n;s/^/name=/p' -e '}' -e '/^%VERSION%$/{' -e 'n;s/^/version=/p' -e '}' \
        -e '/^%BASE%$/{' -e 'n;s/^/base=/p' -e '}' -e '/^%ARCH%$/{' -e 'n;s/^/arch=/p' -e '}' \
        -e '/^%INSTALLDATE%$/{' -e 'n;s/^/installed=/p' -e '}' "$@"
}

pacman_offers() { pacman -Sl | sed -n '/ \[installed/p'; }

# Not only what `-Qu` tells: an upgrade may bring what is new.
pacman_upgrade() {
    pacman_planned=$(pacman -Sup --print-format '%n %v %r %s')
    pacman_code=$?
    [ -z "$pacman_planned" ] || printf '%s\n' "$pacman_planned"
    return "$pacman_code"
}

pacman_details() {
    pacman_names=$({
        pacman -Qu
        printf '%s\n' "$pacman_planned"
    } 2>/dev/null | sed -n 's/^\([^ ][^ ]*\) .*/\1/p' | sort -u)
    [ -n "$pacman_names" ] || return 0
    # Names of packages have no blanks.
    # shellcheck disable=SC2086
    pacman -Si $pacman_names | sed -n '/^Repository /p; /^Name /p; /^Version /p; /^Replaces /p; /^Download Size /p; /^Build Date /p'
}

# When pacman put them there: their own time is the mirror's.
pacman_times() { # seconds since 1970, and the path
    for pacman_path in "$pacman_db"/sync/*.db; do
        [ ! -e "$pacman_path" ] || stat -c '%Z %n' "$pacman_path"
    done
}

# Whoever has the lock: its process and command line. The file says nothing of it, and outlives a pacman that was killed.
pacman_holder() {
    [ -e "$pacman_db/db.lck" ] || return 0
    if [ "$(id -u)" = 0 ]; then
        pacman_pid=$(find /proc/[0-9]*/fd -maxdepth 1 -lname "$pacman_db/db.lck" 2>/dev/null | sed -n 's|^/proc/\([0-9]*\)/.*|\1|p' | head -n 1)
    else
        pacman_pid=$(grep -lxE 'pacman|pamac|pamac-daemon|packagekitd|yay|paru' /proc/[0-9]*/comm 2>/dev/null | sed -n 's|^/proc/\([0-9]*\)/.*|\1|p' | head -n 1)
    fi
    [ -z "$pacman_pid" ] || printf '%s %s\n' "$pacman_pid" "$({ tr '\0\n' '  ' <"/proc/$pacman_pid/cmdline"; } 2>/dev/null)"
}

pacman_lock() {
    # It is there before anybody is looked for, and after: it may come and go meanwhile.
    [ -e "$pacman_db/db.lck" ] || return 0
    pacman_held=$(pacman_holder)
    if [ -n "$pacman_held" ]; then
        printf 'holder=%s\n' "$pacman_held"
    elif [ -e "$pacman_db/db.lck" ] && [ "$(id -u)" = 0 ]; then
        printf 'stale=%s\n' "$pacman_db/db.lck"
    elif [ -e "$pacman_db/db.lck" ]; then
        printf 'unknown=%s\n' "$pacman_db/db.lck"
    fi
}

pacman_kept() {
    find /etc -xdev -name '*.pacnew' -print 2>/dev/null
    return 0
}

# Which package's kernel runs: an update takes the modules of the old one away.
pacman_kernel() {
    pacman_path=/usr/lib/modules/$(uname -r)
    [ ! -d "$pacman_path" ] || echo "modules=$pacman_path"
    [ ! -r "$pacman_path/pkgbase" ] || printf 'running=%s\n' "$(cat "$pacman_path/pkgbase")"
}

# Services with a process that runs a program or a library which is no longer there.
pacman_services() {
    [ "$(id -u)" = 0 ] || return 126
    grep -lE ' /(usr|opt|lib|lib64|bin|sbin)/.* \(deleted\)$' /proc/[0-9]*/maps 2>/dev/null | while IFS= read -r pacman_path; do
        sed -n 's|.*/\([^/]*\.service\)\(/.*\)\{0,1\}$|\1|p' "${pacman_path%/maps}/cgroup" 2>/dev/null
    done | sort -u
}

scan_pacman() {
    section pacman-config pacman_config
    pacman_place
    section pacman-lock pacman_lock
    section pacman-installed pacman_installed
    section pacman-times pacman_times
    section pacman-updates pacman -Qu
    section pacman-offers pacman_offers
    section pacman-upgrade pacman_upgrade
    section pacman-details pacman_details
    section pacman-check pacman -Dk
    section pacman-kept pacman_kept
    section pacman-kernel pacman_kernel
    section pacman-services pacman_services
}
