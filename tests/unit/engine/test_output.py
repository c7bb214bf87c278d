"""Output goes to disk as it comes, whole, with a digest taken on the way."""

from __future__ import annotations

import os
import resource
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.engine.output import OutputFiles, StoreFailed
from fleetctl.model import Exit
from fleetctl.redact import Redactor
from fleetctl.store.runs import RunFolder, Runs


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return Runs(tmp_path).create("run")


def digest(data: bytes) -> str:
    return blake2b(data, digest_size=16).hexdigest()


@contextmanager
def limit(which: int, value: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (soft, hard))


@given(chunks=st.lists(st.binary(max_size=50)))
def test_what_comes_in_pieces_is_stored_whole(
    chunks: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = Runs(tmp_path_factory.mktemp("runs")).create("run")
    files = OutputFiles(folder, "web")
    for chunk in chunks:
        files.step().stdout(chunk)
        files.step().stderr(chunk[::-1])
    files.close()
    out, err = b"".join(chunks), b"".join(chunk[::-1] for chunk in chunks)
    assert folder.read_output("web", "stdout") == out
    assert folder.read_output("web", "stderr") == err
    assert files.sizes() == (len(out), len(err))
    assert files.digests() == (digest(out) if out else "", digest(err) if err else "")


def test_steps_that_printed_nothing_do_not_count_in_a_digest(folder: RunFolder) -> None:
    one, other = OutputFiles(folder, "one"), OutputFiles(folder, "other")
    for name in ("silent", "first", "second"):
        one.step(name)
    one.step("first").stdout(b"a")
    for files in (one, other):
        files.step("first").stderr(b"x")
        files.step("second").stdout(b"b")
        files.close()
    assert other.digests() == (digest(b"b"), digest(b"x"))
    assert one.digests() == (digest((digest(b"a") + digest(b"b")).encode()), digest(b"x"))


def test_a_hundred_megabytes_pass_through_and_are_not_held(folder: RunFolder) -> None:
    piece = os.urandom(1 << 16)
    files = OutputFiles(folder, "web", filters=Redactor(["hunter2hunter2"]).stream)
    tracemalloc.start()
    try:
        for _ in range(1600):
            files.step().stdout(piece)
        files.close()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert files.sizes()[0] == 1600 << 16
    assert (folder.output("web") / "stdout").stat().st_size == 1600 << 16
    assert peak < 2_000_000


@given(cuts=st.lists(st.integers(0, 60), max_size=8))
def test_a_secret_is_found_wherever_the_stream_is_cut(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = b"before hunter2-is-the-password after hunter2-is-the-passwor"
    folder = Runs(tmp_path_factory.mktemp("runs")).create("run")
    files = OutputFiles(folder, "web", filters=Redactor(["hunter2-is-the-password"]).stream)
    edges = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(edges):
        files.step().stdout(text[start:end])
    files.close()
    stored = folder.read_output("web", "stdout")
    assert stored == b"before ******** after hunter2-is-the-passwor"
    assert files.digests()[0] == digest(stored)
    assert files.sizes()[0] == len(stored)


def test_the_filter_is_made_when_the_first_bytes_come_for_secrets_may_be_learnt_late(
    folder: RunFolder,
) -> None:
    known: list[str] = []
    files = OutputFiles(folder, "web", filters=lambda: Redactor(known).stream())
    sink = files.step()
    known.append("asked-for-at-exec")
    sink.stdout(b"sudo says asked-for-at-exec")
    files.close()
    assert folder.read_output("web", "stdout") == b"sudo says ********"


ODD = [
    "../x",
    "a/b",
    "..",
    ".hidden",
    "-rf",
    "über.example",
    "名前",
    "h" * 255,
    "h" * 400,
    "é" * 200,
    "a\nb",
    "a\0b",
    "%41",
    "x%~y",
    "web-[01]",
    "fe80::1%eth0",
    "\udcff",
]


def test_odd_host_names_stay_inside_the_folder_and_apart(folder: RunFolder) -> None:
    for name in ODD:
        files = OutputFiles(folder, name)
        files.step().stdout(name.encode("utf-8", "surrogateescape"))
        files.close()
    assert len(list((folder.path / "out").iterdir())) == len(ODD)
    for name in ODD:
        assert folder.output(name).parent == folder.path / "out"
        assert folder.read_output(name, "stdout") == name.encode("utf-8", "surrogateescape")
    assert sorted(item.name for item in folder.path.iterdir()) == ["out"]


@given(names=st.sets(st.text(st.characters(), min_size=1, max_size=300), min_size=2, max_size=6))
def test_different_names_never_share_a_folder(names: set[str]) -> None:
    folders = {RunFolder(Path("/r")).output(name).name for name in names}
    assert len(folders) == len(names)
    assert all(
        len(os.fsencode(name)) <= 250 and "/" not in name and name not in {".", ".."} for name in folders
    )


def test_steps_are_kept_apart_and_in_the_order_they_ran(folder: RunFolder) -> None:
    files = OutputFiles(folder, "web")
    names = ["zebra", "apple", "mango", "../evil", "steps", "stdout"]
    for name in names:
        files.step(name).stdout(name.encode() + b"\n")
    files.step("silent")
    files.close()
    assert folder.steps("web") == names
    paths = folder.output_files("web", "stdout")
    assert b"".join(path.read_bytes() for path in paths).decode().split() == names
    assert files.read("mango", "stdout") == b"mango\n"


def test_steps_of_a_killed_controller_are_still_found(folder: RunFolder) -> None:
    files = OutputFiles(folder, "web")
    for name in ("b", "a"):
        files.step(name).stdout(b"x")
    assert sorted(folder.steps("web")) == ["a", "b"]
    files.close()


def test_nothing_printed_makes_no_file(folder: RunFolder) -> None:
    files = OutputFiles(folder, "web")
    files.step().stdout(b"")
    files.close()
    assert not list((folder.path / "out").iterdir())
    assert folder.read_output("web", "stdout") == b""
    assert folder.steps("web") == []


def test_stored_output_is_private(folder: RunFolder) -> None:
    files = OutputFiles(folder, "web")
    files.step().stdout(b"x")
    files.close()
    assert (folder.output("web") / "stdout").stat().st_mode & 0o777 == 0o600
    assert folder.output("web").stat().st_mode & 0o777 == 0o700


def test_output_that_cannot_be_kept_is_said_at_the_end_and_counted_as_far_as_it_went(
    folder: RunFolder,
) -> None:
    files = OutputFiles(folder, "web")
    with limit(resource.RLIMIT_FSIZE, 1000):
        files.step().stdout(b"a" * 900)
        files.step().stdout(b"b" * 900)
        files.step().stdout(b"c")
        with pytest.raises(StoreFailed, match="cannot be kept"):
            files.close()
    stored = folder.read_output("web", "stdout")
    assert stored == b"a" * 900 + b"b" * 100
    assert files.sizes()[0] == 1000
    assert files.digests()[0] == digest(stored)


async def test_a_host_whose_output_cannot_be_kept_is_no_success(kit: Any, tmp_path: Path) -> None:
    some = [
        kit.Script(out=b"x" * 50_000),
        kit.Script(out=b"y"),
        kit.Script(out=b"z" * 50_000, end=Exit(code=3)),
    ]
    with limit(resource.RLIMIT_FSIZE, 20_000):
        ran = await kit.fan_out(tmp_path, some)
    assert ran.statuses == ["Failed", "Success", "Failed"]
    assert ran.reasons == ["output", None, "exit-code"]
    assert "output cannot be kept" in ran.outcomes[0].message
    assert "output cannot be kept" in ran.outcomes[2].message
    assert [outcome.response_code for outcome in ran.outcomes] == [0, 0, 3]


def test_too_many_open_files_is_told_of_the_host_not_raised(folder: RunFolder) -> None:
    files = OutputFiles(folder, "web")
    used = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    try:
        with limit(resource.RLIMIT_NOFILE, max(used) + 1):
            files.step().stdout(b"x")
            with pytest.raises(StoreFailed, match="Too many open files"):
                files.close()
    finally:
        for fd in used:
            os.close(fd)
