"""Being cancelled, being cut off, and every way in which a host cannot be reached."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
from lab.keys import new_key
from lab.loopback import black_hole, closed_port
from reach.servers import openssh

from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.protocol import ExecFailed, Unreachable

TREE = """
(setsid sh -c 'trap "" TERM; sleep 300' &)
sleep 301 | cat &
echo started; wait
"""


class Started:
    """A sink that knows when something came."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.out = b""

    def stdout(self, data: bytes) -> None:
        self.out += data
        self.event.set()

    def stderr(self, data: bytes) -> None: ...


def tagged(tag: str) -> list[int]:
    """Pids of the processes of an invocation; the host is this machine."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if tag in process.cmdline() or process.environ().get("FLEETCTL_INVOCATION") == tag:
                found.append(process.pid)
    return found


async def start_and_cancel(place, command: Command, **where) -> None:
    sink = Started()
    async with place.connected(**where) as connection:
        task = asyncio.ensure_future(connection.exec(command, sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        assert tagged(command.tag)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tagged(command.tag) == []
        assert connection.unended == []
        again = Started()
        assert await connection.exec(Command(script="echo still there"), again) == Exit(code=0)
        assert again.out == b"still there\n"


async def test_cancelling_ends_the_whole_tree(place) -> None:
    await start_and_cancel(place, Command(script=TREE, tag=f"c-{uuid.uuid4().hex}"))


@pytest.mark.parametrize("method", ["sudo", "doas"])
async def test_cancelling_ends_what_runs_as_root(ssh, secrets, method) -> None:
    who = ssh.scene.people()
    command = Command(script=TREE, tag=f"c-{uuid.uuid4().hex}", become=Become(method=method))
    options = ssh.options(credentials=secrets(become=who.password))
    await start_and_cancel(ssh, command, host=ssh.host(user=who.asks), options=options)


async def test_a_time_limit_round_a_command_ends_it(place) -> None:
    tag = f"c-{uuid.uuid4().hex}"
    async with place.connected() as connection:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.exec(Command(script="sleep 300", tag=tag), Started()), 1)
    assert tagged(tag) == []


async def test_what_may_not_be_killed_is_known_to_be_unended(ssh) -> None:
    sink = Started()
    command = Command(
        script="sudo -n setsid sh -c 'trap \"\" TERM HUP; echo $$; sleep 300; :'; :",
        tag=f"c-{uuid.uuid4().hex}",
    )
    async with ssh.connected(host=ssh.host(user=ssh.scene.people().free)) as connection:
        task = asyncio.ensure_future(connection.exec(command, sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert psutil.pid_exists(int(sink.out))
        os.kill(int(sink.out), signal.SIGKILL)
        assert connection.unended == [command.tag]


async def test_what_runs_behind_a_lost_connection_is_known_to_be_unended(ssh) -> None:
    sink = Started()
    command = Command(script="echo $PPID $$; exec sleep 300", tag=f"c-{uuid.uuid4().hex}")
    async with ssh.connected() as connection:
        task = asyncio.ensure_future(connection.exec(command, sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        server, left_behind = map(int, sink.out.split())
        os.kill(server, signal.SIGSTOP)  # as if the link were down
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.unended == [command.tag]
        assert tagged(command.tag) == [left_behind]
        os.kill(left_behind, signal.SIGKILL)
        os.kill(server, signal.SIGKILL)


class Full:
    """A sink whose disk is full."""

    def stdout(self, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    def stderr(self, data: bytes) -> None: ...


async def test_what_is_left_because_its_output_cannot_be_kept_is_ended(place) -> None:
    command = Command(script=TREE, tag=f"c-{uuid.uuid4().hex}")
    async with place.connected() as connection:
        with pytest.raises(OSError, match="No space left"):
            await connection.exec(command, Full())
        assert tagged(command.tag) == []
        assert connection.unended == []


async def test_a_connection_lost_while_running_is_told(ssh) -> None:
    sink = Started()
    async with ssh.connected() as connection:
        task = asyncio.ensure_future(connection.exec(Command(script="echo $PPID $$; exec sleep 300"), sink))
        await asyncio.wait_for(sink.event.wait(), 20)
        server, left_behind = map(int, sink.out.split())
        assert "sshd" in Path(f"/proc/{server}/cmdline").read_text()
        os.kill(server, signal.SIGKILL)
        os.kill(left_behind, signal.SIGKILL)
        with pytest.raises(ExecFailed) as caught:
            await asyncio.wait_for(task, 20)
        assert caught.value.reason is Reason.CONNECTION_LOST
        assert caught.value.started
        with pytest.raises(ExecFailed) as caught:
            await connection.exec(Command(script="echo never"), Started())
        assert not caught.value.started


FORCED = {
    "says yes": "exit 0",
    "talks": "echo welcome; echo again >&2; exit 0",
    "reads": "cat >/dev/null",
    "is a shell": "exec sh",
    "repeats": 'echo "refused: $SSH_ORIGINAL_COMMAND" >&2',
}


@pytest.mark.parametrize("forced", FORCED.values(), ids=FORCED)
async def test_a_host_that_runs_something_else_is_no_success(ssh, tmp_path, caught, forced) -> None:
    with openssh(tmp_path, name="forced", extra=f"ForceCommand {forced}") as server:
        known = tmp_path / "known"
        known.write_text(server.known_hosts_line)
        sink, ran = caught(), ssh.tmp / "ran"
        where = {"host": ssh.host(port=server.port), "options": ssh.options(known_hosts=(known,))}
        async with ssh.connected(**where) as connection:
            with pytest.raises(ExecFailed) as failure:
                await connection.exec(Command(script=f"touch {ran}"), sink)
    why = failure.value
    assert (why.reason, why.started) == (Reason.REMOTE, False)
    assert "ForceCommand" in why.hint
    assert not ran.exists()
    if "welcome" in forced:
        assert "welcome" in why.message
        assert (bytes(sink.out), bytes(sink.err)) == (b"welcome\n", b"again\n")


async def test_a_forced_wrapper_that_runs_the_command_is_none_the_worse(ssh, tmp_path, caught) -> None:
    wrapper = 'echo banner >&2; eval "$SSH_ORIGINAL_COMMAND" 2>&1'
    with openssh(tmp_path, name="wrapped", extra=f"ForceCommand {wrapper}") as server:
        known, sink = tmp_path / "known", caught()
        known.write_text(server.known_hosts_line)
        where = {"host": ssh.host(port=server.port), "options": ssh.options(known_hosts=(known,))}
        async with ssh.connected(**where) as connection:
            assert await connection.exec(Command(script="echo out; exit 4"), sink) == Exit(code=4)
    assert (bytes(sink.out), bytes(sink.err)) == (b"out\n", b"banner\n")


async def unreachable(place, *, options=None, **host) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        async with place.connected(host=place.host(**host), options=options or place.options()):
            pass
    assert caught.value.message
    assert caught.value.hint
    return caught.value


async def test_refused(ssh) -> None:
    with closed_port() as port:
        why = await unreachable(ssh, port=port)
    assert why.reason is Reason.REFUSED
    assert str(port) in why.message


async def test_connect_timeout(ssh) -> None:
    with black_hole() as port:
        why = await unreachable(ssh, port=port, options=ssh.options(connect_timeout=0.5))
    assert (why.reason, why.retry) == (Reason.CONNECT_TIMEOUT, True)


async def test_a_name_that_does_not_resolve(ssh) -> None:
    why = await unreachable(ssh, address="no-such-host.invalid")
    assert why.reason is Reason.DNS
    assert "no-such-host.invalid" in why.message


@asynccontextmanager
async def greeting(text: bytes | None):
    """A port that says something and hangs up, or, for None, says nothing and waits."""
    served = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        with suppress(ConnectionError):
            if text is None:
                await reader.read()
            else:
                writer.write(text)
                await writer.drain()
            writer.close()
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*served)


async def test_a_port_that_says_nothing(ssh) -> None:
    async with greeting(None) as port:
        why = await unreachable(ssh, port=port, options=ssh.options(connect_timeout=0.5))
    assert why.reason is Reason.BANNER


@pytest.mark.parametrize(
    ("text", "reason"),
    [(b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.BANNER), (b"", Reason.MAX_STARTUPS)],
)
async def test_a_port_that_is_no_ssh_server(ssh, text, reason) -> None:
    async with greeting(text) as port:
        why = await unreachable(ssh, port=port)
    assert why.reason is reason


async def test_an_unknown_host_key_is_refused(ssh, tmp_path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    why = await unreachable(ssh, options=ssh.options(known_hosts=(empty,)))
    assert why.reason is Reason.HOST_KEY_UNKNOWN
    assert "SHA256:" in why.message
    assert "hosts trust" in why.hint
    assert empty.read_text() == ""


async def test_a_changed_host_key_is_refused_even_where_new_ones_are_taken(ssh, tmp_path) -> None:
    other = new_key(tmp_path / "other").with_suffix(".pub").read_text()
    wrong = tmp_path / "wrong"
    wrong.write_text(f"[127.0.0.1]:{ssh.server.port} {other}")
    why = await unreachable(ssh, options=ssh.options(known_hosts=(wrong,), host_keys="accept-new"))
    assert why.reason is Reason.HOST_KEY_CHANGED
    assert why.message.count("SHA256:") == 2
    assert wrong.read_text() == f"[127.0.0.1]:{ssh.server.port} {other}"


async def test_a_revoked_host_key_is_refused(ssh, tmp_path) -> None:
    file = tmp_path / "revoked"
    file.write_text(ssh.server.known_hosts_line + f"@revoked * {ssh.server.host_key}\n")
    assert (
        await unreachable(ssh, options=ssh.options(known_hosts=(file,)))
    ).reason is Reason.HOST_KEY_REVOKED


async def test_accept_new_records_a_new_host(ssh, tmp_path) -> None:
    file = tmp_path / "new"
    options = ssh.options(known_hosts=(file,), host_keys="accept-new")
    assert (await ssh.run(Command(script="true"), options=options))[0] == Exit(code=0)
    assert file.read_text() == ssh.server.known_hosts_line
    assert (await ssh.run(Command(script="true"), options=ssh.options(known_hosts=(file,))))[0] == Exit(
        code=0
    )


async def test_a_key_that_the_host_does_not_know(ssh, tmp_path) -> None:
    why = await unreachable(ssh, identity_file=(str(new_key(tmp_path / "stranger")),))
    assert why.reason is Reason.AUTHENTICATION
    assert "stranger" in why.message
    assert ssh.user in why.message


async def test_a_login_password(ssh, secrets, tmp_path) -> None:
    who = ssh.scene.people()
    host = ssh.host(identity_file=(str(new_key(tmp_path / "stranger")),))
    options = ssh.options(credentials=secrets(login=who.password))
    assert (await ssh.run(Command(script="id -un"), host=host, options=options))[
        1
    ] == f"{who.free}\n".encode()
    wrong = ssh.options(credentials=secrets(login="wr0ng"))
    why = await unreachable(ssh, options=wrong, identity_file=host.identity_file)
    assert why.reason is Reason.AUTHENTICATION
    assert "wr0ng" not in why.message + why.hint


async def test_a_key_file_that_is_missing(ssh) -> None:
    why = await unreachable(ssh, identity_file=("/no/such/key",))
    assert why.reason is Reason.CREDENTIALS
    assert "/no/such/key" in why.message


async def test_through_a_jump_host(ssh) -> None:
    gate = ssh.scene.server("gate")
    config = ssh.tmp / "jump_config"
    config.write_text(f"Host *\n  IdentityFile {ssh.scene.key}\n")
    options = ssh.options(ssh_config=config)
    options.known_hosts[0].write_text(
        ssh.server.known_hosts_line + gate.known_hosts_line.replace("127.0.0.1", "127.0.0.2")
    )
    before = gate.log.read_text().count("Accepted publickey")
    # At an address of its own: a jump host that is its own target would be passed over.
    host = ssh.host(jump=f"{ssh.user}@127.0.0.2:{gate.port}")
    assert (await ssh.run(Command(script="exit 5"), host=host, options=options))[0] == Exit(code=5)
    assert gate.log.read_text().count("Accepted publickey") == before + 1


async def test_a_jump_host_that_is_down_is_named(ssh) -> None:
    with closed_port("127.0.0.2") as port:
        why = await unreachable(ssh, jump=f"{ssh.user}@127.0.0.2:{port}")
    assert why.reason is Reason.JUMP_HOST
    assert "127.0.0.2" in why.message


MEASURE = """
import asyncio, resource, sys
from pathlib import Path
from fleetctl.model import Command, Host
from fleetctl.spec import plugins
from fleetctl.transport.protocol import TransportOptions
name, port, user, key, known = sys.argv[1:]
class Count:
    size = 0
    def stdout(self, data): self.size += len(data)
    def stderr(self, data): pass
async def main():
    options = TransportOptions(known_hosts=(Path(known),), ssh_config=Path("/dev/null"))
    transport = plugins.load("fleetctl.transports", name)(options)
    connection = await transport.connect(Host(name="127.0.0.1", port=int(port), user=user, identity_file=(key,)))
    sink = Count()
    await connection.exec(Command(script="true"), sink)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = await connection.exec(Command(script="head -c 100000000 /dev/zero"), sink)
    await connection.close()
    await transport.close()
    print(ended.code, sink.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
asyncio.run(main())
"""


@pytest.mark.parametrize("transport", ["ssh", "fabric", "local"])
def test_a_hundred_megabytes_of_output_need_little_memory(scene, tmp_path, transport) -> None:
    server = scene.server("openssh")
    known = tmp_path / "known_hosts"
    known.write_text(server.known_hosts_line)
    argv = [transport, str(server.port), scene.people().free, str(scene.key), str(known)]
    done = subprocess.run([sys.executable, "-c", MEASURE, *argv], capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    code, size, grown = map(int, done.stdout.split())
    assert (code, size) == (0, 100_000_000)
    assert grown < 30_000  # KiB
