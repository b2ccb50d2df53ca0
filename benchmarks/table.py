"""One row for every figure, so that all of them stand in one table and each beside what it is to be compared with."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

_WIDTHS = (50, 16, 40, 7)


@dataclass(frozen=True, slots=True)
class Row:
    """`measured` and `beside` are from the same run and in the same unit; `ratio` is what is left of the machine."""

    what: str
    measured: str
    beside: str = ""
    ratio: float | None = None
    asked: str = ""

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        cells = zip((self.what, self.measured, self.beside, ratio), _WIDTHS, strict=True)
        return f"  {' '.join(f'{cell:<{width}}' for cell, width in cells)} {self.asked}".rstrip()


def show(name: str, rows: Iterable[Row]) -> None:
    """Print the rows of one benchmark as they come, under its name, the hour and the machine's load."""
    began = time.perf_counter()
    print(f"{name}  ({datetime.now(UTC):%Y-%m-%d %H:%M} UTC, load {os.getloadavg()[0]:.1f})", flush=True)
    for row in rows:
        print(row, flush=True)
    print(f"  … {time.perf_counter() - began:.0f} s, load now {os.getloadavg()[0]:.1f}\n", flush=True)


def head() -> str:
    """The words over the columns."""
    return "  " + str(Row("what", "measured", "beside it", None, "")).strip() + "   ratio   asked"
