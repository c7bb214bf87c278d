"""The verdict after an installation is about every host of the order, also those of which nothing was asked."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetctl.cli.patch_install import _has_work, _question
from fleetctl.engine.order import RunResult
from fleetctl.model import Host, Outcome, Reason, Status
from fleetctl.patch.conclude import conclude
from fleetctl.patch.plan import HostPlan, Plan, PlannedPatch

DARK = Outcome(host="dark", status=Status.UNDELIVERABLE, reason=Reason.DNS, message="no such name")
RED = Outcome(host="red", status=Status.FAILED, reason=Reason.PACKAGES, message="no room")


def run(run_id: str, *outcomes: Outcome) -> RunResult:
    return RunResult(run_id=run_id, status="", outcomes=outcomes, folder=None, report={})  # type: ignore[arg-type]


def test_hosts_that_were_only_looked_at_are_in_the_report(tmp_path: Path) -> None:
    scanned = conclude(run("R2", RED), tmp_path, looked=[run("R1", DARK)])
    assert [host["ResourceId"] for host in scanned.report["Unscanned"]] == ["red", "dark"]
    assert scanned.report["CommandId"] == "R2"
    assert scanned.path == tmp_path / "R2.json"


@pytest.mark.parametrize(
    ("outcomes", "looked", "code"), [((), (DARK,), 4), ((RED,), (DARK,), 3), ((RED,), (), 3), ((), (), 0)]
)
def test_the_exit_code_counts_them_too(
    tmp_path: Path, outcomes: tuple[Outcome, ...], looked: tuple[Outcome, ...], code: int
) -> None:
    assert conclude(run("R2", *outcomes), tmp_path, looked=[run("R1", *looked)]).exit_code == code


PATCHED = HostPlan(host="a", manager="apt", baseline="b", patches=(PlannedPatch(name="x"),))
WAITING = HostPlan(host="b", manager="apt", baseline="b", reboot_pending=True)
IDLE = HostPlan(host="c", manager="apt", baseline="b", reboot_pending=False)


@pytest.mark.parametrize(
    ("share", "reboot", "work"),
    [
        (PATCHED, "never", True),
        (WAITING, "if-needed", True),
        (WAITING, "never", False),
        (IDLE, "always", False),
    ],
)
def test_a_host_that_waits_for_a_reboot_has_work_unless_nothing_is_rebooted(
    share: HostPlan, reboot: str, work: bool
) -> None:
    assert _has_work(share, reboot) is work


@pytest.mark.parametrize(
    ("shares", "question"),
    [
        ((PATCHED,), "Install this on 1 host?"),
        ((PATCHED, WAITING), "Install this on 1 host and reboot 1 that waits for it?"),
        ((WAITING, WAITING), "Reboot 2 that wait for it?"),
    ],
)
def test_the_question_says_how_many_hosts_are_changed_and_how(
    shares: tuple[HostPlan, ...], question: str
) -> None:
    plan = Plan(plan_id="R1", made=datetime.now(UTC), hosts=shares)
    assert _question(plan, tuple(Host(name=share.host) for share in shares)) == question
