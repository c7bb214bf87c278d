"""apt's answers: what counts as missing, held, hidden, and what must not be judged."""

import pytest

from fleetctl.packages.apt import Apt
from fleetctl.packages.facts import moment
from fleetctl.packages.model import HostFacts
from fleetctl.packages.sections import read_sections

MAIN = "http://mirror.example/debian bookworm/main amd64 Packages"
SECURITY = "http://mirror.example/debian-security bookworm-security/main amd64 Packages"
RELEASES = f"""\
Package files:
 100 /var/lib/dpkg/status
     release a=now
 500 {SECURITY}
     release v=12,o=Debian,a=stable-security,n=bookworm-security,l=Debian-Security,c=main,b=amd64
 500 {MAIN}
     release v=12,o=Debian,a=stable,n=bookworm,l=Debian,c=main,b=amd64
"""
ONE = "a\t1.0-1\tamd64\tii \t\tlibs\toptional\t1700000000"
FACTS = HostFacts(os_id="debian", version_id="12", time=moment("1700003600"))


def state(**sections):
    """A host with these sections; underscores stand for dashes, a pair is text and exit code, a triple has stderr."""
    told = {
        "apt_installed": ONE,
        "apt_architectures": "amd64",
        "apt_releases": RELEASES,
        "apt_versions": "a:\n *** 1.0-1 500",
    }
    told |= {
        "apt_upgrade": "",
        "apt_list_times": "",
        "apt_release_files": "",
        "apt_reboot": "",
        "apt_needrestart": ("", 127),
    }
    out = err = ""
    for name, given in (told | sections).items():
        if given is None:
            continue
        text, code, errors = (given, 0, "") if isinstance(given, str) else (*given, "")[:3]
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return Apt().parse(read_sections(f"{out}\n@@fleetctl done\n".encode(), err.encode()), FACTS)


def table(name, *versions, candidate=None):
    lines = [f"{name}:"] + ([f"  Candidate: {candidate}"] if candidate else [])
    for version, *sources in versions:
        lines += [version, *(f"        500 {source}" for source in sources)]
    return "\n".join(lines)


def test_a_security_fix_behind_a_newer_build_is_found():
    versions = table(
        "a",
        ("     1.1-1 500", MAIN),
        ("     1.0-1+deb12u1 500", SECURITY),
        (" *** 1.0-1 500", MAIN),
        candidate="1.1-1",
    )
    (update,) = state(apt_versions=versions).updates
    assert update.candidate == "1.1-1"
    assert update.security_fix.version == "1.0-1+deb12u1"
    assert update.shadowed


def test_a_security_version_older_than_the_installed_one_is_no_update():
    versions = table("a", (" *** 1.0-1 500", MAIN), ("     0.9-1 500", SECURITY))
    found = state(apt_versions=versions)
    assert found.updates == ()
    assert not found.installed[0].security


def test_a_version_in_both_pockets_is_a_security_version():
    versions = table("a", ("     1.1-1 500", MAIN, SECURITY), (" *** 1.0-1 500", MAIN), candidate="1.1-1")
    (update,) = state(apt_versions=versions).updates
    assert update.security
    assert not update.shadowed


def test_a_local_rebuild_of_the_installed_version_is_no_update():
    versions = table("a", ("     1.0-1 500", SECURITY), (" *** 1.0-1 100",), candidate="1.0-1")
    assert state(apt_versions=versions).updates == ()


def test_versions_of_foreign_architectures_are_kept_apart():
    rows = f"{ONE}\na\t1.0-1\ti386\tii \t\tlibs\toptional\t1700000000"
    versions = table("a", (" *** 1.0-1 500", MAIN)) + "\n"
    versions += table("a:i386", ("     1.1-1 500", SECURITY), (" *** 1.0-1 500", MAIN), candidate="1.1-1")
    (update,) = state(apt_installed=rows, apt_architectures="amd64\ni386", apt_versions=versions).updates
    assert (update.name, update.arch) == ("a", "i386")


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("iF ", "half-configured"),
        ("iU ", "unpacked"),
        ("iH ", "half-installed"),
        ("iW ", "triggers"),
        ("it ", "triggers"),
        ("iFR", "reinstalled"),
        ("iiR", "reinstalled"),
        ("hF ", "half-configured"),
    ],
)
def test_a_package_that_is_not_whole_is_broken(status, why):
    (package,) = state(apt_installed=ONE.replace("ii ", status)).broken
    assert why in package.broken


@pytest.mark.parametrize("status", ["rc ", "pn ", "un "])
def test_a_removed_package_is_not_installed(status):
    assert state(apt_installed=f"{ONE}\n{ONE.replace('ii ', status)}").installed[1:] == ()


def test_a_hold_is_seen_in_the_selection():
    found = state(apt_installed=ONE.replace("ii ", "hi "))
    assert [(hold.name, hold.kind) for hold in found.holds] == [("a", "hold")]


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        (table("a", ("     1.1-1 -1", SECURITY), (" *** 1.0-1 500", MAIN)), "pin"),
        (table("a", ("     1.1-1 500 (phased 10%)", MAIN), (" *** 1.0-1 500", MAIN)), "phased"),
        (table("a", ("     1.1-1 500", MAIN), (" *** 1.0-1 500", MAIN), candidate="1.1-1"), ""),
    ],
)
def test_says_what_keeps_a_version_from_the_host(versions, why):
    (update,) = state(apt_versions=versions).updates
    assert update.held == why
    assert bool(update.candidate) is (why == "")


def test_an_upgrade_plan_without_the_package_keeps_it_back():
    versions = table("a", ("     1.1-1 500", MAIN), (" *** 1.0-1 500", MAIN), candidate="1.1-1")
    inst = "Inst a [1.0-1] (1.1-1 Debian:12/stable [amd64])"
    assert state(apt_versions=versions).updates[0].kept_back
    assert not state(apt_versions=versions, apt_upgrade=inst).updates[0].kept_back
    broken = state(apt_versions=versions, apt_upgrade=("", 100, "E: Unmet dependencies."))
    assert not broken.updates[0].kept_back
    assert broken.warnings == ("apt-get cannot plan an upgrade: E: Unmet dependencies.",)
    assert broken.errors == ()


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"apt_versions": None}, "missing"),
        ({"apt_installed": ("", 2, "dpkg-query: error: no database")}, "no database"),
        ({"apt_installed": ("", 2)}, "no reason"),
        ({"apt_releases": ("", 100, "E: The list of sources could not be read.")}, "could not be read"),
        ({"apt_versions": ("a:\n *** 1.0-1 500", 0, "E: half of it")}, "half of it"),
        (
            {"apt_releases": "Package files:\n 100 /var/lib/dpkg/status\n     release a=now\n"},
            "no package lists",
        ),
        ({"apt_releases": RELEASES.replace("l=Debian-Security", "l=Debian")}, "security pocket"),
    ],
)
def test_a_state_that_cannot_be_known_has_errors(sections, words):
    assert words in " ".join(state(**sections).errors)


def test_a_whole_answer_has_none():
    assert state().errors == ()


def test_warnings_of_apt_are_told_once():
    told = "W: Target Packages is configured multiple times\n"
    assert state(apt_releases=(RELEASES, 0, told), apt_versions=("a:\n *** 1.0-1 500", 0, told)).warnings == (
        told.strip(),
    )


def test_the_age_of_the_lists_is_that_of_the_last_update():
    times = "1700003000 /var/lib/apt/lists\n1700000000 /var/lib/apt/lists/partial\n1600000000 /var/lib/apt/periodic/update-success-stamp"
    assert state(apt_list_times=times).metadata_age_seconds == 3600
    assert state(apt_list_times="1700003000 /var/lib/apt/lists").metadata_age_seconds == 600
    assert state().metadata_age_seconds is None


def test_expired_lists_are_a_warning():
    text = "File: /x/y_InRelease\nCodename: bookworm-security\nValid-Until: Mon, 13 Nov 2023 00:00:00 UTC\n"
    assert "bookworm-security were good until 2023-11-13" in state(apt_release_files=text).warnings[0]
    assert state(apt_release_files=text.replace("2023", "2033")).warnings == ()
    assert state(apt_release_files=text.replace("Mon, 13", "sometime")).warnings == ()


def test_reboot_is_needed_when_the_host_or_needrestart_says_so():
    told = state(apt_reboot="required\nlinux-image\ndbus\ndbus\n").reboot
    assert (told.needed, told.packages, told.reasons) == (
        True,
        ("linux-image", "dbus"),
        ("/run/reboot-required: linux-image, dbus",),
    )
    assert state(apt_reboot="required\n").reboot.needed
    kernel = "NEEDRESTART-KCUR: 6.1.0-18-amd64\nNEEDRESTART-KEXP: 6.1.0-21-amd64\nNEEDRESTART-KSTA: 3\n"
    assert state(apt_needrestart=kernel).reboot.reasons == (
        "needrestart: kernel 6.1.0-18-amd64 runs, 6.1.0-21-amd64 is expected",
    )
    assert state().reboot.needed is False
    assert state(apt_reboot=None).reboot.needed is None


def test_services_that_need_a_restart_come_from_needrestart():
    told = state(
        apt_needrestart="NEEDRESTART-VER: 3.6\nNEEDRESTART-SVC: dbus.service\nNEEDRESTART-SVC: ssh.service\n"
    )
    assert told.services == ("dbus.service", "ssh.service")
    assert told.unseen == ()
    assert "wants root" in state(apt_needrestart=("", 126)).unseen[0]
    assert "not installed" in state(apt_needrestart=("", 127)).unseen[0]


def test_a_machine_without_ubuntu_pro_is_told_what_it_does_not_see():
    assert "ESM" in state(apt_pro="attached=false\n").unseen[-1]
    assert not any("ESM" in text for text in state(apt_pro="attached=true\n").unseen)
