check_file() { # PATH FOLLOW SHA256 KIND [PATTERN]...: contains TEXT, matches ERE, lacks ERE
    file_path=$1 file_follow=$2 file_sum=$3
    shift 3
    if [ ! -e "$file_path" ] && [ ! -L "$file_path" ]; then
        if reachable "$file_path"; then fact exists no; else fact denied yes; fi
        return 0
    fi
    fact exists yes
    if [ "$file_follow" = no ] && [ -L "$file_path" ]; then
        fact kind link
        fact target "$(readlink "$file_path" 2>/dev/null)"
        return 0
    fi
    if [ ! -e "$file_path" ]; then
        fact kind dangling
        return 0
    fi
    if [ -f "$file_path" ]; then fact kind file
    elif [ -d "$file_path" ]; then fact kind directory
    else fact kind other; fi
    # GNU and busybox, else BSD, else what POSIX promises.
    if file_told=$(stat -L -c '%a %U %G %u %g %s' -- "$file_path" 2>/dev/null); then fact stat "$file_told"
    elif file_told=$(stat -L -f '%Lp %Su %Sg %u %g %z' -- "$file_path" 2>/dev/null); then fact stat "$file_told"
    else
        fact ls "$(ls -ldL -- "$file_path" 2>/dev/null)"
        fact lsn "$(ls -ldLn -- "$file_path" 2>/dev/null)"
    fi
    [ -f "$file_path" ] || return 0
    [ "$file_sum" = yes ] || [ $# -gt 0 ] || return 0
    if [ ! -r "$file_path" ]; then
        fact readable no
        return 0
    fi
    fact readable yes
    [ "$file_sum" = no ] || fact sha256 "$(file_sha256 <"$file_path")"
    # What a file holds never leaves the host: grep answers there, by its exit code.
    while [ $# -gt 1 ]; do
        case $1 in
        contains) grep -qF -e "$2" <"$file_path" ;;
        *) grep -qE -e "$2" <"$file_path" ;;
        esac
        fact "$1" "$?"
        shift 2
    done
}

file_sha256() {
    if have sha256sum; then sha256sum
    elif have shasum; then shasum -a 256
    elif have openssl; then openssl dgst -sha256 -r
    elif have sha256; then sha256 -q
    fi 2>/dev/null | sed 's/[^0-9a-f].*//'
}
