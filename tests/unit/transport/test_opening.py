"""The mark by which a host shows that it runs our command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model import Command, Exit, Reason
from fleetctl.transport.opening import Opening
from fleetctl.transport.shell import wire

OK = Exit(code=0)


def opening() -> Opening:
    found = wire(Command(script="true", tag="run-1.web-1"), password=None).opening
    assert found
    return found


MARK = opening().mark


@given(st.lists(st.integers(0, 200), max_size=8), st.sampled_from(["stdout", "stderr"]))
def test_it_is_taken_out_however_the_output_is_cut(cuts: list[int], stream) -> None:
    watch, text = opening(), b"a banner [fleetctl\n" + MARK + b"[fleetctl out " + MARK
    seen, start = b"", 0
    for cut in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        seen += watch.feed(stream, text[start:cut])
        start = cut
    assert seen + watch.rest(stream) == b"a banner [fleetctl\n[fleetctl out " + MARK
    assert watch.fault(OK) is None


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_without_it_nothing_is_lost_and_the_end_is_no_success(one: bytes, two: bytes) -> None:
    watch = opening()
    seen = watch.feed("stdout", one) + watch.feed("stdout", two)
    assert seen + watch.rest("stdout") == one + two
    fault = watch.fault(OK)
    assert fault
    assert (fault.reason, fault.started) == (Reason.REMOTE, False)


def test_what_was_held_back_on_the_other_stream_comes_with_its_next_piece() -> None:
    watch = opening()
    assert watch.feed("stdout", b"x[") == b"x"
    assert watch.feed("stderr", MARK + b"err") == b"err"
    assert watch.feed("stdout", b"y") == b"[y"


def test_a_server_that_repeats_the_request_has_not_carried_it_out() -> None:
    watch = opening()
    line = wire(Command(script="true", tag="run-1.web-1"), password=None).command_line
    watch.feed("stderr", f"not allowed: {line}\n".encode())
    fault = watch.fault(OK)
    assert fault
    assert "not allowed" in fault.message
    assert "ForceCommand" in fault.hint


@pytest.mark.parametrize("code", [126, 127])
def test_an_interpreter_that_is_missing_keeps_the_shells_own_exit_code(code: int) -> None:
    assert opening().fault(Exit(code=code)) is None
