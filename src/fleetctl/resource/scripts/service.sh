check_service() { # NAME
    if [ -d /run/systemd/system ] && have systemctl; then
        fact by systemd
        systemctl show -p LoadState -p ActiveState -p UnitFileState -- "$1" |
            sed -n 's/^LoadState=/load=/p; s/^ActiveState=/active=/p; s/^UnitFileState=/enabled=/p'
    elif have rc-service && have rc-update; then
        fact by openrc
        if rc-service -e "$1" 2>/dev/null; then fact load loaded; else fact load not-found; return 0; fi
        if rc-service "$1" status >/dev/null 2>&1; then fact active active; else fact active inactive; fi
        if rc-update show 2>/dev/null | grep -q "^ *$1 |"; then fact enabled enabled; else fact enabled disabled; fi
    elif [ -x "/etc/init.d/$1" ]; then
        fact by sysvinit
        fact load loaded
        "/etc/init.d/$1" status >/dev/null 2>&1
        case $? in
        0) fact active active ;;
        1 | 2 | 3) fact active inactive ;;
        esac
        fact enabled disabled
        for service_link in /etc/rc[2345].d/S[0-9][0-9]"$1"; do
            [ ! -e "$service_link" ] || { fact enabled_at "$service_link"; break; }
        done
    elif [ -d /etc/init.d ]; then
        fact by sysvinit
        fact load not-found
    else
        fact by none
    fi
}
