"""Fetching from a real server: what is sent, what is kept, where redirects may lead, and whose turn it is."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ipaddress
import zlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from servers import Asked, Reply, Site, Wire

from crawler.browser import Ask, Given, Wait
from crawler.browser import Asked as Wanted
from crawler.fetch import CrawlPolicy, Fetch, Fetcher
from storage.records import Capture

T = TypeVar("T")
AGENT = "Pledgewatch-tests/1.0 (+mailto:ops@example.org)"
POLICY = CrawlPolicy(AGENT, delay=0, allow_private=True, timeout=20.0)
PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>关于适老化改造补贴的通知</title></head>
<body><h1>关于适老化改造补贴的通知</h1><div id="zoom">
<p>对完成居家适老化改造的家庭,按每户给予一次性补贴,具体标准另行公布。</p>
<p>本通知由区民政局负责解释,自公布之日起施行,原有规定与本通知不一致的,以本通知为准。</p>
</div></body></html>"""
BYTES = PAGE.encode()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        made.page("/a.html", PAGE)
        yield made


def with_fetcher(use: Callable[[Fetcher], Coroutine[Any, Any, T]], policy: CrawlPolicy = POLICY, **more: Any) -> T:
    async def inside() -> T:
        async with Fetcher(policy, **more) as fetcher:
            return await use(fetcher)

    return asyncio.run(asyncio.wait_for(inside(), 60))  # the limit only keeps a failure from hanging the suite


def fetch(*requests: Fetch, policy: CrawlPolicy = POLICY) -> list[Capture]:
    """One after the other, by one fetcher."""

    async def use(fetcher: Fetcher) -> list[Capture]:
        return [await fetcher.fetch(request) for request in requests]

    return with_fetcher(use, policy)


class Clock:
    """A clock that only the test moves."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


# What is sent and what is kept


def test_a_capture_is_the_answer_as_it_came(site: Site) -> None:
    site.page("/gzip.html", gzip.compress(BYTES), headers={"Content-Encoding": "gzip", "X-Cache": "HIT"})
    before = datetime.now(UTC)
    (capture,) = fetch(Fetch(site.url("/gzip.html"), "s"))
    assert (capture.outcome, capture.reason, capture.status) == ("ok", "", 200)
    assert capture.body == BYTES
    assert capture.headers["content-encoding"] == "gzip"
    assert capture.headers["x-cache"] == "HIT"
    assert capture.url == capture.final_url == site.url("/gzip.html")
    assert before <= capture.fetched_at <= datetime.now(UTC)
    assert capture.fetched_at.tzinfo is not None


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("x-gzip", gzip.compress(BYTES)),
        ("GZIP", gzip.compress(BYTES[:50]) + gzip.compress(BYTES[50:])),
        ("gzip", gzip.compress(BYTES) + b"\0" * 12),
        ("deflate", zlib.compress(BYTES)),
        ("deflate", zlib.compress(BYTES)[2:-4]),
        ("identity", BYTES),
        ("UTF-8", BYTES),
    ],
    ids=[
        "x-gzip",
        "two members",
        "padded",
        "deflate",
        "deflate without its head",
        "identity",
        "no coding at all",
    ],
)
def test_codings_as_servers_send_them(site: Site, coding: str, packed: bytes) -> None:
    site.page("/packed.html", packed, headers={"Content-Encoding": coding})
    (capture,) = fetch(Fetch(site.url("/packed.html"), "s"))
    assert (capture.outcome, capture.body) == ("ok", BYTES), capture.reason


def test_headers_that_repeat_are_joined_and_foreign_bytes_survive(site: Site) -> None:
    raw = (
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nVia: a\r\nvia: b\r\n"
        f"Content-Disposition: attachment; filename=附件.pdf\r\nContent-Length: {len(BYTES)}\r\n\r\n"
    ).encode()
    site.wire("/h.html", lambda line: line.send(raw.replace(b"Via: a", b"X-Old: caf\xe9\r\nVia: a") + BYTES))
    (capture,) = fetch(Fetch(site.url("/h.html"), "s"))
    assert capture.headers["via"] == "a, b"
    assert capture.headers["content-disposition"] == "attachment; filename=附件.pdf"
    assert capture.headers["x-old"] == "café"


@pytest.mark.parametrize("etag", ['"abc"', 'W/"1-2"', "unquoted", '"a,b"', '"版本"'])
def test_the_servers_own_validators_are_sent_back_to_the_letter(site: Site, etag: str) -> None:
    stamp = "Monday, 7-Jul-25 09:00:00 CST"
    reply = Reply(200, BYTES, {"Last-Modified": stamp})
    site.wire("/v.html", lambda line: line.send(reply.encode().replace(b"Last-", f"ETag: {etag}\r\nLast-".encode())))
    page = Fetch(site.url("/v.html"), "s")
    (first,) = fetch(page)
    fetch(replace(page, etag=first.headers["etag"], last_modified=first.headers["last-modified"]))
    sent = site.requests[-1].headers
    assert sent["if-none-match"].encode("latin-1").decode() == etag
    assert sent["if-modified-since"] == stamp


def test_unchanged_pages_are_told_by_304_and_changed_ones_by_their_body(site: Site) -> None:
    page = Fetch(site.url("/a.html"), "s")

    async def use(fetcher: Fetcher) -> list[Capture]:
        first = await fetcher.fetch(page)
        again = replace(page, etag=first.headers["etag"])
        same = await fetcher.fetch(again)
        site.page("/a.html", PAGE.replace("一次性", "两次"))
        return [first, same, await fetcher.fetch(again)]

    first, same, changed = with_fetcher(use)
    assert (same.outcome, same.status, same.body, same.reason) == ("not_modified", 304, b"", "")
    assert same.headers["etag"] == first.headers["etag"]
    assert (changed.outcome, changed.body) == ("ok", PAGE.replace("一次性", "两次").encode())


def test_bytes_that_are_known_to_be_good_are_not_judged_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Fetch(site.url("/a.html"), "s", known_sha256=hashlib.sha256(BYTES).hexdigest())
    monkeypatch.setattr("crawler.judging.judge", lambda **answer: pytest.fail("judged again"))
    (capture,) = fetch(page)
    assert (capture.outcome, capture.body) == ("ok", BYTES)


def test_a_page_of_the_limits_size_is_read_and_judged(site: Site) -> None:
    large = PAGE.replace("</div>", "<p>本条规定由区民政局解释。</p>" * 10_000 + "</div>")
    site.page("/large.html", large)
    (capture,) = fetch(Fetch(site.url("/large.html"), "s"), policy=replace(POLICY, max_bytes=len(large.encode())))
    assert (capture.outcome, len(capture.body)) == ("ok", len(large.encode()))


def test_who_we_are_is_said_and_nothing_is_remembered_by_cookies(site: Site) -> None:
    site.page("/cookie.html", PAGE, headers={"Set-Cookie": "JSESSIONID=1; Path=/"})
    fetch(Fetch(site.url("/cookie.html"), "s"), Fetch(site.url("/a.html"), "s"))
    assert {asked.headers["user-agent"] for asked in site.requests} == {AGENT}
    assert not any("cookie" in asked.headers or "if-none-match" in asked.headers for asked in site.requests)


def test_a_form_is_posted(site: Site) -> None:
    site.route("/api", lambda asked: Reply(200, BYTES))
    (capture,) = fetch(Fetch(site.url("/api"), "s", method="POST", form={"webid": "7", "标题": "养老"}))
    asked = site.requests[-1]
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/x-www-form-urlencoded")
    assert asked.body == b"webid=7&%E6%A0%87%E9%A2%98=%E5%85%BB%E8%80%81"
    assert capture.outcome == "ok"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        (
            "/列表/页 1.html?标题=养老",
            "/%E5%88%97%E8%A1%A8/%E9%A1%B5%201.html?%E6%A0%87%E9%A2%98=%E5%85%BB%E8%80%81",
        ),
        ("/a%2Fb/%E5%85%BB.html", "/a%2Fb/%E5%85%BB.html"),
        ("/a.html#part", "/a.html"),
        ("", "/"),
    ],
)
def test_addresses_are_sent_as_browsers_send_them(site: Site, path: str, sent: str) -> None:
    fetch(Fetch(site.url(path), "s"))
    assert site.requests[-1].target == sent


# Redirects


def redirect(site: Site, path: str, target: str, status: int = 302) -> None:
    site.route(path, lambda asked: Reply(status, b"", {"Location": target}))


def test_redirects_within_the_site_are_followed(site: Site) -> None:
    redirect(site, "/old.html", "sub/older.html", 301)
    redirect(site, "/sub/older.html", "../a.html")
    (capture,) = fetch(Fetch(site.url("/old.html"), "s"))
    assert (capture.outcome, capture.url, capture.final_url) == (
        "ok",
        site.url("/old.html"),
        site.url("/a.html"),
    )


def test_another_host_is_reported_and_not_asked(site: Site) -> None:
    with Site("127.0.0.2") as other:
        redirect(site, "/moved.html", other.url("/a.html"), 301)
        (capture,) = fetch(Fetch(site.url("/moved.html"), "s"))
        assert (capture.outcome, capture.final_url) == ("failed", other.url("/a.html"))
        assert capture.reason == f"redirect-other-host: to {other.url('/a.html')}"
        assert other.requests == []


def test_another_host_is_asked_where_the_source_allows_it(site: Site) -> None:
    with Site("127.0.0.2") as other:
        other.page("/a.html", PAGE)
        redirect(site, "/moved.html", other.url("/a.html"), 301)
        (capture,) = fetch(Fetch(site.url("/moved.html"), "s", allowed_hosts=frozenset({"127.0.0.2"})))
        assert (capture.outcome, capture.final_url) == ("ok", other.url("/a.html"))
        assert other.count("/robots.txt") == 1, "the other host's rules hold there"


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_form_is_sent_again_only_where_the_redirect_says_so(site: Site, status: int, method: str) -> None:
    redirect(site, "/api", "/api2", status)
    site.route("/api2", lambda asked: Reply(200, BYTES))
    fetch(Fetch(site.url("/api"), "s", method="POST", form={"a": "1"}))
    assert (site.requests[-1].method, site.requests[-1].body) == (method, b"a=1" if method == "POST" else b"")


def test_as_many_redirects_as_allowed(site: Site) -> None:
    for step in range(4):
        redirect(site, f"/{step}.html", f"/{step + 1}.html")
    site.page("/4.html", PAGE)
    page = Fetch(site.url("/0.html"), "s")
    (enough,) = fetch(page, policy=replace(POLICY, max_redirects=4))
    (scarce,) = fetch(page, policy=replace(POLICY, max_redirects=3))
    assert enough.outcome == "ok"
    assert scarce.reason.startswith("redirect-loop:")


def test_the_time_limit_holds_for_all_redirects_together(site: Site) -> None:
    for step in range(5):
        target = f"/{step + 1}.html"
        site.route(f"/{step}.html", lambda asked, target=target: Reply(302, b"", {"Location": target}, delay=0.5))
    site.page("/5.html", PAGE)
    (capture,) = fetch(Fetch(site.url("/0.html"), "s", timeout=1.2))
    assert capture.reason.startswith("timeout:")


# Private addresses


def test_private_addresses_are_not_asked_unless_allowed(site: Site) -> None:
    strict = replace(POLICY, allow_private=False)
    urls = [
        site.url(),
        *(f"http://{host}:{site.port}/" for host in ("localhost", "0x7f.1", "2130706433", "[::1]")),
    ]
    for capture in fetch(*(Fetch(url, "s") for url in urls), policy=strict):
        assert (capture.outcome, capture.reason.partition(":")[0]) == ("failed", "private-address"), capture
    assert site.requests == []


def test_a_redirect_to_a_private_address_is_not_followed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only 127.0.0.1 counts as public here; names go by what they resolve to."""
    public = ipaddress.ip_address("127.0.0.1")
    monkeypatch.setattr("crawler.guard.is_public", lambda address: address == public)
    monkeypatch.setattr("crawler.transport._addresses", _all_but_one_lead_inside)
    with Site("127.0.0.2") as inside:
        redirect(site, "/by-address", inside.url("/a.html"))
        redirect(site, "/by-name", f"http://inside.test:{inside.port}/a.html")
        allowed = frozenset({"127.0.0.2", "inside.test"})
        strict = replace(POLICY, allow_private=False)
        requests = [Fetch(site.url(path), "s", allowed_hosts=allowed) for path in ("/by-address", "/by-name")]
        captures = fetch(*requests, policy=strict)
        assert [c.reason.partition(":")[0] for c in captures] == ["private-address"] * 2, captures
        assert inside.requests == []


def _all_but_one_lead_inside(host: str, port: int, family: int) -> list[dict[str, Any]]:
    """A name server that gives a public address first and a private one after it."""
    row = {"hostname": host, "port": port, "family": 2, "proto": 6, "flags": 0}
    return [{**row, "host": "127.0.0.1"}, {**row, "host": "127.0.0.2"}]


# robots.txt


def test_robots_txt_is_read_once_and_obeyed(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /private/\n", headers={"Content-Type": "text/plain"})
    site.page("/private/a.html", PAGE)
    pages = [Fetch(site.url(path), "s") for path in ("/private/a.html", "/a.html", "/private/b.html")]
    outcomes = [(c.outcome, c.reason.partition(":")[0]) for c in fetch(*pages)]
    assert outcomes == [("failed", "robots"), ("ok", ""), ("failed", "robots")]
    assert [asked.path for asked in site.requests] == ["/robots.txt", "/a.html"]


def test_robots_txt_is_read_once_by_many_at_a_time(site: Site) -> None:
    async def use(fetcher: Fetcher) -> list[Capture]:
        return await asyncio.gather(*(fetcher.fetch(Fetch(site.url("/a.html"), f"s{n}")) for n in range(10)))

    assert {capture.outcome for capture in with_fetcher(use)} == {"ok"}
    assert site.count("/robots.txt") == 1


def test_robots_txt_may_be_switched_off(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /\n")
    (capture,) = fetch(Fetch(site.url("/a.html"), "s"), policy=replace(POLICY, obey_robots=False))
    assert capture.outcome == "ok"
    assert site.count("/robots.txt") == 0


def test_robots_txt_is_read_again_after_a_day(site: Site) -> None:
    clock = Clock()

    async def use(fetcher: Fetcher) -> list[Capture]:
        first = await fetcher.fetch(Fetch(site.url("/a.html"), "s"))
        site.page("/robots.txt", "User-agent: *\nDisallow: /\n")
        second = await fetcher.fetch(Fetch(site.url("/a.html"), "s"))
        clock.now += 86_401
        return [first, second, await fetcher.fetch(Fetch(site.url("/a.html"), "s"))]

    captures = with_fetcher(use, clock=clock)
    assert [c.reason.partition(":")[0] for c in captures] == ["", "", "robots"]


def test_a_redirected_robots_txt_counts_for_the_host_that_was_asked(site: Site) -> None:
    with Site("127.0.0.2") as other:
        other.page("/rules", "User-agent: *\nDisallow: /a.html\n")
        redirect(site, "/robots.txt", other.url("/rules"))
        (capture,) = fetch(Fetch(site.url("/a.html"), "s"))
    assert capture.reason.startswith("robots:")


@pytest.mark.parametrize(
    ("install", "reason"),
    [
        (lambda site: site.route("/robots.txt", lambda asked: Reply(503)), "robots"),
        (lambda site: site.wire("/robots.txt", Wire.reset), "reset"),
        (lambda site: site.route("/robots.txt", lambda asked: Reply(403)), ""),
        (lambda site: redirect(site, "/robots.txt", "/robots.txt"), ""),
        (lambda site: redirect(site, "/robots.txt", "http://[::1"), ""),
        (lambda site: site.route("/robots.txt", lambda asked: Reply(429)), "robots"),
        (lambda site: site.page("/robots.txt", "Allow: /\n" * 500_000), ""),
    ],
    ids=["broken", "unreachable", "forbidden", "a loop", "redirected nowhere", "not now", "endless"],
)
def test_a_bad_robots_txt(site: Site, install: Callable[[Site], None], reason: str) -> None:
    install(site)
    (capture,) = fetch(Fetch(site.url("/a.html"), "s"))
    assert capture.reason.partition(":")[0] == reason, capture.reason
    assert site.count("/a.html") == (0 if reason else 1)


# Whose turn it is


def test_a_host_is_asked_one_thing_at_a_time_by_all_sources_together(site: Site) -> None:
    site.page("/slow.html", PAGE, delay=0.02)

    async def use(fetcher: Fetcher) -> list[Capture]:
        return await asyncio.gather(*(fetcher.fetch(Fetch(site.url("/slow.html"), f"s{n}")) for n in range(12)))

    assert {capture.outcome for capture in with_fetcher(use)} == {"ok"}
    assert site.overlaps == 0


def test_a_hanging_host_stops_nobody_else(site: Site) -> None:
    async def use(fetcher: Fetcher) -> bool:
        hanging = asyncio.create_task(fetcher.fetch(Fetch(stuck.url("/"), "stuck")))
        behind = asyncio.create_task(fetcher.fetch(Fetch(stuck.url("/"), "behind")))
        for _ in range(20):
            assert (await fetcher.fetch(Fetch(site.url("/a.html"), "s"))).outcome == "ok"
        return hanging.done() or behind.done()

    for host in ("127.0.0.2", "127.0.0.1"):  # the second differs from the good one only by its port
        with Site(host) as stuck:
            stuck.at_connect(Wire.hang)
            assert not with_fetcher(use, replace(POLICY, timeout=100.0))


def test_a_request_given_up_is_dropped_and_its_host_is_free_again(site: Site) -> None:
    site.wire("/hang.html", Wire.hang)

    async def use(fetcher: Fetcher) -> Capture:
        waiting = asyncio.create_task(fetcher.fetch(Fetch(site.url("/hang.html"), "s")))
        queued = asyncio.create_task(fetcher.fetch(Fetch(site.url("/a.html"), "s")))
        while not site.count("/hang.html"):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await queued

    assert with_fetcher(use, replace(POLICY, timeout=1000.0)).outcome == "ok"


def test_closing_ends_what_hangs_and_says_so(site: Site) -> None:
    site.wire("/hang.html", Wire.hang)

    async def use() -> list[Capture]:
        async with Fetcher(replace(POLICY, timeout=1000.0, delay=1000.0, obey_robots=False)) as fetcher:
            waiting = [asyncio.create_task(fetcher.fetch(Fetch(site.url("/hang.html"), "s"))) for _ in range(3)]
            while not site.count("/hang.html"):
                await asyncio.sleep(0.01)
        waiting.append(asyncio.create_task(fetcher.fetch(Fetch(site.url("/a.html"), "late"))))
        return await asyncio.gather(*waiting)

    captures = asyncio.run(asyncio.wait_for(use(), 60))
    assert [(c.outcome, c.reason.partition(":")[0]) for c in captures] == [("failed", "closing")] * 4
    assert site.count("/hang.html") == 1


def test_cancelling_the_whole_crawl_is_clean(site: Site) -> None:
    site.wire("/hang.html", Wire.hang)

    async def crawl(fetcher: Fetcher) -> None:
        await asyncio.gather(*(fetcher.fetch(Fetch(site.url("/hang.html"), f"s{n}")) for n in range(3)))

    async def use() -> int:
        before = len(asyncio.all_tasks())
        async with Fetcher(replace(POLICY, timeout=1000.0)) as fetcher:
            crawling = asyncio.create_task(crawl(fetcher))
            while not site.count("/hang.html"):
                await asyncio.sleep(0.01)
            crawling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await crawling
        await asyncio.sleep(0)
        return len(asyncio.all_tasks()) - before

    assert asyncio.run(asyncio.wait_for(use(), 60)) == 0, "tasks are left behind"


def test_one_process_may_open_one_fetcher_after_another(site: Site) -> None:
    for _ in range(3):
        assert fetch(Fetch(site.url("/a.html"), "s"))[0].outcome == "ok"


# Patience and budgets


def asks_for_patience(status: int, seconds: str) -> Callable[[Asked], Reply]:
    return lambda asked: Reply(status, b"<html><body>Service Unavailable</body></html>", {"Retry-After": seconds})


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_for_the_whole_host(site: Site, status: int) -> None:
    clock = Clock()
    site.route("/busy.html", asks_for_patience(status, "3600"))

    async def use(fetcher: Fetcher) -> list[Capture]:
        captures = [await fetcher.fetch(Fetch(site.url(path), "s")) for path in ("/busy.html", "/a.html")]
        clock.now += 3601
        return [*captures, await fetcher.fetch(Fetch(site.url("/a.html"), "s"))]

    busy, refused, later = with_fetcher(use, clock=clock)
    assert (busy.outcome, busy.retry_after) == ("failed", 3600.0)
    assert refused.reason.startswith("backing-off until 2")
    assert refused.retry_after == pytest.approx(3600.0, abs=60)
    assert later.outcome == "ok"
    assert site.count("/a.html") == 1


def test_patience_asked_for_by_robots_txt_is_honoured_too(site: Site) -> None:
    site.route("/robots.txt", asks_for_patience(503, "3600"))
    captures = fetch(*[Fetch(site.url("/a.html"), "s")] * 3)
    assert [c.reason.partition(":")[0].partition(" ")[0] for c in captures] == ["robots", "backing-off", "backing-off"]
    assert len(site.requests) == 1


def test_one_broken_page_does_not_silence_its_host_but_a_broken_host_is_left_alone(site: Site) -> None:
    clock = Clock()
    site.route("/broken.html", lambda asked: Reply(500, b"<html><body>Internal Server Error</body></html>"))

    async def use(fetcher: Fetcher) -> list[str]:
        reasons = []
        for name in ("broken", "broken", "a", "broken", "broken", "broken", "a"):
            capture = await fetcher.fetch(Fetch(site.url(f"/{name}.html"), "s"))
            reasons.append(capture.reason.partition(":")[0].partition(" ")[0])
            clock.now += 30  # past the pause, short of the back-off
        return reasons

    reasons = with_fetcher(use, replace(POLICY, delay=20.0, obey_robots=False), clock=clock)
    assert reasons == ["server-error"] * 2 + [""] + ["server-error"] * 3 + ["backing-off"]


def test_a_budget_is_spent_by_every_request(site: Site) -> None:
    pages = [Fetch(site.url("/a.html"), "s")] * 3
    captures = fetch(*pages, policy=replace(POLICY, per_host_daily=3))
    assert [c.reason.partition(":")[0] for c in captures] == ["", "", "budget"]
    assert len(site.requests) == 3, "robots.txt is a request too"


# Another policy while it works


def test_another_policy_holds_for_whatever_is_asked_next(site: Site) -> None:
    site.page("/robots.txt", "User-agent: other\nDisallow: /private/\n")
    site.page("/private/a.html", PAGE)
    site.page("/slow.html", PAGE, delay=1.0)
    page, private = Fetch(site.url("/a.html"), "s"), Fetch(site.url("/private/a.html"), "s")

    async def use(fetcher: Fetcher) -> list[Capture]:
        captures = [await fetcher.fetch(page), await fetcher.fetch(private)]
        for policy, asked in (
            (replace(POLICY, user_agent="Other/2"), private),
            (replace(POLICY, user_agent="Other/2", obey_robots=False), private),
            (replace(POLICY, timeout=0.2), replace(page, url=site.url("/slow.html"))),
            (replace(POLICY, max_bytes=100), page),
            (replace(POLICY, per_host_daily=1), page),
            (replace(POLICY, allow_private=False), page),
        ):
            fetcher.use(policy)
            captures.append(await fetcher.fetch(asked))
        return captures

    reasons = [capture.reason.partition(":")[0] for capture in with_fetcher(use)]
    assert reasons == ["", "", "robots", "", "timeout", "too-large", "budget", ""], "who may be asked is settled once"
    agents = [asked.headers["user-agent"] for asked in site.requests]
    assert agents == [AGENT] * 3 + ["Other/2"] * 2 + [AGENT] * (len(agents) - 5)


def test_another_delay_holds_from_the_next_pause_on(site: Site) -> None:
    async def use(fetcher: Fetcher) -> float:
        page = Fetch(site.url("/a.html"), "s")
        await fetcher.fetch(page)
        fetcher.use(replace(POLICY, delay=0.5))
        began = asyncio.get_running_loop().time()
        await fetcher.fetch(page)
        return asyncio.get_running_loop().time() - began

    assert with_fetcher(use, replace(POLICY, obey_robots=False)) >= 0.5


# A page with parts


class Shower:
    """Stands for the browser: a page whose rules have run out when it asks for its part, while another one waits."""

    def __init__(self, fetcher: Fetcher, clock: Clock, site: Site) -> None:
        self.fetcher, self.clock, self.site = fetcher, clock, site
        self.other: asyncio.Task[Capture] | None = None

    async def render(self, url: str, shell: Given, ask: Ask, wait: Wait) -> tuple[str, bytes]:
        self.clock.now += 86_401
        self.other = asyncio.create_task(self.fetcher.fetch(Fetch(self.site.url("/a.html"), "s")))
        while not any(lock.locked() for lock in self.fetcher._robots_locks.values()):
            await asyncio.sleep(0)
        part = await ask(Wanted(self.site.url("/part.json"), "GET", {}, b"", "fetch"))
        assert part is not None and part.status == 200
        return url, BYTES

    async def close(self) -> None:
        pass


def test_a_page_with_parts_does_not_wait_for_one_that_waits_for_it(site: Site) -> None:
    clock = Clock()
    site.page("/shell.html", PAGE)
    site.page("/part.json", "{}")

    async def use(fetcher: Fetcher) -> list[Capture]:
        shower = Shower(fetcher, clock, site)
        fetcher._browser = shower  # type: ignore[assignment]
        async with asyncio.timeout(10):
            shown = await fetcher.fetch(Fetch(site.url("/shell.html"), "s", render="browser"))
            assert shower.other
            return [shown, await shower.other]

    shown, other = with_fetcher(use, replace(POLICY, timeout=60.0), clock=clock)
    assert (shown.outcome, other.outcome) == ("ok", "ok"), (shown.reason, other.reason)
    assert site.overlaps == 0
