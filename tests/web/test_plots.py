"""Plots as geometry: scales that hold what they must, and marks where the figures are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pledgewatch.web.figures import description
from pledgewatch.web.plots import (
    FLOOR,
    LEFT,
    RIGHT,
    TIERS,
    TOP,
    Bar,
    Drawing,
    Reading,
    day_ticks,
    over_time,
    side_by_side,
    tick_words,
    ticks,
    value_ticks,
)
from pledgewatch.web.words import words

TODAY = date(2026, 11, 22)
VALUES = st.floats(min_value=-1e12, max_value=1e12, allow_nan=False)
DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))


def reading(value: float = 60.0, day: date = date(2025, 6, 1), **more: object) -> Reading:
    told = {
        "kind": "progress", "tier": 0, "day": day, "low": value, "high": value, "words": f"{value:g}%",
        "says": "进展", "link": "/documents/1#f3",
    }  # fmt: skip
    return Reading(**(told | more))  # type: ignore[arg-type]


def lines(drawing: Drawing, look: str) -> list[tuple[float, float, float, float]]:
    return [(line.x1, line.y1, line.x2, line.y2) for line in drawing.lines if line.look == look]


def test_the_latest_are_one_of_each_kind_and_of_targets_one_for_each_deadline() -> None:
    ends = [date(2026, 12, 31), date(2027, 12, 31)]
    told = [
        reading(50, date(2024, 1, 1), kind="target", deadline=ends[0]),
        reading(60, date(2024, 1, 1), kind="target", deadline=ends[1]),
        reading(55, date(2025, 1, 1), kind="target", deadline=ends[0]),
        reading(48, date(2024, 6, 1)),
        reading(51, date(2025, 6, 1)),
    ]
    latest = description(told, words("zh")).partition("最新")[2]
    assert [word for word in ("50%", "55%", "60%", "48%", "51%") if word in latest] == ["55%", "60%", "51%"]


# --- scales ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 72.1, (0, 20, 40, 60, 80)),
        (0, 100, (0, 25, 50, 75, 100)),
        (0, 12000, (0, 5000, 10000, 15000)),
        (58.4, 63.9, (58, 60, 62, 64)),
        (5, 5, (5, 7.5, 10)),
        (0, 0, (0, 0.25, 0.5)),
    ],
)
def test_ticks_are_round(low: float, high: float, found: tuple[float, ...]) -> None:
    told = ticks(low, high)
    assert len(told) <= 5 and told[0] <= low and told[-1] >= high
    if low != high:
        assert told == pytest.approx(found)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_ticks_hold_whatever_there_is(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    told = ticks(low, high)
    slack = (told[-1] - told[0]) * 1e-6
    assert 2 <= len(told) <= 6
    assert told[0] <= low + slack and told[-1] >= high - slack
    assert list(told) == sorted(set(told))


def test_a_percentage_ends_at_a_hundred() -> None:
    assert max(value_ticks([62.0], [98.0], "%")) <= 100
    assert max(value_ticks([62.0], [103.0], "%")) > 100


def test_an_axis_begins_at_zero_unless_that_would_hide_the_figures() -> None:
    assert value_ticks([5000], [8000], "元/张")[0] == 0
    assert value_ticks([95.2], [96.1], "%")[0] == 95


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(12000, "元/张", "1.2万"), (3e8, "元", "3亿"), (60, "%", "60%"), (2500, "张", "2500"), (0, "元", "0")],
)
def test_ticks_say_wan_and_yi(value: float, unit: str, words: str) -> None:
    assert tick_words(value, unit, "zh") == words


@settings(deadline=None)
@given(DAYS, st.integers(min_value=60, max_value=25_000))
def test_days_are_few_and_inside(first: date, days: int) -> None:
    last = first + timedelta(days)
    told = day_ticks(first, last)
    assert len(told) <= 5
    assert all(first <= day <= last and day.day == 1 for day, _ in told)


# --- over time ------------------------------------------------------------------------------------------------


def test_a_target_stands_at_its_deadline_and_its_line_leads_there() -> None:
    target = reading(60, kind="target", deadline=date(2027, 12, 31), words="60%")
    drawing = over_time([target, reading(51.6, date(2026, 3, 12))], "%", TODAY, "zh")
    at, told = (m for m in sorted(drawing.marks, key=lambda m: -m.x))
    assert (at.shape, told.shape) == ("diamond", "circle")
    assert at.x == RIGHT and at.y < told.y
    ((x1, y1, x2, y2),) = lines(drawing, "run target")
    assert (x1, x2) == (LEFT, RIGHT) and y1 == y2 == at.y
    assert [line[0] for line in lines(drawing, "deadline")] == [RIGHT]
    assert "2027-12-31" in [words.text for words in drawing.words]


def test_a_rule_holds_until_the_next_and_then_until_today() -> None:
    old = reading(5000, date(2024, 1, 1), kind="subsidy", past=True)
    new = reading(6000, date(2025, 1, 1), kind="subsidy")
    drawing = over_time([new, old], "元/张", TODAY, "zh")
    first, second = sorted(drawing.marks, key=lambda m: m.x)
    assert first.hollow and not second.hollow
    flat, last, rise = lines(drawing, "run step-1")
    assert flat == (first.x, first.y, second.x, first.y)
    assert last == (second.x, second.y, RIGHT, second.y)
    assert rise == (second.x, first.y, second.x, second.y)


def test_a_rule_that_ended_does_not_reach_today() -> None:
    ended = reading(6000, date(2024, 1, 1), kind="subsidy", past=True)
    ((x1, _, x2, _),) = lines(over_time([ended], "元/张", TODAY, "zh"), "run step-1")
    assert x1 == x2


def test_tiers_differ_by_shape_and_not_by_colour_alone() -> None:
    tiers = [reading(1000 * (n + 1), kind="subsidy", tier=n) for n in range(TIERS)]
    drawing = over_time(tiers, "元/张", TODAY, "zh")
    assert len({mark.shape for mark in drawing.marks}) == len({mark.look for mark in drawing.marks}) == TIERS
    assert [sign.tier for sign in drawing.signs] == list(range(1, TIERS + 1))


def test_a_range_is_a_bar() -> None:
    ranged = reading(100, low=100.0, high=450.0, kind="subsidy")
    drawing = over_time([ranged], "元/床/月", TODAY, "zh")
    (box,) = drawing.boxes
    assert box.height > 50 and box.width > 50
    (progress,) = over_time([replace(ranged, kind="progress")], "元", TODAY, "zh").boxes
    assert progress.width == 0  # drawn a few pixels wide at its day


def test_what_does_not_hold_is_not_on_the_line_of_reports() -> None:
    told = [reading(40, date(2023, 1, 1)), reading(99, date(2024, 1, 1), past=True), reading(50, date(2025, 1, 1))]
    assert len(lines(over_time(told, "%", TODAY, "zh"), "run progress")) == 1


READINGS = st.builds(
    lambda kind, tier, day, low, span, due, past: Reading(
        kind, tier, day, low, low + span, "7000余张", "说", "/d", due, past
    ),
    st.sampled_from(["target", "progress", "subsidy"]),
    st.integers(0, 9),
    DAYS,
    st.floats(0, 1e11),
    st.floats(0, 1e11),
    st.none() | DAYS,
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(READINGS, min_size=1, max_size=30))
def test_nothing_lies_outside_and_no_words_on_each_other(told: list[Reading]) -> None:
    drawing = over_time(told, "张", TODAY, "zh")
    assert len(drawing.marks) == len(told)
    assert all(LEFT <= m.x <= RIGHT and TOP - 1 <= m.y <= FLOOR + 1 for m in drawing.marks)
    assert all(0 <= line.x1 <= 100 and 0 <= line.x2 <= 100 for line in drawing.lines)
    assert all(box.height >= 0 and box.width >= 0 for box in drawing.boxes)
    values = [words for words in drawing.words if words.look == "value"]
    assert all(a.y != b.y or a.x != b.x for n, a in enumerate(values) for b in values[n + 1 :])


# --- regions --------------------------------------------------------------------------------------------------


def test_regions_have_a_row_each_and_the_median_a_line() -> None:
    bars = [
        Bar("甲市", "1.2万元/张", "甲市：1.2万元/张", ((9000, 9000, "/a"), (12000, 12000, "/b"))),
        Bar("乙市", "100元至300元", "乙市", ((100, 300, "/c"),), counted=False),
    ]
    drawing = side_by_side(bars, "元/张", 6000, "zh")
    assert [mark.link for mark in drawing.marks] == ["/a", "/b", "/c"]
    assert [mark.hollow for mark in drawing.marks] == [False, False, True]
    assert drawing.marks[0].y == drawing.marks[1].y < drawing.marks[2].y < drawing.height
    assert drawing.marks[0].x < drawing.marks[1].x
    assert len(lines(drawing, "median")) == 1 and not lines(side_by_side(bars, "元/张", None, "zh"), "median")
    assert sum("range" in box.look for box in drawing.boxes) == 1


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=40))
@example([(-1e12, -999999999999.9999)])
@example([(-5.0, -3.0)])
def test_any_figures_of_regions_lie_inside(ends: list[tuple[float, float]]) -> None:
    bars = [Bar(f"{n}市", "x", "x", ((min(pair), max(pair), "/x"),)) for n, pair in enumerate(ends)]
    drawing = side_by_side(bars, "元", None, "zh")
    assert all(0 <= mark.x <= 100 for mark in drawing.marks)
