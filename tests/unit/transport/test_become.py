"""The dialogue before a command: what is sent, what is kept, and which reason comes of what was said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.become import Dialogue, escalation, ready_mark
from fleetctl.transport.shell import wire

MARK = ready_mark("t")


def dialogue(method: str = "sudo", password: str | None = "hunter22") -> tuple[Dialogue, bytes]:  # noqa: S107 - made up
    """A dialogue, and the prompt that its program was told to show."""
    command = Command(script="true", become=Become(method=method), tag="t")  # type: ignore[arg-type]
    sent = wire(command, password=password)
    assert sent.dialogue
    prompt = sent.command_line.partition('-p "')[2].partition('"')[0]
    return sent.dialogue, prompt.encode()


def test_without_a_prompt_nothing_is_sent() -> None:
    talk, _ = dialogue()
    step = talk.feed("stderr", b"warning\n" + MARK + b"first")
    assert (step.ready, step.send, step.stderr, step.failed) == (True, b"", b"warning\nfirst", None)
    assert talk.feed("stdout", b"x").stdout == b"x"
    assert talk.feed("stderr", MARK).stderr == MARK


@given(st.lists(st.integers(0, 120), max_size=6))
def test_it_goes_the_same_way_however_the_output_is_cut(cuts: list[int]) -> None:
    talk, prompt = dialogue()
    text = b"We trust you have received the usual lecture: \n" + prompt
    seen, sent, start = b"", b"", 0
    for cut in [*sorted(min(cut, len(text)) for cut in cuts), len(text)]:
        step = talk.feed("stderr", text[start:cut])
        assert step.failed is None
        sent += step.send
        start = cut
    assert sent == b"hunter22\n"
    for byte in b"\n" + MARK + b"\nout":
        seen += talk.feed("stderr", bytes([byte])).stderr
    assert seen == b"\nout"


def test_a_second_prompt_is_an_answer() -> None:
    talk, prompt = dialogue()
    assert talk.feed("stderr", prompt).send == b"hunter22\n"
    step = talk.feed("stderr", b"\nSorry, try again.\n" + prompt)
    assert step.send == b""
    assert step.failed
    assert step.failed.reason is Reason.BECOME_PASSWORD_WRONG
    assert not step.failed.started


def test_prompts_are_random_so_that_no_output_can_be_one() -> None:
    assert dialogue()[1] != dialogue()[1]
    talk, _ = dialogue()
    assert talk.feed("stderr", b"Password: ").send == b""


@pytest.mark.parametrize(
    "prompt", [b"Password: ", b"\rdoas (a@b) password: ", b"Password for root@EXAMPLE: "]
)
def test_prompts_that_are_not_ours_are_known_by_their_look(prompt: bytes) -> None:
    assert dialogue("doas")[0].feed("stdout", prompt).send == b"hunter22\n"
    missing = dialogue("su", None)[0].feed("stderr", prompt).failed
    assert missing
    assert missing.reason is Reason.BECOME_PASSWORD_MISSING


def test_the_end_of_a_prompts_line_may_come_late_and_elsewhere() -> None:
    """Busybox su prompts on stdout, and ends that line there while the shell is ready on stderr already."""
    talk, _ = dialogue("su")
    assert talk.feed("stdout", b"Password: ").send
    assert not talk.feed("stderr", MARK).ready
    step = talk.feed("stdout", b"\nout")
    assert (step.ready, step.stdout) == (True, b"out")


@pytest.mark.parametrize(
    ("method", "said", "code", "reason"),
    [
        ("sudo", "sudo: a password is required\n", 1, Reason.BECOME_PASSWORD_MISSING),
        ("sudo", "sudo: interactive authentication is required\n", 1, Reason.BECOME_PASSWORD_MISSING),
        ("sudo", "sudo: sorry, you must have a tty to run sudo\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "al is not in the sudoers file.\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "Sorry, user al is not allowed to execute '/bin/sh' as root on h.\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "I'm sorry al. I'm afraid I can't do that\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "sudo: unknown user nobody-there\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "fleetctl: cannot find sudo\n", 127, Reason.BECOME_MISSING),
        ("doas", "doas: Authentication required\n", 1, Reason.BECOME_PASSWORD_MISSING),
        ("doas", "doas: Operation not permitted\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("doas", "doas: doas is not enabled, /etc/doas.conf: No such file or directory\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("su", "su: must be run from a terminal\n", 1, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "sudo: something new\n", 9, Reason.BECOME_NOT_ALLOWED),
        ("sudo", "", None, Reason.BECOME_NOT_ALLOWED),
    ],
)  # fmt: skip
def test_what_was_said_decides_the_reason(method: str, said: str, code: int | None, reason: Reason) -> None:
    talk, _ = dialogue(method, None)
    talk.feed("stderr", said.encode())
    failed = talk.ended(Exit(code=code) if code is not None else None)
    assert failed.reason is reason
    assert failed.hint
    assert not failed.started


def test_ending_after_the_password_means_that_it_was_wrong() -> None:
    talk, prompt = dialogue()
    talk.feed("stderr", prompt)
    talk.feed("stderr", b"\nsudo: 1 incorrect password attempt\n")
    assert talk.ended(Exit(code=1)).reason is Reason.BECOME_PASSWORD_WRONG
    talk, prompt = dialogue()
    talk.feed("stderr", prompt)
    talk.feed("stderr", b"\nal is not in the sudoers file.\n")
    assert talk.ended(Exit(code=1)).reason is Reason.BECOME_NOT_ALLOWED


def test_a_program_that_asks_something_else_is_given_up_in_time() -> None:
    talk, _ = dialogue()
    talk.feed("stderr", b"Verification code: ")
    failed = talk.overdue()
    assert failed.reason is Reason.BECOME_NOT_ALLOWED
    assert "Verification code" in failed.message
    assert talk.seconds <= 30


def test_a_host_that_chatters_is_given_up() -> None:
    talk, _ = dialogue()
    assert talk.feed("stderr", b"x" * 70_000).failed


def test_the_password_is_in_no_text() -> None:
    talk, prompt = dialogue()
    assert "hunter22" not in repr(talk)
    talk.feed("stderr", prompt)
    assert "hunter22" not in talk.overdue().message + talk.ended(None).message


@pytest.mark.parametrize("user", ["", "-u", "a b", "a'b", "a\nb", "$(id)", "a\\b", "a!b"])
def test_a_name_that_no_user_has_is_refused(user: str) -> None:
    with pytest.raises(UsageError):
        escalation(Become(user=user), password=False)
