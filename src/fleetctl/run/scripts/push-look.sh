# What stands at the place that files are pushed to. Changes nothing.
#   $1 destination   $2 into (a folder), tree (a folder of that name) or file   $3 mode, $4 owner: what is wanted, or empty
# stdin: `SHA256  ./NAME` a line. Answers `name=value` lines; `same=N` for the Nth line when content, mode and owner are right,
# `else=N` when only the content is.
LC_ALL=C
export LC_ALL
dest=$1 kind=$2 mode=$3 owner=$4
case $dest in
/*) ;;
\~) dest=$HOME ;;
\~/*) dest=$HOME/${dest#??} ;;
*) dest=$(pwd)/$dest ;;
esac
if [ -d "$dest" ]; then
	is=folder
elif [ -f "$dest" ]; then
	is='file'
elif [ -e "$dest" ]; then
	is=other
else
	is=nothing
fi
echo "is=$is"
[ "$kind" = file ] && [ "$is" = folder ] && kind=into
echo "kind=$kind"
echo "dest=$dest"
right() {
	[ -z "$mode" ] || [ "$(find "$1" -prune -perm "$mode" -print 2>/dev/null)" ] || return 1
	[ -z "$owner" ] && return 0
	user=${owner%%:*} group=
	case $owner in *:*) group=${owner#*:} ;; esac
	[ -z "$user" ] || [ "$(find "$1" -prune -user "$user" -print 2>/dev/null)" ] || return 1
	[ -z "$group" ] || [ "$(find "$1" -prune -group "$group" -print 2>/dev/null)" ]
}
number=0
tell() {
	if right "$1"; then echo "same=$number"; else echo "else=$number"; fi
}
command -v sha256sum >/dev/null 2>&1 || {
	echo end=yes
	exit 0
}
case $kind:$is in
file:file)
	IFS= read -r line
	[ "$(sha256sum <"$dest" 2>/dev/null)" = "${line%%  *}  -" ] && tell "$dest"
	;;
into:folder | tree:folder)
	cd "$dest" || exit 1
	# One program looks at all; it prints one line for each, in order.
	sha256sum -c - 2>/dev/null | {
		while IFS= read -r line; do
			name=${line%: *}
			[ "${line##*: }" = OK ] && tell "$name"
			number=$((number + 1))
		done
		echo "looked=$number"
	}
	;;
esac
echo end=yes
