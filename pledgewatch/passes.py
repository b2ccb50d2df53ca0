"""One pass over one source: read its list, choose what to visit, visit it, say how it went.

A pass never raises for what a site does. What a site does wrong stands in the report and, once it is a habit, in a
`source.*` event for operators.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from itertools import chain, filterfalse
from typing import Any

import sqlalchemy as sa
import structlog

from pledgewatch import health
from pledgewatch.patterns import PatternError, matches
from pledgewatch.pipeline import Answer, Errand, Pipeline, Visit
from pledgewatch.reader import READER, list_mark, unread_mark
from pledgewatch.settings import Source
from storage import captures, documents, sources
from storage.captures import Page
from storage.records import ListItem

log = structlog.get_logger(__name__)

#: Visits of known documents in one pass that wait for the fetcher at the same time. The fetcher still asks each host
#: one by one; the queue only keeps it from idling while a version is written.
VISITS_AT_ONCE = 8

#: Blocked answers in a row after which a pass gives up: knocking on is what gets an address banned.
BLOCKED_IN_A_ROW = 3

Progress = Callable[[int, int], None]

_ALL = 1_000_000_000  # documents of a source that are read again in every pass, for `recheck = "all"`


@dataclass(slots=True)
class PassReport:
    """What `check --json` prints, one line a source. Counts are documents and attachments, without list pages."""

    source: str
    ok: bool = True
    fetched: int = 0
    not_modified: int = 0
    new: int = 0
    revised: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    blocked: int = 0
    failed: int = 0
    events: int = 0
    seconds: float = 0.0
    error: str | None = None
    lied: str | None = None  # an address that had changed while the server called it unchanged; not printed

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "lied"}

    def add(self, url: str, visit: Visit) -> None:
        """Count one visited address."""
        if visit.lied:
            self.lied = self.lied or url
        self.fetched += visit.fetched
        self.not_modified += visit.not_modified
        self.blocked += visit.blocked
        self.failed += visit.failed
        self.events += visit.events
        if visit.verdict in ("new", "revised", "unchanged", "withdrawn"):
            setattr(self, visit.verdict, getattr(self, visit.verdict) + 1)
        if visit.error:
            self.fail(visit.error)

    def fail(self, error: str) -> None:
        self.ok = False
        self.error = self.error or error


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list pages of a pass gave. `blocked` and `error` say why there is nothing.

    `missing` says why a further page could not be read; the list is not `complete` while that page may yet come.
    `document` is the answer for a source that is one document. `lied` is a list page with new rows that the server
    called unchanged. `indirect` rows stand in an interface's answer that the page only names.

    `mark` stands for the list page and for all that decides what a pass makes of it. A list is `settled` where a pass
    before met the same mark and left nothing to do, and nothing was found since: its rows were not read again.
    """

    items: tuple[ListItem, ...] = ()
    unwanted: tuple[ListItem, ...] = ()
    missing: str | None = None
    complete: bool = True
    document: Answer | None = None
    lied: str | None = None
    blocked: bool = False
    error: str | None = None
    cms: str | None = None
    indirect: bool = False
    mark: str | None = None
    settled: bool = False

    @property
    def is_document(self) -> bool:
        return self.document is not None

    @property
    def rows(self) -> int:
        return 0 if self.is_document else len(self.items) + len(self.unwanted)


def _silent(done: int, of: int) -> None:
    return None


async def pass_over(pipeline: Pipeline, source: Source, report_progress: Progress = _silent) -> PassReport:
    """Visit a source once and record how it went.

    The first pass that reads the list is the source's baseline: its documents are recorded without alerts.
    `report_progress` is told after each visit how many of how many addresses are done. Raises StorageError where
    nothing can be recorded at all.
    """
    report = PassReport(source.id)
    started = time.monotonic()
    listing = Listing()
    try:
        async with asyncio.timeout(pipeline.settings.crawl.pass_limit.total_seconds()):
            listing = await _read_lists(pipeline, source)
            if not listing.error:
                listing = await _visit_all(pipeline, source, listing, report, report_progress)
    except TimeoutError:
        listing = replace(listing, error=f"time-limit: the pass took longer than {pipeline.settings.crawl.pass_limit}")
    except PatternError as error:  # on the title that a document gives itself, which may be another than its row's
        listing = replace(listing, error=str(error))
    if listing.error:
        report.fail(listing.error)
        report.blocked += listing.blocked
        report.failed += not listing.blocked
    if listing.missing:
        report.fail(listing.missing)
        report.failed += 1
    report.lied = report.lied or listing.lied
    report.events += health.finish_pass(pipeline, source, listing, report)
    report.seconds = round(time.monotonic() - started, 3)
    log.info("pass", **{name: value for name, value in asdict(report).items() if value not in (0, None)})
    return report


# --- lists -----------------------------------------------------------------------------------------------------


async def _read_lists(pipeline: Pipeline, source: Source) -> Listing:
    """What the source's list leads to; nothing is read where all of it was found settled before."""
    state = pipeline.start_pass(source)
    first = await pipeline.ask_list(source, source.url)
    mark = _mark(pipeline, source, first)
    if state.baseline_at and mark and first.page.settled_sha256 == mark:
        return Listing(mark=mark, settled=True)
    # Loaded now, not above: it brings all that reads lists, and most passes meet the list of the pass before.
    from pledgewatch.lists import read_lists

    listing = await read_lists(pipeline, source, state, first)
    return replace(listing, mark=None if listing.is_document or listing.indirect else mark)


def _mark(pipeline: Pipeline, source: Source, first: Answer) -> str | None:
    """What stands for all that a pass makes of this list; None where it may depend on more."""
    page = first.page
    if not first.is_good or page.kind != "list" or page.document_id or page.source != source.id:
        return None
    return list_mark(source, first.sha256, first.capture, pipeline.configured)


# --- documents -------------------------------------------------------------------------------------------------


async def _visit_all(
    pipeline: Pipeline, source: Source, listing: Listing, report: PassReport, report_progress: Progress
) -> Listing:
    """Visit the new rows one by one and the known documents that are due, a few at a time, and count.

    The listing, as blocked where it gave up, and with its mark only where the next pass over the same list will find
    nothing to do: its rows are known documents, or new ones now read, and nothing failed or is waited for.
    """
    plan = _plan(pipeline, source, listing)
    total = len(plan.fresh) + len(plan.known)
    if not total and listing.items:
        # Not an error of the site: the report says why it counts nothing.
        report.error = _whose(pipeline, source, listing)
    waiting = iter(plan.fresh), iter(plan.known)
    blocked_in_a_row = done = 0
    settles = plan.settles and not listing.missing

    async def work(errands: Iterator[Errand]) -> None:
        nonlocal blocked_in_a_row, done, settles
        while blocked_in_a_row < BLOCKED_IN_A_ROW and (errand := next(errands, None)):
            result = await pipeline.visit(source, errand)
            blocked_in_a_row = blocked_in_a_row + 1 if result.blocked else 0
            report.add(errand.item.url, result)
            settles = settles and result.verdict == ("unchanged" if errand.page.document_id else "new")
            done += 1
            report_progress(done, total)

    await work(waiting[0])  # alone: each is compared with those before it
    async with asyncio.TaskGroup() as group:
        for _ in range(VISITS_AT_ONCE):
            group.create_task(work(waiting[1]))
    gave_up = next(chain(*waiting), None) is not None
    return replace(listing, blocked=gave_up, mark=listing.mark if settles and done == total > 0 else None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to visit. It `settles` a list of which nothing is left to do once all of that is visited."""

    fresh: list[Errand]
    known: list[Errand]
    settles: bool


def _plan(pipeline: Pipeline, source: Source, listing: Listing) -> Plan:
    """New documents in the order of publication, and the known ones whose turn it is (`recheck`): silent edits leave no
    trace on a list. What a baseline brings is told to nobody, so that its order does not matter.

    The longest unread comes first and what failed comes last, so that a pass that ends early always gets on.
    """
    newest = {"auto": 100, "all": _ALL}.get(str(source.recheck), source.recheck)
    assert isinstance(newest, int)
    with pipeline.database.begin() as conn:
        rows = _rows(conn, source, listing)
        due = captures.due_documents(conn, source.id, pipeline.clock(), newest)
        chosen = {page.url: page for page in rows.values() if page.document_id is None}
        ignored = _ignored(conn, source, listing, due)
        for page in due:
            if page.url not in ignored:
                chosen.setdefault(page.url, page)
        for page in captures.unreadable_pages(conn, source.id):
            if page.settled_sha256 != unread_mark(page.last_sha256):
                chosen.setdefault(page.url, page)  # by a reader before this one
        quiet = documents.quiet_documents(conn, [page.id for page in chosen.values()], READER)
        state = sources.source_state(conn, source.id)
        # Where the list names documents of ours that are not wanted any more, it keeps them from being asked for.
        settles = source.id not in captures.watchers_of(conn, [item.url for item in listing.unwanted])
    rank = {item.url: (item.date or date.max, -row) for row, item in enumerate(listing.items)}
    titles = {item.url: item.title for item in listing.items}
    had = {source.url: listing.document} if listing.document else {}
    told = state is not None and state.baseline_at is not None

    def is_fresh(page: Page) -> bool:
        return told and page.document_id is None and page.kind != "backlog" and page.url in rank

    def errand(page: Page) -> Errand:
        return Errand(ListItem(titles.get(page.url, ""), page.url), page, quiet.get(page.id), had.get(page.url))

    fresh = sorted(filter(is_fresh, chosen.values()), key=lambda page: (page.failures > 0, *rank[page.url]))
    known = sorted(filterfalse(is_fresh, chosen.values()), key=_turn)
    return Plan([errand(page) for page in fresh], [errand(page) for page in known], settles)


def _ignored(conn: sa.Connection, source: Source, listing: Listing, due: Sequence[Page]) -> set[str]:
    """Known documents that the patterns do not want any more: they are kept, and not read again."""
    ignored = {item.url for item in listing.unwanted}
    if source.exclude:
        titles = captures.titles_of(conn, [page.id for page in due])
        ignored |= {url for url, title in titles.items() if matches(source.exclude, title)}
    return ignored


def _whose(pipeline: Pipeline, source: Source, listing: Listing) -> str | None:
    """In words, which other sources watch the documents of this one's list."""
    with pipeline.database.read() as conn:
        owners = captures.watchers_of(conn, [item.url for item in listing.items]) - {source.id}
    return f"its documents are watched already, by: {', '.join(sorted(owners))}" if owners else None


def _rows(conn: sa.Connection, source: Source, listing: Listing) -> dict[str, Page]:
    """The pages of the wanted rows; what the list says of known documents is written down with them."""
    captures.pages_for(conn, [item.url for item in listing.unwanted], source.id, "unwanted")
    urls = [item.url for item in listing.items]
    rows = captures.pages_for(conn, urls, source.id, "document")
    if late := [page.id for page in rows.values() if page.kind == "unwanted"]:
        captures.want(conn, late)
    state = sources.source_state(conn, source.id)
    if state and state.baseline_at:
        # Not earlier: what changes in a baseline is told to nobody.
        documents.adopt(conn, source.id, urls)
        captures.follow_list(conn, source.id, urls)
    return rows


def _turn(page: Page) -> tuple[bool, bool, datetime]:
    asked = page.last_fetched_at
    return page.failures > 0, asked is not None, asked or datetime.min.replace(tzinfo=UTC)
