check_kernel_module() { # NAME-WITH-UNDERSCORES
    [ "$(uname -s)" = Linux ] || return 0
    if [ -r /proc/modules ]; then
        if grep -q "^$1 " /proc/modules; then fact loaded yes; else fact loaded no; fi
    elif [ -r /proc/version ] && [ ! -e /proc/modules ]; then
        fact loaded no # a kernel that knows no modules
    fi
    kernel_module_list=/lib/modules/$(uname -r)/modules.builtin
    if [ -r "$kernel_module_list" ] && sed 's|.*/||; s/\.ko.*//; s/-/_/g' "$kernel_module_list" | grep -qx "$1"; then
        fact builtin yes
    fi
    # modprobe.d(5): a name in a folder further up hides the same one below; that is left to who reads `rule`.
    for kernel_module_file in /etc/modprobe.d/*.conf /run/modprobe.d/*.conf /usr/local/lib/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf /lib/modprobe.d/*.conf; do
        [ -f "$kernel_module_file" ] || continue
        [ -r "$kernel_module_file" ] || { fact denied "$kernel_module_file"; continue; }
        sed -n '/^[[:space:]]*\(blacklist\|install\)[[:space:]]/p' "$kernel_module_file" |
            awk -v name="$1" '{ m = $2; gsub(/-/, "_", m) } m == name { print "rule=" $0 }'
    done
    fact searched yes
}
