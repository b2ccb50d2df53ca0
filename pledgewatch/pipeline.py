"""One document's path, from an address to queued alerts.

    fetch → T1 capture → read → measures → T2 version + statements + events + deliveries

Here is its first half, with which most visits end: an answer is kept, and nothing was new. `gathering` goes on from
there. What an answer is worth is decided in `crawler`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from crawler.fetch import Fetch
from crawler.hops import request_of
from crawler.kinds import UnreadableFile
from crawler.verdict import Expectation
from pledgewatch.health import is_distrusted, within_hours
from pledgewatch.ledger import Ledger
from pledgewatch.reader import sources_mark
from pledgewatch.settings import Settings, Source
from storage import archive, captures, documents, sources
from storage.captures import Page, PageKind
from storage.database import Database
from storage.errors import StorageError
from storage.records import Capture, ListItem
from storage.sources import SourceState

if TYPE_CHECKING:
    from pledgewatch.releases import Verdict

log = structlog.get_logger(__name__)


_EXPECTED: dict[PageKind, Expectation] = {
    "list": "list",
    "api": "list",
    "document": "document",
    "unwanted": "document",
    "backlog": "document",
    "part": "document",
    "attachment": "attachment",
}


def request_for(
    source: Source,
    url: str,
    expects: Expectation,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    known_sha256: str | None = None,
) -> Fetch:
    """The first request for an address of a source, with what the source's table says of its site."""
    asked, form = request_of(url)
    return Fetch(
        url=asked,
        method="GET" if form is None else "POST",
        form=form,
        source=source.id,
        expects=expects,
        etag=etag,
        last_modified=last_modified,
        known_sha256=known_sha256,
        delay=source.delay,
        tls=source.tls,
        allowed_hosts=_hosts_of(source, url) if source.hosts else None,
        render="plain" if expects == "attachment" else source.render,
        wait_for=source.wait_for,
    )


def _hosts_of(source: Source, url: str) -> frozenset[str]:
    own = {urlsplit(address).hostname or "" for address in (url, source.url)}
    return frozenset({*own, *source.hosts})


class Fetches(Protocol):
    """What the pipeline needs of a fetcher; tests give their own."""

    async def fetch(self, request: Fetch) -> Capture: ...


async def send(fetcher: Fetches, request: Fetch, url: str) -> Capture:
    """The answer to a request. Of a form that was posted it goes by `url`, the address that holds the form."""
    capture = await fetcher.fetch(request)
    if request.form is None:
        return capture
    return replace(capture, url=url, final_url=url if capture.final_url == request.url else capture.final_url)


@dataclass(frozen=True, slots=True)
class Errand:
    """One address to visit, with what was known of it when the pass was planned.

    `quiet_document` is the document of a page that needs no more than a look while its bytes stay the same. `answer`
    is what the server said already in this pass: a source that is one document is asked for when its list is read.
    """

    item: ListItem
    page: Page
    quiet_document: int | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """How the visit of one address went. Counts include the document's attachments.

    `lied`: a revision was found by an audit, and the server still calls what it revised unchanged.
    """

    verdict: Verdict
    fetched: int = 0
    not_modified: int = 0
    blocked: int = 0
    failed: int = 0
    events: int = 0
    error: str | None = None
    lied: bool = False


@dataclass(slots=True)
class Tally:
    """Answers counted while one document, or one list page, is gathered.

    `lied`: one of them was found changed by an audit, while the server answers a conditional request with 304.
    """

    fetched: int = 0
    not_modified: int = 0
    blocked: int = 0
    failed: int = 0
    error: str | None = None
    lied: bool = False

    def add(self, capture: Capture) -> None:
        self.fetched += capture.outcome in ("ok", "gone")
        self.not_modified += capture.outcome == "not_modified"
        self.blocked += capture.outcome == "blocked"
        self.failed += capture.outcome == "failed"
        if capture.outcome in ("blocked", "failed"):
            self.error = self.error or f"{capture.url}: {capture.reason}"

    def visit(self, verdict: Verdict, events: int = 0) -> Visit:
        lied = self.lied and verdict == "revised"  # else only the furniture changed, which is no harm
        return Visit(verdict, self.fetched, self.not_modified, self.blocked, self.failed, events, self.error, lied)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said about a page, now stored. `sha256` is of the page's good bytes: new, or confirmed."""

    page: Page
    capture: Capture
    capture_id: int
    sha256: str | None
    lied: bool = False  # found changed by an audit, while the server calls it unchanged

    @property
    def is_good(self) -> bool:
        return self.capture.outcome in ("ok", "not_modified")


class Pipeline:
    """The path of documents in one process. `clock` gives aware UTC times; tests inject it."""

    def __init__(self, settings: Settings, database: Database, fetcher: Fetches, clock: Callable[[], datetime]) -> None:
        self.settings, self.database, self.fetcher, self.clock = settings, database, fetcher, clock
        # SQLite has one writer. Waiting for it here, and not inside of BEGIN, keeps the loop free meanwhile.
        self.writing = asyncio.Lock()
        self._ledger = Ledger(database, self.writing)
        # One document with scans at a time: a thread that waits for its turn is a thread less for all other work.
        self.scanning = asyncio.Lock()
        self._distrusted: set[str] = set()  # sources whose servers' 304s are not believed
        self.configured = sources_mark(settings.sources)

    def use(self, settings: Settings) -> None:
        """Go on with another configuration."""
        self.settings = settings
        self.configured = sources_mark(settings.sources)
        self.register()

    def register(self) -> None:
        """Make the configured sources and tracked measures known to the database."""
        with self.database.begin() as conn:
            sources.sync_sources(conn, {s.id: s.url for s in self.settings.sources}, self.clock())
            self._keep_hours(conn)

    def _keep_hours(self, conn: sa.Connection) -> None:
        """New sources and overdue ones wait for their hours, which may have been set just now."""
        for source in self.settings.sources:
            state = sources.source_state(conn, source.id) if source.hours else None
            if state and state.next_due_at:
                due = max(state.next_due_at, self.clock())
                opens = within_hours(source, due, self.settings)
                if opens != due:
                    sources.make_due(conn, source.id, opens)

    def start_pass(self, source: Source) -> SourceState:
        """The source as its last pass left it; how its server is asked in this pass follows from that."""
        with self.database.read() as conn:
            state = sources.source_state(conn, source.id) or SourceState(source.id, source.url)
        (self._distrusted.add if is_distrusted(state, self.clock()) else self._distrusted.discard)(source.id)
        return state

    # --- one answer: fetch and T1 ---

    async def ask(self, source: Source, page: Page, tally: Tally) -> Answer:
        """Fetch a page, conditionally where something is known of it, and keep the answer."""
        capture = await self._fetch(source, page, tally)
        return await self._ledger.write(lambda conn: self._keep(conn, page, capture))

    async def _fetch(self, source: Source, page: Page, tally: Tally) -> Capture:
        audit = source.id in self._distrusted or self._audit_due(page)
        capture = await self._send(source, page, conditional=not audit)
        tally.add(capture)
        if audit and capture.outcome == "ok" and await self._is_called_unchanged(source, page, capture):
            log.warning("the server calls a changed page unchanged", url=page.url, source=source.id)
            tally.lied = True
        return capture

    async def _is_called_unchanged(self, source: Source, page: Page, capture: Capture) -> bool:
        """Whether the server answers 304 for a page that it just sent with other bytes than those we hold."""
        if not (page.etag or page.last_modified) or archive.digest(capture.body) == page.last_sha256:
            return False
        return (await self._send(source, page, conditional=True)).outcome == "not_modified"

    async def _send(self, source: Source, page: Page, *, conditional: bool) -> Capture:
        return await send(self.fetcher, self._request(source, page, conditional=conditional), page.url)

    def _keep(self, conn: sa.Connection, page: Page, capture: Capture) -> Answer:
        capture_id = captures.record_capture(conn, page, capture)
        sha256 = archive.digest(capture.body) if capture.outcome == "ok" else page.last_sha256
        return Answer(page, capture, capture_id, sha256)

    def _request(self, source: Source, page: Page, *, conditional: bool) -> Fetch:
        return request_for(
            source,
            page.url,
            "document" if page.document_id else _EXPECTED[page.kind],
            etag=page.etag if conditional else None,
            last_modified=page.last_modified if conditional else None,
            known_sha256=page.last_sha256,
        )

    def _audit_due(self, page: Page) -> bool:
        """Now and then a page is asked for without conditions: some servers answer 304 whatever happened."""
        return page.last_audit_at is None or self.clock() - page.last_audit_at >= self.settings.crawl.audit

    async def ask_list(self, source: Source, url: str) -> Answer:
        """What the server says of a list page; where that is a 304, without the bytes that it confirms."""
        tally = Tally()
        answer = await self.ask(source, await self.page_at(url, source, "list"), tally)
        return replace(answer, lied=tally.lied)

    async def page_at(self, url: str, source: Source, kind: PageKind) -> Page:
        with self.database.read() as conn:
            found = captures.page_by_url(conn, url)
        if found:
            return found
        async with self.writing:
            with self.database.begin() as conn:
                return captures.page_for(conn, url, source.id, kind)

    def bytes_of(self, answer: Answer) -> bytes:
        """The page's good bytes: the answer's own, or those that it confirmed."""
        if answer.capture.outcome == "ok":
            return answer.capture.body
        with self.database.read() as conn:
            return archive.get_blob(conn, answer.page.last_sha256) if answer.page.last_sha256 else b""

    # --- one document: gather, read, T2 ---

    async def visit(self, source: Source, errand: Errand) -> Visit:
        """Visit one address and record what became of it. Never raises for what a site does."""
        tally = Tally()
        if errand.answer:
            tally.add(errand.answer.capture)
            tally.lied = errand.answer.lied
        item = errand.item
        try:
            return await self._visit(source, errand, tally)
        except UnreadableFile as error:
            reason = f"unreadable: {error}"
        except StorageError as error:
            log.error("storage", url=item.url, source=source.id, error=str(error))
            reason = f"storage: {error}"
        except Exception as error:
            # A page that trips over a mistake of ours must not take the rest of the pass with it.
            log.exception("bug", url=item.url, source=source.id)
            reason = f"bug: {type(error).__name__}: {error}"
        tally.failed += 1
        tally.error = tally.error or f"{item.url}: {reason}"
        return tally.visit("unread")

    async def _visit(self, source: Source, errand: Errand, tally: Tally) -> Visit:
        page = errand.page
        capture = errand.answer.capture if errand.answer else await self._fetch(source, page, tally)
        now = self.clock()

        def record(conn: sa.Connection) -> tuple[Answer, bool]:
            answer = errand.answer or self._keep(conn, page, capture)
            quiet = answer.is_good and answer.sha256 == page.last_sha256 and errand.quiet_document
            if quiet:
                documents.touch(conn, quiet, now)
            elif not errand.answer:  # which is that of a source that is one document
                captures.unsettle_list(conn, source.id)
            return answer, bool(quiet)

        answer, quiet = await self._ledger.write(record)
        if quiet:  # By far the most visits end here: nothing changed, and one short transaction said so.
            return tally.visit("unchanged")
        # Loaded now, not above: it brings all that reads documents, and most passes need none of it.
        from pledgewatch.gathering import follow_up

        return await follow_up(self, source, errand, answer, tally, now)
