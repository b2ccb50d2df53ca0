"""One HTTP exchange, within limits: the download handler that Scrapy calls for every request.

Scrapy's own handlers cannot check an address at the moment of connecting, choose TLS settings per request,
bound what a compressed body unpacks to, or tell a reset from a refusal. This one does, on aiohttp, in the
loop that the engine runs in. Redirects, cookies, retries and robots.txt are not its business.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import time
import warnings
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult
from scrapy import Request
from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.crawler import Crawler
from scrapy.http import Response

from crawler.guard import PrivateAddressError, check_addresses, check_host

Tls = Literal["standard", "legacy"]

_LEGACY_SERVER_CONNECT = 0x4  # OpenSSL's flag; Python names it from 3.12 on
_PACKED = {"gzip", "x-gzip", "deflate"}
_UNREADABLE = {"br", "zstd", "compress", "x-compress"}  # never asked for


class TransportError(Exception):
    """An exchange failed; `kind` is the reason's name."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


@dataclass(eq=False, slots=True)
class Exchange:
    """What one request may cost, what came of it, and the handle by which its owner ends it.

    Travels in `request.meta`. `status` and `headers` (names in lower case) are set as soon as they have
    arrived, so that they are known for a body that never ends; `seconds` is what it took.
    """

    timeout: float  # seconds, from the first packet to the last
    max_bytes: int  # of the body, as sent and as unpacked
    tls: Tls = "standard"
    cut: bool = False  # keep the first `max_bytes` of a longer body instead of failing
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    aborted: bool = False
    scope: asyncio.Timeout | None = None

    def abort(self) -> None:
        """End the exchange now, wherever it stands; harmless before its start and after its end."""
        self.aborted = True
        if self.scope is not None:
            self.scope.reschedule(asyncio.get_running_loop().time())


class GuardedHandler(BaseDownloadHandler):
    """Scrapy's way to http and https. `request.meta` holds the request's `exchange` and its `headers`.

    Raises TransportError, and nothing else, for whatever goes wrong between here and the last byte.
    """

    lazy = False

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._allow_private = crawler.settings.getbool("PAGES_ALLOW_PRIVATE")
        self._contexts: dict[Tls, ssl.SSLContext] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # how many at once is for Manners to say
                resolver=GuardedResolver(allow_private=self._allow_private),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(),  # none of its own: the exchange has one
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    async def download_request(self, request: Request) -> Response:
        exchange: Exchange = request.meta["exchange"]
        began = time.monotonic()
        try:
            async with asyncio.timeout(0 if exchange.aborted else exchange.timeout) as exchange.scope:
                return await self._exchange(request, exchange)
        except TimeoutError as error:
            if exchange.aborted:
                raise TransportError("cancelled", "the request was given up") from error
            raise TransportError("timeout", f"no complete answer within {exchange.timeout:g} s") from error
        except PrivateAddressError as error:
            raise TransportError("private-address", str(error)) from error
        except TransportError:
            raise
        except Exception as error:  # whatever bytes can provoke in a parser is the server's doing
            raise TransportError(*_named(error)) from error
        finally:
            exchange.scope = None
            exchange.seconds = time.monotonic() - began

    async def _exchange(self, request: Request, exchange: Exchange) -> Response:
        url = yarl.URL(request.url, encoded=True)
        if not self._allow_private:
            # The host as the connecting library reads it: two parsers may disagree on a crafted URL.
            check_host(url.host or "")
        async with self._session.request(
            request.method,
            url,
            data=request.body or None,
            headers=request.meta["headers"],
            ssl=self._context(exchange.tls) if url.scheme == "https" else True,
            allow_redirects=False,
        ) as answer:
            exchange.status = answer.status
            exchange.headers = _headers(answer.raw_headers)
            body = await _read(answer, exchange)
            # Without headers, as the request was: Scrapy's own form of them costs as much as the rest of the exchange.
            return Response(request.url, status=answer.status, body=body)

    def _context(self, tls: Tls) -> ssl.SSLContext:
        if tls not in self._contexts:
            self._contexts[tls] = tls_context(tls)
        return self._contexts[tls]

    async def close(self) -> None:
        await self._session.close()


def tls_context(tls: Tls) -> ssl.SSLContext:
    """Settings for a TLS connection. Both kinds check the certificate and its name.

    "legacy" is for servers that standard OpenSSL refuses: TLS 1.0, short keys, 3DES where the library still
    has it, renegotiation before RFC 5746. Suites without authentication stay out, for they would make the
    check void.
    """
    context = ssl.create_default_context()
    if tls == "legacy":
        context.set_ciphers("ALL:!aNULL:!eNULL:@SECLEVEL=0")
        context.options |= _LEGACY_SERVER_CONNECT
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
            context.minimum_version = ssl.TLSVersion.TLSv1
    return context


class GuardedResolver(AbstractResolver):
    """Looks names up and lets only public addresses pass; the connection is made to exactly these."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await _look_up(host, port, family)
        if not self._allow_private:
            check_addresses(host, [result["host"] for result in found])
        return found

    async def close(self) -> None:
        """Nothing to release: look-ups run in threads that end by themselves."""


async def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    """getaddrinfo in a thread of its own.

    Not in the loop's pool: a few names whose server is silent would fill it and stop every other look-up. A
    daemon thread, because the program must be able to end while one hangs.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[ResolveResult]] = loop.create_future()

    def deliver(found: list[ResolveResult] | OSError) -> None:
        if future.done():
            return
        if isinstance(found, list):
            future.set_result(found)
        else:
            future.set_exception(found)

    def work() -> None:
        found: list[ResolveResult] | OSError
        try:
            found = _addresses(host, port, family)
        except OSError as error:
            found = error
        except UnicodeError as error:  # a name that IDNA cannot write
            found = OSError(str(error))
        with suppress(RuntimeError):  # the loop has closed, nobody waits any more
            loop.call_soon_threadsafe(deliver, found)

    threading.Thread(target=work, name=f"resolve {host}", daemon=True).start()
    return await future


def _addresses(host: str, port: int, family: int) -> list[ResolveResult]:
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [
        ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=proto, flags=0)
        for kind, _, proto, _, address in infos
    ]


def _headers(raw: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """Names in lower case, repeated headers joined. UTF-8 where it is that (file names), else Latin-1."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _read(answer: aiohttp.ClientResponse, exchange: Exchange) -> bytes:
    announced = answer.content_length
    if announced and announced > exchange.max_bytes and not exchange.cut:
        raise TransportError("too-large", f"{announced} bytes announced, {exchange.max_bytes} allowed")
    body = Unpacking(exchange.headers.get("content-encoding", ""), exchange.max_bytes)
    async for chunk in answer.content.iter_any():
        body.feed(chunk)
        if body.full:
            if exchange.cut:
                return body.taken()[: exchange.max_bytes]
            raise TransportError("too-large", f"more than {exchange.max_bytes} bytes")
    return body.end()


class Unpacking:
    """Takes a body's chunks as sent and gives the entity; never holds more than `limit` and a chunk."""

    def __init__(self, encoding: str, limit: int) -> None:
        coding = encoding.strip().lower()
        if coding in _UNREADABLE or "," in coding:
            raise TransportError("bad-encoding", f"Content-Encoding {coding!r}, which was not asked for")
        # Anything else unknown is passed through, as browsers do: "Content-Encoding: UTF-8" exists.
        self._packed = coding in _PACKED
        self._limit = limit
        self._received = 0
        self._size = 0
        self._parts: list[bytes] = []
        self._inflate: Any = None

    @property
    def full(self) -> bool:
        """More has come than the limit allows."""
        return max(self._size, self._received) > self._limit

    def feed(self, chunk: bytes) -> None:
        self._received += len(chunk)
        if self._packed:
            self._unpack(chunk)
        else:
            self._take(chunk)

    def taken(self) -> bytes:
        return b"".join(self._parts)

    def end(self) -> bytes:
        """The whole entity. Raises TransportError where the compressed stream is not complete."""
        if self._packed and self._received and not self._inflate.eof:
            raise TransportError("bad-gzip", "the compressed body ends too early")
        return self.taken()

    def _take(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)

    def _unpack(self, data: bytes) -> None:
        try:
            while data and not self.full:
                if self._inflate is None:
                    self._inflate = zlib.decompressobj(_window(data))
                elif self._inflate.eof:
                    # A further gzip member counts, padding after the last one does not.
                    if not data.startswith(b"\x1f\x8b"):
                        return
                    self._inflate = zlib.decompressobj(_window(data))
                self._take(self._inflate.decompress(data, self._limit - self._size + 1))
                data = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error as error:
            raise TransportError("bad-gzip", str(error)) from error


def _window(start: bytes) -> int:
    """zlib's window argument: gzip and zlib are told by their head; "deflate" is often sent with neither."""
    headed = start[:1] == b"\x1f" or (start[0] & 0x0F == 8 and start[0] >> 4 <= 7)
    return 47 if headed else -15


def _named(error: Exception) -> tuple[str, str]:
    """The reason's name and its words for an error of the network library."""
    detail = str(error) or type(error).__name__
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "dns", detail
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return "tls", detail
        case aiohttp.ClientPayloadError():
            return "truncated", detail
        case aiohttp.ServerDisconnectedError():
            return "reset", "the server closed the connection without an answer"
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return "bad-url", detail
        case aiohttp.ClientResponseError():
            return "protocol", detail
        case aiohttp.ClientConnectorError(errno=errno.ECONNREFUSED):
            return "refused", f"connection refused by {error.host}:{error.port}"
        case OSError():
            return _ERRNO.get(error.errno or 0, "unreachable"), detail
    return ("bad-url" if isinstance(error, ValueError) else "protocol"), detail


_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
}
