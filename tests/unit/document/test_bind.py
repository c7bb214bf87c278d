import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.document.bind import bind, load_and_bind
from fleetctl.document.load import load_text
from fleetctl.errors import DocumentError, ParameterError


def document(run_command, parameters=None, **inputs):
    data = {
        "schemaVersion": "2.2",
        "parameters": parameters or {},
        "mainSteps": [
            {"action": "aws:runShellScript", "name": "a", "inputs": {"runCommand": run_command, **inputs}}
        ],
    }
    return load_text(json.dumps(data).encode(), source="d.json", name="d")


LIST = {"commands": {"type": "StringList"}}


def test_lines_become_one_script():
    assert bind(document(["echo a", "echo b"]), {}).steps[0].script == "echo a\necho b\n"


@pytest.mark.parametrize("run_command", ["{{ commands }}", ["{{ commands }}"], ["{{commands}}"]])
def test_a_list_stands_in_for_the_lines_or_for_one_of_them(run_command):
    bound = bind(document(run_command, LIST), {"commands": ["one", "two"]})
    assert bound.steps[0].script == "one\ntwo\n"


def test_a_list_within_a_line_is_json():
    bound = bind(document(["echo '{{ commands }}'"], LIST), {"commands": ["one", "two"]})
    assert bound.steps[0].script == """echo '["one","two"]'\n"""


def test_braces_in_commands_are_not_read_as_parameters():
    commands = ["docker ps --format '{{.Names}}'", "echo {{ commands }}"]
    bound = bind(document("{{ commands }}", LIST), {"commands": commands})
    assert bound.steps[0].script == "\n".join(commands) + "\n"


def test_working_directory_and_timeout_take_parameters():
    parameters = {"dir": {"type": "String"}, "t": {"type": "String"}}
    step = bind(
        document(["true"], parameters, workingDirectory="/srv/{{ dir }}", timeoutSeconds="{{ t }}"),
        {"dir": "a b", "t": "60"},
    ).steps[0]
    assert (step.working_directory, step.timeout) == ("/srv/a b", 60)


def test_an_integer_may_be_the_timeout():
    bound = bind(document(["true"], {"t": {"type": "Integer", "default": 90}}, timeoutSeconds="{{ t }}"), {})
    assert bound.steps[0].timeout == 90


@pytest.mark.parametrize("value", ["4", "172801", "soon", "", "٦٠", "-60"])
def test_a_timeout_given_out_of_range_is_refused_and_the_parameter_named(value):
    with pytest.raises(ParameterError, match="'t' is the timeout of step 'a'"):
        bind(document(["true"], {"t": {"type": "String"}}, timeoutSeconds="{{ t }}"), {"t": value})


@pytest.mark.parametrize(
    ("script", "interpreter"),
    [
        ("echo", ("sh",)),
        ("#!/bin/bash\necho", ("/bin/bash",)),
        ("#!/usr/bin/env python3\nprint()", ("python3",)),
    ],
)
def test_the_first_line_chooses_the_interpreter(script, interpreter):
    assert bind(document([script]), {}).steps[0].interpreter == interpreter


def test_an_interpreter_that_cannot_be_is_refused_before_any_host_is_touched():
    with pytest.raises(DocumentError, match="step 'a'"):
        bind(document(["#!/bin/bash -c true", "echo"]), {})


def test_document_and_parameters_together_are_limited_as_in_ssm():
    small = document("{{ commands }}", LIST)
    bind(small, {"commands": ["x" * (65000 - small.size)]})
    with pytest.raises(ParameterError, match="65536"):
        bind(small, {"commands": ["x" * 65536]})


def test_a_precondition_on_parameters_is_decided_once():
    data = {
        "schemaVersion": "2.2",
        "parameters": {"mode": {"type": "String"}},
        "mainSteps": [
            {
                "action": "aws:runShellScript",
                "name": "a",
                "precondition": {"StringEquals": ["{{ mode }}", "full"]},
                "inputs": {"runCommand": ["true"]},
            }
        ],
    }
    loaded = load_text(json.dumps(data).encode(), source="d", name="d")
    assert bind(loaded, {"mode": "full"}).steps[0].unmet == ""
    assert "does not hold" in bind(loaded, {"mode": "Full"}).steps[0].unmet


ENV = {"m": {"type": "String", "interpolationType": "ENV_VAR"}}


def test_an_env_var_parameter_reaches_the_script_by_name_only():
    bound = bind(document(['echo "{{ m }}"'], ENV), {"m": "$(reboot)"})
    assert bound.steps[0].script == 'echo "${SSM_m}"\n'
    assert bound.env == {"SSM_m": "$(reboot)"}


def test_other_parameters_are_not_put_into_the_environment():
    assert bind(document("{{ commands }}", LIST), {"commands": ["x"]}).env == {}


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_an_env_var_parameter_is_never_code_whatever_it_holds(value):
    bound = bind(document(['printf %s "{{ m }}"'], ENV), {"m": value})
    ran = subprocess.run(
        ["sh", "-c", bound.steps[0].script], env=dict(bound.env), capture_output=True, check=True
    )
    assert ran.stdout == value.encode()


def test_values_do_not_show_in_repr():
    bound = bind(document(["echo {{ s }}"], {"s": {"type": "String"}}), {"s": "hunter2"})
    assert "hunter2" not in repr(bound)


def test_the_built_in_runs_the_commands_it_is_given():
    bound = load_and_bind("AWS-RunShellScript", ["commands=date", "commands=uptime", "executionTimeout=60"])
    step = bound.steps[0]
    assert (step.script, step.timeout, step.working_directory) == ("date\nuptime\n", 60, None)


@pytest.mark.parametrize("seconds", ["5", "9", "10", "99999", "100000", "172799", "172800"])
def test_the_built_in_takes_every_timeout_that_ssm_takes(seconds):
    bound = load_and_bind("AWS-RunShellScript", ["commands=date", f"executionTimeout={seconds}"])
    assert bound.timeout == int(seconds)


@pytest.mark.parametrize("seconds", ["4", "0", "172801", "99999999", "60s", ""])
def test_the_built_in_refuses_other_timeouts(seconds):
    with pytest.raises(ParameterError, match="executionTimeout"):
        load_and_bind("AWS-RunShellScript", ["commands=date", f"executionTimeout={seconds}"])
