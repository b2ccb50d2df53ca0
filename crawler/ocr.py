"""Pictures of text → lines, by RapidOCR (the extra `ocr`): its models are inside the wheel, nothing is fetched.

Runs as a program of its own for `recognise`, as `crawler.workbook` does: it takes seconds a page, a gigabyte of memory
and whatever a damaged picture can provoke. What was recognised stands between two marks in a document's text, so that
whoever reads it, or a figure out of it, knows that a machine read a picture: it can lose a digit, or a whole line.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from crawler.child import answer, read_apart
from crawler.paragraphs import Printed
from crawler.tables import join_row

MEMORY = 6 << 30  # bytes of address space; a page takes a third of it
MAX_PAGES = 40  # of one file
OPENING, CLOSING = "【以下文字由程序从扫描件识别，请核对】", "【扫描件识别文字完】"
REMEDY = "install pledgewatch[ocr] to have it recognised"

_START_SECONDS, _PAGE_SECONDS = 60.0, 60.0
_SCALE = 2.0  # pixels a point: 144 dpi reads as well as 200 and takes three quarters of the time
_LONGEST = 2400  # pixels
_CERTAIN = 0.5  # of a line; below it is noise
_MARKED = re.compile(f"{OPENING}(.*?)(?:{CLOSING}|\n【附件】|\\Z)", re.DOTALL)
_REMEMBERED = 100  # files: a document is read again whenever its page's furniture changes, its scans seldom do
_recent: dict[tuple[str, ...], dict[int, list[Printed]]] = {}
_one_at_a_time = threading.Lock()  # each takes two cores


def is_available() -> bool:
    """Whether the extra is installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def spans(text: str) -> list[tuple[int, int]]:
    """Where recognised words stand in a document's text."""
    return [hit.span(1) for hit in _MARKED.finditer(text)] if OPENING in text else []


def recognise(body: bytes, pages: Sequence[int]) -> dict[int, list[Printed]]:
    """The lines of a PDF's `pages` (from 0), which are pictures; in points from the left.

    At most `MAX_PAGES` of them. Raises UnreadableFile where that takes too long or too much.
    """
    chosen = [str(page) for page in pages[:MAX_PAGES]]
    key = hashlib.sha256(body).hexdigest(), *chosen
    with _one_at_a_time:
        if key not in _recent:
            seconds = _START_SECONDS + _PAGE_SECONDS * len(chosen)
            told = read_apart("crawler.ocr", body, "a scan", seconds=seconds, arguments=chosen)["pages"]
            _recent[key] = {int(page): [Printed(*line) for line in lines] for page, lines in told.items()}
            while len(_recent) > _REMEMBERED:
                del _recent[next(iter(_recent))]
        return _recent[key]


# --- in the child ---


def _read(body: bytes) -> dict[str, Any]:
    import numpy
    import pypdfium2
    from rapidocr import RapidOCR

    # The same number of threads everywhere: sums in another order can read another letter.
    threads = {f"EngineConfig.onnxruntime.{name}_op_num_threads": n for name, n in (("intra", 2), ("inter", 1))}
    engine = RapidOCR(params={**threads, "Global.log_level": "error"})
    pdf = pypdfium2.PdfDocument(body)
    pages: dict[int, list[tuple[Any, ...]]] = {}
    for number in map(int, sys.argv[1:]):
        page = pdf[number]
        scale = min(_SCALE, _LONGEST / max(page.get_width(), page.get_height(), 1.0))
        found = engine(numpy.asarray(page.render(scale=scale).to_pil().convert("RGB")))
        pages[number] = list(_lines(found, scale))
        page.close()
    return {"pages": pages}


def _lines(found: Any, scale: float) -> Iterator[tuple[Any, ...]]:
    """`Printed`'s fields for each line, top to bottom; pieces side by side are the cells of a row."""
    if found.txts is None:
        return
    pieces = []
    for box, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
        if score >= _CERTAIN and text.strip():
            (left, top), (right, bottom) = box.min(axis=0) / scale, box.max(axis=0) / scale
            pieces.append((float(top + bottom) / 2, float(left), float(right), float(bottom - top), text.strip()))
    for row in _rows(sorted(pieces)):
        left, right, size = row[0][1], row[-1][2], max(piece[3] for piece in row)
        text = row[0][4] if len(row) == 1 else join_row([piece[4] for piece in row])
        yield text, left, right, round(size, 1), len(row) > 1


def _rows(pieces: Sequence[tuple[float, float, float, float, str]]) -> Iterator[list[Any]]:
    row: list[Any] = []
    for piece in pieces:
        if row and piece[0] - row[-1][0] > 0.5 * min(piece[3], row[-1][3]):
            yield sorted(row, key=lambda p: p[1])
            row = []
        row.append(piece)
    if row:
        yield sorted(row, key=lambda p: p[1])


if __name__ == "__main__":
    os.nice(10)  # whoever waits for a page of ours, or a message, goes before
    answer(_read, "scan", MEMORY)
