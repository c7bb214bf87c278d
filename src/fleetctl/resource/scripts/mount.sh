check_mount() { # PATH-AS-IN-/proc/mounts
    [ -r /proc/self/mounts ] || return 0
    fact table yes
    while read -r mount_from mount_at mount_type mount_options mount_rest; do
        [ "$mount_at" = "$1" ] || continue
        fact mount "$mount_from $mount_type $mount_options"
    done </proc/self/mounts
    : "${mount_rest:-}"
}
