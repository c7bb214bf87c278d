"""Medians of what was measured, as JSON, as a Markdown table and as a picture."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from measure import Figures
from picture import draw

__all__ = ["Measured", "median", "write"]

#: Figures by scenario and client, in the order of measuring.
Measured = Mapping[str, Mapping[str, Sequence[Figures]]]


def median(runs: Sequence[Figures]) -> Figures:
    """The median of each figure by itself; of right answers the fewest, of exit codes and reasons the last."""
    numbers = {
        one.name: statistics.median(getattr(run, one.name) for run in runs)
        for one in fields(Figures)
        if one.name
        not in {"reasons", "right", "exit_code", "hosts", "most_processes", "connections", "execs"}
    }
    last = runs[-1]
    return Figures(
        **numbers,
        hosts=last.hosts,
        right=min(run.right for run in runs),
        exit_code=last.exit_code,
        most_processes=max(run.most_processes for run in runs),
        reasons=last.reasons,
        connections=last.connections,
        execs=last.execs,
    )


def write(
    folder: Path, measured: Measured, *, about: Mapping[str, Any], titles: Mapping[str, str], name: str
) -> None:
    """Write `NAME.json`, `NAME.md` and `NAME.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    medians = {key: {client: median(runs) for client, runs in row.items()} for key, row in measured.items()}
    whole = {
        "about": dict(about),
        "medians": {
            key: {client: asdict(one) for client, one in row.items()} for key, row in medians.items()
        },
        "runs": {
            key: {client: [asdict(run) for run in runs] for client, runs in row.items()}
            for key, row in measured.items()
        },
    }
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")
    costs = {key: _costs(row) for key, row in measured.items()}
    (folder / f"{name}.md").write_text(table(medians, about=about, titles=titles, costs=costs))
    (folder / f"{name}.svg").write_text(draw(medians, titles=titles))


def table(
    medians: Mapping[str, Mapping[str, Figures]],
    *,
    about: Mapping[str, Any],
    titles: Mapping[str, str],
    costs: Mapping[str, Sequence[str]],
) -> str:
    """The medians for people."""
    lines = ["# Measured", "", *(f"- {key}: {value}" for key, value in about.items()), ""]
    for key, row in medians.items():
        lines += [f"## {titles[key]}", ""]
        lines += [
            "| client | wall s | wall / floor | client CPU ms a host | memory MB | largest process MB | right |"
        ]
        lines += ["|---|---:|---:|---:|---:|---:|---:|"]
        lines += [
            _row(client, one) for client, one in sorted(row.items(), key=lambda pair: pair[1].wall_seconds)
        ]
        lines += ["", *_notes(row), *costs[key], ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(client: str, one: Figures) -> str:
    floor = f"{one.over_floor:.2f}" if one.over_floor else ""
    right = f"{one.right} of {one.hosts}"
    return (
        f"| {client} | {one.wall_seconds:.2f} | {floor} | {one.cpu_ms_per_host:.1f} "
        f"| {one.peak_tree_mb:.0f} | {one.peak_process_mb:.0f} | {right} |"
    )


def _notes(row: Mapping[str, Figures]) -> list[str]:
    return [
        f"{client}: last host that succeeded was done after {one.last_success_seconds:.2f} s"
        + (
            f"; unreachable: {', '.join(f'{count} {why}' for why, count in one.reasons.items())}."
            if one.reasons
            else "."
        )
        + (f" The compliance report has {one.report_mb:.1f} MB." if one.report_mb else "")
        for client, one in row.items()
        if one.last_success_seconds
    ]


def _costs(row: Mapping[str, Sequence[Figures]]) -> list[str]:
    """What fleetctl's ways of working cost beyond one another: medians of the differences within each round."""
    counted = {client: runs for client, runs in row.items() if runs[-1].execs}
    if len(counted) < 2:
        return []
    first = next(client for client in counted if client.endswith(("no ledger", "plain")))
    lines = []
    for client, runs in counted.items():
        last = runs[-1]
        each = (
            f"{last.connections / last.hosts:.2f} connections and {last.execs / last.hosts:.2f} execs a host"
        )
        lines.append(f"{client}: {each}.")
        if client != first:
            wall, cpu, server = (
                _beyond(runs, counted[first], of=figure)
                for figure in ("wall_seconds", "cpu_seconds", "server_cpu_seconds")
            )
            lines.append(
                f"{client}, beyond {first}: wall {wall}, client CPU {cpu}, CPU of the hosts {server}."
            )
    return lines


def _beyond(runs: Sequence[Figures], others: Sequence[Figures], *, of: str) -> str:
    """Median, and both ends, of the differences between two clients that were measured in turns, in per cent."""
    ratios = [
        100 * (getattr(one, of) / getattr(other, of) - 1)
        for one, other in zip(runs, others, strict=False)
        if getattr(other, of)
    ]
    if not ratios:
        return "unknown"
    return f"{statistics.median(ratios):+.1f} % ({min(ratios):+.1f} to {max(ratios):+.1f})"
