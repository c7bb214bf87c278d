# What dnf and zypper have in common where packages are to be changed.

rpm_place() { # FOLDER...: who asks, what cannot be written, and how much is free, in KiB
    printf 'uid=%s\n' "$(id -u)"
    for rpm_path in "$@"; do
        while [ ! -d "$rpm_path" ]; do
            rpm_path=${rpm_path%/*}
            rpm_path=${rpm_path:-/}
        done
        df -Pk "$rpm_path" | {
            read -r _
            read -r _ _ _ rpm_free _ rpm_mount
            printf 'free=%s %s\n' "$rpm_free" "$rpm_mount"
            if [ "$(id -u)" = 0 ] && [ ! -w "$rpm_path" ]; then printf 'readonly=%s\n' "$rpm_mount"; fi
        }
    done
}

rpm_list() {
    (cd / && rpm -qa --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n') >"$own/unsorted" || return
    sort -u "$own/unsorted"
}

# Lines of packages that are gone, and behind a tabulator those that came.
rpm_changed() {
    rpm_list >"$own/after" || return
    comm -3 "$own/before" "$own/after"
}

# What is installed in more than one version, but for what may be.
rpm_doubled() { # FILE: names that may
    rpm_list >"$own/rpms" || return
    cut -f 1,3 "$own/rpms" | uniq -d | cut -f 1 | sort -u | while IFS= read -r rpm_name; do
        grep -qxF -- "$rpm_name" "$1" ||
            rpm -q --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n' "$rpm_name"
    done
    return 0
}

rpm_has_open() { # PID FILE
    for rpm_fd in "/proc/$1"/fd/*; do
        [ "$(readlink "$rpm_fd")" != "$2" ] || return 0
    done
    return 1
}

# Whoever holds one of these locks: its process and command line. Files that end in .pid hold the number of a process.
rpm_holder() { # FILE...
    for rpm_lock in "$@"; do
        [ -e "$rpm_lock" ] || continue
        case $rpm_lock in
            *.pid) rpm_pids=$(sed -n 's/^ *\([0-9][0-9]*\).*/\1/p' "$rpm_lock" 2>/dev/null) ;;
            *)
                rpm_inode=$(stat -c %i "$rpm_lock")
                rpm_pids=$(sed -n "s/^[0-9]*: [A-Z]*  *[A-Z]*  *WRITE \([0-9][0-9]*\) [^ ]*:$rpm_inode .*/\1/p" /proc/locks)
                ;;
        esac
        for rpm_pid in $rpm_pids; do
            [ -r "/proc/$rpm_pid/cmdline" ] || continue
            case $rpm_lock in
                # Left behind by a process that was killed, the number may be anybody's by now.
                *.pid) case $(cat "/proc/$rpm_pid/comm") in
                    dnf* | yum* | python* | platform-python* | packagekit* | [Zz]ypp* | [Yy]2* | [Yy]a[Ss][Tt]* | ruby*) ;;
                    *) continue ;;
                esac ;;
                # Another file system may have a file of that number.
                *) rpm_has_open "$rpm_pid" "$rpm_lock" || continue ;;
            esac
            printf '%s %s\n' "$rpm_pid" "$(tr '\0\n' '  ' <"/proc/$rpm_pid/cmdline")"
            return 0
        done
    done
}

rpm_wait() { # FILE...: until nobody holds one of these locks, or $rpm_who names nobody any more; says who does
    while rpm_held=$("${rpm_who:-rpm_holder}" "$@") && [ -n "$rpm_held" ]; do
        [ "$rpm_held" = "${rpm_told-}" ] || printf 'holder=%s\n' "$rpm_held"
        rpm_told=$rpm_held
        rpm_waited=$(($(date +%s) - rpm_begun))
        [ "$rpm_waited" -lt "$rpm_limit" ] || break
        sleep 1
    done
    printf 'waited=%s\n' "$rpm_waited"
    [ -z "$rpm_held" ]
}

# What would go, or go back, and is not among $rpm_granted. What a rehearsal that fails complains of the tool itself tells better.
rpm_beyond() { # COMMAND: prints the names of all that would
    "$1" >"$own/goes" 2>/dev/null
    rpm_code=$?
    while IFS= read -r rpm_name; do
        case " $rpm_granted " in
            *" $rpm_name "*) ;;
            *) printf '%s\n' "$rpm_name" ;;
        esac
    done <"$own/goes" >"$own/beyond"
    cat "$own/beyond"
    return "$rpm_code"
}

# Run a tool when nobody holds its locks; again where somebody was quicker.
rpm_apply() { # SECONDS CODE COMMAND REHEARSAL FILE...: CODE is what the tool exits with where it finds its lock taken
    rpm_limit=$1 rpm_locked=$2 rpm_tool=$3 rpm_rehearsal=$4 rpm_try=0 rpm_waited=0 rpm_begun=$(date +%s)
    shift 4
    own_folder || return
    while :; do
        rpm_try=$((rpm_try + 1))
        section "rpm-wait-$rpm_try" rpm_wait "$@"
        rpm_list >"$own/before" || return
        [ "$section_code" = 0 ] || break
        section "rpm-beyond-$rpm_try" rpm_beyond "$rpm_rehearsal"
        [ ! -s "$own/beyond" ] || break
        [ "$section_code" = "$rpm_locked" ] || section "rpm-apply-$rpm_try" "$rpm_tool"
        [ "$section_code" = "$rpm_locked" ] && [ $(($(date +%s) - rpm_begun)) -lt "$rpm_limit" ] || break
        sleep 1
    done
    section rpm-changed rpm_changed
}
