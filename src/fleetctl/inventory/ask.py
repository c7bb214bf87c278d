"""Make the one script that asks a host about all inventory types at once."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

from fleetctl.errors import UsageError
from fleetctl.inventory.types import DEFAULT, custom_name
from fleetctl.packages.collect import framed_script

__all__ = ["FilePattern", "Wanted", "file_pattern"]

_GLOB: Final = re.compile(r"[*?\[\]]")
_LONGEST: Final = 4096
_SECTIONS: Final[Mapping[str, str]] = {
    "InstanceDetailedInformation": (
        "section inv-cpuinfo inv_cpuinfo\nsection inv-lscpu inv_lscpu\n"
        "section inv-memory inv_memory\nsection inv-hardware inv_hardware\n"
    ),
    "Application": "inv_applications\n",
    "Network": "inv_network\n",
    "Service": "inv_services\n",
    "Process": "section inv-ps inv_ps\n",
    "File": "section inv-files inv_files\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePattern:
    """Which files of which folder are asked for (SSM: Path and Pattern)."""

    folder: str
    name: str


def file_pattern(text: str) -> FilePattern:
    """Read `/etc/*.conf`: an absolute folder, and a pattern of file names as the shell knows it.

    Raises:
        UsageError: it is no such thing.
    """
    folder, slash, name = text.rpartition("/")
    if not text.startswith("/") or not slash or not name:
        raise UsageError(f"--file {text}: write a folder from / on and a pattern: '/etc/*.conf'")
    if _GLOB.search(folder):
        raise UsageError(
            f"--file {text}: only the last part can be a pattern",
            hint="name the folder, and look in all below it with --recursive",
        )
    if not text.isprintable() or len(text) > _LONGEST or "\\" in name:
        raise UsageError("--file: a pattern is one line of plain text, without \\")
    return FilePattern(folder=folder or "/", name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is collected.

    Attributes:
        types: built-in types; InstanceInformation is always there.
        files: patterns of the type File.
        recursive: look in all folders below them, too.
        custom: custom types, by name, with the script that prints each on the host.
        custom_files: read JSON files in the folders for it on the host.
    """

    types: tuple[str, ...] = DEFAULT
    files: tuple[FilePattern, ...] = ()
    recursive: bool = False
    custom: Mapping[str, str] = field(default_factory=dict)
    custom_files: bool = True

    def __post_init__(self) -> None:
        """Refuse names that are none.

        Raises:
            UsageError: a custom type's name is none, or there are too many.
        """
        for name in self.custom:
            if custom_name(name) != name:
                raise UsageError(
                    f"'{name}' is no name of a custom type",
                    hint="it begins with a capital letter: Custom:RackInformation",
                )

    @property
    def given(self) -> list[tuple[str, str]]:
        """The scripts of custom types: name of the type, name of its section."""
        return [(name, f"inv-given-{number}") for number, name in enumerate(self.custom, 1)]

    def script(self) -> str:
        """Return what is sent to each host."""
        functions = (
            files("fleetctl.inventory").joinpath("scripts", "inventory.sh").read_text(encoding="utf-8")
        )
        body = [functions, *_file_functions(self.files, recursive=self.recursive)]
        # Who wants the address wants the network, which says so.
        types = dict.fromkeys(("Network", *self.types) if "InstanceInformation" in self.types else self.types)
        body += [_SECTIONS[name] for name in types if name in _SECTIONS]
        if self.custom_files:
            body.append("inv_custom\n")
        for (name, section), text in zip(self.given, self.custom.values(), strict=True):
            function = section.replace("-", "_")
            # eval in a shell of its own: an error in it, also one of syntax, ends nothing but itself.
            body.append(
                f"# {name}\n{function}() {{ (eval {shlex.quote(text)}); }}\nsection {section} {function}\n"
            )
        return framed_script("\n".join(body))


def _file_functions(patterns: Sequence[FilePattern], *, recursive: bool) -> list[str]:
    deep = "yes" if recursive else "no"
    folders = "".join(
        f"    inv_file_folders {number} {shlex.quote(pattern.folder)} {deep}\n"
        for number, pattern in enumerate(patterns, 1)
    )
    names = "".join(
        f"        {number}) inv_pattern={shlex.quote(pattern.name)} ;;\n"
        for number, pattern in enumerate(patterns, 1)
    )
    if not patterns:
        return []
    asked = f"inv_file_patterns() {{\n{folders}}}\n"
    return [f"{asked}inv_file_name() {{ # NUMBER\n    case $1 in\n{names}    esac\n}}\n"]
