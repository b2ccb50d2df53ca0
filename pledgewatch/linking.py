"""Threads in the database: which tracked measure each statement belongs to, and what that lets a document say.

`monitors.threads` decides; here its records are fetched and its answers stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa

from monitors import rules
from monitors.places import place_of
from monitors.threads import (
    Decision,
    Relation,
    Statement,
    Tracked,
    is_draft,
    is_history,
    link,
    relations,
    statement_key,
)
from pledgewatch.settings import Settings
from storage import documents, threads
from storage.documents import StoredDocument
from storage.records import DocumentRef, Event, Measure, MeasureRef


@dataclass(frozen=True, slots=True)
class Threading:
    """The tracked measures of a document's statements, by statement id, and the names an operator gave them."""

    ids: Mapping[int, str]
    names: Mapping[str, str]

    def ref(self, measure: Measure, tracked_id: str | None) -> MeasureRef:
        """A measure as an event names it: by the operator's word if there is one, else by the document's own."""
        name = self.names.get(tracked_id or "", measure.subject)
        return MeasureRef(tracked_id or "", name, measure.kind, measure.recipient)

    def refs_of(self, statements: Sequence[documents.Statement]) -> dict[Measure, MeasureRef]:
        return {s.measure: self.ref(s.measure, self.ids.get(s.id, s.tracked_id)) for s in statements}


def thread(
    conn: sa.Connection,
    settings: Settings,
    document: StoredDocument,
    text: str,
    statements: Sequence[documents.Statement],
    inherited: Mapping[int, str | None],
    now: datetime,
) -> Threading:
    """Give each statement of a document's newest version, whose text this is, its tracked measure, and store that.

    `inherited` holds, by statement id, what the statements it was aligned with belonged to; these are kept. A draft's
    statements, and those of another place or of a year long gone, belong to none: nothing follows from them.
    """
    outside = {s.id for s in statements if _is_outside(document, text, s.measure)}
    kept = {id_: tracked for id_, tracked in inherited.items() if tracked and id_ not in outside}
    configured = _configured(settings)
    rest = [_statement(document, s) for s in statements if s.id not in kept and s.id not in outside]
    found: dict[int, str] = dict(kept)
    if rest:
        known = _known(conn, document)
        links = link(rest, known, _tracked(conn, document.region, configured), _decisions(conn))
        threads.put_tracked(conn, [_row(t, now) for t in links.created])
        found |= links.assigned
    threads.assign(conn, {**found, **dict.fromkeys(outside)})
    return Threading(found, {id_: t.name for id_, t in configured.items()})


def thread_relations(
    conn: sa.Connection,
    occasion: rules.Occasion,
    document: StoredDocument,
    statements: Sequence[documents.Statement],
    threading: Threading,
    older: Sequence[documents.Statement] = (),
    repealed: Collection[int] = (),
) -> tuple[Event, ...]:
    """What these statements of a document say to the other documents: restated, conflict, met.

    `older` are the statements of the version before: what they said already is not told again. `repealed` are the
    documents that this one ends: it restates what they said last, and contradicts and meets nothing of it.
    """
    if not document.region or not statements:
        return ()
    ids = {threading.ids[s.id] for s in statements if s.id in threading.ids}
    others: dict[str, list[Statement]] = defaultdict(list)
    mentioned: dict[int, DocumentRef] = {document.id: document.ref()}
    for k in threads.statements_of(conn, tracked_ids=sorted(ids), standing_only=not repealed):
        if k.document.id != document.id and k.tracked_id and (k.standing or k.document.id in repealed):
            others[k.tracked_id].append(replace(_known_statement(k), standing=True))
            mentioned[k.document.id] = k.document
    found: list[Relation] = []
    refs: dict[int, MeasureRef] = {}
    for tracked_id in sorted(others):
        own = [s for s in statements if threading.ids.get(s.id) == tracked_id]
        before = [s for s in older if s.tracked_id == tracked_id]
        refs |= {s.id: threading.ref(s.measure, tracked_id) for s in own}
        said = {_about(r) for r in relations([_statement(document, s) for s in before], others[tracked_id])}
        new = relations([_statement(document, s) for s in own], others[tracked_id])
        found += [r for r in new if _about(r) not in said and (r.kind == "restated" or not _is_of(r, repealed))]
    return rules.thread_events(occasion, found, refs, mentioned)


def _is_outside(document: StoredDocument, text: str, measure: Measure) -> bool:
    if is_draft(document.title, text):
        return True
    if not measure.figures:
        return False
    start = measure.figures[0].start
    if measure.kind == "progress" and is_history(text, start, document.published_on):
        return True
    return place_of(text, start, document.region or "") is not None


def _is_of(relation: Relation, documents: Collection[int]) -> bool:
    return relation.earlier.document in documents or relation.later.document in documents


def _about(relation: Relation) -> tuple[str, frozenset[int]]:
    return relation.kind, frozenset((relation.earlier.document, relation.later.document))


def _configured(settings: Settings) -> dict[str, Tracked]:
    return {
        t.id: Tracked(t.id, t.name, kind=t.kind, region=t.region or "", aliases=t.aliases, named=True)
        for t in settings.tracked
    }


def _tracked(conn: sa.Connection, region: str | None, configured: Mapping[str, Tracked]) -> list[Tracked]:
    """The tracked measures there are, with the operator's aliases, which only the configuration knows.

    Those that the operator named are there even where they belong to another region: this one's get an id of their own.
    """
    stored = threads.list_tracked(conn, region, also=configured)
    rows = {t.id: Tracked(t.id, t.name, t.kind, t.region or "", t.unit or "") for t in stored}
    for id_, named in configured.items():
        row = rows.get(id_)
        rows[id_] = (
            Tracked(id_, named.name, row.kind, row.region, row.unit, aliases=named.aliases, named=True)
            if row
            else named
        )
    return list(rows.values())


def _row(tracked: Tracked, now: datetime) -> threads.Tracked:
    assert tracked.kind is not None, f"tracked measure {tracked.id} was made without a statement"
    return threads.Tracked(
        tracked.id,
        tracked.name,
        tracked.kind,
        tracked.region or None,
        tracked.unit or None,
        now,
        tracked.named,
    )


def _decisions(conn: sa.Connection) -> list[Decision]:
    return [Decision(d.a, d.b, d.verdict == "same") for d in threads.list_decisions(conn)]


def _known(conn: sa.Connection, document: StoredDocument) -> dict[str, list[Statement]]:
    if not document.region:
        return {}
    known: dict[str, list[Statement]] = defaultdict(list)
    for k in threads.statements_of(conn, region=document.region, standing_only=False):
        if k.tracked_id and k.document.id != document.id:
            known[k.tracked_id].append(_known_statement(k))
    return known


def _statement(document: StoredDocument, statement: documents.Statement) -> Statement:
    region, day = document.region or "", document.published_on
    return Statement(statement.id, document.id, region, day, document.standing, statement.measure)


def _known_statement(known: threads.KnownStatement) -> Statement:
    return Statement(
        known.id,
        known.document.id,
        known.document.region or "",
        known.published_on,
        known.standing,
        known.measure,
    )


# --- an operator's corrections -----------------------------------------------------------------------------------


class DecisionError(Exception):
    """What was asked for cannot be done; the message says why."""


def merge_measures(conn: sa.Connection, keep: str, other: str, now: datetime) -> int:
    """Make two tracked measures one, for good; how many statements moved."""
    known = {t.id for t in threads.list_tracked(conn)}
    for id_ in (keep, other):
        if id_ not in known:
            raise DecisionError(f'no tracked measure "{id_}"; `pledgewatch measures` lists them')
    if keep == other:
        raise DecisionError("these are one measure already")
    threads.decide(conn, keep, other, "same", now)
    moved = {k.id: keep for k in threads.statements_of(conn, tracked_ids=[other], standing_only=False)}
    threads.assign(conn, moved)
    return len(moved)


def split_measure(
    conn: sa.Connection, settings: Settings, tracked_id: str, document: StoredDocument, now: datetime
) -> int:
    """Take a document's statements out of a tracked measure, for good; how many moved."""
    mine = [
        k
        for k in threads.statements_of(conn, document_id=document.id, standing_only=False)
        if k.tracked_id == tracked_id
    ]
    if not mine:
        raise DecisionError(f'document {document.id} states nothing of "{tracked_id}"')
    for known in mine:
        threads.decide(conn, tracked_id, statement_key(_known_statement(known)), "apart", now)
    version = documents.latest_version(conn, document.id)
    assert version is not None, f"document {document.id} has no version"
    ids = {k.id for k in mine}
    own = [s for s in version.statements if s.id in ids]
    thread(conn, settings, document, version.text, own, {}, now)
    return len(mine)
