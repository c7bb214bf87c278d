"""Members of a JSON text are those that json itself finds, wherever the pieces of it end."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import FeedError
from fleetctl.feeds.files import Document
from fleetctl.feeds.json_stream import JsonStream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


class Pieces:
    """Bytes that come a few at a time."""

    def __init__(self, data, size):
        self.data, self.size = data, size

    def read(self, _size):
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


def stream(text, size):
    return JsonStream(Document(Pieces(text.encode(), size), name="x.json"))


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.integers(1, 9), st.sampled_from([None, 1]))
def test_members_of_objects_are_those_of_json(told, size, indent):
    found = stream(json.dumps(told, indent=indent, ensure_ascii=False), size)
    assert (found.shape, dict(found.members())) == ("object", told)


@given(st.lists(VALUES, max_size=5), st.integers(1, 9))
def test_items_of_arrays_are_those_of_json(told, size):
    found = stream(f" {json.dumps(told)}\n", size)
    assert (found.shape, [item for _, item in found.members()]) == ("array", told)


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=4), st.data())
def test_a_text_that_breaks_off_is_never_taken_for_a_whole_one(told, data):
    text = json.dumps(told)
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(FeedError):
        list(stream(text[:cut], 3).members())


def test_the_place_of_a_fault_is_told_in_lines_and_columns_of_the_whole_text():
    lines = ["{", *(f'  "k{n}": "{"x" * 100}",' for n in range(9000)), '  "bad": tru,', '  "z": 1', "}"]
    with pytest.raises(FeedError) as caught:
        list(stream("\n".join(lines), 4096).members())
    assert (caught.value.where.line, caught.value.where.column) == (9002, 10)
