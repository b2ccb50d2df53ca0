"""Pages, the answers that were got from them, and which pages are due."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa
from stock import NOW, URL, add_document, add_source, capture, reading

from storage import archive, captures, sources
from storage.captures import Page, page_for, pages_for, record_capture, stored_bytes
from storage.database import Database
from storage.errors import StorageError
from storage.tables import blobs
from storage.tables import captures as capture_table


@pytest.fixture
def page(database: Database) -> Page:
    with database.begin() as conn:
        add_source(conn)
        return page_for(conn, URL, "mzj", "document")


def again(conn: sa.Connection, page: Page) -> Page:
    found = captures.page_by_url(conn, page.url)
    assert found
    return found


def test_a_page_is_made_once(database: Database, page: Page) -> None:
    with database.begin() as conn:
        assert page_for(conn, URL, "mzj", "list") == page
        found = pages_for(conn, [URL, "https://a/2", "https://a/1", "https://a/2"], "mzj", "document")
        assert found[URL] == page and list(found) == [URL, "https://a/2", "https://a/1"]
        assert pages_for(conn, list(found), "mzj", "document") == found


def test_many_pages_at_once(database: Database, page: Page) -> None:
    urls = [f"https://mzj.example.gov.cn/{n}" for n in range(1201)]
    with database.begin() as conn:
        assert [p.url for p in pages_for(conn, urls, "mzj", "document").values()] == urls


def test_an_overlong_address_is_refused(database: Database, page: Page) -> None:
    with database.begin() as conn, pytest.raises(StorageError, match="longer than 2000 bytes"):
        page_for(conn, "https://a/" + "中" * 700, "mzj", "document")


def test_a_good_answer_moves_the_page_on(database: Database, page: Page) -> None:
    given = capture(b"body")
    with database.begin() as conn:
        id = record_capture(conn, replace(page, failures=3, gone_passes=1), given)
        after = again(conn, page)
        assert stored_bytes(conn, id) == b"body"
        stored = captures.capture_by_id(conn, id)
    assert after == replace(
        page,
        etag='"v1"',
        last_modified=given.headers["Last-Modified"],
        last_capture_id=id,
        last_sha256=archive.digest(b"body"),
        last_fetched_at=NOW,
        last_audit_at=NOW,
    )
    assert stored and (stored.url, stored.status, stored.headers) == (URL, 200, given.headers)


def test_a_304_costs_a_row_and_stands_for_the_body_it_confirms(database: Database, page: Page) -> None:
    later = NOW + timedelta(hours=2)
    answer = capture(b"", status=304, outcome="not_modified", headers={}, fetched_at=later)
    with database.begin() as conn:
        record_capture(conn, page, capture(b"body"))
        before = again(conn, page)
        id = record_capture(conn, before, answer)
        after = again(conn, page)
        assert conn.execute(sa.select(sa.func.count()).select_from(blobs)).scalar() == 1
        assert stored_bytes(conn, id) == b"body"
    assert after == replace(before, last_capture_id=id, last_fetched_at=later)


def test_validators_that_are_not_sent_any_more_are_forgotten(database: Database, page: Page) -> None:
    with database.begin() as conn:
        record_capture(conn, page, capture())
        record_capture(conn, again(conn, page), capture(headers={}))
        after = again(conn, page)
    assert (after.etag, after.last_modified) == (None, None)


@pytest.mark.parametrize("outcome", ["gone", "blocked", "failed"])
def test_a_bad_answer_is_kept_but_not_compared_with(database: Database, page: Page, outcome: str) -> None:
    with database.begin() as conn:
        record_capture(conn, page, capture(b"good"))
        good = again(conn, page)
        for _ in range(2):
            id = record_capture(conn, again(conn, page), capture(b"oops", outcome=outcome, reason="r"))
        after = again(conn, page)
        assert stored_bytes(conn, id) == b"oops"
    assert (after.gone_passes, after.failures) == ((2, 0) if outcome == "gone" else (0, 2))
    assert after == replace(good, last_capture_id=id, gone_passes=after.gone_passes, failures=after.failures)


def test_an_answer_without_a_body(database: Database, page: Page) -> None:
    with database.begin() as conn:
        id = record_capture(conn, page, capture(b"", status=0, outcome="failed", reason="timeout"))
        assert stored_bytes(conn, id) == b""
        with pytest.raises(StorageError, match="no capture"):
            stored_bytes(conn, id + 1)


def test_odd_headers_and_addresses_come_through(database: Database, page: Page) -> None:
    odd = capture(headers={"X-名": "值\0\ud800", "ETAG": "e"}, final_url=URL + "?\0", reason="\ud800")
    with database.begin() as conn:
        record_capture(conn, page, odd)
        assert again(conn, page).etag == "e"
        assert captures.broken_links(conn) == {}


# ------------------------------------------------------------------ the chain


def chain(conn: sa.Connection, page: Page, count: int) -> list[int]:
    return [record_capture(conn, again(conn, page), capture(b"%d" % n)) for n in range(count)]


def test_an_untouched_chain_holds(database: Database, page: Page) -> None:
    with database.begin() as conn:
        chain(conn, page, 5)
        assert captures.broken_links(conn) == {}


@pytest.mark.parametrize(
    ("column", "value"),
    [("sha256", None), ("status", 404), ("fetched_at", NOW - timedelta(days=1)), ("headers", {"a": "b"})],
)
def test_a_changed_capture_is_found(database: Database, page: Page, column: str, value: object) -> None:
    with database.begin() as conn:
        ids = chain(conn, page, 4)
        third = capture_table.c.id == ids[2]
        conn.execute(capture_table.update().where(third).values({column: value}))
        assert captures.broken_links(conn) == {"mzj": [ids[2]]}


@pytest.mark.parametrize("removed", [0, 1, 3])
def test_a_removed_capture_is_found(database: Database, page: Page, removed: int) -> None:
    with database.begin() as conn:
        ids = chain(conn, page, 4)
        conn.execute(capture_table.delete().where(capture_table.c.id == ids[removed]))
        assert captures.broken_links(conn) == {"mzj": [0 if removed == 3 else ids[removed + 1]]}


# ------------------------------------------------------------------ recheck


def known(conn: sa.Connection, count: int) -> list[Page]:
    """Documents published a day apart, the newest first; all were read at NOW."""
    add_source(conn)
    made = []
    for n in range(count):
        day = date(2026, 2, 20) - timedelta(days=n)
        add_document(conn, reading(published_on=day, doc_number=None, index_number=None), f"{URL}?{n}")
        made.append(captures.page_by_url(conn, f"{URL}?{n}"))
    return [page for page in made if page]


def test_the_newest_are_read_in_every_pass_and_the_others_in_rotation(database: Database) -> None:
    newest, within, interval = 5, 3, timedelta(hours=6)
    with database.begin() as conn:
        pages = known(conn, 30)
        read_at = {page.url: [NOW] for page in pages}
        for n in range(1, 30):
            now = NOW + n * interval
            sources.save_pass(conn, sources.SourceState("mzj", "u", last_pass_at=now - interval, next_due_at=now))
            due = captures.due_documents(conn, "mzj", now, newest, within)
            assert [p.url for p in due[:newest]] == [p.url for p in pages[:newest]]
            assert len(due) <= newest + math.ceil(25 * interval / timedelta(days=within))
            for page in due:
                read_at[page.url].append(now)
                record_capture(conn, page, capture(b"", page.url, fetched_at=now, outcome="not_modified"))
    for times in read_at.values():
        assert max(b - a for a, b in pairwise([*times, now])) <= timedelta(days=within)


def test_after_a_long_pause_all_that_is_late_is_read(database: Database) -> None:
    with database.begin() as conn:
        pages = known(conn, 8)
        due = captures.due_documents(conn, "mzj", NOW + timedelta(days=31), 2)
    assert {page.url for page in due} == {page.url for page in pages}


def test_pages_that_could_not_be_read_are_tried_again_but_not_for_ever(database: Database, page: Page) -> None:
    with database.begin() as conn:
        for n in range(captures.UNREAD_TRIES):
            assert [p.url for p in captures.due_documents(conn, "mzj", NOW)] == [URL], n
            record_capture(conn, again(conn, page), capture(b"", outcome="failed"))
        assert captures.due_documents(conn, "mzj", NOW) == []


def test_a_document_is_read_at_one_of_its_addresses(database: Database) -> None:
    with database.begin() as conn:
        add_source(conn)
        version = add_document(conn)
        twin = page_for(conn, URL + "?twin", "mzj", "document")
        captures.settle(conn, twin.id, version.mark.document_id, "0" * 64)
        assert [p.url for p in captures.due_documents(conn, "mzj", NOW)] == [URL]
        captures.move_document(conn, version.mark.document_id, twin.url)
        assert [p.url for p in captures.due_documents(conn, "mzj", NOW)] == [twin.url]
