"""`fleetctl patch baseline`: what hosts are judged by, and why a verdict is as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetGroup, pass_app
from fleetctl.cli.options import WorkOptions, baseline_option, output_options, work_options, yes_option

if TYPE_CHECKING:
    from fleetctl.fleet import Fleet
    from fleetctl.model import Host
    from fleetctl.patch.baseline_load import Declared

__all__ = ["baseline"]

EPILOG = """\
NAME is a baseline of the project (baselines/*.yaml), a predefined one, or a file.

A host gets the baseline that --baseline names, else the one of its patch group, else the project's default for its system, else
SSM's predefined one.

Examples:
  fleetctl patch baseline list
  fleetctl patch baseline show AWS-DebianDefaultPatchBaseline > baselines/web.yaml
  fleetctl patch baseline check
  fleetctl patch baseline explain web-1 openssl          why it is missing, or waits, or does not count
  fleetctl patch baseline explain web-1 openssl --scan   look at the host first
"""

_COLUMNS = ("BaselineId", "OperatingSystem", "Owner", "DefaultBaseline", "PatchGroups", "Description")


@click.group(cls=FleetGroup, epilog=EPILOG)
def baseline() -> None:
    """Look at patch baselines, check them, explain verdicts."""


@baseline.command("list")
@output_options("table", "json", "jsonl", "yaml", "csv")
@pass_app
def list_(app: App, format_: str, output: Path | None) -> None:
    """List the project's patch baselines, then the predefined ones."""
    rows = _listed(app.fleet())
    if format_ != "table":
        _write(rows, format_, output, rows=rows)
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    header = ("NAME", "SYSTEM", "FROM", "DEFAULT", "PATCH GROUPS", "WHAT IT ASKS FOR")
    cells = [
        (
            row["BaselineId"],
            row["OperatingSystem"],
            row["Owner"],
            "yes" if row["DefaultBaseline"] else "no",
            ", ".join(row["PatchGroups"]) or "-",
            row["Description"],
        )
        for row in rows
    ]
    print_table(header, cells, output=output)


@baseline.command()
@click.argument("name", shell_complete=complete.baselines)
@output_options("yaml", "json", default="yaml")
@pass_app
def show(app: App, name: str, format_: str, output: Path | None) -> None:
    """Print NAME as a file of baselines/ would say it (yaml), or with SSM's names (json)."""
    from fleetctl.patch.baseline_telling import form_data, ssm_data  # noqa: PLC0415
    from fleetctl.patch.choose import find_declared  # noqa: PLC0415

    fleet = app.fleet()
    item = find_declared(name, fleet.project)
    predefined = str(item.where).startswith("builtin:")
    if format_ == "json":
        listed = {row["BaselineId"]: row for row in _listed(fleet)} if predefined else {}
        default = listed[item.baseline.name]["DefaultBaseline"] if predefined else item.default
        _write(
            ssm_data(item, origin="built-in" if predefined else "project", default=default), "json", output
        )
        return
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.spec.dump import dump  # noqa: PLC0415

    data = form_data(item.baseline, named=not predefined)
    data |= {"patch_groups": list(item.patch_groups)} if item.patch_groups else {}
    data |= {"default": True} if item.default else {}
    with destination(output) as file:
        if predefined:  # a copy of it has a name of its own: that of its file
            file.write(f"# {item.baseline.name}\n")
        file.write(dump(data))


@baseline.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@pass_app
def check(app: App, files: tuple[str, ...]) -> None:
    """Check FILEs, or all baselines of the project: everything wrong with them, and what is probably not meant."""
    from fleetctl.errors import NotFoundError  # noqa: PLC0415
    from fleetctl.patch.baseline_load import baseline_files, load_files  # noqa: PLC0415

    paths = [Path(name) for name in files] or baseline_files(app.fleet().project.folder("baselines"))
    if not paths:
        raise NotFoundError(
            "there are no baselines here", hint="name files, or put them into the project's baselines/"
        )
    declared = load_files(paths)
    for item in declared:
        for warning in item.warnings:
            app.note(f"warning: {warning}" + (f"\n  hint: {warning.hint}" if warning.hint else ""))
        rules = len(item.baseline.approval_rules)
        app.note(
            f"{item.where.file}: ok, '{item.baseline.name}' for {item.baseline.operating_system.value},"
            f" {rules} rule{'' if rules == 1 else 's'}"
        )
    for path in paths:
        if not any(item.where.file == str(path) for item in declared):
            app.note(f"{path}: says nothing: there is no baseline in it")


@baseline.command()
@click.argument("host", shell_complete=complete.hosts)
@click.argument("package")
@click.option("--scan", is_flag=True, help="Look at the host first, instead of at what it told last.")
@click.option("-b", "--become/--no-become", default=None, help="With --scan: as root, or as the login user.")
@baseline_option
@output_options("text", "json", "yaml", default="text")
@work_options
@yes_option
@pass_app
def explain(app: App, /, host: str, package: str, work: WorkOptions, **given: Any) -> None:
    """Say which rule decided about PACKAGE on HOST, why not the others, since when, and until when it waits."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from fleetctl.patch.choose import baseline_choice  # noqa: PLC0415
    from fleetctl.patch.explain import explain as explain_verdict  # noqa: PLC0415
    from fleetctl.patch.explain_telling import explanation_json, paragraph  # noqa: PLC0415
    from fleetctl.patch.looks import last_look  # noqa: PLC0415

    fleet = app.fleet()
    chosen = _host(fleet, host)
    baselines = baseline_choice(fleet.project, given["baseline"])
    if given["scan"]:
        _scan(app, fleet, work.applied((chosen,)), work=work, given=given)
    told = explain_verdict(
        chosen,
        package,
        look=last_look(fleet.runs, host),
        baselines=baselines,
        now=datetime.now(UTC),
        state_folder=fleet.project.state_folder(),
    )
    if given["format_"] != "text":
        _write([explanation_json(one) for one in told], given["format_"], given["output"])
        return
    from fleetctl.cli.output import destination  # noqa: PLC0415
    from fleetctl.cli.terminal import safe  # noqa: PLC0415

    with destination(given["output"]) as file:
        file.write("\n\n".join(safe(paragraph(one)) for one in told) + "\n")


def _listed(fleet: Fleet) -> list[dict[str, Any]]:
    from fleetctl.errors import Where  # noqa: PLC0415
    from fleetctl.patch.baseline_load import Declared, load_baselines  # noqa: PLC0415
    from fleetctl.patch.baseline_telling import ssm_data  # noqa: PLC0415
    from fleetctl.patch.defaults import BUILT_IN  # noqa: PLC0415

    own: Sequence[Declared] = load_baselines(fleet.project.folder("baselines"))
    taken = {item.baseline.operating_system for item in own if item.default}
    predefined = [
        Declared(baseline=item, where=Where(f"builtin:{item.name}"), default=system not in taken)
        for system, item in BUILT_IN.items()
    ]
    return [
        *(ssm_data(item, origin="project", default=item.default) for item in own),
        *(ssm_data(item, origin="built-in", default=item.default) for item in predefined),
    ]


def _host(fleet: Fleet, name: str) -> Host:
    from fleetctl.errors import NotFoundError  # noqa: PLC0415
    from fleetctl.spec.suggest import did_you_mean  # noqa: PLC0415

    hosts = fleet.inventory.hosts
    if name not in hosts:
        raise NotFoundError(f"there is no host '{name}'", hint=did_you_mean(name, hosts))
    return hosts[name]


def _scan(
    app: App, fleet: Fleet, hosts: tuple[Host, ...], *, work: WorkOptions, given: dict[str, Any]
) -> None:
    """Look at a host now; a host that cannot be looked at ends the command as a scan would."""
    from fleetctl.cli.show import show_problems  # noqa: PLC0415
    from fleetctl.cli.work import fan_out  # noqa: PLC0415
    from fleetctl.engine.report import exit_code  # noqa: PLC0415
    from fleetctl.patch.scan import DOCUMENT  # noqa: PLC0415

    name = hosts[0].name
    task = fleet.scan_task(baseline=given["baseline"], become=given["become"])
    run = fan_out(
        app,
        fleet,
        task,
        hosts,
        work=work,
        title=f"patch scan {name}",
        name=DOCUMENT,
        parameters={"Operation": "Scan"},
        selector=name,
    )
    if code := exit_code(run.outcomes, interrupted=run.interrupted):
        show_problems(run.report["Invocations"])
        raise SystemExit(code)


def _write(data: Any, format_: str, output: Path | None, *, rows: Sequence[dict[str, Any]] = ()) -> None:
    from fleetctl.cli.output import write  # noqa: PLC0415
    from fleetctl.report.protocol import Telling  # noqa: PLC0415

    flat = [{**row, "PatchGroups": " ".join(row["PatchGroups"])} for row in rows]
    write(Telling(data=data, rows=flat, columns=_COLUMNS), format_, output)
