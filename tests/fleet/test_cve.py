"""A CVE on real hosts: affected before the fix is installed, fixed after, told by a feed and by the host's own advisories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lab.machine import Machine
from lab.program import Program, program_in

CVE = "CVE-2024-0001"


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    folder = tmp_path / "home"
    folder.mkdir()
    with program_in(folder) as program:
        yield program


def tracker(version: str) -> str:
    """What Debian's tracker would say of the fix in the lab's security repository."""
    release = {
        "status": "resolved",
        "repositories": {"bookworm": "1.0-1", "bookworm-security": version},
        "fixed_version": version,
        "urgency": "high",
    }
    return json.dumps({"fl-lib": {CVE: {"scope": "remote", "releases": {"bookworm": release}}}})


def one(told: Any) -> Any:
    (host,) = told["Hosts"]
    (package,) = host["Packages"]
    return host, package


def test_a_debian_host_is_affected_before_the_install_and_fixed_after(
    fresh_deb12: Machine, program: Program, fleet_project: Callable[..., Any], tmp_path: Path
) -> None:
    args = fleet_project([fresh_deb12]).args
    feed = tmp_path / "tracker.json"
    feed.write_text(tracker("1.0-1+deb12u1"))
    assert program.run("feeds", "import", str(feed)).code == 0
    ask = ("patch", "cve", CVE, "all", *args, "--format", "json")
    before = program.run(*ask)
    assert (before.code, before.json["Hosts"][0]["Status"]) == (3, "UNKNOWN"), "nobody has looked yet"

    looked = program.run(*ask, "--scan")
    host, package = one(looked.json)
    assert (looked.code, host["Status"], host["SeenBy"]) == (5, "AFFECTED", "scan")
    assert (package["InstalledVersion"], package["FixedVersion"]) == ("1.0-1", "1.0-1+deb12u1")
    assert package["Update"] == {
        "Version": "1.0-1+deb12u1",
        "Fixes": True,
        "Approved": True,
        "Decision": "APPROVED",
    }
    ranked = program.run("patch", "cves", "all", *args[:2], "--format", "json").json["Cves"]
    assert [(row["Cve"], row["UpdateCount"], row["Hosts"]) for row in ranked] == [
        (CVE, 1, [fresh_deb12.name])
    ]

    done = program.run("patch", "install", "all", *args, "--package", "fl-lib", "--yes")
    assert fresh_deb12.output("dpkg-query -W -f='${Version}' fl-lib") == "1.0-1+deb12u1", done.stderr
    after = program.run(*ask)
    host, package = one(after.json)
    assert (after.code, host["Status"], package["InstalledVersion"]) == (0, "FIXED", "1.0-1+deb12u1")
    (verdict,) = package["Verdicts"]
    assert verdict["Source"] == "debian-tracker:Debian"
    assert host["ScanId"] != looked.json["Hosts"][0]["ScanId"], "the look after the installation counts"
    assert program.run("patch", "cves", "all", *args[:2]).code == 0


def test_an_inventory_answers_where_no_scan_does(
    deb12: Machine, program: Program, fleet_project: Callable[..., Any], tmp_path: Path
) -> None:
    args = fleet_project([deb12]).args
    feed = tmp_path / "tracker.json"
    feed.write_text(tracker("1.0-1+deb12u1"))
    program.run("feeds", "import", str(feed))
    collected = program.run("inventory", "collect", "all", *args)
    assert collected.code == 0, collected.stderr
    told = program.run("patch", "cve", CVE, "all", *args, "--format", "json")
    host, package = one(told.json)
    assert (told.code, host["Status"], host["SeenBy"], package["Update"]) == (
        5,
        "AFFECTED",
        "inventory",
        None,
    )


def test_a_rocky_host_answers_by_its_own_advisories_without_any_feed(
    fresh_rocky: Machine, program: Program, fleet_project: Callable[..., Any]
) -> None:
    args = fleet_project([fresh_rocky]).args
    ask = ("patch", "cve", CVE, "all", *args, "--format", "json")
    told = program.run(*ask, "--scan")
    host, package = one(told.json)
    assert (told.code, host["Status"], package["Name"]) == (5, "AFFECTED", "fl-lib")
    assert {verdict["Source"] for verdict in package["Verdicts"]} == {"host-advisories"}

    done = program.run("patch", "install", "all", *args, "--cve", CVE, "--yes")
    after = program.run(*ask)
    assert after.json["Hosts"][0]["Status"] == "FIXED", done.stderr
    host, package = one(after.json)
    assert (after.code, package["Name"]) == (0, "fl-lib"), (
        "its lists name the CVE no more; those of before do"
    )
