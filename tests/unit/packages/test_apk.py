"""apk's answers: versions and tags, /etc/apk/world, package lists, and what must not be judged."""

import hashlib

import pytest

from fleetctl.packages.apk import Apk
from fleetctl.packages.apk_lists import Constraint, lists_time, read_policy, read_updates, read_world
from fleetctl.packages.facts import moment
from fleetctl.packages.model import HostFacts
from fleetctl.packages.sections import read_sections

MAIN = "https://mirror.example/alpine/v3.22/main"
EDGE = "https://mirror.example/alpine/edge/main"
HEADING = "Installed:                                Available:\n"
FACTS = HostFacts(os_id="alpine", kernel="6.12.58-0-lts", time=moment("1700003600"), root=True)

QUIET = {
    "apk_tool": "apk-tools 2.14.9, compiled for x86_64.",
    "apk_installed": "P:a\nV:1.0-r0\nA:x86_64\no:a-source\n\nP:linux-lts\nV:6.12.58-r0\nA:x86_64\n",
    "apk_world": "a\nlinux-lts\n",
    "apk_repositories": f"{MAIN}\n@edge {EDGE}\n",
    "apk_arch": "x86_64\n",
    "apk_updates": HEADING,
    "apk_details": "",
    "apk_policy": f"a policy:\n  1.0-r0:\n    lib/apk/db/installed\n    {MAIN}\n",
    "apk_upgrade": "OK: 8 MiB in 2 packages\n",
    "apk_times": "1700000000 /var/cache/apk/APKINDEX.00000000.tar.gz\n",
    "apk_modules": "6.12.58-0-lts\n",
    "apk_services": "",
    "apk_beside": "",
    "apk_root": "ext4\n",
}
BEHIND = {
    "apk_updates": f"{HEADING}a-1.0-r0                                < 1.2-r0 \n",
    "apk_policy": (
        f"a policy:\n  2.0-r0:\n    @edge {EDGE}\n  1.2-r0:\n    {MAIN}\n  1.1-r0:\n    {MAIN}\n"
        f"  1.0-r0:\n    lib/apk/db/installed\n    {MAIN}\n"
    ),
    "apk_details": "P:a\nV:1.2-r0\nS:1000\nI:9000\nt:1700000000\n",
    "apk_upgrade": "(1/1) Upgrading a (1.0-r0 -> 1.2-r0)\nOK: 8 MiB in 2 packages\n",
}


def state(*changed, **sections):
    """A host with these sections; underscores stand for dashes, a pair is text and exit code, a triple has stderr."""
    out = err = ""
    known = QUIET
    for more in (*changed, sections):
        known = known | more
    for name, given in known.items():
        text, code, errors = (given, 0, "") if isinstance(given, str) else (*given, "")[:3]
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return Apk().parse(read_sections(f"{out}\n@@fleetctl done\n".encode(), err.encode()), FACTS)


def test_a_quiet_host_lacks_nothing():
    told = state()
    assert (told.errors, told.updates, told.faults, told.warnings, told.unseen) == ((), (), (), (), ())
    assert told.reboot.needed is False
    assert [(p.name, p.upstream, p.release, p.source) for p in told.installed] == [
        ("a", "1.0", "r0", "a-source"),
        ("linux-lts", "6.12.58", "r0", "linux-lts"),
    ]
    assert told.metadata_age_seconds == 3600
    assert told.blind


def test_versions_of_repositories_with_another_tag_are_not_for_this_package():
    (update,) = state(BEHIND).updates
    assert [version.version for version in update.versions] == ["1.2-r0", "1.1-r0"]
    assert (update.candidate, update.held, update.kept_back) == ("1.2-r0", "", False)
    newest = update.versions[0]
    assert (newest.size, newest.date) == (1000, moment("1700000000"))
    (origin,) = newest.origins
    assert (origin.repository, origin.site, origin.suite, origin.component) == (
        MAIN,
        "mirror.example",
        "v3.22",
        "main",
    )


def test_a_tag_opens_the_repositories_that_have_it():
    tagged = {
        "apk_installed": "P:a\nV:1.0-r0\nA:x86_64\ns:edge\n",
        "apk_updates": f"{HEADING}a-1.0-r0  < 2.0-r0 @edge\n",
    }
    (update,) = state(BEHIND, tagged).updates
    assert [version.version for version in update.versions] == ["2.0-r0", "1.2-r0", "1.1-r0"]
    assert update.versions[0].origins[0].label == "edge"


@pytest.mark.parametrize(
    ("world", "held", "kept_back"),
    [
        ("a=1.0-r0", "pin", False),
        ("a<1.2", "pin", False),
        ("a~1.0", "pin", False),
        ("a~=1.0@edge", "pin", False),
        ("a><Q1abc=", "pin", False),
        ("a>0.9", "", True),
        ("b=1.0-r0", "", True),
    ],
)
def test_what_keeps_a_package_is_told(world, held, kept_back):
    stays = {"apk_upgrade": "OK: 8 MiB in 2 packages\n", "apk_world": world}
    (update,) = state(BEHIND, stays).updates
    assert (update.candidate, update.held, update.kept_back) == ("", held, kept_back)


def test_the_world_is_read_in_every_spelling():
    lines = ["a", "b=1.2-r0 c<2", "d@edge", "e@edge>=1.0", "f~=1.2@edge", "!g", "h><Q1+/=", ".virtual=2024"]
    assert read_world(lines) == [
        Constraint("a", "a"),
        Constraint("b=1.2-r0", "b", "", "=", "1.2-r0"),
        Constraint("c<2", "c", "", "<", "2"),
        Constraint("d@edge", "d", "edge"),
        Constraint("e@edge>=1.0", "e", "edge", ">=", "1.0"),
        Constraint("f~=1.2@edge", "f", "edge", "~=", "1.2"),
        Constraint("!g", "g", conflict=True),
        Constraint("h><Q1+/=", "h", "", "><", "Q1+/="),
        Constraint(".virtual=2024", ".virtual", "", "=", "2024"),
    ]
    holds = state(apk_world="\n".join(lines)).holds
    assert [(hold.name, hold.kind) for hold in holds] == [
        ("b", "pin"),
        ("c", "pin"),
        ("d", "pin"),
        ("e", "pin"),
        ("f", "pin"),
        ("g", "exclude"),
        ("h", "pin"),
        (".virtual", "pin"),
    ]


@pytest.mark.parametrize(
    ("errors", "says"),
    [
        (f"WARNING: Ignoring {MAIN}: UNTRUSTED signature", "signed by no key"),
        (f"WARNING: opening from cache {MAIN}: BAD signature", "signed by no key"),
        (f"ERROR: {MAIN}: UNTRUSTED signature", "signed by no key"),
        ("WARNING: Ignoring APKINDEX.70c88391.tar.gz: No such file or directory", "never fetched it"),
        (f"WARNING: opening from cache {MAIN}: No such file or directory", "never fetched it"),
        ("WARNING: opening /media/cdrom/apks: No such file or directory", "never fetched it"),
        (
            f"WARNING: updating and opening {MAIN}: temporary error (try again later)",
            "cannot be used: temporary",
        ),
        ("ERROR: Unable to read database: v2 database format error", "apk: Unable to read database"),
    ],
)
def test_a_repository_that_apk_leaves_out_makes_the_host_unfit_to_judge(errors, says):
    (error,) = state(apk_updates=(HEADING, 0, errors)).errors
    assert says in error


def test_a_list_that_lists_nothing_at_all_is_not_believed():
    silent = {"apk_policy": "a policy:\n  1.0-r0:\n    lib/apk/db/installed\n"}
    assert state(silent).errors == (
        "no repository has any of the installed packages: what is missing cannot be seen",
    )
    assert state(apk_repositories="").errors[0].startswith("no repository is configured")
    assert state(apk_updates=("", 0)).errors == ("apk version failed: exit code 0, and it gave no reason",)
    assert state(apk_installed="").errors
    assert state(apk_updates=f"{HEADING}zz-1.0-r0   < 2.0-r0 \n").errors == (
        "apk tells of updates of what is not in its list of installed packages: zz-1.0-r0 to 2.0-r0",
    )


def test_other_warnings_of_apk_leave_it_fit_to_judge():
    warned = (HEADING, 0, "WARNING: This apk-tools is OLD! Some packages might not function properly.")
    assert state(apk_updates=warned).errors == ()


def test_broken_packages_are_told_with_what_mends_them():
    told = state(apk_installed="P:a\nV:1.0-r0\nf:fs\n\nP:b\nV:1\nf:x\n")
    assert [(p.name, p.broken) for p in told.broken] == [
        ("a", "its files could not all be written; its script failed")
    ]
    assert [fault.mend for fault in told.faults] == ["apk fix a"]


def test_a_world_that_cannot_be_is_a_fault_and_nothing_moves():
    why = "ERROR: unable to select packages:\n  nosuch (no such package):\n    required by: world[nosuch]\n"
    told = state(BEHIND, {"apk_upgrade": ("", 1, why)})
    assert [fault.what for fault in told.faults] == [
        "apk cannot bring together what /etc/apk/world asks for: nosuch (no such package): required by: world[nosuch]"
    ]
    assert told.updates[0].kept_back
    assert told.errors == ()


def test_an_upgrade_that_counts_broken_packages_as_errors_has_answered():
    told = state(BEHIND, {"apk_upgrade": (BEHIND["apk_upgrade"].replace("OK:", "1 error;"), 1)})
    assert (told.warnings, told.updates[0].candidate) == ((), "1.2-r0")


def test_an_upgrade_that_does_not_answer_is_a_warning_and_keeps_nothing_back():
    told = state(BEHIND, {"apk_upgrade": ("", 1, "apk: unrecognized option")})
    assert told.warnings == ("apk does not tell what it would upgrade: apk: unrecognized option",)
    assert (told.updates[0].candidate, told.updates[0].kept_back) == ("1.2-r0", False)


@pytest.mark.parametrize(
    ("installed", "modules", "needed", "packages"),
    [
        ("P:linux-lts\nV:6.12.60-r0\n", "6.12.60-0-lts", True, ("linux-lts",)),
        ("P:linux-lts\nV:6.12.58-r1\n", "", True, ("linux-lts",)),
        ("P:linux-lts\nV:6.12.50-r0\n", "6.12.50-0-lts", True, ("linux-lts",)),
        ("P:linux-virt\nV:6.12.60-r0\n", "6.12.60-0-virt", None, ()),
        ("P:a\nV:1\n", "", False, ()),
    ],
    ids=["newer", "rebuilt", "older, and its modules are gone", "another flavour", "a container"],
)
def test_the_running_kernel_decides_about_a_reboot(installed, modules, needed, packages):
    told = state(apk_installed=installed, apk_modules=modules)
    assert (told.reboot.needed, told.reboot.packages) == (needed, packages)
    assert bool(told.unseen) == (needed is None)


def test_a_host_that_runs_from_memory_is_told_what_a_reboot_takes_away():
    (warning,) = state(apk_root="tmpfs\n").warnings
    assert "lbu commit" in warning


def test_services_are_told_or_why_not():
    assert state(apk_services="nginx\nsshd\n").services == ("nginx", "sshd")
    assert "wants root" in state(apk_services=("", 126)).unseen[0]
    assert "/proc" in state(apk_services=("", 127)).unseen[0]


def test_only_lists_that_are_in_use_have_an_age():
    used = hashlib.sha1(MAIN.encode(), usedforsecurity=False).hexdigest()[:8]
    newer = hashlib.sha256(f"{EDGE}/x86_64/APKINDEX.tar.gz".encode()).hexdigest()[:8]
    times = [
        "100 /var/cache/apk/APKINDEX.00000000.tar.gz",
        f"300 /var/cache/apk/APKINDEX.{used}.tar.gz",
        f"200 /var/cache/apk/APKINDEX.{newer}.tar.gz",
        "250 /media/cdrom/apks/x86_64/APKINDEX.tar.gz",
        "odd",
    ]
    assert lists_time(times, [MAIN], "x86_64") == moment("250")
    assert lists_time(times, [MAIN, EDGE], "x86_64") == moment("200")
    assert lists_time(times[:1], [MAIN], "x86_64") == moment("100")
    assert lists_time([], [MAIN], "x86_64") is None


def test_an_address_with_odd_text_in_it_is_still_an_origin():
    policy = read_policy(["a policy:", "  1:", "    ../relative", "    http://[broken/x"])
    assert policy == {"a": {"1": [("", "../relative"), ("", "http://[broken/x")]}}
    (update,) = state(BEHIND, {"apk_policy": "a policy:\n  1.2-r0:\n    http://[broken/x\n"}).updates
    assert update.versions[0].origins[0].site == ""


def test_lines_that_are_no_update_are_counted():
    assert read_updates([HEADING.strip(), "a-1 < 2 ", "what is this"]) == ([("a-1", "2")], ["what is this"])
    assert state(apk_updates=f"{HEADING}what is this\n").warnings == (
        "1 lines of apk version could not be read: what is this",
    )
