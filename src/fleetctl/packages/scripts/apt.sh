# Debian and its kin. apt builds its cache in memory (pkgcache= and srcpkgcache= empty), locks nothing, logs nothing.
apt_quietly() { # TOOL ARGS...
    apt_tool=$1
    shift
    "$apt_tool" -o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Dir::Log::Solver= -o Dir::Log::Planner= "$@"
}

# The first letter of the status tells holds: what `apt-mark showhold` lists, without building the cache once more.
apt_installed() {
    dpkg-query -W -f='${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\t${Source}\t${Section}\t${Priority}\t${db-fsys:Last-Modified}\n'
}

apt_architectures() {
    dpkg --print-architecture && dpkg --print-foreign-architectures
}

# The version table of every package that is on the host, wholly or in part ("rc" is not).
apt_versions() {
    exec 4>&1
    apt_code=$({
        {
            dpkg-query -W -f='${db:Status-Abbrev} ${binary:Package}\n' | sed -n 's/^.[^cn]. //p' |
                apt_quietly xargs_apt_cache
            echo "$?" >&3
        } | apt_abbreviate >&4
    } 3>&1)
    exec 4>&-
    return "$apt_code"
}

xargs_apt_cache() { xargs apt-cache "$@" policy; }

# Versions older than the installed one say nothing about updates, and each source is written once: 100 KB instead of 500.
apt_abbreviate() {
    if ! have awk; then
        cat
        return
    fi
    awk '
        /^[^ ]/                 { print; older = 0; known = 0; next }
        /^  Installed: /        { installed = $2; next }
        /^  Candidate: /        { if ($2 != installed) print; next }
        /^  Version table:/     { next }
        /^ \*\*\* /             { known = 1; print; next }
        /^     [^ ]/            { older = known; if (!older) print; next }
        /^        /             {
            if (older || $2 == "/var/lib/dpkg/status") next
            source = $0; sub(/^ +-?[0-9]+ /, "", source)
            if (!(source in number)) { number[source] = ++last; print "@" last "=" source }
            print "@" number[source]; next
        }
                                { print }
    '
}

apt_list_times() { # seconds since 1970, and the path
    for apt_path in /var/lib/apt/periodic/update-success-stamp /var/lib/apt/lists /var/lib/apt/lists/partial; do
        [ -e "$apt_path" ] && stat -c '%Y %n' "$apt_path"
    done
    return 0
}

# The head of each Release file: who made it, when, until when it is good.
apt_release_files() {
    for apt_path in /var/lib/apt/lists/*Release; do
        [ -r "$apt_path" ] || continue
        printf 'File: %s\n' "$apt_path"
        sed -n -e '/^MD5Sum:/q' -e '/^SHA[0-9]*:/q' -e '/^\(Origin\|Label\|Suite\|Codename\|Date\|Valid-Until\): /p' "$apt_path"
    done
}

apt_reboot() {
    [ -e /run/reboot-required ] || return 0
    echo required
    if [ -r /run/reboot-required.pkgs ]; then cat /run/reboot-required.pkgs; fi
}

apt_needrestart() {
    if ! have needrestart; then
        return 127
    elif [ "$(id -u)" != 0 ]; then
        return 126
    fi
    needrestart -b -r l
}

# Ubuntu Pro: packages of ESM are only offered to attached machines.
apt_pro() {
    [ -r /var/lib/ubuntu-advantage/status.json ] || return 0
    sed -n 's/.*"attached": *\(true\|false\).*/attached=\1/p' /var/lib/ubuntu-advantage/status.json
}

scan_apt() {
    section apt-installed apt_installed
    section apt-architectures apt_architectures
    section apt-audit dpkg --audit
    section apt-releases apt_quietly apt-cache policy
    section apt-versions apt_versions
    section apt-upgrade apt_quietly apt-get -q -s dist-upgrade
    section apt-list-times apt_list_times
    section apt-release-files apt_release_files
    section apt-reboot apt_reboot
    section apt-needrestart apt_needrestart
    section apt-pro apt_pro
}
