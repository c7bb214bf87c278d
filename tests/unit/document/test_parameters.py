import json
import re

import pytest

from fleetctl.document.given import read_given
from fleetctl.document.model import Parameter
from fleetctl.document.parameters import bind_values, complaints, convert
from fleetctl.errors import ParameterError


def parameter(type_="String", **more):
    return Parameter(name="p", type=type_, **more)


@pytest.mark.parametrize(
    ("type_", "given", "value"),
    [
        ("String", "x", "x"),
        ("String", ["x"], "x"),
        ("StringList", "x", ["x"]),
        ("StringList", '["a", "b"]', ["a", "b"]),
        ("StringList", ["a", "b"], ["a", "b"]),
        ("StringList", "[ -f /etc/x ] && echo yes", ["[ -f /etc/x ] && echo yes"]),
        ("Integer", "12", 12),
        ("Integer", ["-3"], -3),
        ("Integer", 7, 7),
        ("Boolean", "TRUE", True),
        ("Boolean", "false", False),
        ("Boolean", True, True),
        ("StringMap", '{"a": "b"}', {"a": "b"}),
        ("StringMap", {"a": "b"}, {"a": "b"}),
        ("MapList", '[{"a": 1}]', [{"a": 1}]),
        ("MapList", ['{"a": 1}', '{"b": 2}'], [{"a": 1}, {"b": 2}]),
    ],
)
def test_values_become_what_the_type_says(type_, given, value):
    assert convert(parameter(type_), given) == value


@pytest.mark.parametrize(
    ("type_", "given"),
    [
        ("String", 5),
        ("String", ["a", "b"]),
        ("String", "a\0b"),
        ("StringList", [1]),
        ("StringList", "[1]"),
        ("StringList", {"a": 1}),
        ("StringList", ["a\0"]),
        ("Integer", "x"),
        ("Integer", True),
        ("Integer", 1.5),
        ("Boolean", "yes"),
        ("Boolean", 1),
        ("StringMap", "x"),
        ("StringMap", "[]"),
        ("MapList", "x"),
        ("MapList", [1]),
    ],
)
def test_values_of_another_type_are_refused(type_, given):
    assert complaints(parameter(type_), given)


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        ({"min_chars": 2}, "ab", "a"),
        ({"max_chars": 2}, "ab", "abc"),
        ({"allowed_values": ("a", "b")}, "b", "c"),
        ({"allowed_pattern": re.compile("[a-z]+")}, "abc", "abc; reboot"),
        ({"allowed_pattern": re.compile("^[a-z]+$")}, "abc", "abc\n"),
        ({"allowed_pattern": re.compile("a|ab")}, "ab", "abc"),
    ],
)
def test_limits_of_strings_hold_for_strings_and_for_each_item_of_a_list(limits, good, bad):
    assert not complaints(parameter(**limits), good)
    assert complaints(parameter(**limits), bad)
    assert not complaints(parameter("StringList", **limits), [good, good])
    assert complaints(parameter("StringList", **limits), [good, bad])


def test_limits_of_items_hold_for_lists_and_maps():
    assert complaints(parameter("StringList", min_items=2), ["a"])
    assert complaints(parameter("StringList", max_items=1), ["a", "b"])
    assert complaints(parameter("StringMap", max_items=1), {"a": "1", "b": "2"})
    assert not complaints(parameter("StringList", min_items=1, max_items=1), ["a"])


def test_allowed_values_of_other_types_are_compared_by_what_they_say():
    assert not complaints(parameter("Integer", allowed_values=(1, 2)), "2")
    assert complaints(parameter("Integer", allowed_values=(1, 2)), "3")


def test_a_refusal_names_the_parameter_and_what_is_allowed():
    with pytest.raises(ParameterError, match=r"'mode'.*'slow'.*fast, careful"):
        bind_values(
            {"mode": Parameter(name="mode", allowed_values=("fast", "careful"))},
            {"mode": "slow"},
            document="d",
        )


def test_everything_wrong_is_told_at_once():
    parameters = {"a": Parameter(name="a"), "service": Parameter(name="service")}
    with pytest.raises(ParameterError) as caught:
        bind_values(parameters, {"servce": "x"}, document="d")
    text = str(caught.value)
    assert "no parameter 'servce'" in text
    assert "'a' of d is required" in text
    assert "'service' of d is required" in text
    assert "did you mean 'service'?" in caught.value.problems[0].hint


def test_defaults_stand_in_for_what_is_not_given():
    parameters = {"a": Parameter(name="a", default="x"), "b": Parameter(name="b", default="y")}
    assert bind_values(parameters, {"b": "z"}, document="d") == {"a": "x", "b": "z"}


def test_an_empty_string_is_a_value():
    assert bind_values({"a": Parameter(name="a")}, {"a": ""}, document="d") == {"a": ""}


def test_a_reference_to_the_parameter_store_is_refused():
    with pytest.raises(ParameterError, match="ssm:token"):
        bind_values({"a": Parameter(name="a")}, {"a": "x{{ssm:token}}"}, document="d")


LIST = {"l": Parameter(name="l", type="StringList"), "s": Parameter(name="s")}


def test_a_list_is_given_item_by_item_and_values_may_hold_equal_signs():
    assert read_given(["l=a=1", "s=x", "l=b"], LIST) == {"l": ["a=1", "b"], "s": "x"}


def test_a_string_given_twice_is_refused():
    with pytest.raises(ParameterError, match="2 times"):
        read_given(["s=x", "s=y"], LIST)


@pytest.mark.parametrize("word", ["x", "=x", " =x", ""])
def test_a_word_that_is_no_parameter_is_refused(word):
    with pytest.raises(ParameterError):
        read_given([word], LIST)


def test_a_file_gives_values_and_the_command_line_beats_it(tmp_path):
    file = tmp_path / "p.json"
    file.write_text(json.dumps({"l": ["a"], "s": ["from file"]}))
    given = read_given([f"@{file}", "s=mine"], LIST)
    assert bind_values(LIST, given, document="d") == {"l": ["a"], "s": "mine"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "p.json:1:2"),
        (b'{"a": 1,\n "a": 2}', "'a' is there twice"),
        (b"[]", "one JSON object"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "not usable"),
    ],
)
def test_a_wrong_parameter_file_is_told(tmp_path, content, said):
    (tmp_path / "p.json").write_bytes(content)
    with pytest.raises(ParameterError, match=re.escape(said)):
        read_given([f"@{tmp_path / 'p.json'}"], LIST)


def test_a_parameter_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ParameterError, match="No such file"):
        read_given([f"@{tmp_path / 'none.json'}"], LIST)
