"""The site that benchmarks read: as fast as one process can be, so that it is not what is measured.

    python -m benchmarks.server

Listens on `HOSTS` and prints the port that it has on all of them. Paths:

    /list/N     a list page with N rows, which lead to /p/0 … /p/N-1 on the same host
    /bare/N     the same with rows that lead to /q/0 … /q/N-1
    /moving/N   the same with rows that lead to /c/0 … /c/N-1
    /p/I        a document of 20 KB with an ETag that follows from its path; 304 where the request brings it
    /q/I        the same without ETag or date: always 200
    /c/I        the same with an amount that depends on the edition
    /publish    begins another edition
    /told       seconds of CPU that this process has used, and how many answers of either status it gave
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import sys
import time

HOSTS = tuple(f"127.0.0.{n}" for n in range(1, 65))

_LINE = (
    "<p>（{n}）各区要加强组织领导，完善工作机制，压实工作责任，做好宣传引导，及时总结经验，确保各项任务落到实处。</p>\n"
)
_PAGE = (
    "<!DOCTYPE html><html><head><meta charset='utf-8'><title>关于养老服务工作要点的通知</title></head><body>"
    "<h1>关于养老服务工作要点的通知</h1><div id='zoom'><p>到2027年底，养老机构护理型床位占比不低于60%。</p>"
    "<p>对养老机构给予每床每月100元至450元的运营补贴。</p>"
    + "".join(_LINE.format(n=n) for n in range(110))
    + "</div></body></html>"
).encode()
PAGE_SHA256 = hashlib.sha256(_PAGE).hexdigest()
_HTML = b"Content-Type: text/html; charset=utf-8\r\n"
FOLDERS = {"list": "p", "bare": "q", "moving": "c"}  # list → where its documents stand
_told = {"edition": 0, "200": 0, "304": 0}  # of documents


class _Site(asyncio.Protocol):
    """HTTP/1.1 in as few steps as serve: every request is a GET without a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for request in requests:
            self._transport.write(_answer(request))


def etag(path: str) -> str:
    """The ETag of the document at `path`."""
    return f'"v1{path}"'


def _answer(request: bytes) -> bytes:
    path = request.split(b" ", 2)[1]
    match path.split(b"/")[1:]:
        case [b"p", _]:
            return _document(path, request)
        case [b"q", _]:
            return _page(_PAGE)
        case [b"c", number]:
            amount = 450 + 10 * _told["edition"]
            return _page(_PAGE.replace("450元".encode(), f"{amount}元".encode()).replace(b"</h1>", number + b"</h1>"))
        case [b"list" | b"bare" | b"moving" as name, rows]:
            return _reply(_list(int(rows), FOLDERS[name.decode()]), _HTML)
        case [b"publish"]:
            _told["edition"] += 1
            return _reply(b"", b"")
        case [b"told"]:
            return _reply(json.dumps({"cpu": time.process_time(), **_told}).encode(), b"")
    return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def _page(body: bytes, headers: bytes = b"") -> bytes:
    _told["200"] += 1
    return _reply(body, headers + _HTML)


def _document(path: bytes, request: bytes) -> bytes:
    own = etag(path.decode()).encode()
    head = b"ETag: %s\r\nLast-Modified: Mon, 07 Jul 2025 01:00:00 GMT\r\n" % own
    if b"if-none-match: %s\r\n" % own in request.lower() + b"\r\n":
        _told["304"] += 1
        return b"HTTP/1.1 304 Not Modified\r\n%s\r\n" % head
    return _page(_PAGE, head)


def _list(rows: int, folder: str) -> bytes:
    links = (
        f'<li><a href="/{folder}/{n}">关于养老服务第{n}号通知</a><span>2025-07-07</span></li>' for n in range(rows)
    )
    title = "<!DOCTYPE html><html><head><meta charset='utf-8'><title>通知公告</title></head><body><ul>"
    return (title + "\n".join(links) + "</ul></body></html>").encode()


def _reply(body: bytes, headers: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (headers, len(body), body)


def _listeners() -> list[socket.socket]:
    """One socket an address, all on the port that the first one was given."""
    first = socket.create_server((HOSTS[0], 0), backlog=256)
    port = first.getsockname()[1]
    return [first, *(socket.create_server((host, port), backlog=256) for host in HOSTS[1:])]


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    listeners = _listeners()
    servers = [await loop.create_server(_Site, sock=listener) for listener in listeners]
    print(listeners[0].getsockname()[1], flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    sys.exit(asyncio.run(_serve()))
