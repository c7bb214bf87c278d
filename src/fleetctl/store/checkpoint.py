"""Checkpoints of the audit log: a few lines of text that vouch for all records up to one, signed with an SSH key.

The signature is OpenSSH's own (PROTOCOL.sshsig), made by `ssh-keygen -Y sign`: keys in files, in an agent and on FIDO tokens all
work, and whoever has ssh-keygen can verify it, without fleetctl.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from fleetctl.errors import CredentialError, DamagedError, NotFoundError, StateFolderError, UsageError
from fleetctl.store.audit import AuditLog
from fleetctl.store.chain import hash_of
from fleetctl.store.owner import user_name
from fleetctl.store.runs import sync_folder

__all__ = [
    "NAMESPACE",
    "Checkpoint",
    "Signature",
    "checkpoints",
    "has_ssh_keygen",
    "make_checkpoint",
    "read_checkpoint",
    "verify_signature",
]

# What a signature is for (ssh-keygen -n): one that was made for something else does not count here.
NAMESPACE: Final = "fleetctl-audit"

_TITLE = "fleetctl audit checkpoint"
_LONGEST = 65_536
_GOOD = re.compile(r'Good "[^"]*" signature (?:for (?P<who>.+) )?with (?P<kind>\S+) key (?P<key>\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a checkpoint says.

    Attributes:
        path: of the text; its signature, if there is one, is `<path>.sig`.
        sequence, head: of the last record that it vouches for.
        at: when it was made, as it says.
        digest: SHA-256 of the text.
    """

    path: Path
    sequence: int
    head: str
    at: str
    digest: str

    @property
    def signature(self) -> Path:
        """Where the signature is, if it was signed."""
        return self.path.with_name(self.path.name + ".sig")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What `ssh-keygen` found.

    Attributes:
        good: whether the key that it names has signed this text, for this purpose.
        key: fingerprint (`SHA256:...`) of that key.
        who: the principal of the allowed signers file that the key belongs to; empty where none was asked.
        message: what is wrong, if anything is.
    """

    good: bool
    key: str = ""
    who: str = ""
    message: str = ""


def make_checkpoint(log: AuditLog, *, key: Path | None = None) -> Checkpoint:
    """Write down what the log is now, and sign it; the log gets a record of that.

    Args:
        log: the audit log.
        key: a private key, or the public half of one that an agent or token holds; None leaves it unsigned. ssh-keygen asks for a passphrase
            on the terminal itself.

    Raises:
        UsageError: there is nothing to vouch for.
        DamagedError: the log does not verify.
        CredentialError: it cannot be signed.
        StateFolderError: it cannot be written.
    """
    chain = log.inspect()
    if not chain.sound:
        raise DamagedError(
            f"{log.path} is damaged: nobody should vouch for it",
            hint="see what is wrong with: fleetctl audit verify",
        )
    if not chain.sequence:
        raise UsageError("the audit log is empty: there is nothing to vouch for")
    text = _text(chain.sequence, chain.head).encode()
    signature = _sign(text, key) if key is not None else None
    path = log.checkpoints / f"{chain.sequence}.txt"
    try:
        log.checkpoints.mkdir(mode=0o700, exist_ok=True)
        if signature is not None:
            _put(path.with_name(path.name + ".sig"), signature)
        _put(path, text)
        sync_folder(path.parent)
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be written: {exc.strerror}") from exc
    found = verify_signature(path) if signature is not None else None
    log.enter(
        "checkpoint",
        checkpoint=chain.sequence,
        text=hash_of(text),
        key=found.key if found else None,
        user=user_name(),
        host=socket.gethostname(),
    )
    return read_checkpoint(path)


def checkpoints(log: AuditLog) -> Iterator[Path]:
    """Yield the texts of all checkpoints, the oldest first."""
    found = [path for path in log.checkpoints.glob("*.txt") if path.stem.isdecimal() and path.stem.isascii()]
    yield from sorted(found, key=lambda path: int(path.stem))


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, wherever it was kept.

    Raises:
        NotFoundError: there is none.
        DamagedError: it is not one, or was mangled.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST)
    except FileNotFoundError:
        raise NotFoundError(f"there is no checkpoint {path}") from None
    except OSError as exc:
        raise StateFolderError(f"{path} cannot be read: {exc.strerror}") from exc
    title, _, rest = text.decode("utf-8", "replace").partition("\n")
    # Mail programs add carriage returns; the signature notices, but what it says can still be compared.
    pairs = (line.partition(": ") for line in rest.replace("\r", "").splitlines())
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    sequence, head = fields.get("sequence", ""), fields.get("head", "")
    if (
        title.strip() != _TITLE
        or not re.fullmatch(r"[0-9]{1,18}", sequence)
        or not re.fullmatch(r"[0-9a-f]{64}", head)
    ):
        raise DamagedError(
            f"{path} is no checkpoint of an audit log", hint="make one with: fleetctl audit checkpoint"
        )
    return Checkpoint(
        path=path, sequence=int(sequence), head=head, at=fields.get("time", ""), digest=hash_of(text)
    )


def verify_signature(path: Path, *, allowed: Path | None = None) -> Signature:
    """Ask ssh-keygen about the signature beside a checkpoint.

    Args:
        path: of the text.
        allowed: an allowed signers file (ssh-keygen(1)); None only finds out which key has signed, not whether it may.

    Raises:
        NotFoundError: there is no ssh-keygen.
    """
    signature = path.with_name(path.name + ".sig")
    try:
        text = path.read_bytes()
    except OSError as exc:
        return Signature(good=False, message=f"{path} cannot be read: {exc.strerror}")
    checked = ["ssh-keygen", "-Y", "check-novalidate", "-n", NAMESPACE, "-s", str(signature)]
    who = ""
    if allowed is not None:
        found = _ssh_keygen(
            ["ssh-keygen", "-Y", "find-principals", "-s", str(signature), "-f", str(allowed)], text
        )
        who = found.stdout.decode(errors="replace").splitlines()[0].strip() if found.stdout.strip() else ""
        if found.returncode or not who:
            return Signature(good=False, message=f"its key is none of {allowed}")
        checked = [
            "ssh-keygen",
            "-Y",
            "verify",
            "-n",
            NAMESPACE,
            "-s",
            str(signature),
            "-f",
            str(allowed),
            "-I",
            who,
        ]
    done = _ssh_keygen(checked, text)
    said = done.stdout.decode(errors="replace")
    match = _GOOD.search(said)
    if done.returncode or match is None:
        why = (done.stderr.decode(errors="replace").strip().splitlines() or ["ssh-keygen does not say why"])[
            -1
        ]
        return Signature(good=False, message=why)
    return Signature(good=True, key=match["key"], who=who)


def has_ssh_keygen() -> bool:
    """Tell whether signatures can be made and verified here."""
    import shutil  # noqa: PLC0415

    return shutil.which("ssh-keygen") is not None


def _text(sequence: int, head: str) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return (
        f"{_TITLE}\n"
        f"sequence: {sequence}\n"
        f"head: {head}\n"
        f"time: {now}\n"
        f"user: {user_name()}\n"
        f"host: {socket.gethostname()}\n"
        "\n"
        f"The audit log had {sequence} records. The last one has this SHA-256, and each carries that of the one before:\n"
        f"whoever finds another record {sequence}, or fewer records, has a log that was changed.\n"
    )


def _sign(text: bytes, key: Path) -> bytes:
    key = key.expanduser()
    if not key.is_file():
        raise CredentialError(
            f"there is no key {key}", hint="name one with --key; make one with: ssh-keygen -t ed25519"
        )
    # Questions (passphrase, PIN, touch) are between ssh-keygen and the terminal: its stderr is not taken away.
    done = _ssh_keygen(["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)], text, stderr=None)
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise CredentialError(
            f"ssh-keygen could not sign with {key}",
            hint="what it said stands above; for a key in an agent or on a token name its .pub file",
        )
    return done.stdout


def _ssh_keygen(
    argv: list[str], text: bytes, *, stderr: int | None = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=stderr, check=False)
    except FileNotFoundError:
        raise NotFoundError(
            "there is no ssh-keygen here, which makes and verifies signatures",
            hint="install OpenSSH's client (8.1 or later), or leave --key out: an unsigned checkpoint can be kept elsewhere, too",
        ) from None


def _put(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
