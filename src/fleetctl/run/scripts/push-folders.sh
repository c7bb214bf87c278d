# Makes the folders that pushed files need.   stdin: paths, one a line
while IFS= read -r path; do
	[ -d "$path" ] || mkdir -p -- "$path" || exit 1
done
