"""Inventory of real hosts: one question each, nothing written there, and every host tells what it can."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from lab.listing import changes, listing
from lab.machine import Machine
from lab.project import FleetProject

from fleetctl.inventory.ask import Wanted, file_pattern
from fleetctl.inventory.reading import read_answer
from fleetctl.inventory.types import DEFAULT

pytestmark = pytest.mark.fleet
FLEETCTL = Path(sys.executable).with_name("fleetctl")
WANTED = Wanted(types=(*DEFAULT, "Process", "File"), files=(file_pattern("/etc/*.conf"),), recursive=True)


@pytest.mark.parametrize("user", ["root", "guest"])
def test_collecting_writes_nothing_on_the_host(debian: Machine, user: str) -> None:
    """Every file of a real host before and after."""
    debian.output("true", user=user)  # the first login of a user leaves traces of its own
    before = listing(debian)
    told = debian.run("sh -s", user=user, stdin=WANTED.script())
    found = read_answer(told.stdout.encode(), told.stderr.encode(), WANTED, host=debian.name).contents
    assert {"Application", "Network", "Service", "Process", "File"} <= set(found)
    assert changes(before, listing(debian)) == {}


def test_hosts_of_every_family_tell_their_packages(distro: Machine) -> None:
    """And nothing is written there, but for the memory that readers of rpm's database share (`lab.listing.SHARED`)."""
    distro.output("true")
    before = listing(distro)
    told = distro.run("sh -s", stdin=WANTED.script())
    found = read_answer(told.stdout.encode(), told.stderr.encode(), WANTED, host=distro.name)
    by_name = {item["Name"]: item for item in found.contents["Application"]}
    assert by_name["fl-app"]["Version"] == "1.0"
    assert by_name["fl-app"]["InstalledTime"]
    assert found.warnings == ()
    assert changes(before, listing(distro)) == {}


def test_inventory_of_a_mixed_fleet_from_the_command_line(
    fresh_deb12: Machine,
    deb13: Machine,
    tiny: Machine,
    fleet_project: Callable[..., FleetProject],
    tmp_path: Path,
) -> None:
    """Two looks with a run between them: what changed, and which run did it."""
    machine = fresh_deb12
    project = fleet_project([machine, deb13, tiny])

    def fleetctl(*args: str, code: int = 0) -> str:
        argv = [FLEETCTL, "-i", project.inventory, "--state", tmp_path / "state", *args]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == code, done.stderr
        return done.stdout

    flags = project.args[2:]
    fleetctl("inventory", "collect", "all", *flags)
    fleetctl("run", machine.name, *flags, "--", "apt-get -y -qq install fl-app >/dev/null 2>&1 && sleep 1")
    fleetctl("inventory", "collect", "all", *flags)
    told = json.loads(
        fleetctl("inventory", "diff", machine.name, "--type", "Application", "--format", "json")
    )
    (run,) = told["Runs"]
    (change,) = [change for change in told["Changes"] if change["Name"].startswith("fl-app ")]
    assert change["Change"] == "changed"
    assert change["CommandId"] == run["CommandId"]
    newer = change["Item"]["Version"]
    query = f"Application.Name=fl-app and Application.Version>={newer}"
    assert fleetctl("inventory", "query", query, "--format", "lines").split() == [machine.name]
    listed = json.loads(fleetctl("inventory", "show", tiny.name, "--format", "json"))
    assert {"InstanceInformation", "InstanceDetailedInformation", "Network"} <= set(
        listed["Entities"][0]["Data"]
    )


def test_a_difference_names_the_patch_installation_that_made_it(
    fresh_deb12: Machine, fleet_project: Callable[..., FleetProject], tmp_path: Path
) -> None:
    """Not the scan, not the plan, not the look that were there too; and not the run that only asked."""
    machine = fresh_deb12
    project = fleet_project([machine])
    kept = ("-i", str(project.inventory), "--state", str(tmp_path / "state"))

    def fleetctl(*args: str, codes: tuple[int, ...] = (0,)) -> str:
        flags = kept if args[1] == "diff" else (*project.args, *kept)
        argv = [FLEETCTL, *args[:2], *flags, *args[2:]]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300, cwd=tmp_path)
        assert done.returncode in codes, done.stderr
        return done.stdout

    fleetctl("inventory", "collect", "all", "--type", "Application")
    fleetctl("patch", "scan", "all", codes=(5,))
    install = ("all", "--package", "fl-lib", "--reboot", "never", "--yes", "--format", "json")
    report = json.loads(fleetctl("patch", "install", *install, codes=(5,)))
    fleetctl("inventory", "collect", "all", "--type", "Application")
    told = json.loads(fleetctl("inventory", "diff", machine.name, "--format", "json"))
    by_name = {change["Name"].split()[0]: change for change in told["Changes"]}
    assert {field["Field"] for field in by_name["fl-lib"]["Fields"]} >= {"Release", "InstalledTime"}
    assert by_name["fl-lib"]["CommandId"] == report["CommandId"]
    assert [(run["CommandId"], run["Comment"]) for run in told["Runs"]] == [(report["CommandId"], "Install")]
