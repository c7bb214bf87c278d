"""Look at what SSH needs here: keys, agent, known_hosts, `~/.ssh/config`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from fleetctl.doctor.model import Finding, State, from_error
from fleetctl.errors import ConfigError
from fleetctl.model import Host
from fleetctl.transport.known_hosts import default_files as default_known_hosts
from fleetctl.transport.protocol import TransportOptions

__all__ = ["examine_ssh"]


async def examine_ssh(options: TransportOptions, hosts: Sequence[Host]) -> list[Finding]:
    """Look at the files and the agent that logging in depends on.

    Args:
        options: how hosts are reached.
        hosts: whose keys are looked at.
    """
    held, agent = await _agent()
    keys = list(_keys(options, hosts, held=held))
    needed = not hosts or any(host.transport != "local" for host in hosts)
    return [*keys, agent, *_known_hosts(options, needed=needed), *_config(options)]


async def _agent() -> tuple[frozenset[bytes], Finding]:
    """Return the public halves of the agent's keys, and what there is to say of it."""
    import asyncssh  # noqa: PLC0415 - not needed to see that there is no agent

    path = os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        return frozenset(), Finding(
            check="agent", state=State.INFO, message="no ssh-agent (SSH_AUTH_SOCK is not set)"
        )
    client = asyncssh.SSHAgentClient(path)
    try:
        pairs = await client.get_keys()
    except (OSError, ValueError) as exc:
        finding = Finding(
            check="agent",
            state=State.WARN,
            subject=path,
            message=f"ssh-agent does not answer: {getattr(exc, 'strerror', None) or exc}",
            remedy='start one: eval "$(ssh-agent)" && ssh-add',
        )
        return frozenset(), finding
    finally:
        client.close()
        await client.wait_closed()
    count = len(pairs)
    return frozenset(pair.public_data for pair in pairs), Finding(
        check="agent",
        state=State.OK if count else State.INFO,
        subject=path,
        message=f"holds {count} key{'s' if count != 1 else ''}",
        remedy="" if count else "ssh-add",
    )


def _keys(options: TransportOptions, hosts: Sequence[Host], *, held: frozenset[bytes]) -> Iterator[Finding]:
    """Look at named keys, which must work, and at the default ones, of which any may be missing."""
    from fleetctl.transport.keys import KeyFileError, Keys, default_files  # noqa: PLC0415

    over_ssh = [host for host in hosts if host.transport != "local"]
    named = dict.fromkeys(options.identity_file)
    named |= dict.fromkeys(Path(item).expanduser() for host in over_ssh for item in host.identity_file)
    defaults = [path for path in default_files() if path not in named and path.exists()]
    keys = Keys(options.credentials)
    for path in (*named, *defaults):
        try:
            found = keys.load(path)
        except KeyFileError as exc:
            if exc.public in held:
                message = "encrypted or unreadable, and held by the agent"
                yield Finding(check="key", state=State.OK, subject=str(path), message=message)
                continue
            state = State.FAIL if path in named else State.WARN
            message = exc.message.removeprefix(f"{path} ")
            yield Finding(check="key", state=state, subject=str(path), message=message, remedy=exc.hint)
        else:
            kind = found.pairs[-1].algorithm.decode() if found.pairs else "a public key, for the agent"
            yield Finding(check="key", state=State.OK, subject=str(path), message=f"can be used ({kind})")
    if not named and not defaults and not held and (over_ssh or not hosts):
        yield Finding(
            check="key",
            state=State.WARN,
            message="no key to log in with: none named, none in ~/.ssh, none in the agent",
            remedy="make one with: ssh-keygen -t ed25519\nand bring it to a host with: ssh-copy-id HOST",
        )


def _known_hosts(options: TransportOptions, *, needed: bool) -> Iterator[Finding]:
    files = options.known_hosts or default_known_hosts()
    there = [path for path in files if path.exists()]
    for path in options.known_hosts:
        if path not in there:
            yield Finding(
                check="known-hosts",
                state=State.WARN,
                subject=str(path),
                message="does not exist yet",
                remedy="record host keys with: fleetctl hosts trust TARGETS",
            )
    if needed and not there and not options.known_hosts:
        yield Finding(
            check="known-hosts",
            state=State.WARN,
            message="no host key is known yet",
            remedy="record host keys with: fleetctl hosts trust TARGETS",
        )
    for path in there:
        yield from _known_hosts_file(path)


def _known_hosts_file(path: Path) -> Iterator[Finding]:
    from fleetctl.transport.known_hosts import read_entries  # noqa: PLC0415

    try:
        entries = list(read_entries(path))
        lines = path.read_bytes().splitlines()
        mode = path.stat().st_mode
    except OSError as exc:
        yield Finding(
            check="known-hosts",
            state=State.FAIL,
            subject=str(path),
            message=f"cannot be read: {exc.strerror}",
            remedy=f"chmod u+r {path}",
        )
        return
    # A key says its own type in its first field (RFC 4253, 6.6).
    good = {
        entry.line
        for entry in entries
        if entry.blob[4:].startswith(entry.key_type.encode()) and not _bad_hash(entry.names)
    }
    said = {
        number for number, line in enumerate(lines, 1) if line.strip() and not line.strip().startswith(b"#")
    }
    for number in sorted(said - good)[:10]:
        yield Finding(
            check="known-hosts",
            state=State.WARN,
            subject=f"{path}:{number}",
            message="the line says nothing: it is damaged, or of a form that is not known",
            remedy=f"correct it, or take it out: sed -i {number}d {path}",
        )
    if mode & 0o022:
        yield Finding(
            check="known-hosts",
            state=State.WARN,
            subject=str(path),
            message=f"other users can write it (mode {mode & 0o777:04o})",
            remedy=f"chmod go-w {path}",
        )
    count = len(good)
    yield Finding(
        check="known-hosts",
        state=State.OK,
        subject=str(path),
        message=f"{count} host key{'s' if count != 1 else ''}",
    )


def _bad_hash(names: str) -> bool:
    return names.startswith("|") and (names.count("|") != 3 or not names.startswith("|1|"))


def _config(options: TransportOptions) -> Iterator[Finding]:
    from fleetctl.transport.ssh_config import SshConfig  # noqa: PLC0415

    path = options.ssh_config or Path.home() / ".ssh" / "config"
    try:
        SshConfig(options.ssh_config).settings("localhost")
    except ConfigError as exc:
        yield from from_error("ssh-config", exc)
        return
    if path.exists():
        yield Finding(check="ssh-config", state=State.OK, subject=str(path), message="can be read")
    else:
        yield Finding(check="ssh-config", state=State.INFO, subject=str(path), message="there is none")
