"""`hosts trust` as an operator meets it: what it shows, asks, records, and its exit code."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from lab.keys import new_key, public_key
from lab.loopback import closed_port

from fleetctl.cli.app import App
from fleetctl.cli.trust import trust
from fleetctl.errors import HostKeyError, NeedsConfirmation


@pytest.fixture
def call(sshd, client, monkeypatch):
    monkeypatch.chdir(client.folder)
    (client.folder / "ssh_config").write_text("")

    def call(*arguments: str, dead: int | None = None):
        hosts = [f"  web-1: {{address: 127.0.0.1, port: {sshd.port}}}", "  here: {transport: local}"]
        hosts += [f"  dead: {{address: 127.0.0.1, port: {dead}}}"] if dead else []
        (client.folder / "hosts.yaml").write_text("\n".join(["hosts:", *hosts]) + "\n")
        app = App(inventory_sources=["hosts.yaml"])
        files = ["--known-hosts", str(client.known_hosts), "--ssh-config", "ssh_config"]
        return CliRunner().invoke(trust, [*arguments, *files], obj=app)

    return call


def test_new_keys_are_shown_and_recorded_and_then_known(call, sshd, client):
    shown = call("--yes")
    assert (shown.exit_code, shown.exception) == (0, None)
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["HOST", "web-1"]
    assert "new" in shown.stdout
    assert "recorded 1 key of 1 host" in shown.stderr
    assert client.known_hosts.read_text() == sshd.host_line
    again = call("--yes")
    assert again.exit_code == 0
    assert "nothing to record" in again.stderr
    assert client.known_hosts.read_text() == sshd.host_line


def test_nothing_is_recorded_without_a_yes(call, client):
    asked = call()
    assert isinstance(asked.exception, NeedsConfirmation)
    assert "SHA256:" in asked.stdout
    assert not client.known_hosts.exists()


def test_a_changed_key_shows_old_and_new_and_waits_for_replace(call, sshd, client):
    other = new_key(client.folder / "other")
    client.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {public_key(other)}\n")
    shown = call("--yes")
    assert isinstance(shown.exception, HostKeyError)
    assert shown.exception.exit_code == 4
    assert "--replace web-1" in shown.exception.hint
    assert shown.stdout.count("SHA256:") == 2
    assert sshd.host_line not in client.known_hosts.read_text()
    assert call("--yes", "--replace").exit_code == 0
    assert client.known_hosts.read_text() == sshd.host_line


def test_hosts_that_cannot_be_asked_are_listed_and_the_others_recorded(call, sshd, client):
    with closed_port() as port:
        shown = call("--yes", dead=port)
    assert isinstance(shown.exception, HostKeyError)
    assert "Unreachable[refused] dead" in shown.stderr
    assert client.known_hosts.read_text() == sshd.host_line


def test_json_is_json(call):
    with closed_port() as port:
        shown = call("--yes", "--format", "json", dead=port)
    rows = {row["InstanceId"]: row for row in json.loads(shown.stdout)}
    assert (rows["web-1"]["State"], rows["web-1"]["KeyType"]) == ("New", "ssh-ed25519")
    assert (rows["dead"]["State"], rows["dead"]["Reason"]) == ("Unreachable", "refused")
