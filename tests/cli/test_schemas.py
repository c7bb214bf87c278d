"""Everything that is printed as JSON fits the schema that is published for it: the real output of every verb."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import jsonschema
import junitparser
import pytest
from referencing import Registry, Resource

from fleetctl.cli.main import cli
from fleetctl.cli.schema import SCHEMAS

POLICY = """\
name: base
description: What every host must have
checks:
  - {id: fails, title: Fails, severity: high, refs: {cis: '1.1'}, why: because, remedy: Mend it, command: {run: "false"}}
  - {id: holds, title: Holds, severity: low, file: {path: /etc/passwd, owner: root}}
  - {id: unclear, title: Unclear, command: {run: no-such-program}}
  - {id: waived, title: Waived, command: {run: "false"}}
waivers:
  - {check: waived, hosts: web-1, owner: Ada, reason: later, expires: 2999-01-01}
  - {check: fails, hosts: web-1, owner: Ada, reason: later, expires: 2020-01-01}
"""
DOCUMENT = """\
schemaVersion: "2.2"
description: Hello
parameters: {who: {type: String, default: you, description: whom, allowedValues: [you, me]}}
mainSteps: [{action: aws:runShellScript, name: say, inputs: {runCommand: ["echo hello {{who}}"]}}]
"""
KEV = {
    "title": "x", "catalogVersion": "2026.11.20", "dateReleased": "2026-11-20T15:00:00.000Z", "count": 1,
    "vulnerabilities": [
        {"cveID": "CVE-2024-3094", "vendorProject": "x", "product": "xz", "vulnerabilityName": "xz", "dateAdded": "2024-04-01",
         "shortDescription": "x", "requiredAction": "x", "dueDate": "2024-05-01", "knownRansomwareCampaignUse": "Unknown"}
    ],
}  # fmt: skip

# What is printed -> its schema, and what makes the program print it; in this order, each seeing what those before it left.
VERBS: dict[str, tuple[str, tuple[str, ...]]] = {
    "run": ("run-report", ("web-1,dead", "--", "echo hello")),
    "runs list": ("run-list", ()),
    "runs show": ("run-report", ("last",)),
    "runs report": ("run-report", ("last",)),
    "runs verify": ("run-evidence", ("--all",)),
    "runs retry": ("run-report", ("last", "--unreachable", "--transport", "local")),
    "runs ship": ("shipment-list", ("last", "--to", "file:shipped")),
    "runs gc": ("leftover-list", ("web-1",)),
    "runs prune": ("pruning-list", ("--max-size", "1B", "--dry-run")),
    "copy push": ("run-report", ("web-1", "fleetctl.yaml", "{tmp}/pushed", "--yes")),
    "copy pull": ("run-report", ("web-1", "/etc/passwd", "pulled")),
    "hosts list": ("host-list", ("all",)),
    "hosts show": ("host", ("web-1",)),
    "hosts trust": ("host-key-list", ("dead",)),
    "doctor": ("doctor-report", ("web-1",)),
    "document list": ("document-list", ()),
    "document describe": ("document-description", ("hello",)),
    "inventory collect": ("run-report", ("web-[1-2]", "--process", "--file", "/etc/host*")),
    "inventory list": ("inventory-report", ()),
    "inventory show": ("inventory-report", ("web-1",)),
    "inventory query": ("inventory-report", ("Process exists",)),
    "inventory export": ("inventory-report", ("web-1",)),
    "inventory history": ("inventory-history", ("web-1",)),
    "inventory diff": ("inventory-diff", ("web-1", "web-2")),
    "inventory delete": ("inventory-deletion", ("web-2", "--dry-run")),
    "compliance policy list": ("policy-list", ()),
    "compliance policy show": ("policy-summary", ("base",)),
    "compliance check": ("compliance-report", ("web-[1-2],dead",)),
    "compliance report": ("compliance-report", ()),
    "compliance list": ("compliance-items", ()),
    "compliance show": ("compliance-items", ("web-1",)),
    "compliance summary": ("compliance-summary", ()),
    "patch scan": ("compliance-report", ("web-1,dead", "--detail")),
    "patch plan": ("patch-plan", ("web-1", "--package", "ca-certificates")),
    "patch install": ("compliance-report", ("web-1", "--package", "no-such-package", "--reboot", "never", "--yes")),
    "patch baseline list": ("baseline-list", ()),
    "patch baseline show": ("baseline-description", ("AWS-DebianDefaultPatchBaseline",)),
    "patch baseline explain": ("patch-explanation", ("web-1", "bash", "--yes")),
    "patch cve": ("cve-report", ("CVE-2024-3094",)),
    "patch cves": ("cves-report", ()),
    "feeds list": ("feed-list", ()),
    "feeds show": ("feed-list", ("kev",)),
    "audit list": ("audit-list", ()),
    "audit verify": ("audit-evidence", ()),
    "audit export": ("audit-export", ()),
}  # fmt: skip
# Runs that are carried on with print what the verb that began them prints; tests of their own look at that.
CARRIED_ON = {"runs resume", "runs attach", "runs cancel"}


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every verb that prints JSON."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from verbs(below, (*path, name))
    for option in command.params:
        if (
            option.name == "format_"
            and isinstance(option.type, click.Choice)
            and "json" in option.type.choices
        ):
            yield " ".join(path)


def test_every_verb_that_prints_json_has_a_schema() -> None:
    assert set(verbs(cli)) - CARRIED_ON == set(VERBS)
    assert {name for name, _ in VERBS.values()} <= set(SCHEMAS)


@pytest.mark.slow
def test_all_that_is_printed_fits_its_schema(
    fleetctl: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    for folder, name, text in (("policies", "base", POLICY), ("documents", "hello", DOCUMENT)):
        (project / folder).mkdir()
        (project / folder / f"{name}.yaml").write_text(text)
    (project / "kev.json").write_text(json.dumps(KEV))
    assert fleetctl("feeds", "import", "kev.json").code == 0
    wrong = []
    for verb, (schema, args) in VERBS.items():
        given = [arg.format(tmp=tmp_path) if arg.startswith("{tmp}") else arg for arg in args]
        flags = given[: given.index("--")] if "--" in given else given
        done = fleetctl(*verb.split(), *flags, "--format", "json", *given[len(flags) :])
        assert done.code in {0, 3, 4, 5, 6}, (verb, done)
        published = fleetctl("schema", schema).json
        jsonschema.Draft202012Validator.check_schema(published)
        validator = jsonschema.Draft202012Validator(published, format_checker=jsonschema.FormatChecker())
        wrong += [
            f"{verb}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(done.json)
        ]
    assert wrong == []


def test_formats_of_others_fit_what_their_readers_take(fleetctl: Callable[..., Any], project: Path) -> None:
    (project / "policies").mkdir()
    (project / "policies" / "base.yaml").write_text(POLICY)
    schemas = Path(__file__).parents[1] / "golden" / "schemas"
    sarif = json.loads((schemas / "sarif-2.1.0-excerpt.schema.json").read_text())
    spdx = json.loads((schemas / "spdx-2.3-excerpt.schema.json").read_text())
    log = fleetctl("compliance", "check", "web-[1-2],dead", "--format", "sarif").json
    jsonschema.validate(log, sarif, jsonschema.Draft7Validator)
    assert len(log["runs"][0]["results"]) == 8
    cases = junitparser.JUnitXml.fromstring(
        fleetctl("compliance", "report", "--format", "junit").stdout.encode()
    )
    assert (cases.tests, cases.failures, cases.errors) == (9, 3, 3)
    assert sum(suite.skipped for suite in cases) == 1
    assert fleetctl("inventory", "collect", "web-1").code == 0
    jsonschema.validate(
        fleetctl("inventory", "export", "--format", "spdx").json, spdx, jsonschema.Draft201909Validator
    )
    bill = fleetctl("inventory", "export", "--format", "cyclonedx").json
    cyclonedx = jsonschema.Draft7Validator(
        json.loads((schemas / "bom-1.6.SNAPSHOT.schema.json").read_text()),
        registry=Registry().with_resources(
            (
                f"http://cyclonedx.org/schema/{name}.schema.json",
                Resource.from_contents(json.loads((schemas / f"{name}.schema.json").read_text())),
            )
            for name in ("spdx.SNAPSHOT", "jsf-0.82.SNAPSHOT")
        ),
    )
    assert [error.message for error in cyclonedx.iter_errors(bill)] == []
