"""What is read of local files before they are pushed, and what is believed of a host's listing."""

from __future__ import annotations

import hashlib
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.errors import UsageError
from fleetctl.run.manifest import digest, local_manifest, safe_relative

SUM = hashlib.sha256(b"hello\n").hexdigest()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "css" / "empty").mkdir(parents=True)
    (folder / "index.html").write_text("hello\n")
    (folder / "css" / "a.css").write_text("a")
    return folder


def test_a_file_is_read_with_its_digest_size_and_mode(site: Path) -> None:
    (site / "index.html").chmod(0o750)
    manifest = local_manifest([site / "index.html"], into=False)
    (item,) = manifest.items
    assert (manifest.kind, item.name, item.size, item.mode) == ("file", "index.html", 6, 0o750)
    assert item.sha256 == digest(site / "index.html") == SUM


def test_a_folder_is_read_with_empty_folders_parents_first(site: Path) -> None:
    manifest = local_manifest([site], into=False)
    assert manifest.kind == "tree"
    assert manifest.folders == ("css", "css/empty")
    assert sorted(item.name for item in manifest.items) == ["css/a.css", "index.html"]
    assert manifest.size == 7


def test_into_a_folder_everything_keeps_its_name(site: Path) -> None:
    manifest = local_manifest([site, site / "index.html"], into=False)
    assert manifest.kind == "into"
    assert {item.name for item in manifest.items} == {"site/css/a.css", "site/index.html", "index.html"}


def test_two_sources_of_one_name_are_refused(site: Path, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("other")
    with pytest.raises(UsageError, match=r"index\.html"):
        local_manifest([site / "index.html", tmp_path / "index.html"], into=True)


def test_links_are_followed_and_a_loop_of_them_is_refused(site: Path) -> None:
    (site / "again.html").symlink_to("index.html")
    assert len(local_manifest([site], into=False).items) == 3
    (site / "css" / "up").symlink_to("..")
    with pytest.raises(UsageError, match="leads into itself"):
        local_manifest([site], into=False)


def test_a_folder_that_is_linked_twice_is_no_loop(site: Path) -> None:
    (site / "one").symlink_to("css")
    (site / "two").symlink_to("css")
    assert {"one/a.css", "two/a.css"} <= {item.name for item in local_manifest([site], into=False).items}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        local_manifest([tmp_path / "pipe"], into=False)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(UsageError, match="neither a file nor a folder"):
            local_manifest([tmp_path / "socket"], into=False)


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        local_manifest([tmp_path / "nowhere"], into=False)


def test_a_name_with_a_line_break_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\nb").write_text("")
    with pytest.raises(UsageError, match="line break"):
        local_manifest([tmp_path / "a\nb"], into=False)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        (f"{SUM}  ./a/b c", (SUM, "a/b c")),
        (f"{SUM} *./a", (SUM, "a")),
        (f"\\{SUM}  ./a\\\\b", (SUM, "a\\b")),
        (f"{SUM}  ./a: b", (SUM, "a: b")),
        (f"{SUM}  .", (SUM, "")),
        ("./a", ("", "a")),
        (".", ("", "")),
        ("./-rf", ("", "-rf")),
    ],
)
def test_what_sha256sum_and_find_print_is_understood(line: str, taken: tuple[str, str]) -> None:
    assert safe_relative(line) == taken


@pytest.mark.parametrize(
    "line",
    [
        f"{SUM}  ./../evil",
        f"{SUM}  /etc/passwd",
        f"{SUM}  ./a/../../evil",
        f"\\{SUM}  ./a\\nb",
        "../evil",
        "/evil",
        "evil",
        "./",
        "",
        "./a\x1b[2J",
        f"{SUM}  ..",
    ],
)
def test_a_host_cannot_name_what_is_outside(line: str) -> None:
    assert safe_relative(line) is None


@given(st.text(max_size=40))
def test_no_name_of_a_host_ever_leads_outside(name: str) -> None:
    for line in (name, f"./{name}", f"{SUM}  ./{name}", f"\\{SUM}  ./{name}"):
        taken = safe_relative(line)
        if taken is not None:
            path = os.path.normpath(f"/base/{taken[1]}")
            assert path == "/base" or path.startswith("/base/")
