# shellcheck shell=sh disable=SC2088
# Prints a file: a line "file SIZE MODE", then its bytes; the sha256 goes to stderr where the host can tell it.
# Prints a folder: a line "folder", then a tar archive; where there is no tar, a line "list", then a line for each thing in it.
source=$1
say() { printf 'fleetctl: %s\n' "$1" >&2; exit 1; }
case $source in
'~/'*) source=${HOME-/}/${source#'~/'} ;;
/*) ;;
*) source=./$source ;;
esac
if [ -d "$source" ]; then
	[ -r "$source" ] && [ -x "$source" ] || say "$source: Permission denied"
	cd "$source" || exit 1
	if command -v tar >/dev/null 2>&1; then
		echo folder
		exec tar -cf - .
	fi
	echo list
	exec find . -type d -exec printf 'd %s\n' {} \; -o -type f -exec printf 'f %s\n' {} \;
fi
[ -e "$source" ] || say "$source: No such file or directory"
[ -f "$source" ] || say "$source is neither a file nor a folder"
[ -r "$source" ] || say "$source: Permission denied"
size=$(($(wc -c <"$source"))) || exit 1
mode=$(stat -L -c %a "$source" 2>/dev/null) || mode=
echo "file $size ${mode:-644}"
cat "$source" || exit 1
if command -v sha256sum >/dev/null 2>&1; then
	sum=$(sha256sum <"$source") && printf 'sha256 %s\n' "${sum%% *}" >&2
fi
