"""What every package manager must do; a new one is held to it without a line written here.

`tests/golden/<manager>/<case>/` holds what a real host printed (`stdout`, `stderr`: copy them from a run's `out/<host>/`), and what
must be read from it (`expected.json`).
"""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.catalogue import PACKAGES, SUITES

from fleetctl.model import Host
from fleetctl.packages.collect import GROUP, collect_script, managers, read_state
from fleetctl.packages.model import HostFacts, PackageState
from fleetctl.packages.sections import read_sections
from fleetctl.patch.defaults import default_baseline
from fleetctl.patch.evaluate import evaluate
from fleetctl.patch.result import LISTED
from fleetctl.spec.plugins import names

GOLDEN = Path(__file__).parents[1] / "golden"
MANAGERS = managers()
NAMES = [manager.name for manager in MANAGERS]
SCRIPT = collect_script(MANAGERS)
SHELLS = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "ash"], ["ksh"], ["mksh"], ["posh"], ["yash"]]
PRESENT = [shell for shell in SHELLS if shutil.which(shell[0])]
NOW = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)


def cases() -> list[Any]:
    return [
        pytest.param(name, folder, id=f"{name}-{folder.name}")
        for name in NAMES
        for folder in sorted((GOLDEN / name).iterdir())
        if folder.is_dir()
    ]


def view(state: PackageState) -> dict[str, Any]:
    """What a golden case pins down of a state, and of SSM's default baseline's verdict on it."""
    return {
        "manager": state.manager,
        "system": state.facts.pretty_name,
        "installed": len(state.installed),
        "from_security": sum(package.security for package in state.installed),
        "broken": {package.name: package.broken for package in state.broken},
        "holds": [f"{hold.name} {hold.kind}" for hold in state.holds],
        "updates": {
            update.name if update.arch == "all" else f"{update.name}.{update.arch}": " ".join(
                [
                    f"{update.installed} -> {update.candidate or 'stays'}",
                    *(
                        f"{'security' if v.security else 'other'}:{v.version}@{v.pin}"
                        for v in update.versions
                    ),
                    *([update.held] if update.held else []),
                    *(["kept-back"] if update.kept_back else []),
                ]
            )
            for update in state.updates
        },
        **({"advised": told} if (told := advised(state)) else {}),
        **({"faults": faults} if (faults := {f.what: f.mend for f in state.faults}) else {}),
        **({"blind": state.blind} if state.blind else {}),
        "reboot": [state.reboot.needed, list(state.reboot.packages), list(state.reboot.reasons)],
        "services": list(state.services),
        "metadata_age_seconds": state.metadata_age_seconds,
        "errors": list(state.errors),
        "warnings": list(state.warnings),
        "unseen": list(state.unseen),
        "verdict": verdict(state),
    }


def advised(state: PackageState) -> dict[str, str]:
    """What advisories say of each version, in one line."""
    return {
        f"{update.name} {version.version}": "; ".join(
            " ".join(
                filter(
                    None,
                    [
                        a.id,
                        a.classification,
                        a.severity,
                        f"{a.issued:%Y-%m-%d}" if a.issued else "",
                        *a.cve_ids,
                        *a.bugzilla_ids,
                    ],
                )
            )
            for a in version.advisories
        )
        for update in state.updates
        for version in update.versions
        if version.advisories
    }


def verdict(state: PackageState) -> dict[str, Any] | None:
    baseline = default_baseline(Host(name="any"), state.facts)
    if state.errors or state.blind or baseline is None:
        return None
    result = evaluate(state, baseline, NOW)
    listed = [patch for patch in result.patches if patch.state in LISTED]
    return {
        "status": result.status.value,
        "counts": {name: count for name, count in result.counts.items() if count},
        "patches": {
            patch.name: f"{patch.state.value} {patch.target.version if patch.target else '-'} {patch.note}".strip()
            for patch in listed
        },
        "other_updates": len(result.other_updates),
    }


@pytest.mark.parametrize("name", names(GROUP))
def test_every_manager_has_golden_cases(name):
    assert [folder for folder in (GOLDEN / name).iterdir() if (folder / "expected.json").is_file()]


@pytest.mark.parametrize(("name", "folder"), cases())
def test_reads_what_real_hosts_print(name, folder):
    state = read_state((folder / "stdout").read_bytes(), (folder / "stderr").read_bytes(), MANAGERS)
    told = view(state)
    expected = folder / "expected.json"
    assert expected.is_file(), (
        f"{expected} is missing; if this is right, it holds:\n{json.dumps(told, indent=1)}"
    )
    assert told == json.loads(expected.read_text())


@pytest.mark.parametrize("manager", MANAGERS, ids=NAMES)
def test_an_empty_answer_is_an_error_of_the_state(manager):
    assert manager.parse(read_sections(b""), HostFacts()).errors


@pytest.mark.parametrize(("name", "folder"), cases())
def test_an_answer_cut_anywhere_is_never_judged(name, folder):
    stdout, stderr = (folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()
    end = stdout.rindex(b"@@fleetctl done")
    for cut in (0, end // 7, end // 2, end * 6 // 7, end - 1, end):
        assert read_state(stdout[:cut], stderr, MANAGERS).errors


@pytest.mark.parametrize("manager", MANAGERS, ids=NAMES)
@given(data=st.data())
def test_reads_any_rubbish_without_raising(manager, data):
    sections = [section.name for section in read_sections(some_answer(manager.name))]
    lines = [
        b"a\tb",
        b" *** 1 2",
        b"x:",
        b"@1",
        b"release o=",
        b"E: no",
        b"a.b 1-2 c",
        b"[{}]",
        b"[1]",
        b"generation=5",
    ]
    lines += [
        b"a\t0\t1\t1\tx\t1\ts",
        b"  Update ID: x",
        b"i A x/Sec. a-1-1.x",
        b"<?xml version='1.0'?><a/>",
        b"[[packages]]",
    ]
    body = st.one_of(st.binary(max_size=60), st.sampled_from(lines))
    answer = b"".join(
        b"\n@@fleetctl %s begin\n%s\n@@fleetctl %s end %d\n"
        % (name.encode(), data.draw(body), name.encode(), data.draw(st.integers(0, 255)))
        for name in sections
    )
    state = manager.parse(read_sections(answer + b"\n@@fleetctl done\n"), HostFacts())
    assert state.manager == manager.name


def some_answer(name: str) -> bytes:
    return max(
        (folder / "stdout" for folder in (GOLDEN / name).iterdir() if folder.is_dir()),
        key=lambda f: f.stat().st_size,
    ).read_bytes()


@pytest.mark.parametrize("shell", PRESENT, ids=[" ".join(shell) for shell in PRESENT])
def test_every_posix_shell_reads_the_script(shell):
    told = subprocess.run([*shell, "-n"], input=SCRIPT, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("manager", MANAGERS, ids=NAMES)
def test_only_a_script_that_may_refresh_has_a_function_that_does(manager):
    asked = collect_script(MANAGERS, refresh=True)
    assert f"refresh_{manager.name}()" in asked
    assert f"refresh_{manager.name}" not in SCRIPT
    assert manager.refresh
    told = subprocess.run(["sh", "-n"], input=asked, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def test_a_refresh_that_failed_is_never_judged():
    answer = (GOLDEN / "apt" / "deb13-clean" / "stdout").read_bytes()
    begin, end = b"\n@@fleetctl refresh begin\n", b"\n@@fleetctl refresh end 100\n"
    manager = answer.index(b"\n@@fleetctl manager begin")
    told = answer[:manager] + begin + end + answer[manager:]
    state = read_state(told, begin + b"E: The repository is gone" + end, MANAGERS)
    assert state.errors == ("the package lists could not be refreshed: E: The repository is gone",)
    well = told.replace(b"refresh end 100", b"refresh end 0")
    assert read_state(well, begin + end, MANAGERS).errors == ()


def test_shellcheck_finds_nothing_in_the_script():
    shellcheck = shutil.which("shellcheck") or pytest.skip("shellcheck is not installed")
    # Functions are called by name, through `section`; os-release is the host's.
    ignored = "--exclude=SC2329,SC2317,SC1091,SC2030,SC2031"
    told = subprocess.run(
        [shellcheck, "-s", "sh", ignored, "-"], input=SCRIPT, capture_output=True, text=True, check=False
    )
    assert told.stdout == ""


@pytest.mark.parametrize("shell", PRESENT, ids=[" ".join(shell) for shell in PRESENT])
def test_a_host_without_any_manager_says_so_in_every_shell(shell, tmp_path):
    """An empty PATH stands for a host that has the shell and a few tools, and nothing else."""
    for tool in ("cat", "uname", "id", "date", "sed", "printf"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    script = SCRIPT.replace("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin\n", "")
    assert script != SCRIPT
    program = shutil.which(shell[0])
    told = subprocess.run(
        [program, *shell[1:], "-s"],
        input=script.encode(),
        capture_output=True,
        env={"PATH": str(tmp_path)},
        check=False,
    )
    state = read_state(told.stdout, told.stderr, MANAGERS)
    assert "no package manager that fleetctl knows" in state.errors[0]
    assert state.facts.boot_id


def test_the_scan_writes_nothing_on_the_host_and_finds_what_the_catalogue_lacks(debian):
    """Compares every file of a real host before and after, root's scan and an unprivileged user's."""
    # The journal and login records tell of the login itself.
    places = "/ -xdev ( -path /proc -o -path /sys -o -path /dev -o -path /var/log/journal -o -path /run ) -prune -o"
    listing = f"find {places} -printf '%p %T@ %C@ %s %m\\n' | sort".replace("(", "\\(").replace(")", "\\)")
    before = debian.output(listing)
    for user in ("root", "guest"):
        told = debian.run("sh -s", user=user, stdin=SCRIPT)
        state = read_state(told.stdout.encode(), told.stderr.encode(), MANAGERS)
        assert (state.manager, state.errors) == ("apt", ())
        suite = SUITES[debian.tags["kind"]]
        found = {u.name: u.security_fix.version for u in state.updates if u.security_fix}
        assert found == {p.name: p.security(suite) for p in PACKAGES if p.security(suite)}
        assert {hold.name for hold in state.holds} == {p.name for p in PACKAGES if p.held}
    assert debian.output(listing) == before


def test_a_scan_of_a_mixed_fleet_from_the_command_line(deb12, deb13, tiny, fleet_project, tmp_path):
    """Real SSH, real hosts: two that lack fixes, one that nobody can judge, and one that is not there."""
    project = fleet_project([deb12, deb13, tiny], changes={deb13.name: {"user": "guest"}})
    args = ["-i", str(project.inventory), "--state", str(tmp_path / "state")]
    found, code = scan_json(args, project, "fleet")
    assert code == 3
    assert {host["ResourceId"]: host["Status"] for host in found["ResourceSummaries"]} == {
        deb12.name: "NON_COMPLIANT",
        deb13.name: "NON_COMPLIANT",
    }
    assert [(host["ResourceId"], host["Reason"]) for host in found["Unscanned"]] == [
        (tiny.name, "precondition")
    ]
    for machine in (deb12, deb13):
        suite = SUITES[machine.tags["kind"]]
        items = {
            i["Title"]: i["Details"] for i in found["ComplianceItems"] if i["ResourceId"] == machine.name
        }
        lacking = {f"{p.name}.all": p.security(suite) for p in PACKAGES if p.security(suite)}
        assert {title: details["CandidateVersion"] for title, details in items.items()} == lacking
        assert items["fl-held.all"]["Held"] == "hold"
    kept = list((tmp_path / "state" / "reports" / "compliance").glob("*.json"))
    assert [json.loads(path.read_text()) for path in kept] == [found]
    again, code = scan_json(args, project, f"@noncompliant:{found['CommandId']}")
    assert code == 5
    assert len(again["ResourceSummaries"]) == 2


def scan_json(args: list[str], project: Any, targets: str) -> tuple[Any, int]:
    program = str(Path(sys.executable).with_name("fleetctl"))
    argv = [
        program,
        *args,
        "patch",
        "scan",
        targets,
        "--known-hosts",
        str(project.known_hosts),
        "--format",
        "json",
    ]
    told = subprocess.run(argv, capture_output=True, text=True, cwd=project.path, check=False)
    assert told.stdout, told.stderr
    return json.loads(told.stdout), told.returncode


def test_what_a_host_goes_through_from_missing_to_compliant(fresh_debian):
    """Each state of SSM on a real host, by the very packages that stand for it."""
    suffix = {"deb12": "deb12u1", "deb13": "deb13u1"}[fresh_debian.tags["kind"]]
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold"
    assert states(fresh_debian) == dict.fromkeys(("fl-broken", "fl-held", "fl-kernel", "fl-lib"), "MISSING")
    fresh_debian.output(f"{apt} --only-upgrade install fl-kernel=1.0-1+{suffix} fl-lib=1.0-1+{suffix}")
    fresh_debian.run(f"{apt} --only-upgrade install fl-broken")
    assert states(fresh_debian) == {
        "fl-broken": "FAILED",
        "fl-held": "MISSING",
        "fl-kernel": "INSTALLED_PENDING_REBOOT",
    }
    fresh_debian.reboot()
    assert states(fresh_debian) == {"fl-broken": "FAILED", "fl-held": "MISSING"}
    fresh_debian.output(
        "printf '#!/bin/sh\\nexit 0\\n' > /var/lib/dpkg/info/fl-broken.postinst; dpkg --configure -a"
    )
    fresh_debian.output(f"apt-mark unhold fl-held; {apt} --only-upgrade install fl-held")
    assert states(fresh_debian) == {}


def states(machine: Any) -> dict[str, str]:
    told = machine.run("sh -s", stdin=SCRIPT)
    state = read_state(told.stdout.encode(), told.stderr.encode(), MANAGERS)
    assert state.errors == ()
    result = evaluate(state, default_baseline(Host(name="any"), state.facts), NOW)
    return {patch.name: patch.state.value for patch in result.patches if patch.state in LISTED}
