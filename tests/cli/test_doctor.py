"""`fleetctl doctor`, as a user types it: what it finds, and what the exit code says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl.demo.hosts import running
from fleetctl.demo.project import KEY, new_folder, plan, write_project


@pytest.fixture
def demo(project: Path, tmp_path: Path) -> Iterator[Path]:
    """The demo's project with its hosts up: web-[1-3], db-1 (slow), cache-1 (down)."""
    folder = new_folder(tmp_path / "demo")
    with running(plan(folder), key=folder / KEY) as hosts:
        write_project(folder, hosts)
        yield folder


@pytest.fixture
def doctor(demo: Path, program: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: program("--project", str(demo), "doctor", *map(str, args))


def findings(done: Any, state: str) -> list[tuple[str, str]]:
    return [(one["Check"], one["Subject"]) for one in done.json["Findings"] if one["State"] == state]


def test_healthy_hosts_are_told_in_one_line(doctor) -> None:
    done = doctor("web")
    assert done.code == 0
    assert "web-[1-3] (3): dns, connect, ssh, host-key, authentication, shell" in done.stdout


def test_a_host_that_is_down_is_told_with_the_remedy_and_exit_code_4(doctor) -> None:
    done = doctor("web,cache")
    assert done.code == 4
    assert "fail  connect         cache-1: " in done.stdout
    assert "do: is sshd running" in done.stdout


def test_without_targets_no_host_is_contacted(doctor) -> None:
    done = doctor("--format", "json")
    assert done.code == 0
    assert {one["Kind"] for one in done.json["Findings"]} == {"local"}
    assert done.json["Status"] == "Healthy"


def test_a_check_that_fails_on_a_reached_host_exits_3(doctor) -> None:
    done = doctor("web", "--become-user", "nobody-of-that-name", "--format", "json")
    assert done.code == 3
    assert findings(done, "fail") == [("become", f"web-{number}") for number in (1, 2, 3)]


def test_a_key_that_others_can_read_is_a_fault_here(doctor, demo: Path) -> None:
    (demo / KEY).chmod(0o644)
    done = doctor()
    assert done.code == 2
    assert f"do: chmod 600 {demo / KEY}" in done.stdout


def test_an_unknown_host_key_names_the_command_for_all_hosts(doctor, demo: Path) -> None:
    (demo / "known_hosts").write_text("")
    done = doctor("web-1", "--format", "json")
    assert done.code == 4
    assert ("host-key", "web-1") in findings(done, "fail")


def test_wrong_settings_are_a_finding_with_their_place(doctor, demo: Path) -> None:
    (demo / "fleetctl.yaml").write_text("run:\n  timeout: soon\n")
    done = doctor("--format", "json")
    assert done.code == 2
    (message,) = [one["Message"] for one in done.json["Findings"] if one["Check"] == "project"]
    assert "fleetctl.yaml:2:" in message


def test_a_wrong_inventory_does_not_hide_the_rest(doctor, demo: Path) -> None:
    (demo / "inventories" / "demo.yaml").write_text("hosts:\n  a: {prot: 1}\n  b: {port: x}\n")
    done = doctor("all", "--format", "json")
    assert done.code == 2
    assert [check for check, _ in findings(done, "fail")] == ["inventory", "inventory"]
    assert {"ssh-config", "open-files"} <= {one["Check"] for one in done.json["Findings"]}


def test_junit_has_a_case_for_every_check(doctor, tmp_path: Path) -> None:
    done = doctor("cache", "--format", "junit", "-o", tmp_path / "doctor.xml")
    assert done.code == 4
    assert 'name="connect"' in (tmp_path / "doctor.xml").read_text()


def test_a_selector_that_matches_nothing_is_an_error(doctor) -> None:
    done = doctor("wbe")
    assert done.code == 2
    assert "wbe" in done.stderr
