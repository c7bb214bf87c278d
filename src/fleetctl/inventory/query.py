"""Read a query: `Application.Name=openssl and Application.Version<3.0.14`.

    query      = term {"or" term}
    term       = factor {"and" factor}
    factor     = "not" factor | "(" query ")" | "has" "(" query ")" | condition
    condition  = TYPE "." FIELD ("=" | "!=" | "<" | "<=" | ">" | ">=" | "^=") VALUE | TYPE ["." FIELD] "exists"

A value is a word without blanks and parentheses, or stands in quotes. Words of the language are known in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from fleetctl.errors import UsageError
from fleetctl.inventory.types import CUSTOM, TYPES, known_type
from fleetctl.spec.suggest import did_you_mean

__all__ = ["And", "Condition", "Has", "Node", "Not", "Or", "parse_query", "types_of"]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<paren>[()])|(?P<op>!=|<=|>=|\^=|=|<|>)|(?P<quoted>'[^']*'|"[^"]*")|(?P<word>[^\s()=<>!^'"]+))"""
)
_VALUE: Final = re.compile(r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*")|(?P<bare>[^\s()'"][^\s()]*))""")
_WORDS: Final = frozenset({"and", "or", "not", "has", "exists"})
_DEEPEST: Final = 50
_LONGEST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; `op` is `exists` where there is no value, and `field` is empty where any item will do."""

    type: str
    field: str
    op: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class And:
    """All of them hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one holds."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    part: Node


@dataclass(frozen=True, slots=True)
class Has:
    """It holds for an item of its own, apart from all around it."""

    part: Node


Node: TypeAlias = Condition | And | Or | Not | Has


def types_of(node: Node) -> frozenset[str]:
    """Return the types that a query asks about."""
    if isinstance(node, Condition):
        return frozenset({node.type})
    parts = node.parts if isinstance(node, And | Or) else (node.part,)
    return frozenset().union(*map(types_of, parts))


def parse_query(text: str) -> Node:
    """Read a query.

    Raises:
        UsageError: it is none; the hint shows where.
    """
    if len(text) > _LONGEST:
        raise UsageError(f"the query is longer than {_LONGEST} characters")
    return _Reader(re.sub(r"\s", " ", text)).query()


class _Reader:
    """Goes through the text once, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0  # behind the token
        self._depth = 0
        self._next()

    def query(self) -> Node:
        node = self._or()
        if self._kind:
            raise self._wrong("expected 'and', 'or' or the end")
        return node

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._end)
        if match is None:
            rest = self._text[self._end :]
            self._begin = self._end + len(rest) - len(rest.lstrip())
            self._kind, self._word = "", ""
            if rest.strip():
                quote = rest.lstrip()[0]
                raise self._wrong(
                    "this quote has no end" if quote in "'\"" else f"'{quote}' cannot stand here"
                )
            return
        self._kind = match.lastgroup or ""
        self._word = match[self._kind]
        self._begin, self._end = match.start(self._kind), match.end()

    def _is(self, word: str) -> bool:
        return self._kind == "word" and self._word.lower() == word

    def _or(self) -> Node:
        parts = [self._and()]
        while self._is("or"):
            self._next()
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Node:
        parts = [self._factor()]
        while self._is("and"):
            self._next()
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _factor(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"nested deeper than {_DEEPEST} levels")
        try:
            if self._is("not"):
                self._next()
                return Not(self._factor())
            if self._is("has"):
                self._next()
                if self._word != "(":
                    raise self._wrong("expected '(' behind 'has'")
                return Has(self._group())
            return self._group() if self._word == "(" and self._kind == "paren" else self._condition()
        finally:
            self._depth -= 1

    def _group(self) -> Node:
        opening = self._begin
        self._next()
        node = self._or()
        if self._word != ")" or self._kind != "paren":
            if not self._kind:
                raise self._wrong("this '(' has no ')'", at=opening)
            raise self._wrong("expected 'and', 'or' or ')'")
        self._next()
        return node

    def _condition(self) -> Node:
        if self._kind != "word" or self._word.lower() in _WORDS:
            raise self._wrong("expected a condition such as Application.Name=openssl")
        place, word = self._begin, self._word
        type_, field = self._names(word, place)
        self._next()
        if self._is("exists"):
            self._next()
            return Condition(type_, field, "exists")
        if not field:
            raise self._wrong(f"name a field of {type_}: {type_}.FIELD, or write: {type_} exists", at=place)
        if self._kind != "op":
            raise self._wrong("expected one of = != < <= > >= ^= or 'exists'")
        op = self._word
        return Condition(type_, field, op, self._value())

    def _value(self) -> str:
        """Read a value, in which characters of operators may stand, and go on behind it."""
        match = _VALUE.match(self._text, self._end)
        if match is None:
            self._begin = self._end
            raise self._wrong("expected a value")
        self._end = match.end()
        self._next()
        return match["quoted"][1:-1] if match["quoted"] is not None else match["bare"]

    def _names(self, word: str, place: int) -> tuple[str, str]:
        head, _, rest = word.partition(":")
        if head.lower() == "aws" and rest:
            return self._names(rest, place + len(head) + 1)
        custom = word.startswith(CUSTOM)
        # A custom type's name may hold dots, its field may not.
        name, dot, field = word.rpartition(".") if custom and "." in word else word.partition(".")
        try:
            type_ = known_type(name)
        except UsageError as exc:
            raise self._wrong(exc.message, at=place, hint=exc.hint) from None
        if dot and not field:
            raise self._wrong("expected a field behind the dot", at=place + len(word))
        if custom or not field:
            return type_, field
        fields = {known.lower(): known for known in TYPES[type_].fields}
        if field.lower() not in fields:
            near = did_you_mean(field, TYPES[type_].fields, most=1)
            raise self._wrong(f"{type_} has no field '{field}'", at=place + len(name) + 1, hint=near)
        return type_, fields[field.lower()]

    def _wrong(self, message: str, *, at: int | None = None, hint: str | None = None) -> UsageError:
        place = self._begin if at is None else at
        begin = max(0, place - 60)  # a window: the caret stands under its place also where the query is long
        shown = f"{self._text[begin : place + 40]}\n{' ' * (place - begin)}^ {message}"
        return UsageError(
            f"the query cannot be read: {message}, at character {place + 1}",
            hint=f"{shown}\n{hint}" if hint else shown,
        )
