"""`fleetctl init`, as a user types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_new_project_works_at_once(program: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    made = program("init", str(folder))
    assert made.code == 0
    assert f"made  {folder}/fleetctl.yaml" in made.stdout
    listed = program("--project", str(folder), "hosts", "list", "--format", "json")
    assert [host["name"] for host in listed.json] == ["this-machine"]
    ran = program("--project", str(folder), "run", "all", "--", "echo", "it works")
    assert (ran.code, ran.stdout) == (0, "this-machine: it works\n")


def test_its_document_runs(program: Callable[..., Any], tmp_path: Path) -> None:
    program("init", str(tmp_path / "fleet"))
    done = program(
        "--project", str(tmp_path / "fleet"), "run", "all", "--document", "hello", "-p", "name=fleet"
    )
    assert done.code == 0
    assert "hello, fleet, from" in done.stdout


def test_what_is_there_stays_and_is_named(program: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet" / "README.md").write_text("mine")
    done = program("init", str(tmp_path / "fleet"))
    assert done.code == 0
    assert f"kept  {tmp_path}/fleet/README.md" in done.stdout
    assert (tmp_path / "fleet" / "README.md").read_text() == "mine"


def test_a_file_in_the_way_is_one_clear_error(program: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "fleet").write_text("a file")
    done = program("init", str(tmp_path / "fleet"))
    assert done.code == 2
    assert f"{tmp_path}/fleet is in the way" in done.stderr
    assert "Traceback" not in done.stderr
