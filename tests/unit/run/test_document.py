"""Documents on this machine, through its real `sh`."""

import json
import shutil
import time
from dataclasses import replace

import pytest

from fleetctl.document.bind import bind
from fleetctl.document.load import load_text
from fleetctl.engine.boot import RebootRule
from fleetctl.engine.output import OutputFiles
from fleetctl.engine.task import Session
from fleetctl.model import Host, Reason, Status
from fleetctl.run.document import DocumentTask, document_task
from fleetctl.run.walk import MAX_REBOOTS
from fleetctl.store.runs import RunFolder
from fleetctl.transport.local import Local
from fleetctl.transport.protocol import ExecFailed, TransportOptions


def shell(name, *lines, precondition=None, action="aws:runShellScript", **inputs):
    step = {"action": action, "name": name, "inputs": {"runCommand": list(lines), **inputs}}
    return {**step, "precondition": {"StringEquals": precondition}} if precondition else step


def task(*steps, version="2.2", parameters=None, given=None, **more):
    data = {"schemaVersion": version, "parameters": parameters or {}, "mainSteps": list(steps)}
    document = load_text(json.dumps(data).encode(), source="d.json", name="d")
    return DocumentTask(bound=bind(document, given or {}), **more)


class Counting:
    """A connection that counts what is executed, and may be lost."""

    def __init__(self, connection, *, lost_at=None):
        self._connection = connection
        self._lost_at = lost_at
        self.host = connection.host
        self.unended = connection.unended
        self.commands = []

    async def exec(self, command, sink):
        self.commands.append(command)
        if len(self.commands) == self._lost_at:
            raise ExecFailed(Reason.CONNECTION_LOST, "the connection was lost", started=True)
        return await self._connection.exec(command, sink)


@pytest.fixture
async def on_host(tmp_path):
    async def run(task, *, platform=None, lost_at=None, notes=(), resume=False):
        transport = Local(TransportOptions())
        connection = await transport.connect(Host(name="h1", transport="local", platform=platform))
        counting = Counting(connection, lost_at=lost_at)
        if notes:
            counting.host = replace(counting.host, transport="elsewhere")
        folder = RunFolder(tmp_path / "run")
        files = OutputFiles(folder, "h1")
        session = Session(counting, folder, files, run_id="run", notes=notes)
        outcome = await (task.resume(session) if resume else task(session))
        files.close()
        await connection.close()
        await transport.close()
        return outcome, folder, counting.commands

    return run


def states(outcome):
    return {plugin["Name"]: plugin["Status"] for plugin in outcome.data["CommandPlugins"]}


async def test_steps_run_in_order_and_their_output_is_kept_apart(on_host):
    outcome, folder, commands = await on_host(task(shell("one", "echo 1"), shell("two", "echo 2 >&2")))
    assert outcome.status is Status.SUCCESS
    assert outcome.response_code == 0
    assert states(outcome) == {"one": "Success", "two": "Success"}
    assert folder.read_output("h1", "stdout", "one") == b"1\n"
    assert folder.read_output("h1", "stderr", "two") == b"2\n"
    assert len(commands) == 2


async def test_results_have_ssm_s_names_and_point_to_the_output(on_host):
    outcome, folder, _ = await on_host(task(shell("one", "echo 1; exit 7")))
    plugin = outcome.data["CommandPlugins"][0]
    assert plugin["PluginName"] == "aws:runShellScript"
    assert plugin["ResponseCode"] == 7
    assert plugin["StatusDetails"] == "Failed"
    assert plugin["ResponseStartDateTime"] <= plugin["ResponseFinishDateTime"]
    assert (folder.path / plugin["StandardOutputUrl"]).read_bytes() == b"1\n"


async def test_a_failed_step_does_not_stop_the_next_but_fails_the_document(on_host):
    outcome, _, _ = await on_host(task(shell("one", "exit 3"), shell("two", "true")))
    assert states(outcome) == {"one": "Failed", "two": "Success"}
    assert (outcome.status, outcome.reason, outcome.response_code) == (Status.FAILED, Reason.EXIT_CODE, 3)
    assert outcome.message == "step 'one': exit code 3"


async def test_the_last_line_decides_about_a_script(on_host):
    outcome, _, _ = await on_host(task(shell("one", "false", "true")))
    assert outcome.status is Status.SUCCESS


FLOWS = [
    # inputs, exit code of the first step -> its status, that of the second, of the finallyStep, of the invocation
    ({"onFailure": "exit"}, 1, ("Failed", "Skipped", "Success"), Status.FAILED),
    ({"onFailure": "exit"}, 0, ("Success", "Success", "Success"), Status.SUCCESS),
    ({"onFailure": "successAndExit"}, 1, ("Success", "Skipped", "Success"), Status.SUCCESS),
    ({"onFailure": "successAndExit"}, 0, ("Success", "Success", "Success"), Status.SUCCESS),
    ({"onSuccess": "exit"}, 0, ("Success", "Skipped", "Success"), Status.SUCCESS),
    ({"onSuccess": "exit"}, 1, ("Failed", "Success", "Success"), Status.FAILED),
    ({}, 168, ("Success", "Skipped", "Success"), Status.SUCCESS),
    ({}, 169, ("Failed", "Skipped", "Success"), Status.FAILED),
    ({"onFailure": "successAndExit"}, 169, ("Failed", "Skipped", "Success"), Status.FAILED),
]


@pytest.mark.parametrize(("inputs", "code", "expected", "status"), FLOWS)
async def test_steps_steer_the_document_as_in_ssm(on_host, inputs, code, expected, status):
    outcome, _, _ = await on_host(
        task(
            shell("first", f"exit {code}", **inputs),
            shell("second", "true"),
            shell("last", "true", finallyStep=True),
        )
    )
    assert tuple(states(outcome).values()) == expected
    assert outcome.status is status


async def test_a_skipped_step_says_which_step_ended_the_document(on_host):
    outcome, _, _ = await on_host(task(shell("a", "exit 1", onFailure="exit"), shell("b", "true")))
    assert outcome.data["CommandPlugins"][1]["Message"] == "step 'a' failed, and onFailure is exit"


async def test_the_first_of_several_failures_is_told_and_the_others_counted(on_host):
    outcome, _, _ = await on_host(task(shell("a", "exit 1"), shell("b", "exit 2"), shell("c", "exit 3")))
    assert outcome.message == "step 'a': exit code 1 (and 2 more)"


async def test_a_signal_is_a_failure_with_its_name(on_host):
    outcome, _, _ = await on_host(task(shell("a", "kill -KILL $$")))
    assert (outcome.status, outcome.reason, outcome.signal) == (Status.FAILED, Reason.SIGNAL, "KILL")


async def test_a_step_that_takes_too_long_is_killed_and_counts_as_failed_for_the_flow(on_host, tmp_path):
    mark = tmp_path / "mark"
    begun = time.monotonic()
    outcome, _, _ = await on_host(
        task(
            shell("a", f"sleep 300; touch {mark}", timeoutSeconds=5, onFailure="exit"),
            shell("b", "true"),
        )
    )
    assert time.monotonic() - begun < 60
    assert states(outcome) == {"a": "TimedOut", "b": "Skipped"}
    assert (outcome.status, outcome.details) == (Status.TIMED_OUT, "Execution Timed Out")
    assert outcome.reason is Reason.EXECUTION_TIMEOUT
    assert not mark.exists()


async def test_exit_code_194_asks_for_a_reboot_and_stops_all_that_would_come_after(on_host):
    outcome, _, _ = await on_host(
        task(shell("a", "exit 194"), shell("b", "true"), shell("c", "true", finallyStep=True))
    )
    assert states(outcome) == {"a": "Failed", "b": "Pending", "c": "Pending"}
    assert (outcome.status, outcome.status_details) == (Status.FAILED, "Reboot Requested")
    assert (outcome.reason, outcome.response_code) == (Reason.REBOOT_REQUESTED, 194)
    assert "reboot the host" in outcome.hint


async def test_scripts_see_the_host_the_run_and_what_was_asked_for(on_host):
    line = 'echo "$AWS_SSM_INSTANCE_ID $FLEETCTL_HOST $FLEETCTL_RUN $EXTRA $SSM_m"'
    parameters = {"m": {"type": "String", "interpolationType": "ENV_VAR"}}
    _, folder, _ = await on_host(
        task(shell("a", line), parameters=parameters, given={"m": "a  'b"}, env={"EXTRA": "x"})
    )
    assert folder.read_output("h1", "stdout", "a") == b"h1 h1 run x a  'b\n"


async def test_the_working_directory_of_the_step_beats_that_of_the_order(on_host, tmp_path):
    (tmp_path / "a b").mkdir()
    _, folder, _ = await on_host(
        task(shell("a", "pwd", workingDirectory=str(tmp_path / "a b")), shell("b", "pwd"), cwd=str(tmp_path))
    )
    assert folder.read_output("h1", "stdout", "a").decode().strip() == str(tmp_path / "a b")
    assert folder.read_output("h1", "stdout", "b").decode().strip() == str(tmp_path)


async def test_the_first_line_chooses_the_program(on_host):
    _, folder, _ = await on_host(task(shell("a", "#!/usr/bin/env python3", "print(6 * 7)")))
    assert folder.read_output("h1", "stdout", "a") == b"42\n"


# ---- platforms


async def test_plain_shell_steps_ask_the_host_nothing(on_host):
    _, _, commands = await on_host(task(shell("a", "true"), shell("b", "true")))
    assert len(commands) == 2


@pytest.mark.parametrize(
    "operands", [["platformType", "Linux"], ["Linux", "platformType"], ["platformType", "linux"]]
)
async def test_a_step_for_this_platform_runs_in_one_round_trip(on_host, operands):
    outcome, folder, commands = await on_host(task(shell("a", "echo ran", precondition=operands)))
    assert outcome.status is Status.SUCCESS
    assert folder.read_output("h1", "stdout", "a") == b"ran\n"
    assert len(commands) == 1


@pytest.mark.parametrize("platform", ["MacOS", "Windows"])
async def test_a_step_for_another_platform_is_skipped_and_nothing_of_it_runs(on_host, tmp_path, platform):
    mark = tmp_path / "mark"
    outcome, folder, _ = await on_host(
        task(shell("a", f"touch {mark}", precondition=["platformType", platform]))
    )
    assert not mark.exists()
    assert (outcome.status, outcome.reason) == (Status.SKIPPED, Reason.PRECONDITION)
    assert outcome.message == f"precondition: the step is for {platform}, the host runs Linux"
    assert not (folder.path / "out").exists()


async def test_steps_for_other_platforms_do_no_harm_to_the_document(on_host):
    outcome, _, _ = await on_host(
        task(
            shell("mac", "true", precondition=["platformType", "MacOS"]),
            shell("linux", "true", precondition=["platformType", "Linux"]),
        )
    )
    assert states(outcome) == {"mac": "Skipped", "linux": "Success"}
    assert outcome.status is Status.SUCCESS


async def test_a_host_is_asked_about_its_platform_once(on_host):
    other = [shell(name, "true", precondition=["platformType", "MacOS"]) for name in "abc"]
    _, _, commands = await on_host(task(*other))
    assert len(commands) == 2


async def test_the_inventory_s_platform_is_believed_and_saves_asking(on_host):
    step = shell("a", "true", precondition=["platformType", "Linux"])
    outcome, _, commands = await on_host(task(step), platform="macos")
    assert outcome.status is Status.SKIPPED
    assert commands == []


async def test_a_script_may_itself_use_the_exit_code_of_the_guard(on_host):
    outcome, _, _ = await on_host(task(shell("a", "exit 209", precondition=["platformType", "Linux"])))
    assert (outcome.status, outcome.response_code) == (Status.FAILED, 209)


@pytest.mark.parametrize(
    "first", ["#!/bin/bash", "# a comment", "", "set -e", "case x in x) echo ran;; esac"]
)
async def test_the_guard_leaves_every_kind_of_script_as_it_is(on_host, first):
    lines = [first, "echo done"]
    outcome, folder, _ = await on_host(task(shell("a", *lines, precondition=["platformType", "Linux"])))
    assert outcome.status is Status.SUCCESS
    assert folder.read_output("h1", "stdout", "a").endswith(b"done\n")


async def test_scripts_of_other_programs_are_not_touched_but_the_host_is_asked(on_host, tmp_path):
    mark = tmp_path / "mark"
    python = shell(
        "a", "#!/usr/bin/env python3", f"open({str(mark)!r}, 'w')", precondition=["platformType", "MacOS"]
    )
    outcome, _, _ = await on_host(task(python))
    assert outcome.status is Status.SKIPPED
    assert not mark.exists()


async def test_a_shell_step_on_windows_is_skipped_and_before_schema_2_2_failed(on_host):
    new, _, _ = await on_host(task(shell("a", "true")), platform="windows")
    old, _, _ = await on_host(task(shell("a", "true"), version="2.0"), platform="windows")
    assert new.status is Status.SKIPPED
    assert (old.status, old.reason) == (Status.FAILED, Reason.PRECONDITION)


async def test_a_precondition_on_parameters_skips_without_asking(on_host):
    step = shell("a", "true", precondition=["{{ mode }}", "full"])
    outcome, _, commands = await on_host(
        task(step, parameters={"mode": {"type": "String"}}, given={"mode": "brief"})
    )
    assert outcome.status is Status.SKIPPED
    assert commands == []


# ---- PowerShell


async def test_without_powershell_its_steps_are_skipped_with_the_reason(on_host, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", _path_without_pwsh(tmp_path))
    outcome, _, _ = await on_host(document_task("AWS-RunPowerShellScript", ["commands=Get-Date"]))
    assert outcome.status is Status.SKIPPED
    assert outcome.message == "PowerShell (pwsh) is not installed there"


async def test_before_schema_2_2_a_host_without_powershell_fails(on_host, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", _path_without_pwsh(tmp_path))
    step = shell("a", "Get-Date", action="aws:runPowerShellScript")
    outcome, _, _ = await on_host(task(step, version="2.0"))
    assert outcome.status is Status.FAILED
    assert "not installed" in outcome.message


async def test_with_powershell_its_steps_are_given_to_it(on_host, monkeypatch, tmp_path):
    # There is no PowerShell on this machine; what stands in for it prints the script it was given, and fails.
    program = tmp_path / "bin/pwsh"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncat /dev/fd/3\nexit 4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    outcome, folder, _ = await on_host(
        document_task("AWS-RunPowerShellScript", ["commands=Write-Output 'x'"])
    )
    assert folder.read_output("h1", "stdout", "runPowerShellScript") == b"Write-Output 'x'\n"
    assert (outcome.status, outcome.response_code) == (Status.FAILED, 4)


def _path_without_pwsh(tmp_path):
    for name in ("sh", "uname", "kill", "ps", "grep"):
        if found := shutil.which(name):
            (tmp_path / name).symlink_to(found)
    return str(tmp_path)


# ---- trouble


async def test_a_lost_connection_leaves_the_state_unknown_and_the_steps_before_it_known(on_host):
    outcome, _, _ = await on_host(task(shell("a", "true"), shell("b", "true"), shell("c", "true")), lost_at=2)
    assert states(outcome) == {"a": "Success", "b": "Unknown", "c": "Pending"}
    assert (outcome.status, outcome.reason) == (Status.UNKNOWN, Reason.CONNECTION_LOST)


async def test_a_dry_run_shows_every_step_and_its_script():
    text = document_task("AWS-RunShellScript", ["commands=uptime"]).describe(Host(name="h1"))
    assert "uptime" in text
    assert "aws:runShellScript" in text


RULE = RebootRule(timeout=30, ready_timeout=30, settle=0, pause=0.1)
REBOOTING = {"type": "rebooting", "boot": "another boot"}
REBOOTED = {"type": "rebooted", "reboot": {"BootIdBefore": "a", "BootIdAfter": "b", "State": "running"}}


def ended(name, code, **more):
    result = {"step": name, "status": "Success", "details": "", "reason": None, "message": "", "code": code}
    return {
        **result,
        "signal": None,
        "started": "2026-01-01T00:00:00+00:00",
        "ended": None,
        "reboots": 0,
        **more,
    }


def asking(name, **more):
    return ended(name, 194, status="Failed", reason="reboot-requested", details="Reboot Requested", **more)


async def test_reboot_that_fails_fails_the_step_and_nothing_comes_after_it(on_host):
    steps = (shell("a", "exit 194"), shell("b", "true"), shell("c", "true", finallyStep=True))
    outcome, _, _ = await on_host(task(*steps, reboot=RULE))
    assert (outcome.status_details, outcome.reason) == ("Reboot Failed", Reason.REBOOT_REFUSED)
    assert outcome.response_code == 194
    assert "fleetctl itself runs on it" in outcome.message
    assert states(outcome) == {"a": "Failed", "b": "Pending", "c": "Pending"}


async def test_document_goes_on_where_a_controller_was_lost_in_a_reboot(on_host):
    notes = [{**REBOOTING, "done": {"steps": [ended("a", 0), asking("b")]}}]
    steps = (shell("a", "echo again"), shell("b", "echo again"), shell("c", "echo c"))
    outcome, folder, _ = await on_host(task(*steps, reboot=RULE), notes=notes, resume=True)
    assert outcome.status is Status.SUCCESS
    assert states(outcome) == {"a": "Success", "b": "Success", "c": "Success"}
    assert [plugin.get("Reboots", 0) for plugin in outcome.data["CommandPlugins"]] == [0, 1, 0]
    assert outcome.data["Reboots"][0]["BootIdBefore"] == "another boot"
    assert folder.read_output("h1", "stdout", "a") == b""
    assert folder.read_output("h1", "stdout", "b") == b"again\n"


async def test_failure_before_the_reboot_is_not_forgotten_after_it(on_host):
    failed = ended("a", 3, status="Failed", reason="exit-code", message="exit code 3")
    notes = [{**REBOOTING, "done": {"steps": [failed, asking("b")]}}]
    steps = (shell("a", "true"), shell("b", "true"))
    outcome, _, _ = await on_host(task(*steps, reboot=RULE), notes=notes, resume=True)
    assert (outcome.status, outcome.response_code) == (Status.FAILED, 3)


@pytest.mark.parametrize(
    "notes",
    [
        [{"type": "invocation-started"}],
        [{**REBOOTING, "done": {"steps": [asking("a")]}}, REBOOTED],
        [{**REBOOTING, "done": {"steps": [asking("of another document")]}}],
        [{**REBOOTING, "done": {}}],
    ],
    ids=["no reboot", "step runs again", "other step", "damaged"],
)
async def test_nobody_knows_how_far_a_step_came_whose_controller_was_lost(notes, on_host):
    outcome, _, commands = await on_host(task(shell("a", "true"), reboot=RULE), notes=notes, resume=True)
    assert outcome is None
    assert commands == []


async def test_step_that_always_asks_for_a_reboot_is_ended(on_host):
    notes = [note for _ in range(MAX_REBOOTS) for note in (REBOOTING, REBOOTED)]
    outcome, _, commands = await on_host(task(shell("a", "exit 194"), reboot=RULE), notes=notes)
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.REBOOT_LOOP)
    assert f"again after {MAX_REBOOTS} of them" in outcome.message
    assert len(commands) == MAX_REBOOTS + 1
