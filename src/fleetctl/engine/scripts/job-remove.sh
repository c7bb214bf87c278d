# shellcheck shell=sh disable=SC2086,SC2154
# Removes directories of jobs that do not run. Arguments: nonce, ids. Says `R id` for each that is gone, `N id` for each that is not.
nonce=$1
shift
umask 077
exec 2>/dev/null
echo "@@fleetctl-jobs $nonce"
parent
ours || p=
for id in "$@"; do
	place "$id"
	if [ ! "$p" ] || [ ! -e "$d" ]; then
		echo "R $id"
		continue
	fi
	look
	if [ "$state" = open ]; then # it must not start while it goes
		forbid "$nonce"
		look
	fi
	# Out of sight in one step: half a directory must never look like a job that did not start.
	case $state in
	ended | never | rebooted | gone) mv "$d" "$p/.gone.$nonce.$id" && rm -rf "$p/.gone.$nonce.$id" ;;
	esac
	if [ -e "$d" ]; then echo "N $id"; else echo "R $id"; fi
done
if [ "$p" ]; then
	rm -rf "$p"/.gone.*
	rmdir "$p"
fi
echo "@@fleetctl-end $nonce"
