"""Order apk's versions as apk does: apk-package(5), `apk version -t`.

`NUMBER{.NUMBER}[LETTER]{_SUFFIX[NUMBER]}[~HASH][-rNUMBER]`. A number behind a dot that begins with a zero, on either side, is compared as
text. `_alpha`, `_beta`, `_pre` and `_rc` are older than nothing at all; `_cvs`, `_svn`, `_git`, `_hg` and `_p` are newer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cmp_to_key
from typing import Any, Final, NamedTuple

__all__ = ["apk_version_allows", "apk_version_key", "split_apk_version"]

# In the order in which they may follow one another; where two versions differ in what comes next, the later kind is the older version.
_INITIAL, _DIGIT, _LETTER, _SUFFIX, _SUFFIX_NUMBER, _HASH, _REVISION, _END, _INVALID = range(9)
_SUFFIXES: Final = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
_RELEASED: Final = _SUFFIXES.index("")
_PART: Final = re.compile(
    r"(?P<letter>[a-z])|\.(?P<digit>[0-9]+)|(?P<number>[0-9]+)|_(?P<suffix>[a-z]+)|~(?P<hash>[0-9a-f]+)|-r(?P<revision>[0-9]+)"
)
_NUMBERS: Final = frozenset({_INITIAL, _DIGIT, _SUFFIX_NUMBER, _REVISION})


class _Token(NamedTuple):
    kind: int
    text: str = ""


def apk_version_key(version: str) -> Any:
    """Return a key that sorts as apk compares versions. Never raises: what is no version is older than one that begins the same."""
    return _Key(version)


def apk_version_allows(version: str, operator: str, wanted: str) -> bool:
    """Tell whether a version is one that a dependency allows (apk-world(5)).

    Args:
        version: to judge.
        operator: `=`, `<`, `<=`, `>`, `>=`, `~`, `~=`, `<~` or `>~`; a `~` takes what begins like `wanted` as equal. Nothing allows
            all; `><` means one build of a package, and so allows no version.
        wanted: what stands behind the operator.
    """
    if operator == "><":
        return False
    if not operator:
        return True
    told = _compare(version, wanted, fuzzy="~" in operator)
    return (
        (told < 0 and "<" in operator)
        or (told > 0 and ">" in operator)
        or (told == 0 and bool({"=", "~"} & set(operator)))
    )


def split_apk_version(version: str) -> tuple[str, str]:
    """Return the upstream version and the release (`r3`), which may be empty."""
    upstream, dash, release = version.rpartition("-")
    return (upstream, release) if dash else (version, "")


def _tokens(version: str) -> Iterator[_Token]:
    """Cut a version in parts; the last one says whether it ended as a version should."""
    first = re.match("[0-9]+", version)
    if first is None:
        yield _Token(_INVALID)
        return
    token, at = _Token(_INITIAL, first[0]), first.end()
    yield token
    while token.kind < _END:
        if at == len(version):
            token = _Token(_END)
        else:
            found = _PART.match(version, at)
            token = _next(found, token.kind) if found else _Token(_INVALID)
            at = found.end() if found else at
        yield token


def _next(found: re.Match[str], before: int) -> _Token:
    """Name a part by how it begins, and by what stands before it."""
    text = found[found.lastgroup or 0]
    kind, latest = {
        "letter": (_LETTER, _DIGIT),
        "digit": (_DIGIT, _DIGIT),
        "number": (_SUFFIX_NUMBER, _SUFFIX if before == _SUFFIX else -1),
        "suffix": (_SUFFIX, _SUFFIX_NUMBER if text in _SUFFIXES else -1),
        "hash": (_HASH, _SUFFIX_NUMBER),
        "revision": (_REVISION, _HASH),
    }[found.lastgroup or ""]
    return _Token(kind, text) if before <= latest else _Token(_INVALID)


def _compare(left: str, right: str, *, fuzzy: bool = False) -> int:
    for ours, theirs in zip(_tokens(left), _tokens(right), strict=False):
        if ours.kind != theirs.kind:
            return _different(ours, theirs, fuzzy=fuzzy)
        if told := _same_kind(ours, theirs):
            return told
    return 0


def _same_kind(ours: _Token, theirs: _Token) -> int:
    as_text = ours.kind == _DIGIT and "0" in {ours.text[0], theirs.text[0]}
    if ours.kind in _NUMBERS and not as_text:
        left, right = ours.text.lstrip("0"), theirs.text.lstrip("0")
        return _sign(len(left), len(right)) or _sign(left, right)
    if ours.kind == _SUFFIX:
        return _sign(_SUFFIXES.index(ours.text), _SUFFIXES.index(theirs.text))
    return _sign(ours.text, theirs.text)


def _different(ours: _Token, theirs: _Token, *, fuzzy: bool) -> int:
    if fuzzy and theirs.kind == _END:
        return 0
    if _before_release(ours):
        return -1
    if _before_release(theirs):
        return 1
    return _sign(theirs.kind, ours.kind)


def _before_release(token: _Token) -> bool:
    return token.kind == _SUFFIX and _SUFFIXES.index(token.text) < _RELEASED


def _sign(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


_Key = cmp_to_key(_compare)
