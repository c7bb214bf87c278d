"""A task as data, so that another process can make it again on another day; secrets are only named in it, never kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fleetctl.errors import CredentialError, NotFoundError
from fleetctl.model import EMPTY
from fleetctl.spec.plugins import load, names

__all__ = ["Work", "new_mark", "restore"]

_GROUP = "fleetctl.tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How to make a task again.

    Attributes:
        kind: entry point name in the group `fleetctl.tasks`: a function that makes the task of its `spec`.
        spec: JSON-ready; the kind's own form.
        marks: what stands in `spec` for the value of a secret, by the secret's name.
        repeatable: whether it only looks, so that hosts whose end nobody saw are begun again without being asked.
    """

    kind: str
    spec: Mapping[str, Any]
    marks: Mapping[str, str] = EMPTY
    repeatable: bool = False

    @classmethod
    def of(
        cls,
        kind: str,
        spec: Mapping[str, Any],
        *,
        named: Mapping[str, str] = EMPTY,
        marks: Mapping[str, str] = EMPTY,
        secrets_: frozenset[str] = frozenset(),
        repeatable: bool = False,
    ) -> Work | None:
        """Put a mark in place of every secret.

        Args:
            kind: as above.
            spec: as the task has it, secrets and all.
            named: secrets that can be had again by their name, from the environment: name -> value.
            marks: what stands in `spec` already for values that are had by name.
            secrets_: all secrets.
            repeatable: as above.

        Returns:
            None where the spec holds a secret that has no name: it cannot be made again.
        """
        made = {name: new_mark() for name in named}
        hidden = _each_text(spec, _replacing({value: made[name] for name, value in named.items()}))
        ours = {**marks, **made}
        # Marks themselves are no leak, whatever letters they are made of.
        bare = _each_text(hidden, _replacing(dict.fromkeys(ours.values(), "")))
        if any(secret in text for text in _texts(bare) for secret in secrets_):
            return None
        return cls(kind=kind, spec=hidden, marks=ours, repeatable=repeatable)

    def to_json(self) -> dict[str, Any]:
        """Return what `run.json` keeps."""
        told = {"Kind": self.kind, "Spec": dict(self.spec), "Secrets": dict(self.marks)}
        return {**told, "Repeatable": True} if self.repeatable else told

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Work:
        """Read what `run.json` keeps."""
        return cls(
            kind=str(data["Kind"]),
            spec=dict(data["Spec"]),
            marks=dict(data.get("Secrets", {})),
            repeatable=data.get("Repeatable") is True,
        )


def restore(work: Work, *, environment: Mapping[str, str]) -> tuple[Any, frozenset[str]]:
    """Make a task again.

    Args:
        work: as `run.json` keeps it.
        environment: where the values of secrets are found, by name.

    Returns:
        What the kind's function returns, and the values of secrets.

    Raises:
        CredentialError: a secret is not in the environment.
        NotFoundError: this fleetctl does not know the kind.
    """
    missing = sorted(name for name in work.marks if not environment.get(name))
    if missing:
        raise CredentialError(
            f"the run needs the secret {missing[0]}, which is not set here",
            hint=f"put {', '.join(missing)} into the environment, as it was for the run",
        )
    if work.kind not in names(_GROUP):
        raise NotFoundError(
            f"this fleetctl does not know how to carry on with '{work.kind}'",
            hint="use the version, and the plugins, that the run was started with",
        )
    values = {mark: environment[name] for name, mark in work.marks.items()}

    make = load(_GROUP, work.kind)
    return make(_each_text(work.spec, _replacing(values))), frozenset(values.values())


def new_mark() -> str:
    """Return what can stand for a value: nothing else looks like it."""
    return f"@secret-{secrets.token_hex(8)}@"


def _replacing(words: Mapping[str, str]) -> Callable[[str], str]:
    """Return what replaces words in a text in one go, the longest first: never in what was put there."""
    if not words:
        return lambda text: text
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))
    return lambda text: pattern.sub(lambda found: words[found[0]], text)


def _each_text(data: Any, change: Callable[[str], str]) -> Any:
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {change(str(key)): _each_text(value, change) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_each_text(item, change) for item in data]
    return data


def _texts(data: Any) -> list[str]:
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    _each_text(data, note)
    return found
