"""The gate that is a web page: a real server on the loopback, and everything that strange ones do."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fleetctl.engine.gate_http import HttpGate, parse_statuses
from fleetctl.engine.gates import GateView
from fleetctl.errors import UsageError
from fleetctl.store.runs import RunFolder


async def nobody(*_: Any) -> Any:
    raise AssertionError("a page asks no host")


VIEW = GateView(
    run_id="run",
    wave=1,
    of=2,
    hosts=(),
    outcomes=(),
    run_on_hosts=nobody,
    folder=RunFolder(Path("none")),
    seconds=20,
)


class Site(BaseHTTPRequestHandler):
    """Pages that are healthy, ill, large, slow, or somewhere else."""

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        path = self.path
        if path.startswith("/status/"):
            self.say(int(path[8:]), b"words of the server\nmore")
        elif path.startswith("/to/"):
            self.say(302, location=path[4:])
        elif path == "/large":
            self.say(200, b"first" + b"x" * (2 << 20) + b"last")
        elif path == "/endless":
            self.endless()
        elif path == "/latin":
            self.say(200, "zurück".encode("latin-1"), kind="text/plain; charset=iso-8859-1")
        elif path == "/strange":
            self.say(200, b"ok", kind="text/plain; charset=x-klingon")
        elif path == "/hang":
            self.server.over.wait(30)
        else:
            self.say(200, b'{"status": "up",\n"version": 7}')

    def say(self, status: int, body: bytes = b"", *, location: str = "", kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.over.wait(0.01):
            try:
                self.wfile.write(b"x" * 65536)
            except OSError:
                return

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Site)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that hang up."""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def serve(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from serve(Server())


@pytest.fixture
def site(server: Server) -> Callable[[str], str]:
    return lambda path: f"http://127.0.0.1:{server.server_port}{path}"


Urls = Callable[[str], str]


async def test_a_healthy_page_is_green(site: Urls, server: Server) -> None:
    verdict = await HttpGate(url=site("/health?deep=1")).check(VIEW)
    assert verdict.green
    assert verdict.message.startswith("status 200 after ")
    ((path, headers),) = server.asked
    assert path == "/health?deep=1"
    assert headers["User-Agent"].startswith("fleetctl/")


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_any_other_status_is_red_with_the_first_words_of_the_page(site: Urls, status: int) -> None:
    verdict = await HttpGate(url=site(f"/status/{status}")).check(VIEW)
    assert not verdict.green
    assert verdict.message == f"status {status}, not 200-299: words of the server"
    assert verdict.details == {"code": status}


@pytest.mark.parametrize(
    ("wanted", "status", "green"), [("204,418", 418, True), ("4xx", 404, True), ("200", 201, False)]
)
async def test_the_status_that_is_asked_for_is_green(
    site: Urls, wanted: str, status: int, *, green: bool
) -> None:
    gate = HttpGate(url=site(f"/status/{status}"), statuses=parse_statuses(wanted))
    assert (await gate.check(VIEW)).green is green


@pytest.mark.parametrize(
    ("body", "green"),
    [
        ('"status": "up"', True),
        ("/version.: 7/", True),
        ("/^.version/", True),
        ("/up$/", False),
        ("/status: up/", False),
        ("down", False),
        ("/", False),
    ],
)
async def test_the_body_must_hold_the_text_or_match(site: Urls, body: str, *, green: bool) -> None:
    verdict = await HttpGate(url=site("/"), body=body).check(VIEW)
    assert verdict.green is green
    if not green:
        assert verdict.message == f"status 200, but '{body}' is not in the body"


async def test_only_the_first_megabyte_is_looked_at_and_that_is_said(site: Urls) -> None:
    assert (await HttpGate(url=site("/large"), body="first").check(VIEW)).green
    verdict = await HttpGate(url=site("/large"), body="last").check(VIEW)
    assert verdict.message == "status 200, but 'last' is not in the body in its first megabyte"


async def test_a_page_without_end_has_one(site: Urls) -> None:
    assert (await HttpGate(url=site("/endless")).check(VIEW)).green


@pytest.mark.parametrize(("path", "body"), [("/latin", "zurück"), ("/strange", "ok")])
async def test_bodies_are_read_in_their_own_encoding(site: Urls, path: str, body: str) -> None:
    assert (await HttpGate(url=site(path), body=body).check(VIEW)).green


async def test_redirects_are_followed(site: Urls, server: Server) -> None:
    assert (await HttpGate(url=site("/to//health")).check(VIEW)).green
    assert [path for path, _ in server.asked] == ["/to//health", "/health"]


async def test_a_redirect_that_is_asked_for_is_the_answer(site: Urls, server: Server) -> None:
    assert (await HttpGate(url=site("/to//health"), statuses=parse_statuses("302")).check(VIEW)).green
    assert len(server.asked) == 1


async def test_a_page_that_leads_to_itself_is_red(site: Urls) -> None:
    verdict = await HttpGate(url=site("/to/?")).check(VIEW)
    assert not verdict.green


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:text/plain,ok"])
async def test_redirects_to_other_schemes_are_not_followed(site: Urls, target: str) -> None:
    verdict = await HttpGate(url=site(f"/to/{target}")).check(VIEW)
    assert not verdict.green
    assert verdict.message == f"status 302, not 200-299: it leads to {target}, which is not followed"


async def test_a_server_that_is_not_there_refuses() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        verdict = await HttpGate(url=f"http://127.0.0.1:{free.getsockname()[1]}/").check(VIEW)
    assert (verdict.green, verdict.message) == (False, "connection refused")


async def test_a_server_that_says_nothing_runs_out_of_time(site: Urls) -> None:
    verdict = await HttpGate(url=site("/hang")).check(replace(VIEW, seconds=0.3))
    assert not verdict.green
    assert verdict.message == "no answer within 0.3 s"


async def test_taking_it_back_does_not_wait_for_the_server(site: Urls, server: Server) -> None:
    checking = asyncio.create_task(HttpGate(url=site("/hang")).check(VIEW))
    async with asyncio.timeout(20):
        while not server.asked:  # noqa: ASYNC110 - a thread fills it
            await asyncio.sleep(0.02)
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking


async def test_what_does_not_speak_http_is_red() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        verdict = await HttpGate(url=f"http://127.0.0.1:{port}/").check(VIEW)
    assert not verdict.green
    assert "SSH-2.0" in verdict.message


async def test_the_proxy_of_the_environment_is_asked(
    site: Urls, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site(""))
    assert (await HttpGate(url="http://app.invalid/health").check(VIEW)).green
    ((path, _),) = server.asked
    assert path == "http://app.invalid/health"


async def test_hosts_of_no_proxy_are_asked_directly(site: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert (await HttpGate(url=site("/")).check(VIEW)).green


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Server]:
    """A server with a certificate for localhost that nobody vouches for; `cert.pem` in the test's folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    yield from serve(server)


async def test_a_certificate_that_nobody_vouches_for_is_red(secure: Server) -> None:
    verdict = await HttpGate(url=f"https://localhost:{secure.server_port}/").check(VIEW)
    assert not verdict.green
    assert verdict.message.startswith("the certificate is not good: self")


async def test_a_trusted_certificate_is_green_and_https_is_not_left(
    secure: Server, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    base = f"https://localhost:{secure.server_port}"
    plain = f"http://127.0.0.1:{server.server_port}"
    assert (await HttpGate(url=f"{base}/").check(VIEW)).green
    verdict = await HttpGate(url=f"{base}/to/{plain}/").check(VIEW)
    assert verdict.message == f"status 302, not 200-299: it leads to {plain}/, which is not followed"
    assert server.asked == []
    assert (await HttpGate(url=f"{plain}/to/{base}/").check(VIEW)).green


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("200", ((200, 200),)),
        ("200,204, 2xx", ((200, 200), (204, 204), (200, 299))),
        ("200-299", ((200, 299),)),
        ("4XX", ((400, 499),)),
    ],
)
def test_statuses_are_written_in_three_ways(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert parse_statuses(text) == ranges


@pytest.mark.parametrize(
    "text", ["", "ok", "20", "2000", "600", "099", "299-200", "2xx-3xx", "200,", "-200", "٢٠٠"]
)
def test_what_is_no_status_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--gate-http-status"):
        parse_statuses(text)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "app.example.net/health",
        "ftp://app/",
        "file:///etc/passwd",
        "http://",
        "http:///x",
        "http://app:port/",
        "http://app:99999/",
        "http://[::1/",
        "http://app/a b",
        "http://app/\r\nX: y",
        "http://app/ü",
        "https://me:hunter2@app/",
        "https://me@app/",
    ],
)
def test_what_is_no_url_to_ask_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--gate-http") as caught:
        HttpGate(url=url)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_broken_regular_expression_is_refused() -> None:
    with pytest.raises(UsageError, match="no regular expression"):
        HttpGate(url="http://app/", body="/(/")


@pytest.mark.parametrize(
    "gate",
    [
        HttpGate(url="https://app.example.net/health"),
        HttpGate(url="http://app/", statuses=parse_statuses("2xx,404"), body="/up/"),
    ],
)
def test_it_can_be_recorded_and_read_again(gate: HttpGate) -> None:
    assert HttpGate.from_record(gate.record()) == gate


@pytest.mark.parametrize(
    "record", [{}, {"Url": "http://a/"}, {"Url": "http://a/", "Status": 200}, {"Url": "x", "Status": "200"}]
)
def test_a_strange_record_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, UsageError)):
        HttpGate.from_record(record)
