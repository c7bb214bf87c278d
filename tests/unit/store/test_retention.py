"""Old runs go, the oldest first; what is not over, not copied or still needed never does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bucket.runs import add_records, make_run

from fleetctl.errors import StateFolderError
from fleetctl.store.lock import RunLock
from fleetctl.store.retention import Aged, Pruning, plan_pruning, prune, sweep
from fleetctl.store.runs import RunFolder, Runs
from fleetctl.store.shipped import Shipment, write_shipments

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = 86_400.0


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "runs").mkdir()
    return Runs(tmp_path / "runs")


def days_old(runs: Runs, days: int, *, size: int = 100, **how: object) -> RunFolder:
    at = NOW - timedelta(days=days)
    run_id = f"{at:%Y%m%dT%H%M%S}.000-{days:06x}"
    return make_run(runs, run_id, {"web-1": {"stdout": b"x" * size}}, at=at.isoformat(), **how)  # type: ignore[arg-type]


def plan(
    runs: Runs, *, days: float | None = None, size: int | None = None, sinks: tuple[str, ...] = ()
) -> Pruning:
    return plan_pruning(runs, keep=None if days is None else days * DAY, max_size=size, sinks=sinks, now=NOW)


def ids(found: tuple[Aged, ...]) -> list[str]:
    return [run.folder.run_id for run in found]


def test_by_age_the_old_ones_go_oldest_first(runs: Runs) -> None:
    folders = [days_old(runs, days) for days in (1, 89, 91, 400)]
    pruning = plan(runs, days=90)
    assert ids(pruning.goes) == [folders[3].run_id, folders[2].run_id]
    assert pruning.spared == ()
    assert pruning.after < pruning.total


def test_by_size_the_oldest_go_until_it_fits(runs: Runs) -> None:
    folders = [days_old(runs, days, size=100_000) for days in (1, 2, 3, 4)]
    pruning = plan(runs, size=250_000)
    assert ids(pruning.goes) == [folders[3].run_id, folders[2].run_id]
    assert pruning.after <= 250_000 < pruning.after + 101_000 + 1000
    assert not pruning.too_large


def test_without_limits_everything_stays(runs: Runs) -> None:
    days_old(runs, 4000)
    assert plan(runs).goes == ()


def test_a_run_s_age_is_that_of_its_last_record(runs: Runs) -> None:
    folder = days_old(runs, 400)
    add_records(folder, [("controller", {}), ("run-ended", {"status": "Success"})], at=NOW.isoformat())
    assert plan(runs, days=90).goes == ()


def spared(runs: Runs, *, sinks: tuple[str, ...] = ()) -> str:
    pruning = plan(runs, days=90, size=0, sinks=sinks)
    assert pruning.goes == ()
    (run,) = pruning.spared
    assert pruning.too_large
    return run.spared


@pytest.mark.parametrize(
    "records",
    [
        [],
        [("run-ended", {}), ("controller", {})],
        [("run-ended", {}), ("run-released", {})],
        [("run-paused", {"wave": 1})],
    ],
)
def test_an_unfinished_run_stays(records: list[tuple[str, dict[str, object]]], runs: Runs) -> None:
    folder = days_old(runs, 400, ended=False)
    add_records(folder, records, at=(NOW - timedelta(days=399)).isoformat())
    assert "unfinished" in spared(runs)


def test_a_run_whose_last_word_is_torn_is_unfinished(runs: Runs) -> None:
    folder = days_old(runs, 400)
    folder.events.write_bytes(folder.events.read_bytes()[:-1])
    assert "unfinished" in spared(runs)


def test_a_run_without_a_ledger_stays(runs: Runs) -> None:
    days_old(runs, 400).events.unlink()
    assert "unfinished" in spared(runs)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"RequestedDateTime": "yesterday"}'])
def test_a_damaged_run_stays(text: str, runs: Runs) -> None:
    (days_old(runs, 400).path / "run.json").write_text(text)
    pruning = plan_pruning(runs, keep=-DAY, max_size=None, now=datetime.now(UTC))
    assert pruning.goes == ()
    assert "damaged" in pruning.spared[0].spared


def test_a_run_that_somebody_works_on_stays(runs: Runs) -> None:
    lock = RunLock.take(days_old(runs, 400).path, doing="fleetctl runs resume")
    try:
        assert "fleetctl runs resume" in spared(runs)
    finally:
        lock.release()


def test_a_run_that_is_not_in_its_sink_stays_until_it_is(runs: Runs) -> None:
    folder = days_old(runs, 400)
    url = "s3://audit/fleet"
    assert f"fleetctl runs ship {folder.run_id}" in spared(runs, sinks=(url,))
    write_shipments(folder, [Shipment(url=url, objects={"run.json": (3, "abc")})])
    assert url in spared(runs, sinks=(url,))
    assert url in spared(
        runs
    )  # it was begun; that the sink was taken out of the settings since does not end it
    write_shipments(folder, [Shipment(url=url, complete=True)])
    assert ids(plan(runs, days=90, sinks=(url,)).goes) == [folder.run_id]
    assert "s3://other" in spared(runs, sinks=(url, "s3://other"))


def test_a_run_that_an_unfinished_one_refers_to_stays(runs: Runs) -> None:
    old = days_old(runs, 400)
    days_old(runs, 399)
    going = days_old(runs, 1, ended=False, selector=f"@failed:{old.run_id}")
    (run,) = plan(runs, days=90).spared
    assert run.folder == old
    assert going.run_id in run.spared
    add_records(going, [("run-ended", {})], at=NOW.isoformat())
    assert old.run_id in ids(plan(runs, days=90).goes)


def test_part_of_an_id_is_a_reference_too(runs: Runs) -> None:
    old = days_old(runs, 400)
    days_old(runs, 1, ended=False, selector=f"@unreachable:{old.run_id[-6:]},web")
    assert plan(runs, days=90).goes == ()


def test_what_goes_is_recorded_first_and_is_gone_then(runs: Runs) -> None:
    old, new = days_old(runs, 400), days_old(runs, 1)
    recorded = []

    def record(run: Aged) -> None:
        assert run.folder.path.is_dir()
        recorded.append((run.folder.run_id, run.head))

    pruning = plan(runs, days=90)
    gone = list(prune(runs, pruning, gone=record))
    assert [run.folder.run_id for run in gone] == [old.run_id]
    assert recorded == [(old.run_id, pruning.goes[0].head)]
    assert len(recorded[0][1]) == 64
    assert [folder.run_id for folder in runs] == [new.run_id]
    assert list((runs.path / ".going").iterdir()) == []


def test_what_cannot_be_recorded_stays(runs: Runs) -> None:
    old = days_old(runs, 400)

    def full(_run: Aged) -> None:
        raise StateFolderError("the audit log cannot be written")

    with pytest.raises(StateFolderError):
        list(prune(runs, plan(runs, days=90), gone=full))
    assert [folder.run_id for folder in runs] == [old.run_id]


def test_what_was_taken_up_since_the_plan_stays(runs: Runs) -> None:
    held, changed = days_old(runs, 400), days_old(runs, 399)
    pruning = plan(runs, days=90)
    lock = RunLock.take(held.path, doing="fleetctl runs resume")
    add_records(changed, [("controller", {})])
    try:
        kept = list(prune(runs, pruning, gone=lambda run: pytest.fail(run.folder.run_id)))
    finally:
        lock.release()
    assert all(run.spared for run in kept)
    assert len(list(runs)) == 2


def test_a_removal_that_was_cut_off_is_not_listed_and_goes_with_the_next(runs: Runs) -> None:
    old = days_old(runs, 400)
    (runs.path / ".going").mkdir()
    old.path.rename(runs.path / ".going" / old.run_id)
    assert list(runs) == []
    sweep(runs)
    assert not (runs.path / ".going").exists()
    sweep(runs)
