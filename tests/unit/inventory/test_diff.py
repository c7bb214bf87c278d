"""Differences are told by item; versions that stand side by side come and go."""

from datetime import UTC, datetime, timedelta

import pytest

from fleetctl.errors import UsageError
from fleetctl.inventory.diff import RunThen, changes, runs_between
from fleetctl.inventory.when import parse_moment
from fleetctl.store.runs import Runs

TUESDAY = datetime(2026, 11, 24, 10, tzinfo=UTC)


def app(name, version, **more):
    return {"Name": name, "Version": version, "Architecture": "amd64", **more}


def test_what_came_went_and_changed_is_told():
    old = [app("a", "1"), app("b", "1"), app("k", "1"), app("k", "2")]
    new = [app("a", "2"), app("c", "1"), app("k", "2"), app("k", "3")]
    told = [(c.kind, c.name, c.item["Version"], dict(c.fields)) for c in changes("Application", old, new)]
    assert told == [
        ("changed", "a amd64", "2", {"Version": ("1", "2")}),
        ("removed", "b amd64", "1", {}),
        ("added", "c amd64", "1", {}),
        ("removed", "k amd64", "1", {}),
        ("added", "k amd64", "3", {}),
    ]


def test_nothing_is_told_of_what_is_the_same_in_another_order():
    items = [app("a", "1"), app("b", "1")]
    assert list(changes("Application", items, items[::-1])) == []


def test_a_run_is_named_only_for_what_was_installed_in_its_time():
    run = RunThen(
        run_id="r1", document="d", by="u", what="w", begun=TUESDAY, ended=TUESDAY + timedelta(minutes=5)
    )
    for installed, by in (
        ("2026-11-24T10:03:00Z", "r1"),
        ("2026-11-24T10:30:00Z", ""),
        ("", ""),
        ("soon", ""),
    ):
        (change,) = changes("Application", [], [app("a", "1", InstalledTime=installed)])
        assert change.made_by([run]) == by
    (gone,) = changes("Application", [app("a", "1", InstalledTime="2026-11-24T10:03:00Z")], [])
    assert gone.made_by([run]) == ""


@pytest.mark.parametrize(
    ("text", "ago"), [("now", timedelta()), ("3d", timedelta(days=3)), ("1h30m", timedelta(minutes=90))]
)
def test_durations_are_so_long_ago(text, ago):
    assert parse_moment(text, name="--from", now=TUESDAY) == TUESDAY - ago


def test_days_are_those_of_this_machine_and_a_weekday_is_the_last_one():
    def day(text, **how):
        return parse_moment(text, name="--from", now=TUESDAY, **how).astimezone()

    today = TUESDAY.astimezone().date()
    assert day("today").date() == today
    assert day("yesterday").date() == today - timedelta(days=1)
    names = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    for number, name in enumerate(names):
        assert day(name).date().weekday() == number
        assert 1 <= (today - day(name).date()).days <= 7
    assert day("2026-11-01", end_of_day=True).hour == 23
    with pytest.raises(UsageError, match="is no date"):
        day("someday")


def test_runs_that_only_looked_changed_nothing(tmp_path):
    runs = Runs(tmp_path)
    for minute, (document, operation) in enumerate(
        [
            ("AWS-RunPatchBaseline", "Scan"),
            ("AWS-RunPatchBaseline", "Plan"),
            ("AWS-RunPatchBaseline", "Install"),
            ("AWS-GatherSoftwareInventory", ""),
            ("fleetctl-CheckPolicy", ""),
        ]
    ):
        moment = TUESDAY + timedelta(minutes=minute)
        folder = runs.create(f"{moment:%Y%m%dT%H%M%S}.000-00000{minute}")
        folder.write_run(
            {
                "CommandId": folder.run_id,
                "DocumentName": document,
                "RequestedDateTime": moment.isoformat(),
                "Parameters": {"Operation": operation} if operation else {},
                "Hosts": [{"InstanceId": "web-1"}],
            }
        )
    found = runs_between(runs, "web-1", begin=TUESDAY, end=TUESDAY + timedelta(hours=1))
    assert [(run.document, run.what) for run in found] == [("AWS-RunPatchBaseline", "Install")]
