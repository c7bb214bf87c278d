"""What hosts with thousands of packages answer to `fleetctl patch scan`, made up: apt, dnf 4 and zypper.

Every number stands for something real: a tenth of the packages is behind, as after two months without a patch night; vendors of rpm
systems list every advisory of every installed package, not only those that are needed. Hosts of a fleet are alike, but not the
same: `variant` changes what is installed and what is behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["MANAGERS", "answer"]

NOW: Final = 1_795_000_000  # seconds since 1970, on the hosts' clocks
BEHIND: Final = 0.1
SECURITY: Final = 0.6  # of what is behind
TOLD: Final = 0.5  # of rpm packages that were patched before, and whose advisories are still listed
WORDS: Final = (
    "lib",
    "perl",
    "python3",
    "fonts",
    "gnome",
    "systemd",
    "kernel",
    "java",
    "ruby",
    "node",
    "golang",
    "texlive",
)
SECTIONS: Final = ("libs", "admin", "net", "utils", "python", "perl", "doc", "devel", "fonts", "x11")
PRIORITIES: Final = ("optional", "optional", "optional", "optional", "standard", "important", "required")
GRADES: Final = ("Low", "Moderate", "Important", "Critical")
DEBIAN: Final = {
    "bookworm-security": "Debian-Security",
    "bookworm-updates": "Debian",
    "bookworm": "Debian",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a made-up host.

    Attributes:
        newer: empty where nothing is newer.
        number: of the package in the pool.
        since: when it was installed, in seconds since 1970; no two hosts agree.
    """

    name: str
    upstream: str
    release: str
    newer: str
    arch: str
    security: bool
    number: int
    since: int

    @property
    def version(self) -> str:
        return f"{self.upstream}-{self.release}"


def answer(manager: str, *, packages: int = 2000, variant: int = 0) -> bytes:
    """Return what a host prints.

    Args:
        manager: one of `MANAGERS`.
        packages: that are installed.
        variant: which host of the fleet it is; packages and versions come from one pool.
    """
    chance = random.Random(f"{manager} {variant}")
    system, sections = MANAGERS[manager]
    told = sections(list(_installed(manager, packages, chance)))
    facts = f"kernel=6.1.0-25-amd64\nkernel_build=#1 SMP\nmachine=x86_64\nnode=host-{variant}\nuid=0\ntime={NOW}\nuptime=864000\nvirtualisation=kvm"
    head = {"os-release": system, "facts": facts, "manager": manager}
    frames = (
        f"\n@@fleetctl {name} begin\n{text}\n@@fleetctl {name} end {100 if name == 'dnf-checkupdate' else 0}\n"
        for name, text in (head | dict(told)).items()
    )
    return ("".join(frames) + "\n@@fleetctl done\n").encode()


def _installed(manager: str, count: int, chance: random.Random) -> Iterator[Package]:
    """Take packages from a pool that is a tenth larger; all hosts are offered the same versions."""
    mark = "deb12u" if manager == "apt" else "el9_"
    for number in sorted(chance.sample(range(count + count // 10), count)):
        same = random.Random(f"{manager} {number}")
        upstream = f"{same.randrange(10)}.{same.randrange(40)}.{same.randrange(20)}"
        release = f"{same.randrange(1, 30)}" if manager == "apt" else f"{same.randrange(1, 90)}.el9"
        behind = same.random() < BEHIND * 1.5 and chance.random() < 1 / 1.5
        yield Package(
            name=f"{WORDS[number % len(WORDS)]}-part{number:04}-{same.choice(('common', 'bin', 'data', 'dev', 'core'))}",
            upstream=upstream,
            release=release,
            newer=f"{upstream}-{release}+{mark}{same.randrange(1, 9)}" if behind else "",
            arch=same.choice(
                ("all", "amd64", "amd64") if manager == "apt" else ("noarch", "x86_64", "x86_64")
            ),
            security=same.random() < SECURITY,
            number=number,
            since=NOW - chance.randrange(40 * 86400),
        )


def _apt(packages: list[Package]) -> Iterator[tuple[str, str]]:
    yield (
        "apt-installed",
        "".join(
            f"{p.name}\t{p.version}\t{p.arch}\tii \t{p.name if p.number % 2 else f'src{p.number // 4} ({p.upstream})'}"
            f"\t{SECTIONS[p.number % len(SECTIONS)]}\t{PRIORITIES[p.number % len(PRIORITIES)]}\t{p.since}\n"
            for p in packages
        ),
    )
    yield "apt-architectures", "amd64\n"
    yield "apt-audit", ""
    yield (
        "apt-releases",
        "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n"
        + "".join(
            f" 500 {_debian(suite)}\n     release v=12,o=Debian,a=oldstable,n={suite},l={label},c=main,b=amd64\n     origin mirror.example\n"
            for suite, label in DEBIAN.items()
        ),
    )
    yield (
        "apt-versions",
        "".join(f"@{number}={_debian(suite)}\n" for number, suite in enumerate(DEBIAN, 1))
        + "".join(
            f"{p.name}:\n  Candidate: {p.newer}\n     {p.newer} 500\n@{1 if p.security else 2}\n *** {p.version} 500\n@3\n"
            if p.newer
            else f"{p.name}:\n *** {p.version} 500\n@3\n"
            for p in packages
        ),
    )
    yield (
        "apt-upgrade",
        "".join(
            f"Inst {p.name} [{p.version}] ({p.newer} Debian:12.11/oldstable [amd64])\nConf {p.name} ({p.newer} Debian:12.11/oldstable [amd64])\n"
            for p in packages
            if p.newer
        ),
    )
    yield "apt-list-times", f"{NOW - 3600} /var/lib/apt/lists/partial\n"
    for name in ("apt-release-files", "apt-reboot", "apt-needrestart", "apt-pro"):
        yield name, ""


def _debian(suite: str) -> str:
    archive = "debian-security" if suite.endswith("-security") else "debian"
    return f"http://mirror.example/{archive} {suite}/main amd64 Packages"


def _rows(packages: Iterable[Package]) -> str:
    return "".join(
        f"{p.name}\t0\t{p.upstream}\t{p.release}\t{p.arch}\t{p.since}\tsrc{p.number // 4}-{p.version}.src.rpm\n"
        for p in packages
    )


def _advisories(packages: Iterable[Package]) -> dict[str, list[tuple[Package, str]]]:
    """Return which advisory is about which versions: four packages share one, as those of one source do."""
    found: dict[str, list[tuple[Package, str]]] = {}
    for p in packages:
        kind = "RLSA" if p.security else "RLBA"
        if p.newer:
            found.setdefault(f"{kind}-2026:{p.number // 4:04}", []).append((p, p.newer))
        if p.number % 100 < 100 * TOLD:
            for past in range(3):
                version = f"{p.upstream}-{p.release}" if past == 0 else f"{p.upstream}-0.{past}.el9"
                found.setdefault(f"RLSA-202{5 - past}:{p.number // 4:04}", []).append((p, version))
    return found


def _cves(name: str) -> list[str]:
    number = int(name[-4:])
    return [f"CVE-{name[5:9]}-{number * 4 + offset:05}" for offset in range(1 + number % 4)]


def _dnf(packages: list[Package]) -> Iterator[tuple[str, str]]:
    behind = [p for p in packages if p.newer]
    told = _advisories(packages)
    needed = sorted(
        {name for name, versions in told.items() for p, version in versions if version == p.newer}
    )
    yield "dnf-tool", "generation=4\n"
    yield "dnf-installed", _rows(packages)
    yield (
        "dnf-available",
        "".join(
            f"{p.name}\t0\t{p.newer.replace('-', chr(9), 1)}\t{p.arch}\tbaseos\t{90000 + p.number}\t2026-10-0{1 + p.number % 9} 10:00\n"
            for p in behind
        ),
    )
    yield "dnf-checkupdate", "".join(f"{p.name}.{p.arch}   {p.newer}   baseos\n" for p in behind)
    yield (
        "dnf-advisories",
        "".join(
            f"  Update ID: {name}\n       Type: {'security' if 'SA' in name else 'bugfix'}\n    Updated: 2026-10-0{1 + int(name[-1]) % 9} 00:00:00\n"
            "       Bugs: 2233445 - a bug\n       CVEs: "
            + "\n           : ".join(_cves(name))
            + f"\n   Severity: {GRADES[int(name[-4:]) % 4]}\n"
            for name in needed
        ),
    )
    yield (
        "dnf-advised",
        "".join(
            f"i {name} {GRADES[int(name[-4:]) % 4] + '/Sec.' if 'SA' in name else 'bugfix'} {p.name}-{version}.{p.arch}\n"
            for name, versions in told.items()
            for p, version in versions
        ),
    )
    yield "dnf-from", "".join(f"{p.name}\t0\t{p.upstream}\t{p.release}\t{p.arch}\tbaseos\n" for p in packages)
    yield "dnf-repositories", "Repo-id            : baseos\nRepo-id            : appstream\n"
    yield "dnf-times", f"{NOW - 3600} /var/cache/dnf/baseos-{'0' * 16}/repodata/repomd.xml\n"
    yield "dnf-reboot", "Reboot should not be necessary.\n"
    for name in ("excludes", "locks", "services", "duplicates", "check"):
        yield f"dnf-{name}", ""


def _zypper(packages: list[Package]) -> Iterator[tuple[str, str]]:
    told = _advisories(packages)
    updates = _xml("update-status", "update-list", map(_update, (p for p in packages if p.newer)))
    yield "zypper-installed", _rows(packages)
    yield "zypper-several", ""
    yield "zypper-tool", ""
    yield "zypper-repositories", _xml("repo-list", "", ['<repo alias="sle" name="sle" enabled="1"/>'])
    yield "zypper-times", f"{NOW - 3600} /var/cache/zypp/raw/sle/repodata/repomd.xml\n"
    yield "zypper-missing", ""
    yield "zypper-locks", _xml("locks", "", [])
    yield "zypper-updates", updates
    yield "zypper-available", updates
    yield (
        "zypper-patches",
        _xml("update-status", "update-list", (_patch(name, versions) for name, versions in told.items())),
    )
    here = {
        name: [
            f"    {p.name}.{p.arch} &lt; {version}\n"
            for p, version in versions
            if version in {p.version, p.newer}
        ]
        for name, versions in told.items()
    }
    yield (
        "zypper-contents",
        "".join(
            f"Repository  : sle\nName        : {name}\nConflicts   : [{len(lines)}]\n{''.join(lines)}"
            for name, lines in here.items()
            if lines
        ),
    )
    yield (
        "zypper-origins",
        _xml(
            "search-result",
            "solvable-list",
            (
                f'<solvable status="installed" name="{p.name}" kind="package" edition="{p.version}" arch="{p.arch}" repository="sle"/>\n'
                for p in packages
            ),
        ),
    )
    yield "zypper-reboot", "<?xml version='1.0'?>\n<stream>\n</stream>\n"
    yield "zypper-services", "<?xml version='1.0'?>\n<stream>\n</stream>\n"
    yield "zypper-unmet", ""


def _update(p: Package) -> str:
    return (
        f'<update kind="package" name="{p.name}" edition="{p.newer}" arch="{p.arch}" edition-old="{p.version}">'
        f"<summary>what it is</summary><description>It is described in a line or two of prose, as packages are.</description><license/>"
        f'<source url="https://mirror.example/sle" alias="sle"/></update>\n'
    )


def _patch(name: str, versions: list[tuple[Package, str]]) -> str:
    needed = any(version == p.newer for p, version in versions)
    issues = "".join(f'<issue type="cve" id="{cve}"><title>{cve}</title></issue>' for cve in _cves(name))
    return (
        f'<update kind="patch" name="{name}" edition="1" arch="noarch" status="{"needed" if needed else "applied"}" '
        f'category="{"security" if "SA" in name else "recommended"}" severity="{GRADES[int(name[-4:]) % 4].lower()}" pkgmanager="false" '
        'restart="false" interactive="false"><summary>an update</summary><license/><source url="https://mirror.example/sle" alias="sle"/>'
        f'<issue-date time_t="{NOW - 86400 * 60}" text=""/><issue-list>{issues}</issue-list></update>\n'
    )


def _xml(outer: str, inner: str, rows: Iterable[str]) -> str:
    body = "".join(rows)
    listed = f"<{inner}>\n{body}</{inner}>" if inner else body
    return f"<?xml version='1.0'?>\n<stream>\n<{outer}>\n{listed}\n</{outer}>\n</stream>\n"


_ROCKY = (
    'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\nPRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"\n'
)
_SLES = 'ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.6"\nPRETTY_NAME="SUSE Linux Enterprise Server 15 SP6"\n'
_DEBIAN = (
    'ID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
)
_Sections = Callable[[list[Package]], Iterator[tuple[str, str]]]
MANAGERS: Final[Mapping[str, tuple[str, _Sections]]] = {
    "apt": (_DEBIAN, _apt),
    "dnf": (_ROCKY, _dnf),
    "zypper": (_SLES, _zypper),
}
