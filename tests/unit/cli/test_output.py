"""Where results are written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from fleetctl.cli.output import check_writable, destination
from fleetctl.errors import UsageError


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "report"
    place.write_text("old")

    def fail() -> None:
        with destination(place) as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert place.read_text() == "old"
    with destination(place) as file:
        file.write("new")
    assert place.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_is_no_file_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    check_writable(pipe)
    with destination(pipe) as file:
        file.write("report")
    reader.join(10)
    assert got == ["report"]
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    with destination(tmp_path / "link") as file:
        file.write("report")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "report"


def test_nothing_is_written_through_a_link_laid_out_for_the_temporary_name(tmp_path: Path) -> None:
    trap = tmp_path / f".report.{os.getpid()}"
    trap.symlink_to(tmp_path / "victim")
    with destination(tmp_path / "report") as file:
        file.write("report")
    assert not (tmp_path / "victim").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"), destination(tmp_path / "no" / "report"):
        pass
