# shellcheck shell=sh disable=SC2086,SC2154,SC2094,SC1090,SC3040
# Runs one detached job and writes down how it ended. Arguments: directory, how it was started, nonce of who started it.
# However often it is started, one claims the job. It must not carry the job's tag: whoever ends the job wants its result.
fj_dir=$1 fj_manager=$2 fj_nonce=$3
# The environment, folder and umask of the session that ordered the job, and the command as fj_line.
. "$fj_dir/env.$fj_nonce" || exit 0
rm -f "$fj_dir/env.$fj_nonce"
fj_run=$fj_line fj_folder=$fj_cwd fj_umask=$fj_mask
unset fj_line fj_cwd fj_mask
umask 077
fj_nap() { sleep "$1" 2>/dev/null || sleep 1; }

exec 4<"$fj_dir/in.$fj_nonce" || exit 0
fj_boot=- fj_born=-
{ IFS= read -r fj_boot </proc/sys/kernel/random/boot_id; } 2>/dev/null || fj_boot=-
if { IFS= read -r fj_born <"/proc/$$/stat"; } 2>/dev/null; then
	fj_born=${fj_born##*") "}
	set -- $fj_born
	fj_born=${20}
else
	fj_born=-
fi
fj_claim="$fj_manager $fj_boot $$ $fj_born $(date +%s) $fj_nonce"
echo "$fj_claim" >"$fj_dir/claim.$fj_nonce"
fj_read=
IFS= read -r fj_read <"$fj_dir/claim.$fj_nonce"
# Room for the result is taken before the job can fill the disk.
echo "----------------------------------------------------------------" >"$fj_dir/result.$fj_nonce" &&
	[ "$fj_read" = "$fj_claim" ] && ln "$fj_dir/claim.$fj_nonce" "$fj_dir/claimed" 2>/dev/null || {
	rm -f "$fj_dir/in.$fj_nonce" "$fj_dir/claim.$fj_nonce" "$fj_dir/result.$fj_nonce"
	exit 0
}
# What the job is given may be secret: it is open here, and on disk no more.
rm -f "$fj_dir"/in.* "$fj_dir"/env.* "$fj_dir"/claim.*

# Pipes, not files: `echo x >/dev/stderr` would cut a file off. When the disk is full the job goes on and its output is lost.
fj_pump() {
	cat >>"$fj_dir/$1" 2>/dev/null || {
		rm -f "$fj_dir/whole"
		cat >/dev/null
	}
	rm -f "$fj_dir/$1.open"
}
if mkfifo "$fj_dir/o" "$fj_dir/e" 2>/dev/null; then
	: >"$fj_dir/stdout.open"
	: >"$fj_dir/stderr.open"
	fj_pump stdout <"$fj_dir/o" 4<&- &
	fj_pump stderr <"$fj_dir/e" 4<&- &
	exec 5>"$fj_dir/o" 6>"$fj_dir/e"
else
	exec 5>>"$fj_dir/stdout" 6>>"$fj_dir/stderr"
fi
rm -f "$fj_dir/o" "$fj_dir/e"

# A session of its own: a job that says `kill 0` means itself.
fj_own=
command -v setsid >/dev/null 2>&1 && fj_own=setsid
cd "$fj_folder" 2>/dev/null || cd /
# bash as sh says nothing of signals in a subshell.
[ "${BASH_VERSION-}" ] && set +o posix
# `$?` alone does not tell `exit 137` from KILL: for a signal the shell also says something.
fj_said=$(
	umask "$fj_umask"
	# Subshells, not braces: dash would say it where the command's own stderr goes, and bash not at all.
	(
		(
			exec <&4 >&5 2>&6 4<&- 5>&- 6>&-
			exec $fj_own sh -c 'echo "$$" 2>/dev/null >"$1/pid"; eval "$2"' sh "$fj_dir" "$fj_run"
		)
		echo "$?"
		:
	) 2>&1
)
exec 4<&- 5>&- 6>&-
fj_code=${fj_said##*
}
fj_end="exit $fj_code"
fj_number=0
if [ "$fj_code" -gt 256 ]; then # ksh93
	fj_number=$((fj_code - 256))
elif [ "$fj_code" -gt 128 ] && [ "$fj_said" != "$fj_code" ]; then
	fj_number=$((fj_code - 128))
fi
if [ "$fj_number" -gt 0 ]; then
	fj_name=$(kill -l "$fj_number" 2>/dev/null) || fj_name=$fj_number
	fj_end="signal ${fj_name#SIG}"
fi

# What the job left running may hold its output open for ever: wait for the last bytes, not for that.
fj_still=0 fj_before=
while [ "$fj_still" -lt 20 ] && { [ -e "$fj_dir/stdout.open" ] || [ -e "$fj_dir/stderr.open" ]; }; do
	sleep 0.05 2>/dev/null || { sleep 1; fj_still=20; }
	fj_now=$(ls -ln "$fj_dir/stdout" "$fj_dir/stderr" 2>/dev/null)
	if [ "$fj_now" = "$fj_before" ]; then fj_still=$((fj_still + 1)); else fj_still=0; fi
	fj_before=$fj_now
done
[ "$fj_code" ] || exit 0
echo "$fj_end" 1<>"$fj_dir/result.$fj_nonce"
sync -d "$fj_dir/result.$fj_nonce" >/dev/null 2>&1
mv -f "$fj_dir/result.$fj_nonce" "$fj_dir/result"
rm -f "$fj_dir"/in.* "$fj_dir"/env.* "$fj_dir"/claim.* "$fj_dir"/result.*
