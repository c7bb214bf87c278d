"""Checkpoints, signed with real keys by the real ssh-keygen, and verified with nothing else."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetctl.errors import CredentialError, DamagedError, NotFoundError, UsageError
from fleetctl.store.audit import AuditLog
from fleetctl.store.checkpoint import checkpoints, make_checkpoint, read_checkpoint, verify_signature

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen")


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    (tmp_path / "audit").mkdir()
    log = AuditLog.below(tmp_path / "audit")
    log.add("run-started", run="a", user="anna")
    log.add("run-ended", run="a", status="Success")
    return log


def make_key(path: Path, *, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "x", "-f", path], check=True)
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return make_key(tmp_path / "id")


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert process.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield
    finally:
        process.terminate()
        process.wait()


def test_a_checkpoint_says_what_the_log_was(log: AuditLog) -> None:
    chain = log.inspect()
    made = make_checkpoint(log)
    assert (made.sequence, made.head) == (2, chain.head)
    assert made.path == log.checkpoints / "2.txt"
    assert f"head: {chain.head}\n" in made.path.read_text()
    assert not made.signature.exists()
    assert list(checkpoints(log)) == [made.path]
    *_, record = log.records()
    assert (record["type"], record["checkpoint"], record["text"]) == ("checkpoint", 2, made.digest)
    assert "key" not in record


def test_a_signature_is_verified_by_ssh_keygen_alone(log: AuditLog, key: Path, tmp_path: Path) -> None:
    made = make_checkpoint(log, key=key)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"anna@example.net {key.with_suffix('.pub').read_text()}")
    verify = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "anna@example.net", "-n", "fleetctl-audit"]
    done = subprocess.run(
        [*verify, "-s", made.signature], input=made.path.read_bytes(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = verify_signature(made.path, allowed=allowed)
    assert (found.good, found.who) == (True, "anna@example.net")
    *_, record = log.records()
    assert record["key"] == found.key == verify_signature(made.path).key
    assert found.key.startswith("SHA256:")


def test_a_text_or_signature_that_was_changed_is_not_good(log: AuditLog, key: Path) -> None:
    made = make_checkpoint(log, key=key)
    text = made.path.read_text()
    made.path.write_text(text.replace("sequence: 2", "sequence: 1"))
    assert not verify_signature(made.path).good
    made.path.write_text(text)
    assert verify_signature(made.path).good
    made.signature.write_text("-----BEGIN SSH SIGNATURE-----\n")
    found = verify_signature(made.path)
    assert not found.good
    assert found.message


def test_a_signature_made_for_something_else_does_not_count(log: AuditLog, key: Path) -> None:
    made = make_checkpoint(log)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", key, made.path], check=True, capture_output=True
    )
    assert not verify_signature(made.path).good


def test_a_key_that_is_not_among_the_allowed_signers_is_refused(
    log: AuditLog, key: Path, tmp_path: Path
) -> None:
    made = make_checkpoint(log, key=key)
    other = make_key(tmp_path / "other")
    allowed = tmp_path / "allowed"
    for text in (f"ben {other.with_suffix('.pub').read_text()}", "", "what is this?\n"):
        allowed.write_text(text)
        found = verify_signature(made.path, allowed=allowed)
        assert not found.good
        assert "is none of" in found.message


@pytest.mark.usefixtures("agent")
def test_a_key_that_only_the_agent_holds_signs_by_its_public_half(log: AuditLog, key: Path) -> None:
    subprocess.run(["ssh-add", "-q", key], check=True)
    key.unlink()
    made = make_checkpoint(log, key=key.with_suffix(".pub"))
    assert verify_signature(made.path).good


def test_a_key_that_cannot_sign_leaves_nothing_behind(
    log: AuditLog, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "none"))
    key.write_text("garbage")
    for bad, text in (
        (key, "could not sign"),
        (tmp_path / "none", "there is no key"),
        (tmp_path, "there is no key"),
    ):
        with pytest.raises(CredentialError, match=text):
            make_checkpoint(log, key=bad)
    assert list(checkpoints(log)) == []
    assert len(list(log.records())) == 2


def test_without_ssh_keygen_an_unsigned_checkpoint_can_still_be_made(
    log: AuditLog, key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFoundError, match="no ssh-keygen") as caught:
        make_checkpoint(log, key=key)
    assert "leave --key out" in (caught.value.hint or "")
    assert make_checkpoint(log).sequence == 2


def test_nobody_vouches_for_a_log_that_is_empty_or_damaged(log: AuditLog) -> None:
    log.path.write_bytes(log.path.read_bytes().replace(b"anna", b"ben_"))
    with pytest.raises(DamagedError, match="nobody should vouch"):
        make_checkpoint(log)
    log.path.unlink()
    with pytest.raises(UsageError, match="empty"):
        make_checkpoint(log)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "fleetctl audit checkpoint\n",
        "fleetctl audit checkpoint\nsequence: x\nhead: y\n",
        "\xff\0",
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "1.txt").write_text(text)
    with pytest.raises(DamagedError, match="is no checkpoint"):
        read_checkpoint(tmp_path / "1.txt")
    with pytest.raises(NotFoundError):
        read_checkpoint(tmp_path / "2.txt")


def test_a_checkpoint_that_went_through_mail_can_still_be_compared(log: AuditLog, tmp_path: Path) -> None:
    made = make_checkpoint(log)
    mailed = tmp_path / "mailed.txt"
    mailed.write_bytes(made.path.read_bytes().replace(b"\n", b"\r\n"))
    assert (read_checkpoint(mailed).sequence, read_checkpoint(mailed).head) == (made.sequence, made.head)
