"""Learn what a host is: from the inventory, or from itself, without an exec of its own where a script can look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Final

from fleetctl.model import Command

__all__ = ["GUARDED", "Platform", "guard", "platform_of"]

GUARDED: Final = 209
"""Exit code of a guarded script on a host of another platform; the host is then asked, so that a script may use it too."""

_UNAME: Final = {"Linux": "Linux", "MacOS": "Darwin", "Windows": "Windows_NT"}
_NAMES: Final = {
    "linux": "Linux",
    "macos": "MacOS",
    "darwin": "MacOS",
    "osx": "MacOS",
    "windows": "Windows",
    "win32": "Windows",
}
_FIRST: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What is known of a host.

    Attributes:
        name: SSM's platformType, `another platform` for what SSM does not know, None: not known yet.
        pwsh: whether PowerShell is there; None: not known yet.
    """

    # Asked without output: 100 + 2 * platform + PowerShell is the exit code.
    QUESTION: ClassVar[str] = (
        "case $(uname -s) in Linux) a=100;; Darwin) a=102;; Windows_NT|CYGWIN*|MINGW*|MSYS*) a=104;; *) a=106;; esac\n"
        "command -v pwsh >/dev/null 2>&1 && a=$((a + 1))\n"
        "exit $a\n"
    )
    _ANSWERS: ClassVar[tuple[str, ...]] = ("Linux", "MacOS", "Windows", "another platform")

    name: str | None = None
    pwsh: bool | None = None

    @classmethod
    def answered(cls, code: int | None, *, known: str | None = None) -> Platform:
        """Read the answer to `QUESTION`; what the inventory says about the platform stands.

        Args:
            code: exit code of the question.
            known: from the inventory.
        """
        number = (code or 0) - _FIRST
        if not 0 <= number < 2 * len(cls._ANSWERS):
            return cls(name=known or cls._ANSWERS[-1], pwsh=False)
        return cls(name=known or cls._ANSWERS[number // 2], pwsh=bool(number % 2))


def platform_of(text: str | None) -> str | None:
    """Return SSM's platformType for an inventory's `platform`, or None where it does not say."""
    return _NAMES.get(text.strip().casefold()) if text else None


def guard(command: Command, platform: str) -> Command:
    """Make a shell script leave with `GUARDED` on hosts of another platform, before anything of it runs.

    Where the script begins with a comment, the guard goes on its line, so that the shell counts lines as the author does.
    """
    test = f'[ "$(uname -s)" = {_UNAME[platform]} ] || exit {GUARDED}'
    separator = " " if command.script.startswith("#") else "\n"
    return replace(command, script=test + separator + command.script)
