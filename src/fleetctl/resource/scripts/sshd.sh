# What sshd would do, by its own word. The answer for no one in particular is asked for once.
check_sshd() { # SETTING-IN-LOWER-CASE [CONNECTION-SPEC]
    if ! have sshd; then
        fact sshd none
        return 0
    fi
    sshd_program=$(command -v sshd)
    fact sshd "$sshd_program"
    if [ $# -gt 1 ]; then sshd_said=$("$sshd_program" -T -C "$2" 2>&1); else sshd_said=$sshd_general; fi
    printf '%s\n' "$sshd_said" | awk -v name="$1" '
        tolower($1) == name { sub(/^[^ ]+ */, ""); print "value=" $0 }
        NF { n++; last = $0 }
        END { print "settings=" n + 0; if (n < 20) print last }'
}
prepare_sshd() {
    sshd_general=$(if have sshd; then "$(command -v sshd)" -T 2>&1; fi)
}
