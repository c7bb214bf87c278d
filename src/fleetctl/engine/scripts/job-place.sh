# shellcheck shell=sh disable=SC2086,SC2034,SC2154,SC2046
# Where detached jobs lie on a host, and how one of them does. Every script about jobs begins with this text.
# State of a job: none (no directory), open (nobody claimed it), running, ended, never (claimed so that it cannot start),
# rebooted and gone (no result, and nobody left who could write one).

nap() { sleep "$1" 2>/dev/null || sleep 1; }

# Sets $base and $p, the directory of this user's jobs. /tmp only where there is no /var/tmp.
parent() {
	uid=$(id -u)
	base=/var/tmp
	if [ ! -d "$base" ]; then base=/tmp; fi
	p=$base/fleetctl-$uid
}

# Whether $p is there and nobody else's: in a folder that all may write to, a stranger may have made it.
ours() {
	set -- $(LC_ALL=C ls -ldn "$p" 2>/dev/null)
	case $1 in d*) [ "$3" = "$uid" ] ;; *) return 1 ;; esac
}

# Sets $d for a job's id.
place() {
	case $1 in '' | .* | -* | */*) exit 64 ;; esac
	d=$p/$1
}

boot_now() {
	boot=-
	IFS= read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id || boot=-
}

# Whether the supervisor is there, as $pid, begun at that tick: pids are used again.
lives() {
	if [ -e "/proc/$$/stat" ]; then
		{ IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
		want=$2
		stat=${stat##*") "}
		set -- $stat
		[ "$1" != Z ] || return 1
		[ "${20}" = "$want" ] && return 0
		# The kernel counts ticks by the reader's time namespace; what it runs tells as well.
		tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -e "$d/supervise"
	else
		kill -0 "$1" 2>/dev/null
	fi
}

# Sets $state, and what is known of the supervisor.
look() {
	state=none
	[ -d "$d" ] || return 0
	state=open
	[ -e "$d/claimed" ] || return 0
	manager=- was=- pid=0 born=- epoch=0 by=-
	read -r manager was pid born epoch by <"$d/claimed"
	state=ended
	[ -e "$d/result" ] && return 0
	if [ "$manager" = none ]; then
		state=never
		return 0
	fi
	state=running
	boot_now
	if [ "$was" != "$boot" ]; then
		state=rebooted
	elif ! lives "$pid" "$born"; then
		state=gone
	fi
	# It may have ended between the two looks.
	[ "$state" != running ] && [ -e "$d/result" ] && state=ended
	return 0
}

# Takes a job's place so that it can never start; whoever links the name first has it.
forbid() {
	echo "none - 0 - $(date +%s) $1" >"$d/claim.$1" || return 1
	ln "$d/claim.$1" "$d/claimed" 2>/dev/null
	rm -f "$d/claim.$1"
	[ -e "$d/claimed" ]
}
