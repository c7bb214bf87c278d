# What apt would change, and changing it. `apt_specs COMMAND ...` runs a command with what is wanted behind it.
apt_place() { # who asks, what is broken, and how much is free where packages are kept and unpacked, in KiB
    printf 'uid=%s\n' "$(id -u)"
    for apt_path in /var/cache/apt/archives /usr /var/lib/dpkg; do
        [ -d "$apt_path" ] || continue
        df -Pk "$apt_path" | {
            read -r apt_line
            read -r apt_line apt_line apt_line apt_free apt_line apt_mount
            printf 'free=%s %s\n' "$apt_free" "$apt_mount"
            if [ "$(id -u)" = 0 ] && [ ! -w "$apt_path" ]; then printf 'readonly=%s\n' "$apt_mount"; fi
        }
    done
}

apt_unfinished() { dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' | sed -n '/^.[^nci] /p;/^...R/p'; }

# Whoever holds dpkg's lock right now: process and command line. Nothing that dpkg says of itself is the last word until it has ended.
apt_holder() {
    for apt_lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock; do
        [ -e "$apt_lock" ] && [ -r /proc/locks ] || continue
        apt_inode=$(ls -i "$apt_lock" | sed 's/^ *\([0-9]*\).*/\1/')
        for apt_pid in $(sed -n "s/^[0-9]*: [A-Z]*  *[A-Z]*  *WRITE \([0-9][0-9]*\) [^ ]*:$apt_inode .*/\1/p" /proc/locks); do
            # Another file system may have a file of that number.
            ls -l "/proc/$apt_pid/fd" 2>/dev/null | grep -qF -- "-> $apt_lock" || continue
            printf '%s %s\n' "$apt_pid" "$(tr '\0\n' '  ' <"/proc/$apt_pid/cmdline")"
            return 0
        done
    done
}

apt_list() { dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n' | sed -n 's/^.[^nc].\t//p' | sort; }

apt_changed() {
    apt_list >"$own/after" || return
    comm -3 "$own/before" "$own/after"
}

# Configuration files that came beside one that was changed on this host. ctime: dpkg keeps the times of the archive.
apt_kept() {
    find /etc -xdev -cnewer "$own/begun" \( -name '*.dpkg-dist' -o -name '*.ucf-dist' \) -print
}

# needrestart must neither ask nor restart anything by itself: fleetctl tells what runs old code, and reboots where it is told to.
apt_install() { # SECONDS
    DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none UCF_FORCE_CONFFOLD=1 \
        NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=fleetctl
    export DEBIAN_FRONTEND DEBIAN_PRIORITY APT_LISTCHANGES_FRONTEND UCF_FORCE_CONFFOLD NEEDRESTART_MODE NEEDRESTART_SUSPEND
    apt_specs apt-get -y -q -o Dpkg::Use-Pty=0 -o "DPkg::Lock::Timeout=$1" -o APT::Get::AutomaticRemove=false \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold --no-install-recommends install
}

apt_simulate() {
    section apt-place apt_place
    section apt-holder apt_holder
    section apt-unfinished apt_unfinished
    section apt-simulate apt_specs apt_quietly apt-get -q -s --no-install-recommends -o APT::Get::AutomaticRemove=false install
    # With --print-uris apt ends before it would fetch anything. (--assume-no does not: where apt sees nothing to ask, it installs.)
    section apt-uris apt_specs apt_quietly apt-get -qq --print-uris --no-install-recommends -o APT::Get::AutomaticRemove=false install
}

apt_apply() { # SECONDS
    section apt-place apt_place
    section apt-unfinished-before apt_unfinished
    if own_folder && apt_list >"$own/before" && : >"$own/begun"; then
        section apt-install apt_install "$1"
        section apt-changed apt_changed
        section apt-kept apt_kept
        section apt-unfinished apt_unfinished
    fi
}
