"""Pages written in the form of many systems before anybody looked at the code, scored against what they say."""

import json
from datetime import date
from pathlib import Path

import pytest

from crawler.document import read_document
from crawler.listing import read_list

PAGES = Path(__file__).parent / "pages" / "families"
LISTS = json.loads((PAGES / "expected_lists.json").read_text("utf-8"))
DETAILS = json.loads((PAGES / "expected_details.json").read_text("utf-8"))
FIELDS = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")


def plain(value: object) -> object:
    if isinstance(value, date):
        return value.isoformat()
    return "".join(value.split()) if isinstance(value, str) else value


def list_checks(expected: dict) -> list[tuple[object, bool]]:
    """(what, right) for each row, for the number of rows and for the address of the next page ("*": there is one)."""
    page = read_list((PAGES / expected["file"]).read_bytes(), expected["base_url"])
    found = [(item.title, item.url, item.date.isoformat() if item.date else None) for item in page.items]
    rows = [(row["title"], row["href"], row["date"]) for row in expected["items"]]
    following = page.next is not None if expected["next"] == "*" else page.next == expected["next"]
    return [*((row, row in found) for row in rows), (found, len(found) == len(rows)), (page.next, following)]


def detail_checks(expected: dict) -> list[tuple[object, bool]]:
    """(what, right) for each field, each attachment's name, the addresses, and each sentence of the body."""
    document = read_document((PAGES / expected["file"]).read_bytes(), expected["url"])
    text = plain(document.text)
    rows: list[tuple[object, bool]] = []
    for field in FIELDS:
        value = plain(getattr(document, field))
        rows.append(((field, value), value in [plain(accepted) for accepted in expected[field]]))
    files = expected["attachments"]
    rows.append((document.attachments, [a.url for a in document.attachments] == [a["url"] for a in files]))
    for found, wanted in zip(document.attachments, files, strict=False):
        rows.append((found.name, wanted["name"] is None or wanted["name"] in found.name))
    return rows + [(words, plain(words) in text) for words in expected["contains"]]


def test_values_of_every_family():
    checked = [(e["file"], check) for e in LISTS for check in list_checks(e)]
    checked += [(e["file"], check) for e in DETAILS for check in detail_checks(e)]
    wrong = [(file, what) for file, (what, right) in checked if not right]
    assert len(checked) > 200
    assert len(wrong) / len(checked) <= 0.02, (len(wrong), len(checked), wrong)


@pytest.mark.parametrize("expected", DETAILS, ids=lambda e: e["file"].partition(".")[0])
def test_no_furniture_of_any_family(expected):
    text = read_document((PAGES / expected["file"]).read_bytes(), expected["url"]).text
    assert not [words for words in expected["excludes"] if words in text]
