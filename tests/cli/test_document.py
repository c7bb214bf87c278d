"""`fleetctl document`, as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fleetctl(tmp_path):
    (tmp_path / "fleetctl.yaml").write_text("{}\n")
    (tmp_path / "documents").mkdir()
    for path in (ROOT / "examples/documents").iterdir():
        (tmp_path / "documents" / path.name).write_bytes(path.read_bytes())

    def run(*args):
        env = {name: value for name, value in os.environ.items() if not name.startswith("FLEETCTL_")}
        return subprocess.run(
            [sys.executable, "-m", "fleetctl", *args],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_list_names_the_project_s_documents_and_the_built_ins(fleetctl):
    rows = json.loads(fleetctl("document", "list", "--format", "json").stdout)
    owners = {row["Name"]: row["Owner"] for row in rows}
    assert owners["restart-service"] == "project"
    assert owners["AWS-RunShellScript"] == "built-in"


def test_list_shows_a_document_that_does_not_load_and_why(fleetctl, tmp_path):
    (tmp_path / "documents/bad.yaml").write_text("schemaVersion: '0.3'\n")
    done = fleetctl("document", "list")
    assert done.returncode == 0
    assert "does not load: this is an Automation runbook" in done.stdout


def test_show_prints_the_text_as_it_is(fleetctl):
    done = fleetctl("document", "show", "restart-service")
    assert done.stdout == (ROOT / "examples/documents/restart-service.yaml").read_text()


def test_describe_shows_parameters_and_steps(fleetctl):
    done = fleetctl("document", "describe", "restart-service")
    assert "settleSeconds" in done.stdout
    assert "only on Linux; on failure exit" in done.stdout
    facts = json.loads(fleetctl("document", "describe", "restart-service", "--format", "json").stdout)
    assert [item["Name"] for item in facts["Parameters"]] == ["service", "settleSeconds"]


def test_check_is_content_with_good_documents(fleetctl, tmp_path):
    files = [f"documents/{path.name}" for path in (tmp_path / "documents").iterdir()]
    done = fleetctl("document", "check", *files)
    assert (done.returncode, done.stdout) == (0, "")
    assert "warning" not in done.stderr


def test_check_tells_all_problems_of_all_files_with_their_places(fleetctl, tmp_path):
    (tmp_path / "a.yaml").write_text("schemaVersion: '0.3'\n")
    (tmp_path / "b.yaml").write_text("schemaVersion: '2.2'\nmainStep: []\n")
    done = fleetctl("document", "check", "./a.yaml", "./b.yaml", "./none.yaml")
    assert done.returncode == 2
    assert "a.yaml:1:16: this is an Automation runbook" in done.stderr
    assert "b.yaml:2:1: unknown key 'mainStep'" in done.stderr
    assert "did you mean 'mainSteps'" in done.stderr
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_warns_of_what_is_probably_not_meant(fleetctl, tmp_path):
    (tmp_path / "w.yaml").write_text(
        "schemaVersion: '2.2'\nparameters: {unused: {type: String}}\n"
        "mainSteps: [{action: aws:runShellScript, name: a, inputs: {runCommand: ['true']}}]\n"
    )
    done = fleetctl("document", "check", "./w.yaml")
    assert done.returncode == 0
    assert "w.yaml:2:22: parameter 'unused' is not used" in done.stderr


@pytest.mark.parametrize("verb", ["show", "describe"])
def test_an_unknown_document_is_told_with_what_was_near(fleetctl, verb):
    done = fleetctl("document", verb, "restart-servce")
    assert done.returncode == 2
    assert "error[not-found]: there is no document 'restart-servce'" in done.stderr
    assert "did you mean 'restart-service'" in done.stderr
