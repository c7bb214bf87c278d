check_port() { # PROTOCOL PORT HEX-PORT WHO
    for port_table in "$1" "${1}6"; do
        [ -r "/proc/net/$port_table" ] || continue
        fact table "$port_table"
        awk -v port="$3" 'NR > 1 { n = split($2, a, ":"); if (a[n] == port) print "socket=" $2 " " $4 }' "/proc/net/$port_table"
    done
    [ "$4" = yes ] || return 0
    case $1 in tcp) port_flags=ltnp ;; *) port_flags=lunp ;; esac
    if have ss; then
        fact by ss
        ss -H "-$port_flags" 2>/dev/null | awk -v port=":$2" 'substr($4, length($4) - length(port) + 1) == port { print "who=" $0 }'
    elif have netstat; then
        fact by netstat
        netstat "-$port_flags" 2>/dev/null | awk -v port=":$2" 'substr($4, length($4) - length(port) + 1) == port { print "who=" $0 }'
    fi
}
