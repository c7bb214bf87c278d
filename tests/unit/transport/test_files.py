"""What a host sends as a folder is unpacked inside of the target, or not at all."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from importlib import resources
from pathlib import Path

import pytest

from fleetctl.transport.archive import NotSafe, pack, unpack


def archive(*members: tuple[str, bytes, str, int]) -> io.BytesIO:
    """Build an archive of (name, type, data or link target, mode)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, content, mode in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, mode
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
            else:
                info.linkname = content
                tar.addfile(info)
    out.seek(0)
    return out


FILE, FOLDER, LINK, HARD, DEVICE = (
    tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
)  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "target"
    path.mkdir()
    (tmp_path / "outside").mkdir()
    return path


@pytest.mark.parametrize("name", ["../outside/x", "/tmp/fct-never", "a/../../outside/x"])
def test_a_name_that_leads_outside_is_refused(target: Path, name: str) -> None:
    with pytest.raises(NotSafe):
        unpack(archive((name, FILE, "x", 0o644)), target)
    assert list((target.parent / "outside").iterdir()) == []
    assert not Path("/tmp/fct-never").exists()


@pytest.mark.parametrize("to", ["../outside", "/etc", "a/../../outside", ".."])
def test_a_link_that_leads_outside_is_left_out(target: Path, to: str) -> None:
    _, left = unpack(archive(("a", FOLDER, "", 0o755), ("l", LINK, to, 0o777)), target)
    assert left == ("l",)
    assert not (target / "l").is_symlink()


def test_links_that_together_lead_outside_are_left_out(target: Path) -> None:
    (target.parent / "outside/secret").write_text("x")
    members = (("d", LINK, ".", 0o777), ("evil", LINK, "d/d/../../outside/secret", 0o777))
    _, left = unpack(archive(*members), target)
    assert left == ("evil",)
    assert not (target / "evil").is_symlink()


def test_nothing_is_written_through_a_link(target: Path) -> None:
    members = (("l", LINK, "sub", 0o777), ("sub", FOLDER, "", 0o755), ("l/x", FILE, "x", 0o644))
    with pytest.raises((NotSafe, OSError)):
        unpack(archive(*members), target)
    assert not (target / "sub/x").exists()


def test_a_link_that_was_there_before_is_not_written_through(target: Path) -> None:
    outside = target.parent / "outside"
    (target / "dir").symlink_to(outside)
    (target / "file").symlink_to(outside / "new")
    with pytest.raises(NotSafe):
        unpack(archive(("dir/x", FILE, "x", 0o644)), target)
    unpack(archive(("file", FILE, "x", 0o644)), target)
    assert list(outside.iterdir()) == []
    assert not (target / "file").is_symlink()


def test_devices_and_set_id_bits_are_not_taken(target: Path) -> None:
    _, left = unpack(archive(("dev", DEVICE, "", 0o666), ("su", FILE, "x", 0o4755)), target)
    assert left == ("dev",)
    assert (target / "su").stat().st_mode & 0o7777 == 0o755


def test_hard_links_become_files(target: Path) -> None:
    unpack(archive(("a", FILE, "x", 0o644), ("b", HARD, "a", 0o644)), target)
    assert (target / "b").read_text() == "x"
    with pytest.raises(NotSafe):
        unpack(archive(("c", HARD, "../outside/x", 0o644)), target)


def test_a_damaged_archive_is_said(target: Path) -> None:
    whole = archive(("a", FILE, "x" * 9000, 0o644)).getvalue()
    with pytest.raises(NotSafe):
        unpack(io.BytesIO(whole[:3000]), target)


def test_what_is_packed_is_unpacked(target: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub/x").write_bytes(b"12345")
    (source / "sub/x").chmod(0o600)
    (source / "l").symlink_to("sub/x")
    out = io.BytesIO()
    assert pack(source, out) == 5
    out.seek(0)
    assert unpack(out, target) == (5, ())
    assert (target / "sub/x").stat().st_mode & 0o777 == 0o600
    assert (target / "l").read_bytes() == b"12345"


def test_what_lies_in_wait_under_the_temporary_name_gets_nothing(tmp_path: Path) -> None:
    script = resources.files("fleetctl.transport").joinpath("scripts/put.sh").read_text(encoding="utf-8")
    trap = 'mkfifo "${1%/*}/.x.fleetctl.$$"\n'
    argv = ["sh", "-c", trap + script, "sh", str(tmp_path / "x"), "x", "6", "", "600", "", ""]
    done = subprocess.run(argv, input=b"secret", capture_output=True, check=False, timeout=20)
    assert done.returncode == 1
    assert b"is in the way" in done.stderr
    (left,) = tmp_path.iterdir()
    assert left.is_fifo()


def push(script: str, tmp_path: Path, *args: str, data: bytes, **programs: str) -> tuple[int, str, list[str]]:
    """Run a script with some programs replaced, and return its exit code, stderr, and the calls of these."""
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    log.touch()
    for name, body in programs.items():
        real = str(shutil.which(name))
        (folder / name).write_text(f'#!/bin/sh\necho "{name} $*" >>"{log}"\n{body.replace("REAL", real)}\n')
        (folder / name).chmod(0o755)
    text = (resources.files("fleetctl.transport") / "scripts" / script).read_text()
    done = subprocess.run(
        ["sh", "-c", text, "push", *args], input=data, capture_output=True, check=False,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "LC_ALL": "C"},
    )  # fmt: skip
    return done.returncode, done.stderr.decode(), log.read_text().splitlines()


PASS = 'exec REAL "$@"'


def test_a_file_is_on_disk_before_it_takes_the_place_of_another(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    args = (str(target), "x", "3", "", "644", "", "")
    code, said, calls = push("put.sh", tmp_path, *args, data=b"new", dd=PASS, mv=PASS)
    assert (code, said, target.read_text()) == (0, "", "new")
    assert [call.split()[0] for call in calls] == ["dd", "mv"]
    assert "fsync" in calls[0]


def test_a_host_whose_dd_knows_no_fsync_is_none_the_worse(tmp_path: Path) -> None:
    target, odd = tmp_path / "x", "echo 'dd: unknown conversion fsync' >&2; exit 1"
    code, said, _ = push("put.sh", tmp_path, str(target), "x", "3", "", "644", "", "", data=b"new", dd=odd)
    assert (code, said, target.read_text()) == (0, "", "new")


def test_a_file_that_does_not_get_to_disk_leaves_the_old_one(tmp_path: Path) -> None:
    target, bad = tmp_path / "x", "echo \"dd: fsync failed for 'x': Input/output error\" >&2; exit 1"
    target.write_text("old")
    code, said, _ = push("put.sh", tmp_path, str(target), "x", "3", "", "644", "", "", data=b"new", dd=bad)
    assert (code, target.read_text()) == (1, "old")
    assert said == f"fleetctl: {target} could not be brought to disk: Input/output error\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "calls", "x"]


@pytest.mark.parametrize(
    ("helps", "synced"), [("-f, --file-system", True), ("[-df] [FILE]...", True), ("usage: sync", False)]
)
def test_a_folder_is_brought_to_disk_where_its_file_system_alone_can_be(
    tmp_path: Path, helps: str, synced: bool
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/x").write_text("new")
    with io.BytesIO() as out:
        pack(tmp_path / "source", out)
        data = out.getvalue()
    sync = f'[ "$1" != --help ] || echo "{helps}"'
    args = (str(tmp_path / "target"), "source", "")
    code, said, calls = push("put-folder.sh", tmp_path, *args, data=data, sync=sync)
    assert (code, said, (tmp_path / "target/x").read_text()) == (0, "", "new")
    assert calls == ["sync --help", *(["sync -f ."] if synced else [])]
