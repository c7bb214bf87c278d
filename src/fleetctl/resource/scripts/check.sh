# Tell how things stand on this host: POSIX sh only, and nothing is written.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
unset LANGUAGE LANG GREP_OPTIONS

# Each check is framed; each of its lines is marked, so that nothing in it can be taken for a frame. Its last line is `=EXITCODE`.
look() { # NAME COMMAND ARGS...
    look_name=$1
    shift
    printf '@@fleetctl %s begin\n' "$look_name"
    { "$@"; printf '\n=%s\n' "$?"; } </dev/null 2>&1 | sed 's/^/|/'
    printf '\n@@fleetctl %s end 0\n' "$look_name"
}

have() { command -v "$1" >/dev/null 2>&1; }

# A value is one line, whatever it holds.
fact() { # KEY VALUE
    case $2 in
    *"$newline"*) printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')" ;;
    *) printf '%s=%s\n' "$1" "$2" ;;
    esac
}
newline='
'

# Whether this shell may look where a path would be: 0 yes; else a folder on the way is closed to it.
reachable() { # PATH
    reachable_at=$1
    while [ -n "$reachable_at" ] && [ "$reachable_at" != / ]; do
        reachable_at=${reachable_at%/*}
        [ -d "${reachable_at:-/}" ] || continue
        [ -x "${reachable_at:-/}" ]
        return
    done
    return 0
}

system() {
    if [ -r /etc/os-release ]; then cat /etc/os-release; else cat /usr/lib/os-release; fi
    printf 'FLEETCTL_KERNEL=%s\n' "$(uname -s)"
    printf 'FLEETCTL_UID=%s\n' "$(id -u)"
}

# The words by which a policy can name this system: debian, debian-12, rhel, el9 ...
system_words=$(
    { if [ -r /etc/os-release ]; then . /etc/os-release; elif [ -r /usr/lib/os-release ]; then . /usr/lib/os-release; fi; } >/dev/null 2>&1
    printf ' %s %s' "${ID:-}" "${ID_LIKE:-}"
    [ -z "${ID:-}" ] || [ -z "${VERSION_ID:-}" ] || printf ' %s-%s %s-%s' "$ID" "$VERSION_ID" "$ID" "${VERSION_ID%%.*}"
    printf ' %s ' "$(uname -s | tr '[:upper:]' '[:lower:]')"
)
system_is() { # WORD...
    for system_word in "$@"; do
        case $system_words in *" $system_word "*) return 0 ;; esac
    done
    return 1
}

look system system
