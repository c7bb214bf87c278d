"""A security fix that a host hides from itself is found, and such a host is never called compliant.

Each scan asks for one package alone, so that nothing else that the hosts lack can be why they are not compliant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.catalogue import PACKAGES, SUITES
from lab.families import packages
from lab.machine import Machine
from lab.program import Program, program_in
from lab.project import write_project

SYSTEMS = {"deb": "DEBIAN", "rocky": "ROCKY_LINUX", "fedora": "FEDORA", "suse": "SUSE"}
RULE = "operating_system: {system}\napproval_rules: [{{approve_after_days: 0, filters: {{{asked}}}}}]\n"
HELD = {"deb12": "hold", "deb13": "hold", "rocky": "versionlock", "fedora": "versionlock", "suse": "lock"}


@pytest.fixture
def lacks(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Ask hosts for the security fixes of one package: what each lacks, by its name."""
    with program_in(tmp_path) as program:

        def ask(package: str, *hosts: Machine) -> dict[str, Any]:
            return scan(program, tmp_path, package, hosts)

        yield ask


def scan(program: Program, folder: Path, package: str, hosts: tuple[Machine, ...]) -> dict[str, Any]:
    flags: list[str] = []
    for kind, system in SYSTEMS.items():
        name = f'NAME: ["{package}"]'
        asked = name if kind == "deb" else f"{name}, CLASSIFICATION: [Security]"
        path = folder / f"{kind}.yaml"
        path.write_text(RULE.format(system=system, asked=asked))
        flags += ["--baseline", str(path)]
    reach = write_project(folder / "project", hosts).args
    done = program.run("patch", "scan", "all", *reach, *flags, "--format", "json")
    assert done.code == 5, done.stderr
    told = done.json
    assert {host["Status"] for host in told["ResourceSummaries"]} == {"NON_COMPLIANT"}
    lacking = {
        item["ResourceId"]: item["Details"]
        for item in told["ComplianceItems"]
        if item["Details"]["PatchState"] == "MISSING"
    }
    assert lacking.keys() == {host.name for host in hosts}
    return lacking


def fix(host: Machine, package: str) -> str:
    """The version that brings the fix, by the tables that the hosts were made from; zypper only tells the newest that has it."""
    kind = host.tags["kind"]
    if kind in SUITES:
        return next(p.security(SUITES[kind]) for p in PACKAGES if p.name == package)
    known = next(p for p in packages(kind) if p.name == package)
    return known.candidate if kind == "suse" else known.security


def test_a_held_locked_or_versionlocked_package_is_missing_its_fix(
    lacks: Callable[..., dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    hosts = [request.getfixturevalue(kind) for kind in HELD]
    found = lacks("fl-held", *hosts)
    for host in hosts:
        details = found[host.name]
        assert details["CandidateVersion"] == fix(host, "fl-held")
        assert details["Held"] == HELD[host.tags["kind"]]
        assert "on the host" in details["Note"]


def test_an_excluded_package_is_missing_its_fix(
    lacks: Callable[..., dict[str, Any]], rocky: Machine, fedora: Machine
) -> None:
    found = lacks("fl-excluded", rocky, fedora)
    for host in (rocky, fedora):
        details = found[host.name]
        assert (details["CandidateVersion"], details["Held"]) == (fix(host, "fl-excluded"), "exclude")


def test_a_fix_behind_a_newer_build_is_missing(
    lacks: Callable[..., dict[str, Any]], rocky: Machine, fedora: Machine, suse: Machine
) -> None:
    found = lacks("fl-shadow", rocky, fedora, suse)
    for host in (rocky, fedora, suse):
        details = found[host.name]
        assert details["CandidateVersion"] == fix(host, "fl-shadow")
        assert details["ManagerCandidate"] == "1.1-1"
        assert "Held" not in details


def test_a_fix_behind_a_newer_build_or_a_pin_is_missing_with_apt(
    lacks: Callable[..., dict[str, Any]], fresh_deb12: Machine
) -> None:
    host = fresh_deb12
    host.output("apt-mark unhold fl-held")
    details = lacks("fl-held", host)[host.name]
    assert details["CandidateVersion"] == fix(host, "fl-held")
    assert details["ManagerCandidate"] not in {"", fix(host, "fl-held")}
    assert "Held" not in details
    pin = "Package: fl-held\nPin: version *\nPin-Priority: -1\n"
    (host.root / "etc/apt/preferences.d/fl-held").write_text(pin)
    details = lacks("fl-held", host)[host.name]
    assert (details["CandidateVersion"], details["Held"]) == (fix(host, "fl-held"), "pin")
