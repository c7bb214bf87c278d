import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.document.substitute import near_misses, sole_reference, store_references, substitute


@pytest.mark.parametrize("text", ["{{x}}", "{{ x }}", "{{x }}", "{{\tx\n}}"])
def test_blanks_in_braces_do_not_matter(text):
    assert substitute(text, {"x": "1"}) == "1"


def test_every_occurrence_is_replaced():
    assert substitute("{{a}}-{{b}}-{{a}}", {"a": "1", "b": "2"}) == "1-2-1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a", "b c"], '["a","b c"]'),
        (True, "true"),
        (3, "3"),
        ({"k": "v"}, '{"k":"v"}'),
        ([{"k": 1}], '[{"k":1}]'),
        (["é&<"], '["é&<"]'),
    ],
)
def test_what_is_not_a_string_goes_into_text_as_json(value, text):
    assert substitute("x={{ v }}", {"v": value}) == f"x={text}"


@pytest.mark.parametrize(
    "text", ["{{ unknown }}", "{{.Names}}", "{ { x } }", "{{ x y }}", "{{x", "${x}", "{{ssm:x}}", "{{ x_y }}"]
)
def test_other_braces_are_left_alone(text):
    assert substitute(text, {"x": "1"}) == text


def test_a_value_with_braces_is_not_read_again():
    assert substitute("{{a}}{{b}}", {"a": "{{b}}", "b": "{{a}}"}) == "{{b}}{{a}}"


@given(st.text(), st.text())
def test_values_arrive_literally_whatever_they_hold(before, value):
    before = before.replace("{", "(")
    assert substitute(before + "{{x}}", {"x": value}) == before + value


def test_a_sole_reference_is_the_whole_text():
    assert sole_reference("{{ a }}") == "a"
    assert sole_reference(" {{ a }}") is None
    assert sole_reference("{{ a }}{{ b }}") is None


def test_parameter_store_references_are_seen_with_version_and_path():
    assert store_references("a {{ssm:/a/b-c.d:3}} {{ ssm-secure:x }} {{ ssm }} {{a}}") == [
        "ssm:/a/b-c.d:3",
        "ssm-secure:x",
    ]


def test_near_misses_name_what_was_meant():
    assert near_misses("{{ Service }} {{ servce }} {{ other }} {{ service }}", ["service"]) == [
        ("Service", "service"),
        ("servce", "service"),
    ]
