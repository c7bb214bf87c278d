"""Where the project is, and where its state lies."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fleetctl.errors import NotFoundError, ProblemsError, StateFolderError
from fleetctl.store.project import Project, find_project, open_project
from fleetctl.store.settings import Settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLEETCTL_PROJECT", "FLEETCTL_STATE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "fleetctl.yaml").write_text("")
    return tmp_path / "a"


def test_a_project_is_found_upward_as_git_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_project(root / "b" / "c") == root
    assert find_project(root.parent) is None
    monkeypatch.chdir(root / "b" / "c")
    project = open_project()
    assert project.root == root
    assert project.state == root / ".fleetctl"
    assert project.folder("documents") == root / "documents"


def test_a_named_project_is_the_folder_or_its_file(root: Path) -> None:
    assert open_project(root).root == open_project(root / "fleetctl.yaml").root == root
    with pytest.raises(NotFoundError, match=r"no fleetctl\.yaml"):
        open_project(root / "b")


def test_flags_beat_environment_beat_place(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEETCTL_PROJECT", str(root))
    monkeypatch.setenv("FLEETCTL_STATE", str(tmp_path / "env"))
    assert open_project().root == root
    assert open_project().state == tmp_path / "env"
    assert open_project(state=tmp_path / "flag").state == tmp_path / "flag"


def test_without_a_project_state_goes_to_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    project = open_project()
    assert project.root is None
    assert project.state == tmp_path / "data" / "fleetctl"
    assert project.inventories() == []
    assert project.folder("documents") is None


def test_inventories_are_the_folder_unless_settings_say_otherwise(root: Path) -> None:
    assert open_project(root).inventories() == []
    (root / "inventories").mkdir()
    assert open_project(root).inventories() == [root / "inventories"]
    (root / "fleetctl.yaml").write_text("inventory: [hosts.yaml, /etc/hosts.ini]\n")
    assert open_project(root).inventories() == [root / "hosts.yaml", Path("/etc/hosts.ini")]


def test_the_state_folder_is_private_and_ignored_by_git(root: Path) -> None:
    project = open_project(root)
    folder = project.state_folder("runs")
    assert folder == root / ".fleetctl" / "runs"
    assert stat.S_IMODE(project.state.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (project.state / ".gitignore").read_text() == "*\n"
    assert project.state_folder("runs") == folder


@pytest.mark.parametrize("state", ["file", "file/below", "/proc/nothing"])
def test_a_state_folder_that_cannot_be_made_is_an_error_with_a_way_out(tmp_path: Path, state: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderError, match="cannot be written") as caught:
        Project(root=None, state=tmp_path / state).state_folder("runs")
    assert "--state" in (caught.value.hint or "")


def test_wrong_settings_are_told_all_at_once(root: Path) -> None:
    (root / "fleetctl.yaml").write_text("run: {max_errors: 1000%, timeout: soon}\nsssh: {}\n")
    with pytest.raises(ProblemsError) as caught:
        open_project(root)
    assert len(caught.value.problems) == 3
    assert all(problem.where for problem in caught.value.problems)


def test_the_current_folder_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(NotFoundError, match="current folder is gone"):
        open_project()
    monkeypatch.chdir(tmp_path)


def test_nothing_said_means_the_defaults(root: Path) -> None:
    assert open_project(root).settings == Settings()
