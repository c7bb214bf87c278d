"""Ranges and folding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.hosts.names import check_group_name, check_host_name, expand, fold
from fleetctl.hosts.selector import split_terms

NAMES = st.lists(
    st.from_regex(r"[a-z]{1,3}-?[0-9]{1,3}(\.[a-z]{2})?", fullmatch=True), unique=True, max_size=30
)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("web", ["web"]),
        ("web-[01-03]", ["web-01", "web-02", "web-03"]),
        ("web-[08-10].x.net", ["web-08.x.net", "web-09.x.net", "web-10.x.net"]),
        ("w[1,3-4]", ["w1", "w3", "w4"]),
        ("w[0-6/3]", ["w0", "w3", "w6"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
    ],
)
def test_ranges_stand_for_their_names(pattern, names):
    assert expand(pattern) == names


@pytest.mark.parametrize(
    "pattern",
    [
        "w[",
        "w]",
        "w[]",
        "w[1-2",
        "w[1-x]",
        "w[-1]",
        "w[1-2/0]",
        "w[[1-2]]",
        "@g[1-2]",
        "a,b[1-2]",
        "w[1-2]!x[1-2]",
    ],
)
def test_what_is_no_range_is_refused(pattern):
    with pytest.raises(ValueError, match="range"):
        expand(pattern)


@given(NAMES)
def test_folded_names_stand_for_the_same_names(names):
    folded = fold(names)
    terms = split_terms(folded) if names else []
    assert sorted(name for term in terms for name in expand(term)) == sorted(names)


def test_folding_is_for_people():
    assert fold([f"web-{n:02}" for n in range(1, 21)] + ["db"]) == "db,web-[01-20]"
    assert fold(["one"]) == "one"
    assert fold([]) == ""
    assert fold(name for name in ("a1", "a2")) == "a[1-2]"


def test_names_that_cannot_be_folded_are_listed():
    assert fold(["b[", "a["]) == "a[,b["


@pytest.mark.parametrize(
    "name", ["web-1", "10.0.0.1", "2001:db8::1", "::1", "fe80::1%eth0", "büro", "a_b", "X"]
)
def test_good_names(name):
    assert check_host_name(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".x", "-x", "a/b", "a b", "a\n", "a,b", "&a", "!a", "@a", "a=b", "a*", "a\0"]
)
def test_bad_names(name):
    assert check_host_name(name)


def test_group_names():
    assert check_group_name("web-eu.1") is None
    assert check_group_name("all")
    assert check_group_name("a b")
