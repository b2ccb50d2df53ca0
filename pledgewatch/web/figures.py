"""指标: the tracked measures, one of them over time, and both as tables to take away."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pledgewatch.tabular import write_measures_csv
from pledgewatch.web import queries
from pledgewatch.web.changes import KINDS
from pledgewatch.web.queries import MeasureFilter, PastStatement
from pledgewatch.web.site import number, one_of, paging, plain, site_of
from storage.records import Kind, Measure
from storage.threads import KnownStatement, Thread, Tracked, statements_of, tracked_with_statements

_MEMORY = 2**20  # bytes of a table that are kept in memory; more goes to a temporary file


@dataclass(frozen=True)
class Latest:
    """A tracked measure with the last statement of each kind that it has."""

    tracked: Tracked
    target: KnownStatement | None = None
    progress: KnownStatement | None = None
    subsidy: KnownStatement | None = None


def list_measures(request: Request) -> Response:
    site = site_of(request)
    wanted = MeasureFilter(plain(request, "q"), plain(request, "region"), one_of(request, "kind", KINDS))
    page = number(request, "page") or 1
    with site.database.read() as conn:
        rows, total = queries.find_tracked(conn, wanted, page)
        known = list(statements_of(conn, tracked_ids=[t.id for t in rows], standing_only=False))
        regions = queries.tracked_regions(conn)
    return site.page(
        "measures",
        section="measures",
        rows=_latest(rows, known),
        wanted=wanted,
        paging=paging(request, page, total, queries.PAGE),
        regions=regions,
        kinds=KINDS,
    )


def _latest(rows: Iterable[Tracked], known: Iterable[KnownStatement]) -> list[Latest]:
    """The statements come the oldest document first, so the last of a kind is the latest. One whose document was
    withdrawn or expired is shown only where there is no other."""
    last: dict[tuple[str | None, Kind], KnownStatement] = {}
    for statement in sorted(known, key=lambda s: s.standing):
        last[statement.tracked_id, statement.measure.kind] = statement
    return [
        Latest(t, last.get((t.id, "target")), last.get((t.id, "progress")), last.get((t.id, "subsidy"))) for t in rows
    ]


# --- one measure ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """What a document said of a measure, from `statement.version` on, until the version that said otherwise.

    `day` is the day of publication, or for a later version the day on which it was found.
    """

    statement: PastStatement
    day: date
    superseded: bool


def show_measure(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        tracked = queries.tracked_by_id(conn, request.path_params["id"])
        if tracked is None:
            raise HTTPException(404)
        found = queries.statements_over_time(conn, tracked.id)
    return site.page("measure", section="measures", tracked=tracked, points=[
        Point(s, s.published_on if s.version == 1 and s.published_on else site.local(s.created_at).date(), not current)
        for s, current in _turns(found)
    ])  # fmt: skip


def _turns(found: Iterable[PastStatement]) -> list[tuple[PastStatement, bool]]:
    """Each wording's first appearance in its document, and whether the document still says so."""
    first: dict[tuple[object, ...], PastStatement] = {}
    current: set[tuple[object, ...]] = set()
    for statement in found:
        key = (statement.document_id, *_said(statement.measure))
        first.setdefault(key, statement)
        if statement.latest:
            current.add(key)
    return [(statement, key in current) for key, statement in first.items()]


def _said(measure: Measure) -> tuple[object, ...]:
    figures = tuple((f.value, f.min, f.max, f.unit, f.bound) for f in measure.figures)
    return (measure.kind, figures, measure.deadline)


# --- tables to take away --------------------------------------------------------------------------------------


def all_as_csv(request: Request) -> Response:
    site = site_of(request)
    # The byte order mark tells spreadsheet programs that the Chinese in it is UTF-8.
    file = tempfile.SpooledTemporaryFile(_MEMORY)  # noqa: SIM115 (closed when it has been sent)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    with site.database.read() as conn:
        write_measures_csv(tracked_with_statements(conn), text)
    text.detach()
    file.seek(0)
    return StreamingResponse(_sent(file), headers=_csv_headers("measures"))


def one_as_csv(request: Request) -> Response:
    id = request.path_params["id"]
    text = io.StringIO("\ufeff")
    text.seek(0, io.SEEK_END)
    with site_of(request).database.read() as conn:
        tracked = queries.tracked_by_id(conn, id)
        if tracked is None:
            raise HTTPException(404)
        known = tuple(statements_of(conn, tracked_ids=[id]))
    write_measures_csv([Thread(tracked, known)], text)
    return Response(text.getvalue(), headers=_csv_headers(tracked.name[:60]))


def _sent(file: tempfile.SpooledTemporaryFile[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(65536):
            yield piece


def _csv_headers(name: str) -> dict[str, str]:
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.csv",
        "Cache-Control": "no-cache",
    }
