"""Make the one script that asks any host about its packages, and read the answer with whoever knows how.

from fleetctl.packages.collect import collect_script, managers, read_state
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from importlib.resources import files

from fleetctl.packages.facts import host_facts
from fleetctl.packages.model import PackageState
from fleetctl.packages.protocol import PackageManager
from fleetctl.packages.sections import Sections, read_sections
from fleetctl.spec.plugins import load, names

__all__ = ["GROUP", "collect_script", "framed_script", "managers", "read_state", "script_text"]

GROUP = "fleetctl.packages"
_PLACE = "#@fleetctl-managers\n"


def managers() -> tuple[PackageManager, ...]:
    """Return every registered package manager.

    Raises:
        PluginError: one of them does not import.
    """
    return tuple(load(GROUP, name)() for name in names(GROUP))


def script_text(name: str) -> str:
    """Return a script of this package's `scripts/` folder."""
    return files("fleetctl.packages").joinpath("scripts", name).read_text(encoding="utf-8")


def collect_script(known: Iterable[PackageManager], *, refresh: bool = False) -> str:
    """Return the script: it finds out which of the known managers rules the host, and lets that one tell.

    Args:
        known: managers that it knows.
        refresh: bring the package lists up to date first. Only then is there anything in the script that writes.
    """
    known = tuple(known)
    texts = [manager.scan_script() for manager in known]
    if refresh:
        texts += [manager.refresh_script() for manager in known]
    parts = [text.rstrip("\n") + "\n" for text in texts]
    ask = '[ -z "$manager" ] || section refresh "refresh_$manager"\n' if refresh else ""
    return script_text("collect.sh").replace(_PLACE, "\n".join([*parts, _chooser(known) + ask]))


def framed_script(body: str) -> str:
    """Return a script that asks something else: what it knows and frames as `collect_script` does, then `body`, then the last frame.

    Args:
        body: sh text that calls `section NAME COMMAND ...`.
    """
    head = script_text("collect.sh").partition(_PLACE)[0]
    return f"{head}{body.rstrip()}\nprintf '\\n@@fleetctl done\\n'\nexit 0\n"


def _chooser(known: tuple[PackageManager, ...]) -> str:
    """Return sh text that sets `manager`: by the family of the operating system first, by present tools second."""
    tests = "".join(f"manager_{m.name}() {{ {m.detect}; }}\n" for m in known)
    families = "".join(
        f"        {'|'.join(m.families)}) manager_{m.name} && manager={m.name} ;;\n"
        for m in known
        if m.families
    )
    by_tool = "".join(f'[ -n "$manager" ] || {{ manager_{m.name} && manager={m.name}; }}\n' for m in known)
    return (
        f"{tests}manager=\nfor id in $ids; do\n    case $id in\n{families}    esac\n"
        f'    [ -z "$manager" ] || break\ndone\n{by_tool}'
    )


def read_state(stdout: bytes, stderr: bytes, known: Iterable[PackageManager]) -> PackageState:
    """Read a host's answer. Never raises: what is wrong with it is in `errors`.

    Args:
        stdout: as the host printed it.
        stderr: the same.
        known: the managers that the script was made with.
    """
    sections = read_sections(stdout, stderr)
    facts = host_facts(sections)
    if "manager" not in sections:
        return PackageState(manager="", facts=facts, errors=("the host's answer breaks off before its end",))
    name = sections["manager"].text.strip()
    for manager in known:
        if manager.name == name:
            state = manager.parse(sections, facts)
            stale = _refresh_failure(sections) if "refresh" in sections else ""
            return replace(state, errors=(stale, *state.errors)) if stale else state
    listed = ", ".join(manager.name for manager in known)
    system = facts.pretty_name or facts.os_id or "this host"
    return PackageState(
        manager="", facts=facts, errors=(f"{system} has no package manager that fleetctl knows ({listed})",)
    )


def _refresh_failure(sections: Sections) -> str:
    """Say why package lists that should have been refreshed were not; empty if they were."""
    refresh = sections["refresh"]
    if refresh.ok:
        return ""
    told = [line for line in (refresh.errors + "\n" + refresh.text).splitlines() if line.strip()]
    said = [line for line in told if line.startswith(("E: ", "Error", "error", "ERROR"))] or told
    why = refresh.fault or " ".join(said[:3]) or f"exit code {refresh.code}"
    return f"the package lists could not be refreshed: {why}"
