"""Plots as geometry: figures over time, and figures of regions side by side. Pure functions; `plot.html.j2` draws.

What lies across is told in percent of the width and what lies down in pixels, so that a plot fills a phone as it
fills a desk and its words keep the size of the page's text. No two units ever share an axis: the caller gives
figures of one unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Literal

from monitors.words import number_words
from storage.records import Kind

LEFT, RIGHT = 13.0, 94.0  # percent of the width between which figures lie; the axis' words stand left of it
TOP, FLOOR, HEIGHT = 46, 272, 304  # pixels
ROW, LOW_ROW = 52, 34  # height of a region's row, and where in it the bar lies
NARROW = 340  # pixels: the width for which words are placed, a phone's
CHARACTER = 13  # pixels of a full-width character, half of it for others
TIERS = 6  # looks that steps can have; further ones begin again

Shape = Literal["circle", "diamond", "square", "up", "down", "cross", "plus", "bar"]
Anchor = Literal["start", "middle", "end"]
_STEP_SHAPES: tuple[Shape, ...] = ("square", "up", "down", "cross", "plus", "bar")


@dataclass(frozen=True)
class Reading:
    """A figure as a document gave it, from `low` to `high` in its unit (equal where it is no range).

    `day` is when it was said, `tier` its place among the figures said together. `words` are the figure in words,
    `says` all that a listener needs, `link` leads to the sentence. `past`: it does not hold any more.
    """

    kind: Kind
    tier: int
    day: date
    low: float
    high: float
    words: str
    says: str
    link: str
    deadline: date | None = None
    past: bool = False

    @property
    def at(self) -> date:
        """Where it stands in time: a target at its deadline."""
        return self.deadline if self.kind == "target" and self.deadline else self.day

    @property
    def look(self) -> str:
        """The class that colours it; steps differ by tier."""
        return f"step-{self.tier % TIERS + 1}" if self.kind == "subsidy" else self.kind

    @property
    def shape(self) -> Shape:
        if self.kind == "subsidy":
            return _STEP_SHAPES[self.tier % TIERS]
        return "diamond" if self.kind == "target" else "circle"


@dataclass(frozen=True)
class Line:
    """From (x1, y1) to (x2, y2), in percent across and pixels down."""

    x1: float
    y1: float
    x2: float
    y2: float
    look: str


@dataclass(frozen=True)
class Box:
    """A range: `width` in percent; 0 is drawn as a bar of a few pixels around `x`."""

    x: float
    y: float
    width: float
    height: float
    look: str


@dataclass(frozen=True)
class Mark:
    """A figure's place, and the way to its sentence."""

    x: float
    y: float
    shape: Shape
    look: str
    says: str
    link: str
    hollow: bool = False


@dataclass(frozen=True)
class Words:
    x: float
    y: float
    text: str
    anchor: Anchor
    look: str


@dataclass(frozen=True)
class Sign:
    """A line of the legend."""

    shape: Shape
    look: str
    kind: Kind
    tier: int | None


@dataclass(frozen=True)
class Drawing:
    """All that is to be drawn, back to front, in `height` pixels."""

    height: int
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    words: tuple[Words, ...]
    signs: tuple[Sign, ...] = ()
    hollow: bool = False


# --- scales ---------------------------------------------------------------------------------------------------


def ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Round numbers from at or below `low` to at or above `high`, at most `most` of them (2 or more).

    >>> ticks(0, 72.1)
    (0.0, 20.0, 40.0, 60.0, 80.0)
    """
    # Numbers closer together than floats tell apart would all fall on one tick.
    span = max((high - low) or abs(high), abs(low) * 1e-9, abs(high) * 1e-9, 1e-6)
    step = 10.0 ** math.floor(math.log10(span / max(most - 1, 1)))
    for size in (1, 2, 2.5, 5, 10, 20, 25, 50, 100):
        first, last = math.floor(low / (step * size) + 1e-9), math.ceil(high / (step * size) - 1e-9)
        if last - first < most:
            step *= size
            break
    return tuple(round(n * step, 10) for n in range(first, max(last, first + 1) + 1))


def value_ticks(lows: Iterable[float], highs: Iterable[float], unit: str) -> tuple[float, ...]:
    """The ticks of an axis. It begins at zero unless all figures lie far above, and ends a percentage at 100."""
    low, high = min(lows), max(highs)
    found = ticks(0.0 if 0 <= low <= high * 2 / 3 else low, high)
    return tuple(t for t in found if t <= 100) if unit == "%" and high <= 100 and low < 100 else found


def tick_words(value: float, unit: str, language: str) -> str:
    """A tick's number: 5000, 1.2万, 3亿, 60%."""
    return number_words(value, language) + ("%" if unit == "%" else "")


def day_ticks(first: date, last: date, most: int = 5) -> tuple[tuple[date, str], ...]:
    """First days of years, quarters or months within two days, with their names; at most `most`."""
    months = (last.year - first.year) * 12 + last.month - first.month
    for step in (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200):
        starts = [n for n in range(first.year * 12 + first.month - 1, last.year * 12 + last.month) if n % step == 0]
        days = [day for n in starts if first <= (day := date(max(n // 12, 1), n % 12 + 1, 1)) <= last]
        if len(days) <= most and months // step <= most:
            return tuple((day, f"{day.year}" if step >= 12 else f"{day:%Y-%m}") for day in days)
    return ()


@dataclass(frozen=True)
class _Scales:
    first: date
    last: date
    low: float
    high: float

    def x(self, day: date) -> float:
        share = (day - self.first).days / max((self.last - self.first).days, 1)
        return round(LEFT + (RIGHT - LEFT) * share, 2)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(FLOOR - (FLOOR - TOP) * share, 1)


# --- over time ------------------------------------------------------------------------------------------------


def over_time(readings: Sequence[Reading], unit: str, today: date, language: str) -> Drawing:
    """Figures of one unit over time: rules in force as steps, targets as a line to their deadline, reports as points.

    `readings` is not empty. A range is drawn as a bar as high as it is wide.
    """
    told = sorted(readings, key=lambda r: (r.day, r.tier))
    marks_at = value_ticks((r.low for r in told), (r.high for r in told), unit)
    days = [r.day for r in told] + [r.at for r in told] + ([today] if any(r.kind == "subsidy" for r in told) else [])
    first, last = min(days), max(days)
    if (last - first).days < 60:
        first, last = first - timedelta(30), last + timedelta(30)
    scales = _Scales(first, last, marks_at[0], max(marks_at[-1], max(r.high for r in told)))
    lines = [*_grid(scales, marks_at), *_deadlines(told, scales), *_runs(told, scales, today)]
    axis = _axis_words(scales, marks_at, unit, language)
    marks = tuple(_mark(r, scales) for r in told)
    return Drawing(
        height=HEIGHT,
        boxes=tuple(_bars(told, scales, today)),
        lines=tuple(lines),
        marks=marks,
        words=(*axis, *_deadline_words(told, scales), *_labels(told, scales, axis)),
        signs=_signs(told),
        hollow=any(r.past for r in told),
    )


def _grid(scales: _Scales, values: Iterable[float]) -> Iterator[Line]:
    for value in values:
        yield Line(0, scales.y(value), 100, scales.y(value), "grid")


def _deadlines(told: Iterable[Reading], scales: _Scales) -> Iterator[Line]:
    for day in _days_due(told):
        yield Line(scales.x(day), TOP - 14, scales.x(day), FLOOR, "deadline")


def _days_due(told: Iterable[Reading]) -> list[date]:
    return sorted({r.deadline for r in told if r.kind == "target" and r.deadline and not r.past})


def _deadline_words(told: Sequence[Reading], scales: _Scales) -> Iterator[Words]:
    """The deadlines' dates above their lines; of two that would overlap, the later."""
    free = 101.0
    for day in reversed(_days_due(told)):
        words = _kept_inside(Words(scales.x(day), TOP - 20, day.isoformat(), "middle", "deadline"))
        left, right = _extent(words)
        if right <= free:
            free = left
            yield words


def _runs(told: Sequence[Reading], scales: _Scales, today: date) -> Iterator[Line]:
    """The lines between figures."""
    for look, of_look in _by_look(told):
        if of_look[0].kind == "subsidy":
            yield from _steps(of_look, scales, today, look)
        elif of_look[0].kind == "target":
            yield from (
                Line(scales.x(r.day), scales.y(r.high), scales.x(r.at), scales.y(r.high), f"run {look}")
                for r in of_look
            )
        else:
            held = [r for r in of_look if not r.past]
            for a, b in pairwise(held):
                ends = scales.x(a.day), scales.y(_middle(a)), scales.x(b.day), scales.y(_middle(b))
                yield Line(*ends, f"run {look}")


def _by_look(told: Sequence[Reading]) -> list[tuple[str, list[Reading]]]:
    ordered = sorted(told, key=lambda r: (r.look, r.day))
    return [(look, list(group)) for look, group in groupby(ordered, key=lambda r: r.look)]


def _steps(told: Sequence[Reading], scales: _Scales, today: date, look: str) -> Iterator[Line]:
    """A rule holds until the next one; the last until today, unless it holds no more."""
    for reading, until in _spans(told, today):
        y = scales.y(_middle(reading))
        yield Line(scales.x(reading.day), y, scales.x(until), y, f"run {look}")
    for a, b in pairwise(told):
        yield Line(scales.x(b.day), scales.y(_middle(a)), scales.x(b.day), scales.y(_middle(b)), f"run {look}")


def _spans(told: Sequence[Reading], today: date) -> Iterator[tuple[Reading, date]]:
    for reading, following in pairwise([*told, None]):
        if reading is not None:
            end = following.day if following else (reading.day if reading.past else max(today, reading.day))
            yield reading, end


def _bars(told: Sequence[Reading], scales: _Scales, today: date) -> Iterator[Box]:
    for look, of_look in _by_look(told):
        for reading, until in _spans(of_look, today):
            if reading.low < reading.high:
                x, top = scales.x(reading.at), scales.y(reading.high)
                width = scales.x(until) - x if reading.kind == "subsidy" else 0.0
                yield Box(x, top, max(width, 0.0), scales.y(reading.low) - top, f"range {look}")


def _middle(reading: Reading) -> float:
    return (reading.low + reading.high) / 2


def _mark(reading: Reading, scales: _Scales) -> Mark:
    value = reading.high if reading.kind == "target" else _middle(reading)
    x, y = scales.x(reading.at), scales.y(value)
    return Mark(x, y, reading.shape, reading.look, reading.says, reading.link, reading.past)


def _axis_words(scales: _Scales, values: Iterable[float], unit: str, language: str) -> tuple[Words, ...]:
    down = [Words(0, scales.y(v) - 5, tick_words(v, unit, language), "start", "axis") for v in values]
    days = day_ticks(scales.first, scales.last)
    return (*down, *(Words(scales.x(day), HEIGHT - 12, name, "middle", "axis") for day, name in days))


def _labels(told: Sequence[Reading], scales: _Scales, taken: Iterable[Words]) -> Iterator[Words]:
    """The figures in words beside their marks, the latest first, as many as find room on a phone.

    The table below says all of them; a label that hides another would say neither.
    """
    kept = list(taken)
    places = [(mark.x, mark.y) for mark in (_mark(r, scales) for r in told)]
    for reading, (x, y) in sorted(zip(told, places, strict=True), key=lambda p: (p[0].past, -p[0].at.toordinal())):
        for dy in (-13, 25):
            words = _kept_inside(Words(x, y + dy, reading.words, "middle", "value"))
            clear = TOP - 8 < words.y < FLOOR and not any(_overlap(words, other) for other in kept)
            if clear and not any(_covers(words, at) for at in places if at != (x, y)):
                kept.append(words)
                yield words
                break


def _extent(words: Words) -> tuple[float, float]:
    """Where words begin and end, in percent of a narrow plot."""
    pixels = sum(CHARACTER if ord(c) > 0x2000 else CHARACTER * 0.58 for c in words.text)
    width = pixels / NARROW * 100
    left = words.x - {"start": 0.0, "middle": width / 2, "end": width}[words.anchor]
    return left, left + width


def _kept_inside(words: Words) -> Words:
    left, right = _extent(words)
    if right > 100:
        return replace(words, x=100.0, anchor="end")
    return replace(words, x=0.0, anchor="start") if left < 0 else words


def _overlap(a: Words, b: Words) -> bool:
    (a1, a2), (b1, b2) = _extent(a), _extent(b)
    return a1 < b2 + 1 and b1 < a2 + 1 and abs(a.y - b.y) < CHARACTER + 3


def _covers(words: Words, at: tuple[float, float]) -> bool:
    left, right = _extent(words)
    return left - 2 < at[0] < right + 2 and words.y - CHARACTER - 5 < at[1] < words.y + 7


def _signs(told: Sequence[Reading]) -> tuple[Sign, ...]:
    """The legend: targets, reports, and the tiers of a rule by number where there are several."""
    tiers = len({r.look for r in told if r.kind == "subsidy"})
    first = {look: of_look[0] for look, of_look in _by_look(told)}
    return tuple(
        Sign(r.shape, look, r.kind, r.tier % TIERS + 1 if r.kind == "subsidy" and tiers > 1 else None)
        for look, r in first.items()
    )


# --- regions side by side -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A region's figure or tiers, each (low, high, link)."""

    name: str
    words: str
    says: str
    figures: tuple[tuple[float, float, str], ...]
    counted: bool = True


def side_by_side(bars: Sequence[Bar], unit: str, median: float | None, language: str) -> Drawing:
    """A row for each region: a bar from zero to its highest figure, a mark at each figure, a thick bar over a
    range, hollow marks where the row does not count; a line through all rows at `median`."""
    lows = [low for bar in bars for low, _, _ in bar.figures]
    highs = [high for bar in bars for _, high, _ in bar.figures]
    values = ticks(min(0.0, *lows), max(0.0, *highs), 4)
    height = ROW * len(bars) + 40

    def x(value: float) -> float:
        return round(1.5 + 96.0 * (value - values[0]) / (values[-1] - values[0]), 2)

    lines = [Line(x(v), 0, x(v), height - 24, "grid") for v in values]
    boxes: list[Box] = []
    marks: list[Mark] = []
    words = [_kept_inside(Words(x(v), height - 6, tick_words(v, unit, language), "middle", "axis")) for v in values]
    for number, bar in enumerate(bars):
        top, y = ROW * number, ROW * number + LOW_ROW
        words.append(Words(0, top + 20, bar.name, "start", "name"))
        words.append(Words(100, top + 20, bar.words, "end", "value"))
        highest = max(high for _, high, _ in bar.figures)
        boxes.append(Box(x(0.0), y - 3, x(highest) - x(0.0), 6, "reach"))
        for tier, (low, high, link) in enumerate(bar.figures):
            if low < high:
                boxes.append(Box(x(low), y - 7, x(high) - x(low), 14, f"range step-{tier % TIERS + 1}"))
            shape = _STEP_SHAPES[tier % TIERS]
            marks.append(Mark(x(high), y, shape, f"step-{tier % TIERS + 1}", bar.says, link, not bar.counted))
    if median is not None:
        lines.append(Line(x(median), 0, x(median), height - 24, "median"))
    return Drawing(height, tuple(boxes), tuple(lines), tuple(marks), tuple(words))
