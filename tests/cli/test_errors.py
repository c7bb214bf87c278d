"""Bad input: one clear error, the right exit code, no traceback, and no host touched."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def refused(fleetctl: Any, project: Path) -> Any:
    """Run a command that must be refused before anything happens, and return its stderr."""

    def run(*args: str, code: int = 2) -> str:
        done = fleetctl(*args)
        assert done.code == code, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert "internal" not in done.stderr
        assert done.stderr.startswith("error[")
        assert not list((project / ".fleetctl" / "runs").glob("*/events.jsonl"))
        return str(done.stderr)

    return run


def inventory(project: Path, text: str) -> None:
    (project / "inventories" / "hosts.yaml").write_text(text)


def test_wrong_yaml(refused: Any, project: Path) -> None:
    inventory(project, "hosts:\n  a: {\n")
    assert "hosts.yaml:" in refused("run", "all", "--", "true")


def test_an_unknown_key_has_its_place_and_what_was_meant(refused: Any, project: Path) -> None:
    inventory(project, "hosts:\n  web-1:\n    prot: 22\n")
    text = refused("run", "all", "--", "true")
    assert "hosts.yaml:3:5: hosts.web-1" in text
    assert "unknown key 'prot'" in text
    assert "did you mean 'port'?" in text


def test_everything_wrong_with_a_file_is_told_at_once(refused: Any, project: Path) -> None:
    inventory(project, "hosts:\n  a: {prot: 1}\n  b: {port: many}\n  c: {transpot: ssh}\n")
    text = refused("run", "all", "--", "true")
    assert text.count("error[") == 3
    assert "3 problems" in text


def test_a_duplicate_host(refused: Any, project: Path) -> None:
    inventory(project, "hosts:\n  a: {port: 22}\n  a: {port: 23}\n")
    assert "hosts.yaml:3:3:" in refused("run", "all", "--", "true")


def test_hosts_that_contradict_one_another(refused: Any, project: Path) -> None:
    inventory(project, "groups:\n  x: {hosts: {a: {port: 22}}}\n  y: {hosts: {a: {port: 23}}}\n")
    assert "port" in refused("run", "all", "--", "true")


def test_an_empty_selector_and_one_that_matches_nothing(refused: Any) -> None:
    assert "error[selector]" in refused("run", "", "--", "true")
    assert "error[selector]" in refused("run", "web,!web", "--", "true")
    text = refused("run", "wbe", "--", "true")
    assert "'wbe' matches no" in text
    assert "did you mean 'web'" in text


def test_a_bad_selector(refused: Any) -> None:
    for selector in ("web-[", "@nonsense:last", "&", "!"):
        assert "error[" in refused("run", selector, "--", "true")


def test_a_run_that_does_not_exist_in_a_selector(refused: Any) -> None:
    assert "error[not-found]" in refused("run", "@failed:nope", "--", "true")


def test_an_unknown_transport(refused: Any, project: Path) -> None:
    text = refused("run", "web", "--transport", "shh", "--", "true")
    assert "unknown transport 'shh'" in text
    assert "did you mean 'ssh'" in text
    inventory(project, "hosts:\n  a: {transport: telnet}\n")
    assert "telnet" in refused("run", "all", "--", "true")


def key(path: Path, passphrase: str = "") -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)],
        check=True,
        capture_output=True,
    )
    return path


@pytest.fixture
def two_hosts(many: Any, fleet_project: Any) -> Any:
    """A project of two hosts behind a real sshd."""
    return fleet_project(many.hosts(2))


def started(project: Path) -> int:
    return sum(
        path.read_bytes().count(b'"invocation-started"')
        for path in project.glob(".fleetctl/runs/*/events.jsonl")
    )


@pytest.mark.parametrize("transport", ["ssh", "fabric"])
def test_a_key_that_cannot_be_read(
    fleetctl: Any, project: Path, tmp_path: Path, two_hosts: Any, transport: str
) -> None:
    (tmp_path / "broken").write_text("this is no key\n")
    (tmp_path / "broken").chmod(0o600)
    locked = key(tmp_path / "locked", "the-passphrase")
    for path, hint in (
        (tmp_path / "missing", "missing"),
        (tmp_path / "broken", "broken"),
        (locked, "passphrase"),
    ):
        args = [
            "run",
            *two_hosts.args,
            "all",
            "--transport",
            transport,
            "--identity",
            str(path),
            "--",
            "true",
        ]
        done = fleetctl(*args)
        assert done.code == 2, done.stderr
        assert "error[credentials]" in done.stderr
        assert hint in done.stderr
        assert "Traceback" not in done.stderr
    assert started(project) == 0


def test_a_wrong_passphrase(fleetctl: Any, project: Path, tmp_path: Path, two_hosts: Any) -> None:
    locked = key(tmp_path / "locked", "the-passphrase")
    (project / "fleetctl.yaml").write_text("password_command: [echo, wrong]\n")
    done = fleetctl("run", *two_hosts.args, "all", "--identity", str(locked), "--", "true")
    assert done.code == 2, done.stderr
    assert "passphrase" in done.stderr
    assert "Traceback" not in done.stderr
    assert started(project) == 0


def test_a_bad_document(refused: Any, project: Path) -> None:
    (project / "documents").mkdir()
    bad = project / "documents" / "bad.yaml"
    bad.write_text("schemaVersion: '2.2'\nmainSteps:\n- {action: aws:runNothing, name: one, inputs: {}}\n")
    text = refused("run", "web", "--document", "bad")
    assert "bad.yaml:3" in text
    assert "aws:runNothing" in text
    bad.write_text("schemaVersion: '9'\n")
    assert "schema version '9'" in refused("run", "web", "--document", "bad")
    assert "error[" in refused("run", "web", "--document", "nowhere")


def test_a_missing_and_an_unknown_parameter(refused: Any, project: Path) -> None:
    text = refused("run", "web", "--document", "AWS-RunShellScript")
    assert "'commands'" in text
    text = refused("run", "web", "--document", "AWS-RunShellScript", "-p", "comands=x")
    assert "comands" in text
    assert "-p/--param belongs to --document" in refused("run", "web", "-p", "a=b", "--", "true")


@pytest.mark.parametrize("flag", ["--max-concurrency", "--max-errors", "--max-unreachable"])
@pytest.mark.parametrize("value", ["5x", "101%", "-1", "", "1.5%"])
def test_a_bad_percentage(refused: Any, flag: str, value: str) -> None:
    text = refused("run", "web", flag, value, "--", "true")
    assert flag in text
    assert text.startswith("error[bad-budget]")


@pytest.mark.parametrize(
    "args",
    [
        ("--max-concurrency", "0"),
        ("--timeout", "0"),
        ("--timeout", "99999999"),
        ("--connect-timeout", "-1"),
        ("--connect-concurrency", "0"),
        ("--limit", "0"),
        ("--format", "xml"),
        ("--host-keys", "no"),
        ("--comment", "x" * 101),
        ("--env", "1A=x"),
        ("--env", "NOT_SET_HERE"),
        ("--script", "/nowhere"),
        ("--stdin", "/nowhere"),
        ("--ssh-config", "/nowhere"),
        ("--no-such-flag",),
    ],
)
def test_a_flag_out_of_range_is_refused_never_clamped(refused: Any, args: tuple[str, ...]) -> None:
    command = () if "--script" in args else ("--", "true")
    assert args[0].lstrip("-") in refused("run", "web", *args, *command)


def test_nothing_to_run(refused: Any, tmp_path: Path) -> None:
    assert "there is nothing to run" in refused("run", "web")
    assert "there is nothing to run" in refused("run", "web", "--", " ")
    (tmp_path / "empty").write_text("\n")
    assert "is empty" in refused("run", "web", "--script", str(tmp_path / "empty"))
    (tmp_path / "program").write_bytes(b"\x7fELF\xff\xfe")
    assert "is not UTF-8" in refused("run", "web", "--script", str(tmp_path / "program"))
    (tmp_path / "nul").write_bytes(b"echo \0")
    assert "NUL" in refused("run", "web", "--script", str(tmp_path / "nul"))


def test_a_template_that_does_not_parse_or_does_what_it_must_not(refused: Any) -> None:
    assert "command:2" in refused("run", "web", "--template", "--", "ok\n{{ x")
    assert "'nope' is undefined" in refused("run", "web", "--template", "--", "{{ nope }}")
    assert "error[bad-template]" in refused("run", "web", "--template", "--", "{{ ''.__class__.__mro__ }}")
    assert "ZeroDivisionError" in refused("run", "web", "--template", "--", "{{ 1 / 0 }}")


@pytest.mark.parametrize("way", ["a file", "below a file", "read-only"])
def test_a_state_folder_that_cannot_be_written(refused: Any, fleetctl: Any, tmp_path: Path, way: str) -> None:
    (tmp_path / "file").write_text("")
    folder = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "x",
        "read-only": Path("/proc/x"),
    }[way]
    for args in (("run", "web", "--", "true"), ("runs", "list")):
        assert "error[state-folder]" in refused("--state", str(folder), *args)


def test_a_project_that_is_none(refused: Any, tmp_path: Path) -> None:
    assert "error[not-found]" in refused("--project", str(tmp_path), "runs", "list")


def test_wrong_settings_have_their_place(refused: Any, project: Path) -> None:
    (project / "fleetctl.yaml").write_text("run:\n  max_errors: 5x\n  max_concurency: 3\n")
    text = refused("run", "web", "--", "true")
    assert "fleetctl.yaml:2:" in text
    assert "did you mean 'max_concurrency'" in text


def test_no_inventory_at_all(refused: Any, project: Path) -> None:
    (project / "inventories" / "hosts.yaml").unlink()
    (project / "inventories").rmdir()
    text = refused("run", "all", "--", "true")
    assert "there is no inventory here" in text
    assert "-i hosts.yaml" in text
    assert "error[" in refused("run", "-i", "/nowhere.yaml", "all", "--", "true")


def test_parts_of_an_order_that_contradict_one_another(refused: Any, tmp_path: Path) -> None:
    assert "--document stands alone" in refused(
        "run", "web", "--document", "AWS-RunShellScript", "--", "true"
    )
    assert "go together" in refused("run", "web", "--diff", "--format", "json", "--", "true")
