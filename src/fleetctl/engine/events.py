"""What happens in a run, as it happens. The engine prints nothing: views, notifiers and logs observe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fleetctl.model import Host, Outcome

__all__ = [
    "Audience",
    "Baking",
    "Event",
    "GateChecked",
    "HostBack",
    "HostConnecting",
    "HostEnded",
    "HostRebooting",
    "HostStarted",
    "Note",
    "Observer",
    "RunEnded",
    "RunStarted",
    "WaveEnded",
    "WaveStarted",
]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins; the ledger exists."""

    run_id: str
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class HostConnecting:
    """A host's turn has come; nothing was sent to it yet. `attempt` counts from 1."""

    host: Host
    attempt: int


@dataclass(frozen=True, slots=True)
class HostStarted:
    """The intent is on disk and the work starts."""

    host: Host


@dataclass(frozen=True, slots=True)
class HostRebooting:
    """A host is going to be asked to reboot. Connections to it are opened again and again until it is back."""

    host: Host


@dataclass(frozen=True, slots=True)
class HostBack:
    """A host is back from its reboot and ready; its work goes on."""

    host: Host


@dataclass(frozen=True, slots=True)
class HostEnded:
    """An invocation has come to its end, whether or not it ever started."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Note:
    """Something the operator should read now: a budget is spent, an interrupt was taken."""

    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """All invocations have ended; the report is written."""

    run_id: str
    status: str


@dataclass(frozen=True, slots=True)
class WaveStarted:
    """A wave begins. `number` counts from 1, `of` is how many waves the run has."""

    number: int
    of: int
    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class WaveEnded:
    """All hosts of a wave have ended, or the run was stopped in it. Gates come next."""

    number: int
    of: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Baking:
    """The run waits after wave `number` for `seconds`, to see whether what was done holds."""

    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GateChecked:
    """A gate after wave `number` was checked; one that is not `green` stops the run."""

    number: int
    name: str
    green: bool
    message: str


Event: TypeAlias = (
    RunStarted
    | HostConnecting
    | HostStarted
    | HostRebooting
    | HostBack
    | HostEnded
    | Note
    | RunEnded
    | WaveStarted
    | WaveEnded
    | Baking
    | GateChecked
)
Observer: TypeAlias = Callable[[Event], None]


class Audience:
    """Everybody who observes a run. One whose call fails is told no more, and the run goes on: hosts come first.

    Args:
        observers: called with every event, in order, from the event loop.

    Attributes:
        fault: what the first of them failed with (a reader that closed the pipe), for when the run is over.
    """

    __slots__ = ("_observers", "fault")

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = list(observers)
        self.fault: Exception | None = None

    def add(self, observer: Observer) -> None:
        """Let somebody else observe from now on."""
        self._observers.append(observer)

    def tell(self, event: Event) -> None:
        """Tell all of them."""
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception as exc:  # noqa: BLE001 - half a fleet must not stay undone because a pipe closed
                self._observers.remove(observer)
                self.fault = self.fault or exc
