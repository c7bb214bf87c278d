"""pacman's answers: updates, what is ignored or foreign, reboots, half-written entries, and what must not be judged."""

import pytest

from fleetctl.packages.facts import moment
from fleetctl.packages.model import HostFacts
from fleetctl.packages.pacman import Pacman
from fleetctl.packages.sections import read_sections

FACTS = HostFacts(
    os_id="arch", kernel="6.6.1-arch1-1", time=moment("1700003600"), uptime_seconds=3600, root=True
)
BEFORE, SINCE = "1699990000", "1700001000"


def entry(name="a", version="1.0-1", installed=BEFORE):
    return f"name={name}\nversion={version}\nbase={name}\narch=x86_64\ninstalled={installed}"


def detail(name="a", version="1.1-1", repository="core", replaces="None"):
    return (
        f"Repository      : {repository}\nName            : {name}\nVersion         : {version}\n"
        f"Replaces        : {replaces}\nDownload Size   : 1.50 KiB\nBuild Date      : Tue Nov 14 22:13:20 2023"
    )


QUIET = {
    "pacman_config": "[options]\nDBPath = /var/lib/pacman/\n[core]\nUsage = All\n[debug]\nUsage = Search",
    "pacman_lock": "",
    "pacman_installed": entry(),
    "pacman_times": "1700000000 /var/lib/pacman/sync/core.db\n1699000000 /var/lib/pacman/sync/old.db",
    "pacman_updates": ("", 1),
    "pacman_offers": "core a 1.0-1 [installed]",
    "pacman_upgrade": "",
    "pacman_details": "",
    "pacman_check": "No database errors have been found!",
    "pacman_kept": "",
    "pacman_kernel": "",
    "pacman_services": "",
}


def state(facts=FACTS, **sections):
    """A host with these sections; underscores stand for dashes, a pair is text and exit code, a triple has stderr."""
    out = err = ""
    for name, given in (QUIET | sections).items():
        text, code, errors = (given, 0, "") if isinstance(given, str) else (*given, "")[:3]
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return Pacman().parse(read_sections((out + "\n@@fleetctl done\n").encode(), err.encode()), facts)


def test_nothing_to_update_is_no_error_though_pacman_exits_with_1():
    told = state()
    assert (told.errors, told.updates, told.warnings, told.unseen, told.faults) == ((), (), (), (), ())
    assert told.metadata_age_seconds == 3600
    assert told.installed[0].origins[0].repository == "core"


def test_update_has_its_repository_build_date_and_exact_size():
    (update,) = state(
        pacman_updates="a 1.0-1 -> 1.1-1",
        pacman_offers="core a 1.1-1 [installed: 1.0-1]",
        pacman_upgrade="a 1.1-1 core 1499",
        pacman_details=f"{detail()}\n{detail(version='9-1', repository='testing')}",
    ).updates
    (version,) = update.versions
    assert (update.candidate, update.held, update.kept_back) == ("1.1-1", "", False)
    assert (version.origins[0].repository, version.date, version.size) == ("core", moment("1700000000"), 1499)


def test_ignored_update_is_still_an_update_that_the_host_holds_back():
    told = state(
        pacman_config=f"{QUIET['pacman_config']}\n".replace(
            "DBPath", "HoldPkg = glibc\nIgnorePkg = a b*\nIgnoreGroup = gnome\nDBPath"
        ),
        pacman_updates="a 1.0-1 -> 1.1-1 [ignored]",
        pacman_details=detail(),
    )
    (update,) = told.updates
    assert (update.candidate, update.held, update.versions[0].version) == ("", "ignore", "1.1-1")
    assert update.versions[0].size == 1536
    assert [(hold.name, hold.kind) for hold in told.holds] == [
        ("a", "ignore"),
        ("b*", "ignore"),
        ("gnome", "ignore"),
    ]


def test_update_that_an_upgrade_of_all_leaves_out_is_kept_back():
    (update,) = state(
        pacman_updates="a 1.0-1 -> 1.1-1", pacman_upgrade="b 1-1 core 7", pacman_details=detail()
    ).updates
    assert update.kept_back
    told = state(
        pacman_updates="a 1.0-1 -> 1.1-1",
        pacman_upgrade=("", 1, "error: failed to prepare transaction (could not satisfy dependencies)"),
    )
    assert not told.updates[0].kept_back
    assert "could not satisfy dependencies" in told.warnings[0]


def test_foreign_packages_and_replacements_are_told():
    told = state(
        pacman_installed=f"{entry()}\n{entry('mine')}",
        pacman_details=detail("b", replaces="a<2  gone"),
    )
    assert told.unseen == ("updates of packages that no repository has: mine",)
    assert "replace a with b" in told.warnings[0]


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"pacman_times": ""}, "no package lists of repository core"),
        ({"pacman_config": "[options]\nDBPath = /x"}, "no repository is enabled"),
        ({"pacman_installed": ("", 1)}, "pacman-installed failed with exit code 1"),
        ({"pacman_installed": ("", 2), "pacman_lock": "holder=7 pacman -Syu"}, "while they were read"),
        ({"pacman_updates": ("", 1, "error: could not register 'core' database")}, "could not register"),
        (
            {"pacman_offers": ("", 0, "error: database 'core' is not valid (PGP signature)")},
            "mend it there with: pacman -Syy",
        ),
    ],
)
def test_what_cannot_tell_what_is_missing_is_not_judged(sections, said):
    assert any(said in error for error in state(**sections).errors)


def test_half_written_entry_and_a_lock_left_behind_are_faults_with_their_mends():
    told = state(
        pacman_installed=f"half=/var/lib/pacman/local/b-c-2-1\n{entry()}",
        pacman_updates=("", 1, "error: could not open file /var/lib/pacman/local/b-c-2-1/desc: No such file"),
        pacman_lock="stale=/var/lib/pacman/db.lck",
        pacman_check=("", 1, "error: 'b-c-2-1': description file is missing"),
    )
    assert told.errors == ()
    assert [(package.name, package.version) for package in told.broken] == [("b-c", "2-1")]
    assert [fault.mend for fault in told.faults] == [
        "rm /var/lib/pacman/db.lck",
        "rm -r /var/lib/pacman/local/b-c-2-1 && pacman --noconfirm -S --overwrite '*' b-c",
    ]


def test_what_a_pacman_at_work_has_begun_is_no_fault():
    told = state(
        pacman_installed=f"half=/var/lib/pacman/local/b-2-1\n{entry()}",
        pacman_lock="holder=7 pacman -Syu",
        pacman_check=("", 1, "error: 'b-2-1': description file is missing"),
    )
    assert (told.broken, told.faults) == ((), ())


def test_unmet_dependency_is_a_fault():
    (fault,) = state(pacman_check=("", 1, "error: missing 'x' dependency for 'a'")).faults
    assert "missing 'x' dependency for 'a'" in fault.what


def test_who_is_at_work_is_a_warning_and_an_unknown_lock_is_unseen():
    assert "process 7 (pacman -Syu)" in state(pacman_lock="holder=7 pacman -Syu").warnings[0]
    assert "only root can see" in state(pacman_lock="unknown=/var/lib/pacman/db.lck").unseen[0]


@pytest.mark.parametrize(
    ("installed", "kernel", "needed"),
    [
        (entry("linux", "6.6.1.arch1-1", BEFORE), "", []),
        (entry("linux", "6.6.2.arch1-1", SINCE), "", ["linux"]),
        (entry("linux", "6.6.1.arch1-1", SINCE), "modules=/m\nrunning=linux", []),
        (entry("linux", "6.6.2.arch1-1", SINCE), "modules=/m\nrunning=linux", ["linux"]),
        (entry("linux-lts", "6.1-1", SINCE), "modules=/m\nrunning=linux", []),
        (entry("linux", "6.6.2.arch1-1", SINCE), "modules=/m", []),
        (entry("linux-headers", "6.6.2-1", SINCE), "", []),
        (entry("glibc", "2.40-1", SINCE), "", ["glibc"]),
    ],
)
def test_kernel_or_core_package_that_came_since_boot_wants_a_reboot(installed, kernel, needed):
    reboot = state(pacman_installed=installed, pacman_kernel=kernel).reboot
    assert (reboot.needed, list(reboot.packages)) == (bool(needed), needed)


def test_without_a_clock_no_reboot_verdict_is_given():
    assert state(facts=HostFacts()).reboot.needed is None


def test_lists_that_were_just_refreshed_are_new_whatever_their_files_say():
    assert state(refresh="").metadata_age_seconds == 0
    assert state(refresh=("", 1)).metadata_age_seconds == 3600
