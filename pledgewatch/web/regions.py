"""对照: one subject across regions, as far as what they say can be compared."""

from __future__ import annotations

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from monitors.likeness import folded
from monitors.threads import subject_key
from monitors.words import figure_words, number_words
from notify.phrases import clean
from pledgewatch.settings import Settings
from pledgewatch.tabular import csv_lines, write_xlsx
from pledgewatch.web import queries
from pledgewatch.web.figures import BYTE_ORDER_MARK, ends, table_headers
from pledgewatch.web.plots import Bar, Drawing, side_by_side
from pledgewatch.web.site import Site, number, paging, plain, site_of
from storage.records import Figure, Kind
from storage.threads import KnownStatement, statements_of

ROWS = 40  # regions that a page shows of one comparison; the table to take away holds all
_EMPTY_CONDITION = re.compile(r"(?:符合|满足|按照?|经)(?:有关|相关)?(?:条件|规定|要求|标准|认定|审核合格)+的?")
KINDS: tuple[Kind, ...] = ("subsidy", "target", "progress")
COLUMNS = (
    *("subject", "compared", "kind", "region", "bound", "value", "min", "max", "unit", "deadline", "recipient"),
    *("condition", "counted", "published_on", "document", "title", "quote"),
)

Key = tuple[str, str]  # what the same subject has in common in all regions: family, and its words without scope


@dataclass(frozen=True)
class Subject:
    """A subject that is tracked in `regions`, under the `ids`; the first of them stands for it in addresses."""

    name: str
    ids: tuple[str, ...]
    regions: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """What the newest document in force of a region says, in figures of one unit. `counted`: under the condition
    that most regions share, so that it counts for the summary."""

    region: str
    statement: KnownStatement
    figures: tuple[Figure, ...]
    counted: bool = True

    @property
    def low(self) -> float:
        return min(ends(f)[0] for f in self.figures)

    @property
    def high(self) -> float:
        return max(ends(f)[1] for f in self.figures)

    @property
    def middle(self) -> float:
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Comparison:
    """Rows of one kind and unit and for the same recipient, the highest first.

    Only rows that are `counted` are summed up; fewer than two make no summary.
    """

    kind: Kind
    unit: str
    recipient: str
    rows: tuple[Row, ...]

    @property
    def counted(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.counted)

    @property
    def sums(self) -> tuple[float, float, float] | None:
        """Lowest, median of the rows' middles, highest."""
        rows = self.counted
        if len(rows) < 2:
            return None
        return min(row.low for row in rows), median(row.middle for row in rows), max(row.high for row in rows)


# --- which subjects there are ---------------------------------------------------------------------------------


def subjects(tracked: Iterable[tuple[str, str, Kind, str]], aliases: Mapping[str, str]) -> list[Subject]:
    """The subjects of tracked measures (id, name, kind, region), those of the most regions first. `aliases`: an
    operator's alias → name."""
    found: dict[Key, list[tuple[str, str, str]]] = defaultdict(list)
    for id, name, kind, region in tracked:
        found[_key(kind, aliases.get(name, name), region)].append((id, name, region))
    made = (
        Subject(
            min((name for _, name, _ in group), key=lambda name: (len(name), name)),
            tuple(id for id, _, _ in group),
            tuple(sorted({region for _, _, region in group})),
        )
        for group in found.values()
    )
    return sorted(made, key=lambda s: (-len(s.regions), s.name, s.ids))


@lru_cache(maxsize=200_000)  # all that an archive tracks: each page of this kind asks for every one of them
def _key(kind: Kind, name: str, region: str) -> Key:
    family, _, words = subject_key(kind, name, "", region)
    return family, words


def known_subjects(conn: sa.Connection, settings: Settings) -> list[Subject]:
    """The subjects of all tracked measures, under the names that the configuration gives them.

    Gathered anew when a version came and, for what operators merge and split, every minute.
    """
    aliases = {alias: table.name for table in settings.tracked for alias in table.aliases}
    stamp = (queries.last_version_id(conn), int(monotonic() // 60), tuple(aliases.items()))
    held = _gathered.get(conn.engine)
    if held is None or held[0] != stamp:
        held = _gathered[conn.engine] = stamp, subjects(queries.tracked_in_regions(conn), aliases)
    return held[1]


#: Of each database, the subjects and when they were gathered: tens of thousands of names take a fifth of a second.
_gathered: WeakKeyDictionary[sa.Engine, tuple[tuple[object, ...], list[Subject]]] = WeakKeyDictionary()


def list_subjects(request: Request) -> Response:
    site = site_of(request)
    if request.query_params.get("measure"):
        return _show(request, site)
    with site.database.read() as conn:
        known = known_subjects(conn, site.settings)
    words = plain(request, "q").strip()
    wanted = [s for s in known if words in s.name and len(s.regions) > 1]
    page = number(request, "page") or 1
    return site.page(
        "regions",
        section="regions",
        rows=wanted[(page - 1) * queries.PAGE : page * queries.PAGE],
        words=words,
        paging=paging(request, page, len(wanted), queries.PAGE),
    )


# --- one subject ----------------------------------------------------------------------------------------------


def compare(statements: Iterable[KnownStatement]) -> tuple[list[Comparison], list[Row]]:
    """What can be compared between at least two regions, and the rows that stand alone.

    `statements` come the oldest document first; of each region the newest that speaks of the same thing counts.
    """
    groups: dict[tuple[Kind, str, str], dict[str, list[tuple[KnownStatement, Figure]]]] = defaultdict(dict)
    for statement in statements:
        for figure in statement.measure.figures:
            said = groups[_likeness(statement, figure)].setdefault(statement.document.region or "", [])
            if said and said[-1][0].document.id != statement.document.id:
                said.clear()  # an older document
            said.append((statement, figure))
    made, alone = [], []
    for (kind, unit, _), regions in groups.items():
        rows = [Row(region, said[0][0], tuple(f for _, f in said)) for region, said in regions.items() if region]
        if len(rows) < 2:
            alone += rows
            continue
        rows = sorted(_counted(rows), key=lambda row: (-row.middle, row.region))
        made.append(Comparison(kind, unit, rows[0].statement.measure.recipient or "", tuple(rows)))
    return sorted(made, key=lambda c: (KINDS.index(c.kind), -len(c.rows))), sorted(alone, key=lambda r: r.region)


def _likeness(statement: KnownStatement, figure: Figure) -> tuple[Kind, str, str]:
    """What two figures must share to be compared. A recipient that the subject names anyway tells nothing more."""
    measure = statement.measure
    recipient = folded(measure.recipient or "")
    return measure.kind, figure.unit, "" if recipient in folded(measure.subject) else recipient


def _counted(rows: Sequence[Row]) -> list[Row]:
    """The rows, counted where they stand under the condition that most of them share."""
    conditions = [_condition(row) for row in rows]
    shared = max(sorted(set(conditions)), key=conditions.count)
    return [replace(row, counted=condition == shared) for row, condition in zip(rows, conditions, strict=True)]


def _condition(row: Row) -> str:
    """The condition without what says no more than that there are conditions."""
    return _EMPTY_CONDITION.sub("", folded(row.statement.measure.condition or ""))


@dataclass(frozen=True)
class Shown:
    """A comparison with its plot and, in words, its summary: lowest, median, highest, or nothing."""

    comparison: Comparison
    drawing: Drawing
    sums: tuple[str, ...]


def _show(request: Request, site: Site) -> Response:
    subject, known = _subject(request, site)
    compared, alone = compare(known)
    told = {row.region for c in compared for row in c.rows} | {row.region for row in alone}
    watched = {source.region for source in site.settings.sources if source.region}
    return site.page(
        "subject",
        section="regions",
        subject=subject,
        compared=[_shown(c, site) for c in compared],
        alone=alone[:ROWS],
        missing=sorted((watched | set(subject.regions)) - told),
        feeds=sorted({(k.document.region, k.tracked_id) for k in known if k.document.region and k.tracked_id})[:ROWS],
        rows=ROWS,
    )


def _subject(request: Request, site: Site) -> tuple[Subject, list[KnownStatement]]:
    with site.database.read() as conn:
        found = said_of(conn, site.settings, request.query_params.get("measure", ""))
    if found is None:
        raise HTTPException(404)
    return found


def said_of(conn: sa.Connection, settings: Settings, measure: str) -> tuple[Subject, list[KnownStatement]] | None:
    """The subject of the tracked measure with this id, and what documents in force say of it."""
    subject = next((s for s in known_subjects(conn, settings) if measure in s.ids), None)
    return (subject, list(statements_of(conn, tracked_ids=subject.ids))) if subject else None


def _shown(c: Comparison, site: Site) -> Shown:
    sums = c.sums
    bars = [_bar(row, site) for row in c.rows[:ROWS]]
    drawing = side_by_side(bars, c.unit, sums[1] if sums else None, site.language)
    return Shown(c, drawing, tuple(_amount(value, c.unit, site.language) for value in sums or ()))


def _bar(row: Row, site: Site) -> Bar:
    w = site.words
    words = w["comma"].join(figure_words(f, site.language) for f in row.figures)
    base = f"/documents/{row.statement.document.id}?version={row.statement.version}"
    figures = tuple((*ends(f), f"{base}#f{f.start}") for f in row.figures)
    says = f"{clean(row.region)}{w['colon']}{words}"
    return Bar(clean(row.region), words, says, figures, row.counted)


def _amount(value: float, unit: str, language: str) -> str:
    number = number_words(value, language)
    return f"{number} {unit}" if language == "en" and unit != "%" else f"{number}{unit}"


# --- to take away ---------------------------------------------------------------------------------------------


def as_csv(request: Request) -> Response:
    subject, known = _subject(request, site_of(request))
    table = "".join(csv_lines(COLUMNS, _lines(subject, known)))
    return Response(BYTE_ORDER_MARK + table, headers=table_headers(subject.name, "csv"))


def as_xlsx(request: Request) -> Response:
    subject, known = _subject(request, site_of(request))
    file = io.BytesIO()
    write_xlsx(COLUMNS, _lines(subject, known), file)
    return Response(file.getvalue(), headers=table_headers(subject.name, "xlsx"))


def _lines(subject: Subject, known: Sequence[KnownStatement]) -> Iterator[dict[str, Any]]:
    """A line for each figure; those of one number in "compared" can be compared, those without stand alone."""
    compared, alone = compare(known)
    for number_, comparison in enumerate(compared, 1):
        for row in comparison.rows:
            yield from _figure_lines(subject, row, number_)
    for row in alone:
        yield from _figure_lines(subject, row, None)


def _figure_lines(subject: Subject, row: Row, compared: int | None) -> Iterator[dict[str, Any]]:
    measure = row.statement.measure
    for figure in row.figures:
        yield {
            "subject": subject.name,
            "compared": compared,
            "kind": measure.kind,
            "region": row.region,
            "bound": figure.bound,
            "value": figure.value,
            "min": figure.min,
            "max": figure.max,
            "unit": figure.unit,
            "deadline": measure.deadline,
            "recipient": measure.recipient,
            "condition": measure.condition,
            "counted": int(row.counted) if compared else None,
            "published_on": row.statement.published_on,
            "document": row.statement.document.id,
            "title": row.statement.document.title,
            "quote": figure.quote.replace("\n", ""),
        }
