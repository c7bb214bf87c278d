"""YAML that is written reads as what it was."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.spec.dump import dump
from fleetctl.spec.yaml import parse_document

SURPRISES = [
    "no",
    "0o17",
    "1e3",
    "22:30",
    "0755",
    "<<",
    "=",
    "~",
    "",
    "- a",
    "a: b",
    "a\nb",
    "\x85",
    "\u2028",
    " a",
    "true",
]
TEXT = st.text() | st.sampled_from(SURPRISES)
LEAVES = TEXT | st.integers(-(10**30), 10**30) | st.booleans() | st.none() | st.floats(allow_nan=False)
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


@given(DATA)
def test_what_is_written_is_read_again(data):
    assert parse_document(dump(data), file="f").data == data


@given(st.dictionaries(TEXT, TEXT))
def test_text_is_text_for_yaml_1_1_too(data):
    assert yaml.safe_load(dump(data)) == data


def test_maps_keep_their_order_and_shared_values_are_written_out():
    shared = {"x": 1}
    assert dump({"b": shared, "a": shared}) == "b: {x: 1}\na: {x: 1}\n"
