"""Read a host's whole answer. Pure; whatever the host has printed becomes items and warnings, never an exception."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fleetctl.inventory.applications import read_applications
from fleetctl.inventory.ask import Wanted
from fleetctl.inventory.machine import read_details, read_machine
from fleetctl.inventory.network import own_address, read_network
from fleetctl.inventory.purl import Distribution
from fleetctl.inventory.services import read_processes, read_services
from fleetctl.inventory.types import Item, custom_name, ordered
from fleetctl.packages.facts import host_facts, moment
from fleetctl.packages.sections import Section, Sections, read_sections

__all__ = ["Told", "read_answer"]

_CUSTOM: Final = "inv-custom-"
_MOST_CUSTOM_ITEMS: Final = 10_000  # SSM: entries of one type
_MOST_TEXT: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a host told.

    Attributes:
        contents: items by type, in their one order; a type that could not be told is not there.
        warnings: what a reader should know.
        complete: whether the answer came whole; only then may it be kept.
    """

    contents: Mapping[str, list[Item]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    complete: bool = True


def read_answer(stdout: bytes, stderr: bytes, wanted: Wanted, *, host: str) -> Told:
    """Read what `Wanted.script` made a host print.

    Args:
        stdout: as stored.
        stderr: the same.
        wanted: what was asked for.
        host: name of the host.
    """
    sections = read_sections(stdout, stderr)
    if not sections.complete:
        return Told(warnings=("the host's answer breaks off before its end",), complete=False)
    contents, warnings = _built_in(sections, wanted, host)
    for name, items in _custom(sections, wanted, warnings).items():
        contents[name] = items
    return Told(
        contents={name: ordered(name, items) for name, items in contents.items()},
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _built_in(sections: Sections, wanted: Wanted, host: str) -> tuple[dict[str, list[Item]], list[str]]:
    facts = host_facts(sections)
    contents: dict[str, list[Item]] = {}
    warnings: list[str] = []
    network = read_network(sections)
    if "InstanceInformation" in wanted.types:
        contents["InstanceInformation"] = [read_machine(facts, host=host, address=own_address(network))]
    if "InstanceDetailedInformation" in wanted.types and (details := read_details(sections)):
        contents["InstanceDetailedInformation"] = [details]
    if "Application" in wanted.types:
        items, said, found = read_applications(sections, Distribution(facts.os_id, facts.version_id))
        warnings += (
            said if found else ["it has no package manager that fleetctl knows: Application is left out"]
        )
        if found and not (said and not items):
            contents["Application"] = items
    if "Network" in wanted.types and network:
        contents["Network"] = network
    if "Service" in wanted.types:
        services, found = read_services(sections)
        if found:
            contents["Service"] = services
        else:
            warnings.append("its init system does not tell its services: Service is left out")
    _opt_in(sections, wanted, contents, warnings, now=facts.time)
    return contents, warnings


def _opt_in(
    sections: Sections,
    wanted: Wanted,
    contents: dict[str, list[Item]],
    warnings: list[str],
    *,
    now: datetime | None,
) -> None:
    """Add the types that are only collected when asked for."""
    if "Process" in wanted.types:
        if processes := read_processes(sections["inv-ps"], now=now):
            contents["Process"] = processes
        else:
            warnings.append("its processes cannot be told: Process is left out")
    if "File" in wanted.types:
        files = _files(sections["inv-files"], warnings)
        if sections["inv-files"].fault:
            warnings.append(f"its files cannot be told ({sections['inv-files'].fault}): File is left out")
        else:
            contents["File"] = files


def _files(section: Section, warnings: list[str]) -> list[Item]:
    found: dict[str, Item] = {}
    for line in section.lines:
        if line == "cut files":
            warnings.append("File is cut at 500 files: use narrower patterns")
        elif line == "cut folders":
            warnings.append("File is cut at 5000 folders: use narrower patterns")
        elif line.startswith("missing "):
            warnings.append(f"there is no folder {line.removeprefix('missing ')}")
        elif len(fields := line.split(" ", 5)) == 6 and fields[5].startswith("/"):
            found[fields[5]] = _file(fields)
    return list(found.values())


def _file(fields: list[str]) -> Item:
    size, modified, mode, owner, group, path = fields
    when = moment(modified)
    folder, _, name = path.rpartition("/")
    octal = mode.isascii() and mode.isdigit() and not set(mode) & set("89") and len(mode) <= 5
    item = {
        "Name": name,
        "InstalledDir": folder or "/",
        "Size": size,
        "ModificationTime": f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else "",
        "Mode": f"{stat.S_IMODE(int(mode, 8)):04o}" if octal else "",
        "Owner": owner,
        "Group": group,
    }
    return {field: text for field, text in item.items() if text}


def _custom(sections: Sections, wanted: Wanted, warnings: list[str]) -> dict[str, list[Item]]:
    """Read custom types: JSON files of the host in SSM's form, and what given scripts printed."""
    found: dict[str, list[Item]] = {}
    for section in sections:
        if not section.name.startswith(_CUSTOM):
            continue
        if section.name == f"{_CUSTOM}cut":
            warnings.append(
                "more than 20 files with custom inventory: the others are left out"
            )  # SSM's limit
            continue
        head, _, text = section.text.partition("\n")
        path = head.removeprefix("path=")
        name, items, fault = _file_content(section, text)
        if fault:
            warnings.append(f"{path}: {fault}: it is left out")
        elif name in found:
            warnings.append(f"{path}: {name} is told by another file already: it is left out")
        else:
            found[name] = items
    for name, section_name in wanted.given:
        section = sections[section_name]
        given, fault = _script_content(section)
        if fault:
            warnings.append(f"{name}: {fault}: it is left out")
        else:
            found[name] = given
    return found


def _file_content(section: Section, text: str) -> tuple[str, list[Item], str]:
    if not section.ok:
        return "", [], section.fault or section.errors.strip() or f"exit code {section.code}"
    data, fault = _json(text)
    if fault:
        return "", [], fault
    name = custom_name(str(data.get("TypeName", ""))) if isinstance(data, dict) else None
    if name is None or not str(data["TypeName"]).startswith("Custom:"):
        return "", [], "its TypeName is not of the form Custom:Name"
    items, fault = _items(data.get("Content"))
    return name, items, fault


def _script_content(section: Section) -> tuple[list[Item], str]:
    """Return what a script printed: JSON (an object, or a list of them), or lines `Name=value`, which are one item."""
    if not section.ok:
        return [], section.fault or " ".join(
            section.errors.split()[:30]
        ) or f"its script ended with {section.code}"
    text = section.text.strip()
    if text.startswith(("{", "[")):
        data, fault = _json(text)
        return _items(data) if not fault else ([], fault)
    pairs = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    return (
        _items(pairs)
        if pairs or not text
        else ([], "its script printed neither JSON nor lines of Name=value")
    )


def _json(text: str) -> tuple[Any, str]:
    try:
        return json.loads(text), ""
    except RecursionError:
        return None, "its JSON is nested too deeply"
    except ValueError as exc:
        return None, f"it is no JSON ({str(exc)[:120]})"


def _items(content: Any) -> tuple[list[Item], str]:
    """Return items with text values, as SSM wants them; numbers and nested values become their JSON."""
    listed = content if isinstance(content, list) else [content]
    if not all(isinstance(item, dict) for item in listed):
        return [], "its Content is neither an object nor a list of objects"
    if len(listed) > _MOST_CUSTOM_ITEMS:
        return [], f"it has {len(listed)} items; {_MOST_CUSTOM_ITEMS} are allowed"
    return [{str(key): _text(value) for key, value in item.items()} for item in listed if item], ""


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()[:_MOST_TEXT]
