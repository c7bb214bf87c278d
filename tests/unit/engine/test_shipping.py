"""Runs are shipped while they go on; whatever the sink does, the run goes on too."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from bucket import CREDENTIALS, Bucket, Gate, S3Server, free_port
from bucket.runs import add_records, files_below, make_run

from fleetctl.engine.events import Event, HostEnded, Note, RunStarted
from fleetctl.engine.record import ended_record
from fleetctl.engine.shipping import Shipping
from fleetctl.model import Outcome, Status
from fleetctl.store.runs import RunFolder, Runs
from fleetctl.store.settings import SinkSettings
from fleetctl.store.shipped import read_shipments, unshipped

pytestmark = pytest.mark.usefixtures("aws")

RUN = "20261123T204512.093-7f3a9c"
WHOLE = ["events.jsonl", "report.json", "run.json"]


class Told:
    """What the operator was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Note)
        self.texts.append(event.text)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    (tmp_path / "runs").mkdir()
    return Runs(tmp_path / "runs")


@pytest.fixture
def told() -> Told:
    return Told()


def sink(bucket: Bucket, url: str = "", **settings: object) -> SinkSettings:
    options = {"endpoint": url or bucket.server.url}
    return SinkSettings(url=f"s3://{bucket.name}/p", options=options, **settings)  # type: ignore[arg-type]


def keys(bucket: Bucket) -> list[str]:
    return [key.removeprefix(f"p/{RUN}/") for key in bucket.listed()]


async def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.02)
    pytest.fail("it did not come to pass")


def ended(host: str) -> HostEnded:
    return HostEnded(Outcome(host=host, status=Status.SUCCESS))


async def test_a_finished_run_is_shipped_whole(runs: Runs, bucket: Bucket, told: Told) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"up 3 days\n"}, "web-2": {}})
    shipped = await Shipping([sink(bucket)], folder, tell=told).finish()
    assert shipped.ok
    assert [(s.objects, s.missing, s.complete) for s in shipped.sinks] == [(4, 0, True)]
    assert keys(bucket) == ["events.jsonl", "report.json", "run.json", "web-1/awsrunShellScript/stdout"]
    for name in WHOLE:
        assert bucket.read(f"p/{RUN}/{name}") == (folder.path / name).read_bytes()
    assert unshipped(folder) == []
    assert told.texts == []


async def test_without_sinks_nothing_happens(runs: Runs) -> None:
    folder = make_run(runs, RUN, {})
    shipping = Shipping([], folder)
    shipping.observe(RunStarted(RUN, ()))
    shipping.observe(ended("web-1"))
    assert (await shipping.finish()).ok
    assert not (folder.path / "shipping.json").exists()


async def test_output_and_ledger_are_away_while_the_run_goes_on(
    runs: Runs, bucket: Bucket, told: Told
) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1\n"}}, ended=False, unfinished=("web-2",))
    shipping = Shipping([sink(bucket, every=0.1)], folder, tell=told)
    shipping.observe(RunStarted(RUN, ()))
    shipping.observe(ended("web-1"))
    first = ["events/000001-000004.jsonl", "run.json", "web-1/awsrunShellScript/stdout"]
    await until(lambda: keys(bucket) == first)
    assert bucket.read(f"p/{RUN}/{first[0]}") == folder.events.read_bytes()
    # The rest of it happens.
    add_records(folder, [("invocation-ended", ended_record(ended("web-2").outcome))])
    shipping.observe(ended("web-2"))
    await until(lambda: "events/000005-000005.jsonl" in keys(bucket))
    add_records(folder, [("run-ended", {"status": "Success"})])
    folder.write_report({"CommandId": RUN})
    assert (await shipping.finish()).ok
    assert set(keys(bucket)) == {*first, *WHOLE, "events/000005-000005.jsonl"}
    assert told.texts == []


async def test_at_the_end_means_nothing_before_it(runs: Runs, bucket: Bucket) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1\n"}})
    shipping = Shipping([sink(bucket, when="end", every=0.1)], folder)
    shipping.observe(RunStarted(RUN, ()))
    shipping.observe(ended("web-1"))
    await asyncio.sleep(1.2)
    assert keys(bucket) == []
    assert (await shipping.finish()).ok
    assert keys(bucket) == [*WHOLE, "web-1/awsrunShellScript/stdout"]


async def test_of_a_paused_run_what_is_final_is_shipped_and_it_is_not_complete(
    runs: Runs, bucket: Bucket
) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1\n"}}, ended=False, unfinished=("web-2",))
    shipped = await Shipping([sink(bucket)], folder).finish()
    assert shipped.ok
    assert not shipped.sinks[0].complete
    assert keys(bucket) == ["events/000001-000004.jsonl", "run.json", "web-1/awsrunShellScript/stdout"]
    assert unshipped(folder) == [f"s3://{bucket.name}/p"]


async def test_a_server_that_is_down_at_first_gets_everything_later(
    runs: Runs, s3: S3Server, bucket: Bucket, told: Told
) -> None:
    port = free_port()
    folder = make_run(runs, RUN, {f"web-{n}": {"stdout": b"%d" % n} for n in range(20)})
    shipping = Shipping([sink(bucket, f"http://127.0.0.1:{port}")], folder, tell=told)
    shipping.observe(RunStarted(RUN, ()))
    for number in range(20):
        shipping.observe(ended(f"web-{number}"))
    await until(lambda: bool(told.texts))
    assert told.texts == [
        f"s3://{bucket.name}/p takes no output now: no connection to the server; it is tried again meanwhile"
    ]
    with Gate(s3, port=port).open():
        shipped = await shipping.finish()
    assert shipped.ok
    assert len(keys(bucket)) == 23
    assert len(told.texts) == 1


async def test_a_server_that_stays_down_is_not_waited_for_and_said(
    runs: Runs, s3: S3Server, bucket: Bucket, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetctl.engine.shipping._PATIENCE", 0.5)
    port = free_port()
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1"}})
    settings = sink(bucket, f"http://127.0.0.1:{port}")
    shipped = await Shipping([settings], folder, tell=told).finish(3600)
    assert not shipped.ok
    assert shipped.sinks[0].missing == shipped.sinks[0].total == 4
    assert told.texts[-1] == (
        f"4 of 4 objects are not in s3://{bucket.name}/p: no connection to the server; "
        f"finish with: fleetctl runs ship {RUN}"
    )
    assert unshipped(folder) == [f"s3://{bucket.name}/p"]
    with Gate(s3, port=port).open():
        assert (await Shipping([settings], folder).finish()).ok
    assert unshipped(folder) == []


async def test_one_sink_that_fails_does_not_keep_another_from_being_complete(
    runs: Runs, bucket: Bucket, tmp_path: Path, told: Told
) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1"}})
    missing = SinkSettings(url="s3://no-such-bucket/p", options={"endpoint": bucket.server.url})
    there = SinkSettings(url=(tmp_path / "there").as_uri())
    shipped = await Shipping([missing, there], folder, tell=told).finish()
    assert [share.complete for share in shipped.sinks] == [False, True]
    assert shipped.sinks[0].message == "there is no such bucket"
    assert sorted(files_below(tmp_path / "there")) == [
        f"{RUN}/{key}" for key in [*WHOLE, "web-1/awsrunShellScript/stdout"]
    ]
    assert unshipped(folder) == ["s3://no-such-bucket/p"]


@pytest.mark.parametrize("url", ["nonsense://x/y", "s3://", "file://host/folder"])
async def test_a_sink_that_makes_no_sense_does_not_fail_the_run(url: str, runs: Runs, told: Told) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1"}})
    shipping = Shipping([SinkSettings(url=url)], folder, tell=told)
    shipping.observe(RunStarted(RUN, ()))
    shipping.observe(ended("web-1"))
    assert not (await shipping.finish()).ok
    assert "finish with: fleetctl runs ship" in told.texts[-1]


async def test_a_busy_and_slow_server_gets_everything_and_never_more_than_eight_at_once(
    runs: Runs, s3: S3Server, bucket: Bucket, told: Told
) -> None:
    folder = make_run(runs, RUN, {f"web-{n}": {"stdout": b"%d" % n} for n in range(40)})
    with Gate(s3, busy=20, slow=0.02).open() as gate:
        assert (await Shipping([sink(bucket, gate.url)], folder, tell=told).finish()).ok
    assert len(keys(bucket)) == 43
    assert 1 < gate.most <= 8


async def test_objects_that_are_refused_do_not_keep_others_from_being_put(
    runs: Runs, s3: S3Server, bucket: Bucket, told: Told
) -> None:
    hosts = {f"{kind}-{n}": {"stdout": b"%d" % n} for n in range(12) for kind in ("db", "web")}
    folder = make_run(runs, RUN, hosts)
    with Gate(s3, deny="/db-").open() as gate:
        shipping = Shipping([sink(bucket, gate.url)], folder, tell=told)
        shipping.observe(RunStarted(RUN, ()))
        for host in hosts:
            shipping.observe(ended(host))
        await until(lambda: len(keys(bucket)) == 13)
        shipped = await shipping.finish()
    assert len(keys(bucket)) == 15
    assert (shipped.sinks[0].missing, shipped.sinks[0].total) == (12, 27)
    assert len(told.texts) == 2
    assert "access denied" in told.texts[-1]


async def test_what_somebody_else_put_there_is_left_and_said(runs: Runs, bucket: Bucket, told: Told) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"mine"}, "web-2": {"stdout": b"same"}})
    bucket.write(f"p/{RUN}/web-1/awsrunShellScript/stdout", b"theirs")
    bucket.write(f"p/{RUN}/web-2/awsrunShellScript/stdout", b"same")
    shipped = await Shipping([sink(bucket)], folder, tell=told).finish()
    assert shipped.sinks[0].missing == 1
    assert "stands there with other content" in told.texts[-1]
    assert bucket.read(f"p/{RUN}/web-1/awsrunShellScript/stdout") == b"theirs"


async def test_what_changed_since_it_was_shipped_is_put_beside_its_earlier_state(
    runs: Runs, bucket: Bucket
) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"one\n"}})
    assert (await Shipping([sink(bucket)], folder).finish()).ok
    before = folder.events.read_bytes()
    add_records(folder, [("controller", {}), ("run-ended", {"status": "Success"})])
    (folder.output("web-1") / "stdout").write_bytes(b"one\ntwo\n")
    folder.write_report({"CommandId": RUN, "Status": "Failed"})
    for _ in range(2):
        assert (await Shipping([sink(bucket)], folder).finish()).ok
    assert keys(bucket) == [
        "events.jsonl", "events.jsonl~2", "report.json", "report.json~2", "run.json",
        "web-1/awsrunShellScript/stdout", "web-1/awsrunShellScript/stdout~2",
    ]  # fmt: skip
    assert bucket.read(f"p/{RUN}/events.jsonl") == before
    assert bucket.read(f"p/{RUN}/events.jsonl~2") == folder.events.read_bytes()
    assert bucket.read(f"p/{RUN}/web-1/awsrunShellScript/stdout~2") == b"one\ntwo\n"


async def test_the_output_of_an_attempt_before_stands_beside_that_of_the_last_even_if_its_note_is_lost(
    runs: Runs, bucket: Bucket
) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"killed halfway"}})
    assert (await Shipping([sink(bucket)], folder).finish()).ok
    (folder.path / "shipping.json").unlink()
    (folder.path / "earlier" / "1").mkdir(parents=True)
    folder.output("web-1").rename(folder.path / "earlier" / "1" / "web-1")
    folder.output("web-1").mkdir()
    (folder.output("web-1") / "stdout").write_bytes(b"all of it")
    assert (await Shipping([sink(bucket)], folder).finish()).ok
    assert bucket.read(f"p/{RUN}/web-1/awsrunShellScript/stdout~2") == b"all of it"
    assert bucket.read(f"p/{RUN}/earlier/1/web-1/stdout") == b"killed halfway"


async def test_a_job_that_goes_on_without_us_has_no_final_output(runs: Runs, bucket: Bucket) -> None:
    folder = make_run(runs, RUN, {}, ended=False, unfinished=("web-1",))
    folder.output("web-1").mkdir(parents=True)
    (folder.output("web-1") / "stdout").write_bytes(b"so far")
    shipping = Shipping([sink(bucket)], folder)
    shipping.observe(RunStarted(RUN, ()))
    shipping.observe(HostEnded(Outcome(host="web-1", status=Status.IN_PROGRESS)))
    assert (await shipping.finish()).ok
    assert keys(bucket) == ["events/000001-000002.jsonl", "run.json"]


async def test_an_operator_who_wants_to_go_is_not_held(
    runs: Runs, s3: S3Server, bucket: Bucket, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetctl.engine.shipping._GRACE", 0.1)
    folder = make_run(runs, RUN, {f"web-{n}": {"stdout": b"1"} for n in range(50)})
    with Gate(s3, slow=0.3).open() as gate:
        shipped = await Shipping([sink(bucket, gate.url)], folder, tell=told).finish(3600, leave=lambda: True)
    assert not shipped.ok
    assert "no time left" in told.texts[-1]


async def test_a_second_shipping_puts_only_what_is_missing(runs: Runs, s3: S3Server, bucket: Bucket) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1"}}, ended=False)
    await Shipping([sink(bucket)], folder).finish()
    add_records(folder, [("run-ended", {"status": "Success"})])
    folder.write_report({})
    with Gate(s3).open() as gate:
        assert (await Shipping([sink(bucket, gate.url)], folder).finish()).ok
        assert sorted(path.rpartition("/")[2] for _, path in gate.seen) == ["events.jsonl", "report.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"Sinks": [{"Url": 1, "Objects": {"a": "b"}}]}', '{"Sinks": 3}']
)
async def test_a_damaged_note_of_what_is_shipped_costs_repeats_and_nothing_else(
    text: str, runs: Runs, bucket: Bucket
) -> None:
    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1"}})
    await Shipping([sink(bucket)], folder).finish()
    (folder.path / "shipping.json").write_text(text)
    assert read_shipments(folder) == {}
    assert (await Shipping([sink(bucket)], folder).finish()).ok
    assert unshipped(folder, [f"s3://{bucket.name}/p"]) == []


async def test_an_observer_that_cannot_be_told_does_not_matter(runs: Runs) -> None:
    def closed(_event: Event) -> None:
        raise BrokenPipeError

    folder = make_run(runs, RUN, {"web-1": {"stdout": b"1"}})
    shipping = Shipping([SinkSettings(url="nonsense://x/y")], folder, tell=closed)
    shipping.observe(RunStarted(RUN, ()))
    assert not (await shipping.finish()).ok


async def test_whoever_does_not_want_to_wait_may_leave(runs: Runs, s3: S3Server, bucket: Bucket) -> None:
    folder = make_run(runs, RUN, {f"web-{n}": {"stdout": b"1"} for n in range(50)})
    with Gate(s3, slow=0.2).open() as gate:
        task = asyncio.ensure_future(Shipping([sink(bucket, gate.url)], folder).finish())
        await until(lambda: len(gate.seen) > 8)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    (known,) = read_shipments(folder).values()
    assert known.objects
    assert not known.complete


CHILD = """
import asyncio, sys
from pathlib import Path
from fleetctl.engine.shipping import Shipping
from fleetctl.store.runs import RunFolder
from fleetctl.store.settings import SinkSettings
sink = SinkSettings(url=sys.argv[2], options={"endpoint": sys.argv[3]})
asyncio.run(Shipping([sink], RunFolder(Path(sys.argv[1]))).finish())
"""


def kill_while_shipping(folder: RunFolder, settings: SinkSettings, gate: Gate, *, after: int) -> None:
    argv = [sys.executable, "-c", CHILD, str(folder.path), settings.url, gate.url]
    child = subprocess.Popen(argv, env={**os.environ, **CREDENTIALS})
    try:
        for _ in range(3000):
            if len(gate.seen) >= after or child.poll() is not None:
                break
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL


async def test_after_sigkill_in_the_middle_of_it_the_rest_is_shipped(
    runs: Runs, s3: S3Server, bucket: Bucket
) -> None:
    folder = make_run(runs, RUN, {f"web-{n}": {"stdout": b"%d\n" % n} for n in range(60)})
    settings = sink(bucket)
    with Gate(s3, slow=0.1).open() as gate:
        for after in (5, 20):
            await asyncio.to_thread(kill_while_shipping, folder, settings, gate, after=after)
    there = keys(bucket)
    assert 0 < len(there) < 63
    assert unshipped(folder, [settings.url]) == [settings.url]
    assert (await Shipping([settings], folder).finish()).ok
    assert len(keys(bucket)) == 63
    assert all(bucket.read(f"p/{RUN}/web-{n}/awsrunShellScript/stdout") == b"%d\n" % n for n in range(60))
    assert unshipped(folder, [settings.url]) == []
