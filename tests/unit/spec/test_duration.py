from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.spec.duration import parse_duration, tell_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 90),
        ("0.25", 0.25),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 2d ", 172_800),
        ("1.5h", 5400),
        ("90d", 7_776_000),
        ("1w1d", 691_200),
        ("3650d", 315_360_000),
    ],
)
def test_people_write_durations_in_many_ways(text: str, seconds: float) -> None:
    assert parse_duration(text, name="--bake") == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "s",
        "5 m",
        "30m1h",
        "5m5m",
        "-5",
        "+5",
        "5M",
        "1y",
        "1h30",
        "1:30",
        "5ms",
        "1e3",
        "٣",
        "inf",
        "nan",
        "1h  30m",
    ],
)
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="--bake") as caught:
        parse_duration(text, name="--bake")
    assert "1h30m" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["3651d", "999999999w"])
def test_more_than_ten_years_is_refused_not_clamped(text: str) -> None:
    with pytest.raises(UsageError, match="ten years"):
        parse_duration(text, name="--keep")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "0.5s"),
        (59, "59s"),
        (59.99, "60s"),
        (60, "1m"),
        (300, "5m"),
        (3600, "1h"),
        (5400, "1h30m"),
        (5401, "1h30m"),
        (86_400, "1d"),
        (86_460, "1d"),
        (90_000, "1d1h"),
    ],
)
def test_durations_are_told_in_the_units_that_matter(seconds: float, text: str) -> None:
    assert tell_duration(seconds) == text


@given(st.integers(0, 3650 * 86_400))
def test_what_is_told_can_be_read_and_is_near(seconds: int) -> None:
    told = parse_duration(tell_duration(seconds), name="x")
    assert told <= seconds < told + max(told / 20, 1)
