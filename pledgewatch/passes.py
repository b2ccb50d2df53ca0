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
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from crawler.addresses import same_site
from crawler.kinds import UnreadableFile, sniff
from crawler.listing import ListRules, read_list, same_rows
from pledgewatch import health
from pledgewatch.pipeline import Answer, Errand, Pipeline, Visit
from pledgewatch.reader import READER, content_type, unread_mark
from pledgewatch.settings import Source
from storage import captures, documents, sources
from storage.addresses import normal_address
from storage.captures import Page
from storage.records import Capture, ListItem, ListPage
from storage.sources import SourceState

log = structlog.get_logger(__name__)

#: Visits of known documents in one pass that wait for the fetcher at the same time. The fetcher still asks each host
#: one by one; the queue only keeps it from idling while a version is written.
VISITS_AT_ONCE = 8

#: Blocked answers in a row after which a pass gives up: knocking on is what gets an address banned.
BLOCKED_IN_A_ROW = 3

#: For one pattern and one title; an honest pattern takes microseconds.
PATTERN_SECONDS = 0.2

#: Passes in which a further list page that fails is tried again. Until then its rows may yet come.
LIST_TRIES = 3

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
    called unchanged.
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
            if not listing.error and not await _visit_all(pipeline, source, listing, report, report_progress):
                listing = replace(listing, blocked=True)
    except TimeoutError:
        listing = replace(listing, error=f"time-limit: the pass took longer than {pipeline.settings.crawl.pass_limit}")
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
    """The rows of the first page and, as long as a page brings something unknown, of those behind it."""
    state = pipeline.start_pass(source)
    baseline = state.baseline_at is None
    first, page = await _read_list(pipeline, source, source.url)
    if _is_one_document(source, state, first) or await _shows_a_document(source, state, first, page):
        return Listing(items=(ListItem("", source.url),), document=first)
    if not first.is_good:
        return Listing(blocked=first.capture.outcome == "blocked", error=f"list: {first.capture.reason}")
    if baseline and not page.items:
        # An empty list is no baseline: all that it shows once it can be read would be told as new.
        return Listing(error=f"list: no rows were found; see pledgewatch sources test {source.id}", cms=page.cms)
    items = _rows_not_in(page, [])
    lied = source.url if first.lied and not baseline and _has_unknown(pipeline, items) else None
    missing = None
    # A source that publishes more than one page between two passes is read on until a page is known.
    pages = source.paging.pages if baseline else max(10, source.paging.pages)
    if baseline or _leads_on(pipeline, source, items):
        missing = await _read_further(pipeline, source, page, items, pages, baseline=baseline)
    try:
        chosen = wanted(source, items)
    except PatternError as error:
        return Listing(error=str(error), cms=page.cms)
    kept = set(chosen)
    unwanted = [item for item in items if item not in kept and captures.is_storable(item.url)]
    complete = _is_complete(pipeline, source, missing)
    return Listing(tuple(chosen), tuple(unwanted), missing, complete, lied=lied, cms=page.cms)


async def _read_further(
    pipeline: Pipeline, source: Source, first: ListPage, items: list[ListItem], pages: int, *, baseline: bool
) -> str | None:
    """Add the rows of the pages behind the first to `items`; why one of them could not be read, or None."""
    page, asked = first, {source.url}
    repeats = 0
    for _ in range(pages - 1):
        url = page.next
        if url is None or url in asked:
            break
        asked.add(url)
        answer, page = await _read_list(pipeline, source, url)
        if not answer.is_good:
            # A page that is not there is the list's end: some systems name one page too many.
            return None if answer.capture.outcome == "gone" else f"list: {url}: {answer.capture.reason}"
        known = same_rows(ListPage(first.cms, tuple(items)), page)
        if known.foreign:
            log.warning("the next list page is another list", url=url, source=source.id)
            break
        fresh = _rows_not_in(page, items)
        items += fresh
        # Where counting begins at another number, what was taken for the second page is the first once more.
        repeats += not fresh
        if repeats > 1 or (fresh and not (baseline or _leads_on(pipeline, source, fresh))):
            break
    return None


def _has_unknown(pipeline: Pipeline, items: Sequence[ListItem]) -> bool:
    with pipeline.database.read() as conn:
        return len(captures.known_addresses(conn, [item.url for item in items])) < len(items)


def _leads_on(pipeline: Pipeline, source: Source, items: Sequence[ListItem]) -> bool:
    """Whether more that is new may stand behind these rows, now or since a further page could not be read."""
    with pipeline.database.read() as conn:
        known = captures.known_addresses(conn, [item.url for item in items])
        return len(known) < len(items) or bool(captures.lists_to_retry(conn, source.id, LIST_TRIES))


def _is_complete(pipeline: Pipeline, source: Source, missing: str | None) -> bool:
    """Whether no list page is waited for. One that the list leads to no more is forgotten."""
    with pipeline.database.read() as conn:
        waiting = captures.lists_to_retry(conn, source.id, LIST_TRIES)
    if waiting and missing is None:
        with pipeline.database.begin() as conn:
            captures.give_up_lists(conn, waiting)
    return not waiting or missing is None


async def _read_list(pipeline: Pipeline, source: Source, url: str) -> tuple[Answer, ListPage]:
    """A list page; where it holds no rows but says which interface gives them, that interface's answer."""
    answer = await pipeline.ask_list(source, url)
    page = await _parsed(source, answer)
    if page.api and not page.items and page.api != url:
        answer = await pipeline.ask_list(source, page.api)
        page = await _parsed(source, answer)
    return answer, page


async def _parsed(source: Source, answer: Answer) -> ListPage:
    if not answer.is_good:
        return ListPage("none", ())
    capture = answer.capture
    kind = content_type(source, capture.headers)
    return await asyncio.to_thread(read_list, capture.body, capture.final_url, kind, list_rules(source))


def _rows_not_in(page: ListPage, known: Sequence[ListItem]) -> list[ListItem]:
    """Neighbouring list pages overlap on some systems, pinned rows stand twice: rows already seen are dropped."""
    seen = {normal_address(item.url) for item in known}
    first = {normal_address(item.url): item for item in reversed(page.items)}
    return [item for item in page.items if first[key := normal_address(item.url)] is item and key not in seen]


def wanted(source: Source, items: Sequence[ListItem]) -> list[ListItem]:
    """The rows whose titles the operator wants and whose addresses the source may lead to.

    Raises PatternError where a pattern cannot be matched in reasonable time.
    """
    return [
        item
        for item in items
        if (not source.include or _matches(source.include, item.title))
        and not _matches(source.exclude, item.title)
        and _allowed(source, item.url)
        and captures.is_storable(item.url)
    ]


class PatternError(ValueError):
    """A pattern of the configuration that would hold up all other work."""


def _matches(patterns: Sequence[str], title: str) -> bool:
    """Whether one of the operator's patterns fits. This runs in the loop: one that backtracks for ever must not."""
    if not patterns:
        return False
    import regex  # type: ignore[import-untyped]  # here: most sources name no pattern

    for pattern in patterns:
        try:
            if regex.search(pattern, title, timeout=PATTERN_SECONDS):
                return True
        except TimeoutError as error:
            told = f"pattern: {pattern[:80]!r} takes too long on a title; write it without one repetition in another"
            raise PatternError(told) from error
        except regex.error as error:  # a pattern of `re` that this engine reads otherwise
            raise PatternError(f"pattern: {pattern[:80]!r}: {error}") from error
    return False


def _allowed(source: Source, url: str) -> bool:
    return same_site(url, source.url) or urlsplit(url).hostname in source.hosts


def list_rules(source: Source) -> ListRules:
    """The operator's overrides for reading a list, as the crawler takes them."""
    table = source.list
    return ListRules(
        cms=source.cms,
        item=table.item,
        title=table.title,
        link=table.link,
        date=table.date,
        next=source.paging.next,
        expect=table.expect,
    )


#: Rows in a form that only lists have. Other families are told by their addresses, which documents share.
_DATA_LISTS = frozenset({"jcms", "feed", "json", "script", "jpaas", "govcn"})


def _is_one_document(source: Source, state: SourceState, answer: Answer) -> bool:
    """Whether an answer that cannot be read is that of a source known as one document: it may be withdrawn."""
    known = answer.page.document_id is not None and not state.productive_items
    return not answer.is_good and source.kind != "list" and (known or source.kind == "document")


async def _shows_a_document(source: Source, state: SourceState, answer: Answer, page: ListPage) -> bool:
    """`is_document`, but a source that was a list before stays one: without its rows it has drifted."""
    if not answer.is_good or (source.kind == "auto" and state.productive_items):
        return False
    return await asyncio.to_thread(is_document, source, answer.capture, page)


def is_document(source: Source, capture: Capture, page: ListPage) -> bool:
    """Whether a source's address is one document and not a list of them.

    A list has rows with dates that lead elsewhere; a document has a body, and beside it at most a few related links.
    """
    if source.kind != "auto":
        return source.kind == "document"
    if sniff(capture.body) not in ("html", "xml", "text", "json"):
        return True
    dated = sum(item.date is not None for item in page.items)
    if dated >= 3 or page.api or source.list.item or (page.items and page.cms in _DATA_LISTS):
        return False
    from pledgewatch.reading import Original, detail_rules, read_page  # here: lists that go on as lists need none of it

    original = Original(capture.body, capture.final_url, content_type(source, capture.headers))
    try:
        document = read_page(original, detail_rules(source), recognise=False)
    except UnreadableFile:
        return False
    if not page.items and (document.published_on or document.doc_number or document.index_number):
        return bool(document.text or document.attachments)  # a short notice, or a page around a file
    # Files that stand in dated rows are the list's rows; those of a document stand below a text.
    rows = {normal_address(item.url) for item in page.items if item.date}
    files = [file for file in document.attachments if normal_address(file.url) not in rows]
    listed = sum(len(item.title) for item in page.items)
    return len(document.text) > max(60, 2 * listed + 12 * dated) or bool(files and dated < 2)


# --- documents -------------------------------------------------------------------------------------------------


async def _visit_all(
    pipeline: Pipeline, source: Source, listing: Listing, report: PassReport, report_progress: Progress
) -> bool:
    """Visit the new rows one by one and the known documents that are due, a few at a time, and count; False if it
    gave up.
    """
    fresh, known = _plan(pipeline, source, listing)
    total = len(fresh) + len(known)
    if not total and listing.items:
        # Not an error of the site: the report says why it counts nothing.
        report.error = _whose(pipeline, source, listing)
    waiting = iter(fresh), iter(known)
    blocked_in_a_row = done = 0

    async def work(errands: Iterator[Errand]) -> None:
        nonlocal blocked_in_a_row, done
        while blocked_in_a_row < BLOCKED_IN_A_ROW and (errand := next(errands, None)):
            result = await pipeline.visit(source, errand)
            blocked_in_a_row = blocked_in_a_row + 1 if result.blocked else 0
            report.add(errand.item.url, result)
            done += 1
            report_progress(done, total)

    await work(waiting[0])  # alone: each is compared with those before it
    async with asyncio.TaskGroup() as group:
        for _ in range(VISITS_AT_ONCE):
            group.create_task(work(waiting[1]))
    return next(chain(*waiting), None) is None


def _plan(pipeline: Pipeline, source: Source, listing: Listing) -> tuple[list[Errand], list[Errand]]:
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
    return [errand(page) for page in fresh], [errand(page) for page in known]


def _ignored(conn: sa.Connection, source: Source, listing: Listing, due: Sequence[Page]) -> set[str]:
    """Known documents that the patterns do not want any more: they are kept, and not read again."""
    ignored = {item.url for item in listing.unwanted}
    if source.exclude:
        titles = captures.titles_of(conn, [page.id for page in due])
        ignored |= {url for url, title in titles.items() if _matches(source.exclude, title)}
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
