"""The order of Alpine's versions: the rules of apk-package(5) as chains, laws that any order obeys, and apk itself where it is installed."""

import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.packages.apkversion import apk_version_allows, apk_version_key, split_apk_version

# Each is older than the next one.
CHAINS = {
    "numbers by value": ["0.9", "0.10", "1", "1.0", "1.0.1", "1.2", "1.10", "2", "10", "20240101"],
    "a first number with zeros by value": ["1.06-r6", "006", "7"],
    "leading zeros behind a dot as text": ["1.0", "1.00", "1.001", "1.01", "1.01.5", "1.05", "1.1", "1.5"],
    "leading zeros of several digits": ["8.2.0015", "8.2.002", "8.2.1"],
    "a letter": ["1.0", "1.0a", "1.0b", "1.0z"],
    "before a release": ["1_alpha", "1_alpha1", "1_alpha2", "1_alpha10", "1_beta", "1_pre", "1_rc", "1_rc1", "1"],
    "after a release": ["1", "1_cvs", "1_svn", "1_git", "1_git20240101", "1_hg", "1_p", "1_p1", "1_p2", "1_p10", "1.1"],
    "suffixes of suffixes": ["0.1_alpha_pre2", "0.1_alpha", "0.1_alpha_p1", "0.1_beta", "0.1"],
    "revisions": ["1.2-r0", "1.2-r1", "1.2-r2", "1.2-r10", "1.2.1-r0"],
    "a revision is newer than none": ["1.2", "1.2-r0"],
    "revisions of letters and suffixes": ["2.3.0b-r1", "2.3.0b-r10", "2.3.0c-r0", "2.3.1_rc1-r5", "2.3.1_rc2-r0", "2.3.1-r0"],
    "commits as text": ["1.0~0123", "1.0~0123-r1", "1.0~9abc", "1.0~abc"],
    "a commit is newer than none": ["26.1", "26.1~842f055", "26.1~842f055-r1", "26.2"],
    "what is no version is older": ["1.0_foo", "1.0"],
}  # fmt: skip


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_newer_is_newer(chain):
    for less, more in pairwise(chain):
        assert apk_version_key(less) < apk_version_key(more)
        assert apk_version_key(more) > apk_version_key(less)


def test_equal_is_what_is_spelt_alike_but_for_the_first_number():
    assert apk_version_key("007-r1") == apk_version_key("7-r01")
    assert apk_version_key("1.0") != apk_version_key("1.00")


@pytest.mark.parametrize(
    ("version", "operator", "wanted", "allowed"),
    [
        ("1.2.3-r0", "=", "1.2.3-r0", True),
        ("1.2.3-r1", "=", "1.2.3-r0", False),
        ("1.2.3-r1", "~", "1.2", True),
        ("1.2.3-r1", "~=", "1.2.3", True),
        ("1.3-r0", "~", "1.2", False),
        ("1.2.3-r1", ">~", "1.2", True),
        ("1.1-r9", ">~", "1.2", False),
        ("1.2.3-r1", "<~", "1.2", True),
        ("1.2.3-r1", "<", "1.3", True),
        ("1.3", "<", "1.3", False),
        ("1.3", "<=", "1.3", True),
        ("1.3", ">=", "1.3", True),
        ("1.3", ">", "1.3", False),
        ("1.3", "", "", True),
        ("1.3", "><", "Q1abc=", False),
    ],
)
def test_dependencies_allow_versions(version, operator, wanted, allowed):
    assert apk_version_allows(version, operator, wanted) is allowed


@pytest.mark.parametrize(
    ("version", "parts"),
    [("1.2_rc1-r3", ("1.2_rc1", "r3")), ("1.2", ("1.2", "")), ("a-b-r1", ("a-b", "r1"))],
)
def test_splits_upstream_version_and_release(version, parts):
    assert split_apk_version(version) == parts


numbers = st.integers(0, 30).map(str)
suffix = st.tuples(
    st.sampled_from(["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"]), st.just("") | numbers
).map(lambda pair: f"_{pair[0]}{pair[1]}")
proper = st.builds(
    "{}{}{}{}{}{}".format,
    numbers,
    st.lists(numbers | st.sampled_from(["00", "01", "010"]), max_size=2).map(
        lambda parts: "".join(f".{p}" for p in parts)
    ),
    st.sampled_from(["", "a", "b"]),
    st.lists(suffix, max_size=2).map("".join),
    st.sampled_from(["", "~1a", "~f"]),
    st.just("") | numbers.map(lambda number: f"-r{number}"),
)
rubbish = st.text(alphabet="019azZ._~-rp é٣", max_size=8)


@given(versions=st.lists(proper, max_size=6), data=st.data())
def test_sorting_does_not_depend_on_where_one_begins(versions, data):
    shuffled = data.draw(st.permutations(versions))
    keys = [sorted(items, key=apk_version_key) for items in (versions, shuffled)]
    assert all(apk_version_key(one) == apk_version_key(two) for one, two in zip(*keys, strict=True))


@given(one=proper | rubbish, two=proper | rubbish)
def test_one_is_newer_exactly_where_the_other_is_older(one, two):
    left, right = apk_version_key(one), apk_version_key(two)
    assert (left < right) == (right > left)
    assert (left < right) + (left > right) + (left == right) == 1


@given(version=proper.filter(lambda version: "-r" not in version), number=st.integers(0, 99))
def test_rebuilding_makes_newer(version, number):
    assert apk_version_key(version) < apk_version_key(f"{version}-r{number}")
    assert apk_version_key(f"{version}-r{number}") < apk_version_key(f"{version}-r{number + 1}")


@given(version=proper, other=proper)
def test_exactly_one_of_less_equal_and_greater_allows_it(version, other):
    assert sum(apk_version_allows(version, operator, other) for operator in ("<", "=", ">")) == 1


@settings(deadline=None)
@given(one=proper | rubbish, two=proper | rubbish)
def test_orders_as_apk_does(one, two):
    apk = shutil.which("apk") or pytest.skip("apk is not installed")
    told = subprocess.run([apk, "version", "-t", one, two], capture_output=True, text=True, check=True)
    left, right = apk_version_key(one), apk_version_key(two)
    assert told.stdout.strip() == "<=>"[(left > right) - (left < right) + 1]
