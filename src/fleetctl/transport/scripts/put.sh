# shellcheck shell=sh disable=SC2088
# Takes a file from stdin and puts it in place, whole or not at all.
# Arguments: target, name of the source, size, sha256 or nothing, mode of the source, mode wanted or nothing, owner or nothing.
target=$1 name=$2 size=$3 sum=$4 source_mode=$5 mode=$6 owner=$7
say() { printf 'fleetctl: %s\n' "$1" >&2; exit 1; }

case $target in
'~/'*) target=${HOME-/}/${target#'~/'} ;;
/*) ;;
*) target=./$target ;;
esac
if [ -d "$target" ]; then
	target=${target%/}/$name
else
	case $target in */) say "there is no folder $target" ;; esac
fi
[ -d "$target" ] && say "$target is a folder"
# As cp does: what a link points to is replaced, not the link.
if [ -L "$target" ]; then
	real=$(readlink -f "$target") && [ "$real" ] || say "$target is a link to nowhere"
	target=$real
fi
if [ -e "$target" ] && [ ! -f "$target" ]; then say "$target is not a file"; fi
folder=${target%/*}
[ "$folder" ] || folder=/
[ -d "$folder" ] || say "there is no folder $folder"

part=$folder/.${target##*/}.fleetctl.$$
# A pipe or device that somebody laid out under this name must get nothing of the file; noclobber lets them through.
if [ -e "$part" ] || [ -L "$part" ]; then say "$part is in the way"; fi
trap 'rm -f "$part"' EXIT
trap 'exit 1' HUP INT TERM PIPE
umask 077
set -C
: >"$part" || exit 1
set +C
{ [ -f "$part" ] && [ ! -L "$part" ]; } || say "$part is in the way"
cat >>"$part" || exit 1
have=$(($(wc -c <"$part")))
[ "$have" -eq "$size" ] || say "only $have of $size bytes of $target arrived"
if [ "$sum" ] && command -v sha256sum >/dev/null 2>&1; then
	have=$(sha256sum <"$part")
	[ "${have%% *}" = "$sum" ] || say "$target arrived damaged"
fi
if [ -e "$target" ]; then
	if [ -z "$mode" ]; then mode=$(stat -c %a "$target" 2>/dev/null); fi
	if [ -z "$owner" ]; then chown "$(stat -c %u:%g "$target" 2>/dev/null)" "$part" 2>/dev/null; fi
fi
if [ "$owner" ]; then chown "$owner" "$part" || exit 1; fi
chmod "${mode:-$source_mode}" "$part" || exit 1
# On disk before it is in place: else a power cut could leave an empty file where a good one was. A dd that does not know fsync does
# nothing here; `sync FILE` would bring everything to disk where it knows no files.
if ! said=$(dd of="$part" conv=notrunc,fsync 2>&1 </dev/null); then
	case $said in *'/output error'* | *'I/O error'* | *'space left'* | *'quota'*) say "$target could not be brought to disk: ${said##*: }" ;; esac
fi
mv -f "$part" "$target"
