"""One controller per run, with real processes that are killed, stopped, and leave children behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetctl.errors import LockedError, StateFolderError
from fleetctl.store import lock as module
from fleetctl.store.lock import RunLock, ask_to_cancel, owner_of

HOLD = """
import subprocess, sys
from pathlib import Path
from fleetctl.store.lock import RunLock
lock = RunLock.take(Path(sys.argv[1]), doing="fleetctl run")
child = subprocess.Popen(["sleep", "600"], close_fds=False) if len(sys.argv) > 2 else None
print(child.pid if child else 0, flush=True)
sys.stdin.read()
"""
RACE = """
import sys
from pathlib import Path
from fleetctl.errors import LockedError
from fleetctl.store.lock import RunLock
sys.stdin.readline()
try:
    lock = RunLock.take(Path(sys.argv[1]), doing="fleetctl runs resume")
except LockedError:
    print("refused", flush=True)
else:
    print("taken", flush=True)
sys.stdin.read()
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def start(program: str, *args: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "20261123T204512.093-aaaaaa"
    path.mkdir()
    return path


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def from_another_machine(folder: Path, *, age: float) -> None:
    """Make the lock look as an owner on another machine leaves it, where flock does not reach."""
    with_owner = RunLock.take(folder, doing="fleetctl run")
    data = json.loads((folder / "run.lock").read_bytes())
    with_owner.release()
    (folder / "run.lock").write_text(
        json.dumps(data | {"machine": "other", "host": "bastion-2", "pid": 42}) + "\n"
    )
    then = time.time() - age
    os.utime(folder / "run.lock", (then, then))


def test_a_second_controller_is_refused_and_told_of_the_first(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    line(holder)
    with pytest.raises(LockedError, match=rf"fleetctl run, pid {holder.pid}, .* on .*, since 20") as caught:
        RunLock.take(folder, doing="fleetctl runs resume")
    assert "fleetctl runs cancel 20261123T204512.093-aaaaaa" in (caught.value.hint or "")
    owner = owner_of(folder)
    assert owner is not None
    assert (owner.pid, owner.command) == (holder.pid, "fleetctl run")


def test_the_same_process_cannot_take_it_twice(folder: Path) -> None:
    lock = RunLock.take(folder, doing="fleetctl run")
    with pytest.raises(LockedError, match=f"pid {os.getpid()}"):
        RunLock.take(folder, doing="fleetctl runs resume")
    lock.release()


def test_a_released_lock_is_free_and_nobody_s(folder: Path) -> None:
    first = RunLock.take(folder, doing="fleetctl run")
    first.release()
    first.release()
    assert owner_of(folder) is None
    second = RunLock.take(folder, doing="fleetctl runs resume")
    assert second.took_over is None
    first.release()  # of no effect on its successor
    now = owner_of(folder)
    assert now is not None
    assert (now.pid, now.command) == (os.getpid(), "fleetctl runs resume")
    second.release()


def test_the_lock_of_a_killed_owner_is_taken_over_and_said(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    line(holder)
    holder.kill()
    holder.wait()
    assert owner_of(folder) is None
    lock = RunLock.take(folder, doing="fleetctl runs resume")
    assert lock.took_over is not None
    assert (lock.took_over.pid, lock.took_over.command) == (holder.pid, "fleetctl run")
    lock.release()


def test_a_child_that_outlives_the_owner_does_not_keep_the_lock(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder, "with a child")
    child = int(line(holder))
    try:
        holder.kill()
        holder.wait()
        os.kill(child, 0)
        assert owner_of(folder) is None
        RunLock.take(folder, doing="fleetctl runs resume").release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_stopped_owner_still_owns(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    line(holder)
    holder.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
    with pytest.raises(LockedError, match=f"pid {holder.pid}.*is stopped") as caught:
        RunLock.take(folder, doing="fleetctl runs resume")
    assert f"kill -CONT {holder.pid}" in (caught.value.hint or "")
    assert owner_of(folder) is not None


def test_of_many_that_want_it_at_once_one_gets_it(folder: Path, start: Start) -> None:
    racers = [start(RACE, folder) for _ in range(6)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(line(racer) for racer in racers) == ["refused"] * 5 + ["taken"]


def test_looking_at_a_lock_keeps_nobody_from_taking_it(folder: Path, start: Start) -> None:
    look = "import sys\nfrom pathlib import Path\nfrom fleetctl.store.lock import owner_of\nprint('', flush=True)\nwhile True: owner_of(Path(sys.argv[1]))"
    RunLock.take(folder, doing="fleetctl run").release()
    line(start(look, folder))
    for _ in range(30):
        RunLock.take(folder, doing="fleetctl run").release()


def test_a_child_forked_without_exec_is_named_as_what_holds_it(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    fork = HOLD.replace(
        "print(", "import os, time\nif (pid := os.fork()) == 0: time.sleep(600)\nprint(pid or ", 1
    )
    holder = start(fork.replace("print(pid or child.pid if child else 0", "print(pid"), folder)
    child = int(line(holder))
    try:
        holder.kill()
        holder.wait()
        with pytest.raises(LockedError, match=f"child of pid {holder.pid}"):
            RunLock.take(folder, doing="fleetctl runs resume")
    finally:
        os.kill(child, signal.SIGKILL)


def test_an_owner_on_another_machine_lives_while_its_heart_beats(folder: Path) -> None:
    from_another_machine(folder, age=30)
    owner = owner_of(folder)
    assert owner is not None
    assert owner.host == "bastion-2"
    with pytest.raises(LockedError, match=r"pid 42, .* on bastion-2.*last sign of life 3[0-9] s ago"):
        RunLock.take(folder, doing="fleetctl runs resume")
    os.utime(folder / "run.lock", (time.time() - 61, time.time() - 61))
    assert owner_of(folder) is None
    lock = RunLock.take(folder, doing="fleetctl runs resume")
    assert lock.took_over is not None
    assert lock.took_over.host == "bastion-2"
    lock.release()


def test_nothing_but_the_lock_is_left_in_the_folder(folder: Path) -> None:
    from_another_machine(folder, age=30)
    owner_of(folder)
    os.utime(folder / "run.lock", (0, 0))
    lock = RunLock.take(folder, doing="fleetctl run")
    ask_to_cancel(folder, by="ops")
    assert lock.requests() is not None
    lock.release()
    assert [item.name for item in folder.iterdir()] == ["run.lock"]


def test_a_heartbeat_is_the_time_of_the_file(folder: Path) -> None:
    lock = RunLock.take(folder, doing="fleetctl run")
    os.utime(folder / "run.lock", (0, 0))
    lock.beat()
    assert (folder / "run.lock").stat().st_mtime > lock.owner.since.timestamp() - 1
    lock.release()


def test_an_owner_whose_lock_another_machine_took_over_is_told_once(folder: Path) -> None:
    lock = RunLock.take(folder, doing="fleetctl run")
    data = json.loads((folder / "run.lock").read_bytes())
    other = json.dumps(data | {"machine": "other", "host": "bastion-2", "token": "other"}) + "\n"
    (folder / "run.lock").write_text(other)
    lock.beat()
    request = lock.requests()
    assert request is not None
    assert request.kind == "lost"
    assert "bastion-2" in request.by
    assert lock.requests() is None
    lock.release()
    assert (folder / "run.lock").read_text() == other


def test_a_request_to_cancel_reaches_the_owner_once(folder: Path) -> None:
    lock = RunLock.take(folder, doing="fleetctl run")
    assert lock.requests() is None
    ask_to_cancel(folder, by="anna")
    request = lock.requests()
    assert request is not None
    assert (request.kind, request.by) == ("cancel", "anna")
    assert lock.requests() is None
    lock.release()


def test_a_request_meant_for_a_dead_owner_does_not_cancel_the_next(folder: Path, start: Start) -> None:
    holder = start(HOLD, folder)
    line(holder)
    ask_to_cancel(folder, by="anna")
    holder.kill()
    holder.wait()
    lock = RunLock.take(folder, doing="fleetctl runs resume")
    assert lock.requests() is None
    lock.release()


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", '"at"', '{"at": 5}', '{"by": "x", "at": "nonsense"}']
)
def test_a_request_that_cannot_be_read_is_still_one(folder: Path, text: str) -> None:
    lock = RunLock.take(folder, doing="fleetctl run")
    (folder / "run.request").write_text(text)
    request = lock.requests()
    assert request is not None
    assert request.kind == "cancel"
    lock.release()


GARBAGE = [
    b"",
    b"\0" * 5000,
    b"{",
    b"[]\n",
    b"\xff\xfe\n",
    b"null\n",
    b'{"pid": "x"}\n',
    b"[" * 60_000,
    b'{"pid": 1e400, "host": 1, "user": 1, "since": "never", "command": 1, "machine": 1, "token": 1}\n',
    b'{"pid": 99999999999999999999, "host": "h", "user": "u", "since": "2026-11-23T20:45:12+00:00", "command": "c"}\n',
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_corrupt_lock_file_is_nobody_s(folder: Path, garbage: bytes) -> None:
    (folder / "run.lock").write_bytes(garbage)
    assert owner_of(folder) is None
    lock = RunLock.take(folder, doing="fleetctl run")
    assert lock.took_over is None
    assert owner_of(folder) is not None
    lock.release()


@pytest.mark.parametrize("garbage", GARBAGE)
def test_a_lock_that_is_held_is_held_whatever_its_file_says(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch, garbage: bytes
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    line(start(HOLD, folder))
    (folder / "run.lock").write_bytes(garbage)
    owner = owner_of(folder)
    assert owner is not None
    assert str(owner) == "an unknown process"
    with pytest.raises(LockedError, match="another process"):
        RunLock.take(folder, doing="fleetctl run")


def test_what_cannot_be_locked_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateFolderError, match="No such file"):
        RunLock.take(tmp_path / "gone", doing="fleetctl run")
    assert owner_of(tmp_path / "gone") is None
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(StateFolderError, match="directory"):
        RunLock.take(tmp_path, doing="fleetctl run")
    with pytest.raises(StateFolderError, match="gone"):
        ask_to_cancel(tmp_path / "gone", by="anna")


def test_a_later_process_with_the_same_pid_is_not_the_owner(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no locks are known, only the file tells; a pid alone would not do."""

    def no_locks(fd: int, operation: int) -> None:
        raise OSError(module.errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.fcntl, "flock", no_locks)
    lock = RunLock.take(folder, doing="fleetctl run")
    assert owner_of(folder) is not None
    with pytest.raises(LockedError):
        RunLock.take(folder, doing="fleetctl runs resume")
    data = json.loads((folder / "run.lock").read_bytes())
    (folder / "run.lock").write_text(json.dumps(data | {"started": data["started"] + 1}))
    assert owner_of(folder) is None
    lock.release()
