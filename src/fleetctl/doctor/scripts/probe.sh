# Tells what a host's shell has, one `name=value` a line. Writes nothing, asks nobody, and leaves sudo alone: an attempt by a
# user who may not is reported to root on many hosts.
echo "date=$(date +%s)"
echo "system=$(uname -s)"
echo "user=$(id -un 2>/dev/null || id -u)"
echo "home=$(pwd)"
for program in sudo doas su sha256sum systemd-run setsid; do
	command -v "$program" >/dev/null 2>&1 && echo "has=$program"
done
if [ -d /var/tmp ]; then
	[ -w /var/tmp ] && echo "tmp=writable"
	# Portable df: the fourth column of the last line is what is free, in kilobytes.
	free=$(df -Pk /var/tmp 2>/dev/null | tail -n 1 | awk '{print $4}')
	echo "free=$free"
fi
echo "end=yes"
