"""Policies: their files, what they ask, and what becomes of the answers."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import jsonschema
import pytest

from fleetctl.compliance.policy_form import schema as policy_schema
from fleetctl.compliance.policy_load import find_policies, load_policy
from fleetctl.compliance.policy_report import policy_report
from fleetctl.compliance.policy_task import PolicyTask, bind
from fleetctl.compliance.report import report_json, schema
from fleetctl.compliance.telling import tell_report
from fleetctl.errors import NotFoundError, ProblemsError
from fleetctl.model import Host, Outcome, Reason, Status
from fleetctl.spec.yaml import load_document

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "patch-night" / "policies").glob("*.yaml"))
THEN = datetime(2026, 11, 23, tzinfo=UTC)
POLICY = """\
name: base
applies_to: {hosts: web, os: debian}
checks:
  - {id: good, title: Good, severity: LOW, command: {run: "true"}}
  - {id: bad, title: Bad, severity: critical, remedy: Mend it, refs: {pci: 2.2}, command: {run: "false"}}
  - {id: dark, title: Dark, severity: high, command: {run: nosuch}}
  - {id: allowed, title: Allowed, severity: high, command: {run: "false"}}
waivers:
  - {check: allowed, hosts: web, owner: Ada, reason: on its way, expires: 2026-11-30}
  - {check: bad, hosts: web, owner: Bob, reason: forgotten, expires: 2026-11-22}
"""
ALL = {"web": ["web-1"], "all": ["web-1", "db-1"]}
OK = Outcome(host="web-1", status=Status.SUCCESS, started=THEN, ended=THEN)


def answer(*codes, system="ID=debian", done=True):
    text = f"@@fleetctl system begin\n|{system}\n|=0\n\n@@fleetctl system end 0\n"
    for number, code in enumerate(codes):
        text += f"@@fleetctl p0-c{number} begin\n|={code}\n\n@@fleetctl p0-c{number} end 0\n"
    return (text + "\n@@fleetctl done\n" * done).encode()


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policies" / "base.yaml"
    path.parent.mkdir()
    path.write_text(POLICY)
    return load_policy(path, root=tmp_path)


@pytest.fixture
def task(policy):
    return PolicyTask(bound=bind([policy], lambda text: ALL[text]), today=date(2026, 11, 23))


def report(*outcomes):
    told = report_json(policy_report(outcomes, run_id="R1", now=THEN))
    jsonschema.validate(told, schema(), jsonschema.Draft202012Validator)
    assert json.loads(json.dumps(told)) == told
    return told


def judged(task, *codes, **more):
    return task.judge(Host(name="web-1"), answer(*codes, **more), OK)


def test_findings_waivers_and_what_could_not_be_judged_are_told_apart(task):
    told = report(judged(task, 0, 1, 127, 1))
    assert {i["Id"]: i["Status"] for i in told["ComplianceItems"]} == {
        "base/good": "COMPLIANT",
        "base/bad": "NON_COMPLIANT",
        "base/dark": "UNKNOWN",
        "base/allowed": "WAIVED",
    }
    (host,) = told["ResourceSummaries"]
    assert (host["Status"], host["UnknownCount"], host["WaivedCount"]) == ("NON_COMPLIANT", 1, 1)
    assert host["NonCompliantSummary"]["NonCompliantCount"] == 1
    assert host["CompliantSummary"]["CompliantCount"] == 1
    assert host["Warnings"] == ["the waiver for base/bad expired on 2026-11-22: it counts as none"]
    details = {i["Id"]: i["Details"] for i in told["ComplianceItems"]}
    assert details["base/allowed"]["Waiver"] == {
        "Owner": "Ada",
        "Reason": "on its way",
        "Expires": "2026-11-30",
    }
    assert details["base/bad"]["ExpiredWaiver"]["Owner"] == "Bob"
    assert details["base/bad"]["References"] == {"pci": "2.2"}
    assert details["base/bad"]["Source"] == "policies/base.yaml:5"


@pytest.mark.parametrize(
    ("codes", "status"),
    [((0, 0, 0, 0), "COMPLIANT"), ((0, 0, 0, 1), "COMPLIANT"), ((0, 0, 127, 0), "UNKNOWN")],
)
def test_a_host_with_waived_findings_alone_passes_and_one_with_open_questions_does_not(task, codes, status):
    assert judged(task, *codes).data["Status"] == status


def test_a_waiver_counts_on_its_last_day_and_not_after(policy):
    for day, status in ((30, "WAIVED"), (31 - 30, "NON_COMPLIANT")):
        today = date(2026, 11 if day == 30 else 12, day)
        task = PolicyTask(bound=bind([policy], lambda text: ALL[text]), today=today)
        assert judged(task, 0, 0, 0, 1).data["Items"][3]["Status"] == status


def test_an_answer_that_breaks_off_is_a_failure_and_a_lost_section_is_unknown(task):
    torn = judged(task, 0, 0, 0, 0, done=False)
    assert (torn.status, torn.reason) == (Status.FAILED, Reason.REMOTE)
    lost = task.judge(Host(name="web-1"), answer(0, 0, 0), OK)
    told = report(torn, lost)
    assert len(told["Unscanned"]) == 1


def test_hosts_that_no_policy_is_for_are_skipped(task):
    assert judged(task, system="ID=fedora").status is Status.SKIPPED
    told = report(judged(task, system="ID=fedora"))
    assert told["Unscanned"][0]["Reason"] == "precondition"


def test_rows_and_cases_name_every_check(task):
    gone = Outcome(host="gone", status=Status.UNDELIVERABLE, reason=Reason.REFUSED, message="refused")
    telling = tell_report(report(judged(task, 0, 1, 127, 1), gone), title="t")
    assert [row["ResourceId"] for row in telling.rows] == ["web-1"] * 4 + ["gone"]
    kinds = [(bool(c.failure), bool(c.error), bool(c.skipped)) for c in telling.cases]
    assert kinds == [
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (False, True, False),
    ]
    assert [f.kind for f in telling.findings] == ["pass", "fail", "open", "fail"]
    assert [bool(f.waived) for f in telling.findings] == [False, False, False, True]


def test_all_that_is_wrong_with_a_policy_is_told_at_once_with_its_place(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: p\nchecks:\n"
        "  - {id: a, title: A, fil: {path: /x}}\n"
        "  - {id: b, title: B, severity: grave, file: {path: x}}\n"
        "  - {id: c, title: C, file: {path: /x}, port: {port: 1}}\n"
        "waivers:\n  - {check: z, hosts: all, owner: o, expires: soon}\n"
    )
    with pytest.raises(ProblemsError) as caught:
        load_policy(path)
    lines = sorted({problem.where.line for problem in caught.value.problems})
    assert lines == [3, 4, 5, 7]
    text = str(caught.value)
    assert "unknown key 'fil'" in text
    assert "has file and port" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("id: dark", "id: good"), "is also at line"),
        (("check: bad", "check: bda"), "there is no check 'bda'"),
    ],
)
def test_doubles_and_waivers_of_nothing_are_refused(tmp_path, change, says):
    path = tmp_path / "p.yaml"
    path.write_text(POLICY.replace(*change))
    with pytest.raises(ProblemsError, match=says):
        load_policy(path)


def test_policies_are_found_by_name_and_by_file(policy, tmp_path):
    assert find_policies((), tmp_path) == (policy,)
    assert find_policies(("base",), tmp_path) == (policy,)
    with pytest.raises(NotFoundError) as caught:
        find_policies(("bse",), tmp_path)
    assert "base" in caught.value.hint
    with pytest.raises(ProblemsError, match="is also in"):
        find_policies(("base", policy.source), tmp_path)
    with pytest.raises(NotFoundError, match="no policies"):
        find_policies((), None)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_policy_loads_and_fits_the_schema(path):
    load_policy(path)
    jsonschema.Draft202012Validator.check_schema(policy_schema())
    jsonschema.validate(load_document(path).data, policy_schema(), jsonschema.Draft202012Validator)


def test_a_hundred_checks_are_one_script(policy, tmp_path):
    text = "name: many\nchecks:\n" + "".join(
        f"  - {{id: c{n}, title: T, file: {{path: /etc/{n}}}}}\n" for n in range(100)
    )
    (tmp_path / "many.yaml").write_text(text)
    task = PolicyTask(bound=bind([load_policy(tmp_path / "many.yaml")], lambda _: []))
    script = task.on(Host(name="a")).script
    assert script.count("look p0-c") == 100
    assert script.count("check_file() {") == 1
    assert task.on(Host(name="b")).script is script
