"""Tables for spreadsheets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from storage.threads import Thread

COLUMNS = (
    *("id", "name", "region", "kind", "document", "title", "published_on", "version"),
    *("bound", "value", "min", "max", "unit", "deadline", "quote"),
)
# A cell that begins so would be run as a formula by spreadsheet programs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_measures_csv(threads: Iterable[Thread], stream: TextIO | None = None) -> None:
    """One row for each figure of each statement of each tracked measure."""
    writer = csv.DictWriter(stream or sys.stdout, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for thread in threads:
        for row in measure_rows(thread):
            writer.writerow({name: _cell(value) for name, value in row.items()})


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
    # A bound is a lone "=": nothing follows that could be run.
    if isinstance(value, str) and value != "=" and value.startswith(_FORMULA):
        return "'" + value
    return value
