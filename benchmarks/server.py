"""The site that benchmarks read: as fast as one process can be, so that it is never what is measured.

Answers every path with the same page under its own ETag, with 304 where the request brings that ETag, on all
loopback addresses. Prints its port. Run as a process of its own.
"""

from __future__ import annotations

import asyncio
import sys

_ROW = "<tr><td>养老机构护理型床位占比</td><td>不低于{n}%</td><td>每床每月{n}元</td></tr>\n"
_PAGE = (
    "<!DOCTYPE html><html><head><meta charset='utf-8'><title>养老服务工作要点</title></head><body><div id='zoom'>"
    "<table>" + "".join(_ROW.format(n=n) for n in range(200)) + "</table></div></body></html>"
).encode()


class _Site(asyncio.Protocol):
    """HTTP/1.1 in as few steps as serve: requests are GETs without a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        *requests, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for request in requests:
            self._transport.write(_answer(request))


def _answer(request: bytes) -> bytes:
    path = request.split(b" ", 2)[1]
    if path == b"/robots.txt":
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    head = b'ETag: "v1%s"\r\nLast-Modified: Mon, 07 Jul 2025 01:00:00 GMT\r\n' % path
    if b'if-none-match: "v1%s"' % path in request.replace(b"If-None-Match", b"if-none-match"):
        return b"HTTP/1.1 304 Not Modified\r\n%s\r\n" % head
    kind = b"Content-Type: text/html; charset=utf-8\r\n"
    return b"HTTP/1.1 200 OK\r\n%s%sContent-Length: %d\r\n\r\n%s" % (head, kind, len(_PAGE), _PAGE)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Site, "0.0.0.0", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(_serve()))
