"""Look at the detached jobs that lie on a host, and remove those that do not run."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fleetctl.engine.job import check_id, job_script, own_tag
from fleetctl.model import Become, Command, Exit, Reason
from fleetctl.transport.protocol import Connection, ExecFailed

__all__ = ["JobInfo", "JobState", "list_jobs", "remove_jobs"]

JobState = Literal["running", "ended", "lost", "never-started", "incomplete"]

_STATES: Final[dict[str, JobState]] = {
    "running": "running",
    "ended": "ended",
    "never": "never-started",
    "rebooted": "lost",
    "gone": "lost",
    "open": "incomplete",
}
_JOB = re.compile(
    r"J ([a-z]+) (\d{1,18}) (-?\d{1,18}) (\S{1,255}) (?:exit (\d{1,3})|signal ([A-Z0-9+-]{1,12})|.*)"
)
_MOST: Final = 16 << 20
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """A job that lies on a host.

    Attributes:
        job_id: its name.
        state: `running`; `ended` with a result; `lost`: started, and no result will come; `never-started`: cancelled before it could;
            `incomplete`: laid out and not started yet, by somebody who is at it or who was cut off.
        end: how it ended; None unless `ended`, and where the result cannot be read.
        age: seconds since it was started; None where it was not.
        size: bytes it takes on the host.
    """

    job_id: str
    state: JobState
    end: Exit | None = None
    age: int | None = None
    size: int = 0


async def list_jobs(connection: Connection, *, become: Become | None, tag: str) -> tuple[JobInfo, ...]:
    """List the jobs of one user of a host.

    Args:
        connection: an open one.
        become: whose jobs; None: the login user's.
        tag: of the looking itself.

    Raises:
        ExecFailed: the host could not be asked, or its answer cannot be read.
    """
    lines = await _ask(connection, "list", (), become=become, tag=tag)
    return tuple(filter(None, map(_job, lines)))


async def remove_jobs(
    connection: Connection, job_ids: Sequence[str], *, become: Become | None, tag: str
) -> tuple[str, ...]:
    """Remove jobs with all they printed; one that runs is left alone.

    Args:
        connection: an open one.
        job_ids: which; those that are not there are no trouble.
        become: whose jobs; None: the login user's.
        tag: of the removing itself.

    Returns:
        Those that are still there.

    Raises:
        ExecFailed: the host could not be asked.
        UsageError: an id that cannot be.
    """
    for job_id in job_ids:
        check_id(job_id)
    gone: set[str] = set()
    for start in range(0, len(job_ids), _AT_ONCE):
        some = tuple(job_ids[start : start + _AT_ONCE])
        lines = await _ask(connection, "remove", some, become=become, tag=tag)
        gone.update(line[2:] for line in lines if line.startswith("R "))
    return tuple(job_id for job_id in job_ids if job_id not in gone)


class _Lines:
    """Keeps an answer."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.err = bytearray()

    def stdout(self, data: bytes) -> None:
        self.out += data[: max(0, _MOST - len(self.out))]

    def stderr(self, data: bytes) -> None:
        self.err += data[: max(0, 500 - len(self.err))]

    def between(self, nonce: str) -> Iterator[str] | None:
        """Return the lines of the answer; None if it is not whole."""
        text = self.out.decode("utf-8", "replace").replace("\r\n", "\n")
        _, begun, rest = text.partition(f"@@fleetctl-jobs {nonce}\n")
        body, ended, _ = rest.partition(f"@@fleetctl-end {nonce}\n")
        return iter(body.splitlines()) if begun and ended else None


async def _ask(
    connection: Connection, verb: str, args: tuple[str, ...], *, become: Become | None, tag: str
) -> Iterator[str]:
    nonce = secrets.token_hex(8)
    answer = _Lines()
    command = Command(
        script=job_script(verb), args=(nonce, *args), become=become, tag=own_tag(tag, f"job-{verb}")
    )
    await connection.exec(command, answer)
    lines = answer.between(nonce)
    if lines is None:
        said = answer.err.decode("utf-8", "replace").strip() or "its answer is not whole"
        raise ExecFailed(
            Reason.REMOTE,
            f"{connection.host.name} does not tell about its detached jobs: {said}",
            started=True,
        )
    return lines


def _job(line: str) -> JobInfo | None:
    found = _JOB.fullmatch(line)
    if not found or found[1] not in _STATES:
        return None
    end = None
    if found[6]:
        end = Exit(signal=found[6])
    elif found[5] and int(found[5]) < 256:
        end = Exit(code=int(found[5]))
    age = int(found[3])
    return JobInfo(
        job_id=found[4], state=_STATES[found[1]], end=end, age=age if age >= 0 else None, size=int(found[2])
    )
