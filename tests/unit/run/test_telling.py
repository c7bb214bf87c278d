from __future__ import annotations

import pytest

from fleetctl.run.telling import tell_run
from fleetctl.store.runs import RunFolder


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("Success", None),
        ("Failed", "failure"),
        ("TimedOut", "failure"),
        ("Unknown", "failure"),
        ("Undeliverable", "error"),
        ("Terminated", "error"),
        ("Cancelled", "error"),
        ("Skipped", "skipped"),
    ],
)
def test_a_status_is_a_verdict(tmp_path: object, status: str, kind: str | None) -> None:
    invocation = {"InstanceId": "web", "Status": status, "StatusDetails": "why", "ResponseCode": -1}
    report = {"CommandId": "x", "DocumentName": "Doc", "Invocations": [invocation]}
    telling = tell_run(report, RunFolder(tmp_path), output=False)  # type: ignore[arg-type]
    (case,) = telling.cases
    assert {name: getattr(case, name) for name in ("failure", "error", "skipped") if getattr(case, name)} == (
        {kind: "why"} if kind else {}
    )
    assert list(telling.rows) == list(telling.rows) == [invocation]
