"""Read the types Service and Process.

States and start types are the init system's own words (`running`, `dead`, `enabled`, `static`): SSM's are Windows'.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from fleetctl.inventory.types import Item
from fleetctl.packages.sections import Section, Sections

__all__ = ["read_processes", "read_services"]

_SUFFIX: Final = ".service"
_NOT_RUNNING: Final = 127  # as the script says it of systemd
_OPENRC: Final = re.compile(r"^ *(\S+)(?:\s+.*)? *\[ *(\S+).*\]$")
_LEVEL: Final = re.compile(r"^ *(\S+) *\|(.*)$")
_INITD: Final = re.compile(r"/(?:rc[2-5]\.d/S\d*|init\.d/)([A-Za-z0-9_.@+-]+)$")
_ETIME: Final = re.compile(r"(?:(?:(\d{1,6})-)?(\d{1,2}):)?(\d{1,4}):(\d{2})")
_NO_SERVICES: Final = frozenset(
    {"README", "functions", "skeleton", "rc", "rcS", "rcK", "halt", "reboot", "single", "killall"}
)


def read_services(sections: Sections) -> tuple[list[Item], bool]:
    """Return the services, and whether the host has any init system that tells them."""
    units, unit_files = sections["inv-units"], sections["inv-unit-files"]
    # Where systemd runs and does not answer, nothing is known of states: that is no host without systemd.
    if units.ok or (unit_files.ok and units.code == _NOT_RUNNING):
        return _systemd(units, unit_files), True
    if unit_files.ok:
        return [], False
    if sections["inv-openrc"].ok:
        return _openrc(sections["inv-openrc"], sections["inv-openrc-levels"]), True
    items = [*_inittab(sections["inv-inittab"]), *_initd(sections["inv-initd"])]
    unique = {item["Name"]: item for item in reversed(items)}
    return list(unique.values()), bool(unique)


def _systemd(units: Section, unit_files: Section) -> list[Item]:
    starts = {
        words[0]: words[1]
        for line in unit_files.lines
        if len(words := line.split()) >= 2 and words[0].endswith(_SUFFIX)
    }
    found: dict[str, dict[str, str]] = {}
    for line in units.lines:
        words = line.lstrip("● *").split(None, 4)
        if len(words) < 4 or not words[0].endswith(_SUFFIX) or words[1] == "not-found":
            continue
        found[words[0]] = {"Status": words[3], "DisplayName": words[4].strip() if len(words) > 4 else ""}
    for name in starts:
        if "@." not in name:  # a template is no service
            found.setdefault(name, {"Status": "dead" if units.ok else ""})
    items = [
        {
            "Name": name.removesuffix(_SUFFIX),
            **told,
            "StartType": starts.get(name) or starts.get(re.sub(r"@.*\.service$", "@.service", name), ""),
            "ServiceType": "systemd",
        }
        for name, told in found.items()
    ]
    return [{field: text for field, text in item.items() if text} for item in items]


def _openrc(states: Section, levels: Section) -> list[Item]:
    starts = {
        match[1]: "enabled" if match[2].strip() else "disabled"
        for line in levels.lines
        if (match := _LEVEL.match(line)) is not None
    }
    found = {match[1]: match[2] for line in states.lines if (match := _OPENRC.match(line)) is not None}
    return [
        {"Name": name, "Status": state, "StartType": starts.get(name, "disabled"), "ServiceType": "openrc"}
        for name, state in found.items()
    ]


def _inittab(section: Section) -> list[Item]:
    """Read what init itself starts again and again: `id:levels:respawn:command`."""
    found: list[Item] = []
    for line in section.lines if section.ok else ():
        fields = line.split(":", 3)
        words = fields[3].split() if len(fields) == 4 else []
        if words and fields[2] in {"respawn", "askfirst"} and words[0].lstrip("-"):
            name = words[0].lstrip("-").rpartition("/")[2]
            found.append(
                {
                    "Name": name,
                    "DisplayName": fields[3].strip(),
                    "StartType": fields[2],
                    "ServiceType": "inittab",
                }
            )
    return found


def _initd(section: Section) -> list[Item]:
    """Read init scripts: whether they are started is known, whether they run is not."""
    started, known = set(), []
    for line in section.lines:
        if (match := _INITD.search(line)) is None:
            continue
        if "/init.d/" in line:
            known.append(re.sub(r"^S\d+", "", match[1]))
        else:
            started.add(match[1])
    return [
        {"Name": name, "StartType": "enabled" if name in started else "disabled", "ServiceType": "init.d"}
        for name in dict.fromkeys([*known, *sorted(started)])
        if name and name not in _NO_SERVICES
    ]


def read_processes(section: Section, *, now: datetime | None) -> list[Item]:
    """Return the processes.

    Args:
        section: what `ps` printed; its first line says in which form.
        now: the host's clock, aware UTC, for those that only tell how long they have been running.
    """
    lines = section.lines
    form = lines[0].removeprefix("form=") if lines else ""
    rows = lines[2:] if form == "header" else lines[1:]
    names = lines[1].split() if form == "header" and len(lines) > 1 else []
    items = [_process(row, form, names, now) for row in rows]
    return [item for item in items if item is not None]


def _process(line: str, form: str, names: list[str], now: datetime | None) -> Item | None:
    count = {"lstart": 8, "etime": 4, "header": max(len(names) - 1, 1)}.get(form, 1)
    words = line.split(None, count)
    if len(words) <= count or not words[0].isdecimal():
        return None
    item = {"ProcessId": words[0], "CommandLine": words[count].strip()}
    if form == "header":
        told = dict(zip((name.upper() for name in names), words, strict=False))
        item |= {"ParentProcessId": told.get("PPID", ""), "User": told.get("USER", "")}
    else:
        started = _lstart(words[3:8]) if form == "lstart" else _since(words[3], now)
        item |= {"ParentProcessId": words[1], "User": words[2], "StartTime": started}
    program = item["CommandLine"].split(None, 1)[0]
    item["FileName"] = program.strip("[]") if program.startswith("[") else program
    return {field: text for field, text in item.items() if text}


def _lstart(words: list[str]) -> str:
    try:
        return f"{datetime.strptime(' '.join(words), '%a %b %d %H:%M:%S %Y').replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%SZ}"
    except ValueError:
        return ""


def _since(text: str, now: datetime | None) -> str:
    match = _ETIME.fullmatch(text)
    if match is None or now is None:
        return ""
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    try:
        began = now - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return ""
    return f"{began:%Y-%m-%dT%H:%M:%SZ}"
