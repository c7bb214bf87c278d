"""What changed: between two dates on one host, or between two hosts; and which runs were there in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fleetctl.errors import FleetError
from fleetctl.inventory.types import Item, Items, form_of
from fleetctl.store.runs import Runs, new_run_id

__all__ = ["Change", "RunThen", "changes", "name_of", "runs_between"]

_LONGEST_RUN: Final = timedelta(days=7)  # runs that began earlier are not looked for
_SLACK: Final = timedelta(seconds=60)  # between the clocks of a host and of the controller
_LOOKS: Final = frozenset(
    {"AWS-GatherSoftwareInventory", "fleetctl-CheckPolicy"}
)  # documents that change nothing
_LOOKING: Final = frozenset({"Scan", "Plan", "List"})  # operations of documents that can also change


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference.

    Attributes:
        kind: `added`, `removed` or `changed`.
        type: inventory type.
        name: what people call the item.
        fields: of what changed: old and new text; an absent field is empty.
        item: the item, as it is now; as it was, where it was removed.
    """

    kind: str
    type: str
    name: str
    fields: Mapping[str, tuple[str, str]]
    item: Item

    def made_by(self, runs: Sequence[RunThen]) -> str:
        """Return the run in whose time, or nearest to it, the item says that it was installed; empty if there is none."""
        try:
            when = datetime.fromisoformat(self.item.get("InstalledTime", ""))
        except ValueError:
            return ""
        if self.kind == "removed" or when.tzinfo is None:
            return ""
        near = min(runs, key=lambda run: run.away(when), default=None)
        return near.run_id if near is not None and near.away(when) <= _SLACK else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunThen:
    """A run of fleetctl that was on a host between two dates; `ended` is None where nobody saw its end."""

    run_id: str
    document: str
    by: str
    what: str
    begun: datetime
    ended: datetime | None

    def away(self, when: datetime) -> timedelta:
        """Return how far a moment is from the time of the run; nothing where it is within."""
        ended = self.ended if self.ended is not None else max(when, self.begun)
        return max(self.begun - when, when - ended, timedelta())


def name_of(type_: str, item: Item) -> str:
    """Return what people call an item."""
    if type_ == "File":
        return f"{item.get('InstalledDir', '').rstrip('/')}/{item.get('Name', '')}"
    if type_ == "Process":
        return f"{item.get('ProcessId', '')} {item.get('FileName', '')}".strip()
    keys = form_of(type_, [item]).key
    return " ".join(item[key] for key in keys if item.get(key)) or type_


def changes(type_: str, old: Items, new: Items) -> Iterator[Change]:
    """Yield how the items of a type differ. Of what is there more than once (kernels), versions come and go; they do not change."""
    key = form_of(type_, [*old, *new]).key
    before, after = _by_key(old, key), _by_key(new, key)
    for place in sorted(before.keys() | after.keys()):
        was, now = before.get(place, []), after.get(place, [])
        if len(was) == len(now) == 1:
            fields = {
                name: (was[0].get(name, ""), now[0].get(name, ""))
                for name in dict.fromkeys([*was[0], *now[0]])
                if was[0].get(name, "") != now[0].get(name, "")
            }
            if fields:
                yield Change(
                    kind="changed", type=type_, name=name_of(type_, now[0]), fields=fields, item=now[0]
                )
            continue
        for kind, items, others in (("removed", was, now), ("added", now, was)):
            for item in items:
                if item not in others:
                    yield Change(kind=kind, type=type_, name=name_of(type_, item), fields={}, item=item)


def _by_key(items: Items, key: tuple[str, ...]) -> dict[tuple[str, ...], list[Item]]:
    found: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        found.setdefault(tuple(item.get(field, "") for field in key), []).append(item)
    return found


def runs_between(runs: Runs, host: str, *, begin: datetime, end: datetime) -> list[RunThen]:
    """Return the runs that were on a host in a time, the oldest first; looks at the inventory are left out.

    Args:
        runs: of the project.
        host: its name.
        begin: of the time, aware.
        end: of the time, aware.
    """
    first, last = new_run_id(begin - _LONGEST_RUN)[:15], new_run_id(end)[:15]
    found: list[RunThen] = []
    for folder in runs:  # the newest first; names begin with the time
        if folder.run_id[:15] > last:
            continue
        if folder.run_id[:15] < first:
            break
        try:
            then = _then(folder.run(), _report(folder), host)
        except (FleetError, KeyError, TypeError, ValueError):
            continue  # a damaged run hides no other
        if then is not None and then.begun <= end and (then.ended is None or then.ended >= begin):
            found.append(then)
    return found[::-1]


def _report(folder: Any) -> Mapping[str, Any]:
    try:
        return dict(folder.report())
    except FleetError:
        return {}


def _then(run: Mapping[str, Any], report: Mapping[str, Any], host: str) -> RunThen | None:
    parameters = run.get("Parameters", {})
    operation = str(parameters.get("Operation", ""))
    if (
        run["DocumentName"] in _LOOKS
        or operation in _LOOKING
        or all(each["InstanceId"] != host for each in run["Hosts"])
    ):
        return None
    own: Mapping[str, Any] = next(
        (each for each in report.get("Invocations", ()) if each["InstanceId"] == host), {}
    )
    ended = own.get("ExecutionEndDateTime") or report.get("EndedDateTime")
    commands = parameters.get("commands", ())
    what = " ".join(" ".join(commands).split()) if isinstance(commands, list) else ""
    return RunThen(
        run_id=run["CommandId"],
        document=run["DocumentName"],
        by=run.get("RequestedBy", {}).get("User", ""),
        what=what or run.get("Comment", "") or operation,
        begun=datetime.fromisoformat(own.get("ExecutionStartDateTime") or run["RequestedDateTime"]),
        ended=datetime.fromisoformat(ended) if ended else None,
    )
