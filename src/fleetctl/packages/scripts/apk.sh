# apk: Alpine and its kin, apk-tools 2 and 3. `version`, `policy` and `--simulate` open the database for reading: no lock, no log, no fetching.
apk_find() {
    apk_file=/lib/apk/db/installed
    [ -e "$apk_file" ] || apk_file=/usr/lib/apk/db/installed
}

apk_ask() { apk --no-progress "$@"; }

# An address may have a password in it.
apk_bare() { sed 's|//[^/@ ]*@|//|'; }

# Of each package what concerns the package: neither its description nor its files.
apk_installed() { sed -n -e '/^[PVAotsSf]:/p' -e '/^$/p' "$apk_file"; }

apk_repositories() {
    for apk_path in /etc/apk/repositories /etc/apk/repositories.d/*.list /lib/apk/repositories.d/*.list; do
        [ ! -r "$apk_path" ] || sed -n -e 's/^[[:blank:]]*//' -e '/^[^#]/p' "$apk_path"
    done
    return 0
}

apk_addresses() { apk_repositories | apk_bare; }

apk_arch() { if [ -r /etc/apk/arch ]; then cat /etc/apk/arch; else apk --print-arch; fi; }

# Package lists: what was fetched, and what lies in repositories on this host.
apk_lists() { # COMMAND ...: run for each list, its path behind it
    for apk_path in /var/cache/apk/APKINDEX.*.tar.gz /etc/apk/cache/APKINDEX.*.tar.gz; do
        [ ! -r "$apk_path" ] || "$@" "$apk_path"
    done
    apk_repositories | sed -n -e 's/^@[^[:blank:]]*[[:blank:]]*//' -e 's|^file://||' -e 's|/*$||' -e 's|^/.*|&|p' |
        while IFS= read -r apk_path; do
            apk_path=$apk_path/$(apk_arch)/APKINDEX.tar.gz
            [ ! -r "$apk_path" ] || "$@" "$apk_path"
        done
}

apk_times() { apk_lists stat -c '%Y %n'; }

apk_updates() {
    apk_said=$(apk_ask version -v -l '<')
    apk_code=$?
    printf '%s\n' "$apk_said"
    return "$apk_code"
}

# What a package list says of some packages: when they were built, and how large they are. apk itself does not tell.
apk_about() { # " NAME ... " LIST
    gzip -dc "$2" 2>/dev/null | tar -xOf - APKINDEX 2>/dev/null | awk -v names="$1" '
        /^P:/                    { kept = index(names, " " substr($0, 3) " ") }
        kept && /^[PVAStI]:|^$/  { print }
    '
}

apk_details() {
    apk_names=$(printf '%s\n' "$apk_said" | sed -n 's/^\(.*\)-[0-9][^- ]*\(-r[0-9]*\)\{0,1\}  *< .*/\1/p' | tr '\n' ' ')
    [ -z "$apk_names" ] || ! have awk || apk_lists apk_about " $apk_names"
}

# Which repositories have which versions of what is installed.
apk_policy() {
    # Names of packages have no blanks.
    # shellcheck disable=SC2046
    apk_ask policy $(sed -n 's/^P://p' "$apk_file") | apk_bare
}

# What apk would do, with what the packages in /etc/apk/world may be. An update of apk itself is one of them here.
apk_upgrade() { apk_ask upgrade --simulate --no-self-upgrade; }

apk_modules() {
    for apk_path in /lib/modules/*; do
        [ ! -d "$apk_path" ] || printf '%s\n' "${apk_path##*/}"
    done
}

# Services of OpenRC, by their control groups, that still run files which were replaced; where there are none, the names of programs.
# What runs in a container has files of its own.
apk_services() {
    [ "$(id -u)" = 0 ] || return 126
    [ -r /proc/self/maps ] || return 127
    apk_space=$(readlink /proc/self/ns/mnt)
    grep -l ' r-xp .* /\(usr\|lib\|bin\|sbin\|opt\)/.* (deleted)$' /proc/[0-9]*/maps 2>/dev/null | while IFS= read -r apk_path; do
        apk_path=${apk_path%/maps}
        [ "$(readlink "$apk_path/ns/mnt")" = "$apk_space" ] || continue
        apk_name=$(sed -n -e 's|^0::/openrc\.\([^/]*\).*|\1|p' -e 's|^[0-9]*:name=openrc:/\([^/]\{1,\}\).*|\1|p' "$apk_path/cgroup" 2>/dev/null)
        [ -n "$apk_name" ] || read -r apk_name 2>/dev/null <"$apk_path/comm" || continue
        printf '%s\n' "$apk_name"
    done | sort -u
}

# Configuration files of newer packages that lie beside ones that were changed here.
apk_beside() {
    find /etc -xdev -name '*.apk-new' 2>/dev/null
    return 0
}

# What kind of file system / is: of several that were mounted there, the last.
apk_root() { sed -n 's|^[^ ]* / \([^ ]*\) .*|\1|p' /proc/mounts | tail -n 1; }

scan_apk() {
    apk_find
    section apk-tool apk --version
    section apk-installed apk_installed
    section apk-world cat /etc/apk/world
    section apk-repositories apk_addresses
    section apk-arch apk_arch
    section apk-updates apk_updates
    section apk-details apk_details
    section apk-policy apk_policy
    section apk-upgrade apk_upgrade
    section apk-times apk_times
    section apk-modules apk_modules
    section apk-services apk_services
    section apk-beside apk_beside
    section apk-root apk_root
}
