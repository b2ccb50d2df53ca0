"""Changes between two versions: what is one change, what is none, and how measures find each other."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.changes import MeasureChange, align, compare_measures
from storage.records import Bound, Figure, Kind, Measure


def figure(value: float | tuple[float, float], unit: str, bound: Bound = "=", start: int = 0) -> Figure:
    low, high = value if isinstance(value, tuple) else (None, None)
    single = None if isinstance(value, tuple) else value
    return Figure(single, low, high, unit, bound, f"{value}{unit}", start, start + 4)


def measure(
    subject: str,
    *figures: Figure,
    kind: Kind = "subsidy",
    sentence: str = "",
    recipient: str | None = None,
    condition: str | None = None,
    deadline: date | None = None,
) -> Measure:
    said = sentence or f"对{subject}按{'、'.join(f.quote for f in figures)}执行。"
    return Measure(kind, subject, figures, deadline, recipient, condition, (), said)


def told(changes: tuple[MeasureChange, ...]) -> list[tuple[str, tuple[str, ...], object, object]]:
    return [
        (c.type, c.fields, c.before_figure and c.before_figure.value, c.after_figure and c.after_figure.value)
        for c in changes
    ]


BEDS = measure("养老机构建设补贴", figure(5000, "元/张"), figure(8000, "元/张"), recipient="养老机构")
RUN = measure("养老机构运营补贴", figure((100, 450), "元/床/月"), recipient="养老机构")
RATE = measure("护理型床位占比", figure(55, "%"), kind="target", deadline=date(2025, 12, 31))
MEALS = measure("社区食堂", figure(120, "家"), kind="progress", sentence="全区办起社区食堂120家，方便老人就近用餐。")
VISITS = measure("上门探访", figure(3000, "人次"), kind="progress", sentence="志愿者上门探访3000人次。")
ALL = [BEDS, RUN, RATE, MEALS, VISITS]


def with_figures(one: Measure, *figures: Figure) -> Measure:
    return replace(one, figures=figures, sentence=f"对{one.subject}按{'、'.join(f.quote for f in figures)}执行。")


def test_one_changed_tier_is_one_change_with_both_figures() -> None:
    newer = with_figures(BEDS, figure(6000, "元/张"), BEDS.figures[1])
    changes = compare_measures(ALL, [newer, *ALL[1:]])
    assert told(changes) == [("changed", ("value",), 5000, 6000)]
    assert (changes[0].before, changes[0].after) == (BEDS, newer)


def test_two_changed_tiers_are_two_changes() -> None:
    newer = with_figures(BEDS, figure(6000, "元/张"), figure(9000, "元/张"))
    assert told(compare_measures([BEDS], [newer])) == [
        ("changed", ("value",), 5000, 6000),
        ("changed", ("value",), 8000, 9000),
    ]


@pytest.mark.parametrize(
    ("newer", "expected"),
    [
        ((5000, 6000, 8000), [("changed", ("figures",), None, 6000)]),
        ((8000,), [("changed", ("figures",), 5000, None)]),
        ((8000, 5000), []),
        ((5000, 8000, 8000), [("changed", ("figures",), None, 8000)]),
    ],
)
def test_tiers_that_come_go_or_change_places(newer: tuple[int, ...], expected: list[object]) -> None:
    after = with_figures(BEDS, *(figure(v, "元/张") for v in newer))
    assert told(compare_measures([BEDS], [after])) == expected


@pytest.mark.parametrize(
    ("newer", "fields"),
    [
        (figure(60, "%"), ("value",)),
        (figure(55, "%", ">="), ("bound",)),
        (figure(55, "pp"), ("unit",)),
        (figure((55, 60), "%"), ("value",)),
        (figure(60, "%", ">="), ("value", "bound")),
    ],
)
def test_value_bound_and_unit_are_told_apart(newer: Figure, fields: tuple[str, ...]) -> None:
    changes = compare_measures([RATE, MEALS], [with_figures(RATE, newer), MEALS])
    assert [(c.type, c.fields) for c in changes] == [("changed", fields)]


def test_a_later_deadline_is_one_change_with_the_first_figure() -> None:
    changes = compare_measures([RATE], [replace(RATE, deadline=date(2027, 12, 31))])
    assert told(changes) == [("changed", ("deadline",), 55, 55)]


def test_a_figure_and_a_deadline_that_change_together_are_one_change() -> None:
    newer = replace(with_figures(RATE, figure(60, "%")), deadline=date(2027, 12, 31))
    assert told(compare_measures([RATE], [newer])) == [("changed", ("value", "deadline"), 55, 60)]


def test_another_recipient_is_a_change_and_a_longer_name_for_it_is_not() -> None:
    assert told(compare_measures([RUN], [replace(RUN, recipient="社区日间照料站")]))[0][1] == ("recipient",)
    assert compare_measures([RUN], [replace(RUN, recipient="符合条件的各类养老机构")]) == ()
    assert compare_measures([RUN], [replace(RUN, recipient=None)]) == ()


LIMITED = measure(
    "连锁奖励", figure(200000, "元"), condition="连锁运营站点达到5个以上",
    sentence="连锁运营站点达到5个以上的，奖20万元。",
)  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "sentence", "fields"),
    [
        ("连锁运营站点达到6个以上", "连锁运营站点达到6个以上的，奖20万元。", ("condition",)),
        ("连锁运营站点达到5个以下", "连锁运营站点达到5个以下的，奖20万元。", ("condition",)),
        ("连锁运营的站点，达到5个以上的", "对连锁运营的站点，达到5个以上的，奖20万元。", None),
        ("达到5个以上的连锁运营站点", "对达到5个以上的连锁运营站点，奖20万元。", None),
        (None, "连锁运营站点达到5个以上的，奖20万元。", None),
        (None, "每年奖20万元。", ("condition",)),
        ("通过消防验收且未受处罚", "通过消防验收且未受处罚的，奖20万元。", ("condition",)),
    ],
)
def test_conditions_change_by_substance_not_by_wording(
    condition: str | None, sentence: str, fields: tuple[str, ...] | None
) -> None:
    newer = replace(LIMITED, condition=condition, sentence=sentence)
    assert [c.fields for c in compare_measures([LIMITED, BEDS], [newer, BEDS])] == ([fields] if fields else [])


def test_a_condition_that_quotes_another_figure_of_its_sentence_does_not_change_with_it() -> None:
    def versions(price: int) -> list[Measure]:
        said = f"评估一次{price}元，评为重度的由基金付八成。"
        fee = measure("评估收费", Figure(price, None, None, "元", "=", f"{price}元", 4, 8), sentence=said)
        return [
            fee,
            measure("基金支付比例", figure(80, "%"), condition=f"评估一次{price}元，评为重度的", sentence=said),
        ]

    assert told(compare_measures(versions(200), versions(260))) == [("changed", ("value",), 200, 260)]


def test_added_and_removed() -> None:
    assert told(compare_measures(ALL[:-1], ALL)) == [("added", (), None, 3000)]
    assert told(compare_measures(ALL, ALL[1:])) == [("removed", (), 5000, None)]


def test_a_measure_gone_and_an_unlike_one_come_are_not_one_change() -> None:
    other = measure("公办幼儿园", figure(14, "所"), kind="target", sentence="新开公办幼儿园14所。")
    assert [c.type for c in compare_measures([BEDS, RATE, RUN], [BEDS, other, RUN])] == ["added", "removed"]


def test_rewording_a_sentence_and_its_subject_changes_nothing() -> None:
    newer = replace(MEALS, subject="社区食堂数量", sentence="社区食堂已在全区开到120家，老人在家门口用餐更方便。")
    assert compare_measures(ALL, [BEDS, RUN, RATE, newer, VISITS]) == ()


def test_reworded_renumbered_and_changed_is_still_one_change() -> None:
    newer = replace(
        MEALS, figures=(figure(150, "家"),), subject="全区社区食堂",
        sentence="（三）全区办成社区食堂150家，老人可就近用餐。",
    )  # fmt: skip
    assert told(compare_measures(ALL, [newer, VISITS, BEDS, RUN, RATE])) == [("changed", ("value",), 120, 150)]


def test_a_verb_that_makes_a_report_of_a_plan_is_no_removal_and_no_addition() -> None:
    planned = replace(MEALS, kind="target", sentence="全区办社区食堂120家，方便老人就近用餐。")
    assert compare_measures(ALL, [BEDS, RUN, RATE, planned, VISITS]) == ()


def test_tiers_read_as_two_measures_and_then_as_one_are_no_change() -> None:
    said = "办医务室的给8万元一次性补贴，办护理院的给30万元一次性补贴。"
    small, large = figure(80000, "元"), figure(300000, "元")
    two = [
        measure("医务室补贴", replace(small, quote="8万元"), sentence=said),
        measure("护理院补贴", replace(large, quote="30万元"), sentence=said),
    ]
    one = [replace(two[0], figures=(*two[0].figures, *two[1].figures))]
    assert compare_measures(two, one) == ()
    assert compare_measures(one, two) == ()
    dearer = replace(large, value=400000, quote="40万元")
    raised = [two[0], replace(two[1], figures=(dearer,), sentence=said.replace("30万元", "40万元"))]
    assert len(compare_measures(one, raised)) == 2


def test_the_same_goal_said_twice_and_changed_once() -> None:
    first = replace(RATE, sentence="主要目标：护理型床位占比达到55%。")
    second = replace(RATE, sentence="优化床位结构，使护理型床位占比达到55%。")
    newer = replace(second, figures=(figure(60, "%"),), sentence="优化床位结构，使护理型床位占比达到60%。")
    changes = compare_measures([first, second], [first, newer])
    assert told(changes) == [("changed", ("value",), 55, 60)]
    assert changes[0].before == second


def test_rows_of_a_table_keep_their_row() -> None:
    rows = [
        measure(f"{level}护理补贴", figure(value, "元/人/月"), sentence=f"{level} | {value}元")
        for level, value in (("一级", 100), ("二级", 200), ("三级", 300), ("四级", 400))
    ]
    newer = [
        replace(rows[2], figures=(figure(200, "元/人/月"),), sentence="三级 | 200元"),
        rows[3],
        rows[0],
        rows[1],
    ]
    assert told(compare_measures(rows, newer)) == [("changed", ("value",), 300, 200)]


@given(st.permutations(ALL), st.sets(st.integers(0, 4)))
def test_order_is_no_change_and_what_is_missing_is_removed(order: list[Measure], gone: set[int]) -> None:
    kept = [m for n, m in enumerate(order) if n not in gone]
    assert [c.type for c in compare_measures(ALL, kept)] == ["removed"] * len(gone)


@given(st.data())
def test_every_measure_is_paired_at_most_once(data: st.DataObject) -> None:
    before = data.draw(st.lists(st.sampled_from(ALL), max_size=8))
    after = data.draw(st.lists(st.sampled_from(ALL), max_size=8))
    pairs = align(before, after)
    assert sorted(i for i, _ in pairs if i is not None) == list(range(len(before)))
    assert sorted(j for _, j in pairs if j is not None) == list(range(len(after)))


def test_hundreds_of_measures_rewritten_at_once_find_each_other() -> None:
    words = "站室堂园院馆队点库场"
    rng = random.Random(7)
    many = []
    for n in range(400):
        name = "".join(rng.sample(words, 4)) + str(n)
        many.append(measure(f"{name}补贴", figure(1000 + n, "元"), sentence=f"每个{name}补{1000 + n}元，按季拨付。"))
    newer = [replace(m, subject="全部" + m.subject, sentence="另：" + m.sentence) for m in many]
    rng.shuffle(newer)
    assert compare_measures(many, newer) == ()
