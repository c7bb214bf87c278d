"""Inventories from text."""

import pytest

from fleetctl.errors import ProblemsError
from fleetctl.hosts import load


@pytest.fixture
def inventory(tmp_path, monkeypatch):
    """Load text, or several files by name, in a folder of their own."""
    monkeypatch.chdir(tmp_path)

    def make(text="", **files):
        named = {f"{name}.yaml": content for name, content in files.items()} or {"inv.yaml": text}
        for name, content in named.items():
            (tmp_path / name).write_text(content)
        return load(list(named))

    return make


@pytest.fixture
def problems(inventory):
    """Load what is wrong, and return the problems as text."""

    def find(text="", **files):
        with pytest.raises(ProblemsError) as caught:
            inventory(text, **files)
        return [str(problem) for problem in caught.value.problems]

    return find
