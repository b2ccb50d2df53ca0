"""比对: two versions of a document, what differs shown in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitors.changes import MeasureChange, compare_measures
from monitors.difference import Block, Difference, difference, sentences
from pledgewatch.web.archive import version_facts
from pledgewatch.web.site import id_of, number, site_of
from storage.documents import HistoryLine, StoredDocument, StoredVersion, document_by_id, history, version_by_number

CONTEXT = 2  # sentences kept in sight on either side of a change; the rest between two changes is folded
FOLDED = 60  # characters from which folding is worth a click


@dataclass(frozen=True)
class Section:
    """A change: `number` counts from 1, `blocks` are what differs. Or, with number 0, the equal text between two
    changes, of which `middle` is folded."""

    number: int = 0
    blocks: tuple[Block, ...] = ()
    head: str = ""
    middle: str = ""
    tail: str = ""


def show_difference(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        document = document_by_id(conn, id_of(request))
        if document is None:
            raise HTTPException(404)
        lines = history(conn, document.id)
        older, newer = _chosen(conn, request, document, lines)
    shown = sections(difference(older.text, newer.text)) if older and newer else ()
    changed = compare_measures(older.measures, newer.measures) if older and newer else ()
    return site.page(
        "difference",
        section="documents",
        document=document,
        history=lines,
        older=older,
        newer=newer,
        sections=shown,
        last=max((s.number for s in shown), default=0),
        changed=[(change, _place(change, shown)) for change in changed],
        facts=_changed_facts(older, newer) if older and newer else (),
    )


def _chosen(
    conn: sa.Connection, request: Request, document: StoredDocument, lines: Sequence[HistoryLine]
) -> tuple[StoredVersion | None, StoredVersion | None]:
    """The two versions to compare: those of the query, else the last two. None where there are no two."""
    if len(lines) < 2:
        return None, None
    last = lines[-1].number
    new = number(request, "to") or last
    old = number(request, "from") or max(new - 1, 1)
    found = version_by_number(conn, document.id, old), version_by_number(conn, document.id, new)
    if None in found:
        raise HTTPException(404)
    return found


def _changed_facts(older: StoredVersion, newer: StoredVersion) -> list[tuple[str, object, object]]:
    old, new = version_facts(older), version_facts(newer)
    return [(name, old[name], new[name]) for name in old if old[name] != new[name]]


def sections(found: Difference) -> tuple[Section, ...]:
    """A difference cut into numbered changes and the equal text between them, in reading order; nothing for two
    texts that are the same. What the pieces of all sections spell is both texts, whole."""
    runs = [(differs, tuple(run)) for differs, run in groupby(found.blocks, _differs)]
    if not any(differs for differs, _ in runs):
        return ()
    made: list[Section] = []
    count = 0
    for place, (differs, run) in enumerate(runs):
        count += differs
        text = "".join(piece.text for block in run for piece in block.pieces)
        made.append(Section(count, run) if differs else _equal(text, place > 0, place < len(runs) - 1))
    return tuple(made)


def _differs(block: Block) -> bool:
    return block.op != "equal"


def _equal(text: str, follows: bool, precedes: bool) -> Section:
    """Equal text: some of it stays in sight after a change and before one, the middle is folded."""
    parts = sentences(text)
    first = CONTEXT if follows else 0
    last = len(parts) - (CONTEXT if precedes else 0)
    middle = "".join(parts[first:last])
    if len(middle) < FOLDED:
        return Section(head=text)
    return Section(head="".join(parts[:first]), middle=middle, tail="".join(parts[max(first, last) :]))


def _place(change: MeasureChange, shown: Iterable[Section]) -> int:
    """The number of the change in the text in which a measure's change stands; 0 where it is none of them."""
    for section in shown:
        for block in section.blocks:
            new, old = change.after_figure, change.before_figure
            if new and block.after[0] <= new.start < block.after[1]:
                return section.number
            if not new and old and block.before[0] <= old.start < block.before[1]:
                return section.number
    return 0
