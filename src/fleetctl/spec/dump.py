"""Write YAML that reads the same under YAML 1.1 and 1.2."""

from __future__ import annotations

from typing import Any

import yaml

from fleetctl.spec.scalars import resolve_plain

__all__ = ["dump"]


class _Dumper(yaml.SafeDumper):
    """PyYAML quotes what YAML 1.1 would misread; this one also what YAML 1.2 would (`0o17`, `1e3`)."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write shared values out each time: people do not read anchors that nobody wrote."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002
        """Indent lists below their key."""
        return super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if not all(char.isprintable() or char == "\n" for char in text):
        style = '"'
    elif "\n" in text:
        style = "|"
    elif not isinstance(resolve_plain(text), str):
        style = "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def dump(data: Any, *, width: int = 110) -> str:
    """Return data as YAML: maps in their own order, the innermost ones on one line.

    Args:
        data: dicts with text keys, lists and scalars.
        width: of a line, in characters.
    """
    return str(
        yaml.dump(
            data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=width
        )
    )
