#!/bin/sh
# Stands in for apk, which cannot be had here: it works on the same files, prints what a real apk-tools 2.14.9 printed, and knows no more than
# the tests need. Its package list has only versions that are newer than, or the same as, what is installed.
# /etc/apk/faults may have: `untrusted`, `no-list`, `gone`, `script NAME`, `full`, `beside NAME FILE`, and
# `purge NAME` or `back NAME VERSION`: what it removes, or goes back to, besides.
db=/lib/apk/db/installed lock=/lib/apk/db/lock faults=/etc/apk/faults
[ -e "$db" ] || db=/usr/lib/apk/db/installed
verb='' names='' simulate='' wait=0
fault() { sed -n "s/^$1 \{0,1\}//p" "$faults" 2>/dev/null; }
has_fault() { grep -q "^$1" "$faults" 2>/dev/null; }
while [ $# -gt 0 ]; do
    case $1 in
        --version) echo "apk-tools $(cat /etc/apk/stand-in-version 2>/dev/null || echo 2.14.9), compiled for x86_64." && exit ;;
        --simulate) simulate=1 ;;
        -l | --cache-max-age) shift ;;
        --wait) wait=$2 && shift ;;
        -*) ;;
        *) if [ -n "$verb" ]; then names="$names $1"; else verb=$1; fi ;;
    esac
    shift
done
url=$(sed -n 1p /etc/apk/repositories)

index() {
    if has_fault untrusted; then
        echo "WARNING: Ignoring $url: UNTRUSTED signature" >&2
    elif has_fault no-list || ! ls /var/cache/apk/APKINDEX.*.tar.gz >/dev/null 2>&1; then
        echo "WARNING: Ignoring $url: No such file or directory" >&2
    else
        gzip -dc /var/cache/apk/APKINDEX.*.tar.gz | tar -xOf - APKINDEX
    fi
}

rows() { awk -v mark="$1" '
    function tell() { if (name != "") print mark, name, version, needs; name = version = ""; needs = "-" }
    BEGIN { needs = "-" }
    /^P:/ { name = substr($0, 3) } /^V:/ { version = substr($0, 3) } /^D:/ { needs = substr($0, 3) } /^$/ { tell() } END { tell() }'; }

# KIND NAME OLD NEW
plan() {
    {
        rows here <"$db"
        index | rows list
        sed 's/\([^<>=~]*\)[<>=~].*/pin \1/p; d' /etc/apk/world
        for name in $names; do echo "want $name"; done
        [ "$verb" != upgrade ] || sed -n 's/^P:/want /p' "$db"
    } | awk '
        $1 == "here" { here[$2] = $3 }
        $1 == "list" { list[$2] = $3; needs[$2] = $4 }
        $1 == "pin"  { pin[$2] = 1 }
        $1 == "want" && !pin[$2] && ($2 in list) && here[$2] != list[$2] {
            if (needs[$2] != "-" && !(needs[$2] in here)) print "Installing", needs[$2], "-", list[needs[$2]]
            print "Upgrading", $2, here[$2], list[$2]
        }'
    for name in $(fault purge); do echo "Purging $name 1.0-r0 -"; done
    fault back | sed -n 's/\(.*\) \(.*\)/Downgrading \1 1.0-r0 \2/p'
}


install() { # KIND NAME OLD NEW
    if has_fault gone; then echo "ERROR: $2-$4: package mentioned in index not found (try 'apk update')" >&2 && return 1; fi
    if has_fault full; then echo "ERROR: $2-$4: No space left on device" >&2 && return 1; fi
    flags=''
    if [ "$(fault script)" = "$2" ]; then
        echo "Executing $2-$4.post-upgrade"
        echo "ERROR: $2-$4.post-upgrade: script exited with error 1" >&2
        flags=f:s
    fi
    case $(fault beside) in "$2 "*) echo "$2-$4: installing file to $(fault beside | sed 's/.* //').apk-new" ;; esac
    : >"$db.new"
    [ "$1" = Purging ] || index | awk -v name="$2" -v flags="$flags" -v RS= -v ORS='\n\n' '("\n" $0 "\n") ~ "\nP:" name "\n" { print $0 (flags ? "\n" flags : "") }' >"$db.new"
    awk -v name="$2" -v RS= -v ORS='\n\n' '("\n" $0 "\n") !~ "\nP:" name "\n"' "$db" >>"$db.new"
    mv "$db.new" "$db"
    [ -z "$flags" ]
}

case $verb in
    version)
        list=$(index | rows list)
        echo 'Installed:                                Available:'
        { echo "$list"; rows here <"$db"; } | awk '$1 == "list" { list[$2] = $3 }
            $1 == "here" && ($2 in list) && list[$2] != $3 { printf "%-40s< %s \n", $2 "-" $3, list[$2] }'
        ;;
    policy)
        list=$(index | rows list)
        for name in $names; do
            { echo "$list"; rows here <"$db"; } | awk -v name="$name" -v url="$url" '
                $2 == name && $1 == "list" { list = $3 } $2 == name && $1 == "here" { here = $3 }
                END {
                    print name " policy:"
                    if (list != "" && list != here) printf "  %s:\n    %s\n", list, url
                    if (here != "") { printf "  %s:\n    lib/apk/db/installed\n", here; if (list == here) print "    " url }
                }'
        done
        ;;
    update)
        [ "$(id -u)" = 0 ] || { echo 'ERROR: Unable to lock database: Permission denied' >&2 && exit 99; }
        echo "fetch $url/x86_64/APKINDEX.tar.gz"
        touch /var/cache/apk/APKINDEX.*.tar.gz
        echo 'OK: 6 distinct packages available'
        ;;
    upgrade | fix)
        if [ -z "$simulate" ]; then
            [ "$(id -u)" = 0 ] || { echo 'ERROR: Unable to lock database: Permission denied' >&2 && exit 99; }
            exec 9<>"$lock"
            until flock -n 9; do
                [ "$wait" -gt 0 ] || { echo 'ERROR: Unable to lock database: Resource temporarily unavailable' >&2 && exit 99; }
                wait=$((wait - 1)) && sleep 1
            done
        fi
        steps=$(plan)
        total=$(echo "$steps" | grep -c .)
        errors=$(grep -c '^f:.*[fs]' "$db") at=0
        while read -r kind name old new; do
            [ -n "$kind" ] || continue
            at=$((at + 1))
            case $kind in
                Installing) echo "($at/$total) $kind $name ($new)" ;;
                Purging) echo "($at/$total) $kind $name ($old)" ;;
                *) echo "($at/$total) $kind $name ($old -> $new)" ;;
            esac
            [ -n "$simulate" ] || install "$kind" "$name" "$old" "$new" || errors=$((errors + 1))
        done <<END
$steps
END
        if [ "$errors" = 0 ]; then echo "OK: 0 MiB in $(grep -c '^P:' "$db") packages"; else echo "$errors errors; 0 MiB in $(grep -c '^P:' "$db") packages"; fi
        exit "$errors"
        ;;
esac
