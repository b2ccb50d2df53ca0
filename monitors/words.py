"""Figures in words, as alerts and pages print them, in Chinese ("zh") or English ("en").

The bound is said as the source said it (不低于70%, 90%以上, 7000余张); where the quote does not hold the word
(it may stand outside), in one standard word.
"""

from __future__ import annotations

from storage.records import Figure

# Words of a bound as sources print them, and whether they stand before (True) or after the number.
_BOUND_WORDS: dict[str, tuple[tuple[str, bool], ...]] = {
    ">=": (
        ("不低于", True),
        ("不少于", True),
        ("不小于", True),
        ("至少", True),
        ("以上", False),
        ("余", False),
        ("多", False),
    ),
    "<=": (
        ("不超过", True),
        ("最高", True),
        ("不高于", True),
        ("上限", True),
        ("以内", False),
        ("以下", False),
    ),
    ">": (("突破", True), ("超过", True), ("超", True), ("逾", True)),
    "<": (("低于", True), ("不到", True), ("不足", True)),
    "~": (("近", True), ("约", True), ("左右", False)),
}
_ENGLISH_BOUNDS = {
    ">=": "at least ",
    "<=": "up to ",
    ">": "more than ",
    "<": "less than ",
    "~": "about ",
    "=": "",
}
_ENGLISH_TIMES = {"年": "year", "月": "month", "日": "day", "周": "week", "季度": "quarter"}
_INSIDE = frozenset("余多")  # these stand between the number and its measure word


def figure_words(figure: Figure, language: str = "zh") -> str:
    """A figure as a reader says it: 5000元/张, 5万元至20万元/个/年, 不低于70%, 7000余张, 近40万人."""
    unit, per = _unit(figure.unit, language)
    if figure.value is None:
        low, high = (number_words(end or 0.0, language) for end in (figure.min, figure.max))
        body = f"{low}{unit}–{high}{unit}" if language == "en" else f"{low}{unit}至{high}{unit}"
    else:
        body = f"{number_words(figure.value, language)}{unit}"
    if language == "en":
        return _ENGLISH_BOUNDS[figure.bound] + body + per
    return _bounded(figure, body, unit) + per


def _bounded(figure: Figure, body: str, unit: str) -> str:
    choices = _BOUND_WORDS.get(figure.bound)
    if not choices:
        return body
    word, before = next((c for c in choices if c[0] in figure.quote), choices[0])
    if before:
        return word + body
    if word in _INSIDE and unit and not unit.startswith(("%", "个百分点")):
        return body[: len(body) - len(unit)] + word + unit
    return body + word


def _unit(unit: str, language: str) -> tuple[str, str]:
    """The unit that follows the number, and what it is per."""
    base, *per = unit.split("/")
    if language == "en":
        base = {"%": "%", "pp": " percentage points", "元": " yuan"}.get(base, " " + base)
        per = [_ENGLISH_TIMES.get(part, part) for part in per]
    elif base == "pp":
        base = "个百分点"
    return base, "".join("/" + part for part in per)


def number_words(value: float, language: str = "zh") -> str:
    """A number with 万 or 亿 where that is shorter and exact (50000 → 5万); in English with commas."""
    if language == "en":
        return _plain(value, ",")
    for size, word in ((1e8, "亿"), (1e4, "万")):
        scaled = round(value / size, 4)
        if abs(value) >= size and abs(scaled * size - value) < 0.5 and len(_plain(scaled)) < len(_plain(value)):
            return _plain(scaled) + word
    return _plain(value)


def _plain(value: float, separator: str = "") -> str:
    text = f"{value:{separator}.4f}".rstrip("0").rstrip(".")
    return text or "0"


def step_words(before: Figure, after: Figure, language: str = "zh") -> str:
    """How far a figure went: "+20%" of a number, "+5个百分点" of a rate; "" where that says nothing."""
    if before.value is None or after.value is None or before.unit != after.unit or before.value == after.value:
        return ""
    step = after.value - before.value
    sign = "+" if step > 0 else "−"
    if before.unit in {"%", "pp"}:
        return f"{sign}{_plain(round(abs(step), 2))}" + (" percentage points" if language == "en" else "个百分点")
    if before.value == 0:
        return ""
    return f"{sign}{_plain(round(abs(step / before.value) * 100, 1))}%"
