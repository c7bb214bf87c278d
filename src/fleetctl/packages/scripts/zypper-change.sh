# zypper: what it would do, from its caches alone, and doing it. Packages come as arguments of zypper_targets.

zypper_would() {
    zypper_ask --no-cd install --dry-run --name --no-force-resolution --auto-agree-with-licenses -- "$@"
}

zypper_doubled() {
    zypper_several >"$own/several"
    rpm_doubled "$own/several"
}

zypper_simulate() {
    section zypper-tool zypper_prepare
    [ "$section_code" = 0 ] || return 0
    section host-place host_place / /usr /etc /var/cache/zypp/packages
    section zypper-would zypper_targets zypper_would
    section rpm-doubled zypper_doubled
    zypper_restore
}

zypper_does() {
    zypper --xmlout --non-interactive --no-cd --no-refresh install --name --no-force-resolution --auto-agree-with-licenses "$@"
}

zypper_tries() { zypper_targets zypper_does --; }

zypper_goes() { # names of packages that it would remove or downgrade
    zypper_targets zypper_does --dry-run -- >"$own/would"
    zypper_code=$?
    sed 's/></>\n</g' "$own/would" | sed -n '/<to-remove>/,/<\/to-remove>/p; /<to-downgrade/,/<\/to-downgrade/p' |
        sed -n 's/.*<solvable type="package" name="\([^"]*\)".*/\1/p'
    return "$zypper_code"
}

zypper_apply() { # SECONDS
    section host-place host_place / /usr /etc /var/lib/rpm /var/cache/zypp
    [ "$(id -u)" = 0 ] || return 0
    if host_place / /usr /etc /var/lib/rpm /var/cache/zypp | grep -q '^readonly='; then return 0; fi
    rpm_apply "$1" 7 zypper_tries zypper_goes /run/zypp.pid /var/run/zypp.pid /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock
    section rpm-doubled zypper_doubled
    section host-left host_place / /usr /etc /var/cache/zypp/packages
}
