# What package managers have in common where packages are to be changed: the place, and locks.

host_place() { # FOLDER...: who asks, what cannot be written, and how much is free, in KiB
    printf 'uid=%s\n' "$(id -u)"
    for host_path in "$@"; do
        while [ ! -d "$host_path" ]; do
            host_path=${host_path%/*}
            host_path=${host_path:-/}
        done
        df -Pk "$host_path" | {
            read -r _
            read -r _ _ _ host_free _ host_mount
            printf 'free=%s %s\n' "$host_free" "$host_mount"
            if [ "$(id -u)" = 0 ] && [ ! -w "$host_path" ]; then printf 'readonly=%s\n' "$host_mount"; fi
        }
    done
}

lock_has_open() { # PID FILE
    for lock_fd in "/proc/$1"/fd/*; do
        [ "$(readlink "$lock_fd")" != "$2" ] || return 0
    done
    return 1
}

# Whoever holds one of these locks: its process and command line. Files that end in .pid hold the number of a process.
lock_holder() { # FILE...
    for lock_path in "$@"; do
        [ -e "$lock_path" ] || continue
        case $lock_path in
            *.pid) lock_pids=$(sed -n 's/^ *\([0-9][0-9]*\).*/\1/p' "$lock_path" 2>/dev/null) ;;
            *)
                lock_inode=$(stat -c %i "$lock_path")
                lock_pids=$(sed -n "s/^[0-9]*: [A-Z]*  *[A-Z]*  *WRITE \([0-9][0-9]*\) [^ ]*:$lock_inode .*/\1/p" /proc/locks)
                ;;
        esac
        for lock_pid in $lock_pids; do
            [ -r "/proc/$lock_pid/cmdline" ] || continue
            case $lock_path in
                # Left behind by a process that was killed, the number may be anybody's by now.
                *.pid) case $(cat "/proc/$lock_pid/comm") in
                    dnf* | yum* | python* | platform-python* | packagekit* | [Zz]ypp* | [Yy]2* | [Yy]a[Ss][Tt]* | ruby*) ;;
                    *) continue ;;
                esac ;;
                # Another file system may have a file of that number.
                *) lock_has_open "$lock_pid" "$lock_path" || continue ;;
            esac
            printf '%s %s\n' "$lock_pid" "$(tr '\0\n' '  ' <"/proc/$lock_pid/cmdline")"
            return 0
        done
    done
}

lock_wait() { # FILE...: until nobody holds one of these locks, or $lock_who names nobody any more; says who does
    while lock_held=$("${lock_who:-lock_holder}" "$@") && [ -n "$lock_held" ]; do
        [ "$lock_held" = "${lock_told-}" ] || printf 'holder=%s\n' "$lock_held"
        lock_told=$lock_held
        lock_waited=$(($(date +%s) - lock_begun))
        [ "$lock_waited" -lt "$lock_limit" ] || break
        sleep 1
    done
    printf 'waited=%s\n' "$lock_waited"
    [ -z "$lock_held" ]
}
