"""What apk would change, and changing it: `fleetctl.packages.change.PackageChanger` for Alpine and its kin."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Final

from fleetctl.packages.apk_lists import memory_notes
from fleetctl.packages.apk_rehearsal import (
    disk_use,
    download_size,
    read_steps,
    short_of_space,
    sized,
    standing,
    unexplained,
    unlike,
    unplanned,
)
from fleetctl.packages.apk_troubles import apk_troubles
from fleetctl.packages.apkversion import apk_version_key
from fleetctl.packages.change import (
    Applied,
    Change,
    ChangeKind,
    Simulation,
    Trouble,
    TroubleKind,
    Wanted,
    beyond,
)
from fleetctl.packages.collect import framed_script, script_text
from fleetctl.packages.place import free_space, locked, odd_names, place_troubles, targets, waited_seconds
from fleetctl.packages.sections import Section, Sections

__all__ = ["ApkChanger"]

_NAME: Final = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._+-]*")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9._~+-]*")
_BESIDE: Final = re.compile(r"nstalling file to (\S.*)\.apk-new\s*$", re.MULTILINE)
# Exit codes above it are signals.
_SIGNAL: Final = 128


class ApkChanger:
    """Lets apk install exact versions, and leaves /etc/apk/world as it is."""

    def simulate_script(self, wanted: Sequence[Wanted]) -> str:
        """Return a script that says what bringing these packages to these versions would do; nothing is written, no lock is taken."""
        return _script(wanted, "apk_simulate")

    def parse_simulation(self, sections: Sections) -> Simulation:
        """Read its answer."""
        if "apk-nothing" in sections:
            return Simulation()
        would = sections["apk-would"]
        changes = tuple(sized(sections, read_steps(would.lines)))
        more = disk_use(sections, changes)
        troubles = [*place_troubles(sections, tool="apk")]
        if not troubles:
            troubles = standing(sections["apk-here"]) or unplanned(would) or unlike(sections, changes)
        return Simulation(
            changes=changes,
            download=download_size(changes),
            disk=more,
            free=free_space(sections),
            troubles=tuple(troubles or short_of_space(sections, more)),
            notes=tuple(memory_notes(sections["apk-root"])),
        )

    def apply_script(
        self, wanted: Sequence[Wanted], *, lock_seconds: int, removals: Sequence[str] = ()
    ) -> str:
        """Return a script that installs exactly these, keeps local configuration files, and restarts nothing.

        Once nobody holds the lock any more it rehearses, and goes no further where apk would choose another version, go back to an older
        one, or remove what `removals` does not name.
        """
        granted = shlex.quote(f" {' '.join(removals)} ")
        return _script(wanted, f"apk_apply {int(lock_seconds)} {granted}")

    def parse_application(self, sections: Sections) -> Applied:
        """Read its answer."""
        if "apk-nothing" in sections:
            return Applied(ok=True)
        does = sections["apk-does"]
        tried = "apk-does" in sections
        troubles = [
            *place_troubles(sections, tool="apk", acting=True),
            *locked([sections["lock-wait-1"]]),
        ]
        if not troubles and not tried:
            troubles = _not_tried(sections)
        if tried:
            troubles += _done(does)
        known = {name for trouble in troubles for name in trouble.packages}
        troubles += standing(sections["apk-after"], known=known)
        return Applied(
            ok=does.ok and not troubles,
            changes=tuple(_changes(sections)),
            kept_files=tuple(dict.fromkeys(f"/{path.lstrip('/')}" for path in _BESIDE.findall(does.text))),
            troubles=tuple(troubles),
            waited=waited_seconds([sections["lock-wait-1"]]),
        )


def _script(wanted: Sequence[Wanted], act: str) -> str:
    if not wanted:
        return framed_script("section apk-nothing true\n")
    odd = [w for w in wanted if not (_NAME.fullmatch(w.name) and _VERSION.fullmatch(w.version))]
    if odd:
        # Exactly what is wanted, or nothing: not a part of it.
        return framed_script(odd_names(odd))
    lines = shlex.join(f"{w.name} {w.version}" for w in wanted)
    body = [
        *map(script_text, ("apk.sh", "place.sh", "apk-change.sh")),
        targets("apk_names", (w.name for w in wanted)),
        f"apk_wanted() {{ printf '%s\\n' {lines}; }}",
        act,
    ]
    return framed_script("\n".join(body) + "\n")


def _not_tried(sections: Sections) -> list[Trouble]:
    """Tell why it ended with the rehearsal."""
    would = sections["apk-would"]
    found = standing(sections["apk-here"]) or unplanned(would)
    found = found or unlike(sections, read_steps(would.lines))
    told = {name for trouble in found for name in trouble.packages}
    marked = (line.partition("=") for line in sections["apk-unlike"].lines)
    gone = [name for mark, _, name in marked if mark == "beyond" and name not in told]
    if gone:
        found.append(beyond(gone))
    return found or [unexplained(would, "was not asked to do it")]


def _done(does: Section) -> list[Trouble]:
    """Tell what went wrong while apk was at work."""
    found = apk_troubles(f"{does.text}\n{does.errors}")
    if does.code > _SIGNAL:
        message = f"apk was killed in the middle of it (signal {does.code - _SIGNAL})"
        return [Trouble(kind=TroubleKind.BROKEN, message=message, mend="apk fix"), *found]
    return found if found or does.ok else [unexplained(does, "failed")]


def _changes(sections: Sections) -> Iterator[Change]:
    """Tell what is otherwise than before; where nobody looked again, what apk said."""
    section = sections["apk-changed"]
    if not section.ok:
        yield from read_steps(sections["apk-does"].lines)
        return
    rows = [(line[:1], *line[1:].split("\t")) for line in section.lines if line.count("\t") == 2]
    before = {name: (version, arch) for mark, name, version, arch in rows if mark == "-"}
    after = {name: (version, arch) for mark, name, version, arch in rows if mark == "+"}
    for name in dict.fromkeys([*before, *after]):
        old, arch = before.get(name, ("", ""))
        new, arch = after.get(name, ("", arch))
        kind: ChangeKind = "install" if not old else "remove" if not new else "upgrade"
        if old and new and apk_version_key(new) < apk_version_key(old):
            kind = "downgrade"
        yield Change(kind=kind, name=name, arch=arch, before=old, after=new)
