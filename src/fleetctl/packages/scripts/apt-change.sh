# What apt would change, and changing it. `apt_specs COMMAND ...` runs a command with what is wanted behind it.
apt_place() { # who asks, what cannot be written, and how much is free where packages are kept and unpacked, in KiB
    printf 'uid=%s\n' "$(id -u)"
    for apt_path in /var/cache/apt/archives / /usr /var/lib/dpkg; do
        [ -d "$apt_path" ] || continue
        df -Pk "$apt_path" | {
            read -r apt_line
            read -r apt_line apt_line apt_line apt_free apt_line apt_mount
            printf 'free=%s %s\n' "$apt_free" "$apt_mount"
            [ "$apt_path" != /var/cache/apt/archives ] || printf 'archives=%s\n' "$apt_mount"
            if [ "$(id -u)" = 0 ] && [ ! -w "$apt_path" ]; then printf 'readonly=%s\n' "$apt_mount"; fi
        }
    done
}

apt_can_write() { [ "$(id -u)" = 0 ] && [ -w /usr ] && [ -w /var/lib/dpkg ] && [ -w /var/cache/apt/archives ]; }

apt_clock() { # seconds that nobody sets back
    if [ -r /proc/uptime ]; then
        read -r apt_up _ </proc/uptime
        echo "${apt_up%%.*}"
    else
        date +%s
    fi
}

# The dpkg of an apt that was killed works on, and apt can wait only for some locks, and only since 1.9.11: so we wait ourselves.
apt_wait() { # SECONDS
    apt_begun=$(apt_clock) apt_waited=0 apt_told=''
    while apt_held=$(apt_holder) && [ -n "$apt_held" ]; do
        [ "$apt_held" = "$apt_told" ] || printf 'holder=%s\n' "$apt_held"
        apt_told=$apt_held apt_waited=$(($(apt_clock) - apt_begun))
        if [ "$apt_waited" -ge "$1" ]; then
            printf 'waited=%s\n' "$apt_waited"
            return 75
        fi
        sleep 1
    done
    [ -z "$apt_told" ] || apt_waited=$(($(apt_clock) - apt_begun))
    printf 'waited=%s\n' "$apt_waited"
}

# What is not properly installed, as apt_installed tells it; while somebody is at work that is as it should be.
apt_unfinished() {
    apt_busy || return 75
    apt_installed | LC_ALL=C sed "/$apt_tab.[inc] $apt_tab/d"
    for apt_path in /var/lib/dpkg/updates/[0-9]*; do
        [ ! -e "$apt_path" ] || printf 'journal=%s\n' "$apt_path"
    done
}
apt_tab=$(printf '\t')

apt_rehearse() {
    apt_plan=$(apt_specs apt_quietly apt-get -q -s --no-install-recommends -o APT::Get::AutomaticRemove=false install)
    apt_code=$?
    printf '%s\n' "$apt_plan"
    return "$apt_code"
}

apt_removals() { printf '%s\n' "$apt_plan" | sed -n 's/^Remv \([^ :]*\).*/\1/p; s/^Purg \([^ :]*\).*/\1/p'; }

apt_beyond() { # names of packages that would be removed, and are not among $apt_granted
    for apt_name in $(apt_removals); do
        case " $apt_granted " in
            *" $apt_name "*) ;;
            *) printf '%s\n' "$apt_name" ;;
        esac
    done
}

apt_sizes() {
    apt_specs apt_quietly apt-get -q --print-uris --no-install-recommends -o APT::Get::AutomaticRemove=false install
}

# What the repositories offer instead of what they do not.
apt_offers() { apt_specs apt_without_versions apt_quietly apt-cache -q madison; }

apt_without_versions() { # COMMAND ... SPEC...
    for apt_word in "$@"; do
        shift
        set -- "$@" "${apt_word%%=*}"
    done
    "$@"
}

apt_simulate() {
    section apt-place apt_place
    section apt-unfinished apt_unfinished
    section apt-simulate apt_rehearse
    if [ "$section_code" = 0 ]; then
        section apt-sizes apt_sizes
    else
        section apt-offers apt_offers
    fi
}

apt_list() { dpkg-query -W -f='${Package}\t${Architecture}\t${Version}\t${db:Status-Abbrev}\n' | LC_ALL=C sed "/$apt_tab.[nc].\$/d"; }

# Lines that are in one of two lists only: `-` was so before, `+` is so now. No temporary files: the disk may be full.
apt_changed() {
    {
        printf '%s\n' "$apt_before" | sed 's/^/-/'
        apt_list | sed 's/^/+/'
    } | LC_ALL=C sort -k 1.2 | uniq -u -s 1
}

# Configuration files that came beside one that was changed on this host. ctime: dpkg keeps the times of the archive.
apt_kept() {
    find /etc -xdev \( -name '*.dpkg-dist' -o -name '*.ucf-dist' \) -newerct "@$apt_started" -print
}

# To name a package is to apt as good as asking for it: what had come along for others would never be removed with them again.
apt_marks() {
    apt_again=''
    apt_native=$(dpkg --print-architecture)
    for apt_name in $(apt_specs apt_without_versions printf '%s\n'); do
        apt_name=${apt_name%":$apt_native"}
        case "
$apt_auto
" in
            *"
$apt_name
"*) apt_again="$apt_again $apt_name" ;;
        esac
    done
    # shellcheck disable=SC2086 # names of packages
    [ -z "$apt_again" ] || apt-mark -o DPkg::Lock::Timeout=60 auto $apt_again
}

# Without a terminal, its own included, nothing can wait for an answer. needrestart must neither ask nor restart anything by itself:
# fleetctl tells what runs old code, and reboots where it is told to. Nothing is removed that the rehearsal did not tell, nor downgraded:
# somebody may have installed what is newer than what was planned.
apt_install() { # SECONDS
    DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none APT_LISTBUGS_FRONTEND=none \
        UCF_FORCE_CONFFOLD=1 NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=fleetctl
    export DEBIAN_FRONTEND DEBIAN_PRIORITY APT_LISTCHANGES_FRONTEND APT_LISTBUGS_FRONTEND UCF_FORCE_CONFFOLD \
        NEEDRESTART_MODE NEEDRESTART_SUSPEND
    apt_remove=--no-remove
    [ -z "$(apt_removals)" ] || apt_remove=''
    apt_specs apt-get -y -q $apt_remove --no-install-recommends -o APT::Get::AutomaticRemove=false \
        -o Dpkg::Use-Pty=0 -o "DPkg::Lock::Timeout=$1" -o APT::Keep-Downloaded-Packages=false \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install 2>&1
}

apt_apply() { # SECONDS
    cd / && umask 022
    section apt-place apt_place
    apt_can_write || return 0
    section apt-wait apt_wait "$1"
    [ "$section_code" = 0 ] || return 0
    section apt-unfinished-before apt_unfinished
    [ -z "$(apt_unfinished)" ] || return 0
    section apt-simulate apt_rehearse
    if [ "$section_code" != 0 ]; then
        section apt-offers apt_offers
        return 0
    fi
    section apt-beyond apt_beyond
    [ -z "$(apt_beyond)" ] || return 0
    apt_before=$(apt_list) apt_auto=$(apt-mark showauto) apt_started=$(date +%s)
    section apt-install apt_install "$(($1 > apt_waited ? $1 - apt_waited : 0))"
    [ "$section_code" -lt 128 ] || section apt-orphan apt_wait 60
    section apt-changed apt_changed
    section apt-kept apt_kept
    section apt-unfinished apt_unfinished
    section apt-marks apt_marks
}
