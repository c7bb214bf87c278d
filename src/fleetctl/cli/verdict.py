"""How the verdict of Patch Manager about a fleet is shown."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli.app import App
from fleetctl.cli.patch_done import show_done

if TYPE_CHECKING:
    from fleetctl.engine.order import RunResult
    from fleetctl.patch.conclude import Scanned

__all__ = ["grouped", "show_end", "show_verdict"]


def show_verdict(app: App, scanned: Scanned, given: Mapping[str, Any], *, seconds: float) -> None:
    """Show a verdict as the flags say, and end with its exit code where that is not 0.

    Args:
        app: the shared flags.
        scanned: the verdict.
        given: `format_`, `output`, and `severity` where there is that flag.
        seconds: how long it took.
    """
    shown = _of_severity(scanned.report, given.get("severity", ()))
    if given["format_"] == "table" and given["output"] is None:
        show_done(scanned.run.outcomes)
        _show_tables(shown)
    else:
        from fleetctl.cli.output import write  # noqa: PLC0415
        from fleetctl.compliance.history import trend  # noqa: PLC0415
        from fleetctl.patch.telling import tell_scan  # noqa: PLC0415

        history = trend(scanned.path.parent, scanned.report) if given["format_"] == "html" else ()
        write(
            tell_scan(shown, history=history),
            "json" if given["format_"] == "table" else given["format_"],
            given["output"],
        )
    show_end(app, scanned.run, scanned.report, path=scanned.path, seconds=seconds)
    if scanned.exit_code:
        raise SystemExit(scanned.exit_code)


def _of_severity(report: Mapping[str, Any], severities: Sequence[str]) -> Mapping[str, Any]:
    """Return the report with only the items of these severities; its counts stay as they are."""
    if not severities:
        return report
    wanted = {severity.upper() for severity in severities}
    return {**report, "ComplianceItems": [i for i in report["ComplianceItems"] if i["Severity"] in wanted]}


def _show_tables(report: Mapping[str, Any]) -> None:
    """Write hosts with equal numbers together, then each missing patch with the hosts that lack it."""
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    hosts = grouped([(_host_row(host), host["ResourceId"]) for host in report["ResourceSummaries"]])
    if hosts:
        header = (
            "HOSTS",
            "STATUS",
            "MISSING",
            "FAILED",
            "REBOOT",
            "HELD",
            "OTHER UPDATES",
            "LISTS",
            "SYSTEM",
        )
        print_table(header, [(names, *row) for row, names in hosts])
    patches = grouped([(_patch_row(item), item["ResourceId"]) for item in report["ComplianceItems"]])
    if patches:
        click.echo()
        columns = ("STATE", "PATCH", "SEVERITY", "INSTALLED", "WANTED", "HOSTS", "NOTE")
        print_table(columns, [(*row[:-1], names, row[-1]) for row, names in patches])
    sys.stdout.flush()


def grouped(rows: Sequence[tuple[tuple[str, ...], str]]) -> list[tuple[tuple[str, ...], str]]:
    """Put hosts with equal rows together: each row once, with the folded names of its hosts."""
    from fleetctl.hosts import fold  # noqa: PLC0415

    alike: dict[tuple[str, ...], list[str]] = {}
    for row, host in rows:
        alike.setdefault(row, []).append(host)
    return [
        (row, f"{fold(names)} ({len(names)})" if len(names) > 1 else names[0]) for row, names in alike.items()
    ]


def _host_row(host: Mapping[str, Any]) -> tuple[str, ...]:
    summary = host["PatchSummary"]
    reboot = {True: "needed", False: "no", None: "unknown"}[summary["RebootRequired"]]
    return (
        host["Status"],
        str(summary["MissingCount"]),
        str(summary["FailedCount"]),
        reboot,
        str(len(summary["HeldPackages"])),
        str(summary["OtherUpdateCount"]),
        _age(summary["MetadataAgeSeconds"]),
        host.get("Platform", {}).get("PlatformName", ""),
    )


def _age(seconds: int | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 3600:
        return f"{seconds // 60} min old"
    return f"{seconds // 3600} h old" if seconds < 48 * 3600 else f"{seconds // 86400} days old"


def _patch_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    details = item["Details"]
    return (
        details["PatchState"],
        item["Title"],
        item["Severity"],
        details.get("InstalledVersion", "-"),
        details.get("CandidateVersion", "-"),
        details.get("Note", ""),
    )


def show_end(app: App, result: RunResult, report: Mapping[str, Any], *, path: Path, seconds: float) -> None:
    """Write to stderr what could not be judged and why, warnings, the count of verdicts, and where the report lies."""
    from fleetctl.cli.show import show_problems, show_summary  # noqa: PLC0415

    show_problems(result.report["Invocations"])
    if app.quiet:
        return
    warnings = [(text,) for host in report["ResourceSummaries"] for text in host.get("Warnings", ())]
    names = [host["ResourceId"] for host in report["ResourceSummaries"] for _ in host.get("Warnings", ())]
    for (text,), hosts in grouped(list(zip(warnings, names, strict=True))):
        click.echo(f"{click.style('warning', fg='yellow')}: {hosts}: {text}", err=True)
    summary = report["Summary"]
    counts = (
        f"{summary['CompliantSummary']['CompliantCount']} compliant",
        f"{summary['NonCompliantSummary']['NonCompliantCount']} not compliant",
        f"{summary['UnscannedSummary']['UnscannedCount']} not judged",
    )
    click.echo(f"compliance: {', '.join(counts)}; report: {path}", err=True)
    show_summary(result.report, seconds=seconds)
