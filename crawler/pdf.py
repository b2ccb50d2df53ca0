"""PDF → paragraphs and tables. Text by PDFium (3 ms a page); pdfplumber only where ruling lines draw a table."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crawler import ocr
from crawler.markup import squeeze
from crawler.paragraphs import Printed, paragraphs
from crawler.tables import ABOVE, LEFT, join_row

MAX_PAGES = 500
_MAX_TABLE_PAGES = 60  # pdfplumber takes a tenth of a second and more for each
_MIN_RULES = 4  # drawn paths that could be a table's lines
_MAX_RULES = 5000  # more are a drawing
_PROGRAM_TITLES = ("(", "untitled", "microsoft", "wps", "word", "powerpoint", "无标题", "未命名")
_FEW = 20  # characters on a page that is a picture with a stamp of text
_ONE_AT_A_TIME = threading.Lock()  # PDFium is not thread-safe
#: The lines of a file's pages (from 0) that are pictures.
Recognise = Callable[[bytes, Sequence[int]], Mapping[int, Sequence[Printed]]]
Box = tuple[float, float, float, float]  # left, top, right, bottom in points from the top left corner


@dataclass(frozen=True)
class PdfText:
    text: str
    warnings: tuple[str, ...]
    title: str | None


@dataclass(frozen=True)
class _Sheet:
    lines: list[tuple[Box, Printed]]
    ruled: bool
    pictures: int


def read_pdf(body: bytes, recognise: Recognise | None = None) -> PdfText:
    """The text of a PDF. `recognise` reads the pages that are pictures; their words stand between `ocr`'s marks.

    Raises pypdfium2.PdfiumError for what PDFium cannot open, and what `recognise` raises.
    """
    import pypdfium2

    with _ONE_AT_A_TIME:
        pdf = pypdfium2.PdfDocument(body)
        try:
            count = len(pdf)
            sheets = [_sheet(pdf[number]) for number in range(min(count, MAX_PAGES))]
            title = _telling(squeeze(pdf.get_metadata_value("Title") or ""))
            scanned = [i for i, sheet in enumerate(sheets) if _characters(sheet) < _FEW and sheet.pictures]
        finally:
            pdf.close()
    seen = recognise(body, scanned) if recognise and scanned else {}
    pages = _with_tables(body, sheets)
    for number, lines in seen.items():
        pages[number] = list(lines)
    return PdfText("\n".join(paragraphs(_marked(pages, seen))), _warnings(count, scanned, seen), title)


def _telling(title: str) -> str | None:
    """A title that a person gave: programs write their own name, a file's name, or (anonymous)."""
    told = len(title) >= 6 and "." not in title[-6:] and not title.lower().startswith(_PROGRAM_TITLES)
    return title if told else None


def _marked(pages: list[list[Printed]], seen: Mapping[int, Sequence[Printed]]) -> list[list[Printed]]:
    """The pages with a mark before and behind each run of those that were recognised."""
    for number in sorted(seen):
        if number - 1 not in seen:
            pages[number].insert(0, Printed(ocr.OPENING, whole=True))
        if number + 1 not in seen:
            pages[number].append(Printed(ocr.CLOSING, whole=True))
    return pages


def _warnings(count: int, scanned: Sequence[int], seen: Mapping[int, Sequence[Printed]]) -> tuple[str, ...]:
    told: list[str] = []
    if count > MAX_PAGES:
        told.append(f"long: only the first {MAX_PAGES} of {count} pages were read")
    if unread := [number + 1 for number in scanned if number not in seen]:
        why = "" if ocr.is_available() else f"; {ocr.REMEDY}"
        told.append(f"scanned: no text layer on page {', '.join(map(str, unread[:20]))}{why}")
    if seen:
        told.append(
            f"recognised: read by OCR from a picture, page {', '.join(str(n + 1) for n in seen)}; check its figures"
        )
    return tuple(told)


def _characters(sheet: _Sheet) -> int:
    return sum(len(line.text) for _, line in sheet.lines)


def _sheet(page: Any) -> _Sheet:
    import pypdfium2.raw as raw

    height = page.get_height()
    text = page.get_textpage()
    try:
        lines = _printed_lines(text, height)
    finally:
        text.close()
    kinds = [item.type for item in page.get_objects(max_depth=3)]
    rules = kinds.count(raw.FPDF_PAGEOBJ_PATH)
    page.close()
    return _Sheet(lines, _MIN_RULES <= rules <= _MAX_RULES, kinds.count(raw.FPDF_PAGEOBJ_IMAGE))


def _printed_lines(text: Any, height: float) -> list[tuple[Box, Printed]]:
    """Lines as PDFium breaks them, each with the box from its first to its last character."""
    found: list[tuple[Box, Printed]] = []
    start = 0
    whole = text.get_text_range()
    if text.count_chars() != len(whole):  # characters beyond the basic plane shift the numbering
        return [((0, 0, 0, 0), Printed(line)) for line in whole.splitlines() if line.strip()]
    for raw_line in whole.splitlines(keepends=True):
        line = raw_line.rstrip()
        indent = len(line) - len(line.lstrip())
        if line.strip():
            left, bottom, _, top = text.get_charbox(start + indent, loose=True)
            _, _, right, _ = text.get_charbox(start + len(line) - 1, loose=True)
            box = (left, height - top, right, height - bottom)
            found.append((box, Printed(line.strip(), left, right, round(top - bottom, 1))))
        start += len(raw_line)
    return found


# --- tables ---


def _with_tables(body: bytes, sheets: Sequence[_Sheet]) -> list[list[Printed]]:
    ruled = [number for number, sheet in enumerate(sheets) if sheet.ruled and sheet.lines][:_MAX_TABLE_PAGES]
    pages = [[line for _, line in sheet.lines] for sheet in sheets]
    if not ruled:
        return pages
    import pdfplumber

    try:
        with pdfplumber.open(io.BytesIO(body)) as pdf:
            for number in ruled:
                page = pdf.pages[number]
                pages[number] = _placed(sheets[number].lines, [t for t in page.find_tables() if _is_table(t)])
                page.close()
    except Exception:  # pdfminer fails in many ways on files that PDFium reads: the plain lines stand
        return pages
    return pages


def _is_table(table: Any) -> bool:
    return len(table.rows) >= 2 and max(len(row.cells) for row in table.rows) >= 2


def _placed(lines: Sequence[tuple[Box, Printed]], tables: Sequence[Any]) -> list[Printed]:
    """The page's lines in order, those inside a table's box given way to the table's rows."""
    out: list[Printed] = []
    done: set[int] = set()
    for box, line in lines:
        at = next((i for i, table in enumerate(tables) if _covers(table.bbox, box)), None)
        if at is None:
            out.append(line)
        elif at not in done:
            done.add(at)
            out.extend(Printed(row, whole=True) for row in _rows(tables[at]))
    return out


def _covers(outer: Box, inner: Box) -> bool:
    x, y = (inner[0] + min(inner[2], inner[0] + 20)) / 2, (inner[1] + inner[3]) / 2
    return outer[0] - 2 <= x <= outer[2] + 2 and outer[1] - 2 <= y <= outer[3] + 2


def _rows(table: Any) -> list[str]:
    texts = table.extract()
    boxes = [row.cells for row in table.rows]
    out: list[str] = []
    for r, row in enumerate(texts):
        cells = [_cell(texts, boxes, r, c) for c in range(len(row))]
        if line := join_row(cells):
            out.append(line)
    return out


def _cell(texts: Sequence[Sequence[str | None]], boxes: Sequence[Sequence[Box | None]], r: int, c: int) -> str:
    """The text of a cell; one that a span swallowed is told by whose box reaches over it."""
    if boxes[r][c] is not None:
        return squeeze((texts[r][c] or "").replace("\n", ""))
    left = next((boxes[r][k] for k in range(c - 1, -1, -1) if boxes[r][k] is not None), None)
    column = next((row[c] for row in boxes if row[c] is not None), None)
    if left is not None and (column is None or left[2] > column[0] + 1):
        return LEFT
    return ABOVE
