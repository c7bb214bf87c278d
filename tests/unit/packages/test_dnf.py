"""dnf's answers: what is held, hidden, gone from the mirror, and what must not be judged."""

import json

import pytest

from fleetctl.packages.dnf import Dnf
from fleetctl.packages.facts import moment
from fleetctl.packages.model import Advisory, HostFacts
from fleetctl.packages.sections import read_sections

FACTS = HostFacts(os_id="rocky", version_id="9.4", time=moment("1700003600"))
ONE = "a\t0\t1.0\t1\tx86_64\t1700000000\ta-1.0-1.src.rpm"
HASH = "0123456789abcdef"
TIMES = f"1700000000 /var/cache/dnf/base-{HASH}/repodata/repomd.xml\n1700000000 /var/cache/dnf/base-{HASH}/repodata/1-updateinfo.xml.gz"
QUIET = {
    "dnf_tool": "generation=4",
    "dnf_installed": ONE,
    "dnf_available": "",
    "dnf_checkupdate": "",
    "dnf_advisories": "",
    "dnf_advised": "",
    "dnf_from": "",
    "dnf_repositories": "Repo-id            : base",
    "dnf_excludes": "",
    "dnf_locks": "",
    "dnf_times": TIMES,
    "dnf_reboot": "Reboot should not be necessary.",
    "dnf_services": "",
    "dnf_duplicates": "",
    "dnf_check": "",
}


def state(**sections):
    """A host with these sections; underscores stand for dashes, a pair is text and exit code, a triple has stderr."""
    out = err = ""
    for name, given in (QUIET | sections).items():
        text, code, errors = (given, 0, "") if isinstance(given, str) else (*given, "")[:3]
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return Dnf().parse(read_sections(f"{out}\n@@fleetctl done\n".encode(), err.encode()), FACTS)


def offer(version, release, name="a", repository="base", epoch="0"):
    return f"{name}\t{epoch}\t{version}\t{release}\tx86_64\t{repository}\t1234\t2026-11-20 10:00"


def test_a_quiet_host_lacks_nothing():
    found = state()
    assert (found.errors, found.updates, found.reboot.needed, found.blind) == ((), (), False, "")
    assert found.metadata_age_seconds == 3600
    assert found.installed[0].installed_at == moment("1700000000")
    assert found.installed[0].source == "a"


def test_versions_of_several_repositories_are_put_together():
    found = state(
        dnf_available="\n".join([offer("1.1", "1"), offer("1.1", "1", repository="copy"), offer("1.2", "1")]),
        dnf_checkupdate=("a.x86_64 1.2-1 base", 100),
    )
    (update,) = found.updates
    assert [version.version for version in update.versions] == ["1.2-1", "1.1-1"]
    assert [origin.repository for origin in update.versions[1].origins] == ["base", "copy"]
    assert (update.candidate, update.held, update.versions[0].size) == ("1.2-1", "", 1234)


def test_an_epoch_makes_a_smaller_number_newer():
    found = state(
        dnf_available=offer("0.9", "1", epoch="1"), dnf_checkupdate=("\na.x86_64    1:0.9-1    base\n", 100)
    )
    assert (found.updates[0].candidate, found.updates[0].held) == ("1:0.9-1", "")


def test_rows_that_dnf_breaks_are_read_and_obsoletes_are_not():
    told = (
        "\na.x86_64\n      1.1-1.a.very.long.release\n           base\n"
        "Obsoleting Packages\nb.x86_64 9-1 base\n    a.x86_64 1.0-1 @base\n"
    )
    found = state(dnf_available=offer("1.1", "1.a.very.long.release"), dnf_checkupdate=(told, 100))
    assert found.updates[0].candidate == "1.1-1.a.very.long.release"


def test_an_advisory_goes_to_the_next_version_when_its_own_is_gone_from_the_mirror():
    found = state(
        dnf_available=offer("1.2", "1"),
        dnf_checkupdate=("a.x86_64 1.2-1 base", 100),
        dnf_advised="  A-1 Important/Sec. a-1.1-1.x86_64\n  A-2 bugfix         a-1.2-1.x86_64",
    )
    (version,) = found.updates[0].versions
    assert [advisory.id for advisory in version.advisories] == ["A-1", "A-2"]
    assert version.security


def test_a_fix_that_no_repository_has_is_missing_all_the_same():
    found = state(dnf_advised="A-1 Critical/Sec. a-1.1-1.x86_64")
    (version,) = found.updates[0].versions
    assert (version.version, version.origins, version.security) == ("1.1-1", (), True)
    assert (found.updates[0].candidate, found.updates[0].held) == ("", "")


def test_advisories_of_the_installed_version_are_told_and_older_ones_are_not():
    found = state(dnf_advised="i A-1 Low/Sec. a-1.0-1.x86_64\ni A-0 Low/Sec. a-0.9-1.x86_64")
    assert [advisory.id for advisory in found.installed[0].advisories] == ["A-1"]
    assert found.installed[0].security
    assert found.updates == ()


def test_reads_an_advisory_whose_prose_looks_like_its_fields():
    prose = """\
===============================================================================
  Type: a title
===============================================================================
  Update ID: A-1
       Type: security
    Updated: 2024-01-10 00:00:00
       Bugs: 42 - Severity: Low
           : 43
       CVEs: CVE-1
           : CVE-2
Description: Severity: Low
           : CVEs: CVE-3
   Severity: Critical
"""
    found = state(
        dnf_advisories=prose, dnf_advised="A-1 Critical/Sec. a-1.1-1.x86_64", dnf_available=offer("1.1", "1")
    )
    assert found.updates[0].versions[0].advisories == (
        Advisory(
            id="A-1",
            classification="security",
            severity="Critical",
            cve_ids=("CVE-1", "CVE-2"),
            bugzilla_ids=("42", "43"),
            issued=moment("1704844800"),
        ),
    )


@pytest.mark.parametrize(
    ("sections", "held"),
    [
        ({"dnf_locks": "a-0:1.0-1.*"}, "versionlock"),
        ({"dnf_locks": "# Added by hand\n!a-0:1.1-1.*"}, "versionlock"),
        ({"dnf_locks": "a"}, "versionlock"),
        ({"dnf_repositories": "Repo-id            : base\nExcludes in dnf.conf: b, a"}, "exclude"),
        ({"dnf_repositories": "Repo-id            : base\nExcludes in repo base: a*"}, "exclude"),
        ({"dnf_repositories": "Repo-id            : base\nExcludes in dnf.conf: a-1.1-1.x86_64"}, "exclude"),
        ({"dnf_repositories": "Repo-id            : base\nIncludes in dnf.conf: b"}, "exclude"),
        ({}, "exclude"),
    ],
)
def test_says_what_holds_a_package(sections, held):
    assert state(dnf_available=offer("1.1", "1"), **sections).updates[0].held == held


def test_a_lower_candidate_that_no_rule_explains_is_no_hold():
    found = state(
        dnf_available=f"{offer('1.1', '1')}\n{offer('1.2', '1')}",
        dnf_checkupdate=("a.x86_64 1.1-1 base", 100),
    )
    assert (found.updates[0].candidate, found.updates[0].held) == ("1.1-1", "")


def test_rules_of_dnf_5_are_read():
    repositories = json.dumps([{"id": "base", "is_enabled": True, "exclude_pkgs": ["b"], "include_pkgs": []}])
    found = state(
        dnf_tool="generation=5",
        dnf_repositories=repositories,
        dnf_excludes="excludepkgs = c, d\nincludepkgs = e",
        dnf_locks='version = "1.0"\n[[packages]]\nname = "a"\ncomment = "why"\n',
        dnf_advised="[]",
    )
    assert [(hold.name, hold.kind, hold.detail) for hold in found.holds] == [
        ("c", "exclude", "dnf.conf"),
        ("d", "exclude", "dnf.conf"),
        ("e", "include", "all but this, in dnf.conf"),
        ("b", "exclude", "base"),
        ("a", "versionlock", "why"),
    ]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"dnf_tool": "generation=3"}, "yum 3 is too old"),
        ({"dnf_tool": ("generation=4", 1, "mktemp: no")}, "/dev/shm"),
        (
            {"dnf_available": ("", 1, "Error: Cache-only enabled but no cache for 'epel'")},
            "no package lists of repository epel",
        ),
        (
            {"dnf_available": ("", 1, 'Cache-only enabled but no cache for repository "fl"')},
            "no package lists of repository fl",
        ),
        ({"dnf_repositories": ""}, "no repository is enabled"),
        ({"dnf_checkupdate": ("", 1, "Error: what?\n")}, "Error: what?"),
        ({"dnf_advised": ("", 7)}, "dnf-advised failed with exit code 7"),
        ({"dnf_installed": ("", 1, "error: cannot open Packages database")}, "rpm --rebuilddb"),
        (
            {"dnf_tool": "generation=5", "dnf_repositories": '[{"id":"base"}]', "dnf_advised": "{"},
            "advisories",
        ),
    ],
)
def test_what_cannot_be_seen_is_an_error(sections, words):
    (error,) = state(**sections).errors
    assert words in error


def test_the_age_is_that_of_the_oldest_enabled_repository():
    times = [
        f"1700003000 /var/cache/dnf/base-{HASH}/repodata/repomd.xml",
        f"1700000100 /var/cache/dnf/epel-{HASH}/repodata/repomd.xml",
        f"1700002000 /var/cache/dnf/epel-{HASH}/repodata/x-primary.xml.gz",
        f"1600000000 /var/cache/dnf/disabled-{HASH}/repodata/repomd.xml",
        "garbage",
    ]
    repositories = "Repo-id            : base\nRepo-id            : epel"
    assert state(dnf_times="\n".join(times), dnf_repositories=repositories).metadata_time == moment(
        "1700002000"
    )


def test_repositories_without_advisories_make_it_blind():
    times = f"1700000000 /var/cache/dnf/base-{HASH}/repodata/repomd.xml"
    assert "publishes advisories" in state(dnf_times=times).blind


def test_what_asked_for_a_reboot_is_named():
    told = (
        "Core libraries or services have been updated since boot-up:\n  * glibc\n  * systemd\n\n"
        "Reboot is required to fully utilize these updates.\n"
    )
    reboot = state(dnf_reboot=(told, 1)).reboot
    assert (reboot.needed, reboot.packages) == (True, ("glibc", "systemd"))
    assert reboot.reasons == ("updated since boot: glibc, systemd",)


def test_without_the_plugin_it_is_not_known_whether_to_reboot():
    found = state(dnf_reboot=("", 1, "No such command: needs-restarting."), dnf_services=("", 126))
    assert found.reboot.needed is None
    assert [note.partition(":")[0] for note in found.unseen] == [
        "services that need a restart",
        "whether core packages wait for a reboot",
    ]


def test_services_that_run_old_code_are_named():
    assert state(dnf_services="sshd.service\n\ncrond.service\n").services == ("sshd.service", "crond.service")


def test_a_package_in_two_versions_is_broken_and_a_second_kernel_is_not():
    two = "\n".join(
        f"{name}\t0\t{version}\t1\tx86_64\t1700000000\t(none)"
        for name in ("a", "kernel-core")
        for version in "12"
    )
    found = state(dnf_installed=two, dnf_duplicates="a\t1-1\tx86_64\na\t2-1\tx86_64")
    assert [(p.name, p.version, p.superseded) for p in found.installed] == [
        ("a", "1-1", True),
        ("a", "2-1", False),
        ("kernel-core", "1-1", True),
        ("kernel-core", "2-1", False),
    ]
    assert [(package.name, package.version) for package in found.broken] == [("a", "2-1")]
    assert [(fault.mend, fault.packages) for fault in found.faults] == [
        ("dnf -y remove --duplicates", ("a",))
    ]


def test_where_a_package_came_from_is_told():
    assert state(dnf_from="a\t0\t1.0\t1\tx86_64\tanaconda").installed[0].repository == "anaconda"
    assert state(dnf_from="a\t0\t1.0\t1\tx86_64\t").installed[0].repository == ""
