"""A patch plan in rows and sentences, as the terminal, CSV and a page tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from fleetctl.hosts.names import fold
from fleetctl.packages.change import Change, TroubleKind
from fleetctl.patch.plan import HostPlan, Plan
from fleetctl.spec.size import tell_size

__all__ = [
    "CHANGES",
    "HOSTS",
    "LEFT_OUT",
    "CveFate",
    "alike",
    "change_row",
    "cve_fates",
    "host_row",
    "left_rows",
    "sentences",
    "stuck",
    "tell_bytes",
]

CHANGES: Final = ("CHANGE", "PACKAGE", "FROM", "TO", "CLOSES")
LEFT_OUT: Final = ("LEFT OUT", "VERSION", "CVES", "WHY")
HOSTS: Final = ("PATCHES", "SECURITY", "DOWNLOAD", "DISK", "REBOOT", "OLD SERVICES", "BASELINE")

_MOST: Final = 3  # ids or names in a cell: a kernel closes hundreds of CVEs
_DIGEST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CveFate:
    """What becomes of a CVE that patches of a plan answer.

    Attributes:
        closed: hosts where it is closed.
        left: hosts where it stays open.
        why: it does, without repeats.
    """

    cve: str
    closed: tuple[str, ...]
    left: tuple[str, ...]
    why: tuple[str, ...]


def cve_fates(plan: Plan) -> list[CveFate]:
    """Return every CVE that the vendors name, those that stay open first."""
    closed: dict[str, list[str]] = {}
    left: dict[str, dict[str, str]] = {}
    for share in plan.hosts:
        for cve in share.cves:
            closed.setdefault(cve, []).append(share.host)
        for item in share.left_out:
            for cve in item.cves:
                left.setdefault(cve, {})[share.host] = f"{item.name}: {item.why}"
    found = [
        CveFate(
            cve=cve,
            closed=tuple(host for host in closed.get(cve, ()) if host not in left.get(cve, {})),
            left=tuple(left.get(cve, {})),
            why=tuple(dict.fromkeys(left.get(cve, {}).values())),
        )
        for cve in sorted({*closed, *left})
    ]
    return sorted(found, key=lambda fate: not fate.left)


def stuck(share: HostPlan) -> bool:
    """Tell whether a plan could not be carried out as it stands; who holds a lock will let go of it."""
    return any(trouble.kind is not TroubleKind.LOCKED for trouble in share.troubles)


def change_row(share: HostPlan, change: Change) -> tuple[str, ...]:
    """Return the cells of `CHANGES`."""
    key = change.name, change.arch
    patch = next((patch for patch in share.patches if (patch.name, patch.arch) == key), None)
    why = (
        "comes along"
        if patch is None
        else _few((*patch.cves, *patch.advisories), "security fix" if patch.security else "-")
    )
    name = f"{change.name}.{change.arch}" if change.arch else change.name
    return change.kind, name, change.before or "-", change.after or "-", why


def left_rows(share: HostPlan) -> Iterator[tuple[str, ...]]:
    """Return the cells of `LEFT_OUT`."""
    for item in share.left_out:
        yield item.name, item.version or "-", _few(item.cves, "-"), item.why


def host_row(share: HostPlan) -> tuple[str, ...]:
    """Return the cells of `HOSTS`."""
    digest = f" {share.baseline_digest[:_DIGEST]}" if share.baseline_digest else ""
    return (
        str(len(share.patches)),
        str(sum(patch.security for patch in share.patches)),
        tell_bytes(share.download),
        tell_bytes(share.disk),
        _reboot(share),
        _few(share.services, "-"),
        f"{share.baseline}{digest}",
    )


def _reboot(share: HostPlan) -> str:
    if share.reboot_pending:
        return "waits for one now"
    if not share.patches:
        return "no"
    return "yes" if share.reboot_expected else "told after it"


def _few(names: Sequence[str], none: str) -> str:
    """Return the first few of many."""
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{' '.join(names[:_MOST])}{more}" or none


def tell_bytes(number: int | None) -> str:
    """Return an amount of bytes, also one that is freed."""
    if number is None:
        return "?"
    return tell_size(number) if number >= 0 else f"-{tell_size(-number)}"


def alike(rows: Iterable[tuple[tuple[str, ...], str]]) -> list[tuple[str, ...]]:
    """Put hosts with equal rows together: each row once, with the folded names of its hosts behind it."""
    hosts: dict[tuple[str, ...], list[str]] = {}
    for row, host in rows:
        hosts.setdefault(row, []).append(host)
    return [
        (*row, f"{fold(names)} ({len(names)})" if len(names) > 1 else names[0])
        for row, names in hosts.items()
    ]


def sentences(plan: Plan) -> Iterator[str]:
    """Tell the whole plan in a few sentences."""
    patches = [patch for share in plan.work for patch in share.patches]
    total = len(plan.hosts) + len(plan.failed)
    if plan.hosts and not patches:
        yield f"Nothing to install on {_count(len(plan.hosts), 'host')}."
    if patches:
        security = sum(patch.security for patch in patches)
        download = sum(share.download or 0 for share in plan.work)
        removed = len({(s.host, change.name) for s in plan.hosts for change in s.removals})
        gone = f"; {_count(removed, 'package')} would be removed" if removed else ""
        yield (
            f"{_count(len(patches), 'patch', 'patches')}, {security} of them security fixes, on {len(plan.work)} of {_count(total, 'host')}; "
            f"{tell_bytes(download)} to download{gone}."
        )
    fates = cve_fates(plan)
    open_ = [fate for fate in fates if fate.left]
    if fates:
        yield f"{_count(len(fates) - len(open_), 'CVE')} closed, {len(open_)} left open somewhere."
    if left := sum(len(share.left_out) for share in plan.hosts):
        yield f"{_count(left, 'patch', 'patches')} left out, with the reason."
    waiting = [share.host for share in plan.hosts if share.reboot_pending]
    expected = [share.host for share in plan.work if share.reboot_expected and not share.reboot_pending]
    if waiting:
        yield f"Waiting for a reboot now: {_names(waiting)}."
    if expected:
        yield f"To be rebooted after it: {_names(expected)}."
    if troubled := [share.host for share in plan.hosts if stuck(share)]:
        yield f"Cannot be installed as it stands: {_names(troubled)}."
    if plan.failed:
        yield f"Not planned: {_names(list(plan.failed))}."


def _names(hosts: Sequence[str]) -> str:
    return f"{fold(hosts)} ({len(hosts)})" if len(hosts) > 1 else hosts[0]


def _count(number: int, word: str, many: str = "") -> str:
    return f"{number} {word if number == 1 else many or f'{word}s'}"
