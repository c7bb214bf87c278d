# Makes the folders that pushed files need.   stdin: paths, one a line
while IFS= read -r place; do
	[ -d "$place" ] || mkdir -p -- "$place" || exit 1
done
