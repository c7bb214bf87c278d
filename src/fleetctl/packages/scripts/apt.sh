# Debian and its kin. apt builds its cache in memory (pkgcache= and srcpkgcache= empty), locks nothing, logs nothing.
apt_quietly() { # TOOL ARGS...
    apt_tool=$1
    shift
    "$apt_tool" -o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Dir::Log::Solver= -o Dir::Log::Planner= "$@"
}

# The first letter of the status tells holds: what `apt-mark showhold` lists, without building the cache once more.
apt_installed() {
    dpkg-query -W -f='${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\t${Source}\t${Section}\t${Priority}\t${db-fsys:Last-Modified}\n'
}

apt_architectures() {
    dpkg --print-architecture && dpkg --print-foreign-architectures
}

# The version table of every package that is on the host, wholly or in part ("rc" is not).
apt_versions() {
    exec 4>&1
    apt_code=$({
        {
            dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' | sed -n 's/^.[^cn]. //p' |
                apt_quietly xargs_apt_cache
            echo "$?" >&3
        } | apt_abbreviate >&4
    } 3>&1)
    exec 4>&-
    return "$apt_code"
}

xargs_apt_cache() { xargs apt-cache "$@" policy; }

# Versions older than the installed one say nothing about updates, and each source is written once: 100 KB instead of 500.
apt_abbreviate() {
    if ! have awk; then
        cat
        return
    fi
    awk '
        /^[^ ]/                 { print; older = 0; known = 0; next }
        /^  Installed: /        { installed = $2; next }
        /^  Candidate: /        { if ($2 != installed) print; next }
        /^  Version table:/     { next }
        /^ \*\*\* /             { known = 1; print; next }
        /^     [^ ]/            { older = known; if (!older) print; next }
        /^        /             {
            if (older || $2 == "/var/lib/dpkg/status") next
            source = $0; sub(/^ +-?[0-9]+ /, "", source)
            if (!(source in number)) { number[source] = ++last; print "@" last "=" source }
            print "@" number[source]; next
        }
                                { print }
    '
}

apt_list_times() { # seconds since 1970, and the path
    for apt_path in /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists /var/lib/apt/lists/partial; do
        [ -e "$apt_path" ] && stat -c '%Y %n' "$apt_path"
    done
    return 0
}

# The head of each Release file: who made it, when, until when it is good.
apt_release_files() {
    for apt_path in /var/lib/apt/lists/*Release; do
        [ -r "$apt_path" ] || continue
        printf 'File: %s\n' "$apt_path"
        sed -n -e '/^MD5Sum:/q' -e '/^SHA[0-9]*:/q' -e '/^\(Origin\|Label\|Suite\|Codename\|Date\|Valid-Until\): /p' "$apt_path"
    done
}

apt_reboot() {
    [ -e /run/reboot-required ] || return 0
    echo required
    if [ -r /run/reboot-required.pkgs ]; then cat /run/reboot-required.pkgs; fi
}

apt_needrestart() {
    if ! have needrestart; then
        return 127
    elif [ "$(id -u)" != 0 ]; then
        return 126
    fi
    needrestart -b -r l
}

# Ubuntu Pro: packages of ESM are only offered to attached machines.
apt_pro() {
    [ -r /var/lib/ubuntu-advantage/status.json ] || return 0
    sed -n 's/.*"attached": *\(true\|false\).*/attached=\1/p' /var/lib/ubuntu-advantage/status.json
}

apt_has_open() { # PID FILE; of others' processes only root sees what they have open
    [ -r "/proc/$1/fd" ] || return 0
    for apt_fd in "/proc/$1"/fd/*; do
        [ "$(readlink "$apt_fd")" != "$2" ] || return 0
    done
    return 1
}

# Who keeps apt or dpkg from working: PID USER FILE COMMAND. Nothing where nobody does, or where there is no /proc.
apt_holder() {
    [ -r /proc/locks ] || return 0
    for apt_path in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/cache/apt/archives/lock /var/lib/apt/lists/lock; do
        apt_inode=$(stat -c %i "$apt_path" 2>/dev/null) || continue
        # shellcheck disable=SC2013 # numbers have no blanks
        for apt_pid in $(sed -n "s/^[0-9]*: POSIX  *[A-Z]*  *WRITE \([1-9][0-9]*\) [^ ]*:$apt_inode .*/\1/p" /proc/locks); do
            # Another file system may have a file of that number.
            apt_has_open "$apt_pid" "$apt_path" || continue
            printf '%s %s %s %s\n' "$apt_pid" "$(stat -c %U "/proc/$apt_pid" 2>/dev/null || echo '?')" "$apt_path" \
                "$({ tr '\0\n' '  ' <"/proc/$apt_pid/cmdline"; } 2>/dev/null)"
            return 0
        done
    done
}

apt_busy() { # fails where somebody is at work, and says who
    apt_held=$(apt_holder)
    [ -n "$apt_held" ] || return 0
    printf 'holder=%s\n' "$apt_held"
    return 75
}

scan_apt() {
    section apt-busy apt_busy # before the packages: what is half done then may be somebody's work
    section apt-installed apt_installed
    section apt-architectures apt_architectures
    section apt-audit dpkg --audit
    section apt-releases apt_quietly apt-cache policy
    section apt-versions apt_versions
    section apt-upgrade apt_quietly apt-get -q -s dist-upgrade
    section apt-list-times apt_list_times
    section apt-release-files apt_release_files
    section apt-reboot apt_reboot
    section apt-needrestart apt_needrestart
    section apt-pro apt_pro
}
