"""Make the one script that asks a host about any number of resources, and read its answer.

script = ask([Question(name="c0", resource=Sysctl(...)), ...])
answers = read(stdout)
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fleetctl.packages.sections import Sections, read_sections
from fleetctl.resource.facts import Facts, read_facts
from fleetctl.resource.protocol import Resource
from fleetctl.resource.verdict import Verdict

__all__ = ["Answers", "Question", "ask", "read"]

_PREPARED = frozenset({"sshd"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One resource to look at.

    Attributes:
        name: of its section: letters, digits and `-`; unique in a script.
        systems: only where the host is one of these (`debian`, `rhel`, `ubuntu-24.04`); empty: everywhere.
    """

    name: str
    resource: Resource
    systems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """A host's answer to all questions."""

    sections: Sections

    @property
    def complete(self) -> bool:
        """Whether the last line of the script was reached."""
        return self.sections.complete

    @property
    def system(self) -> Mapping[str, str]:
        """os-release(5) of the host, and `FLEETCTL_KERNEL` and `FLEETCTL_UID`."""
        told: dict[str, str] = {}
        for line in read_facts(self.sections["system"]).lines:
            name, equals, value = line.partition("=")
            if equals:
                told[name] = value.strip("\"'")
        return told

    def asked(self, question: Question) -> bool:
        """Whether the question was put to this host; one for other systems is not."""
        return not question.systems or question.name in self.sections

    def verdict(self, question: Question) -> Verdict:
        """Judge one resource. Never raises."""
        facts: Facts = read_facts(self.sections[question.name])
        return Verdict.unknown(facts.fault) if facts.fault else question.resource.judge(facts)


@cache
def _text(name: str) -> str:
    return files("fleetctl.resource").joinpath("scripts", name).read_text(encoding="utf-8")


def ask(questions: Sequence[Question]) -> str:
    """Return the script: only what its questions need, one frame a question."""
    types = sorted({question.resource.type for question in questions})
    parts = [_text("check.sh"), *(_text(f"{name}.sh") for name in types)]
    parts += [f"prepare_{name}\n" for name in types if name in _PREPARED]
    parts += [_line(question) for question in questions]
    return "\n".join([*parts, "printf '\\n@@fleetctl done\\n'", "exit 0", ""])


def _line(question: Question) -> str:
    words: Iterable[str] = (
        "look",
        question.name,
        f"check_{question.resource.type}",
        *question.resource.words(),
    )
    line = " ".join(map(shlex.quote, words))
    if question.systems:
        return f"if system_is {' '.join(map(shlex.quote, question.systems))}; then {line}; fi"
    return line


def read(stdout: bytes) -> Answers:
    """Read a host's answer. Never raises."""
    return Answers(read_sections(stdout))
