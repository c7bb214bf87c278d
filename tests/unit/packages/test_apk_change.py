"""What apk says of changes, as real ones said it (`tests/golden/apk-said`) and in the words of its source."""

from pathlib import Path

import pytest

from fleetctl.packages.apk import Apk
from fleetctl.packages.apk_lists import read_updates
from fleetctl.packages.apk_rehearsal import read_steps
from fleetctl.packages.apk_troubles import apk_troubles, split_full_name
from fleetctl.packages.change import Change, TroubleKind, Wanted
from fleetctl.packages.sections import read_sections

SAID = Path(__file__).parents[2] / "golden" / "apk-said"
HERE = "P:a\nV:1.0-r0\nA:x86_64\nI:4096\n\nP:b\nV:2.0-r0\nA:noarch\nI:100\n"
URL = "https://mirror.example/alpine/v3.22/main"
LOST = f"WARNING: Ignoring {URL}: UNTRUSTED signature"


def said(version, name):
    return (SAID / version / f"{name}.txt").read_text()


def answer(**sections):
    """Sections by name, underscores for dashes: text, text and exit code, or stderr as well."""
    out = err = ""
    for name, given_ in sections.items():
        text, code, errors = (given_, 0, "") if isinstance(given_, str) else (*given_, "")[:3]
        begin, end = (f"\n@@fleetctl {name.replace('_', '-')} {what}\n" for what in ("begin", f"end {code}"))
        out, err = out + begin + text + end, err + begin + errors + end
    return read_sections(f"{out}\n@@fleetctl done\n".encode(), err.encode())


@pytest.mark.parametrize("version", ["apk2", "apk3"])
def test_real_answers_are_read(version):
    for name in ("03-version-l", "04-version-v"):
        found, _ = read_updates(said(version, name).splitlines())
        assert found == [
            ("fl-app-1.0-r0", "1.1-r0"),
            ("fl-held-1.0-r0", "1.0-r1"),
            ("fl-lib-1.0-r0", "1.0-r1"),
        ]
    steps = [
        Change(kind="upgrade", name="fl-app", before="1.0-r0", after="1.1-r0"),
        Change(kind="upgrade", name="fl-lib", before="1.0-r0", after="1.0-r1"),
    ]
    assert read_steps(said(version, "06-upgrade-s").splitlines()) == steps
    assert read_steps(said(version, "08-upgrade").splitlines()) == steps
    assert [s.name for s in read_steps(said(version, "01-initdb").splitlines())] == [
        "fl-app",
        "fl-held",
        "fl-lib",
    ]
    (trouble,) = apk_troubles(said(version, "11-nosuch"))
    assert (trouble.kind, trouble.packages) == (TroubleKind.DEPENDENCIES, ("nosuch",))
    assert "required by: world[nosuch]" in trouble.message


def test_steps_of_every_kind_are_read():
    text = """\
( 1/12) Purging a (1.0-r0)
(2/12) Downgrading b@edge (2-r0 -> 1-r0)
(3/12) Replacing c (1-r0 -> 1-r0)
(4/12) [APK unavailable, skipped] Reinstalling d (1-r0)
(5/12) Updating pinning e@edge (1-r0)
(6/12) Downloading f-1-r0
Executing busybox-1.37.0-r20.trigger
OK: 12 MiB in 20 packages
"""
    assert [(s.kind, s.name, s.before, s.after) for s in read_steps(text.splitlines())] == [
        ("remove", "a", "1.0-r0", ""),
        ("downgrade", "b", "2-r0", "1-r0"),
        ("reinstall", "c", "1-r0", "1-r0"),
        ("reinstall", "d", "1-r0", "1-r0"),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "packages", "mend"),
    [
        ("ERROR: a-1.1-r0: package mentioned in index not found (try 'apk update')", TroubleKind.GONE, ("a",), "apk update"),
        ("ERROR: a-1.1-r0: UNTRUSTED signature", TroubleKind.SIGNATURE, ("a",), "apk update"),
        ("ERROR: a-b-1.1-r0: v2 package integrity error", TroubleKind.SIGNATURE, ("a-b",), "apk update"),
        ("ERROR: a-1.1-r0: temporary error (try again later)", TroubleKind.MIRROR, ("a",), ""),
        ("ERROR: a-1.1-r0: DNS error (try again later)", TroubleKind.MIRROR, ("a",), ""),
        ("ERROR: a-1.1-r0: remote server returned error (try 'apk update')", TroubleKind.MIRROR, ("a",), ""),
        ("ERROR: a-1.1-r0: could not connect to server (check repositories file)", TroubleKind.MIRROR, ("a",), ""),
        ("ERROR: a-1.1-r0: No space left on device", TroubleKind.DISK_FULL, ("a",), "apk cache clean"),
        ("ERROR: a-1.1-r0: failed to extract usr/bin/a: Read-only file system", TroubleKind.READ_ONLY, ("a",), ""),
        ("ERROR: a-1.1-r0.post-upgrade: script exited with error 1", TroubleKind.SCRIPT, ("a",), "apk fix a"),
        ("  ERROR: lib/apk/exec/a-1.1-r0.post-upgrade: exited with error 1", TroubleKind.SCRIPT, ("a",), "apk fix a"),
        ("ERROR:   a-1.1-r0.pre-upgrade: failed to execute: Permission denied", TroubleKind.SCRIPT, ("a",), "apk fix a"),
        ("ERROR: 10-snapshot: exited with error 1", TroubleKind.SCRIPT, (), ""),
        ("ERROR: lib/apk/exec/a-1.1-r0.trigger: script killed by signal 9", TroubleKind.SCRIPT, ("a",), "apk fix a"),
        ("ERROR: etc/apk/commit_hooks.d/10-snapshot: script exited with error 1", TroubleKind.SCRIPT, (), ""),
        ("ERROR: a-1.1-r0: trying to overwrite usr/bin/x owned by b-2.0-r0.", TroubleKind.DEPENDENCIES, ("a",), "apk fix a"),
        ("ERROR: a-1.1-r0: failed to rename usr/a/.apk.80fa to usr/a/doc.", TroubleKind.OTHER, ("a",), "apk fix a"),
        ("ERROR: Unable to lock database: Resource temporarily unavailable", TroubleKind.LOCKED, (), ""),
        ("ERROR: Unable to lock database: temporary error (try again later)", TroubleKind.LOCKED, (), ""),
        ("ERROR: Unable to lock database: Permission denied", TroubleKind.NOT_ROOT, (), ""),
        ("ERROR: Unable to lock database: Read-only file system", TroubleKind.READ_ONLY, (), ""),
        ("ERROR: System state may be inconsistent: failed to write database: x", TroubleKind.BROKEN, (), "apk fix"),
        ("ERROR: unsatisfiable constraints:\n  a-1.1-r0:\n    breaks: world[a=1.0-r0]", TroubleKind.DEPENDENCIES, ("a-1.1-r0",), ""),
    ],
)  # fmt: skip
def test_each_trouble_is_one_of_its_kind(text, kind, packages, mend):
    (trouble,) = apk_troubles(text)
    assert (trouble.kind, trouble.mend) == (kind, mend)
    assert trouble.packages == tuple(split_full_name(name)[0] for name in packages)
    assert trouble.message


def test_one_package_is_told_of_once_and_each_package_for_itself():
    text = "ERROR: a-1-r0: DNS error (try again later)\nERROR: a-1-r0: DNS error\nERROR: b-1-r0: UNTRUSTED signature\n2 errors; 1 MiB"
    assert [trouble.packages for trouble in apk_troubles(text)] == [("a",), ("b",)]


def rehearsal(
    would,
    *,
    wanted="a 1.1-r0",
    offers="",
    world="a\n",
    new="P:a\nV:1.1-r0\nS:10\nI:5000\n",
    place="free=9000 /\n",
):
    return answer(
        host_place=f"uid=0\n{place}",
        apk_wanted=f"{wanted}\n",
        apk_here=HERE,
        apk_would=would,
        apk_new=new,
        apk_offers=offers or f"a policy:\n  1.1-r0:\n    {URL}\n  1.0-r0:\n    lib/apk/db/installed\n",
        apk_world=world,
    )


UPGRADE = "(1/1) Upgrading a (1.0-r0 -> 1.1-r0)\nOK: 1 MiB in 2 packages\n"


def test_a_rehearsal_is_sized_by_the_package_lists():
    told = Apk().parse_simulation(rehearsal(UPGRADE))
    assert told.changes == (
        Change(
            kind="upgrade", name="a", arch="x86_64", before="1.0-r0", after="1.1-r0", repository=URL, size=10
        ),
    )
    assert (told.download, told.disk, told.free, told.troubles) == (10, 904, 9000 * 1024, ())


def test_a_plan_for_a_host_that_runs_from_memory_says_so():
    assert Apk().parse_simulation(answer(apk_would=UPGRADE, apk_root="ext4\n")).notes == ()
    (note,) = Apk().parse_simulation(answer(apk_would=UPGRADE, apk_root="tmpfs\n")).notes
    assert "lbu commit" in note


def test_what_the_lists_do_not_tell_is_not_known():
    told = Apk().parse_simulation(rehearsal(UPGRADE, new=""))
    assert (told.download, told.disk, told.troubles) == (None, None, ())


def test_too_little_room_is_told_before_anything_is_done():
    (trouble,) = Apk().parse_simulation(rehearsal(UPGRADE, place="free=0 /usr\nfree=9000 /\n")).troubles
    assert trouble.kind is TroubleKind.DISK_FULL


@pytest.mark.parametrize(
    ("case", "kind", "says"),
    [
        ({"would": "(1/1) Upgrading a (1.0-r0 -> 1.2-r0)\n", "offers": f"a policy:\n  1.2-r0:\n    {URL}\n"}, TroubleKind.GONE, "there is 1.2-r0"),
        ({"would": "OK: 1 MiB\n", "offers": "a policy:\n  1.0-r0:\n    lib/apk/db/installed\n"}, TroubleKind.GONE, "(any more)"),
        ({"would": "OK: 1 MiB\n", "world": "a<1.1\n"}, TroubleKind.DEPENDENCIES, "/etc/apk/world says a<1.1"),
        ({"would": "OK: 1 MiB\n"}, TroubleKind.DEPENDENCIES, "1.0-r0 stays: what other packages depend on"),
        ({"would": "OK: 1 MiB\n", "wanted": "a 0.9-r0"}, TroubleKind.OTHER, "newer than 0.9-r0"),
        ({"would": "(1/1) Downgrading b (2.0-r0 -> 1.0-r0)\n", "wanted": "b 1.0-r0"}, TroubleKind.OTHER, "ever downgraded: b"),
        ({"would": ("", 1, "ERROR: unable to select packages:\n  so:x (no such package):\n    required by: a-1.1-r0[so:x]")}, TroubleKind.DEPENDENCIES, "required by: a-1.1-r0[so:x]"),
        ({"would": ("", 99, "")}, TroubleKind.OTHER, "exit code 99"),
    ],
)  # fmt: skip
def test_a_rehearsal_that_is_not_what_is_wanted_says_why(case, kind, says):
    told = Apk().parse_simulation(rehearsal(**case))
    assert [trouble.kind for trouble in told.troubles] == [kind]
    assert says in told.troubles[0].message


def test_what_was_broken_before_is_to_be_mended_first():
    broken = answer(
        rpm_place="uid=0\n", apk_here=f"{HERE}f:s\n", apk_would=("1 error; 1 MiB in 2 packages\n", 1)
    )
    for told in (Apk().parse_simulation(broken), Apk().parse_application(broken)):
        assert [(t.kind, t.mend) for t in told.troubles] == [(TroubleKind.BROKEN, "apk fix b")]


def test_a_repository_that_is_left_out_is_told_first():
    told = Apk().parse_simulation(rehearsal(("OK: 1 MiB\n", 0, LOST), offers="a policy:\n"))
    assert [trouble.kind for trouble in told.troubles] == [TroubleKind.SIGNATURE, TroubleKind.GONE]
    assert Apk().parse_simulation(rehearsal((UPGRADE, 0, LOST))).troubles == ()


def test_what_was_done_is_what_is_otherwise_than_before():
    told = Apk().parse_application(
        answer(
            host_place="uid=0\nfree=9 /\n",
            lock_wait_1="holder=7 apk add x\nwaited=12\n",
            apk_would=UPGRADE,
            apk_does=f"{UPGRADE}a-1.1-r0: installing file to etc/a.conf.apk-new\n  Installing file to etc/b.apk-new\n",
            apk_changed="-a\t1.0-r0\tx86_64\n+a\t1.1-r0\tx86_64\n+n\t1\tnoarch\n-o\t1\tnoarch\n",
            apk_after=HERE,
        )
    )
    assert (told.ok, told.troubles, told.waited) == (True, (), 12.0)
    assert told.kept_files == ("/etc/a.conf", "/etc/b")
    assert [(c.kind, c.name, c.before, c.after) for c in told.changes] == [
        ("upgrade", "a", "1.0-r0", "1.1-r0"),
        ("remove", "o", "1", ""),
        ("install", "n", "", "1"),
    ]


def test_where_nobody_looked_again_apks_own_words_count():
    told = Apk().parse_application(
        answer(host_place="uid=0\n", lock_wait_1="waited=0\n", apk_does=(UPGRADE, 137))
    )
    assert [trouble.kind for trouble in told.troubles] == [TroubleKind.BROKEN]
    assert "signal 9" in told.troubles[0].message
    assert [change.after for change in told.changes] == ["1.1-r0"]


def test_packages_that_apk_holds_for_broken_are_told_once():
    failed = "ERROR: a-1.1-r0.post-upgrade: script exited with error 1\n1 error; 1 MiB in 2 packages\n"
    told = Apk().parse_application(
        answer(
            host_place="uid=0\n",
            lock_wait_1="waited=0\n",
            apk_does=(failed, 1),
            apk_changed="",
            apk_after="P:a\nV:1.1-r0\nf:s\n\nP:b\nV:1\nf:f\n",
        )
    )
    assert [(t.kind, t.packages) for t in told.troubles] == [
        (TroubleKind.SCRIPT, ("a",)),
        (TroubleKind.BROKEN, ("b",)),
    ]
    assert not told.ok


def test_what_may_not_go_stops_it():
    would = "(1/2) Purging b (2.0-r0)\n(2/2) Upgrading a (1.0-r0 -> 1.1-r0)\n"
    told = Apk().parse_application(
        answer(
            host_place="uid=0\n", lock_wait_1="waited=0\n", apk_wanted="a 1.1-r0\n", apk_here=HERE, apk_would=would,
            apk_unlike="beyond=b\n", apk_offers="", apk_world="a\n",
        )
    )  # fmt: skip
    assert [(t.kind, t.packages) for t in told.troubles] == [(TroubleKind.DEPENDENCIES, ("b",))]
    assert not told.ok
    assert "' b c '" in Apk().apply_script(
        [Wanted(name="a", version="1")], lock_seconds=1, removals=["b", "c"]
    )


def test_names_and_versions_that_cannot_be_reach_no_shell():
    odd = [
        Wanted(name="a;reboot", version="1"),
        Wanted(name="a", version="$(id)"),
        Wanted(name="-x", version="1"),
    ]
    for wanted in odd:
        script = Apk().apply_script([wanted], lock_seconds=1)
        assert "apk_apply" not in script
        told = Apk().parse_application(answer(odd_names=f"{wanted.name} {wanted.version}"))
        assert [trouble.kind for trouble in told.troubles] == [TroubleKind.OTHER]


def test_nothing_wanted_is_nothing_to_do():
    assert Apk().parse_simulation(answer(apk_nothing="")).troubles == ()
    assert Apk().parse_application(answer(apk_nothing="")).ok


def test_a_torn_answer_is_a_trouble():
    assert Apk().parse_application(read_sections(b"")).troubles
    assert Apk().parse_simulation(read_sections(b"")).troubles
