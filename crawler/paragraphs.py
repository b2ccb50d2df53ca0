"""Printed lines → paragraphs: a line end inside a sentence is layout, and page numbers are furniture."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crawler.markup import squeeze

_PAGE_NUMBER = re.compile(
    r"[-—–―－·\s]*(?:第\s*)?(?:\d{1,4}|[ivxIVX]{1,6})(?:\s*页)?(?:\s*[/／,，]?\s*(?:共\s*)?\d{1,4}\s*页?)?[-—–―－·\s]*"
)
_NEW = re.compile(
    r"(?:[一二三四五六七八九十百]{1,4}[、.．]|[（(][一二三四五六七八九十百\d]{1,4}[)）]|\d{1,3}[、.．](?!\d)|第[一二三四五六七八九十百\d]{1,5}[章条节编部]"
    r"|附件\s*\d*|附[:：]|抄送|[—–-]{2}|[★●■◆□○·▲※])"
)
_ENDS = "。！？：；!?:;…）)”"
_WIDE = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60\u3000-\u303f]")


@dataclass(frozen=True)
class Printed:
    """A line as it stands on a page. `left` and `right` are in units of the page, None where nobody knows."""

    text: str
    left: float | None = None
    right: float | None = None
    size: float = 0.0  # height of its characters
    whole: bool = False  # a row of a table: never joined


def paragraphs(pages: Sequence[Sequence[Printed]]) -> list[str]:
    """Paragraphs of a printed document, over line and page ends.

    A line goes on in the next one when it is full (it reaches the right margin) and the next begins at the left
    margin; where places are unknown, when it is about as long as the longest and ends inside a sentence.
    """
    cleaned = _without_running_heads([_without_page_numbers(list(page)) for page in pages])
    margins = _margins([line for page in cleaned for line in page if not line.whole])
    out: list[str] = []
    previous: Printed | None = None
    for line in (line for page in cleaned for line in page):
        if previous is not None and out and _goes_on(previous, line, margins):
            out[-1] = _joined(out[-1], line.text)
        else:
            out.append(line.text)
        previous = line
    return [text for raw in out if (text := raw if "|" in raw else squeeze(raw))]


def _without_page_numbers(page: list[Printed]) -> list[Printed]:
    while page and _is_page_number(page[-1]):
        page.pop()
    return page[1:] if len(page) > 1 and _is_page_number(page[0]) else page


def _is_page_number(line: Printed) -> bool:
    text = line.text.strip()
    return not line.whole and len(text) <= 30 and (not text or _PAGE_NUMBER.fullmatch(text) is not None)


def _without_running_heads(pages: list[list[Printed]]) -> list[list[Printed]]:
    """Drop the first or last line where most pages have the same one (digits aside, from three pages on)."""
    digits_count = len(pages) < 3
    for at in (0, -1):
        counts = Counter(_key(page[at], digits_count) for page in pages if page)
        repeated = {key for key, count in counts.items() if key and count >= 2 and count > len(pages) / 2}
        pages = [_cut(page, at) if page and _key(page[at], digits_count) in repeated else page for page in pages]
    return pages


def _key(line: Printed, digits_count: bool) -> str:
    if line.whole or len(line.text) > 60:
        return ""
    return squeeze(line.text) if digits_count else re.sub(r"\d+", "#", squeeze(line.text))


def _cut(page: list[Printed], at: int) -> list[Printed]:
    return page[1:] if at == 0 else page[:-1]


@dataclass(frozen=True)
class _Margins:
    left: float
    right: float
    width: float  # of the longest usual line, in half characters


def _margins(lines: Iterable[Printed]) -> _Margins:
    rows = list(lines)
    lefts = sorted(line.left for line in rows if line.left is not None)
    rights = sorted(line.right for line in rows if line.right is not None)
    widths = sorted(_width(line.text) for line in rows)
    return _Margins(
        left=lefts[len(lefts) // 10] if lefts else 0.0,
        right=rights[min(len(rights) - 1, len(rights) * 9 // 10)] if rights else 0.0,
        width=widths[min(len(widths) - 1, len(widths) * 9 // 10)] if widths else 0.0,
    )


def _width(text: str) -> float:
    return len(text) + len(_WIDE.findall(text))


def _goes_on(line: Printed, following: Printed, margins: _Margins) -> bool:
    if line.whole or following.whole or _NEW.match(following.text.strip()):
        return False
    if line.right is None or following.left is None:
        full = _width(line.text) >= 0.85 * margins.width and margins.width >= 40
        return full and line.text.strip()[-1:] not in _ENDS
    size = line.size or 12.0
    if following.size and abs(following.size - size) > 0.25 * size:
        return False
    return line.right >= margins.right - 1.6 * size and following.left <= margins.left + 0.9 * size


def _joined(before: str, after: str) -> str:
    """Two halves of a paragraph: a space only between two words in Latin letters."""
    before, after = before.rstrip(), after.lstrip()
    between = " " if before[-1:].isascii() and before[-1:].isalpha() and after[:1].isascii() else ""
    return before + between + after
