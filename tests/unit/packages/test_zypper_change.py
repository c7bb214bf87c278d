"""What zypper says of a transaction, as real ones said it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.packages.change import Change, TroubleKind, Wanted
from fleetctl.packages.sections import read_sections
from fleetctl.packages.zypper import Zypper

SUMMARY = """\
<install-summary download-size="40089" space-usage-diff="-16" packages-to-change="3">
<to-upgrade>
<solvable type="package" name="fl-epoch" edition="1:1.0-1" arch="noarch" repository="fleet" edition-old="5.0-1" arch-old="noarch"/>
</to-upgrade>
<to-install>
<solvable type="package" name="kernel-default" edition="6.4.0-2" arch="noarch" repository="fleet"/>
<solvable type="patch" name="FLSA-1" edition="1" arch="noarch" repository="fleet"/>
</to-install>
<to-remove><solvable type="package" name="fl-old" edition="1.0-1" arch="noarch" repository="@System"/></to-remove>
</install-summary>
"""
LOCKED = """\
<prompt id="1"><description>Problem: 1: conflicting requests
 Solution 1: Following actions will be done:
  remove lock to allow installation of fl-held-1.1-1.noarch[fleet]
  remove lock to allow removal of fl-held-1.0-1.noarch
 Solution 2: do not ask to install a solvable providing fl-held.noarch = 1.1-1
</description></prompt>
"""


def answer(**sections):
    """Sections by name, underscores for dashes: text, or text and exit code."""
    out = ""
    for name, given_ in sections.items():
        text, code = (given_, 0) if isinstance(given_, str) else given_
        dashed = name.replace("_", "-")
        out += f"\n@@fleetctl {dashed} begin\n{text}\n@@fleetctl {dashed} end {code}\n"
    return read_sections(f"{out}\n@@fleetctl done\n".encode())


def xml(body=""):
    return f"<?xml version='1.0'?>\n<stream>\n{body}\n</stream>\n"


def error(text):
    return xml(f'<message type="error">{text}</message>')


def test_summary_is_read_packages_only():
    told = Zypper().parse_simulation(
        answer(zypper_would=xml(SUMMARY), host_place="uid=0\nfree=9 /\nfree=7 /var\n")
    )
    assert told.changes == (
        Change(
            kind="upgrade",
            name="fl-epoch",
            arch="noarch",
            before="5.0-1",
            after="1:1.0-1",
            repository="fleet",
        ),
        Change(kind="install", name="kernel-default", arch="noarch", after="6.4.0-2", repository="fleet"),
        Change(kind="remove", name="fl-old", arch="noarch", before="1.0-1"),
    )
    assert (told.download, told.disk, told.free, told.troubles) == (40089, -16, 7168, ())


@pytest.mark.parametrize(
    ("text", "code", "kind", "packages"),
    [
        (xml(LOCKED), 4, TroubleKind.DEPENDENCIES, ("fl-held",)),
        (
            error("No provider of &apos;python3.11.x86_64=1-1&apos; found."),
            104,
            TroubleKind.GONE,
            ("python3.11",),
        ),
        (error("Root privileges are required to run this command."), 5, TroubleKind.NOT_ROOT, ()),
        (
            error("System management is locked by the application with pid 7 (/usr/bin/zypper)."),
            7,
            TroubleKind.LOCKED,
            (),
        ),
        (
            error("Installation of a-1-1.noarch failed:\nError: Subprocess failed."),
            8,
            TroubleKind.OTHER,
            ("a",),
        ),
        (error("Something new."), 1, TroubleKind.OTHER, ()),
    ],
)
def test_what_stands_in_the_way_is_told_apart(text, code, kind, packages):
    for told in (
        Zypper().parse_simulation(answer(zypper_would=(text, code))),
        Zypper().parse_application(answer(rpm_apply_1=(text, code))),
    ):
        assert [(trouble.kind, trouble.packages) for trouble in told.troubles] == [(kind, packages)]


def test_repository_left_out_for_its_signature_hides_packages_that_are_not_gone():
    body = error("Signature verification failed for file &apos;repomd.xml&apos;") + error(
        "Package &apos;a.x=1-1&apos; not found."
    )
    told = Zypper().parse_application(answer(rpm_apply_1=(body, 104)))
    assert [trouble.kind for trouble in told.troubles] == [TroubleKind.SIGNATURE]


@pytest.mark.parametrize(
    ("code", "ok"), [(0, True), (102, True), (103, True), (107, False), (4, False), (8, False)]
)
def test_only_exit_codes_that_mean_done_are_success(code, ok):
    assert Zypper().parse_application(answer(rpm_apply_1=(xml(), code))).ok is ok


def test_script_that_failed_is_named_with_the_command_that_runs_it_again():
    text = xml(
        '<message type="info">warning: %post(fl-broken-2.0-1.noarch) scriptlet failed, exit status 1</message>'
    )
    (trouble,) = Zypper().parse_application(answer(rpm_apply_1=(text, 107))).troubles
    assert (trouble.kind, trouble.packages) == (TroubleKind.SCRIPT, ("fl-broken",))
    assert trouble.mend == "zypper --non-interactive install --force fl-broken.noarch=2.0-1"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            error(
                "Installation of a-1-1.noarch failed:\nError: Subprocess failed. Error: RPM failed: Command was killed by signal 9 (Killed)."
            ),
            8,
        ),
        (xml(), 137),
    ],
)
def test_what_was_killed_in_the_middle_is_broken(text, code):
    (trouble,) = Zypper().parse_application(answer(rpm_apply_1=(text, code))).troubles
    assert trouble.kind is TroubleKind.BROKEN
    assert "signal 9" in trouble.message


@given(st.text())
def test_no_text_makes_it_raise(text):
    sections = answer(
        zypper_would=text,
        rpm_apply_1=text,
        host_place=text,
        rpm_doubled=text,
        rpm_changed=text,
        host_left=text,
    )
    Zypper().parse_simulation(sections)
    Zypper().parse_application(sections)


def test_packages_are_asked_for_by_name_architecture_and_exact_version():
    script = Zypper().apply_script([Wanted(name="a", version="1:1.0-1", arch="x86_64")], lock_seconds=5)
    assert "a.x86_64=1:1.0-1" in script
    assert "zypper_apply 5" in script
