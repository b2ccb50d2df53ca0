"""Text as rules want to read it, with the way back to the text as it was printed.

Pages and PDFs print the same sentence in many ways: full-width digits, spaces around numbers, bold marks, a page
break inside a word. Rules are written once, over a normalised text in which none of that is left; every character
of it knows which source character it was, so that a quote is always cut from the source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_ALIKE = {
    "–": "-",
    "—": "-",
    "―": "-",
    "‐": "-",
    "‑": "-",
    "‒": "-",
    "─": "-",
    "━": "-",
    "−": "-",
    "﹣": "-",
    "～": "~",
    "∼": "~",
    "〜": "~",
    "∶": ":",
    "︰": ":",
    "．": ".",
    "﹪": "%",
    "「": "“",
    "」": "”",
    "『": "“",
    "』": "”",
    "﹙": "(",
    "﹚": ")",
    "｜": "|",
    "〇": "零",
    "○": "零",
    "萬": "万",
    "億": "亿",
    "個": "个",
    "張": "张",
    "﹒": ".",
    "\x0b": "\n",
    "\x0c": "\n",
    "\x85": "\n",
    "\u2028": "\n",
    "\u2029": "\n",
    "\r": " ",
    "\u3000": " ",
    "\u00a0": " ",
    "\u00ad": " ",
    "\ufeff": " ",
    "\u2060": " ",
}
_TABLE = _FULL_WIDTH | {ord(k): v for k, v in _ALIKE.items()} | dict.fromkeys(range(0x2000, 0x2010), " ")

# What disappears: spaces (but one is kept between two Latin words or numbers), bold marks, separators of thousands.
_GAPS = re.compile(
    r"(?P<kept>(?<=[0-9A-Za-z]) +(?=[0-9A-Za-z]))|[ \n]*\n[ \n]*| +|\*\*|(?<!\d{4})(?<=\d),(?=\d{3}(?!\d))"
)

_ENDS = "。!?;:；：…!?”’)】》|"
_TITLE_END = re.compile(
    r"(?:通知|办法|方案|措施|意见|细则|规定|答复|决定|公告|通告|计划|规划|报告|清单|要点|条例|函|标准"
    r"|纲要)$"
)
_STARTS = re.compile(
    r"[一二三四五六七八九十]{1,3}(?:、|是|要|\))|[((]?[一二三四五六七八九十]{1,3}[))]"
    r"|第[零一二三四五六七八九十百\d]{1,4}[章节条编部]"
    r"|\d{1,2}(?:[.、)]\D|\.$)|\(\d{1,2}\)|[①-⑳]|【|--|附件|抄送|\||[(]?责任单位|\d{4}年\d{1,2}月\d{1,2}日"
    r"|(?:扫一扫|主办|联系)"
)


# A figure that a line break cuts in two: 1|26个, 48|支. The line before must be more than a number in a column.
_SPLIT_FIGURE = re.compile(
    r"[^\n|]*[一-鿿][^\n|]{0,2}\d[余多万亿]?\n[\d%个家所张处人名项支户台套座条件辆万亿元余多公平]"
)


@dataclass(frozen=True, slots=True)
class Normalised:
    """A normalised text and its pieces' places: piece `i` begins at `starts[i]` here and at `sources[i]` there."""

    text: str
    starts: tuple[int, ...]
    sources: tuple[int, ...]

    def source(self, position: int) -> int:
        """Where the character at `position` stands in the source."""
        piece = bisect_right(self.starts, position) - 1
        return self.sources[piece] + position - self.starts[piece]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The source offsets of `text[start:end]`, which must not be empty."""
        return self.source(start), self.source(end - 1) + 1


def normalise(source: str) -> Normalised:
    """Normalise a text: one width, one kind of dash, no spaces, no bold marks, no breaks inside a sentence.

    Every character that is kept has exactly one source character; nothing is inserted. A line break that ends a
    paragraph is kept as one newline.
    """
    text = _ruled(source.translate(_TABLE))
    kept: list[tuple[int, int]] = []
    at = line = 0
    for gap in _GAPS.finditer(text):
        if "\n" in gap[0]:
            hard = not _continues(text, line, gap.start(), gap.end())
            newline = gap.start() + gap[0].index("\n")
            kept += [(at, gap.start())] + ([(newline, newline + 1)] if hard else [])
            line = gap.end()
        else:
            kept.append((at, gap.start() + (1 if gap["kept"] else 0)))
        at = gap.end()
    kept.append((at, len(text)))
    return _join(text, [piece for piece in kept if piece[0] < piece[1]])


_COLUMN = re.compile(r"(?<=\S) {2,}(?=\S)")
_NUMBER_ALONE = re.compile(r"(?:^|\|) *[≥≤><]?\d[\d.]*%?(?:以[上下内])? *(?=\||$)")


def _ruled(text: str) -> str:
    """Bars between columns that only tabs or spaces hold apart: lines with as many columns and with numbers.

    A bar takes the place of a tab or of a space, so that no character moves.
    """
    if "\t" in text:
        text = _columns(text, re.compile("\t"), least=2).replace("\t", " ")
    return _columns(text, _COLUMN, least=3) if "  " in text else text


def _columns(text: str, gap: re.Pattern[str], least: int) -> str:
    """Bars in place of the gaps of `least` lines or more."""
    lines = text.split("\n")
    columns = [len(gap.findall(line)) if "|" not in line else 0 for line in lines]
    at = 0
    while at < len(lines):
        end = at + 1
        while end < len(lines) and columns[end] == columns[at]:
            end += 1
        if columns[at] >= 2 and end - at >= least:
            ruled = [gap.sub(lambda found: "|" + " " * (len(found[0]) - 1), line) for line in lines[at:end]]
            if sum(bool(_NUMBER_ALONE.search(line)) for line in ruled) >= least - 1:
                lines[at:end] = ruled
        at = end
    return "\n".join(lines)


def _join(text: str, pieces: list[tuple[int, int]]) -> Normalised:
    starts, position = [], 0
    for begin, end in pieces:
        starts.append(position)
        position += end - begin
    return Normalised("".join(text[b:e] for b, e in pieces), tuple(starts), tuple(b for b, _ in pieces))


def _continues(text: str, line: int, end: int, resume: int) -> bool:
    """Whether the line `text[line:end]` goes on at `resume`: a page or column ended there, no sentence did.

    A sentence that is cut stops without a closing mark, after running text, and what follows begins no item.
    Short lines and titles are lines of their own.
    """
    before = text[line:end]
    if (
        _SPLIT_FIGURE.fullmatch(text[max(line, end - 7) : end] + "\n" + text[resume : resume + 1])
        and text[end:resume].count("\n") <= 4
    ):
        return True
    if resume >= len(text) or len(before) < 12 or before[-1] in _ENDS or "|" in before:
        return False
    after = text[resume : resume + 24].split("\n", 1)[0]
    if _STARTS.match(after) or "|" in after or text[end:resume].count("\n") > 4:
        return False
    running = any(mark in before for mark in ",。;、") or len(before) >= 34
    return running and not _TITLE_END.search(before) and not before.rstrip().endswith("(盖章)")
