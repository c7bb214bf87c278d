"""A check of policies as data in `run.json`, and back: what `runs resume` and `runs retry` make their task of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleetctl.compliance.policy_load import read_policy
from fleetctl.compliance.policy_task import Bound, PolicyTask
from fleetctl.engine.work import Work
from fleetctl.errors import StateFolderError

__all__ = ["check_work", "restore_check"]


def check_work(task: PolicyTask) -> Work | None:
    """Return the task as data: policies as they were read, and the hosts that their selectors named, whatever files say later."""
    spec = {
        "Become": task.become,
        "Policies": [
            {
                "Source": bound.policy.source,
                "Named": bound.policy.named,
                "Text": bound.policy.text,
                "Hosts": None if bound.hosts is None else sorted(bound.hosts),
                "Waived": [sorted(names) for names in bound.waived],
            }
            for bound in task.bound
        ],
    }
    return Work.of("policy-check", spec, repeatable=True)


def restore_check(spec: Mapping[str, Any]) -> PolicyTask:
    """Make the task again.

    Raises:
        ProblemsError: this fleetctl does not take the policies as the one did that began.
        StateFolderError: what was kept is damaged.
    """
    try:
        return PolicyTask(bound=tuple(map(_bound, spec["Policies"])), become=spec["Become"])
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise StateFolderError(
            f"what run.json says of the policies is damaged: {type(exc).__name__}: {exc}"
        ) from exc


def _bound(told: Mapping[str, Any]) -> Bound:
    policy = read_policy(told["Text"], source=told["Source"], named=told["Named"])
    return Bound(
        policy=policy,
        hosts=None if told["Hosts"] is None else frozenset(told["Hosts"]),
        waived=tuple(map(frozenset, told["Waived"])),
    )
