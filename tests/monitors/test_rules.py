"""Events: which ones, under which keys, in which words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from monitors.changes import compare_measures
from monitors.rules import (
    Occasion,
    Promise,
    alert_threshold,
    calendar_events,
    document_events,
    passes_alert,
    thread_events,
)
from monitors.threads import Statement, relations
from monitors.words import figure_words, number_words, step_words
from storage.records import Bound, DocumentRef, Event, Figure, Kind, Measure, MeasureRef

NOW = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
DOCUMENT = DocumentRef(7, "养老服务扶持办法", "https://example.org/7.html", region="临江市")
REVISION = Occasion("mzj", DOCUMENT, (1, 2), NOW)


def figure(
    value: float | tuple[float, float], unit: str, bound: Bound = "=", quote: str = "", start: int = 0
) -> Figure:
    low, high = value if isinstance(value, tuple) else (None, None)
    single = None if isinstance(value, tuple) else value
    return Figure(single, low, high, unit, bound, quote or f"{value}{unit}", start, start + 5)


def measure(subject: str, *figures: Figure, kind: Kind = "subsidy", **more: Any) -> Measure:
    parts = {"deadline": None, "recipient": None, "condition": None, "bodies": ()} | more
    return Measure(kind, subject, figures, sentence=f"{subject}为{figures[0].quote}。", **parts)


BEDS = measure(
    "养老机构建设补贴", figure(5000, "元/张", start=10), figure(8000, "元/张", start=20), recipient="养老机构"
)
RAISED = replace(
    BEDS, figures=(figure(6000, "元/张", start=10), BEDS.figures[1]), sentence="养老机构建设补贴为6000元/张。"
)
RATE = measure("护理型床位占比", figure(60, "%"), kind="target", deadline=date(2026, 12, 31), bodies=("民政局",))
REF = MeasureRef("m1", "养老机构建设补贴", "subsidy", "养老机构")


@pytest.mark.parametrize(
    ("told", "zh", "en"),
    [
        (figure(5000, "元/张"), "5000元/张", "5,000 yuan per bed"),
        (figure((50000, 200000), "元/个/年"), "5万元至20万元/个/年", "50,000–200,000 yuan per item per year"),
        (figure(70, "%", ">=", "不低于70%"), "不低于70%", "at least 70%"),
        (figure(90, "%", ">=", "90%以上"), "90%以上", "at least 90%"),
        (figure(400000, "人", "~", "近40万"), "近40万人", "about 400,000 people"),
        (figure(7000, "张", ">=", "7000余张"), "7000余张", "at least 7,000 beds"),
        (figure(500000, "元", "<=", "50万元"), "不超过50万元", "up to 500,000 yuan"),
        (figure(5, "pp"), "5个百分点", "5 percentage points"),
        (figure(35, "张/千人"), "35张/千人", "35 beds per 1,000 people"),
        (figure(150000000, "元"), "1.5亿元", "150,000,000 yuan"),
    ],
)
def test_figures_in_words(told: Figure, zh: str, en: str) -> None:
    assert (figure_words(told), figure_words(told, "en")) == (zh, en)


@pytest.mark.parametrize(
    ("value", "words"),
    [(793100, "79.31万"), (12345, "12345"), (10000, "1万"), (0, "0"), (66.67, "66.67"), (123456789, "123456789")],
)
def test_numbers_are_shortened_only_where_nothing_is_lost(value: float, words: str) -> None:
    assert number_words(value) == words


def test_steps() -> None:
    assert step_words(figure(5000, "元"), figure(6000, "元")) == "+20%"
    assert step_words(figure(60, "%"), figure(55, "%")) == "−5个百分点"
    assert step_words(figure(60, "%"), figure(60, "个")) == ""
    assert step_words(figure((1, 2), "元"), figure((1, 3), "元")) == ""


def revised(before: Measure, after: Measure, **more: Any) -> tuple[Event, ...]:
    changes = compare_measures([before], [after])
    return document_events(REVISION, "revised", changes=changes, refs={after: REF}, **more)


def test_a_revision_tells_the_document_and_each_changed_figure() -> None:
    first, second = revised(BEDS, RAISED, reasons=("text",))
    assert (first.type, first.detail["reasons"]) == ("document.revised", ["text"])
    assert (second.type, second.measure, second.versions) == ("measure.changed", REF, (1, 2))
    assert second.before == BEDS.figures[0].to_json() | {"sentence": BEDS.sentence}
    assert second.after == RAISED.figures[0].to_json() | {"sentence": RAISED.sentence}
    assert second.summary == "养老机构建设补贴：5000元/张 → 6000元/张（+20%）"
    assert (second.detail["before_words"], second.detail["after_words"]) == ("5000元/张", "6000元/张")


def test_english_words() -> None:
    changes = compare_measures([BEDS], [RAISED])
    event = document_events(replace(REVISION, language="en"), "revised", changes=changes)[1]
    assert event.summary == "养老机构建设补贴: 5,000 yuan per bed → 6,000 yuan per bed (+20%)"


def test_a_new_deadline_stands_beside_the_old_one() -> None:
    event = revised(RATE, replace(RATE, deadline=date(2027, 12, 31)))[1]
    assert event.detail["deadline"] == ["2026-12-31", "2027-12-31"]
    assert event.summary.endswith("（60%）；期限 2026-12-31 → 2027-12-31")
    assert event.detail["bodies"] == ["民政局"]


def test_added_and_removed_name_all_tiers() -> None:
    added = document_events(REVISION, "revised", changes=compare_measures([], [BEDS]))[1]
    removed = document_events(REVISION, "revised", changes=compare_measures([BEDS], []))[1]
    assert (added.type, added.before, added.summary) == (
        "measure.added", None, "新增 养老机构建设补贴：5000元/张、8000元/张",
    )  # fmt: skip
    assert (removed.type, removed.after) == ("measure.removed", None)
    assert removed.before and removed.before["value"] == 5000


def test_a_new_document_carries_its_figures_but_makes_one_event() -> None:
    occasion = replace(REVISION, versions=(None, 1), published_on=date(2026, 2, 27), baseline=True)
    (event,) = document_events(occasion, "published", measures=[BEDS] * 30, refs={BEDS: REF})
    assert (event.type, event.baseline, event.versions) == ("document.published", True, (None, 1))
    assert event.detail["measures"] == 30
    assert len(event.detail["figures"]) == 20
    assert event.detail["figures"][0]["words"] == "5000元/张、8000元/张"
    assert event.detail["published_on"] == "2026-02-27"


def test_keys_are_the_same_for_the_same_and_differ_for_all_else() -> None:
    both = replace(RAISED, figures=(RAISED.figures[0], figure(9000, "元/张", start=20)))
    events = revised(BEDS, both)
    assert len({e.key for e in events}) == 3
    later = document_events(replace(REVISION, time=NOW + timedelta(hours=1)), "revised")
    assert later[0].key == events[0].key
    next_one = document_events(replace(REVISION, versions=(2, 3)), "revised")
    assert next_one[0].key != events[0].key


def test_a_document_may_go_twice() -> None:
    gone = replace(REVISION, versions=(2, 2))
    once = document_events(gone, "withdrawn", reasons=("gone",))[0]
    again = document_events(replace(gone, time=NOW + timedelta(days=3)), "withdrawn", reasons=("gone",))[0]
    assert once.key != again.key
    assert once.summary == "撤下：养老服务扶持办法（页面连续不可访问）"


def stated(id_: int, document: int, on: date, told: Measure) -> Statement:
    return Statement(id_, document, "临江市", on, True, told)


def test_relations_become_events_that_name_the_other_document() -> None:
    earlier = stated(1, 3, date(2024, 1, 1), BEDS)
    later = stated(2, 7, date(2026, 1, 1), RAISED)
    other = DocumentRef(3, "旧办法", "https://example.org/3.html")
    (event,) = thread_events(REVISION, relations([later], [earlier]), {2: REF}, {3: other})
    assert (event.type, event.measure) == ("measure.restated", REF)
    assert event.summary == "养老机构建设补贴：新文件改为 6000元/张（原 5000元/张）"
    assert event.detail["other_document"]["title"] == "旧办法"
    assert event.before and event.before["sentence"] == BEDS.sentence


def test_a_target_restated_for_another_day_tells_both_days() -> None:
    later = replace(RATE, figures=(figure(70, "%"),), deadline=date(2030, 12, 31))
    found = relations([stated(2, 7, date(2026, 1, 1), later)], [stated(1, 3, date(2024, 1, 1), RATE)])
    (event,) = thread_events(REVISION, found, {2: REF}, {})
    assert event.type == "measure.restated"
    assert event.detail["deadline"] == ["2026-12-31", "2030-12-31"]


def test_a_conflict_says_why() -> None:
    ranged = measure("诊所补贴", figure((50000, 300000), "元", quote="5-30万元"))
    printed = measure("诊所补贴", figure(5300000, "元", quote="530万元"))
    found = relations([stated(2, 7, date(2025, 7, 23), printed)], [stated(1, 3, date(2025, 7, 7), ranged)])
    (event,) = thread_events(REVISION, found, {}, {})
    assert (event.type, event.detail["cause"]) == ("measure.conflict", "lost_mark")
    assert event.detail["reason"] == "疑似漏印连接号或小数点"


def promise(told: Measure = RATE, since: date = date(2026, 1, 1), *, baseline: bool = False) -> Promise:
    ref = MeasureRef("beds", "护理型床位占比", "target")
    return Promise(ref, stated(1, 7, date(2025, 1, 1), told), "mzj", DOCUMENT, 2, since, baseline)


def on(day: date, *reports: Measure, told: Promise | None = None) -> list[Event]:
    reported = {"beds": [stated(9, 8, day, r) for r in reports]}
    return list(calendar_events(day, NOW, [told or promise()], reported))


def test_the_calendar_says_each_thing_once() -> None:
    days = [date(2026, 9, 1) + timedelta(days=n) for n in range(150)]
    keys = {e.key: e for day in days for e in on(day)}
    assert [e.type for e in keys.values()] == ["target.due", "target.due", "target.missed"]
    first, second, missed = keys.values()
    assert (first.detail["deadline"], missed.detail["before_words"]) == ("2026-12-31", "60%")
    assert on(date(2026, 10, 1)) == []
    assert on(date(2026, 10, 2))[0].summary == "护理型床位占比：目标 60% 将于 2026-12-31 到期，还有90天"
    assert on(date(2026, 12, 1))[0].key == second.key
    assert on(date(2026, 12, 31))[0].type == "target.due"


def test_a_target_that_was_reached_is_neither_due_nor_missed() -> None:
    reached = measure("护理型床位占比", figure(61, "%"), kind="progress")
    short = measure("护理型床位占比", figure(58, "%"), kind="progress")
    assert on(date(2027, 1, 5), reached) == []
    assert [e.type for e in on(date(2027, 1, 5), short)] == ["target.missed"]


def test_a_target_stated_twice_is_told_once_by_the_latest_document_that_stands() -> None:
    day = date(2026, 12, 20)
    newer = replace(RATE, figures=(figure(65, "%"),))
    later = replace(promise(newer), statement=stated(2, 8, date(2026, 2, 1), newer))
    gone = replace(later, statement=replace(later.statement, standing=False))
    (event,) = calendar_events(day, NOW, [later, promise()], {})
    assert event.before and event.before["value"] == 65
    (event,) = calendar_events(day, NOW, [gone, promise()], {})
    assert event.before and event.before["value"] == 60


def test_what_ended_before_it_was_watched_is_history() -> None:
    assert on(date(2027, 3, 1), told=promise(since=date(2027, 2, 1))) == []
    assert on(date(2026, 12, 1), told=promise(replace(RATE, deadline=None))) == []


def test_what_was_near_at_the_baseline_belongs_to_it() -> None:
    """The deadline is 2026-12-31, so that it comes near on 2026-10-02 and nearer on 2026-12-01."""

    def told(since: date, day: date, *, baseline: bool = True) -> list[bool]:
        return [e.baseline for e in on(day, told=promise(since=since, baseline=baseline))]

    assert told(date(2026, 10, 2), date(2026, 10, 2)) == [True]
    assert told(date(2026, 10, 1), date(2026, 10, 2)) == [False]
    assert told(date(2026, 11, 1), date(2026, 11, 2)) == [True]
    assert told(date(2026, 11, 1), date(2026, 12, 1)) == [False]
    assert told(date(2026, 12, 20), date(2027, 1, 1)) == [False]  # nobody had said that it was missed
    assert told(date(2026, 11, 1), date(2026, 11, 2), baseline=False) == [False]


@pytest.mark.parametrize(
    ("alert", "before", "after", "expected"),
    [
        ("any", 100, 101, True),
        ("increase", 100, 101, True),
        ("increase", 100, 99, False),
        ("decrease", 100, 99, True),
        ("decrease", 100, 101, False),
        (">=10%", 100, 110, True),
        (">=10%", 100, 109, False),
        (">=10%", 100, 85, True),
        (">= 2.5%", 1000, 1025, True),
    ],
)
def test_alert_thresholds(alert: str, before: float, after: float, expected: bool) -> None:
    old, new = figure(before, "元"), figure(after, "元")
    assert passes_alert(old, new, alert) is expected
    assert passes_alert(old.to_json(), new.to_json(), alert) is expected


def test_rates_are_measured_in_points_and_what_cannot_be_judged_passes() -> None:
    assert not passes_alert(figure(50, "%"), figure(58, "%"), ">=10%")
    assert passes_alert(figure(50, "%"), figure(60, "%"), ">=10%")
    assert passes_alert(None, figure(60, "%"), "increase")
    assert passes_alert(figure(50, "%"), figure(60, "个"), "decrease")
    assert passes_alert(figure((1, 5), "元"), figure((1, 9), "元"), "increase")


def test_an_unknown_alert_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match='"any", "increase"'):
        alert_threshold("sometimes")
