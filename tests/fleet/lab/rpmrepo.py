"""A signed rpm repository for `rocky`, `fedora` and `suse`: first versions installed, second versions published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from lab.chroots import run_in
from lab.families import PACKAGES, RPM, Package, Release
from lab.signing import KEY_FILE, WHO, sign
from lab.updateinfo import updateinfo
from lab.versions import evr

__all__ = ["build"]

# All packages of a generation come from one spec: rpmbuild takes as long for one as for twenty.
HEAD = f"""\
%global debug_package %{{nil}}
%global _build_id_links none
%global __os_install_post %{{nil}}
%global source_date_epoch_from_changelog 0
Name: fleet
Version: 0
Release: 0
Summary: test packages of fleetctl
License: MIT
Vendor: {WHO}
%description
Never built: only its subpackages are.
"""
UNIT = """\
[Service]
ExecStart=/usr/lib/{name}/{name} infinity
[Install]
WantedBy=multi-user.target
"""
SIGN = """\
set -e
GNUPGHOME=/mnt/gnupg
export GNUPGHOME
rpmsign --define '_gpg_name {who}' --addsign /mnt/rpm/*.rpm /mnt/later/rpm/*.rpm > /tmp/signed 2>&1 || {{ cat /tmp/signed; exit 1; }}
for repo in /mnt/rpm /mnt/later/rpm; do
  createrepo_c -q "$repo"
  modifyrepo_c "$repo/updateinfo.xml" "$repo/repodata" > /dev/null
  rm "$repo/updateinfo.xml"
done
"""


def build(tools: Path, folder: Path) -> None:
    """Build `folder/rpm` and `folder/later/rpm`, as a mirror has it that moved on.

    Args:
        tools: a root file system with rpmbuild, createrepo_c and rpmsign.
        folder: where the repositories belong; its key is there already.
    """
    known = [package for package in PACKAGES if package.on & RPM]
    arch = run_in(tools, "rpm", "--eval", "%_arch").strip()
    for generation in _generations(known):
        _rpmbuild(tools, folder, generation, into="rpm")
    _rpmbuild(tools, folder, [(each, each.later) for each in known if each.later], into="later/rpm")
    moved = {package.name for package in known if package.later}
    for rpm in (folder / "rpm").glob("*.rpm"):
        if rpm.name.rsplit("-", 2)[0] not in moved:
            (folder / "later/rpm" / rpm.name).hardlink_to(rpm)
    now = [(each, release) for each in known for release in each.releases]
    later = [(each, release) for each in known for release in ([each.later] if each.later else each.releases)]
    for repo, published in (("rpm", now), ("later/rpm", later)):
        entries = [
            (package, release, arch if package.service else "noarch") for package, release in published
        ]
        (folder / repo / "updateinfo.xml").write_text(updateinfo(entries))
    run_in(tools, "sh", "-c", SIGN.format(who=WHO), show=folder)
    for repo in ("rpm", "later/rpm"):
        sign(folder, folder / repo / "repodata/repomd.xml", suffix=".asc")
        (folder / repo / "repodata/repomd.xml.key").write_bytes((folder / KEY_FILE).read_bytes())


def _generations(known: list[Package]) -> Iterator[list[tuple[Package, Release]]]:
    for number in range(max(len(package.releases) for package in known)):
        yield [(each, each.releases[number]) for each in known if number < len(each.releases)]


def _rpmbuild(tools: Path, folder: Path, batch: Iterable[tuple[Package, Release]], *, into: str) -> None:
    (folder / into).mkdir(parents=True, exist_ok=True)
    sections, install = [], ["%install"]
    for package, release in batch:
        sections.append(_sections(package, release))
        install.append(_install(package, release))
    (folder / "fleet.spec").write_text(HEAD + "".join(sections) + "\n".join(install) + "\n")
    names = f"_build_name_fmt ../../mnt/{into}/%%{{NAME}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm"
    argv = ["rpmbuild", "-bb", "--quiet", "--define", "_topdir /tmp/top", "--define", "_rpmdir /tmp/top"]
    run_in(tools, *argv, "--define", names, "/mnt/fleet.spec", show=folder)
    (folder / "fleet.spec").unlink()


def _sections(package: Package, release: Release) -> str:
    epoch, version, number = evr(release.version)
    lines = [f"%package -n {package.name}", f"Version: {version}", f"Release: {number}", "AutoReqProv: no"]
    lines += [f"Summary: fleetctl test package {package.name}"]
    lines += [f"Epoch: {epoch}"] if epoch != "0" else []
    lines += [] if package.service else ["BuildArch: noarch"]
    lines += [f"Requires: {name}" for name in release.requires]
    lines += [f"Provides: {name}" for name in package.provides]
    lines += [f"%description -n {package.name}", f"Stands for: {package.why}."]
    for when, body in (("pre", release.before), ("post", release.after)):
        lines += [f"%{when} -n {package.name}", body.rstrip()] if body else []
    # Versions of a kernel are installed side by side, so no two may share a file.
    lines += [f"%files -n {package.name}", f"/usr/lib/{package.name}/*{version}-{number}*"]
    lines += [f"%config(noreplace) /etc/{package.name}.conf"] if release.conffile else []
    if package.service:
        lines += [
            f"/usr/lib/{package.name}/{package.name}",
            f"/usr/lib/systemd/system/{package.name}.service",
        ]
    return "\n".join(lines) + "\n"


def _install(package: Package, release: Release) -> str:
    name, (_, version, number) = package.name, evr(release.version)
    lines = [
        f"mkdir -p %{{buildroot}}/etc %{{buildroot}}/usr/lib/systemd/system %{{buildroot}}/usr/lib/{name}"
    ]
    lines += [f"echo {release.version} > %{{buildroot}}/usr/lib/{name}/version-{version}-{number}"]
    if release.conffile:
        lines += [f"cat > %{{buildroot}}/etc/{name}.conf <<'END'\n{release.conffile}END"]
    if package.service:
        lines += [f"cp /usr/bin/sleep %{{buildroot}}/usr/lib/{name}/{name}"]
        unit = f"%{{buildroot}}/usr/lib/systemd/system/{name}.service"
        lines += [f"cat > {unit} <<'END'\n{UNIT.format(name=name)}END"]
    return "\n".join(lines)
