"""apk on a real busybox host: dropbear, ash and busybox's own tools are real, apk itself is played by a stand-in (see `lab/alpine.py`)."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab.alpine import PACKAGES, play_alpine
from lab.listing import changes
from lab.machine import Machine
from lab.processes import until
from lab.project import FleetProject

from fleetctl.packages.apk import Apk
from fleetctl.packages.change import Applied, Simulation, TroubleKind, Wanted
from fleetctl.packages.collect import collect_script, read_state
from fleetctl.packages.model import PackageState
from fleetctl.packages.sections import read_sections

PROGRAM = str(Path(sys.executable).with_name("fleetctl"))
NEWER = {p.name: p.second for p in PACKAGES if p.first not in {"", p.second}}
WORLD = "fl-app\nfl-held=1.0-r0\nfl-lib\nfl-needs\n"
#: Kept by the host, and left out by hand: its script fails.
LEFT = {"fl-held", "fl-broken"}


@pytest.fixture
def alpine(fresh_tiny: Machine) -> Machine:
    play_alpine(fresh_tiny)
    return fresh_tiny


def scan(machine: Machine, *, user: str = "root", refresh: bool = False) -> PackageState:
    told = machine.run("sh -s", user=user, stdin=collect_script([Apk()], refresh=refresh))
    return read_state(told.stdout.encode(), told.stderr.encode(), [Apk()])


def simulate(machine: Machine, **wanted: str) -> Simulation:
    script = Apk().simulate_script(wishes(wanted))
    told = machine.run("sh -s", stdin=script)
    return Apk().parse_simulation(read_sections(told.stdout.encode(), told.stderr.encode()))


def apply(
    machine: Machine,
    *,
    lock_seconds: int = 30,
    user: str = "root",
    removals: tuple[str, ...] = (),
    **wanted: str,
) -> Applied:
    script = Apk().apply_script(wishes(wanted), lock_seconds=lock_seconds, removals=removals)
    told = machine.run("sh -s", user=user, stdin=script)
    return Apk().parse_application(read_sections(told.stdout.encode(), told.stderr.encode()))


def wishes(wanted: dict[str, str]) -> list[Wanted]:
    return [Wanted(name=name.replace("_", "-"), version=version) for name, version in wanted.items()]


def fault(machine: Machine, *lines: str) -> None:
    (machine.root / "etc/apk/faults").write_text("".join(f"{line}\n" for line in lines))


def world(machine: Machine) -> str:
    return (machine.root / "etc/apk/world").read_text()


def listing(machine: Machine) -> dict[str, str]:
    """All files of its root, as the controller sees them, and what is in its memory: busybox's find tells only names."""
    found = {}
    for folder, folders, files in os.walk(machine.root):
        for name in (*folders, *files):
            path = Path(folder, name)
            told = path.lstat()
            found[str(path)] = (
                f"{told.st_mode:o} {told.st_uid}:{told.st_gid} {told.st_size} {told.st_ctime_ns}"
            )
    memory = machine.inside("find", "/tmp", "/dev", "-not", "-path", "/dev/pts/*").stdout.splitlines()
    return {path: facts for path, facts in found.items() if not path.endswith("/ssh.log")} | dict.fromkeys(
        memory, "is there"
    )


def test_scan_tells_what_is_missing_and_writes_nothing(alpine: Machine) -> None:
    before = listing(alpine)
    for user in ("root", "deploy"):
        state = scan(alpine, user=user)
        assert (state.manager, state.errors, state.warnings) == ("apk", (), ())
        assert {u.name: u.versions[0].version for u in state.updates} == NEWER
        assert {u.name: u.held for u in state.updates if u.held or u.kept_back} == {"fl-held": "pin"}
        assert state.metadata_age_seconds is not None
        assert bool(state.unseen) == (user == "deploy")
    assert changes(before, listing(alpine)) == {}


def test_a_rehearsal_tells_what_comes_along_and_writes_nothing(alpine: Machine) -> None:
    before = listing(alpine)
    told = simulate(alpine, fl_app="1.1-r0", fl_needs="1.1-r0")
    assert told.troubles == ()
    assert [(c.kind, c.name, c.before, c.after) for c in told.changes] == [
        ("upgrade", "fl-app", "1.0-r0", "1.1-r0"),
        ("install", "fl-newdep", "", "1.0-r0"),
        ("upgrade", "fl-needs", "1.0-r0", "1.1-r0"),
    ]
    assert (told.download, told.disk) == (3 * 1431, 4096)
    assert changes(before, listing(alpine)) == {}


@pytest.mark.parametrize("lines", [["untrusted"], ["no-list"]], ids=["unsigned", "never fetched"])
def test_a_host_whose_package_lists_apk_leaves_out_is_not_judged(alpine: Machine, lines: list[str]) -> None:
    fault(alpine, *lines)
    (error,) = scan(alpine).errors
    assert "package list" in error
    (first, *_) = simulate(alpine, fl_app="1.1-r0").troubles
    assert first.kind in {TroubleKind.SIGNATURE, TroubleKind.MIRROR}
    assert apply(alpine, fl_app="1.1-r0").troubles[0] == first


def test_a_refresh_makes_the_lists_young_and_wants_root(alpine: Machine) -> None:
    alpine.output("touch -d '2024-01-01 00:00' /var/cache/apk/*")
    old = scan(alpine).metadata_age_seconds
    assert old is not None
    assert old > 86400
    (error,) = scan(alpine, user="deploy", refresh=True).errors
    assert "could not be refreshed" in error
    young = scan(alpine, refresh=True).metadata_age_seconds
    assert young is not None
    assert young < 3600


def test_services_that_run_what_was_replaced_are_told(alpine: Machine) -> None:
    alpine.output("cp /usr/sbin/dropbear /usr/sbin/new && mv /usr/sbin/new /usr/sbin/dropbear")
    assert scan(alpine).services == ("dropbear",)


@pytest.mark.parametrize(
    ("lines", "kind", "mend"),
    [
        (["gone"], TroubleKind.GONE, "apk update"),
        (["full"], TroubleKind.DISK_FULL, "apk cache clean"),
    ],
)
def test_what_fails_on_the_way_is_told_and_changes_nothing(
    alpine: Machine, lines: list[str], kind: TroubleKind, mend: str
) -> None:
    fault(alpine, *lines)
    told = apply(alpine, fl_app="1.1-r0")
    assert [(t.kind, t.mend, t.packages) for t in told.troubles] == [(kind, mend, ("fl-app",))]
    assert (told.ok, told.changes, world(alpine)) == (False, (), WORLD)


def test_a_failing_script_and_a_kept_file_are_told_and_the_scan_sees_both(alpine: Machine) -> None:
    fault(alpine, "script fl-broken", "beside fl-app etc/fl-app.conf")
    alpine.output("touch /etc/fl-app.conf.apk-new")
    told = apply(alpine, fl_broken="1.0-r1", fl_app="1.1-r0")
    assert [(t.kind, t.mend) for t in told.troubles] == [(TroubleKind.SCRIPT, "apk fix fl-broken")]
    assert told.kept_files == ("/etc/fl-app.conf",)
    assert {(c.name, c.after) for c in told.changes} == {("fl-broken", "1.0-r1"), ("fl-app", "1.1-r0")}
    for later in (simulate(alpine, fl_lib="1.0-r0"), apply(alpine, fl_lib="1.0-r0")):
        assert [(t.kind, t.mend) for t in later.troubles] == [(TroubleKind.BROKEN, "apk fix fl-broken")]
    state = scan(alpine)
    assert [p.name for p in state.broken] == ["fl-broken"]
    assert next(u for u in state.updates if u.name == "fl-lib").candidate == "1.0-r0"
    assert any("/etc/fl-app.conf.apk-new" in warning for warning in state.warnings)


@pytest.mark.parametrize(
    ("wanted", "kind", "says"),
    [
        ({"fl_app": "1.0.5-r0"}, TroubleKind.GONE, "there is 1.1-r0"),
        ({"fl_held": "1.0-r1"}, TroubleKind.DEPENDENCIES, "/etc/apk/world says fl-held=1.0-r0"),
        ({"fl_same": "0.9-r0"}, TroubleKind.OTHER, "nothing is ever downgraded"),
        ({"fl_app": "1.1-r0", "fl_lib": "1.0-r9"}, TroubleKind.GONE, "fl-lib 1.0-r9"),
    ],
)
def test_exactly_what_is_wanted_or_nothing(
    alpine: Machine, wanted: dict[str, Any], kind: TroubleKind, says: str
) -> None:
    before = (alpine.root / "lib/apk/db/installed").read_text()
    for told in (simulate(alpine, **wanted), apply(alpine, **wanted)):
        assert [trouble.kind for trouble in told.troubles] == [kind]
        assert says in told.troubles[0].message
    assert ((alpine.root / "lib/apk/db/installed").read_text(), world(alpine)) == (before, WORLD)


def test_nothing_goes_that_was_not_told_before(alpine: Machine) -> None:
    fault(alpine, "purge fl-same")
    assert simulate(alpine, fl_app="1.1-r0").removals == ("fl-same",)
    before = (alpine.root / "lib/apk/db/installed").read_text()
    told = apply(alpine, fl_app="1.1-r0", removals=("fl-sam", "fl-same2"))
    assert [(t.kind, t.packages) for t in told.troubles] == [(TroubleKind.DEPENDENCIES, ("fl-same",))]
    assert (alpine.root / "lib/apk/db/installed").read_text() == before
    told = apply(alpine, fl_app="1.1-r0", removals=("fl-lib", "fl-same"))
    assert (told.ok, {(c.kind, c.name) for c in told.changes}) == (
        True,
        {("upgrade", "fl-app"), ("remove", "fl-same")},
    )


def test_nothing_goes_back_even_where_it_was_told(alpine: Machine) -> None:
    fault(alpine, "back fl-same 0.9-r0")
    before = (alpine.root / "lib/apk/db/installed").read_text()
    told = apply(alpine, fl_app="1.1-r0", removals=("fl-same",))
    assert [(t.kind, t.packages) for t in told.troubles] == [(TroubleKind.OTHER, ("fl-same",))]
    assert (alpine.root / "lib/apk/db/installed").read_text() == before


def test_who_holds_the_lock_is_waited_for_and_named(alpine: Machine) -> None:
    alpine.output("flock /lib/apk/db/lock sh -c 'echo on >/run/held; sleep 600' >/dev/null 2>&1 </dev/null &")
    held = alpine.root / "run/held"
    until(held.exists, seconds=10, what="the lock is held")
    told = apply(alpine, lock_seconds=2, fl_app="1.1-r0")
    (trouble,) = told.troubles
    assert trouble.kind is TroubleKind.LOCKED
    assert "flock /lib/apk/db/lock" in trouble.message
    assert told.waited >= 2
    alpine.output("kill $(ps | sed -n 's/^ *\\([0-9]*\\) .*[s]leep 600$/\\1/p')")
    assert apply(alpine, fl_app="1.1-r0").ok


def test_who_is_no_root_installs_nothing(alpine: Machine) -> None:
    (trouble,) = apply(alpine, user="deploy", fl_app="1.1-r0").troubles
    assert trouble.kind is TroubleKind.NOT_ROOT


def test_a_night_goes_from_non_compliant_to_compliant_and_a_second_one_changes_nothing(
    alpine: Machine, fleet_project: Callable[..., FleetProject], tmp_path: Path
) -> None:
    args = (*fleet_project([alpine]).args, "--state", str(tmp_path / "state"))

    def patch(verb: str, *argv: str, code: int) -> str:
        done = subprocess.run(
            [PROGRAM, "patch", verb, *args, *argv], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def states(told: str) -> dict[str, str]:
        items: Any = json.loads(told)["ComplianceItems"]
        return {i["Title"].rpartition(".")[0]: i["Details"]["PatchState"] for i in items}

    fault(alpine, "script fl-broken")
    assert states(patch("scan", "all", "--format", "json", code=5)) == dict.fromkeys(NEWER, "MISSING")
    path = tmp_path / "night.plan"
    patch("plan", "all", "--exclude-package", "fl-broken", "-o", str(path), code=6)
    share = json.loads(path.read_text())["Hosts"][0]
    assert {c["Name"]: c["After"] for c in share["Changes"]} == {
        **{name: version for name, version in NEWER.items() if name not in LEFT},
        "fl-newdep": "1.0-r0",
    }
    assert {item["Name"] for item in share["LeftOut"]} == LEFT
    assert states(patch("install", str(path), "--yes", "--format", "json", code=5)) == dict.fromkeys(
        LEFT, "MISSING"
    )
    assert world(alpine) == WORLD

    alpine.output("sed -i 's/fl-held=.*/fl-held/' /etc/apk/world")
    patch("install", "all", "--yes", "--exclude-package", "fl-broken", code=5)
    assert states(patch("scan", "all", "--format", "json", code=5)) == {"fl-broken": "MISSING"}
    patch("install", "all", "--yes", code=3)
    assert states(patch("scan", "all", "--format", "json", code=5)) == {"fl-broken": "FAILED"}
    fault(alpine)
    alpine.output("sed -i /^f:s/d /lib/apk/db/installed")
    assert states(patch("scan", "all", "--format", "json", code=0)) == {}

    before = (alpine.root / "lib/apk/db/installed").read_text()
    patch("install", "all", "--yes", code=0)
    patch("install", str(path), "--yes", code=0)
    assert (alpine.root / "lib/apk/db/installed").read_text() == before
