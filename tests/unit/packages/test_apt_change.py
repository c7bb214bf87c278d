"""What apt says that it would change, did change, and could not."""

import json
import shlex
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.apt import Apt
from fleetctl.packages.change import Applied, Simulation, TroubleKind, Wanted
from fleetctl.packages.sections import read_sections

GOLDEN = Path(__file__).parents[2] / "golden/apt-change"
APT = Apt()
APP = Wanted(name="fl-app", version="1:1.1-1~x", arch="amd64")
SHELLS = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "ash"], ["ksh"], ["mksh"], ["posh"], ["yash"]]
PRESENT = [shell for shell in SHELLS if shutil.which(shell[0])]
PLACE = "uid=0\nfree=1000 /\narchives=/var\nfree=500 /var"
PLAN = "Inst fl-app [1.0] (1.1 Debian:12/stable [all])\nConf fl-app (1.1 Debian:12/stable [all])"
UNFINISHED = "fl-x\t1.0\tall\tiF \t\tmisc\toptional\t1700000000"


def framed(**told: Any) -> Any:
    """An answer with these sections; underscores stand for dashes, a pair is text and exit code."""
    out = ""
    for name, given_ in told.items():
        text, code = (given_, 0) if isinstance(given_, str) else given_
        frame = f"@@fleetctl {name.replace('_', '-')}"
        out += f"\n{frame} begin\n{text}\n{frame} end {code}\n"
    return read_sections(f"{out}\n@@fleetctl done\n".encode())


def simulated(**told: Any) -> Simulation:
    usual = {"apt_place": PLACE, "apt_unfinished": "", "apt_simulate": PLAN, "apt_sizes": ""}
    return APT.parse_simulation(framed(**usual | told))


def applied(printed: str, code: int = 100, **told: Any) -> Applied:
    usual = {
        "apt_place": PLACE,
        "apt_wait": "waited=0",
        "apt_unfinished_before": "",
        "apt_simulate": PLAN,
        "apt_install": (printed, code),
        "apt_changed": "",
        "apt_kept": "",
        "apt_unfinished": "",
    }
    return APT.parse_application(framed(**usual | told))


def view(answer: Simulation | Applied) -> dict[str, Any]:
    """What a golden case pins down."""
    facts = json.loads(json.dumps(asdict(answer)))
    facts["changes"] = [
        " ".join(
            filter(
                None,
                [
                    c["kind"],
                    f"{c['name']}:{c['arch']}",
                    c["before"],
                    "->",
                    c["after"],
                    c["repository"],
                    str(c["size"] or ""),
                ],
            )
        )
        for c in facts["changes"]
    ]
    return facts


@pytest.mark.parametrize(
    "folder", sorted(path for path in GOLDEN.iterdir() if path.is_dir()), ids=lambda path: path.name
)
def test_golden(folder: Path) -> None:
    read = APT.parse_simulation if folder.name.startswith("simulate-") else APT.parse_application
    answer = read(read_sections((folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()))
    expected = folder / "expected.json"
    assert expected.exists(), f"write {expected}:\n{json.dumps(view(answer), indent=1)}"
    assert view(answer) == json.loads(expected.read_text())


@pytest.mark.parametrize("shell", PRESENT, ids=" ".join)
def test_every_shell_reads_the_scripts(shell: list[str]) -> None:
    for script in (APT.simulate_script([APP]), APT.apply_script([APP], lock_seconds=5)):
        done = subprocess.run([*shell, "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_versions_are_asked_for_exactly_and_with_their_architecture() -> None:
    script = APT.simulate_script([APP, Wanted(name="fl-lib", version="2", arch="all")])
    (line,) = (line for line in script.splitlines() if line.startswith("apt_specs()"))
    assert shlex.split(line)[3:5] == ["fl-app:amd64=1:1.1-1~x", "fl-lib=2;"]


@pytest.mark.parametrize(
    ("name", "version", "arch"),
    [
        *((name, "1", "") for name in ("", "-o", "a*", "a b", "$(reboot)", "a'b", "a\nb", "fl-App", "a=1", "a/stable", "a\\", "é")),
        *(("ab", version, "") for version in ("", "-1", "1=2", "1 2", "1;2", "1*", "v1", "1\n")),
        *(("ab", "1", arch) for arch in ("-x", "a;b", "amd64 ", "a:b")),
    ],
)  # fmt: skip
def test_nothing_odd_reaches_apt_and_nothing_beside_it_is_done(name: str, version: str, arch: str) -> None:
    script = APT.apply_script([APP, Wanted(name=name, version=version, arch=arch)], lock_seconds=5)
    assert "apt-get" not in script
    done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
    (trouble,) = APT.parse_application(read_sections(done.stdout, done.stderr)).troubles
    assert "no Debian package can be called so" in trouble.message


def test_nothing_wanted_is_nothing_done() -> None:
    for script, read, nothing in (
        (APT.simulate_script([]), APT.parse_simulation, Simulation()),
        (APT.apply_script([], lock_seconds=5), APT.parse_application, Applied(ok=True)),
    ):
        done = subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True)
        assert read(read_sections(done.stdout, done.stderr)) == nothing


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("Inst a [1.0] (1.1 Debian:12/stable [amd64])", ("upgrade", "a", "amd64", "1.0", "1.1")),
        ("Inst a:i386 [1.0] (1.1 Debian:12/stable [i386])", ("upgrade", "a", "i386", "1.0", "1.1")),
        (
            "Inst g++ (4:12.2 Debian:12/stable, Debian:12/x [amd64]) []",
            ("install", "g++", "amd64", "", "4:12.2"),
        ),
        ("Inst a [1.1] (1.0~x Debian [all]) [b:amd64 ]", ("downgrade", "a", "all", "1.1", "1.0~x")),
        ("Inst a [1.0] (1.0 Debian [all])", ("reinstall", "a", "all", "1.0", "1.0")),
        ("Remv a [1.0]", ("remove", "a", "", "1.0", "")),
        ("Purg a:i386 [1.0] [b:amd64 ]", ("remove", "a", "i386", "1.0", "")),
        ("Conf a (1.0 Debian:12/stable [all])", ("configure", "a", "all", "", "1.0")),
    ],
)
def test_steps_of_a_rehearsal(line: str, change: tuple[str, ...]) -> None:
    (found,) = simulated(apt_simulate=line).changes
    assert (found.kind, found.name, found.arch, found.before, found.after) == change


def test_what_would_go_and_was_not_told_stops_it() -> None:
    told = {"apt_place": PLACE, "apt_wait": "waited=0", "apt_unfinished_before": "", "apt_simulate": PLAN}
    answer = APT.parse_application(framed(**told, apt_beyond="fl-x\nfl-y"))
    assert [(t.kind, t.packages) for t in answer.troubles] == [(TroubleKind.DEPENDENCIES, ("fl-x", "fl-y"))]
    assert not answer.ok


def test_only_names_of_packages_are_granted() -> None:
    script = APT.apply_script([APP], lock_seconds=1, removals=["fl-x", "$(reboot)", "fl-y"])
    assert "apt_granted='fl-x fl-y'" in script
    assert "reboot)" not in script


def test_space_counts_where_it_is_needed() -> None:
    sizes = "'http://x/a' fl-app_1.1_all.deb 400000 SHA256:0\nAfter this operation, {} will be used."

    def told(disk: str) -> list[str]:
        return [t.message for t in simulated(apt_sizes=sizes.format(disk)).troubles]

    assert told("1,000 kB of additional disk space") == []
    assert told("1.1 MB of additional disk space") == ["/ has 1.0 MB free, and 1.1 MB are needed"]
    freed = simulated(apt_sizes=sizes.replace("will be used", "freed").format("2 GB disk space will be"))
    assert (freed.download, freed.disk, freed.free) == (400_000, -2_000_000_000, 512_000)
    full = simulated(apt_place=PLACE.replace("500", "300"), apt_sizes=sizes.format("0 B"))
    assert [t.kind for t in full.troubles] == [TroubleKind.DISK_FULL]


def test_essential_packages_are_never_removed() -> None:
    text = (
        "WARNING: The following essential packages will be removed.\n"
        "This should NOT be done unless you know exactly what you are doing!\n"
        "  bash dash (due to bash)\n0 upgraded\nRemv bash [5]"
    )
    (trouble,) = simulated(apt_simulate=text).troubles
    assert trouble.kind is TroubleKind.DEPENDENCIES
    assert "bash" in trouble.packages


@pytest.mark.parametrize(
    ("text", "kind", "packages"),
    [
        ("E: Version '9' for 'a' was not found\nE: Unable to locate package b", "gone", ("a",)),
        ("E: Package 'a' has no installation candidate", "gone", ("a",)),
        ("E: Failed to fetch http://x/a_1_all.deb  404  Not Found [IP: 127.0.0.1 80]", "gone", ("a",)),
        ("E: Failed to fetch http://x/a_1_all.deb  Hash Sum mismatch", "mirror", ()),
        ("E: Failed to fetch http://x/a_1_all.deb  Temporary failure resolving 'x'", "mirror", ()),
        ("WARNING: The following packages cannot be authenticated!\n  a b\nE: There were unauthenticated packages", "signature", ("a", "b")),
        ("W: GPG error: http://x stable: NO_PUBKEY 0123\nE: no", "signature", ()),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "disk-full", ()),
        ("gzip: stdout: No space left on device\ndpkg: error processing package k (--configure):\n x", "disk-full", ()),
        ("E: Could not open lock file /x - open (30: Read-only file system)", "read-only", ()),
        ("E: Could not get lock /x. It is held by process 7 (dpkg)\nE: Unable to lock", "locked", ()),
        ("E: Unable to acquire the dpkg frontend lock (/x), is another process using it?", "locked", ()),
        ("E: Packages need to be removed but remove is disabled.", "dependencies", ()),
        (" a : Depends: b (>= 2) but 1 is to be installed\nE: Unable to correct problems", "dependencies", ("a",)),
        ("dpkg: error processing archive /x/a_1_all.deb (--unpack):\n trying to overwrite '/y', which is also in package b 1", "dependencies", ("a",)),
        ("dpkg: error processing package a:i386 (--configure):\n new a package post-installation script subprocess was killed by signal (Killed)", "script", ("a",)),
        ("E: Something new", "other", ()),
        ("", "other", ()),
    ],
)  # fmt: skip
def test_words_of_apt(text: str, kind: str, packages: tuple[str, ...]) -> None:
    done = applied(text)
    assert not done.ok
    assert (done.troubles[0].kind, done.troubles[0].packages) == (TroubleKind(kind), packages)
    assert len(done.troubles[0].message) > 10


def test_what_follows_from_a_failing_script_stands_behind_it() -> None:
    text = (
        "Setting up a (2) ...\nit breaks\ndpkg: error processing package a (--configure):\n"
        " installed a package post-installation script subprocess returned error exit status 1\n"
        "dpkg: dependency problems prevent configuration of b:\n b depends on a; however:\n\n"
        "dpkg: error processing package b (--configure):\n dependency problems - leaving unconfigured\n"
    )
    first, second = applied(text, apt_unfinished=UNFINISHED.replace("fl-x", "a")).troubles
    assert (first.kind, second.kind) == (TroubleKind.SCRIPT, TroubleKind.DEPENDENCIES)
    assert first.message.endswith("the script said: it breaks")


def test_what_is_left_half_done_is_told_though_apt_was_content() -> None:
    done = applied("", 0, apt_unfinished=UNFINISHED)
    assert not done.ok
    assert [t.kind for t in done.troubles] == [TroubleKind.BROKEN]


def test_damaged_packages_are_mended_by_installing_them_again() -> None:
    (trouble,) = applied("", 0, apt_unfinished=UNFINISHED.replace("iF ", "iHR")).troubles
    assert trouble.mend == "apt-get -y --reinstall install fl-x"


def test_a_journal_of_dpkg_is_told() -> None:
    (trouble,) = applied("", 0, apt_unfinished="journal=/var/lib/dpkg/updates/0000").troubles
    assert trouble.kind is TroubleKind.BROKEN


def test_an_answer_that_breaks_off_keeps_what_dpkg_had_done() -> None:
    text = "Unpacking a (2) over (1) ...\nUnpacking b:i386 (3) ...\nSetting up a (2) ...\nSetting up b:i386 (3) ...\n"
    torn = read_sections(f"\n@@fleetctl apt-install begin\n{text}Setting".encode())
    done = APT.parse_application(torn)
    assert not done.ok
    assert [(c.kind, c.name, c.arch, c.before, c.after) for c in done.changes] == [
        ("upgrade", "a", "", "1", "2"),
        ("install", "b", "i386", "", "3"),
    ]
    assert "its end is not known" in done.troubles[0].message


def test_changes_are_what_is_otherwise_than_before() -> None:
    lines = "-a\tall\t1\tii \n+a\tall\t2\tii \n+b\tamd64\t1\tit \n-c\tall\t1\tii \n-d\tall\t1\tiU \n+d\tall\t1\tii \n+e\tall\t2\tiU \n-e\tall\t1\tii "
    changes = applied("", 0, apt_changed=lines).changes
    assert {(c.kind, c.name) for c in changes} == {
        ("upgrade", "a"),
        ("install", "b"),
        ("remove", "c"),
        ("configure", "d"),
    }


@given(st.binary(max_size=400), st.binary(max_size=200))
def test_parsing_never_raises(out: bytes, err: bytes) -> None:
    for name in (b"apt-install", b"apt-simulate", b"apt-sizes", b"apt-unfinished", b"apt-place", b"apt-wait"):
        frames = b"\n@@fleetctl %s begin\n%s\n@@fleetctl %s end 100\n"
        sections = read_sections(frames % (name, out, name), frames % (name, err, name))
        APT.parse_simulation(sections)
        assert not APT.parse_application(sections).ok
