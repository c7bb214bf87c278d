check_sysctl() { # PATH-BELOW-/proc/sys NAME
    if [ -d /proc/sys ]; then
        if [ ! -e "/proc/sys/$1" ]; then fact exists no
        elif [ ! -r "/proc/sys/$1" ]; then fact denied yes
        else
            fact exists yes
            sysctl_value=$(cat "/proc/sys/$1") && fact value "$sysctl_value"
        fi
    elif have sysctl; then
        if sysctl_value=$(sysctl -n "$2"); then fact exists yes; fact value "$sysctl_value"; else fact exists no; fi
    fi
}
