"""Looks at sixty hosts whose controller is killed in the middle: `runs resume` brings the rest, and the store and the verdict are whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.many import ManyHosts
from lab.processes import until
from lab.program import PATIENCE, Program, ended, program_in
from lab.project import FleetProject, write_project

from fleetctl.compliance.history import kept_reports
from fleetctl.store.items import Items

pytestmark = [pytest.mark.fleet, pytest.mark.slow]
HOSTS = 60
POLICY = """\
name: base
checks:
  - {id: always, title: Always, severity: high, command: {run: "sleep 0.3; false"}}
  - {id: root, title: Root, severity: low, file: {path: /etc/passwd, owner: root}}
"""


@pytest.fixture
def project(many: ManyHosts, tmp_path: Path) -> FleetProject:
    return write_project(tmp_path / "project", many.hosts(HOSTS))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    with program_in(tmp_path) as made:
        yield made


def killed(program: Program, *args: str, when: int) -> str:
    """Start a look, kill it when so many hosts have ended, and return its run."""
    controller = program.start(*args, "--max-concurrency", "10", "-q")

    def over() -> int:
        assert controller.poll() is None, controller.communicate()
        ledgers = [program.runs / run_id / "events.jsonl" for run_id in program.ids()]
        return sum(path.read_bytes().count(b'"invocation-ended"') for path in ledgers if path.exists())

    until(lambda: over() >= when, seconds=PATIENCE, what=f"{when} hosts have ended")
    controller.kill()
    ended(controller)
    (run_id,) = program.ids()
    return run_id


@pytest.mark.parametrize("when", [1, 25])
def test_inventory_is_kept_of_all_hosts_and_of_none_wrongly(
    when: int, program: Program, project: FleetProject
) -> None:
    look = (
        "inventory",
        "collect",
        "all",
        *project.args,
        "--type",
        "InstanceInformation",
        "--type",
        "Network",
    )
    run_id = killed(program, *look, when=when)
    store = Items(program.folder / "state" / "inventory")
    before = {capture.host for capture in store.latest()}
    assert when <= len(before) < HOSTS
    done = program.run("runs", "resume", "last", "-q")
    assert done.code == 0, done.stderr
    captures = store.latest()
    assert Counter(capture.type for capture in captures) == {"InstanceInformation": HOSTS, "Network": HOSTS}
    assert {capture.run for capture in captures} == {run_id}
    for capture in captures:
        if capture.type == "InstanceInformation":
            assert store.read(capture.hash)[0]["InstanceId"] == capture.host
    assert program.run("runs", "verify", run_id).code == 0


def test_a_check_is_judged_as_a_whole(program: Program, project: FleetProject, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(POLICY)
    look = ("compliance", "check", "all", *project.args, "--policy", "./base.yaml")
    run_id = killed(program, *look, when=20)
    (tmp_path / "base.yaml").unlink()
    done = program.run("runs", "resume", "last", "--format", "json")
    assert done.code == 5, done.stderr
    (report,) = kept_reports(program.folder / "state" / "reports" / "compliance")
    assert report.run_id == run_id
    assert report.summary["NonCompliantSummary"]["NonCompliantCount"] == HOSTS
    items = Counter((item["Id"], item["Status"]) for item in done.json["ComplianceItems"])
    assert items == {("base/always", "NON_COMPLIANT"): HOSTS, ("base/root", "COMPLIANT"): HOSTS}
