"""The pages as readers get them: what they say, how they are built, and that nothing archived acts in them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from stock import NOW, add_source
from web_markup import Markup, read
from web_samples import BASE, HOSTILE, settings

import pledgewatch.web
from pledgewatch.settings import parse_settings
from pledgewatch.web import comparison, create_app
from pledgewatch.web.words import words
from storage.database import Database
from storage.documents import StoredVersion, version_by_number
from storage.sources import SourceState, save_pass

PAGES = (
    *("/", "/events", "/events?baseline=1", "/documents", "/measures", "/sources", "/deliveries"),
    *(f"/events/{n}" for n in range(1, 8)),
    *("/documents/1", "/documents/1?version=1", "/documents/2", "/documents/3"),
    *("/documents/1/diff", "/documents/1/diff?from=2&to=1", "/documents/1/diff?from=2&to=2", "/documents/2/diff"),
    *("/measures/m1", "/measures/m3%2F%E5%AE%B6%E5%BA%AD%20%E5%BA%8A%E4%BD%8D", "/measures/m4"),
    *("/regions", "/regions?q=建设", "/regions?measure=m1", "/regions?measure=m2", "/regions?measure=m5"),
    *("/subscriptions", "/subscriptions?kinds=subsidy&days=90", "/subscriptions?deliver=never"),
)


def page(web: TestClient, path: str, status: int = 200) -> Markup:
    answer = web.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return read(answer.text)


def text(web: TestClient, path: str) -> str:
    """A page's words with white space made one."""
    return " ".join(page(web, path).text.split())


@pytest.mark.parametrize("path", PAGES)
def test_well_built(web: TestClient, path: str) -> None:
    found = page(web, path)
    assert found.faults == []
    assert all(urlsplit(address).netloc == "" for address in found.loaded)
    assert all(rel == "noreferrer external" for address, rel in found.links if urlsplit(address).netloc)


@pytest.mark.parametrize("path", PAGES)
def test_archived_text_is_data(web: TestClient, path: str) -> None:
    html = web.get(path).text
    assert HOSTILE not in html
    assert "<img" not in html
    assert "\u202e" not in html


def test_hostile_words_are_shown_as_they_are(web: TestClient) -> None:
    assert f"通知{HOSTILE}" in text(web, "/documents/3")
    assert f"防护页面 412 {HOSTILE}" in text(web, "/sources")


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/healthz", "/metrics", "/static/style.css", "/measures.csv"])
def test_protecting_headers(web: TestClient, path: str) -> None:
    headers = web.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    # One page has a script, a file of ours.
    assert ("script-src 'self'" in policy) == ("/diff" in path) and policy.count("script-src") == ("/diff" in path)
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy and "form-action 'self'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_every_link_leads_somewhere(web: TestClient) -> None:
    """Follow all links of our own from the first page; an anchor must be there, too."""
    seen: dict[str, Markup] = {}
    waiting, anchors = ["/"], set[tuple[str, str]]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        answer = web.get(path)
        assert answer.status_code == 200, path
        is_page = answer.headers["content-type"].startswith("text/html") and not path.endswith("/raw")
        seen[path] = read(answer.text) if is_page else Markup()
        for address, _ in seen[path].links:
            target, fragment = urldefrag(urljoin(path, address))
            if not urlsplit(target).netloc:
                waiting.append(target)
                anchors.add((target, fragment))
    assert {"/documents/1/diff?from=1&to=2", "/versions/1/raw", "/captures/2/raw", "/measures/m1.csv"} <= seen.keys()
    missing = {(path, anchor) for path, anchor in anchors if anchor and anchor not in seen[path].ids}
    assert missing == set()


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", "page"),
        ("/documents", "page"),
        ("/documents/2", "true"),
        ("/measures/m1", "true"),
        ("/deliveries", "page"),
    ],
)
def test_navigation_says_where_one_is(web: TestClient, path: str, current: str) -> None:
    assert page(web, path).current[:1] == [current]


# --- the change log -------------------------------------------------------------------------------------------


def test_log_shows_old_and_new_figure_newest_first(web: TestClient) -> None:
    words = text(web, "/events")
    assert "补贴调整 养老机构建设补贴 原 5000元/张 → 现 6000元/张 +20%" in words
    assert "数字矛盾 养老机构建设补贴 另一文件 5000元/张 ≠ 本文件 4000元/张" in words
    assert "文件撤下" in words and "原因：页面已不存在（404）" in words
    assert words.index("2026-03-06 周五") < words.rindex("文件撤下") < words.index("2026-03-05 周四")


def test_log_hides_the_first_pass_unless_asked(web: TestClient) -> None:
    assert "首次读取" not in text(web, "/events").replace("包括首次读取时", "")
    words = text(web, "/events?baseline=1")
    assert "新文件 关于市政协第20260118号提案的答复 主要数字：养老机构建设补贴 5000元/张" in words


def shown(web: TestClient, query: str) -> list[int]:
    """The ids of the events that a query shows, in the order of the page."""
    links = [address for address, _ in page(web, f"/events?{query}").links]
    return [int(found[1]) for address in links if (found := re.fullmatch(r"/events/(\d+)", address))]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [7, 6, 5, 4, 2, 3]),  # 2 and 3 are of one revision, which comes first
        ("type=measure.changed", [3]),
        ("recipient=养老机构", [4, 3]),
        ("recipient=火星人", []),
        ("least=20", [4, 3]),
        ("least=21", []),
        ("least=x", [7, 6, 5, 4, 2, 3]),
        ("since=2026-03-06", [7, 6]),
        ("until=2026-03-05", [5, 4, 2, 3]),
        ("since=2026-03-06&until=2026-03-05", []),
        ("since=2026-03-05&until=2026-03-05", [5, 4, 2, 3]),
        ("since=0001-01-01&until=9999-12-31", [7, 6, 5, 4, 2, 3]),
        ("since=%00&until=2026-13-01", [7, 6, 5, 4, 2, 3]),
        ("measure=m1", [3]),
        ("measure=m1&least=20&region=云川市&kind=subsidy&recipient=养老机构&source=yunchuan-mzj", [3]),
        ("type=measure.*", [4, 3]),
        ("type=document.*&baseline=1", [6, 2, 1]),
        ("kind=target", [5]),
        ("kind=subsidy", [4, 3]),
        ("region=临海区", [6, 4]),
        ("source=yunchuan-mzj", [5, 2, 3]),
        ("region=临海区&kind=subsidy", [4]),
        ("region=火星", []),
        ("type=no.such.type", [7, 6, 5, 4, 2, 3]),
        ("before=4", [2, 3]),
        ("after=5", [7, 6]),
        ("before=x&after=%00", [7, 6, 5, 4, 2, 3]),
    ],
)
def test_log_filters(web: TestClient, query: str, ids: list[int]) -> None:
    assert shown(web, query) == ids


def test_filter_keeps_what_was_chosen(web: TestClient) -> None:
    html = web.get("/events?type=measure.*&region=火星").text
    assert re.search(r'<option value="measure\.\*" selected>', html)
    assert '<option value="火星" selected>' in html
    assert "没有符合条件的内容" in html
    assert '<a href="/events">清除条件</a>' in html


def test_no_word_hides_behind_a_method() -> None:
    """Templates look for an attribute first: a word named "items" would never be found."""
    assert [name for name in words("zh") if hasattr({}, name)] == []


def test_log_turns_pages_without_loss(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from pledgewatch.web import queries

    monkeypatch.setattr(queries.change_log, "__defaults__", (2,))
    seen, path = [], "/events?kind="
    while path:
        found = page(web, path)
        seen += [int(a.rpartition("/")[2]) for a, _ in found.links if re.fullmatch(r"/events/\d+", a)]
        path = next((address for address, rel in found.links if rel == "next"), "")
    assert seen == [7, 6, 5, 4, 2, 3]
    back = page(web, "/events?before=4")
    newer = next(address for address, rel in back.links if rel == "prev")
    assert shown(web, urlsplit(newer).query) == [5, 4]


def test_event_shows_both_sentences_and_the_ways_on(web: TestClient) -> None:
    html = web.get("/events/3").text
    assert '<del><span class="heard">删去 </span>5000</del><ins><span class="heard">新增 </span>6000</ins>元/张' in html
    links = dict(page(web, "/events/3").links)
    own = {"/documents/1/diff?from=1&to=2", "/documents/1", "/measures/m1", "/versions/1/raw", "/versions/2/raw"}
    assert own <= links.keys()
    assert links["https://mzj.yunchuan.example/art/2026/2/12/art_1_7.html"] == "noreferrer external"


def test_event_of_a_conflict_names_the_other_document(web: TestClient) -> None:
    words = text(web, "/events/4")
    assert "另一份文件 关于市政协第20260118号提案的答复 云民函〔2026〕18号" in words
    assert "两份文件时间相近" in words


# --- documents ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["通知", "关于市政协", "临海区养老机构"]),
        ("q=养老机构", ["关于市政协", "临海区养老机构"]),
        ("q=云民函[2026]18号", ["关于市政协"]),
        ("q=临政规 〔2025〕 3", ["临海区养老机构"]),
        ("region=云川市", ["关于市政协"]),
        ("source=linhai-gov", ["通知", "临海区养老机构"]),
        ("q=100%25", []),
        ("state=withdrawn", ["通知"]),
        ("after=3", ["关于市政协", "临海区养老机构"]),
        ("before=1", ["通知"]),
        ("after=99&before=%00", ["通知", "关于市政协", "临海区养老机构"]),
    ],
)
def test_documents_are_found(web: TestClient, query: str, titles: list[str]) -> None:
    html = re.sub("</?mark>", "", web.get(f"/documents?{query}").text)
    rows = re.findall(r'<th scope="row"><a href="/documents/\d+">([^<&]+)', html)
    assert len(rows) == len(titles)
    assert all(row.startswith(title) for row, title in zip(rows, titles, strict=True))


def test_document_marks_its_figures_in_the_text(web: TestClient) -> None:
    html = web.get("/documents/1").text
    for quote in ("51.6%", "3200余张", "6000元/张", "8000元/张", "不低于60%"):
        found = re.search(rf'<mark id="(f\d+)">{re.escape(quote)}</mark>', html)
        assert found and f'href="#{found[1]}"' in html
    assert '<p class="attachment">【附件】补贴标准表.pdf</p>' in html
    assert '<p class="row">类别 | 标准</p>' in html


def test_document_tells_its_state_and_versions(web: TestClient) -> None:
    words = text(web, "/documents/1")
    for told in (
        "云民函〔2026〕18号",
        "113700004/2026-00218",
        "云川市民政局",
        "有效",
        "第 2 版 最新",
        "与上一版比对",
        "下载存档",
    ):
        assert told in words
    assert "已撤下 自 2026-03-06 09:30 原因：页面已不存在（404） 废止" in text(web, "/documents/3")
    assert "正在显示第 1 版，最新为第 2 版" in text(web, "/documents/1?version=1")


# --- the difference -------------------------------------------------------------------------------------------


def test_difference_shows_measures_first_then_the_text(web: TestClient) -> None:
    words = text(web, "/documents/1/diff")
    assert "养老机构建设补贴 补贴 调整 5000元/张 6000元/张 第 1 处" in words
    assert words.index("变动的指标") < words.index("正文的变动")
    html = web.get("/documents/1/diff").text
    assert re.search(
        r"<del>(<span[^>]*>删去 </span>)<strong[^>]*>5000元/张</strong></del>"
        r"<ins>(<span[^>]*>新增 </span>)<strong[^>]*>6000元/张</strong></ins>",
        html,
    )


def test_difference_tells_what_moved_and_where_to(web: TestClient) -> None:
    moved = re.findall(
        r'⇅ (移走|移来)，文字未改 <a href="#change-(\d)">[^<]*</a></span>\s*<(?:del|ins)><[^>]*>[^<]*</span>([^<]*)<',
        web.get("/documents/1/diff").text,
    )
    sentence = "补贴由区财政先行垫付，市财政按年度结算。"
    assert moved == [("移走", "2", sentence), ("移来", "1", sentence)]


def test_difference_marks_what_changed_in_moved_text(web: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(conn: sa.Connection, document_id: int, number: int) -> StoredVersion | None:
        found = version_by_number(conn, document_id, number)
        if found is None or number != 2:
            return found
        text = found.document.text.replace("先行垫付，市财政按年度", "先行垫付，市财政按季度")
        return replace(found, document=replace(found.document, text=text))

    monkeypatch.setattr(comparison, "version_by_number", version)
    html = web.get("/documents/1/diff").text
    parts = re.findall(
        r'<span class="moved"><span class="tag">⇅ (\S+) <a.*?</a></span>(.*?)</span>(?=<|\s*</div>)', html, re.S
    )
    told = [(way, re.findall(r'<(del|ins) class="own">.*?</span>(.*?)</', part)) for way, part in parts]
    assert told == [("移走，有改动", [("del", "年")]), ("移来，有改动", [("ins", "季")])]


@pytest.mark.parametrize("view", ["inline", "sides", "no-such-view"])
def test_difference_shows_both_views(web: TestClient, view: str) -> None:
    found = page(web, f"/documents/1/diff?view={view}")
    assert found.faults == []
    assert {"/versions/1/raw", "/versions/2/raw"} <= {address for address, _ in found.links}
    html = web.get(f"/documents/1/diff?view={view}").text
    columns = re.findall(r'<div class="two">(.*?)</div>\s*</div>', html, re.S)
    assert len(columns) == (3 if view == "sides" else 0)
    for column in columns:
        old, new = column.split('<div class="run">')[1:]
        assert "<ins>" not in old and "<del>" not in new


def test_difference_leads_from_change_to_change(web: TestClient) -> None:
    found = page(web, "/documents/1/diff")
    changes = [id_ for id_ in found.ids if re.fullmatch(r"change-\d+", id_)]
    assert changes == ["change-1", "change-2", "change-3"]
    assert {"#change-1", "#change-2", "#change-3"} <= {address for address, _ in found.links}
    assert found.tags["details"] >= 1  # what is the same is folded, not lost


def test_difference_holds_the_whole_of_both_texts(web: TestClient) -> None:
    from web_samples import FIRST, SECOND

    html = web.get("/documents/1/diff").text
    body = html[html.index('class="text difference inline"') :]
    body = re.sub(
        r'<span class="(?:heard|tag)">.*?</span>|<div class="jump">.*?</div>|<summary>.*?</summary>',
        "",
        body,
        flags=re.S,
    )
    body = body[body.index(">") + 1 : body.index("</main>")]

    def side(drop: str) -> str:
        return re.sub(r"\s|<[^>]+>", "", re.sub(rf"<{drop}>.*?</{drop}>", "", body, flags=re.S))

    assert side("ins") == re.sub(r"\s", "", FIRST)
    assert side("del") == re.sub(r"\s", "", SECOND)


def test_difference_of_one_version_or_the_same(web: TestClient) -> None:
    assert "只有一个版本" in text(web, "/documents/2/diff")
    assert "两个不同的版本" in text(web, "/documents/1/diff?from=2&to=2")


# --- measures -------------------------------------------------------------------------------------------------


def test_measures_show_the_latest_of_each_kind(web: TestClient) -> None:
    words = text(web, "/measures?q=护理型")
    assert "养老机构护理型床位占比 云川市 不低于60% 期限 2027-12-31 51.6% 2026-02-12" in words
    assert "6000元/张 8000元/张" in text(web, "/measures?region=云川市&kind=subsidy")
    assert "共 2 条" in text(web, "/measures?region=临海区")
    assert "没有符合条件的内容" in text(web, "/measures?q=没有这种")


def test_measures_of_withdrawn_documents_say_so(web: TestClient) -> None:
    assert "养老机构运营补贴 临海区 — — 300元/床 文件已失效或撤下" in text(web, "/measures?q=运营补贴")


def test_measure_over_time_keeps_what_was_edited_away(web: TestClient) -> None:
    words = text(web, "/measures/m1").partition("历次数字 按文件发布先后")[2]  # the table, not the plot
    assert words.index("已被新版本取代") < words.index("5000元/张") < words.index("6000元/张")
    links = dict(page(web, "/measures/m1").links)
    assert any(a.startswith("/documents/1?version=1#f") for a in links)
    # What both versions say stands once.
    table = text(web, "/measures/m2").partition("历次数字 按文件发布先后")[2]
    assert table.count("51.6%") == 2  # figure and sentence


# --- sources and deliveries -----------------------------------------------------------------------------------


def test_sources_put_what_is_ill_first(web: TestClient) -> None:
    words = text(web, "/sources")
    assert words.index("⊘ 受阻") < words.index("… 尚未读取") < words.index("✓ 正常")
    assert "连续失败 4" in words
    assert "2026-03-05 11:30" in words  # the next pass, in the service's zone


def test_many_sources_come_a_page_at_a_time(empty: Database) -> None:
    tables = "".join(f'[[sources]]\nid = "s{n:03}"\nurl = "https://s{n}.example.gov.cn/"\n' for n in range(120))
    web = TestClient(create_app(parse_settings(tables, environ={}), empty), base_url=BASE)
    with empty.begin() as conn:
        add_source(conn, "s077")
        save_pass(conn, SourceState("s077", "https://s77.example.gov.cn/", state="failing", last_pass_at=NOW))
    seen: list[str] = []
    path = "/sources"
    while path:
        html = web.get(path).text
        seen += re.findall(r'<span class="meta">(s\d+)', html)
        path = next((address for address, rel in read(html).links if rel == "next"), "")
    assert len(seen) == len(set(seen)) == 120 and seen[0] == "s077"
    asked = web.get("/sources?asked=s119").text
    assert re.findall(r'<span class="meta">(s\d+)', asked)[:2] == ["s119", "s077"]


def test_sources_say_what_is_at_work(filled: Database) -> None:
    class Service:
        settings = settings()

        def running(self) -> tuple[str, ...]:
            return ("linhai-gov",)

        def seconds_since_tick(self) -> float:
            return 0.5

    web = TestClient(create_app(settings(), filled, Service()), base_url=BASE)
    assert "⊘ 受阻 正在读取" in text(web, "/sources")
    assert web.get("/healthz").json()["running"] == ["linhai-gov"]


def test_deliveries_are_counted_without_addresses(web: TestClient) -> None:
    words = text(web, "/deliveries")
    assert "mailtos 0 0 1 0" in words and "wecombot 1 0 0 0" in words and "合计 1 0 1 0" in words
    assert "wang" not in words


# --- language and looks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/documents", "/measures", "/sources", "/deliveries", "/nothing"])
def test_english_has_no_chinese_of_ours(empty: Database, path: str) -> None:
    html = (
        TestClient(create_app(settings(language="en").model_copy(update={"sources": ()}), empty), base_url=BASE)
        .get(path)
        .text
    )
    assert '<html lang="en">' in html
    assert not re.search("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]", html)


@pytest.mark.parametrize("path", PAGES)
def test_english_pages_are_whole(filled: Database, path: str) -> None:
    web = TestClient(create_app(settings(language="en"), filled), base_url=BASE)
    assert page(web, path).faults == []


def test_empty_archive_says_so(empty: Database) -> None:
    web = TestClient(create_app(settings(), empty), base_url=BASE)
    assert "还没有变动" in text(web, "/")
    assert "尚未读取" in text(web, "/sources")
    assert "还没有消息" in text(web, "/deliveries")


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    """Contrast as WCAG 2.2 defines it, 1 to 21."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "papers"),
    [
        ("ink", ("paper", "card", "mark", "warn-paper")),
        ("soft", ("paper", "card")),
        ("link", ("paper", "card")),
        ("old", ("paper", "card", "old-paper")),
        ("new", ("paper", "card", "new-paper")),
        ("moved", ("moved-paper",)),
        ("paper", ("link",)),  # the button
    ],
)
def test_colours_can_be_read(scheme: str, ink: str, papers: tuple[str, ...]) -> None:
    css = (Path(pledgewatch.web.__file__).parent / "static" / "style.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.S)
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", blocks[scheme == "dark"]))
    for paper in papers:
        assert _contrast(colours[ink], colours[paper]) >= 4.5, paper
    assert _contrast(colours["focus"], colours["paper"]) >= 3  # WCAG 1.4.11
