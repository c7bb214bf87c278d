"""YAML for people who read machines' output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from fleetctl.report.protocol import Telling

__all__ = ["Yaml", "plain"]


class Yaml:
    """The whole result as one YAML document."""

    def write(self, telling: Telling, file: TextIO) -> None:
        """Write it."""
        import yaml  # noqa: PLC0415

        class Dumper(yaml.SafeDumper):
            """Writes text of several lines as a block."""

        def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
            # A next line (U+0085) in any other form would be read back as a line feed, or a space.
            style = '"' if "\x85" in value else "|" if "\n" in value else None
            return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

        Dumper.add_representer(str, text)
        yaml.dump(plain(telling.data), file, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=120)


def plain(value: Any) -> Any:
    """Return a value made of dicts, lists, strings and numbers alone."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    return str(value)
