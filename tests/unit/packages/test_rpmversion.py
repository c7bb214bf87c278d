"""The order of rpm versions, held against rpm itself."""

import shutil
import subprocess
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.packages.rpmversion import evr, rpm_version_key, split_rpm_version

# rpm's own tests (tests/rpmvercmp.at), and what people stumble over.
RISING = [
    ("1.0", "2.0"),
    ("2.0", "2.0.1"),
    ("2.0.1", "2.0.1a"),
    ("5.5p1", "5.5p2"),
    ("10xyz", "10.1xyz"),
    ("xyz.4", "8"),
    ("xyz.4", "2"),
    ("5.5p2", "5.6p1"),
    ("5.6p1", "6.5p1"),
    ("6.0.rc1", "6.0"),
    ("10a2", "10b2"),
    ("1.0~rc1", "1.0"),
    ("1.0~rc1", "1.0~rc2"),
    ("1.0~rc1~git123", "1.0~rc1"),
    ("1.0", "1.0^"),
    ("1.0^", "1.0^git1"),
    ("1.0^git1", "1.0^git2"),
    ("1.0^git1", "1.01"),
    ("1.0^20160101", "1.0.1"),
    ("1.0~rc1", "1.0~rc1^git1"),
    ("1.0^git1~pre", "1.0^git1"),
    ("9-1", "1:1-1"),
    ("1.0-1.el9", "1.0-1.el9_2"),
    ("1.0-9", "1.0-10"),
]
EQUAL = [("1.0", "1_0"), ("1.0", "1.00"), ("0:1.0-1", "1.0-1"), ("2.0", "2.0."), ("1-1é", "1-1")]


@pytest.mark.parametrize(("less", "more"), [pair for pair in RISING if pair[0] != "6.0.rc1"])
def test_newer_is_newer(less, more):
    assert rpm_version_key(less) < rpm_version_key(more)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_rpm_calls_equal_is_equal(one, other):
    assert rpm_version_key(one) == rpm_version_key(other)


def test_letters_after_a_dot_are_newer_without_a_tilde():
    assert rpm_version_key("6.0.rc1") > rpm_version_key("6.0")


@pytest.mark.parametrize(
    ("version", "parts"),
    [
        ("1:2.0-3.el9", ("1", "2.0", "3.el9")),
        ("2.0-3", ("", "2.0", "3")),
        ("2.0", ("", "2.0", "")),
        ("a:2-1", ("", "a:2", "1")),
        ("", ("", "", "")),
    ],
)
def test_splits_a_version(version, parts):
    assert split_rpm_version(version) == parts


def test_an_epoch_of_zero_is_not_written():
    assert [evr(epoch, "1", "2") for epoch in ("", "0", "(none)", "3")] == ["1-2", "1-2", "1-2", "3:1-2"]


versions = st.text(alphabet="019azZ.~^_+", min_size=1, max_size=8)


@settings(deadline=None, max_examples=20)
@given(pairs=st.lists(st.tuples(versions, versions), min_size=25, max_size=25))
def test_orders_as_rpm_does(pairs):
    rpm = shutil.which("rpm") or pytest.skip("rpm is not installed")
    asked = "".join(f'print(rpm.vercmp("{one}", "{two}"), "")' for one, two in pairs)
    told = subprocess.run([rpm, "--eval", f"%{{lua:{asked}}}"], capture_output=True, text=True, check=True)
    ours = []
    for one, two in pairs:
        left, right = rpm_version_key(f"{one}"), rpm_version_key(f"{two}")
        ours.append((left > right) - (left < right))
    assert [int(word) for word in told.stdout.split()] == ours


PARTS = [
    "",
    "0",
    "00",
    "1",
    "01",
    "9",
    "10",
    "a",
    "A",
    "b1",
    "rc",
    "~",
    "~~",
    "^",
    "^^",
    ".",
    "..",
    "_",
    "+",
    "el9",
    "9_2",
]
# Reads pairs from a file: an argument may have 128 KB at most.
COMPARE = """%{lua: for line in io.lines("PAIRS") do
    local one, two = line:match("^(%S+) (%S+)$")
    one, two = rpm.ver(one), rpm.ver(two)
    print(one < two and "-1 " or (one == two and "0 " or "1 "))
end}"""


def some_version(chance):
    """Few parts, so that near misses are frequent; rpm refuses a version or release that is empty."""
    text = ["".join(chance.choices(PARTS, k=chance.randrange(1, 5))) or "0" for _ in range(2)]
    epoch = chance.choice(["", "", "0:", "1:", "01:", "12:"])
    return epoch + (text[0] if chance.random() < 0.1 else "-".join(text))


def test_whole_versions_order_as_rpm_does(tmp_path):
    rpm = shutil.which("rpm") or pytest.skip("rpm is not installed")
    chance = Random()  # noqa: S311 - a pair that differs is told
    pairs = [(some_version(chance), some_version(chance)) for _ in range(10_000)]
    path = tmp_path / "pairs"
    path.write_text("".join(f"{one} {two}\n" for one, two in pairs))
    asked = [rpm, "--eval", COMPARE.replace("PAIRS", str(path))]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    if "attempt to" in told.stderr:
        pytest.skip("this rpm has no rpm.ver: it is older than 4.17")
    keys = [(rpm_version_key(one), rpm_version_key(two)) for one, two in pairs]
    ours = [(one > two) - (one < two) for one, two in keys]
    theirs = [int(word) for word in told.stdout.split()]
    assert len(theirs) == len(pairs)
    assert [(*p, a) for p, a, b in zip(pairs, ours, theirs, strict=True) if a != b] == []
