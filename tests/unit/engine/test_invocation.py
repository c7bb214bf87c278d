"""Hosts that another controller had begun: what is told of them when nothing can be done, and what is put aside when it is done again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetctl.engine import endings
from fleetctl.engine.budget import Limits, Quota
from fleetctl.engine.control import Control
from fleetctl.engine.replay import Share
from fleetctl.errors import StateFolderError
from fleetctl.model import Command, Host, Outcome, Reason, Status
from fleetctl.transport.protocol import Unreachable

NOTE = {"type": "invocation-started", "host": "h0", "at": "2026-11-23T20:45:12.093+00:00"}
LOST = endings.controller_lost(Host(name="h0"), started=datetime(2026, 11, 23, tzinfo=UTC))
AGAIN = Share(starts=1, outcome=LOST)
TAKEN_UP = Share(starts=1, notes=[NOTE])
REFUSED = Unreachable(Reason.REFUSED, "refused")


def records(ran: Any, type_: str) -> list[dict[str, Any]]:
    lines = map(json.loads, ran.folder.events.read_bytes().splitlines())
    return [record for record in lines if record["type"] == type_]


@pytest.mark.parametrize("how", ["stop", "leave", "cancel"])
@pytest.mark.parametrize(
    ("share", "known"),
    [(AGAIN, (False, "Unknown")), (TAKEN_UP, (True, "InProgress")), (TAKEN_UP, (False, "Unknown"))],
)
async def test_what_was_begun_before_is_never_told_as_not_begun(
    tmp_path: Path, kit: Any, how: str, share: Share, known: tuple[bool, str]
) -> None:
    detached, status = known
    control = Control()
    getattr(control, how)()
    ran = await kit.fan_out(
        tmp_path, [kit.Script()], control=control, shares={"h0": share}, detached=detached
    )
    assert ran.statuses == [status]
    assert ran.fleet.acted == []
    assert not [record for record in records(ran, "invocation-ended") if record["status"] == "Cancelled"]


async def test_a_new_host_is_cancelled_all_the_same(tmp_path: Path, kit: Any) -> None:
    control = Control()
    control.cancel()
    ran = await kit.fan_out(tmp_path, [kit.Script()], control=control)
    assert ran.statuses == ["Cancelled"]


@pytest.mark.parametrize("share", [AGAIN, TAKEN_UP])
async def test_what_was_begun_before_and_is_out_of_reach_is_unknown(
    tmp_path: Path, kit: Any, share: Share
) -> None:
    ran = await kit.fan_out(tmp_path, [kit.Script(ways=(REFUSED,))], shares={"h0": share}, detached=True)
    assert (ran.statuses, ran.reasons) == (["Unknown"], ["refused"])


async def test_a_budget_that_is_spent_ends_no_repetition_as_terminated(tmp_path: Path, kit: Any) -> None:
    ran = await kit.fan_out(
        tmp_path, [kit.Script(ways=(REFUSED,)), kit.Script()], names=["first", "h0"], shares={"h0": AGAIN},
        limits=Limits(max_concurrency=Quota(1), max_unreachable=Quota(0)),
    )  # fmt: skip
    assert ran.statuses == ["Undeliverable", "Unknown"]


async def test_output_of_an_attempt_before_is_put_aside(tmp_path: Path, kit: Any) -> None:
    def before(_: str) -> None:
        assert not (tmp_path / "run" / "out" / "h0").exists()

    folder = tmp_path / "run" / "out" / "h0"

    async def task(session: Any) -> Outcome:
        return session.outcome(await session.exec(Command(script="do")))

    class Late(dict[str, Share]):
        """Puts the earlier output where it is when the run's folder exists."""

        def get(self, key: Any, default: Any = None) -> Any:
            folder.mkdir(exist_ok=True)
            if not (folder / "stdout").exists() and not (tmp_path / "run" / "earlier").exists():
                (folder / "stdout").write_text("first")
            return super().get(key, default)

    ran = await kit.fan_out(
        tmp_path, [kit.Script(out=b"second")], task=task, before_act=before, shares=Late(h0=AGAIN)
    )
    assert ran.statuses == ["Success"]
    assert (tmp_path / "run" / "earlier" / "1" / "h0" / "stdout").read_text() == "first"
    assert ran.folder.read_output("h0", "stdout") == b"second"


async def test_hints_name_the_run(tmp_path: Path, kit: Any) -> None:
    ran = await kit.fan_out(tmp_path, [kit.Script(ways=(REFUSED,))], shares={"h0": TAKEN_UP})
    (outcome,) = ran.outcomes
    assert outcome.hint.endswith("fleetctl runs resume run")


@pytest.mark.parametrize(
    ("hint", "named"),
    [
        ("fleetctl runs resume --retry-unknown", "fleetctl runs resume ID --retry-unknown"),
        ("collect it with: fleetctl runs attach", "collect it with: fleetctl runs attach ID"),
        (
            "fleetctl runs cancel 20261123T204512.093-7f3a9c",
            "fleetctl runs cancel 20261123T204512.093-7f3a9c",
        ),
        ("fleetctl runs gc web", "fleetctl runs gc web"),
        ("", ""),
    ],
)
def test_a_run_is_named_once(hint: str, named: str) -> None:
    outcome = Outcome(host="h0", status=Status.UNKNOWN, hint=hint)
    assert endings.naming(outcome, "ID").hint == named


async def test_a_ledger_that_cannot_be_written_in_the_middle_is_no_bug(tmp_path: Path, kit: Any) -> None:
    async def task(session: Any) -> Outcome:
        await asyncio.sleep(0)
        raise StateFolderError(
            "events.jsonl cannot be written: No space left on device", hint="free some disk space"
        )

    ran = await kit.fan_out(tmp_path, [kit.Script()], task=task)
    assert (ran.statuses, ran.outcomes[0].hint) == (["Failed"], "free some disk space")
