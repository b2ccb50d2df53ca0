"""A list that gave nothing to do is not read again while it stays the same, and nothing is missed by that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import Asked, Reply
from world import World

from pledgewatch import lists, passes
from storage import documents

SLUGS = ("a", "b", "c")
NOTICE = "<p>本栏目已经改版，新的内容由脚本载入，请稍候片刻，感谢您的关注与支持。</p>"
GRANT = "对符合条件的养老机构给予每张{}000元的建设补贴。"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources whose lists were read, in turn."""
    read: list[str] = []
    read_lists = lists.read_lists

    async def count(pipeline: Any, source: Any, *rest: Any) -> passes.Listing:
        read.append(source.id)
        return await read_lists(pipeline, source, *rest)

    monkeypatch.setattr(lists, "read_lists", count)
    return read


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        for n, slug in enumerate(SLUGS):
            world.publish(slug, f"关于第{n}号提案的答复", [GRANT.format(n + 1)], number=f"云民〔2025〕{n + 1}号")
        world.check()
        yield world


def test_a_list_is_read_once_while_it_stays_the_same(world: World, reads: list[str]) -> None:
    report = world.check(3)
    assert (report.ok, report.unchanged, reads) == (True, 3, [])
    world.publish("d", "关于印发新办法的通知", [GRANT.format(9)])
    assert (world.check().new, len(reads)) == (1, 1)
    assert (world.check().unchanged, len(reads)) == (4, 1)


def test_a_revised_document_is_found_without_its_list_and_has_the_list_read_once_more(
    world: World, reads: list[str]
) -> None:
    world.revise("b", "每张2000元", "每张5000元")
    assert (world.check().revised, reads) == (1, [])
    assert world.types() == ["document.revised", "measure.changed"]
    world.check(2)
    assert len(reads) == 1


def test_what_could_not_be_read_keeps_the_list_open(world: World, reads: list[str]) -> None:
    world.publish("d", "关于印发新办法的通知", [GRANT.format(9)])
    world.site.route("/d.html", lambda asked: Reply(200, b""))
    for tries in (1, 2):
        assert not world.check().ok
        assert len(reads) == tries
    world.publish("d", "关于印发新办法的通知", [GRANT.format(9)])
    assert world.check().new == 1
    world.check()
    assert len(reads) == 3


def test_a_document_that_went_is_looked_for_where_the_list_leads(tmp_path: Path, reads: list[str]) -> None:
    with World(tmp_path) as world:
        world.publish("a", "关于第1号提案的答复", [GRANT.format(1)], number="云民〔2025〕1号")
        world.papers["moved"] = world.papers["a"]
        world.site.route("/moved.html", lambda asked: Reply(404))
        world.publish("b", "关于第2号提案的答复", [GRANT.format(2)], number="云民〔2025〕2号")
        world.check(3)
        world.publish("moved", "关于第1号提案的答复", [GRANT.format(1)], number="云民〔2025〕1号")
        world.withdraw("a")
        world.check(4)
        assert world.types() == []
        with world.database.read() as conn:
            read_at = {document.url for document in documents.list_documents(conn)}
        assert read_at == {world.site.url("/moved.html"), world.site.url("/b.html")}


@pytest.mark.parametrize(
    "more", ['exclude = ["第0号"]', 'include = ["答复"]', "recheck = 1", 'name = "民政"', '[sources.list]\nlink = "a"']
)
def test_another_configuration_reads_the_list_again(world: World, reads: list[str], more: str) -> None:
    world.check()
    world.reconfigure(more)
    world.check()
    assert len(reads) == 1


def test_a_source_takes_over_what_nobody_watches_any_more(tmp_path: Path, reads: list[str]) -> None:
    other = '[[sources]]\nid = "other"\nurl = "{}"\n'
    with World(tmp_path) as world:
        world.show_list("/other.html", ["a"])
        world.publish("a", "关于第1号提案的答复", [GRANT.format(1)])
        world.publish("b", "关于第2号提案的答复", [GRANT.format(2)])
        world.show_list("/list.html", ["b"])
        world.reconfigure(other.format(world.site.url("/other.html")))
        world.check(3)
        world.show_list("/list.html", ["a", "b"])
        world.check(2)
        before = len(reads)
        world.reconfigure("")
        world.check()
        assert reads[before:] == ["city"]
        with world.database.read() as conn:
            assert {document.source for document in documents.list_documents(conn)} == {"city"}


def test_a_source_that_comes_back_to_an_address_begins_anew(world: World, reads: list[str]) -> None:
    """Another address begins another baseline, and a baseline reads its list."""
    for path in ("/other.html", "/list.html"):
        before, world.list_path = len(reads), path
        world.show_list(path)
        world.reconfigure()
        world.check(2)
        assert len(reads) == before + 1


def test_a_list_that_two_sources_share_settles_for_the_one_whose_page_it_is(tmp_path: Path, reads: list[str]) -> None:
    """What is found in the other one's documents could not take the mark back."""
    with World(tmp_path) as world:
        for n, slug in enumerate(SLUGS):
            world.publish(slug, f"关于第{n}号提案的答复", [GRANT.format(n + 1)])
        other = '[[sources]]\nid = "other"\nurl = "{}"\ninclude = ["第2号"]\n'
        world.reconfigure('exclude = ["第2号"]\n' + other.format(world.site.url(world.list_path)))
        world.check(2)
        before = len(reads)
        assert world.check(2).unchanged == 1
        assert reads[before:] == ["other", "other"]


def test_a_kill_amid_a_pass_leaves_no_list_settled(
    world: World, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found before the kill may mean that the list leads elsewhere now."""

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> int:
        raise Killed

    world.check()
    world.withdraw("b")
    with monkeypatch.context() as dying, pytest.raises(Killed):
        dying.setattr(passes.health, "finish_pass", killed)
        world.check()
    assert reads == []
    world.check()
    assert len(reads) == 1


def test_a_list_that_lost_its_rows_stays_drifted(world: World) -> None:
    world.show_list(world.list_path, [], after=NOTICE)
    world.check(3)
    assert world.types() == ["source.drifted"]
    world.show_list(world.list_path)
    world.check(2)
    assert world.types() == ["source.drifted", "source.recovered"]


def test_a_document_that_the_list_no_longer_wants_is_not_asked_for_in_its_turn(tmp_path: Path) -> None:
    """Where few are asked for in a pass, an unwanted one is rarely among those that are due."""
    with World(tmp_path, config="recheck = 1") as world:
        for n in range(1, 7):
            world.publish(f"a{n}", f"关于第{n}号提案的答复", [GRANT.format(n)], published=f"2025-0{n}-15")
        world.publish("old", "关于养老补贴的通知", [GRANT.format(7)], published="2025-01-01")
        world.check(2)
        world.reconfigure('recheck = 1\ninclude = ["答复"]')
        world.check()
        world.revise("old", "每张7000元", "每张9000元")
        world.check(12)
        assert world.types() == []


def test_an_interface_that_failed_once_settles_nothing(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        rows = gkmlpt(world)
        world.check()
        world.site.route(API, lambda asked: Reply(200, b""))
        assert not world.check().ok
        world.publish("b", "关于印发新办法的通知", [GRANT.format(9)])
        world.site.route(API, rows)
        assert world.check().new == 1


def test_a_pass_that_failed_settles_nothing(world: World, reads: list[str]) -> None:
    """A pattern that takes for ever is told in every pass, not only in the first."""
    world.publish("d", "养老" * 40 + "服务", ["有关工作正在研究。"])
    world.reconfigure('exclude = ["^(?:养|老|养老)+[a-z]$"]')
    for tries in (1, 2, 3):
        report = world.check()
        assert not report.ok and "pattern" in str(report.error), report.error
        assert len(reads) == tries


def test_a_pass_that_ran_out_of_time_settles_nothing(
    world: World, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.reconfigure('exclude = ["第0号"]')  # so that the list is read

    async def never(*_: Any) -> Any:
        raise TimeoutError

    with monkeypatch.context() as slow:
        slow.setattr(passes, "_visit_all", never)
        assert "time-limit" in str(world.check().error)
    world.check()
    assert len(reads) == 2


def test_rows_that_an_interface_gives_are_asked_for_in_every_pass(tmp_path: Path) -> None:
    """The page that names the interface stays the same for ever; the rows stand in the interface's answer."""
    with World(tmp_path) as world:
        gkmlpt(world)
        assert world.check().new == 3
        world.check()
        world.publish("b", "关于印发新办法的通知", [GRANT.format(9)])
        assert world.check().new == 1


API = "/gkmlpt/api/all/0"


def gkmlpt(world: World) -> Callable[[Asked], Reply]:
    """Let a list show three documents in the manner of gkmlpt; how its interface answers."""

    def rows(_: Asked) -> Reply:
        told = [{"title": p.title, "url": f"/{s}.html", "created_at": p.published} for s, p in world.papers.items()]
        return Reply(200, json.dumps({"articles": told}).encode(), {"Content-Type": "application/json"})

    frame = b"<html><body><script>var _CONFIG = {SID: '2011', TREE: []}; // /gkmlpt/</script></body></html>"
    world.list_path = "/gkmlpt/index"
    world.site.route(world.list_path, lambda asked: Reply(200, frame))
    world.site.route(API, rows)
    world.reconfigure()
    for n in range(3):
        world.publish(f"a{n}", f"关于第{n}号提案的答复", [GRANT.format(n + 1)])
    return rows


def _step(draw: st.DrawFn) -> tuple[str, str]:
    what = ("publish", "revise", "break", "withdraw", "mend", "unlist", "list", "twin", "dress")
    what += ("exclude", "include", "empty", "nothing")
    return draw(st.sampled_from(what)), draw(st.sampled_from(SLUGS))


class Site:
    """One site's story, told to a world step by step."""

    def __init__(self, world: World) -> None:
        self.world, self.listed, self.turn = world, list(SLUGS), 0

    def do(self, what: str, slug: str) -> None:
        self.turn += 1
        world = self.world
        match what:
            case "publish":
                self.listed.insert(0, fresh := f"n{self.turn}")
                world.publish(fresh, f"关于第{self.turn}0号提案的答复", [GRANT.format(self.turn)])
            case "revise":
                paper = world.papers[slug]
                paper.lines = [re.sub(r"每张\d+000元", f"每张{self.turn + 10}000元", line) for line in paper.lines]
            case "break":
                world.site.route(f"/{slug}.html", lambda asked: Reply(200, b""))
            case "withdraw":
                world.withdraw(slug)
            case "mend":
                world.site.route(f"/{slug}.html", lambda asked: world._document(asked, slug))
            case "unlist":
                self.listed = [other for other in self.listed if other != slug] or self.listed
            case "list" if slug not in self.listed:
                self.listed.append(slug)
            case "twin":  # the same document at one more address
                twin = f"{slug}-{self.turn}"
                world.papers[twin] = world.papers[slug]
                world.site.route(f"/{twin}.html", lambda asked: world._document(asked, slug))
                self.listed.append(twin)
            case "exclude":
                world.reconfigure("" if world._config else 'exclude = ["第1号"]')
            case "include":
                world.reconfigure("" if world._config else 'recheck = 1\ninclude = ["第[02]号"]')
        after = {"dress": f"<p>{self.turn}</p>", "empty": NOTICE}.get(what, "")
        world.show_list(world.list_path, [] if what == "empty" else self.listed, after)

    def told(self) -> list[str]:
        world = self.world
        with world.database.read() as conn:
            stored = documents.list_documents(conn)
            known = [(d.url, d.title, d.state, documents.latest_mark(conn, d.id).number) for d in stored]
        events = [(e.type, e.summary, e.document and e.document.url) for e in world.events()]
        return [str(told).replace(world.site.url(""), "") for told in (*sorted(known), *sorted(events, key=str))]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.composite(_step)(), min_size=2, max_size=8))
def test_nothing_is_told_otherwise_than_by_reading_every_list(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("stories")
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        worlds = []
        for name in ("settling", "reading"):
            (folder / name).mkdir()
            worlds.append(stack.enter_context(World(folder / name)))
        settles = passes._mark
        sites = [Site(world) for world in worlds]
        for site in sites:
            for n, slug in enumerate(SLUGS):
                title = f"关于第{n}号提案的答复"
                site.world.publish(slug, title, [GRANT.format(n + 1)], number=f"云民〔2025〕{n + 1}号")
        for what, slug in [("nothing", "a"), *story, ("nothing", "a"), ("nothing", "a")]:
            for site in sites:
                site.do(what, slug)
                patch.setattr(passes, "_mark", settles if site is sites[0] else lambda *_: None)
                site.world.check()
            assert sites[0].told() == sites[1].told()
