"""`fleetctl hosts trust`: scan host keys, show their fingerprints, record the accepted ones."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetctl.cli import complete
from fleetctl.cli.app import App, FleetCommand, pass_app
from fleetctl.cli.options import output_options, selection_options, yes_option
from fleetctl.errors import HostKeyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleetctl.transport.protocol import TransportOptions, Unreachable
    from fleetctl.transport.trust import OfferedKey, Scan

__all__ = ["trust"]

_OVER_SSH = frozenset({"ssh", "fabric"})

EPILOG = """\
Compare a fingerprint with what the host itself says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

Examples:
  fleetctl hosts trust                        all hosts of the inventory; those known already are left alone
  fleetctl hosts trust web-1                  one host
  fleetctl hosts trust --replace web-1        after it was installed anew
  fleetctl hosts trust all --yes --known-hosts ci_known_hosts

Exit codes: 0 all are known now, 4 some could not be asked, or offer other keys than those on record.
"""


@click.command(cls=FleetCommand, epilog=EPILOG)
@click.argument("selector", default="all", shell_complete=complete.targets)
@click.option("--replace", is_flag=True, help="Replace keys that have changed.")
@click.option(
    "--known-hosts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Record there instead of in ~/.ssh/known_hosts.",
)
@click.option(
    "--ssh-config", type=click.Path(path_type=Path), metavar="FILE", help="Instead of ~/.ssh/config."
)
@click.option(
    "--connect-timeout",
    type=click.FloatRange(0.1, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="To connect and see the key.",
)
@selection_options
@output_options("table", "json")
@yes_option
@pass_app
def trust(app: App, /, selector: str, **given: Any) -> None:
    """Show the SSH host keys of SELECTOR's hosts, ask, and record them in known_hosts.

    Scanning trusts whoever answers now: do it on a network you trust, or compare the fingerprints.
    """
    from fleetctl.cli.prompts import confirm  # noqa: PLC0415
    from fleetctl.transport.known_hosts import Standing  # noqa: PLC0415
    from fleetctl.transport.trust import record, scan  # noqa: PLC0415

    fleet = app.fleet()
    hosts = [
        host
        for host in fleet.select(selector, limit=given["limit"], exclude=given["exclude"])
        if host.transport in _OVER_SSH
    ]
    options: TransportOptions = fleet.transport_options(
        known_hosts=(given["known_hosts"],) if given["known_hosts"] else (),
        ssh_config=given["ssh_config"],
        connect_timeout=given["connect_timeout"],
    )
    scans = asyncio.run(scan(hosts, options))
    _show(scans, given["format_"], given["output"])
    _tell_failures(scans)
    wanted = [one for one in scans if _is_wanted(one, replace=given["replace"])]
    if wanted:
        keys = sum(len(one.keys) for one in wanted)
        places = ", ".join(sorted({str(one.file) for one in wanted}))
        what = f"{keys} key{'s' if keys != 1 else ''} of {_hosts(len(wanted))}"
        confirm(f"Record {what} in {places}?", yes=given["yes"], act="this records host keys")
        count = record(wanted, replace=given["replace"])
        app.note(f"recorded {count} key{'s' if count != 1 else ''} of {_hosts(len(wanted))} in {places}")
    elif all(one.keys and one.standing is Standing.TRUSTED for one in scans):
        app.note("nothing to record: all are known")
    _complain(scans, replace=given["replace"])


def _is_wanted(one: Scan, *, replace: bool) -> bool:
    from fleetctl.transport.known_hosts import Standing  # noqa: PLC0415

    return one.standing is Standing.UNKNOWN or (replace and one.standing is Standing.CHANGED)


def _hosts(count: int) -> str:
    return f"{count} host{'s' if count != 1 else ''}"


def _show(scans: Sequence[Scan], format_: str, output: Path | None) -> None:
    if format_ == "json":
        from fleetctl.cli.output import destination  # noqa: PLC0415

        rows = [_record_of(one, key) for one in scans for key in one.keys]
        rows += [_failure_of(one) for one in scans if one.failed]
        with destination(output, machine=True) as file:
            file.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
        return
    from fleetctl.cli.table import print_table  # noqa: PLC0415

    table = [
        (one.host.name, str(one.known_as), key.key_type, key.fingerprint, _state(key))
        for one in scans
        for key in one.keys
    ]
    if table:
        print_table(("HOST", "KNOWN AS", "TYPE", "FINGERPRINT", "STATE"), table, output=output)


def _state(key: OfferedKey) -> str:
    from fleetctl.transport.known_hosts import Standing  # noqa: PLC0415

    if key.standing is Standing.CHANGED and key.recorded:
        old = key.recorded[0]
        return f"CHANGED: was {old.key_type} {old.fingerprint} ({old.place})"
    if key.standing is Standing.REVOKED and key.recorded:
        return f"REVOKED ({key.recorded[0].place})"
    return {Standing.UNKNOWN: "new", Standing.TRUSTED: "known"}.get(key.standing, key.standing.value)


def _record_of(one: Scan, key: OfferedKey) -> dict[str, Any]:
    return {
        "InstanceId": one.host.name,
        "KnownAs": str(one.known_as),
        "KeyType": key.key_type,
        "Fingerprint": key.fingerprint,
        "State": {"unknown": "New", "trusted": "Known", "changed": "Changed", "revoked": "Revoked"}[
            key.standing.value
        ],
        "Recorded": [
            {"KeyType": entry.key_type, "Fingerprint": entry.fingerprint, "Place": entry.place}
            for entry in key.recorded
        ],
    }


def _failure_of(one: Scan) -> dict[str, Any]:
    assert one.failed is not None  # noqa: S101 - the caller looked
    return {
        "InstanceId": one.host.name,
        "KnownAs": str(one.known_as),
        "State": "Unreachable",
        "Reason": one.failed.reason.value,
        "Message": one.failed.message,
    }


def _tell_failures(scans: Sequence[Scan]) -> None:
    from fleetctl.cli.terminal import safe  # noqa: PLC0415
    from fleetctl.hosts.alike import for_all, general, who  # noqa: PLC0415

    alike: dict[tuple[str, ...], list[tuple[str, Unreachable]]] = {}
    for one in scans:
        if one.failed:
            name, why = one.host.name, one.failed
            texts = (why.reason.value, general(why.message, name), general(why.hint, name))
            alike.setdefault(texts, []).append((name, why))
    for (reason, *_), hosts in sorted(alike.items()):
        names, why = [name for name, _ in hosts], hosts[0][1]
        label = click.style(f"Unreachable[{reason}]", fg="magenta")
        click.echo(f"{label} {who(names)}: {safe(why.message)}", err=True)
        for line in for_all(why.hint, names).splitlines():
            click.echo(f"  {click.style('hint', fg='cyan')}: {safe(line)}", err=True)


def _complain(scans: Sequence[Scan], *, replace: bool) -> None:
    from fleetctl.transport.known_hosts import Standing  # noqa: PLC0415

    failed = [one for one in scans if one.failed]
    revoked = [one for one in scans if one.standing is Standing.REVOKED]
    changed = [] if replace else [one for one in scans if one.standing is Standing.CHANGED]
    parts, hints = [], []
    if failed:
        parts.append(f"{_hosts(len(failed))} could not be asked")
    if changed:
        names = ",".join(one.host.name for one in changed[:5]) + (",..." if len(changed) > 5 else "")
        parts.append(
            f"{_hosts(len(changed))} offer{'s' if len(changed) == 1 else ''} other keys than those on record"
        )
        hints.append(f"if they were installed anew: fleetctl hosts trust --replace {names}")
    if revoked:
        parts.append(f"{_hosts(len(revoked))} offer{'s' if len(revoked) == 1 else ''} a revoked key")
        hints.append("a revoked key is never recorded: give the host a new one")
    if parts:
        raise HostKeyError("; ".join(parts), hint="\n".join(hints) or None)
