#!/usr/bin/env bash
# Make .venv with fleetctl and everything its tests and checks need. A second run takes no time.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "bootstrap: $*" >&2; }
die() { say "$*"; exit 1; }

find_python() {
  local name
  for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3.14 python3 python; do
    [ -n "$name" ] || continue
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  die 'no Python of 3.11 or newer found. Install one (Debian 12 and 13: apt-get install python3), or name it: PYTHON=/path/to/python3 make ...'
}

# Debian ships Python without the parts that make environments.
need_venv() {
  local python=$1 package
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "$python cannot make virtual environments. Install its venv module, on Debian: sudo apt-get install $package"
  fi
  say "installing $package"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -qq --no-install-recommends "$package" >/dev/null 2>&1 || {
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$package" >/dev/null
  } || die "could not install $package"
}

stamp=.venv/.bootstrap
want=$(cat pyproject.toml constraints.txt "$0" | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/fleetctl ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ] && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  python=$(find_python)
  need_venv "$python"
  say "making .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
fi
say 'installing fleetctl and its development tools into .venv'
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[test,check]' \
  || die 'pip could not install the dependencies; its message is above'
printf '%s\n' "$want" > "$stamp"
