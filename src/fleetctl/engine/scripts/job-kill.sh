# shellcheck shell=sh disable=SC2086,SC2154,SC2034
# Ends a detached job with all its processes, and sees to it that it never starts. Arguments: id, nonce.
id=$1 nonce=$2
umask 077
exec 2>/dev/null
end_tree() {
	(
		: KILL-SCRIPT
	)
}
done_with() {
	echo "@@fleetctl-killed $nonce"
	exit 0
}

parent
place "$id"
[ ! -e "$p" ] || ours || exit 1
look
case $state in
none | open)
	[ -d "$d" ] || mkdir -p "$d" || exit 1
	ours || exit 1
	forbid "$nonce" || exit 1
	rm -f "$d"/in.* "$d"/env.*
	look
	;;
esac
[ "$state" != never ] || done_with

if [ ! -e "/proc/$$/stat" ]; then
	# Without /proc there is no proof: what `ps` shows of the tree, and the job's own group.
	end_tree
	IFS= read -r group <"$d/pid" || exit 1
	kill -TERM "-$group" || kill -TERM "$group"
	nap 1
	kill -KILL "-$group" || kill -KILL "$group"
	exit 1
fi
# The job may be about to start when its tree is looked for: only with its supervisor's last word is the tree whole.
for try in 1 2 3 4 5; do
	end_tree && proven=yes || proven=no
	for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
		look
		[ "$state" = running ] || break
		sleep 0.1 || { sleep 1; break; }
	done
	if [ "$state" != running ]; then
		end_tree && done_with
	fi
done
exit 1
