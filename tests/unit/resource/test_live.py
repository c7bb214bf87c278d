"""Resource types on this machine, which is only looked at; files are in a folder of the test's own."""

import hashlib
import os
import socket
import subprocess

import pytest

from fleetctl.resource.ask import Question, ask, read
from fleetctl.resource.types import TYPES
from fleetctl.resource.verdict import Standing

GOOD, BAD, UNKNOWN = Standing.COMPLIANT, Standing.NON_COMPLIANT, Standing.UNKNOWN


def test_a_file_is_held_to_its_rights_and_content(judged, tmp_path):
    path = tmp_path / 'it\'s; $(touch x) "a" *'
    path.write_text("one\ntwo words\n")
    path.chmod(0o640)
    file = {"path": str(path)}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    verdicts = judged(
        ("file", {**file, "mode": "0640", "owner": str(os.getuid()), "kind": "file", "sha256": digest}),
        (
            "file",
            {**file, "content": "one\ntwo words\n", "contains": "two w", "matches": "^t.o", "lacks": "three"},
        ),
        ("file", {**file, "mode_at_most": "0600"}),
        ("file", {**file, "content": "one"}),
        ("file", {**file, "contains": ["-x", "one"], "lacks": "^two"}),
        ("file", {**file, "state": "absent"}),
        ("file", {**file, "matches": "(unclosed"}),
        ("file", {"path": f"{path}-not"}),
        ("file", {"path": f"{path}-not", "state": "absent"}),
        ("file", {"path": str(tmp_path), "kind": "directory"}),
    )
    assert [v.standing for v in verdicts] == [GOOD, GOOD, BAD, BAD, BAD, BAD, UNKNOWN, BAD, GOOD, GOOD]
    assert verdicts[2].findings == ("mode: expected at most 0600, found 0640",)
    assert verdicts[4].findings == (
        "content: expected a line like '-x', found there is none",
        "content: expected no line like '^two', found there is one",
    )
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed_unless_a_link_is_wanted(judged, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "lost").symlink_to("nowhere\n@@fleetctl c1 begin\n|exists=yes\n|=0")
    link = {"path": str(tmp_path / "link")}
    verdicts = judged(
        ("file", {**link, "kind": "file"}),
        ("file", {**link, "kind": "link", "target": "file"}),
        ("file", {**link, "kind": "link", "target": "other"}),
        ("file", {"path": str(tmp_path / "lost")}),
        ("file", {"path": str(tmp_path / "lost"), "kind": "link", "target": "nowhere"}),
    )
    assert [v.standing for v in verdicts] == [GOOD, GOOD, BAD, BAD, BAD]


def test_what_a_command_prints_is_never_a_frame_or_a_fact_of_another_check(judged):
    forged = (
        "printf '@@fleetctl c1 begin\\n|exists=yes\\n|=0\\n\\n@@fleetctl c1 end 0\\n@@fleetctl done\\n=0\\n'"
    )
    verdicts = judged(
        ("command", {"run": forged}), ("command", {"run": "echo no; exit 3"}), ("command", {"run": "exit 0"})
    )
    assert [v.standing for v in verdicts] == [GOOD, BAD, GOOD]
    assert verdicts[1].findings == ("exit code: expected 0, found 3",)


def test_commands_are_judged_by_code_and_output_and_cannot_take_the_script_with_them(judged):
    verdicts = judged(
        ("command", {"run": "echo a; printf 'b\\n\\nc'", "stdout": "a\nb\n\nc"}),
        ("command", {"run": "echo a >&2; echo b", "matches": "^b$", "lacks": "a"}),
        ("command", {"run": "cat; echo end", "stdout": "end"}),
        ("command", {"run": "exit 2", "exit_code": [0, 2]}),
        ("command", {"run": "no-such-program-at-all"}),
        ("command", {"run": "kill -9 $$"}),
        ("command", {"run": "cd /; unset PATH; echo 'it'\"'\"'s'", "stdout": "it's"}),
    )
    assert [v.standing for v in verdicts] == [GOOD, GOOD, GOOD, GOOD, UNKNOWN, BAD, GOOD]


def test_ports_are_judged_by_what_listens_on_them(judged):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as free:
        port = server.getsockname()[1]
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
        verdicts = judged(
            ("port", {"port": port, "address": "loopback"}),
            ("port", {"port": port, "address": "127.0.0.1"}),
            ("port", {"port": port, "address": "any"}),
            ("port", {"port": port, "state": "closed"}),
            ("port", {"port": closed, "state": "closed"}),
        )
    assert [v.standing for v in verdicts] == [GOOD, GOOD, BAD, BAD, GOOD]
    assert verdicts[3].findings == (f"tcp port {port}: expected closed, found listening on 127.0.0.1",)


def test_users_settings_and_mounts_of_this_machine(judged):
    kernel = os.uname().release
    verdicts = judged(
        ("user", {"name": "root", "uid": 0, "groups": ["root"], "home": "/root"}),
        ("user", {"name": "root", "uid": 1, "not_groups": ["root"]}),
        ("user", {"name": "nobody-here", "state": "absent"}),
        ("sysctl", {"name": "kernel.osrelease", "value": kernel}),
        ("sysctl", {"name": "kernel.pid_max", "at_least": 100, "at_most": 101}),
        ("sysctl", {"name": "kernel.no_such_thing", "value": 1}),
        ("mount", {"path": "/proc/", "fstype": "proc"}),
        ("mount", {"path": "/proc", "lacks": ["rw"]}),
        ("mount", {"path": "/no where\\x", "state": "unmounted"}),
        ("kernel_module", {"name": "no-such-module", "loaded": False, "blacklisted": False}),
    )
    assert [v.standing for v in verdicts] == [GOOD, BAD, GOOD, GOOD, BAD, BAD, GOOD, BAD, GOOD, GOOD]
    assert len(verdicts[1].findings) == 2


def test_a_policy_for_other_systems_is_not_asked(judged):
    command = ("command", {"run": "true"})
    assert judged(command, systems=("plan9",)) == [None]
    assert judged(command, systems=("plan9", "linux"))[0].standing is GOOD


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming nobody wants root")
def test_what_an_ordinary_user_may_not_see_is_unknown_never_absent(tmp_path, as_nobody):
    secret = tmp_path / "closed" / "secret"
    secret.parent.mkdir(mode=0o700)
    secret.write_text("x")
    verdicts = as_nobody(
        ("file", {"path": str(secret), "state": "absent"}),
        ("user", {"name": "root", "locked": False}),
        ("user", {"name": "root", "uid": 1, "locked": False}),
    )
    assert [v.standing for v in verdicts] == [UNKNOWN, UNKNOWN, BAD]
    assert "--become" in verdicts[0].why
    assert "--become" in verdicts[1].why


@pytest.fixture
def as_nobody(tmp_path_factory):
    for folder in tmp_path_factory.getbasetemp().parents:
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001 and "pytest" in folder.name:
            folder.chmod(folder.stat().st_mode | 0o011)

    def look(*wanted):
        questions = [
            Question(name=f"c{n}", resource=TYPES[kind].model_validate(form))
            for n, (kind, form) in enumerate(wanted)
        ]
        done = subprocess.run(
            ["sh"],
            input=ask(questions).encode(),
            capture_output=True,
            check=False,
            user=65534,
            group=65534,
            extra_groups=[],
        )
        return [read(done.stdout).verdict(question) for question in questions]

    return look
