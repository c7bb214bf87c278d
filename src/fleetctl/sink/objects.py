"""`s3://BUCKET/PREFIX`, `gs://` and `az://`: object storage, by way of obstore (the extra `objects`).

Up to 8 MiB an object is one conditional request: the storage itself refuses to replace (`If-None-Match: *`). What is larger is looked for
first and then sent in parts, which cannot be conditional with this library: between the two, another writer could be first.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetctl.errors import PluginError, UsageError
from fleetctl.sink.aws import profile_settings
from fleetctl.sink.protocol import SinkConflict, SinkFailed, Source, plain_url, split_url

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

__all__ = ["ObjectSink"]

_SINGLE = 8 << 20
_PIECE = 1 << 20
# S3 allows 10,000 parts; a part is as large as it must be, and two of them are in memory at a time.
_MOST_PARTS = 9_000
_PARTS_AT_ONCE = 2

_CLIENT: ClientConfig = {"connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=120)}
# Whoever calls tries again for minutes; here, only what a busy server says once or twice is smoothed over.
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}

_S3_OPTIONS = frozenset({"endpoint", "region", "profile"})
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_SECRET_NAME = re.compile(r"SECRET|TOKEN|_KEY$|PASSWORD", re.IGNORECASE)
_STATUS = re.compile(r"status code: (\d{3}[^:\n]*)")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_DENIED = frozenset({"PermissionDeniedError", "UnauthenticatedError", "PermissionError"})


class ObjectSink:
    """Puts objects into a bucket, each once.

    Args:
        url: `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`.
        options: for s3: `endpoint` (a URL; http only where it says http), `region`, `profile` (of `~/.aws/credentials`).

    Raises:
        PluginError: obstore is not installed.
        UsageError: the URL or an option makes no sense.
        CredentialError: the profile cannot be read.
    """

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self._store = _open_store(url, options)
        # One large object at a time: memory is bounded by its parts, not by how many hosts printed a gigabyte.
        self._large = asyncio.Semaphore(1)

    async def put(self, key: str, source: Source) -> None:
        """Put an object, whole or not at all."""
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 - the extra

        try:
            size = len(source) if isinstance(source, bytes) else source.stat().st_size
            if isinstance(source, bytes) or size <= _SINGLE:
                await self._put_at_once(key, source)
            else:
                async with self._large:
                    await self._put_in_parts(key, source, size)
        except AlreadyExistsError:
            await self._compare(key, source)
        except SinkFailed:
            raise
        except Exception as exc:  # obstore raises its own tree, and built-in ones  # noqa: BLE001
            raise _told(exc) from None  # the cause may show a whole request

    async def close(self) -> None:
        """Nothing is held open."""

    async def _put_at_once(self, key: str, source: Source) -> None:
        import obstore  # noqa: PLC0415 - the extra

        data = source if isinstance(source, bytes) else await asyncio.to_thread(source.read_bytes)
        await obstore.put_async(self._store, key, data, mode="create", use_multipart=False)

    async def _put_in_parts(self, key: str, path: Path, size: int) -> None:
        import obstore  # noqa: PLC0415 - the extra

        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            part = max(_SINGLE, -(-size // _MOST_PARTS))
            await obstore.put_async(
                self._store, key, path, use_multipart=True, chunk_size=part, max_concurrency=_PARTS_AT_ONCE
            )
        else:
            await self._compare(key, path)

    async def _compare(self, key: str, source: Source) -> None:
        """Return if what stands there is the same, read in pieces.

        Raises:
            SinkConflict: it is not.
            SinkFailed: it cannot be read.
        """
        try:
            same = await self._same_until(key, source)
        except Exception as exc:  # noqa: BLE001 - as above
            raise _told(exc, what=f"{key} stands there and cannot be read to compare: ") from None
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if same != size:
            raise SinkConflict(key, grown=same is not None)

    async def _same_until(self, key: str, source: Source) -> int | None:
        """Return the size of what stands there if `source` begins with it, else None."""
        import obstore  # noqa: PLC0415 - the extra

        found = await obstore.get_async(self._store, key)
        at = 0
        async for chunk in found.stream(min_chunk_size=_PIECE):
            old = bytes(chunk)
            if old != await _read(source, at, len(old)):
                return None
            at += len(old)
        return at


async def _read(source: Source, at: int, length: int) -> bytes:
    if isinstance(source, bytes):
        return source[at : at + length]

    def read() -> bytes:
        with source.open("rb") as file:
            file.seek(at)
            return file.read(length)

    return await asyncio.to_thread(read)


def _open_store(url: str, options: Mapping[str, str]) -> ObjectStore:
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - the extra
        from obstore.store import S3Store, from_url  # noqa: PLC0415
    except ImportError as exc:
        raise PluginError(
            f"{plain_url(url)} needs obstore, which is not installed",
            hint="install it with: pip install 'fleetctl[objects]'",
        ) from exc
    parts = split_url(url)
    taken = _S3_OPTIONS if parts.scheme == "s3" else frozenset()
    if odd := sorted(set(options) - taken):
        raise UsageError(f"a {parts.scheme}:// sink has no setting '{odd[0]}'", hint="take it out")
    try:
        if parts.scheme != "s3":
            return from_url(plain_url(url), client_options=_CLIENT, retry_config=_RETRY)
        config, endpoint = _s3_config(options)
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,
            client_options={**_CLIENT, "allow_http": endpoint.startswith("http://")},
            retry_config=_RETRY,
        )
    except BaseError as exc:
        raise UsageError(
            f"{plain_url(url)} cannot be used: {_reason(exc)}", hint="see docs/reference/sinks.md"
        ) from None


def _s3_config(options: Mapping[str, str]) -> tuple[Any, str]:
    """Return what overrides the environment, and the endpoint (empty: Amazon's)."""
    endpoint = options.get("endpoint") or next(
        filter(None, (os.environ.get(name) for name in _ENDPOINTS)), ""
    )
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise UsageError(
            f"the endpoint '{plain_url(endpoint)}' is no http(s) URL",
            hint="write https://minio.example.net:9000",
        )
    config = profile_settings(options.get("profile", ""))
    if endpoint:
        config["endpoint"] = endpoint
        if not (config.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")):
            config["region"] = "us-east-1"  # what servers that have no regions expect in a signature
    if options.get("region"):
        config["region"] = options["region"]
    return config, endpoint


def _told(exc: Exception, *, what: str = "") -> SinkFailed:
    """Tell a library's exception in one line without secrets: its own text shows requests and parts of answers."""
    reason, name = _reason(exc), type(exc).__name__
    code = found[1] if (found := _CODE.search(str(exc))) else ""
    if name in _DENIED or code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
        hint = "check the credentials in the environment, and that they may put, and read, objects there"
        return SinkFailed(f"{what}access denied ({reason})", hint=hint, lasting=True)
    if code == "NoSuchBucket":
        return SinkFailed(
            f"{what}there is no such bucket", hint="make the bucket, or correct the URL", lasting=True
        )
    if name == "BaseError" or isinstance(exc, FileNotFoundError):
        return SinkFailed(f"{what}{reason}")
    return SinkFailed(
        f"{what}{reason}", hint="check the endpoint, and that the server can be reached from here"
    )


def _reason(exc: Exception) -> str:
    text = str(exc).split("\n\nDebug source", 1)[0]
    if status := _STATUS.search(text):
        code = found[1] if (found := _CODE.search(text)) else ""
        return f"the server says {status[1].strip()}" + (f", {code}" if code else "")
    for cause, words in (
        ("Connect", "no connection to the server"),
        ("Timeout", "the server did not answer in time"),
    ):
        if f"kind: {cause}" in str(exc):
            return words
    line = " ".join(text.split())[:200]
    for name, value in os.environ.items():
        if len(value) > 3 and _SECRET_NAME.search(name):
            line = line.replace(value, "********")
    return line
