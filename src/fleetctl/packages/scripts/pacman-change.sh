# What pacman would change, and changing it. Packages come as arguments of pacman_targets: name=version.
# What a pacman that is at work has begun is as it should be.
pacman_unfinished() {
    pacman_locked=$(pacman_lock)
    case $pacman_locked in
        holder=*) printf '%s\n' "$pacman_locked" ;;
        stale=*) printf '%s\n' "$pacman_locked" && pacman_halves ;;
        *) pacman_halves ;;
    esac
}

pacman_wanted() { pacman_targets printf '%s\n'; }

# Beside the wanted ones what comes along; also what the host ignores: that only the rehearsal tells.
pacman_would() {
    pacman_targets pacman -S --print --needed --print-format '%n %v %r %s' >"$own/would"
    pacman_code=$?
    cat "$own/would"
    return "$pacman_code"
}

# Name, version and architecture of packages; without names of all.
pacman_list() {
    pacman -Qi "$@" 2>/dev/null | sed -n -e '/^Name  *: /{' -e 's///;h' -e '}' -e '/^Version  *: /{' -e 's///;H' -e '}' \
        -e '/^Architecture  *: /{' -e 's///;H;x;s/\n/ /g;p' -e '}' | sort
}

pacman_now() {
    pacman_names=$({ pacman_wanted | sed 's/=.*//' && sed 's/ .*//' "$own/would"; } | sort -u)
    # Names of packages have no blanks.
    # shellcheck disable=SC2086
    pacman_list $pacman_names
}

# A real pacman with nobody at its end, who answers no to whatever it asks, and a lock of its own: it goes up to the last question.
pacman_rehearse() {
    mkdir -p "$own/db" && ln -s "$pacman_db/local" "$pacman_db/sync" "$own/db/" || return
    if [ "$(id -u)" = 0 ]; then
        pacman_as_root=
    elif have unshare && unshare -Ur true 2>/dev/null; then
        pacman_as_root='unshare -Ur'
    else
        return 126
    fi
    # shellcheck disable=SC2086 # words
    pacman_targets $pacman_as_root pacman --confirm -S --needed --dbpath "$own/db" --logfile /dev/null >"$own/rehearsal" 2>&1 </dev/null
    cat "$own/rehearsal"
    grep -q -e ':: Proceed with installation' -e '^ there is nothing to do$' "$own/rehearsal"
}

# Whether applying would be this and nothing else: no package that is not there, is ignored, or is newer here.
pacman_ready() {
    ! grep -q -e '^warning: downgrading package' -e 'warning: skipping target' "$own/rehearsal" || return
    pacman_now >"$own/now"
    pacman_wanted | while IFS= read -r pacman_spec; do
        sed 's/^\([^ ]*\) \([^ ]*\) .*/\1=\2/' "$own/would" "$own/now" | grep -qxF -e "$pacman_spec" || return 1
    done
}

pacman_begin() {
    section pacman-wanted pacman_wanted
    section pacman-would pacman_would
    section pacman-now pacman_now
    section pacman-rehearsal pacman_rehearse
}

pacman_simulate() {
    pacman_place && own_folder || return 0
    pacman_cache=$(pacman-conf CacheDir | sed -n 1p)
    section host-place host_place / /usr /etc "$pacman_cache"
    section pacman-unfinished pacman_unfinished
    pacman_begin
    section pacman-updates pacman -Qu
}

# Where its configuration does not have CheckSpace, pacman calls installed what it found no room for. It finds no room at all where it
# cannot see what is mounted.
pacman_settings() {
    echo '[options]'
    ! grep -qs '^[^ ]* / ' /proc/self/mounts || echo CheckSpace
    echo 'Include = /etc/pacman.conf'
}

# Of what is asked all the same: no to what is ignored, and to keys that nobody here trusts yet (1 + 64).
pacman_does() {
    pacman_settings >"$own/pacman.conf"
    pacman_targets pacman --config "$own/pacman.conf" --noconfirm --ask 65 -S --needed --noprogressbar 2>&1
}

pacman_changed() {
    pacman_list >"$own/after" || return
    comm -3 "$own/before" "$own/after"
}

pacman_apply() { # SECONDS
    cd / && umask 022 && pacman_place && own_folder || return 0
    pacman_cache=$(pacman-conf CacheDir | sed -n 1p)
    section host-place host_place / /usr /etc "$pacman_db" "$pacman_cache"
    if [ "$(id -u)" != 0 ] || host_place / /usr /etc "$pacman_db" "$pacman_cache" | grep -q '^readonly='; then return 0; fi
    lock_limit=$1 lock_waited=0 lock_begun=$(date +%s) lock_who=pacman_holder
    section lock-wait-1 lock_wait
    [ "$section_code" = 0 ] || return 0
    section pacman-unfinished pacman_unfinished
    [ -z "$(pacman_unfinished)" ] || return 0
    pacman_begin
    [ "$section_code" = 0 ] && pacman_ready && [ -s "$own/would" ] || return 0
    pacman_list >"$own/before"
    section pacman-apply pacman_does
    section pacman-changed pacman_changed
    section host-left host_place / /usr /etc "$pacman_cache"
    section pacman-after pacman_unfinished
}
