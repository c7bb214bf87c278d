#!/usr/bin/env bash
# Install what fleetctl is measured against: ansible and pyinfra into benchmarks/.peers, clush and pssh from Debian.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '%s\n' "peers: $*" >&2; }

want=$(sha256sum peers.txt | cut -d' ' -f1)
if [ "$(cat .peers/.stamp 2>/dev/null || true)" != "$want" ]; then
  say 'installing ansible and pyinfra into benchmarks/.peers'
  rm -rf .peers
  ../.venv/bin/python -m venv .peers
  .peers/bin/python -m pip install --quiet --disable-pip-version-check --no-input -r peers.txt
  printf '%s\n' "$want" > .peers/.stamp
fi

if command -v clush >/dev/null && command -v parallel-ssh >/dev/null; then
  exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say 'installing clustershell and pssh'
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq || true
  apt-get install -y -qq --no-install-recommends clustershell pssh >/dev/null || say 'they could not be installed'
else
  say 'clush or pssh is missing (Debian: apt-get install clustershell pssh); it will be left out'
fi
