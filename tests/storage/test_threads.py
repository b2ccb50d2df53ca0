"""Tracked measures, their statements and operators' decisions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from stock import NOW, URL, add_document, add_source, measure, reading

from storage import documents, threads
from storage.database import Database
from storage.threads import Decision, Tracked


@pytest.fixture
def conn(database: Database):
    with database.begin() as conn:
        add_source(conn)
        yield conn


def tracked(id: str, **more: str | None) -> Tracked:
    return Tracked(
        **({"id": id, "name": id, "kind": "subsidy", "region": "示例市", "unit": "元/张"} | more),
        created_at=NOW,
    )


def three_documents(conn: sa.Connection) -> list[documents.StoredVersion]:
    """Of 2024, 2025 and 2026, each with one statement of the thread "a"; the first one is expired."""
    threads.put_tracked(conn, [tracked("b"), tracked("a")])
    stored = []
    for n, status in enumerate(("expired", "in_force", "unknown")):
        given = reading(
            measure(4000 + n),
            published_on=date(2024 + n, 1, 1),
            status=status,
            doc_number=None,
            index_number=None,
        )
        stored.append(add_document(conn, given, f"{URL}?{n}"))
    threads.assign(conn, {v.statements[0].id: "a" for v in stored})
    return stored


def test_a_line_of_measures_is_the_contract_s(conn: sa.Connection) -> None:
    versions = three_documents(conn)
    (line,) = [t.to_json() for t in threads.tracked_with_statements(conn)]
    assert {k: line[k] for k in ("id", "name", "kind", "region", "unit")} == {
        "id": "a",
        "name": "a",
        "kind": "subsidy",
        "region": "示例市",
        "unit": "元/张",
    }
    assert line["statements"][0] == {
        "document": versions[1].mark.document_id,
        "title": "关于养老机构补贴的通知",
        "kind": "subsidy",
        "figures": [versions[1].measures[0].figures[0].to_json()],
        "quote": "给予4001元/张的建设补贴。",
        "deadline": "2026-12-31",
        "published_on": "2025-01-01",
        "version": 1,
    }


def test_only_what_stands_is_told_unless_asked(conn: sa.Connection) -> None:
    versions = three_documents(conn)
    documents.set_state(conn, versions[2].mark.document_id, "withdrawn")

    def told(**how: bool) -> list[tuple[int, bool]]:
        (thread,) = threads.tracked_with_statements(conn, **how)
        return [(s.version, s.standing) for s in thread.statements]

    assert told() == [(1, True)]
    assert told(standing_only=False) == [(1, False), (1, True), (1, False)]


def test_only_latest_versions_speak(conn: sa.Connection) -> None:
    versions = three_documents(conn)
    newer = documents.add_version(
        conn,
        versions[1].mark.document_id,
        reading(measure(9000)),
        capture_id=versions[1].mark.capture_id,
        now=NOW,
    )
    assert [s.measure.figures[0].value for s in threads.statements_of(conn, region="示例市")] == [4002, 9000]
    assert [s.tracked_id for s in threads.statements_of(conn, tracked_ids=["a"])] == ["a"]
    threads.assign(conn, {newer.statements[0].id: "a"})
    assert len(list(threads.statements_of(conn, tracked_ids=["a"]))) == 2


def test_statements_are_chosen_by_what_is_asked(conn: sa.Connection) -> None:
    versions = three_documents(conn)
    add_document(conn, reading(measure(kind="target"), doc_number=None, index_number=None), URL + "?x", "邻市")
    count = {
        "region": len(list(threads.statements_of(conn, region="邻市"))),
        "kind": len(list(threads.statements_of(conn, kind="subsidy"))),
        "all": len(list(threads.statements_of(conn, kind="subsidy", standing_only=False))),
        "document": len(list(threads.statements_of(conn, document_id=versions[1].mark.document_id))),
        "none": len(list(threads.statements_of(conn, tracked_ids=[]))),
    }
    assert count == {"region": 1, "kind": 2, "all": 3, "document": 1, "none": 0}


def test_many_threads_come_one_by_one_in_order(conn: sa.Connection) -> None:
    threads.put_tracked(conn, [tracked(f"t{n:04}") for n in range(700)])
    stored = add_document(conn, reading(*(measure(n) for n in range(1400))))
    threads.assign(conn, {s.id: f"t{n // 2:04}" for n, s in enumerate(stored.statements)})
    lines = list(threads.tracked_with_statements(conn))
    assert [t.tracked.id for t in lines] == [f"t{n:04}" for n in range(700)]
    assert {len(t.statements) for t in lines} == {2}


def test_a_tracked_measure_is_updated_not_doubled(conn: sa.Connection) -> None:
    threads.put_tracked(conn, [tracked("a"), tracked("n", region=None)])
    threads.put_tracked(conn, [tracked("a", name="新名")])
    assert threads.list_tracked(conn, "示例市") == [tracked("a", name="新名"), tracked("n", region=None)]
    assert [t.id for t in threads.list_tracked(conn, "邻市")] == ["n"]
    assert len(threads.list_tracked(conn)) == 2


def test_the_last_decision_counts_in_either_order(conn: sa.Connection) -> None:
    later = NOW + timedelta(days=1)
    threads.decide(conn, "b", "a", "same", NOW)
    threads.decide(conn, "a", "b", "apart", later)
    assert threads.list_decisions(conn) == [Decision("a", "b", "apart", later)]
