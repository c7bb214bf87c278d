# shellcheck shell=sh disable=SC2086,SC2154,SC2046,SC2005,SC2034
# Ends every process of the invocation $tag: TERM, a second of grace, KILL.
# Needs /proc, grep, tr and sleep; busybox has them all. Says nothing; exit code 0 when it is proven that nothing is left, which is known
# after two seconds.

# This script and what it hangs on (its sshd, its sudo) are spared.
spared=" $$ "
up=$$
while [ "$up" -gt 1 ] && IFS= read -r stat 2>/dev/null <"/proc/$up/stat"; do
	stat=${stat##*") "}
	set -- $stat
	up=$2
	spared="$spared$up "
done

# Without /proc nobody sees an environment: what carries the tag as an argument, its process groups and its children are ended, and
# nothing is proven.
if [ ! -r "/proc/$$/stat" ]; then
	columns='-o pid= -o ppid= -o pgid= -o args='
	list=$(ps -A -ww $columns 2>/dev/null || ps -A $columns 2>/dev/null) || exit 1
	mine=" $$ " own=' ' found=' ' groups=' ' more=yes
	while [ "$more" ]; do
		more=
		while read -r pid up group words; do
			case $mine in *" $pid "*)
				case $mine in *" $up "*) ;; *) mine="$mine$up " more=yes ;; esac
				own="$own$group "
				continue
				;;
			esac
			case $found in *" $pid "*) continue ;; esac
			case " $words " in *" $tag "*) ;; *)
				case $found in *" $up "*) ;; *) continue ;; esac
				;;
			esac
			found="$found$pid " groups="$groups$group " more=yes
		done <<-END
			$list
		END
	done
	for signal in TERM KILL; do
		for group in $groups; do
			case $own in *" $group "*) ;; *) kill "-$signal" "-$group" 2>/dev/null ;; esac
		done
		for pid in $found; do
			case $mine in *" $pid "*) ;; *) kill "-$signal" "$pid" 2>/dev/null ;; esac
		done
		[ "$signal" = KILL ] || sleep 1
	done
	exit 1
fi

# GNU grep reads NUL-separated files in one go; the other way costs two processes for each one looked at.
if printf 'a\0b\0' | grep -qzxF b 2>/dev/null; then
	marked() {
		for file in $(grep -slzxF -e "$tag" /proc/[0-9]*/cmdline) \
			$(grep -slzxF -e "FLEETCTL_INVOCATION=$tag" /proc/[0-9]*/environ); do
			file=${file#/proc/}
			echo "${file%%/*}"
		done
	}
else
	marked() {
		for folder in /proc/[0-9]*; do
			for file in cmdline environ; do
				tr '\0' '\n' 2>/dev/null <"$folder/$file"
			done 2>/dev/null | grep -qxF -e "$tag" -e "FLEETCTL_INVOCATION=$tag" && echo "${folder#/proc/}"
		done
	}
fi

start_of() {
	IFS= read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
	set -- ${stat##*") "}
	start=${20}
}

# Finds $all. What was found once stays found though its parents are gone: sudo takes the environment away from its children.
# Parents come before children in no particular order, so look again until nothing new turns up.
known=
family() {
	found=" $(echo $(marked)) "
	for one in $known; do
		pid=${one%:*}
		case $found in *" $pid "*) continue ;; esac
		if start_of "$pid" && [ "$start" = "${one#*:}" ]; then found="$found$pid "; fi
	done
	more=yes
	while [ "$more" ]; do
		more=
		for folder in /proc/[0-9]*; do
			pid=${folder#/proc/}
			case $found in *" $pid "*) continue ;; esac
			IFS= read -r stat 2>/dev/null <"$folder/stat" || continue
			stat=${stat##*") "}
			set -- $stat
			case $found in *" $2 "*)
				found="$found$pid "
				more=yes
				;;
			esac
		done
	done
	all=
	for pid in $found; do
		case $spared in *" $pid "*) continue ;; esac
		all="$all $pid"
		case " $known" in *" $pid:"*) ;; *) start_of "$pid" && known="$known$pid:$start " ;; esac
	done
}

alive() {
	for pid in "$@"; do
		IFS= read -r stat 2>/dev/null <"/proc/$pid/stat" || continue
		case ${stat##*") "} in Z*) ;; *) return 0 ;; esac
	done
	return 1
}

family
[ "$all" ] || exit 0
kill -TERM $all 2>/dev/null
# A sleep that takes no fractions waits a second: once is enough then.
for wait in 1 2 3 4 5; do
	alive $all || break
	sleep 0.2 2>/dev/null || { sleep 1; break; }
done
# A process that was just being started may have hidden from a look: nothing is left when two see nothing.
clear=0
for look in 1 2 3 4 5 6; do
	family
	if alive $all; then
		clear=0
		kill -KILL $all 2>/dev/null
	else
		clear=$((clear + 1))
		[ "$clear" -lt 2 ] || exit 0
	fi
	sleep 0.05 2>/dev/null
done
exit 1
