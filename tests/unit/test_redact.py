"""Secrets are replaced by value, in every form, wherever a stream is cut."""

from __future__ import annotations

import base64
import json
import tracemalloc
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.redact import MASK, Redactor

SECRET = "p'ä ss/w+\"ö\\rd\n2"


def test_a_secret_is_replaced_wherever_it_stands() -> None:
    redactor = Redactor(["hunter22"])
    assert redactor.text("hunter22:xhunter22hunter22") == f"{MASK}:x{MASK}{MASK}"
    assert redactor.bytes(b"\xff hunter22\x00") == b"\xff " + MASK.encode() + b"\x00"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        SECRET.replace("\n", "\r\n"),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        SECRET.replace("'", "'\\''"),
    ],
)
def test_the_forms_that_tools_give_a_secret_are_known(form: str) -> None:
    shown = Redactor([SECRET]).text(f"<{form}>")
    assert shown.replace('"', "") == f"<{MASK}>"
    assert Redactor([SECRET]).bytes(f"<{form}>".encode()).replace(b'"', b"") == f"<{MASK}>".encode()


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "admin"])
def test_a_basic_authorization_header_does_not_tell_the_password(user: str) -> None:
    header = base64.b64encode(f"{user}:correct horse".encode()).decode()
    shown = Redactor(["correct horse"]).text(header)
    assert MASK in shown
    assert b"orrect hors" not in base64.b64decode(shown.replace(MASK, "AAAAAAAA") + "==")


def test_a_longer_secret_wins_over_one_within_it() -> None:
    redactor = Redactor(["abcd", "abcdefgh", "cdef"])
    assert redactor.text("abcdefghcdef") == MASK + MASK
    stream = redactor.stream()
    assert (
        stream.feed(b"abcd") + stream.feed(b"efgh") + stream.feed(b"cdef") + stream.flush()
        == (MASK + MASK).encode()
    )


def test_short_and_empty_secrets_are_left_alone() -> None:
    redactor = Redactor(["", "a", "abc"])
    assert not redactor
    assert redactor.text("abc a") == "abc a"


def test_without_secrets_nothing_is_touched_or_held() -> None:
    redactor = Redactor([])
    data, text = b"x" * 100, "x" * 100
    assert redactor.text(text) is text
    assert redactor.bytes(data) is data
    stream = redactor.stream()
    assert stream.feed(data) is data
    assert stream.flush() == b""


def test_nothing_is_held_back_that_cannot_be_a_secret() -> None:
    stream = Redactor(["hunter22"]).stream()
    assert stream.feed(b"line one\n") == b"line one\n"
    assert stream.feed(b"password: hunt") == b"password: "
    assert stream.feed(b"ing\n") == b"hunting\n"


def test_a_secret_that_is_learnt_while_a_stream_is_open_is_hidden_from_then_on() -> None:
    redactor = Redactor(["hunter22"])
    stream = redactor.stream()
    shown = stream.feed(b"hunter22 swordfish ")
    redactor.add(["swordfish"])
    shown += stream.feed(b"hunter22 sword") + stream.feed(b"fish") + stream.flush()
    assert shown == b"******** swordfish ******** ********"


def test_no_pattern_is_built_of_secrets_that_a_text_does_not_hold() -> None:
    redactor = Redactor(f"password of host {number}" for number in range(2000))
    pattern = redactor.within(b"the password of host 77 is here")
    assert pattern is not None
    assert len(pattern.pattern) < 100
    assert redactor.within(b"nothing") is None


def test_a_redactor_does_not_show_what_it_hides() -> None:
    assert "hunter22" not in repr(Redactor(["hunter22"]))
    assert "hunter22" not in repr(Redactor(["hunter22"]).stream())


def test_a_big_stream_needs_little_memory() -> None:
    stream = Redactor(["hunter22", "a" * 300]).stream()
    piece = b"a" * 65536
    tracemalloc.start()
    try:
        for _ in range(20):
            stream.feed(piece)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


ALPHABET = "ab'=%\n"


@given(
    secrets=st.lists(st.text(ALPHABET, max_size=7), max_size=4),
    text=st.text(ALPHABET, max_size=80),
    cuts=st.lists(st.integers(0, 80)),
)
def test_a_stream_reads_the_same_wherever_it_is_cut(secrets: list[str], text: str, cuts: list[int]) -> None:
    redactor = Redactor(secrets)
    data = text.encode()
    whole = redactor.bytes(data)
    longest = max((len(form) for form in redactor._forms), default=1)
    stream, seen, start = redactor.stream(), b"", 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        seen += stream.feed(data[start:cut])
        start = cut
        assert len(stream._held) < longest
    assert seen + stream.flush() == whole
    assert redactor.text(text) == whole.decode()


@given(secret=st.text(min_size=4, max_size=40), before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_a_secret_within_base64_is_found(secret: str, before: bytes, after: bytes) -> None:
    data = (
        secret.encode("utf-8", "surrogateescape") if secret.isascii() else secret.encode("utf-8", "replace")
    )
    if len(data) < 8 or not secret.isprintable():
        return
    shown = Redactor([data.decode()]).text(base64.b64encode(before + data + after).decode())
    assert MASK in shown
