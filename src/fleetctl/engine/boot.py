"""Which boot of a host this is, how it stands, and what a reboot makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from fleetctl.engine.task import Session
from fleetctl.model import EMPTY, Become, Command, Reason
from fleetctl.transport.protocol import ExecFailed

__all__ = ["Boot", "RebootFailed", "RebootRule", "Rebooted", "here", "look", "script"]

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_INIT = Path("/proc/1/stat")
# Where the state of systemd cannot be had, there is nothing to wait for.
_NOT_TOLD = frozenset({"", "offline", "unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RebootRule:
    """How long a reboot may take, and when a host counts as ready after it.

    Attributes:
        timeout: seconds from the request until the host answers with a new boot id.
        ready_timeout: seconds from then until it is ready.
        ready: must exit 0 before the host is ready; tried again until it does. Where it names no `become`, the order's holds.
        settle: seconds that the host must stay as it is, once all is well: one that falls over again at once is not ready.
        pause: seconds between two looks at a host.
    """

    timeout: float = 600.0
    ready_timeout: float = 300.0
    ready: Command | None = None
    settle: float = 5.0
    pause: float = 2.0

    @property
    def longest(self) -> float:
        """Seconds that one reboot may take in all: what a run's own limit must leave room for."""
        return self.timeout + self.ready_timeout + 60.0

    def record(self) -> dict[str, Any]:
        """Return it as `run.json` keeps it. Of the ready command only its script is kept: all that the command line can give."""
        return {
            "Timeout": self.timeout,
            "ReadyTimeout": self.ready_timeout,
            "Ready": self.ready.script if self.ready else None,
            "Settle": self.settle,
        }

    @classmethod
    def from_record(cls, data: Mapping[str, Any]) -> RebootRule:
        """Read what `record` wrote.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        return cls(
            timeout=float(data["Timeout"]),
            ready_timeout=float(data["ReadyTimeout"]),
            ready=Command(script=str(data["Ready"])) if data["Ready"] else None,
            settle=float(data["Settle"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """One boot of a host, as it stood when it was looked at.

    Attributes:
        boot_id: the kernel's name for it; empty where the system has none.
        init: when process 1 began, in clock ticks; empty where that is hidden. Some containers show the boot id of the machine
            below, which their own reboot does not change.
        state: `systemctl is-system-running`; empty without systemd.
        failed: units that failed, by name.
        jobs: units that systemd starts or stops just now.
    """

    boot_id: str
    init: str = ""
    state: str = ""
    failed: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Boot:
        """Read it from a ledger's record; what is missing or odd is left empty."""
        failed = note.get("failed")
        return cls(
            boot_id=str(note.get("boot", "")),
            init=str(note.get("init", "")),
            state=str(note.get("state", "")),
            failed=tuple(map(str, failed)) if isinstance(failed, list) else (),
        )

    def to_note(self) -> dict[str, Any]:
        """Return the fields of a ledger's record."""
        return {"boot": self.boot_id, "init": self.init, "state": self.state, "failed": list(self.failed)}

    def is_other_than(self, before: Boot) -> bool:
        """Tell whether the host was booted in between."""
        return self.boot_id != before.boot_id or bool(self.init and before.init and self.init != before.init)

    @property
    def can_be_awaited(self) -> bool:
        """Whether its systemd can be asked to say when it has finished starting."""
        return self.state not in _NOT_TOLD

    @property
    def is_starting(self) -> bool:
        """Whether systemd has not finished starting."""
        return self.state in {"initializing", "starting"}

    @property
    def is_going_down(self) -> bool:
        """Whether systemd is shutting down."""
        return self.state == "stopping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebooted:
    """A reboot that went well.

    Attributes:
        before, after: boot ids.
        seconds_down: from the request until it answered again; None where a controller was lost in between and nobody looked.
        state: `running`; `degraded-as-before` where units had failed before already; `up` without systemd.
        failed: units that failed, before as after.
    """

    before: str
    after: str
    seconds_down: float | None
    state: str
    failed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what reports hold."""
        return {
            "BootIdBefore": self.before,
            "BootIdAfter": self.after,
            "SecondsDown": self.seconds_down,
            "State": self.state,
            "FailedUnits": list(self.failed),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rebooted:
        """Read what `to_json` wrote."""
        seconds = data.get("SecondsDown")
        return cls(
            before=str(data.get("BootIdBefore", "")),
            after=str(data.get("BootIdAfter", "")),
            seconds_down=float(seconds) if isinstance(seconds, (int, float)) else None,
            state=str(data.get("State", "")),
            failed=tuple(map(str, data.get("FailedUnits", ()))),
        )


class RebootFailed(Exception):  # noqa: N818 - a finding about a host, not a fault of the program
    """A host did not reboot, did not come back, or did not come back well.

    Args:
        reason: one of the `REBOOT_` reasons.
        message: one sentence: what happened.
        hint: what the operator should do; may be empty.
        facts: for the report, as `Rebooted.to_json` where known.
    """

    def __init__(
        self, reason: Reason, message: str, *, hint: str = "", facts: Mapping[str, Any] = EMPTY
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hint = hint
        self.facts = {"State": reason.value, **facts}


def script(name: str) -> str:
    """Return the text of one of the scripts in `scripts/`."""
    return (files("fleetctl.engine") / "scripts" / name).read_text(encoding="utf-8")


async def look(
    session: Session,
    *,
    become: Become | None,
    timeout: float,  # noqa: ASYNC109 - handed on to the host's own limit
    wait: bool = False,
) -> Boot:
    """Ask a host which boot it is and how it stands; one round trip.

    Args:
        session: of the host.
        become: as whom; root sees the most.
        timeout: seconds.
        wait: let the host answer only when its systemd has finished starting.

    Raises:
        ExecFailed: it could not be asked, or its answer is not one.
        StepTimedOut: it took longer.
    """
    command = Command(script=script("reboot-look.sh"), args=("wait",) if wait else (), become=become)
    answer = await session.ask(command, timeout=timeout)
    values: dict[str, list[str]] = {}
    for line in answer.text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            values.setdefault(name, []).append(value.strip())
    if not answer.end.ok or "end" not in values:
        how = f"signal {answer.end.signal}" if answer.end.code is None else f"exit code {answer.end.code}"
        text = f"{session.host.name} could not be asked how it stands ({how}): {answer.said}"
        raise ExecFailed(Reason.REMOTE, text.rstrip(": "))
    return Boot(
        boot_id=values.get("boot", [""])[-1],
        init=values.get("init", [""])[-1],
        state=values.get("state", [""])[-1],
        failed=tuple(dict.fromkeys(values.get("failed", ()))),
        jobs=tuple(dict.fromkeys(values.get("job", ()))),
    )


def here() -> Boot | None:
    """Return which boot this machine is, as far as that can be told; to be compared, so without how it stands."""
    try:
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        init = _INIT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return None
    return Boot(boot_id=boot_id, init=init)
