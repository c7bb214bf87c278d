"""The frame: help, unknown words, flags before and behind the verb, errors and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetctl.store.runs import Runs

HEAVY = {
    "asyncio",
    "asyncssh",
    "cryptography",
    "rich",
    "pydantic",
    "yaml",
    "jinja2",
    "keyring",
    "paramiko",
    "fabric",
    "invoke",
    "sqlalchemy",
    "ClusterShell",
    "platformdirs",
    "importlib.metadata",
    "concurrent.futures",
    "xml",
}


def modules_after(*args: str, env: dict[str, str] | None = None) -> set[str]:
    code = (
        "import sys, json\n"
        "from fleetctl.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "sys.stdout.flush()\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("args", [("--help",), ("--version",), ("run", "--help"), ("runs", "--help")])
def test_help_imports_nothing_heavy(project: Path, args: tuple[str, ...]) -> None:
    assert not modules_after(*args) & HEAVY


def test_the_way_to_the_first_connection_imports_nothing_it_does_not_need(project: Path) -> None:
    loaded = modules_after("run", "web-1", "--", "true")
    assert "fleetctl.transport.local" in loaded
    assert not loaded & {
        "sqlalchemy",
        "jinja2",
        "keyring",
        "paramiko",
        "fabric",
        "invoke",
        "rich",
        "asyncssh",
        "cryptography",
        "platformdirs",
    }


def test_a_connection_over_ssh_needs_no_other_transport(project: Path) -> None:
    loaded = modules_after("run", "dead-1", "--connect-timeout", "1", "--", "true")
    assert "asyncssh" in loaded
    assert not loaded & {"sqlalchemy", "jinja2", "keyring", "paramiko", "fabric", "invoke", "rich"}


def test_without_arguments_it_says_what_it_can_do(fleetctl: Any) -> None:
    done = fleetctl()
    assert done.code == 2
    assert "Commands:" in done.stderr
    assert done.stdout == ""


def test_help_shows_examples_as_they_are_typed_and_exit_codes(fleetctl: Any) -> None:
    done = fleetctl("--help")
    assert done.code == 0
    assert "  fleetctl run 'web,&env=prod' -- uptime " in done.stdout
    assert "Exit codes: 0 all well" in done.stdout


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (["rum"], "'run'"),
        (["runs", "lst"], "'list'"),
        (["host", "list"], "'hosts'"),
        (["patch", "scna"], "'scan'"),
    ],
)
def test_an_unknown_command_says_what_was_meant(fleetctl: Any, args: list[str], meant: str) -> None:
    done = fleetctl(*args)
    assert done.code == 2
    assert done.stderr.startswith("error[usage]: 'fleetctl")
    assert f"hint: did you mean {meant}" in done.stderr


def test_shared_flags_stand_before_or_behind_the_verb(fleetctl: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("hosts: {lonely: {transport: local}}\n")
    for args in (
        ["-i", str(other), "run", "all", "--format", "json", "--", "true"],
        ["run", "-i", str(other), "all", "--format", "json", "--", "true"],
        ["run", "all", "--format", "json", "-i", str(other), "--", "true"],
    ):
        done = fleetctl(*args)
        assert done.code == 0, done.stderr
        assert [item["InstanceId"] for item in done.json["Invocations"]] == ["lonely"]


def test_several_inventories_add_up_wherever_they_stand(fleetctl: Any, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"hosts: {{{name}: {{transport: local}}}}\n")
    done = fleetctl(
        "-i", str(tmp_path / "one.yaml"), "run", "-i", str(tmp_path / "two.yaml"), "all", "--", "true"
    )
    assert "2 hosts: 2 Success" in done.stderr


def test_a_bug_is_told_as_one_and_has_a_traceback_only_with_debug(
    fleetctl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Runs, "find", broken)
    done = fleetctl("runs", "show", "last")
    assert done.code == 1
    assert done.stderr.startswith("error[internal]: ZeroDivisionError: oops")
    assert "Traceback" not in done.stderr
    done = fleetctl("runs", "show", "last", "--debug")
    assert done.code == 1
    assert "Traceback" in done.stderr


def test_debug_shows_the_traceback_of_an_error_and_keeps_its_exit_code(fleetctl: Any) -> None:
    done = fleetctl("--debug", "run", "nobody", "--", "true")
    assert done.code == 2
    assert "error[selector]" in done.stderr
    assert "Traceback" in done.stderr


def test_quiet_leaves_results_and_errors_only(fleetctl: Any) -> None:
    done = fleetctl("-q", "run", "web", "--", "echo hi")
    assert sorted(done.stdout.splitlines()) == ["web-1: hi", "web-2: hi", "web-3: hi"]
    assert done.stderr == ""
    done = fleetctl("run", "web-1", "-q", "--", "exit 3")
    assert done.stderr.startswith("Failed[exit-code] web-1: exit code 3")


def test_verbose_tells_how_each_host_ended_and_twice_every_step(fleetctl: Any) -> None:
    assert "web-1" not in fleetctl("run", "web", "--", "true").stderr
    told = fleetctl("-v", "run", "web", "--", "true").stderr.splitlines()
    assert {line.split(" ", 1)[1] for line in told[:3]} == {f"web-{n} Success" for n in (1, 2, 3)}
    told = fleetctl("run", "-vv", "web-1", "--", "exit 3").stderr.splitlines()
    assert told[:3] == ["web-1 connecting", "web-1 started", "1: web-1 Failed exit code 3"]


def test_a_reader_that_has_gone_is_no_error(start: Any, project: Path) -> None:
    child = start("run", "web", "--", "seq 100000")
    child.stdout.close()
    assert child.wait(timeout=30) == 141
    err = child.stderr.read().decode()
    assert "Traceback" not in err
    assert "Broken" not in err
    (folder,) = (project / ".fleetctl" / "runs").iterdir()
    report = json.loads((folder / "report.json").read_text())
    assert report["Counts"] == {"Success": 3}


def test_an_error_that_nobody_reads_is_no_bug(start: Any) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    child = start("run", "nowhere", "--", "true", stdout=writer, stderr=writer)
    os.close(writer)
    assert child.wait(timeout=30) == 141


def test_a_reader_that_takes_one_line_is_content(project: Path, program: Any) -> None:
    program("run", "web", "--", "true")
    for args in ("runs report last", "run web --format json -- seq 20000", "schema inventory", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"fleetctl {args} | head -1"],
            env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(project)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.count("\n") == 1
        assert "Traceback" not in done.stderr
        assert "rror" not in done.stderr


def test_json_is_utf_8_whatever_the_terminal_speaks(program: Any) -> None:
    done = program(
        "run",
        "web-1",
        "--format",
        "json",
        "--",
        "printf 'gr\\303\\274n \\360\\237\\230\\200'",
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
    )
    assert done.code == 0, done.stderr
    assert done.json["Invocations"][0]["StandardOutputContent"] == "grün 😀"


def test_what_the_terminal_cannot_show_is_shown_escaped(program: Any, project: Path) -> None:
    (project / "inventories" / "more.yaml").write_text(
        "hosts: {a: {transport: local, tags: {city: Zürich}}}\n"
    )
    done = program("hosts", "show", "a", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.code == 0, done.stderr
    assert "Z\\xfcrich" in done.stdout or "Z\\u00fcrich" in done.stdout


def test_an_argument_that_is_no_text_does_no_harm(program: Any) -> None:
    child = program(
        "run",
        "web-1",
        "--format",
        "json",
        "--",
        b"printf 'a\xffb' | wc -c".decode("utf-8", "surrogateescape"),
    )
    assert child.code == 0, child.stderr
    assert child.json["Invocations"][0]["StandardOutputContent"].strip() == "3"


def test_output_onto_a_full_disk_is_told_as_that_and_the_run_is_kept(start: Any, program: Any) -> None:
    with Path("/dev/full").open("wb") as full:
        child = start("run", "web", "--", "true", stdout=full)
        _, said = child.communicate(timeout=60)
        listing = start("hosts", "list", stdout=full)
        _, told = listing.communicate(timeout=60)
    assert (child.returncode, listing.returncode) == (0, 2), said
    assert told.decode().splitlines()[0].endswith("the output cannot be written: No space left on device")
    assert "internal" not in told.decode()
    assert program("runs", "list", "--format", "json").json[0]["Status"] == "Success"
