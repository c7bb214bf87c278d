"""Look at this machine: open files, keyring, clock."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime

from fleetctl.doctor.model import Finding, State

__all__ = ["examine_machine"]

# A clock before this day is wrong: the program did not exist.
_NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
_KEYRING_SECONDS = 5.0


def examine_machine(*, max_concurrency: int) -> Iterator[Finding]:
    """Look at what fleetctl needs of the machine it runs on.

    Args:
        max_concurrency: hosts worked on at once, as the settings have it.
    """
    yield _open_files(max_concurrency)
    yield _keyring()
    yield _clock()


def _open_files(max_concurrency: int) -> Finding:
    wanted = 256 + 4 * max_concurrency  # what fleetctl.engine.order raises the soft limit to
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= wanted:
        return Finding(
            check="open-files", state=State.OK, message=f"enough for {max_concurrency} hosts at once"
        )
    return Finding(
        check="open-files",
        state=State.WARN,
        message=f"{max_concurrency} hosts at once need {wanted} open files, and no more than {hard} are allowed",
        remedy=f"lower run.max_concurrency to {max(1, (hard - 256) // 4)}, or raise the hard limit (ulimit -Hn, LimitNOFILE)",
    )


def _keyring() -> Finding:
    """Name the keyring; in a thread that may be left behind, as a desktop's keyring may never answer."""
    result: Future[str | None] = Future()

    def ask() -> None:
        try:
            result.set_result(_keyring_name())
        except Exception as exc:  # noqa: BLE001 - backends raise whatever their desktop raises
            result.set_exception(exc)

    threading.Thread(target=ask, daemon=True).start()
    instead = "passwords can come from FLEETCTL_SSH_PASSWORD, password_command in fleetctl.yaml, or a prompt"
    try:
        name = result.result(timeout=_KEYRING_SECONDS)
    except TimeoutError:
        return Finding(
            check="keyring",
            state=State.WARN,
            message=f"does not answer within {_KEYRING_SECONDS:.0f} s",
            remedy=f"unlock it; {instead}",
        )
    except Exception as exc:  # noqa: BLE001
        return Finding(
            check="keyring",
            state=State.WARN,
            message=f"cannot be used: {type(exc).__name__}: {exc}",
            remedy=instead,
        )
    if name is None:
        return Finding(check="keyring", state=State.INFO, message=f"there is none; {instead}")
    return Finding(check="keyring", state=State.OK, message=name)


def _keyring_name() -> str | None:
    import keyring  # noqa: PLC0415 - 100 ms
    from keyring.backends import fail, null  # noqa: PLC0415

    backend = keyring.get_keyring()
    return None if isinstance(backend, fail.Keyring | null.Keyring) else str(backend.name)


def _clock() -> Finding:
    now = datetime.now(UTC)
    if now < _NOT_BEFORE:
        return Finding(
            check="clock",
            state=State.FAIL,
            message=f"this machine believes it is {now:%Y-%m-%d %H:%M} UTC",
            remedy="set the clock: timedatectl set-ntp true",
        )
    return Finding(check="clock", state=State.OK, message="plausible; hosts are compared with it")
