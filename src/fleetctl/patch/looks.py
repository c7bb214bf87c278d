"""What hosts told when they were last looked at: read again from the runs that are kept, without touching a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fleetctl.errors import NotFoundError, StateFolderError
from fleetctl.packages.collect import managers, read_state
from fleetctl.packages.model import PackageState
from fleetctl.packages.protocol import PackageManager
from fleetctl.patch.scan import DOCUMENT
from fleetctl.store.runs import RunFolder, Runs

__all__ = ["LastLook", "earlier_looks", "last_look", "last_looks"]

# Steps of a plan or an installation in which a host was looked at, the last one first; a scan has no steps.
_LOOKS = ("verify", "after", "before", "scan")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """What a host told when it was last looked at.

    Attributes:
        run_id: of the run that looked.
        time: when it was ordered, aware UTC.
    """

    state: PackageState
    run_id: str
    time: datetime


def last_look(runs: Runs, host: str) -> LastLook:
    """Return what a host told in the newest run that looked at its packages.

    Raises:
        NotFoundError: no run that is kept did.
    """
    for _, look in last_looks(runs, [host]):
        return look
    raise NotFoundError(
        f"no run that is kept has looked at the packages of {host}",
        hint=f"look now: fleetctl patch baseline explain {host} PACKAGE --scan",
    )


def last_looks(runs: Runs, hosts: Iterable[str]) -> Iterator[tuple[str, LastLook]]:
    """Yield what each host told in the newest run that looked at its packages, the newest runs first; of some hosts there may be none.

    Only one is held at a time: a state of 2,000 packages is megabytes.
    """
    wanted = list(dict.fromkeys(hosts))
    known = managers()
    for folder, time in _runs_that_looked(runs):
        for host in list(wanted):
            if step := _looked_in(folder, host):
                wanted.remove(host)
                yield host, _read(folder, host, step, time=time, known=known)
        if not wanted:
            return


def earlier_looks(runs: Runs, hosts: set[str], *, naming: bytes) -> Iterator[tuple[str, LastLook]]:
    """Yield looks in which a host's answer holds a text, the newest first.

    Args:
        runs: that are kept.
        hosts: whoever is taken out of the set is looked for no further.
        naming: only answers with this are read.
    """
    known = managers()
    for folder, time in _runs_that_looked(runs) if hosts else ():
        for host in sorted(hosts):
            steps = folder.steps(host)
            for step in [name for name in _LOOKS if name in steps] if steps else [""]:
                if host in hosts and naming in folder.read_output(host, "stdout", step):
                    yield host, _read(folder, host, step, time=time, known=known)
        if not hosts:
            return


def _runs_that_looked(runs: Runs) -> Iterator[tuple[RunFolder, datetime]]:
    for folder in runs:
        try:
            run = folder.run()
        except (NotFoundError, StateFolderError):
            continue
        if run.get("DocumentName") == DOCUMENT:
            yield folder, datetime.fromisoformat(run["RequestedDateTime"]).astimezone(UTC)


def _read(
    folder: RunFolder, host: str, step: str, *, time: datetime, known: Sequence[PackageManager]
) -> LastLook:
    stdout, stderr = (folder.read_output(host, name, step.strip("-")) for name in ("stdout", "stderr"))
    return LastLook(state=read_state(stdout, stderr, known), run_id=folder.run_id, time=time)


def _looked_in(folder: RunFolder, host: str) -> str:
    """Return the step in which a host last told of its packages; `-` where the run has no steps, empty where it told nothing."""
    steps = folder.steps(host)
    for step in [name for name in _LOOKS if name in steps] if steps else ["-"]:
        file = folder.output(host, step.strip("-")) / "stdout"
        if file.is_file() and file.stat().st_size:
            return step
    return ""
