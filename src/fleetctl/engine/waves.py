"""Waves: a run in steps that grow, each balanced over zones, groups or a tag.

`1,10%,50%,100%` are cumulative targets, as in the staged rollouts of other tools: one host, then a tenth of all, then half, then the rest.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fleetctl.engine.budget import Quota
from fleetctl.errors import BudgetError, UsageError
from fleetctl.model import Host
from fleetctl.spec.suggest import did_you_mean

__all__ = ["parse_waves", "split", "spread", "wave_ends"]

_ALL: Final = Quota(100, percent=True)
_ATTRIBUTES: Final = {
    "zone": "zone",
    "os": "platform",
    "platform": "platform",
    "patch-group": "patch_group",
    "patch_group": "patch_group",
}


def parse_waves(text: str) -> tuple[Quota, ...]:
    """Read `1,10%,50%,100%`: how many hosts are done after each wave.

    Numbers must grow, and so must percentages; how one stands to the other depends on how many hosts there are (`wave_ends`).

    Raises:
        BudgetError: a part is no number or percentage, does not grow, or the last is not 100%. The hint shows it mended.
    """
    parts = text.split(",")
    if not text.strip():
        raise BudgetError("--waves: nothing is written", hint="write --waves 1,10%,100%")
    waves = tuple(Quota.parse(part, name="--waves", least=1) for part in parts)
    mended = f"write --waves {_mended(waves)}"
    if _ALL in waves[:-1]:
        behind = waves[waves.index(_ALL) + 1]
        raise BudgetError(f"--waves: nothing is left for '{behind}' after 100%", hint=mended)
    reached: dict[bool, int] = {}
    for wave in waves:
        if wave.number <= reached.get(wave.percent, 0):
            before = Quota(reached[wave.percent], wave.percent)
            raise BudgetError(f"--waves: '{wave}' does not grow after '{before}'", hint=mended)
        reached[wave.percent] = wave.number
    if waves[-1] != _ALL:
        raise BudgetError(f"--waves: '{text.strip()}' leaves hosts out: it must end with 100%", hint=mended)
    return waves


def _mended(waves: Sequence[Quota]) -> str:
    """Return what was probably meant: numbers before percentages, each growing, and 100% at the end."""
    growing = sorted({*waves, _ALL}, key=lambda wave: (wave.percent, wave.number))
    return ",".join(str(wave) for wave in growing)


def wave_ends(waves: Sequence[Quota], total: int) -> tuple[int, ...]:
    """Return how many of `total` hosts are done after each wave.

    A percentage is rounded down, but at least one host. A wave that adds no host is left out: `1,10%,100%` of 5 hosts is `(1, 5)`.
    """
    ends: list[int] = []
    for wave in waves:
        end = min(total, wave.of(total, least=1))
        if end > (ends[-1] if ends else 0):
            ends.append(end)
    return tuple(ends)


def split(waves: Sequence[Quota], hosts: Sequence[Host]) -> tuple[tuple[Host, ...], ...]:
    """Return the hosts of each wave, in the order given. No wave is empty, and every host is in one."""
    ends = wave_ends(waves, len(hosts))
    return tuple(tuple(hosts[begin:end]) for begin, end in zip((0, *ends), ends, strict=False))


def spread(hosts: Iterable[Host], by: str) -> tuple[Host, ...]:
    """Put hosts in an order of which every beginning is balanced, so that each wave holds a fair share of every zone.

    Among the first m of N hosts, a value that n hosts have is there less than one host away from m*n/N times. Hosts of one value keep
    their order. Hosts without one are a value of their own. The first host is one of the most common value.

    Args:
        hosts: all of the run.
        by: `zone`, `group` (the first of a host's groups, the innermost), `patch-group`, `os` or `platform`, else a tag's name;
            `tag:NAME` for a tag with one of these names.

    Raises:
        UsageError: no host has such a value.
    """
    listed = tuple(hosts)
    value = _value_of(by)
    values = [value(host) for host in listed]
    if listed and not any(values):
        raise _nothing_to_spread_by(listed, by)
    members: dict[str | None, deque[Host]] = {}
    for host, key in zip(listed, values, strict=True):
        members.setdefault(key, deque()).append(host)
    return tuple(_interleaved([*members.values()], len(listed)))


def _interleaved(groups: Sequence[deque[Host]], total: int) -> Iterable[Host]:
    """Yield hosts in turn.

    The i-th of n hosts may take a place from i*N/n on and must have one before (i+1)*N/n; whoever must first, goes first. That this
    always works is known from fair scheduling (Baruah et al., Proportionate Progress, 1996). Going by (i+0.5)/n alone does not: beside
    many zones of one host each, a large one would get its turns at both ends.
    """
    sizes = [len(group) for group in groups]
    waiting = [(0, rank) for rank in range(len(groups))]
    ready: list[tuple[int, int]] = []
    for place in range(total):
        while waiting and waiting[0][0] <= place:
            rank = heapq.heappop(waiting)[1]
            done = sizes[rank] - len(groups[rank])
            heapq.heappush(ready, (-(-(done + 1) * total // sizes[rank]), rank))
        rank = heapq.heappop(ready)[1]
        yield groups[rank].popleft()
        if groups[rank]:
            done = sizes[rank] - len(groups[rank])
            heapq.heappush(waiting, (done * total // sizes[rank], rank))


def _value_of(by: str) -> Callable[[Host], str | None]:
    if by == "group":
        return lambda host: host.groups[0] if host.groups else None
    if (attribute := _ATTRIBUTES.get(by)) is not None:
        return lambda host: (getattr(host, attribute) or "").lower() or None
    tag = by.removeprefix("tag:")
    return lambda host: host.tags.get(tag) or None


def _nothing_to_spread_by(hosts: Sequence[Host], by: str) -> UsageError:
    tags = Counter(tag for host in hosts for tag in host.tags)
    known = [name for name in ("zone", "group", "patch-group", "os") if any(map(_value_of(name), hosts))]
    known += [tag for tag, _ in tags.most_common()]
    what = f"no host of the run has a {by}" if by in {*_ATTRIBUTES, "group"} else f"no host has a tag '{by}'"
    return UsageError(
        f"--spread-by: {what}",
        hint=did_you_mean(by, known) or "the inventory gives these hosts no zone, group or tag",
    )
