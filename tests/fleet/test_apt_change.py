"""apt installs exact versions on real hosts, or says why not."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from dataclasses import replace

from lab.catalogue import PACKAGES, SUITES
from lab.listing import changes, listing
from lab.machine import Machine
from lab.processes import until

from fleetctl.packages.apt import Apt
from fleetctl.packages.change import Applied, Simulation, TroubleKind, Wanted
from fleetctl.packages.collect import collect_script, read_state
from fleetctl.packages.sections import Sections, read_sections

APT = Apt()
APP = Wanted(name="fl-app", version="1.1-1", arch="all")
BROKEN = Wanted(name="fl-broken", version="2.0-1", arch="all")
CONF = Wanted(name="fl-conf", version="2.0-1", arch="all")
HELD = Wanted(name="fl-held", version="1.1-1", arch="all")
NEEDS = Wanted(name="fl-needs", version="1.1-1", arch="all")
SLOW = Wanted(name="fl-slow", version="1.0-1")
EPOCH = Wanted(name="fl-epoch", version="1:1.0-1", arch="all")
#: Succeeds where somebody sleeps for a second at a time.
WAITS = 'for p in /proc/[0-9]*; do [ "$(tr "\\0" " " <"$p/cmdline")" != "sleep 1 " ] || exit 0; done; exit 1'
UNFINISHED = "dpkg --configure -a && apt-get -y --fix-broken install"


def sent(machine: Machine, script: str, *, user: str = "root") -> Sections:
    done = machine.run("sh -s", stdin=script, user=user, timeout=120)
    return read_sections(done.stdout.encode(), done.stderr.encode())


def simulate(machine: Machine, *wanted: Wanted, user: str = "root") -> Simulation:
    return APT.parse_simulation(sent(machine, APT.simulate_script(wanted), user=user))


def apply(
    machine: Machine,
    *wanted: Wanted,
    lock_seconds: int = 5,
    user: str = "root",
    removals: tuple[str, ...] = (),
) -> Applied:
    script = APT.apply_script(wanted, lock_seconds=lock_seconds, removals=removals)
    return APT.parse_application(sent(machine, script, user=user))


def apply_while_held(machine: Machine, *wanted: Wanted, **more: tuple[str, ...]) -> Applied:
    """Let it begin while somebody holds the lock, who lets go once it waits."""
    ended: list[Applied] = []
    thread = threading.Thread(target=lambda: ended.append(apply(machine, *wanted, lock_seconds=100, **more)))
    thread.start()
    until(
        lambda: machine.inside("sh", "-c", WAITS, check=False).returncode == 0,
        seconds=60,
        what="it waits for its turn",
    )
    machine.release_lock()
    thread.join(120)
    (applied,) = ended
    return applied


def kinds(answer: Simulation | Applied) -> list[TroubleKind]:
    return [trouble.kind for trouble in answer.troubles]


def security(machine: Machine, *names: str) -> list[Wanted]:
    suite = SUITES[machine.tags["kind"]]
    versions = {package.name: package.security(suite) for package in PACKAGES}
    return [Wanted(name=name, version=versions[name], arch="all") for name in names]


def installed(machine: Machine) -> dict[str, str]:
    told = machine.output("dpkg-query -W -f='${Package} ${Version}${db:Status-Abbrev}\\n'")
    return dict(line.split(" ", 1) for line in told.splitlines())


def offer(machine: Machine, name: str, version: str, *, fields: str = "", **parts: str) -> Wanted:
    """Put a package into a repository of the host's own; `parts` are maintainer scripts, and `file`, the path of its only file."""
    pool = machine.root / "srv/local"
    tree = machine.overlay / "deb"
    (tree / "DEBIAN").mkdir(parents=True)
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.invalid>\n{fields}"
    )
    (tree / "DEBIAN/control").write_text(f"{control}Description: made by a test\n")
    if path := parts.pop("file", ""):
        (tree / path).parent.mkdir(parents=True)
        (tree / path).write_text(f"{name} {version}\n")
    for script, body in parts.items():
        (tree / "DEBIAN" / script).write_text(f"#!/bin/sh\n{body}\n")
        (tree / "DEBIAN" / script).chmod(0o755)
    pool.mkdir(exist_ok=True)
    deb = pool / f"{name}_{version}_all.deb"
    argv = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(deb)]
    subprocess.run(argv, check=True, capture_output=True)
    subprocess.run(["rm", "-r", str(tree)], check=True)
    content = deb.read_bytes()
    entry = f"{control}Filename: ./{deb.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"
    with (pool / "Packages").open("a") as index:
        index.write(f"{entry}Description: made by a test\n\n")
    sources = machine.root / "etc/apt/sources.list.d/local.list"
    sources.write_text("deb [trusted=yes] file:/srv/local ./\n")
    return Wanted(name=name, version=version)


def test_a_rehearsal_tells_everything_and_writes_nothing(fresh_debian: Machine) -> None:
    host = fresh_debian
    wanted = [APP, NEEDS, EPOCH, *security(host, "fl-lib")]
    simulate(host, APP)  # the first login of a host makes folders for its user
    before = listing(host)
    plan = simulate(host, *wanted)
    assert changes(before, listing(host)) == {}
    told = {change.name: (change.kind, change.before, change.after) for change in plan.changes}
    assert told == {
        "fl-app": ("upgrade", "1.0-1", "1.1-1"),
        "fl-needs": ("upgrade", "1.0-1", "1.1-1"),
        "fl-newdep": ("install", "", "1.0-1"),
        "fl-epoch": ("upgrade", "5.0-1", "1:1.0-1"),
        "fl-lib": ("upgrade", "1.0-1", wanted[-1].version),
    }
    assert plan.troubles == ()
    assert plan.download == sum(change.size or 0 for change in plan.changes)
    assert all(change.size for change in plan.changes)
    assert plan.free
    (fix,) = (change for change in plan.changes if change.name == "fl-lib")
    assert fix.repository.startswith("Debian-Security:")
    assert replace(simulate(host, *wanted, user="guest"), free=plan.free) == plan


def test_security_fixes_come_alone_and_in_their_exact_versions(fresh_debian: Machine) -> None:
    host, wanted = fresh_debian, security(fresh_debian, "fl-lib", "fl-kernel")
    host.output("apt-mark auto fl-lib")
    before = installed(host)
    applied = apply(host, *wanted)
    assert applied.ok, applied
    assert {change.name: change.after for change in applied.changes} == {w.name: w.version for w in wanted}
    after = installed(host)
    assert {name for name in after if after[name] != before.get(name)} == {"fl-lib", "fl-kernel"}
    assert host.output("apt-mark showhold; apt-mark showauto | grep fl-") == "fl-held\nfl-lib"
    assert apply(host, *wanted) == Applied(ok=True), "a second time changes nothing"


def test_a_failing_script_is_told_with_its_words_and_hides_nothing(fresh_debian: Machine) -> None:
    host = fresh_debian
    applied = apply(host, APP, BROKEN, CONF)
    assert not applied.ok
    assert {change.name for change in applied.changes} == {"fl-app", "fl-conf"}
    (trouble,) = applied.troubles
    assert trouble.kind is TroubleKind.SCRIPT
    assert trouble.packages == ("fl-broken",)
    assert trouble.message.endswith("the script said: fl-broken: postinst fails on purpose")
    assert applied.kept_files == ("/etc/fl-conf.conf",)
    assert host.output("cat /etc/fl-conf.conf; cat /etc/fl-conf.conf.dpkg-dist") == "value=mine\nvalue=2"
    before = installed(host)
    for answer in (simulate(host, EPOCH), apply(host, EPOCH)):
        assert [(t.kind, t.mend, t.packages) for t in answer.troubles] == [
            (TroubleKind.BROKEN, UNFINISHED, ("fl-broken",))
        ]
    assert installed(host) == before, "on top of what is half done nothing is tried"


def test_a_held_package_is_never_changed(fresh_deb12: Machine) -> None:
    before = installed(fresh_deb12)
    for answer in (simulate(fresh_deb12, APP, HELD), apply(fresh_deb12, APP, HELD)):
        assert [(t.kind, t.packages) for t in answer.troubles] == [(TroubleKind.DEPENDENCIES, ("fl-held",))]
    assert installed(fresh_deb12) == before


def test_the_holder_of_a_lock_is_named_and_then_waited_for(fresh_debian: Machine) -> None:
    host = fresh_debian
    pid = host.hold_lock(300)
    assert simulate(host, APP).troubles == (), "what somebody else installs is not broken"
    seen = read_state(host.run("sh -s", stdin=collect_script((APT,))).stdout.encode(), b"", (APT,))
    assert [package.broken for package in seen.broken] == ["being changed while it was looked at"]
    assert seen.faults == (), "nobody is told to mend it"
    assert f"process {pid} " in " ".join(seen.warnings)
    applied = apply(host, APP, lock_seconds=1)
    assert kinds(applied) == [TroubleKind.LOCKED]
    assert f"process {pid} (/usr/bin/apt-get -y -q install fl-slow) of root" in applied.troubles[0].message
    assert applied.waited >= 1
    applied = apply_while_held(host, APP)
    assert applied.ok, applied
    assert applied.waited >= 1
    assert [change.name for change in applied.changes] == ["fl-app"]


def test_apt_killed_in_the_middle_leaves_what_the_next_look_tells(fresh_debian: Machine) -> None:
    host = fresh_debian
    (host.root / "run").mkdir(exist_ok=True)
    host.inside("sh", "-c", "echo 300 > /run/fl-slow")
    ended: list[Applied] = []
    thread = threading.Thread(target=lambda: ended.append(apply(host, APP, SLOW)))
    thread.start()
    busy = ("test", "-e", "/run/fl-slow.on")
    until(lambda: host.inside(*busy, check=False).returncode == 0, seconds=60, what="the script sleeps")
    # The script of fl-slow sleeps; its parents are dpkg and apt-get.
    named = 'for p in /proc/[0-9]*; do case $(cat "$p/comm" 2>/dev/null) in apt-get|dpkg|sleep) kill -9 "${p#/proc/}";; esac; done; true'
    host.inside("sh", "-c", named)
    thread.join(120)
    (applied,) = ended
    assert not applied.ok
    assert kinds(applied)[:1] == [TroubleKind.BROKEN]
    assert any("killed" in trouble.message for trouble in applied.troubles)
    for answer in (simulate(host, EPOCH), apply(host, EPOCH)):
        assert kinds(answer) == [TroubleKind.BROKEN]
        assert answer.troubles[0].mend == UNFINISHED
    host.inside("sh", "-c", "echo 0 > /run/fl-slow")
    host.output(f"export DEBIAN_FRONTEND=noninteractive; {answer.troubles[0].mend}")
    assert apply(host, EPOCH).ok, "what was told mends it"


def test_each_thing_that_is_in_the_way_has_its_own_name(fresh_debian: Machine) -> None:
    host = fresh_debian
    before = installed(host)
    host.output("mkdir -p /srv/lists && cp -p /var/lib/apt/lists/*InRelease /srv/lists")

    def tells(kind: TroubleKind, *, user: str = "root") -> Applied:
        applied = apply(host, APP, user=user)
        assert kinds(applied) == [kind], applied
        assert not applied.ok
        return applied

    tells(TroubleKind.NOT_ROOT, user="guest")
    host.mirror_down()
    tells(TroubleKind.MIRROR)
    host.mirror_up()
    host.mirror_fault("files-gone")
    assert tells(TroubleKind.GONE).troubles[0].packages == ("fl-app",)
    host.mirror_up()
    host.fill_disk("/var/cache/apt/archives")
    tells(TroubleKind.DISK_FULL)
    assert kinds(simulate(host, APP)) == [TroubleKind.DISK_FULL]
    host.free_disk("/var/cache/apt/archives")
    host.output("rm /var/lib/apt/lists/*InRelease")
    assert tells(TroubleKind.SIGNATURE).troubles[0].packages == ("fl-app",)
    host.output("cp -p /srv/lists/* /var/lib/apt/lists/")
    host.inside("sh", "-c", "mount --bind /usr /usr && mount -o remount,ro,bind /usr")
    tells(TroubleKind.READ_ONLY)
    host.inside("umount", "-l", "/usr")
    assert installed(host) == before
    assert apply(host, APP).ok


def test_a_disk_that_is_full_where_packages_are_unpacked_is_told(fresh_deb12: Machine) -> None:
    host = fresh_deb12
    host.fill_disk("/usr/lib/fl-app")
    applied = apply(host, APP, *security(host, "fl-lib"))
    assert kinds(applied)[:1] == [TroubleKind.DISK_FULL]
    assert applied.troubles[0].packages == ("fl-app",)
    host.free_disk("/usr/lib/fl-app")


def test_a_version_that_is_gone_is_told_with_what_there_is(fresh_debian: Machine) -> None:
    host = fresh_debian
    host.mirror_fault("moved-on")
    host.output("apt-get -q update")
    before = installed(host)
    for answer in (simulate(host, APP, CONF), apply(host, APP, CONF)):
        assert [(t.kind, t.packages) for t in answer.troubles] == [(TroubleKind.GONE, ("fl-app",))]
        assert "fl-app 1.1-1" in answer.troubles[0].message
        assert "1.2-1" in answer.troubles[0].message
    assert installed(host) == before, "nothing takes its place, and nothing else is done"


def test_nothing_waits_for_an_answer(fresh_deb12: Machine) -> None:
    host = fresh_deb12
    asks = offer(
        host, "fl-asks", "1.0", postinst="read answer || true; read answer </dev/tty || true; echo asked"
    )
    host.output("apt-get -q update")
    assert apply(host, asks).ok


def test_removals_and_refusals_are_told_before_they_happen(fresh_deb12: Machine) -> None:
    host = fresh_deb12
    rival = offer(host, "fl-app", "3.0", fields="Conflicts: fl-same\n")
    lost = offer(host, "fl-tilde", "3.0", fields="Depends: fl-nowhere (>= 2)\n")
    early = offer(host, "fl-epoch", "2:1", preinst="echo too early >&2; exit 3")
    thief = offer(host, "fl-thief", "1.0", file="usr/lib/fl-lib/version")
    host.output("apt-get -q update")

    plan = simulate(host, lost)
    assert kinds(plan) == [TroubleKind.DEPENDENCIES]
    assert plan.troubles[0].packages == ("fl-tilde",)
    assert "fl-nowhere" in plan.troubles[0].message

    plan = simulate(host, rival)
    assert {(change.kind, change.name) for change in plan.changes} == {
        ("upgrade", "fl-app"),
        ("remove", "fl-same"),
    }
    before = installed(host)
    applied = apply(host, rival, removals=("fl-sam", "fl-lib"))
    assert kinds(applied) == [TroubleKind.DEPENDENCIES]
    assert "was not planned" in applied.troubles[0].message
    assert applied.troubles[0].packages == ("fl-same",)
    assert installed(host) == before
    host.hold_lock(300)
    applied = apply_while_held(host, rival, removals=plan.removals)
    assert applied.ok, applied
    assert {(change.kind, change.name) for change in applied.changes} == {
        ("upgrade", "fl-app"),
        ("remove", "fl-same"),
    }
    back = Wanted(name="fl-app", version="1.1-1")
    for answer in (simulate(host, back), apply(host, back)):
        assert "nothing is ever downgraded: fl-app" in answer.troubles[0].message
    assert installed(host)["fl-app"].startswith("3.0")

    applied = apply(host, early)
    assert kinds(applied) == [TroubleKind.SCRIPT]
    assert "too early" in applied.troubles[0].message
    assert applied.changes == ()
    applied = apply(host, thief)
    assert kinds(applied) == [TroubleKind.DEPENDENCIES]
    assert "fl-lib" in applied.troubles[0].message
