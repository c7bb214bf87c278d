#!/usr/bin/env bash
# Install what the test fleet runs on: sshd, dropbear, nspawn, ... Only as root on Debian; elsewhere the tests that
# need them are skipped, and say so.
set -euo pipefail

packages=(
  apt-utils busybox-static debian-archive-keyring dropbear-bin gnupg iproute2 libalpm13 mmdebstrap nftables
  opendoas openssh-client openssh-server rpm sudo systemd-container zstd
)

say() { printf '%s\n' "fleet-packages: $*" >&2; }

if [ "$(id -u)" != 0 ]; then
  say 'not root: tests that need network namespaces and systemd will be skipped'
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  say 'no apt-get here: tests that need the Debian hosts may be skipped'
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || say 'apt-get update failed; trying with the lists that are there'
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
  || say 'not everything could be installed: tests of the fleet that need it will be skipped'
