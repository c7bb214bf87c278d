check_user() { # NAME
    user_line=
    if have getent; then
        user_line=$(getent passwd "$1")
        case $? in 0 | 2) fact asked yes ;; esac
    elif [ -r /etc/passwd ]; then
        fact asked yes
        while IFS= read -r user_each; do
            case $user_each in "$1:"*) user_line=$user_each; break ;; esac
        done </etc/passwd
    fi
    case $user_line in "$1:"*) ;; *) return 0 ;; esac
    fact passwd "$user_line"
    fact groups "$(id -Gn -- "$1" 2>/dev/null || id -Gn "$1" 2>/dev/null)"
    [ -e /etc/shadow ] || return 0
    if [ ! -r /etc/shadow ]; then
        fact shadow denied
        return 0
    fi
    while IFS=: read -r user_each user_hash user_rest; do
        [ "$user_each" = "$1" ] || continue
        # Only whether it is locked: the hash stays here.
        case $user_hash in
        '!'* | '*'*) fact locked yes ;;
        *) fact locked no ;;
        esac
        return 0
    done </etc/shadow
    : "${user_rest:-}"
    fact shadow none
}
