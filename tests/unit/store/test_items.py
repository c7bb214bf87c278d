"""Contents are kept once, history stays, and two controllers do not disturb one another."""

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.errors import DamagedError, StateFolderError
from fleetctl.store.items import Items

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
APPS = [{"Name": "openssl", "Version": "3.0.14"}]


def count(store: Items, table: str) -> int:
    with sqlite3.connect(store.path) as db:
        (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - our own table
    db.close()
    return rows


def test_equal_content_is_written_once_for_all_hosts_and_dates(tmp_path):
    store = Items(tmp_path)
    for day in range(3):
        for host in ("web-1", "web-2"):
            store.keep(host, {"Application": APPS}, captured=START + timedelta(days=day), run=f"r{day}")
    assert (count(store, "contents"), count(store, "captures")) == (1, 6)
    (capture,) = store.latest(host="web-1")
    assert (capture.run, capture.count, store.read(capture.hash)) == ("r2", 1, tuple(APPS))


def test_the_state_at_a_date_is_that_of_the_last_look_before_it(tmp_path):
    store = Items(tmp_path)
    for day, version in enumerate(("1", "2", "3")):
        items = [{"Name": "a", "Version": version}]
        store.keep("h", {"Application": items}, captured=START + timedelta(days=day), run=version)
    (capture,) = store.latest(at=START + timedelta(days=1, hours=5))
    assert store.read(capture.hash)[0]["Version"] == "2"
    assert store.latest(at=START - timedelta(seconds=1)) == []
    assert [each.run for each in store.history("h")] == ["1", "2", "3"]


def test_deleting_forgets_contents_that_nobody_needs_and_no_others(tmp_path):
    store = Items(tmp_path)
    store.keep("a", {"Application": APPS, "Network": [{"Name": "eth0"}]}, captured=START, run="r")
    store.keep("b", {"Application": APPS}, captured=START, run="r")
    assert store.delete(hosts=["a"], dry_run=True) == {"Application": (1, 1), "Network": (1, 1)}
    assert store.delete(hosts=["a"]) == {"Application": (1, 1), "Network": (1, 1)}
    assert (count(store, "contents"), count(store, "captures")) == (1, 1)
    assert store.delete(before=START) == {}
    assert store.delete(type_="Application") == {"Application": (1, 1)}
    assert count(store, "contents") == 0


def test_a_damaged_content_and_a_file_that_is_no_database_are_told(tmp_path):
    store = Items(tmp_path)
    kept = store.keep("a", {"Application": APPS}, captured=START, run="r")
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE contents SET data = x'00'")
    db.close()
    with pytest.raises(DamagedError, match="not what was kept"):
        store.read(kept["Application"].hash)
    other = Items(tmp_path / "other")
    other.path.parent.mkdir()
    other.path.write_text("this is no database, but it is long enough to be taken for one" * 20)
    with pytest.raises(StateFolderError):
        other.latest()


def test_a_file_of_a_newer_fleetctl_is_refused(tmp_path):
    store = Items(tmp_path)
    store.latest()
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StateFolderError, match="newer fleetctl"):
        store.latest()


def test_several_controllers_write_at_once(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", TWENTY, str(tmp_path), host]) for host in "abc"]
    assert [child.wait() for child in children] == [0, 0, 0]
    store = Items(tmp_path)
    assert (count(store, "contents"), count(store, "captures")) == (4, 60)


TWENTY = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from fleetctl.store.items import Items
for number in range(20):
    items = [{"Name": "a", "Version": str(number % 4)}]
    captured = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=number)
    Items(Path(sys.argv[1])).keep(sys.argv[2], {"Application": items}, captured=captured, run="r")
"""
ENDLESS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from fleetctl.store.items import Items
number = 0
while True:
    number += 1
    Items(Path(sys.argv[1])).keep("h", {"A": [{"N": str(number)}], "B": [{"N": str(number)}]}, captured=datetime.now(UTC), run=str(number))
    print(number, flush=True)
"""


def test_what_was_said_to_be_kept_is_kept_whole_after_a_kill(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(5)]
    os.kill(child.pid, signal.SIGKILL)
    rest = child.stdout.read().split("\n")
    child.wait()
    child.stdout.close()
    said = int([line for line in [*told, *rest] if line.strip()][-1])
    history = Items(tmp_path).history("h")
    by_run = {}
    for capture in history:
        by_run.setdefault(int(capture.run), set()).add(capture.type)
        assert Items(tmp_path).read(capture.hash) == ({"N": capture.run},)
    assert set(range(1, said + 1)) <= set(by_run)
    assert all(types == {"A", "B"} for types in by_run.values())


contents = st.dictionaries(
    st.sampled_from(["Application", "Network", "Custom:X"]),
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3), max_size=4),
    max_size=3,
)


@settings(max_examples=20)  # each commit waits for the disk
@given(looks=st.lists(st.tuples(st.sampled_from(["a", "b"]), contents), max_size=8))
def test_what_is_kept_is_what_comes_back(looks, tmp_path_factory):
    store = Items(tmp_path_factory.mktemp("items"))
    newest = {}
    for number, (host, told) in enumerate(looks):
        store.keep(host, told, captured=START + timedelta(minutes=number), run=str(number))
        newest |= {(host, name): (str(number), items) for name, items in told.items()}
    found = {(c.host, c.type): (c.run, list(store.read(c.hash))) for c in store.latest()}
    assert found == newest
