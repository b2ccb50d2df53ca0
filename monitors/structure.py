"""The shape of a document: paragraphs, sections, sentences, deadlines, responsible bodies.

Everything counts in normalised text (`monitors.normalise`). Nothing here looks at figures.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from monitors.numerals import chinese_number
from monitors.vocabulary import alternation, any_of, words

Mode = Literal["ahead", "back"]
Genre = Literal["plan", "reply", "rule", "report", "unknown"]

# Deeper numbering has a higher level; 9 is running text.
_MARKERS: tuple[tuple[int, re.Pattern[str]], ...] = (
    (0, re.compile(r"第[零一二三四五六七八九十百\d]{1,4}[章编部]|【附件】")),
    (1, re.compile(r"[一二三四五六七八九十]{1,3}、")),
    (2, re.compile(r"第[零一二三四五六七八九十百\d]{1,5}[条节]")),
    (3, re.compile(r"[(]?[一二三四五六七八九十]{1,3}[)]")),
    (4, re.compile(r"\d{1,2}[.、](?!\d)")),
    (5, re.compile(r"\(\d{1,2}\)|\d{1,2}\)|[①-⑳]")),
)
TEXT_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph with what its sections say about it. `year` comes from a heading (2026年重点工作) or from 今年."""

    start: int
    end: int
    level: int
    mode: Mode | None = None
    year: int | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """From `position` on, to the end of its paragraph, `day` holds (None: a new period begins that ends nowhere)."""

    position: int
    day: date | None
    told: bool = False  # a bare year (2019年占比31%) that has gone by: it dates what is told and is nobody's deadline


@dataclass(frozen=True, slots=True)
class Responsibility:
    """The bodies that close an item, and the stretch of text that they answer for."""

    start: int
    end: int
    names: tuple[str, ...]


_TITLE_CLOSE = r"(?:\(.{1,12}\)|[》”])*(?:的?(?:通知|公告|通告))?$"
_RULE_TITLE = re.compile(alternation(words("genre", "rule")) + _TITLE_CLOSE, re.M)
_REPORT_TITLE = re.compile(r"(?<!的)情况的?(?:公告|公示|通报|报告|说明|公开)?$", re.M)
_TENDER_TITLE = re.compile(  # what is asked of whoever serves; not what came of it
    r"(?:购买[^\n]{0,24}服务|采购|招标|比选|磋商|询价)(?![^\n]{0,30}(?:结果|中标|成交|合同|情况|办法|目录))[^\n]{0,30}"
    r"(?:公告|公示|文件|需求书?|邀请书?|项目)$",
    re.M,
)
_PLAN_TITLE = re.compile(alternation(words("genre", "plan")) + _TITLE_CLOSE, re.M)


def genre_of(title: str, text: str) -> Genre:
    """What kind of document it is, from its title, else from its head: only the first lines are looked at.

    A later part of a text never changes what its beginning is, so appended matter cannot turn one kind into another.
    """
    lines = (line for line in text[:1500].split("\n")[:14] if len(line) <= 90 and "|" not in line)
    head = title or "\n".join(line for line in lines if _level(line) == TEXT_LEVEL)  # a heading names a part
    if any_of("genre", "reply").search(head):
        return "reply"
    if any_of("genre", "report").search(head) or _REPORT_TITLE.search(head):
        return "report"
    if re.search(r"(?:^|\n)第一条", text[:6000]):
        return "rule"
    if _TENDER_TITLE.search(head):
        return "plan"
    if _RULE_TITLE.search(head):
        return "rule"
    if _PLAN_TITLE.search(head):
        return "plan"
    return "rule" if re.search(r"标准|补贴|补助|奖励|办法", head[:200]) and "通知" in head else "unknown"


# --- paragraphs and sections ------------------------------------------------------------------------------


def paragraphs(text: str, year: int | None) -> tuple[Paragraph, ...]:
    """The paragraphs of a text with the mode and year that their headings give. `year` is the document's own."""
    found: list[Paragraph] = []
    stack: list[tuple[int, Mode | None, int | None]] = []
    for start, end in _lines(text):
        line = text[start : min(end, start + 120)]
        level = _level(line)
        heading = _heading(line, level, end - start)
        if heading is not None:
            stack = [entry for entry in stack if entry[0] < min(level, 8)]
            stack.append((min(level, 8), _mode(heading), _year_of(heading, year)))
        elif level == TEXT_LEVEL and _LIST_HEAD.search(line):
            stack = [entry for entry in stack if entry[0] < 3]
            stack.append((3, "ahead", _inherited_year(stack) or year))
        found.append(Paragraph(start, end, level, _inherited_mode(stack), _inherited_year(stack)))
    return tuple(found)


_LIST_HEAD = re.compile(r"^[^。\n]{0,30}今年[^。\n]{0,12}(?:要|将|计划|拟|重点|力争|目标)")


def _lines(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        if end > at:
            yield at, end
        at = end + 1


def _level(line: str) -> int:
    return next((level for level, marker in _MARKERS if marker.match(line)), TEXT_LEVEL)


def _heading(line: str, level: int, length: int) -> str | None:
    """The words of a heading, also of one that its paragraph follows at once (“(一)加强领导。成立…”)."""
    if level == TEXT_LEVEL:
        title_like = length <= 24 and not re.search(r"[,。;、|]", line) and _mode(line) is not None
        return line if title_like else None
    first = re.split(r"[。\n]", line, maxsplit=1)[0]
    return first if len(first) <= 45 and "," not in first[24:] else line[:16]


def _mode(heading: str) -> Mode | None:
    ahead, back = any_of("time", "ahead").search(heading), any_of("time", "back").search(heading)
    if ahead and back:
        return "ahead" if ahead.start() < back.start() else "back"
    return "ahead" if ahead else "back" if back else None


_HEADING_YEAR = re.compile(
    r"(20\d\d)年(?:度|的)?(?=[一-鿿]{0,8}(?:工作|目标|任务|计划|打算|安排|实事|部署|展望))"
    r"|(今年|下半年)(?=[一-鿿]{0,8}(?:工作|目标|任务|计划|打算|安排|实事))"
)


def _year_of(heading: str, year: int | None) -> int | None:
    found = _HEADING_YEAR.search(heading)
    return None if not found else int(found[1]) if found[1] else year


def _inherited_mode(stack: list[tuple[int, Mode | None, int | None]]) -> Mode | None:
    return next((mode for _, mode, _ in reversed(stack) if mode), None)


def _inherited_year(stack: list[tuple[int, Mode | None, int | None]]) -> int | None:
    return next((year for _, mode, year in reversed(stack) if year and mode != "back"), None)


_SENTENCE_REACH = 900  # a text without full stops has no sentences; its clauses still have neighbours


def sentence_span(text: str, position: int, paragraph: Paragraph) -> tuple[int, int]:
    """The sentence around a position: from the last full stop of its paragraph to the next, marks included."""
    first, last = max(paragraph.start, position - _SENTENCE_REACH), min(paragraph.end, position + _SENTENCE_REACH)
    start = max(first, *(text.rfind(mark, first, position) + 1 for mark in "。!?"))
    end = min([last, *(at + 1 for mark in "。!?" if (at := text.find(mark, position, last)) >= 0)])
    while start < position and text[start] in "”)》】":
        start += 1
    return start, end


# --- deadlines --------------------------------------------------------------------------------------------

_DEADLINE = re.compile(
    r"(?=[截自从于《到至在力确2“一二三四五六七八九十今本年\d])(?P<not>截至|截止到?|自|从|于|《)?(?P<to>到|至|在|力争|确保)?"
    r"(?:(?P<from>20\d\d)年?[-~至到])?(?P<year>20\d\d)年(?P<span>[-~至到](?P<until>20\d\d)年)?(?:(?P<month>"
    r"\d{1,2})月(?P<day>\d{1,2}日)?)?"
    r"(?P<close>年底|底|末)?(?P<before>之?前)?(?P<off>起|以来|开始|度|版|至今|第|修订|印发|出台|\))?"
    r"|(?P<plan>“?(?P<five>[一二三四五六七八九十]{1,3})五”?(?:期间|时期|期末|末))(?P<since>以来)?"
    r"|(?P<this>今年|本年度?|(?<![一两二三四五六七八九十每个\d])年内|年底前|年底)(?:(?P<tmonth>\d{1,2})月)?(?:年底|底|末)?前?(?P<toff>以来|起"
    r"|\d|上半年|一季度|前)?"
    r"|(?<![\d年])(?P<bare>\d{1,2})月(?:底|末)前"
)


def deadlines(text: str, paragraph: Paragraph, year: int | None) -> tuple[Deadline, ...]:
    """The deadlines of a paragraph in text order. `year` is what 今年 means here; None leaves it unread.

    截至 and 自…起 look back or begin something and never set one.
    """
    found = []
    for match in _DEADLINE.finditer(text, paragraph.start, paragraph.end):
        if text[match.start() - 1] in "较比与" and text[match.start() - 2 : match.start()] != "占比":
            continue  # what a figure is compared with
        day = _named_day(text, match, paragraph, year) if match["year"] else _relative_day(match, year)
        if day:
            bare = match["year"] and not (match["to"] or match["close"] or match["before"])
            found.append(Deadline(match.end(), day, bool(bare and year and day.year < year)))
    return tuple(found)


_OPENS_YEAR = re.compile(r"[,全力计拟将新我各再]|达[到至]|实现|提[高升]")


def _begins_year(match: re.Match[str], follows: str, year: int | None) -> bool:
    """2027年完成70%: a year to come and the verb of what is to be done in it."""
    return bool(year and int(match["year"]) >= year and any_of("time", "doing").match(follows))


def _named_day(text: str, match: re.Match[str], paragraph: Paragraph, year: int | None) -> date | None:
    if match["not"] or match["off"]:
        return None
    bounded = match["to"] or match["close"] or match["before"] or match["span"] or match["from"]
    opens = match.start() == paragraph.start or text[match.start() - 1] in "。,;:!?、)□”"
    follows = text[match.end() : match.end() + 2]
    if not bounded and not (
        opens and not match["month"] and (_OPENS_YEAR.match(follows) or _begins_year(match, follows, year))
    ):
        return None
    if match["to"] == "在" and not (match["close"] or match["before"] or text[match.start() - 1] in "将拟"):
        return None
    if match["month"] and match["day"] and not (match["to"] or match["before"]):
        return None
    return _last_day(int(match["until"] or match["year"]), match["month"], match["day"])


def _relative_day(match: re.Match[str], year: int | None) -> date | None:
    if match["plan"]:
        number = chinese_number(match["five"])
        return date(2025 + 5 * (number - 14), 12, 31) if number and 10 <= number <= 30 and not match["since"] else None
    return None if not year or match["toff"] else _last_day(year, match["tmonth"] or match["bare"], None)


_YEARS_LISTED = re.compile(
    r"(?P<list>(?:20\d\d年?(?:年?[底末])?(?:[、,和及与]|以及)){1,5}20\d\d年)[底末]?|(?P<first>20\d\d)年?[-~至到](?P<last>20\d\d)年"
)


def dealt_years(text: str, start: int, end: int) -> tuple[date, ...]:
    """The last days of the years that 分别 at `end` deals figures out to: 2026年、2027年分别…, 2026-2028年分别…."""
    listed = list(_YEARS_LISTED.finditer(text, max(start, end - 60), end))
    if not listed:
        return ()
    found = listed[-1]
    if found["first"]:
        years = range(int(found["first"]), min(int(found["last"]), int(found["first"]) + 9) + 1)
        return tuple(date(year, 12, 31) for year in years)
    return tuple(date(int(year), 12, 31) for year in re.findall(r"20\d\d", found["list"]))


def _last_day(year: int, month: str | None, day: str | None) -> date | None:
    number = int(month) if month else 12
    if not 1 <= number <= 12:
        return None
    last = monthrange(year, number)[1]
    return date(year, number, min(int(day.rstrip("日")), last) if day and int(day.rstrip("日")) > 0 else last)


# --- responsible bodies -----------------------------------------------------------------------------------

_LABEL = re.compile(rf"{alternation(words('bodies', 'labels'))}:")
_NOTE = re.compile(r"〈[^〈〉]*(?:〉|$)|<[^<>]*>|\((?=[^()]*(?:含|下同|牵头|配合|负责|以下|按职责))[^()]*\)")
_ENDING = alternation(words("bodies", "endings"))
_LOST_MARK = re.compile(
    rf"(?<=[局厅委会府联心])(?={alternation(words('bodies', 'starts'))})|(?<=局)(?![^局]{{0,8}}分局)"
    rf"|(?={alternation(words('bodies', 'alone'))}$)"
)


def responsibilities(text: str, found: tuple[Paragraph, ...]) -> tuple[Responsibility, ...]:
    """The (责任单位:…) of a text, each with the item that it closes.

    An item begins at its number, or where the bodies of the item before it end. Bodies on a line of their own close
    the whole numbered group above them.
    """
    out: list[Responsibility] = []
    starts = [p.start for p in found]
    for label in _LABEL.finditer(text):
        if out and label.start() < out[-1].end:
            continue
        opened = text[max(0, label.start() - 1) : label.start()] in tuple("(〔[【")
        index = bisect_right(starts, label.start()) - 1
        end = _closing(text, label, opened, found[index].end)
        names = split_bodies(text[label.end() : end])
        floor = out[-1].end if out else 0
        if names:
            out.append(Responsibility(max(floor, _item_start(found, index, label.start() - opened, floor)), end, names))
    return tuple(out)


def _closing(text: str, label: re.Match[str], opened: bool, limit: int) -> int:
    """Where the list ends: at the bracket that closes it, or, where that was lost, with the line."""
    if not opened:
        stop = text.find("。", label.end(), limit)
        return limit if stop < 0 else stop
    depth = 1
    for at in range(label.end(), limit):
        depth += (text[at] in "(〔[【") - (text[at] in ")〕]】")
        if depth == 0:
            return at
    return limit


def _item_start(found: tuple[Paragraph, ...], index: int, label: int, floor: int) -> int:
    own_line = label - found[index].start <= 1
    reached = found[index].start
    if found[index].level != TEXT_LEVEL and not own_line:
        return reached
    group: int | None = None
    while index > 0 and found[index - 1].end > floor:
        index -= 1
        level = found[index].level
        if level == TEXT_LEVEL:
            reached = found[index].start if own_line and group is None else reached
        elif group is None or level >= group:
            group, reached = group or level, found[index].start
            if not own_line:
                break
        else:
            return found[index].start if level >= 2 else reached
    return reached


_SEPARATOR = re.compile(r"[、,;。/\s](?![^()]{0,20}\))")  # not inside brackets: 各县(市、区)人民政府


def split_bodies(printed: str) -> tuple[str, ...]:
    """The names in a list of bodies: 、 and , separate them; where a separator was lost, a name's usual end does."""
    bare = printed
    while _NOTE.search(bare):
        bare = _NOTE.sub("", bare)
    bare = re.sub(rf"{alternation(words('bodies', 'labels'))}:", "、", bare)
    names: list[str] = []
    for name in _SEPARATOR.split(bare.rstrip("。")):
        pieces = [piece for piece in _LOST_MARK.split(name) if piece]
        whole = all(re.search(rf"{_ENDING}$", piece) for piece in pieces[:-1])
        names.extend(pieces if whole else [name])
    clean = (
        re.sub(r"^(?:等|会同)|(?:等(?:部门|单位)?|按职责分工(?:负责)?|负责|牵头|配合)$", "", n.strip("〈〉()□ "))
        for n in names
    )
    return tuple(dict.fromkeys(n for n in clean if 1 < len(n) <= 40))
