"""The order of versions, with dpkg itself as the oracle where it is installed."""

import shutil
import subprocess
from random import Random

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fleetctl.packages.debversion import deb_version_key, split_deb_version

dpkg = shutil.which("dpkg")

# Valid versions: upstream begins with a digit; few characters, so that near misses are frequent.
_PART = st.text("019.+~azAZ", max_size=6)
_UPSTREAM = st.builds(lambda head, tail: head + tail, st.sampled_from("019"), _PART)
VERSIONS = st.builds(
    lambda epoch, upstream, more, revision: f"{epoch}{upstream}{more}{revision}",
    st.sampled_from(["", "0:", "1:", "01:", "10:"]),
    _UPSTREAM,
    st.sampled_from(
        ["", "", "-", "-1", "-a"]
    ),  # an upstream version may hold dashes where a revision follows
    _PART.filter(bool).map(lambda text: f"-{text}"),
) | st.builds(lambda epoch, upstream: f"{epoch}{upstream}", st.sampled_from(["", "0:", "1:"]), _UPSTREAM)


def order(left: str, right: str) -> str:
    a, b = deb_version_key(left), deb_version_key(right)
    return "lt" if a < b else "gt" if a > b else "eq"


@pytest.mark.parametrize(
    ("left", "relation", "right"),
    [
        ("1.0-1", "lt", "1.0-1+deb12u1"),
        ("1.0~rc1-1", "lt", "1.0-1"),
        ("1.0-1~deb12u1", "lt", "1.0-1"),
        ("1:0.1", "gt", "9.9"),
        ("1.0", "eq", "0:1.0-0"),
        ("1.0.", "gt", "1.0"),
        ("1.0a", "lt", "1.0+"),
        ("1.010", "eq", "1.10"),
        ("2.36-9+deb12u10", "gt", "2.36-9+deb12u9"),
        ("0~1", "lt", "0"),
        ("1-~", "lt", "1"),
        ("5.36.0-7", "lt", "5.36.0-7+b1"),
        ("1." + "9" * 5000, "lt", "1.1" + "0" * 5000),
    ],
)
def test_orders_as_deb_version_7_says(left, relation, right):
    assert order(left, right) == relation
    assert order(right, left) == {"lt": "gt", "gt": "lt", "eq": "eq"}[relation]


@pytest.mark.skipif(dpkg is None, reason="dpkg is not installed")
# One process per example and no shrinking: each comparison starts dpkg.
@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(VERSIONS, VERSIONS), min_size=12, max_size=12))
def test_agrees_with_dpkg(pairs):
    script = 'while read -r a b; do for op in lt eq gt; do "$0" --compare-versions "$a" "$op" "$b" 2>/dev/null && echo "$op"; done; done'
    lines = "".join(f"{left} {right}\n" for left, right in pairs)
    told = subprocess.run(
        ["sh", "-c", script, dpkg], input=lines, capture_output=True, text=True, check=False
    )
    assert told.stdout.split() == [order(left, right) for left, right in pairs]


PARTS = ["0", "00", "1", "01", "9", "10", "a", "Z", "rc", "~", "~~", ".", "+", "+b", "+deb12u"]
COMPARE = "use Dpkg::Version; while (<STDIN>) { my ($one, $two) = split; print version_compare($one, $two), qq{\\n} }"


def some_version(chance):
    """Valid versions of few parts, so that near misses are frequent."""
    text = ["".join(chance.choices(PARTS, k=chance.randrange(1, 5))) for _ in range(3)]
    epoch = chance.choice(["", "", "0:", "1:", "01:", "12:"])
    return f"{epoch}{chance.randrange(3)}" + "-".join(text[: chance.randrange(1, 4)])


def test_agrees_with_dpkg_s_own_library_on_thousands():
    """One process for all of them: Dpkg::Version is what dpkg's own tools compare with."""
    perl = shutil.which("perl")
    if (
        perl is None
        or subprocess.run([perl, "-MDpkg::Version", "-e1"], capture_output=True, check=False).returncode
    ):
        pytest.skip("libdpkg-perl is not installed")
    chance = Random()  # noqa: S311 - a pair that differs is told
    pairs = [(some_version(chance), some_version(chance)) for _ in range(10_000)]
    lines = "".join(f"{left} {right}\n" for left, right in pairs)
    told = subprocess.run([perl, "-e", COMPARE], input=lines, capture_output=True, text=True, check=True)
    words = {"-1": "lt", "0": "eq", "1": "gt"}
    theirs = [words[word] for word in told.stdout.split()]
    ours = [order(left, right) for left, right in pairs]
    assert len(theirs) == len(pairs)
    assert [(*p, a) for p, a, b in zip(pairs, ours, theirs, strict=True) if a != b] == []


@given(st.lists(st.text(max_size=12), min_size=3, max_size=3))
def test_any_text_is_ordered_without_contradiction(texts):
    first, second, third = sorted(texts, key=deb_version_key)
    assert order(first, second) != "gt"
    assert order(second, third) != "gt"
    assert order(first, third) != "gt"


def test_splits_epoch_upstream_and_revision():
    assert split_deb_version("1:2.0-rc-3") == ("1", "2.0-rc", "3")
    assert split_deb_version("2.0") == ("", "2.0", "")
    assert split_deb_version("x:2.0") == ("", "x:2.0", "")
