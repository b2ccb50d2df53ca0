"""比对: two versions of a document, what differs shown in place."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitors.changes import MeasureChange, compare_measures
from monitors.difference import Block, PieceOp, difference, sentences
from notify.phrases import clean
from pledgewatch.web.archive import figure_spans, version_facts
from pledgewatch.web.site import PAGE_HEADERS, address, id_of, number, one_of, site_of
from storage.documents import HistoryLine, StoredDocument, StoredVersion, document_by_id, history, version_by_number

CONTEXT = 2  # sentences kept in sight on either side of a change; the rest between two changes is folded
FOLDED = 60  # characters from which folding is worth a click
VIEWS = ("inline", "sides")
# The one page with a script: ours, which goes from change to change at a key.
_HEADERS = {"Content-Security-Policy": PAGE_HEADERS["Content-Security-Policy"] + "; script-src 'self'"}
_ATTACHMENT = re.compile(r"^【附件】(.*)$", re.MULTILINE)

Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Run:
    """A run of text that both versions have, or only one; `figure`: it is a figure of a measure; `moved`: the other
    version has it elsewhere."""

    op: PieceOp
    text: str
    figure: bool = False
    moved: bool = False


@dataclass(frozen=True)
class Part:
    """What became of one or more sentences. Of moved ones `way` says whether they left here or arrived ("away",
    "here"), `other` is the number of the change where their other half stands, 0 where none does, and `rewritten`
    whether they changed on the way."""

    runs: tuple[Run, ...]
    way: Literal["", "away", "here"] = ""
    other: int = 0
    rewritten: bool = False

    def of(self, gone: PieceOp) -> Part | None:
        """One of the two sides: without what is only on the other; None where nothing is left."""
        runs = tuple(run for run in self.runs if run.op != gone)
        return replace(self, runs=runs) if runs else None


@dataclass(frozen=True)
class Section:
    """A change: `number` counts from 1, `parts` are what differs, `attachment` names the file that it lies in, "" for
    the body. Or, with number 0, the equal text between two changes, of which `middle` is folded."""

    number: int = 0
    parts: tuple[Part, ...] = ()
    attachment: str = ""
    spans: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    head: tuple[Run, ...] = ()
    middle: tuple[Run, ...] = ()
    tail: tuple[Run, ...] = ()

    @property
    def sides(self) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        """The change as the older version has it, and the newer."""
        old, new = (_begun([part.of(gone) for part in self.parts]) for gone in ("inserted", "deleted"))
        return old, new

    @property
    def folded(self) -> int:
        return sum(len(run.text) for run in self.middle)


def _begun(parts: Iterable[Part | None]) -> tuple[Part, ...]:
    """A side's parts without the line ends that it would begin with where something stood only on the other."""
    kept = [part for part in parts if part]
    if kept:
        first, *rest = kept[0].runs
        kept[0] = replace(kept[0], runs=(replace(first, text=first.text.lstrip("\n")), *rest))
    return tuple(kept)


def show_difference(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        document = document_by_id(conn, id_of(request))
        if document is None:
            raise HTTPException(404)
        lines = history(conn, document.id)
        older, newer = _chosen(conn, request, document, lines)
    shown = sections(older, newer) if older and newer else ()
    changed = compare_measures(older.measures, newer.measures) if older and newer else ()
    return site.page(
        "difference",
        headers=_HEADERS,
        section="documents",
        view=one_of(request, "view", VIEWS) or VIEWS[0],
        views=[(name, address(request, view=name)) for name in VIEWS],
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


def sections(older: StoredVersion, newer: StoredVersion) -> tuple[Section, ...]:
    """What differs between two versions, in numbered changes and the equal text between them, in reading order;
    nothing for two texts that are the same. All runs together spell both texts, whole but for line ends."""
    found = difference(older.text, newer.text)
    spans = figure_spans(older), figure_spans(newer)
    runs = [(differs, tuple(run)) for differs, run in groupby(found.blocks, _differs)]
    if not any(differs for differs, _ in runs):
        return ()
    places = _moved_to(runs)
    made: list[Section] = []
    count = 0
    for place, (differs, run) in enumerate(runs):
        count += differs
        if differs:
            made.append(_change(count, run, (older.text, newer.text), spans, places))
        else:
            made.append(_equal(run, place > 0, place < len(runs) - 1, spans[1]))
    return tuple(made)


def _differs(block: Block) -> bool:
    return block.op != "equal"


def _moved_to(runs: Iterable[tuple[bool, Sequence[Block]]]) -> dict[tuple[str, tuple[int, int]], int]:
    """("old" or "new", span in that text) of each moved block → the number of the change in which it stands."""
    places = {}
    changes = (run for differs, run in runs if differs)
    for nth, run in enumerate(changes, 1):
        for block in run:
            if block.op == "moved":
                left = block.pieces[0].op == "deleted"
                places[("old", block.before) if left else ("new", block.after)] = nth
    return places


def _change(
    number: int,
    blocks: Sequence[Block],
    texts: tuple[str, str],
    spans: tuple[Spans, Spans],
    places: dict[tuple[str, tuple[int, int]], int],
) -> Section:
    old = blocks[0].before[0], blocks[-1].before[1]
    new = blocks[0].after[0], blocks[-1].after[1]
    text, start = (texts[1], new[0]) if new[0] < new[1] else (texts[0], old[0])
    parts = tuple(_part(block, spans, places) for block in blocks)
    return Section(number, parts, _attachment_at(text, start), (old, new))


def _attachment_at(text: str, start: int) -> str:
    """The name of the attachment in whose text a place lies."""
    line_end = text.find("\n", start + 1)
    names = _ATTACHMENT.findall(text, 0, len(text) if line_end < 0 else line_end)
    return clean(names[-1]) if names else ""


def _part(block: Block, spans: tuple[Spans, Spans], places: dict[tuple[str, tuple[int, int]], int]) -> Part:
    runs: list[Run] = []
    old, new = block.before[0], block.after[0]
    for piece in block.pieces:
        only_old = piece.op == "deleted"
        told = _runs(piece.op, piece.text, old if only_old else new, spans[0] if only_old else spans[1])
        runs += (replace(run, moved=piece.moved) for run in told)
        old += len(piece.text) * (piece.op != "inserted")
        new += len(piece.text) * (piece.op != "deleted")
    if block.op != "moved" or block.partner is None:
        return Part(tuple(runs))
    left = block.pieces[0].op == "deleted"
    other = places.get(("new" if left else "old", block.partner), 0)
    return Part(tuple(runs), "away" if left else "here", other, block.rewritten)


def _runs(op: PieceOp, text: str, start: int, spans: Spans) -> Iterator[Run]:
    """A piece that begins at `start` of its text, cut where figures begin and end."""
    at, end = start, start + len(text)
    for first, last in spans[max(0, bisect_left(spans, (start, start)) - 1) :]:
        if first >= end:
            break
        if last <= at:
            continue
        if first > at:
            yield Run(op, text[at - start : first - start])
        at = min(last, end)
        yield Run(op, text[max(first, start) - start : at - start], figure=True)
    if at < end:
        yield Run(op, text[at - start :])


def _equal(blocks: Sequence[Block], follows: bool, precedes: bool, spans: Spans) -> Section:
    """Equal text: some of it stays in sight after a change and before one, the middle is folded."""
    text = "".join(piece.text for block in blocks for piece in block.pieces)
    parts = sentences(text)
    first = CONTEXT if follows else 0
    last = max(first, len(parts) - (CONTEXT if precedes else 0))
    cut = len("".join(parts[:first])), len("".join(parts[:last]))
    if cut[1] - cut[0] < FOLDED:
        cut = len(text), len(text)
    start = blocks[0].after[0]
    pieces = ((0, cut[0]), cut, (cut[1], len(text)))
    head, middle, tail = (tuple(_runs("equal", *_without_edges(text, start, a, b), spans)) for a, b in pieces)
    return Section(head=head, middle=middle, tail=tail)


def _without_edges(text: str, start: int, a: int, b: int) -> tuple[str, int]:
    """text[a:b] without line ends at its edges, and where that begins if the text begins at `start`."""
    part = text[a:b].rstrip("\n")
    kept = part.lstrip("\n")
    return kept, start + a + len(part) - len(kept)


def _place(change: MeasureChange, shown: Iterable[Section]) -> int:
    """The number of the change in the text in which a measure's change stands; 0 where it is none of them."""
    new, old = change.after_figure, change.before_figure
    for section in shown:
        (old_start, old_end), (new_start, new_end) = section.spans
        if new and new_start <= new.start < new_end:
            return section.number
        if not new and old and old_start <= old.start < old_end:
            return section.number
    return 0
