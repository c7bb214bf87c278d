"""Files pushed to and pulled from real hosts: embedded SSH servers with a real shell."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleetctl.demo.server import EmbeddedHost, Listening, serve, write_key
from fleetctl.engine.order import RunResult
from fleetctl.engine.task import Task
from fleetctl.fleet import Fleet
from fleetctl.model import Outcome
from fleetctl.run.copy import PullTask, PushTask
from fleetctl.run.manifest import local_manifest

BASIC = ("sh", "cat", "chmod", "chown", "find", "grep", "mkdir", "mv", "rm", "sed", "stat", "wc", "readlink")


class Site:
    """One host, its home, and the controller's own folder."""

    def __init__(self, fleet: Fleet, home: Path, here: Path) -> None:
        self.fleet = fleet
        self.home = home
        self.here = here

    async def do(self, task: Task) -> tuple[Outcome, str]:
        result: RunResult = await self.fleet.fan_out(task, "all", name="copy")
        (outcome,) = result.outcomes
        return outcome, result.folder.read_output(outcome.host, "stdout").decode("utf-8", "surrogateescape")

    async def push(self, *sources: Path, to: str, **options: Any) -> tuple[Outcome, str]:
        manifest = local_manifest(sources, into=to.endswith("/"))
        return await self.do(PushTask(manifest=manifest, destination=to, **options))

    async def pull(self, source: str, **options: Any) -> tuple[Outcome, str]:
        return await self.do(PullTask(source=source, folder=self.here / "pulled", **options))

    @property
    def pulled(self) -> Path:
        return self.here / "pulled" / "web-1"


def fleet_of(host: Listening, folder: Path) -> Fleet:
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{host.port} {host.host_key}\n")
    (folder / "ssh_config").write_text("IdentityAgent none\nIdentitiesOnly yes\n")
    (folder / "fleetctl.yaml").write_text("ssh: {known_hosts: [known_hosts], config: ssh_config}\n")
    (folder / "inventories").mkdir()
    (folder / "inventories" / "hosts.yaml").write_text(
        f"hosts: {{web-1: {{address: 127.0.0.1, port: {host.port}, user: demo, identity_file: {folder}/key}}}}\n"
    )
    return Fleet.open(folder, state=folder / ".fleetctl")


@pytest.fixture
def environment() -> Mapping[str, str]:
    """What the host's commands find in their environment; tests override it by parametrizing."""
    return {}


@pytest.fixture
async def site(tmp_path: Path, environment: Mapping[str, str]) -> AsyncIterator[Site]:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    key = write_key(here / "key")
    tools = tmp_path / "tools"
    tools.mkdir()
    env = {name: value.replace("{tools}", str(tools)) for name, value in environment.items()}
    async with serve([EmbeddedHost(name="web-1", home=home, env=env)], authorized=key) as listening:
        yield Site(fleet_of(listening["web-1"], here), home, here)


def written(path: Path, text: str = "hello\n", mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names_in(folder: Path) -> list[bytes]:
    return sorted(os.fsencode(path.name) for path in folder.iterdir())


async def test_a_new_file_arrives_with_the_mode_it_has_here(site: Site) -> None:
    outcome, said = await site.push(written(site.here / "a.conf", mode=0o640), to="b.conf")
    assert outcome.status == "Success"
    assert outcome.data == {
        "Destination": str(site.home / "b.conf"),
        "Sent": 1,
        "Settled": 0,
        "Unchanged": 0,
        "Bytes": 6,
    }
    assert said == "sent       b.conf  (6 bytes)\n"
    assert (site.home / "b.conf").read_text() == "hello\n"
    assert mode_of(site.home / "b.conf") == 0o640


async def test_a_file_that_is_there_keeps_its_mode(site: Site) -> None:
    there = written(site.home / "b.conf", "old", 0o600)
    await site.push(written(site.here / "a.conf"), to="b.conf")
    assert there.read_text() == "hello\n"
    assert mode_of(there) == 0o600


def _written(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written anew; when it was last read changes by itself."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


async def test_an_unchanged_file_is_not_sent_again(site: Site) -> None:
    source = written(site.here / "a.conf")
    await site.push(source, to="b.conf")
    before = _written(site.home / "b.conf")
    outcome, said = await site.push(source, to="b.conf")
    assert (outcome.data["Sent"], outcome.data["Unchanged"]) == (0, 1)
    assert said == "unchanged  b.conf\n"
    assert _written(site.home / "b.conf") == before


async def test_only_what_differs_in_a_folder_is_sent(site: Site) -> None:
    written(site.here / "www" / "index.html")
    written(site.here / "www" / "css" / "a.css", "a")
    (site.here / "www" / "empty").mkdir()
    await site.push(site.here / "www", to="srv")
    assert (site.home / "srv" / "empty").is_dir()
    written(site.here / "www" / "css" / "a.css", "b")
    outcome, said = await site.push(site.here / "www", to="srv")
    assert said == "sent       srv/css/a.css  (1 bytes)\nunchanged  srv/index.html\n"
    assert (site.home / "srv" / "css" / "a.css").read_text() == "b"
    assert outcome.data["Bytes"] == 1


async def test_a_mode_that_is_asked_for_is_set_also_where_the_content_is_right(site: Site) -> None:
    source = written(site.here / "a.conf")
    await site.push(source, to="b.conf", mode="0644")
    outcome, said = await site.push(source, to="b.conf", mode="0600")
    assert (outcome.data["Sent"], outcome.data["Settled"]) == (0, 1)
    assert said == "settled    b.conf  (mode or owner)\n"
    assert mode_of(site.home / "b.conf") == 0o600
    again, _ = await site.push(source, to="b.conf", mode="0600")
    assert again.data["Unchanged"] == 1


async def test_an_owner_that_is_there_already_is_not_set_again(site: Site) -> None:
    source = written(site.here / "a.conf")
    owner = f"{os.getuid()}:{os.getgid()}"
    await site.push(source, to="b.conf", owner=owner)
    outcome, _ = await site.push(source, to="b.conf", owner=owner)
    assert outcome.data["Unchanged"] == 1


async def test_a_destination_with_a_slash_is_a_folder_that_is_made(site: Site) -> None:
    one, two = written(site.here / "one"), written(site.here / "two", "2")
    await site.push(one, two, to="conf.d/")
    assert {path.name for path in (site.home / "conf.d").iterdir()} == {"one", "two"}


async def test_a_file_goes_into_a_folder_that_is_there(site: Site) -> None:
    (site.home / "conf.d").mkdir()
    source = written(site.here / "one")
    await site.push(source, to="conf.d")
    outcome, _ = await site.push(source, to="conf.d")
    assert (site.home / "conf.d" / "one").read_text() == "hello\n"
    assert outcome.data["Unchanged"] == 1


async def test_pushing_a_folder_twice_does_not_put_it_into_itself(site: Site) -> None:
    written(site.here / "www" / "index.html")
    await site.push(site.here / "www", to="www")
    await site.push(site.here / "www", to="www")
    assert [path.name for path in (site.home / "www").iterdir()] == ["index.html"]


async def test_a_file_where_a_folder_is_wanted_is_left_alone(site: Site) -> None:
    there = written(site.home / "www", "mine")
    written(site.here / "www" / "index.html")
    outcome, _ = await site.push(site.here / "www", to="www")
    assert outcome.status == "Failed"
    assert "is a file" in outcome.message
    assert there.read_text() == "mine"


async def test_a_missing_folder_is_told_and_not_made(site: Site) -> None:
    outcome, _ = await site.push(written(site.here / "a"), to="nowhere/a")
    assert outcome.status == "Failed"
    assert "there is no folder" in outcome.message
    assert not (site.home / "nowhere").exists()


async def test_odd_names_arrive_as_they_are(site: Site) -> None:
    names = [b"a b", b"a: b", b"-rf", b"a\\b", b"$(id)", b"'q'", b"\xff\xfe", "ü".encode(), b"*"]
    for name in names:
        written(site.here / "odd" / os.fsdecode(name), os.fsdecode(name).encode(errors="replace").decode())
    await site.push(site.here / "odd", to="odd")
    assert names_in(site.home / "odd") == sorted(names)
    outcome, _ = await site.push(site.here / "odd", to="odd")
    assert outcome.data["Unchanged"] == len(names)
    outcome, _ = await site.pull("odd")
    assert names_in(site.pulled / "odd") == sorted(names)
    outcome, _ = await site.pull("odd")
    assert outcome.data["Unchanged"] == len(names)


@pytest.mark.parametrize("environment", [{"PATH": "{tools}"}])
async def test_a_host_without_sha256sum_gets_and_gives_everything_each_time(
    site: Site, tmp_path: Path
) -> None:
    for name in BASIC:
        (tmp_path / "tools" / name).symlink_to(str(shutil.which(name)))
    source = written(site.here / "a.conf")
    for _ in range(2):
        outcome, _ = await site.push(source, to="b.conf")
        assert (outcome.status, outcome.data["Sent"]) == ("Success", 1)
        outcome, _ = await site.pull("b.conf")
        assert (outcome.status, outcome.data["Fetched"]) == ("Success", 1)
    assert (site.pulled / "b.conf").read_text() == "hello\n"


async def test_a_file_is_pulled_into_the_hosts_own_folder(site: Site) -> None:
    written(site.home / "log" / "app.log", "one\n")
    outcome, said = await site.pull("log/app.log")
    assert (site.pulled / "app.log").read_text() == "one\n"
    assert said == "fetched    app.log  (4 bytes)\n"
    assert outcome.data == {
        "Source": str(site.home / "log" / "app.log"),
        "Fetched": 1,
        "Unchanged": 0,
        "Bytes": 4,
        "LeftOut": 0,
    }


async def test_only_what_differs_is_pulled_again(site: Site) -> None:
    written(site.home / "log" / "a.log", "a")
    written(site.home / "log" / "deep" / "b.log", "b")
    await site.pull("log")
    written(site.home / "log" / "a.log", "aa")
    _, said = await site.pull("log")
    assert said == "fetched    log/a.log  (2 bytes)\nunchanged  log/deep/b.log\n"
    assert (site.pulled / "log" / "a.log").read_text() == "aa"


async def test_links_in_a_folder_are_left_out_and_counted(site: Site) -> None:
    written(site.home / "log" / "a.log")
    (site.home / "log" / "passwd").symlink_to("/etc/passwd")
    outcome, said = await site.pull("log")
    assert [path.name for path in (site.pulled / "log").iterdir()] == ["a.log"]
    assert outcome.data["LeftOut"] == 1
    assert "left out   1 link\n" in said


async def test_what_is_not_there_is_named(site: Site) -> None:
    outcome, _ = await site.pull("nothing")
    assert outcome.status == "Failed"
    assert outcome.message == f"there is no {site.home}/nothing"


@pytest.mark.parametrize("environment", [{"PATH": "{tools}:" + os.environ["PATH"]}])
async def test_a_host_that_lies_about_names_writes_nothing_outside(site: Site, tmp_path: Path) -> None:
    written(site.home / "log" / "a.log")
    fake = written(tmp_path / "tools" / "find", "#!/bin/sh\necho ./a.log\necho ./../../evil\n")
    fake.chmod(0o755)
    outcome, _ = await site.pull("log")
    assert outcome.status == "Failed"
    assert "cannot be taken" in outcome.message
    assert not (site.here / "pulled").exists()
    assert not (site.here / "evil").exists()


@pytest.mark.parametrize("environment", [{"PATH": "{tools}:" + os.environ["PATH"]}])
async def test_a_folder_that_cannot_be_read_whole_is_a_failure(site: Site, tmp_path: Path) -> None:
    written(site.home / "log" / "a.log")
    script = "#!/bin/sh\necho ./a.log\necho 'find: ./secret: Permission denied' >&2\nexit 1\n"
    written(tmp_path / "tools" / "find", script).chmod(0o755)
    outcome, _ = await site.pull("log")
    assert outcome.status == "Failed"
    assert "Permission denied" in outcome.message
    assert "--become" in outcome.hint


async def test_a_place_here_that_cannot_be_written_fails_that_host(site: Site) -> None:
    written(site.home / "a.log")
    (site.here / "pulled").mkdir()
    (site.here / "pulled" / "web-1").write_text("in the way")
    outcome, _ = await site.pull("a.log")
    assert outcome.status == "Failed"
    assert str(site.here / "pulled") in outcome.message


async def test_home_is_understood_in_both_directions(site: Site) -> None:
    await site.push(written(site.here / "a"), to="~/deep/")
    assert (site.home / "deep" / "a").exists()
    await site.pull("~/deep/a")
    assert (site.pulled / "a").read_text() == "hello\n"


async def test_progress_is_told_in_bytes(site: Site) -> None:
    told: list[tuple[str, int]] = []
    source = written(site.here / "a", "x" * 5000)
    await site.push(source, to="a", progress=lambda host, count: told.append((host.name, count)))
    assert {name for name, _ in told} == {"web-1"}
    assert sum(count for _, count in told) == 5000
