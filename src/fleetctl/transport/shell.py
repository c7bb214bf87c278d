"""Turn a command into bytes for a host: the one place where anything is quoted.

The SSH exec request carries a short constant line that means the same to sh, csh and fish as login shells:

    exec sh -c 'echo "[fleetctl ready $0]" >&2; IFS= read -r fleetctl_s || exit 125; eval "$fleetctl_s"' TAG

and the script follows on stdin as one line of shell text. POSIX makes `read` take its line byte by byte from a pipe, so
that what stands behind the line is still there for the script: stdin is the user's. Above `_READ_LIMIT` the line is
a small loader that takes the script with `dd` in exact counts (100 KB: dash 55 ms instead of 150, busybox 100
instead of 445). Nothing secret and nothing of the script is in an argv.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Final

from fleetctl.errors import UsageError
from fleetctl.model import Command
from fleetctl.transport.become import Dialogue, escalation, ready_mark
from fleetctl.transport.interpreter import Interpreter, interpreter_of, recognise
from fleetctl.transport.opening import Opening

__all__ = ["DEFAULT_TAG", "Wire", "interpreter_of", "kill_script", "quote", "tagged", "wire"]

DEFAULT_TAG: Final = "fleetctl"

_READ_LIMIT: Final = 8 * 1024
"""Bytes of encoded script up to which `read` is as fast as starting one `dd`."""

_CHUNK: Final = 32 * 1024
"""Bytes per `dd` and per `printf`: mksh's printf is a program, and an argument is at most 128 KB on Linux."""

_TAG = re.compile(r"[A-Za-z0-9._:@%+-]{1,128}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_ANNOUNCE: Final = f'echo "{ready_mark("$0").decode()}" >&2; '
"""Without become. `echo` is part of every shell, and so costs no process."""

_GUARD: Final = '[ "$fleetctl_s" ] || exit 125; '
"""A shell that was started in place of ours and takes our line for its own first one ends there."""

_BOOT: Final = 'IFS= read -r fleetctl_s || exit 125; eval "$fleetctl_s"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A command as a transport sends it.

    Attributes:
        command_line: what an SSH exec request carries, below 1000 characters; the same for every command of the same
            interpreter, become and tag (but for the random prompt where sudo gets a password).
        prologue: goes first on stdin; then `Command.stdin`, then end of file. With a dialogue, only once it is ready.
        pty: ask for a terminal in raw mode, echo off. stdout and stderr are one there, and there is no end of file.
        dialogue: what to do until the other user's shell runs; `None` without become.
        opening: how to know that our shell runs; `None` with become, where the dialogue does.
    """

    command_line: str
    prologue: bytes
    pty: bool = False
    dialogue: Dialogue | None = None
    opening: Opening | None = None


def quote(text: str) -> str:
    """Quote for a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def tagged(command: Command) -> Command:
    """Give a command that nobody tagged a tag of its own, so that cancelling it finds it and nothing else."""
    if command.tag != DEFAULT_TAG:
        return command
    return replace(command, tag=f"{DEFAULT_TAG}-{secrets.token_hex(6)}")


def wire(command: Command, *, password: str | None, announce: bool = True) -> Wire:
    """Quote a command for a host's shell.

    Args:
        command: what to run.
        password: for sudo, doas or su; `None` if there is none; ignored without `become`.
        announce: let the shell print the mark that `opening` takes out of the output again; without become only.

    Raises:
        UsageError: what no POSIX host can run: a NUL byte, a name that is not one.
    """
    _check(command)
    interpreter = recognise(command.interpreter)
    argv = [*interpreter.argv, "-c", _BOOT, command.tag]
    if command.become is None:
        text = _program(command, interpreter)
        opening = Opening(mark=ready_mark(command.tag) + b"\n") if announce else None
        if announce:
            argv[argv.index(_BOOT)] = _ANNOUNCE + _BOOT
        return Wire(command_line="exec " + " ".join(map(_word, argv)), prologue=text, opening=opening)
    way = escalation(command.become, password=password is not None)
    argv[argv.index(_BOOT)] = f'printf %s "{ready_mark("$0").decode()}" >&2; {_BOOT}'
    words = ["sh", "-c", way.program, command.tag, *way.first, *argv]
    return Wire(
        command_line="exec " + " ".join(map(_word, words)),
        prologue=_program(command, interpreter, pty=way.pty),
        pty=way.pty,
        dialogue=Dialogue(
            become=command.become, mark=ready_mark(command.tag), password=password, prompt=way.prompt
        ),
    )


def kill_script(tag: str) -> str:
    """Return POSIX sh text that ends every process of an invocation, children and orphans included.

    TERM, a second of grace, then KILL. It finds processes by an argument that is the tag and by
    `FLEETCTL_INVOCATION` in the environment, and then all their descendants. It must run as the user that the command
    became, under another tag.

    Raises:
        UsageError: the default tag, which is nobody's own.
    """
    if tag == DEFAULT_TAG or not _TAG.fullmatch(tag):
        raise UsageError(f"'{tag}' does not name one invocation", hint="give each command a tag of its own")
    script = resources.files("fleetctl.transport").joinpath("scripts/kill.sh").read_text(encoding="utf-8")
    return f"tag={tag}\n{script}"


def _check(command: Command) -> None:
    if not _TAG.fullmatch(command.tag):
        raise UsageError(f"'{command.tag}' cannot be a tag", hint="use letters, digits and . _ : @ % + -")
    for name in command.env:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' is not a name for an environment variable", hint="use letters, digits and _"
            )
    where = {
        "script": (command.script,),
        "interpreter": command.interpreter,
        "argument": command.args,
        "environment": tuple(command.env.values()),
        "working directory": (command.cwd or "",),
    }
    for what, texts in where.items():
        if any("\0" in text for text in texts):
            raise UsageError(
                f"a NUL byte in the {what}",
                hint="shells cannot hold one; send binary data on stdin or copy it",
            )


def _word(text: str) -> str:
    """Quote a word of our own for sh, csh and fish alike: none holds `'`, backslash or `!`."""
    return text if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", text) else f"'{text}'"


def _program(command: Command, interpreter: Interpreter, *, pty: bool = False) -> bytes:
    """Build the line that the bootstrap evaluates, and what it loads."""
    start = "unset fleetctl_s; "
    body = start + "".join(f"{option}; " for option in interpreter.settings)
    body += interpreter.launch(command.script, command.args)
    feed, take = _stdin(command) if pty else ("", "")
    run = f'{feed}eval "$fleetctl_s"{take}'
    parts = [(_prelude(command), 'eval "$fleetctl_s"'), (body, run)]
    encoded = [_encode(text) for text, _ in parts]
    if sum(map(len, encoded)) <= _READ_LIMIT:
        line = _GUARD + "; ".join(f"{_assign(text)}; {act}" for text, act in parts)
        return line.encode("utf-8", "surrogateescape") + b"\n"
    chunks = [_chunks(_ascii(text)) for text in encoded]
    line = _GUARD + "; ".join(
        f"{_loader(sizes=[len(piece) for piece in pieces])}; {act}"
        for pieces, (_, act) in zip(chunks, parts, strict=True)
    )
    return "".join([line, "\n", *(piece for pieces in chunks for piece in pieces)]).encode("ascii")


def _prelude(command: Command) -> str:
    lines = ["unset fleetctl_s"]
    if command.become:
        lines.append('if [ "${LANGUAGE-}" = en ]; then unset LANGUAGE; fi')
    env = {**command.env, "FLEETCTL_INVOCATION": command.tag}
    lines += [f"export {name}={quote(value)}" for name, value in env.items()]
    if command.cwd is not None:
        folder = quote(command.cwd if command.cwd.startswith("/") else f"./{command.cwd}")
        said = quote(f"fleetctl: cannot enter {command.cwd}")
        lines.append(f"cd {folder} || {{ printf '%s\\n' {said} >&2; exit 126; }}")
    lines.append("set -- " + " ".join(map(quote, command.args)))
    return "; ".join(lines)


def _stdin(command: Command) -> tuple[str, str]:
    """Bound the script's stdin on a terminal, where there is no end of file: by count."""
    if command.stdin is None:
        return "", " </dev/null"
    size = command.stdin.stat().st_size if isinstance(command.stdin, Path) else len(command.stdin)
    return f"head -c {size} | ", ""


_ESCAPES: Final = {ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("'"): "\\0047"}


def _encode(text: str) -> str:
    """Write text as one line for `printf %b` within single quotes."""
    return text.translate(_ESCAPES)


def _assign(text: str) -> str:
    """Put text into `fleetctl_s`, within one line; text of one line costs the host no process.

    The dot keeps newlines at the end, which `$(...)` would drop and which a backslash before them needs.
    """
    if "\n" in text or "\r" in text:
        return f"fleetctl_s=$(printf %b '{_encode(text)}.') || exit 125; fleetctl_s=${{fleetctl_s%.}}"
    return f"fleetctl_s={quote(text)}"


def _ascii(text: str) -> str:
    """Write what is not ASCII as octal: then a character is a byte for `${#x}` in every locale."""
    if text.isascii():
        return text
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte < 128 else f"\\0{byte:o}" for byte in data)


def _chunks(text: str) -> list[str]:
    """Cut encoded text into pieces, never within an escape."""
    pieces, start = [], 0
    while start < len(text):
        end = min(start + _CHUNK, len(text))
        if end < len(text):
            # From the first backslash of a row on: digits behind an escaped backslash are no escape.
            tail = re.search(r"(?<!\\)(?:\\\\)*(\\0?[0-7]{0,3})?\Z", text[start:end])
            cut = tail.start(1) if tail and tail.group(1) else end - start
            end = start + cut
        pieces.append(text[start:end])
        start = end
    return pieces


def _loader(*, sizes: list[int]) -> str:
    """Read exactly these counts from stdin, decode each, and leave the whole in `fleetctl_s`.

    The dot keeps newlines at the end of a piece, which `$(...)` would drop.
    """
    counts = " ".join(map(str, sizes))
    return (
        f"fleetctl_s=; for fleetctl_n in {counts}; do fleetctl_c=; "
        "while [ ${#fleetctl_c} -lt $fleetctl_n ]; do "
        "fleetctl_d=$(dd bs=$((fleetctl_n - ${#fleetctl_c})) count=1 2>/dev/null); "
        '[ "$fleetctl_d" ] || { echo fleetctl: the script did not arrive whole >&2; exit 125; }; '
        "fleetctl_c=$fleetctl_c$fleetctl_d; done; "
        'fleetctl_d=$(printf %b. "$fleetctl_c") || exit 125; '
        "fleetctl_s=$fleetctl_s${fleetctl_d%.}; done; unset fleetctl_c fleetctl_d fleetctl_n"
    )
