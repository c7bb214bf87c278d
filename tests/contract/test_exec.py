"""What a command is given, and what comes back, is the same over every transport."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from fleetctl.model import Command, Exit


@pytest.mark.parametrize("code", [0, 1, 42, 126, 255])
async def test_exit_code(place, code: int) -> None:
    assert await place.run(Command(script=f"exit {code}")) == (Exit(code=code), b"", b"")


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
async def test_a_signal_is_told_by_name(place, signal: str) -> None:
    ended, _, _ = await place.run(Command(script=f"kill -{signal} $$"))
    assert ended == Exit(signal=signal)


async def test_stdout_and_stderr_stay_apart_and_exact(place) -> None:
    octal = "".join(f"\\{byte:03o}" for byte in range(256))
    ended, out, err = await place.run(
        Command(script=f"printf '{octal}'; printf 'err\\377\\r\\n\\000' >&2; printf 'no newline'")
    )
    assert (ended, out, err) == (Exit(code=0), bytes(range(256)) + b"no newline", b"err\xff\r\n\x00")


async def test_stdin_from_bytes_and_from_a_file_is_exact(place, tmp_path: Path) -> None:
    data = os.urandom(700_001)
    file = tmp_path / "stdin"
    file.write_bytes(data)
    for stdin in (data, file):
        ended, out, err = await place.run(Command(script="cat", stdin=stdin))
        assert (ended, err) == (Exit(code=0), b"")
        assert out == data


async def test_stdin_ends_where_none_is_given(place) -> None:
    assert await place.run(Command(script="cat; read -r x; echo $?")) == (Exit(code=0), b"1\n", b"")


async def test_a_command_may_leave_its_stdin(place) -> None:
    ended, out, _ = await place.run(Command(script="echo done; exit 3", stdin=bytes(3_000_000)))
    assert (ended, out) == (Exit(code=3), b"done\n")


async def test_environment_folder_arguments_and_name(place) -> None:
    command = Command(
        script='printf "%s|" "$0" "$1" "$2" "$V" "$(pwd)" "$FLEETCTL_INVOCATION"',
        args=("it's", "$HOME \\ \n é"),
        env={"V": "a 'b'\n\t\\n"},
        cwd="/tmp",
        tag="run-7.web-1",
    )
    ended, out, err = await place.run(command)
    expected = "|".join(("run-7.web-1", *command.args, command.env["V"], "/tmp", "run-7.web-1", ""))
    assert (ended, out, err) == (Exit(code=0), expected.encode(), b"")


async def test_a_big_script_runs(place) -> None:
    script = "# 'é' \\n\n" * 15_000 + "echo end; cat"
    assert (await place.run(Command(script=script, stdin=b"in")))[1] == b"end\nin"


async def test_many_commands_share_a_connection(place, caught) -> None:
    sinks = [caught() for _ in range(8)]
    async with place.connected() as connection:
        ends = await asyncio.gather(
            *(connection.exec(Command(script=f"echo {n}; exit {n}"), sink) for n, sink in enumerate(sinks))
        )
    assert [end.code for end in ends] == list(range(8))
    assert [bytes(sink.out) for sink in sinks] == [b"%d\n" % n for n in range(8)]


async def test_a_command_that_starts_while_another_ends_breaks_no_connection(place, caught) -> None:
    async def later(connection, n: int) -> Exit:
        await asyncio.sleep(n * 0.004)
        return await connection.exec(Command(script=f"echo {n} >&2; exit {n}"), caught())

    async with place.connected() as connection:
        ends = await asyncio.gather(*(later(connection, n) for n in range(8)))
    assert [end.code for end in ends] == list(range(8))


async def test_output_of_what_is_left_behind_is_waited_for(place) -> None:
    ended, out, _ = await place.run(Command(script="(sleep 0.3; echo late) & echo early"))
    # dropbear ends the session with its process, whoever still holds the output.
    late = b"" if place.kind in {"dropbear", "busybox"} else b"late\n"
    assert (ended, out) == (Exit(code=0), b"early\n" + late)
