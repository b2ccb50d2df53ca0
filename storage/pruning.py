"""What may be forgotten: bodies as they came, by a policy. Texts, figures, headers, hashes and chains always stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from storage.archive import drop_blobs
from storage.database import Database
from storage.tables import blobs, captures, delivery_events, events, pages, versions

_CHUNK = 500  # versions read at a time
_BATCH = 50  # bodies forgotten in one transaction

Reason = Literal["failed", "unchanged", "versions"]


@dataclass(frozen=True, slots=True)
class Keep:
    """How long bodies are kept as they came; None: for good.

    `failed`: of answers that were no page. `unchanged`: of lists, and of pages that said nothing new. `versions`: of
    how many of a document's newest versions. Texts, figures, headers and hashes are always kept.
    """

    failed: timedelta | None = None
    unchanged: timedelta | None = None
    versions: int | None = None


@dataclass(frozen=True, slots=True)
class Forgettable:
    """A body that the policy lets go. `size` is its bytes as it came, `kept` what it takes now."""

    sha256: str
    reason: Reason
    size: int
    kept: int
    depth: int


def forgettable(conn: sa.Connection, keep: Keep, now: datetime) -> list[Forgettable]:
    """The bodies that may go, what builds on others first.

    Never one that a text is, that its page answered last or was compared with last, that the latest version of a
    document was read from, or a version that somebody was told of.
    """
    originals = _originals(conn, keep.versions)
    found = []
    for row in conn.execute(_fates(conn)):
        reason = _reason(row, originals.get(row.sha256), keep, now)
        if reason:
            found.append(Forgettable(row.sha256, reason, row.size, row.kept, row.depth))
    return sorted(found, key=lambda b: (-b.depth, b.sha256))


def _reason(row: Any, needed: bool | None, keep: Keep, now: datetime) -> Reason | None:
    """Why a body may go, or None. `needed`: whether one of the versions that were read from it must stay whole."""
    if needed is not None:
        return None if needed or keep.versions is None else "versions"
    limit, reason = (keep.unchanged, "unchanged") if row.good else (keep.failed, "failed")
    return reason if limit is not None and row.last < now - limit else None  # type: ignore[return-value]


def _fates(conn: sa.Connection) -> sa.Select[Any]:
    """Every body that an answer brought and nothing else needs: its last answer, and whether one of them was good."""
    good = sa.func.max(sa.case((captures.c.outcome.in_(("ok", "not_modified")), 1), else_=0))
    current = sa.union(
        *(sa.select(pages.c[n]).where(pages.c[n].is_not(None)) for n in ("last_sha256", "settled_sha256")),
        sa.select(versions.c.text_sha256),
    )
    size = sa.func.length(blobs.c.data).label("kept")
    last = sa.func.max(captures.c.fetched_at, type_=captures.c.fetched_at.type).label("last")
    return (
        sa.select(blobs.c.sha256, blobs.c.size, blobs.c.depth, size, last, good.label("good"))
        .join(captures, captures.c.sha256 == blobs.c.sha256)
        .where(blobs.c.encoding != "pruned", blobs.c.sha256.not_in(current))
        .group_by(blobs.c.sha256, blobs.c.size, blobs.c.depth, size)
    )


def _originals(conn: sa.Connection, newest: int | None) -> dict[str, bool]:
    """What versions were read from: sha256 → whether one of these versions is to stay whole."""
    told = _told_versions(conn)
    of_capture = sa.select(captures.c.sha256)
    rows = conn.execute(
        sa.select(versions.c.document_id, versions.c.number, versions.c.attachments, captures.c.sha256)
        .join(captures, captures.c.id == versions.c.capture_id)
        .order_by(versions.c.document_id, versions.c.number.desc())
        .execution_options(yield_per=_CHUNK)
    )
    found: dict[str, bool] = {}
    document, place = None, 0
    for row in rows:
        place = place + 1 if row.document_id == document else 1
        document = row.document_id
        whole = newest is None or place <= max(newest, 1) or (row.document_id, row.number) in told
        ids = [a["capture_id"] for a in row.attachments if a["capture_id"] is not None]
        files = conn.execute(of_capture.where(captures.c.id.in_(ids))).scalars() if ids else ()
        texts = [a["text_sha256"] for a in row.attachments if a["text_sha256"]]
        for sha in (row.sha256, *files):
            if sha:
                found[sha] = found.get(sha, False) or whole
        found |= dict.fromkeys(texts, True)
    return found


def _told_versions(conn: sa.Connection) -> set[tuple[int, int]]:
    """Document and number of each version that a message named: its reader may ask for the page as it was."""
    told = sa.select(events.c.document_id, events.c.version_from, events.c.version_to).where(
        events.c.id.in_(sa.select(delivery_events.c.event_id)), events.c.document_id.is_not(None)
    )
    return {(row[0], number) for row in conn.execute(told) for number in row[1:] if number is not None}


def prune(
    database: Database, keep: Keep, now: datetime, tell: Callable[[int], None] = lambda _: None
) -> tuple[list[Forgettable], int]:
    """Forget what `forgettable` names; what was forgotten, and how many bytes that freed.

    In small transactions, so that nobody waits long and an end in between loses nothing. The rows stay, marked as
    pruned: hashes, chains and texts can be verified as before.
    """
    with database.read() as conn:
        chosen = forgettable(conn, keep, now)
    going = {body.sha256 for body in chosen}
    forgotten, freed = [], 0
    for start in range(0, len(chosen), _BATCH):
        batch = chosen[start : start + _BATCH]
        with database.begin() as conn:
            free = _still_free(conn, batch)
            freed += drop_blobs(conn, [body.sha256 for body in free], going)
        forgotten += free
        tell(len(batch))
    return forgotten, freed


def _still_free(conn: sa.Connection, batch: Sequence[Forgettable]) -> list[Forgettable]:
    """Those that no page and no version has come to need since they were chosen."""
    shas = [body.sha256 for body in batch]
    conn.execute(sa.select(blobs.c.sha256).where(blobs.c.sha256.in_(shas)).with_for_update())
    needed = sa.union(
        sa.select(pages.c.last_sha256).where(pages.c.last_sha256.in_(shas)),
        sa.select(pages.c.settled_sha256).where(pages.c.settled_sha256.in_(shas)),
        sa.select(versions.c.text_sha256).where(versions.c.text_sha256.in_(shas)),
    )
    taken = set(conn.execute(needed).scalars())
    return [body for body in batch if body.sha256 not in taken]
