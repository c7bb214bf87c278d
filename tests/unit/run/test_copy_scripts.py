"""The scripts beside a copy say the same in every shell a host may have, with GNU tools and with busybox's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

SHELLS = [
    name for name in ("dash", "bash", "busybox ash", "mksh", "ksh", "zsh") if shutil.which(name.split()[0])
]


def run(shell: str, script: str, *args: str, stdin: str = "", tools: Path | None = None) -> list[str]:
    path = f"{tools}:{os.environ['PATH']}" if tools else os.environ["PATH"]
    text = (files("fleetctl.run") / "scripts" / script).read_text()
    done = subprocess.run(
        [*shell.split(), "-c", text, "fleetctl", *args],
        input=stdin,
        env={"PATH": path, "HOME": "/home/of-nobody"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def line(path: Path, name: str) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ./{name}\n"


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["own", "busybox"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """The tools of this machine, or busybox's in front of them."""
    if request.param == "own":
        return None
    busybox = shutil.which("busybox")
    if not busybox:
        pytest.skip("there is no busybox")
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in ("sha256sum", "find", "sed", "wc"):
        (folder / name).symlink_to(busybox)
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "d r"
    folder.mkdir()
    for name, text, mode in (("a: b", "a", 0o644), ("c\\d", "c", 0o600), ("-e", "e", 0o644)):
        (folder / name).write_text(text)
        (folder / name).chmod(mode)
    return folder


def test_a_push_finds_what_is_the_same_whatever_it_is_called(
    shell: str, tools: Path | None, there: Path
) -> None:
    names = ("a: b", "c\\d", "-e")
    stdin = "".join(line(there / name, name) for name in names) + line(there / "-e", "not there")
    answer = run(shell, "push-look.sh", str(there), "into", "", "", stdin=stdin, tools=tools)
    assert answer == [
        "is=folder",
        "kind=into",
        f"dest={there}",
        "same=0",
        "same=1",
        "same=2",
        "looked=4",
        "end=yes",
    ]


def test_a_push_tells_a_wrong_mode_from_a_wrong_content(shell: str, tools: Path | None, there: Path) -> None:
    stdin = line(there / "a: b", "a: b") + line(there / "c\\d", "c\\d") + line(there / "a: b", "-e")
    answer = run(
        shell, "push-look.sh", str(there), "into", "0600", str(os.getuid()), stdin=stdin, tools=tools
    )
    assert answer[3:] == ["else=0", "same=1", "looked=3", "end=yes"]


def test_a_push_of_one_file_looks_at_that_file(shell: str, tools: Path | None, there: Path) -> None:
    path = there / "a: b"
    answer = run(
        shell, "push-look.sh", str(path), "file", "", "", stdin=line(path, "other name"), tools=tools
    )
    assert answer == ["is=file", "kind=file", f"dest={path}", "same=0", "end=yes"]


def test_home_is_that_of_who_runs_the_script(shell: str) -> None:
    assert "dest=/home/of-nobody/x" in run(shell, "push-look.sh", "~/x", "file", "", "")
    assert "source=/home/of-nobody/x" in run(shell, "pull-look.sh", "~/x", "no")


def test_a_pull_lists_files_with_their_digests(shell: str, tools: Path | None, there: Path) -> None:
    (there / "link").symlink_to("-e")
    answer = run(shell, "pull-look.sh", str(there), "yes", tools=tools)
    assert answer[:3] == [f"source={there}", "is=folder", "links=1"]
    digests = {entry.lstrip("\\").removeprefix("file=").lstrip("\\")[:64] for entry in answer[3:-1]}
    assert digests == {hashlib.sha256(text).hexdigest() for text in (b"a", b"c", b"e")}
    assert answer[-1] == "end=yes"


def test_a_pull_without_digests_lists_names(shell: str, tools: Path | None, there: Path) -> None:
    answer = run(shell, "pull-look.sh", str(there), "no", tools=tools)
    assert set(answer[3:-1]) == {"file=./a: b", "file=./c\\d", "file=./-e"}


def test_folders_and_modes_are_set_for_names_with_blanks_and_dashes(shell: str, there: Path) -> None:
    run(shell, "push-folders.sh", stdin=f"{there}/x y\n{there}/x y/-z\n")
    assert (there / "x y" / "-z").is_dir()
    run(shell, "push-settle.sh", "0640", "", stdin=f"{there}/-e\n")
    assert (there / "-e").stat().st_mode & 0o777 == 0o640


def test_the_doctors_probe_runs_to_its_end(shell: str) -> None:
    text = (files("fleetctl.doctor") / "scripts" / "probe.sh").read_text()
    done = subprocess.run([*shell.split(), "-c", text], capture_output=True, text=True, check=True)
    values = dict(entry.split("=", 1) for entry in done.stdout.splitlines())
    assert values["end"] == "yes"
    assert values["date"].isdecimal()
    assert values["free"].isdecimal()
