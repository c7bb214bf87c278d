from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.budget import Quota
from fleetctl.engine.waves import parse_waves, split, spread, wave_ends
from fleetctl.errors import BudgetError, UsageError
from fleetctl.model import Host


def hosts(count: int) -> tuple[Host, ...]:
    return tuple(Host(name=f"h{number}") for number in range(count))


def test_numbers_and_percentages_are_read_in_order() -> None:
    assert parse_waves(" 1, 10%,50% ,100%") == (
        Quota(1),
        Quota(10, percent=True),
        Quota(50, percent=True),
        Quota(100, percent=True),
    )


@pytest.mark.parametrize(
    ("text", "what", "mended"),
    [
        ("1,10%", "leaves hosts out", "1,10%,100%"),
        ("5", "leaves hosts out", "5,100%"),
        ("1,1,100%", "'1' does not grow after '1'", "1,100%"),
        ("50%,10%,100%", "'10%' does not grow after '50%'", "10%,50%,100%"),
        ("5,10%,2,100%", "'2' does not grow after '5'", "2,5,10%,100%"),
        ("100%,100%", "nothing is left for '100%'", "100%"),
        ("1,100%,50", "nothing is left for '50'", "1,50,100%"),
    ],
)
def test_waves_that_cannot_be_meant_are_refused_and_mended(text: str, what: str, mended: str) -> None:
    with pytest.raises(BudgetError) as caught:
        parse_waves(text)
    assert what in caught.value.message
    assert caught.value.hint == f"write --waves {mended}"
    assert parse_waves(mended)


@pytest.mark.parametrize(
    "text", ["", " ", ",", "1,,100%", "1,100%,", "x", "0,100%", "0%,100%", "1,101%", "-1,100%", "1;100%"]
)
def test_what_is_no_list_of_waves_is_refused(text: str) -> None:
    with pytest.raises(BudgetError, match="--waves"):
        parse_waves(text)


quotas = st.lists(st.builds(Quota, st.integers(1, 99), st.booleans()), max_size=5).map(
    lambda some: (
        *sorted(set(some), key=lambda quota: (quota.percent, quota.number)),
        Quota(100, percent=True),
    )
)


@given(waves=quotas)
def test_what_is_written_is_what_is_read(waves: tuple[Quota, ...]) -> None:
    assert parse_waves(",".join(str(wave) for wave in waves)) == waves


@pytest.mark.parametrize(
    ("text", "total", "ends"),
    [
        ("1,10%,50%,100%", 100, (1, 10, 50, 100)),
        ("1,10%,50%,100%", 5, (1, 2, 5)),
        ("1,10%,100%", 1, (1,)),
        ("10%,100%", 3, (1, 3)),
        ("50,100%", 7, (7,)),
        ("10%,20,100%", 500, (50, 500)),
        ("99%,100%", 100, (99, 100)),
        ("1,100%", 0, ()),
    ],
)
def test_waves_end_where_they_say(text: str, total: int, ends: tuple[int, ...]) -> None:
    assert wave_ends(parse_waves(text), total) == ends


@given(waves=quotas, total=st.integers(1, 300))
def test_waves_grow_and_reach_every_host_once(waves: tuple[Quota, ...], total: int) -> None:
    ends = wave_ends(waves, total)
    assert list(ends) == sorted(set(ends))
    assert ends[-1] == total
    parts = split(waves, hosts(total))
    assert [host.name for part in parts for host in part] == [f"h{number}" for number in range(total)]
    assert all(parts)


zones = st.lists(st.integers(0, 8), min_size=1, max_size=90) | st.builds(
    lambda large, small: [0] * large + list(range(1, small + 1)), st.integers(1, 60), st.integers(1, 60)
)


@given(values=zones)
def test_every_beginning_holds_each_zone_within_one_host_of_its_share(values: list[int]) -> None:
    given = tuple(
        Host(name=f"h{number}", zone=f"z{value}" if value else None) for number, value in enumerate(values)
    )
    if not any(values):
        return
    ordered = spread(given, "zone")
    sizes = Counter(host.zone for host in given)
    assert sorted(ordered, key=given.index) == list(given)
    seen: Counter[str | None] = Counter()
    for length, host in enumerate(ordered, 1):
        seen[host.zone] += 1
        for zone, size in sizes.items():
            assert abs(seen[zone] - Fraction(length * size, len(given))) < 1


@given(values=zones)
def test_hosts_of_one_zone_keep_their_order(values: list[int]) -> None:
    given = tuple(Host(name=f"h{number}", zone=f"z{value}") for number, value in enumerate(values))
    ordered = spread(given, "zone")
    for zone in {host.zone for host in given}:
        assert [host for host in ordered if host.zone == zone] == [
            host for host in given if host.zone == zone
        ]


def test_the_canary_is_of_the_most_common_kind() -> None:
    given = [Host(name="odd", zone="lab"), *(Host(name=f"w{number}", zone="eu") for number in range(9))]
    assert spread(given, "zone")[0].name == "w0"


@pytest.mark.parametrize(
    ("by", "settings"),
    [
        ("zone", [{"zone": "a"}, {"zone": "b"}]),
        ("group", [{"groups": ("web", "eu")}, {"groups": ("db", "eu")}]),
        ("patch-group", [{"patch_group": "a"}, {"patch_group": "b"}]),
        ("os", [{"platform": "debian"}, {"platform": "alpine"}]),
        ("platform", [{"platform": "debian"}, {"platform": "alpine"}]),
        ("rack", [{"tags": {"rack": "1"}}, {"tags": {"rack": "2"}}]),
        ("tag:zone", [{"tags": {"zone": "1"}, "zone": "a"}, {"tags": {"zone": "2"}, "zone": "a"}]),
    ],
)
def test_hosts_are_spread_by_what_is_named(by: str, settings: list[dict[str, object]]) -> None:
    given = [Host(name=f"h{number}", **settings[number // 4]) for number in range(8)]
    assert [int(host.name[1:]) // 4 for host in spread(given, by)] == [0, 1, 0, 1, 0, 1, 0, 1]


def test_platforms_are_the_same_whatever_their_case() -> None:
    given = [
        Host(name=f"h{number}", platform=platform)
        for number, platform in enumerate(["Debian", "debian", "alpine", "Alpine"])
    ]
    assert [host.name for host in spread(given, "os")] == ["h0", "h2", "h1", "h3"]


def test_hosts_without_a_value_are_spread_too() -> None:
    given = [Host(name=f"h{number}", zone="a" if number < 2 else None) for number in range(4)]
    assert [host.name for host in spread(given, "zone")] == ["h0", "h2", "h1", "h3"]


@pytest.mark.parametrize(
    ("by", "what", "hint"),
    [
        ("rck", "no host has a tag 'rck'", "did you mean 'rack'?"),
        ("zone", "no host of the run has a zone", "known: rack"),
    ],
)
def test_nothing_to_spread_by_is_said(by: str, what: str, hint: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        spread([Host(name="h", tags={"rack": "1"})], by)
    assert caught.value.hint == hint


def test_no_hosts_at_all_are_spread_without_a_word() -> None:
    assert spread([], "zone") == ()
