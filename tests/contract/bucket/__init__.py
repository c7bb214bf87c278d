"""A real S3 server over HTTP, and what can go wrong on the way to it."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

__all__ = ["CREDENTIALS", "Bucket", "Gate", "S3Server", "free_port", "s3_server"]

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST", "AWS_SECRET_ACCESS_KEY": "s3cr3t/never+shown"}
# moto asks who it is, and believes it.
_SIGNED = (
    f"AWS4-HMAC-SHA256 Credential={CREDENTIALS['AWS_ACCESS_KEY_ID']}/20261123/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
_numbers = itertools.count(1)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class S3Server:
    """moto's S3, asked over plain HTTP so that nothing of what is tested is trusted."""

    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers={"Authorization": _SIGNED})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def bucket(self) -> Bucket:
        made = Bucket(self, f"bucket-{next(_numbers)}-{time.time_ns()}")
        assert self.ask("PUT", f"/{made.name}")[0] == 200
        return made


@dataclass
class Bucket:
    server: S3Server
    name: str

    def listed(self) -> list[str]:
        status, body = self.server.ask("GET", f"/{self.name}?list-type=2&max-keys=1000")
        assert status == 200
        return [item.text or "" for item in ET.fromstring(body).iter() if item.tag.endswith("}Key")]  # noqa: S314 - our own server

    def read(self, key: str) -> bytes:
        status, body = self.server.ask("GET", f"/{self.name}/{quote(key)}")
        assert status == 200, key
        return body

    def write(self, key: str, body: bytes) -> None:
        assert self.server.ask("PUT", f"/{self.name}/{quote(key)}", body)[0] == 200


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - half a second, for those who need it

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(host, port)
    finally:
        server.stop()


@dataclass
class Gate:
    """A proxy of our own before the server: busy for a while, slow, or closed.

    Attributes:
        busy: how many further requests are answered with 503.
        slow: seconds before each request is passed on.
        deny: what is in the paths of requests that are answered with 403.
        seen: method and path of each request, in order.
    """

    to: S3Server
    port: int = 0
    busy: int = 0
    slow: float = 0.0
    deny: str = "\0"
    most: int = 0
    seen: list[tuple[str, str]] = field(default_factory=list)
    _now: int = 0
    _lock: Any = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def open(self) -> Iterator[Gate]:
        gate = self

        class Passing(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with gate._lock:
                    gate.seen.append((self.command, self.path))
                    gate._now += 1
                    gate.most = max(gate.most, gate._now)
                    busy, gate.busy = gate.busy > 0, max(0, gate.busy - 1)
                try:
                    time.sleep(gate.slow)
                    self.pass_on(body, busy=busy)
                finally:
                    with gate._lock:
                        gate._now -= 1

            do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = do  # noqa: N815 - names of the library

            def pass_on(self, body: bytes, *, busy: bool) -> None:
                if busy:
                    self.answer(503, {}, b"<Error><Code>SlowDown</Code></Error>")
                    return
                if gate.deny in self.path:
                    self.answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
                    return
                connection = http.client.HTTPConnection(gate.to.host, gate.to.port, timeout=60)
                try:
                    connection.request(self.command, self.path, body=body, headers=dict(self.headers))
                    answer = connection.getresponse()
                    self.answer(answer.status, dict(answer.getheaders()), answer.read())
                finally:
                    connection.close()

            def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in {
                        "content-length",
                        "connection",
                        "transfer-encoding",
                        "date",
                        "server",
                    }:
                        self.send_header(name, value)
                length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
                self.send_header("Content-Length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Passing)
        server.daemon_threads = True
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
