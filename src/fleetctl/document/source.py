"""A document's text while it is being checked: where things are, and what was found wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from fleetctl.errors import Problem, Where

__all__ = ["Path", "Source", "strings"]

Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True, kw_only=True)
class Source:
    """One document being read.

    Attributes:
        where: gives the place of a path such as `("mainSteps", 0, "inputs")`, or of the nearest part above it;
            with `key=True`, of its key.
        version: its schema version.
        problems: what is wrong, in the order found.
        warnings: what is allowed but probably not meant.
    """

    where: Callable[..., Where]
    version: str = ""
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def problem(self, path: Path, text: str, *, hint: str | None = None, key: bool = False) -> None:
        """Note something wrong with a value, or with its key."""
        self.problems.append(Problem(text, self.where(path, key=key), hint))

    def warning(self, path: Path, text: str, *, hint: str | None = None) -> None:
        """Note something doubtful."""
        self.warnings.append(Problem(text, self.where(path), hint))


def strings(data: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text in some data with its path."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from strings(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from strings(value, (*path, index))
