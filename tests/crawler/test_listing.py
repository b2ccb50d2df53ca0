"""Saved list pages in the form of each CMS family, each with what it must yield; then what no page may do."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.listing import ListRules, read_list, same_rows
from storage.records import ListPage

PAGES = Path(__file__).parent / "pages" / "lists"
EXPECTED = sorted(PAGES.glob("*.expected.json"))
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "pages"


def told(page: ListPage) -> list[dict[str, Any]]:
    return [{"title": i.title, "url": i.url, "date": i.date.isoformat() if i.date else None} for i in page.items]


@pytest.mark.parametrize("path", EXPECTED, ids=lambda p: p.name.removesuffix(".expected.json"))
def test_saved_pages(path: Path) -> None:
    expected = json.loads(path.read_text("utf-8"))
    body = (PAGES / path.name.removesuffix(".expected.json")).read_bytes()
    page = read_list(body, expected["url"])
    assert told(page) == expected["items"]
    assert (page.cms, page.next, page.api) == (expected["cms"], expected["next"], expected["api"])


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference folder shared/pages is not beside the project")
def test_reference_pages() -> None:
    for expected in json.loads((SHARED / "expected_list.json").read_text("utf-8")):
        page = read_list((SHARED / expected["file"]).read_bytes(), expected["base_url"])
        rows = [{"title": i["title"], "url": i["href"], "date": i["date"]} for i in expected["items"]]
        assert told(page) == rows, expected["file"]


LIST = "http://www.example.gov.cn/zwgk/list.html"


def page(body: str, head: str = "") -> bytes:
    return f"<!DOCTYPE html><html><head><meta charset='utf-8'>{head}</head><body>{body}</body></html>".encode()


def rows(count: int, start: int = 0) -> str:
    row = '<li><a href="/a/{0}.html">关于第{0}批养老服务补助资金的公示</a><span>2025-07-{0:02}</span></li>'
    return "<ul>" + "".join(row.format(n) for n in range(start + 1, start + count + 1)) + "</ul>"


@pytest.mark.parametrize(
    ("url", "pager", "expected"),
    [
        ("list.html", '<script>createPageHTML(3, 0, "list", "html");</script>', "list_1.html"),
        ("list_1.html", '<script>createPageHTML(3, 1, "list", "html");</script>', "list_2.html"),
        ("list_2.html", '<script>createPageHTML(3, 2, "list", "html");</script>', None),
        ("list.shtml", "<script>createPageHTML('page_div',2, 1,'list','shtml',23);</script>", "list_2.shtml"),
        ("list_2.shtml", "<script>createPageHTML('page_div',2, 2,'list','shtml',23);</script>", None),
        (
            "list.html",
            "<script>var n=4; var c=0; createPageHTML(n, c, 'list', 'html')</script>",
            "list_1.html",
        ),
        ("index.html", "<script>var currentPage = 0;var countPage = 9;</script>", "index_1.html"),
        ("index.html", '<a href="index_2.html">下一页&gt;</a>', "index_2.html"),
        (
            "index.html",
            '<a href="javascript:;" onclick="location.href=\'index_2.html\'">下一页</a>',
            "index_2.html",
        ),
        ("index.html", '<a href="index.html">下一页</a>', None),
        ("index.html", '<a class="next" tagname="/zwgk/index_2.html">下一页</a>', "index_2.html"),
        ("index.html", '<link rel="next" href="p2.html">', "p2.html"),
        ("index.html", '<b>1</b> <a href="p2.html">2</a> <a href="p3.html">3</a>', "p2.html"),
        ("p2.html", '<a href="index.html">1</a> <b>2</b> <a href="p3.html">3</a>', "p3.html"),
        ("index.html", "<a href='#'>下一页</a><a href='javascript:next()'>下一页</a>", None),
    ],
)
def test_next_page(url: str, pager: str, expected: str | None) -> None:
    found = read_list(page(rows(4) + pager), f"http://www.example.gov.cn/zwgk/{url}")
    assert found.next == (f"http://www.example.gov.cn/zwgk/{expected}" if expected else None)
    assert len(found.items) == 4


def test_an_interface_ends_with_its_own_count() -> None:
    record = '{"title":"关于公布评定结果的通知","url":"/a/%d.html","pubDate":"2025-07-07"}'
    answer = '{"data":{"total":25,"results":[' + ",".join(record % n for n in range(10)) + "]}}"
    url = "http://www.example.gov.cn/common/search/c1?_pageSize=10&_isJson=true&page="
    assert read_list(answer.encode(), url + "2").next == url + "3"
    assert read_list(answer.encode(), url + "3").next is None


def test_second_page_is_held_against_the_first() -> None:
    first, second = read_list(page(rows(5)), LIST), read_list(page(rows(5, start=3)), LIST)
    assert (same_rows(first, second).shared, same_rows(first, second).fresh) == (2, 3)
    assert same_rows(first, first).repeats
    assert not same_rows(first, second).repeats


def test_an_address_comes_once_with_its_full_title_and_titles_may_repeat() -> None:
    body = """<ul><li><a href="/a/1.html">关于公布养老机构星级…</a><span>2025-07-07</span></li>
    <li><a href="http://example.gov.cn/a/1.html">关于公布养老机构星级评定结果的通知</a><span>2025-07-07</span></li>
    <li><a href="/a/2.html">拍卖公告</a><span>2025-07-06</span></li>
    <li><a href="/a/3.html">拍卖公告</a><span>2025-07-05</span></li></ul>"""
    found = read_list(page(body), LIST)
    assert [i.title for i in found.items] == ["关于公布养老机构星级评定结果的通知", "拍卖公告", "拍卖公告"]


def test_a_title_keeps_its_own_date_and_the_row_its_own() -> None:
    body = """<ul><li><a href="/a/1.html">现行有效文件目录（2023年4月27日）</a><span>2025-07-07</span></li>
    <li><a href="/a/2.html">2024年12月31日前未续期名单</a>[2025-07-06]</li></ul>"""
    found = read_list(page(body), LIST)
    assert [(i.title, i.date) for i in found.items] == [
        ("现行有效文件目录（2023年4月27日）", date(2025, 7, 7)),
        ("2024年12月31日前未续期名单", date(2025, 7, 6)),
    ]


def test_rules_name_what_detection_cannot_know() -> None:
    body = """<section><article><h6>公告一</h6><u>2025-07-07</u><a class="go" href="x/1">阅读</a></article>
    <article><h6>公告二</h6><u>2025-07-06</u><a class="go" href="x/2">阅读</a></article></section>
    <a id="further" href="?p=2">→</a>"""
    rules = ListRules(item="article", title="h6", link="a.go", date="u", next="#further", expect=3)
    found = read_list(page(body), LIST, rules=rules)
    assert told(found) == [
        {"title": "公告一", "url": "http://www.example.gov.cn/zwgk/x/1", "date": "2025-07-07"},
        {"title": "公告二", "url": "http://www.example.gov.cn/zwgk/x/2", "date": "2025-07-06"},
    ]
    assert found.next == LIST + "?p=2"
    assert found.warnings == ("2 rows, expected 3",)


def test_rules_for_json_and_numbered_pages() -> None:
    answer = '{"body":{"hits":[{"_s":{"bt":"公告一","dz":"/x/1","rq":1751817600000}}, {"_s":{}}]}}'
    rules = ListRules(
        item="body.hits", title="_s.bt", link="_s.dz", date="_s.rq", next="http://a.gov.cn/q?n={page}&s=9"
    )
    found = read_list(answer.encode(), "http://a.gov.cn/q?n=3&s=9", rules=rules)
    assert told(found) == [{"title": "公告一", "url": "http://a.gov.cn/x/1", "date": "2025-07-07"}]
    assert found.next == "http://a.gov.cn/q?n=4&s=9"
    assert read_list(answer.encode(), "http://a.gov.cn/first", rules=rules).next == "http://a.gov.cn/q?n=2&s=9"


@pytest.mark.parametrize("rule", [{"item": "[["}, {"item": "li", "next": ">>"}, {"title": "{}"}, {"cms": "trss"}])
def test_a_bad_selector_is_refused_with_its_key(rule: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=rf"list\.{list(rule)[-1]}: "):
        ListRules(**rule)  # type: ignore[arg-type]


def test_a_path_on_a_page_that_is_no_json_yields_nothing() -> None:
    found = read_list(page(rows(3)), LIST, rules=ListRules(item="data.list"))
    assert found.warnings == ("no rows found",)


def test_an_empty_page_says_so() -> None:
    for body in (b"", page(""), page("<p>暂无数据</p>"), b"[]", b"{}"):
        found = read_list(body, LIST)
        assert (found.items, found.next) == ((), None)
        assert "no rows found" in found.warnings


@settings(max_examples=300)
@given(st.binary(max_size=400), st.sampled_from([LIST, "", "http://[", "x"]))
def test_no_bytes_raise(body: bytes, url: str) -> None:
    for content in (body, b"<datastore><record>" + body, b'[{"title":' + body, b"<script>title=" + body):
        read_list(content, url)


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_page_does_not_raise(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(EXPECTED))
    body = bytearray((PAGES / path.name.removesuffix(".expected.json")).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(body) - 1))
        body[start : start + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=20))
    for item in read_list(bytes(body), LIST).items:
        assert item.title
        assert item.url.startswith("http")


def test_a_short_list_beside_longer_recommended_reading() -> None:
    hot = rows(8).replace("/a/", "/hot/").replace("<ul>", "<ul class='l'>")
    row = '<li><a href="./202507/t20250707_1.html">关于公布评定结果的通知</a><b>2025-07-07</b></li>'
    main = f"<div><h3>通知公告</h3><ul class='l'>{row}</ul></div>"
    found = read_list(page(f"<div><h3>热点推荐</h3>{hot}</div>{main}"), LIST)
    assert [i.title for i in found.items] == ["关于公布评定结果的通知"]


@pytest.mark.parametrize(
    "script",
    [
        '<script type="application/json">{"rows": [ROWS]}</script>',
        "<script>render(JSON.parse('[ROWS]'))</script>",
        "<script>new Vue({el: '#a', data: {list: [ROWS]}, methods: {go: function (x) { return x }}})</script>",
    ],
)
def test_rows_in_scripts_of_other_forms(script: str) -> None:
    record = '{"title":"关于公布第0批评定结果的通知","linkUrl":"/a/0.html","publish_date":"2025-07-00"}'
    records = ",".join(
        record.replace("0批", f"{n}批").replace("/0.", f"/{n}.").replace("-00", f"-0{n}") for n in (1, 2, 3)
    )
    found = read_list(page("<div id='a'></div>" + script.replace("ROWS", records)), LIST)
    assert (found.cms, [i.date for i in found.items]) == ("script", [date(2025, 7, n) for n in (1, 2, 3)])


def test_a_family_can_be_named() -> None:
    body = (PAGES / "ucap_listdata.html").read_bytes()
    assert read_list(body, LIST, rules=ListRules(cms="trs")).cms != "ucap"
    assert len(read_list(body, LIST, rules=ListRules(cms="ucap")).items) == 8


def test_tabs_without_styles_are_told_apart_by_the_column() -> None:
    tabs = rows(6).replace("/a/", "/zwgk/a/") + rows(5, 6).replace("/a/", "/zcfg/b/")
    found = read_list(page(f"<div class=tabs>{tabs}</div>"), LIST)
    assert [item.url.split("/")[3] for item in found.items] == ["zwgk"] * 6
    groups = read_list(page(f"<div>{rows(5)}{rows(5, 5)}</div>"), LIST)
    assert len(groups.items) == 10


def test_cells_beside_each_other_make_one_row() -> None:
    """A forum's table: the title in one cell, author and day in the next, the last page in the third."""
    thread = (
        '<tr><td><a href="/t-{0}.html">关于养老补贴发放情况的咨询第{0}号</a></td><td><a href="/u-{0}.html">网友{0}</a>'
        '<em>2025-8-{0}</em></td><td><a href="/t-{0}-9.html">{0}9</a></td></tr>'
    )
    body = "<table>" + "".join(thread.format(n) for n in range(1, 5)) + "</table>"
    found = read_list(page(body), LIST).items
    assert [(item.title, str(item.date)) for item in found] == [
        (f"关于养老补贴发放情况的咨询第{n}号", f"2025-08-0{n}") for n in range(1, 5)
    ]
