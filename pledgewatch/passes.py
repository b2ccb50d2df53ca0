"""One pass over one source: read its list, choose what to visit, visit it, say how it went.

A pass never raises for what a site does. What a site does wrong stands in the report and, once it is a habit, in a
`source.*` event for operators.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import structlog

from crawler.addresses import same_site
from crawler.files import UnreadableFile, sniff
from crawler.listing import ListRules, read_list
from pledgewatch import health
from pledgewatch.pipeline import Errand, Pipeline, Visit
from pledgewatch.reading import READER, Original, content_type, detail_rules, read_page
from pledgewatch.settings import Source
from storage import captures, documents
from storage.addresses import normal_address
from storage.records import Capture, ListItem, ListPage

log = structlog.get_logger(__name__)

#: Visits of one pass that wait for the fetcher at the same time. The fetcher still asks each host one by one; the
#: queue only keeps it from idling while a version is written.
VISITS_AT_ONCE = 8

#: Blocked answers in a row after which a pass gives up: knocking on is what gets an address banned.
BLOCKED_IN_A_ROW = 3

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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def add(self, visit: Visit) -> None:
        """Count one visited address."""
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
    """What the list pages of a pass gave. `blocked` and `error` say why there is nothing."""

    items: tuple[ListItem, ...] = ()
    rows: int = 0  # before the operator's patterns were applied
    is_document: bool = False
    blocked: bool = False
    error: str | None = None
    cms: str | None = None


async def pass_over(pipeline: Pipeline, source: Source) -> PassReport:
    """Visit a source once and record how it went.

    The first pass that reads the list is the source's baseline: its documents are recorded without alerts. Raises
    StorageError where nothing can be recorded at all.
    """
    report = PassReport(source.id)
    started = time.monotonic()
    listing = Listing()
    try:
        async with asyncio.timeout(pipeline.settings.crawl.pass_limit.total_seconds()):
            listing = await _read_lists(pipeline, source)
            if not listing.error:
                await _visit_all(pipeline, source, listing, report)
    except TimeoutError:
        listing = replace(listing, error=f"time-limit: the pass took longer than {pipeline.settings.crawl.pass_limit}")
    if listing.error:
        report.fail(listing.error)
        report.blocked += listing.blocked
        report.failed += not listing.blocked
    report.events += health.finish_pass(pipeline, source, listing, report)
    report.seconds = round(time.monotonic() - started, 3)
    log.info("pass", **{name: value for name, value in asdict(report).items() if value not in (0, None)})
    return report


# --- lists -----------------------------------------------------------------------------------------------------


async def _read_lists(pipeline: Pipeline, source: Source) -> Listing:
    """The rows of the first page and, as long as a page brings something unknown, of those behind it."""
    items: list[ListItem] = []
    url: str | None = source.url
    cms: str | None = None
    for number in range(_pages_to_read(pipeline, source)):
        if url is None:
            break
        capture, page = await _read_list(pipeline, source, url)
        if capture.outcome not in ("ok", "not_modified"):
            if number == 0:
                return Listing(blocked=capture.outcome == "blocked", error=f"list: {capture.reason}")
            log.warning("list page not read", source=source.id, url=url, reason=capture.reason)
            break
        if number == 0 and await asyncio.to_thread(is_document, source, capture, page):
            return Listing(items=(ListItem("", source.url),), is_document=True)
        cms = cms or page.cms
        fresh = _rows_not_in(page, items)
        items += fresh
        if not fresh or not _any_unknown(pipeline, fresh):
            break
        url = page.next
    return Listing(items=tuple(wanted(source, items)), rows=len(items), cms=cms)


def _pages_to_read(pipeline: Pipeline, source: Source) -> int:
    # A source that publishes more than one page between two passes is read on until a page is known.
    return source.paging.pages if pipeline.is_baseline(source) else max(10, source.paging.pages)


async def _read_list(pipeline: Pipeline, source: Source, url: str) -> tuple[Capture, ListPage]:
    """A list page; where it holds no rows but says which interface gives them, that interface's answer."""
    capture = await pipeline.ask_list(source, url)
    page = await _parsed(source, capture)
    if page.api and not page.items and page.api != url:
        capture = await pipeline.ask_list(source, page.api)
        page = await _parsed(source, capture)
    return capture, page


async def _parsed(source: Source, capture: Capture) -> ListPage:
    if capture.outcome not in ("ok", "not_modified"):
        return ListPage("none", ())
    kind = content_type(source, capture.headers)
    return await asyncio.to_thread(read_list, capture.body, capture.final_url, kind, list_rules(source))


def _rows_not_in(page: ListPage, known: Sequence[ListItem]) -> list[ListItem]:
    """Neighbouring list pages overlap on some systems: rows already seen are dropped."""
    seen = {normal_address(item.url) for item in known}
    return [item for item in page.items if normal_address(item.url) not in seen]


def _any_unknown(pipeline: Pipeline, items: Sequence[ListItem]) -> bool:
    with pipeline.database.read() as conn:
        return any(captures.page_by_url(conn, item.url) is None for item in items)


def wanted(source: Source, items: Sequence[ListItem]) -> list[ListItem]:
    """The rows whose titles the operator wants and whose addresses the source may lead to."""

    def matches(patterns: Sequence[str], title: str) -> bool:
        return any(re.search(p, title) for p in patterns)

    return [
        item
        for item in items
        if (not source.include or matches(source.include, item.title))
        and not matches(source.exclude, item.title)
        and _allowed(source, item.url)
        and len(item.url.encode()) <= captures.URL_LIMIT
    ]


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
    original = Original(capture.body, capture.final_url, content_type(source, capture.headers))
    try:
        document = read_page(original, detail_rules(source))
    except UnreadableFile:
        return False
    listed = sum(len(item.title) for item in page.items)
    return len(document.text) > max(60, 2 * listed) or bool(document.attachments and dated < 2)


# --- documents -------------------------------------------------------------------------------------------------


async def _visit_all(pipeline: Pipeline, source: Source, listing: Listing, report: PassReport) -> None:
    """Visit the new rows and the known documents that are due, a few at a time, and count."""
    errands = iter(_plan(pipeline, source, listing))
    blocked_in_a_row = 0

    async def work() -> None:
        nonlocal blocked_in_a_row
        for errand in errands:
            if blocked_in_a_row >= BLOCKED_IN_A_ROW:
                return
            result = await pipeline.visit(source, errand)
            blocked_in_a_row = blocked_in_a_row + 1 if result.blocked else 0
            report.add(result)

    async with asyncio.TaskGroup() as group:
        for _ in range(VISITS_AT_ONCE):
            group.create_task(work())


def _plan(pipeline: Pipeline, source: Source, listing: Listing) -> list[Errand]:
    """New rows first, then the known documents whose turn it is (`recheck`): silent edits leave no trace on a list."""
    newest = {"auto": 100, "all": _ALL}.get(str(source.recheck), source.recheck)
    assert isinstance(newest, int)
    with pipeline.database.begin() as conn:
        rows = captures.pages_for(conn, [item.url for item in listing.items], source.id, "document")
        due = captures.due_documents(conn, source.id, pipeline.clock(), newest)
        chosen = {url: page for url, page in rows.items() if page.document_id is None}
        for page in due:
            chosen.setdefault(page.url, page)
        quiet = documents.quiet_documents(conn, [page.id for page in chosen.values()], READER)
    titles = {item.url: item.title for item in listing.items}
    return [Errand(ListItem(titles.get(url, ""), url), page, quiet.get(page.id)) for url, page in chosen.items()]
