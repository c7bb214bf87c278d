"""The examples hold: what they are made of fits its schema, runs, and names what there is."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from fleetctl.cli.main import cli
from fleetctl.compliance.policy_load import load_policy
from fleetctl.hosts import load as load_hosts
from fleetctl.patch.baseline_load import load_files
from fleetctl.spec.yaml import load_document

ROOT = Path(__file__).parents[2]
NIGHT = ROOT / "examples" / "patch-night"
KINDS = {
    "settings": [NIGHT / "fleetctl.yaml"],
    "inventory": sorted((NIGHT / "inventories").iterdir()),
    "baseline": sorted((NIGHT / "baselines").iterdir()),
    "policy": sorted((NIGHT / "policies").iterdir()),
}
PIPELINES = sorted((NIGHT / "ci").iterdir())


@pytest.mark.parametrize(
    ("kind", "path"), [pytest.param(k, path, id=path.name) for k, paths in KINDS.items() for path in paths]
)
def test_every_file_of_the_patch_night_fits_its_schema(
    kind: str, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cli.main(["schema", kind], standalone_mode=False)
    schema = json.loads(capfd.readouterr().out)
    jsonschema.Draft202012Validator(schema).validate(load_document(path).data)


@pytest.mark.parametrize("path", KINDS["policy"], ids=lambda path: path.name)
def test_every_policy_of_the_patch_night_loads(path: Path) -> None:
    assert load_policy(path, root=NIGHT).checks


def test_the_patch_groups_of_baselines_and_hosts_are_the_same() -> None:
    asked = {group for item in load_files(KINDS["baseline"]) for group in item.patch_groups}
    known = {host.patch_group for host in load_hosts(KINDS["inventory"]).hosts.values()}
    assert asked == known - {None}


def lines(found: Any) -> list[str]:
    """Return the shell lines of a pipeline, wherever they stand."""
    if isinstance(found, dict):
        own = [value for key, value in found.items() if key in {"run", "script", "after_script"}]
        texts = [text for value in own for text in ([value] if isinstance(value, str) else value)]
        return texts + [line for value in found.values() for line in lines(value)]
    return [line for value in found for line in lines(value)] if isinstance(found, list) else []


def commands(text: str) -> list[str]:
    """Return the commands of fleetctl in a shell text, without what follows a pipe or an `or`."""
    joined = text.replace("\\\n", " ")
    return [
        re.split(r"\|\||&&|[|>]", line.strip())[0]
        for line in joined.splitlines()
        if line.strip().startswith("fleetctl ")
    ]


def check(line: str) -> None:
    """Fail unless a line is a command that exists, with flags that it takes."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    context = cli.make_context("fleetctl", [], resilient_parsing=True)
    while isinstance(command, click.Group):
        name = words.pop(0)
        below = command.get_command(context, name)
        assert below, f"{line}: there is no command {name}"
        command = below
        context = command.make_context(
            name, list(words), parent=context, resilient_parsing=isinstance(command, click.Group)
        )


VERBS = {("patch", "scan"), ("patch", "plan"), ("patch", "install"), ("compliance", "report")}


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.name)
def test_every_command_of_a_pipeline_exists(path: Path) -> None:
    told = [line for text in lines(yaml.safe_load(path.read_text())) for line in commands(text)]
    assert {tuple(shlex.split(line)[1:3]) for line in told} >= VERBS
    for line in told:
        check(line)


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "docs").rglob("*.md")), NIGHT / "README.md"], ids=lambda path: path.stem
)
def test_every_command_that_is_shown_with_a_prompt_exists(path: Path) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)
    typed = [
        line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")
    ]
    for line in typed:
        for told in commands(line):
            check(told)


def test_the_way_from_zero_leads_through_every_verb_of_patching() -> None:
    text = (ROOT / "docs" / "how-to" / "from-zero-to-a-compliant-fleet.md").read_text()
    typed = {tuple(line.split()[2:4]) for line in text.splitlines() if line.startswith("$ fleetctl ")}
    assert typed >= {
        *VERBS,
        ("hosts", "trust"),
        ("doctor", "all"),
        ("inventory", "collect"),
        ("compliance", "check"),
    }


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="there is no shellcheck")
def test_the_script_is_clean_posix_shell() -> None:
    subprocess.run(["shellcheck", "--shell=sh", NIGHT / "patch-night.sh"], check=True)


def test_the_script_documents_every_setting_that_it_reads() -> None:
    text = (NIGHT / "patch-night.sh").read_text()
    read = set(re.findall(r"\$\{([A-Z_]+):-", text))
    assert read == set(re.findall(r"^#   ([A-Z_]+) ", text, re.MULTILINE))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd")
def test_the_timer_names_a_second_tuesday() -> None:
    timer = (NIGHT / "systemd" / "patch-night.timer").read_text()
    when = re.search(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    assert when
    argv = ["systemd-analyze", "calendar", "--base-time=2026-11-01", "--iterations=2", when[1]]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"Tue 2026-\d\d-\d\d 02:00", told) == ["Tue 2026-11-10 02:00", "Tue 2026-12-08 02:00"]


def test_the_cron_lines_and_the_unit_start_the_script_where_it_is() -> None:
    cron = [
        line for line in (NIGHT / "patch-night.cron").read_text().splitlines() if re.match(r"[0-9]", line)
    ]
    assert len(cron) == 2
    assert all(len(line.split(None, 6)) == 7 and "cd /srv/fleet && " in line for line in cron)
    assert not re.search(r"(?<!\\)%", "".join(cron)), "cron takes a bare percent sign for a new line"
    unit = (NIGHT / "systemd" / "patch-night.service").read_text()
    assert "ExecStart=/srv/fleet/patch-night.sh" in unit
    assert "./patch-night.sh" in cron[1]


def test_the_papers_of_the_patch_night_name_every_file_and_lead_somewhere() -> None:
    text = (NIGHT / "README.md").read_text()
    top = {path.name for path in NIGHT.iterdir()} - {"README.md"}
    assert [name for name in sorted(top) if f"`{name}" not in text] == []
    targets = re.findall(r"\]\(([^)#\s]+)", text)
    assert targets
    assert [target for target in targets if not (NIGHT / target).exists()] == []
