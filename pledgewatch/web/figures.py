"""指标: the tracked measures, one of them over time, and both as tables to take away."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import islice
from typing import Literal
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from monitors.words import figure_words
from notify.phrases import clean
from pledgewatch.tabular import COLUMNS, csv_lines, measure_rows, write_measures_xlsx
from pledgewatch.web import queries
from pledgewatch.web.api_queries import threads_after
from pledgewatch.web.changes import KINDS
from pledgewatch.web.plots import Drawing, Reading, over_time
from pledgewatch.web.queries import MeasureFilter, PastStatement
from pledgewatch.web.site import Site, number, one_of, paging, place_of, plain, site_of, steps
from storage.database import Database
from storage.records import Figure, Kind, Measure
from storage.threads import KnownStatement, Thread, Tracked, statements_of

ROWS = 30  # wordings of one measure that a page shows and plots
_PART, _PIECE = 100, 500  # measures that are read together, and rows that are sent together, of the table of all
BYTE_ORDER_MARK = "\ufeff"  # tells spreadsheet programs that the Chinese after it is UTF-8
_TABLES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


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
    with site.database.read() as conn:
        found = queries.find_tracked(conn, wanted, place_of(request))
        ids = [t.id for t in found.rows]
        known = list(statements_of(conn, tracked_ids=ids, standing_only=False))
        regions = queries.tracked_regions(conn)
    return site.page(
        "measures",
        section="measures",
        rows=_latest(found.rows, known),
        wanted=wanted,
        steps=steps(request, found, ids),
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

    `day` is the day of publication, or for a later version the day on which it was found. `first_tier` is how many
    figures of the same kind and unit the version says of the measure before these.
    """

    statement: PastStatement
    day: date
    superseded: bool
    first_tier: int = 0


@dataclass(frozen=True)
class Chart:
    """A plot of the figures of one unit, with what it says for those who cannot see it."""

    unit: str
    drawing: Drawing
    description: str


def show_measure(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        tracked = queries.tracked_by_id(conn, request.path_params["id"])
        if tracked is None:
            raise HTTPException(404)
        found = queries.statements_over_time(conn, tracked.id)
    points = _points(found, site)
    page = number(request, "page") or 1
    shown = points[max(len(points) - page * ROWS, 0) : max(len(points) - (page - 1) * ROWS, 0)]
    return site.page(
        "measure",
        section="measures",
        tracked=tracked,
        points=shown,
        charts=charts(shown, site),
        paging=paging(request, page, len(points), ROWS),
    )


def _points(found: Sequence[PastStatement], site: Site) -> list[Point]:
    """By the day on which it was said; what one document says on a day stays in the order of its versions."""
    tiers = _first_tiers(found)
    points = [
        Point(
            s,
            s.published_on if s.version == 1 and s.published_on else site.local(s.created_at).date(),
            not current,
            tiers[id(s)],
        )
        for s, current in _turns(found)
    ]
    return sorted(points, key=lambda point: point.day)


def _first_tiers(found: Iterable[PastStatement]) -> dict[int, int]:
    """By identity of the statement; counted before wordings that stayed the same are left out."""
    counted: Counter[tuple[object, ...]] = Counter()
    first = {}
    for s in found:
        first[id(s)] = counted[s.document_id, s.version, s.measure.kind]
        counted[s.document_id, s.version, s.measure.kind] += len(s.measure.figures)
    return first


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


def charts(points: Iterable[Point], site: Site) -> list[Chart]:
    """A plot for each unit: figures that cannot be compared never share an axis."""
    by_unit: dict[str, list[Reading]] = defaultdict(list)
    for point in points:
        for place, figure in enumerate(point.statement.measure.figures):
            by_unit[figure.unit].append(_reading(point, place, figure, site))
    today = site.local(datetime.now(UTC)).date()
    return [
        Chart(unit, over_time(told, unit, today, site.language), description(told, site.words))
        for unit, told in by_unit.items()
    ]


def _reading(point: Point, place: int, figure: Figure, site: Site) -> Reading:
    s, w = point.statement, site.words
    low, high = ends(figure)
    words = figure_words(figure, site.language)
    deadline = f"{w['deadline']} {s.measure.deadline}" if s.measure.deadline else ""
    state = w["superseded"] if point.superseded else "" if s.standing else w["not_standing"]
    told = (f"{w[s.measure.kind]} {words}", deadline, point.day.isoformat(), clean(s.title), state)
    return Reading(
        kind=s.measure.kind,
        tier=point.first_tier + place,
        day=point.day,
        low=low,
        high=high,
        words=words,
        says=w["semicolon"].join(filter(None, told)),
        link=f"/documents/{s.document_id}?version={s.version}#f{figure.start}",
        deadline=s.measure.deadline,
        past=point.superseded or not s.standing,
    )


def ends(figure: Figure) -> tuple[float, float]:
    """A figure's two ends, which are one where it is no range."""
    low = figure.value if figure.value is not None else figure.min or 0.0
    high = figure.value if figure.value is not None else figure.max or 0.0
    return min(low, high), max(low, high)


def description(told: Sequence[Reading], w: Mapping[str, str]) -> str:
    """How many figures there are, from when to when, and the latest that hold: of targets for each deadline.

    `w` are the words of the site's language.
    """
    last = {
        (r.look, r.deadline if r.kind == "target" else None): r for r in sorted(told, key=lambda r: r.day) if not r.past
    }
    latest = w["comma"].join(
        f"{w[r.kind]} {r.words}" + (f" ({w['deadline']} {r.deadline})" if r.deadline else "") for r in last.values()
    )
    days = [r.day for r in told]
    text = w["plot_text"].format(n=len(told), first=min(days), last=max(days))
    return f"{text} {w['plot_latest']}{w['colon']}{latest}" if latest else text


# --- tables to take away --------------------------------------------------------------------------------------


def all_as_csv(request: Request) -> Response:
    """Sent while it is read, some measures at a time: whoever takes long to fetch it keeps no transaction open, which
    would let the database's log grow, and it needs no room of its own."""
    return StreamingResponse(_all_pieces(site_of(request).database), headers=table_headers("measures", "csv"))


def _all_pieces(database: Database) -> Iterator[str]:
    lines = csv_lines(COLUMNS, (row for thread in _all_threads(database) for row in measure_rows(thread)))
    yield BYTE_ORDER_MARK
    while piece := "".join(islice(lines, _PIECE)):
        yield piece


def _all_threads(database: Database) -> Iterator[Thread]:
    after: str | None = ""
    while after is not None:
        with database.read() as conn:
            part = threads_after(conn, after, _PART)
        yield from part
        after = part[-1].tracked.id if part else None


def one_as_csv(request: Request) -> Response:
    thread = _thread(request)
    table = "".join(csv_lines(COLUMNS, measure_rows(thread)))
    return Response(BYTE_ORDER_MARK + table, headers=table_headers(thread.tracked.name, "csv"))


def one_as_xlsx(request: Request) -> Response:
    thread = _thread(request)
    file = io.BytesIO()
    write_measures_xlsx([thread], file)
    return Response(file.getvalue(), headers=table_headers(thread.tracked.name, "xlsx"))


def _thread(request: Request) -> Thread:
    """The tracked measure that the path names, with what the documents in force say of it."""
    with site_of(request).database.read() as conn:
        tracked = queries.tracked_by_id(conn, request.path_params["id"])
        if tracked is None:
            raise HTTPException(404)
        return Thread(tracked, tuple(statements_of(conn, tracked_ids=[tracked.id])))


def table_headers(name: str, ending: Literal["csv", "xlsx"]) -> dict[str, str]:
    """The headers of a table to save as `name`.`ending`."""
    return {
        "Content-Type": _TABLES[ending],
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(clean(name)[:60], safe='')}.{ending}",
        "Cache-Control": "no-cache",
    }
