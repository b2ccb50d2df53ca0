"""Searching documents: what is found, how it is shown, that the index keeps step, and that no input fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import database, database_url, postgresql, postgresql_url, sqlite_template, sqlite_url  # noqa: F401
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from stock import add_document, add_source, reading
from web_samples import BASE, fill, settings

from pledgewatch.web import create_app, queries
from pledgewatch.web.queries import DocumentFilter
from pledgewatch.web.snippets import Run, excerpts
from storage import documents, search
from storage.database import Database, open_database
from storage.search import words_of
from storage.upkeep import copy_archive

BODY = "第一条　为支持养老机构，按5000元/张给予补贴。\n第二条　本办法自印发之日起施行。"
TABLE = "【附件】床位明细.xlsx\n机构 | 护理型床位 | 标准\n甲院 | 120张 | ＡＢ档"


def found(db: Database, words: str, **more: str) -> list[str]:
    """The titles of the documents that a search names, as the index tells."""
    with db.read() as conn:
        return [row.title for row in queries.find_documents(conn, DocumentFilter(words, **more)).rows]


@pytest.fixture
def two(database: Database) -> Database:  # noqa: F811
    """One document with an attachment, and one that has a number of its own."""
    with database.begin() as conn:
        add_source(conn)
        add_document(
            conn, reading(title="补贴办法", text=f"{BODY}\n{TABLE}", publisher="云川市民政局"), region="云川市"
        )
        other = reading(
            title="食堂通知",
            text="老年食堂每周公布菜单。",
            doc_number="云民函〔2025〕77号",
            index_number=None,
            publisher="林海市民政局",
        )
        add_document(conn, other, "https://mzj.example.gov.cn/2.html", region="林海市")
    return database


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("护理型床位", ["补贴办法"]),  # in the attachment alone
        ("床位明细", ["补贴办法"]),
        ("养老机构 护理型床位", ["补贴办法"]),
        ("养老机构 食堂", []),
        ("补贴", ["补贴办法"]),  # two characters
        ("堂", ["食堂通知"]),  # one
        ("。", ["食堂通知", "补贴办法"]),
        ("施行。", ["补贴办法"]),
        ("行。", ["补贴办法"]),
        ("云民函〔2025〕77号", ["食堂通知"]),
        ("云民函[2025]77号", ["食堂通知"]),
        ("云民函（２０２５）77", ["食堂通知"]),
        ("云民函 77", ["食堂通知"]),
        ("林海市民政局", ["食堂通知"]),
        ("ab档", ["补贴办法"]),
        ("补贴。第二条", ["补贴办法"]),  # over a line end
        ("型床位型", []),
        ("%", []),
        ("_", []),
        ('"', []),
        ("", ["食堂通知", "补贴办法"]),
        ("　", ["食堂通知", "补贴办法"]),
    ],
)
def test_what_is_found(two: Database, words: str, titles: list[str]) -> None:
    assert found(two, words) == titles


def test_filters_go_with_words(two: Database) -> None:
    assert found(two, "民政局", region="林海市") == ["食堂通知"]
    assert found(two, "护理型床位", region="林海市") == []


def test_a_withdrawn_document_stays_findable(two: Database) -> None:
    with two.begin() as conn:
        documents.set_state(conn, 1, "withdrawn")
    assert found(two, "护理型床位") == ["补贴办法"]
    assert found(two, "护理型床位", state="live") == []


def test_the_index_keeps_step_with_versions(two: Database) -> None:
    with two.begin() as conn:
        version = documents.latest_version(conn, 1)
        assert version is not None
        revised = reading(title="补贴细则", text="改为按日间照料中心发放。")
        second = documents.add_version(
            conn, 1, revised, capture_id=version.mark.capture_id, now=version.mark.created_at
        )
    assert (found(two, "护理型床位"), found(two, "日间照料"), found(two, "补贴办法")) == ([], ["补贴细则"], [])
    with two.begin() as conn:
        documents.replace_reading(conn, second.id, reading(title="补贴细则", text="原来写的是助餐点。", reader="r2"))
        documents.replace_reading(conn, version.id, reading(title="旧版", text="旧版重读。", reader="r2"))
    assert (found(two, "日间照料"), found(two, "助餐点"), found(two, "旧版重读")) == ([], ["补贴细则"], [])


def test_the_index_is_written_with_the_version_or_not_at_all(two: Database) -> None:
    with pytest.raises(RuntimeError), two.begin() as conn:
        add_document(conn, reading(title="半途", text="半途而废的内容。"), "https://mzj.example.gov.cn/3.html")
        raise RuntimeError
    assert found(two, "半途而废") == []


def test_building_anew_gives_the_same(two: Database) -> None:
    with two.begin() as conn:
        search.rebuild(conn)
        search.rebuild(conn)
    assert found(two, "护理型床位") == ["补贴办法"]


def test_a_copy_can_be_searched(two: Database, tmp_path: Path) -> None:
    target = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    copy_archive(two, target)
    assert found(target, "护理型床位") == ["补贴办法"]
    target.close()


def test_documents_are_found_without_the_extension(postgresql_url: str) -> None:  # noqa: F811
    opened = open_database(postgresql_url)
    with opened.begin() as conn:
        conn.execute(sa.text("DROP INDEX IF EXISTS ix_search_words"))
        add_source(conn)
        add_document(conn, reading(title="补贴办法", text=TABLE))
    assert found(opened, "护理型床位") == ["补贴办法"]
    opened.close()


# --- as it is shown -------------------------------------------------------------------------------------------


def test_the_page_marks_the_words_and_names_the_attachment(web: TestClient) -> None:
    html = web.get("/documents?q=新建").text
    assert "共 1 条" in html
    assert re.search(r'<span class="tag">附件 补贴标准表\.pdf</span> <mark>新建</mark> \| 5000元/张', html)
    title = web.get("/documents?q=提案 养老").text
    assert "关于市政协第20260118号<mark>提案</mark>的答复" in title and "<mark>养老</mark>" in title


def test_hostile_text_is_marked_and_stays_text(web: TestClient) -> None:
    html = web.get("/documents?q=<script>alert(1)").text
    assert "<mark>&lt;script&gt;alert(1)</mark>" in html
    assert "<script>alert" not in html
    assert '<span class="badge bad">已撤下</span>' in html


def test_a_word_whose_parts_stand_apart_is_not_shown(empty: Database) -> None:
    with empty.begin() as conn:
        add_source(conn)
        add_document(conn, reading(title="补贴办法", text="护理型床。理型床位。"))
    # All that SQLite's trigrams can tell; PostgreSQL looks at the text behind them.
    assert found(empty, "护理型床位") == (["补贴办法"] if empty.dialect == "sqlite" else [])
    web = TestClient(create_app(settings(), empty), base_url=BASE)
    html = web.get("/documents?q=护理型床位").text
    assert "没有符合条件的内容" in html and "补贴办法" not in html
    assert web.get("/api/v1/search?q=护理型床位").json()["items"] == []
    assert len(web.get("/api/v1/search?q=理型床").json()["items"]) == 1


def test_the_api_goes_on_behind_what_it_leaves_out(empty: Database) -> None:
    with empty.begin() as conn:
        add_source(conn)
        for n, text in enumerate(("护理型床位。", "护理型床。理型床位。", "护理型床位。")):
            add_document(conn, reading(title=f"办法{n}", text=text), f"https://mzj.example.gov.cn/{n}.html")
        documents.set_state(conn, 1, "withdrawn")
    web = TestClient(create_app(settings(), empty), base_url=BASE)
    titles: list[str] = []
    following = "/api/v1/search?q=护理型床位&limit=1"
    while following:
        part = web.get(following).json()
        titles += [item["title"] for item in part["items"]]
        following = part["next"]
    assert titles == ["办法2", "办法0"]
    withdrawn = web.get("/api/v1/search?q=护理型床位&state=withdrawn").json()["items"]
    assert [item["title"] for item in withdrawn] == ["办法0"]


def test_excerpts_are_short_and_whole_words() -> None:
    text = "开头。" + "甲" * 300 + "护理型\n床位" + "乙" * 300 + "\n【附件】表.xls\n" + "丙" * 50 + "护理型床位"
    first, *_ = excerpts(text, ("护理型床位",))
    assert [run for run in first.runs if run.marked] == [Run("护理型 床位", True)]
    assert len("".join(run.text for run in first.runs)) < 120 and first.attachment == ""
    assert [e.attachment for e in excerpts(text, ("丙丙",))] == ["表.xls"]


# --- whatever is typed ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:  # noqa: F811
    path = tmp_path_factory.mktemp("search") / "pledgewatch.db"
    path.write_bytes(sqlite_template.read_bytes())
    opened = open_database(f"sqlite:///{path}")
    with opened.begin() as conn:
        fill(conn)
    yield TestClient(create_app(settings(), opened), base_url=BASE)
    opened.close()


WILD = st.text(st.sampled_from("养老机构\"'*^():{}-+. \0AND OR NOT NEAR 😀é\ud800%_\\/;〔]")) | st.text(max_size=300)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WILD)
@example("养" * 10_000)
@example(" ".join(str(n) for n in range(3000)))
@example('" OR "1')
@example("search:养老")
@example("NEAR(养老机构 补贴, 3)")
@example("\0")
@example("😀")
def test_no_query_fails(archive: TestClient, words: str) -> None:
    # What is longer does not fit into an address that the client would send.
    answer = archive.get("/documents", params={"q": words[:7000].encode("utf-8", "replace").decode()})
    assert answer.status_code == 200
    assert words_of(words) == tuple(dict.fromkeys(words_of(words)))


@pytest.mark.parametrize("words", ["养" * 10_000, '"', "a\0b", "%_\\", "😀 AND", "NOT (", "的"])
def test_no_query_fails_on_either_database(two: Database, words: str) -> None:
    assert found(two, words) == []
