"""Hold hosts to policies: all checks of all policies in one round trip, which changes nothing there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from fleetctl.compliance.model import ComplianceStatus
from fleetctl.compliance.policy import Check, Policy, Waiver
from fleetctl.engine.task import Session
from fleetctl.model import Become, Command, Host, Outcome, Reason, Status
from fleetctl.resource.ask import Answers, Question, ask, read
from fleetctl.resource.verdict import Standing

__all__ = ["DOCUMENT", "Bound", "PolicyTask", "bind"]

DOCUMENT = "fleetctl-CheckPolicy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A policy, with its selectors resolved.

    Attributes:
        hosts: names of the hosts that it is for; None: all.
        waived: for each of the policy's waivers, names of its hosts.
    """

    policy: Policy
    hosts: frozenset[str] | None = None
    waived: tuple[frozenset[str], ...] = ()

    def waivers(self, check: Check, host: str) -> list[Waiver]:
        """Return the waivers for a check on a host, the one that lasts longest first."""
        found = [
            waiver
            for waiver, names in zip(self.policy.waivers, self.waived, strict=True)
            if check.id in waiver.checks and host in names
        ]
        return sorted(found, key=lambda waiver: waiver.expires, reverse=True)


def bind(policies: Iterable[Policy], select: Callable[[str], Iterable[str]]) -> tuple[Bound, ...]:
    """Resolve the selectors of policies and waivers.

    Args:
        policies: as loaded.
        select: returns the names of hosts that a selector names; none where it matches nothing.

    Raises:
        SelectorError: a selector cannot be read.
    """
    return tuple(
        Bound(
            policy=policy,
            hosts=None if policy.hosts is None else frozenset(select(policy.hosts)),
            waived=tuple(frozenset(select(waiver.hosts)) for waiver in policy.waivers),
        )
        for policy in policies
    )


@dataclass(frozen=True, kw_only=True)
class PolicyTask:
    """Checks hosts: one task for all hosts of a run.

    A host that was asked all is Success, whatever came of it; its data say `Status`. One that no policy is for is Skipped.

    Attributes:
        become: True, False, or None: as the inventory says.
        today: the day by which waivers are judged, in UTC; None: the day on which a host was looked at.
    """

    bound: tuple[Bound, ...]
    become: bool | None = None
    today: date | None = None
    _scripts: dict[tuple[int, ...], str] = field(default_factory=dict, repr=False, compare=False)

    def on(self, host: Host) -> Command:
        """Return what would be sent to a host."""
        mine = self._mine(host)
        if mine not in self._scripts:
            self._scripts[mine] = ask([question for _, _, question in self._questions(mine)])
        become = None if self.become is False else host.become
        return Command(script=self._scripts[mine], become=become or (Become() if self.become else None))

    async def __call__(self, session: Session) -> Outcome:
        """Check one host."""
        if not self._mine(session.host):
            return _skipped(session.host, session.started)
        end = await session.exec(self.on(session.host))
        outcome = session.outcome(end)
        if outcome.status is not Status.SUCCESS:
            return outcome
        return await asyncio.to_thread(self.judge, session.host, session.stdout(), outcome)

    def judge(self, host: Host, stdout: bytes, outcome: Outcome) -> Outcome:
        """Judge what a host has printed.

        Args:
            host: whose answer it is.
            stdout: as stored.
            outcome: of the command; it is completed.
        """
        answers = read(stdout)
        if not answers.complete:
            message = "the host's answer breaks off before its end"
            return replace(outcome, status=Status.FAILED, reason=Reason.REMOTE, message=message)
        today = self.today or (outcome.ended or datetime.now(UTC)).astimezone(UTC).date()
        items = [
            _item(bound, check, question, answers, host=host.name, today=today)
            for bound, check, question in self._questions(self._mine(host))
            if answers.asked(question)
        ]
        if not items:
            return _skipped(host, outcome.started)
        system = answers.system
        told = {
            "PlatformName": system.get("PRETTY_NAME", ""),
            "PlatformVersion": system.get("VERSION_ID", ""),
        }
        data = {
            "Status": _host_status(items).value,
            "Platform": {name: value for name, value in told.items() if value},
            "Items": items,
        }
        return replace(outcome, data=data)

    def _mine(self, host: Host) -> tuple[int, ...]:
        return tuple(
            number
            for number, bound in enumerate(self.bound)
            if bound.hosts is None or host.name in bound.hosts
        )

    def _questions(self, mine: Sequence[int]) -> list[tuple[Bound, Check, Question]]:
        return [
            (
                self.bound[number],
                check,
                Question(
                    name=f"p{number}-c{index}",
                    resource=check.resource,
                    systems=self.bound[number].policy.systems,
                ),
            )
            for number in mine
            for index, check in enumerate(self.bound[number].policy.checks)
        ]


def _item(
    bound: Bound, check: Check, question: Question, answers: Answers, *, host: str, today: date
) -> dict[str, Any]:
    verdict = answers.verdict(question)
    status = ComplianceStatus(verdict.standing.value)
    details: dict[str, Any] = {
        "PolicyName": bound.policy.name,
        "CheckId": check.id,
        "Resource": check.resource.name,
        "Finding": verdict.text,
        "Why": check.why,
        "Remedy": check.remedy,
        "References": dict(check.refs),
        "Source": check.place,
    }
    if verdict.standing is Standing.NON_COMPLIANT and (waivers := bound.waivers(check, host)):
        waiver = waivers[0]
        valid = today <= waiver.expires
        details["Waiver" if valid else "ExpiredWaiver"] = {
            "Owner": waiver.owner,
            "Reason": waiver.reason,
            "Expires": waiver.expires.isoformat(),
        }
        status = ComplianceStatus.WAIVED if valid else status
    return {
        "Id": f"{bound.policy.name}/{check.id}",
        "Title": check.title,
        "Severity": check.severity.value,
        "Status": status.value,
        "Details": {name: value for name, value in details.items() if value},
    }


def _host_status(items: Iterable[Mapping[str, Any]]) -> ComplianceStatus:
    """Return a host's verdict: one thing known to be wrong decides, then one that could not be judged."""
    seen = Counter(item["Status"] for item in items)
    for status in (ComplianceStatus.NON_COMPLIANT, ComplianceStatus.UNKNOWN):
        if seen[status.value]:
            return status
    return ComplianceStatus.COMPLIANT


def _skipped(host: Host, started: datetime | None) -> Outcome:
    return Outcome(
        host=host.name,
        status=Status.SKIPPED,
        reason=Reason.PRECONDITION,
        message="no policy is for this host",
        started=started,
        ended=datetime.now(UTC),
    )
