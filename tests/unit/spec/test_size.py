"""Amounts of data, as people write and read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.spec.size import parse_size, tell_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("812", 812),
        ("812B", 812),
        ("5kB", 5000),
        ("5K", 5000),
        ("5 MB", 5_000_000),
        ("5GB", 5_000_000_000),
        ("5g", 5_000_000_000),
        ("1.5GiB", 1_610_612_736),
        ("2Ki", 2048),
        (" 1TB ", 10**12),
    ],
)
def test_what_people_write(text: str, size: int) -> None:
    assert parse_size(text, name="--max-size") == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", "5XB", "5iB", "5 G B", "1e9", "\u0665GB", "9999999PB", "5GB,"]
)
def test_what_is_no_size_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(UsageError, match="--max-size"):
        parse_size(text, name="--max-size")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_540_000, "1.5 MB"),
        (34_000_000_000, "34 GB"),
        (999_960, "1.0 MB"),
    ],
)
def test_what_people_read(size: int, text: str) -> None:
    assert tell_size(size) == text


@given(st.integers(0, 10**15))
def test_what_is_told_can_be_read_and_is_near(size: int) -> None:
    assert abs(parse_size(tell_size(size), name="") - size) <= size * 0.06
