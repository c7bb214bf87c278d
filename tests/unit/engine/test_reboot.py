"""Ways of a reboot that no real host takes on demand: a host that is a list of what it answers. Real ones: tests/fleet."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine import ready as ready_module
from fleetctl.engine import reboot as reboot_module
from fleetctl.engine.boot import Boot, Rebooted, RebootFailed, RebootRule, here, look, script
from fleetctl.engine.output import OutputFiles
from fleetctl.engine.reboot import reboot, resume_reboot
from fleetctl.engine.reboots import Reboots, announced
from fleetctl.engine.task import Session
from fleetctl.model import Command, Exit, Host, Reason
from fleetctl.store.runs import RunFolder
from fleetctl.transport.local import Local
from fleetctl.transport.protocol import ExecFailed, OutputSink, TransportOptions, Unreachable

RULE = RebootRule(timeout=0.6, ready_timeout=0.6, settle=0, pause=0.01)
PATIENT = replace(RULE, timeout=20, ready_timeout=20)
LOST = ExecFailed(Reason.CONNECTION_LOST, "the connection was lost", started=True)
OLD = Boot(boot_id="old", state="running")
NEW = Boot(boot_id="new", state="running")
NOTE = {"type": "rebooting", "at": "2026-01-01T00:00:00+00:00", **OLD.to_note(), "done": {"code": 0}}
REFUSED = Unreachable(Reason.REFUSED, "h1:22 refused the connection")


def lines(boot: Boot) -> bytes:
    told = [f"boot={boot.boot_id}", f"init={boot.init}", f"state={boot.state}"]
    told += [f"failed={unit}" for unit in boot.failed] + [f"job={unit}" for unit in boot.jobs]
    return "\n".join([*told, "end=", ""]).encode()


@dataclass
class Sim:
    """A host that answers looks and connections from lists; the last item of a list stays."""

    looks: list[Boot | Exception]
    asked: Exit | Exception = field(default_factory=lambda: Exit(code=0))
    says: bytes = b"asked=\n"
    ready: list[Exit] = field(default_factory=lambda: [Exit(code=0)])
    connects: list[Exception | None] = field(default_factory=lambda: [None])
    seen: list[str] = field(default_factory=list)
    host: Host = field(default_factory=lambda: Host(name="h1", transport="sim"))

    async def exec(self, command: Command, sink: OutputSink) -> Exit:
        await asyncio.sleep(0)
        if command.script == script("reboot-request.sh"):
            self.seen.append("request")
            sink.stdout(self.says)
            return raised(self.asked)
        if command.script == script("reboot-look.sh"):
            self.seen.append("wait" if command.args else "look")
            sink.stdout(lines(raised(next_of(self.looks))))
            return Exit(code=0)
        self.seen.append("ready")
        sink.stderr(b"not yet\n")
        return next_of(self.ready)

    async def close(self) -> None:
        pass

    async def reconnect(self, *, seconds: float | None = None) -> Sim:
        await asyncio.sleep(0)
        self.seen.append("connect")
        if (problem := next_of(self.connects)) is not None:
            raise problem
        return self

    async def note(self, type_: str, **fields: Any) -> None:
        self.seen.append(type_)


def next_of(items: list[Any]) -> Any:
    return items.pop(0) if len(items) > 1 else items[0]


def raised(item: Any) -> Any:
    if isinstance(item, Exception):
        raise item
    return item


@pytest.fixture
def session(tmp_path: Path) -> Callable[..., Session]:
    def make(sim: Any, *, notes: Any = ()) -> Session:
        folder = RunFolder(tmp_path / "run")
        return Session(sim, folder, OutputFiles(folder, "h1"), run_id="run", link=sim, notes=notes)

    return make


async def test_reboot_is_announced_before_it_is_asked_for_and_proved_by_another_boot_id(session: Any) -> None:
    sim = Sim([OLD, OLD, LOST, NEW])
    result = await reboot(session(sim), PATIENT, become=None, done={"code": 0})
    assert (result.before, result.after, result.state) == ("old", "new", "running")
    assert sim.seen[:3] == ["look", "rebooting", "request"]
    assert sim.seen.count("request") == 1


async def test_connection_that_breaks_on_the_request_is_no_failure(session: Any) -> None:
    result = await reboot(session(Sim([OLD, LOST, NEW], asked=LOST)), PATIENT, become=None)
    assert result.after == "new"


async def test_request_that_may_not_have_arrived_is_made_again(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reboot_module, "_GRACE_SECONDS", 0.0)
    sim = Sim([OLD, OLD, OLD, OLD, OLD, NEW], asked=LOST)
    await reboot(session(sim), PATIENT, become=None)
    assert sim.seen.count("request") == 3


async def test_request_is_not_made_again_while_the_host_shuts_down(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reboot_module, "_GRACE_SECONDS", 0.0)
    sim = Sim([OLD, replace(OLD, state="stopping"), NEW], asked=LOST)
    await reboot(session(sim), PATIENT, become=None)
    assert sim.seen.count("request") == 1


async def test_container_that_shows_the_boot_id_of_the_machine_below_is_told_by_its_first_process(
    session: Any,
) -> None:
    first, second = Boot(boot_id="below", init="700"), Boot(boot_id="below", init="900")
    result = await reboot(session(Sim([first, first, second])), PATIENT, become=None)
    assert result.state == "up"


def test_first_process_that_is_hidden_proves_nothing() -> None:
    assert not Boot(boot_id="a", init="7").is_other_than(Boot(boot_id="a"))


@pytest.mark.parametrize(
    ("looks", "reason", "words"),
    [
        ([OLD], Reason.REBOOT_NOT_DOWN, "still up 0.6 s later, in the same boot"),
        (
            [OLD, replace(OLD, state="stopping", jobs=("nfs.mount",))],
            Reason.REBOOT_NOT_DOWN,
            "still shutting down after 0.6 s: it waits for nfs.mount",
        ),
        ([OLD, LOST], Reason.REBOOT_NOT_BACK, "did not come back within 0.6 s"),
        (
            [OLD, NEW, replace(NEW, state="starting", jobs=("db.service",))],
            Reason.REBOOT_DEGRADED,
            "had not finished starting 0.6 s later; it waits for db.service",
        ),
        ([OLD, replace(NEW, failed=("a.service",))], Reason.REBOOT_DEGRADED, "had not before: a.service"),
        ([OLD, replace(NEW, state="maintenance")], Reason.REBOOT_DEGRADED, "rescue or emergency mode"),
        (
            [OLD, NEW, *(Boot(boot_id=f"n{n}", state="running") for n in range(9))],
            Reason.REBOOT_LOOP,
            "went down again by itself 3 times",
        ),
        ([Boot(boot_id="")], Reason.REBOOT_REFUSED, "it has no boot id"),
    ],
)
async def test_ways_to_fail_are_told_apart(
    looks: list[Boot | Exception], reason: Reason, words: str, session: Any
) -> None:
    with pytest.raises(RebootFailed) as caught:
        await reboot(session(Sim(list(looks))), RULE, become=None)
    assert caught.value.reason is reason
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.facts["State"] == reason.value


async def test_host_that_is_lost_after_it_came_back_went_down_again(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ready_module, "LOOK_SECONDS", 0.2)
    sim = Sim([OLD, NEW, LOST], connects=[REFUSED])
    with pytest.raises(RebootFailed) as caught:
        await reboot(session(sim), RULE, become=None)
    assert caught.value.reason is Reason.REBOOT_LOOP
    assert "was lost again; it cannot be reached now: h1:22 refused" in caught.value.message


async def test_connection_that_breaks_without_a_new_boot_is_only_opened_again(session: Any) -> None:
    result = await reboot(session(Sim([OLD, NEW, LOST, NEW])), PATIENT, become=None)
    assert result.after == "new"


async def test_unit_that_had_failed_before_is_told_and_no_failure(session: Any) -> None:
    before, after = (replace(boot, state="degraded", failed=("a.service",)) for boot in (OLD, NEW))
    result = await reboot(session(Sim([before, after])), PATIENT, become=None)
    assert (result.state, result.failed) == ("degraded-as-before", ("a.service",))


async def test_ready_command_is_tried_until_it_is_green(session: Any) -> None:
    sim = Sim([OLD, NEW], ready=[Exit(code=1), Exit(code=1), Exit(code=0)])
    await reboot(session(sim), replace(PATIENT, ready=Command(script="check")), become=None)
    assert sim.seen.count("ready") == 3


async def test_ready_command_that_never_is_green_tells_what_it_said(session: Any) -> None:
    sim = Sim([OLD, NEW], ready=[Exit(code=3)])
    with pytest.raises(RebootFailed) as caught:
        await reboot(session(sim), replace(RULE, ready=Command(script="check")), become=None)
    assert caught.value.reason is Reason.REBOOT_DEGRADED
    assert "the ready command ended with exit code 3 (not yet)" in caught.value.message


async def test_wrong_host_key_is_borne_for_a_while_only(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Unreachable(Reason.HOST_KEY_CHANGED, "another key", hint="find out why")
    result = await reboot(session(Sim([OLD, LOST, NEW], connects=[stranger, None])), PATIENT, become=None)
    assert result.after == "new"
    monkeypatch.setattr(reboot_module, "_STRANGER_SECONDS", 0.0)
    with pytest.raises(RebootFailed) as caught:
        await reboot(session(Sim([OLD, LOST, NEW], connects=[stranger])), PATIENT, become=None)
    assert (caught.value.reason, caught.value.hint) == (Reason.REBOOT_NOT_BACK, "find out why")


@pytest.mark.parametrize(
    ("says", "words", "hint"),
    [
        (b"refused=root: joe may not reboot it\n", "joe may not reboot it", "--become"),
        (b"refused=inhibited: apt (process 7): upgrading\n", "apt (process 7)", "systemd-inhibit --list"),
        (b"refused=systemctl: Access denied\n", "systemctl: Access denied", "systemctl reboot"),
    ],
)
async def test_refusal_is_told_at_once_with_its_cause(
    says: bytes, words: str, hint: str, session: Any
) -> None:
    sim = Sim([OLD], asked=Exit(code=1), says=says)
    with pytest.raises(RebootFailed) as caught:
        await reboot(session(sim), PATIENT, become=None)
    assert caught.value.reason is Reason.REBOOT_REFUSED
    assert words in caught.value.message
    assert hint in caught.value.hint


async def test_request_that_fails_without_a_word_is_a_refusal_too(session: Any) -> None:
    with pytest.raises(RebootFailed) as caught:
        await reboot(session(Sim([OLD], asked=Exit(code=127), says=b"")), PATIENT, become=None)
    assert caught.value.reason is Reason.REBOOT_REFUSED
    assert "exit code 127" in caught.value.message


async def test_connection_that_the_command_cost_is_opened_again_before_the_reboot(session: Any) -> None:
    sim = Sim([LOST, OLD, NEW])
    assert (await reboot(session(sim), PATIENT, become=None)).before == "old"
    assert sim.seen[:4] == ["look", "connect", "look", "rebooting"]


async def test_host_that_is_lost_before_the_reboot_is_told_to_be_as_it_was(session: Any) -> None:
    sim = Sim([LOST], connects=[REFUSED])
    with pytest.raises(RebootFailed, match=r"was not rebooted.*h1:22 refused") as caught:
        await reboot(session(sim), PATIENT, become=None)
    assert caught.value.reason is Reason.REBOOT_REFUSED
    assert "rebooting" not in sim.seen


async def test_what_keeps_us_from_becoming_root_passes_and_nothing_was_asked_for(session: Any) -> None:
    sim = Sim([ExecFailed(Reason.BECOME_NOT_ALLOWED, "may not")])
    with pytest.raises(ExecFailed):
        await reboot(session(sim), PATIENT, become=None)
    assert sim.seen == ["look"]


async def test_machine_that_fleetctl_runs_on_is_not_rebooted(session: Any) -> None:
    own = here()
    assert own is not None
    sim = Sim([own])
    with pytest.raises(RebootFailed, match="fleetctl itself runs on it"):
        await reboot(session(sim), PATIENT, become=None)
    with pytest.raises(RebootFailed, match="fleetctl itself runs on it"):
        await resume_reboot(session(sim), PATIENT, own.to_note(), become=None)
    assert "request" not in sim.seen


@pytest.mark.parametrize(
    "looks", [[OLD], [OLD, LOST], [OLD, NEW, replace(NEW, state="starting")]], ids=["up", "down", "starts"]
)
async def test_cancelling_ends_it_at_once(looks: list[Boot | Exception], session: Any) -> None:
    task = asyncio.create_task(reboot(session(Sim(list(looks))), replace(PATIENT, pause=9), become=None))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


async def test_host_that_is_another_boot_already_is_never_asked_again(session: Any) -> None:
    sim = Sim([NEW])
    result = await resume_reboot(session(sim), PATIENT, NOTE, become=None)
    assert (result.after, result.seconds_down) == ("new", None)
    assert "request" not in sim.seen


async def test_host_that_a_lost_controller_may_never_have_asked_is_asked(session: Any) -> None:
    sim = Sim([OLD, OLD, NEW])
    await resume_reboot(session(sim), PATIENT, NOTE, become=None)
    assert sim.seen.count("request") == 1


async def test_reboots_that_were_seen_through_are_not_done_again(session: Any) -> None:
    past = Rebooted(before="older", after="old", seconds_down=4.5, state="running", failed=("a.service",))
    notes = [NOTE, {"type": "rebooted", "reboot": past.to_json()}, {**NOTE, "done": {"code": 194}}]
    sim = Sim([NEW])
    reboots = Reboots(session(sim, notes=notes), PATIENT, become=None)
    assert await reboots.reboot() == past
    assert sim.seen == []
    assert (await reboots.reboot()).after == "new"
    assert sim.seen[-1] == "rebooted"
    assert "request" not in sim.seen


def test_only_a_reboot_that_was_not_seen_through_can_be_gone_on_with(session: Any) -> None:
    done = {"type": "rebooted", "reboot": {}}
    assert Reboots(session(Sim([NEW]), notes=[NOTE]), RULE, become=None).unfinished() == {"code": 0}
    assert Reboots(session(Sim([NEW]), notes=[NOTE, done]), RULE, become=None).unfinished() is None
    assert Reboots(session(Sim([NEW])), RULE, become=None).unfinished() is None
    assert announced([{"type": "invocation-started"}]) is None


def test_rule_survives_being_written_down() -> None:
    rule = RebootRule(timeout=60, ready=Command(script="true"))
    assert RebootRule.from_record(rule.record()) == rule


@pytest.mark.parametrize("shell", [["dash"], ["bash"], ["busybox", "ash"], ["mksh"]], ids=lambda s: s[-1])
def test_every_shell_tells_which_boot_it_is(shell: list[str]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"there is no {shell[0]}")
    told = subprocess.run(
        [*shell, "-s"], input=script("reboot-look.sh"), capture_output=True, text=True, check=True
    )
    values = dict(line.partition("=")[::2] for line in told.stdout.splitlines())
    own = here()
    assert own is not None
    assert (values["boot"], values["init"]) == (own.boot_id, own.init)
    assert told.stdout.endswith("end=\n")
    assert told.stderr == ""


async def test_answer_that_is_none_is_told(session: Any) -> None:
    class Mute(Sim):
        async def exec(self, command: Command, sink: OutputSink) -> Exit:
            sink.stderr(b"sh: not found\n")
            return Exit(code=127)

    with pytest.raises(ExecFailed, match=r"exit code 127\): sh: not found"):
        await look(session(Mute([])), become=None, timeout=5)


async def test_look_reads_this_machine(session: Any) -> None:
    connection = await Local(TransportOptions()).connect(Host(name="h1", transport="local"))
    boot = await look(session(connection), become=None, timeout=30)
    own = here()
    assert own is not None
    assert not boot.is_other_than(own)
    await connection.close()
