"""What to tell when a job cannot be started on a host, or will never say how it ended."""

from __future__ import annotations

from typing import Final

from fleetctl.model import Reason
from fleetctl.transport.protocol import ExecFailed

__all__ = ["lost", "refused"]

_LOST: Final = {
    "rebooted": "%s was restarted while the job ran, and it left no result",
    "gone": "the job's supervisor on %s is gone without a result: it was killed, or memory ran out",
    "missing": "the job's directory on %s is gone: somebody removed it, or the host was made anew",
    "changed": "the job's output on %s was changed by somebody",
    "torn": "the job's result on %s is torn: the disk was full, or the power failed",
}

_ROOM: Final = "make room in {folder}; `fleetctl runs gc` clears what jobs left there"

_REFUSED: Final = {
    "read-only": (
        Reason.READ_ONLY,
        "{folder} on {place} is mounted read-only, and a detached job needs a directory there",
        "mount it writable (a disk with errors is often made read-only), or run without --detach",
    ),
    "space": (
        Reason.DISK_FULL,
        "{folder} on {place} has {free:.1f} MB left, and a detached job wants {need:.1f} MB; nothing was started",
        _ROOM,
    ),
    "full": (
        Reason.DISK_FULL,
        "nothing more can be written to {folder} on {place}: the disk, a quota or the inodes are used up; nothing was started",
        _ROOM,
    ),
    "foreign": (
        Reason.REMOTE,
        "{folder} on {place} belongs to somebody else or is a link, so nothing was put there",
        "find out who made it, and remove it",
    ),
    "denied": (
        Reason.REMOTE,
        "{folder} on {place} cannot be written to",
        "it should have mode 1777, as on every Unix",
    ),
    "short": (
        Reason.PRECONDITION,
        "the job's input did not reach {place} whole, and nothing was started",
        "if it is a file, do not change it meanwhile",
    ),
    "never": (Reason.INTERRUPTED, "the job on {place} was cancelled before it started", ""),
    "unstarted": (
        Reason.REMOTE,
        "the job's supervisor did not start on {place}, and it never will",
        "the host may be out of processes or memory; start the command again as a new run",
    ),
}


def lost(why: str, *, place: str) -> ExecFailed:
    """Tell that it was started, and that there will be no result."""
    message = _LOST[why] % place if why in _LOST else f"{place} lost the job: {why}"
    return ExecFailed(
        Reason.JOB_LOST,
        message,
        hint="look at the host: the job may have done all, some or none of its work",
        started=True,
    )


def refused(words: tuple[str, ...], *, place: str) -> ExecFailed:
    """Tell that nothing was started, and why.

    Args:
        words: the reason and its details, as `scripts/job-follow.sh` says them.
        place: the host.
    """
    known = _REFUSED.get(words[0])
    if known is None:
        return ExecFailed(Reason.REMOTE, f"the job could not be started on {place}: {' '.join(words)}")
    reason, message, hint = known
    folder = words[1] if len(words) > 1 else "/var/tmp"  # noqa: S108 - a folder of the host's
    free, need = (int(word) / 1024 if word.isdecimal() else 0.0 for word in (*words[2:4], "", "")[:2])
    filled = message.format(folder=folder, place=place, free=free, need=need)
    return ExecFailed(reason, filled, hint=hint.format(folder=folder))
