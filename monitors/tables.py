"""Figures in tables: a run of lines whose cells are joined by bars.

`↑` stands for a cell that a row span continues from above, `←` for one that a column span continues from the left. A
unit may stand in the cell, in the head of its column, in a column of units, or in the caption above the table.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from monitors.numerals import MULTIPLIERS, chinese_number, round_value
from monitors.quantities import Quantity, base_named, ordered_rates, rates_named, sort_of_unit
from monitors.structure import Paragraph
from monitors.vocabulary import alternation, canonical_units, measure_words, words
from storage.records import Bound

_CATALOGUE = re.compile(r"索引号|发布日期|公开方式|发布机构|发文机关|主题分类|有效性|成文日期|联系电话")
_RULER = re.compile(r"[-:|=+]*")
_BARE = re.compile(
    r"[\[【(]?(?P<bound>[≥≤><]=?|不低于|不少于|不超过|最高|至少|约"
    r"|近)?(?P<low>\d+(?:\.\d+)?)(?:[-~至](?P<high>\d+(?:\.\d+)?))?(?P<after>以上|以内|以下|左右)?[\]】)]?"
)
_BOUNDS: dict[str, Bound] = {
    "≥": ">=",
    ">=": ">=",
    "≤": "<=",
    "<=": "<=",
    ">": ">",
    "<": "<",
    "不低于": ">=",
    "不少于": ">=",
    "至少": ">=",
    "不超过": "<=",
    "最高": "<=",
    "约": "~",
    "近": "~",
    "以上": ">=",
    "以内": "<=",
    "以下": "<=",
    "左右": "~",
}
_UNIT = re.compile(r"(?:单位:?|[(:])(?P<unit>[^()|:。;]{1,14}?)(?=\)|$|\||。)")
_LABEL_UNIT = re.compile(r"\((?P<unit>[^()]{1,14})\)[*△□]?$")  # a row's unit, behind its name: 参保率(%)
_BODIES = re.compile(r"(?:责任|牵头|配合|实施|主管|落实)(?:单位|部门|主体)")
_TIME_LIMIT = re.compile(r"(?:完成|办结)?(?:时限|期限)|(?:完成|预计)时间")
_DUTIES = re.compile(rf"{_BODIES.pattern}|{_TIME_LIMIT.pattern}")
_NUMBERING = re.compile(rf"序号|属性|编号|备注|说明|文件|依据|电话|日期|时间$|{_BODIES.pattern}|{_TIME_LIMIT.pattern}")
_GENERIC_HEAD = re.compile(
    r"^(?:标准|金额|数量|数值|计划数?|任务数?|补贴标准|补助标准|保障标准|小计|合计"
    r"|(?:到|至)?(?:20\d\d年?|“?[一二三四五六七八九十]{1,3}五”?)?(?:期?[底末])?(?:预期|规划|实际)?"
    r"(?:目标|基期|基数|基准|现状|完成|实际|达到|预期|规划|计划|指标)?(?:值|数|情况)?)?$"
)
_YEAR_ALONE = re.compile(r"20\d\d年?(?:底|末)?|“?[一二三四五六七八九十]{1,3}五”?期?末")
_CLASS = re.compile(r"(?:指标)?(?:类别|分类|领域|大类|维度|类型|方面)")
_NO_ROW = re.compile(
    r"^(?:-+|/|无|不[设限][一-鿿]{0,2}|序号|\d{1,3}|[一二三四五六七八九十]{1,3}|\([一二三四五六七八九十]{1,3}\)|[□、.]*)$"
)


_SUM = re.compile(r"合计|总计|小计|累计")
_YEAR_ROW = re.compile(r"(?:到|至)?20\d\d年?度?(?:底|末|目标)?")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its printed span and the words that hold for it (those of the cell that spans into it)."""

    start: int
    end: int
    words: str
    printed: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A figure of a table with the words that place it: labels of its row, head of its column, caption."""

    quantity: Quantity
    labels: tuple[str, ...]
    head: str
    caption: str
    row: tuple[int, int]
    planned_year: int | None = None  # the last of the years that the table's columns name, if there are several
    reported: bool = False  # its column is a bare year beside columns of targets: what stood then

    @property
    def row_year(self) -> int | None:
        """The year that the row stands for, where it has no other label."""
        return year_named(self.labels[0]) if len(self.labels) == 1 and _YEAR_ROW.fullmatch(self.labels[0]) else None

    @property
    def subject(self) -> str:
        """Row label and column head as one name. A row for a year is named by its columns, and so is a row of sums."""
        head = re.sub(r"\([^()]*\)|单位:?.*$", "", self.head)
        labels = [_LABEL_UNIT.sub("", label) if _label_unit([label]) else label for label in self.labels]
        parts = [*labels, "" if _GENERIC_HEAD.match(head) and self.labels else head]
        if len(parts) == 2 and parts[1] and (self.row_year or _SUM.fullmatch(parts[0])):
            parts = [parts[1], "" if self.row_year else parts[0]]
        return "".join(dict.fromkeys(part for part in parts if part))[:60] or self.caption[:30]


def is_row(text: str, start: int, end: int) -> bool:
    """Whether the line `text[start:end]` is a row of a table."""
    return "|" in text[start : min(end, start + 4000)]


_LONGEST_CELL = 900  # what reaches farther is no cell
_RUNNING = re.compile(r"[,;。]|" + alternation(words("time", "doing")))


def running_cell(text: str, position: int, row: tuple[int, int]) -> tuple[int, int] | None:
    """The cell of a row around a position if it holds running text, which says of itself what its figures are of."""
    first, last = max(row[0], position - _LONGEST_CELL), min(row[1], position + _LONGEST_CELL)
    start = max(text.rfind("|", first, position) + 1, first)
    end = text.find("|", position, last)
    end = last if end < 0 else end
    words_ = len(re.findall(r"[一-鿿]", text[start : min(end, start + 60)]))
    running = words_ >= 8 and _RUNNING.search(text, start, end) and not _named_with_unit(text[start:end])
    return (start, end) if running else None


def _named_with_unit(cell: str) -> bool:
    """Whether a cell is a name that its unit closes, whatever numbers it holds: 年收入50万元以上的村(个)."""
    found = _LABEL_UNIT.search(cell)
    return bool(found and _unit(found["unit"]) and not re.search(r"[,;。]", cell) and re.match(r"[一-鿿“]", cell))


def read_tables(text: str, paragraphs: Sequence[Paragraph], quantities: Sequence[Quantity]) -> Iterator[Entry]:
    """The figures of all tables of a normalised text, in text order. Tables of catalogue data hold none."""
    at = 0
    by_start = sorted(quantities, key=lambda q: q.number)
    while at < len(paragraphs):
        if not is_row(text, paragraphs[at].start, paragraphs[at].end):
            at += 1
            continue
        first = at
        while at < len(paragraphs) and is_row(text, paragraphs[at].start, paragraphs[at].end):
            at += 1
        caption = "".join(_caption_line(text, p) for p in paragraphs[max(0, first - 3) : first])
        lines = [(p.start, p.end) for p in paragraphs[first:at]]
        if not _CATALOGUE.search(text, lines[0][0], min(lines[-1][1], lines[0][0] + 400)):
            yield from _table(text, _grid(text, lines), caption, _within(by_start, lines[0][0], lines[-1][1]))


def duties(text: str, paragraphs: Sequence[Paragraph]) -> Iterator[tuple[tuple[int, int], str, str]]:
    """Rows of tables that have a column of responsible bodies or of time limits: span, bodies and limit in words."""
    heads: list[str] = []
    for paragraph in paragraphs:
        if not is_row(text, paragraph.start, paragraph.end):
            heads = []
            continue
        if not heads and not _DUTIES.search(text, paragraph.start, paragraph.end):
            continue
        cells = _grid(text, [(paragraph.start, paragraph.end)])
        if not cells:
            continue
        row = [cell.words for cell in cells[0]]
        if any(_BODIES.fullmatch(word) or _TIME_LIMIT.fullmatch(word) for word in row):
            heads = row
        elif heads:
            bodies = "、".join(word for head, word in zip(heads, row, strict=False) if _BODIES.fullmatch(head))
            limit = next((word for head, word in zip(heads, row, strict=False) if _TIME_LIMIT.fullmatch(head)), "")
            yield (paragraph.start, paragraph.end), bodies, limit


def _caption_line(text: str, paragraph: Paragraph) -> str:
    return text[max(paragraph.start, paragraph.end - 70) : paragraph.end]


def _within(quantities: Sequence[Quantity], start: int, end: int) -> Sequence[Quantity]:
    """Those of the quantities, which are in text order, whose numbers stand in a stretch of text."""
    first = bisect_left(quantities, start, key=lambda q: q.number)
    return quantities[first : bisect_left(quantities, end, first, key=lambda q: q.number)]


def _grid(text: str, lines: list[tuple[int, int]]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    for start, end in lines:
        if _RULER.fullmatch(text[start:end]):
            continue
        row: list[Cell] = []
        for piece in re.finditer(r"[^|]*(?:\||$)", text[start:end]):
            if piece.start() == end - start and row:
                break
            printed = piece[0].removesuffix("|")
            words = printed
            if printed == "↑" and rows and len(row) < len(rows[-1]):
                words = rows[-1][len(row)].words
            elif printed == "←" and row:
                words = row[-1].words
            row.append(Cell(start + piece.start(), start + piece.start() + len(printed), words, printed))
        rows.append(row)
    return rows


def _table(text: str, rows: list[list[Cell]], caption: str, quantities: Sequence[Quantity]) -> Iterator[Entry]:
    heads = _head_rows(rows, quantities)
    columns = max((len(row) for row in rows), default=0)
    names = ["".join(dict.fromkeys(row[c].words for row in rows[:heads] if c < len(row))) for c in range(columns)]
    units = next((c for c, name in enumerate(names) if re.fullmatch(r"(?:计量)?单位", name)), None)
    planned = any(re.search(r"目标|计划|任务", name) for name in names)
    base = _base_year(names)
    years = [year for name in names if (year := year_named(name))]
    planned_year = max(years) if len(set(years)) > 1 else None
    # Beside a column of indicators, one of their classes (基本保障, 服务供给) names none of them.
    classes = (
        {i for i, name in enumerate(names) if _CLASS.fullmatch(name)} if any("指标" in n for n in names) else set()
    )
    for row in rows[heads:]:
        labels = tuple(
            c.words
            for i, c in enumerate(row)
            if i != units and i not in classes and _labels(c, names[i], quantities, i < (units or 0))
        )
        for i, cell in enumerate(row):
            if _NUMBERING.search(names[i]) or cell.printed in ("", "↑", "←") or i == units:
                continue
            if cell.words in labels:
                continue
            for quantity in _cell_quantities(
                text,
                cell,
                names[i],
                labels,
                row[units].words if units is not None and units < len(row) else "",
                caption,
                quantities,
            ):
                placed = tuple(label for label in labels if label != cell.words)[:4]
                reported = (planned and bool(_YEAR_ALONE.fullmatch(names[i]))) or i == base
                yield Entry(quantity, placed, names[i], caption, (row[0].start, row[-1].end), planned_year, reported)


_PLAN_PERIOD = re.compile(r"([一二三四五六七八九十]{1,3})五(?:”|期|末|时)")


def year_named(head: str) -> int | None:
    """The year that a column stands for, also as the end of a planning period (“十五五”目标 → 2030)."""
    if found := re.search(r"20\d\d", head):
        return int(found[0])
    period = _PLAN_PERIOD.search(head)
    number = chinese_number(period[1]) if period else None
    return 2025 + 5 * (number - 14) if number and 10 <= number <= 30 else None


def _base_year(names: list[str]) -> int | None:
    """The column of the year that a plan starts from: the first of two years that lie a planning period apart."""
    years = sorted((year, i) for i, name in enumerate(names) if _YEAR_ALONE.match(name) and (year := year_named(name)))
    apart = len(years) > 1 and years[1][0] - years[0][0] >= 3 and "目标" not in names[years[0][1]]
    return years[0][1] if apart else None


def _head_rows(rows: list[list[Cell]], quantities: Sequence[Quantity]) -> int:
    """How many rows at the top hold no figure: they are the head, if figures follow."""
    count = 0
    for row in rows[:4]:
        if any(_BARE.fullmatch(c.words) for c in row) or _within(quantities, row[0].start, row[-1].end):
            break
        count += 1
    return min(count, max(1, len(rows) - 1)) if count else 0


def _labels(cell: Cell, head: str, quantities: Sequence[Quantity], unit_follows: bool) -> bool:
    if _NO_ROW.match(cell.words) or _NUMBERING.search(head) or _BARE.fullmatch(cell.words) or cell.printed == "←":
        return False
    if len(cell.words) > 40:
        return False
    named = _named_with_unit(cell.words) or (unit_follows and re.match(r"[一-鿿“][^,;。]*$", cell.words))
    return bool(named) or not _within(quantities, cell.start, cell.end)


_GROWTH = re.compile(r"年均(?:增速|增长率?|增幅)|增速|增长率")


def _cell_quantities(
    text: str,
    cell: Cell,
    head: str,
    labels: Sequence[str],
    row_unit: str,
    caption: str,
    quantities: Sequence[Quantity],
) -> Iterator[Quantity]:
    own = _within(quantities, cell.start, cell.end)
    if own and running_cell(text, own[0].number, (cell.start, cell.end)):
        return
    if own:
        yield from (_with_rate_of(q, head + caption) for q in own)
        return
    found = _BARE.fullmatch(cell.printed)
    unit = (1.0, "%") if found and _GROWTH.search(head) and "%" not in row_unit else _unit(row_unit)
    unit = unit or _label_unit(labels) or _head_unit(head) or _head_unit(caption)
    if not found or not unit:
        return
    scale, name = unit
    if "/" not in name and (base := next((b for label in labels if (b := base_named(label))), "")):
        name = f"{name}/{base}"
    if name == "元" and (rates := rates_named(head)):
        name = "/".join([name, *ordered_rates(rates)])
    low = float(found["low"]) * scale
    high = float(found["high"]) * scale if found["high"] else None
    bound = _BOUNDS.get(found["bound"] or "", _BOUNDS.get(found["after"] or "", "="))
    yield Quantity(
        cell.start,
        cell.end,
        cell.start,
        cell.end,
        None if high is not None else round_value(low),
        None if high is None else round_value(low),
        None if high is None else round_value(high),
        name,
        bound,
        sort_of_unit(name),
    )


def _with_rate_of(quantity: Quantity, head: str) -> Quantity:
    """An amount whose cell names no rate takes the one that the head or caption names (每人每月, 元/人/月)."""
    if quantity.sort != "money" or "/" in quantity.unit:
        return quantity
    unit = _head_unit(head)
    rates = unit[1].split("/")[1:] if unit and unit[1].startswith("元/") else rates_named(head)
    return quantity if not rates else replace(quantity, unit="/".join([quantity.unit, *ordered_rates(rates)]))


def _head_unit(words: str) -> tuple[float, str] | None:
    """The unit that a head or caption announces: (元/人/月), 单位:万元."""
    for found in reversed(list(_UNIT.finditer(words))):
        unit = _unit(found["unit"])
        if unit:
            return unit
    return None


def _label_unit(labels: Sequence[str]) -> tuple[float, str] | None:
    """The unit in brackets behind the name of a row: 护理型床位占比(%)."""
    for label in reversed(labels):
        found = _LABEL_UNIT.search(label)
        if found and (unit := _unit(found["unit"])):
            return unit
    return None


def _unit(words: str) -> tuple[float, str] | None:
    """A unit in words with its scale: 万元/年 → (10000, 元/年). None where the words are no unit."""
    scale = 1.0
    for name, factor in sorted(MULTIPLIERS.items(), key=lambda item: -len(item[0])):
        if words.startswith(name) and not measure_words().match(words):
            scale, words = factor, words[len(name) :]
            break
    found = measure_words().match(words)
    if not found:
        return None
    rest = words[found.end() :]
    per = [p for p in re.split(r"[/·.每()]", rest) if p]
    if rest and not re.fullmatch(r"(?:[/·.每(]?[一-鿿]{1,3}\)?)*", rest):
        return None
    if rest and rest[0] not in "/·每(":
        return None
    name = canonical_units().get(found[0], found[0])
    return scale, "/".join([name, *ordered_rates(per)]) if per else name
