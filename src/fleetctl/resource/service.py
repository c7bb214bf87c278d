"""A service: whether it runs, and whether it starts at boot (systemd, OpenRC, SysV)."""

from __future__ import annotations

from typing import ClassVar, Final, Literal

from pydantic import Field, model_validator

from fleetctl.resource.facts import Facts
from fleetctl.resource.protocol import Resource
from fleetctl.resource.verdict import Findings, Verdict

__all__ = ["Service"]

# systemctl(1), is-enabled: what starts a unit at boot, or when something asks for it.
_ENABLED: Final = frozenset({"enabled", "enabled-runtime", "alias", "static", "indirect", "generated"})
_RUNNING: Final = frozenset({"active", "reloading", "activating"})


class Service(Resource):
    """A service of the host's init system. One that the host does not have is stopped and disabled."""

    type: ClassVar[str] = "service"
    service: str = Field(max_length=4096, alias="name", pattern=r"^[A-Za-z0-9][A-Za-z0-9@._:\\-]*$")
    state: Literal["running", "stopped"] | None = None
    enabled: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> Service:
        if self.state is None and self.enabled is None:
            raise ValueError("say what is wanted: state (running, stopped), enabled (true, false), or both")
        return self

    @property
    def name(self) -> str:
        """What it is called."""
        return f"service {self.service}"

    def words(self) -> tuple[str, ...]:
        """Return what the host is asked."""
        return (self.service,)

    def judge(self, facts: Facts) -> Verdict:
        """Compare."""
        by, load = facts.one("by"), facts.one("load")
        if by in {None, "none"}:
            return Verdict.unknown("no init system that fleetctl knows")
        if load is None:
            return Verdict.unknown(facts.noise or f"{by} did not answer")
        findings = Findings()
        missing = load == "not-found"
        self._judge_state(facts, findings, missing=missing)
        if self.enabled is not None:
            told = facts.one("enabled") or ("masked" if load == "masked" else "disabled" if missing else None)
            enabled = None if told is None else told in _ENABLED or bool(facts.one("enabled_at"))
            findings.hold(
                "at boot",
                expected="enabled" if self.enabled else "disabled",
                found="no such service" if missing else told,
                ok=enabled == self.enabled,
            ) if enabled is not None else findings.equal("at boot", self.enabled, None)
        return findings.verdict()

    def _judge_state(self, facts: Facts, findings: Findings, *, missing: bool) -> None:
        if self.state is None:
            return
        active = "no such service" if missing else facts.one("active")
        if active is None:
            findings.equal("state", self.state, None)
            return
        running = active in _RUNNING
        findings.hold("state", expected=self.state, found=active, ok=running == (self.state == "running"))
