"""The archive gives back what it got, small, once, and never something else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.bench_archive import page_versions, solid
from storage import archive
from storage.archive import digest, get_blob, put_blob
from storage.database import Database, open_database
from storage.errors import StorageError
from storage.tables import blobs


@pytest.fixture(scope="module")
def file_database(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return open_database(f"sqlite:///{tmp_path_factory.mktemp('archive') / 'a.db'}")


def edits(data: bytes) -> st.SearchStrategy[bytes]:
    at = st.integers(0, len(data))
    return st.builds(lambda i, j, new: data[: min(i, j)] + new + data[max(i, j) :], at, at, st.binary())


@settings(max_examples=60, deadline=None)
@given(first=st.binary(max_size=4000) | st.text().map(str.encode), data=st.data())
def test_any_bytes_come_back_whatever_they_were_based_on(
    file_database: Database, first: bytes, data: st.DataObject
) -> None:
    bodies = [first]
    for _ in range(data.draw(st.integers(0, 6))):
        bodies.append(data.draw(edits(bodies[-1])))
    with file_database.begin() as conn:
        base = None
        for body in bodies:
            base = put_blob(conn, body, base)
        assert [get_blob(conn, digest(body)) for body in bodies] == bodies


def test_a_hundred_versions_take_little_room(database: Database, record_property) -> None:
    versions = page_versions(100)
    with database.begin() as conn:
        base = None
        for body in versions:
            base = put_blob(conn, body, base)
        sizes = conn.execute(sa.select(blobs.c.depth, sa.func.length(blobs.c.data).label("bytes"))).all()
        assert all(get_blob(conn, digest(body)) == body for body in versions)
    per_version = sum(row.bytes for row in sizes) / len(versions)
    print(f"\n{per_version:.0f} bytes a version of {len(versions[0])} bytes")
    record_property("bytes_per_version", per_version)
    assert per_version < 1.2 * solid(versions) / len(versions)
    assert max(row.depth for row in sizes) == archive.CHAIN - 1
    assert [row.depth for row in sizes].count(0) == 1


def test_a_document_that_drifts_away_begins_anew(file_database: Database) -> None:
    """After 64 versions that change a tenth each, nothing of the first is left to build on."""
    rng = random.Random(5)
    parts = [rng.randbytes(100).hex() for _ in range(30)]
    base, bodies = None, []
    with file_database.begin() as conn:
        for _ in range(140):
            for _ in range(3):
                parts[rng.randrange(30)] = rng.randbytes(100).hex()
            bodies.append("".join(parts).encode())
            base = put_blob(conn, bodies[-1], base)
        depths = [
            conn.execute(sa.select(blobs.c.depth).where(blobs.c.sha256 == digest(b))).scalar_one() for b in bodies
        ]
        assert depths == [n % archive.CHAIN for n in range(140)]
        assert all(get_blob(conn, digest(body)) == body for body in bodies)


def test_the_same_bytes_are_kept_once(database: Database) -> None:
    with database.begin() as conn:
        assert put_blob(conn, b"same") == put_blob(conn, b"same") == put_blob(conn, b"same", digest(b"same"))
        assert conn.execute(sa.select(sa.func.count()).select_from(blobs)).scalar() == 1


def test_a_base_that_is_unknown_or_unlike_does_no_harm(database: Database) -> None:
    noise = random.Random(1).randbytes(3000)
    with database.begin() as conn:
        first = put_blob(conn, b"a" * 5000)
        assert get_blob(conn, put_blob(conn, noise, first)) == noise
        assert get_blob(conn, put_blob(conn, noise[::-1], "0" * 64)) == noise[::-1]
        kept = dict(conn.execute(sa.select(blobs.c.sha256, blobs.c.encoding)).all())
    assert kept[digest(noise)] == "raw"


@pytest.mark.parametrize("damage", [b"", b"x", b"\x28\xb5\x2f\xfd\x00\x00"])
def test_damage_is_found(database: Database, damage: bytes) -> None:
    bodies = page_versions(3)
    with database.begin() as conn:
        base = None
        for body in bodies:
            base = put_blob(conn, body, base)
        first = blobs.c.sha256 == digest(bodies[0])
        conn.execute(blobs.update().where(first).values(data=damage))
        for body in bodies:
            with pytest.raises(StorageError, match="damaged"):
                get_blob(conn, digest(body))


def test_exchanged_bytes_are_found(database: Database) -> None:
    with database.begin() as conn:
        sha = put_blob(conn, b"5000")
        conn.execute(blobs.update().values(data=b"8000"))
        with pytest.raises(StorageError, match="damaged"):
            get_blob(conn, sha)


def test_missing_and_pruned_bytes_say_so_and_pruned_ones_come_back(database: Database) -> None:
    with database.begin() as conn:
        with pytest.raises(StorageError, match="no blob"):
            get_blob(conn, "0" * 64)
        sha = put_blob(conn, b"kept for a while")
        conn.execute(blobs.update().values(encoding="pruned", data=b"", base_sha256=None, depth=0))
        with pytest.raises(StorageError, match="pruned"):
            get_blob(conn, sha)
        assert put_blob(conn, b"next", sha) == digest(b"next")
        put_blob(conn, b"kept for a while")
        assert get_blob(conn, sha) == b"kept for a while"


def test_a_large_body_is_a_delta_of_a_large_body(tmp_path: Path, file_database: Database) -> None:
    first = random.Random(2).randbytes(6_000_000)
    second = first[:10] + b"!" + first[10:]
    with file_database.begin() as conn:
        put_blob(conn, second, put_blob(conn, first))
        size = sa.select(sa.func.length(blobs.c.data)).where(blobs.c.sha256 == digest(second))
        assert conn.execute(size).scalar_one() < 10_000
        assert get_blob(conn, digest(second)) == second
