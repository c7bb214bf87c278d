# Tell what is installed here and what could be: POSIX sh only, and nothing is written on this host.
# (No here-documents either: some shells keep them in temporary files.)
#
# Each section is framed alike on stdout and stderr, so that errors stay with what caused them:
#   @@fleetctl NAME begin
#   ... what the native tool printed ...
#   @@fleetctl NAME end EXITCODE
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL
unset LANGUAGE LANG GREP_OPTIONS

section() { # NAME COMMAND ARGS...
    section_name=$1
    shift
    printf '\n@@fleetctl %s begin\n' "$section_name"
    printf '\n@@fleetctl %s begin\n' "$section_name" >&2
    "$@" </dev/null
    section_code=$?
    printf '\n@@fleetctl %s end %s\n' "$section_name" "$section_code"
    printf '\n@@fleetctl %s end %s\n' "$section_name" "$section_code" >&2
}

have() { command -v "$1" >/dev/null 2>&1; }

# Some tools keep logs and caches even when they only answer. What they write goes to a folder in memory that leaves with us.
own=
own_folder() {
    [ -z "$own" ] || return 0
    own=$(umask 077 && { mktemp -d /dev/shm/fleetctl.XXXXXX 2>/dev/null || mktemp -d "${TMPDIR:-/tmp}/fleetctl.XXXXXX"; }) || return
    trap 'rm -rf "$own"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

os_release() {
    if [ -r /etc/os-release ]; then cat /etc/os-release; else cat /usr/lib/os-release; fi
}

host_facts() {
    printf 'kernel=%s\n' "$(uname -r)"
    printf 'kernel_build=%s\n' "$(uname -v)"
    printf 'machine=%s\n' "$(uname -m)"
    printf 'node=%s\n' "$(uname -n)"
    printf 'uid=%s\n' "$(id -u)"
    printf 'time=%s\n' "$(date -u +%s)"
    [ -r /proc/sys/kernel/random/boot_id ] && printf 'boot_id=%s\n' "$(cat /proc/sys/kernel/random/boot_id)"
    [ -r /proc/uptime ] && read -r up _ </proc/uptime && printf 'uptime=%s\n' "${up%%.*}"
    [ -r /proc/version_signature ] && printf 'version_signature=%s\n' "$(cat /proc/version_signature)"
    printf 'virtualisation=%s\n' "$(virtualisation)"
}

virtualisation() {
    if have systemd-detect-virt; then
        systemd-detect-virt 2>/dev/null
    elif [ -e /.dockerenv ]; then
        echo docker
    elif [ -e /run/.containerenv ]; then
        echo podman
    fi
}

ids=$(if [ -r /etc/os-release ]; then . /etc/os-release; elif [ -r /usr/lib/os-release ]; then . /usr/lib/os-release; fi >/dev/null 2>&1
    printf '%s %s' "${ID:-}" "${ID_LIKE:-}")

section os-release os_release
section facts host_facts

#@fleetctl-managers

section manager printf '%s\n' "${manager:-none}"
[ -z "${manager:-}" ] || "scan_$manager"
printf '\n@@fleetctl done\n'
exit 0
