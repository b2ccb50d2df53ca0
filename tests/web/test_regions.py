"""对照 and its tables: the same subject found under its names, and only what can be compared compared."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from starlette.testclient import TestClient
from world import World

from pledgewatch.tabular import write_csv, write_xlsx
from pledgewatch.web.regions import compare, subjects
from storage.records import DocumentRef, Figure, Kind, Measure
from storage.threads import KnownStatement, list_tracked


def tracked(id: str, name: str, region: str, kind: Kind = "subsidy") -> tuple[str, str, Kind, str]:
    return id, name, kind, region


def said(
    region: str, *values: float, document: int = 1, unit: str = "元/张", kind: Kind = "subsidy", **more: str
) -> KnownStatement:
    figures = tuple(Figure(v, None, None, unit, "=", f"{v:g}", 0, 1) for v in values)
    measure = Measure(
        kind=kind, subject="养老机构建设补贴", figures=figures, deadline=None, recipient=more.get("recipient"),
        condition=more.get("condition"), bodies=(), sentence="给予补贴。",
    )  # fmt: skip
    ref = DocumentRef(document, "办法", "https://x.example/", None, None, region)
    return KnownStatement(document, measure, "m", ref, "s", date(2026, 1, document), "in_force", 1, True)


# --- the same subject -----------------------------------------------------------------------------------------


def test_a_subject_is_known_by_other_words_and_without_its_region() -> None:
    known = [
        tracked("a", "武汉市养老机构建设补贴", "武汉市"),
        tracked("b", "养老机构建设补助", "宜昌市"),
        tracked("c", "养老机构一次性建设奖补", "襄阳市"),
        tracked("d", "养老机构运营补贴", "武汉市"),
        tracked("f", "养老机构建设补贴", "荆州市", kind="target"),
    ]
    first, *rest = subjects(known, {})
    assert first.ids == ("a", "b", "c")
    assert first.regions == ("宜昌市", "武汉市", "襄阳市")
    assert first.name == "养老机构建设补助"
    assert {s.ids for s in rest} == {("d",), ("f",)}


def test_an_operators_alias_counts() -> None:
    known = [tracked("a", "护理型床位占比", "武汉市"), tracked("b", "护理床比例", "宜昌市")]
    assert len(subjects(known, {})) == 2
    assert len(subjects(known, {"护理床比例": "护理型床位占比"})) == 1


# --- what can be compared -------------------------------------------------------------------------------------


def test_of_each_region_the_newest_document_counts() -> None:
    ((comparison,), alone) = compare([said("甲市", 4000), said("乙市", 8000, 5000), said("甲市", 6000, document=2)])
    assert [(row.region, row.low, row.high) for row in comparison.rows] == [("乙市", 5000, 8000), ("甲市", 6000, 6000)]
    assert comparison.sums == (5000, (6500 + 6000) / 2, 8000)
    assert alone == []


def test_other_units_kinds_and_recipients_are_not_mixed() -> None:
    others = [
        said("丙市", 1200, unit="元/张/年"),
        said("丁市", 3, kind="progress"),
        said("戊市", 500, recipient="护理员"),
    ]
    ((comparison,), alone) = compare([said("甲市", 4000), said("乙市", 8000, recipient="养老机构"), *others])
    assert {row.region for row in comparison.rows} == {"甲市", "乙市"}
    assert [row.region for row in alone] == sorted(["丙市", "丁市", "戊市"])


def test_another_condition_is_shown_and_not_summed_up() -> None:
    rows = [
        said("甲市", 4000, condition="符合条件的"),
        said("乙市", 8000),
        said("丙市", 90000, condition="获评五星级"),
    ]
    ((comparison,), _) = compare(rows)
    assert [(row.region, row.counted) for row in comparison.rows] == [("丙市", False), ("乙市", True), ("甲市", True)]
    assert comparison.sums == (4000, 6000, 8000)


def test_where_all_conditions_differ_nothing_is_summed_up() -> None:
    ((comparison,), _) = compare([said("甲市", 4000, condition="新建"), said("乙市", 8000, condition="改扩建")])
    assert comparison.sums is None


def test_a_statement_without_a_region_is_compared_with_nothing() -> None:
    assert compare([said("", 4000), said("乙市", 8000)])[0] == []


# --- the pages ------------------------------------------------------------------------------------------------


def test_two_cities_side_by_side(web: TestClient) -> None:
    listed = web.get("/regions?q=建设补贴").text
    assert '<a href="/regions?measure=m4">养老机构建设补贴</a>' in listed
    html = web.get("/regions?measure=m1").text  # whichever region's measure leads there
    assert html.index("云川市") < html.index("临海区")
    assert "5500元/张" in html  # the median of 7000 and 4000
    assert 'href="/documents/2?version=1#f' in html


def test_each_region_s_measure_can_be_followed(web: TestClient) -> None:
    html = web.get("/regions?measure=m1").text
    feeds = re.findall(r'href="(/feeds/events\.atom\?measure=[^"]+)">([^<]+)<', html)
    assert feeds == [("/feeds/events.atom?measure=m4", "临海区"), ("/feeds/events.atom?measure=m1", "云川市")]
    assert all("<feed" in web.get(address).text for address, _ in feeds)


def test_a_watched_region_without_a_figure_is_told(web: TestClient) -> None:
    html = web.get("/regions?measure=m2").text
    assert "没有读到的地区" in html and "临海区" in html.partition("没有读到的地区")[2]


def test_unknown_subjects_are_not_found(web: TestClient) -> None:
    for path in ("/regions?measure=nothing", "/regions.csv", "/regions.xlsx?measure=%00"):
        assert web.get(path).status_code == 404


def test_a_named_measure_stays_apart_in_each_region(tmp_path: Path) -> None:
    """One operator's name, two cities: each has its own thread, or one city's target would restate another's."""
    config = '[[tracked]]\nid = "beds"\nname = "养老机构护理型床位占比"\n'
    with World(tmp_path, config=config) as world:
        other = world.site.url("/other.html")
        world._config = f'[[sources]]\nid = "other"\nurl = "{other}"\nregion = "临海市"\n{config}'
        world.reconfigure()
        world.publish(
            "a", "云川市人民政府办公室关于印发养老服务规划的通知", ["到2027年底，养老机构护理型床位占比达到60%以上。"]
        )
        world.show_list("/list.html", ["a"])
        world.publish(
            "b",
            "临海市人民政府办公室关于印发养老服务规划的通知",
            ["到2027年底，养老机构护理型床位占比达到70%以上。"],
            publisher="临海市民政局",
        )
        world.show_list("/other.html", ["b"])
        world.check()
        with world.database.read() as conn:
            known = {(t.id, t.region) for t in list_tracked(conn)}
    assert len(known) == 2 and {region for _, region in known} == {"云川市", "临海市"}
    assert all(id.startswith("beds") for id, _ in known)


# --- tables to take away --------------------------------------------------------------------------------------


def test_tables_hold_what_the_page_shows(web: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(web.get("/regions.csv?measure=m1").text.removeprefix("\ufeff"))))
    assert [(r["region"], r["value"], r["compared"]) for r in rows] == [
        ("云川市", "6000", "1"), ("云川市", "8000", "1"), ("临海区", "4000", "1"),
    ]  # fmt: skip
    sheet = openpyxl.load_workbook(io.BytesIO(web.get("/regions.xlsx?measure=m1").content)).active
    assert sheet is not None
    head, *lines = sheet.iter_rows(values_only=True)
    assert [dict(zip(head, line, strict=True))["value"] for line in lines] == [6000, 8000, 4000]


def test_a_measure_as_a_workbook(web: TestClient) -> None:
    answer = web.get("/measures/m2.xlsx")
    assert answer.headers["content-disposition"].endswith(".xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    head, *lines = sheet.iter_rows(values_only=True)
    told = [dict(zip(head, line, strict=True)) for line in lines]
    assert {(row["kind"], row["value"]) for row in told} == {("progress", 51.6), ("target", 60)}
    assert isinstance(told[0]["published_on"], datetime)


@pytest.mark.parametrize("words", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_text_becomes_a_formula(words: str) -> None:
    book, text = io.BytesIO(), io.StringIO()
    write_xlsx(("a",), [{"a": words}], book)
    write_csv(("a",), [{"a": words}], text)
    sheet = openpyxl.load_workbook(book).active
    assert sheet is not None
    assert sheet["A2"].data_type == "s" and sheet["A2"].value.startswith("'")
    assert list(csv.reader(io.StringIO(text.getvalue(), newline="")))[1] == ["'" + words.strip("\r")]
