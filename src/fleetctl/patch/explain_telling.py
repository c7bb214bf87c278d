"""Tell an explanation: in one paragraph for people, and as data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from fleetctl.patch.approval import Deployment, Trace
from fleetctl.patch.baseline import ApprovalRule
from fleetctl.patch.evaluate import PatchState
from fleetctl.patch.explain import Considered, Explanation

__all__ = ["explanation_json", "paragraph"]


def paragraph(told: Explanation) -> str:
    """Return it as one paragraph."""
    patch, target = told.patch, _deciding(told)
    title = f"{patch.name}.{patch.arch}" if patch.arch else patch.name
    verdict = "compliant" if patch.compliant else "not compliant"
    sentences = [f"{title} on {told.host} is {patch.state.value}, which is {verdict}"]
    sentences.append(_situation(told, target))
    if target is not None:
        sentences += _reasons(told, target)
        sentences += [
            f"The newer {version.version}{_from(version)} is not asked for: {_first_reason(version, told)}"
            for version in told.versions
            if not version.installed and version is not target and _before(told, version, target)
        ]
    held = told.patch.update.held if told.patch.update else ""
    if patch.state is PatchState.MISSING and held:
        sentences.append(f"It is {patch.note}; a plan leaves it out until that is lifted there")
    elif held and patch.state is PatchState.AVAILABLE_SECURITY_UPDATE:
        sentences.append(f"On the host it is kept back too ({held})")
    elif patch.note and patch.state in {PatchState.MISSING, PatchState.FAILED}:
        sentences.append(f"On the host: {patch.note}")
    elif patch.note and patch.state is PatchState.INSTALLED_PENDING_REBOOT:
        sentences.append(f"It is {patch.note}" if patch.package else f"The host says: {patch.note}")
    sentences.append(f"The host was looked at by run {told.look.run_id} on {_minute(told.look.time)}")
    return " ".join(f"{sentence.rstrip('.')}." for sentence in sentences if sentence)


def explanation_json(told: Explanation) -> dict[str, Any]:
    """Return it as data, with SSM's names where it has any."""
    patch, target = told.patch, _deciding(told)
    installed = next((v.version for v in told.versions if v.installed), "")
    wanted = patch.target.version if patch.target and patch.state is PatchState.MISSING else ""
    optional = {
        "InstalledVersion": installed,
        "WantedVersion": wanted,
        "DecidedBy": target.decision.by if target and target.decision else "",
        "Held": patch.update.held if patch.update else "",
        "Note": patch.note,
    }
    return {
        "InstanceId": told.host,
        "Title": f"{patch.name}.{patch.arch}" if patch.arch else patch.name,
        "State": patch.state.value,
        "Compliant": patch.compliant,
        "Severity": patch.severity.value,
        "PatchBaselineId": told.baseline.name,
        "BaselineChosen": told.chosen,
        **{name: value for name, value in optional.items() if value},
        "Versions": [_version_json(version) for version in told.versions],
        "CommandId": told.look.run_id,
        "ScanTime": told.look.time.isoformat(timespec="seconds"),
        "ExplainedTime": told.now.isoformat(timespec="seconds"),
        "Text": paragraph(told),
    }


def _deciding(told: Explanation) -> Considered | None:
    """Return the version that the verdict is about: the target, else the installed one."""
    if told.patch.target is not None:
        return next(v for v in told.versions if v.version == told.patch.target.version and not v.installed)
    return next((v for v in told.versions if v.installed), None)


def _situation(told: Explanation, target: Considered | None) -> str:
    patch, installed = told.patch, next((v for v in told.versions if v.installed), None)
    has = f"It has {installed.version}; the" if installed else "The"
    baseline = f"{has} baseline '{told.baseline.name}', chosen {told.chosen},"
    if target is None:
        return f"{baseline} does not come into it"
    if target.installed:
        asked = target.decision is not None and target.decision.status.asked_for
        return f"{baseline} {'asks for that version' if asked else 'asks for no other version'}"
    what = "asks for" if patch.state is PatchState.MISSING else "does not ask for"
    if target.decision is not None and target.decision.status is Deployment.PENDING_APPROVAL:
        what = "does not yet ask for"
    return f"{baseline} {what} {target.version}{_from(target)}"


def _reasons(told: Explanation, target: Considered) -> Iterator[str]:
    """Yield which part decided, then why the others did not."""
    deciding = target.decision.by if target.decision else ""
    # Of a rule that decided, its own trace comes first.
    for trace in sorted(target.traces, key=lambda trace: trace.by != deciding):
        if trace.decision is None:
            yield f"{trace.by} {trace.why_not}"
        elif trace.by == deciding:
            yield f"{trace.by} decided: {_decided(trace, target, told)}"
        else:
            yield f"{trace.by} fits too, and counts for less: {_decided(trace, target, told)}"
    if not target.traces:
        yield "It has no rule at all"


def _first_reason(version: Considered, told: Explanation) -> str:
    for trace in version.traces:
        if trace.decision is None:
            return f"{trace.by} {trace.why_not}"
        return f"{trace.by}: {_decided(trace, version, told)}"
    return "the baseline has no rule"


def _decided(trace: Trace, version: Considered, told: Explanation) -> str:
    decision = trace.decision
    assert decision is not None  # noqa: S101 - the caller looked
    if decision.status is Deployment.EXPLICIT_REJECTED:
        return f"its entry '{trace.entry}' names it, and rejection wins over everything else"
    if decision.status is Deployment.EXPLICIT_APPROVED:
        return f"its entry '{trace.entry}' names it, and comes before all rules"
    rule = told.baseline.approval_rules[int(trace.by.partition("[")[2].rstrip("]"))]
    return f"{_filters(rule)}, and {_delay(rule, version, told, pending=decision.status is Deployment.PENDING_APPROVAL)}"


def _filters(rule: ApprovalRule) -> str:
    said = [f"{key.value} {' or '.join(values)}" for key, values in rule.filters.values.items()]
    return f"its filters fit ({', '.join(said)})" if said else "it has no filters"


def _delay(rule: ApprovalRule, version: Considered, told: Explanation, *, pending: bool) -> str:
    dated = _dated(version, told)
    if rule.approve_until_date is not None:
        if version.since is None:
            return "nobody knows its date, so that it is approved"
        where = "after" if pending else "not after"
        return f"{dated}, {where} {rule.approve_until_date.isoformat()}, until which it approves"
    if not rule.approve_after_days:
        return "it approves without delay"
    days = f"{rule.approve_after_days} day{'s' if rule.approve_after_days > 1 else ''}"
    if version.since is None:
        return f"nobody knows its date, so that its delay of {days} does not count"
    due = version.since.astimezone(UTC) + timedelta(days=rule.approve_after_days)
    return f"{dated}: the {days} that it waits {'end' if pending else 'ended'} on {_minute(due)}"


def _dated(version: Considered, told: Explanation) -> str:
    if version.since is None:
        return "it has no date"
    if version.dated_by == "vendor":
        return f"its vendor published it on {version.since:%Y-%m-%d}"
    if version.since == told.now:
        return "the vendor gives no date and fleetctl sees it for the first time"
    return f"the vendor gives no date and fleetctl first saw it on {_minute(version.since)}"


def _from(version: Considered) -> str:
    return f" from {', '.join(version.repositories)}" if version.repositories else ""


def _before(told: Explanation, version: Considered, target: Considered) -> bool:
    """Tell whether a version is newer than the one that the verdict is about."""
    return told.versions.index(version) < told.versions.index(target)


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _version_json(version: Considered) -> dict[str, Any]:
    decision = version.decision
    optional = {
        "DeploymentStatus": decision.status.value if decision else "",
        "DecidedBy": decision.by if decision else "",
        "ApprovalTime": decision.due.isoformat(timespec="seconds") if decision and decision.due else "",
        "Since": version.since.isoformat(timespec="seconds") if version.since else "",
        "DatedBy": version.dated_by,
    }
    return {
        "Version": version.version,
        "Installed": version.installed,
        "Security": version.security,
        "Repositories": list(version.repositories),
        **{name: value for name, value in optional.items() if value},
        "Parts": [
            {
                "By": trace.by,
                "DeploymentStatus": trace.decision.status.value if trace.decision else None,
                **({"Entry": trace.entry} if trace.entry else {}),
                **({"WhyNot": trace.why_not} if trace.why_not else {}),
            }
            for trace in version.traces
        ],
    }
