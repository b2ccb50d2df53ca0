"""What a pass believes of a site: its 304s, its pagers, what it takes for a list and what for one document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa
from servers import Asked, Reply
from world import Paper, World, trs

from pledgewatch import gathering, passes, reader
from storage import captures, sources, tables


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        world.clock.now = datetime.now(UTC)  # when an answer came is the fetcher's to say, by the real clock
        yield world


def publish(world: World, *slugs: str) -> None:
    for n, slug in enumerate(slugs):
        lines = ["一、目标", f"到2027年底，{slug}街道护理型床位占比达到{50 + n}%以上，新增家庭养老床位{100 + n}张。"]
        world.publish(slug, f"{slug}街道养老服务实施方案", lines)


def operators(world: World) -> list[str]:
    return [event.type for event in world.events() if event.type.startswith("source.")]


def state_of(world: World) -> sources.SourceState:
    with world.database.read() as conn:
        state = sources.source_state(conn, "city")
    assert state is not None
    return state


# --- servers whose 304s lie ----------------------------------------------------------------------------------------


class Liar:
    """Answers 304 to every conditional request, whatever has changed."""

    def __init__(self, world: World, path: str, body, tag: str = '"1"') -> None:
        self.body, self.tag, self.full, self.confirmed = body, tag, 0, 0
        world.site.route(path, self.answer)

    def answer(self, asked: Asked) -> Reply:
        if "if-none-match" in asked.headers:
            self.confirmed += 1
            return Reply(304, headers={"ETag": self.tag})
        self.full += 1
        return Reply(200, self.body().encode(), {"ETag": self.tag})


def test_an_audit_reports_a_server_whose_304s_hide_a_revision(world: World) -> None:
    publish(world, "a", "b", "c")
    liar = Liar(world, "/a.html", lambda: trs(world.papers["a"], 0))
    world.check(2)
    world.revise("a", "50%", "58%")
    assert world.check().revised == 0  # the server says 304
    assert (liar.full, operators(world)) == (1, [])
    world.clock.move(days=8)
    assert world.check().revised == 1
    assert operators(world) == ["source.failing"]
    told = next(event for event in world.events() if event.type == "source.failing")
    assert "304" in told.summary and "/a.html" in told.summary
    assert state_of(world).lied_at is not None and state_of(world).state == "ok"
    # From then on the server is not asked whether, but what: the next silent edit is found in the next pass.
    world.revise("a", "58%", "61%")
    assert world.check().revised == 1
    assert operators(world) == ["source.failing"]


def test_a_list_whose_304s_hide_new_rows_is_reported(world: World) -> None:
    publish(world, "a", "b", "c")
    Liar(world, "/list.html", world._list)
    world.check(2)
    publish(world, "d")
    assert world.check().new == 0
    world.clock.move(days=8)
    assert world.check().new == 1
    assert operators(world) == ["source.failing"]


def test_furniture_under_a_standing_etag_is_no_lie(world: World) -> None:
    publish(world, "a", "b", "c")
    Liar(world, "/a.html", lambda: trs(world.papers["a"], world.furniture))
    for day in range(4):
        world.furniture = day
        world.check()
        world.clock.move(days=8)
    assert world.types() == []
    assert state_of(world).lied_at is None


def test_an_honest_server_is_trusted(world: World) -> None:
    publish(world, "a", "b", "c")
    world.site.page("/a.html", trs(world.papers["a"], 0))
    world.check()
    world.clock.move(days=8)
    world.revise("a", "50%", "58%")
    world.site.page("/a.html", trs(world.papers["a"], 0))
    assert world.check().revised == 1
    assert operators(world) == []
    assert state_of(world).lied_at is None


# --- further list pages --------------------------------------------------------------------------------------------

PAGER = '<script>createPageHTML(5, 0, "list", "html");</script>'


def test_a_guessed_page_that_is_the_first_again_leads_to_the_one_behind_it(world: World) -> None:
    publish(world, "a", "b", "c", "d")
    world.show_list("/list.html", ["a", "b", "c"], PAGER)
    world.show_list("/list_1.html", ["a", "b", "c"], '<a href="/list_2.html">下一页</a>')
    world.show_list("/list_2.html", ["d"])
    assert world.check().new == 4


def test_pages_that_all_repeat_the_first_are_not_read_to_the_end(world: World) -> None:
    publish(world, "a", "b", "c")
    world.show_list("/list.html", None, PAGER)
    for n in range(1, 5):
        world.show_list(f"/list_{n}.html", None, f'<a href="/list_{n + 1}.html">下一页</a>')
    assert world.check().new == 3
    assert world.site.count("/list_3.html") == 0


def test_rows_of_another_column_are_not_read(world: World) -> None:
    publish(world, "zwgk/tzgg/202509/a", "zwgk/tzgg/202509/b", "zwgk/tzgg/202508/c")
    own = list(world.papers)
    publish(world, "xwzx/202509/x", "xwzx/202509/y", "xwzx/202509/z")
    world.show_list("/list.html", own, PAGER)
    world.show_list("/list_1.html", [slug for slug in world.papers if slug not in own])
    report = world.check()
    assert (report.ok, report.new) == (True, 3)


def test_a_pager_that_posts_is_posted_to(world: World) -> None:
    publish(world, "a", "b", "c", "d")
    script = (
        "<script>var perPage = 3; var param = {col: 1, webid: '9', columnid: '31', unitid: '77', webname: '民政局'};"
        '$.ajax({type: "POST", url: "/module/web/jpage/dataproxy.jsp", data: param});</script>'
    )
    rows = {s: f'<li><a href="/{s}.html">{p.title}</a><span>{p.published}</span></li>' for s, p in world.papers.items()}

    def store(*slugs: str) -> str:
        records = "".join(f"<record><![CDATA[{rows[s]}]]></record>" for s in slugs)
        return f"<datastore><totalrecord>4</totalrecord><recordset>{records}</recordset></datastore>"

    asked_for: list[Asked] = []

    def proxy(asked: Asked) -> Reply:
        asked_for.append(asked)
        return Reply(200, store("d").encode()) if asked.method == "POST" and asked.body else Reply(405)

    body = f'<html><body><script type="text/xml">{store("a", "b", "c")}</script>{script}</body></html>'
    world.site.route("/list.html", lambda asked: Reply(200, body.encode()))
    world.site.route("/module/web/jpage/dataproxy.jsp", proxy)
    assert world.check().new == 4
    form = parse_qs(asked_for[0].body.decode())
    assert (form["columnid"], form["unitid"], form["webname"]) == (["31"], ["77"], ["民政局"])
    assert "startrecord=4&endrecord=6&perpage=3" in asked_for[0].target and "columnid" not in asked_for[0].target


# --- a list, or one document ---------------------------------------------------------------------------------------


def document_source(world: World, slug: str) -> None:
    world.list_path = f"/{slug}.html"
    world.reconfigure()


def test_a_source_that_is_one_document_asks_once_a_pass_and_counts_it(world: World) -> None:
    publish(world, "a")
    document_source(world, "a")
    report = world.check()
    assert (report.new, report.fetched, world.site.count("/a.html")) == (1, 1, 1)
    world.revise("a", "50%", "58%")
    report = world.check()
    assert (report.revised, report.fetched, world.site.count("/a.html")) == (1, 1, 2)
    report = world.check()
    assert (report.unchanged, report.fetched, world.site.count("/a.html")) == (1, 1, 3)


def test_a_source_that_is_one_document_is_withdrawn_and_restored(world: World) -> None:
    publish(world, "a")
    document_source(world, "a")
    world.check()
    world.withdraw("a")
    world.check(2)
    assert world.types() == ["document.withdrawn"]
    publish(world, "a")
    world.check()
    assert world.types() == ["document.withdrawn", "document.restored"]


def test_a_short_notice_is_a_document(world: World) -> None:
    world.publish("a", "关于停止受理的通知", ["即日起停止受理床位补贴申请。"], number="云民发〔2025〕9号")
    document_source(world, "a")
    assert world.check().new == 1


@pytest.mark.parametrize("rows", [1, 2])
def test_a_short_list_of_files_is_a_list(world: World, rows: int) -> None:
    items = "".join(
        f'<li><a href="/files/{n}.pdf">云川市第{n}批养老机构名单</a><span>2025-09-1{n}</span></li>' for n in range(rows)
    )
    page = f'<html><head><title>公示</title></head><body><h1>公示</h1><ul class="list">{items}</ul></body></html>'
    world.site.route("/list.html", lambda asked: Reply(200, page.encode()))
    world.check()
    assert state_of(world).productive_items == rows


def test_an_empty_first_list_is_no_baseline(world: World) -> None:
    world.show_list("/list.html", [], "<p>本栏目公开本市养老服务有关政策文件。</p><p>共0条记录</p>")
    report = world.check()
    assert (report.ok, report.failed) == (False, 1)
    assert "no rows" in (report.error or "")
    world.check(2)
    assert operators(world) == ["source.failing"]
    publish(world, "a", "b", "c")
    world.show_list("/list.html")
    assert world.check().new == 3
    assert world.types() == ["source.failing", "source.recovered"]


def test_a_source_whose_documents_another_watches_says_so(world: World) -> None:
    publish(world, "a", "b")
    world.show_list("/other.html")
    world._config = f'[[sources]]\nid = "twin"\nurl = "{world.site.url("/other.html")}"\n'
    world.reconfigure()
    report = world.check()
    assert (report.source, report.ok, report.error) == ("twin", True, "its documents are watched already, by: city")


def test_documents_that_are_excluded_later_are_kept_and_not_read_again(world: World) -> None:
    publish(world, "a", "b")
    world.check()
    world.reconfigure('exclude = ["^a街道"]')
    asked = world.site.count("/a.html")
    world.check()
    world.show_list("/list.html", ["b"])  # nor when the list names it no more
    world.check()
    assert world.site.count("/a.html") == asked
    assert world.types() == []
    world.reconfigure("")
    world.revise("a", "50%", "58%")
    world.check()
    assert "document.revised" in world.types()


# --- parts ---------------------------------------------------------------------------------------------------------


def test_a_further_page_that_failed_in_the_baseline_is_filled_in(world: World) -> None:
    publish(world, "a", "b")
    world.template = lambda paper, n: trs(paper, n).replace(
        "</body>", '<script>createPageHTML(2, 0, "a", "html");</script></body>' if paper.title[0] == "a" else "</body>"
    )
    world.site.route("/a_1.html", lambda asked: Reply(500))
    world.check()
    late = Paper("a街道养老服务实施方案", ["二、保障", "对新增床位给予每张8000元的建设补贴，所需资金列入预算。"])
    world.site.route("/a_1.html", lambda asked: Reply(200, trs(late, 0).encode()))
    world.clock.move(days=1)
    world.check()
    assert world.types() == []
    late.lines[1] = late.lines[1].replace("8000", "9000")
    world.check()
    assert world.types() == ["document.revised", "measure.changed"]


def test_an_endless_address_of_a_file_fails_no_document(world: World) -> None:
    publish(world, "a", "b")
    link = f'<p><a href="/f.pdf?t={"x" * captures.URL_LIMIT}">附件.pdf</a></p></div><div class="related">'
    world.template = lambda paper, n: trs(paper, n).replace('</div>\n<div class="related">', link)
    assert world.check().new == 2


def test_bytes_that_an_older_reader_could_not_read_are_read_by_a_newer_one(world: World, monkeypatch) -> None:
    publish(world, "a", "b")
    read_page = gathering.read_page

    def older(original, rules, **more):
        if original.url.endswith("/a.html"):
            raise gathering.UnreadableFile("not yet", original.url, "wait")
        return read_page(original, rules, **more)

    monkeypatch.setattr(gathering, "read_page", older)
    assert world.check().new == 1
    world.show_list("/list.html", ["b"])
    asked = world.site.count("/a.html")
    assert (world.check().failed, world.site.count("/a.html")) == (0, asked)
    monkeypatch.setattr(gathering, "read_page", read_page)
    monkeypatch.setattr(reader, "READER", "newer")
    assert world.check().new == 1
    assert world.types() == []  # it is history


def test_progress_is_told_after_each_visit(world: World) -> None:
    import asyncio

    from pledgewatch.work import Workshop

    publish(world, "a", "b", "c")
    told: list[tuple[int, int]] = []

    async def check() -> None:
        async with Workshop(world.settings, world.database, world.clock) as workshop:
            await passes.pass_over(workshop.pipeline, world.settings.sources[0], lambda *step: told.append(step))

    asyncio.run(check())
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_title_has_its_limit(world: World) -> None:
    publish(world, "a", "b", "c")
    world.papers["a"].title = "养老" * 400
    world.check()
    with world.database.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(tables.documents)).scalar() == 3
