"""Draw `docs/pictures/demo.svg`: a real `fleetctl demo` behind a terminal, with the live view as it was in the middle of it.

.venv/bin/python scripts/picture.py
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS, LINES = 110, 60
TARGET = Path(__file__).parents[1] / "docs" / "pictures" / "demo.svg"
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07]*\x07")


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


def recorded() -> tuple[list[str], list[str]]:
    """Return the screen at the end, and the fullest live view on the way."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    program = Path(sys.executable).with_name("fleetctl")
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    demo = subprocess.Popen([program, "demo"], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    screen, live = Screen(), list[str]()
    while True:
        try:
            data = os.read(leader, 1 << 16)
        except OSError:  # EIO: it has ended
            break
        screen.feed(data.decode(errors="replace"))
        drawn = [
            number for number, line in enumerate(screen.lines) if re.search(r"\d+ (running|waiting)", line)
        ]
        if drawn and len(screen.lines) - drawn[-1] >= len(live):
            live = screen.lines[drawn[-1] - 1 :]
    demo.wait()
    os.close(leader)
    return screen.lines, live


def main() -> None:
    """Take the picture."""
    end, live = recorded()
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        first = next((n for n, line in enumerate(end) if "---" in line), len(end))
        for line in [*end[:first], *live, *end[first:]]:
            console.print(Text.from_ansi(line.rstrip()), no_wrap=True, overflow="crop")
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        svg = console.export_svg(title="fleetctl demo")
        TARGET.write_text(
            re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL) + "\n"
        )  # fetch nothing from anywhere
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
