"""Page to document in pages per second of one core, beside trafilatura alone on the same pages.

Ours gives title, number, publisher, dates, status, attachments and text, trafilatura as it comes its text and metadata.
The pages hold the annotated documents of the tests in three makes: a known content system, one whose body no name
tells, and the table layout of old sites. Pages saved from real sites are added where the reference folder stands
beside the project.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

import trafilatura

from benchmarks.table import Row
from crawler.document import read_document

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ROOT / "tests" / "data" / "gold"
SAVED = ROOT.parent / "shared" / "pages"
ROUNDS = 3
ADDRESS = "http://www.example.gov.cn/art/1.html"

_HEAD = '<!DOCTYPE html><html><head><meta charset="utf-8"><title>{0}</title>{1}</head><body><h1>{0}</h1>'
_MAKES = {
    "known system": ('<meta name="ArticleTitle" content="{0}"><meta name="PubDate" content="2026-08-01">',
                     '<div class="TRS_Editor">{0}</div>'),
    "no known name": ("", '<div class="k1"><div class="k2">{0}</div></div>'),
    "table layout": ("", "<table><tr><td>首页</td><td><table><tr><td>{0}</td></tr></table></td></tr></table>"),
}  # fmt: skip


def made() -> dict[str, list[bytes]]:
    """Make → a page of each document."""
    pages: dict[str, list[bytes]] = {}
    for source in sorted(DOCUMENTS.glob("*.txt")):
        title, *lines = source.read_text("utf-8").strip().splitlines()
        body = "\n".join(f"<p>{escape(line)}</p>" for line in lines)
        for make, (meta, frame) in _MAKES.items():
            head = _HEAD.format(escape(title), meta.format(escape(title)))
            pages.setdefault(make, []).append(f"{head}{frame.format(body)}</body></html>".encode())
    return pages


def saved() -> list[bytes]:
    """Pages of real sites, documents and no lists."""
    return [path.read_bytes() for path in sorted(SAVED.glob("*_detail_*.html"))]


def seconds(read: Callable[[bytes], object], pages: Sequence[bytes]) -> float:
    """Processor time of reading all of them once, in the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for page in pages:
            read(page)
        best = min(best, time.process_time() - began)
    return best


def _ours(page: bytes) -> object:
    return read_document(page, ADDRESS)


def _theirs(page: bytes) -> object:
    return trafilatura.bare_extraction(page, url=ADDRESS, with_metadata=True, include_tables=True)


def rows() -> Iterator[Row]:
    """A row for each make of page."""
    kinds = made()
    if real := saved():
        kinds["saved from real sites"] = real
    for name, pages in kinds.items():
        _ours(pages[0]), _theirs(pages[0])  # patterns compile and libraries load at the first call
        ours, theirs = (len(pages) / seconds(read, pages) for read in (_ours, _theirs))
        size = sum(map(len, pages)) / len(pages) / 1024
        what = f"{name}, {len(pages)} of {size:.0f} KB: pages/s a core"
        yield Row(what, f"{ours:.0f}", f"trafilatura {theirs:.0f}", ours / theirs)
