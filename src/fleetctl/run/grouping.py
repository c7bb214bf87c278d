"""Hosts that printed the same, together: "412 hosts identical, 3 differ"."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetctl.store.runs import RunFolder

__all__ = ["OutputGroup", "diff", "group_by_output"]

# Beyond that, comparing line by line takes longer than anybody waits for it.
_DIFF_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputGroup:
    """Hosts whose status, exit code, stdout and stderr are the same.

    Attributes:
        hosts: their names, in the run's order.
        invocation: one of theirs, for all.
    """

    hosts: tuple[str, ...]
    invocation: Mapping[str, Any]

    @property
    def empty(self) -> bool:
        """Whether they printed nothing."""
        return not (self.invocation.get("StandardOutputDigest") or self.invocation.get("StandardErrorDigest"))


def group_by_output(invocations: Sequence[Mapping[str, Any]]) -> list[OutputGroup]:
    """Group what ran by what it printed, the largest group first; hosts that never ran are left out."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for invocation in invocations:
        if (
            invocation["Status"] in {"Undeliverable", "Terminated"}
            or "ExecutionStartDateTime" not in invocation
        ):
            continue
        key = tuple(
            invocation.get(name)
            for name in ("Status", "ResponseCode", "Signal", "StandardOutputDigest", "StandardErrorDigest")
        )
        groups.setdefault(key, []).append(invocation)
    found = [
        OutputGroup(hosts=tuple(item["InstanceId"] for item in members), invocation=members[0])
        for members in groups.values()
    ]
    return sorted(found, key=lambda group: -len(group.hosts))


def diff(folder: RunFolder, most_common: OutputGroup, other: OutputGroup) -> Iterator[str]:
    """Yield the lines of a unified diff from the most common stdout to another one, without line ends."""
    texts = []
    for group in (most_common, other):
        paths = folder.output_files(group.hosts[0], "stdout")
        data = b"".join(_beginning(path) for path in paths if path.exists())
        if len(data) > _DIFF_LIMIT:
            yield f"(more than {_DIFF_LIMIT >> 20} MB: see the stored output of {group.hosts[0]})"
            return
        texts.append(data.decode(errors="replace").splitlines())
    before, after = (_label(group) for group in (most_common, other))
    yield from difflib.unified_diff(texts[0], texts[1], before, after, lineterm="")


def _label(group: OutputGroup) -> str:
    return f"{len(group.hosts)} hosts such as {group.hosts[0]}" if len(group.hosts) > 1 else group.hosts[0]


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_DIFF_LIMIT + 1)
