"""`diff`: for a reader at a terminal, as a page, for scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from operating import Operator
from rich.console import Console
from world import World

from pledgewatch import terminal
from pledgewatch.comparing import compare, difference_page
from storage import documents

LINES = [
    "一、对符合条件的养老机构给予5000元/张的建设补贴。",
    *(f"第{n}条是不变的内容，共有{n}句话，说明有关的情况。" for n in range(2, 40)),
    "二、<script>alert(1)</script>由市民政局负责解释。",
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        (tmp_path / "config.toml").write_text(world.config(), "utf-8")
        world.publish("reply", "关于<b>第18号</b>提案的答复", LINES)
        world.check()
        world.revise("reply", "5000元/张", "6000元/张")
        world.check()
        world.revise("reply", "负责解释", "会同有关单位负责解释")
        world.check()
        yield world


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(world.folder / "config.toml", capsys, monkeypatch)


class Marked(HTMLParser):
    """The words in <del> and <ins>, and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: dict[str, str] = {"del": "", "ins": ""}
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.words:
            self.words[self._open] += data


def test_without_numbers_the_last_two_versions_are_compared(run: Operator) -> None:
    found = run("diff", "1", "--json").json
    assert (found["document"], found["versions"], found["measures"]) == (1, [2, 3], [])
    assert [block["op"] for block in found["blocks"]] == ["replaced"]


def test_with_numbers_any_two_are_in_either_direction(run: Operator) -> None:
    there = run("diff", "1", "--from", "1", "--to", "3", "--json").json
    assert there["versions"] == [1, 3]
    assert [m["type"] for m in there["measures"]] == ["changed"]
    assert there["measures"][0]["after"]["figures"][0]["value"] == 6000
    back = run("diff", "1", "--from", "3", "--to", "1", "--json").json
    assert back["measures"][0]["after"]["figures"][0]["value"] == 5000


def test_the_page_marks_whole_figures_and_escapes_what_a_site_wrote(run: Operator, tmp_path: Path) -> None:
    ended = run("diff", "1", "--from", "1", "--to", "3", "--html", tmp_path / "d.html")
    assert (ended.status, ended.out) == (0, "")
    page = Marked((tmp_path / "d.html").read_text("utf-8"))
    assert "5000元" in page.words["del"] and "6000元" in page.words["ins"]
    assert "会同有关单位" in page.words["ins"]
    assert "script" not in page.tags and "b" not in page.tags
    assert "不变的内容，共有20句话" not in (tmp_path / "d.html").read_text("utf-8"), "what is the same is left out"


def test_the_page_and_json_may_be_had_at_once(run: Operator, tmp_path: Path) -> None:
    ended = run("diff", "1", "--json", "--html", tmp_path / "d.html")
    assert json.loads(ended.out)["versions"] == [2, 3]
    assert (tmp_path / "d.html").exists()


def test_a_page_that_cannot_be_written_is_told(run: Operator, tmp_path: Path) -> None:
    ended = run("diff", "1", "--html", tmp_path / "none" / "d.html")
    assert ended.status == 1
    assert "none/d.html: No such file or directory" in ended.err


def test_one_version_has_nothing_to_be_compared_with(run: Operator, world: World) -> None:
    world.publish("new", "云川市养老服务方案", LINES[1:5])
    world.check()
    ended = run("diff", world.site.url("/new.html"), "--json")
    assert (ended.status, ended.json["blocks"]) == (0, [])
    assert "has one version" in ended.err


def test_a_terminal_shows_what_went_and_what_came(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    shown = Console(file=out, force_terminal=True, width=60, color_system="standard")
    monkeypatch.setattr(terminal, "console", lambda *_: shown)
    with world.database.read() as conn:
        document = documents.document_by_id(conn, 1)
        older, newer = (documents.version_by_number(conn, 1, n) for n in (1, 2))
    assert document and older and newer
    terminal.show_difference(compare(document, older, newer), "zh")
    assert "\x1b[9;31m5000元" in out.getvalue() or "\x1b[31;9m5000元" in out.getvalue()
    assert "\x1b[1;32m6000元" in out.getvalue()


def test_without_colours_marks_say_what_went_and_what_came(run: Operator) -> None:
    out = run("diff", "1", "--to", "2").out
    assert re.search(r"\[-5000元[^\]\n]*-\]\{\+6000元[^}\n]*\+\}", out)
    assert "\x1b" not in out


def test_a_moved_sentence_is_marked_where_it_was_and_where_it_is(run: Operator, world: World) -> None:
    moving, *rest = LINES[1:6]
    world.publish("moved", "云川市养老服务办法", [moving, *rest])
    world.check()
    world.publish("moved", "云川市养老服务办法", [*rest, moving])
    world.check()
    out = run("diff", world.site.url("/moved.html")).out
    assert f"[-~{moving}-]" in out and f"{{+~{moving}+}}" in out


def test_a_moved_sentence_shows_what_changed_on_its_way(run: Operator, world: World, tmp_path: Path) -> None:
    moving, *rest = LINES[1:6]
    world.publish("moved", "云川市养老服务办法", [moving, *rest])
    world.check()
    world.publish("moved", "云川市养老服务办法", [*rest, moving.replace("2句话", "3句话")])
    world.check()
    address = world.site.url("/moved.html")
    out = run("diff", address).out.replace("\n", "")
    assert re.search(r"\[-~第2条[^\]]*-\]\[-2-\]\[-~句话", out), out
    assert re.search(r"\{\+~第2条[^}]*\+\}\{\+3\+\}\{\+~句话", out), out
    left, arrived = (block for block in run("diff", address, "--json").json["blocks"] if block["op"] == "moved")
    assert left["rewritten"] and arrived["rewritten"]
    assert (left["partner"], arrived["partner"]) == (arrived["after"], left["before"])
    run("diff", address, "--html", tmp_path / "moved.html")
    page = (tmp_path / "moved.html").read_text("utf-8")
    assert '</span><del>2</del><span class="moved"' in page and '</span><ins>3</ins><span class="moved"' in page


def test_a_document_with_one_version_is_told_in_words_alone(run: Operator, world: World) -> None:
    world.publish("new", "云川市养老服务方案", LINES[1:5])
    world.check()
    ended = run("diff", world.site.url("/new.html"))
    assert (ended.status, ended.out) == (0, "")
    assert "has one version; there is nothing to compare it with" in ended.err


def test_the_page_speaks_the_configured_language(world: World) -> None:
    with world.database.read() as conn:
        document = documents.document_by_id(conn, 1)
        older, newer = (documents.version_by_number(conn, 1, n) for n in (1, 2))
    assert document and older and newer
    assert "<h2>指标变化</h2>" in difference_page(compare(document, older, newer), "zh")
    assert "<h2>Measures</h2>" in difference_page(compare(document, older, newer, "en"), "en")
