# Sets mode and owner of files whose content is right already.   $1 mode   $2 owner, or empty   stdin: paths, one a line
mode=$1 owner=$2
while IFS= read -r place; do
	{ [ -z "$owner" ] || chown -- "$owner" "$place"; } && { [ -z "$mode" ] || chmod -- "$mode" "$place"; } || exit 1
done
