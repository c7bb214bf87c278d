"""Looks at hosts that were cut short, by a controller that is really killed: collected and judged to the end by `runs resume`."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

# Leaves a line when it is asked, and waits for the file `go` everywhere but on web-1.
WAIT = """echo asked >>"{at}/$FLEETCTL_HOST"
[ "$FLEETCTL_HOST" = web-1 ] || while [ ! -e "{at}/go" ]; do sleep 0.1; done
"""


@dataclass(frozen=True)
class Site:
    """Where hosts, which are all this machine, leave their traces; and the program."""

    project: Path
    at: Path
    start: Callable[..., Any]
    program: Callable[..., Any]

    @property
    def asked(self) -> dict[str, int]:
        return {path.name: path.read_text().count("asked") for path in self.at.glob("web-*")}

    @property
    def wait(self) -> str:
        return WAIT.format(at=self.at)

    def killed(self, *args: str) -> str:
        """Look at the three hosts two at a time, kill the controller when the second is at it, and return the id of the run."""
        child = self.start(*args, "--max-concurrency", "1")
        end = time.monotonic() + 40
        while "web-2" not in self.asked:
            assert time.monotonic() < end
            assert child.poll() is None, child.communicate()
            time.sleep(0.03)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert self.asked == {"web-1": 1, "web-2": 1}
        (self.at / "go").touch()
        return max(path.name for path in (self.project / ".fleetctl" / "runs").iterdir())

    def reports(self) -> list[Path]:
        return sorted((self.project / ".fleetctl" / "reports" / "compliance").glob("*.json"))


@pytest.fixture
def site(project: Path, tmp_path: Path, start: Any, program: Any) -> Any:
    at = tmp_path / "at"
    at.mkdir()
    yield Site(project, at, start, program)
    (at / "go").touch()


@pytest.fixture
def policy(site: Site) -> str:
    (site.project / "policies").mkdir()
    path = site.project / "policies" / "base.yaml"
    (site.at / "check.sh").write_text(f'{site.wait}[ "$FLEETCTL_HOST" != web-3 ]')
    path.write_text(
        f"name: base\nchecks:\n  - {{id: one, title: One, severity: high, command: {{run: sh {site.at}/check.sh}}}}\n"
        "waivers:\n  - {check: one, hosts: web-3, owner: Ada, reason: moving, expires: 2020-01-01}\n"
    )
    return str(path)


def test_a_collection_goes_on_where_its_controller_was_killed(site: Site) -> None:
    (site.at / "rack.sh").write_text(f'{site.wait}echo "Unit=$FLEETCTL_HOST"')
    run = site.killed(
        "inventory", "collect", "web", "--type", "InstanceInformation", "--custom", f"Rack={site.at}/rack.sh"
    )
    (site.at / "rack.sh").unlink()  # what is asked is what was asked
    done = site.program("runs", "resume", "last")
    assert done.code == 0, done.stderr
    assert "Custom:Rack (1)" in done.stdout
    assert site.asked == {"web-1": 1, "web-2": 2, "web-3": 1}
    entities = site.program("inventory", "show", "web", "--type", "Custom:Rack", "--format", "json").json[
        "Entities"
    ]
    told = {entity["Id"]: entity["Data"]["Custom:Rack"]["Content"][0]["Unit"] for entity in entities}
    assert told == {"web-1": "web-1", "web-2": "web-2", "web-3": "web-3"}
    history = site.program("inventory", "history", "web", "--format", "json").json
    assert {row["CommandId"] for row in history} == {run}
    again = site.program("runs", "resume", "last")
    assert (again.code, "nothing is left to resume" in again.stderr) == (2, True)


def test_a_check_goes_on_with_its_policies_as_they_were_and_is_judged(site: Site, policy: str) -> None:
    run = site.killed("compliance", "check", "web")
    assert site.reports() == []
    Path(policy).write_text("name: base\nchecks:\n  - {id: two, title: Two, command: {run: 'true'}}\n")
    done = site.program("runs", "resume", "last", "--format", "json")
    assert done.code == 5, done.stderr
    jsonschema.validate(done.json, site.program("schema", "compliance-report").json)
    found = {host["ResourceId"]: host["Status"] for host in done.json["ResourceSummaries"]}
    assert found == {"web-1": "COMPLIANT", "web-2": "COMPLIANT", "web-3": "NON_COMPLIANT"}
    assert {item["Id"] for item in done.json["ComplianceItems"]} == {"base/one"}
    assert [
        item["Details"]["ExpiredWaiver"]["Owner"]
        for item in done.json["ComplianceItems"]
        if "ExpiredWaiver" in item["Details"]
    ] == ["Ada"]
    assert [path.name for path in site.reports()] == [f"{run}.json"]
    assert json.loads(site.reports()[0].read_text()) == done.json
    noncompliant = site.program("hosts", "list", f"@noncompliant:{run}", "--format", "json").json
    assert [host["name"] for host in noncompliant] == ["web-3"]


def test_what_an_interrupted_check_reported_stays_beside_what_it_came_to_in_the_end(
    site: Site, policy: str
) -> None:
    child = site.start("compliance", "check", "web", "--max-concurrency", "1")
    end = time.monotonic() + 40
    while "web-2" not in site.asked:
        assert time.monotonic() < end
        time.sleep(0.03)
    child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    (site.at / "go").touch()
    assert child.wait(40) == 130
    (first,) = site.reports()
    assert [host["ResourceId"] for host in json.loads(first.read_text())["Unscanned"]] == ["web-3"]
    assert site.program("runs", "resume", "last").code == 5
    assert [path.name for path in site.reports()] == [
        first.name,
        first.name.replace(".json", ".resumed-1.json"),
    ]
    assert [host["ResourceId"] for host in site.program("compliance", "list", "--format", "json").json] == [
        "web-1",
        "web-2",
        "web-3",
    ]


def test_a_check_that_failed_somewhere_is_retried_there_and_judged(site: Site, policy: str) -> None:
    (site.at / "go").touch()
    assert site.program("compliance", "check", "web-1,dead").code == 4
    done = site.program("runs", "retry", "last", "--transport", "local")
    assert done.code == 0, done.stderr
    assert "1 compliant" in done.stderr
    assert len(site.reports()) == 2


def test_a_verdict_that_the_controller_had_no_time_to_keep_is_made_by_resume(site: Site, policy: str) -> None:
    (site.at / "go").touch()
    assert site.program("compliance", "check", "web-1").code == 0
    (kept,) = site.reports()
    kept.unlink()
    done = site.program("runs", "resume", "last")
    assert (done.code, site.reports()) == (0, [kept]), done.stderr
    assert site.asked == {"web-1": 1}
    assert site.program("runs", "verify", "last").code == 0


def test_a_scan_is_retried_where_a_host_was_out_of_reach_and_judged_as_it_began(site: Site) -> None:
    first = site.program("patch", "scan", "dead", "--baseline", "AWS-DebianDefaultPatchBaseline", "--detail")
    assert first.code == 4
    done = site.program("runs", "retry", "last", "--transport", "local", "--format", "json")
    jsonschema.validate(done.json, site.program("schema", "compliance-report").json)
    assert done.json["ResourceCount"] == 1
    spec = json.loads(
        (site.project / ".fleetctl" / "runs" / done.json["CommandId"] / "run.json").read_bytes()
    )["Work"]
    assert (spec["Kind"], spec["Repeatable"], spec["Spec"]["Detail"]) == ("patch-scan", True, True)
    assert len(spec["Spec"]["Baselines"]["Override"]) == 1
