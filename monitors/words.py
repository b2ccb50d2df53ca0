"""Figures in words, as alerts and pages print them, in Chinese ("zh") or English ("en").

The bound is said as the source said it (不低于70%, 90%以上, 7000余张); where the quote does not hold the word
(it may stand outside), in one standard word.
"""

from __future__ import annotations

import re

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
# What is counted or paid for, one and many. What is not here stays as the document has it. Messages that are written
# for a reader of another language than the service's (`notify/phrases.py`) have the same words.
_ENGLISH_UNITS: dict[str, tuple[str, str]] = {
    "元": ("yuan", "yuan"), "美元": ("US dollar", "US dollars"), "港元": ("Hong Kong dollar", "Hong Kong dollars"),
    "人": ("person", "people"), "名": ("person", "people"), "生": ("student", "students"), "孩": ("child", "children"),
    "人次": ("person-time", "person-times"), "户次": ("household-time", "household-times"),
    "人天": ("person-day", "person-days"), "人日": ("person-day", "person-days"), "床日": ("bed-day", "bed-days"),
    "张": ("bed", "beds"), "床": ("bed", "beds"), "床位": ("bed", "beds"), "户": ("household", "households"),
    "学位": ("school place", "school places"), "托位": ("childcare place", "childcare places"),
    "席位": ("seat", "seats"), "家": ("institution", "institutions"), "所": ("institution", "institutions"),
    "个": ("", ""), "项": ("item", "items"), "件": ("item", "items"), "条": ("item", "items"),
    "种": ("kind", "kinds"), "类": ("category", "categories"), "份": ("copy", "copies"), "册": ("volume", "volumes"),
    "处": ("place", "places"), "站": ("station", "stations"), "座": ("building", "buildings"),
    "栋": ("building", "buildings"), "幢": ("building", "buildings"), "层": ("floor", "floors"),
    "套": ("flat", "flats"), "间": ("room", "rooms"), "班": ("class", "classes"),
    "台": ("device", "devices"), "部": ("device", "devices"), "辆": ("vehicle", "vehicles"),
    "次": ("time", "times"), "场": ("event", "events"), "场次": ("event", "events"), "批": ("batch", "batches"),
    "批次": ("batch", "batches"), "餐": ("meal", "meals"), "例": ("case", "cases"), "起": ("case", "cases"),
    "倍": ("times", "times"), "个月": ("month", "months"), "月": ("month", "months"), "年": ("year", "years"),
    "日": ("day", "days"), "天": ("day", "days"), "周": ("week", "weeks"), "季度": ("quarter", "quarters"),
    "工作日": ("working day", "working days"), "个工作日": ("working day", "working days"),
    "学年": ("school year", "school years"), "学期": ("term", "terms"), "学时": ("class hour", "class hours"),
    "课时": ("class hour", "class hours"), "小时": ("hour", "hours"), "分钟": ("minute", "minutes"),
    "岁": ("year", "years"), "周岁": ("year", "years"), "分": ("point", "points"), "亩": ("mu", "mu"),
    "公顷": ("ha", "ha"), "平方米": ("m²", "m²"), "平方公里": ("km²", "km²"), "立方米": ("m³", "m³"), "米": ("m", "m"),
    "公里": ("km", "km"), "千米": ("km", "km"), "吨": ("t", "t"), "千克": ("kg", "kg"), "公斤": ("kg", "kg"),
    "斤": ("jin", "jin"), "克": ("g", "g"), "毫克": ("mg", "mg"), "微克": ("µg", "µg"), "升": ("L", "L"),
    "千瓦": ("kW", "kW"), "千瓦时": ("kWh", "kWh"), "兆瓦": ("MW", "MW"),
    "pp": ("percentage point", "percentage points"), "1": ("", ""),
}  # fmt: skip
_PER_MANY = re.compile(r"(\d{0,9})([百千万]?)(.*)", re.ASCII | re.DOTALL)
_SIZES = {"": 1, "百": 100, "千": 1000, "万": 10_000}
_INSIDE = frozenset("余多")  # these stand between the number and its measure word


def figure_words(figure: Figure, language: str = "zh") -> str:
    """A figure as a reader says it: 5000元/张, 5万元至20万元/个/年, 不低于70%, 7000余张, 近40万人."""
    if language == "en":
        return _in_english(figure)
    unit, per = _unit(figure.unit)
    if figure.value is None:
        low, high = (number_words(end or 0.0) for end in (figure.min, figure.max))
        body = f"{low}{unit}至{high}{unit}"
    else:
        body = f"{number_words(figure.value)}{unit}"
    return _bounded(figure, body, unit) + per


def _in_english(figure: Figure) -> str:
    ends = (figure.min or 0.0, figure.max or 0.0) if figure.value is None else (figure.value,)
    numbers = "–".join(number_words(end, "en") for end in ends)
    unit = _english_unit(figure.unit, one=ends == (1,))
    gap = " " if unit and not unit.startswith(("%", "‰")) else ""
    return f"{_ENGLISH_BOUNDS[figure.bound]}{numbers}{gap}{unit}"


def _english_unit(unit: str, *, one: bool) -> str:
    """`unit` of the contract as English says it; `one` of what is counted.

    >>> _english_unit("元/床/月", one=False), _english_unit("名/2万人", one=True), _english_unit("艘", one=False)
    ('yuan per bed per month', 'person per 20,000 people', '艘')
    """
    counted, *per = unit.split("/")
    told = [_ENGLISH_UNITS.get(counted, (counted, counted))[not one]]
    for each in per:
        many, size, name = _PER_MANY.fullmatch(each).groups()  # type: ignore[union-attr]  # it fits whatever stands there
        if size + name in _ENGLISH_UNITS:  # 千瓦 is no thousand
            size, name = "", size + name
        number = int(many or 1) * _SIZES[size]
        word = ("item", "items") if name == "个" else _ENGLISH_UNITS.get(name, (name, name))
        told.append(" ".join(filter(None, ("per", f"{number:,}" if number > 1 else "", word[number > 1]))))
    return " ".join(filter(None, told))


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


def _unit(unit: str) -> tuple[str, str]:
    """The unit that follows the number, and what it is per."""
    base, *per = unit.split("/")
    return "个百分点" if base == "pp" else base, "".join("/" + part for part in per)


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
