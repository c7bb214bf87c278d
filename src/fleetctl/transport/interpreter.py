"""What runs a script: shells evaluate it, every other program is given it as the file `/dev/fd/3`."""

from __future__ import annotations

import re
import secrets
import shlex
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from fleetctl.errors import UsageError

__all__ = ["SHELLS", "Interpreter", "interpreter_of", "recognise"]

SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh", "zsh", "ash"})

_SAFE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_SETTABLE = re.compile(r"[-+][aefhmnuvxCEHT]+")

_PWSH: Final = ("-NoProfile", "-NonInteractive", "-Command")
_PWSH_COMMAND: Final = (
    "$fleetctl = [ScriptBlock]::Create([IO.File]::ReadAllText('/dev/fd/3')); & $fleetctl %s; "
    "if ($LASTEXITCODE) { exit $LASTEXITCODE }; if (-not $?) { exit 1 }"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """How a script is started.

    Attributes:
        argv: the shell that the bootstrap runs in.
        settings: shell text that turns the interpreter's options on just before the script, so that `-x` does not trace, and
            `-e` not break, what is ours.
        launch: makes the text to evaluate from the script and its arguments.
    """

    argv: tuple[str, ...]
    settings: tuple[str, ...]
    launch: Callable[[str, tuple[str, ...]], str]


def recognise(interpreter: tuple[str, ...]) -> Interpreter:
    """Decide how to start a script with an interpreter.

    Raises:
        UsageError: none is named, or a shell's option that cannot be.
    """
    if not interpreter or not interpreter[0]:
        raise UsageError("no interpreter is named", hint="name one, such as sh or python3")
    name = PurePosixPath(interpreter[0]).name
    if name in SHELLS and _SAFE.fullmatch(interpreter[0]):
        settings, kept = _options(interpreter)
        return Interpreter(
            argv=(interpreter[0], *kept), settings=settings, launch=lambda script, _args: script
        )
    return Interpreter(
        argv=("sh",), settings=(), launch=lambda script, args: _as_file(interpreter, script, args)
    )


def interpreter_of(script: str) -> tuple[str, ...] | None:
    """Read the `#!` line as Linux does (one argument at most; execve(2)), `env` and `env -S` seen through.

    Returns:
        The interpreter's argv, or None if the script has no `#!` line.
    """
    first = script.split("\n", 1)[0].rstrip("\r")
    if not first.startswith("#!"):
        return None
    program, _, rest = first[2:].strip(" \t").partition(" ")
    program, tab, more = program.partition("\t")
    argument = (more + " " + rest if tab else rest).strip(" \t")
    if not program:
        return None
    if PurePosixPath(program).name != "env" or not argument:
        return (program, argument) if argument else (program,)
    if not argument.startswith("-S"):
        return (argument,) if "=" not in argument and not argument.startswith("-") else (program, argument)
    try:
        words = shlex.split(argument[2:])
    except ValueError as exc:
        raise UsageError(f"the script's first line cannot be read: {first}", hint=str(exc)) from exc
    if words and "=" not in words[0] and not words[0].startswith("-"):
        return tuple(words)
    return (program, *words)


def _options(interpreter: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split a shell's options into those for `set` and those only its command line takes (`-l`, `--posix`)."""
    settings: list[str] = []
    kept: list[str] = []
    words = iter(interpreter[1:])
    for word in words:
        if _SETTABLE.fullmatch(word):
            settings.append(f"set {word}")
        elif word in {"-o", "+o"} or (len(word) > 2 and _SETTABLE.fullmatch(word[:-1]) and word[-1] == "o"):
            name = next(words, "")
            if not re.fullmatch(r"[a-z]+", name):
                raise UsageError(
                    f"the option {word} of {interpreter[0]} wants a name", hint="such as `-o pipefail`"
                )
            settings.append(f"set {word} {name}")
        elif word[:1] in "-+" and word[1:2] not in {"", "c", "s"} and _SAFE.fullmatch(word):
            kept.append(word)
        else:
            raise UsageError(
                f"'{word}' cannot be given to {interpreter[0]} here",
                hint="only options belong to the interpreter; the script is sent by itself",
            )
    return tuple(settings), tuple(kept)


def _as_file(interpreter: tuple[str, ...], script: str, args: tuple[str, ...]) -> str:
    """Start a program with the script on descriptor 3: a here-document, so stdin stays free and no file is written."""
    if PurePosixPath(interpreter[0]).name in {"pwsh", "powershell"}:
        command = _PWSH_COMMAND % " ".join(_powershell(arg) for arg in args)
        argv = [*interpreter, *_PWSH, command]
        words = " ".join(map(shlex.quote, argv))
    else:
        words = " ".join(map(shlex.quote, interpreter)) + ' "$fleetctl_f"'
        words += "".join(f" {shlex.quote(arg)}" for arg in args)
    mark = f"{_first_letter(script)}{secrets.token_hex(12)}"
    end = "" if script.endswith("\n") else "\n"
    return (
        "fleetctl_f=/dev/fd/3; [ -e /dev/fd ] || fleetctl_f=/proc/self/fd/3\n"
        f"exec {words} 3<<'{mark}'\n{script}{end}{mark}"
    )


def _first_letter(script: str) -> str:
    """Choose how the end mark of a here-document begins.

    dash 0.5.12 loses a byte above 127 that stands where a line stops looking like the mark: no line may begin like it
    and go on with such a byte.
    """
    taken = {line[0] for line in script.split("\n") if len(line) > 1 and not line[1].isascii()}
    return next((letter for letter in string.ascii_letters if letter not in taken), "_")


def _powershell(text: str) -> str:
    """Quote for PowerShell: single quotes, doubled within (about_Quoting_Rules)."""
    return "'" + text.replace("'", "''") + "'"
