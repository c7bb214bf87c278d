# Ask for a reboot. What speaks against it is told as one line: refused=WHY. Then nothing was done.
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL

refuse() {
    printf 'refused=%s\n' "$(printf '%s' "$1" | tr '\n' ' ')"
    exit 1
}

# Another run's detached job would be lost. Jobs of one run share the time with which their names begin.
others() {
    own=${FLEETCTL_INVOCATION-}
    for d in /var/tmp/fleetctl-*/*; do
        [ -e "$d/claimed" ] && [ ! -e "$d/result" ] || continue
        job=${d##*/}
        [ "${job%%-*}" != "${own%%-*}" ] || continue
        read -r manager boot pid rest <"$d/claimed" || continue
        [ "$manager" != none ] || continue
        case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
            *"$d/supervise"*) echo "$job"; return ;;
        esac
    done
}

[ "$(id -u)" = 0 ] || refuse "root: $(id -un 2>/dev/null) may not reboot it"
job=$(others)
[ -z "$job" ] || refuse "busy: a detached job of another run is at work there: $job"

if [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; then
    # Before systemd 257 root is not held up by inhibitors; whoever holds one is in the middle of something.
    # A line is: who (any words), user id, user, process id, process, what, why (any words), mode.
    held=$(systemd-inhibit --list --mode=block --no-pager 2>/dev/null </dev/null |
        awk '{
            for (i = 2; i + 5 <= NF; i++)
                if ($i ~ /^[0-9]+$/ && $(i + 2) ~ /^[0-9]+$/ && (":" $(i + 4) ":") ~ /:shutdown:/ && $NF == "block") {
                    who = $1; for (j = 2; j < i; j++) who = who " " $j
                    why = $(i + 5); for (j = i + 6; j < NF; j++) why = why " " $j
                    print who " (process " $(i + 2) "): " why
                    exit
                }
        }')
    [ -z "$held" ] || refuse "inhibited: $held"
    said=$(systemctl reboot 2>&1 </dev/null) || refuse "systemctl: $said"
elif command -v shutdown >/dev/null 2>&1; then
    said=$(shutdown -r now 2>&1 </dev/null) || refuse "shutdown: $said"
elif command -v reboot >/dev/null 2>&1; then
    said=$(reboot 2>&1 </dev/null) || refuse "reboot: $said"
else
    refuse "program: it has neither systemctl, shutdown nor reboot"
fi
echo asked=
