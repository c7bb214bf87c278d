"""The record of first-seen dates: kept, shared, and never in the way."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from fleetctl.store.first_seen import FirstSeenDates

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=3)
A, B = ("a", "1.0", "main"), ("b", "2.0", "")


def test_the_first_date_stays(tmp_path):
    FirstSeenDates(tmp_path).note("apt", [A], NOW)
    FirstSeenDates(tmp_path).note("apt", [A, B], LATER)
    assert FirstSeenDates(tmp_path).dates("apt") == {A: NOW, B: LATER}
    assert (tmp_path / "first-seen.db").stat().st_mode & 0o777 == 0o600


def test_managers_are_kept_apart(tmp_path):
    FirstSeenDates(tmp_path).note("apt", [A], NOW)
    assert FirstSeenDates(tmp_path).dates("apk") == {}


def test_the_earlier_of_two_controllers_wins_whoever_writes_last(tmp_path):
    one, two = FirstSeenDates(tmp_path), FirstSeenDates(tmp_path)
    assert (one.dates("apt"), two.dates("apt")) == ({}, {})  # both have read before either writes
    two.note("apt", [A], LATER)
    one.note("apt", [A], NOW)
    assert FirstSeenDates(tmp_path).dates("apt") == {A: NOW}
    assert (one.trouble, two.trouble) == ("", "")


def test_many_controllers_write_at_once_and_nothing_is_lost(tmp_path):
    program = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from fleetctl.store.first_seen import FirstSeenDates\n"
        "dates = FirstSeenDates(Path(sys.argv[1]))\n"
        "for n in range(20): dates.note('apt', [(f'{sys.argv[2]}-{n}', '1', 'main'), ('shared', str(n), 'main')], datetime.now(UTC))\n"
        "sys.exit(dates.trouble or 0)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), str(number)], stderr=subprocess.PIPE)
        for number in range(4)
    ]
    assert [(child.communicate()[1], child.returncode) for child in children] == [(b"", 0)] * 4
    assert len(FirstSeenDates(tmp_path).dates("apt")) == 4 * 20 + 20


def test_what_only_reads_writes_nothing(tmp_path):
    dates = FirstSeenDates(tmp_path, record=False)
    dates.note("apt", [A], NOW)
    assert dates.dates("apt") == {A: NOW}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"no database at all, but text that is long enough " * 50, b"SQLite format 3\0" + b"\xff" * 4000]
)
def test_a_damaged_file_is_put_aside_and_said(tmp_path, data):
    path = tmp_path / "first-seen.db"
    path.write_bytes(data)
    dates = FirstSeenDates(tmp_path)
    dates.note("apt", [A], NOW)
    assert dates.dates("apt") == {A: NOW}
    assert "cannot be used" in dates.trouble
    (aside,) = tmp_path.glob("first-seen.db.damaged-*")
    assert aside.read_bytes() == data
    assert aside.name in dates.trouble
    assert FirstSeenDates(tmp_path).dates("apt") == {A: NOW}


def test_a_damaged_file_is_left_alone_by_what_only_reads(tmp_path):
    path = tmp_path / "first-seen.db"
    path.write_bytes(b"no database " * 100)
    dates = FirstSeenDates(tmp_path, record=False)
    assert dates.dates("apt") == {}
    assert "left as it is" in dates.trouble
    assert path.read_bytes() == b"no database " * 100


def test_a_file_of_a_newer_fleetctl_is_left_alone(tmp_path):
    FirstSeenDates(tmp_path).note("apt", [A], NOW)
    with sqlite3.connect(tmp_path / "first-seen.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / "first-seen.db").read_bytes()
    dates = FirstSeenDates(tmp_path)
    dates.note("apt", [B], LATER)
    assert "newer fleetctl" in dates.trouble
    assert dates.dates("apt") == {B: LATER}
    assert (tmp_path / "first-seen.db").read_bytes() == before


def test_a_folder_that_is_gone_is_said_and_nothing_more(tmp_path):
    dates = FirstSeenDates(tmp_path / "gone")
    dates.note("apt", [A], NOW)
    assert "cannot be used" in dates.trouble
    assert dates.dates("apt") == {A: NOW}


def test_a_date_that_is_none_is_said(tmp_path):
    FirstSeenDates(tmp_path).note("apt", [A], NOW)
    with sqlite3.connect(tmp_path / "first-seen.db") as db:
        db.execute("UPDATE seen SET first = 'yesterday'")
    db.close()
    dates = FirstSeenDates(tmp_path)
    assert dates.dates("apt") == {}
    assert "cannot be used" in dates.trouble
