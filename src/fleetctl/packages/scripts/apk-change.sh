# What apk would change, and changing it. `apk_names COMMAND ...` runs a command with the wanted names behind it, and `apk_wanted` prints
# `NAME VERSION`. `apk fix --upgrade NAME...` moves these packages and leaves /etc/apk/world alone; `apk add NAME=VERSION` would write the
# version there, and pin it. apk then takes the newest version that it may: so what it would take is held against what is wanted first.

# Package lists are those the plan was made from: apk fetches them anew after four hours, and that would be another plan.
apk_move() { apk_names apk_ask --cache-max-age 5256000 fix --upgrade "$@"; }

apk_place() { host_place /usr / /var/cache/apk; }

apk_can_write() { [ "$(id -u)" = 0 ] && ! apk_place | grep -q '^readonly='; }

apk_here() { sed -n -e '/^[PVAIf]:/p' -e '/^$/p' "$apk_file"; }

apk_list() { # NAME VERSION ARCHITECTURE, with tabulators between
    awk '
        function tell() { if (name != "") printf "%s\t%s\t%s\n", name, version, arch; name = version = arch = "" }
        /^P:/ { name = substr($0, 3) }
        /^V:/ { version = substr($0, 3) }
        /^A:/ { arch = substr($0, 3) }
        /^$/  { tell() }
        END   { tell() }
    ' "$apk_file"
}

apk_rehearse() {
    apk_plan=$(apk_move --simulate)
    apk_code=$?
    printf '%s\n' "$apk_plan"
    return "$apk_code"
}

# What the repositories offer instead.
apk_offers() { apk_names apk_ask policy | apk_bare; }

apk_new() {
    apk_found=$(printf '%s\n' "$apk_plan" | sed -n 's/^([ 0-9]*\/[0-9]*) [A-Z][a-z]* \([^ @]*\).*/\1/p' | tr '\n' ' ')
    [ -z "$apk_found" ] || apk_lists apk_about " $apk_found"
}

# What keeps the rehearsal from being what is wanted: `other=NAME`, another version; `beyond=NAME`, one that would go, or go back.
apk_unlike() { # " NAME ... ": what may go
    {
        apk_wanted | sed 's/^/wanted /'
        apk_list | sed 's/^/here /'
        printf '%s\n' "$apk_plan" | sed -n 's/^([ 0-9]*\/[0-9]*) /step /p'
    } | awk -v granted="$1" '
        $1 == "wanted" { wanted[$2] = $3 }
        $1 == "here"   { here[$2] = $3 }
        $1 == "step"   {
                           for (at = 3; at <= NF && $at !~ /^\(/; at++) name = $at
                           if (at > NF) next
                           sub(/@.*/, "", name)
                           version = $NF
                           gsub(/[()]/, "", version)
                           if ($2 == "Downgrading" || ($2 == "Purging" && !index(granted, " " name " "))) print "beyond=" name
                           else if ($2 != "Purging") here[name] = version
                       }
        END            { for (name in wanted) if (here[name] != wanted[name]) print "other=" name }
    '
}

apk_simulate() {
    apk_find
    section host-place apk_place
    section apk-wanted apk_wanted
    section apk-here apk_here
    section apk-would apk_rehearse
    section apk-new apk_new
    section apk-offers apk_offers
    section apk-world cat /etc/apk/world
    section apk-root apk_root
}

# Lines that are in one of two lists only: `-` was so before, `+` is so now. No temporary files: the disk may be full.
apk_changed() {
    {
        printf '%s\n' "$apk_before" | sed 's/^/-/'
        apk_list | sed 's/^/+/'
    } | sort -k 1.2 | uniq -u -s 1
}

apk_does() { apk_move --wait "$1" 2>&1; }

apk_apply() { # SECONDS " NAME ... "
    cd / && umask 022
    apk_find
    section host-place apk_place
    apk_can_write || return 0
    lock_limit=$1 lock_waited=0 lock_begun=$(date +%s)
    section lock-wait-1 lock_wait /lib/apk/db/lock /usr/lib/apk/db/lock /run/apk/db.lock
    [ "$section_code" = 0 ] || return 0
    section apk-wanted apk_wanted
    section apk-here apk_here
    section apk-would apk_rehearse
    # Nor with what was broken before: apk would not mend it, and count it as an error of this.
    if [ "$section_code" != 0 ] || grep -q '^f:[A-Za-z]*[fs]' "$apk_file"; then return 0; fi
    section apk-unlike apk_unlike "$2"
    if [ -n "$(apk_unlike "$2")" ]; then
        section apk-offers apk_offers
        section apk-world cat /etc/apk/world
        return 0
    fi
    apk_before=$(apk_list)
    section apk-does apk_does "$(($1 > lock_waited ? $1 - lock_waited : 1))"
    section apk-changed apk_changed
    section apk-after apk_here
}
