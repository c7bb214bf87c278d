"""A patch plan as a page: what comes, what it closes, what stays open and why, and every host."""

from __future__ import annotations

from collections.abc import Iterator

from fleetctl.patch.plan import HostPlan, Plan
from fleetctl.patch.plan_rows import (
    CHANGES,
    HOSTS,
    LEFT_OUT,
    alike,
    change_row,
    cve_fates,
    host_row,
    left_rows,
    sentences,
    stuck,
    tell_bytes,
)
from fleetctl.report.page import Detail, Page, Table, Tile, Tone

__all__ = ["plan_page"]


def plan_page(plan: Plan) -> Page:
    """Return the page of a plan."""
    return Page(
        title="Patch plan",
        lead=" ".join(sentences(plan)),
        facts=[
            ("Made", f"{plan.made:%Y-%m-%d %H:%M} UTC"),
            ("Plan", plan.plan_id),
            ("Hosts", plan.selector or "-"),
            *[("Baseline", text) for text in _baselines(plan)],
        ],
        tiles=list(_tiles(plan)),
        tables=list(_tables(plan)),
        details=[_detail(share) for share in sorted(plan.hosts, key=_gravity)],
    )


def _baselines(plan: Plan) -> list[str]:
    told = (f"{s.baseline} ({s.baseline_digest})" if s.baseline_digest else s.baseline for s in plan.hosts)
    return list(dict.fromkeys(told))


def _tiles(plan: Plan) -> Iterator[Tile]:
    patches = [patch for share in plan.work for patch in share.patches]
    fates = cve_fates(plan)
    left = sum(bool(fate.left) for fate in fates)
    total = len(plan.hosts) + len(plan.failed)
    waiting = sum(bool(share.reboot_pending) for share in plan.hosts)
    reboots = sum(share.reboot_expected for share in plan.work) + sum(
        bool(share.reboot_pending) for share in plan.hosts if not share.patches
    )
    bad = sum(map(stuck, plan.hosts)) + len(plan.failed)
    yield Tile(label="hosts to change", value=str(len(plan.work)), note=f"of {total}")
    yield Tile(
        label="patches", value=str(len(patches)), note=f"{sum(p.security for p in patches)} security fixes"
    )
    yield Tile(label="CVEs closed", value=str(len(fates) - left), tone="good")
    yield Tile(label="CVEs left open", value=str(left), tone="bad" if left else "good")
    yield Tile(label="reboots expected", value=str(reboots), note=f"{waiting} wait for one now")
    yield Tile(label="to download", value=tell_bytes(sum(share.download or 0 for share in plan.work)))
    if bad:
        yield Tile(label="hosts in trouble", value=str(bad), tone="bad")


def _tables(plan: Plan) -> Iterator[Table]:
    troubles = alike(
        ((trouble.message, trouble.mend or "-"), share.host)
        for share in plan.hosts
        for trouble in share.troubles
    )
    troubles += alike(((why, "-"), host) for host, why in plan.failed.items())
    if troubles:
        yield Table(title="In the way", header=("Trouble", "Mend it there with", "Hosts"), rows=troubles)
    if notes := alike(((note,), share.host) for share in plan.hosts for note in share.notes):
        yield Table(title="Before you install", header=("Mind", "Hosts"), rows=notes)
    changes = alike(
        (change_row(share, change), share.host)
        for share in plan.hosts
        for change in share.changes
        if change.kind != "configure"
    )
    yield Table(title="What changes", header=_titled(*CHANGES, "HOSTS"), rows=changes)
    left = alike((row, share.host) for share in plan.hosts for row in left_rows(share))
    yield Table(title="What is left out, and why", header=_titled(*LEFT_OUT, "HOSTS"), rows=left)
    fates = [
        (fate.cve, str(len(fate.closed)), str(len(fate.left)), "; ".join(fate.why) or "-")
        for fate in cve_fates(plan)
    ]
    note = "As far as the vendor's metadata name them; apt's do not."
    yield Table(
        title="CVEs", header=("CVE", "Closed on hosts", "Left on hosts", "Why left"), rows=fates, note=note
    )
    hosts = [(share.host, *host_row(share)) for share in plan.hosts]
    yield Table(title="Hosts", header=("Host", *_titled(*HOSTS)), rows=hosts)


def _titled(*words: str) -> tuple[str, ...]:
    return tuple(word.capitalize() for word in words)


def _gravity(share: HostPlan) -> tuple[bool, int]:
    return not share.troubles, -len(share.patches)


def _detail(share: HostPlan) -> Detail:
    count = len(share.patches)
    summary = f"{count} patch{'' if count == 1 else 'es'}, {tell_bytes(share.download)} to download"
    tone: Tone = "plain" if count else "good"
    if stuck(share):
        summary, tone = share.troubles[0].message, "bad"
    rows = [change_row(share, change) for change in share.changes if change.kind != "configure"]
    rows += [("left out", name, "-", version, why) for name, version, _, why in left_rows(share)]
    table = Table(title=share.host, header=_titled(*CHANGES), rows=rows) if rows else None
    return Detail(title=share.host, summary=summary, tone=tone, table=table)
