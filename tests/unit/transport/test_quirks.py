"""Which servers are known to get what wrong."""

import asyncio

import pytest

from fleetctl.transport.quirks import Turns, one_command_at_a_time


@pytest.mark.parametrize(
    ("version", "alone"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", False),
        ("SSH-2.0-dropbear_2020.81", False),
        ("SSH-2.0-dropbear_2022.82", True),
        ("SSH-2.0-dropbear_2022.83", True),
        ("SSH-2.0-dropbear_2024.85", True),
        ("SSH-2.0-dropbear_2024.86", False),
        ("SSH-2.0-dropbear_2025.88", False),
        ("SSH-2.0-dropbear", True),
        ("", False),
    ],
)
def test_commands_follow_one_another_where_a_second_one_breaks_the_connection(
    version: str, *, alone: bool
) -> None:
    assert one_command_at_a_time(version) is alone


async def test_a_command_that_runs_on_keeps_no_other_from_starting(monkeypatch) -> None:
    monkeypatch.setattr("fleetctl.transport.quirks._PATIENCE", 0.05)
    turns, done = Turns("SSH-2.0-dropbear_2022.83"), []
    async with turns.next(), asyncio.timeout(5), turns.next():
        done.append("second")
    async with turns.next():
        done.append("third")
    assert done == ["second", "third"]


async def test_short_commands_follow_one_another_and_one_that_gives_up_takes_no_turn() -> None:
    turns, order = Turns("SSH-2.0-dropbear_2022.83"), []

    async def short(n: int) -> None:
        async with turns.next():
            order.append(f"{n} begins")
            await asyncio.sleep(0)
            order.append(f"{n} ends")

    tasks = [asyncio.create_task(short(n)) for n in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["0 begins", "0 ends", "2 begins", "2 ends"]
