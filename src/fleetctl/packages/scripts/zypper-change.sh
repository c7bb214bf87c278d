# zypper: what it would do, from its caches alone, and doing it. Packages come as arguments of zypper_targets.

# Even a rehearsal writes /var/lib/zypp, as root: it gets a copy of that, in a mount namespace of its own. Where none can be had, what
# it has written is put back.
zypper_would() {
    ZYPP_LOCKFILE_ROOT=$own ZYPP_READONLY_HACK=1 ZYPP_LOGFILE=/dev/null TMPDIR=$own/tmp ZYPPTMPDIR=$own/tmp
    export ZYPP_LOCKFILE_ROOT ZYPP_READONLY_HACK ZYPP_LOGFILE TMPDIR ZYPPTMPDIR
    set -- zypper --xmlout --non-interactive --no-cd --no-refresh --raw-cache-dir "$own/raw" --solv-cache-dir "$own/solv" \
        install --dry-run --name --no-force-resolution --auto-agree-with-licenses -- "$@"
    if [ "$(id -u)" != 0 ]; then
        "$@"
        return
    fi
    cp -Rp /var/lib/zypp "$own/zypp" || return
    # The shell within expands them.
    # shellcheck disable=SC2016
    if unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" /var/lib/zypp' sh "$own/zypp" 2>/dev/null; then
        unshare -m sh -c 'mount --make-rprivate / && mount --bind "$1" /var/lib/zypp && shift && exec "$@"' sh "$own/zypp" "$@"
        return
    fi
    "$@"
    zypper_code=$?
    if [ ! -e "$own/zypp/AutoInstalled" ]; then
        rm -f /var/lib/zypp/AutoInstalled
    elif ! cmp -s "$own/zypp/AutoInstalled" /var/lib/zypp/AutoInstalled; then
        cp -p "$own/zypp/AutoInstalled" /var/lib/zypp/AutoInstalled
    fi
    return "$zypper_code"
}

zypper_doubled() {
    zypper_several >"$own/several"
    rpm_doubled "$own/several"
}

zypper_simulate() {
    section zypper-tool zypper_prepare
    [ "$section_code" = 0 ] || return 0
    section rpm-place rpm_place / /usr /etc /var/cache/zypp/packages
    section zypper-would zypper_targets zypper_would
    section rpm-doubled zypper_doubled
}

zypper_does() {
    zypper --xmlout --non-interactive --no-cd --no-refresh install --name --no-force-resolution --auto-agree-with-licenses -- "$@"
}

zypper_tries() { zypper_targets zypper_does; }

zypper_apply() { # SECONDS
    section rpm-place rpm_place / /usr /etc /var/lib/rpm /var/cache/zypp
    [ "$(id -u)" = 0 ] || return 0
    if rpm_place / /usr /etc /var/lib/rpm /var/cache/zypp | grep -q '^readonly='; then return 0; fi
    rpm_apply "$1" 7 zypper_tries /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock /run/zypp.pid /var/run/zypp.pid
    section rpm-left rpm_place / /usr /etc /var/cache/zypp/packages
}
