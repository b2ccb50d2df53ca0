"""Every sort of bad server that we know of: each has its name, costs one page and nothing else, and is
forgotten.

A row of the table makes a server misbehave at one address. The pass must name the trouble, say nothing about
the document (no body, no outcome that makes a version), and the next pass over the mended page must be good.
"""

from __future__ import annotations

import asyncio
import gzip
import ssl
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from servers import Asked, Authority, Reply, Site, Wire, head

from crawler.fetch import CrawlPolicy, Fetch, Fetcher
from storage.records import Capture

PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8">
<title>关于养老机构运营补贴标准的通知</title></head><body>
<h1>关于养老机构运营补贴标准的通知</h1><div id="zoom">
<p>对收住失能老年人的养老机构,按每床每月三百元给予运营补贴。</p>
<p>本通知自印发之日起施行,由市民政局负责解释。各区民政局应当于每年六月底前拨付上一年度的补贴。</p>
</div></body></html>"""
BYTES = PAGE.encode()
PACKED = gzip.compress(BYTES)
POLICY = CrawlPolicy(
    "Pledgewatch-tests (+mailto:ops@example.org)", delay=0, allow_private=True, timeout=1.0, max_bytes=200_000
)
HTML = {"Content-Type": "text/html; charset=utf-8"}


def reply(status: int, body: str | bytes = b"", **headers: str) -> Callable[[Site], None]:
    """An answer that is well-formed HTTP. Header names are written with underscores."""
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda site: site.route("/page.html", lambda asked: Reply(status, content, named))


def sends(*parts: bytes) -> Callable[[Site], None]:
    """Bytes as they are, then the end of the connection."""
    return wire(lambda line: [line.send(part) for part in parts])


def wire(misbehave: Callable[[Wire], object]) -> Callable[[Site], None]:
    return lambda site: site.wire("/page.html", lambda line: misbehave(line) and None)


def raw(body: bytes, **headers: str) -> bytes:
    return head(200, {**HTML, **{name.replace("_", "-"): value for name, value in headers.items()}}) + body


def endless(line: Wire) -> None:
    line.send(raw(b""))
    while not line.ended.is_set():
        line.send(b"x" * 65536)


def endless_chunks(line: Wire) -> None:
    line.send(raw(b"", Transfer_Encoding="chunked"))
    while not line.ended.is_set():
        line.send(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def endless_headers(line: Wire) -> None:
    line.send(b"HTTP/1.1 200 OK\r\n")
    while not line.ended.is_set():
        line.send(b"X-Filler: " + b"y" * 1000 + b"\r\n")


def half_and(end: Callable[[Wire], object]) -> Callable[[Site], None]:
    """Half of the promised body, then `end`."""

    def misbehave(line: Wire) -> None:
        line.send(raw(BYTES[: len(BYTES) // 2], Content_Length=str(len(BYTES))))
        end(line)

    return wire(misbehave)


def redirect_chain(site: Site) -> None:
    """Never the same address twice, and never an end."""

    def further(asked: Asked) -> Reply:
        step = int(asked.target.partition("?")[2] or 0) + 1
        return Reply(302, b"", {"Location": f"/page.html?{step}"})

    site.route("/page.html", further)


def ping_pong(site: Site) -> None:
    site.route("/page.html", lambda asked: Reply(302, b"", {"Location": "/other.html"}))
    site.route("/other.html", lambda asked: Reply(302, b"", {"Location": "/page.html"}))


BOMB = gzip.compress(b"\0" * 20_000_000)
CHALLENGE = "<html><head><script>$_ts=window['$_ts'];$_ts.cd='qTqcrsTq';</script></head><body></body></html>"
CLEARANCE = "<script>document.cookie='__jsl_clearance=17%7C0%7Cab;max-age=3600';location.reload()</script>"
REPAIR = "<html><title>系统维护</title><body><h1>系统维护中</h1><p>网站正在升级,暂停服务。</p></body></html>"
MISSING = "<html><title>404</title><body><p>您访问的页面不存在或已被删除。</p></body></html>"
CUT_PDF = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + b"0" * 3000


@dataclass(frozen=True)
class Fault:
    """How a server misbehaves, and the outcome and first word of the reason that must come of it."""

    name: str
    install: Callable[[Site], None]
    reason: str
    outcome: str = "failed"
    request: Callable[[Fetch], Fetch] = lambda request: request


def attachment(request: Fetch) -> Fetch:
    return replace(request, expects="attachment")


FAULTS = [
    # connections
    Fault("resets before answering", wire(Wire.reset), "reset"),
    Fault("closes without a word", sends(), "reset"),
    Fault("resets inside the body", half_and(Wire.reset), "truncated"),
    Fault("closes inside the headers", sends(b"HTTP/1.1 200 OK\r\nContent-Ty"), "reset"),
    # time
    Fault("accepts and hangs", wire(Wire.hang), "timeout"),
    Fault("hangs inside the body", half_and(Wire.hang), "timeout"),
    Fault("drips a byte at a time", wire(lambda line: line.drip(raw(BYTES), 0.05)), "timeout"),
    # length
    Fault("sends less than promised", half_and(lambda line: None), "truncated"),
    Fault("sends the body without end", wire(endless), "too-large"),
    Fault("sends chunks without end", wire(endless_chunks), "too-large"),
    Fault("sends headers without end", wire(endless_headers), "protocol"),
    Fault("announces 200 MB", sends(raw(b"<html>", Content_Length="200000000")), "too-large"),
    Fault("breaks off between chunks", sends(raw(b"5\r\nhello\r\n", Transfer_Encoding="chunked")), "truncated"),
    Fault("garbles the chunk size", sends(raw(b"zz\r\nhello\r\n", Transfer_Encoding="chunked")), "protocol"),
    Fault("promises a negative length", sends(raw(BYTES, Content_Length="-5")), "protocol"),
    Fault(
        "says two lengths",
        sends(raw(BYTES, Content_Length="5").replace(b"\r\n\r\n", b"\r\nContent-Length: 9\r\n\r\n", 1)),
        "protocol",
    ),
    Fault("answers with nothing", reply(200, b""), "empty"),
    # compression
    Fault("cuts the gzip", reply(200, PACKED[:-30], Content_Encoding="gzip"), "bad-gzip"),
    Fault("says gzip, sends none", reply(200, BYTES, Content_Encoding="gzip"), "bad-gzip"),
    Fault(
        "damages the gzip",
        reply(200, PACKED[:40] + b"\xff" * 20 + PACKED[60:], Content_Encoding="gzip"),
        "bad-gzip",
    ),
    Fault("sends a gzip bomb", reply(200, BOMB, Content_Encoding="gzip"), "too-large"),
    Fault(
        "sends a deflate bomb",
        reply(200, zlib.compress(b"\0" * 20_000_000), Content_Encoding="deflate"),
        "too-large",
    ),
    Fault(
        "packs with what was not asked for",
        reply(200, b"\x0b\x02\x80", Content_Encoding="br"),
        "bad-encoding",
    ),
    # redirects
    Fault("redirects to itself", reply(302, Location="/page.html"), "redirect-loop"),
    Fault("redirects to and fro", ping_pong, "redirect-loop"),
    Fault("redirects ever further", redirect_chain, "redirect-loop"),
    Fault(
        "redirects to another host",
        reply(301, Location="http://elsewhere.example.org/"),
        "redirect-other-host",
    ),
    Fault("redirects to a file", reply(302, Location="file:///etc/passwd"), "bad-redirect"),
    Fault("redirects to no address", reply(302, Location="http://[::1"), "bad-redirect"),
    Fault("redirects nowhere", reply(302), "redirect"),
    # protocol
    Fault("speaks no HTTP", sends(b"220 mail.example.org ESMTP\r\n"), "protocol"),
    Fault("sends a status of its own", sends(b"HTTP/1.1 abc OK\r\n\r\n"), "protocol"),
    Fault("answers unchanged, unasked", reply(304), "unexpected-304"),
    # statuses
    Fault("is broken", reply(500, "<html><body>Internal Server Error</body></html>"), "server-error"),
    Fault("is away", reply(503, "<html><body>503</body></html>"), "server-error"),
    Fault("has a dead gateway", reply(502, ""), "server-error"),
    Fault("forbids", reply(403, "<html><body>403 Forbidden</body></html>"), "forbidden", "blocked"),
    Fault("does not know the page", reply(404, MISSING), "gone", "gone"),
    Fault("has removed the page", reply(410, ""), "gone", "gone"),
    # pages in the place of pages
    Fault("challenges with 412", reply(412, CHALLENGE), "challenge", "blocked"),
    Fault("challenges with 202", reply(202, CHALLENGE), "challenge", "blocked"),
    Fault("challenges with 521", reply(521, CLEARANCE), "challenge", "blocked"),
    Fault("challenges with 200", reply(200, CHALLENGE), "challenge", "blocked"),
    Fault("is under repair with 200", reply(200, REPAIR), "maintenance"),
    Fault("has lost the page with 200", reply(200, MISSING), "soft-404", "gone"),
    Fault("sends mojibake", reply(200, PAGE.encode().decode("latin-1").encode()), "mojibake"),
    Fault("sends a picture as a page", reply(200, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8), "binary"),
    Fault("cuts the PDF", reply(200, CUT_PDF, Content_Type="application/pdf"), "truncated", request=attachment),
    Fault("sends a page for a file", reply(200, PAGE), "html-for-file", request=attachment),
]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_named_and_the_next_good_pass_recovers(site: Site, fault: Fault) -> None:
    page = Fetch(site.url("/page.html"), "bad")

    async def passes() -> tuple[Capture, Capture, Capture]:
        async with Fetcher(POLICY) as fetcher:
            site.page("/well.html", PAGE)
            fault.install(site)
            bad = await fetcher.fetch(fault.request(page))
            neighbour = await fetcher.fetch(replace(page, url=site.url("/well.html")))
            site.page("/page.html", PAGE)
            return bad, neighbour, await fetcher.fetch(page)

    bad, neighbour, mended = asyncio.run(passes())
    assert (bad.outcome, bad.reason.partition(":")[0]) == (fault.outcome, fault.reason), bad.reason
    assert bad.reason.partition(":")[2].strip(), "a name needs words for the operator"
    assert (neighbour.outcome, neighbour.body) == ("ok", BYTES), neighbour.reason
    assert (mended.outcome, mended.body) == ("ok", BYTES), mended.reason


def test_the_table_is_as_long_as_promised() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 30


def fetch_once(policy: CrawlPolicy, *requests: Fetch) -> list[Capture]:
    async def passes() -> list[Capture]:
        async with Fetcher(policy) as fetcher:
            return [await fetcher.fetch(request) for request in requests]

    return asyncio.run(passes())


def test_a_closed_port_is_refused_and_an_unknown_name_is_a_dns_fault() -> None:
    with Site() as closed:
        address = closed.url("/")
    refused, unknown = fetch_once(POLICY, Fetch(address, "bad"), Fetch("http://no-such-host.invalid/", "bad"))
    assert refused.reason.startswith("refused:")
    assert unknown.reason.startswith("dns:")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/a", "file:///etc/passwd", "javascript:void(0)", "//example.org/a", "", "http://",
     "http://[::1/", "http://host:99999/", "http://a..b/", "http://\u202e.example/\ud83d"],
)  # fmt: skip
def test_what_is_no_web_address_is_named(url: str) -> None:
    (capture,) = fetch_once(POLICY, Fetch(url, "bad"))
    assert capture.outcome == "failed"
    assert capture.reason.partition(":")[0] in ("bad-url", "dns"), capture.reason


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.root))
    return made


def over_tls(context: ssl.SSLContext, *kinds: str, name: str = "localhost") -> list[Capture]:
    with Site(tls=context, name=name) as site:
        site.page("/page.html", PAGE)
        return fetch_once(POLICY, *(Fetch(site.url("/page.html"), "tls", tls=kind) for kind in kinds))  # type: ignore[arg-type]


def test_a_good_certificate_passes_under_both_settings(authority: Authority) -> None:
    captures = over_tls(authority.server("localhost"), "standard", "legacy")
    assert [capture.outcome for capture in captures] == ["ok", "ok"]


def test_a_bad_certificate_is_refused_under_both_settings(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    stranger = Authority(tmp_path / "stranger")
    for context in (
        authority.server("localhost", days=-1),
        authority.server("other.example.org"),
        stranger.server("localhost"),
    ):
        captures = over_tls(context, "standard", "legacy")
        assert [c.reason.partition(":")[0] for c in captures] == ["tls", "tls"], captures


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
def test_old_servers_are_read_only_where_a_source_asks_for_it(authority: Authority) -> None:
    for context in (
        authority.server("localhost", weak=True),
        authority.server("localhost", weak=True, version=ssl.TLSVersion.TLSv1),
    ):
        standard, legacy = over_tls(context, "standard", "legacy")
        assert standard.reason.startswith("tls:")
        assert legacy.outcome == "ok", legacy.reason


def test_plain_http_on_a_tls_address_is_a_tls_fault() -> None:
    with Site() as site:
        site.at_connect(lambda line: line.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        (capture,) = fetch_once(POLICY, Fetch(site.url("/").replace("http:", "https:"), "tls"))
    assert capture.reason.startswith("tls:")
