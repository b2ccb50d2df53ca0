"""What a policy lets go is gone, and only that; what stays can be read and verified as before."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stock import NOW, add_source, capture, document, event, measure

from storage import archive, captures, documents, events, outbox, pruning, upkeep
from storage.database import Database
from storage.documents import Reading
from storage.errors import LostBodyError
from storage.identity import identity_keys
from storage.pruning import Keep
from storage.tables import blobs

URL = "https://mzj.example.gov.cn/a.html"
LATER = NOW + timedelta(days=200)
EVERYTHING = Keep(timedelta(days=1), timedelta(days=1), 1)


def page_of(n: int, noise: str = "") -> bytes:
    return f"<p>{'养老服务' * 100}{n}</p>{noise}".encode()


def add(conn: sa.Connection, body: bytes, day: int, outcome: str = "ok", url: str = URL, kind: str = "document") -> int:
    page = captures.page_for(conn, url, "mzj", kind)  # type: ignore[arg-type]
    given = capture(body, url, fetched_at=NOW + timedelta(days=day), outcome=outcome)
    return captures.record_capture(conn, page, given)


def archive_of(conn: sa.Connection, count: int = 6) -> None:
    """A document in `count` versions; in between the same page with other furniture, a failure, a list."""
    add_source(conn)
    id_ = 0
    for n in range(count):
        capture_id = add(conn, page_of(n), 10 * n)
        given = Reading(document(text=f"给予{n}元", attachments=()), (measure(n),), "r", str(n))
        if not id_:
            keys = identity_keys(URL)
            id_ = documents.create_document(
                conn, keys, source="mzj", url=URL, document=given.document, region=None, now=NOW
            )
        documents.add_version(conn, id_, given, capture_id=capture_id, now=NOW)
        add(conn, page_of(n, f"<!-- {n} -->"), 10 * n + 1)
        add(conn, f"<h1>维护{n}</h1>".encode(), 10 * n + 2, "failed")
        add(conn, f"<li>{n}</li>".encode(), 10 * n, url="https://mzj.example.gov.cn/", kind="list")


def readable(conn: sa.Connection) -> set[bytes]:
    kept = conn.execute(sa.select(blobs.c.sha256).where(blobs.c.encoding != "pruned")).scalars().all()
    return {archive.get_blob(conn, sha) for sha in kept}


def test_nothing_goes_by_default(database: Database) -> None:
    with database.begin() as conn:
        archive_of(conn)
        before = readable(conn)
    assert pruning.prune(database, Keep(), LATER) == ([], 0)
    with database.read() as conn:
        assert readable(conn) == before


@pytest.mark.parametrize(
    ("keep", "now", "gone"),
    [
        (Keep(failed=timedelta(days=90)), LATER, {("failed", n) for n in range(6)}),
        (Keep(failed=timedelta(days=90)), NOW + timedelta(days=115), {("failed", n) for n in range(3)}),
        # The last furniture and the last list are what their pages were last seen with.
        (
            Keep(unchanged=timedelta(days=90)),
            LATER,
            {("unchanged", n) for n in range(5)} | {("list", n) for n in range(5)},
        ),
        (Keep(versions=2), LATER, {("version", n) for n in range(4)}),
        (Keep(versions=100), LATER, set()),
        (
            EVERYTHING,
            LATER,
            {(name, n) for name in ("unchanged", "list", "version") for n in range(5)}
            | {("failed", n) for n in range(6)},
        ),
    ],
    ids=["failed", "failed, not long ago", "unchanged", "versions", "many versions", "everything"],
)
def test_what_the_policy_names_goes(database: Database, keep: Keep, now: object, gone: set[tuple[str, int]]) -> None:
    bodies = {
        **{("version", n): page_of(n) for n in range(6)},
        **{("unchanged", n): page_of(n, f"<!-- {n} -->") for n in range(6)},
        **{("failed", n): f"<h1>维护{n}</h1>".encode() for n in range(6)},
        **{("list", n): f"<li>{n}</li>".encode() for n in range(6)},
    }
    with database.begin() as conn:
        archive_of(conn)
        texts = readable(conn) - set(bodies.values())
        kept = upkeep.stats(conn).bytes_kept
    chosen, freed = pruning.prune(database, keep, now)  # type: ignore[arg-type]
    with database.read() as conn:
        assert readable(conn) == texts | {body for name, body in bodies.items() if name not in gone}
        assert len(chosen) == len(gone)
        assert list(upkeep.faults(conn)) == []
        found = upkeep.stats(conn)
        assert kept - found.bytes_kept == freed
        assert sum(b.pruned for b in found.bodies.values()) == len(gone)
        assert [documents.version_by_number(conn, 1, n + 1).text for n in range(6)] == [  # type: ignore[union-attr]
            f"给予{n}元" for n in range(6)
        ]
    assert pruning.prune(database, keep, now) == ([], 0)  # type: ignore[arg-type]


def test_what_somebody_was_told_of_stays(database: Database) -> None:
    with database.begin() as conn:
        archive_of(conn)
        ref = documents.document_by_id(conn, 1)
        assert ref is not None
        told, unsent = events.record_events(
            conn, [event("a", document=ref.ref(), versions=(2, 3)), event("b", document=ref.ref(), versions=(4, 5))]
        )
        outbox.queue(conn, "wang", "mailto", [told.id], NOW, "g", NOW)
        assert unsent.id
    pruning.prune(database, EVERYTHING, LATER)
    with database.read() as conn:
        left = [n for n in range(6) if not archive.is_pruned(conn, archive.digest(page_of(n)))]
    assert left == [1, 2, 5]


def test_pruned_bytes_come_back_when_a_page_brings_them_again(database: Database) -> None:
    with database.begin() as conn:
        archive_of(conn)
    pruning.prune(database, EVERYTHING, LATER)
    with database.begin() as conn:
        with pytest.raises(LostBodyError, match="pruned"):
            archive.get_blob(conn, archive.digest(page_of(0)))
        id_ = add(conn, page_of(0), 300)
        assert captures.stored_bytes(conn, id_) == page_of(0)
        assert list(upkeep.faults(conn)) == []


def test_what_a_page_came_to_need_meanwhile_stays(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with database.begin() as conn:
        archive_of(conn)
    plain = pruning.forgettable

    def then_it_comes_again(conn: sa.Connection, keep: Keep, now: object) -> object:
        chosen = plain(conn, keep, now)  # type: ignore[arg-type]
        conn.rollback()
        with database.begin() as other:
            add(other, page_of(0), 300)
        return chosen

    monkeypatch.setattr(pruning, "forgettable", then_it_comes_again)
    chosen, _ = pruning.prune(database, EVERYTHING, LATER)
    with database.read() as conn:
        assert archive.get_blob(conn, archive.digest(page_of(0))) == page_of(0)
        assert archive.digest(page_of(0)) not in {body.sha256 for body in chosen}
        assert list(upkeep.faults(conn)) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_goes_the_rest_can_be_read(sqlite_url: str, data: st.DataObject) -> None:
    from storage.database import open_database

    database = open_database(sqlite_url)
    with database.begin() as conn:
        conn.execute(blobs.delete())
        bodies = [("养老" * 300 + str(n)).encode() for n in range(12)]
        for n, body in enumerate(bodies):  # a tree: each builds on any one before
            archive.put_blob(conn, body, archive.digest(bodies[data.draw(st.integers(0, n - 1))]) if n else None)
        going = data.draw(st.sets(st.integers(0, 11)))
        batch = data.draw(st.sets(st.sampled_from(sorted(going)))) if going else set()
        shas = {n: archive.digest(bodies[n]) for n in range(12)}
        archive.drop_blobs(conn, [shas[n] for n in batch], [shas[n] for n in going])
        for n, body in enumerate(bodies):  # what was to go and did not, being needed again, is still whole
            if n not in batch:
                assert archive.get_blob(conn, shas[n]) == body
        archive.drop_blobs(conn, [shas[n] for n in going - batch])
        for n, body in enumerate(bodies):
            assert archive.is_pruned(conn, shas[n]) == (n in going)
            if n not in going:
                assert archive.get_blob(conn, shas[n]) == body
        assert [fault for _, fault in archive.unsound(conn) if fault] == []
    database.close()
