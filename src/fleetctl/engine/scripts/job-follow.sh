# shellcheck shell=sh disable=SC2086,SC2154,SC2034,SC2046
# Starts a detached job unless it is there, then prints what it printed until it ends, in frames (`fleetctl.engine.job_frames`).
# Arguments: id, nonce, yes if it must be there, leave if it is only to be started, offsets into stdout and stderr, unit name, bytes of input, supervisor, command
# line, pieces of the input; the rest of the input is stdin.
session=$(
	unset FLEETCTL_INVOCATION
	fj_cwd=$(pwd) fj_mask=$(umask) fj_line=$9
	export fj_cwd fj_mask fj_line
	export -p
)
id=$1 nonce=$2 must=$3 out=$4 err=$5 unit=$6 size=$7 supervisor=$8
shift 9
umask 077
exec 2>/dev/null
say() { echo "$*" || exit 1; }
# Ends it, unless somebody else started the job meanwhile, who then took what we were laying out.
launching=''
unusable() {
	if [ "$launching" ] && [ -e "$d/claimed" ]; then
		launching=''
		attend
	else
		say "P $*"
	fi
	exit 0
}
# Why a folder could not be made, or a file written, in one word.
why() {
	case $1 in
	*ead-only*) unusable read-only "$base" ;;
	*o\ space* | *uota*) unusable full "$base" ;;
	*) unusable denied "$base" ;;
	esac
}

prepare() {
	# More than once: whoever removes the last job takes the parent along.
	for try in 1 2 3; do
		ours || told=$(LC_ALL=C mkdir "$p" 2>&1) || ours || why "$told"
		told=$(LC_ALL=C mkdir "$d" 2>&1)
		[ ! -d "$d" ] || break
	done
	[ -d "$d" ] || why "$told"
	chmod 700 "$p" || why "$(LC_ALL=C chmod 700 "$p" 2>&1)"
	set -- $(LC_ALL=C df -Pk "$p" | tail -n 1)
	case $4 in
	'' | *[!0-9]*) ;;
	*)
		need=$((10240 + size / 1024))
		[ "$4" -ge "$need" ] || unusable space "$base" "$4" "$need"
		;;
	esac
	for file in stdout stderr whole; do
		[ -e "$d/$file" ] || : >>"$d/$file" || unusable full "$base"
	done
}

# Whether anybody still listens. A start whose controller was lost must not come late: another controller may have followed the same job to
# its end and cleared it away, and then nothing here would tell that it ran. In a shell of its own: the job must not inherit the trap.
listened() { (trap '' PIPE && echo K); }

launch() {
	for piece in "$@"; do printf %s "$piece"; done >"$d/in.$nonce" || unusable full "$base"
	cat >>"$d/in.$nonce"
	set -- $(wc -c <"$d/in.$nonce") 0
	if [ "$1" -ne "$size" ]; then
		rm -f "$d/in.$nonce"
		unusable short "$1" "$size"
	fi
	printf '%s\n' "$supervisor" >"$d/supervise.$nonce" && mv -f "$d/supervise.$nonce" "$d/supervise" || unusable full "$base"
	sh=$(command -v sh) env=$(command -v env)
	if ! listened; then
		rm -f "$d/in.$nonce"
		exit 1
	fi
	systemd || plainly
	waited=0
	while [ ! -e "$d/claimed" ] && [ "$waited" -lt 400 ]; do
		if sleep 0.02; then waited=$((waited + 1)); else sleep 1 && waited=$((waited + 20)); fi
	done
	[ -e "$d/claimed" ] || forbid "$nonce" || unusable unstarted
}

remember() { printf '%s\n' "$session" >"$d/env.$nonce" || unusable full "$base"; }

# A unit of its own outlives the session, whatever logind does with sessions that end. Oldest systemd last.
systemd() {
	[ -d /run/systemd/system ] && command -v systemd-run >/dev/null || return 1
	user=
	if [ "$uid" -ne 0 ]; then
		[ -e "/var/lib/systemd/linger/$(id -un)" ] && [ -S "/run/user/$uid/systemd/private" ] || return 1
		user=--user
		XDG_RUNTIME_DIR=/run/user/$uid
		export XDG_RUNTIME_DIR
	fi
	for more in '--collect -p OOMPolicy=continue' '--collect' ''; do
		remember
		systemd-run $user --quiet --unit="$unit" $more -p KillMode=process \
			"$env" -i "$sh" "$d/supervise" "$d" systemd "$nonce" </dev/null >/dev/null && return 0
		[ ! -e "$d/claimed" ] || return 0
	done
	return 1
}

# The second setsid leads a group already, so it forks: a grandchild that init looks after, with all signals as they were.
plainly() {
	remember
	if setsid=$(command -v setsid); then
		"$env" -i "$setsid" "$setsid" "$sh" "$d/supervise" "$d" setsid "$nonce" </dev/null >/dev/null 2>&1
	else
		(nohup "$env" -i "$sh" "$d/supervise" "$d" plain "$nonce" </dev/null >/dev/null 2>&1 &)
	fi
}

send() {
	while [ "$3" -lt "$4" ]; do
		n=$(($4 - $3))
		[ "$n" -le 1048576 ] || n=1048576
		say "$1 $n"
		dd bs="$n" count=1 <&"$2" || exit 1
		set -- "$1" "$2" $(($3 + n)) "$4"
	done
}

# Sets a descriptor's place without reading what is before it.
seek() {
	[ "$2" -eq 0 ] || dd bs=1 skip=$(($2 - 1)) count=1 <&"$1" >/dev/null
}

follow() {
	exec 5<"$d/stdout" 6<"$d/stderr"
	seek 5 "$out"
	seek 6 "$err"
	pause=0.05 quiet=0
	while :; do
		look # before the sizes: when it has ended, what it printed is all there
		[ "$state" != none ] && [ -e "$d/stdout" ] || {
			say "L missing"
			return
		}
		# In this order: ls sorts. GNU and busybox, unlike wc, do not read the files for it.
		set -- $(LC_ALL=C ls -ln "$d/stderr" "$d/stdout")
		if [ "${14}" -lt "$out" ] || [ "$5" -lt "$err" ]; then
			say "L changed"
			return
		fi
		if [ "${14}" -gt "$out" ] || [ "$5" -gt "$err" ]; then
			send O 5 "$out" "${14}"
			send E 6 "$err" "$5"
			out=${14} err=$5 pause=0.05 quiet=0
		elif [ "$state" != running ]; then
			finish
			return
		fi
		[ "$state" = running ] || continue
		nap "$pause"
		quiet=$((quiet + 1))
		case $quiet in 4) pause=0.1 ;; 8) pause=0.2 ;; 14) pause=0.5 ;; 20) pause=1 ;; esac
		# Where nobody listens any more, this ends us.
		[ $((quiet % 10)) -ne 0 ] || say K
	done
}

finish() {
	case $state in
	ended)
		[ -e "$d/whole" ] || say C
		kind='' value=''
		read -r kind value <"$d/result"
		say "X $kind $value"
		;;
	*) say "L $state" ;;
	esac
}

attend() {
	exec </dev/null
	look
	new=0
	[ "$by" != "$nonce" ] || new=1
	if [ "$state" = never ]; then
		[ "$new" -eq 0 ] || unusable unstarted
		unusable never
	fi
	say "S $manager $was $pid $new"
	[ "$must" = leave ] || follow
}

say "@@fleetctl-job $nonce"
parent
place "$id"
if [ -e "$p" ] || [ -L "$p" ]; then ours || unusable foreign "$p"; fi
look
case $state in
none | open)
	if [ "$must" = yes ]; then
		say "L missing"
		exit 0
	fi
	listened || exit 1
	launching=yes
	prepare
	launch "$@"
	launching=''
	;;
esac
attend
