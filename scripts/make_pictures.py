"""Draw the pictures of the documentation: real runs behind a terminal, as they looked.

.venv/bin/python scripts/make_pictures.py [demo] [live] [patch]

`demo.svg` is a whole `fleetctl demo`, with the live view as it was in the middle of it. `live.svg` is the live view of a run on
200 hosts of the test fleet that take two seconds each, some of which cannot be reached. `patch` draws `patch-scan.svg`,
`patch-plan.svg`, `patch-install.svg` and `compliance.png` of real hosts of the test fleet; it wants root and chromium.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
PROGRAM = Path(sys.executable).with_name("fleetctl")
COLUMNS, LINES = 116, 60
WIDE = 150  # for tables of patches
PAGE = (1000, 1250)
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*\x07")
STATES = re.compile(r"\d+ (waiting|connecting|running)")
COUNT = re.compile(r" (\d+)/(\d+) ")


class Screen:
    """As much of a terminal as rich's live view needs: lines, cursor up, erase line; colours stay in the text."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0

    def feed(self, text: str) -> None:
        """Take what the program wrote."""
        at = 0
        while at < len(text):
            if match := SEQUENCE.match(text, at):
                self._obey(match)
                at = match.end()
            else:
                self._put(text[at])
                at += 1

    def live(self) -> list[str]:
        """Return the live view as it stands now; empty when there is none."""
        found = [number for number, line in enumerate(self.lines) if STATES.search(plain(line))]
        return [line for line in self.lines[found[-1] - 1 :] if line] if found else []

    def _obey(self, match: re.Match[str]) -> None:
        count, letter = match[1] or "", match[2] or ""
        if letter == "m":
            self.lines[self.row] += match[0]
        elif letter == "A":
            self.row = max(0, self.row - int(count or 1))
        elif letter == "K":
            self.lines[self.row] = ""

    def _put(self, char: str) -> None:
        if char == "\n":
            self.row += 1
            self.lines += [""] * (self.row + 1 - len(self.lines))
        elif char != "\r":
            self.lines[self.row] += char


def plain(line: str) -> str:
    """Return a line without its colours."""
    return SEQUENCE.sub("", line)


def record(
    argv: Sequence[str | Path],
    *,
    score: Callable[[list[str]], float],
    columns: int = COLUMNS,
    cwd: Path | None = None,
) -> tuple[list[str], list[str]]:
    """Run a program at a terminal; return the screen at the end, and the live view with the highest score on the way."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    path = f"{PROGRAM.parent}:{os.environ['PATH']}"  # else the demo names the program by its path
    env = {**os.environ, "PATH": path, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    child = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower, env=env, cwd=cwd)
    os.close(follower)
    screen, best = Screen(), list[str]()
    while True:
        try:
            data = os.read(leader, 1 << 16)
        except OSError:  # EIO: it has ended
            break
        screen.feed(data.decode(errors="replace"))
        live = screen.live()
        if live and (not best or score(live) >= score(best)):
            best = live
    child.wait()
    os.close(leader)
    return screen.lines, best


def draw(name: str, lines: Sequence[str], *, title: str, columns: int = COLUMNS) -> None:
    """Write `docs/pictures/NAME.svg`."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True)
        for line in lines:
            console.print(Text.from_ansi(line.rstrip()), no_wrap=True, overflow="crop")
        svg = console.export_svg(title=title)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)  # fetch nothing from anywhere
    svg = svg.replace(
        "<svg ", '<svg xml:space="preserve" ', 1
    )  # else some viewers eat spaces between colours
    target = PICTURES / f"{name}.svg"
    PICTURES.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")
    print(f"{target}: {target.stat().st_size} bytes")


def demo() -> None:
    """Draw the demo; the live view stands where it stood."""
    end, live = record([PROGRAM, "demo"], score=_of_the_command)
    first = next((number for number, line in enumerate(end) if plain(line).startswith("---")), len(end))
    draw("demo", [*end[:first], *live, *end[first:]], title="fleetctl demo")


def _of_the_command(view: list[str]) -> float:
    """Prefer a full view of the first run; the scan has one of its own."""
    return len(view) if "uname" in view[0] else -1


def live() -> None:
    """Draw the live view of a run on 200 hosts."""
    sys.path.insert(0, str(ROOT / "tests" / "fleet"))
    from lab.slow import SlowHosts  # noqa: PLC0415 - of the test fleet, which only this picture needs

    with tempfile.TemporaryDirectory(prefix="fleetctl-picture-") as temporary:
        folder = Path(temporary)
        fleet = SlowHosts(folder / "slow", delay=2.0, network=97)
        fleet.start()
        try:
            entries = {f"web-{n:03}": host.entry() for n, host in enumerate(fleet.hosts(200), 1)}
            entries["web-017"]["port"] = entries["web-042"]["port"] = 1
            entries["web-058"]["address"] = "web-058.invalid"
            inventory = folder / "inventory.yaml"
            inventory.write_text(json.dumps({"groups": {"web": {"hosts": entries}}}))
            where = (
                "--project",
                folder,
                "--inventory",
                inventory,
                "--known-hosts",
                folder / "slow/known_hosts",
            )
            (folder / "fleetctl.yaml").touch()
            command = ("run", "web", *where, "--max-concurrency", "60", "--connect-concurrency", "8")
            _, view = record([PROGRAM, *command, "--", "systemctl is-active nginx"], score=_middle)
        finally:
            fleet.stop()
    shown = "$ fleetctl run web --max-concurrency 60 -- 'systemctl is-active nginx'"
    draw("live", [shown, *view], title="fleetctl run")


def _middle(view: list[str]) -> float:
    """Prefer a view that shows much, as near to the middle of the run as can be."""
    text = plain("\n".join(view))
    done = COUNT.search(text)
    nearness = 1 - abs(int(done[1]) / int(done[2]) - 0.5) if done else 0.0
    return len(view) + len(STATES.findall(text)) + nearness


def patch() -> None:
    """Draw a patch night on six real hosts: scan, plan, installation in waves, and the report for a manager."""
    sys.path.insert(0, str(ROOT / "tests" / "fleet"))
    from lab.lab import Lab  # noqa: PLC0415 - of the test fleet, which only these pictures need
    from lab.project import write_project  # noqa: PLC0415

    lab = Lab.open()
    try:
        names = {"web-1": "deb12", "web-2": "deb12", "db-1": "rocky", "app-1": "suse", "edge-1": "arch"}
        hosts = [lab.machine(kind, name) for name, kind in names.items()]
        for host in hosts:
            host.wait()
        with tempfile.TemporaryDirectory(prefix="fleetctl-picture-") as temporary:
            folder = Path(temporary)
            project = write_project(folder, hosts)
            (folder / "fleetctl.yaml").write_text(
                "inventory: [inventory.yaml]\nssh: {known_hosts: [known_hosts]}\n"
            )
            shutil.copytree(ROOT / "examples/patch-night/policies", folder / "policies")
            assert project.path == folder  # noqa: S101 - the commands below run there
            _night(folder)
    finally:
        lab.close()


def _night(folder: Path) -> None:
    plan = "fleetctl patch plan all --exclude-package fl-broken -o night.plan"
    waves = "--waves 1,50%,100% --gate 'systemctl is-active ssh' --yes"
    for name, line in (
        ("patch-scan", "fleetctl patch scan all --severity critical --severity high"),
        ("patch-plan", plan),
        ("patch-install", f"fleetctl patch install night.plan {waves}"),
    ):
        argv: list[str | Path] = [PROGRAM, *shlex.split(line)[1:]]
        screen, _ = record(argv, score=len, columns=WIDE, cwd=folder)
        lines = [text.replace(f"{folder}/", "") for text in screen]
        draw(name, [f"$ {line}", *lines], title="fleetctl", columns=WIDE)
    subprocess.run(
        [PROGRAM, "compliance", "check", "all", "--quiet"], cwd=folder, check=False, stdout=subprocess.DEVNULL
    )
    page = folder / "compliance.html"
    subprocess.run(
        [PROGRAM, "compliance", "report", "--type", "Custom:policy", "-o", page], cwd=folder, check=True
    )
    target = PICTURES / "compliance.png"
    size = ",".join(map(str, PAGE))
    chromium = [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={size}",
    ]
    subprocess.run([*chromium, f"--screenshot={target}", page.as_uri()], check=True, capture_output=True)
    print(f"{target}: {target.stat().st_size} bytes")


def main(names: list[str]) -> None:
    """Draw the pictures that are named, or all."""
    pictures = {"demo": demo, "live": live, "patch": patch}
    if unknown := set(names) - set(pictures):
        sys.exit(f"there is no picture {', '.join(sorted(unknown))}: choose from {', '.join(pictures)}")
    for name in names or pictures:
        pictures[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
