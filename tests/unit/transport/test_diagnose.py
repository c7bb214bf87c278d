"""Findings about hosts: what cannot easily be made for real on one machine, and what holds for all of them."""

from __future__ import annotations

import errno
import socket

import pytest

from fleetctl.model import Host, Reason
from fleetctl.transport.diagnose import Attempt, Stage, explain, through_jump
from fleetctl.transport.protocol import Unreachable


class Disconnected(Exception):  # noqa: N818 - as asyncssh's: a number and a text
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def attempt(stage: Stage = Stage.CONNECT, **given) -> Attempt:
    values = {"host": Host(name="web-1"), "address": "10.0.0.1", "port": 22, "user": "me", "timeout": 10.0}
    return Attempt(**{**values, "stage": stage, **given})


CASES = [
    (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), attempt(Stage.LOOKUP), Reason.DNS, True),
    (
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        attempt(Stage.LOOKUP),
        Reason.DNS,
        False,
    ),
    (TimeoutError(), attempt(Stage.LOOKUP), Reason.DNS, True),
    (TimeoutError(), attempt(), Reason.CONNECT_TIMEOUT, True),
    (TimeoutError(errno.ETIMEDOUT, "Connection timed out"), attempt(), Reason.CONNECT_TIMEOUT, True),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), attempt(), Reason.REFUSED, False),
    (OSError(errno.EHOSTUNREACH, "No route to host"), attempt(), Reason.NO_ROUTE, True),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), attempt(), Reason.NO_ROUTE, True),
    (PermissionError(errno.EPERM, "Operation not permitted"), attempt(), Reason.NO_ROUTE, False),
    (OSError(errno.EMFILE, "Too many open files"), attempt(), Reason.TRANSPORT, True),
    (OSError(errno.EIO, "Input/output error"), attempt(), Reason.TRANSPORT, False),
    (ConnectionResetError(errno.ECONNRESET, "reset"), attempt(Stage.GREETING), Reason.MAX_STARTUPS, True),
    (ConnectionResetError(errno.ECONNRESET, "reset"), attempt(Stage.LOGIN), Reason.CONNECTION_CLOSED, True),
    (Disconnected(10, "Connection lost"), attempt(Stage.GREETING), Reason.MAX_STARTUPS, True),
    (
        Disconnected(10, "Connection lost"),
        attempt(Stage.GREETING, opening=b"Exceeded MaxStartups\r\n"),
        Reason.MAX_STARTUPS,
        True,
    ),
    (Disconnected(12, "Too many connections"), attempt(Stage.LOGIN), Reason.MAX_STARTUPS, True),
    (Disconnected(2, "Too many authentication failures"), attempt(Stage.LOGIN), Reason.AUTHENTICATION, False),
    (Disconnected(14, "Permission denied"), attempt(Stage.LOGIN), Reason.AUTHENTICATION, False),
    (Disconnected(11, "Bye"), attempt(Stage.LOGIN), Reason.CONNECTION_CLOSED, True),
    (Disconnected(3, "Bad signature"), attempt(Stage.KEY_EXCHANGE), Reason.KEY_EXCHANGE, False),
    (Disconnected(2, "Nonsense"), attempt(Stage.LOGIN), Reason.CONNECTION_CLOSED, True),
    (RuntimeError("surprise"), attempt(), Reason.TRANSPORT, False),
]


@pytest.mark.parametrize(("exc", "where", "reason", "retry"), CASES, ids=lambda value: str(value)[:30])
def test_what_ended_an_attempt_becomes_a_reason_with_a_remedy(exc, where, reason, retry):
    found = explain(exc, where)
    assert (found.reason, found.retry) == (reason, retry)
    assert "10.0.0.1" in found.message
    assert found.hint


def test_what_was_found_on_the_way_beats_how_it_ended():
    known = Unreachable(Reason.HOST_KEY_CHANGED, "changed")
    assert explain(Disconnected(9, "Host key is not trusted"), attempt(refused=known)) is known


def test_a_jump_host_s_trouble_keeps_remedy_and_hope():
    found = through_jump("bastion", Unreachable(Reason.MAX_STARTUPS, "full", hint="wait", retry=True))
    assert (found.reason, found.hint, found.retry) == (Reason.JUMP_HOST, "wait", True)
    assert found.message == "jump host bastion cannot be reached (max-startups): full"


def test_control_characters_of_a_banner_are_not_shown():
    where = attempt(Stage.GREETING, opening=b"\x1b]0;evil\x07hello\r\n")
    message = explain(TimeoutError(), where).message
    assert message.isprintable()
    assert "hello" in message
