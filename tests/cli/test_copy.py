"""`fleetctl copy`, as a user types it, against embedded SSH hosts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetctl.demo.hosts import running
from fleetctl.demo.project import KEY, new_folder, plan, write_project


@pytest.fixture
def demo(project: Path, tmp_path: Path) -> Iterator[Path]:
    """The demo's project with its hosts up: web-[1-3], db-1 (slow), cache-1 (down)."""
    folder = new_folder(tmp_path / "demo")
    with running(plan(folder), key=folder / KEY) as hosts:
        write_project(folder, hosts)
        yield folder


@pytest.fixture
def copy(demo: Path, program: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: program("--project", str(demo), "copy", *map(str, args))


def test_push_brings_a_file_to_all_and_says_it_once(copy, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("a = 1\n")
    done = copy("push", "web", tmp_path / "app.conf", "conf/", "--yes")
    assert done.code == 0
    assert done.stdout == "--- web-[1-3] (3)  Success\nsent       conf/app.conf  (6 bytes)\n"
    assert "3 Success" in done.stderr
    for name in ("web-1", "web-2", "web-3"):
        assert (demo / "homes" / name / "conf" / "app.conf").read_text() == "a = 1\n"
    again = copy("push", "web", tmp_path / "app.conf", "conf/", "--yes")
    assert again.stdout == "--- web-[1-3] (3)  Success\nunchanged  conf/app.conf\n"


def test_push_asks_and_refuses_where_nobody_can_answer(copy, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "app.conf").write_text("a = 1\n")
    done = copy("push", "web", tmp_path / "app.conf", "app.conf")
    assert done.code == 2
    assert "needs-confirmation" in done.stderr
    assert not (demo / "homes" / "web-1" / "app.conf").exists()


def test_dry_run_names_files_and_hosts_and_touches_none(copy, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("hello")
    done = copy("push", "web", tmp_path / "site", "www", "--dry-run")
    assert done.code == 0
    assert "web-[1-3]" in done.stdout
    assert "www/index.html  (5 bytes" in done.stdout
    assert not (demo / "homes" / "web-1" / "www").exists()


def test_unreachable_hosts_do_not_keep_the_others_from_their_files(copy, demo: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    done = copy("push", "web-1,cache", tmp_path / "a", "a", "--yes", "--mode", "0600")
    assert done.code == 4
    assert "Undeliverable[refused] cache-1" in done.stderr
    assert (demo / "homes" / "web-1" / "a").stat().st_mode & 0o777 == 0o600


def test_pull_gives_every_host_a_folder_and_exits_3_where_one_lacks_the_file(copy, demo: Path) -> None:
    (demo / "homes" / "web-1" / "only").write_text("here")
    done = copy("pull", "web", "release", demo / "got")
    assert done.code == 0
    assert (demo / "got" / "web-3" / "release").read_text() == "shop 2.3.9\n"
    done = copy("pull", "web", "only", demo / "got")
    assert done.code == 3
    assert (demo / "got" / "web-1" / "only").read_text() == "here"
    assert "there is no" in done.stderr


def test_the_report_is_that_of_a_run(copy, demo: Path) -> None:
    done = copy("pull", "web-1", "release", demo / "got", "--format", "json")
    report = json.loads(done.stdout)
    assert report["DocumentName"] == "copy pull"
    assert report["Invocations"][0]["Data"]["Fetched"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("push", "web", "nowhere", "x", "--yes"), "nowhere"),
        (("push", "web", "fleetctl.yaml", "x", "--yes", "--mode", "999"), "--mode"),
        (("push", "web", "fleetctl.yaml", "x", "--yes", "--owner", "a b"), "--owner"),
        (("push", "web", "fleetctl.yaml", "", "--yes"), "DEST"),
        (("push", "nobody", "fleetctl.yaml", "x", "--yes"), "nobody"),
        (("pull", "web", "", "got"), "SOURCE"),
        (("push", "web", "fleetctl.yaml"), "Missing argument"),
    ],
)
def test_what_cannot_be_is_refused_before_any_host_is_touched(
    copy, words: tuple[str, ...], said: str
) -> None:
    done = copy(*words)
    assert done.code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
