# What is on this host: POSIX sh only, nothing is written, and a tool that is missing leaves its section empty (exit code 127).

inv_dpkg() {
    have dpkg-query || return 127
    dpkg-query -W -f='${db:Status-Abbrev}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${Section}\t${Maintainer}\t${Homepage}\t${db-fsys:Last-Modified}\t${binary:Summary}\n'
}

# Where there is no database, rpm would make one.
inv_rpm() {
    have rpm || return 127
    inv_code=127
    for inv_path in /var/lib/rpm /usr/lib/sysimage/rpm /usr/share/rpm; do
        for inv_name in rpmdb.sqlite Packages Packages.db; do
            if [ -e "$inv_path/$inv_name" ]; then inv_code=0; fi
        done
    done
    [ "$inv_code" = 0 ] || return 127
    rpm -qa --qf '%{NAME}\t%{EPOCHNUM}\t%{VERSION}\t%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\t%{SOURCERPM}\t%{GROUP}\t%{VENDOR}\t%{URL}\t%{LICENSE}\t%{SUMMARY}\n'
}

inv_pacman() {
    [ -d /var/lib/pacman/local ] || return 127
    cat /var/lib/pacman/local/*/desc
}

inv_apk() {
    for inv_path in /lib/apk/db/installed /usr/lib/apk/db/installed; do
        [ -r "$inv_path" ] || continue
        sed -n -e '/^[PVATULomt]:/p' -e '/^$/p' "$inv_path"
        return
    done
    return 127
}

inv_applications() {
    section inv-dpkg inv_dpkg
    section inv-rpm inv_rpm
    section inv-pacman inv_pacman
    section inv-apk inv_apk
}

inv_cpuinfo() {
    sed -n -e '/^processor[^a-z]/p' -e '/^model name/p' -e '/^cpu model/p' -e '/^Model/p' -e '/^Hardware/p' -e '/^physical id/p' \
        -e '/^core id/p' -e '/^siblings/p' -e '/^cpu cores/p' -e '/^cpu MHz/p' /proc/cpuinfo
}

inv_lscpu() {
    have lscpu || return 127
    lscpu
}

inv_memory() { sed -n '/^MemTotal:/p' /proc/meminfo; }

inv_hardware() {
    for inv_name in sys_vendor product_name; do
        [ -r "/sys/class/dmi/id/$inv_name" ] && printf '%s=%s\n' "$inv_name" "$(cat "/sys/class/dmi/id/$inv_name")"
    done
    [ -r /proc/device-tree/model ] && printf 'product_name=%s\n' "$(tr -d '\000' </proc/device-tree/model)"
    return 0
}

# NAME MAC STATE INDEX. A container may see another's /sys: /proc/net/dev has only what is its own.
inv_links() {
    sed -n 's/^ *\([^ :][^ :]*\):.*/\1/p' /proc/net/dev | while IFS= read -r inv_name; do
        inv_mac='' inv_state='' inv_index=''
        inv_path=/sys/class/net/$inv_name
        if [ -e "$inv_path/address" ]; then
            read -r inv_mac <"$inv_path/address"
            { read -r inv_state <"$inv_path/operstate"; } 2>/dev/null
            { read -r inv_index <"$inv_path/ifindex"; } 2>/dev/null
        fi
        printf '%s\t%s\t%s\t%s\n' "$inv_name" "$inv_mac" "$inv_state" "$inv_index"
    done
    have ip || return 0
    ip -o link show
}

inv_addresses() {
    if have ip; then
        ip -o addr show
    elif have ifconfig; then
        ifconfig -a
    else
        return 127
    fi
}

inv_routes() { cat /proc/net/route; }
inv_if_inet6() { cat /proc/net/if_inet6; }
inv_routes6() {
    have ip || return 127
    ip -6 route show default
}
inv_dns() { sed -n '/^[ \t]*nameserver/p' /etc/resolv.conf; }

inv_leases() {
    for inv_path in /run/systemd/netif/leases/*; do
        [ -r "$inv_path" ] && sed -n "s/^SERVER_ADDRESS=/${inv_path##*/} /p" "$inv_path"
    done
    for inv_path in /var/lib/dhcp/dhclient*.leases /var/lib/dhclient/*.leases /var/lib/dhclient/*.lease; do
        [ -r "$inv_path" ] && sed -n -e '/^ *interface /p' -e '/^ *option dhcp-server-identifier /p' "$inv_path"
    done
    return 0
}

inv_network() {
    section inv-links inv_links
    section inv-addresses inv_addresses
    section inv-routes inv_routes
    section inv-if-inet6 inv_if_inet6
    section inv-routes6 inv_routes6
    section inv-dns inv_dns
    section inv-leases inv_leases
}

# systemctl answers from files alone where systemd does not run; then the states are missing.
inv_units() {
    { have systemctl && [ -d /run/systemd/system ]; } || return 127
    systemctl list-units --type=service --all --full --plain --no-legend --no-pager
}

inv_unit_files() {
    have systemctl || return 127
    systemctl list-unit-files --type=service --full --no-legend --no-pager
}

inv_openrc() {
    have rc-status || return 127
    rc-status --all --nocolor
}

inv_openrc_levels() {
    have rc-update || return 127
    rc-update show --nocolor
}

inv_inittab() {
    [ -r /etc/inittab ] || return 127
    sed -e '/^[ \t]*#/d' -e '/^[ \t]*$/d' /etc/inittab
}

inv_initd() { # those that are started, then all
    for inv_path in /etc/rc[2-5].d/S* /etc/init.d/* /etc/rc.d/rc[2-5].d/S*; do
        if [ -f "$inv_path" ] && [ -x "$inv_path" ]; then printf '%s\n' "$inv_path"; fi
    done
    return 0
}

inv_services() {
    section inv-units inv_units
    section inv-unit-files inv_unit_files
    section inv-openrc inv_openrc
    section inv-openrc-levels inv_openrc_levels
    section inv-inittab inv_inittab
    section inv-initd inv_initd
}

inv_ps() {
    TZ=UTC
    export TZ
    if ps -eo pid= -o lstart= >/dev/null 2>&1; then
        echo 'form=lstart'
        ps -eo pid= -o ppid= -o user:64= -o lstart= -o args= -ww
    elif ps -A -o pid= -o etime= -o args= >/dev/null 2>&1; then
        echo 'form=etime'
        ps -A -o pid= -o ppid= -o user= -o etime= -o args=
    elif ps -o pid,ppid,user,args >/dev/null 2>&1; then
        echo 'form=header'
        ps -o pid,ppid,user,args
    else
        echo 'form=header'
        ps
    fi
}

# Of each pattern the folders, with its number in front; then in each folder what fits. SSM's limits hold for all patterns together.
inv_newline='
'
inv_file_folders() { # NUMBER FOLDER RECURSIVE
    if [ "$3" = yes ]; then
        find "$2" -xdev -type d 2>/dev/null | sed "s/^/$1 /"
    elif [ -d "$2" ]; then
        printf '%s %s\n' "$1" "$2"
    else
        printf 'missing %s\n' "$2"
    fi
}

inv_files() {
    inv_file_patterns | (
        inv_seen=0 inv_found=0
        while IFS= read -r inv_line; do
            case $inv_line in
                'missing '*)
                    printf '%s\n' "$inv_line"
                    continue
                    ;;
            esac
            inv_seen=$((inv_seen + 1))
            if [ "$inv_seen" -gt 5000 ]; then
                echo 'cut folders'
                exit 0
            fi
            inv_file_name "${inv_line%% *}"
            inv_folder=${inv_line#* }
            IFS=''
            for inv_path in "${inv_folder%/}"/$inv_pattern; do
                [ -f "$inv_path" ] || continue
                case $inv_path in *"$inv_newline"*) continue ;; esac
                inv_found=$((inv_found + 1))
                if [ "$inv_found" -gt 500 ]; then
                    echo 'cut files'
                    exit 0
                fi
                stat -c '%s %Y %a %U %G %n' "$inv_path"
            done
            unset IFS
        done
    )
}

# A file larger than this holds no inventory.
inv_custom_file() { # PATH
    printf 'path=%s\n' "$1"
    inv_size=$(wc -c <"$1") || return
    if [ "$inv_size" -gt 262144 ]; then
        echo "it is larger than 256 KB" >&2
        return 1
    fi
    cat "$1"
}

inv_custom() {
    inv_number=0
    for inv_path in /var/lib/fleetctl/inventory/custom/*.json /var/lib/amazon/ssm/*/inventory/custom/*.json; do
        [ -f "$inv_path" ] || continue
        inv_number=$((inv_number + 1))
        if [ "$inv_number" -gt 20 ]; then
            section inv-custom-cut true
            return
        fi
        section "inv-custom-$inv_number" inv_custom_file "$inv_path"
    done
}
