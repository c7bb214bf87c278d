"""Where Debian packages come from: this machine's own apt sources, for whatever suite a base is built from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["lines"]


def lines(suite: str, etc: Path = Path("/etc")) -> list[str]:
    """This machine's apt sources of Debian itself, rewritten to another suite, as one-line entries.

    Entries of third parties are left out: they are known by a suite that is not named after the machine's release.
    An empty answer means that the machine is not a Debian; mmdebstrap then has a default of its own.
    """
    own = _codename(etc)
    wanted = {own + end: suite + end for end in ("", "-updates", "-security")} if own else {}
    found = [
        f"deb {uri} {wanted[name]} main"
        for uri, name, components in (*_one_line(etc), *_deb822(etc))
        if name in wanted and "main" in components
    ]
    return list(dict.fromkeys(found))


def _codename(etc: Path) -> str:
    words = dict(line.split("=", 1) for line in (etc / "os-release").read_text().splitlines() if "=" in line)
    return words.get("VERSION_CODENAME", "").strip('"') if words.get("ID") == "debian" else ""


def _one_line(etc: Path) -> Iterator[tuple[str, str, list[str]]]:
    for path in (etc / "apt/sources.list", *sorted((etc / "apt/sources.list.d").glob("*.list"))):
        for line in path.read_text().splitlines() if path.exists() else ():
            words = line.partition("#")[0].split()
            if not words or words[0] != "deb":
                continue
            if words[1].startswith("["):
                words[1 : 1 + next(n for n, word in enumerate(words[1:], 1) if word.endswith("]"))] = []
            yield words[1], words[2], words[3:]


def _deb822(etc: Path) -> Iterator[tuple[str, str, list[str]]]:
    for path in sorted((etc / "apt/sources.list.d").glob("*.sources")):
        for stanza in path.read_text().split("\n\n"):
            rows = [line for line in stanza.splitlines() if ":" in line and line[0] not in "# \t"]
            fields = {
                key.strip().lower(): value.split() for key, _, value in (row.partition(":") for row in rows)
            }
            if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
                continue
            for uri in fields.get("uris", []):
                for name in fields.get("suites", []):
                    yield uri, name, fields.get("components", [])
