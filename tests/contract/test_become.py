"""Becoming another user: with and without a password, a wrong one, a missing one, and being forbidden to."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.protocol import ExecFailed

SCRIPT = 'printf "%s %s|" "$(id -un)" "$HOME"; printf "err" >&2; cat; exit 7'
METHODS = ("sudo", "doas", "su")

AS_USER = """
import asyncio, json, os, pwd, sys
import fleetctl.transport.become, fleetctl.transport.local, concurrent.futures.thread
from fleetctl.model import Become, Command, Host
from fleetctl.transport.protocol import ExecFailed, NoCredentials, TransportOptions
given = json.load(sys.stdin)
class Known(NoCredentials):
    def become_password(self, host): return given["password"]
class Sink:
    out, err = b"", b""
    def stdout(self, data): self.out += data
    def stderr(self, data): self.err += data
async def main():
    sink = Sink()
    connection = await fleetctl.transport.local.Local(TransportOptions(credentials=Known())).connect(Host(name="here"))
    command = Command(script=given["script"], stdin=given["stdin"].encode() or None, become=Become(method=given["method"], user=given["user"]))
    try:
        ended = await connection.exec(command, sink)
        return [ended.code, sink.out.decode(), sink.err.decode()]
    except ExecFailed as exc:
        return [exc.reason, exc.message, exc.hint]
entry = pwd.getpwnam(given["login"])
os.initgroups(entry.pw_name, entry.pw_gid); os.setgid(entry.pw_gid); os.setuid(entry.pw_uid)
os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name); os.chdir("/")
print(json.dumps(asyncio.run(main())))
"""


@dataclass
class Became:
    """How it went: an end with output, or a reason."""

    code: int | None = None
    out: str = ""
    err: str = ""
    failed: Reason | None = None
    message: str = ""


async def become(
    place: Any,
    method: Literal["sudo", "doas", "su"],
    *,
    secrets: Any,
    login: str,
    password: str | None = None,
    user: str = "root",
    stdin: str = "in",
) -> Became:
    if place.transport == "local":
        return local(login=login, method=method, password=password, user=user, stdin=stdin)
    command = Command(
        script=SCRIPT, become=Become(method=method, user=user), stdin=stdin.encode() if stdin else None
    )
    options = place.options(credentials=secrets(become=password))
    try:
        ended, out, err = await place.run(command, host=place.host(user=login), options=options)
    except ExecFailed as exc:
        failed = exc
    else:
        return Became(code=ended.code, out=out.decode(), err=err.decode())
    assert not failed.started
    assert failed.hint
    return Became(failed=failed.reason, message=failed.message)


def local(**given: Any) -> Became:
    """Run it from a process that gave up root: on this machine the login user is whoever we are."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", AS_USER],
        input=json.dumps({"script": SCRIPT, **given}), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    first, second, third = json.loads(done.stdout)
    if isinstance(first, int):
        return Became(code=first, out=second, err=third)
    return Became(failed=Reason(first), message=second)


@pytest.fixture
def here(place):
    """A place with sudo, doas and su."""
    if place.kind == "busybox":
        pytest.skip("busybox has no sudo and no doas")
    place.scene.people()
    return place


@pytest.mark.parametrize("method", ["sudo", "doas"])
async def test_without_a_password(here, secrets, method) -> None:
    who = here.scene.people()
    went = await become(here, method, secrets=secrets, login=who.free)
    assert went == Became(code=7, out="root /root|in", err="err")
    other = await become(here, method, secrets=secrets, login=who.free, user=who.app)
    assert other == Became(code=7, out=f"{who.app} {who.home / who.app}|in", err="err")


@pytest.mark.parametrize("method", METHODS)
async def test_with_the_right_password(here, secrets, method) -> None:
    who = here.scene.people()
    user = "root" if method != "su" else who.app
    went = await become(here, method, secrets=secrets, login=who.asks, password=who.password, user=user)
    home = "/root" if user == "root" else who.home / who.app
    if method == "doas":  # on a terminal stdout and stderr are one
        assert (went.code, sorted(went.out)) == (7, sorted(f"{user} {home}|errin"))
    else:
        assert went == Became(code=7, out=f"{user} {home}|in", err="err")


@pytest.mark.parametrize("method", METHODS)
async def test_a_wrong_password_is_tried_once(here, secrets, method) -> None:
    who = here.scene.people()
    went = await become(here, method, secrets=secrets, login=who.asks, password="wr0ng word", user=who.app)
    assert went.failed is Reason.BECOME_PASSWORD_WRONG
    assert "wr0ng" not in went.message


@pytest.mark.parametrize("method", METHODS)
async def test_a_missing_password_is_said(here, secrets, method) -> None:
    who = here.scene.people()
    went = await become(here, method, secrets=secrets, login=who.asks, user=who.app)
    assert went.failed is Reason.BECOME_PASSWORD_MISSING, went


@pytest.mark.parametrize("method", ["sudo", "doas"])
async def test_being_forbidden_is_said(here, secrets, method) -> None:
    who = here.scene.people()
    went = await become(here, method, secrets=secrets, login=who.none, password=who.password)
    assert went.failed is Reason.BECOME_NOT_ALLOWED, went


@pytest.mark.parametrize("method", METHODS)
async def test_an_unneeded_password_is_not_sent(here, secrets, method) -> None:
    who = here.scene.people()
    login = who.free if method != "su" else "root"
    if method == "su" and here.transport != "local":
        pytest.skip("root does not log in here")
    went = await become(here, method, secrets=secrets, login=login, password=who.password, user=who.app)
    assert went.code == 7
    assert went.out.startswith(f"{who.app} ")
    assert "in" in went.out.partition("|")[2]


@pytest.mark.parametrize("method", METHODS)
async def test_an_unknown_user_is_said(here, secrets, method) -> None:
    who = here.scene.people()
    went = await become(here, method, secrets=secrets, login=who.free, user="nobody-there")
    assert went.failed in {Reason.BECOME_NOT_ALLOWED, Reason.BECOME_PASSWORD_MISSING}
    if method != "su":
        assert went.failed is Reason.BECOME_NOT_ALLOWED, went


@pytest.mark.parametrize("stdin", ["", "x" * 100_000 + "\x03\x04\n\x1a"])
async def test_doas_on_a_terminal_hands_stdin_on_whole(here, secrets, stdin) -> None:
    who = here.scene.people()
    went = await become(here, "doas", secrets=secrets, login=who.asks, password=who.password, stdin=stdin)
    assert went.code == 7
    assert went.out.replace("err", "", 1) == f"root /root|{stdin}"


@pytest.fixture
def tiny(place):
    if place.kind != "busybox":
        pytest.skip("only of interest where there is nothing but busybox")
    return place


@pytest.mark.parametrize("method", ["sudo", "doas"])
async def test_a_missing_program_is_said(tiny, secrets, method) -> None:
    went = await become(tiny, method, secrets=secrets, login="tester", password="x")
    assert went.failed is Reason.BECOME_MISSING
    assert method in went.message


async def test_busybox_su_with_and_without_a_password(tiny, secrets, busybox_password) -> None:
    right = await become(tiny, "su", secrets=secrets, login="tester", password=busybox_password)
    assert right == Became(code=7, out="root /root|in", err="err")
    free = await become(tiny, "su", secrets=secrets, login="root", user="app")
    assert free == Became(code=7, out="app /tmp|in", err="err")
    wrong = await become(tiny, "su", secrets=secrets, login="tester", password="wr0ng")
    assert wrong.failed is Reason.BECOME_PASSWORD_WRONG, wrong
    missing = await become(tiny, "su", secrets=secrets, login="tester")
    assert missing.failed is Reason.BECOME_PASSWORD_MISSING, missing


async def test_the_script_may_be_big(here, secrets) -> None:
    who = here.scene.people()
    if here.transport == "local":
        pytest.skip("the same as over SSH")
    for method in ("sudo", "doas"):
        sent = Command(script="#\n" * 30_000 + "id -un", become=Become(method=method))
        options = here.options(credentials=secrets(become=who.password))
        ended, out, _ = await here.run(sent, host=here.host(user=who.asks), options=options)
        assert (ended, out) == (Exit(code=0), b"root\n")


LOOK = """
IFS= read -r secret
seen=0
for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
    text=$(tr '\\0' ' ' <$file) 2>/dev/null
    case $text in *"$secret"*) echo "$file" ;; *"fleetctl ready"*) seen=1 ;; esac
done
echo "$seen"
"""


def test_a_password_is_in_no_argument_and_no_environment(scene) -> None:
    who = scene.people()
    given = {"login": who.asks, "method": "sudo", "password": who.password, "user": "root"}
    done = subprocess.run(
        [sys.executable, "-c", AS_USER], check=True, capture_output=True, text=True,
        input=json.dumps({"script": LOOK, "stdin": f"{who.password}\n", **given}),
    )  # fmt: skip
    assert json.loads(done.stdout)[:2] == [0, "1\n"]
