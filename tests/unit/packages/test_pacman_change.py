"""What pacman would change and did, read from what real hosts printed; and what the scripts ask for."""

import json
import re
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from fleetctl.packages.change import Applied, Simulation, TroubleKind, Wanted
from fleetctl.packages.pacman import Pacman
from fleetctl.packages.sections import Sections, read_sections

GOLDEN = Path(__file__).parents[2] / "golden/pacman-change"
CASES = sorted(folder for folder in GOLDEN.iterdir() if folder.is_dir())
PACMAN = Pacman()
APP = Wanted(name="fl-app", version="1:1.1-1", arch="any")
SHELLS = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "ash"], ["ksh"], ["mksh"], ["posh"], ["yash"]]
PRESENT = [shell for shell in SHELLS if shutil.which(shell[0])]


def read(folder: Path) -> Simulation | Applied:
    return understood(
        folder.name, read_sections((folder / "stdout").read_bytes(), (folder / "stderr").read_bytes())
    )


def understood(name: str, sections: Sections) -> Simulation | Applied:
    parse = PACMAN.parse_simulation if name.startswith("simulate-") else PACMAN.parse_application
    return parse(sections)


def view(answer: Simulation | Applied) -> dict[str, Any]:
    """What a golden case pins down."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(answer)))
    told["changes"] = [" ".join(str(v) for v in change.values() if v) for change in told["changes"]]
    return told


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_golden(folder: Path) -> None:
    told, expected = view(read(folder)), folder / "expected.json"
    assert expected.is_file(), f"write {expected}:\n{json.dumps(told, indent=1)}"
    assert told == json.loads(expected.read_text())


@pytest.mark.parametrize("folder", CASES, ids=lambda path: path.name)
def test_answer_cut_anywhere_is_read_and_never_a_success(folder: Path) -> None:
    stdout, stderr = (folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()
    for cut in range(0, stdout.rindex(b"begin") + 6, 97):
        told = understood(folder.name, read_sections(stdout[:cut], stderr))
        before_the_act = b"pacman-changed begin" not in stdout[:cut]
        assert told.troubles or not before_the_act


def framed(**told: Any) -> Sections:
    """An answer with these sections; underscores stand for dashes, a pair is text and exit code."""
    out = ""
    for name, given in told.items():
        text, code = (given, 0) if isinstance(given, str) else given
        frame = f"@@fleetctl {name.replace('_', '-')}"
        out += f"\n{frame} begin\n{text}\n{frame} end {code}\n"
    return read_sections(f"{out}\n@@fleetctl done\n".encode())


def applied(printed: str, code: int = 1) -> Applied:
    usual = {"pacman_would": "a 2-1 core 1", "pacman_rehearsal": ":: Proceed with installation? [Y/n]"}
    return PACMAN.parse_application(framed(**usual, pacman_apply=(printed, code)))


@pytest.mark.parametrize(
    ("printed", "code", "kind", "packages", "said"),
    [
        (
            (
                "upgrading a...\nb\n:: Running post-transaction hooks...\n(1/2) Reloading...\n(2/2) Updating the info...\n"
                "no info\nerror: command failed to execute correctly"
            ),
            0,
            TroubleKind.SCRIPT,
            (),
            "a hook failed: Updating the info; it said: no info",
        ),
        (
            (
                ":: Running pre-transaction hooks...\n(1/1) Ask somebody...\nerror: failed to commit transaction "
                "(failed to run transaction hooks)"
            ),
            1,
            TroubleKind.SCRIPT,
            (),
            "a hook of the host forbids it",
        ),
        (
            "a: /usr/bin/x exists in filesystem (owned by b)\nerror: failed to commit transaction (conflicting files)",
            1,
            TroubleKind.DEPENDENCIES,
            ("a",),
            "a would overwrite /usr/bin/x, of package b",
        ),
        (
            (
                ":: a and b are in conflict. Remove b? [y/N] error: unresolvable package conflicts detected\n"
                "error: failed to prepare transaction (conflicting dependencies)\n:: a and b are in conflict"
            ),
            1,
            TroubleKind.DEPENDENCIES,
            (),
            "a and b are in conflict",
        ),
        (
            'error: a: signature from "X <x@example>" is unknown trust',
            1,
            TroubleKind.SIGNATURE,
            (),
            "is unknown trust",
        ),
        ("error: out of memory", 1, TroubleKind.OTHER, (), "out of memory"),
        ("", 1, TroubleKind.OTHER, (), "exit code 1 and gave no reason"),
        ("upgrading a...", 130, TroubleKind.BROKEN, (), "SIGINT"),
    ],
)
def test_each_failure_has_its_kind_and_its_sentence(
    printed: str, code: int, kind: TroubleKind, packages: tuple[str, ...], said: str
) -> None:
    told = applied(printed, code)
    assert not told.ok
    assert [(trouble.kind, trouble.packages) for trouble in told.troubles] == [(kind, packages)]
    assert said in told.troubles[0].message


def test_what_a_pacman_at_work_has_begun_is_waited_for_and_no_fault() -> None:
    busy = "holder=7 pacman -Syu\nhalf=/var/lib/pacman/local/b-1-1"
    broken = ("error: could not open file /var/lib/pacman/local/b-1-1/desc: No such file or directory", 1)
    told = PACMAN.parse_simulation(
        framed(pacman_unfinished=busy, pacman_would=("", 1), pacman_rehearsal=broken)
    )
    assert [trouble.kind for trouble in told.troubles] == [TroubleKind.LOCKED]
    assert "process 7 (pacman -Syu)" in told.troubles[0].message
    done = PACMAN.parse_application(framed(lock_wait_1="waited=0", pacman_unfinished=busy))
    assert (done.ok, [trouble.kind for trouble in done.troubles]) == (False, [TroubleKind.LOCKED])


def test_package_that_only_provides_what_is_wanted_is_not_taken_for_it() -> None:
    told = PACMAN.parse_simulation(
        framed(
            pacman_wanted="a=2-1",
            pacman_would="a-git 9-1 core 1",
            pacman_now="a 1-1 any",
            pacman_rehearsal=":: Proceed with installation? [Y/n]",
        )
    )
    assert [(trouble.kind, trouble.packages) for trouble in told.troubles] == [(TroubleKind.GONE, ("a",))]


def test_versions_are_asked_for_exactly_and_no_list_is_ever_refreshed() -> None:
    script = PACMAN.apply_script([APP], lock_seconds=7)
    assert "fl-app=1:1.1-1" in script
    assert re.search(r"^pacman_apply 7$", script, re.MULTILINE)
    assert not re.search(r"pacman[^\n]* -S\w*[yu]", re.sub(r"(?m)^#.*|-Sup --print.*", "", script))


@pytest.mark.parametrize(
    "odd",
    [
        Wanted(name="fl-*", version="1-1"),
        Wanted(name="-y", version="1-1"),
        Wanted(name="a", version="1-1;reboot"),
    ],
)
def test_names_that_no_package_can_have_never_reach_pacman(odd: Wanted) -> None:
    for script in (PACMAN.simulate_script([APP, odd]), PACMAN.apply_script([APP, odd], lock_seconds=1)):
        assert "pacman_targets" not in script
        done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True)
        told = PACMAN.parse_application(read_sections(done.stdout.encode()))
        assert (told.ok, {trouble.kind for trouble in told.troubles}) == (False, {TroubleKind.OTHER})
        assert odd.name in told.troubles[0].message


def test_nothing_wanted_is_nothing_done() -> None:
    for script in (PACMAN.simulate_script([]), PACMAN.apply_script([], lock_seconds=1)):
        done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=True)
        assert PACMAN.parse_simulation(read_sections(done.stdout.encode())) == Simulation()
        assert PACMAN.parse_application(read_sections(done.stdout.encode())) == Applied(ok=True)


@pytest.mark.parametrize("shell", PRESENT, ids=" ".join)
def test_every_posix_shell_reads_the_scripts(shell: list[str]) -> None:
    for script in (PACMAN.simulate_script([APP]), PACMAN.apply_script([APP], lock_seconds=1)):
        told = subprocess.run([*shell, "-n"], input=script, capture_output=True, text=True, check=False)
        # ksh has opinions about style.
        assert (told.returncode, re.sub(r"(?m)^ksh: warning: .*\n", "", told.stderr)) == (0, "")


def test_shellcheck_finds_nothing_in_the_script() -> None:
    shellcheck = shutil.which("shellcheck") or pytest.skip("shellcheck is not installed")
    # Functions are called by name, through `section`; what only dnf and zypper use of the shared script is not set here.
    ignored = "--exclude=SC2329,SC2317,SC1091,SC2030,SC2031,SC2034,SC2154,SC2015"
    script = PACMAN.apply_script([APP], lock_seconds=1)
    told = subprocess.run(
        [shellcheck, "-s", "sh", ignored, "-"], input=script, capture_output=True, text=True, check=False
    )
    assert told.stdout == ""
