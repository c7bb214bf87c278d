# Tell which boot of the host this is, and how it stands: name=value lines, `end=` last.
# $1: "wait" waits until systemd has finished starting; nothing: as it is now.
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL

starting() {
    state=$(systemctl is-system-running 2>/dev/null </dev/null)
    case $state in
        '' | initializing | starting) return 0 ;;
    esac
    return 1
}

state=
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
    if [ "${1-}" = wait ]; then
        while starting; do
            systemctl is-system-running --wait >/dev/null 2>&1 </dev/null
            starting || break
            sleep 2 # systemd before 240 does not wait: it answers at once
        done
    else
        starting
    fi
    systemctl --failed --no-legend --no-pager --full 2>/dev/null </dev/null |
        while read -r unit second _; do
            case $unit in
                [!A-Za-z0-9_-]*) unit=$second ;; # a dot in front, where systemd likes to draw
            esac
            [ -z "$unit" ] || printf 'failed=%s\n' "$unit"
        done
    case $state in
        '' | initializing | starting | stopping)
            systemctl list-jobs --no-legend --no-pager --full 2>/dev/null </dev/null |
                while read -r _ unit _ how; do
                    [ "$how" != running ] || printf 'job=%s\n' "$unit"
                done
            ;;
    esac
fi
printf 'state=%s\n' "$state"

# macOS has no /proc; other systems tell no boot from the next.
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) ||
    boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null)
printf 'boot=%s\n' "$boot"

# When process 1 began: some containers show the boot id of the machine below, which stays.
line=
{ read -r line </proc/1/stat; } 2>/dev/null
if [ -n "$line" ]; then
    # shellcheck disable=SC2086 # it is a list of words
    set -- ${line##*) }
    [ $# -lt 20 ] || { shift 19; printf 'init=%s\n' "$1"; }
fi
echo end=
