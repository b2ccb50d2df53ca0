"""`sources`: looking at a page without keeping anything, and writing its table."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from operating import Operator
from servers import Reply
from world import World

from pledgewatch.probing import new_source
from pledgewatch.settings import Settings

LINES = [
    "您提出的关于加快发展居家养老服务的提案收悉，感谢您对我市民政工作的关心，现答复如下：",
    "一、目前，全市建成家庭养老床位3200余张。",
    "二、对符合条件的养老机构给予5000元/张的建设补贴。",
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbf" + world.config().replace("\n", "\r\n").encode())
        for n in range(4):
            world.publish(f"d{n}", f"关于市政协第{n}号提案的答复", LINES)
        yield world


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(world.folder / "config.toml", capsys, monkeypatch)


def tell(world: World, more: str) -> None:
    (world.folder / "config.toml").write_text(
        world.config().replace('id = "city"\n', f'id = "city"\n{more}\n'), "utf-8"
    )


def test_a_test_shows_rows_and_one_document_and_keeps_nothing(world: World, run: Operator) -> None:
    found = run("sources", "test", "city", "--json")
    assert (found.status, found.err) == (0, "")
    assert [item["title"] for item in found.json["items"]] == [f"关于市政协第{n}号提案的答复" for n in range(4)]
    assert found.json["document"]["title"] == "关于市政协第0号提案的答复"
    assert [m["kind"] for m in found.json["measures"]] == ["progress", "subsidy"]
    assert world.events(baseline=True) == []
    assert run("documents").out.count("答复") == 0
    words = run("sources", "test", "city").out
    assert "4 items" in words and "5000元/张" in words
    assert sum(asked.path.startswith("/d") for asked in world.site.requests) == 2


def test_a_test_reads_a_row_that_the_source_wants(world: World, run: Operator) -> None:
    tell(world, 'include = ["第2号"]')
    assert run("sources", "test", "city", "--json").json["document"]["title"] == "关于市政协第2号提案的答复"
    tell(world, 'include = ["第9号"]')
    ended = run("sources", "test", "city")
    assert ended.status == 1
    assert "let none of the rows through" in ended.err


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Reply(404, b"gone"), "list: "),
        (Reply(200, b"<html><body><p>x</p></body></html>"), "city: "),
        (Reply(412, b"<script>$_ts=window['$_ts'];$_ts.nsd=1;</script>"), "list: "),
    ],
    ids=["gone", "empty", "challenge"],
)
def test_a_list_that_gives_nothing_is_told_with_1(world: World, run: Operator, answer: Reply, told: str) -> None:
    world.site.route("/list.html", lambda asked: answer)
    ended = run("sources", "test", "city")
    assert ended.status == 1
    assert told in ended.err and "Traceback" not in ended.err


def test_a_source_that_is_one_document(world: World, run: Operator) -> None:
    (world.folder / "config.toml").write_text(world.config().replace("/list.html", "/d0.html"), "utf-8")
    found = run("sources", "test", "city", "--json").json
    assert (found["cms"], found["items"]) == ("document", [])
    assert found["document"]["title"] == "关于市政协第0号提案的答复"
    assert run("check", "--json").lines[0]["new"] == 1
    assert [d["url"] for d in run("documents", "--json").lines] == [world.site.url("/d0.html")]


@pytest.mark.parametrize(
    ("slugs", "told"),
    [(["d0", "d1", "d2"], "has no other rows"), (["x/1", "x/2", "x/3"], "another list"), (None, "cannot be read")],
    ids=["the first again", "another column", "not there"],
)
def test_a_next_page_is_believed_once_it_was_read(world: World, run: Operator, slugs: list[str] | None, told) -> None:
    for n in range(1, 4):
        world.publish(f"x/{n}", f"第{n}期工作简报", LINES)
    world.show_list("/list.html", ["d0", "d1", "d2"], '<script>createPageHTML(9, 0, "list", "html");</script>')
    if slugs:
        world.show_list("/list_1.html", slugs)
    found = run("sources", "test", "city", "--json").json
    assert found["next"] is None
    assert [told in warning for warning in found["warnings"]] == [True]
    world.show_list("/list_1.html", ["d3"])
    found = run("sources", "test", "city", "--json").json
    assert (found["next"], found["warnings"]) == (world.site.url("/list_1.html"), [])


def test_looking_at_a_source_makes_no_database(world: World, run: Operator) -> None:
    empty = world.folder / "none" / "new.db"
    config = world.config().replace(world._database_url or "", f"sqlite:///{empty}")
    (world.folder / "config.toml").write_text(config, "utf-8")
    assert run("sources", "list", "--json").lines[0]["state"] is None
    assert "never visited" in run("sources", "list").out
    assert run("sources", "test", "city").status == 0
    assert not empty.parent.exists()


def test_add_prints_a_table_and_writes_nothing(world: World, run: Operator) -> None:
    before = (world.folder / "config.toml").read_bytes()
    ended = run("sources", "add", world.site.url("/list.html?page=all"), "--id", "new")
    assert ended.status == 0
    [table] = tomllib.loads(ended.out)["sources"]
    assert table == {
        "id": "new",
        "url": world.site.url("/list.html?page=all"),
        "name": "云川市民政局",
        "region": "云川市",
    }
    assert "4 items" in ended.err
    assert (world.folder / "config.toml").read_bytes() == before


def test_add_of_an_address_that_is_watched_is_refused(world: World, run: Operator) -> None:
    ended = run("sources", "add", world.site.url("/list.html#top"))
    assert (ended.status, ended.out) == (2, "")
    assert 'watched already: source "city"' in ended.err


def test_add_with_write_appends_and_leaves_the_rest_alone(world: World, run: Operator) -> None:
    before = (world.folder / "config.toml").read_bytes()
    assert run("sources", "add", world.site.url("/list.html?page=all"), "--id", "new", "--write").status == 0
    after = (world.folder / "config.toml").read_bytes()
    assert after.startswith(before)
    assert [s["id"] for s in run("sources", "list", "--json").lines] == ["city", "new"]
    assert run("sources", "add", world.site.url("/list.html"), "--id", "new", "--write").status == 2
    assert (world.folder / "config.toml").read_bytes() == after


def test_add_of_a_page_that_does_not_answer_writes_nothing(world: World, run: Operator) -> None:
    before = (world.folder / "config.toml").read_bytes()
    ended = run("sources", "add", world.site.url("/nowhere"), "--write")
    assert (ended.status, ended.out) == (1, "")
    assert world.site.url("/nowhere") in ended.err
    assert (world.folder / "config.toml").read_bytes() == before


def test_list_tells_how_sources_are_doing(world: World, run: Operator) -> None:
    [row] = run("sources", "list", "--json").lines
    assert (row["id"], row["state"], row["failures"], row["last_pass_at"]) == ("city", None, 0, None)
    assert "never visited" in run("sources", "list").out
    ended = run("check")
    assert ended.status == 0 and "4 new (baseline)" in ended.out
    world.publish("d9", "关于市政协第9号提案的答复", LINES)
    assert re.search(r"\b1 new,", run("check").out)
    [row] = run("sources", "list", "--json").lines
    assert row["state"] == "ok" and row["last_pass_at"] and row["next_due_at"] > row["last_pass_at"]


def test_list_tells_of_a_source_that_never_worked(world: World, run: Operator) -> None:
    reason = "nowhere" * 20
    (world.folder / "config.toml").write_text(world.config().replace("/list.html", f"/{reason}.html"), "utf-8")
    for _ in range(2):
        assert run("check").status == 1
    [row] = run("sources", "list", "--json").lines
    assert (row["state"], row["failures"], row["last_success_at"]) == ("ok", 2, None)
    head, line, *below = run("sources", "list").out.splitlines()
    assert "never worked, failing 2×" in line and " ok " not in line
    assert (row["last_error"], below[0]) == ("list: gone: HTTP 404", "city: 页面不存在（HTTP 404）")
    assert head.index("last pass") < 40, "a long reason must not widen the columns"


@pytest.mark.parametrize(
    ("url", "id_"),
    [
        ("https://mzj.wuhan.gov.cn/list.html", "wuhan-mzj"),
        ("https://www.gov.cn/zhengce/", "zhengce"),
        ("https://www.gov.cn/", "source-1"),
        ("http://127.0.0.1:8000/", "source-1"),
        ("http://10.0.0.7/mzj/xxgk/index_2.html", "mzj-xxgk"),
        ("http://10.0.0.7/mzj.html", "mzj"),
        ("http://[::1]/2026/list.html", "list"),
        ("http://10.0.0.7/%E5%B8%82/", "E5-B8-82"),
    ],
)
def test_an_id_is_made_of_the_address(url: str, id_: str) -> None:
    made = new_source(Settings(), url, None)
    assert made.id == id_
    second = new_source(Settings(sources=(made,)), f"{url}?page=2", None).id
    assert second != id_ and second.startswith(id_.rstrip("1"))


def test_a_server_that_is_not_there_is_told_in_plain_words(world: World, run: Operator) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{unused.getsockname()[1]}"
        ended = run("sources", "add", f"http://{place}/mzj/")
    assert (ended.status, ended.out) == (1, "")
    assert f"connection refused by {place}" in ended.err and "ssl:" not in ended.err


def test_an_interrupted_check_says_what_stays(run: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    monkeypatch.setattr("pledgewatch.checking.pass_over", interrupted)
    ended = run("check")
    assert (ended.status, ended.out) == (1, ""), ended.err
    assert ended.err == "pledgewatch: stopped; what was read is kept, the next pass goes on from there\n"
