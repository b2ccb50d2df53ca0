"""Tables as lines: one a row, cells joined by " | ", "↑" and "←" where a span continues a cell.

Most tables of government pages are layout: wrappers around the text. They are unwrapped into paragraphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lxml.html import HtmlElement

from crawler.page import Line

ABOVE, LEFT = "↑", "←"
_MAX_SPAN = 200  # wider or higher spans are mistakes (colspan="1000" to mean "all")
_MAX_CELLS = 200_000
_MAX_PARAGRAPHS = 6  # a cell with more is a column of a page, not a cell of a table
_ROW_HOLDERS = ("tbody", "thead", "tfoot")

Cells = list[list[Line]]  # of one row: each cell as its lines
Read = Callable[[HtmlElement], list[Line]]


def join_row(cells: list[str]) -> str:
    """One row as a line; "" for a row without any text. A bar inside a cell cannot be told from a border."""
    text = [cell.replace("|", "｜") for cell in cells]
    return " | ".join(text).strip() if any(cell and cell not in (ABOVE, LEFT) for cell in text) else ""


def table_lines(table: HtmlElement, read: Read) -> list[Line]:
    """The lines of a table. `read` gives the lines of a cell."""
    rows = [[cell for cell in row if cell.tag in ("td", "th")] for row in _rows(table)]
    contents = {cell: read(cell) for row in rows for cell in row}
    before = [line for caption in table.iterchildren("caption") for line in read(caption)]
    if _is_layout(table, rows, contents):
        return before + [line for row in rows for cell in row for line in contents[cell]]
    return before + [Line(text) for grid_row in _grid(rows, contents) if (text := join_row(grid_row))]


def _rows(table: HtmlElement) -> Iterator[HtmlElement]:
    for child in table.iterchildren("tr", *_ROW_HOLDERS):
        if child.tag == "tr":
            yield child
        else:
            yield from child.iterchildren("tr")


def _is_layout(table: HtmlElement, rows: list[list[HtmlElement]], contents: dict[HtmlElement, list[Line]]) -> bool:
    filled = [sum(bool(contents[cell]) for cell in row) for row in rows]
    spanned = len(rows) > 1 and any(cell.get("rowspan") for row in rows for cell in row)
    if max(filled, default=0) <= 1 and not spanned:
        return True
    if next(table.iterdescendants("table"), None) is not None:
        return True
    return any(len(lines) > _MAX_PARAGRAPHS and len(rows) <= 2 for lines in contents.values())


def _grid(rows: list[list[HtmlElement]], contents: dict[HtmlElement, list[Line]]) -> Iterator[list[str]]:
    """Rows with every span filled out."""
    hanging: dict[int, int] = {}  # column → how many more rows a cell from above covers it
    budget = _MAX_CELLS
    for row in rows:
        out: list[str] = []
        for cell in row:
            _fill(out, hanging)
            text = " ".join(line.text for line in contents[cell])
            width, height = _span(cell, "colspan"), _span(cell, "rowspan")
            for offset in range(width):
                if height > 1:
                    hanging[len(out)] = height - 1
                out.append(LEFT if offset else text)
        _fill(out, hanging)
        budget -= len(out)
        if budget < 0:
            return
        yield out


def _fill(out: list[str], hanging: dict[int, int]) -> None:
    while hanging.get(len(out), 0) > 0:
        hanging[len(out)] -= 1
        out.append(ABOVE)


def _span(cell: HtmlElement, name: str) -> int:
    digits = (cell.get(name) or "").strip()[:9]
    return min(max(int(digits), 1), _MAX_SPAN) if digits.isascii() and digits.isdigit() else 1
