# What there is to pull. Changes nothing.   $1 source   $2 yes: with SHA-256, where the host can
LC_ALL=C
export LC_ALL
source=$1
case $source in
/*) ;;
\~) source=$HOME ;;
\~/*) source=$HOME/${source#??} ;;
*) source=$(pwd)/$source ;;
esac
echo "source=$source"
digests() { [ "$1" = yes ] && command -v sha256sum >/dev/null 2>&1; }
if [ -f "$source" ]; then
	echo is=file
	if digests "$2"; then
		sum=$(sha256sum <"$source") || exit 1
		echo "file=${sum%% *}  ."
	else
		echo file=.
	fi
elif [ -d "$source" ]; then
	echo is=folder
	cd "$source" || exit 1
	links=$(find . -type l -print | wc -l)
	echo "links=$((links))"
	{
		if digests "$2"; then
			find . -type f -exec sha256sum {} + || echo incomplete
		else
			find . -type f -print || echo incomplete
		fi
	} | sed 's/^/file=/'
elif [ -e "$source" ] || [ -L "$source" ]; then
	echo is=other
else
	echo is=nothing
fi
echo end=yes
