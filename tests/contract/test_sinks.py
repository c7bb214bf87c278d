"""What every sink keeps to, over a real S3 server and a real folder; and what only S3 can do."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from bucket import CREDENTIALS, Bucket, Gate, S3Server, free_port
from bucket.runs import files_below

from fleetctl.sink.protocol import Sink, SinkConflict, SinkFailed, open_sink

ODD = "a b/[x]{1}~$&';!@:+,=()/%2Ehidden/ü/.data"
LARGE = 20 << 20


@dataclass
class Place:
    sink: Sink
    stored: Callable[[], dict[str, bytes]]


@pytest.fixture(params=["s3", "file"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server, bucket: Bucket, aws: pytest.MonkeyPatch
) -> Place:
    if request.param == "file":
        folder = tmp_path / "far" / "away"
        return Place(open_sink(folder.as_uri(), {}), lambda: files_below(folder))
    sink = open_sink(f"s3://{bucket.name}/pre/fix/", {"endpoint": s3.url})
    return Place(sink, lambda: {key.removeprefix("pre/fix/"): bucket.read(key) for key in bucket.listed()})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "output"
    path.write_bytes(b"from a file\n")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    with path.open("wb") as out:
        for number in range(LARGE >> 20):
            out.write(bytes([number]) * (1 << 20))
    return path


async def test_objects_arrive_as_they_are(place: Place, file: Path, large: Path) -> None:
    await place.sink.put("run/web-1/stdout", file)
    await place.sink.put("run/web-1/stderr", b"\0\xff not text")
    await place.sink.put("run/" + ODD, b"odd")
    await place.sink.put("run/empty", b"")
    await place.sink.put("run/large", large)
    await place.sink.close()
    assert place.stored() == {
        "run/web-1/stdout": b"from a file\n",
        "run/web-1/stderr": b"\0\xff not text",
        "run/" + ODD: b"odd",
        "run/empty": b"",
        "run/large": large.read_bytes(),
    }


async def test_the_same_again_changes_nothing_and_is_well(place: Place, file: Path, large: Path) -> None:
    for _ in range(2):
        await place.sink.put("small", file)
        await place.sink.put("large", large)
    assert sorted(place.stored()) == ["large", "small"]


@pytest.mark.parametrize(
    ("there", "grown"),
    [(b"from", True), (b"other text!\n", False), (b"from a file\nand on", False), (b"", True)],
)
async def test_other_content_is_left_and_told_apart_from_an_earlier_state(
    place: Place, file: Path, there: bytes, grown: bool
) -> None:
    await place.sink.put("key", there)
    with pytest.raises(SinkConflict) as caught:
        await place.sink.put("key", file)
    assert caught.value.grown is grown
    assert caught.value.lasting
    assert place.stored() == {"key": there}


async def test_a_large_object_replaces_nothing_either(place: Place, large: Path) -> None:
    await place.sink.put("key", b"\0" * 100)
    with pytest.raises(SinkConflict) as caught:
        await place.sink.put("key", large)
    assert caught.value.grown
    assert place.stored() == {"key": b"\0" * 100}


async def test_of_many_that_put_one_key_at_once_one_wins(place: Place) -> None:
    results = await asyncio.gather(
        *(place.sink.put("key", b"content %d" % number) for number in range(8)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert all(isinstance(result, SinkConflict) for result in results if result is not None)
    winner = results.index(None)
    assert place.stored() == {"key": b"content %d" % winner}


async def test_a_file_that_went_away_is_a_failure_of_this_object(place: Place, tmp_path: Path) -> None:
    with pytest.raises((SinkFailed, FileNotFoundError)):
        await place.sink.put("key", tmp_path / "gone")
    assert place.stored() == {}


async def test_what_is_put_into_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    sink = open_sink((tmp_path / "there").as_uri(), {})
    await sink.put("run/host/stdout", b"x")
    assert (tmp_path / "there/run/host/stdout").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "there/run").stat().st_mode & 0o777 == 0o700


async def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SinkFailed, match="cannot be written: Not a directory"):
        await open_sink((tmp_path / "file" / "below").as_uri(), {}).put("key", b"x")


async def test_without_hard_links_a_folder_still_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    sink = open_sink(tmp_path.as_uri(), {})
    await sink.put("key", b"one")
    with pytest.raises(SinkConflict):
        await sink.put("key", b"two")
    assert files_below(tmp_path) == {"key": b"one"}


async def test_a_large_object_is_sent_in_parts_and_never_held_whole(
    s3: S3Server, bucket: Bucket, aws: pytest.MonkeyPatch, large: Path
) -> None:
    with Gate(s3).open() as gate:
        sink = open_sink(f"s3://{bucket.name}", {"endpoint": gate.url})
        tracemalloc.start()
        try:
            await sink.put("large", large)
            mine = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*fleetctl*")])
        finally:
            tracemalloc.stop()
        assert sum(method == "PUT" for method, _ in gate.seen) == 3
    assert sum(item.size for item in mine.statistics("filename")) < 1 << 20
    assert bucket.read("large") == large.read_bytes()


async def test_a_busy_server_is_asked_again(s3: S3Server, bucket: Bucket, aws: pytest.MonkeyPatch) -> None:
    with Gate(s3, busy=3).open() as gate:
        await open_sink(f"s3://{bucket.name}", {"endpoint": gate.url}).put("key", b"x")
        assert len(gate.seen) == 4
    assert bucket.read("key") == b"x"


async def test_a_missing_bucket_is_said_and_no_key_of_mine_with_it(
    s3: S3Server, aws: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SinkFailed, match="there is no such bucket") as caught:
        await open_sink("s3://no-such-bucket", {"endpoint": s3.url}).put("key", b"x")
    assert caught.value.lasting
    assert "make the bucket" in caught.value.hint


async def test_a_server_that_is_not_there_is_said(aws: pytest.MonkeyPatch) -> None:
    sink = open_sink("s3://bucket", {"endpoint": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(SinkFailed, match="no connection to the server") as caught:
        await sink.put("key", b"x")
    assert not caught.value.lasting


async def test_the_environment_names_the_server_too(
    s3: S3Server, bucket: Bucket, aws: pytest.MonkeyPatch
) -> None:
    aws.setenv("AWS_ENDPOINT_URL", s3.url)
    await open_sink(f"s3://{bucket.name}/p", {}).put("key", b"x")
    assert bucket.listed() == ["p/key"]


@pytest.mark.parametrize("status", [403, 500])
async def test_no_message_shows_a_secret(status: int, aws: pytest.MonkeyPatch) -> None:
    """A server that hands back what it was sent, as some do with what they could not verify."""
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        body = (
            b"<Error><Code>SignatureDoesNotMatch</Code><Message>"
            + asked
            + secret.encode()
            + b"</Message></Error>"
        )
        writer.write(
            b"HTTP/1.1 %d No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        )
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        sink = open_sink("s3://bucket", {"endpoint": f"http://127.0.0.1:{port}"})
        with pytest.raises(SinkFailed) as caught:
            await sink.put("key", b"x")
    told = f"{caught.value} {caught.value.hint} {caught.value!r} {caught.value.__cause__}"
    assert secret not in told
    assert CREDENTIALS["AWS_ACCESS_KEY_ID"] not in told
    assert str(status) in told
    assert caught.value.__suppress_context__
