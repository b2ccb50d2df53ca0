"""The thread through documents: what is linked, what is kept apart, and what statements say to each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from monitors.extraction import Context, extract
from monitors.threads import (
    Decision,
    Links,
    Relation,
    Statement,
    Tracked,
    agree,
    is_draft,
    is_history,
    link,
    natural_id,
    reaches,
    relate,
    relations,
    statement_key,
)
from storage.records import Bound, Figure, Kind, Measure

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
_ids = count(1)


def figure(value: float | tuple[float, float], unit: str, bound: Bound = "=", quote: str = "") -> Figure:
    low, high = value if isinstance(value, tuple) else (None, None)
    single = None if isinstance(value, tuple) else value
    return Figure(single, low, high, unit, bound, quote or f"{value}{unit}", 0, 4)


def statement(
    subject: str,
    *figures: Figure,
    kind: Kind = "progress",
    document: int = 1,
    region: str = "临江市",
    on: date | None = date(2025, 3, 1),
    **more: Any,
) -> Statement:
    sentence = more.pop("sentence", f"{subject}{figures[0].quote}。")
    parts = {"deadline": None, "recipient": None, "condition": None} | more
    measure = Measure(kind, subject, figures, bodies=(), sentence=sentence, **parts)
    return Statement(next(_ids), document, region, on, True, measure)


def linked(a: Statement, b: Statement, **more: Any) -> bool:
    first = link([a], {}, **more)
    second = link([b], {first.assigned[a.id]: [a]}, **more)
    return first.assigned[a.id] == second.assigned[b.id]


SAME = [
    ("社区养老设施评定率", "全市社区养老服务设施评定率"),
    ("护理型床位比例", "护理型床位占比"),
    ("开设老年医学科的医院", "医院开设老年医学科"),
    ("日间照料中心建设补助", "日间照料中心一次性建设补贴"),
    ("临江市家庭养老床位", "家庭养老床位"),
    ("幸福食堂", "各类幸福食堂数量"),
    ("乡镇（街道）照料中心覆盖率", "街道（乡镇）照料中心覆盖率"),
    ("镇（街道）照料中心覆盖率", "乡镇（街道）照料中心覆盖率"),
    ("照料站等级评定率", "照料站获得一至五级的评定等级占比"),
]
APART = [
    ("日间照料中心建设补贴", "日间照料中心运营补贴"),
    ("城市社区助餐点覆盖率", "农村助餐点覆盖率"),
    ("护理型床位占比", "养老床位占比"),
    ("示范基地", "示范企业"),
    ("老年病医院", "康复医院"),
    ("一级护理补贴", "二级护理补贴"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_subject_in_other_words_is_one_measure(one: str, other: str) -> None:
    assert linked(statement(one, figure(41, "个")), statement(other, figure(57, "个"), document=2))


@pytest.mark.parametrize(("one", "other"), APART)
def test_subjects_that_differ_in_a_telling_word_stay_apart_whatever_the_figures(one: str, other: str) -> None:
    assert not linked(statement(one, figure(41, "个")), statement(other, figure(41, "个"), document=2))


def test_regions_units_recipients_and_subsidies_keep_measures_apart() -> None:
    base = statement("护理补贴", figure(300, "元/月"), kind="subsidy", recipient="失能老人")
    same = replace(base, id=next(_ids), document=2)
    assert linked(base, same)
    assert not linked(base, replace(same, region="青阳区"))
    assert not linked(base, replace(same, measure=replace(base.measure, recipient="护理员")))
    assert not linked(base, replace(same, measure=replace(base.measure, figures=(figure(300, "元"),))))
    assert not linked(base, replace(same, measure=replace(base.measure, kind="progress")))


def test_a_generic_subject_links_only_where_its_sentence_agrees() -> None:
    app = "上线“报餐”“助浴”“陪诊”“代办”等{}个功能模块"
    one = statement("功能模块", figure(10, "个", quote="10个"), sentence="为老平台" + app.format(10))
    same = statement("功能模块", figure(6, "个", quote="6个"), document=2, sentence="今年" + app.format(6))
    other = statement(
        "功能模块", figure(6, "个", quote="6个"), document=2, sentence="城市大脑设交通、治安、环保、应急6个功能模块"
    )  # fmt: skip
    assert linked(one, same)
    assert not linked(one, other)


def test_a_target_and_the_report_on_it_are_one_measure() -> None:
    target = statement("护理型床位占比", figure(60, "%"), kind="target", deadline=date(2027, 12, 31))
    assert linked(target, statement("护理型床位占比", figure(61, "%"), document=2))


def test_a_statement_without_region_is_linked_to_no_other_document() -> None:
    one = statement("家庭养老床位", figure(700, "张"), region="")
    assert not linked(one, replace(one, id=next(_ids), document=2))


def test_an_equal_uncommon_figure_in_the_same_words_is_evidence() -> None:
    one = statement("助浴等服务标准", figure(27, "项", quote="27项"), sentence="编制出台助浴、助急、助行等27项服务标准")
    other = statement(
        "上门服务标准", figure(27, "个", quote="27个"), document=2,
        sentence="编制发布助浴、助急、助行等27个上门服务标准",
    )  # fmt: skip
    assert linked(one, other)
    common = replace(one, measure=replace(one.measure, figures=(figure(20, "项", quote="27项"),)))
    round_one = replace(other, measure=replace(other.measure, figures=(figure(20, "个", quote="27个"),)))
    assert not linked(common, round_one)


def test_equal_printed_digits_are_evidence_where_a_dash_was_lost() -> None:
    one = statement(
        "养老机构诊所补贴", figure((50000, 300000), "元", quote="5-30万元"), kind="subsidy",
        sentence="对养老机构办诊所的按类型给予5-30万元补贴",
    )  # fmt: skip
    bad = statement(
        "养老机构办诊所补贴", figure(5300000, "元", quote="530万元"), kind="subsidy", document=2,
        sentence="对养老机构办诊所按类型给予530万元的补贴",
    )  # fmt: skip
    assert linked(one, bad)


def test_the_operators_name_wins_and_a_further_region_gets_an_id_of_its_own() -> None:
    named = Tracked("nursing-beds", "护理型床位占比", aliases=("护理型床位占全部床位比例",), named=True)
    one = statement("护理型床位占全部床位比例", figure(55, "%"))
    first = link([one], {}, [named])
    assert first.assigned[one.id] == "nursing-beds"
    assert first.created == (replace(named, kind="progress", region="临江市", unit="%"),)
    other = statement("护理型床位占比", figure(48, "%"), document=2, region="青阳区")
    second = link([other], {"nursing-beds": [one]}, first.created)
    assert second.assigned[other.id] == "nursing-beds.青阳区"
    known = {"nursing-beds": [one], "nursing-beds.青阳区": [other]}
    later = replace(other, id=next(_ids), document=3)
    third = link([later], known, (*first.created, *second.created))
    assert (third.assigned[later.id], third.created) == ("nursing-beds.青阳区", ())


def test_what_an_operator_merged_or_split_stays_so() -> None:
    one, other = statement("老年食堂", figure(41, "家")), statement("长者饭堂", figure(41, "家"), document=2)
    assert not linked(one, other)
    assert linked(one, other, decisions=[Decision(natural_id(one), natural_id(other), same=True)])
    twin = replace(one, id=next(_ids), document=3)
    assert linked(one, twin)
    split = [Decision(natural_id(one), statement_key(twin), same=False)]
    assert not linked(one, twin, decisions=split)
    third = replace(one, id=next(_ids), document=4)
    assert linked(one, third, decisions=split)
    own = link([twin], {natural_id(one): [one]}, decisions=split).assigned[twin.id]
    known = {own: [twin], natural_id(one): [one]}
    assert link([third], known, decisions=split).assigned[third.id] == natural_id(one)


def test_a_split_counts_after_a_merge() -> None:
    one, other = statement("老年食堂", figure(41, "家")), statement("长者饭堂", figure(52, "家"), document=2)
    merged = Decision(natural_id(one), natural_id(other), same=True)
    assert linked(one, other, decisions=[merged])
    apart = Decision(natural_id(one), statement_key(other), same=False)
    assert not linked(one, other, decisions=[merged, apart])


def test_an_id_depends_on_nothing_but_what_is_said() -> None:
    one = statement("家庭养老床位", figure(700, "张"))
    assert natural_id(one) == natural_id(replace(one, id=99, document=8, published_on=None))
    assert natural_id(one) == "m" + natural_id(one)[1:] and len(natural_id(one)) == 13


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (figure(90, "%", ">="), figure(90, "%"), True),
        (figure(400000, "人", "~"), figure(398000, "人"), True),
        (figure(400000, "人", "~"), figure(350000, "人"), False),
        (figure(7000, "张", ">="), figure(7123, "张"), True),
        (figure(7000, "张", ">="), figure(8900, "张"), False),
        (figure(100, "元", ">="), figure(100, "元", "<="), False),
        (figure((5, 30), "元"), figure((5, 30), "元"), True),
        (figure((5, 30), "元"), figure(30, "元"), False),
    ],
)
def test_agreement_considers_bounds(a: Figure, b: Figure, expected: bool) -> None:
    assert agree(a, b) is expected
    assert agree(b, a) is expected


@pytest.mark.parametrize(
    ("aim", "told", "expected"),
    [
        (figure(90, "%"), figure(90, "%", ">="), True),
        (figure(90, "%"), figure(89.9, "%"), False),
        (figure(5, "%", "<="), figure(4.8, "%"), True),
        (figure(5, "%", "<="), figure(5.2, "%"), False),
        (figure(70, "%", ">"), figure(70, "%"), False),
        (figure(70, "%", ">"), figure(70, "%", ">"), True),
        (figure(20, "个"), figure(25, "家"), True),
        (figure(90, "%"), figure(95, "个"), False),
        (figure(90, "%"), figure(95, "%", "<="), False),
    ],
)
def test_a_target_is_reached_as_its_bound_asks(aim: Figure, told: Figure, expected: bool) -> None:
    target = statement("社区覆盖率", aim, kind="target").measure
    assert reaches(statement("社区覆盖率", told).measure, target) is expected


def test_less_is_better_where_the_subject_says_so() -> None:
    target = statement("城镇失业率", figure(5, "%"), kind="target").measure
    assert reaches(statement("城镇失业率", figure(4.7, "%")).measure, target)
    assert not reaches(statement("城镇失业率", figure(5.3, "%")).measure, target)


def relation(a: Statement, b: Statement) -> tuple[str, str] | None:
    found = relate(a, b)
    return (found.kind, found.reason) if found else None


def test_a_lost_dash_is_a_conflict_however_far_apart() -> None:
    rule = statement("内设诊所补贴", figure((50000, 300000), "元", quote="5-30万元"), kind="subsidy")
    bad = statement(
        "内设诊所补贴",
        figure(5300000, "元", quote="530万元"),
        kind="subsidy",
        document=2,
        on=date(2026, 3, 1),
    )
    assert relation(rule, bad) == ("conflict", "lost_mark")


@pytest.mark.parametrize(
    ("days", "value", "expected"),
    [
        (1, 9, ("conflict", "same_time")),
        (16, 6, ("conflict", "same_time")),
        (16, 12, ("restated", "")),
        (200, 6, ("restated", "")),
        (200, 600, ("conflict", "magnitude")),
        (200, 10, ("same", "")),
    ],
)
def test_reports_conflict_only_beyond_what_time_explains(days: int, value: float, expected: tuple[str, str]) -> None:
    before = statement("功能模块", figure(10, "个"))
    after = statement(
        "功能模块", figure(value, "个"), document=2, on=date.fromordinal(date(2025, 3, 1).toordinal() + days)
    )
    assert relation(before, after) == expected


def test_a_withdrawn_document_conflicts_with_nobody() -> None:
    before = replace(statement("功能模块", figure(10, "个")), standing=False)
    after = statement("功能模块", figure(6, "个"), document=2, on=date(2025, 3, 2))
    assert relation(before, after) == ("restated", "")


def test_targets_for_other_years_do_not_conflict() -> None:
    before = statement("床位占比", figure(55, "%"), kind="target", deadline=date(2025, 12, 31))
    after = statement("床位占比", figure(60, "%"), kind="target", deadline=date(2027, 12, 31), document=2)
    assert relation(before, replace(after, published_on=date(2025, 3, 9))) == ("restated", "")


def kinds(found: Sequence[Relation]) -> list[tuple[str, int]]:
    return [(r.kind, r.earlier.document) for r in found]


def test_restated_looks_at_the_latest_document_before() -> None:
    known = [
        statement("护理补贴", figure(value, "元/月"), kind="subsidy", document=n, on=date(2020 + n, 1, 1))
        for n, value in ((1, 200), (2, 260))
    ]
    new = statement("护理补贴", figure(300, "元/月"), kind="subsidy", document=9, on=date(2026, 1, 1))
    assert kinds(relations([new], known)) == [("restated", 2)]
    back = statement("护理补贴", figure(260, "元/月"), kind="subsidy", document=9, on=date(2026, 1, 1))
    assert relations([back], known) == ()
    old = statement("护理补贴", figure(150, "元/月"), kind="subsidy", document=9, on=date(2019, 1, 1))
    assert relations([old], known) == ()


def test_nothing_older_is_restated_where_the_figure_in_force_is_contradicted() -> None:
    known = [
        statement("建设补贴", figure(value, "元/张"), kind="subsidy", document=n, on=on)
        for n, value, on in ((1, 10000, date(2026, 3, 10)), (2, 12000, date(2026, 11, 21)))
    ]
    new = statement("建设补贴", figure(20000, "元/张"), kind="subsidy", document=9, on=date(2026, 11, 22))
    assert kinds(relations([new], known)) == [("conflict", 2)]
    later = replace(new, published_on=date(2027, 1, 22))
    assert kinds(relations([later], known)) == [("restated", 2)]
    misprint = statement("建设补贴", figure(100000, "元/张"), kind="subsidy", document=1, on=date(2025, 3, 10))
    assert kinds(relations([later], [misprint, known[1]])) == [("restated", 2)]


def test_a_figure_that_names_the_one_before_it_contradicts_nothing() -> None:
    known = statement("低保标准", figure(960, "元/月"), kind="subsidy", on=date(2026, 11, 2))
    raised = replace(figure(1030, "元/月"), previous=960)
    new = statement("低保标准", raised, kind="subsidy", document=2, on=date(2026, 11, 22))
    assert kinds(relations([new], [known])) == [("restated", 1)]
    assert kinds(relations([replace(new, measure=replace(new.measure, figures=(replace(raised, previous=None),)))],
                           [known])) == [("conflict", 1)]  # fmt: skip


def test_a_document_with_several_tiers_disagrees_only_if_none_of_them_agrees() -> None:
    known = [
        statement("护理补贴", figure(v, "元/月"), kind="subsidy", condition=c, document=1, on=date(2024, 1, 1))
        for v, c in ((200, "轻度失能"), (600, "重度失能"))
    ]
    same = statement("护理补贴", figure(600, "元/月"), kind="subsidy", condition="重度失能的", document=2)
    assert relations([same], known) == ()
    raised = statement("护理补贴", figure(700, "元/月"), kind="subsidy", condition="重度失能的", document=2)
    found = relations([raised], known)
    assert [(r.kind, r.before.value, r.after.value) for r in found] == [("restated", 600, 700)]


def test_a_target_is_met_once() -> None:
    target = statement("等级评定率", figure(90, "%"), kind="target", on=date(2024, 1, 1))
    short = statement("等级评定率", figure(82, "%"), document=2)
    done = statement("等级评定率", figure(91, "%"), document=3, on=date(2025, 6, 1))
    again = statement("等级评定率", figure(95, "%"), document=4, on=date(2026, 6, 1))
    assert kinds(relations([done], [target, short])) == [("restated", 2), ("met", 1)]
    assert kinds(relations([again], [target, short, done])) == [("restated", 3)]


def test_a_report_is_judged_by_the_target_in_force() -> None:
    old, raised = (
        statement("护理型床位占比", figure(value, "%"), kind="target", document=n, on=on, deadline=date(2027, 12, 31))
        for n, value, on in ((1, 55, date(2025, 6, 18)), (2, 60, date(2026, 11, 20)))
    )
    report = statement("护理型床位占比", figure(56.2, "%"), document=3, on=date(2026, 11, 21))
    assert kinds(relations([report], [old])) == [("met", 1)]
    assert relations([report], [old, raised]) == ()
    for_longer = replace(raised, measure=replace(raised.measure, deadline=date(2030, 12, 31)))
    assert kinds(relations([report], [old, for_longer])) == [("met", 1)]
    later = replace(raised, published_on=date(2026, 11, 30))
    assert kinds(relations([report], [old, later])) == [("met", 1)]
    done = statement("护理型床位占比", figure(61, "%"), document=3, on=date(2026, 11, 21))
    assert kinds(relations([done], [old, raised])) == [("met", 2)]


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("关于征求《云川市养老机构补贴办法（征求意见稿）》意见的公告", "现公开征求意见。"),
        ("云川市养老服务条例（草案）", ""),
        ("云川市养老机构补贴办法公开征求意见", ""),
        ("关于《云川市养老机构补贴办法》的意见征集", ""),
        ("云川市民政局公告", "云川市养老机构补贴办法（征求意见稿）\n第一条 每张床位补贴1万元。"),
        ("云川市民政局公告", "为规范补贴，现就《云川市养老机构补贴办法》向社会公开征求意见。"),
        ("云川市民政局公告", "现将《云川市养老机构补贴办法》全文公布，征求社会各界意见。"),
    ],
)
def test_a_draft_says_so_in_its_title_or_at_its_head(title: str, text: str) -> None:
    assert is_draft(title, text)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("云川市养老机构补贴办法", "在广泛征求意见的基础上，制定本办法。"),
        ("关于印发云川市养老机构补贴办法的通知", "经公开征求意见，现将办法印发给你们。"),
        ("关于印发《云川市重大行政决策公开征求意见办法》的通知", "现将办法印发给你们。"),
        ("关于2025年预算执行情况和2026年预算草案的报告", "一、2025年预算执行情况"),
        (
            "关于市政协第1号提案的答复",
            "您提出的提案收悉。我局起草了《云川市养老办法（征求意见稿）》，已建成床位300张。",
        ),
    ],
)
def test_what_only_speaks_of_drafts_is_none(title: str, text: str) -> None:
    assert not is_draft(title, text)


@pytest.mark.parametrize(
    ("text", "is_past"),
    [
        ("据了解，2019年我市护理型床位占比仅为31%。", True),
        ("2019年底，全市护理型床位占比仅为31%。", True),
        ("全市护理型床位占比由2019年的20%提高到2026年的31%。", False),
        ("全市护理型床位占比由2019年的20%提高到31%。", False),
        ("2019年以来，全市护理型床位占比提高到31%。", False),
        ("2019年投用的照料中心，护理型床位占比达31%。", False),
        ("2024年全市护理型床位占比为31%。", False),
        ("2019年成立中心。护理型床位占比为31%。", False),
    ],
)
def test_a_figure_of_a_year_long_gone_is_history(text: str, is_past: bool) -> None:
    assert is_history(text, text.index("31%"), date(2026, 11, 22)) is is_past
    assert not is_history(text, text.index("31%"), None)


# --- the reference links -------------------------------------------------------------------------------------

REGIONS = {"000": "武汉市", "001": "武汉市", "002": "咸宁市", "003": "武汉市", "004": "大武口区"}
DATES = {"000": date(2025, 7, 7), "001": date(2025, 7, 23), "003": date(2024, 10, 1)}
ORDER = ("003", "000", "001", "002", "004")


def gold(name: str) -> list[Measure]:
    rows = json.loads((SHARED / "gold" / f"{name}.json").read_text("utf-8"))["measures"]
    return [Measure.from_json(row) for row in rows]


def read(name: str) -> Sequence[Measure]:
    text = (SHARED / "seeds" / f"{name}.txt").read_text("utf-8")
    return extract(text, Context(region=REGIONS[name], published_on=DATES.get(name)))


def threaded(measures_of: Callable[[str], Sequence[Measure]]) -> tuple[list[Statement], Mapping[int, str]]:
    known: dict[str, list[Statement]] = {}
    statements: list[Statement] = []
    assigned: dict[int, str] = {}
    tracked: list[Tracked] = []
    for name in ORDER:
        new = [Statement(next(_ids), int(name), REGIONS[name], DATES.get(name), True, m) for m in measures_of(name)]
        found: Links = link(new, known, tracked)
        tracked += found.created
        assigned |= found.assigned
        statements += new
        for one in new:
            known.setdefault(found.assigned[one.id], []).append(one)
    return statements, assigned


def at(statements: Sequence[Statement], place: Sequence[str]) -> list[Statement]:
    """The statements whose figures stand where the reference says the quote stands."""
    name, quote = place
    spans = [(f.start, f.end) for m in gold(name) for f in m.figures if f.quote == quote]
    mine = [s for s in statements if s.document == int(name)]
    return [s for s in mine if any(f.start < e and f.end > b for f in s.measure.figures for b, e in spans)]


@pytest.mark.parametrize("measures_of", [gold, read])
def test_reference_links_hold(measures_of: Callable[[str], Sequence[Measure]]) -> None:
    if not (SHARED / "gold" / "links.json").exists():
        pytest.skip("the reference folder shared/gold is not beside the project")
    links = json.loads((SHARED / "gold" / "links.json").read_text("utf-8"))
    statements, assigned = threaded(measures_of)
    wrong = []
    for row in links["linked"]:
        pairs = [(a, b) for a in at(statements, row["a"]) for b in at(statements, row["b"]) if a is not b]
        met = [p for p in pairs if assigned[p[0].id] == assigned[p[1].id]]
        wanted = {"restated": "repeated"}.get(row["relation"], row["relation"])
        if wanted not in {found.kind for a, b in met if (found := relate(a, b))}:
            wrong.append(("linked", row["a"], row["b"]))
    for row in links["apart"]:
        pairs = [(a, b) for a in at(statements, row["a"]) for b in at(statements, row["b"])]
        if not pairs or any(assigned[a.id] == assigned[b.id] for a, b in pairs):
            wrong.append(("apart", row["a"], row["b"]))
    assert wrong == []
