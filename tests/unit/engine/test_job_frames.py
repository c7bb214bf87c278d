"""Whatever a host says, it is read whole in any pieces, or told as what cannot be read; it never raises."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.job_endings import lost, refused
from fleetctl.engine.job_frames import Frames, JobStarted
from fleetctl.model import Exit, Reason

MARK = "@@fleetctl-job 00ff"


class Kept:
    def __init__(self) -> None:
        self.out, self.err = bytearray(), bytearray()

    def stdout(self, data: bytes) -> None:
        self.out += data

    def stderr(self, data: bytes) -> None:
        self.err += data


def fed(text: bytes, cuts: list[int] | None = None) -> tuple[Frames, Kept, list[JobStarted]]:
    kept, started = Kept(), []
    frames = Frames(mark=MARK, sink=kept, on_started=started.append, read={"stdout": 0, "stderr": 0})
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts or ()), len(text)]
    for start, end in pairwise(places):
        frames.stdout(text[start:end])
    return frames, kept, started


def told(*lines: bytes) -> bytes:
    return MARK.encode() + b"\n" + b"".join(lines)


PIECES = st.lists(st.tuples(st.sampled_from("OE"), st.binary(min_size=1, max_size=300)), max_size=8)


@given(PIECES, st.lists(st.integers(0, 5000), max_size=6), st.binary(max_size=50))
def test_output_is_whole_however_it_is_cut(
    pieces: list[tuple[str, bytes]], cuts: list[int], motd: bytes
) -> None:
    frames_of = [f"{kind} {len(data)}\n".encode() + data for kind, data in pieces]
    text = motd + b"\n" + told(b"S setsid - 7 1\n", b"K\n", *frames_of, b"X exit 3\n")
    frames, kept, started = fed(text, cuts)
    assert started == [JobStarted(manager="setsid", boot="-", pid=7, new=True)]
    assert bytes(kept.out) == b"".join(data for kind, data in pieces if kind == "O")
    assert bytes(kept.err) == b"".join(data for kind, data in pieces if kind == "E")
    assert frames.read == {"stdout": len(kept.out), "stderr": len(kept.err)}
    assert (frames.end, frames.fault) == (Exit(code=3), "")


@given(
    st.lists(
        st.binary(max_size=3000) | st.sampled_from([b"O 5\n", b"S x\n", b"X exit 0\n", b"P\n", b"L \n"]),
        max_size=8,
    )
)
def test_garbage_is_told_and_never_raised(pieces: list[bytes]) -> None:
    frames, kept, _ = fed(told(*pieces))
    assert len(kept.out) + len(kept.err) <= sum(map(len, pieces))
    assert len(frames.said) <= 500


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"O -1\n",
        b"O 9999999999\n",
        b"S upstart - 7 1\n",
        b"P\n",
        b"L\n",
        b"X\n",
        b"\xff\n",
        b"x" * 5000,
    ],
)
def test_a_line_that_is_none_is_a_fault(line: bytes) -> None:
    frames, _, _ = fed(told(line))
    assert frames.fault


def test_nothing_counts_after_the_end() -> None:
    frames, kept, _ = fed(told(b"X exit 0\n", b"O 3\nabc"))
    assert frames.fault
    assert bytes(kept.out) == b""


@pytest.mark.parametrize("rest", [b"-----", b"exit 999", b"signal", b"exit -1"])
def test_a_torn_result_is_a_lost_one(rest: bytes) -> None:
    frames, _, _ = fed(told(b"X " + rest + b"\n"))
    assert (frames.end, frames.lost) == (None, "torn")


@pytest.mark.parametrize("why", ["rebooted", "gone", "missing", "changed", "torn", "{odd} %s"])
def test_a_lost_job_may_have_done_anything(why: str) -> None:
    exc = lost(why, place="web-1")
    assert (exc.reason, exc.started) == (Reason.JOB_LOST, True)
    assert "web-1" in exc.message
    assert exc.hint


@pytest.mark.parametrize(
    ("words", "reason", "said"),
    [
        (("read-only", "/var/tmp"), Reason.READ_ONLY, "/var/tmp on web-1 is mounted read-only"),
        (
            ("space", "/var/tmp", "2048", "10240"),
            Reason.DISK_FULL,
            "2.0 MB left, and a detached job wants 10.0 MB",
        ),
        (("space",), Reason.DISK_FULL, "0.0 MB left"),
        (("space", "/tmp", "many", "{}"), Reason.DISK_FULL, "/tmp on web-1"),
        (("full", "/var/tmp"), Reason.DISK_FULL, "nothing more can be written"),
        (("foreign", "/var/tmp/fleetctl-0"), Reason.REMOTE, "somebody else"),
        (("denied", "/var/tmp"), Reason.REMOTE, "cannot be written to"),
        (("short", "1", "2"), Reason.PRECONDITION, "did not reach web-1 whole"),
        (("never",), Reason.INTERRUPTED, "cancelled before it started"),
        (("unstarted",), Reason.REMOTE, "did not start on web-1"),
        (("{what}", "%s"), Reason.REMOTE, "{what} %s"),
    ],
)
def test_what_was_refused_was_not_started(words: tuple[str, ...], reason: Reason, said: str) -> None:
    exc = refused(words, place="web-1")
    assert (exc.reason, exc.started) == (reason, False)
    assert said in exc.message
