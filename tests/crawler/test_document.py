"""Pages of the CMS families, written after the form of real ones, against what a reader would copy from them."""

import json
from pathlib import Path

import pytest

from crawler.document import READER, DetailRules, full_text, join_pages, read_document, read_text
from crawler.kinds import UnreadableFile
from storage.records import Attachment, Document

PAGES = Path(__file__).parent / "pages" / "details"
NAMES = sorted(path.stem for path in PAGES.glob("*.html"))
FIELDS = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")


def read(name: str) -> tuple[Document, dict]:
    expected = json.loads((PAGES / f"{name}.json").read_text("utf-8"))
    return read_document((PAGES / f"{name}.html").read_bytes(), expected["url"]), expected


@pytest.mark.parametrize("name", NAMES)
def test_metadata(name):
    document, expected = read(name)
    shown = {field: getattr(document, field) for field in FIELDS}
    shown |= {f: d.isoformat() for f in ("published_on", "issued_on") if (d := shown[f])}
    assert shown == {field: expected[field] for field in FIELDS}


@pytest.mark.parametrize("name", NAMES)
def test_text(name):
    document, expected = read(name)
    assert document.text.split("\n") == (expected["text"] or [""])


@pytest.mark.parametrize("name", NAMES)
def test_attachments_and_parts(name):
    document, expected = read(name)
    assert [[a.name, a.url] for a in document.attachments] == expected["attachments"]
    assert list(document.next_pages) == expected["next_pages"]


@pytest.mark.parametrize("name", NAMES)
def test_warnings(name):
    document, expected = read(name)
    beginnings = expected.get("warnings", [])
    assert len(document.warnings) == len(beginnings)
    assert all(any(w.startswith(b) for w in document.warnings) for b in beginnings)
