# What dnf and zypper have in common where packages are to be changed.

rpm_list() {
    (cd / && rpm -qa --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n') >"$own/unsorted" || return
    sort -u "$own/unsorted"
}

# Lines of packages that are gone, and behind a tabulator those that came.
rpm_changed() {
    rpm_list >"$own/after" || return
    comm -3 "$own/before" "$own/after"
}

# What is installed in more than one version, but for what may be.
rpm_doubled() { # FILE: names that may
    rpm_list >"$own/rpms" || return
    cut -f 1,3 "$own/rpms" | uniq -d | cut -f 1 | sort -u | while IFS= read -r rpm_name; do
        grep -qxF -- "$rpm_name" "$1" ||
            rpm -q --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n' "$rpm_name"
    done
    return 0
}

# What would go, or go back, and is not among $rpm_granted. What a rehearsal that fails complains of the tool itself tells better.
rpm_beyond() { # COMMAND: prints the names of all that would
    "$1" >"$own/goes" 2>/dev/null
    rpm_code=$?
    while IFS= read -r rpm_name; do
        case " $rpm_granted " in
            *" $rpm_name "*) ;;
            *) printf '%s\n' "$rpm_name" ;;
        esac
    done <"$own/goes" >"$own/beyond"
    cat "$own/beyond"
    return "$rpm_code"
}

# Run a tool when nobody holds its locks; again where somebody was quicker.
rpm_apply() { # SECONDS CODE COMMAND REHEARSAL FILE...: CODE is what the tool exits with where it finds its lock taken
    lock_limit=$1 rpm_locked=$2 rpm_tool=$3 rpm_rehearsal=$4 rpm_try=0 lock_waited=0 lock_begun=$(date +%s)
    shift 4
    own_folder || return
    while :; do
        rpm_try=$((rpm_try + 1))
        section "lock-wait-$rpm_try" lock_wait "$@"
        rpm_list >"$own/before" || return
        [ "$section_code" = 0 ] || break
        section "rpm-beyond-$rpm_try" rpm_beyond "$rpm_rehearsal"
        [ ! -s "$own/beyond" ] || break
        [ "$section_code" = "$rpm_locked" ] || section "rpm-apply-$rpm_try" "$rpm_tool"
        [ "$section_code" = "$rpm_locked" ] && [ $(($(date +%s) - lock_begun)) -lt "$lock_limit" ] || break
        sleep 1
    done
    section rpm-changed rpm_changed
}
