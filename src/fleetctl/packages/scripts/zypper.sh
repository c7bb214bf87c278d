# zypper: SUSE and openSUSE. It takes a lock and writes its log, caches and temporary files even for a question: ZYPP_READONLY_HACK
# spares the lock, and all else goes to a folder of its own in memory, with links to the metadata.
zypper_prepare() {
    zypper_apart=no
    own_folder && mkdir "$own/raw" "$own/solv" "$own/tmp" || return
    if [ "$(id -u)" = 0 ] && [ -d /var/lib/zypp ]; then
        cp -Rp /var/lib/zypp "$own/zypp" || return
        if zypper_enter --version >/dev/null 2>&1; then zypper_apart=yes; else zypper_apart=back; fi
    fi
    for zypper_path in /var/cache/zypp/raw/*; do
        [ ! -e "$zypper_path" ] || ln -s "$zypper_path" "$own/raw/"
    done
}

# Root's questions and rehearsals may write /var/lib/zypp/AutoInstalled: they get a copy of that folder, in a mount namespace of their own.
zypper_ask() {
    set -- --xmlout --non-interactive --no-refresh --raw-cache-dir "$own/raw" --solv-cache-dir "$own/solv" "$@"
    if [ "$zypper_apart" = yes ]; then
        zypper_enter "$@"
    else
        zypper_env zypper "$@"
    fi
}

zypper_env() {
    ZYPP_LOCKFILE_ROOT=$own ZYPP_READONLY_HACK=1 ZYPP_LOGFILE=/dev/null TMPDIR=$own/tmp ZYPPTMPDIR=$own/tmp "$@"
}

# The shell within expands them.
# shellcheck disable=SC2016
zypper_enter() {
    zypper_env unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" /var/lib/zypp && shift && exec zypper "$@"' sh "$own/zypp" "$@"
}

# Where there can be no such namespace, what was written is put back.
zypper_restore() {
    if [ "$zypper_apart" != back ]; then
        return
    elif [ ! -e "$own/zypp/AutoInstalled" ]; then
        rm -f /var/lib/zypp/AutoInstalled
    elif ! cmp -s "$own/zypp/AutoInstalled" /var/lib/zypp/AutoInstalled; then
        cp -p "$own/zypp/AutoInstalled" /var/lib/zypp/AutoInstalled
    fi
}

zypper_installed() {
    rpm -qa --qf '%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\t%{SOURCERPM}\n'
}

# What may be installed in several versions side by side: they have this name in common.
zypper_several() {
    rpm -q --whatprovides 'multiversion(kernel)' --qf '%{NAME}\n' | grep -v ' '
    return 0
}

zypper_repositories() {
    zypper_ask repos >"$own/repos"
    zypper_code=$?
    cat "$own/repos"
    return "$zypper_code"
}

# zypper fetches metadata that is not there, whatever it is told: so it is not asked then.
zypper_missing() {
    sed -n 's/.*<repo .*alias="\([^"]*\)".* enabled="1".*/\1/p' "$own/repos" | while IFS= read -r zypper_alias; do
        zypper_path=/var/cache/zypp/raw/$zypper_alias
        [ -d "$zypper_path/repodata" ] || [ -e "$zypper_path/content" ] || [ -e "$zypper_path/cookie" ] ||
            printf '%s\n' "$zypper_alias"
    done >"$own/missing"
    cat "$own/missing"
}

zypper_times() { # seconds since 1970, and the path
    for zypper_path in /var/cache/zypp/raw/*/cookie /var/cache/zypp/raw/*/repodata/*; do
        case $zypper_path in
            */cookie | */repomd.xml | *updateinfo*) ;;
            *) continue ;;
        esac
        [ -e "$zypper_path" ] && stat -c '%Y %n' "$zypper_path"
    done
    return 0
}

# One patch a line, without its prose. Patches for what is not installed here are no business of this host.
zypper_patches() {
    zypper_ask list-patches --all >"$own/patches"
    zypper_code=$?
    if [ "$zypper_code" = 0 ] && have awk; then
        awk '
            {
                text = $0
                kept = ""
                while (text != "") {
                    if (inside) {
                        at = index(text, "</description>")
                        if (!at) break
                        text = substr(text, at + 14)
                        inside = 0
                    } else if ((at = index(text, "<description>"))) {
                        kept = kept substr(text, 1, at - 1)
                        text = substr(text, at + 13)
                        inside = 1
                    } else {
                        kept = kept text
                        text = ""
                    }
                }
                gsub(/<update /, "\n<update ", kept)
                printf "%s", kept
                if (!inside) print ""
            }
        ' "$own/patches" | grep -v '<update .*status="not-needed".*</update>$' >"$own/short"
        cat "$own/short"
    else
        cat "$own/patches"
    fi
    return "$zypper_code"
}

# Which packages a patch is about: it conflicts with their older versions. Of patches that are applied, of which there may be thousands,
# only what made one of the installed versions.
zypper_contents() {
    zypper_about 'needed\|optional\|unwanted' "$own/contents" && cat "$own/contents" || return
    have awk || return 0
    zypper_about applied "$own/applied" || return
    rpm -qa --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n%{NAME}.%{ARCH} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' >"$own/here" || return
    awk '
        NR == FNR       { sub(/ 0:/, " "); here[$0] = 1; next }
        /^Name  *:/     { name = $0; next }
        /&lt; [^ ]*$/   {
                            package = $(NF - 2)
                            version = $NF
                            sub(/^0:/, "", version)
                            if (package " " version in here) {
                                if (name != "") print name
                                name = ""
                                print "    " package " &lt; " version
                            }
                        }
    ' "$own/here" "$own/applied"
}

zypper_about() { # STATUS FILE
    if [ -s "$own/short" ]; then zypper_list=$own/short; else zypper_list=$own/patches; fi
    zypper_names=$(sed -n -e 's/<update /\
&/g' -e p "$zypper_list" | sed -n "s/^<update kind=\"patch\" name=\"\([^\" ]*\)\".* status=\"\($1\)\".*/\1/p")
    : >"$2"
    [ -n "$zypper_names" ] || return 0
    # Names of patches have no blanks.
    # shellcheck disable=SC2086
    zypper_ask info -t patch $zypper_names >"$own/info" || return
    sed -n -e 's/<message [^>]*>//' -e '/^Repository  *:/p' -e '/^Name  *:/p' -e '/^Conflicts  *:/p' \
        -e '/^    [^ ].* &lt; [^ ]*$/p' "$own/info" >"$2"
}

zypper_reboot() {
    zypper_ask needs-rebooting
    zypper_code=$?
    [ ! -e /run/reboot-needed ] || echo '/run/reboot-needed'
    return "$zypper_code"
}

zypper_services() {
    [ "$(id -u)" = 0 ] || return 126
    zypper_ask ps -sss
}

# Not `zypper verify --dry-run`: root's rehearsals write /var/lib/zypp/AutoInstalled, and it wants to remove old kernels, too.
zypper_unmet() { (cd / && rpm -Va --nofiles --noscripts); }

scan_zypper() {
    TZ=UTC
    export TZ
    section zypper-installed zypper_installed
    section zypper-several zypper_several
    section zypper-tool zypper_prepare
    [ "$section_code" = 0 ] || return 0
    section zypper-repositories zypper_repositories
    section zypper-times zypper_times
    section zypper-missing zypper_missing
    section zypper-locks zypper_ask locks
    if [ -s "$own/missing" ]; then return 0; fi
    section zypper-updates zypper_ask list-updates
    section zypper-available zypper_ask list-updates --all
    section zypper-patches zypper_patches
    section zypper-contents zypper_contents
    section zypper-origins zypper_ask search -s -i -t package
    section zypper-reboot zypper_reboot
    section zypper-services zypper_services
    section zypper-unmet zypper_unmet
    zypper_restore
}
