"""Files travel over nothing but a shell, and arrive whole or not at all."""

from __future__ import annotations

import os
import secrets as random
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetctl.model import Become, Command, Reason
from fleetctl.transport.files import get, put
from fleetctl.transport.protocol import ExecFailed

TAG = "copy-1"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "it's a file"
    path.write_bytes(os.urandom(300_001) + b"\0\r\n")
    path.chmod(0o640)
    return path


@pytest.fixture
async def remote(place):
    """A folder on the host, with odd characters in its name."""
    name = f"/tmp/fct {random.token_hex(6)} 'é"
    await place.run(Command(script='mkdir "$1"', args=(name,)))
    yield name
    await place.run(Command(script='rm -rf "$1"', args=(name,)))


async def show(place, path: str) -> tuple[str, bytes]:
    """Mode and bytes of a file on the host."""
    ended, out, err = await place.run(Command(script='stat -c %a "$1"; cat "$1"', args=(path,)))
    assert ended.ok, err
    mode, _, data = out.partition(b"\n")
    return mode.decode(), data


async def test_a_file_goes_there_and_comes_back(place, remote, source, tmp_path) -> None:
    back, counted = tmp_path / "back", []
    async with place.connected() as connection:
        await put(connection, source, f"{remote}/x", tag=TAG, progress=counted.append)
        await get(connection, f"{remote}/x", back, tag=TAG, progress=counted.append)
    assert await show(place, f"{remote}/x") == ("640", source.read_bytes())
    assert back.read_bytes() == source.read_bytes()
    assert back.stat().st_mode & 0o7777 == 0o640
    assert sum(counted) == 2 * source.stat().st_size


async def test_a_folder_gets_the_file_under_its_own_name(place, remote, source, tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    async with place.connected() as connection:
        await put(connection, source, remote, tag=TAG)
        await put(connection, source, f"{remote}/", tag=TAG)
        await get(connection, f"{remote}/{source.name}", folder, tag=TAG)
        with pytest.raises(ExecFailed, match="there is no folder"):
            await put(connection, source, f"{remote}/none/", tag=TAG)
        with pytest.raises(ExecFailed, match="there is no folder"):
            await put(connection, source, f"{remote}/none/x", tag=TAG)
    assert (folder / source.name).read_bytes() == source.read_bytes()
    assert (await place.run(Command(script='ls -A "$1"', args=(remote,))))[1].decode().split("\n")[:-1] == [
        source.name
    ]


async def test_mode_is_kept_or_set(place, remote, source) -> None:
    target = f"{remote}/x"
    async with place.connected() as connection:
        await put(connection, source, target, mode="0604", tag=TAG)
        assert (await show(place, target))[0] == "604"
        source.write_bytes(b"new")
        await put(connection, source, target, tag=TAG)
    assert await show(place, target) == ("604", b"new")


async def test_an_empty_file_is_a_file(place, remote, tmp_path) -> None:
    (tmp_path / "empty").touch()
    async with place.connected() as connection:
        await put(connection, tmp_path / "empty", f"{remote}/e", tag=TAG)
        await get(connection, f"{remote}/e", tmp_path / "back", tag=TAG)
    assert (tmp_path / "back").read_bytes() == b""


async def test_a_tree_goes_there_and_comes_back(place, remote, tmp_path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub/deep").mkdir(parents=True)
    (tree / "empty").mkdir()
    (tree / "sub/a b").write_bytes(b"\0one")
    (tree / "sub/deep/run").write_text("#!/bin/sh\n")
    (tree / "sub/deep/run").chmod(0o755)
    (tree / "link").symlink_to("sub/a b")
    async with place.connected() as connection:
        await put(connection, tree, f"{remote}/new", tag=TAG)
        await put(connection, tree, remote, tag=TAG)
        assert await get(connection, f"{remote}/new", tmp_path / "one", tag=TAG) == ()
        await get(connection, f"{remote}/tree", tmp_path / "two", tag=TAG)
    for back in (tmp_path / "one", tmp_path / "two"):
        assert (back / "sub/a b").read_bytes() == b"\0one"
        assert (back / "sub/deep/run").stat().st_mode & 0o777 == 0o755
        assert (back / "empty").is_dir()
        assert (back / "link").readlink() == Path("sub/a b")


async def test_a_host_without_tar_takes_a_tree_too(either, tmp_path, monkeypatch) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub/x").write_bytes(b"1")
    (tree / "y").write_bytes(b"2")
    path = f"/tmp/fct{random.token_hex(6)}"
    hide = 'command() { [ "$2" = tar ] && return 1; unset -f command; command "$@"; }\n'
    async with either.connected() as connection:
        run = connection.exec

        async def without_tar(command: Command, sink: object):
            from dataclasses import replace  # noqa: PLC0415

            return await run(replace(command, script=hide + command.script), sink)

        monkeypatch.setattr(connection, "exec", without_tar)
        await put(connection, tree, path, tag=TAG)
        await get(connection, path, tmp_path / "back", tag=TAG)
        await run(Command(script='rm -r "$1"', args=(path,)), NoSink())
    assert (tmp_path / "back/sub/x").read_bytes() == b"1"
    assert (tmp_path / "back/y").read_bytes() == b"2"


class NoSink:
    def stdout(self, data: bytes) -> None: ...
    def stderr(self, data: bytes) -> None: ...


@pytest.mark.parametrize(
    ("path", "said", "hint"),
    [
        ("/no-such-folder/x", "there is no folder /no-such-folder", "folder"),
        ("/proc/x", "", ""),
        ("/dev/null", "/dev/null is not a file", ""),
    ],
)
async def test_why_a_file_cannot_be_put_is_told(either, source, path, said, hint) -> None:
    async with either.connected() as connection:
        with pytest.raises(ExecFailed) as caught:
            await put(connection, source, path, tag=TAG)
    assert caught.value.reason is Reason.REMOTE
    assert said in caught.value.message
    assert hint in caught.value.hint


async def test_why_a_file_cannot_be_got_is_told(either, tmp_path) -> None:
    async with either.connected() as connection:
        for path, said in (("/no/such", "No such file"), ("/dev/null", "neither a file nor a folder")):
            with pytest.raises(ExecFailed, match=said):
                await get(connection, path, tmp_path / "back", tag=TAG)
        with pytest.raises(ExecFailed) as caught:
            await get(connection, "/etc/passwd", tmp_path / "none/back", tag=TAG)
    assert caught.value.reason is Reason.OUTPUT
    assert list(tmp_path.glob("*back*")) == []
    assert list(tmp_path.glob(".*fleetctl*")) == []


async def test_what_may_not_be_written_needs_become(ssh, secrets, source) -> None:
    who = ssh.scene.people()
    path = f"/root/fct{random.token_hex(6)}"
    async with ssh.connected() as connection:
        with pytest.raises(ExecFailed) as caught:
            await put(connection, source, path, tag=TAG)
        assert "Permission denied" in caught.value.message or "there is no folder" in caught.value.message
        try:
            await put(connection, source, path, become=Become(), owner=f"{who.app}:", mode="400", tag=TAG)
            status = Path(path).stat()
            assert status.st_mode & 0o777 == 0o400
            assert Path(path).owner() == who.app
        finally:
            Path(path).unlink(missing_ok=True)


@contextmanager
def full_disk(folder: Path):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_leaves_the_old_file(ssh, source) -> None:
    who = ssh.scene.people()
    with full_disk(ssh.scene.folder / f"full{random.token_hex(4)}") as folder:
        (folder / "x").write_text("old")
        (folder / "x").chmod(0o666)
        async with ssh.connected() as connection:
            with pytest.raises(ExecFailed) as caught:
                await put(connection, source, f"{folder}/x", tag=TAG)
        assert "No space left" in caught.value.message
        assert "full" in caught.value.hint
        assert [path.name for path in folder.iterdir()] == ["x"]
        assert (folder / "x").read_text() == "old"
    assert who


async def test_a_link_is_written_through_as_cp_does(either, source) -> None:
    folder = f"/tmp/fct{random.token_hex(6)}"
    script = 'mkdir "$1"; echo old >"$1/real"; ln -s real "$1/link"'
    await either.run(Command(script=script, args=(folder,)))
    async with either.connected() as connection:
        await put(connection, source, f"{folder}/link", tag=TAG)
    assert (await show(either, f"{folder}/real"))[1] == source.read_bytes()
    assert (await either.run(Command(script='readlink "$1/link"; rm -r "$1"', args=(folder,))))[
        1
    ] == b"real\n"
