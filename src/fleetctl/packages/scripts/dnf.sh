# dnf 4 (also as yum) and dnf 5, from their caches alone. Even for a question dnf writes logs, caches and its history's journal when
# root asks: it gets a folder of its own in memory, with links to the caches and a copy of the history.
dnf_find() {
    dnf_tool='' dnf_unlocked=''
    for dnf_name in dnf dnf5 dnf-3 yum; do
        have "$dnf_name" && dnf_tool=$dnf_name && break
    done
    case $(readlink -f "$(command -v "$dnf_tool")") in
        *dnf5*) dnf_generation=5 dnf_cache=/var/cache/libdnf5 ;;
        */yum) dnf_generation=3 ;;
        *) dnf_generation=4 dnf_cache=/var/cache/dnf ;;
    esac
}

# For its locks dnf 4 makes a folder for each unprivileged user, wherever its caches are: one that was not there before goes again.
dnf_user_folder() {
    dnf_user=
    [ "$(id -u)" != 0 ] || return 0
    for dnf_path in /var/tmp/dnf-"$(id -un)"-*; do
        if [ ! -e "$dnf_path" ]; then dnf_user=$(id -un); fi
    done
}

dnf_tidy() {
    if [ -n "$dnf_user" ]; then rm -rf /var/tmp/dnf-"$dnf_user"-*; fi
}

dnf_configured() { # OPTION DEFAULT: of dnf.conf
    dnf_value=$(sed -n "s/^$1[ \t]*=[ \t]*//p" /etc/dnf/dnf.conf 2>/dev/null | sed -n '$p')
    printf '%s\n' "${dnf_value:-$2}"
}

dnf_prepare() {
    printf 'generation=%s\n' "$dnf_generation"
    [ "$dnf_generation" != 3 ] || return 0
    own_folder && mkdir "$own/log" "$own/cache" "$own/state" || return
    if [ "$dnf_generation" = 5 ]; then
        dnf_cache=$(dnf_configured system_cachedir "$dnf_cache")
        # Newer ones wait for whoever installs something, even to answer.
        dnf_unlocked=$("$dnf_tool" --help 2>/dev/null | sed -n 's/^ *\(--skip-file-locks\).*/\1/p' | sed -n 1p)
    else
        dnf_cache=$(dnf_configured cachedir "$dnf_cache")
        dnf_copy_state
    fi
    for dnf_path in "$dnf_cache"/*; do
        if [ -d "$dnf_path/repodata" ]; then
            dnf_link_repository "$dnf_path" "$own/cache/${dnf_path##*/}"
        elif [ -e "$dnf_path" ]; then
            ln -s "$dnf_path" "$own/cache/"
        fi
    done
}

# dnf writes its solv files anew beside the old ones, and gpg locks the folder of its keys.
dnf_link_repository() { # FROM TO
    mkdir "$2" || return
    for dnf_part in "$1"/*; do
        case ${dnf_part##*/} in
            solv)
                mkdir "$2/solv"
                ln -s "$dnf_part"/* "$2/solv/"
                ;;
            pubring)
                mkdir "$2/pubring"
                for dnf_key in "$dnf_part"/*; do
                    if [ -f "$dnf_key" ] && [ -r "$dnf_key" ]; then cp "$dnf_key" "$2/pubring/"; fi
                done
                ;;
            *) ln -s "$dnf_part" "$2/" ;;
        esac
    done
}

# Which repository a package came from is told by the history: sqlite changes a database that it only reads.
dnf_copy_state() {
    for dnf_path in /var/lib/dnf/*; do
        case $dnf_path in
            *'/*' | */history.sqlite*) ;;
            *) ln -s "$dnf_path" "$own/state/" ;;
        esac
    done
    [ -r /var/lib/dnf/history.sqlite ] || return 0
    dnf_size=$(cat /var/lib/dnf/history.sqlite* | wc -c)
    if [ "$dnf_size" -le 67108864 ]; then cp /var/lib/dnf/history.sqlite* "$own/state/"; fi
}

dnf_ask() {
    # An option or nothing.
    # shellcheck disable=SC2086
    if [ "$dnf_generation" = 5 ]; then
        TMPDIR=$own "$dnf_tool" -q -C $dnf_unlocked "--setopt=logdir=$own/log" "--setopt=cachedir=$own/cache" \
            "--setopt=system_cachedir=$own/cache" "$@"
    else
        TMPDIR=$own "$dnf_tool" -q -C --color=never "--setopt=logdir=$own/log" "--setopt=cachedir=$own/cache" \
            "--setopt=persistdir=$own/state" --disableplugin='*' "$@"
    fi
}

# All that repositories offer, also what excludes and locks hide.
dnf_all() {
    if [ "$dnf_generation" = 5 ]; then
        dnf_ask '--setopt=disable_excludes=*' "$@"
    else
        dnf_ask --disableexcludes=all "$@"
    fi
}

# What dnf itself would do.
dnf_own() {
    if [ "$dnf_generation" = 5 ]; then dnf_ask "$@"; else dnf_ask --enableplugin=versionlock "$@"; fi
}

dnf_installed() {
    rpm -qa --qf '%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\t%{SOURCERPM}\n'
}

# A repository without metadata is an error here, whatever its configuration says.
dnf_available() {
    dnf_all '--setopt=*.skip_if_unavailable=False' repoquery --upgrades \
        --qf "%{name}${dnf_tab}%{epoch}${dnf_tab}%{version}${dnf_tab}%{release}${dnf_tab}%{arch}${dnf_tab}%{repoid}${dnf_tab}%{downloadsize}${dnf_tab}%{buildtime}$dnf_newline"
}

dnf_from() {
    dnf_all '--disablerepo=*' repoquery --installed \
        --qf "%{name}${dnf_tab}%{epoch}${dnf_tab}%{version}${dnf_tab}%{release}${dnf_tab}%{arch}${dnf_tab}%{from_repo}$dnf_newline"
}

dnf_checkupdate() { dnf_own check-update; }

# Advisories that would bring something newer, without their prose.
dnf_advisories() {
    if [ "$dnf_generation" = 5 ]; then
        dnf_all advisory info --json
    elif have awk; then
        dnf_all updateinfo info >"$own/info" || return
        awk '
            /^ *Update ID: /                            { told = 0; print; next }
            /^ *(Type|Updated|Severity): /              { told = 0; print; next }
            /^ *(Bugs|CVEs): /                          { told = 1; print; next }
            /^ *: /                                     { if (told) print; next }
                                                        { told = 0 }
        ' "$own/info"
    else
        dnf_all updateinfo info
    fi
}

# Which advisory names which version, of all that was and will be installed here.
dnf_advised() {
    if [ "$dnf_generation" = 5 ]; then
        dnf_all advisory list --all --json
    else
        dnf_all updateinfo list --all
    fi
}

dnf_repositories() {
    if [ "$dnf_generation" = 5 ]; then
        dnf_ask repoinfo --json
    else
        dnf_ask -v repolist >"$own/repolist" || return
        sed -n -e '/^Repo-id /p' -e '/^Excludes in /p' -e '/^Includes in /p' "$own/repolist"
    fi
}

dnf_excludes() {
    [ "$dnf_generation" = 5 ] || return 0
    dnf_ask --dump-main-config | sed -n -e '/^excludepkgs = ./p' -e '/^includepkgs = ./p'
}

dnf_times() { # seconds since 1970, and the path
    for dnf_path in "$dnf_cache"/*/repodata/*; do
        case $dnf_path in
            */repomd.xml | *primary* | *updateinfo*) stat -c '%Y %n' "$dnf_path" ;;
        esac
    done
    return 0
}

dnf_locks() {
    for dnf_path in /etc/dnf/versionlock.toml /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list; do
        [ -r "$dnf_path" ] || continue
        # On many hosts one is a link to the other.
        case $dnf_path in /etc/yum/*) [ ! -e /etc/dnf/plugins/versionlock.list ] || continue ;; esac
        cat "$dnf_path"
    done
    return 0
}

# Advisories may ask for a reboot; where dnf 5 has not cached all that this takes, core packages alone decide.
dnf_reboot() {
    if [ "$dnf_generation" = 5 ]; then
        if dnf_told=$(dnf_ask needs-restarting -r 2>/dev/null) || [ -n "$dnf_told" ]; then
            printf '%s\n' "$dnf_told"
        else
            dnf_ask '--disablerepo=*' needs-restarting -r
        fi
        return
    fi
    dnf_ask --enableplugin=needs_restarting needs-restarting -r
}

dnf_services() {
    if [ "$(id -u)" != 0 ]; then
        return 126
    elif [ "$dnf_generation" = 5 ]; then
        dnf_ask '--disablerepo=*' needs-restarting -s
    else
        dnf_ask --enableplugin=needs_restarting needs-restarting -s
    fi
}

dnf_duplicates() {
    dnf_all '--disablerepo=*' repoquery --duplicates --qf "%{name}${dnf_tab}%{evr}${dnf_tab}%{arch}$dnf_newline"
}

dnf_check() { dnf_all '--disablerepo=*' check --dependencies; }

scan_dnf() {
    dnf_tab=$(printf '\t')
    TZ=UTC
    export TZ
    dnf_find
    dnf_user_folder
    dnf_newline=
    if [ "$dnf_generation" = 5 ]; then
        dnf_newline='
'
    fi
    section dnf-tool dnf_prepare
    section dnf-installed dnf_installed
    [ "$dnf_generation" != 3 ] || return 0
    section dnf-available dnf_available
    section dnf-checkupdate dnf_checkupdate
    section dnf-advisories dnf_advisories
    section dnf-advised dnf_advised
    section dnf-from dnf_from
    section dnf-repositories dnf_repositories
    section dnf-excludes dnf_excludes
    section dnf-locks dnf_locks
    section dnf-times dnf_times
    section dnf-reboot dnf_reboot
    section dnf-services dnf_services
    section dnf-duplicates dnf_duplicates
    section dnf-check dnf_check
    dnf_tidy
}
