"""Where passwords come from, in which order, and that each is asked for once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest
from keyring.backend import KeyringBackend

from fleetctl.errors import CredentialError
from fleetctl.model import Host
from fleetctl.transport.credentials import ChainCredentials

HOST = Host(name="web-1", user="deploy")
OTHER = Host(name="web-2")


@pytest.fixture(autouse=True)
def _no_secrets_of_this_machine(monkeypatch):
    for name in ("SSH_PASSWORD", "BECOME_PASSWORD", "KEY_PASSPHRASE"):
        monkeypatch.delenv(f"FLEETCTL_{name}", raising=False)


def chain(**given) -> ChainCredentials:
    return ChainCredentials(**{"keyring": False, **given})


def prints(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_nothing_is_known_where_nothing_was_set_up():
    credentials = chain()
    assert credentials.password(HOST) is None
    assert credentials.become_password(HOST) is None
    assert credentials.passphrase(Path("/k")) is None
    assert credentials.secrets() == frozenset()


def test_the_environment_answers_for_every_host(monkeypatch):
    monkeypatch.setenv("FLEETCTL_SSH_PASSWORD", "a")
    monkeypatch.setenv("FLEETCTL_BECOME_PASSWORD", "b")
    monkeypatch.setenv("FLEETCTL_KEY_PASSPHRASE", "c")
    credentials = chain()
    assert (credentials.password(HOST), credentials.become_password(OTHER)) == ("a", "b")
    assert credentials.passphrase(Path("/k")) == "c"
    assert credentials.secrets() == {"a", "b", "c"}


def test_nothing_of_a_secret_is_in_the_repr(monkeypatch):
    monkeypatch.setenv("FLEETCTL_SSH_PASSWORD", "hidden-thing")
    credentials = chain()
    credentials.password(HOST)
    assert "hidden-thing" not in repr(credentials)
    assert "hidden-thing" not in str(vars(credentials)["_sources"])


def test_the_command_is_told_what_for_and_answers_for_each_host():
    text = "import os; print(os.environ['FLEETCTL_SECRET'], os.environ['FLEETCTL_HOST'], os.environ['FLEETCTL_USER'])"
    credentials = chain(command=prints(text))
    assert credentials.password(HOST) == "ssh-password web-1 deploy"
    assert credentials.become_password(OTHER) == "become-password web-2 "


def test_the_command_runs_once_for_each_question(tmp_path):
    count = tmp_path / "count"
    credentials = chain(command=["sh", "-c", f"echo x >> {count}; echo secret"])
    assert [credentials.password(HOST) for _ in range(3)] == ["secret"] * 3
    assert count.read_text() == "x\n"


def test_a_command_without_an_answer_is_none_and_is_remembered(tmp_path):
    count = tmp_path / "count"
    credentials = chain(command=["sh", "-c", f"echo x >> {count}"])
    assert [credentials.password(HOST) for _ in range(2)] == [None, None]
    assert count.read_text() == "x\n"


@pytest.mark.parametrize(
    ("command", "says"),
    [(["/no/such/program"], "cannot be run"), (["sh", "-c", "exit 3"], "failed with exit code 3")],
)
def test_a_command_that_fails_is_named_each_time(command, says):
    credentials = chain(command=command)
    for _ in range(2):
        with pytest.raises(CredentialError, match=says):
            credentials.password(HOST)


def test_what_was_asked_to_be_asked_for_beats_the_environment_and_is_asked_once(monkeypatch):
    monkeypatch.setenv("FLEETCTL_BECOME_PASSWORD", "environment")
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "typed"

    credentials = chain(prompt=ask, ask_become_password=True)
    credentials.prepare()
    assert asked == ["Become password"]
    assert credentials.become_password(HOST) == credentials.become_password(OTHER) == "typed"
    assert credentials.password(HOST) is None
    assert asked == ["Become password"]


def test_a_passphrase_is_asked_for_once_for_each_key():
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "typed"

    credentials = chain(prompt=ask)
    for path in ("/a", "/b", "/a"):
        assert credentials.passphrase(Path(path)) == "typed"
    assert asked == ["Passphrase for /a", "Passphrase for /b"]


def test_to_ask_without_a_terminal_is_an_error_at_once():
    with pytest.raises(CredentialError, match="no terminal"):
        chain(ask_password=True)


def test_many_threads_get_one_answer(tmp_path):
    count = tmp_path / "count"
    credentials = chain(command=["sh", "-c", f"echo x >> {count}; sleep 0.2; echo secret"])
    got: list[str | None] = []
    threads = [threading.Thread(target=lambda: got.append(credentials.password(HOST))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["secret"] * 8
    assert count.read_text() == "x\n"


class Made(KeyringBackend):
    """A keyring that holds what a test says."""

    priority = 1

    def __init__(self, held: dict[str, str] | None) -> None:
        super().__init__()
        self.held = held

    def get_password(self, service: str, username: str) -> str | None:
        if self.held is None:
            raise RuntimeError("locked")
        return self.held.get(username) if service == "fleetctl" else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise AssertionError("nobody writes to the keyring")


@pytest.fixture
def use_keyring() -> Iterator[Callable[[KeyringBackend], None]]:
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_the_keyring_is_asked_by_host_and_then_in_general(use_keyring):
    use_keyring(Made({"ssh-password:web-1": "own", "ssh-password": "all"}))
    credentials = ChainCredentials()
    assert (credentials.password(HOST), credentials.password(OTHER)) == ("own", "all")
    assert credentials.become_password(HOST) is None


def test_a_keyring_that_breaks_is_no_keyring(use_keyring):
    use_keyring(Made(None))
    assert ChainCredentials().password(HOST) is None


def test_a_machine_without_a_keyring_has_no_answer(use_keyring):
    use_keyring(keyring.backends.fail.Keyring())
    assert ChainCredentials().password(HOST) is None
