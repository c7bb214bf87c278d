"""A signed pacman repository for `arch`: first versions installed, second versions published."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lab.chroots import run_in
from lab.families import Package, Release, packages
from lab.rpmrepo import UNIT
from lab.signing import WHO, sign
from lab.versions import evr

__all__ = ["build", "file_name"]

WHEN = 1700000000
DATABASE = "fleet.db.tar.gz"
REPO_ADD = f"cd /mnt/{{}} && repo-add --quiet {DATABASE} {{}} 2>&1"


def build(tools: Path, folder: Path) -> None:
    """Build `folder/pac` and `folder/later/pac`, as a mirror has it that moved on.

    Args:
        tools: a root file system with repo-add.
        folder: where the repositories belong; its key is there already.
    """
    known = packages("arch")
    sleep = (tools / "usr/bin/sleep").read_bytes()
    later = [(each, each.later or each.releases[-1]) for each in known]
    newest = [(each, each.releases[-1]) for each in known]
    for repo, offered in (("pac", newest), ("later/pac", later)):
        (folder / repo).mkdir(parents=True)
        # The database of a real mirror knows one version of each; the first ones only lie about, to build hosts from.
        everything = offered if repo != "pac" else [(each, one) for each in known for one in each.releases]
        for package, release in everything:
            path = folder / repo / file_name(package, release)
            path.write_bytes(_package(package, release, sleep=sleep))
            sign(folder, path, suffix=".sig")
        names = " ".join(file_name(package, release) for package, release in offered)
        run_in(tools, "bash", "-c", REPO_ADD.format(repo, names), show=folder)
        database = folder / repo / "fleet.db"
        database.unlink(missing_ok=True)
        (folder / repo / DATABASE).rename(database)
        sign(folder, database, suffix=".sig")


def file_name(package: Package, release: Release) -> str:
    """The file of a package."""
    return f"{package.name}-{release.version}-any.pkg.tar.gz"


def _package(package: Package, release: Release, *, sleep: bytes) -> bytes:
    name, (_, version, number) = package.name, evr(release.version)
    files = {f"usr/lib/{name}/version-{version}-{number}": f"{release.version}\n".encode()}
    if release.conffile:
        files[f"etc/{name}.conf"] = release.conffile.encode()
    if package.service:
        files[f"usr/lib/{name}/{name}"] = sleep
        files[f"usr/lib/systemd/system/{name}.service"] = UNIT.format(name=name).encode()
    info = [
        *(f"pkgname = {name}", f"pkgbase = {name}", f"pkgver = {release.version}"),
        *(f"pkgdesc = fleetctl test package: {package.why}", "url = https://example.invalid/"),
        *(f"builddate = {WHEN}", f"packager = {WHO}", f"size = {sum(map(len, files.values()))}"),
        *("arch = any", "license = MIT"),
        *(f"depend = {each}" for each in release.requires),
        *([f"backup = etc/{name}.conf"] if release.conffile else []),
    ]
    about = {".PKGINFO": ("\n".join(info) + "\n").encode()}
    scripts = {"pre": release.before, "post": release.after}
    lines = [
        f"{when}_{act}() {{\n{body.rstrip()}\n}}"
        for when, body in scripts.items()
        if body
        for act in ("install", "upgrade")
    ]
    if lines:
        about[".INSTALL"] = ("\n".join(lines) + "\n").encode()
    return _tar({**about, **files})


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        known: set[str] = set()
        for path, content in files.items():
            for parent in reversed(Path(path).parents[:-1]):
                if str(parent) not in known:
                    known.add(str(parent))
                    tar.addfile(_entry(str(parent), kind=tarfile.DIRTYPE))
            entry = _entry(path, kind=tarfile.REGTYPE)
            entry.mode = 0o755 if content.startswith(b"\x7fELF") else 0o644
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _entry(path: str, *, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.mtime = kind, 0o755, WHEN
    entry.uname = entry.gname = "root"
    return entry
