"""A workbook's bytes → its text. Runs as a program of its own, for `office.read_workbook`."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

from crawler.child import answer
from crawler.kinds import UnreadableFile
from crawler.markup import squeeze
from crawler.tables import ABOVE, LEFT, join_row

MEMORY = 1 << 30  # bytes of address space
_MAX_SHEETS = 100
_MAX_CELLS = 2_000_000
_MAX_TEXT = 20_000_000  # characters


def workbook_text(body: bytes) -> tuple[str, tuple[str, ...]]:
    """(text, warnings): each sheet under its name (where there are several), a row a line, merged cells told."""
    import python_calamine

    if body.startswith(b"PK"):
        _check_extent(body)
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(body))
    names = list(book.sheet_names)
    parts = [(name, _sheet_rows(book.get_sheet_by_name(name))) for name in names[:_MAX_SHEETS]]
    filled = [(name, rows) for name, rows in parts if rows]
    text = "\n".join(line for name, rows in filled for line in ([name, *rows] if len(filled) > 1 else rows))
    warnings = (f"long: only {_MAX_SHEETS} of {len(names)} sheets were read",) if len(names) > _MAX_SHEETS else ()
    return text, warnings


def _sheet_rows(sheet: Any) -> list[str]:
    grid = [[_cell_text(value) for value in row] for row in sheet.to_python(skip_empty_area=False)]
    for (top, left), (bottom, right) in sheet.merged_cell_ranges or ():
        for r in range(top, min(bottom + 1, len(grid))):
            for c in range(left, min(right + 1, len(grid[r]))):
                if (r, c) != (top, left):
                    grid[r][c] = ABOVE if r > top else LEFT
    width = max((i + 1 for row in grid for i, cell in enumerate(row) if cell), default=0)
    return [line for row in grid if (line := join_row(row[:width]))]


def _cell_text(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, float):
        return repr(round(value, 10))
    return squeeze(str(value)) if value is not None else ""


def _check_extent(body: bytes) -> None:
    """A cell in the farthest corner makes a reader allocate the whole sheet: refuse before it does."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for name in archive.namelist():
            rows, columns = _extent(archive, name)
            if rows * columns > _MAX_CELLS:
                raise UnreadableFile(f"a sheet of {rows} rows and {columns} columns", name, "open it by hand")


def _extent(archive: zipfile.ZipFile, name: str) -> tuple[int, int]:
    rows = columns = 0
    rest = b""
    with archive.open(name) as stream:
        while chunk := stream.read(1 << 20):
            data = rest + chunk
            for letters, digits in re.findall(rb"\br=[\"']([A-Z]{1,3})(\d{1,7})[\"']", data):
                rows, columns = max(rows, int(digits)), max(columns, _column(letters))
            rest = data[-16:]
    return rows, columns


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _read(body: bytes) -> dict[str, Any]:
    text, warnings = workbook_text(body)
    if len(text) > _MAX_TEXT:
        raise UnreadableFile(f"a workbook of {len(text)} characters", "", "open it by hand")
    return {"text": text, "warnings": warnings}


if __name__ == "__main__":
    answer(_read, "workbook", MEMORY)
