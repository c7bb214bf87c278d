import hashlib
import json

import pytest

from fleetctl.document.load import load_file, load_text
from fleetctl.errors import DocumentError, NotFoundError

MINIMAL = {
    "schemaVersion": "2.2",
    "mainSteps": [{"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": ["true"]}}],
}


def load(data):
    return load_text(json.dumps(data).encode(), source="d.json", name="d")


def step(**more):
    return {**MINIMAL, "mainSteps": [{**MINIMAL["mainSteps"][0], **more}]}


def test_json_and_yaml_say_the_same():
    yaml = b"""
schemaVersion: 2.2
mainSteps:
- action: aws:runShellScript
  name: a
  inputs: {runCommand: ['true']}
"""
    assert load_text(yaml, source="d.yaml", name="d").steps == load(MINIMAL).steps


def test_the_hash_is_that_of_the_bytes():
    data = json.dumps(MINIMAL).encode()
    assert load(MINIMAL).digest == hashlib.sha256(data).hexdigest()


def test_a_step_has_the_default_timeout_of_ssm():
    assert load(MINIMAL).steps[0].timeout == 3600


@pytest.mark.parametrize("seconds", [5, "5", 172800, "172800"])
def test_timeouts_at_the_ends_of_the_range_are_taken(seconds):
    document = load(step(inputs={"runCommand": ["true"], "timeoutSeconds": seconds}))
    assert document.steps[0].timeout == int(seconds)


@pytest.mark.parametrize("seconds", [4, 0, -1, 172801, "4", "1e3", "", 5.5, True, ["60"]])
def test_timeouts_out_of_range_are_refused_not_clamped(seconds):
    with pytest.raises(DocumentError, match="timeoutSeconds"):
        load(step(inputs={"runCommand": ["true"], "timeoutSeconds": seconds}))


@pytest.mark.parametrize("place", ["inside", "beside"])
def test_flow_control_is_read_inside_inputs_and_beside_them(place):
    flow = {"onFailure": "successAndExit", "onSuccess": "exit", "finallyStep": True, "timeoutSeconds": 7}
    inputs = {"runCommand": ["true"]}
    document = load(step(inputs=inputs | flow) if place == "inside" else step(inputs=inputs, **flow))
    found = document.steps[0]
    assert (found.on_failure, found.on_success, found.finally_step, found.timeout) == (
        "successAndExit",
        "exit",
        True,
        7,
    )


def test_a_document_of_64_kb_loads_and_one_byte_more_does_not():
    data = json.dumps(MINIMAL).encode()
    full = data + b" " * (65536 - len(data))
    assert load_text(full, source="d", name="d").size == 65536
    with pytest.raises(DocumentError, match="65536"):
        load_text(full + b" ", source="d", name="d")


def test_a_byte_order_mark_is_no_trouble():
    assert load_text(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode(), source="d", name="d").steps


def test_bytes_that_are_not_utf8_are_told_with_their_line():
    with pytest.raises(DocumentError) as caught:
        load_text(b"schemaVersion: '2.2'\ndescription: \xff\n", source="d.yaml", name="d")
    assert str(caught.value.where) == "d.yaml:2"


def test_a_script_with_a_nul_byte_is_refused():
    with pytest.raises(DocumentError, match="NUL"):
        load(step(inputs={"runCommand": ["a\0b"]}))


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFoundError):
        load_file(tmp_path / "nothing.yaml")


def test_two_properties_of_schema_1_2_are_two_steps_in_order():
    properties = [{"id": "x", "runCommand": ["one"]}, {"runCommand": ["two"]}]
    document = load(
        {"schemaVersion": "1.2", "runtimeConfig": {"aws:runShellScript": {"properties": properties}}}
    )
    assert [step.name for step in document.steps] == ["x", "1.aws:runShellScript"]


def test_a_name_in_braces_that_looks_like_a_parameter_is_warned_about():
    data = {**step(inputs={"runCommand": ["echo {{ servce }} {{ unrelated }}"]})}
    data["parameters"] = {"service": {"type": "String", "allowedPattern": "[a-z]+"}}
    texts = [problem.message for problem in load(data).warnings]
    assert any("{{ servce }}" in text for text in texts)
    assert not any("unrelated" in text for text in texts)


def test_a_free_string_in_a_script_is_warned_about_and_a_restricted_one_is_not():
    def warnings(**more):
        data = step(inputs={"runCommand": ["echo {{ x }}"]})
        data["parameters"] = {"x": {"type": "String", **more}}
        return load(data).warnings

    assert len(warnings()) == 1
    assert warnings(allowedPattern="[a-z]*") == ()
    assert warnings(allowedValues=["a"]) == ()
    assert warnings(interpolationType="ENV_VAR") == ()
