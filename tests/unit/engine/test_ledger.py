"""The ledger: bound line to line, on disk before the act, and honest when the disk is full."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.ledger import Ledger
from fleetctl.errors import StateFolderError

FIRST = b'{"CommandId": "x"}\n'


def verify(lines: list[bytes], first: bytes) -> None:
    """Check the chain as somebody would who knows nothing but the format."""
    previous = sha256(first).hexdigest()
    for number, line in enumerate(lines, 1):
        record = json.loads(line)
        assert record["seq"] == number
        assert record["prev"] == previous
        previous = sha256(line).hexdigest()


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let every write beyond that size fail: what a full disk does, for one process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_every_line_is_bound_to_the_one_before(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "events.jsonl", first=FIRST)
    for number in range(50):
        book.append("note", host=f"hö{number}", code=number, nothing=None, empty="")
        if number % 7 == 0:
            await book.commit()
    await book.close()
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    verify(lines, FIRST)
    assert len(lines) == 50
    record = json.loads(lines[0])
    assert list(record) == ["seq", "at", "type", "host", "code", "prev"]
    assert "hö0".encode() in lines[0]


async def test_a_changed_line_is_seen(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "events.jsonl", first=FIRST)
    for number in range(4):
        book.append("note", number=number)
    await book.close()
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    for bad in (
        [*lines[:1], *lines[2:]],
        [lines[1], lines[0], *lines[2:]],
        [lines[0].replace(b"0", b"1"), *lines[1:]],
    ):
        with pytest.raises(AssertionError):
            verify(bad, FIRST)


@given(values=st.lists(st.text(st.characters()), max_size=5))
def test_any_text_fits_even_what_is_no_unicode(
    values: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "events.jsonl"

    async def write() -> None:
        book = Ledger(path, first=b"")
        for value in values:
            book.append("note", message=f"x{value}")
        await book.close()

    asyncio.run(write())
    lines = path.read_bytes().split(b"\n")[:-1]
    verify(lines, b"")
    assert [json.loads(line)["message"] for line in lines] == [f"x{value}" for value in values]


async def test_one_flush_serves_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes = []
    real = os.fdatasync

    def counting(fd: int) -> None:
        flushes.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", counting)
    book = Ledger(tmp_path / "events.jsonl", first=FIRST)

    async def host(number: int) -> None:
        book.append("invocation-started", host=str(number))
        await book.commit()

    await asyncio.gather(*map(host, range(500)))
    await book.close()
    assert len((tmp_path / "events.jsonl").read_bytes().splitlines()) == 500
    assert len(flushes) <= 10


async def test_the_intent_is_on_disk_before_the_act(
    kit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable = b""
    real = os.fdatasync
    path = tmp_path / "run" / "events.jsonl"

    def watching(fd: int) -> None:
        nonlocal durable
        held = path.read_bytes()
        real(fd)
        durable = held

    monkeypatch.setattr(os, "fdatasync", watching)
    unannounced = []

    def before_act(name: str) -> None:
        records = [json.loads(line) for line in durable.splitlines()]
        if not any(r["type"] == "invocation-started" and r["host"] == name for r in records):
            unannounced.append(name)

    ran = await kit.fan_out(
        tmp_path, [kit.Script()] * 100, before_act=before_act, limits=Limits(max_concurrency=Quota(20))
    )
    assert ran.statuses == ["Success"] * 100
    assert not unannounced


async def test_results_reach_the_disk_without_anybody_waiting(tmp_path: Path) -> None:
    book = Ledger(tmp_path / "events.jsonl", first=FIRST)
    book.append("invocation-ended", host="a")
    book.flush_soon()
    book.flush_soon()
    while not (tmp_path / "events.jsonl").stat().st_size:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await book.close()
    verify((tmp_path / "events.jsonl").read_bytes().splitlines(), FIRST)


async def test_a_full_disk_is_an_error_and_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    book = Ledger(path, first=FIRST)
    book.append("note", text="fits")
    await book.commit()
    book.append("note", text="x" * 5000)
    with (
        files_no_larger_than(1000),
        pytest.raises(StateFolderError, match=r"events\.jsonl cannot be written"),
    ):
        await book.commit()
    assert path.read_bytes().count(b"\n") == 1
    await book.close()  # there is space again
    lines = path.read_bytes().splitlines()
    assert len(lines) == 2
    verify(lines, FIRST)


async def test_on_a_full_disk_no_new_host_is_started_and_running_ones_finish(
    kit: Any, tmp_path: Path
) -> None:
    with files_no_larger_than(4000):
        ran_or_error: Any
        try:
            ran_or_error = await kit.fan_out(
                tmp_path, [kit.Script(seconds=0.01)] * 60, limits=Limits(max_concurrency=Quota(4))
            )
        except StateFolderError as exc:  # closing the ledger meets the same disk
            ran_or_error = exc
    assert isinstance(ran_or_error, StateFolderError)
    intents = [
        json.loads(line)["host"]
        for line in (tmp_path / "run" / "events.jsonl").read_bytes().splitlines()
        if b"invocation-started" in line
    ]
    assert 0 < len(intents) < 60


async def test_a_ledger_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text("mine")
    with pytest.raises(StateFolderError):
        Ledger(tmp_path / "events.jsonl", first=FIRST)
    assert (tmp_path / "events.jsonl").read_text() == "mine"


CONTROLLER = textwrap.dedent(
    """
    import asyncio, importlib.util, os, sys
    from pathlib import Path

    spec = importlib.util.spec_from_file_location("kit", sys.argv[1])
    kit = importlib.util.module_from_spec(spec)
    sys.modules["kit"] = kit
    spec.loader.exec_module(kit)
    from fleetctl.engine.budget import Limits, Quota

    acts = os.open(sys.argv[2] + "/acts", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def act(name):
        os.write(acts, (name + "\\n").encode())

    scripts = [kit.Script(seconds=0.002)] * 5000
    limits = Limits(max_concurrency=Quota(20))
    asyncio.run(kit.fan_out(Path(sys.argv[2]), scripts, before_act=act, limits=limits))
    """
)


@pytest.mark.parametrize("moment", [0.0, 0.03, 0.1, 0.25])
def test_after_kill_9_every_host_that_acted_is_in_the_ledger(tmp_path: Path, moment: float) -> None:
    conftest = Path(__file__).with_name("conftest.py")
    controller = subprocess.Popen([sys.executable, "-c", CONTROLLER, str(conftest), str(tmp_path)])
    try:
        acts = tmp_path / "acts"
        while not (acts.exists() and acts.stat().st_size):
            assert controller.poll() is None
            time.sleep(0.01)
        time.sleep(moment)
    finally:
        controller.send_signal(signal.SIGKILL)
        controller.wait()
    acted = acts.read_text().split()
    data = (tmp_path / "run" / "events.jsonl").read_bytes()
    whole = data[: data.rfind(b"\n") + 1].splitlines()
    verify(whole, b"{}\n")
    announced = {json.loads(line).get("host") for line in whole if b'"invocation-started"' in line}
    assert acted
    assert set(acted) <= announced
