# dnf: what it would do, from its caches alone, and doing it. NEVRAs come as arguments of dnf_targets.

# The same answers are wanted whatever dnf.conf says: all of it or nothing, exactly these versions.
dnf_options() {
    FORCE_COLUMNS=400
    export FORCE_COLUMNS
    if [ "$dnf_generation" = 5 ]; then
        "$dnf_tool" --setopt=best=True --setopt=skip_unavailable=False --setopt=skip_broken=False "$@"
    else
        "$dnf_tool" --color=never --setopt=best=True --setopt=strict=True "$@"
    fi
}

dnf_would() {
    TMPDIR=$own
    export TMPDIR
    # An option or nothing.
    # shellcheck disable=SC2086
    if [ "$dnf_generation" = 5 ]; then
        dnf_options -C $dnf_unlocked --setopt=assumeyes=False --assumeno "--setopt=logdir=$own/log" \
            "--setopt=cachedir=$own/cache" "--setopt=system_cachedir=$own/cache" install "$@"
    else
        dnf_options -C --setopt=assumeyes=False --assumeno "--setopt=logdir=$own/log" "--setopt=cachedir=$own/cache" "--setopt=persistdir=$own/state" \
            --disableplugin='*' --enableplugin=versionlock install "$@"
    fi >"$own/would"
    dnf_code=$?
    cat "$own/would"
    return "$dnf_code"
}

# Which versions are installed of what it speaks about.
dnf_now() {
    rpm_list >"$own/rpms" || return
    if have awk; then
        awk 'NR == FNR { for (i = 1; i <= NF; i++) here[$i] = 1; next } $1 in here' "$own/would" "$own/rpms"
    else
        cat "$own/rpms"
    fi
}

# How dnf.sh has rows of repoquery written.
dnf_columns() {
    dnf_tab=$(printf '\t') dnf_newline=
    if [ "$dnf_generation" = 5 ]; then
        dnf_newline='
'
    fi
}

dnf_simulate() {
    dnf_find
    dnf_user_folder
    dnf_columns
    section dnf-tool dnf_prepare
    [ "$section_code" = 0 ] || return 0
    section host-place host_place / /usr /etc "$dnf_cache"
    section dnf-would dnf_targets dnf_would
    section dnf-now dnf_now
    section rpm-doubled dnf_duplicates
    dnf_tidy
}

# Packages are looked up where the plan looked them up: lists that are fetched anew now would be another plan.
dnf_does() {
    [ "$dnf_generation" = 5 ] || set -- --setopt=exit_on_lock=True "$@"
    dnf_options --setopt=metadata_expire=-1 '--setopt=*.metadata_expire=-1' "$@"
}

dnf_tries() { dnf_targets dnf_does -y install; }

dnf_goes() {
    dnf_targets dnf_does --setopt=assumeyes=False --assumeno install >"$own/would"
    dnf_code=$?
    dnf_going <"$own/would"
    return "$dnf_code"
}

# Names of packages that a table of changes removes or downgrades. dnf 5 tells with each row what it replaces.
dnf_going() {
    dnf_part='' dnf_row=''
    while IFS= read -r dnf_line; do
        case $dnf_line in
            Removing*: | Downgrading*:) dnf_part=goes ;;
            '' | [A-Z]*) dnf_part='' ;;
            '  '*replacing' '*)
                # shellcheck disable=SC2086 # words
                set -- $dnf_line
                [ "$dnf_generation" = 5 ] || set -- "$1" "${2%.*}"
                [ "$2" = "$dnf_row" ] || printf '%s\n' "$2"
                ;;
            # Further in is the rest of a row that was too long for its line.
            ' '[!\ ]*)
                # shellcheck disable=SC2086 # words
                set -- $dnf_line
                dnf_row=$1
                [ -z "$dnf_part" ] || printf '%s\n' "$1"
                ;;
        esac
    done
}

dnf_apply() { # SECONDS
    dnf_find
    if [ "$dnf_generation" = 5 ]; then
        dnf_cache=$(dnf_configured system_cachedir "$dnf_cache")
    else
        dnf_cache=$(dnf_configured cachedir "$dnf_cache")
    fi
    section dnf-tool printf 'generation=%s\n' "$dnf_generation"
    section host-place host_place / /usr /etc /var/lib/rpm "$dnf_cache"
    [ "$(id -u)" = 0 ] || return 0
    if host_place / /usr /etc /var/lib/rpm "$dnf_cache" | grep -q '^readonly='; then return 0; fi
    rpm_apply "$1" 200 dnf_tries dnf_goes /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock /var/lib/dnf/rpmdb_lock.pid \
        "$dnf_cache/download_lock.pid" "$dnf_cache/metadata_lock.pid" /var/lib/dnf/system-repo.lock /run/dnf/rpmtransaction.lock
    dnf_columns
    section dnf-cache dnf_prepare
    section rpm-doubled dnf_duplicates
    section host-left host_place / /usr /etc "$dnf_cache" "$dnf_cache"/*/packages
}
