"""From quantities to measures: every quantity is placed, judged, named, and tiers are put together."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from monitors import kinds, subjects, tables
from monitors.kinds import Setting
from monitors.normalise import Normalised, normalise
from monitors.numerals import chinese_number
from monitors.quantities import Quantity, find_quantities
from monitors.structure import (
    TEXT_LEVEL,
    Deadline,
    Genre,
    Paragraph,
    Responsibility,
    deadlines,
    dealt_years,
    genre_of,
    paragraphs,
    responsibilities,
    sentence_span,
    split_bodies,
)
from storage.records import Figure, Kind, Measure


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text on its way: normalised, with its structure."""

    source: str
    normal: Normalised
    genre: Genre
    year: int | None
    paragraphs: tuple[Paragraph, ...]
    starts: tuple[int, ...]
    responsibilities: tuple[Responsibility, ...]
    deadlines: dict[int, tuple[Deadline, ...]]
    limits: dict[int, date]  # of rows of tables with a column of time limits, by where they start

    def paragraph_at(self, position: int) -> Paragraph:
        return self.paragraphs[max(0, bisect_right(self.starts, position) - 1)]


@dataclass(frozen=True, slots=True)
class _Statement:
    """A measure in the making; its quantity still counts in normalised text."""

    kind: Kind
    subject: str
    quantity: Quantity
    deadline: date | None
    recipient: str | None
    condition: str | None
    bodies: tuple[str, ...]
    sentence: tuple[int, int]


def read_measures(text: str, title: str, published_on: date | None) -> tuple[Measure, ...]:
    """The measures of a text; `title` and `published_on` where they are known. See `monitors.extraction.extract`."""
    reading = _read(text, title, published_on)
    quantities = find_quantities(reading.normal.text)
    statements = [*_prose(reading, quantities), *_tabular(reading, quantities)]
    statements.sort(key=lambda statement: statement.quantity.number)
    return tuple(_measure(reading, group) for group in _grouped(statements))


def _read(source: str, title: str, published_on: date | None) -> _Reading:
    normal = normalise(source)
    year = published_on.year if published_on else _year_of(title) or _year_of(normal.text[:1500])
    if begins := _begin_of_period(title) or _begin_of_period(normal.text[:1500]):
        year = max(year or begins, begins)  # a plan that came out before its period tells of the time before it
    found = paragraphs(normal.text, year) or (Paragraph(0, len(normal.text), 9),)
    bodies, limits = _duties_of_rows(normal.text, found, year)
    closed = tuple(_as_printed(source, normal, item) for item in responsibilities(normal.text, found))
    return _Reading(
        source,
        normal,
        _genre(title, normal.text),
        year,
        found,
        tuple(p.start for p in found),
        tuple(sorted((*closed, *bodies), key=lambda item: item.end)) if bodies else closed,
        {},
        limits,
    )


def _duties_of_rows(
    text: str, found: tuple[Paragraph, ...], year: int | None
) -> tuple[list[Responsibility], dict[int, date]]:
    """Who answers for the rows of tables, and until when, where columns of their own say so."""
    bodies, limits = [], {}
    for (start, end), names, limit in tables.duties(text, found) if "|" in text else ():
        if split := split_bodies(names):
            bodies.append(Responsibility(start, end, split))
        if limit and (said := deadlines(limit + "前", Paragraph(0, len(limit) + 1, TEXT_LEVEL), year)) and said[-1].day:
            limits[start] = said[-1].day
    return bodies, limits


def _genre(title: str, text: str) -> Genre:
    """The kind of document by its title; by its first lines where the title says nothing (the trail of a page)."""
    told = genre_of(normalise(title).text, text) if title else "unknown"
    return genre_of("", text) if told == "unknown" else told


def _as_printed(source: str, normal: Normalised, item: Responsibility) -> Responsibility:
    """Responsible bodies with the characters of the source: its brackets, but not its spaces and line breaks."""
    names = []
    for name in item.names:
        at = normal.text.find(name, item.start, item.end)
        names.append(name if at < 0 else "".join(source[normal.source(i)] for i in range(at, at + len(name))))
    return replace(item, names=tuple(names))


_HEAD_YEAR = (
    re.compile(r"(20\d\d)年[^\n]{0,12}(?:工作报告|重点工作|民生实事|工作要点|工作计划|工作情况|工作总结|工作打算)"),
    re.compile(r"[〔\[(](20\d\d)[〕\])]第?\d+号"),
    re.compile(r"(?:发布|生成|成文|印发|公示|公告)(?:日期|时间|期)[:|]?(?:从|自)?(20\d\d)"),
    re.compile(r"(?m)(20\d\d)年\d{1,2}月\d{1,2}日$"),
    re.compile(r"(20\d\d)-\d\d-\d\d"),
    re.compile(r"(?m)(20\d\d)年度?[^\n。,]{0,40}(?:通知|公告|公示|通告|答复)$"),
    re.compile(r"(?m)(?:规划|方案|计划|纲要|意见|行动)[(（](20\d\d)年?[-—–~至到]{1,2}20\d\d年?[)）]"),
)


_PLAN_PERIOD = re.compile(
    r"(?m)^[^\n。,]{0,24}“([一二三四五六七八九十]{1,3})五”[^\n。,]{0,24}(?:规划|纲要|计划)(?:》|的通知|[(（][^()（）\n]{1,8}[)）])*$"
)


def _year_of(head: str) -> int | None:
    """The year in which a document speaks, from its head: what 今年 means, and what lies behind it."""
    found = next((m for pattern in _HEAD_YEAR if (m := pattern.search(head))), None)
    return int(found[1]) if found else None


def _begin_of_period(head: str) -> int | None:
    """The first year of the planning period that a plan is for: 2026 of a “十五五”规划."""
    planned = _PLAN_PERIOD.search(head)
    number = chinese_number(planned[1]) if planned else None
    return 2021 + 5 * (number - 14) if number and 10 <= number <= 30 else None


# --- running text -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """A quantity of running text among its neighbours."""

    quantity: Quantity
    paragraph: Paragraph
    sentence: tuple[int, int]
    clause: tuple[int, int]
    floor: int  # where the figure before it in the clause ends, else where the clause begins
    ceiling: int  # likewise to the right
    following: tuple[Quantity, ...]  # in the same sentence


def _prose(reading: _Reading, quantities: Sequence[Quantity]) -> Iterable[_Statement]:
    text = reading.normal.text
    plain = [q for q in quantities if not _in_table(reading, q) or _running_cell(reading, q)]
    said: list[_Statement] = []  # of the same sentence
    for index in range(len(plain)):
        place = _place(reading, plain, index)
        said = [] if said and said[-1].sentence != place.sentence else said
        statement = _statement(reading, place, said[-1] if said else None)
        if statement:
            if "分别" in text[place.sentence[0] : place.quantity.number]:
                statement = _dealt(text, place, plain, index, statement, said)
            said.append(statement)
            yield statement


def _in_table(reading: _Reading, quantity: Quantity) -> bool:
    paragraph = reading.paragraph_at(quantity.number)
    return tables.is_row(reading.normal.text, paragraph.start, paragraph.end)


def _running_cell(reading: _Reading, quantity: Quantity) -> tuple[int, int] | None:
    """The cell around a quantity of a table, if the cell holds running text."""
    paragraph = reading.paragraph_at(quantity.number)
    return tables.running_cell(reading.normal.text, quantity.number, (paragraph.start, paragraph.end))


_NEIGHBOURS = 12  # a sentence with more figures than this behind one is a list; the rest cannot change its reading


def _place(reading: _Reading, plain: Sequence[Quantity], index: int) -> _Place:
    quantity, text = plain[index], reading.normal.text
    paragraph = reading.paragraph_at(quantity.number)
    if _in_table(reading, quantity) and (cell := _running_cell(reading, quantity)):
        paragraph = replace(paragraph, start=cell[0], end=cell[1])
    sentence = sentence_span(text, quantity.number, paragraph)
    clause = subjects.clause_of(text, quantity, sentence)
    before = plain[index - 1].end if index else clause[0]
    following = tuple(q for q in plain[index + 1 : index + 1 + _NEIGHBOURS] if q.number < sentence[1])
    ceiling = min(clause[1], following[0].start) if following else clause[1]
    return _Place(quantity, paragraph, sentence, clause, max(before, clause[0]), ceiling, following)


def _dealt(
    text: str, place: _Place, plain: Sequence[Quantity], index: int, statement: _Statement, said: Sequence[_Statement]
) -> _Statement:
    """A statement with the subject and the year that 分别 deals out to its figure, `said` being those before it."""
    first = index
    while first > 0 and plain[first - 1].number >= place.clause[0]:
        first -= 1
    dealt = [q for q in plain[first : first + _NEIGHBOURS] if q.number < place.clause[1] or q.linked]
    clause = place.clause if first == index else subjects.clause_of(text, plain[first], place.sentence)
    turn, word = index - first, text.rfind("分别", place.sentence[0], plain[first].number)
    days = dealt_years(text, place.sentence[0], word)
    if statement.kind == "target" and len(days) == len(dealt):
        statement = replace(statement, deadline=days[turn])
    if statement.kind == "subsidy":
        return statement
    names = subjects.distributed(text, clause, dealt)
    if names and turn < len(names):
        return replace(statement, subject=names[turn])
    before = said[: len(said) - turn][-len(dealt) :]  # named in the clauses before: 分别达到12家和100%
    unnamed = not subjects.tidy(text[clause[0] : max(word, clause[0])])
    if unnamed and [s.quantity.unit for s in before] == [q.unit for q in dealt]:
        return replace(statement, subject=before[turn].subject)
    return statement


def _statement(reading: _Reading, place: _Place, last: _Statement | None) -> _Statement | None:
    """The statement that a quantity makes, or None where it is a condition, a contribution or a requisite.

    `last` is the statement before it in its sentence."""
    quantity, day = place.quantity, _deadline(reading, place.paragraph, place.quantity)
    carried = last is not None and last.kind == "subsidy" and last.quantity.sort == quantity.sort
    setting = Setting(
        reading.normal.text,
        place.sentence,
        place.clause,
        reading.genre,
        place.paragraph.mode,
        reading.year,
        day.year if day else None,
        place.paragraph.start,
        carried,
    )
    head = _list_head(reading, place.paragraph)
    money_follows = any(q.sort == "money" for q in place.following)
    figure_follows = any(q.number < place.clause[1] for q in place.following)
    if (
        _HEADS_OF_CONDITIONS.search(head)
        or kinds.is_contribution(setting, quantity)
        or kinds.is_condition(setting, quantity, money_follows, figure_follows)
    ):
        return None
    if last and last.kind == "subsidy" and _is_raise_explained(reading.normal.text, last.quantity, quantity):
        return None
    if last and (change := _change_of_last(reading.normal.text, last, place)):
        return replace(last, subject=subjects.changed(last.subject, change), quantity=quantity)
    listed = last is not None and quantity.linked and last.quantity.sort == quantity.sort
    kind = last.kind if last and listed else kinds.kind_of(setting, quantity)
    if (
        kind == "subsidy"
        and (kinds.governed_by_limit(setting, quantity) or (quantity.sort == "money" and kinds.limits(head)))
        and quantity.bound == "="
    ):
        quantity = replace(quantity, bound="<=")
        place = replace(place, quantity=quantity)
    if kind == "subsidy":
        return (
            replace(last, quantity=quantity)
            if last and listed and last.kind == "subsidy"
            else _benefit(reading, place, last)
        )
    said = _last_said(reading, place.paragraph, quantity)
    due = day if kind == "target" and not (said and said.told) else None
    return _plain(reading, place, kind, due, last.subject if last else "")


_COMPARED = re.compile(  # ,比2024年提高8个百分点; 属于紧缺工种的上浮20%
    r"(?:[一-鿿]{0,4},(?:同?比|较)(?:现在?|目前|当前|基期|上年|去年|[“一-鿿\d”]{0,10}?)"
    r"|[一-鿿]{0,10}[;,](?:对|属于)?[^,。;:\d]{2,20}的,?(?:按[^,。;\d]{2,8})?(?:再|可)?)"
    r"(?:分别)?(?P<change>提高|提升|增加|上升|上浮|下浮|增长|下降|降低)了?(?:约)?$"
)


def _change_of_last(text: str, last: _Statement, place: _Place) -> str:
    """The word for how far what was named just before moves, or nothing: 不低于65%,比2024年提高8个百分点.

    It is of the same kind, and of the same thing."""
    quantity = place.quantity
    if quantity.sort != "percent" or quantity.start <= last.quantity.end:
        return ""
    found = _COMPARED.fullmatch(text, last.quantity.end, quantity.start)
    if not found:
        return ""
    floats = found["change"] in ("上浮", "下浮") and last.kind == "subsidy"
    moves = quantity.unit == "pp" and last.quantity.sort == "percent" and last.quantity.unit != "pp"
    return found["change"] if floats or moves else ""


_RAISED_BY = re.compile(
    r"[一-鿿/]{0,4},(?:同比|比[上去]年|较[上去]年|较?原?标准)?(?:提高|提升|增长|上[调升涨]|增加|增幅|涨幅|升幅)了?"
)
_ABOUT = re.compile(r"(?:幅度|比例)?(?:为|达到?|约)?$")


def _is_raise_explained(text: str, amount: Quantity, quantity: Quantity) -> bool:
    """Whether a percentage only says by how much an amount was raised: 由840元提高到924元,提高10%."""
    if amount.previous is None or amount.sort != "money" or quantity.sort != "percent":
        return False
    raised = _RAISED_BY.match(text, amount.end, quantity.start)
    return bool(raised and _ABOUT.match(text, raised.end(), quantity.start))


def _benefit(reading: _Reading, place: _Place, last: _Statement | None) -> _Statement:
    text, quantity, clause, sentence = reading.normal.text, place.quantity, place.clause, place.sentence
    spoken = last.subject if last and last.kind == "subsidy" else ""
    subject = subjects.subject_of_benefit(
        text,
        quantity,
        clause,
        sentence,
        place.paragraph.start,
        spoken,
        place.floor,
        _heading(text, place.paragraph, sentence[0]),
    )
    if not subjects.names_benefit(subject):
        subject = subjects.under(_benefit_above(reading, place.paragraph), subject)
    if last and last.kind != "subsidy" and last.quantity.unit in quantity.unit.split("/")[1:]:
        subject = subjects.of_each(last.subject, text[clause[0] : quantity.number]) or subject  # 改造420户,每户补助…
    recipient = subjects.recipient_of(text, quantity, clause, sentence)
    subject = subjects.headed(subject, recipient, _heading(text, place.paragraph, sentence[0]))
    if not subjects.names_benefit(subject):
        named = subjects.named_with(text, quantity, clause, sentence)
        if named and named not in subject and len(named) <= 12:
            subject = named + subject
    label = _ITEM_LABEL.match(text, sentence[0])
    labelled = recipient and label and label["label"] == recipient
    if recipient and recipient not in subject and (labelled or subjects.says_little(subject)):
        subject = recipient + subject
    return _Statement(
        "subsidy",
        subject,
        quantity,
        _said_of_benefit(reading, place, last),
        recipient,
        _printed(reading, subjects.condition_of(text, quantity, clause, sentence)),
        _bodies(reading, quantity),
        sentence,
    )


_ITEM_LABEL = re.compile(  # 3.低保边缘家庭:救助65%
    r"(?:\d{1,2}[.、]|\([一二三四五六七八九十\d]{1,3}\)|[①-⑳]|[一二三四五六七八九十]{1,3}、)?(?P<label>[^,。;:\d]{2,20}):"
)


def _plain(reading: _Reading, place: _Place, kind: Kind, day: date | None, spoken: str) -> _Statement:
    name = subjects.subject_of_rate if place.quantity.sort in ("percent", "times") else subjects.subject_of_count
    subject = name(reading.normal.text, place.quantity, place.clause, place.floor, place.ceiling, spoken)
    if subjects.needs_heading(subject):
        heading = _heading(reading.normal.text, place.paragraph, place.sentence[0])
        subject = heading + subject if len(heading) <= 16 else subject
    return _Statement(kind, subject, place.quantity, day, None, None, _bodies(reading, place.quantity), place.sentence)


def _printed(reading: _Reading, span: tuple[int, int] | None) -> str | None:
    """A stretch of normalised text as the source prints it."""
    if span is None or span[0] >= span[1]:
        return None
    start, end = reading.normal.span(*span)
    return reading.source[start:end].strip("，,、 \n") or None


_HEADS_OF_CONDITIONS = re.compile(
    r"(?:申请|申报|享受|补贴|资助|奖励|救助|认定|资格|对象|扶持|准入)[^。\n]{0,30}(?:条件"
    r"|情形)[^。\n]{0,14}:$|(?:对象|人员|人群|家庭)[^。\n]{0,14}(?:分为|包括|如下|是指)[^。\n]{0,10}:$|(?:下列|以下)(?:情形|情况)之一[^。\n]{0,20}:$"
)


def _list_head(reading: _Reading, paragraph: Paragraph) -> str:
    """The end of the paragraph that a numbered item's list hangs on (…支付限额标准如下:), or nothing."""
    if paragraph.level < 3 or paragraph.level == TEXT_LEVEL:
        return ""
    index = bisect_right(reading.starts, paragraph.start) - 1
    for head in reversed(reading.paragraphs[max(0, index - 12) : index]):
        words = reading.normal.text[max(head.start, head.end - 90) : head.end]
        if head.level < paragraph.level or (head.level == TEXT_LEVEL and words.endswith(":")):
            return words if words.endswith(":") else ""
    return ""


_REACH_OF_HEADINGS = 40  # paragraphs; farther up, a heading is hardly meant


def _benefit_above(reading: _Reading, paragraph: Paragraph) -> str:
    """The nearest benefit that a heading above a paragraph names, from the inner one to the outer ones."""
    level = paragraph.level
    index = bisect_right(reading.starts, paragraph.start) - 1
    for head in reversed(reading.paragraphs[max(0, index - _REACH_OF_HEADINGS) : index]):
        if head.level < level:
            level = head.level
            if name := subjects.benefit_of_heading(reading.normal.text[head.start : min(head.end, head.start + 45)]):
                return name
    return ""


def _heading(text: str, paragraph: Paragraph, sentence: int) -> str:
    """The words of a numbered item's heading (“(一)机构护理。…”), which may supply the subject of figures under it."""
    if paragraph.level == TEXT_LEVEL or sentence <= paragraph.start:
        return ""
    end = text.find("。", paragraph.start, paragraph.start + 30)
    return (
        subjects.tidy(text[paragraph.start : end])
        if 0 <= end < sentence and not re.search(r",|\d[万亿]?(?:元|%)", text[paragraph.start : end])
        else ""
    )


def _deadline(reading: _Reading, paragraph: Paragraph, quantity: Quantity) -> date | None:
    """The deadline in force where a quantity stands: the last one before it in its paragraph, else its section's."""
    if paragraph.start not in reading.deadlines:
        reading.deadlines[paragraph.start] = deadlines(reading.normal.text, paragraph, paragraph.year or reading.year)
    said = _last_said(reading, paragraph, quantity)
    if said:
        return said.day
    row = reading.paragraph_at(quantity.number).start
    if row in reading.limits:
        return reading.limits[row]
    return date(paragraph.year, 12, 31) if paragraph.year and paragraph.mode != "back" else None


def _said_of_benefit(reading: _Reading, place: _Place, last: _Statement | None) -> date | None:
    """The deadline of a benefit: one that its own sentence says, and that no target before it has taken.

    `last` is the statement before it in its sentence."""
    said = _last_said(reading, place.paragraph, place.quantity)
    if not said or said.position < place.sentence[0]:
        return None
    if last and last.quantity.number > said.position:
        return last.deadline if last.kind == "subsidy" else None
    return said.day


def _last_said(reading: _Reading, paragraph: Paragraph, quantity: Quantity) -> Deadline | None:
    said = reading.deadlines.get(paragraph.start, ())
    index = bisect_right(said, quantity.number, key=lambda deadline: deadline.position)
    return said[index - 1] if index else None


def _bodies(reading: _Reading, quantity: Quantity) -> tuple[str, ...]:
    """The bodies that answer for the item in which a quantity stands."""
    index = bisect_right(reading.responsibilities, quantity.number, key=lambda item: item.end)
    if index < len(reading.responsibilities) and reading.responsibilities[index].start <= quantity.number:
        return reading.responsibilities[index].names
    return ()


# --- tables -----------------------------------------------------------------------------------------------


def _tabular(reading: _Reading, quantities: Sequence[Quantity]) -> Iterable[_Statement]:
    """The figures of tables. Head and caption say what running text says in its sentence."""
    text = reading.normal.text
    for entry in tables.read_tables(text, reading.paragraphs, quantities):
        paragraph = reading.paragraph_at(entry.quantity.number)
        kind, year = kinds.kind_in_table(entry, reading.genre, paragraph.mode, reading.year)
        if kind is None:
            continue
        if kind == "progress" and not entry.reported and paragraph.start in reading.limits:
            kind = "target"  # beside a day until which it is to be done
        bound = (
            "<="
            if kind == "subsidy" and kinds.limits(entry.head + entry.caption) and entry.quantity.bound == "="
            else entry.quantity.bound
        )
        day = date(year or paragraph.year or 0, 12, 31) if kind == "target" and (year or paragraph.year) else None
        if kind == "target" and not year:
            day = reading.limits.get(paragraph.start, day)
        subject = entry.subject or subjects.UNNAMED
        if kind == "subsidy" and not subjects.names_benefit(subject):
            subject = subjects.under(subjects.benefit_in(entry.caption) or _benefit_above(reading, paragraph), subject)
        yield _Statement(
            kind,
            subject,
            replace(entry.quantity, bound=bound),
            day,
            None,
            None,
            _bodies(reading, entry.quantity),
            entry.row,
        )


# --- measures ---------------------------------------------------------------------------------------------


def _grouped(statements: Sequence[_Statement]) -> Iterable[list[_Statement]]:
    """Statements that are tiers of one measure: the same benefit of the same recipient in one sentence."""
    group: list[_Statement] = []
    for statement in statements:
        if group and not _tier(group[-1], statement):
            yield group
            group = []
        group.append(statement)
    if group:
        yield group


def _tier(one: _Statement, two: _Statement) -> bool:
    return (
        one.kind == two.kind == "subsidy"
        and one.subject == two.subject
        and one.sentence == two.sentence
        and one.recipient == two.recipient
        and one.quantity.sort == two.quantity.sort
    )


def _measure(reading: _Reading, group: list[_Statement]) -> Measure:
    first = group[0]
    start, end = reading.normal.span(*first.sentence)
    return Measure(
        kind=first.kind,
        subject=first.subject or subjects.UNNAMED,
        figures=tuple(_figure(reading, s.quantity) for s in group),
        deadline=first.deadline,
        recipient=first.recipient,
        condition=first.condition,
        bodies=first.bodies,
        sentence=reading.source[start:end].strip(),
    )


def _figure(reading: _Reading, quantity: Quantity) -> Figure:
    start, end = reading.normal.span(quantity.start, quantity.end)
    return Figure(
        value=quantity.value,
        min=quantity.min,
        max=quantity.max,
        unit=quantity.unit,
        bound=quantity.bound,
        quote=reading.source[start:end],
        start=start,
        end=end,
        previous=quantity.previous,
    )
