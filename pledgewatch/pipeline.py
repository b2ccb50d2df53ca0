"""One document's path, from an address to queued alerts.

    fetch → T1 capture → read → measures → T2 version + statements + events + deliveries

Here is the order of things and nothing else: what an answer is worth is decided in `crawler`, what a figure is in
`monitors`, what is written together in `releases`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from crawler.addresses import same_site
from crawler.fetch import Fetch
from crawler.verdict import Expectation
from pledgewatch import releases
from pledgewatch.reading import (
    Original,
    Reading,
    UnreadableFile,
    content_type,
    detail_rules,
    is_readable,
    read_page,
    read_whole,
)
from pledgewatch.releases import Part, Release, Scene, Verdict
from pledgewatch.settings import Settings, Source
from storage import archive, captures, documents, sources
from storage.captures import Page, PageKind
from storage.database import Database
from storage.errors import StorageError
from storage.records import Capture, Document, ListItem

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


class Fetches(Protocol):
    """What the pipeline needs of a fetcher; tests give their own."""

    async def fetch(self, request: Fetch) -> Capture: ...


@dataclass(frozen=True, slots=True)
class Errand:
    """One address to visit, with what was known of it when the pass was planned.

    `quiet_document` is the document of a page that needs no more than a look while its bytes stay the same.
    """

    item: ListItem
    page: Page
    quiet_document: int | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """How the visit of one address went. Counts include the document's attachments."""

    verdict: Verdict
    fetched: int = 0
    not_modified: int = 0
    blocked: int = 0
    failed: int = 0
    events: int = 0
    error: str | None = None


@dataclass(slots=True)
class Tally:
    """Answers counted while one document is gathered."""

    fetched: int = 0
    not_modified: int = 0
    blocked: int = 0
    failed: int = 0
    error: str | None = None

    def add(self, capture: Capture) -> None:
        self.fetched += capture.outcome in ("ok", "gone")
        self.not_modified += capture.outcome == "not_modified"
        self.blocked += capture.outcome == "blocked"
        self.failed += capture.outcome == "failed"
        if capture.outcome in ("blocked", "failed"):
            self.error = self.error or f"{capture.url}: {capture.reason}"

    def visit(self, verdict: Verdict, events: int = 0) -> Visit:
        return Visit(verdict, self.fetched, self.not_modified, self.blocked, self.failed, events, self.error)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said about a page, now stored. `sha256` is of the page's good bytes: new, or confirmed."""

    page: Page
    capture: Capture
    capture_id: int
    sha256: str | None

    @property
    def is_good(self) -> bool:
        return self.capture.outcome in ("ok", "not_modified")


class Pipeline:
    """The path of documents in one process. `clock` gives aware UTC times; tests inject it."""

    def __init__(self, settings: Settings, database: Database, fetcher: Fetches, clock: Callable[[], datetime]) -> None:
        self.settings, self.database, self.fetcher, self.clock = settings, database, fetcher, clock
        # SQLite has one writer. Waiting for it here, and not inside of BEGIN, keeps the loop free meanwhile.
        self._writing = asyncio.Lock()

    def use(self, settings: Settings) -> None:
        """Go on with another configuration."""
        self.settings = settings
        self.register()

    def register(self) -> None:
        """Make the configured sources and tracked measures known to the database."""
        with self.database.begin() as conn:
            sources.sync_sources(conn, {s.id: s.url for s in self.settings.sources}, self.clock())

    def is_baseline(self, source: Source) -> bool:
        """Whether no pass over the source has been finished yet."""
        with self.database.read() as conn:
            state = sources.source_state(conn, source.id)
        return state is None or state.baseline_at is None

    # --- one answer: fetch and T1 ---

    async def ask(self, source: Source, page: Page, tally: Tally | None = None) -> Answer:
        """Fetch a page, conditionally where something is known of it, and keep the answer."""
        capture = await self._fetch(source, page, tally)
        async with self._writing:
            with self.database.begin() as conn:
                return self._keep(conn, page, capture)

    async def _fetch(self, source: Source, page: Page, tally: Tally | None) -> Capture:
        audit = self._audit_due(page)
        capture = await self.fetcher.fetch(self._request(source, page, conditional=not audit))
        if tally is not None:
            tally.add(capture)
        same_tag = capture.outcome == "ok" and page.etag is not None and page.etag == capture.headers.get("etag")
        if audit and same_tag and archive.digest(capture.body) != page.last_sha256:
            log.warning("the server calls a changed page unchanged", url=page.url, source=source.id)
        return capture

    def _keep(self, conn: sa.Connection, page: Page, capture: Capture) -> Answer:
        capture_id = captures.record_capture(conn, page, capture)
        sha256 = archive.digest(capture.body) if capture.outcome == "ok" else page.last_sha256
        return Answer(page, capture, capture_id, sha256)

    def _request(self, source: Source, page: Page, *, conditional: bool) -> Fetch:
        return Fetch(
            url=page.url,
            source=source.id,
            expects=_EXPECTED[page.kind],
            etag=page.etag if conditional else None,
            last_modified=page.last_modified if conditional else None,
            known_sha256=page.last_sha256,
            delay=source.delay,
            tls=source.tls,
            allowed_hosts=frozenset({urlsplit(page.url).hostname or "", *source.hosts}) if source.hosts else None,
        )

    def _audit_due(self, page: Page) -> bool:
        """Now and then a page is asked for without conditions: some servers answer 304 whatever happened."""
        return page.last_audit_at is None or self.clock() - page.last_audit_at >= self.settings.crawl.audit

    async def ask_list(self, source: Source, url: str) -> Capture:
        """A list page with its bytes: the stored ones where the server says that it is unchanged."""
        answer = await self.ask(source, await self._page(url, source, "list"))
        if answer.capture.outcome != "not_modified":
            return answer.capture
        return replace(answer.capture, body=self._bytes_of(answer))

    async def _page(self, url: str, source: Source, kind: PageKind) -> Page:
        with self.database.read() as conn:
            found = captures.page_by_url(conn, url)
        if found:
            return found
        async with self._writing:
            with self.database.begin() as conn:
                return captures.page_for(conn, url, source.id, kind)

    def _bytes_of(self, answer: Answer) -> bytes:
        """The page's good bytes: the answer's own, or those that it confirmed."""
        if answer.capture.outcome == "ok":
            return answer.capture.body
        with self.database.read() as conn:
            return archive.get_blob(conn, answer.page.last_sha256) if answer.page.last_sha256 else b""

    # --- one document: gather, read, T2 ---

    async def visit(self, source: Source, errand: Errand) -> Visit:
        """Visit one address and record what became of it. Never raises for what a site does."""
        tally = Tally()
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
        capture = await self._fetch(source, page, tally)
        scene = Scene(self.settings, source, page, self.clock())
        async with self._writing:
            with self.database.begin() as conn:
                answer = self._keep(conn, page, capture)
                # By far the most visits end here: nothing changed, and one short transaction says so.
                if errand.quiet_document and answer.is_good and answer.sha256 == page.last_sha256:
                    documents.touch(conn, errand.quiet_document, scene.now)
                    return tally.visit("unchanged")
        if capture.outcome == "gone":
            async with self._writing:
                return tally.visit(*releases.commit_gone(self.database, scene))
        if not answer.is_good:
            return tally.visit("unread")
        with self.database.read() as conn:
            known = releases.known_at(conn, page)
        parts = {p.url: await self._ask_part(source, p, tally) for p in (known.parts if known else ())}
        if known and known.is_settled({page.url: answer.sha256, **{p.url: p.sha256 for p in parts.values()}}):
            async with self._writing:
                with self.database.begin() as conn:
                    return tally.visit(*releases.see(conn, scene, known))
        return await self._read_and_commit(scene, errand.item, answer, parts, tally, is_known=known is not None)

    async def _read_and_commit(
        self, scene: Scene, item: ListItem, answer: Answer, parts: dict[str, Part], tally: Tally, *, is_known: bool
    ) -> Visit:
        if not is_known and answer.sha256 == scene.page.settled_sha256:
            return tally.visit("unread")  # these bytes were tried before
        try:
            release = await self._gather(scene.source, item, answer, parts, tally)
        except UnreadableFile:
            async with self._writing:
                with self.database.begin() as conn:
                    captures.settle_unreadable(conn, scene.page.id, answer.sha256)
            raise
        async with self._writing:
            return tally.visit(*await asyncio.to_thread(releases.commit_release, self.database, scene, release))

    async def _gather(
        self, source: Source, item: ListItem, answer: Answer, asked: dict[str, Part], tally: Tally
    ) -> Release:
        """Read the page, fetch what belongs to it, and read all of it as one document."""
        original = Original(
            self._bytes_of(answer), answer.capture.final_url, content_type(source, self._headers_of(answer))
        )
        rules = detail_rules(source)
        outline = await asyncio.to_thread(read_page, original, rules)
        parts = []
        for part in _parts_of(outline, source):
            if part.url not in asked:
                asked[part.url] = await self._ask_part(source, part, tally)
            parts.append(replace(asked[part.url], name=part.name))
        with self.database.read() as conn:
            bodies = releases.bodies_of(conn, parts)
        reading: Reading = await asyncio.to_thread(read_whole, outline, bodies, rules, source.region)
        assert answer.sha256 is not None, "only good bytes are read"
        return Release(reading, answer.capture_id, answer.sha256, tuple(parts), item.title)

    async def _ask_part(self, source: Source, part: Part, tally: Tally) -> Part:
        """Fetch one part of a document.

        A part that cannot be had is kept as it was last: a broken download is no change of the document.
        """
        if not same_site(part.url, source.url) and urlsplit(part.url).hostname not in source.hosts:
            return replace(part, error="on another host; name it in `hosts` to have it read")
        kind: PageKind = "attachment" if part.kind == "file" else "part"
        answer = await self.ask(source, await self._page(part.url, source, kind), tally)
        if answer.sha256:
            return replace(part, capture_id=answer.capture_id, sha256=answer.sha256, error=None)
        return replace(part, error=answer.capture.reason)

    def _headers_of(self, answer: Answer) -> Mapping[str, str]:
        """The headers that came with the page's good bytes: a 304 need not repeat the content type."""
        if answer.capture.outcome == "ok" or answer.page.last_capture_id is None:
            return answer.capture.headers
        with self.database.read() as conn:
            stored = captures.capture_by_id(conn, answer.page.last_capture_id)
        return {**(stored.headers if stored else {}), **answer.capture.headers}


def _parts_of(outline: Document, source: Source) -> list[Part]:
    """What has to be fetched beside the page to have the whole document."""
    pages = [Part("page", "", url) for url in outline.next_pages]
    if not source.attachments.read:
        return pages
    return pages + [Part("file", a.name, a.url) for a in outline.attachments if is_readable(a)]
