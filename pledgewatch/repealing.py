"""Documents that declare others ended: which of the known ones that ends, and which stand again.

What a document declares is kept whether the archive knows the other one or not, so that the order in which the two are
read does not matter. `monitors.repeals` reads the declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

import sqlalchemy as sa

from monitors.repeals import may_be_called, repeals
from storage import documents
from storage.documents import StoredDocument, StoredVersion
from storage.identity import normal_number
from storage.records import Document, Repeal


@dataclass(frozen=True, slots=True)
class Step:
    """A document that another one ended just now, or ends no more, as it was before."""

    document: StoredDocument
    step: Literal["withdrawn", "restored"]
    repeal: Repeal


def declare(
    conn: sa.Connection, document: StoredDocument, version: StoredVersion, older: StoredVersion | None, today: date
) -> tuple[Step, ...]:
    """Keep what a document's newest version declares ended, and mark the documents which that ends; what is news in it.

    `older` is the version before. What that declared already is marked, if it was not, and is no news: a better reader
    makes no event. Of a document that is gone, or was declared ended before, nobody is told either.
    """
    said = {normal_number(r.number): r for r in _declared(document, version.document)}
    before = {normal_number(r.number): r for r in _declared(document, older.document)} if older else {}
    documents.set_repeals(conn, document.id, tuple(said.values()))
    freed = [one for one in documents.repealed_by(conn, document.id) if _number(one) not in said]
    return (
        *(step for one in freed if (step := _free(conn, one, before.get(_number(one)), today))),
        *(step for key, r in said.items() if (step := _end(conn, document, r, key not in before, today))),
    )


def mark_if_repealed(conn: sa.Connection, document: StoredDocument, today: date) -> Repeal | None:
    """Mark a document that another one, which was read before it, declares ended; what that says, or None."""
    if document.repealed_by is not None or not document.doc_number:
        return None
    for id_, repeal in documents.repeals_of(conn, document.doc_number):
        by = documents.document_by_id(conn, id_)
        meant = _meant(conn, by, repeal) if by else None
        if by and meant and meant.id == document.id:
            documents.set_repealed(conn, document.id, by.id, repeal.day, _holds(repeal, today))
            return repeal
    return None


def _declared(document: StoredDocument, read: Document) -> tuple[Repeal, ...]:
    own = [number for number in (document.doc_number, read.doc_number) if number]
    return repeals(read.title, read.text, own)


def _end(conn: sa.Connection, by: StoredDocument, repeal: Repeal, is_new: bool, today: date) -> Step | None:
    target = _meant(conn, by, repeal)
    if target is None or target.repealed_by not in (None, by.id):
        return None  # who was ended by another one is ended
    documents.set_repealed(conn, target.id, by.id, repeal.day, _holds(repeal, today))
    if not is_new or target.repealed_by == by.id or not target.standing:
        return None
    return Step(target, "withdrawn", repeal)


def _free(conn: sa.Connection, document: StoredDocument, repeal: Repeal | None, today: date) -> Step | None:
    """A document that is not declared ended any more stands again, unless a third one ends it as well."""
    documents.set_repealed(conn, document.id, None, None, False)
    now = documents.document_by_id(conn, document.id)
    if now is None or mark_if_repealed(conn, now, today) or repeal is None or not now.standing:
        return None
    return Step(now, "restored", repeal)


def _meant(conn: sa.Connection, by: StoredDocument, repeal: Repeal) -> StoredDocument | None:
    """The known document that a declaration means. Issuers share numbers, so the region must be the same; where one
    of the regions is not known, the title must be named. None where it could be several.
    """
    found = [
        one
        for one in documents.with_number(conn, repeal.number)
        if one.id != by.id and not _is_later(one, by) and may_be_called(repeal.title, one.title)
    ]
    same = [one for one in found if one.region and by.region and one.region[:2] == by.region[:2]]
    if not same and repeal.title and len(found) == 1 and not (found[0].region and by.region):
        same = found
    return same[0] if len(same) == 1 else None


def _is_later(one: StoredDocument, other: StoredDocument) -> bool:
    """Whether one was published after the other: nobody ends what is to come, but numbers are given out again."""
    return bool(one.published_on and other.published_on and one.published_on > other.published_on)


def _holds(repeal: Repeal, today: date) -> bool:
    return repeal.day is None or repeal.day <= today


def _number(document: StoredDocument) -> str:
    return normal_number(document.doc_number or "")
