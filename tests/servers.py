"""Real HTTP servers on loopback for tests: obedient ones, and every kind of bad one.

    with Site() as site: site.page("/a.html", "<html>…</html>")          # ETag and Last-Modified of its own,
    304 when they come back site.route("/b.html", lambda request: Reply(503, headers={"Retry-After": "60"}))
    site.wire("/c.html", Wire.reset)                # takes the socket and misbehaves …
    # site.url("/a.html"), site.requests, site.count("/a.html")

A site runs in threads of its own, so that synchronous and asynchronous tests can both use it. Leaving the
block ends every connection, hanging ones included.
"""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.client import responses
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Asked:
    """A request as it arrived. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Reply:
    """An honest answer; Content-Length is added unless `headers` has one."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds before it is sent

    def encode(self) -> bytes:
        headers = {"Content-Type": "text/html; charset=utf-8", **self.headers}
        if self.status not in (204, 304) and not {"Content-Length", "Transfer-Encoding"} & set(headers):
            headers["Content-Length"] = str(len(self.body))
        return head(self.status, headers) + self.body


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """A status line and headers, with the empty line after them."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Wire:
    """The server's end of one connection, for answers that HTTP does not know."""

    def __init__(self, connection: socket.socket, ended: threading.Event) -> None:
        self._connection = connection
        self.ended = ended  # set when the site closes

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def hang(self) -> None:
        """Say nothing more until the site closes."""
        self.ended.wait(120)

    def drip(self, data: bytes, pause: float) -> None:
        """Send a byte at a time, `pause` seconds apart."""
        for byte in data:
            if self.ended.wait(pause):
                return
            self.send(bytes([byte]))

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()


Answer = Callable[[Asked], Reply]
Misbehaviour = Callable[[Wire], None]


class Site:
    """A site on one loopback address and a port of its own.

    `requests` holds everything that was asked, in order. `overlaps` counts requests that began while another
    was being answered. Unknown paths, /robots.txt included, answer 404.
    """

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, name: str = "") -> None:
        self._host = host
        self._name = name or host
        self._tls = tls
        self._answers: dict[str, Answer] = {}
        self._wires: dict[str, Misbehaviour] = {}
        self._everywhere: Misbehaviour | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._busy = 0
        self.overlaps = 0
        self.requests: list[Asked] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self._host, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        # Closing alone leaves the port listening while another thread sits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                connection.close()

    def url(self, path: str = "/") -> str:
        return f"{'https' if self._tls else 'http'}://{self._name}:{self.port}{path}"

    def count(self, path: str) -> int:
        """How often `path` was asked for, with any query."""
        return sum(asked.path == path for asked in self.requests)

    def page(
        self,
        path: str,
        body: str | bytes,
        *,
        headers: Mapping[str, str] | None = None,
        etag: str | None = "auto",
        last_modified: datetime | None = None,
        delay: float = 0.0,
    ) -> None:
        """Publish `body`, or replace what was there. `etag` "auto" is made from the body, None sends none."""
        content = body.encode() if isinstance(body, str) else body
        own = dict(headers or {})
        if etag:
            own["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if etag == "auto" else etag
        if last_modified:
            own["Last-Modified"] = format_datetime(last_modified.astimezone(UTC), usegmt=True)
        self.route(path, lambda asked: _conditional(asked, Reply(200, content, own, delay)))

    def route(self, path: str, answer: Answer) -> None:
        """Let `answer` reply to every request for `path`."""
        self._wires.pop(path, None)
        self._answers[path] = answer

    def wire(self, path: str, misbehave: Misbehaviour) -> None:
        """Hand the connection to `misbehave` for every request for `path`; it is closed after that."""
        self._wires[path] = misbehave

    def at_connect(self, misbehave: Misbehaviour | None) -> None:
        """Hand every new connection to `misbehave` before a byte is read; None ends that."""
        self._everywhere = misbehave

    def remove(self, path: str) -> None:
        """Forget `path`: it answers 404 from now on."""
        self._answers.pop(path, None)
        self._wires.pop(path, None)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._everywhere:
                self._everywhere(Wire(connection, self._ended))
                return
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = connection.makefile("rb")
            while (asked := _read_request(reader)) and self._answer(asked, connection):
                pass
        except OSError:
            pass  # the client has gone, or the test is over
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _answer(self, asked: Asked, connection: socket.socket) -> bool:
        """Reply; whether the connection may be used again."""
        with self._lock:
            self.requests.append(asked)
            self._busy += 1
            self.overlaps += self._busy > 1
        try:
            misbehave = self._wires.get(asked.path)
            if misbehave:
                misbehave(Wire(connection, self._ended))
                return False
            reply = self._answers.get(asked.path, _missing)(asked)
            if reply.delay:
                time.sleep(reply.delay)
        finally:
            with self._lock:
                self._busy -= 1
        connection.sendall(reply.encode())
        return True


def _missing(asked: Asked) -> Reply:
    return Reply(404, b"<html><title>404</title><body>Not Found</body></html>")


def _conditional(asked: Asked, reply: Reply) -> Reply:
    """304 where the request brings this version's validators; the ETag goes first (RFC 9110, 13.1)."""
    match = asked.headers.get("if-none-match")
    since = asked.headers.get("if-modified-since")
    same = match == reply.headers.get("ETag") if match else since == reply.headers.get("Last-Modified")
    return Reply(304, b"", reply.headers, reply.delay) if (match or since) and same else reply


def _read_request(reader: object) -> Asked | None:
    readline, read = reader.readline, reader.read  # type: ignore[attr-defined]
    line = readline().decode("latin-1").split()
    if len(line) < 3:
        return None
    headers: dict[str, str] = {}
    while raw := readline().decode("latin-1").strip():
        name, _, value = raw.partition(":")
        headers[name.lower()] = value.strip()
    body = read(int(headers.get("content-length", 0)))
    return Asked(line[0], line[1], headers, body)


class Authority:
    """A certificate authority made for one test; its root is in `root`, a PEM file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        self.root = folder / "root.pem"
        root = self._certificate(self._name, self._key.public_key(), [], days=30, ca=True)
        self.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def server(
        self, *names: str, days: int = 30, weak: bool = False, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """A server's TLS settings with a certificate for `names`; expired where `days` is negative.

        `weak` takes a short RSA key and no security level; `version` is the only one spoken.
        """
        key = rsa.generate_private_key(65537, 1024) if weak else ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        leaf = self._certificate(subject, key.public_key(), list(names), days=days, ca=False)
        path = self._folder / f"{names[0]}-{leaf.serial_number}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if weak:
            context.set_ciphers("ALL:!aNULL:@SECLEVEL=0")
        if version:
            context.minimum_version = context.maximum_version = version
        context.load_cert_chain(path)
        return context

    def _certificate(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        names: list[str],
        *,
        days: int,
        ca: bool,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
