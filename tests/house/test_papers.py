"""What is written down is true: references, schemas, examples, the changelog, and no traces of a machine."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fleetctl import __version__, errors
from fleetctl.cli.main import cli
from fleetctl.cli.schema import SCHEMAS
from fleetctl.document.load import load_file
from fleetctl.errors import FleetError
from fleetctl.hosts import load as load_hosts
from fleetctl.model import Reason, Status
from fleetctl.patch.baseline_load import load_files
from fleetctl.spec.plugins import names
from fleetctl.store.settings import load_settings

ROOT = Path(__file__).parents[2]
REFERENCE = "\n".join(path.read_text() for path in sorted((ROOT / "docs" / "reference").glob("*.md")))
CODES = sorted(
    {kind.code for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FleetError)}
)


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        return [
            path
            for top in ("src", "tests", "docs", "examples")
            for path in (ROOT / top).rglob("*")
            if path.is_file()
        ]
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    "code", [*CODES, *(reason.value for reason in Reason), *(s.value for s in Status if s.ended)]
)
def test_every_error_code_reason_and_status_is_documented(code: str) -> None:
    assert f"`{code}`" in REFERENCE


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 7, 130])
def test_every_exit_code_is_documented(code: int) -> None:
    assert re.search(rf"^\| {code} \|", (ROOT / "docs/reference/exit-codes.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", names("fleetctl.reports"))
def test_every_format_is_documented(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "docs/reference/formats.md").read_text()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    cli.main(["schema", name], standalone_mode=False)
    schema = json.loads(capfd.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]


def schema_of(name: str, capfd: pytest.CaptureFixture[str]) -> Any:
    cli.main(["schema", name], standalone_mode=False)
    return json.loads(capfd.readouterr().out)


def examples(*parts: str) -> list[Path]:
    tops = (ROOT, ROOT / "examples")
    found = {path for top in tops for part in parts for path in top.glob(part)}
    return sorted(path for path in found if path.suffix in {".yaml", ".yml", ".json", ".ini"})


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", examples("documents/*", "**/documents/*"), ids=short)
def test_every_example_document_loads_and_fits_the_schema(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if "tests" in path.parts or "src" in path.parts or ".venv" in path.parts:
        return
    load_file(path)
    jsonschema.Draft202012Validator(schema_of("document", capfd)).validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize("path", examples("inventories/*", "*/inventories/*"), ids=short)
def test_every_example_inventory_loads(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_hosts([path])
    if path.suffix != ".ini":
        jsonschema.Draft202012Validator(schema_of("inventory", capfd)).validate(
            yaml.safe_load(path.read_text())
        )


@pytest.mark.parametrize("path", examples("baselines/*", "*/baselines/*"), ids=short)
def test_every_example_baseline_loads_and_fits_the_schema(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert all(not item.warnings for item in load_files([path]))
    if text := yaml.safe_load(path.read_text()):
        jsonschema.Draft202012Validator(schema_of("baseline", capfd)).validate(text)


def test_every_example_project_s_settings_load() -> None:
    for path in [*ROOT.glob("fleetctl.yaml"), *(ROOT / "examples").rglob("fleetctl.yaml")]:
        load_settings(path)


def blocks() -> Iterator[tuple[str, str, str]]:
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        for number, (kind, text) in enumerate(
            re.findall(r"^```(yaml|json)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
        ):
            yield f"{path.name}-{number}", kind, text


@pytest.mark.parametrize(
    ("kind", "text"), [pytest.param(kind, text, id=name) for name, kind, text in blocks()]
)
def test_every_block_of_data_in_the_docs_can_be_read(kind: str, text: str) -> None:
    assert json.loads(text) if kind == "json" else yaml.safe_load(text)


def test_links_between_papers_lead_somewhere() -> None:
    papers = [
        path for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md") if (path := ROOT / name).exists()
    ]
    broken = [
        f"{short(path)}: {target}"
        for path in [*papers, *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## .*({re.escape(__version__)}|[Uu]nreleased)", text, re.MULTILINE)


def test_no_tracked_file_holds_traces_of_a_machine() -> None:
    # Written apart, so that this file is not its own first find.
    traces = re.compile(
        "|".join(
            (r"(?<![\w.])/wor" + r"k/\w", r"index-" + r"url\s*=", r"/ro" + r"ot/\.\w", r"artifac" + r"tory")
        )
    )
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data[:8000]:
            continue
        for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
            if traces.search(line):
                found.append(f"{short(path)}:{number}: {line.strip()[:120]}")
    assert found == []


def test_nothing_is_left_to_be_done_in_code() -> None:
    unfinished = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplemented" + r"Error)\b")
    found = [
        f"{short(path)}:{number}"
        for path in (ROOT / "src").rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if unfinished.search(line)
    ]
    assert found == []
