check_package() { # NAME
    package_family=
    if system_is debian ubuntu && have dpkg-query; then package_family=dpkg
    elif system_is rhel fedora centos suse opensuse && have rpm; then package_family=rpm
    elif system_is arch && have pacman; then package_family=pacman
    elif system_is alpine && have apk; then package_family=apk
    elif have apk && [ -e /lib/apk/db/installed ]; then package_family=apk
    elif have pacman; then package_family=pacman
    elif have dpkg-query && [ -s /var/lib/dpkg/status ]; then package_family=dpkg
    elif have rpm; then package_family=rpm
    fi
    fact manager "${package_family:-none}"
    case $package_family in
    dpkg)
        dpkg-query -W -f 'installed=${Status} ${Version}\n' -- "$1" 2>/dev/null
        fact asked "$?"
        ;;
    rpm)
        # rpm says in words that a package is not there, and exits with 1 also when its database cannot be read.
        rpm -q --qf 'installed=ok %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' -- "$1"
        fact asked "$?"
        ;;
    pacman)
        package_told=$(pacman -Q -- "$1" 2>&1)
        fact asked "$?"
        case $package_told in "$1 "*) fact installed "ok ${package_told#"$1 "}" ;; *) printf '%s\n' "$package_told" ;; esac
        ;;
    apk)
        apk info -e -- "$1" >/dev/null 2>&1
        fact asked "$?"
        package_path=/lib/apk/db/installed
        [ -e "$package_path" ] || package_path=/usr/lib/apk/db/installed
        awk -v name="$1" '/^P:/ { p = substr($0, 3) } /^V:/ && p == name { print "installed=ok " substr($0, 3) }' "$package_path"
        ;;
    esac
    return 0
}
