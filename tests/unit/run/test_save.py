from __future__ import annotations

from pathlib import Path

import pytest

from fleetctl.engine.output import OutputFiles
from fleetctl.errors import UsageError
from fleetctl.run.save import save_output
from fleetctl.store.runs import RunFolder, Runs


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = Runs(tmp_path).create("run")
    for host in ("web", "../evil"):
        files = OutputFiles(made, host)
        files.step("one").stdout(b"1\xff\n")
        files.step("two").stdout(b"2\n")
        files.step("two").stderr(b"e\n")
        files.close()
    return made


def test_steps_are_joined_and_a_silent_host_has_an_empty_file(folder: RunFolder, tmp_path: Path) -> None:
    save_output(folder, ["web", "silent"], tmp_path / "to" / "here")
    files = {path.name: path.read_bytes() for path in (tmp_path / "to" / "here").iterdir()}
    assert files == {"web.out": b"1\xff\n2\n", "web.err": b"e\n", "silent.out": b""}


def test_a_host_s_name_does_not_lead_out_of_the_folder(folder: RunFolder, tmp_path: Path) -> None:
    save_output(folder, ["../evil"], tmp_path / "here")
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == [
        "%2E.%2Fevil.err",
        "%2E.%2Fevil.out",
    ]


def test_a_folder_that_cannot_be_written_is_an_error(folder: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be saved"):
        save_output(folder, ["web"], tmp_path / "file" / "x")
