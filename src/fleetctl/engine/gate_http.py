"""A gate that is a web page: `--gate-http https://app.example.net/health`."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from fleetctl import __version__
from fleetctl.engine.gates import GateVerdict, GateView, first_line
from fleetctl.errors import UsageError

if TYPE_CHECKING:
    from http.client import HTTPMessage
    from typing import IO
    from urllib.request import OpenerDirector, Request

__all__ = ["HttpGate", "parse_statuses"]

_SUCCESS: Final = ((200, 299),)
_STATUS: Final = re.compile(r"([1-5])(?:xx|(\d\d)(?:-([1-5]\d\d))?)", re.ASCII | re.IGNORECASE)
# Bytes of a body that are looked at.
_MOST_BODY: Final = 1 << 20
_PIECE: Final = 64 * 1024


def parse_statuses(text: str) -> tuple[tuple[int, int], ...]:
    """Read which HTTP statuses are green: `200,204`, `2xx`, `200-299`.

    Returns:
        Ranges, both ends included.

    Raises:
        UsageError: it is none of these.
    """
    found = []
    for part in text.split(","):
        match = _STATUS.fullmatch(part.strip())
        low = high = 0
        if match and match[2] is None:
            low = int(match[1]) * 100
            high = low + 99
        elif match:
            low = int(match[1] + match[2])
            high = int(match[3] or low)
        if not low or high < low:
            raise UsageError(
                f"--gate-http-status: '{part.strip()}' is no HTTP status",
                hint="write 200, 2xx or 200-299, with commas between several",
            )
        found.append((low, high))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a server said: its status, and the first megabyte of the body."""

    status: int
    body: str
    whole: bool
    leads_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpGate:
    """A GET of a page; green when status and body are as they should be.

    Certificates are verified. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`). Redirects are followed, from http to
    https too, to any other scheme not; a redirect whose status is asked for is itself the answer.

    Attributes:
        url: http or https; it is recorded, so that no secret should be in it.
        statuses: ranges that are green, both ends included.
        body: text that the body must hold, or `/a regular expression/`; None takes any.
    """

    url: str
    statuses: tuple[tuple[int, int], ...] = _SUCCESS
    body: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked.

        Raises:
            UsageError: no http or https URL, or no regular expression.
        """
        if problem := _wrong_with(self.url):
            raise UsageError(
                f"--gate-http: {problem}", hint="write --gate-http https://app.example.net/health"
            )
        try:
            self._pattern()
        except re.error as exc:
            raise UsageError(
                f"--gate-http-body: '{self.body}' is no regular expression: {exc}",
                hint="text without / around it is looked for as it stands",
            ) from exc

    @property
    def name(self) -> str:
        """What people call it."""
        return f"http: {self.url}"

    def record(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        record: dict[str, Any] = {"Kind": "http", "Url": self.url, "Status": _told(self.statuses)}
        return record if self.body is None else {**record, "Body": self.body}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> HttpGate:
        """Read what `record` returned; KeyError, ValueError or UsageError if it is something else."""
        url, status, body = record["Url"], record["Status"], record.get("Body")
        if not (isinstance(url, str) and isinstance(status, str) and isinstance(body, str | None)):
            raise ValueError("Url, Status and Body are text")  # noqa: TRY004 - callers take one kind of error
        return cls(url=url, statuses=parse_statuses(status), body=body)

    async def check(self, view: GateView) -> GateVerdict:
        """Ask the server."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(view.seconds):
                answer = await _in_thread(self, view.seconds)
        except Exception as exc:  # noqa: BLE001 - whatever a strange server makes urllib raise, it is no answer
            return GateVerdict(
                green=False, message=first_line(_why(exc, seconds=view.seconds).encode(), redact=view.redact)
            )
        return self._judge(answer, redact=view.redact, seconds=time.monotonic() - begun)

    def wants(self, status: int) -> bool:
        """Tell whether a status is green."""
        return any(low <= status <= high for low, high in self.statuses)

    def _judge(self, answer: _Answer, *, redact: Callable[[str], str], seconds: float) -> GateVerdict:
        details = {"code": answer.status}
        if not self.wants(answer.status):
            said = first_line(answer.body.encode(), redact=redact)
            if 300 <= answer.status < 400 and answer.leads_to:
                said = f"it leads to {first_line(answer.leads_to.encode(), redact=redact)}, which is not followed"
            text = f"status {answer.status}, not {_told(self.statuses)}" + (f": {said}" if said else "")
            return GateVerdict(green=False, message=text, details=details)
        if self.body is not None and not self._matches(answer.body):
            part = "" if answer.whole else " in its first megabyte"
            text = f"status {answer.status}, but '{self.body}' is not in the body{part}"
            return GateVerdict(green=False, message=text, details=details)
        return GateVerdict(
            green=True, message=f"status {answer.status} after {seconds:.2f} s", details=details
        )

    def _pattern(self) -> re.Pattern[str] | None:
        body = self.body
        if body is None or len(body) < 3 or not (body.startswith("/") and body.endswith("/")):
            return None
        return re.compile(body[1:-1], re.MULTILINE)

    def _matches(self, body: str) -> bool:
        pattern = self._pattern()
        return pattern.search(body) is not None if pattern else (self.body or "") in body


def _wrong_with(url: str) -> str | None:
    if not url.isascii() or not url.isprintable() or " " in url:
        return f"'{url}' holds spaces or other characters that a URL writes with % (a space is %20)"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as exc:
        return f"'{url}' is no URL: {exc}"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"'{url}' is no http or https URL"
    if parts.username is not None or parts.password is not None:
        return (
            "a URL with a password in it would be recorded; ask with --gate-local 'curl --netrc ...' instead"
        )
    return None


def _told(statuses: Sequence[tuple[int, int]]) -> str:
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in statuses)


async def _in_thread(gate: HttpGate, seconds: float) -> _Answer:
    """Ask in a thread that nobody waits for: a name server that never answers must not hold up the end of the run."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Answer] = loop.create_future()

    def settle(answer: _Answer | None, fault: Exception | None) -> None:
        if future.done():
            return
        if answer is not None:
            future.set_result(answer)
        else:
            future.set_exception(fault or OSError("no answer"))

    def ask() -> None:
        answer, fault = None, None
        try:
            answer = _ask(gate, seconds)
        except Exception as exc:  # noqa: BLE001 - told by whoever waits
            fault = exc
        try:
            loop.call_soon_threadsafe(settle, answer, fault)
        except RuntimeError:  # the loop has ended: nobody waits any more
            return

    threading.Thread(target=ask, name="gate-http", daemon=True).start()
    return await future


def _ask(gate: HttpGate, seconds: float) -> _Answer:
    from urllib.error import HTTPError  # noqa: PLC0415 - 30 ms, for those who ask web pages
    from urllib.request import Request  # noqa: PLC0415

    request = Request(gate.url, headers={"User-Agent": f"fleetctl/{__version__}", "Accept": "*/*"})  # noqa: S310 - the scheme was checked
    try:
        response = _opener(gate).open(request, timeout=seconds)
    except HTTPError as exc:  # any status but 2xx: an answer like others
        response = exc
    with response:
        data = _body(response, time.monotonic() + seconds)
        charset = response.headers.get_content_charset("utf-8")
        try:
            text = data[:_MOST_BODY].decode(charset, "replace")
        except LookupError:
            text = data[:_MOST_BODY].decode("utf-8", "replace")
        return _Answer(
            int(response.status), text, len(data) <= _MOST_BODY, response.headers.get("Location", "")
        )


def _body(response: Any, until: float) -> bytes:
    """Read a little more than is looked at, and no longer than somebody waits."""
    data = bytearray()
    while len(data) <= _MOST_BODY and time.monotonic() < until:
        piece = response.read1(_PIECE) if hasattr(response, "read1") else response.read(_PIECE)
        if not piece:
            break
        data += piece
    return bytes(data[: _MOST_BODY + 1])


def _opener(gate: HttpGate) -> OpenerDirector:
    """Return what speaks http and https, and no other scheme that urllib knows (file, ftp, data)."""
    import ssl  # noqa: PLC0415
    from urllib import request as web  # noqa: PLC0415

    class Redirects(web.HTTPRedirectHandler):
        def redirect_request(  # noqa: PLR0917 - urllib's own signature
            self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
        ) -> Request | None:
            allowed = {urlsplit(req.full_url).scheme, "https"}
            if gate.wants(code) or urlsplit(newurl).scheme not in allowed:
                return None  # it is the answer
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = web.OpenerDirector()
    for part in (
        web.ProxyHandler(),
        web.HTTPHandler(),
        web.HTTPSHandler(context=ssl.create_default_context()),
        web.HTTPDefaultErrorHandler(),
        web.HTTPErrorProcessor(),
        web.UnknownHandler(),
        Redirects(),
    ):
        opener.add_handler(part)
    return opener


def _why(exc: Exception, *, seconds: float) -> str:
    """Tell a failure in words."""
    reason = getattr(exc, "reason", exc)
    if isinstance(reason, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(reason, ConnectionRefusedError):
        return "connection refused"
    if isinstance(reason, socket.gaierror):
        return f"the name cannot be resolved: {reason.strerror}"
    if verify := getattr(reason, "verify_message", ""):
        return f"the certificate is not good: {verify}"
    if isinstance(reason, OSError):
        return reason.strerror or str(reason) or type(reason).__name__
    return f"{type(exc).__name__}: {exc}".removesuffix(": ")
