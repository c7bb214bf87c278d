"""pacman installs exact versions on a real host, or says why not; and looking at it writes nothing."""

import threading
from random import Random

import pytest
from lab.families import packages, updates
from lab.listing import changes, listing
from lab.machine import Machine

from fleetctl.packages.change import Applied, Simulation, TroubleKind, Wanted
from fleetctl.packages.collect import collect_script, managers, read_state
from fleetctl.packages.model import PackageState
from fleetctl.packages.pacman import Pacman
from fleetctl.packages.sections import Sections, read_sections

PACMAN = Pacman()
LIB = Wanted(name="fl-lib", version="1.0-2", arch="any")
APP = Wanted(name="fl-app", version="1.1-1", arch="any")
NEEDS = Wanted(name="fl-needs", version="1.1-1", arch="any")
EPOCH = Wanted(name="fl-epoch", version="1:1.0-1", arch="any")
DAEMON = Wanted(name="fl-daemon", version="1.0-2", arch="any")
BROKEN = Wanted(name="fl-broken", version="2.0-1", arch="any")
CONF = Wanted(name="fl-conf", version="2.0-1", arch="any")
HELD = Wanted(name="fl-held", version="1.1-1", arch="any")
SLOW = Wanted(name="fl-slow", version="1.0-1", arch="any")
SAME = Wanted(name="fl-same", version="1.0-1", arch="any")


def sent(machine: Machine, script: str, *, user: str = "root") -> Sections:
    done = machine.run("sh -s", stdin=script, user=user)
    return read_sections(done.stdout.encode(), done.stderr.encode())


def simulate(machine: Machine, *wanted: Wanted, user: str = "root") -> Simulation:
    return PACMAN.parse_simulation(sent(machine, PACMAN.simulate_script(wanted), user=user))


def apply(machine: Machine, *wanted: Wanted, lock_seconds: int = 5, user: str = "root") -> Applied:
    script = PACMAN.apply_script(wanted, lock_seconds=lock_seconds)
    return PACMAN.parse_application(sent(machine, script, user=user))


def scan(machine: Machine, *, user: str = "root", refresh: bool = False) -> PackageState:
    known = managers()
    done = machine.run("sh -s", stdin=collect_script(known, refresh=refresh), user=user)
    return read_state(done.stdout.encode(), done.stderr.encode(), known)


def kinds(told: Applied | Simulation) -> list[TroubleKind]:
    return [trouble.kind for trouble in told.troubles]


def installed(machine: Machine) -> set[str]:
    return set(machine.output("pacman -Q").splitlines())


@pytest.mark.parametrize("user", ["root", "guest"])
def test_scan_finds_every_update_of_the_catalogue_and_writes_nothing(arch: Machine, user: str) -> None:
    before = listing(arch)
    state = scan(arch, user=user)
    assert changes(before, listing(arch)) == {}
    assert (state.manager, state.errors, state.faults) == ("pacman", (), ())
    assert {u.name: (u.installed, u.versions[0].version) for u in state.updates} == updates("arch")
    assert {u.name: u.held for u in state.updates if u.held} == {
        p.name: "ignore" for p in packages("arch") if p.held
    }
    assert {v.origins[0].repository for u in state.updates for v in u.versions} == {"fleet"}
    assert all(v.date and v.size for u in state.updates for v in u.versions)
    assert state.reboot.needed is False


def test_refresh_fetches_lists_and_nothing_else_and_a_failed_one_is_not_judged(fresh_arch: Machine) -> None:
    before = installed(fresh_arch)
    fresh_arch.output("rm /var/lib/pacman/sync/*")
    assert "there are no package lists of repository fleet" in scan(fresh_arch).errors[0]
    state = scan(fresh_arch, refresh=True)
    assert (state.errors, state.metadata_age_seconds, len(state.updates)) == ((), 0, len(updates("arch")))
    assert installed(fresh_arch) == before
    fresh_arch.mirror_down()
    assert "could not be refreshed" in scan(fresh_arch, refresh=True).errors[0]


@pytest.mark.parametrize("user", ["root", "guest"])
def test_simulation_tells_exactly_what_applying_does_and_writes_nothing(
    fresh_arch: Machine, user: str
) -> None:
    wanted = (LIB, NEEDS, EPOCH, SAME)
    before, packages_before = listing(fresh_arch), installed(fresh_arch)
    told = simulate(fresh_arch, *wanted, user=user)
    assert changes(before, listing(fresh_arch)) == {}
    assert told.troubles == ()
    assert {(each.kind, each.name, each.before, each.after, each.repository) for each in told.changes} == {
        ("upgrade", "fl-lib", "1.0-1", "1.0-2", "fleet"),
        ("upgrade", "fl-needs", "1.0-1", "1.1-1", "fleet"),
        ("install", "fl-newdep", "", "1.0-1", "fleet"),
        ("upgrade", "fl-epoch", "5.0-1", "1:1.0-1", "fleet"),
    }
    assert told.download == sum(each.size or 0 for each in told.changes) > 1000
    assert told.free is not None
    assert "partial upgrade" in told.notes[0]
    assert "fl-held" not in told.notes[0], "what the host ignores is left out on purpose"
    done = apply(fresh_arch, *wanted)
    assert (done.ok, done.troubles, done.kept_files, done.waited) == (True, (), (), 0)
    assert {(each.name, each.before, each.after) for each in done.changes} == {
        (each.name, each.before, each.after) for each in told.changes
    }
    assert installed(fresh_arch) - packages_before == {
        *("fl-lib 1.0-2", "fl-needs 1.1-1", "fl-newdep 1.0-1", "fl-epoch 1:1.0-1")
    }
    assert "1" in fresh_arch.output("grep -A1 REASON /var/lib/pacman/local/fl-newdep-1.0-1/desc")
    assert simulate(fresh_arch, *wanted).changes == ()
    again = apply(fresh_arch, *wanted)
    assert (again.ok, again.changes, again.troubles) == (True, (), ())


def test_what_is_ignored_gone_or_newer_stays_as_it_is_and_so_does_all_the_rest(fresh_arch: Machine) -> None:
    before = installed(fresh_arch)
    gone = Wanted(name="fl-app", version="9.9-1", arch="any")
    for package, kind in ((HELD, TroubleKind.DEPENDENCIES), (gone, TroubleKind.GONE)):
        told, done = simulate(fresh_arch, LIB, package), apply(fresh_arch, LIB, package)
        assert (kinds(told), told.troubles[0].packages) == ([kind], (package.name,))
        assert (done.ok, kinds(done), done.changes) == (False, [kind], ())
    fresh_arch.output("sed -i 's/^IgnorePkg.*/IgnorePkg = fl-newdep/' /etc/pacman.conf")
    assert kinds(apply(fresh_arch, LIB, NEEDS)) == [TroubleKind.DEPENDENCIES], "as a dependency neither"
    assert installed(fresh_arch) == before
    assert apply(fresh_arch, LIB).ok
    fresh_arch.mirror_fault("moved-on")
    fresh_arch.output("pacman -Sy; pacman --noconfirm -S fl-lib")
    fresh_arch.mirror_up()
    fresh_arch.output("pacman -Syy")
    assert [change.kind for change in simulate(fresh_arch, LIB).changes] == ["downgrade"]
    done = apply(fresh_arch, LIB)
    assert (done.ok, done.changes, kinds(done)) == (False, (), [TroubleKind.OTHER])
    assert "nothing is ever downgraded" in done.troubles[0].message


def test_failing_script_is_told_and_local_configuration_is_kept_and_told(fresh_arch: Machine) -> None:
    done = apply(fresh_arch, BROKEN, CONF, LIB)
    (trouble,) = done.troubles
    assert (done.ok, trouble.kind, trouble.packages) == (False, TroubleKind.SCRIPT, ("fl-broken",))
    assert "fails on purpose" in trouble.message
    assert {each.name for each in done.changes} == {"fl-broken", "fl-conf", "fl-lib"}
    assert done.kept_files == ("/etc/fl-conf.conf",)
    assert fresh_arch.output("cat /etc/fl-conf.conf /etc/fl-conf.conf.pacnew") == "value=mine\nvalue=2"
    assert "fails on purpose" in fresh_arch.output(f"{trouble.mend} 2>&1"), "the script runs once more"
    assert "/etc/fl-conf.conf.pacnew" in scan(fresh_arch).warnings[0]


def test_lock_is_waited_for_and_who_holds_it_too_long_is_named(fresh_arch: Machine) -> None:
    pid = fresh_arch.hold_lock(300)
    assert f"process {pid} (" in scan(fresh_arch).warnings[0]
    assert [each.name for each in simulate(fresh_arch, LIB).changes] == ["fl-lib"], (
        "a rehearsal needs no lock"
    )
    done = apply(fresh_arch, LIB, lock_seconds=1)
    assert (done.ok, done.changes, kinds(done)) == (False, (), [TroubleKind.LOCKED])
    assert f"process {pid} (" in done.troubles[0].message
    assert "fl-slow" in done.troubles[0].message
    assert done.waited >= 1
    release = threading.Timer(3, fresh_arch.release_lock)
    release.start()
    done = apply(fresh_arch, LIB, lock_seconds=60)
    release.join()
    assert (done.ok, kinds(done)) == (True, [])
    assert done.waited >= 1


def test_mirrors_that_fail_or_lie_are_told_apart(fresh_arch: Machine) -> None:
    before = installed(fresh_arch)
    fresh_arch.mirror_down()
    assert kinds(apply(fresh_arch, LIB)) == [TroubleKind.MIRROR]
    fresh_arch.mirror_up()
    for fault in ("files-gone", "moved-on"):
        fresh_arch.mirror_fault(fault)
        done = apply(fresh_arch, LIB)
        assert (kinds(done), done.troubles[0].packages) == ([TroubleKind.GONE], ("fl-lib",))
    fresh_arch.output(done.troubles[0].mend)
    assert kinds(simulate(fresh_arch, LIB)) == [TroubleKind.GONE], "the lists know now"
    fresh_arch.mirror_fault("bad-signature")
    fresh_arch.run("pacman -Syy")
    assert kinds(simulate(fresh_arch, LIB)) == kinds(apply(fresh_arch, LIB)) == [TroubleKind.SIGNATURE]
    assert "mend it there with: pacman -Syy" in scan(fresh_arch).errors[0]
    assert installed(fresh_arch) == before


def test_what_is_in_the_way_on_the_host_is_told_before_anything_changes(fresh_arch: Machine) -> None:
    before = installed(fresh_arch)
    fresh_arch.output("mkdir -p /var/cache/pacman/pkg; mount -t tmpfs -o size=4k tmpfs /var/cache/pacman/pkg")
    assert kinds(simulate(fresh_arch, DAEMON)) == kinds(apply(fresh_arch, DAEMON)) == [TroubleKind.DISK_FULL]
    fresh_arch.output("umount /var/cache/pacman/pkg; mount -t tmpfs -o size=8k tmpfs /usr/lib/fl-daemon")
    done = apply(fresh_arch, DAEMON)
    assert kinds(done) == [TroubleKind.DISK_FULL]
    assert "/usr/lib/fl-daemon" in done.troubles[0].message
    fresh_arch.output("umount /usr/lib/fl-daemon; echo mine > /usr/lib/fl-lib/version-1.0-2")
    done = apply(fresh_arch, LIB)
    assert (kinds(done), done.troubles[0].packages) == ([TroubleKind.DEPENDENCIES], ("fl-lib",))
    fresh_arch.output(done.troubles[0].mend)
    fresh_arch.output("mount --bind /etc /etc; mount -o remount,bind,ro /etc")
    done = apply(fresh_arch, LIB)
    assert (kinds(done), done.troubles[0].mend) == ([TroubleKind.READ_ONLY], "mount -o remount,rw /etc")
    fresh_arch.output("umount /etc")
    assert kinds(apply(fresh_arch, LIB, user="guest")) == [TroubleKind.NOT_ROOT]
    assert installed(fresh_arch) == before
    assert apply(fresh_arch, LIB).ok


def test_pacman_that_was_killed_leaves_what_the_next_scan_tells_and_how_it_is_mended(
    fresh_arch: Machine,
) -> None:
    fresh_arch.output("echo 300 > /run/fl-slow")
    done: list[Applied] = []
    works = threading.Thread(target=lambda: done.append(apply(fresh_arch, SLOW, APP)))
    works.start()
    fresh_arch.output("while [ ! -e /run/fl-slow.on ]; do sleep 1; done; pkill -9 pacman; pkill sleep; true")
    works.join()
    assert done[0].ok is False
    assert set(kinds(done[0])) == {TroubleKind.BROKEN}
    assert "SIGKILL" in done[0].troubles[0].message
    (fault,) = scan(fresh_arch).faults
    assert "no process has it open" in fault.what
    assert kinds(simulate(fresh_arch, LIB)) == kinds(apply(fresh_arch, LIB)) == [TroubleKind.BROKEN]
    fresh_arch.output(fault.mend)
    fresh_arch.output("rm /var/lib/pacman/local/fl-same-1.0-1/desc")
    state = scan(fresh_arch)
    assert [package.name for package in state.broken] == ["fl-same"]
    assert kinds(simulate(fresh_arch, LIB)) == [TroubleKind.BROKEN]
    fresh_arch.output(state.faults[0].mend)
    state = scan(fresh_arch)
    assert (state.faults, state.broken) == ((), ())
    assert apply(fresh_arch, LIB, APP).ok


def test_service_that_runs_its_old_program_is_told(fresh_arch: Machine) -> None:
    assert scan(fresh_arch).services == ()
    assert apply(fresh_arch, DAEMON).ok
    assert scan(fresh_arch).services == ("fl-daemon.service",)
    assert "only root" in scan(fresh_arch, user="guest").unseen[0]
    fresh_arch.output("systemctl restart fl-daemon")
    assert scan(fresh_arch).services == ()


def test_versions_compare_as_vercmp_does(arch: Machine) -> None:
    random = Random(20261124)  # noqa: S311 - a sample, the same each time
    texts = [
        "1.0-1",
        "1.0",
        "1.0rc1-1",
        "1.0.a-1",
        "1:0.1-1",
        "1.0-10",
        "1.0_1-1",
        "01.0-1",
        "1..0-1",
        "2a-1",
    ]
    # One that begins with a dash would be an option.
    texts += [f"{i % 3}{''.join(random.choices('0129abz.:-_+~', k=i % 7))}" for i in range(40)]
    pairs = [(one, two) for one in texts for two in texts]
    told = arch.run("sh -s", stdin="\n".join(f"vercmp '{one}' '{two}'" for one, two in pairs)).stdout.split()
    key = PACMAN.version_key
    ours = [str(int(key(one) > key(two)) - int(key(one) < key(two))) for one, two in pairs]
    assert [row for row in zip(pairs, ours, told, strict=True) if row[1] != row[2]] == []
