"""Hard cases of the heart: a change that could be lost for ever, and noise that could look like a change."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from html import escape
from io import BytesIO
from pathlib import Path

import pytest
from servers import Reply
from world import Paper, World, boda, trs

from pledgewatch import releases
from pledgewatch.passes import pass_over
from pledgewatch.work import Workshop
from storage import documents
from storage.errors import StorageError

NOISE_PASSES = int(os.environ.get("PLEDGEWATCH_NOISE_PASSES", "30"))

SUBSIDY = "对符合条件的养老机构，给予5000元/张的建设补贴。"
DEAREST = ("document.revised", "measure.changed")
CHALLENGE = b"<html><head><script>$_ts=window['$_ts'];$_ts.nsd=1;</script></head><body></body></html>"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def either_world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path, database=database_url) as world:
        yield world


def publish(world: World, *slugs: str) -> None:
    """Documents that speak of different things, so that none restates another."""
    for slug in slugs:
        lines = [f"关于{slug}事项，现答复如下：", f"对{slug}类养老机构给予5000元/张的建设补贴。", "云川市民政局"]
        world.publish(slug, f"关于{slug}号提案的答复", lines)


def told(world: World) -> list[str]:
    """The types of events about documents, baseline ones left out."""
    return [type_ for type_ in world.types() if not type_.startswith("source.")]


def docx(*lines: str) -> bytes:
    made, out = pytest.importorskip("docx").Document(), BytesIO()
    for line in lines:
        made.add_paragraph(line)
    made.save(out)
    return out.getvalue()


def with_files(links: Callable[[], list[tuple[str, str]]]) -> Callable[[Paper, int], str]:
    """The TRS page with links (address, words) at the end of the body."""

    def template(paper: Paper, n: int) -> str:
        anchors = "".join(f'<p><a href="{url}">{words}</a></p>' for url, words in links())
        return trs(paper, n).replace('</div>\n<div class="related">', anchors + '</div>\n<div class="related">')

    return template


def document_at(world: World, url: str) -> documents.StoredDocument:
    with world.database.read() as conn:
        (found,) = documents.resolve(conn, world.site.url(url))
    return found


# --- sources that change under their documents ---------------------------------------------------------------------


def test_a_source_with_a_new_id_goes_on_watching_its_documents(either_world: World) -> None:
    world = either_world
    publish(world, "a", "b")
    world.check()
    world.source = "town"
    world.reconfigure()
    world.check()
    assert told(world) == []
    world.revise("a", "5000元/张", "6000元/张")
    world.check()
    assert told(world) == [*DEAREST]
    world.revise("b", "5000元/张", "7000元/张")
    world.check()
    assert told(world) == [*DEAREST, *DEAREST]


def test_documents_of_a_removed_source_pass_to_one_that_lists_them(world: World) -> None:
    publish(world, "a", "b")
    world.check()
    world.source, world.list_path = "town", "/other.html"
    world.show_list("/other.html", ["a"])
    world.reconfigure()
    world.check()
    world.revise("a", "5000元/张", "6000元/张")
    world.check(2)
    assert told(world) == [*DEAREST]


def test_another_list_under_the_same_id_is_a_new_baseline(world: World) -> None:
    publish(world, "a")
    world.check()
    publish(world, "b", "c")
    world.list_path = "/new.html"
    world.show_list("/new.html", ["b", "c"])
    world.reconfigure()
    world.revise("a", "5000元/张", "6000元/张")
    world.check()
    assert told(world) == [*DEAREST]
    publish(world, "d")
    world.show_list("/new.html", ["b", "c", "d"])
    world.check()
    assert told(world) == [*DEAREST, "document.published"]


def test_a_wider_pattern_brings_history_and_no_alerts(either_world: World) -> None:
    world = either_world
    publish(world, "a", "b", "c")
    world._config = 'include = ["a"]'
    world.reconfigure()
    assert world.check().new == 1
    world.reconfigure("")
    assert world.check().new == 2
    assert told(world) == []
    publish(world, "d")
    world.check()
    assert told(world) == ["document.published"]


def test_unwanted_rows_do_not_make_every_pass_read_further_list_pages(world: World) -> None:
    publish(world, "a", "b")
    world.show_list("/list.html", ["a"], '<a href="/list_2.html">下一页</a>')
    world.show_list("/list_2.html", ["b"])
    world.reconfigure('include = ["nothing of these"]')
    world.check()
    before = world.site.count("/list_2.html")
    world.check(3)
    assert world.site.count("/list_2.html") == before


# --- lists ---------------------------------------------------------------------------------------------------------


def test_rows_of_a_further_list_page_that_failed_once_are_found(world: World) -> None:
    publish(world, "a")
    world.check()
    publish(world, "b", "c")
    world.show_list("/list.html", ["b", "a"], '<a href="/list_2.html">下一页</a>')
    world.site.route("/list_2.html", lambda asked: Reply(500))
    world.check()
    world.show_list("/list_2.html", ["c"])
    world.clock.move(days=1)
    world.check()
    assert told(world) == ["document.published"] * 2


def test_a_baseline_is_not_over_while_a_further_list_page_may_yet_come(world: World) -> None:
    publish(world, "a", "b")
    world.show_list("/list.html", ["a"], '<a href="/list_2.html">下一页</a>')
    world.site.route("/list_2.html", lambda asked: Reply(500))
    world.check()
    world.show_list("/list_2.html", ["b"])
    world.clock.move(days=1)
    world.check()
    assert told(world) == []
    assert len(world.events(baseline=True)) == 2


def test_a_further_list_page_that_never_comes_holds_nothing_up(world: World) -> None:
    publish(world, "a")
    world.show_list("/list.html", None, '<a href="/list_2.html">下一页</a>')
    world.site.route("/list_2.html", lambda asked: Reply(500))
    for _ in range(4):
        world.check()
        world.clock.move(days=1)
    publish(world, "b")
    world.check()
    assert told(world) == ["document.published"]


def test_a_list_that_turns_into_prose_is_a_drift_and_no_document(world: World) -> None:
    publish(world, "a", "b", "c")
    world.check()
    prose = "<p>" + "本栏目正在调整，相关信息请到市政府门户网站政务公开专栏查询。" * 8 + "</p>"
    page = f"<html><head><title>信息公开</title></head><body><h1>信息公开</h1>{prose}</body></html>"
    world.site.route("/list.html", lambda asked: Reply(200, page.encode()))
    report = world.check()
    assert report.new == 0
    assert world.types() == ["source.drifted"]


# --- addresses -----------------------------------------------------------------------------------------------------


def test_a_changing_token_in_the_address_hides_no_revision(world: World) -> None:
    publish(world, "a")
    token = iter(range(1000, 2000))

    def listed(asked: object) -> Reply:
        return Reply(200, world._list().replace("/a.html", f"/a.html?_t={next(token)}").encode())

    world.site.route("/list.html", listed)
    world.check()
    world.check(2)
    assert told(world) == []
    world.revise("a", "5000元/张", "6000元/张")
    world.check()
    assert told(world) == [*DEAREST]
    world.check()
    assert told(world) == [*DEAREST]


def test_a_file_that_two_documents_share_is_watched_for_both(either_world: World) -> None:
    world = either_world
    publish(world, "a", "b")
    world.template = with_files(lambda: [("/f.docx", "附件：标准.docx")])
    world.site.page("/f.docx", docx("对养老护理员给予每人每月200元的岗位补贴。"))
    world.check()
    world.site.page("/f.docx", docx("对养老护理员给予每人每月300元的岗位补贴。"))
    world.check()
    changes = [type_ for type_ in told(world) if type_ in DEAREST]
    assert sorted(changes) == sorted([*DEAREST, *DEAREST])


def test_a_listed_file_that_another_document_attaches_keeps_its_own_watch(world: World) -> None:
    world.site.page("/f.docx", docx("云川市养老服务补贴标准", "对养老护理员给予每人每月200元的岗位补贴。"))
    publish(world, "a", "b", "c")
    with_file = with_files(lambda: [("/f.docx", "附件：标准.docx")])
    world.template = lambda paper, n: (with_file if "a号" in paper.title else trs)(paper, n)
    row = '<li><a href="/f.docx">云川市养老服务补贴标准</a><span>2025-09-15</span></li></ul>'
    world.site.route("/list.html", lambda asked: Reply(200, world._list().replace("</ul>", row).encode()))
    world.check(2)
    world.site.page("/f.docx", docx("云川市养老服务补贴标准", "对养老护理员给予每人每月300元的岗位补贴。"))
    world.check()
    changes = [type_ for type_ in told(world) if type_ in DEAREST]
    assert sorted(changes) == sorted([*DEAREST, *DEAREST])


def test_a_document_whose_list_moved_to_its_other_address_is_read_there(world: World) -> None:
    number = "云政办发〔2025〕21号"
    world.publish("old", "云川市养老服务行动方案", [SUBSIDY], number=number)
    world.check()
    world.publish("new", "云川市养老服务行动方案", [SUBSIDY], number=number)
    world.show_list("/list.html", ["new"])
    world.check()
    world.revise("new", "5000元/张", "6000元/张")
    world.check(2)
    assert told(world) == [*DEAREST]


# --- noise ---------------------------------------------------------------------------------------------------------


def test_noise_in_every_pass_makes_nothing(world: World) -> None:
    """Furniture, template, tokens, order of rows and pinned items change each time; the documents do not."""
    rng = random.Random(20260901)
    publish(world, *"abcde")
    world.template = trs

    def listed(asked: object) -> Reply:
        slugs = rng.sample(list(world.papers), len(world.papers))
        pinned = rng.choice(slugs)
        page = world._list([pinned, *slugs])
        return Reply(200, page.replace(".html", f".html?_t={rng.randrange(10**6)}").encode())

    world.site.route("/list.html", listed)
    world.check()
    for n in range(1, NOISE_PASSES + 1):
        world.furniture = n
        world.template = rng.choice([trs, boda, broken_lines, bare])
        report = world.check()
        assert (report.ok, report.new, report.revised, report.events) == (True, 0, 0, 0)
    assert world.types() == []
    assert world.bodies == []


def broken_lines(paper: Paper, n: int) -> str:
    """The body in one paragraph with line breaks, indented by spaces that are not white."""
    body = "<br/>".join("&nbsp;" * (n % 5) + "\u3000" * 2 + escape(line) for line in paper.lines)
    return f"""<html><head><meta charset="utf-8"><title>{escape(paper.title)}_云川市民政局</title></head><body>
<h1>{escape(paper.title)}</h1><div>发布时间：{paper.published} 来源：{paper.publisher} 阅读：{n}次</div>
<div id="zoom"><p>{body}</p></div><div class="share">分享到：微信 微博 {n}</div></body></html>"""


def bare(paper: Paper, n: int) -> str:
    """A template that tells neither publisher nor date."""
    body = "".join(f"<p><span>{escape(line[:5])}</span><span>{escape(line[5:])}</span></p>" for line in paper.lines)
    return f"""<html><head><meta charset="utf-8"><title>{escape(paper.title)}</title></head><body>
<div class="article-content"><h2 class="title">{escape(paper.title)}</h2>{body}</div>
<div class="foot">访问量 {n * 17}</div></body></html>"""


def test_files_in_another_order_or_under_another_name_or_address_are_the_same_files(world: World) -> None:
    publish(world, "a")
    one, two = docx("对养老护理员给予每人每月200元的岗位补贴。"), docx("对家庭照护者给予每人每月100元的补贴。")
    files = {"/f1.docx": ("附件1", one), "/f2.docx": ("附件2", two)}
    links: list[tuple[str, str]] = []
    world.template = with_files(lambda: links)
    for path, (_, body) in files.items():
        world.site.page(path, body)
    links[:] = [("/f1.docx", "附件1.docx"), ("/f2.docx", "附件2.docx")]
    world.check()
    links.reverse()
    world.check()
    links[:] = [("/f2.docx?token=9", "附件2：补贴标准.docx"), ("/f1.docx?token=7", "附件1：岗位标准.docx")]
    world.check()
    assert told(world) == []


def test_a_file_that_fails_at_its_new_address_is_kept_as_it_was(world: World) -> None:
    publish(world, "a")
    links = [("/f1.docx?token=1", "附件1.docx")]
    world.template = with_files(lambda: links)
    answer = [Reply(200, docx("对养老护理员给予每人每月200元的岗位补贴。"), {"Content-Type": "application/msword"})]
    world.site.route("/f1.docx", lambda asked: answer[0])
    world.check()
    good, answer[0] = answer[0], Reply(500)
    links[:] = [("/f1.docx?token=2", "附件1.docx")]
    world.check()
    assert told(world) == []
    answer[0] = good
    links[:] = [("/f1.docx?token=3", "附件1.docx")]
    world.clock.move(days=1)
    world.check()
    assert told(world) == []


# --- answers that keep coming wrong ----------------------------------------------------------------------------------


def test_one_page_that_is_always_refused_does_not_put_the_baseline_off_for_ever(world: World) -> None:
    publish(world, "a", "b")
    world.site.route("/b.html", lambda asked: Reply(403))
    world.check(2)
    publish(world, "c")
    world.clock.move(days=1)
    world.check()
    assert told(world) == ["document.published"]


def test_pages_that_are_always_refused_do_not_hide_the_others(world: World) -> None:
    publish(world, *"abcd")
    world.check()
    for slug in "dcb":  # the newest first, as a pass would read them
        world.site.route(f"/{slug}.html", lambda asked: Reply(403))
    world.revise("a", "5000元/张", "6000元/张")
    for _ in range(4):
        world.check()
        world.clock.move(days=2)
    assert told(world) == [*DEAREST]


def test_a_source_whose_documents_all_fail_is_told_after_three_passes_and_recovers_once(world: World) -> None:
    publish(world, "a", "b")
    world.check()
    for slug in "ab":
        world.site.route(f"/{slug}.html", lambda asked: Reply(500))
    for _ in range(5):
        world.clock.move(days=1)
        world.check()
    assert world.types() == ["source.failing"]
    publish(world, "a", "b")
    world.clock.move(days=1)
    world.check(2)
    assert world.types() == ["source.failing", "source.recovered"]


def test_a_clock_that_was_ahead_when_the_baseline_was_made_silences_nothing(world: World) -> None:
    publish(world, "a")
    world.clock.move(days=4000)
    world.check()
    world.clock.move(days=-4000)
    publish(world, "b")
    world.check()
    assert told(world) == ["document.published"]


def test_what_was_on_the_list_when_the_baseline_ended_is_history_whenever_it_can_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that the database could not take in the first pass is read in the second."""
    publish(world, "a", "b")
    plain = releases.commit_release

    def locked(database, scene, release):  # type: ignore[no-untyped-def]
        if scene.page.url.endswith("/b.html"):
            raise StorageError("database is locked")
        return plain(database, scene, release)

    with monkeypatch.context() as patch:
        patch.setattr(releases, "commit_release", locked)
        report = world.check()
    assert not report.ok and "locked" in (report.error or "")
    assert world.check().new == 1
    assert told(world) == []


def test_two_processes_over_one_source_at_once_tell_everything_once(either_world: World) -> None:
    """`check` while `run` is at work."""
    world = either_world

    async def both() -> None:
        async with (
            Workshop(world.settings, world.database, world.clock) as one,
            Workshop(world.settings, world.database, world.clock) as other,
        ):
            source = world.settings.sources[0]
            await asyncio.gather(pass_over(one.pipeline, source), pass_over(other.pipeline, source))
            await asyncio.gather(one.post.deliver(), other.post.deliver())

    publish(world, *"abc")
    asyncio.run(both())
    assert [e.type for e in world.events(baseline=True)] == ["document.published"] * 3
    world.revise("b", "5000元/张", "6000元/张")
    publish(world, "d")
    asyncio.run(both())
    assert sorted(told(world)) == ["document.published", *DEAREST]
    assert len(world.bodies) == 2


# --- events --------------------------------------------------------------------------------------------------------


def test_a_declared_end_and_a_page_that_goes_afterwards_is_one_withdrawal(world: World) -> None:
    publish(world, "a")

    def ended(paper: Paper, n: int) -> str:
        return boda(paper, n).replace("<li><span>发布日期", "<li><span>有效性：</span>失效</li><li><span>发布日期")

    world.template = lambda paper, n: ended(paper, n).replace("失效", "有效")
    world.check()
    world.template = ended
    world.check()
    world.withdraw("a")
    world.check(3)
    publish(world, "a")
    world.check()
    assert told(world) == ["document.withdrawn"]


def test_a_page_that_comes_back_changed_is_not_said_to_have_changed_its_validity(world: World) -> None:
    publish(world, "a")
    world.check()
    world.withdraw("a")
    world.check(2)
    publish(world, "a")
    world.revise("a", "5000元/张", "6000元/张")
    world.check()
    assert told(world) == ["document.withdrawn", "document.restored", *DEAREST]
    assert "有效性" not in world.events()[1].summary


def test_gone_and_back_again_and_again_is_told_each_time(world: World) -> None:
    publish(world, "a")
    world.check()
    for _ in range(3):
        world.withdraw("a")
        world.check(2)
        publish(world, "a")
        world.check()
    assert told(world) == ["document.withdrawn", "document.restored"] * 3


def test_a_file_read_at_last_is_threaded_like_any_other(world: World) -> None:
    publish(world, "a")
    world.template = with_files(lambda: [("/f.docx", "附件：标准.docx")])
    world.site.route("/f.docx", lambda asked: Reply(500))
    world.check()
    world.site.page("/f.docx", docx("到2027年底，养老机构护理型床位占比达到55%以上。"))
    world.clock.move(days=1)
    world.check()
    assert told(world) == []
    with world.database.read() as conn:
        version = documents.latest_version(conn, document_at(world, "/a.html").id)
    assert version is not None
    assert [s.measure.kind for s in version.statements] == ["subsidy", "target"]
    assert all(s.tracked_id for s in version.statements)


def test_a_file_that_failed_when_its_document_was_told_is_told_when_it_comes(world: World) -> None:
    publish(world, "a")
    world.check()
    publish(world, "b")
    plain, with_file = trs, with_files(lambda: [("/f.docx", "附件：标准.docx")])
    world.template = lambda paper, n: (with_file if "b号" in paper.title else plain)(paper, n)
    world.site.route("/f.docx", lambda asked: Reply(500))
    world.check()
    assert told(world) == ["document.published"]
    world.site.page("/f.docx", docx("对养老护理员给予每人每月200元的岗位补贴。"))
    world.clock.move(days=1)
    world.check()
    assert told(world) == ["document.published", "document.revised", "measure.added"]


def test_a_number_that_is_filled_in_later_names_the_document(world: World) -> None:
    world.publish("a", "云川市养老服务行动方案", [SUBSIDY])
    world.check()
    world.papers["a"].number = "云政办发〔2025〕21号"
    world.check()
    world.publish("b", "云川市养老服务行动方案", [SUBSIDY], number="云政办发〔2025〕21号")
    assert world.check().new == 0
    assert told(world) == []
