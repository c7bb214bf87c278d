"""Read the types InstanceInformation and InstanceDetailedInformation: what the machine and its operating system are."""

from __future__ import annotations

import re
from typing import Final

from fleetctl.inventory.types import Item
from fleetctl.packages.model import HostFacts
from fleetctl.packages.sections import Section, Sections

__all__ = ["read_details", "read_machine"]

_SPEED: Final = re.compile(r"@ *([0-9]+(?:\.[0-9]+)?) *GHz")
_PLATFORM: Final = "Linux"
_STEP = 100  # MHz; what a processor runs at right now changes all the time


def read_machine(facts: HostFacts, *, host: str, address: str) -> Item:
    """Return the one item of InstanceInformation.

    Args:
        facts: what the host says of itself.
        host: its name in the inventory (SSM: InstanceId).
        address: its own address where its default route begins; may be empty.
    """
    item = {
        "InstanceId": host,
        "ComputerName": facts.node,
        "IpAddress": address,
        "PlatformName": _platform(facts),
        "PlatformVersion": facts.version_id,
        "PlatformType": _PLATFORM,
        "ResourceType": "ManagedInstance",
        "InstanceStatus": "Active",
        "AgentType": "none",
        "KernelVersion": facts.kernel,
        "Architecture": facts.machine,
        "Virtualization": facts.virtualisation,
        "BootId": facts.boot_id,
    }
    return {field: text for field, text in item.items() if text}


def _platform(facts: HostFacts) -> str:
    """Return the name without the version (SSM: `Debian GNU/Linux`)."""
    name = facts.pretty_name.partition(" (")[0]
    return name.removesuffix(facts.version_id).strip() or name or facts.os_id


def read_details(sections: Sections) -> Item:
    """Return the one item of InstanceDetailedInformation: from lscpu where it is, else from /proc/cpuinfo."""
    told = _pairs(sections["inv-lscpu"])
    cores = [dict(_pair(line) for line in block) for block in _processors(sections["inv-cpuinfo"])]
    common = _pairs(sections["inv-cpuinfo"])
    hardware = dict(line.partition("=")[::2] for line in sections["inv-hardware"].lines)
    model = (
        told.get("Model name")
        or common.get("model name")
        or common.get("cpu model")
        or common.get("Hardware", "")
    )
    sockets, physical, threads = _counts(told, cores)
    cpus = told.get("CPU(s)") or (str(len(cores)) if cores else "")
    item = {
        "CPUModel": "" if model == "-" else model,
        "CPUs": cpus,
        "CPUSockets": sockets,
        "CPUCores": physical or cpus,
        "CPUHyperThreadEnabled": "" if not threads else str(threads != "1").lower(),
        "CPUSpeedMHz": _speed(told, model, common),
        "OSServicePack": "",
        "MemoryMB": _memory(sections["inv-memory"]),
        "Manufacturer": hardware.get("sys_vendor", "").strip(),
        "Model": hardware.get("product_name", "").strip() or common.get("Model", ""),
    }
    return {field: text for field, text in item.items() if text}


def _processors(section: Section) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in section.lines:
        if line.startswith("processor"):
            blocks.append([])
        if blocks:
            blocks[-1].append(line)
    return blocks


def _counts(told: dict[str, str], cores: list[dict[str, str]]) -> tuple[str, str, str]:
    """Return sockets, cores of all sockets, and threads per core; empty where it cannot be told."""
    sockets, per_socket = told.get("Socket(s)", ""), told.get("Core(s) per socket", "")
    if _number(sockets) and _number(per_socket):
        return sockets, str(int(sockets) * int(per_socket)), told.get("Thread(s) per core", "")
    packages = {core["physical id"] for core in cores if "physical id" in core}
    places = {(core.get("physical id"), core["core id"]) for core in cores if "core id" in core}
    if not packages or not places:
        return "", "", ""
    return str(len(packages)), str(len(places)), str(max(1, len(cores) // len(places)))


def _speed(told: dict[str, str], model: str, common: dict[str, str]) -> str:
    """Return the highest speed, not that of this moment: it would be another one at every look."""
    if (found := _SPEED.search(model)) is not None:
        return str(round(float(found[1]) * 1000))
    for text in (told.get("CPU max MHz", ""), common.get("cpu MHz", "")):
        number = text.replace(",", ".").partition(".")[0]
        if _number(number):
            return str(round(int(number) / _STEP) * _STEP)
    return ""


def _memory(section: Section) -> str:
    words = section.text.split()
    return str(int(words[1]) // 1024) if len(words) > 1 and _number(words[1]) else ""


def _pair(line: str) -> tuple[str, str]:
    name, _, text = line.partition(":")
    return name.strip(), text.strip()


def _pairs(section: Section) -> dict[str, str]:
    """Return `name: value` lines; the first of a name counts."""
    return dict(_pair(line) for line in reversed(section.lines) if ":" in line)


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12
