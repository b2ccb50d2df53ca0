"""Saved pages of real sites, scored against what a person read from them."""

import json
from datetime import date
from pathlib import Path

import pytest

from crawler.document import read_document
from storage.records import Document

PAGES = Path(__file__).resolve().parents[2].parent / "shared" / "pages"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not PAGES.is_dir(), reason="needs the folder shared/pages beside the project"),
]
FIELDS = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")


def expectations() -> list[dict]:
    listed = PAGES / "expected_detail.json"
    return json.loads(listed.read_text("utf-8")) if listed.exists() else []


def read(expected: dict) -> Document:
    return read_document((PAGES / expected["file"]).read_bytes(), "http://www.example.test/a/b/content/post_1.html")


def plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return "".join(value.split()) if isinstance(value, str) else value


def accepted(expected: dict, field: str) -> list[object]:
    return [plain(value) for value in [expected[field], *expected.get(f"{field}_alternatives", [])]]


def checks(expected: dict) -> list[tuple[str, bool]]:
    """(what, right) for every value that is expected of a page."""
    document = read(expected)
    text = plain(document.text)
    rows = [(field, plain(getattr(document, field)) in accepted(expected, field)) for field in FIELDS]
    rows.append(("addresses", [a.url for a in document.attachments] == [a["href"] for a in expected["attachments"]]))
    for found, wanted in zip(document.attachments, expected["attachments"], strict=False):
        rows.append((found.name, found.name in [wanted["name"], *wanted["name_alternatives"]]))
    wanted_strings = expected["body_must_contain"] + expected.get("body_must_contain_extra", [])
    rows += [(string, plain(string) in text) for string in wanted_strings]
    rows.append(("length", abs(len(text) - expected["body_chars"]) <= 0.05 * expected["body_chars"]))
    return rows


def test_values_of_saved_pages():
    rows = [(expected["page"], *check) for expected in expectations() for check in checks(expected)]
    wrong = [row for row in rows if not row[2]]
    assert len(rows) > 50
    assert 1 - len(wrong) / len(rows) >= 0.95, wrong


@pytest.mark.parametrize("expected", expectations(), ids=lambda e: e["page"])
def test_no_furniture(expected):
    text = read(expected).text
    assert not [string for string in expected["body_must_not_contain"] if string in text]
