"""What a sink is: a place that takes objects, each once.

A sink is named by a URL and found by its scheme among the entry points `fleetctl.sinks`. It never overwrites: what was put there is
evidence, and a program that can be made to replace it would be worth attacking.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from fleetctl.errors import UsageError
from fleetctl.spec.plugins import load

__all__ = ["Sink", "SinkConflict", "SinkFailed", "Source", "open_sink", "plain_url", "split_url"]

Source: TypeAlias = bytes | Path

_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class SinkFailed(Exception):  # noqa: N818 - something to try again, not a fault of ours
    """An object could not be put.

    Args:
        message: what went wrong, in one line, without secrets.
        hint: what to do about it.
        lasting: trying again by itself will not help (access denied, no such bucket).
    """

    def __init__(self, message: str, *, hint: str = "", lasting: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.lasting = lasting


class SinkConflict(SinkFailed):
    """An object of that key stands there, with other content. It was left as it is.

    Args:
        key: the object's.
        grown: what stands there is the beginning of what was to be put: an earlier state of the same file.
    """

    def __init__(self, key: str, *, grown: bool = False) -> None:
        super().__init__(
            f"{key} stands there with other content, which was left as it is",
            hint="find out who put it there; move it away, or ship to another prefix",
            lasting=True,
        )
        self.key = key
        self.grown = grown


class Sink(Protocol):
    """A place that keeps objects. Calls may be made concurrently."""

    async def put(self, key: str, source: Source) -> None:
        """Put an object, whole or not at all; one that stands there with the same content is left and taken for put.

        Args:
            key: slash-separated, below the sink's own prefix.
            source: content, or a file, which is streamed in bounded memory and must not change meanwhile.

        Raises:
            SinkConflict: another content stands there.
            SinkFailed: it could not be put.
        """

    async def close(self) -> None:
        """Let go of what is open."""


def open_sink(url: str, options: Mapping[str, str]) -> Sink:
    """Make a sink; nothing is sent yet.

    Args:
        url: `s3://BUCKET/PREFIX`, `file:///FOLDER`.
        options: what the kind of sink takes: `endpoint`, `region` and `profile` for `s3`.

    Raises:
        UsageError: the URL cannot be read.
        PluginError: no sink of that scheme, or what it needs is not installed.
        CredentialError: credentials that were named cannot be had.
    """
    sink: Sink = load("fleetctl.sinks", split_url(url).scheme)(url, options)
    return sink


def split_url(url: str) -> SplitResult:
    """Take a sink's URL apart; `netloc` and `path` come unquoted.

    Raises:
        UsageError: it is none. The message does not repeat credentials.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    hint = "write s3://BUCKET/PREFIX or file:///FOLDER"
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"the sink {plain_url(url)} must not carry credentials, '?' or '#'",
            hint="credentials come from the environment; endpoint and region have settings of their own",
        )
    path = unquote(parts.path)
    if (
        not parts.scheme
        or _CONTROL.sub("", parts.netloc) != parts.netloc
        or {".", ".."} & set(path.split("/"))
    ):
        raise UsageError(f"'{plain_url(url)}' is no URL of a sink", hint=hint)
    if (parts.scheme == "file") == bool(parts.netloc) or (parts.scheme == "file" and len(path) < 2):
        raise UsageError(
            f"'{plain_url(url)}' names no {'folder' if parts.scheme == 'file' else 'bucket'}", hint=hint
        )
    return SplitResult(parts.scheme, parts.netloc, path, "", "")


def plain_url(url: str) -> str:
    """Return a sink's URL as it may be shown and kept: without user, password and query, and without a slash at its end."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = bare.partition("://")
    if separator:
        place, slash, path = rest.partition("/")
        bare = f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"
    return bare.rstrip("/") if len(bare) > len("file:///") else bare
