"""How a version stands to a claim."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.feeds.model import EVERY, Claim, before
from fleetctl.packages.debversion import deb_version_key
from fleetctl.packages.rpmversion import rpm_version_key
from fleetctl.patch.cve_match import Standing, judge, version_key_of

AFFECTED, FIXED, NOT, UNKNOWN = (
    Standing.AFFECTED,
    Standing.FIXED,
    Standing.NOT_AFFECTED,
    Standing.UNKNOWN,
)


def claim(*ranges, **more):
    return Claim(ecosystem="Debian:12", package="a", ranges=ranges, **more)


def told(version, *ranges, key=deb_version_key, **more):
    found = judge(claim(*ranges, **more), version, key)
    return found.standing, found.fixed


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.9-1", (NOT, "")),
        ("1.0-1", (AFFECTED, "1.2-1")),
        ("1.2~rc1-1", (AFFECTED, "1.2-1")),
        ("1.2-1", (FIXED, "1.2-1")),
        ("1.9-1", (FIXED, "1.2-1")),
        ("2.0-1", (AFFECTED, "")),
        ("2.3-1", (AFFECTED, "")),
        ("2.3-1+b1", (FIXED, "")),
    ],
)
def test_events_are_walked_in_the_order_of_their_versions(version, expected):
    events = (
        ("last_affected", "2.3-1"),
        ("introduced", "2.0-1"),
        ("fixed", "1.2-1"),
        ("introduced", "1.0-1"),
    )
    standing, fixed = told(version, events)
    assert standing is expected[0]
    if expected[1]:
        assert fixed == expected[1]


def test_no_range_means_not_affected_and_every_version_means_no_fix():
    assert told("1.0") == (NOT, "")
    assert told("1.0", *EVERY) == (AFFECTED, "")
    assert told("~", *EVERY) == (AFFECTED, "")  # below "0" in dpkg's order, and not before "introduced 0"
    assert told("1.0", undetermined=True) == (UNKNOWN, "")


def test_listed_versions_are_affected_beside_ranges():
    assert told("3.0", *before("2.0"), versions=("3.0",)) == (AFFECTED, "")
    assert told("3.1", *before("2.0"), versions=("3.0",)) == (FIXED, "2.0")


def test_of_several_ranges_all_must_be_left():
    assert told("1.0", *before("1.5"), *before("2.0")) == (AFFECTED, "2.0")
    assert told("1.0", *before("1.5"), *EVERY) == (AFFECTED, "")


def test_a_module_s_build_is_not_compared_with_one_of_no_module():
    fixed = before("10.15-1.module+el8.4.0")
    assert told("9.6-1.el8", *fixed, key=rpm_version_key) == (UNKNOWN, "")
    assert told("10.14-1.module+el8.3.0", *fixed, key=rpm_version_key)[0] is AFFECTED


NUMBERS = st.integers(0, 12)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=3), NUMBERS)
def test_a_version_is_affected_where_any_range_holds_it(bounds, version):
    """Checked against plain numbers: a range is from its introduction to before its fix."""
    ranges = [(("introduced", str(low)), ("fixed", str(high))) for low, high in bounds if low < high]
    expected = any(low <= version < high for low, high in bounds if low < high)
    assert (told(str(version), *ranges)[0] is AFFECTED) is expected


@given(st.lists(NUMBERS, min_size=2, max_size=6, unique=True), NUMBERS)
def test_events_that_take_turns_are_as_good_as_ranges_apart(cuts, version):
    cuts = sorted(cuts)
    events = tuple(("introduced" if n % 2 == 0 else "fixed", str(at)) for n, at in enumerate(cuts))
    inside = sum(at <= version for at in cuts) % 2 == 1
    assert (told(str(version), events)[0] is AFFECTED) is inside
    assert told(str(version), tuple(reversed(events))) == told(str(version), events)


def test_versions_are_ordered_by_their_package_manager():
    assert version_key_of("apt")("1~rc1") < version_key_of("apt")("1")
    assert version_key_of("dnf")("1^git") > version_key_of("dnf")("1")
    assert version_key_of("apk")("1.0_rc1-r0") < version_key_of("apk")("1.0-r0")
    assert version_key_of("some other")("1.9") < version_key_of("some other")("1.10")
