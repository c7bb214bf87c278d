"""The order of pacman's versions, held against its own library: what vercmp(8) prints."""

import ctypes
import ctypes.util

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.packages.alpmversion import alpm_version_key, split_alpm_version

# vercmp(8), and libalpm's own tests.
RISING = [
    ("1.0a", "1.0b"),
    ("1.0b", "1.0beta"),
    ("1.0beta", "1.0p"),
    ("1.0pre", "1.0rc"),
    ("1.0rc", "1.0"),
    ("1.0", "1.0.a"),
    ("1.0.a", "1.0.1"),
    ("1", "1.0"),
    ("1.1", "1.1.1"),
    ("2.0", "2.0.1"),
    ("9-1", "1:1-1"),
    ("1.0-9", "1.0-10"),
    ("1.5.b", "1.5..b"),
]
EQUAL = [("1.5-1", "1.5"), ("0:1.0-1", "1.0-1"), ("1.01", "1.1"), ("2_0", "2.0"), (":1-1", "1-1")]


@pytest.mark.parametrize(("less", "more"), RISING)
def test_newer_is_newer(less, more):
    assert alpm_version_key(less) < alpm_version_key(more)
    assert alpm_version_key(more) > alpm_version_key(less)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_vercmp_calls_equal_is_equal(one, other):
    assert alpm_version_key(one) == alpm_version_key(other)


def test_splits_a_version():
    assert split_alpm_version("1:2.0-3") == ("1", "2.0", "3")
    assert split_alpm_version("2.0") == ("", "2.0", "")


versions = st.text(alphabet="019azZ.:-_+~", max_size=7)


@settings(deadline=None, max_examples=500)
@given(one=versions, two=versions)
def test_orders_as_pacman_does(one, two):
    name = ctypes.util.find_library("alpm") or pytest.skip("pacman's libalpm is not installed")
    told = ctypes.CDLL(name).alpm_pkg_vercmp(one.encode(), two.encode())
    left, right = alpm_version_key(one), alpm_version_key(two)
    assert told == (left > right) - (left < right)
