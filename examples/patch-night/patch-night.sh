#!/bin/sh
# A patch night: look, plan, install in waves behind a gate, look again, report.
#
#   ./patch-night.sh [TARGETS]        default: all
#
# Settings, in the environment:
#   WAVES    how many hosts are done after each wave           1,10%,100%
#   GATE     must succeed on the hosts of a wave, or the night ends there
#   BAKE     wait between a wave and its gate                   5m
#   REBOOT   if-needed, never, always                           if-needed
#   MAX_AGE  days; hosts with older package lists are not compliant   3
#   REPORTS  where reports go                                   reports/DATE
#
# Exit code: that of the gravest of its steps. 0 all compliant; 5 not compliant; 4 hosts unreachable; 3 a host failed or could not be
# judged; 7 a gate was red, waves were left; 2 it could not begin; 130 interrupted.
set -u
cd "$(dirname "$0")" || exit 2

targets=${1:-all}
waves=${WAVES:-1,10%,100%}
gate=${GATE:-systemctl is-active ssh sshd}
bake=${BAKE:-5m}
reports=${REPORTS:-reports/$(date +%Y-%m-%d)}
plan=$reports/night.plan
mkdir -p "$reports" || exit 2

worst=0

say() { printf '%s patch-night: %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

rank() {
  case $1 in 0) echo 0 ;; 5) echo 1 ;; 4) echo 2 ;; 3) echo 3 ;; 7) echo 4 ;; *) echo 5 ;; esac
}

remember() {
  if [ "$(rank "$1")" -gt "$(rank "$worst")" ]; then worst=$1; fi
}

# 1, 2 and 130 are about fleetctl itself or its operator, not about hosts: nothing more is begun.
stop_if_it_could_not_work() {
  case $2 in
    1 | 2 | 126 | 127 | 130) say "$1 ended with $2: stopping here"; exit "$2" ;;
  esac
}

say "looking at $targets, with fresh package lists"
fleetctl patch scan "$targets" --refresh --quiet
code=$?
stop_if_it_could_not_work scan "$code"
# Of 3 and 4 nothing is remembered yet: the look at the end says it again of hosts where it is still so.

say "planning"
fleetctl patch plan "$targets" --output "$plan"
code=$?
stop_if_it_could_not_work plan "$code"
# 0: nothing to install. 6: something. 3, 4: some hosts could not be planned; the others are in the plan.
if [ "$code" -eq 3 ] || [ "$code" -eq 4 ]; then remember "$code"; fi

if [ "$code" -ne 0 ]; then
  say "installing in waves of $waves"
  fleetctl patch install "$plan" --yes --waves "$waves" --bake "$bake" --gate "$gate" --reboot "${REBOOT:-if-needed}" \
    --comment "patch night" --format junit --output "$reports/install.xml"
  code=$?
  stop_if_it_could_not_work install "$code"
  if [ "$code" -eq 7 ]; then
    say "a gate was red: the waves after it were not begun. See: fleetctl runs show last; go on with: fleetctl runs resume last"
  fi
  # Whether hosts are compliant is for the look at all of them to say.
  if [ "$code" -ne 5 ]; then remember "$code"; fi
fi

say "looking again"
fleetctl patch scan "$targets" --max-metadata-age "${MAX_AGE:-3}"
code=$?
stop_if_it_could_not_work scan "$code"
remember "$code"
fleetctl compliance check "$targets" --become --quiet > "$reports/policies.txt"
code=$?
stop_if_it_could_not_work "compliance check" "$code"
remember "$code"

# The kept reports in the forms that others read; no host is asked again.
for form in html:html junit:xml sarif:sarif; do
  fleetctl compliance report --quiet --type Patch --format "${form%:*}" --output "$reports/patches.${form#*:}" || remember $?
  fleetctl compliance report --quiet --type Custom:policy --format "${form%:*}" --output "$reports/policies.${form#*:}" || remember $?
done

say "done, exit code $worst; reports: $reports"
exit "$worst"
