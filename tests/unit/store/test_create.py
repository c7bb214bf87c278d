"""The project that `fleetctl init` makes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from fleetctl.errors import UsageError
from fleetctl.store.create import create_project
from fleetctl.store.settings import Settings, load_settings, settings_schema


def test_it_makes_what_it_says(tmp_path: Path) -> None:
    created = create_project(tmp_path / "fleet")
    files = {str(path.relative_to(created.folder)) for path in created.folder.rglob("*") if path.is_file()}
    assert files == set(created.made)
    assert not created.kept


def test_nothing_that_exists_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    created = create_project(tmp_path)
    assert created.kept == ("README.md",)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert create_project(tmp_path).made == ()


def test_the_settings_hold_nothing_but_comments_and_load_as_the_defaults(tmp_path: Path) -> None:
    create_project(tmp_path)
    assert load_settings(tmp_path / "fleetctl.yaml") == Settings()


def test_every_setting_is_there_with_its_default(tmp_path: Path) -> None:
    create_project(tmp_path)
    text = (tmp_path / "fleetctl.yaml").read_text()
    uncommented = re.sub(r"^#(?! [A-Z])", "", text, flags=re.MULTILINE)
    path = tmp_path / "all.yaml"
    path.write_text(uncommented)
    assert load_settings(path) == Settings()
    written = yaml.safe_load(uncommented)
    schema = settings_schema()
    assert set(written) == set(schema["properties"])
    for name in ("run", "ssh"):
        part = schema["properties"][name]
        definition = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        assert set(written[name]) == set(definition["properties"])


def test_the_local_state_is_ignored_by_git(tmp_path: Path) -> None:
    create_project(tmp_path)
    assert "/.fleetctl/" in (tmp_path / ".gitignore").read_text().splitlines()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "inventories").write_text("in the way")
    with pytest.raises(UsageError, match="inventories"):
        create_project(tmp_path)


def test_a_folder_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").mkdir()
    with pytest.raises(UsageError, match=r"README\.md"):
        create_project(tmp_path)
