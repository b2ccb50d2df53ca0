"""Saved list pages in the form of each CMS family, each with what it must yield; then what no page may do."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.listing import ListRules, read_list, same_rows
from storage.records import ListPage

PAGES = Path(__file__).parent / "pages" / "lists"
EXPECTED = sorted(PAGES.glob("*.expected.json"))
SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "pages"


def told(page: ListPage) -> list[dict[str, Any]]:
    return [
        {"title": i.title, "url": i.url, "date": i.date.isoformat() if i.date else None} for i in page.items
    ]


@pytest.mark.parametrize("path", EXPECTED, ids=lambda p: p.name.removesuffix(".expected.json"))
def test_saved_pages(path: Path) -> None:
    expected = json.loads(path.read_text("utf-8"))
    body = (PAGES / path.name.removesuffix(".expected.json")).read_bytes()
    page = read_list(body, expected["url"])
    assert told(page) == expected["items"]
    assert (page.cms, page.next, page.api) == (expected["cms"], expected["next"], expected["api"])


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference folder shared/pages is not beside the project")
def test_reference_pages() -> None:
    for expected in json.loads((SHARED / "expected_list.json").read_text("utf-8")):
        page = read_list((SHARED / expected["file"]).read_bytes(), expected["base_url"])
        rows = [{"title": i["title"], "url": i["href"], "date": i["date"]} for i in expected["items"]]
        assert told(page) == rows, expected["file"]
