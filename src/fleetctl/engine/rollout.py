"""How a run goes on in waves: how large they are, what is asked between them, and that on record for whoever carries on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fleetctl.engine.budget import Quota
from fleetctl.engine.gate_http import HttpGate
from fleetctl.engine.gate_local import LocalGate
from fleetctl.engine.gates import Gate, HostsGate
from fleetctl.engine.waves import parse_waves, split, spread
from fleetctl.errors import StateFolderError, UsageError
from fleetctl.model import Host

__all__ = ["Rollout"]

_KINDS: Final[Mapping[str, Any]] = {"hosts": HostsGate, "local": LocalGate, "http": HttpGate}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A run in waves.

    Attributes:
        waves: cumulative targets, as `parse_waves` reads them.
        spread_by: what each wave is balanced over; None keeps the order of the selector.
        gates: asked after each wave, in this order; all must be green.
        bake: seconds to wait between waves before the gates are asked.
        pause: whether the operator is asked between waves.
        gate_seconds: how long one check of a gate may take.
        gate_retries: how often a red gate is asked again.
        gate_interval: seconds before it is.
    """

    waves: tuple[Quota, ...]
    spread_by: str | None = None
    gates: tuple[Gate, ...] = ()
    bake: float = 0.0
    pause: bool = False
    gate_seconds: float = 60.0
    gate_retries: int = 0
    gate_interval: float = 5.0

    def order(self, hosts: Iterable[Host]) -> tuple[Host, ...]:
        """Return hosts in the order in which waves take them: once, when a run begins; a resumed run keeps its order.

        Raises:
            UsageError: no host has what they are to be spread by.
        """
        return spread(hosts, self.spread_by) if self.spread_by else tuple(hosts)

    def split(self, hosts: Sequence[Host]) -> tuple[tuple[Host, ...], ...]:
        """Return the hosts of each wave, given all of them in the order of the run."""
        return split(self.waves, hosts)

    def refuse_secrets(self, redact: Callable[[str], str]) -> None:
        """Refuse gates that are written with a secret in them: they are put on record, so that a resumed run can ask them.

        Args:
            redact: takes secrets out of text.

        Raises:
            UsageError: there is one.
        """
        for gate in self.gates:
            record = gate.record()
            if any(isinstance(value, str) and redact(value) != value for value in record.values()):
                raise UsageError(
                    f"a secret is written in the gate '{redact(gate.name)}', which would be recorded",
                    hint="let a local gate take it from its environment: --gate-local 'check --token \"$TOKEN\"'",
                )

    def record(self) -> dict[str, Any]:
        """Return it JSON-ready, for `run.json`."""
        return {
            "Waves": ",".join(str(wave) for wave in self.waves),
            **({"SpreadBy": self.spread_by} if self.spread_by else {}),
            "BakeSeconds": self.bake,
            "Pause": self.pause,
            "Gates": [gate.record() for gate in self.gates],
            "GateTimeoutSeconds": self.gate_seconds,
            "GateRetries": self.gate_retries,
            "GateIntervalSeconds": self.gate_interval,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Rollout:
        """Read what `record` returned.

        Raises:
            StateFolderError: it is something else: damaged, or of a version of fleetctl that knew more.
        """
        try:
            spread_by = record.get("SpreadBy")
            if not isinstance(spread_by, str | None):
                raise ValueError("SpreadBy is no text")  # noqa: TRY004, TRY301 - one kind of error
            return cls(
                waves=parse_waves(str(record["Waves"])),
                spread_by=spread_by,
                gates=tuple(_gate(item) for item in record["Gates"]),
                bake=float(record["BakeSeconds"]),
                pause=bool(record["Pause"]),
                gate_seconds=float(record["GateTimeoutSeconds"]),
                gate_retries=int(record["GateRetries"]),
                gate_interval=float(record["GateIntervalSeconds"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, UsageError) as exc:
            text = f"no {exc.args[0]}" if isinstance(exc, KeyError) else str(exc)
            raise StateFolderError(
                f"the run's waves cannot be read from its run.json: {text}",
                hint="was it made by a newer fleetctl? resume it with that one",
            ) from exc


def _gate(record: Mapping[str, Any]) -> Gate:
    kind = record["Kind"]
    if kind not in _KINDS:
        raise ValueError(f"there is no gate of kind '{kind}'")
    gate: Gate = _KINDS[kind].from_record(record)
    return gate
