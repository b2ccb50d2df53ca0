"""Over a larger archive no page reads a whole table, and lists go on without loss. How long pages take is measured by
`python -m benchmarks.pages`; here it is the plans of all statements that count, whatever the machine."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import postgresql, postgresql_url, sqlite_template  # noqa: F401
from starlette.testclient import TestClient
from web_markup import read
from web_samples import BASE

from benchmarks.pages import paths, settings
from benchmarks.stock import Size, build
from pledgewatch.tabular import write_measures_csv
from pledgewatch.web import create_app, figures
from storage.database import Database, open_database
from storage.threads import tracked_with_statements

SMALL = Size(documents=300, versions=3, statements=6, sources=5, measures=300)
GROWING = {
    *("documents", "versions", "statements", "events", "captures", "blobs", "pages", "tracked"),
    *("deliveries", "delivery_events", "document_keys", "search", "search_terms"),
}
_ENDS_EARLY = re.compile(r"SELECT [\w., ]+\s+FROM \w+ ORDER BY \w+\.id(?: DESC)?\s+LIMIT \?(?: OFFSET \?)?")


@pytest.fixture(scope="module")
def large(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:  # noqa: F811
    path = tmp_path_factory.mktemp("scale") / "large.db"
    path.write_bytes(sqlite_template.read_bytes())
    opened = open_database(f"sqlite:///{path}")
    build(opened, SMALL)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pages(large: Database) -> TestClient:
    return TestClient(create_app(settings(SMALL.sources), large), base_url=BASE)


def statements_of(database: Database, web: TestClient, path: str) -> dict[str, Any]:
    """The statements that a page runs, each with its parameters."""
    seen: dict[str, Any] = {}

    def keep(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            seen.setdefault(statement, parameters)

    sa.event.listen(database.engine, "before_cursor_execute", keep)
    try:
        answer = web.get(path)
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", keep)
    assert answer.status_code in (200, 404), path
    return seen


def scans(conn: sa.Connection, statement: str, parameters: Any) -> set[str]:
    """The growing tables that SQLite would read from end to end for a statement."""
    plan = [str(row[3]) for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    if _ENDS_EARLY.fullmatch(statement) and len(plan) == 1:  # one walk along the key, without sorting
        return set()
    known = dict(re.findall(r"(?:FROM|JOIN)\s+(\w+)(?:\s+AS\s+(\w+))?", statement))
    names = {alias: table for table, alias in known.items() if alias}
    found = set()
    for line in plan:
        if scan := re.match(r"SCAN (\w+)(.*)", line):
            # A virtual table is always "scanned"; its index is told after a colon, and nothing there means none.
            # What is open of the deliveries has an index of its own, which is short.
            if re.search(r"VIRTUAL TABLE INDEX (?:\d+:M|[1-9])|INDEX ix_deliveries_open", scan[2]):
                continue
            found.add(names.get(scan[1], scan[1]))
    return found & GROWING


@pytest.mark.parametrize("path", list(paths(SMALL)))
def test_no_page_reads_a_whole_table(large: Database, pages: TestClient, path: str) -> None:
    told = statements_of(large, pages, path)
    with large.read() as conn:
        found = {table: sql for sql, given in told.items() for table in scans(conn, sql, given)}
    assert found == {}


def test_a_scan_would_be_seen(large: Database) -> None:
    with large.read() as conn:
        assert scans(conn, "SELECT count(*) FROM documents", ()) == {"documents"}
        assert scans(conn, "SELECT d.title FROM documents AS d WHERE d.title LIKE '%x%'", ()) == {"documents"}
        assert scans(conn, "SELECT rowid FROM search", ()) == {"search"}
        assert scans(conn, "SELECT term FROM search_terms", ()) == {"search_terms"}
        assert scans(conn, "SELECT rowid FROM search WHERE search MATCH '\"养老机\"'", ()) == set()
        assert scans(conn, "SELECT id FROM documents WHERE id = 5", ()) == set()
        assert scans(conn, "SELECT events.id FROM events ORDER BY events.id DESC LIMIT ?", (5,)) == set()
        assert scans(conn, "SELECT events.id FROM events WHERE size > 9 ORDER BY events.id LIMIT ?", (5,)) == {"events"}
        assert scans(conn, "SELECT events.id FROM events ORDER BY events.id DESC", ()) == {"events"}


@pytest.mark.parametrize(
    ("start", "link", "count"),
    [
        ("/documents", r"/documents/(\d+)", SMALL.documents),
        ("/documents?q=护理型床位", r"/documents/(\d+)", SMALL.documents),
        ("/measures", r"/measures/(m\d+)", 180),  # those that have statements
        ("/measures?kind=subsidy", r"/measures/(m\d+)", 90),
        ("/events", r"/events/(\d+)", SMALL.documents * (SMALL.versions - 1) * 5),
        ("/events?kind=target", r"/events/(\d+)", SMALL.documents * (SMALL.versions - 1)),
    ],
)
def test_lists_go_on_without_loss_and_back(pages: TestClient, start: str, link: str, count: int) -> None:
    seen, path, turns = [], start, [start]
    while path:
        found = read(pages.get(path).text)
        seen += list(dict.fromkeys(m[1] for address, _ in found.links if (m := re.fullmatch(link, address))))
        path = next((address for address, rel in found.links if rel == "next"), "")
        turns.append(path)
    assert len(seen) == len(set(seen)) == count
    back = next(address for address, rel in read(pages.get(turns[-2]).text).links if rel == "prev")
    again = [m[1] for address, _ in read(pages.get(back).text).links if (m := re.fullmatch(link, address))]
    before = [m[1] for address, _ in read(pages.get(turns[-3]).text).links if (m := re.fullmatch(link, address))]
    assert again[-5:] == before[-5:]


def test_the_table_of_all_comes_in_pieces_and_is_whole(large: Database, pages: TestClient) -> None:
    with pages.stream("GET", "/measures.csv") as answer:
        table = answer.read().decode("utf-8-sig")
    expected = io.StringIO(newline="")
    with large.read() as conn:
        write_measures_csv(tracked_with_statements(conn), expected)
    assert table == expected.getvalue() and table.count("\n") > 2 * figures._PIECE
    statements = statements_of(large, pages, "/measures.csv")
    assert not [sql for sql in statements if "FROM tracked" in sql and "LIMIT" not in sql]  # never all at once


def test_a_revision_is_one_line_that_unfolds(pages: TestClient) -> None:
    found = read(pages.get("/events").text)
    heads = found.tags["h3"]
    assert found.tags["h4"] == 4 * heads and found.tags["details"] == heads + 1  # and the further conditions


def test_pages_of_postgresql_show_the_same(postgresql_url: str, pages: TestClient) -> None:  # noqa: F811
    small = Size(documents=60, versions=2, statements=6, sources=5, measures=60)
    opened = open_database(postgresql_url)
    build(opened, small)
    web = TestClient(create_app(settings(small.sources), opened), base_url=BASE)
    for path in paths(small):
        assert web.get(path).status_code in (200, 404), path
    ids = re.findall(r'<a href="/documents/(\d+)">', web.get("/documents?q=护理型床位").text)
    assert len(ids) == 20
    assert "共 60 条" in web.get("/documents?q=护理型床位").text
    opened.close()
