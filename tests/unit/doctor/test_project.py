"""The project, its state folder and its inventory, whole and broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.doctor.model import State
from fleetctl.doctor.project import examine_inventory, examine_project
from fleetctl.fleet import Fleet
from fleetctl.store.create import create_project
from fleetctl.store.project import Project, open_project


def test_a_new_project_is_healthy(tmp_path: Path) -> None:
    create_project(tmp_path)
    found = list(examine_project(open_project(tmp_path)))
    assert {one.check for one in found} == {"project", "state-folder"}
    assert not [one for one in found if one.state is State.FAIL]
    inventory, (told,) = examine_inventory(lambda: Fleet.open(tmp_path).inventory)
    assert inventory is not None
    assert (told.state, told.message) == (State.OK, "1 host")


def test_looking_leaves_nothing_in_the_state_folder(tmp_path: Path) -> None:
    list(examine_project(Project(root=None, state=tmp_path / "state")))
    assert not list((tmp_path / "state" / "runs").iterdir())


def test_a_state_folder_that_cannot_be_made_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    found = {one.check: one for one in examine_project(Project(root=None, state=tmp_path / "state"))}
    assert found["state-folder"].state is State.FAIL
    assert "--state" in found["state-folder"].remedy


def test_a_state_folder_that_others_can_read_comes_with_the_command_that_mends_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    found = list(examine_project(Project(root=None, state=state)))
    assert [one.remedy for one in found if one.state is State.WARN and one.remedy.startswith("chmod")] == [
        f"chmod 700 {state}"
    ]


def test_every_problem_of_the_inventory_is_a_finding_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yaml"
    path.write_text("hosts:\n  web-1: {prot: 22}\n  web-2: {port: many}\n")
    inventory, found = examine_inventory(lambda: Fleet.open(inventory=[str(path)]).inventory)
    assert inventory is None
    assert [one.state for one in found] == [State.FAIL, State.FAIL]
    assert f"{path}:2:" in found[0].message
    assert "port" in found[0].remedy


def test_no_inventory_is_a_warning_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLEETCTL_PROJECT", raising=False)
    _, (found,) = examine_inventory(lambda: Fleet.open().inventory)
    assert found.state is State.WARN
    assert "fleetctl init" in found.remedy
