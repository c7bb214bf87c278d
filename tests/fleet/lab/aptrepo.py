"""A signed apt repository for the Debian hosts: first versions installed, second versions published."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

from lab.catalogue import EXTRAS, LATER, PACKAGES, SUITES, Package, Release
from lab.chroots import PORT

__all__ = ["KEYRING", "SERVER", "build", "first_versions", "sources"]

SERVER = "apt.fleet.example"  # hosts find it in /etc/hosts, so that apt's lists can be part of a base
KEYRING = "/usr/share/keyrings/fleet.gpg"
WHEN = "1700000000"
WHO = "fleet test <fleet@example.invalid>"


def build(folder: Path) -> None:
    """Build it: `dists/SUITE` and `dists/SUITE-security` for each suite, signed, and the key `fleet.gpg`."""
    env = {**os.environ, "GNUPGHOME": str(folder / "gnupg"), "SOURCE_DATE_EPOCH": WHEN}
    (folder / "gnupg").mkdir(mode=0o700, parents=True)
    gpg = ("gpg", "-q", "--batch", "--passphrase", "")
    subprocess.run(
        [*gpg, "--quick-gen-key", WHO, "ed25519", "sign", "never"], env=env, check=True, capture_output=True
    )
    (folder / "fleet.gpg").write_bytes(
        subprocess.run([*gpg, "--export"], env=env, check=True, capture_output=True).stdout
    )
    for suite in SUITES.values():
        for package in (*PACKAGES, *EXTRAS):
            for release in (*filter(None, [package.installed]), *package.offers):
                where = f"{suite}-security" if release.security else suite
                _deb(folder / "pool" / where, package, release, suite=suite)
        _publish(folder, suite, label="Debian", env=env)
        _publish(folder, f"{suite}-security", label="Debian-Security", env=env)
        _move_on(folder, suite, env=env)
    subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)


def _move_on(folder: Path, suite: str, *, env: dict[str, str]) -> None:
    """Build `folder/later`: what a mirror has whose packages of `LATER` are newer, and the older ones gone."""
    for where in (suite, f"{suite}-security"):
        (folder / "later/pool" / where).mkdir(parents=True)
        for deb in (folder / "pool" / where).iterdir():
            if deb.name.partition("_")[0] not in LATER:
                (folder / "later/pool" / where / deb.name).hardlink_to(deb)
    for package in PACKAGES:
        if release := LATER.get(package.name):
            where = f"{suite}-security" if release.security else suite
            _deb(folder / "later/pool" / where, package, release, suite=suite)
    _publish(folder / "later", suite, label="Debian", env=env)
    _publish(folder / "later", f"{suite}-security", label="Debian-Security", env=env)


def first_versions(folder: Path, suite: str) -> list[Path]:
    """The .deb files that a fresh host has installed."""
    return [
        folder / "pool" / suite / _file(package.name, package.installed.on(suite))
        for package in PACKAGES
        if package.installed
    ]


def sources(suite: str) -> str:
    """The only apt sources of a host."""
    line = f"deb [signed-by={KEYRING}] http://{SERVER}:{PORT}/ {{}} main\n"
    return line.format(suite) + line.format(f"{suite}-security")


def _file(name: str, version: str) -> str:
    return f"{name}_{version.rpartition(':')[2]}_all.deb"


def _deb(pool: Path, package: Package, release: Release, *, suite: str) -> None:
    name, version = package.name, release.on(suite)
    tree = pool.parent.parent / "build" / f"{name}_{version}"
    for part in ("DEBIAN", f"usr/share/doc/{name}", f"usr/lib/{name}"):
        (tree / part).mkdir(parents=True)
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": WHO,
        "Section": "misc",
        "Priority": "optional",
        "Depends": release.depends,
        "Description": f"fleetctl test package: {package.why}",
    }
    (tree / "DEBIAN/control").write_text(
        "".join(f"{key}: {value}\n" for key, value in fields.items() if value)
    )
    entry = f"{name} ({version}) {suite}; urgency={release.urgency}\n\n  * {release.change}\n\n -- {WHO}  Tue, 14 Nov 2023 22:13:20 +0000\n"
    (tree / f"usr/share/doc/{name}/changelog.gz").write_bytes(gzip.compress(entry.encode(), mtime=0))
    (tree / f"usr/lib/{name}/version").write_text(version + "\n")
    if release.postinst:
        script = tree / "DEBIAN/postinst"
        script.write_text(f"#!/bin/sh\nset -e\n{release.postinst}")
        script.chmod(0o755)
    if release.conffile:
        (tree / "etc").mkdir()
        (tree / f"etc/{name}.conf").write_text(release.conffile)
        (tree / "DEBIAN/conffiles").write_text(f"/etc/{name}.conf\n")
    pool.mkdir(parents=True, exist_ok=True)
    argv = [
        "dpkg-deb",
        "--root-owner-group",
        "-Zgzip",
        "--build",
        str(tree),
        str(pool / _file(name, version)),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    shutil.rmtree(tree)


def _publish(folder: Path, suite: str, *, label: str, env: dict[str, str]) -> None:
    native = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    binary = folder / "dists" / suite / "main" / f"binary-{native}"
    binary.mkdir(parents=True)
    argv = ["apt-ftparchive", "packages", f"pool/{suite}"]
    packages = subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True).stdout
    (binary / "Packages").write_bytes(packages)
    (binary / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    facts = {
        "Origin": "Debian",
        "Label": label,
        "Suite": suite,
        "Codename": suite,
        "Architectures": f"{native} all",
        "Components": "main",
    }
    options = [
        part for key, value in facts.items() for part in ("-o", f"APT::FTPArchive::Release::{key}={value}")
    ]
    argv = ["apt-ftparchive", *options, "release", f"dists/{suite}"]
    release = subprocess.run(argv, cwd=folder, env=env, check=True, capture_output=True).stdout
    (folder / "dists" / suite / "Release").write_bytes(release)
    signed = folder / "dists" / suite / "InRelease"
    argv = ["gpg", "-q", "--batch", "--clearsign", "-o", str(signed), "-"]
    subprocess.run(argv, input=release, env=env, check=True, capture_output=True)
