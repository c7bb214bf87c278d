check_command() { # SCRIPT
    sh -c "$1" fleetctl 2>/dev/null
}
