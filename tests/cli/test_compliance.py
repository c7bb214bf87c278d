"""`fleetctl compliance` as its users meet it, on this machine as three hosts and a dead one."""

import json
from pathlib import Path

import jsonschema
import pytest

from fleetctl.compliance.report import schema

POLICY = """\
name: base
checks:
  - {{id: one, title: One <b>, severity: high, remedy: Mend it, command: {{run: "{0}"}}}}
  - {{id: two, title: Two, severity: low, file: {{path: /etc/passwd, owner: root}}}}
"""


@pytest.fixture
def write(project: Path):
    (project / "policies").mkdir()

    def write(script: str, extra: str = "") -> None:
        (project / "policies" / "base.yaml").write_text(POLICY.format(script) + extra)

    return write


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("false", 5), ("nosuch", 3)])
def test_exit_codes_tell_compliant_from_not_and_from_not_judged(fleetctl, write, script, code):
    write(script)
    done = fleetctl("compliance", "check", "web", "--format", "json")
    assert done.code == code
    jsonschema.validate(done.json, schema(), jsonschema.Draft202012Validator)
    assert done.json["ResourceCount"] == 3


def test_a_dead_host_makes_4_and_is_not_judged(fleetctl, write):
    write("true")
    done = fleetctl("compliance", "check", "web,dead")
    assert done.code == 4
    assert "1 not judged" in done.stderr
    assert fleetctl("compliance", "show", "dead-1").code == 2


def test_a_finding_is_told_with_its_remedy_and_found_again_later(fleetctl, write):
    write("exit 4")
    done = fleetctl("compliance", "check", "web")
    assert "exit code: expected 0, found 4" in done.stdout
    assert "Mend it" in done.stdout
    listed = fleetctl(
        "compliance", "list", "--status", "non_compliant", "--severity", "high", "--format", "json"
    )
    assert [item["ResourceId"] for item in listed.json] == ["web-1", "web-2", "web-3"]
    assert fleetctl("compliance", "list", "--severity", "critical", "--format", "json").json == []
    summary = fleetctl("compliance", "summary", "--format", "json").json
    assert [(row["ComplianceType"], row["NonCompliant"]) for row in summary] == [("Custom:policy", 3)]
    assert "base/one" in fleetctl("compliance", "show", "web-1").stdout
    assert fleetctl("run", "@noncompliant:last", "--", "true").code == 0


def test_waivers_make_it_pass_until_they_expire(fleetctl, write):
    waiver = "waivers:\n  - {{check: one, hosts: web, owner: Ada, reason: later, expires: {}}}\n"
    write("false", waiver.format("2999-01-01"))
    assert fleetctl("compliance", "check", "web").code == 0
    write("false", waiver.format("2020-01-01"))
    done = fleetctl("compliance", "check", "web")
    assert done.code == 5
    assert "expired on 2020-01-01" in done.stderr


@pytest.mark.parametrize("format_", ["csv", "junit", "sarif", "html", "yaml", "jsonl"])
def test_every_format_goes_into_a_file(fleetctl, write, project, format_):
    write("false")
    assert fleetctl("compliance", "check", "web", "--format", format_, "-o", "out").code == 5
    text = (project / "out").read_text()
    assert "web-1" in text
    assert ("One <b>" in text) == (format_ not in {"html", "junit"})


def test_patch_reports_have_the_new_formats_too(fleetctl):
    for format_, sign in (("html", "Patch compliance"), ("sarif", '"2.1.0"')):
        done = fleetctl("patch", "scan", "web-1", "--format", format_)
        assert done.code in {0, 3, 5}
        assert sign in done.stdout


def test_items_from_elsewhere_are_taken_once(fleetctl, project):
    (project / "items.json").write_text(
        json.dumps([{"Id": "x", "Severity": "HIGH", "Status": "NON_COMPLIANT"}])
    )
    put = ("compliance", "put", "web-1", "items.json", "--type", "Custom:Scan")
    assert "1 Custom:Scan items" in fleetctl(*put).stderr
    assert "nothing was written" in fleetctl(*put).stderr
    assert "Custom:Scan" in fleetctl("compliance", "show", "web-1").stdout
    assert fleetctl("compliance", "put", "web", "items.json", "--type", "Custom:Scan").code == 2
    assert fleetctl("compliance", "put", "web-1", "items.json", "--type", "Patch").code == 2


def test_wrong_policies_are_all_told_before_any_host_is_asked(fleetctl, write, project):
    write("true", "waiver: []\n")
    (project / "policies" / "more.yaml").write_text("name: more\nchecks: []\n")
    done = fleetctl("compliance", "check", "web")
    assert done.code == 2
    assert "unknown key 'waiver'" in done.stderr
    assert "more.yaml" in done.stderr
    assert fleetctl("compliance", "policy", "check", "policies/base.yaml").code == 2
    assert not list((project / ".fleetctl").glob("runs/*"))


def test_policies_can_be_looked_at(fleetctl, write):
    write("true")
    assert "base" in fleetctl("compliance", "policy", "list").stdout
    assert [
        c["Id"] for c in fleetctl("compliance", "policy", "show", "base", "--format", "json").json["Checks"]
    ] == ["one", "two"]
    assert "ok, 2 checks" in fleetctl("compliance", "policy", "check", "policies/base.yaml").stderr
    assert fleetctl("compliance", "check", "web", "--policy", "bse").code == 2


def test_a_policy_for_no_host_is_an_error(fleetctl, write):
    write("true", "applies_to: {hosts: db}\n")
    done = fleetctl("compliance", "check", "web")
    assert done.code == 2
    assert "no policy is for any of these hosts" in done.stderr


def test_groups_of_hosts_are_counted_in_ssm_s_words(fleetctl, write, project):
    write("true")
    assert fleetctl("compliance", "check", "web-[1-2]").code == 0
    groups = fleetctl("compliance", "summary", "--by", "group", "--format", "json").json
    told = {row["Group"]: (row["Hosts"], row["Compliant"], row["NotJudged"]) for row in groups}
    assert told == {"web": (2, 2, 1), "db": (0, 0, 1), "dead": (0, 0, 1)}
    assert fleetctl("patch", "scan", "web-1").code in {3, 5, 0}
    jsonschema.validate(groups, fleetctl("schema", "compliance-summary").json)
    tags = fleetctl("compliance", "summary", "--by", "tag:env").stdout
    assert [line.split()[1] for line in tags.splitlines() if line.startswith("Custom:policy")] == [
        "(none)",
        "prod",
    ]
    assert fleetctl("compliance", "summary", "--by", "colour").code == 2


def test_hosts_that_left_the_inventory_are_left_out_and_named(fleetctl, write, project):
    write("false")
    assert fleetctl("compliance", "check", "web").code == 5
    path = project / "inventories" / "hosts.yaml"
    path.write_text(path.read_text().replace("web-[1-3]", "web-[1-2]"))
    done = fleetctl("compliance", "summary", "--format", "json")
    assert done.json[0]["Hosts"] == 2
    assert "the inventory does not know them: web-3" in done.stderr
    assert "base/one" in fleetctl("compliance", "show", "web-3").stdout


def test_a_check_of_one_policy_hides_nothing_of_the_others_and_drafts_do_not_stay(fleetctl, write, project):
    write("false")
    (project / "policies" / "more.yaml").write_text(
        "name: more\nchecks: [{id: a, title: A, command: {run: 'true'}}]\n"
    )
    (project / "draft.yaml").write_text("name: draft\nchecks: [{id: a, title: A, command: {run: 'false'}}]\n")
    assert fleetctl("compliance", "check", "web-1").code == 5
    assert fleetctl("compliance", "check", "web-1", "--policy", "more").code == 0
    assert fleetctl("compliance", "check", "web-1", "--policy", "draft.yaml").code == 5
    done = fleetctl("compliance", "list", "--format", "json")
    assert [item["Id"] for item in done.json] == ["base/one", "base/two", "more/a"]
    assert "does not have these policies: draft" in done.stderr
    (row,) = fleetctl("compliance", "summary", "--format", "json").json
    assert (row["Hosts"], row["NonCompliant"], row["Findings"]) == (1, 1, 1)
    assert "draft/a" in fleetctl("compliance", "show", "web-1").stdout
