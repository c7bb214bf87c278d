# shellcheck shell=sh disable=SC2086,SC2154,SC2046,SC2012
# Lists this user's jobs. Argument: nonce. Lines: J state bytes seconds-since-its-start id result...
nonce=$1
exec 2>/dev/null
echo "@@fleetctl-jobs $nonce"
parent
if ours; then
	now=$(date +%s)
	for d in "$p"/*; do
		[ -d "$d" ] || continue
		epoch=0
		look
		result=-
		[ "$state" != ended ] || read -r result <"$d/result"
		set -- $(LC_ALL=C ls -ln "$d" | while read -r _ _ _ _ size _; do echo "${size:-0}"; done)
		bytes=0
		for size in "$@"; do bytes=$((bytes + size)); done
		age=-1
		[ "$epoch" -eq 0 ] || age=$((now - epoch))
		echo "J $state $bytes $age ${d##*/} $result"
	done
fi
echo "@@fleetctl-end $nonce"
