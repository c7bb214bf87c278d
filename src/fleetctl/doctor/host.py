"""Look at one host: can it be reached, logged in to, and worked on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files

from fleetctl.doctor.model import Finding, State
from fleetctl.engine.connect import Connector
from fleetctl.model import Become, Command, Host, Reason
from fleetctl.transport.protocol import Connection, ExecFailed, Unreachable

__all__ = ["CHECKS", "examine_host"]

STAGES = ("dns", "connect", "ssh", "host-key", "authentication")
"""What reaching a host consists of, in order; a connection that stands proves them all."""

CHECKS = (*STAGES, "jump", "shell", "become", "clock", "space")

_STAGE_OF = {
    Reason.DNS: "dns",
    Reason.REFUSED: "connect",
    Reason.NO_ROUTE: "connect",
    Reason.CONNECT_TIMEOUT: "connect",
    Reason.HOST_KEY_UNKNOWN: "host-key",
    Reason.HOST_KEY_CHANGED: "host-key",
    Reason.HOST_KEY_REVOKED: "host-key",
    Reason.AUTHENTICATION: "authentication",
    Reason.CREDENTIALS: "authentication",
    Reason.JUMP_HOST: "jump",
}
# These say nothing about the stages before them: the attempt ended elsewhere, or before it began.
_PROVES_NOTHING = frozenset({Reason.CREDENTIALS, Reason.JUMP_HOST, Reason.TRANSPORT, Reason.INTERNAL})

_SKEW = 30.0
"""Seconds that a host's clock may differ before logs and schedules become hard to read together."""

_SPACE = 100 << 10
"""Kilobytes that a detached job's output may need."""

_PATIENCE = 30.0


@dataclass(slots=True)
class _Output:
    out: bytearray = field(default_factory=bytearray)
    err: bytearray = field(default_factory=bytearray)

    def stdout(self, data: bytes) -> None:
        self.out += data[: max(0, (1 << 16) - len(self.out))]

    def stderr(self, data: bytes) -> None:
        self.err += data[: max(0, (1 << 16) - len(self.err))]

    def said(self) -> str:
        lines = (self.err or self.out).decode(errors="replace").split("\n")
        return next((line.strip() for line in lines if line.strip()), "")[:200]


async def examine_host(host: Host, connector: Connector, *, become: Become | None) -> list[Finding]:
    """Connect once, the way a run would, look, and go.

    Args:
        host: the host.
        connector: opens the connection.
        become: how to become another user there; None leaves it out.
    """
    try:
        connection = await connector.open(host)
    except Unreachable as exc:
        return list(_unreachable(host, exc))
    reached = () if host.transport == "local" else STAGES
    findings = [_ok(host, stage, "as it should be") for stage in reached]
    try:
        findings += await _shell(connection)
        if become is not None and findings[-1].check != "shell":
            findings.append(await _become(connection, become))
    finally:
        await connection.close()
    return findings


def _unreachable(host: Host, exc: Unreachable) -> Iterator[Finding]:
    failed = _STAGE_OF.get(exc.reason, "ssh")
    if exc.reason not in _PROVES_NOTHING:
        for stage in STAGES[: STAGES.index(failed)]:
            yield Finding(
                check=stage, state=State.OK, subject=host.name, message="as it should be", host=True
            )
    yield Finding(
        check=failed, state=State.FAIL, subject=host.name, message=exc.message, remedy=exc.hint, host=True
    )


async def _shell(connection: Connection) -> list[Finding]:
    """Ask the host's shell in one exec; the last finding is of another check than `shell` when it works."""
    host = connection.host
    script = (files("fleetctl.doctor") / "scripts" / "probe.sh").read_text(encoding="utf-8")
    output, begun = _Output(), time.time()
    try:
        async with asyncio.timeout(_PATIENCE):
            ended = await connection.exec(Command(script=script, tag=_tag("probe")), output)
    except (ExecFailed, TimeoutError) as exc:
        return [_exec_failed(host, "shell", exc)]
    values = _parse(bytes(output.out))
    if not ended.ok or "end" not in values:
        how = f"exit code {ended.code}" if ended.signal is None else f"signal {ended.signal}"
        said = f": {output.said()}" if output.said() else ""
        return [
            _bad(
                host,
                "shell",
                State.FAIL,
                f"a command does not run through its sh ({how}){said}",
                "look at the login shell and what its start-up files print or do: "
                f"{_by_hand(host)} sh -c 'echo ok'",
            )
        ]
    return [
        _ok(host, "shell", f"{_one(values, 'system') or 'a POSIX shell'} works"),
        _space(host, values),
        _clock(host, values, begun=begun, ended=time.time()),
    ]


def _by_hand(host: Host) -> str:
    port = f"-p {host.port} " if host.port else ""
    return f"ssh {port}{host.user + '@' if host.user else ''}{host.target}"


def _space(host: Host, values: dict[str, list[str]]) -> Finding:
    free = _one(values, "free")
    if _one(values, "tmp") != "writable":
        message = "/var/tmp cannot be written"  # noqa: S108 - the host's, and only told about
        return _bad(host, "space", State.WARN, message, "chmod 1777 /var/tmp")
    if free.isdecimal() and int(free) < _SPACE:
        message = f"less than {_SPACE >> 10} MB are free in /var/tmp"
        return _bad(host, "space", State.WARN, message, "free some space there: du -xsh /var/tmp/*")
    return _ok(host, "space", "enough in /var/tmp")


def _clock(host: Host, values: dict[str, list[str]], *, begun: float, ended: float) -> Finding:
    date = _one(values, "date")
    if not date.isdecimal():
        return _bad(host, "clock", State.INFO, "its date cannot tell seconds: not compared", "")
    skew = max(
        int(date) - ended, begun - int(date) - 1, 0.0
    )  # whole seconds there, so one second means nothing
    if skew <= _SKEW:
        return _ok(host, "clock", f"within {_SKEW:.0f} s of this machine's")
    way = "ahead of" if int(date) > ended else "behind"
    return _bad(
        host,
        "clock",
        State.WARN,
        f"{_duration(skew)} {way} this machine's",
        "let it follow a time server: timedatectl set-ntp true",
    )


async def _become(connection: Connection, become: Become) -> Finding:
    host, output = connection.host, _Output()
    command = Command(script="id -un 2>/dev/null || id -u", become=become, tag=_tag("become"))
    try:
        async with asyncio.timeout(_PATIENCE):
            ended = await connection.exec(command, output)
    except (ExecFailed, TimeoutError) as exc:
        return _exec_failed(host, "become", exc)
    if ended.ok:
        return _ok(host, "become", f"{become.user} by {become.method}")
    return _bad(host, "become", State.FAIL, f"exit code {ended.code}: {output.said()}", "")


def _exec_failed(host: Host, check: str, exc: ExecFailed | TimeoutError) -> Finding:
    if isinstance(exc, ExecFailed):
        return _bad(host, check, State.FAIL, exc.message, exc.hint)
    message = f"a command did not end within {_PATIENCE:.0f} s"
    return _bad(host, check, State.FAIL, message, f"is it overloaded? ssh {host.target} uptime")


def _ok(host: Host, check: str, message: str) -> Finding:
    return Finding(check=check, state=State.OK, subject=host.name, message=message, host=True, reached=True)


def _bad(host: Host, check: str, state: State, message: str, remedy: str) -> Finding:
    return Finding(
        check=check,
        state=state,
        subject=host.name,
        message=message,
        remedy=remedy,
        host=True,
        reached=True,
    )


def _parse(output: bytes) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for line in output.decode(errors="replace").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            values.setdefault(name, []).append(value.strip())
    return values


def _one(values: dict[str, list[str]], name: str) -> str:
    return values.get(name, [""])[0]


def _tag(what: str) -> str:
    return f"fleetctl-doctor-{what}-{time.monotonic_ns()}"


def _duration(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
