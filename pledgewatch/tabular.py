"""Tables for spreadsheets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, BinaryIO, TextIO

from storage.threads import Thread

COLUMNS = (
    *("id", "name", "region", "kind", "document", "title", "published_on", "version"),
    *("bound", "value", "min", "max", "unit", "deadline", "quote"),
)
# A cell that begins so would be run as a formula by spreadsheet programs.
_FORMULA = ("=", "+", "-", "@", "\t")


def write_measures_csv(threads: Iterable[Thread], stream: TextIO | None = None) -> None:
    """One row for each figure of each statement of each tracked measure."""
    write_csv(COLUMNS, (row for thread in threads for row in measure_rows(thread)), stream or sys.stdout)


def write_measures_xlsx(threads: Iterable[Thread], stream: BinaryIO) -> None:
    """The same as a workbook."""
    write_xlsx(COLUMNS, (row for thread in threads for row in measure_rows(thread)), stream)


def write_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], stream: TextIO) -> None:
    """A table with a line of column names; no text in it can be run as a formula."""
    stream.writelines(csv_lines(columns, rows))


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The same, row by row as they come."""
    writer = csv.writer(_Returned(), lineterminator="\n")
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_cell(row.get(name)) for name in columns])


class _Returned:
    """A file that gives back what is written to it."""

    def write(self, line: str) -> str:
        return line


def write_xlsx(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], stream: BinaryIO) -> None:
    """The same as a workbook of one sheet: numbers and days as such, all else as text. Rows go to disk as they come."""
    import xlsxwriter

    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    sheet = book.add_worksheet()
    day, head = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(columns):
        sheet.write_string(0, column, name, head)
    for line, row in enumerate(rows, 1):
        for column, name in enumerate(columns):
            value = _cell(row.get(name))
            if isinstance(value, date):
                sheet.write_datetime(line, column, value, day)
            elif isinstance(value, int | float):
                sheet.write_number(line, column, value)
            elif value is not None:
                sheet.write_string(line, column, str(value))
    book.close()


def measure_rows(thread: Thread) -> Iterable[dict[str, Any]]:
    tracked = thread.tracked
    for known in thread.statements:
        for figure in known.measure.figures:
            yield {
                "id": tracked.id,
                "name": tracked.name,
                "region": tracked.region,
                "kind": known.measure.kind,
                "document": known.document.id,
                "title": known.document.title,
                "published_on": known.published_on,
                "version": known.version,
                "bound": figure.bound,
                "value": figure.value,
                "min": figure.min,
                "max": figure.max,
                "unit": figure.unit,
                "deadline": known.measure.deadline,
                "quote": figure.quote.replace("\n", ""),
            }


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\r", "")  # it would end the line for some readers, quoted or not
    # A bound is a lone "=": nothing follows that could be run.
    return "'" + text if text != "=" and text.startswith(_FORMULA) else text
