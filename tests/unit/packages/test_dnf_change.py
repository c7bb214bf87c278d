"""What dnf says of a transaction, as real ones said it."""

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.change import Change, TroubleKind, Wanted
from fleetctl.packages.collect import script_text
from fleetctl.packages.dnf import Dnf
from fleetctl.packages.sections import read_sections
from fleetctl.packages.zypper import Zypper

FOUR = """\
Dependencies resolved.
================================================================================
 Package             Architecture     Version             Repository       Size
================================================================================
Installing:
 kernel              noarch           5.14.0-2            fleet           6.6 k
     replacing  old-kernel.noarch 1.0-1
Upgrading:
 a-package-with-a-name-that-takes-the-whole-of-the-line-and-more
                     x86_64           1:1.0-1             fleet           1.5 M
Removing:
 fl-gone             noarch           1.0-1               @fleet           42

Transaction Summary
================================================================================
Install  1 Package

Total download size: 2.0 M
Operation aborted.
"""
FIVE = """\
Package             Arch   Version    Repository      Size
Upgrading:
 fl-epoch           noarch 1:1.0-1    fleet        8.0   B
   replacing fl-epoch noarch 0:5.0-1  fleet        6.0   B
   replacing fl-old noarch 0:1.0-1    fleet        6.0   B
Installing dependencies:
 fl-newdep          noarch 0:1.0-1    fleet        6.0   B

Transaction Summary:
 Installing:         1 package

Total size of inbound packages is 39 KiB. Need to download 39 KiB.
After this operation, 17 B will be freed (install 41 B, remove 58 B).
Operation aborted by the user.
"""


def answer(**sections):
    """Sections by name, underscores for dashes: text, or text, exit code and stderr."""
    out = err = ""
    for name, given_ in sections.items():
        text, code, errors = (given_, 0, "") if isinstance(given_, str) else given_
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return read_sections(f"{out}\n@@fleetctl done\n".encode(), err.encode())


def simulated(text, *, generation, now="", errors=""):
    return Dnf().parse_simulation(
        answer(
            dnf_tool=f"generation={generation}\n",
            dnf_would=(text, 1, errors),
            dnf_now=now,
            host_place="uid=0\nfree=9 /\n",
        )
    )


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"], ["busybox", "ash"], ["mksh"]])
@pytest.mark.parametrize(
    ("text", "generation", "names"),
    [
        (FOUR, 4, ["old-kernel", "fl-gone"]),
        (FIVE, 5, ["fl-old"]),
        (
            FOUR.replace("Removing:", "Downgrading:"),
            4,
            ["old-kernel", "fl-gone"],
        ),
        (
            FOUR.replace("Upgrading:", "Removing dependent packages:"),
            4,
            ["old-kernel", "a-package-with-a-name-that-takes-the-whole-of-the-line-and-more", "fl-gone"],
        ),
        ("Nothing to do.\n", 4, []),
    ],
)
def test_what_would_go_is_read_on_the_host_as_here(shell, text, generation, names):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"no {shell[0]}")
    script = f"{script_text('dnf-change.sh')}\ndnf_generation={generation}\ndnf_going\n"
    done = subprocess.run([*shell, "-c", script], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.split() == names


@pytest.mark.parametrize("tool", [Dnf(), Zypper()])
@pytest.mark.parametrize(
    ("lines", "kind", "packages"),
    [("fl-old\nfl-older", TroubleKind.DEPENDENCIES, ("fl-old", "fl-older")), ("", TroubleKind.LOCKED, ())],
)
def test_what_stopped_it_after_its_rehearsal_is_told(tool, lines, kind, packages):
    told = tool.parse_application(
        answer(host_place="uid=0\n", rpm_wait_1="waited=0\n", rpm_beyond_1=(lines, 7, ""), rpm_changed="")
    )
    assert [(t.kind, t.packages) for t in told.troubles] == [(kind, packages)]
    assert not told.ok


def test_table_of_dnf_4_is_read_with_its_broken_rows_and_what_is_replaced():
    told = simulated(
        FOUR,
        generation=4,
        now="a-package-with-a-name-that-takes-the-whole-of-the-line-and-more\t0:0.9-1\tx86_64\n",
    )
    long = "a-package-with-a-name-that-takes-the-whole-of-the-line-and-more"
    assert told.changes == (
        Change(kind="install", name="kernel", arch="noarch", after="5.14.0-2", repository="fleet", size=6758),
        Change(kind="remove", name="old-kernel", arch="noarch", before="1.0-1"),
        Change(
            kind="upgrade",
            name=long,
            arch="x86_64",
            before="0.9-1",
            after="1:1.0-1",
            repository="fleet",
            size=1572864,
        ),
        Change(kind="remove", name="fl-gone", arch="noarch", before="1.0-1"),
    )
    assert (told.download, told.disk, told.free, told.troubles) == (2 << 20, None, 9216, ())


def test_table_of_dnf_5_is_read_with_what_is_replaced():
    told = simulated(FIVE, generation=5)
    assert told.changes == (
        Change(
            kind="upgrade",
            name="fl-epoch",
            arch="noarch",
            before="5.0-1",
            after="1:1.0-1",
            repository="fleet",
        ),
        Change(kind="remove", name="fl-old", arch="noarch", before="1.0-1"),
        Change(kind="install", name="fl-newdep", arch="noarch", after="1.0-1", repository="fleet"),
    )
    assert (told.download, told.disk, told.troubles) == (39936, -17, ())


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        (
            "Error: \n Problem: cannot install both a-2 and a-1\n  - conflicting requests",
            TroubleKind.DEPENDENCIES,
        ),
        ("No match for argument: fl-app-0:1.2-1.noarch", TroubleKind.GONE),
        (
            "All matches were filtered out by exclude filtering for argument: a-1-1.x",
            TroubleKind.DEPENDENCIES,
        ),
        ('Cache-only enabled but no cache for repository "fleet"', TroubleKind.OTHER),
        ("error: rpmdb open failed", TroubleKind.BROKEN),
        ("Error: This command has to be run with superuser privileges", TroubleKind.NOT_ROOT),
        ("something new", TroubleKind.OTHER),
    ],
)
def test_what_stands_in_the_way_is_told_apart(errors, kind):
    assert [trouble.kind for trouble in simulated("", generation=4, errors=errors).troubles] == [kind]


def test_doubled_packages_stand_in_the_way():
    sections = answer(
        dnf_would="Nothing to do.\n", rpm_doubled="fl-lib\t1.0-1\tnoarch\nfl-lib\t1.0-2\tnoarch\n"
    )
    (trouble,) = Dnf().parse_simulation(sections).troubles
    assert (trouble.kind, trouble.mend, trouble.packages) == (
        TroubleKind.BROKEN,
        "dnf -y remove --duplicates",
        ("fl-lib",),
    )


def test_application_tells_what_changed_and_what_was_kept():
    told = Dnf().parse_application(
        answer(
            lock_wait_1="holder=12 dnf upgrade\nwaited=3\n",
            rpm_apply_1=(
                "Complete!\n",
                0,
                "warning: /etc/a b.conf created as /etc/a b.conf.rpmnew\nwarning: /etc/c saved as /etc/c.rpmsave\n",
            ),
            rpm_changed="a\t0:1.0-1\tnoarch\n\ta\t0:1.1-1\tnoarch\nb\t0:2-1\tnoarch\n\tb\t0:1-1\tnoarch\ngone\t1:1-1\tx\n\tnew\t0:1-1\tx\n",
        )
    )
    assert (told.ok, told.troubles, told.waited) == (True, (), 3.0)
    assert told.kept_files == ("/etc/a b.conf", "/etc/c.rpmsave")
    assert [(c.kind, c.name, c.before, c.after) for c in told.changes] == [
        ("upgrade", "a", "1.0-1", "1.1-1"),
        ("downgrade", "b", "2-1", "1-1"),
        ("install", "new", "", "1-1"),
        ("remove", "gone", "1:1-1", ""),
    ]


def test_downloads_cut_short_on_a_full_disk_are_not_the_mirrors_fault():
    text = "Error: Error downloading packages:\n  a: Cannot download, all mirrors were already tried without success\n"
    sections = answer(rpm_apply_1=("", 1, text), host_left="uid=0\nfree=0 /var\n")
    assert [trouble.kind for trouble in Dnf().parse_application(sections).troubles] == [TroubleKind.DISK_FULL]


def test_answer_that_breaks_off_is_never_success():
    told = Dnf().parse_application(read_sections(b"\n@@fleetctl rpm-apply-1 begin\nRunning transaction\n"))
    assert told.ok is False
    assert told.troubles
    assert Dnf().parse_application(read_sections(b"")).troubles


@given(st.text())
def test_no_text_makes_it_raise(text):
    sections = answer(
        dnf_would=text,
        rpm_apply_1=text,
        dnf_now=text,
        host_place=text,
        rpm_doubled=text,
        rpm_changed=text,
        host_left=text,
    )
    Dnf().parse_simulation(sections)
    Dnf().parse_application(sections)


@pytest.mark.parametrize("shell", [shell for shell in ("dash", "bash", "ksh", "mksh") if shutil.which(shell)])
def test_scripts_are_sh_that_no_name_gets_out_of(shell):
    wanted = [
        Wanted(name="a+b", version="1:1~rc1^2-1", arch="x86_64"),
        Wanted(name="$(reboot)", version="';reboot;'"),
    ]
    for script in (Dnf().simulate_script(wanted), Dnf().apply_script(wanted, lock_seconds=5)):
        assert (
            subprocess.run(
                [shell, "-n"], input=script, text=True, capture_output=True, check=False
            ).returncode
            == 0
        )
        assert "'$(reboot) '\"'\"';reboot;'\"'\"' '" in script
    assert "dnf_apply 5" not in Dnf().apply_script(wanted, lock_seconds=5), (
        "nothing is done where a name is odd"
    )
    assert "'a+b-1:1~rc1^2-1.x86_64'" in Dnf().apply_script(wanted[:1], lock_seconds=5)
