"""JSON for people is the same JSON, and its rows stand on lines of their own."""

import json

from hypothesis import given
from hypothesis import strategies as st

from fleetctl.report.json import encode
from fleetctl.spec.pretty import pretty

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_it_says_the_same_as_plain_json(value):
    text = "".join(pretty(value))
    assert json.loads(text) == value
    assert json.loads("".join(pretty(value, ensure_ascii=True))) == value
    assert "".join(encode(value, indent=1)) == text


def test_rows_of_a_report_have_a_line_each():
    report = {
        "Version": "1.0",
        "Items": [{"Id": "a", "Details": {"Ids": ["x", "y"]}}, {"Id": "b"}],
        "None": [],
    }
    assert "".join(pretty(report)).splitlines() == [
        "{",
        ' "Version": "1.0",',
        ' "Items": [',
        '  {"Id": "a", "Details": {"Ids": ["x", "y"]}},',
        '  {"Id": "b"}',
        " ],",
        ' "None": []',
        "}",
    ]
