"""Pages that scripts write, in real Chromium: what is kept, what is never asked, and what ends badly by name."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import shutil
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from servers import Asked, Authority, Reply, Site
from world import World

from crawler.browser import Browser, Given, Wait
from crawler.fetch import CrawlPolicy, Fetch, Fetcher
from storage.records import Capture

T = TypeVar("T")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AGENT = "Pledgewatch-tests/1.0 (+mailto:ops@example.org)"
POLICY = CrawlPolicy(AGENT, delay=0, allow_private=True, timeout=20.0, chromium=CHROMIUM)
LINE = "对完成居家适老化改造的家庭,按每户给予一次性补贴,本通知由区民政局负责解释,自公布之日起施行。"

pytestmark = pytest.mark.xdist_group("chromium")


@pytest.fixture(autouse=True, scope="module")
def chromium() -> None:
    if CHROMIUM is None:
        if os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1":
            pytest.fail("Chromium is required and not on the PATH")
        pytest.skip("no Chromium on the PATH")
    pytest.importorskip("playwright")


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as made:
        yield made


def shell(script: str, text: str = "") -> str:
    head = '<!DOCTYPE html><html><head><meta charset="utf-8"><title>信息公开</title></head>'
    return f"{head}<body><div id=app>{text}</div><script>{script}</script></body></html>"


def show(words: str = LINE) -> str:
    return f"document.getElementById('app').innerHTML = '<p class=done>{words}</p>';"


def fetched(url: str, **more: Any) -> Fetch:
    return Fetch(url, "s", render="browser", **more)


def with_fetcher(use: Callable[[Fetcher], Coroutine[Any, Any, T]], policy: CrawlPolicy = POLICY) -> T:
    async def inside() -> T:
        async with Fetcher(policy) as fetcher:
            return await use(fetcher)

    return asyncio.run(asyncio.wait_for(inside(), 90))


def fetch(*requests: Fetch, policy: CrawlPolicy = POLICY) -> list[Capture]:
    async def use(fetcher: Fetcher) -> list[Capture]:
        return [await fetcher.fetch(request) for request in requests]

    return with_fetcher(use, policy)


def answers(words: bytes, kind: str = "application/json", **headers: str) -> Callable[[Asked], Reply]:
    return lambda asked: Reply(200, words, {"Content-Type": kind, **headers})


def test_what_scripts_write_is_kept(site: Site) -> None:
    """Scripts in a file, answers of an interface, cookies: as in any browser, and in the fetcher's own name."""
    site.route(
        "/a.html",
        lambda _: Reply(
            200,
            shell("go()").replace("<script>", "<script src=/go.js></script><script>").encode(),
            {"Set-Cookie": "sid=7; Path=/", "ETag": '"same"'},
        ),
    )
    site.route(
        "/go.js",
        answers(
            b"function go() { fetch('/api', {method: 'POST', body: 'page=1'}).then(r => r.json())"
            b".then(d => { document.getElementById('app').innerHTML = '<p>' + d.text + '</p>' }) }",
            "text/javascript",
        ),
    )
    site.route("/api", answers(json.dumps({"text": LINE}).encode()))
    first, second = fetch(*[fetched(site.url("/a.html"), etag='"same"')] * 2)
    assert (first.outcome, first.reason, first.status) == ("ok", "", 200)
    assert f"<p>{LINE}</p>" in first.body.decode()
    assert first.headers["content-type"] == "text/html; charset=utf-8"
    assert "etag" not in first.headers
    assert second.body == first.body
    asked = {a.path: a for a in site.requests}
    assert (asked["/api"].method, asked["/api"].body) == ("POST", b"page=1")
    assert asked["/api"].headers["cookie"] == "sid=7"
    assert "if-none-match" not in asked["/a.html"].headers
    assert {a.headers["user-agent"] for a in site.requests} == {AGENT}
    # Pages share a site's scripts for an hour, and nothing is asked while another answer is under way.
    assert (site.count("/go.js"), site.count("/api"), site.overlaps) == (1, 2, 0)


def test_pictures_frames_and_sockets_are_not_asked_for(site: Site) -> None:
    more = f"new Image().src = '/i.png'; new WebSocket('ws://127.0.0.1:{site.port}/ws'); open('/popup.html');"
    more += f"navigator.sendBeacon('http://127.0.0.1:{site.port}/beacon', 'x');"
    page = shell(show() + more).replace(
        "<body>", "<link rel=stylesheet href=/s.css><body><iframe src=/f.html></iframe>"
    )
    site.page("/a.html", page)
    (capture,) = fetch(fetched(site.url("/a.html")))
    assert capture.outcome == "ok"
    assert sorted({a.path for a in site.requests}) == ["/a.html", "/robots.txt"]


def test_only_pages_are_shown(site: Site) -> None:
    """Interfaces, files and challenges stay what they are: a firewall that refuses us is not talked round."""
    site.route("/list.json", answers(b'[{"title": "x"}]'))
    site.page("/plain.html", shell("", LINE))
    site.route("/wall.html", lambda _: Reply(412, shell("$_ts=window['$_ts'];" + show()).encode()))
    site.page("/ts.html", shell("window['$_ts'] = $_ts = 1;" + show()))
    captures = fetch(*(fetched(site.url(p)) for p in ("/list.json", "/wall.html", "/ts.html")))
    assert [c.outcome for c in captures] == ["ok", "blocked", "blocked"]
    assert captures[0].body == b'[{"title": "x"}]'


def test_a_page_may_lead_on_within_its_site(site: Site) -> None:
    site.page("/a.html", shell("location.replace('/b.html')"))
    site.page("/b.html", shell(show()))
    site.page("/c.html", shell("location.replace('http://other.example/')"))
    site.page("/d.html", shell("location.replace('/none.html')"))
    good, away, lost = fetch(*(fetched(site.url(p)) for p in ("/a.html", "/c.html", "/d.html")))
    assert (good.outcome, good.final_url) == ("ok", site.url("/b.html"))
    assert (away.outcome, away.reason.partition(":")[0]) == ("failed", "redirect-other-host")
    assert (lost.outcome, lost.reason.partition(":")[0]) == ("failed", "incomplete")


def test_robots_budget_and_hosts_hold_for_every_part(site: Site) -> None:
    site.page("/robots.txt", "User-agent: *\nDisallow: /inner/\n", headers={"Content-Type": "text/plain"})
    with Site("127.0.0.2") as other:
        script = f"fetch('/inner/a'); fetch('{other.url('/x')}'); fetch('/b'); fetch('/c');"
        site.page("/a.html", shell(show() + script))
        site.page("/b", "b")
        site.page("/c", "c")
        near, far = fetch(
            fetched(site.url("/a.html")), fetched(site.url("/a.html"), allowed_hosts=frozenset({"127.0.0.2"}))
        )
        assert (near.outcome, far.outcome) == ("ok", "ok")
        assert "127.0.0.2 (another host; name it in `hosts`" in near.reason
        assert "/inner/a (robots)" in near.reason
        assert "127.0.0.2" not in far.reason
        assert (site.count("/inner/a"), other.count("/x")) == (0, 1)
        assert other.count("/robots.txt") == 1
        (spent,) = fetch(fetched(site.url("/a.html")), policy=replace(POLICY, per_host_daily=3))
        assert spent.reason.startswith("incomplete:") and "3 requests" in spent.reason


def test_no_part_of_a_page_leads_inside(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only 127.0.0.1 counts as public here: neither an address, a name that resolves there, nor a redirect gets in."""
    public = ipaddress.ip_address("127.0.0.1")
    monkeypatch.setattr("crawler.guard.is_public", lambda address: address == public)
    monkeypatch.setattr("crawler.transport._addresses", _all_but_one_lead_inside)
    with Site("127.0.0.2") as inside:
        named = f"http://inside.test:{inside.port}"
        site.route("/hop", lambda _: Reply(302, b"", {"Location": inside.url("/c")}))
        asks = "".join(f"fetch('{url}').catch(() => 0);" for url in (inside.url("/a"), f"{named}/b", "/hop"))
        site.page("/a.html", shell(f"{show()}{asks}new WebSocket('ws://127.0.0.2:{inside.port}/d');"))
        hosts = frozenset({"127.0.0.2", "inside.test"})
        (capture,) = fetch(
            fetched(site.url("/a.html"), allowed_hosts=hosts), policy=replace(POLICY, allow_private=False)
        )
        assert (capture.outcome, capture.reason.count("private-address")) == ("ok", 3), capture.reason
        assert inside.requests == []


def _all_but_one_lead_inside(host: str, port: int, family: int) -> list[dict[str, Any]]:
    row = {"hostname": host, "port": port, "family": 2, "proto": 6, "flags": 0}
    return [{**row, "host": "127.0.0.1"}, {**row, "host": "127.0.0.2"}]


@pytest.mark.parametrize(
    ("script", "kind", "timeout"),
    [
        ("setInterval(() => fetch('/tick'), 20);", "timeout", 2.0),
        ("while (true) {}", "timeout", 2.0),
        ("fetch('/silent');", "timeout", 2.0),
        ("fetch('/broken');", "incomplete", 20.0),
        ("for (let i = 0; i < 200; i++) fetch('/tick?' + i);", "endless", 20.0),
        ("document.getElementById('app').innerText = '补'.repeat(500000);", "too-large", 20.0),
    ],
    ids=["polls", "busy", "silent", "broken", "many", "large"],
)
def test_a_page_that_cannot_be_had_whole_fails_by_name(site: Site, script: str, kind: str, timeout: float) -> None:
    site.wire("/silent", lambda line: line.hang())
    site.route("/broken", lambda _: Reply(503))
    site.route("/tick", answers(b"1"))
    site.page("/a.html", shell(show() + script))
    site.page("/b.html", shell(show()))
    policy = replace(POLICY, max_bytes=1_000_000)
    bad, good = fetch(fetched(site.url("/a.html"), timeout=timeout), fetched(site.url("/b.html")), policy=policy)
    assert (bad.outcome, bad.reason.partition(":")[0]) == ("failed", kind), bad.reason
    assert good.outcome == "ok", good.reason
    assert ("/silent" in bad.reason) == ("/silent" in script)


def test_a_part_that_asks_for_patience_is_given_it(site: Site) -> None:
    site.route("/busy", lambda _: Reply(429, headers={"Retry-After": "60"}))
    site.page("/a.html", shell(show() + "fetch('/busy');"))
    busy, later = fetch(fetched(site.url("/a.html")), Fetch(site.url("/a.html"), "s"))
    assert busy.reason.startswith("incomplete") and "429" in busy.reason
    assert later.reason.startswith("backing-off")
    assert site.count("/a.html") == 1


def test_a_page_is_whole_when_what_it_waits_for_is_there(site: Site) -> None:
    site.route("/broken", lambda _: Reply(503))
    site.route("/tick", answers(b"1"))
    site.page(
        "/a.html",
        shell(f"fetch('/broken'); setInterval(() => fetch('/tick'), 50); setTimeout(() => {{{show()}}}, 700);"),
    )
    good, never = fetch(
        fetched(site.url("/a.html"), wait_for=".done"), fetched(site.url("/a.html"), wait_for="#never", timeout=2.0)
    )
    assert good.outcome == "ok" and LINE in good.body.decode()
    assert "#never" in never.reason and never.reason.startswith("timeout")


def test_certificates_are_checked_and_old_tls_is_spoken_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    for tls, good in ((authority.server("127.0.0.1"), True), (authority.server("wrong.example"), False)):
        with Site("127.0.0.1") as plain, Site("127.0.0.1", tls) as secure:
            plain.page("/a.html", shell(f"fetch('{secure.url('/api')}').then(r => r.text()).then(t => {{ {show()} }})"))
            secure.route("/api", answers(b"1", **{"Access-Control-Allow-Origin": "*"}))
            (capture,) = fetch(fetched(plain.url("/a.html")))
            assert (capture.outcome == "ok") is good, capture.reason
            assert good or "tls" in capture.reason


def test_a_browser_that_was_killed_is_started_again(site: Site) -> None:
    site.page("/a.html", shell(show()))
    site.page("/slow.html", shell("fetch('/slow')"))
    site.route("/slow", lambda _: Reply(200, b"1", delay=3))

    async def use(fetcher: Fetcher) -> list[Capture]:
        captures = [await fetcher.fetch(fetched(site.url("/a.html")))]
        _kill_chromium()
        captures.append(await fetcher.fetch(fetched(site.url("/a.html"))))
        under_way = asyncio.create_task(fetcher.fetch(fetched(site.url("/slow.html"))))
        while not site.count("/slow"):
            await asyncio.sleep(0.05)
        _kill_chromium()
        captures.append(await under_way)
        return [*captures, await fetcher.fetch(fetched(site.url("/a.html")))]

    captures = with_fetcher(use)
    assert [c.outcome for c in captures] == ["ok", "ok", "failed", "ok"], [c.reason for c in captures]
    assert captures[2].reason.startswith("browser:")
    assert _chromium() == []


@pytest.mark.parametrize("after", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("patience", [3.0, 0.01], ids=["waits", "goes on"])
def test_a_start_that_is_cut_off_leaves_no_process(
    after: float, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crawler.browser._END_SECONDS", patience)
    before = _drivers()

    async def cut_off() -> None:
        browser = Browser("test")
        starting = asyncio.create_task(browser.render("http://a.test/", Given(200, {}, b""), no_part, Wait(9.0, 999)))
        await asyncio.sleep(after)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await browser.close()
        for _ in range(300):  # a driver that could not be waited for ends itself while the loop goes on
            if _drivers() <= before:
                break
            await asyncio.sleep(0.1)
        assert _drivers() <= before

    async def no_part(asked: object) -> None:
        return None

    asyncio.run(cut_off())


def _drivers() -> set[int]:
    """The processes that this one has started and that still run."""
    return {pid for pid, parent in _parents().items() if parent == os.getpid()}


def _chromium() -> list[int]:
    """The browser processes that this process has started, through Playwright's driver."""
    drivers = _drivers()
    return [pid for pid, parent in _parents().items() if parent in drivers]


def _parents() -> dict[int, int]:
    """Each process's parent, without those that have ended and are only waited for."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if state != "Z":
                parents[int(folder.name)] = int(parent)
    return parents


def _kill_chromium() -> None:
    found = _chromium()
    assert found, "no browser is running"
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def test_a_browser_that_is_frozen_holds_nobody_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.browser._END_SECONDS", 0.3)
    site.page("/a.html", shell(show()))
    site.page("/slow.html", shell("fetch('/slow')"))
    site.wire("/slow", lambda line: line.hang())

    async def use(fetcher: Fetcher) -> list[Capture]:
        under_way = asyncio.create_task(fetcher.fetch(fetched(site.url("/slow.html"), timeout=5.0)))
        while not site.count("/slow"):
            await asyncio.sleep(0.05)
        frozen = _chromium()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(30):
                return [await under_way, await fetcher.fetch(fetched(site.url("/a.html")))]
        finally:
            for pid in frozen:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    captures = with_fetcher(use)
    assert [c.outcome for c in captures] == ["failed", "ok"], [c.reason for c in captures]
    assert captures[0].reason.startswith("timeout:")


def test_closing_does_not_wait_for_a_page(site: Site) -> None:
    site.page("/a.html", shell("fetch('/silent')"))
    site.wire("/silent", lambda line: line.hang())

    async def use(fetcher: Fetcher) -> Capture:
        under_way = asyncio.create_task(fetcher.fetch(fetched(site.url("/a.html"))))
        while not site.count("/silent"):
            await asyncio.sleep(0.05)
        closing = asyncio.create_task(fetcher.__aexit__(None, None, None))
        return (await asyncio.gather(under_way, closing))[0]

    async def inside() -> Capture:
        fetcher = Fetcher(POLICY)
        await fetcher.__aenter__()
        return await asyncio.wait_for(use(fetcher), 30)

    assert asyncio.run(inside()).reason.startswith("closing")


def test_what_is_missing_is_told_with_its_remedy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.page("/a.html", shell(show()))
    (nowhere,) = fetch(fetched(site.url("/a.html")), policy=replace(POLICY, chromium="/nowhere/chromium"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    (none,) = fetch(fetched(site.url("/a.html")), policy=replace(POLICY, chromium=None))
    monkeypatch.setitem(__import__("sys").modules, "playwright.async_api", None)
    (bare,) = fetch(fetched(site.url("/a.html")))
    assert nowhere.reason.startswith("browser: /nowhere/chromium does not start")
    assert "[crawl] chromium" in none.reason
    assert "pledgewatch[browser]" in bare.reason


def test_a_site_of_scripts_from_list_to_message(tmp_path: Path) -> None:
    """List and document are written by scripts; a change of the data alone is told, and nothing else is."""
    data = {"lines": ["对完成适老化改造的家庭，每户一次性补贴5000元。", "本办法自2025年10月1日起施行，有效期五年。"]}
    rows = """fetch('/api/list').then(r => r.json()).then(rows => { document.getElementById('app').innerHTML =
        '<ul class=list>' + rows.map(r => `<li><a href="${r.url}">${r.title}</a><span>2025-09-15</span></li>`).join('')
        + '</ul>' })"""
    body = """fetch('/api/doc').then(r => r.json()).then(d => { document.getElementById('app').innerHTML =
        '<h1>' + document.title + '</h1><div class=article>' + d.lines.map(l => `<p>${l}</p>`).join('') + '</div>' })"""
    titles = [f"关于印发《云川市居家适老化改造补贴办法（第{n}号）》的通知" for n in "一二三"]
    with World(tmp_path, config='render = "browser"') as world:
        site = world.site
        listed = [{"title": title, "url": f"/d{n}.html"} for n, title in enumerate(titles)]
        site.route("/api/list", answers(json.dumps(listed).encode()))
        site.route("/api/doc", lambda asked: answers(json.dumps(data).encode())(asked))
        site.page("/list.html", shell(rows))
        site.page("/d0.html", shell(body).replace("信息公开", titles[0]))
        assert world.check().new == 1
        data["lines"][0] = data["lines"][0].replace("5000", "6000")
        world.check()
        world.check()
        assert world.types() == ["document.revised", "measure.changed"]
        (changed,) = [e for e in world.events() if e.type == "measure.changed"]
        assert changed.before and changed.after
        assert (changed.before["value"], changed.after["value"]) == (5000, 6000)
        assert world.bodies
