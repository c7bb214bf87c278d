"""The `ssh` transport, the default: asyncssh, made for hundreds of hosts in one process.

What hosts share (keys, known_hosts, ssh_config, agents, jump hosts, options) is read or opened once a run. A host then
costs its key exchange, its login, and little else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import asyncssh

from fleetctl.errors import CredentialError
from fleetctl.model import Command, Exit, Host, Reason
from fleetctl.transport.asyncssh_client import Link
from fleetctl.transport.asyncssh_dial import Dialer
from fleetctl.transport.asyncssh_session import RAW_TERMINAL, Execution
from fleetctl.transport.asyncssh_target import Target, Targets
from fleetctl.transport.asyncssh_tunnels import Tunnels
from fleetctl.transport.protocol import Credentials, ExecFailed, OutputSink, TransportOptions, Unreachable
from fleetctl.transport.quirks import Turns
from fleetctl.transport.shared import Shared
from fleetctl.transport.shell import Wire, kill_script, tagged, wire

__all__ = ["AsyncSsh", "SshConnection"]

# Where a host's sleep knows no fractions, it takes two seconds to prove that nothing is left.
_STOP_SECONDS = 5.0
# A server that has no session left now (MaxSessions), or closes a fresh one by mistake (dropbear), has another look.
_TRIES = 4
_PAUSE = 0.05
# A jump host that is dead has its own word after the connect timeout; it says more than that time is up.
_GRACE = 1.0


class AsyncSsh:
    """SSH over asyncssh.

    Args:
        options: what the run says about connections.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._targets = Targets(options)
        self._dialer = Dialer(options)
        self._tunnels = Tunnels(self._targets, dial=self._dial)
        self._resolved: dict[str, Target] = {}
        self._hops: Shared[str, Target] = Shared()

    async def prepare(self, host: Host) -> None:
        """Load the keys that this host and its jump hosts ask for by name.

        Raises:
            CredentialError: a key named on the command line cannot be used.
        """
        with contextlib.suppress(Unreachable):
            target = self._resolved[host.name] = await self._targets.resolve(host)
            await self._dialer.prepare(target)
            if target.hops:
                await self._prepare_hops(target.hops)

    async def _prepare_hops(self, names: tuple[str, ...]) -> None:
        """Load the keys of jump hosts, and of those they are reached through; each once a run."""
        waiting, seen = list(names), set[str]()
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting += (await self._hops.get(name, partial(self._prepare_hop, name))).hops

    async def _prepare_hop(self, name: str) -> Target:
        target = await self._targets.resolve(self._targets.hop(name))
        await self._dialer.prepare(target)
        return target

    async def connect(self, host: Host, *, on_answer: Callable[[], None] | None = None) -> SshConnection:
        """Open a connection.

        Raises:
            Unreachable: whatever went wrong with this host or its jump hosts.
            CredentialError: a key named on the command line cannot be used.
        """
        target = self._resolved.pop(host.name, None) or await self._targets.resolve(host)
        if not target.hops:
            link = await self._dialer.dial(target, on_answer=on_answer)
        else:
            link = await self._dial_through(target)
        host = host if host.user == target.user else replace(host, user=target.user)
        return SshConnection(host, link, dialer=self._dialer, credentials=self._options.credentials)

    async def _dial_through(self, target: Target) -> Link:
        """Connect over jump hosts, each of which has its own time, while the host's own runs: whoever uses it up is named."""
        seconds, via = self._options.connect_timeout, None
        try:
            async with asyncio.timeout(seconds + _GRACE) as limit:
                via = await self._tunnels.through(target.hops)
                try:
                    return await self._dial(target, via)
                except Unreachable:
                    if not via.is_closed():
                        raise
                # The jump host went away meanwhile: that is no fault of this host.
                via = None
                via = await self._tunnels.through(target.hops)
                return await self._dial(target, via)
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._late(target, seconds=seconds, via=via) from None

    def _late(self, target: Target, *, seconds: float, via: Link | None) -> Unreachable:
        if via is not None:
            return Unreachable(
                Reason.CONNECT_TIMEOUT,
                f"no connection to {target.address}:{target.port} through {target.hops[-1]} within {seconds:g} s",
                hint="its jump hosts took most of that time; --connect-timeout allows more",
                retry=True,
            )
        hop = self._tunnels.pending(target.hops)
        return Unreachable(
            Reason.JUMP_HOST,
            f"jump host {hop} was not connected within {seconds:g} s",
            hint="is it up, and are those before it slow? --connect-timeout allows more time",
            retry=True,
        )

    async def _dial(self, target: Target, via: Link | None) -> Link:
        return await self._dialer.dial(target, via=via)

    async def scan(self, host: Host) -> tuple[Target, list[asyncssh.SSHKey]]:
        """Return what a host is called in known_hosts, and the keys it offers; nobody logs in.

        Raises:
            Unreachable: it could not be asked.
        """
        target = await self._targets.resolve(host)
        via = await self._tunnels.through(target.hops) if target.hops else None
        return target, await self._dialer.host_keys(target, via=via)

    async def close(self) -> None:
        """Close jump hosts and agents."""
        await self._hops.close()
        await self._tunnels.close(self._dialer.hang_up)
        await self._dialer.close()


class SshConnection:
    """One open SSH connection.

    Args:
        host: where to.
        link: the asyncssh connection, logged in.
        dialer: closes it.
        credentials: for passwords of sudo, doas and su.

    Attributes:
        unended: see `fleetctl.transport.protocol.Connection`.
    """

    def __init__(self, host: Host, link: Link, *, dialer: Dialer, credentials: Credentials) -> None:
        self.host = host
        self.unended: list[str] = []
        self._link = link
        self._dialer = dialer
        self._credentials = credentials
        self._turns = Turns(str(link.get_extra_info("server_version", "")))

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        """Run a command and stream its output until it ends.

        Raises:
            ExecFailed: it could not be started, or the connection was lost before its end was seen.
            UsageError: the command is one that no host can run.
        """
        command = tagged(command)
        Execution.check_input(command.stdin)
        password = await self._become_password(command)
        async with self._turns.next():
            execution = await self._start(sink, wire(command, password=password))
            try:
                return await execution.run(command)
            except BaseException as exc:
                if execution.abandoned or isinstance(exc, asyncio.CancelledError):
                    await self._cut_short(command, execution, password=password)
                raise

    async def _become_password(self, command: Command) -> str | None:
        if command.become is None:
            return None
        try:
            return await asyncio.to_thread(self._credentials.become_password, self.host)
        except CredentialError as exc:
            raise ExecFailed(Reason.CREDENTIALS, exc.message, hint=exc.hint or "") from exc

    async def _start(self, sink: OutputSink, plan: Wire) -> Execution:
        """Have the host start a shell. Nothing of the script is sent before it has, so that a session that is refused can be tried again."""
        place = self._link.attempt.place
        for left in reversed(range(_TRIES)):
            execution = Execution(sink, plan=plan, place=place)
            try:
                await self._open(execution, plan)
            except (asyncssh.Error, OSError) as exc:
                if self._link.is_closed():
                    raise ExecFailed(
                        Reason.CONNECTION_LOST,
                        f"the connection to {place} was lost before the command was started",
                    ) from exc
                if not left:
                    raise ExecFailed(
                        Reason.REMOTE,
                        f"{place} does not let a command be started: {exc}",
                        hint="look at MaxSessions, ForceCommand and PermitTTY in its sshd_config, and at sshd's log",
                    ) from exc
                await asyncio.sleep(_PAUSE)
            else:
                return execution
        raise AssertionError  # the last try has raised

    async def _open(self, execution: Execution, plan: Wire) -> None:
        await self._link.create_session(
            lambda: execution,
            plan.command_line,
            encoding=None,
            request_pty="force" if plan.pty else False,
            term_type="dumb" if plan.pty else None,
            term_modes=RAW_TERMINAL if plan.pty else {},
        )

    async def _cut_short(self, command: Command, execution: Execution, *, password: str | None) -> None:
        proven = False
        try:
            proven = await self._kill(command, password)
        finally:
            if execution.begun and not proven:
                self.unended.append(command.tag)
                execution.signal()
            execution.stop()

    async def _kill(self, command: Command, password: str | None) -> bool:
        """End a command on the host, with its children, from a second session; return whether it is proven to be ended."""
        killer = tagged(Command(script=kill_script(command.tag), become=command.become))
        plan = wire(killer, password=password)
        with contextlib.suppress(ExecFailed, TimeoutError, OSError, asyncssh.Error):
            async with asyncio.timeout(_STOP_SECONDS):
                execution = await self._start(_Nowhere(), plan)
                return (await execution.run(killer)).ok
        return False

    async def close(self) -> None:
        """Close it."""
        await self._dialer.hang_up(self._link)


class _Nowhere:
    def stdout(self, data: bytes) -> None:
        """Drop it."""

    def stderr(self, data: bytes) -> None:
        """Drop it."""
