"""`fleetctl run`: what is sent, what is shown, what is kept, and the exit code."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest
import yaml

from fleetctl.engine.report import run_schema


def outputs(done: Any) -> dict[str, str]:
    return {item["InstanceId"]: item.get("StandardOutputContent", "") for item in done.json["Invocations"]}


@pytest.mark.parametrize(
    ("targets", "command", "code", "status"),
    [
        ("web", "true", 0, "Success"),
        ("web", "exit 3", 3, "Failed"),
        ("dead", "true", 4, "Undeliverable"),
        ("web-1,dead", "true", 4, "Incomplete"),
        ("web-1,dead", "exit 1", 3, "Failed"),
    ],
)
def test_exit_codes_are_an_api(fleetctl: Any, targets: str, command: str, code: int, status: str) -> None:
    done = fleetctl("run", targets, "--format", "json", "--", command)
    assert done.code == code
    assert done.json["Status"] == status


def test_one_word_is_a_line_for_the_shell(fleetctl: Any) -> None:
    done = fleetctl("run", "web-1", "--", "printf 'a\\nb\\n' | tail -1")
    assert done.stdout == "web-1: b\n"


def test_several_words_are_a_program_and_its_arguments(fleetctl: Any) -> None:
    done = fleetctl("run", "web-1", "--", "sh", "-c", "exit 3")
    assert done.code == 3
    done = fleetctl("run", "web-1", "--", "printf", "<%s>\\n", "a b", "-i", "--format", "$HOME", "'", "*")
    assert done.stdout == "".join(
        f"web-1: <{word}>\n" for word in ("a b", "-i", "--format", "$HOME", "'", "*")
    )


def test_a_command_with_dashes_of_its_own_needs_to_stand_behind(fleetctl: Any) -> None:
    for args in (["ls", "-l"], ["grep", "-e", "x"], ["echo", "hi"], ["rm", "-i", "x"]):
        done = fleetctl("run", "web-1", *args)
        assert done.code == 2
        assert "write the command behind --" in done.stderr
    assert fleetctl("run", "web-1", "true").code == 0


def test_our_flags_may_stand_between_targets_and_command(fleetctl: Any) -> None:
    done = fleetctl("run", "web", "--limit", "1", "--", "echo", "--limit", "2")
    assert done.stdout == "web-1: --limit 2\n"


def test_hosts_find_their_own_name_and_the_run_in_their_environment(fleetctl: Any) -> None:
    done = fleetctl("run", "web", "--format", "json", "--", 'echo "$FLEETCTL_HOST $FLEETCTL_RUN"')
    for host, text in outputs(done).items():
        assert text == f"{host} {done.json['CommandId']}\n"


def test_environment_folder_shell_and_stdin(
    fleetctl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_bytes(b"from a file\n")
    monkeypatch.setenv("TAKEN", "from here")
    done = fleetctl(
        "run",
        "web-1",
        *("-e", "A=one two", "-e", "B=$HOME'", "--env", "TAKEN", "--cwd", str(tmp_path)),
        *("--stdin", str(tmp_path / "in"), "--", 'echo "$A|$B|$TAKEN|$PWD"; cat'),
    )
    assert done.stdout == f"web-1: one two|$HOME'|from here|{tmp_path}\nweb-1: from a file\n"
    done = fleetctl("run", "web-1", "--shell", "python3", "--", "import sys; print(sys.version_info[0])")
    assert done.stdout == "web-1: 3\n"


def test_a_script_with_arguments(fleetctl: Any, tmp_path: Path) -> None:
    script = tmp_path / "deploy.sh"
    script.write_text('#!/bin/bash\necho "$1 to ${BASH_VERSION:+bash}"\nexit 4\n')
    done = fleetctl("run", "web-1", "--script", str(script), "--", "v1.2.3")
    assert done.code == 3
    assert done.stdout == "web-1: v1.2.3 to bash\n"
    assert "exit code 4" in done.stderr


def test_a_script_from_stdin(program: Any, tmp_path: Path) -> None:
    (tmp_path / "script").write_text("echo piped\n")
    with (tmp_path / "script").open() as script:
        done = program("run", "web-1", "--script", "-", stdin=script)
    assert done.stdout == "web-1: piped\n"


def test_a_template_is_rendered_for_each_host(fleetctl: Any) -> None:
    done = fleetctl(
        "run",
        "web-[1-2]",
        "--template",
        "--format",
        "json",
        "--",
        "echo {{ host.name }} {{ port }} {{ 'a b' | quote }}",
    )
    assert outputs(done) == {"web-1": "web-1 80 a b\n", "web-2": "web-2 80 a b\n"}


def test_a_template_that_does_not_render_for_one_host_stops_the_run_before_it_begins(
    fleetctl: Any, project: Path
) -> None:
    done = fleetctl("run", "web-1,db", "--template", "--", "true\ntouch ran-{{ port }}")
    assert done.code == 2
    assert "error[bad-template]: command:2: db-1: 'port' is undefined" in done.stderr
    assert not (project / ".fleetctl").exists()


def test_dry_run_shows_hosts_and_what_would_be_sent_and_touches_none(fleetctl: Any, project: Path) -> None:
    done = fleetctl(
        "run",
        "web,dead",
        "--dry-run",
        "--become",
        *("-e", "TOKEN=hunter2x", "--secret", "TOKEN", "--cwd", "/srv"),
        "--",
        f"touch {project}/ran; echo hunter2x",
    )
    assert done.code == 0
    assert "nothing was sent to 4 hosts" in done.stdout
    assert "as root by sudo" in done.stdout
    assert "# in /srv" in done.stdout
    assert "export TOKEN=..." in done.stdout
    assert f"touch {project}/ran; echo ********" in done.stdout
    assert "hunter2x" not in done.stdout + done.stderr
    assert not (project / "ran").exists()
    assert not (project / ".fleetctl").exists()


def test_dry_run_is_data_where_data_is_asked_for(fleetctl: Any) -> None:
    done = fleetctl("run", "web", "--dry-run", "--format", "json", "--", "uptime")
    assert [row["InstanceId"] for row in done.json] == ["web-1", "web-2", "web-3"]
    assert done.json[0]["WouldSend"] == "# with sh\nuptime"


def test_dry_run_tells_of_the_reboot(fleetctl: Any) -> None:
    flags = (
        "run",
        "web",
        "--dry-run",
        "--reboot",
        "--ready",
        "systemctl is-system-running",
        "--format",
        "json",
    )
    after = (
        "reboot: back with a new boot id within 600 s, and ready within 300 s: systemctl is-system-running"
    )
    assert fleetctl(*flags).json[0]["WouldSend"] == f"# then {after}"
    assert fleetctl(*flags, "--", "uptime").json[0]["WouldSend"] == f"# with sh\nuptime\n# then {after}"


def test_an_empty_folder_is_no_folder(fleetctl: Any) -> None:
    done = fleetctl("run", "web", "--cwd", "", "--", "pwd")
    assert done.code == 2
    assert "--cwd is empty" in done.stderr


def test_dry_run_shows_hosts_with_the_same_script_together(fleetctl: Any) -> None:
    done = fleetctl(
        "run", "web", "--dry-run", "--template", "--", "{% if host.name == 'web-2' %}a{% else %}b{% endif %}"
    )
    assert "--- web-[1,3] (2)\n# with sh\nb" in done.stdout
    assert "--- web-2\n# with sh\na" in done.stdout


def test_a_secret_appears_nowhere(fleetctl: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "hunter2-very-secret"
    monkeypatch.setenv("TOKEN", secret)
    for format_ in ("table", "json", "junit"):
        done = fleetctl(
            "run",
            "web",
            *("--env", "TOKEN", "--secret", "TOKEN", "--comment", f"with {secret}", "--format", format_),
            "--",
            f'echo "$TOKEN"; echo "$TOKEN" >&2; echo {secret} | base64; exit 1',
        )
        assert done.code == 3
        assert secret not in done.stdout + done.stderr
        assert "********" in done.stdout
    stored = [path for path in (project / ".fleetctl").rglob("*") if path.is_file()]
    assert len(stored) > 12
    for path in stored:
        assert secret.encode() not in path.read_bytes()


def test_a_secret_without_a_value_is_refused(fleetctl: Any) -> None:
    assert (
        "error[usage]: --secret: NOPE is not set"
        in fleetctl("run", "web", "--secret", "NOPE", "--", "x").stderr
    )
    done = fleetctl("run", "web", "-e", "PIN=123", "--secret", "PIN", "--", "x")
    assert "too short" in done.stderr
    assert done.code == 2


def test_into_a_pipe_each_line_stands_behind_its_host(fleetctl: Any) -> None:
    done = fleetctl("run", "web", "--", "echo one; echo two; echo bad >&2; printf end")
    lines = done.stdout.splitlines()
    for host in ("web-1", "web-2", "web-3"):
        assert [line for line in lines if line.startswith(host)] == [
            f"{host}: {x}" for x in ("one", "two", "end")
        ]
        assert f"{host}: bad" in done.stderr
    assert len(lines) == 9


def test_bytes_go_through_a_pipe_as_they_are(fleetctl: Any, project: Path) -> None:
    text = b"\xff\x00\x1b[2J\r\nlast".decode("utf-8", "surrogateescape")
    (project / "binary").write_bytes(b"\xff\x00\x1b[2J\r\nlast")
    done = fleetctl("run", "web-1", "--", f"cat {project}/binary")
    first, last = text.split("\n")
    assert done.stdout == f"web-1: {first}\nweb-1: {last}\n"
    assert fleetctl("runs", "output", "last", "web-1").stdout == text
    done = fleetctl("run", "web-1", "--group-output", "--", f"cat {project}/binary")
    assert done.stdout.endswith(f"{text}\n")


def test_equal_output_is_shown_once(fleetctl: Any) -> None:
    done = fleetctl(
        "run",
        "web",
        "--group-output",
        "--",
        "case $FLEETCTL_HOST in web-2) echo odd; exit 1;; esac; echo same",
    )
    assert done.stdout == "--- web-2  Failed, exit 1\nodd\n--- web-[1,3] (2)  Success\nsame\n"


def test_the_difference_to_the_most_common_output(fleetctl: Any) -> None:
    done = fleetctl("run", "web", "--diff", "--", 'echo a; [ "$FLEETCTL_HOST" = web-2 ] && echo x || echo b')
    assert "2 hosts identical, 1 differs" in done.stdout
    assert "-b\n+x\n" in done.stdout
    assert done.stdout.startswith("--- web-[1,3] (2)  Success\na\nb\n")
    assert fleetctl("run", "web", "--diff", "--format", "json", "--", "x").code == 2


def test_output_is_saved_in_a_folder_of_ones_own(fleetctl: Any, tmp_path: Path) -> None:
    fleetctl("run", "web", "--save", str(tmp_path / "out"), "--", 'echo "$FLEETCTL_HOST"; echo e >&2')
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        f"web-{n}.{end}": text for n in (1, 2, 3) for end, text in (("out", f"web-{n}\n"), ("err", "e\n"))
    }


def test_hosts_with_the_same_trouble_are_told_together(fleetctl: Any, project: Path) -> None:
    (project / "inventories" / "more.yaml").write_text(
        'hosts: {"gone-[1-9]": {transport: ssh, address: "127.0.0.[2-10]", port: 1}}\n'
    )
    done = fleetctl("run", "dead,gone-*", "--", "true")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Undeliverable")]
    assert line.startswith(
        "Undeliverable[refused] dead-1,gone-[1-9] (10 hosts), such as dead-1: 127.0.0.1:1 refused"
    )


def test_json_is_what_the_schema_says(fleetctl: Any, project: Path) -> None:
    done = fleetctl("run", "all", "--format", "json", "--comment", "hello", "--", "echo hi; exit 2")
    validator = jsonschema.Draft202012Validator(run_schema(), format_checker=jsonschema.FormatChecker())
    validator.validate(done.json)
    (folder,) = (project / ".fleetctl" / "runs").iterdir()
    stored = json.loads((folder / "report.json").read_text())
    validator.validate(stored)
    told = done.json
    for item in told["Invocations"]:
        item.pop("StandardOutputContent")
        item.pop("StandardErrorContent")
    assert told == stored


def test_every_format_tells_the_same(fleetctl: Any) -> None:
    args = ("run", "web,dead")
    told: dict[str, dict[str, str]] = {}
    told["json"] = {
        i["InstanceId"]: i["Status"]
        for i in fleetctl(*args, "--format", "json", "--", "echo hi").json["Invocations"]
    }
    lines = fleetctl(*args, "--format", "jsonl", "--", "echo hi").stdout.splitlines()
    told["jsonl"] = {i["InstanceId"]: i["Status"] for i in map(json.loads, lines)}
    loaded = yaml.safe_load(fleetctl(*args, "--format", "yaml", "--", "echo hi").stdout)
    told["yaml"] = {i["InstanceId"]: i["Status"] for i in loaded["Invocations"]}
    rows = csv.DictReader(io.StringIO(fleetctl(*args, "--format", "csv", "--", "echo hi").stdout, newline=""))
    told["csv"] = {row["InstanceId"]: row["Status"] for row in rows}
    suite: Any = junitparser.JUnitXml.fromstring(
        fleetctl(*args, "--format", "junit", "--", "echo hi").stdout.encode()
    )
    told["junit"] = {
        case.name: "Success" if case.is_passed else "Undeliverable" for inner in suite for case in inner
    }
    expected = {"web-1": "Success", "web-2": "Success", "web-3": "Success", "dead-1": "Undeliverable"}
    assert told == dict.fromkeys(told, expected)
    assert len(told) == 5


def test_the_result_goes_to_a_file_whole_or_not_at_all(fleetctl: Any, tmp_path: Path) -> None:
    for format_, start in (
        ("json", "{"),
        ("junit", "<?xml"),
        ("csv", "InstanceId"),
        ("table", "web-1: hi\n"),
    ):
        target = tmp_path / f"result.{format_}"
        done = fleetctl("run", "web-1", "--format", format_, "--output", str(target), "--", "echo hi")
        assert done.stdout == ""
        assert target.read_text().startswith(start)
    assert {path.name for path in tmp_path.glob("*result*")} == {
        f"result.{f}" for f in ("json", "junit", "csv", "table")
    }


def test_a_result_that_could_not_be_written_is_refused_before_anything_runs(
    fleetctl: Any, project: Path
) -> None:
    for flag in ("--output", "--save"):
        done = fleetctl("run", "web", flag, "/nowhere/at/all", "--", f"touch {project}/ran")
        assert done.code == 2
        assert "cannot be written: there is no folder" in done.stderr
    assert not (project / "ran").exists()


def test_limits_and_budgets(fleetctl: Any) -> None:
    done = fleetctl(
        "run", "web", "--max-concurrency", "1", "--max-errors", "0", "--format", "json", "--", "exit 1"
    )
    assert done.code == 3
    assert [i["Status"] for i in done.json["Invocations"]] == ["Failed", "Terminated", "Terminated"]
    assert done.json["Status"] == "Terminated"
    assert "1 failed: --max-errors 0 allows 0 of 3; no new host is started" in done.stderr


def test_a_timeout_kills_what_runs(fleetctl: Any) -> None:
    done = fleetctl("run", "web-1", "--timeout", "0.3", "--format", "json", "--", "echo before; sleep 300")
    assert done.code == 3
    (item,) = done.json["Invocations"]
    assert item["StatusDetails"] == "Execution Timed Out"
    assert item["StandardOutputContent"] == "before\n"


def test_flags_say_how_hosts_are_reached(fleetctl: Any) -> None:
    done = fleetctl("run", "dead", "--transport", "local", "--exclude", "web", "--", "echo here")
    assert done.stdout == "dead-1: here\n"


def test_failed_hosts_of_the_last_run_can_be_named(fleetctl: Any) -> None:
    fleetctl("run", "all", "--", '[ "$FLEETCTL_HOST" != web-2 ]')
    assert fleetctl("run", "@failed:last", "--", "true").stderr.startswith("1 host: 1 Success")
    fleetctl("run", "all", "--", '[ "$FLEETCTL_HOST" != web-2 ]')
    assert (
        fleetctl("run", "@unreachable:last", "--transport", "local", "--", "echo x").stdout == "dead-1: x\n"
    )


def test_above_a_number_of_hosts_it_asks_and_without_a_terminal_it_refuses(
    fleetctl: Any, project: Path
) -> None:
    (project / "fleetctl.yaml").write_text("run: {confirm_above: 2}\n")
    done = fleetctl("run", "web", "--", f"touch {project}/ran")
    assert done.code == 2
    assert "error[needs-confirmation]" in done.stderr
    assert "--yes" in done.stderr
    assert not (project / "ran").exists()
    assert fleetctl("run", "web", "--yes", "--", "true").code == 0
    assert fleetctl("-y", "run", "web", "--", "true").code == 0
    assert fleetctl("run", "web", "--limit", "2", "--", "true").code == 0


def test_what_is_kept_is_private_and_stays_out_of_git(fleetctl: Any, project: Path) -> None:
    fleetctl("run", "web-1", "--", "echo hi")
    state = project / ".fleetctl"
    assert (state / ".gitignore").read_text() == "*\n"
    (folder,) = (state / "runs").iterdir()
    for path in (state, folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert (folder / "out" / "web-1" / "stdout").read_bytes() == b"hi\n"


def test_without_a_project_state_goes_where_the_platform_keeps_data(
    fleetctl: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = project / "inventories" / "hosts.yaml"
    monkeypatch.chdir(tmp_path)
    assert fleetctl("-i", str(inventory), "run", "web-1", "--", "true").code == 0
    assert list((tmp_path / "home" / ".local" / "share" / "fleetctl" / "runs").iterdir())


def test_names_from_the_environment_and_flags_that_beat_them(
    fleetctl: Any, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLEETCTL_PROJECT", str(project))
    monkeypatch.setenv("FLEETCTL_STATE", str(tmp_path / "state"))
    assert fleetctl("run", "web-1", "--", "true").code == 0
    assert len(list((tmp_path / "state" / "runs").iterdir())) == 1
    assert fleetctl("run", "web-1", "--state", str(tmp_path / "flag"), "--", "true").code == 0
    assert len(list((tmp_path / "flag" / "runs").iterdir())) == 1
    assert not (project / ".fleetctl").exists()
