"""A patch plan: exactly what would change on which host. What is installed later is this, or it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from fleetctl.packages.change import Change, Trouble, TroubleKind, Wanted

__all__ = ["SCHEMA_VERSION", "HostPlan", "LeftOut", "Plan", "PlannedPatch", "moved", "title"]

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPatch:
    """A patch that the plan closes.

    Attributes:
        before, after: versions.
        security: whether it is a security fix.
        cves, advisories: that it answers, where the vendor says so.
        by: the part of the baseline that asks for it.
    """

    name: str
    arch: str = ""
    before: str = ""
    after: str = ""
    security: bool = False
    severity: str = "UNSPECIFIED"
    cves: tuple[str, ...] = ()
    advisories: tuple[str, ...] = ()
    by: str = ""

    @property
    def wanted(self) -> Wanted:
        """What the package manager is asked for."""
        return Wanted(name=self.name, version=self.after, arch=self.arch)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A patch that the baseline asks for and that the plan does not touch, and why."""

    name: str
    arch: str = ""
    version: str = ""
    why: str
    cves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One host's share of a plan.

    Attributes:
        manager: entry point name of its package manager.
        baseline: name of the patch baseline that decided.
        baseline_digest: of what that baseline said then; empty in plans that were written before there was one.
        patches: that are to be installed.
        changes: all that would change, what comes along by dependencies included.
        left_out: what the baseline asks for and the plan does not touch.
        download, disk, free: bytes, as the manager says; None where it does not.
        services: that run old code already now.
        reboot_pending: whether the host waits for a reboot now; None if it cannot be told.
        reboot_expected: whether an advisory says that one of the patches needs a reboot, or one is pending.
        troubles: why the plan cannot be carried out as it stands.
        notes: what a person should know before it is, as the package manager says.
    """

    host: str
    manager: str
    baseline: str
    baseline_digest: str = ""
    patches: tuple[PlannedPatch, ...] = ()
    changes: tuple[Change, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    download: int | None = None
    disk: int | None = None
    free: int | None = None
    services: tuple[str, ...] = ()
    reboot_pending: bool | None = None
    reboot_expected: bool = False
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """What the package manager is asked for."""
        return tuple(patch.wanted for patch in self.patches)

    @property
    def removals(self) -> tuple[Change, ...]:
        """Packages that would be removed."""
        return tuple(change for change in self.changes if change.kind == "remove")

    @property
    def cves(self) -> tuple[str, ...]:
        """CVEs that it closes, as far as vendors say."""
        return tuple(dict.fromkeys(cve for patch in self.patches for cve in patch.cves))

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready; what is empty is left out."""
        data = {title(key): _plain(value) for key, value in asdict(self).items()}
        return {key: value for key, value in data.items() if value not in (None, [], "")}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> HostPlan:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        values = {_name(key): value for key, value in data.items()}
        values["patches"] = tuple(PlannedPatch(**_tuples(_names(item))) for item in values.get("patches", ()))
        values["changes"] = tuple(Change(**_names(item)) for item in values.get("changes", ()))
        values["left_out"] = tuple(LeftOut(**_tuples(_names(item))) for item in values.get("left_out", ()))
        values["troubles"] = tuple(_trouble(_names(item)) for item in values.get("troubles", ()))
        values["services"] = tuple(values.get("services", ()))
        values["notes"] = tuple(values.get("notes", ()))
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done on a fleet.

    Attributes:
        plan_id: the id of the run that made it.
        made: when, aware UTC.
        selector: as it was written.
        hosts: those that could be planned.
        failed: hosts that could not, and why.
    """

    plan_id: str
    made: datetime
    selector: str = ""
    hosts: tuple[HostPlan, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    def of(self, host: str) -> HostPlan | None:
        """Return one host's share."""
        return self._shares.get(host)

    @cached_property
    def _shares(self) -> dict[str, HostPlan]:
        return {plan.host: plan for plan in self.hosts}

    @property
    def work(self) -> tuple[HostPlan, ...]:
        """Shares that have something to install."""
        return tuple(plan for plan in self.hosts if plan.patches)

    def only(self, names: Iterable[str]) -> Plan:
        """Return the plan for some of its hosts."""
        kept = set(names)
        return replace(self, hosts=tuple(plan for plan in self.hosts if plan.host in kept))

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready: what a plan file holds."""
        return {
            "SchemaVersion": SCHEMA_VERSION,
            "PlanId": self.plan_id,
            "MadeDateTime": self.made.isoformat(timespec="milliseconds"),
            "Selector": self.selector,
            "Hosts": [plan.to_json() for plan in self.hosts],
            "Failed": dict(self.failed),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Read what `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        if data["SchemaVersion"] != SCHEMA_VERSION:
            raise ValueError(f"its SchemaVersion is {data['SchemaVersion']!r}, not {SCHEMA_VERSION!r}")
        return cls(
            plan_id=str(data["PlanId"]),
            made=datetime.fromisoformat(data["MadeDateTime"]),
            selector=str(data.get("Selector", "")),
            hosts=tuple(HostPlan.from_json(item) for item in data["Hosts"]),
            failed={str(host): str(why) for host, why in data.get("Failed", {}).items()},
        )


def title(name: str) -> str:
    """Return the name of a field in plan files."""
    return "".join(part.capitalize() for part in name.split("_"))


def _name(title: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in title).removeprefix("_")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {title(key): _plain(item) for key, item in value.items() if item not in (None, (), "")}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _names(item: Mapping[str, Any]) -> dict[str, Any]:
    return {_name(key): value for key, value in item.items()}


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _trouble(values: dict[str, Any]) -> Trouble:
    values["kind"] = TroubleKind(values["kind"])
    return Trouble(**_tuples(values))


def moved(planned: Sequence[Change], now: Sequence[Change]) -> list[str]:
    """Tell what is different now from what was planned, one line for each package.

    Args:
        planned: the changes that were planned.
        now: the changes that the same request would make now.
    """
    before = {(change.name, change.arch): change for change in planned if change.kind != "configure"}
    after = {(change.name, change.arch): change for change in now if change.kind != "configure"}
    lines = []
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key), after.get(key)
        if new is None and old is not None:
            lines.append(f"{old.name} would not be changed any more (planned: {_told(old)})")
        elif old is None and new is not None:
            lines.append(f"{new.name} would be changed too: {_told(new)}")
        elif old is not None and new is not None and _same(old) != _same(new):
            lines.append(f"{old.name}: planned {_told(old)}, now {_told(new)}")
    return lines


def _same(change: Change) -> tuple[str, ...]:
    return change.kind, change.before, change.after


def _told(change: Change) -> str:
    if change.kind == "remove":
        return f"remove {change.before}"
    return f"{change.before} -> {change.after}" if change.before else f"install {change.after}"
