"""What apt would change, and changing it: `fleetctl.packages.change.PackageChanger` for Debian and its kin."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fleetctl.packages.change import Applied, Change, ChangeKind, Simulation, Trouble, TroubleKind, Wanted
from fleetctl.packages.collect import framed_script, script_text
from fleetctl.packages.debversion import deb_version_key
from fleetctl.packages.sections import Section, Sections

__all__ = ["AptChanger"]

# deb-version(7), deb-control(5): nothing else is a name or a version, and nothing of it is special to a shell or to apt's patterns.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_ARCH: Final = re.compile(r"[a-z0-9-]*")

_STEP: Final = re.compile(
    r"^(?P<step>Inst|Conf|Remv|Purg) (?P<name>[^\s:]+)(?::(?P<other>\S+))?(?: \[(?P<old>[^\]]+)\])?"
    r"(?: \((?P<new>\S+) (?P<origin>.*?)(?: \[(?P<arch>[^\]]*)\])?\))?.*$",
    re.MULTILINE,
)
_URI: Final = re.compile(r"^'[^']*' \S+ (\d+)(?: |$)", re.MULTILINE)

_HOLDER: Final = re.compile(r"Could not get lock (\S+?)\.? It is held by process (\d+) \(([^)]*)\)")
_NO_VERSION: Final = re.compile(r"E: Version '([^']+)' for '([^']+)' was not found")
_NO_PACKAGE: Final = re.compile(r"E: Unable to locate package (\S+)")
_SCRIPT: Final = re.compile(
    r"^dpkg: error processing (?:package|archive) (\S+)(?: \((--\w+)\))?:\n(.*)$", re.MULTILINE
)
_SPACE: Final = re.compile(
    r"You don't have enough free space in (\S+?)\.?$|No space left on device", re.MULTILINE
)
_SIGNATURE: Final = re.compile(
    r"^.*(?:There were unauthenticated packages|cannot be authenticated|NO_PUBKEY|EXPKEYSIG|BADSIG|is not signed).*$",
    re.MULTILINE,
)
_MIRROR: Final = re.compile(
    r"^(?:E: |Err:\d+ ).*(?:Failed to fetch|Unable to fetch|Hash Sum mismatch|Could not connect).*$",
    re.MULTILINE,
)
_MISSING_FILE: Final = re.compile(r"E: Failed to fetch (\S+) +(?:404 +Not Found|File not found).*")
_READ_ONLY: Final = re.compile(r"Read-only file system")
_DEPENDS: Final = re.compile(
    r"have unmet dependencies|Unable to correct problems|Held packages were changed|Packages need to be removed"
)
_WAITED: Final = re.compile(r"Waiting for cache lock")

_MEND: Final = "dpkg --configure -a && apt-get -y --fix-broken install"


class AptChanger:
    """Lets apt install exact versions."""

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that says what bringing these packages to these versions would do; nothing is written, no lock is taken."""
        return _script(wanted, "apt_simulate")

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer."""
        answer, uris = sections["apt-simulate"], sections["apt-uris"]
        standing = _busy(sections["apt-holder"]) or _standing(sections["apt-unfinished"])
        troubles = [*_odd(sections), *standing, *_place(sections, root=False)]
        if not troubles and not answer.ok:
            troubles += _troubles(answer) or [_unexplained(answer, "would not plan it")]
        return Simulation(
            changes=tuple(_planned(answer.text)),
            download=sum(map(int, _URI.findall(uris.text))) if uris.ok else None,
            free=_free(sections),
            troubles=tuple(troubles),
        )

    def apply_script(self, wanted: Sequence[Wanted], *, lock_seconds: int) -> str:
        """Return a script that installs exactly these, keeps local configuration files, and restarts nothing."""
        return _script(wanted, f"apt_apply {int(lock_seconds)}")

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer."""
        answer = sections["apt-install"]
        left = _standing(sections["apt-unfinished"])
        troubles = [*_odd(sections), *_place(sections, root=True)]
        troubles += [] if answer.ok else _troubles(answer)
        named = {name for trouble in troubles for name in trouble.packages}
        troubles += [trouble for trouble in left if not set(trouble.packages) <= named]
        if not answer.ok and not troubles:
            troubles.append(_unexplained(answer, "failed"))
        return Applied(
            ok=answer.ok and not troubles,
            changes=tuple(_changed(sections["apt-changed"].lines)),
            kept_files=tuple(line for line in sections["apt-kept"].lines if line.startswith("/")),
            troubles=tuple(troubles),
            waited=float(len(_WAITED.findall(answer.text + answer.errors))),
        )


def _script(wanted: Sequence[Wanted], act: str) -> str:
    good = [
        w
        for w in wanted
        if _NAME.fullmatch(w.name) and _VERSION.fullmatch(w.version) and _ARCH.fullmatch(w.arch)
    ]
    specs = [
        f"{w.name}:{w.arch}={w.version}" if w.arch not in {"", "all"} else f"{w.name}={w.version}"
        for w in good
    ]
    odd = [f"{w.name} {w.version} {w.arch}" for w in wanted if w not in good]
    body = [
        script_text("apt.sh"),
        script_text("apt-change.sh"),
        f'apt_specs() {{ "$@" {" ".join(map(shlex.quote, specs))}; }}',
        *([f"section apt-odd printf '%s\\n' {shlex.join(odd)}"] if odd else []),
        act if specs else ":",
    ]
    return framed_script("\n".join(body) + "\n")


def _planned(text: str) -> Iterator[Change]:
    """Read the steps of `apt-get -s`: each package once, a removal as such, `Conf` alone where it is only configured."""
    steps: dict[tuple[str, str], Change] = {}
    for found in _STEP.finditer(text):
        step, name, arch = found["step"], found["name"], found["other"] or found["arch"] or ""
        old, new = found["old"] or "", found["new"] or ""
        if step in {"Remv", "Purg"}:
            steps[name, arch] = Change(kind="remove", name=name, arch=arch, before=old)
        elif step == "Inst":
            origin = (found["origin"] or "").strip()
            steps[name, arch] = Change(
                kind=_kind(old, new), name=name, arch=arch, before=old, after=new, repository=origin
            )
        elif (name, arch) not in steps:
            steps[name, arch] = Change(kind="configure", name=name, arch=arch, after=new)
    return iter(steps.values())


def _kind(old: str, new: str) -> ChangeKind:
    if not old:
        return "install"
    before, after = deb_version_key(old), deb_version_key(new)
    return "upgrade" if after > before else "downgrade" if after < before else "reinstall"


def _changed(lines: Iterable[str]) -> Iterator[Change]:
    """Read `comm -3` of the lists before and after: what came stands behind a tabulator."""
    before: dict[tuple[str, str], str] = {}
    after: dict[tuple[str, str], str] = {}
    for line in lines:
        cells = line.removeprefix("\t").split("\t")
        if len(cells) == 3:
            (after if line.startswith("\t") else before)[cells[0], cells[1]] = cells[2]
    for name, arch in dict.fromkeys([*before, *after]):
        old, new = before.get((name, arch), ""), after.get((name, arch), "")
        yield Change(kind=_kind(old, new) if new else "remove", name=name, arch=arch, before=old, after=new)


def _odd(sections: Sections) -> list[Trouble]:
    if "apt-odd" not in sections:
        return []
    told = ", ".join(sections["apt-odd"].lines)
    return [Trouble(kind=TroubleKind.OTHER, message=f"no Debian package can be called so: {told}")]


def _standing(section: Section) -> list[Trouble]:
    """Tell what was left half done: apt would try to mend it along the way, and nobody asked for that."""
    names = [line.split()[-1].partition(":")[0] for line in section.lines if line.strip()]
    if not names:
        return []
    return [
        Trouble(
            kind=TroubleKind.BROKEN,
            message=f"dpkg was left half done: {', '.join(names)}",
            mend=_MEND,
            packages=tuple(names),
        )
    ]


def _busy(section: Section) -> list[Trouble]:
    """Tell who installs packages right now: until that has ended, nobody knows what is left to do."""
    pid, _, command = section.text.strip().partition(" ")
    if not pid.isdecimal():
        return []
    what = _plain(command) or "?"
    return [Trouble(kind=TroubleKind.LOCKED, message=f"dpkg's lock is held by process {pid} ({what})")]


def _place(sections: Sections, *, root: bool) -> list[Trouble]:
    text = sections["apt-place"].text
    uid = re.search(r"^uid=(\d+)$", text, re.MULTILINE)
    found = []
    if root and uid is not None and uid[1] != "0":
        found.append(Trouble(kind=TroubleKind.NOT_ROOT, message="apt wants root to install packages"))
    for mount in dict.fromkeys(re.findall(r"^readonly=(.+)$", text, re.MULTILINE)):
        message = f"the file system on {mount} is mounted read-only"
        found.append(
            Trouble(kind=TroubleKind.READ_ONLY, message=message, mend=f"mount -o remount,rw {mount}")
        )
    return found


def _troubles(section: Section) -> list[Trouble]:
    """Tell apart what apt calls 100 in every case, by its own words."""
    text = f"{section.text}\n{section.errors}"
    for find in (_gone, _locked, _no_space, _read_only, _unsigned, _unfetched, _scripts, _unsolved):
        if found := find(text):
            return found
    return []


def _gone(text: str) -> list[Trouble]:
    versions = [(name, version) for version, name in _NO_VERSION.findall(text)]
    versions += [(name.partition("=")[0], "") for name in _NO_PACKAGE.findall(text)]
    return [
        Trouble(
            kind=TroubleKind.GONE,
            message=f"no repository of the host offers {name} {version}".rstrip(),
            mend="apt-get update",
            packages=(name.partition(":")[0],),
        )
        for name, version in dict.fromkeys(versions)
    ]


def _locked(text: str) -> list[Trouble]:
    if "Could not get lock" not in text or "Unable to" not in text:
        return []
    holders = _HOLDER.findall(text)
    who = f"process {holders[-1][1]} ({holders[-1][2]})" if holders else "another process"
    what = holders[-1][0] if holders else "its lock"
    message = f"{what} was held by {who} to the end of --lock-timeout"
    return [Trouble(kind=TroubleKind.LOCKED, message=message)]


def _no_space(text: str) -> list[Trouble]:
    found = _SPACE.search(text)
    if not found:
        return []
    where = f" in {found[1]}" if found[1] else ""
    return [
        Trouble(
            kind=TroubleKind.DISK_FULL, message=f"there is not enough free space{where}", mend="apt-get clean"
        )
    ]


def _read_only(text: str) -> list[Trouble]:
    if not _READ_ONLY.search(text):
        return []
    return [Trouble(kind=TroubleKind.READ_ONLY, message="a file system is mounted read-only")]


def _unsigned(text: str) -> list[Trouble]:
    found = _SIGNATURE.search(text)
    if not found:
        return []
    return [
        Trouble(
            kind=TroubleKind.SIGNATURE,
            message=f"packages cannot be trusted: {_plain(found[0])}",
            mend="apt-get update",
        )
    ]


def _unfetched(text: str) -> list[Trouble]:
    found = _MIRROR.search(text)
    if not found:
        return []
    files = [url.rpartition("/")[2] for url in _MISSING_FILE.findall(text)]
    if files:
        message = f"the mirror does not have it any more: {', '.join(dict.fromkeys(files))}"
        names = tuple(dict.fromkeys(file.partition("_")[0] for file in files))
        return [Trouble(kind=TroubleKind.GONE, message=message, mend="apt-get update", packages=names)]
    return [Trouble(kind=TroubleKind.MIRROR, message=f"a mirror cannot be used: {_plain(found[0])}")]


def _scripts(text: str) -> list[Trouble]:
    found: dict[str, str] = {}
    for name, _, why in _SCRIPT.findall(text):
        plain = name.rpartition("/")[2].partition("_")[0].partition(":")[0]
        found.setdefault(plain, why.strip())
    return [
        Trouble(kind=TroubleKind.SCRIPT, message=f"{name}: {why}", mend=_MEND, packages=(name,))
        for name, why in found.items()
    ]


def _unsolved(text: str) -> list[Trouble]:
    if not _DEPENDS.search(text):
        return []
    lines = [line.strip() for line in text.splitlines() if re.match(r"^ \S+ : ", line)]
    why = "; ".join(lines[:3]) or next((line for line in text.splitlines() if line.startswith("E: ")), "")
    return [Trouble(kind=TroubleKind.DEPENDENCIES, message=f"dependencies do not allow it: {_plain(why)}")]


def _unexplained(section: Section, what: str) -> Trouble:
    lines = [
        line for line in f"{section.text}\n{section.errors}".splitlines() if line.startswith(("E: ", "W: "))
    ]
    why = section.fault or _plain(" ".join(lines[:3])) or f"exit code {section.code}"
    return Trouble(kind=TroubleKind.OTHER, message=f"apt {what}: {why}")


def _plain(text: str) -> str:
    return " ".join(text.removeprefix("E: ").split())[:300]


def _free(sections: Sections) -> int | None:
    found = re.findall(r"^free=(\d{1,15}) ", sections["apt-place"].text, re.MULTILINE)
    return min((int(kibibytes) * 1024 for kibibytes in found), default=None)
