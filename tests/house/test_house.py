"""The house keeps its own rules: floors, sizes, exports, plugins."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "fleetctl"
FILES = sorted(SOURCE.rglob("*.py"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
# Longer than 400 lines, each with its reason; none may be longer than 600.
LONG_FILES: dict[str, str] = {}
# Longer than 60 lines of code, each with its reason.
LONG_FUNCTIONS: dict[str, str] = {
    "document/schema.py:models": "pydantic models that are made only when a document is read",
}


def name_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def module_of(path: Path) -> str:
    return ".".join(("fleetctl", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


def test_the_floors_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_room_is_on_a_floor() -> None:
    (contract,) = PYPROJECT["tool"]["importlinter"]["contracts"]
    named = {name.strip() for layer in contract["layers"] for name in layer.split("|")}
    rooms = {f"fleetctl.{path.name}" for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    rooms |= {f"fleetctl.{path.stem}" for path in SOURCE.glob("*.py") if not path.stem.startswith("__")}
    assert rooms == named


def test_files_are_short() -> None:
    sizes = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name for name, lines in sizes.items() if lines > 600} == set()
    assert {name for name, lines in sizes.items() if lines > 400} == set(LONG_FILES)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            yield f"{name_of(path)}:{node.name}", lines


def test_functions_fit_a_screen() -> None:
    assert {name for path in FILES for name, lines in functions(path) if lines > 60} == set(LONG_FUNCTIONS)


def test_names_say_what_is_inside() -> None:
    vague = {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "base",
        "misc",
        "manager",
        "handler",
        "processor",
    }
    assert not [name_of(path) for path in FILES if path.stem in vague or path.parent.name in vague]


def public(module: ModuleType) -> set[str]:
    """Functions and classes that a module defines itself and does not mark as its own business."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    }


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "__main__"], ids=name_of)
def test_all_tells_the_truth(path: Path) -> None:
    module = import_module(module_of(path))
    told = getattr(module, "__all__", None)
    if told is None:
        assert not public(module)
        return
    assert len(told) == len(set(told))
    assert [name for name in told if not hasattr(module, name)] == []
    assert public(module) - set(told) == set()
    for node in ast.parse(path.read_text()).body:  # nobody takes what another module does not offer
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fleetctl"):
            offered = getattr(import_module(node.module), "__all__", None)
            for alias in node.names:
                known = offered is None or alias.name in offered or alias.name.startswith("__")
                assert known or inspect.ismodule(getattr(import_module(node.module), alias.name)), (
                    f"{node.module} does not offer {alias.name}"
                )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())) or path.stem == "__main__"


GROUPS = {
    name: points
    for name, points in PYPROJECT["project"]["entry-points"].items()
    if name.startswith("fleetctl.")
}


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, points in GROUPS.items() for name in points]
)
def test_every_plugin_that_is_promised_loads(group: str, name: str) -> None:
    (point,) = entry_points(group=group, name=name)
    assert point.value == GROUPS[group][name]
    assert callable(point.load())


def test_the_package_says_that_it_is_typed() -> None:
    assert (SOURCE / "py.typed").exists()
