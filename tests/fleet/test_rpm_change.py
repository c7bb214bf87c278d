"""dnf 4, dnf 5 and zypper install exact versions on real hosts, or say why not."""

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lab.chroots import run_in
from lab.distros import repository, tools
from lab.listing import changes, listing
from lab.machine import Machine

from fleetctl.packages.change import Applied, Simulation, TroubleKind, Wanted
from fleetctl.packages.collect import collect_script, managers, read_state
from fleetctl.packages.dnf import Dnf
from fleetctl.packages.model import PackageState
from fleetctl.packages.sections import Sections, read_sections
from fleetctl.packages.zypper import Zypper

KINDS = ("rocky", "fedora", "suse")
#: What fits its architecture, and what is refused because another version of it is newer, is told by the tables of the lab.
LIB = Wanted(name="fl-lib", version="1.0-2", arch="noarch")
APP = Wanted(name="fl-app", version="1.1-1", arch="noarch")
SHADOW = Wanted(name="fl-shadow", version="1.0-2", arch="noarch")
NEEDS = Wanted(name="fl-needs", version="1.1-1", arch="noarch")
EPOCH = Wanted(name="fl-epoch", version="1:1.0-1", arch="noarch")
DAEMON = Wanted(name="fl-daemon", version="1.0-2", arch="x86_64")
BROKEN = Wanted(name="fl-broken", version="2.0-1", arch="noarch")
CONF = Wanted(name="fl-conf", version="2.0-1", arch="noarch")
HELD = Wanted(name="fl-held", version="1.1-1", arch="noarch")
EXCLUDED = Wanted(name="fl-excluded", version="1.0-2", arch="noarch")
SLOW = Wanted(name="fl-slow", version="1.0-1", arch="noarch")
REFUSES = Wanted(name="fl-refuses", version="1.0-1", arch="noarch")
UNKNOWN = Wanted(name="fl-app", version="9.9-1", arch="noarch")
FORGET = "rm -rf /var/cache/dnf/* /var/cache/libdnf5/* /var/cache/zypp/raw/* /var/cache/zypp/solv/fleet"
FOLDERS = "/var/cache/dnf/fleet-*/packages /var/cache/libdnf5/fleet-*/packages /var/cache/zypp/packages"


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, new_machine: Callable[..., Machine]) -> Machine:
    return new_machine(request.param)


def changer(machine: Machine) -> Dnf | Zypper:
    return Zypper() if machine.tags["kind"] == "suse" else Dnf()


def sent(machine: Machine, script: str, *, user: str = "root") -> Sections:
    done = machine.run("sh -s", stdin=script, user=user)
    return read_sections(done.stdout.encode(), done.stderr.encode())


def simulate(machine: Machine, *wanted: Wanted, user: str = "root") -> Simulation:
    tool = changer(machine)
    return tool.parse_simulation(sent(machine, tool.simulate_script(wanted), user=user))


def apply(
    machine: Machine,
    *wanted: Wanted,
    lock_seconds: int = 5,
    user: str = "root",
    removals: tuple[str, ...] = (),
) -> Applied:
    tool = changer(machine)
    script = tool.apply_script(wanted, lock_seconds=lock_seconds, removals=removals)
    return tool.parse_application(sent(machine, script, user=user))


def scan(machine: Machine) -> PackageState:
    known = managers()
    done = machine.run("sh -s", stdin=collect_script(known))
    return read_state(done.stdout.encode(), done.stderr.encode(), known)


def kernel(machine: Machine) -> Wanted:
    if machine.tags["kind"] == "suse":
        return Wanted(name="kernel-default", version="6.4.0-2", arch="noarch")
    return Wanted(name="kernel", version="5.14.0-2", arch="noarch")


def installed(machine: Machine) -> set[str]:
    return set(
        machine.output(
            "rpm -qa --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n' | grep -v gpg"
        ).splitlines()
    )


def kinds(told: Applied | Simulation) -> list[TroubleKind]:
    return [trouble.kind for trouble in told.troubles]


def test_simulation_tells_exactly_what_applying_does_and_writes_nothing(host: Machine) -> None:
    wanted = (LIB, SHADOW, NEEDS, EPOCH, DAEMON, kernel(host))
    before, packages = listing(host), installed(host)
    told = simulate(host, *wanted)
    assert changes(before, listing(host)) == {}
    assert told.troubles == ()
    new = kernel(host)
    assert {(each.kind, each.name, each.before, each.after) for each in told.changes} == {
        ("upgrade", "fl-lib", "1.0-1", "1.0-2"),
        ("upgrade", "fl-shadow", "1.0-1", "1.0-2"),
        ("upgrade", "fl-needs", "1.0-1", "1.1-1"),
        ("install", "fl-newdep", "", "1.0-1"),
        ("upgrade", "fl-epoch", "5.0-1", "1:1.0-1"),
        ("upgrade", "fl-daemon", "1.0-1", "1.0-2"),
        ("install", new.name, "", new.version),
    }
    assert {each.repository for each in told.changes} == {"fleet"}
    assert told.download is not None
    assert told.download > 40_000
    assert told.free is not None
    assert told.free > told.download
    done = apply(host, *wanted)
    assert (done.ok, done.troubles, done.kept_files, done.waited) == (True, (), (), 0)
    assert set(done.changes) == {replace(each, repository="", size=None) for each in told.changes}
    now = installed(host)
    assert now - packages == {
        *("fl-lib 0:1.0-2", "fl-shadow 0:1.0-2", "fl-needs 0:1.1-1", "fl-newdep 0:1.0-1", "fl-epoch 1:1.0-1"),
        *("fl-daemon 0:1.0-2", f"{new.name} 0:{new.version}"),
    }
    assert {line.split()[0] for line in packages - now} == {
        "fl-lib",
        "fl-shadow",
        "fl-needs",
        "fl-epoch",
        "fl-daemon",
    }
    assert simulate(host, *wanted).changes == ()
    again = apply(host, *wanted)
    assert (again.ok, again.changes, again.troubles) == (True, (), ())


def test_what_the_host_keeps_back_stays_as_it_is_and_so_does_all_the_rest(host: Machine) -> None:
    before = installed(host)
    hidden = (HELD,) if host.tags["kind"] == "suse" else (HELD, EXCLUDED)
    for package in hidden:
        told = simulate(host, LIB, package)
        assert kinds(told) == [TroubleKind.DEPENDENCIES]
        assert told.troubles[0].packages == (package.name,)
        done = apply(host, LIB, package)
        assert (done.ok, kinds(done), done.changes) == (False, [TroubleKind.DEPENDENCIES], ())
    assert installed(host) == before


def test_version_that_no_repository_has_is_told_and_never_replaced(host: Machine) -> None:
    before = installed(host)
    told, done = simulate(host, UNKNOWN, LIB), apply(host, UNKNOWN, LIB)
    assert (kinds(told), told.troubles[0].packages) == ([TroubleKind.GONE], ("fl-app",))
    assert told.troubles[0].mend
    assert (done.ok, kinds(done), done.changes) == (False, [TroubleKind.GONE], ())
    assert installed(host) == before


def test_names_that_no_package_can_have_are_told_and_never_reach_the_tool(host: Machine) -> None:
    before = installed(host)
    odd = (
        Wanted(name="fl-*", version="1.1-1"),
        Wanted(name="--assumeyes", version="1.1-1"),
        Wanted(name="a'b", version="1;2"),
    )
    assert kinds(simulate(host, *odd)) == [TroubleKind.OTHER] * 3
    done = apply(host, *odd, LIB)
    assert TroubleKind.OTHER in kinds(done)
    assert installed(host) == before


def test_failing_script_is_told_and_local_configuration_is_kept_and_told(host: Machine) -> None:
    done = apply(host, BROKEN, CONF, LIB)
    assert kinds(done) == [TroubleKind.SCRIPT]
    (trouble,) = done.troubles
    assert trouble.packages == ("fl-broken",)
    assert "installed all the same" in trouble.message
    assert {(each.name, each.after) for each in done.changes} == {
        ("fl-broken", "2.0-1"),
        ("fl-conf", "2.0-1"),
        ("fl-lib", "1.0-2"),
    }
    assert done.kept_files == ("/etc/fl-conf.conf",)
    assert host.output("cat /etc/fl-conf.conf /etc/fl-conf.conf.rpmnew") == "value=mine\nvalue=2"
    mended = host.run(trouble.mend)
    assert "fails on purpose" in mended.stdout + mended.stderr, "the script runs once more"


def test_script_that_refuses_an_update_is_told_and_the_update_is_not_there(host: Machine) -> None:
    assert apply(host, REFUSES).ok
    done = apply(host, replace(REFUSES, version="2.0-1"))
    assert (done.ok, done.changes, kinds(done)) == (False, (), [TroubleKind.SCRIPT])
    assert "not installed" in done.troubles[0].message
    assert host.output("rpm -q fl-refuses") == "fl-refuses-1.0-1.noarch"


def test_lock_is_waited_for_and_who_holds_it_too_long_is_named(host: Machine) -> None:
    pid = host.hold_lock(300)
    told = simulate(host, LIB)
    assert [each.name for each in told.changes] == ["fl-lib"], "a rehearsal needs no lock"
    done = apply(host, LIB, lock_seconds=1)
    assert (done.ok, done.changes, kinds(done)) == (False, (), [TroubleKind.LOCKED])
    assert f"process {pid} (" in done.troubles[0].message
    assert "fl-slow" in done.troubles[0].message
    assert done.waited >= 1
    release = threading.Timer(3, host.release_lock)
    release.start()
    done = apply(host, LIB, lock_seconds=60)
    release.join()
    assert (done.ok, kinds(done)) == (True, [])
    assert done.waited >= 1
    assert host.output("rpm -q fl-lib") == "fl-lib-1.0-2.noarch"


def test_mirrors_that_fail_or_lie_are_told_apart(host: Machine) -> None:
    before = installed(host)
    host.mirror_down()
    assert kinds(apply(host, LIB)) == [TroubleKind.MIRROR]
    host.mirror_up()
    for fault in ("files-gone", "moved-on"):
        host.mirror_fault(fault)
        done = apply(host, LIB)
        assert (kinds(done), done.troubles[0].packages) == ([TroubleKind.GONE], ("fl-lib",))
    refresh = host.run(done.troubles[0].mend)
    assert refresh.returncode == 0, refresh
    assert kinds(simulate(host, LIB)) == [TroubleKind.GONE], "the lists know now"
    host.mirror_fault("bad-signature")
    host.output(FORGET)
    assert kinds(apply(host, LIB)) == [TroubleKind.SIGNATURE]
    assert installed(host) == before


def test_full_and_read_only_file_systems_are_told(host: Machine) -> None:
    before = installed(host)
    host.output(
        f"mkdir -p /var/cache/zypp/packages; for d in {FOLDERS}; do [ ! -d $d ] || mount -t tmpfs -o size=4k tmpfs $d; done"
    )
    assert kinds(apply(host, LIB)) == [TroubleKind.DISK_FULL]
    host.run(f"for d in {FOLDERS}; do umount $d; done")
    host.output("mount -t tmpfs -o size=8k tmpfs /usr/lib/fl-daemon")
    done = apply(host, DAEMON)
    assert kinds(done) == [TroubleKind.DISK_FULL]
    assert "/usr/lib/fl-daemon" in done.troubles[0].message
    host.output("umount /usr/lib/fl-daemon; mount --bind /etc /etc; mount -o remount,bind,ro /etc")
    done = apply(host, LIB)
    assert kinds(done) == [TroubleKind.READ_ONLY]
    assert done.troubles[0].mend == "mount -o remount,rw /etc"
    assert installed(host) == before


def test_unprivileged_user_is_told_that_root_is_wanted(host: Machine) -> None:
    before = listing(host)
    done = apply(host, LIB, user="guest")
    assert (done.ok, kinds(done)) == (False, [TroubleKind.NOT_ROOT])
    assert changes(before, listing(host)) == {}


@pytest.mark.parametrize("kind", ["rocky", "fedora"])
def test_transaction_that_was_killed_leaves_what_the_next_scan_tells_and_how_it_is_mended(
    kind: str, new_machine: Callable[..., Machine]
) -> None:
    machine = new_machine(kind)
    machine.output("echo 300 > /run/fl-slow")
    done: list[Applied] = []
    works = threading.Thread(target=lambda: done.append(apply(machine, LIB, APP, SLOW)))
    works.start()
    machine.output("while [ ! -e /run/fl-slow.on ]; do sleep 1; done; pkill -9 'dnf'; pkill sleep; true")
    works.join()
    assert done[0].ok is False
    assert set(kinds(done[0])) == {TroubleKind.BROKEN}
    assert "signal 9" in done[0].troubles[0].message
    state = scan(machine)
    assert {package.name for package in state.broken} == {"fl-lib", "fl-app"}
    (fault,) = state.faults
    assert kinds(simulate(machine, DAEMON)) == [TroubleKind.BROKEN]
    assert simulate(machine, DAEMON).troubles[0].mend == fault.mend
    machine.run(fault.mend)
    state = scan(machine)
    assert (state.faults, state.broken, simulate(machine, DAEMON).troubles) == ((), (), ())


def test_package_in_two_versions_on_a_host_with_zypper_is_told_and_mended(fresh_suse: Machine) -> None:
    shutil.copy(repository() / "rpm/fl-app-1.1-1.noarch.rpm", fresh_suse.root / "root")
    fresh_suse.output("rpm -i --replacefiles --nodeps /root/fl-app-1.1-1.noarch.rpm; rpm -e --nodeps fl-same")
    state = scan(fresh_suse)
    assert [package.name for package in state.broken] == ["fl-app"]
    (fault,) = state.faults
    assert kinds(simulate(fresh_suse, DAEMON)) == [TroubleKind.BROKEN]
    fresh_suse.output(fault.mend)
    assert fresh_suse.output("rpm -q fl-app") == "fl-app-1.1-1.noarch"
    assert simulate(fresh_suse, DAEMON).troubles == ()


def test_package_that_was_killed_under_zypper_is_told_and_the_host_can_go_on(fresh_suse: Machine) -> None:
    fresh_suse.output("echo 300 > /run/fl-slow")
    done: list[Applied] = []
    works = threading.Thread(target=lambda: done.append(apply(fresh_suse, LIB, SLOW)))
    works.start()
    fresh_suse.output("while [ ! -e /run/fl-slow.on ]; do sleep 1; done; pkill -9 rpm; pkill sleep; true")
    works.join()
    assert (done[0].ok, kinds(done[0])) == (False, [TroubleKind.BROKEN])
    assert scan(fresh_suse).errors == ()
    assert apply(fresh_suse, LIB, APP).ok


RIVAL = """\
Name: fl-app
Version: 3.0
Release: 1
Summary: takes the place of another package
License: MIT
BuildArch: noarch
Obsoletes: fl-same < 9
%description
Made by a test.
%files
"""


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one package that takes the place of another one."""
    folder = tmp_path_factory.mktemp("rivals")
    (folder / "rival.spec").write_text(RIVAL)
    build = "rpmbuild -bb --quiet --define '_rpmdir /mnt/rival' --define '_topdir /mnt/build' /mnt/rival.spec"
    run_in(tools(), "sh", "-ec", f"{build}; createrepo_c -q /mnt/rival", show=folder)
    return folder / "rival"


def test_only_what_was_told_to_go_goes(host: Machine, rivals: Path) -> None:
    shutil.copytree(rivals, host.root / "srv/rival")
    zypp = host.tags["kind"] == "suse"
    text = "[rival]\nname=rival\nbaseurl=file:///srv/rival\ngpgcheck=0\nrepo_gpgcheck=0\nenabled=1\n"
    (host.root / ("etc/zypp/repos.d" if zypp else "etc/yum.repos.d") / "rival.repo").write_text(text)
    host.output("zypper -q refresh rival" if zypp else "dnf -q makecache")
    wanted = Wanted(name="fl-app", version="3.0-1", arch="noarch")
    plan = simulate(host, wanted)
    assert plan.removals == ("fl-same",), plan
    before = installed(host)
    refused = apply(host, wanted, removals=("fl-lib",))
    assert (refused.ok, kinds(refused)) == (False, [TroubleKind.DEPENDENCIES]), refused
    assert refused.troubles[0].packages == ("fl-same",)
    assert installed(host) == before
    done = apply(host, wanted, removals=plan.removals)
    assert (done.ok, done.troubles) == (True, ()), done
    assert {(change.kind, change.name) for change in done.changes} == {
        ("upgrade", "fl-app"),
        ("remove", "fl-same"),
    }
