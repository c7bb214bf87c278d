"""zypper's answers: locks, patches and their packages, and what must not be judged."""

import pytest

from fleetctl.packages.facts import moment
from fleetctl.packages.model import HostFacts
from fleetctl.packages.sections import read_sections
from fleetctl.packages.zypper import Zypper

FACTS = HostFacts(os_id="sles", version_id="15.6", time=moment("1700003600"))
ONE = "a\t0\t1.0\t1\tx86_64\t1700000000\ta-1.0-1.src.rpm"


def xml(inner=""):
    return f"<?xml version='1.0'?>\n<stream>{inner}</stream>"


def update(edition, name="a", alias="base"):
    return (
        f'<update kind="package" name="{name}" edition="{edition}" arch="x86_64" edition-old="1.0-1">'
        f'<source url="https://mirror.example/" alias="{alias}"/></update>'
    )


def patch(name, *, category="security", severity="important", status="needed", restart="false"):
    return (
        f'<update kind="patch" name="{name}" status="{status}" category="{category}" severity="{severity}" restart="{restart}">'
        '<summary>s</summary><issue-date time_t="1704844800"/>'
        '<issue-list><issue type="cve" id="CVE-1"/><issue type="bugzilla" id="7"/></issue-list></update>'
    )


QUIET = {
    "zypper_installed": ONE,
    "zypper_tool": "",
    "zypper_repositories": xml(
        '<repo-list><repo alias="base" enabled="1"/><repo alias="off" enabled="0"/></repo-list>'
    ),
    "zypper_times": "1700000000 /var/cache/zypp/raw/base/repodata/repomd.xml\n1 /var/cache/zypp/raw/off/cookie",
    "zypper_missing": "",
    "zypper_locks": xml(),
    "zypper_updates": xml(),
    "zypper_available": xml(),
    "zypper_patches": xml(patch("P-0", status="applied")),
    "zypper_contents": "",
    "zypper_origins": xml(),
    "zypper_reboot": xml('<message type="info">Reboot is probably not necessary.</message>'),
    "zypper_services": xml(),
    "zypper_several": "",
    "zypper_unmet": "",
}


def state(**sections):
    """A host with these sections; underscores stand for dashes, a pair is text and exit code, a triple has stderr."""
    out = err = ""
    for name, given in (QUIET | sections).items():
        text, code, errors = (given, 0, "") if isinstance(given, str) else (*given, "")[:3]
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return Zypper().parse(read_sections(f"{out}\n@@fleetctl done\n".encode(), err.encode()), FACTS)


def needed(contents, **more):
    told = {
        "zypper_patches": xml(patch("P-1", restart="true")),
        "zypper_contents": contents,
        "zypper_available": xml(update("1.1-1")),
        "zypper_updates": xml(update("1.1-1")),
    }
    return state(**(told | more))


def test_a_quiet_host_lacks_nothing():
    found = state()
    assert (found.errors, found.warnings, found.updates, found.faults) == ((), (), (), ())
    assert (found.reboot.needed, found.blind, found.metadata_age_seconds) == (False, "", 3600)


def test_a_patch_is_about_the_packages_that_it_conflicts_with():
    found = needed("Name        : P-1\nConflicts   : [2]\n    srcpackage:a &lt; 1.1-1\n    a &lt; 1.1-1\n")
    (version,) = found.updates[0].versions
    (advisory,) = version.advisories
    assert (version.security, version.origins[0].repository) == (True, "base")
    assert (advisory.id, advisory.severity, advisory.reboot) == ("P-1", "Important", True)
    assert (advisory.cve_ids, advisory.bugzilla_ids) == (("CVE-1",), ("7",))
    assert advisory.issued == moment("1704844800")


@pytest.mark.parametrize("line", ["a &lt; 1.1-1", "a.x86_64 &lt; 1.1-1", "a < 0:1.1-1"])
def test_packages_are_named_in_several_ways(line):
    assert needed(f"Name        : P-1\nConflicts   : {line}").updates[0].security


def test_a_needed_patch_about_nobody_knows_what_is_never_passed_over():
    found = needed("Name        : P-1\nConflicts   : other &lt; 1.1-1")
    assert found.errors == ("zypper needs P-1, and which packages that is about could not be read",)


def test_a_patch_needed_for_an_old_version_beside_a_new_one_is_told():
    kernels = "\n".join(f"k\t0\t{version}\t1\tx86_64\t1700000000\t(none)" for version in "12")
    contents = "Name        : P-1\nConflicts   : k &lt; 2-1"
    found = state(zypper_installed=kernels, zypper_patches=xml(patch("P-1")), zypper_contents=contents)
    assert found.errors == ()
    assert "P-1" in found.warnings[0]


def test_a_lock_keeps_a_package_and_its_fix_is_seen():
    lock = '<locks size="1"><lock number="1"><name>a*</name><type>package</type></lock></locks>'
    found = needed(
        "Name        : P-1\nConflicts   : a &lt; 1.1-1", zypper_updates=xml(), zypper_locks=xml(lock)
    )
    assert (found.updates[0].held, found.updates[0].candidate, found.updates[0].security) == (
        "lock",
        "",
        True,
    )
    assert [(hold.name, hold.kind, hold.detail) for hold in found.holds] == [("a*", "lock", "type package")]


def test_what_zypper_would_leave_without_a_lock_is_kept_back():
    found = state(zypper_available=xml(update("1.1-1")))
    assert (found.updates[0].held, found.updates[0].kept_back) == ("", True)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"zypper_tool": ("", 1)}, "/dev/shm"),
        ({"zypper_missing": "base\n"}, "no package lists of repository base"),
        ({"zypper_repositories": ("", 6)}, "no repository is defined"),
        ({"zypper_repositories": xml()}, "no repository is enabled"),
        ({"zypper_updates": (xml(), 106)}, "left repositories out"),
        (
            {
                "zypper_locks": (
                    xml('<message type="error">System management\nis locked by pid 9.</message>'),
                    7,
                )
            },
            "System management is locked by pid 9.",
        ),
        ({"zypper_patches": "nothing like XML"}, "no XML"),
        ({"zypper_patches": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, "no XML"),
        ({"zypper_installed": ("", 1, "error: cannot open Packages database")}, "rpm --rebuilddb"),
    ],
)
def test_what_cannot_be_seen_is_an_error(sections, words):
    assert words in state(**sections).errors[0]


def test_repositories_without_patches_make_it_blind():
    assert "publishes patches" in state(zypper_patches=xml()).blind


def test_a_reboot_is_asked_for_by_libraries_and_by_a_file():
    told = xml('<message type="info">Since the last system boot core libraries have been updated.</message>')
    reboot = state(zypper_reboot=(f"{told}\n/run/reboot-needed", 102)).reboot
    assert reboot.needed
    assert len(reboot.reasons) == 2


def test_services_that_run_old_code_are_named():
    assert state(zypper_services=f"{xml()}\nsshd\ncron@1.service\n").services == ("sshd", "cron@1.service")


def test_unmet_dependencies_are_told():
    told = "Unsatisfied dependencies for a-1.0-1.noarch:\n\tx is needed by (installed) a-1.0-1.noarch\n"
    (fault,) = state(zypper_unmet=(told, 1)).faults
    assert (fault.what, fault.mend) == ("unmet dependencies: x is needed by a-1.0-1.noarch", "zypper verify")


def test_a_package_in_two_versions_at_once_is_broken_unless_it_may_be():
    rows = "".join(f"{n}\t0\t1.0\t{r}\tnoarch\t1\t{n}-1.0-{r}.src.rpm\n" for n in ("a", "k") for r in (1, 2))
    told = state(zypper_installed=rows, zypper_several="k\nk\n")
    assert [(package.name, package.version) for package in told.broken] == [("a", "1.0-2")]
    (fault,) = told.faults
    assert (fault.mend, fault.packages) == ("rpm -e a-1.0-1.noarch", ("a",))


def test_where_an_installed_version_can_be_had_is_told():
    rows = "".join(
        f'<solvable name="a" edition="1.0-1" arch="x86_64" repository="{name}"/>'
        for name in ("base", "(System Packages)")
    )
    assert [origin.repository for origin in state(zypper_origins=xml(rows)).installed[0].origins] == ["base"]
