"""A document's path from where an answer may say something new: gather what belongs to it, read it, write it down.

Here is the order of things and nothing else: what a figure is is decided in `monitors`, what is written together in
`releases`. Together with these this is a third of the program; `pipeline` loads it when it first meets something new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crawler.addresses import same_site
from pledgewatch import releases
from pledgewatch.reader import content_type, unread_mark
from pledgewatch.reading import (
    Original,
    Reading,
    UnreadableFile,
    detail_rules,
    has_scans,
    is_readable,
    read_page,
    read_whole,
)
from pledgewatch.releases import Part, Release, Scene
from pledgewatch.settings import Source
from storage import captures
from storage.captures import PageKind
from storage.records import Document, ListItem

if TYPE_CHECKING:
    from pledgewatch.pipeline import Answer, Errand, Pipeline, Tally, Visit


async def follow_up(
    pipeline: Pipeline, source: Source, errand: Errand, answer: Answer, tally: Tally, now: datetime
) -> Visit:
    """What a stored answer means for its document, written down. Raises UnreadableFile and StorageError."""
    database, page = pipeline.database, errand.page
    scene = Scene(pipeline.settings, source, page, now)
    if answer.capture.outcome == "gone":
        async with pipeline.writing:
            return tally.visit(*releases.commit_gone(database, scene))
    if not answer.is_good:
        return tally.visit("unread")
    with database.read() as conn:
        known = releases.known_at(conn, page)
    parts = {p.url: await _ask_part(pipeline, source, p, tally) for p in (known.parts if known else ())}
    if known and known.is_settled({page.url: answer.sha256, **{p.url: p.sha256 for p in parts.values()}}):
        async with pipeline.writing:
            with database.begin() as conn:
                return tally.visit(*releases.see(conn, scene, known))
    return await _read_and_commit(pipeline, scene, errand.item, answer, parts, tally, is_known=known is not None)


async def _read_and_commit(
    pipeline: Pipeline,
    scene: Scene,
    item: ListItem,
    answer: Answer,
    parts: dict[str, Part],
    tally: Tally,
    *,
    is_known: bool,
) -> Visit:
    database = pipeline.database
    tried = answer.sha256 if is_known else unread_mark(answer.sha256)
    if not is_known and tried == scene.page.settled_sha256:
        return tally.visit("unread")  # this reader tried these bytes before
    try:
        release = await _gather(pipeline, scene.source, item, answer, parts, tally)
    except UnreadableFile:
        async with pipeline.writing:
            with database.begin() as conn:
                captures.settle_unreadable(conn, scene.page.id, tried)
        raise
    await asyncio.to_thread(releases.bring_up_to_date, database, scene, release)
    async with pipeline.writing:
        return tally.visit(*await asyncio.to_thread(releases.commit_release, database, scene, release))


async def _gather(
    pipeline: Pipeline, source: Source, item: ListItem, answer: Answer, asked: dict[str, Part], tally: Tally
) -> Release:
    """Read the page, fetch what belongs to it, and read all of it as one document."""
    kind = content_type(source, _headers_of(pipeline, answer))
    original = Original(pipeline.bytes_of(answer), answer.capture.final_url, kind)
    rules = detail_rules(source)
    outline = await asyncio.to_thread(read_page, original, rules, recognise=False)
    parts = []
    for part in _parts_of(outline, source):
        if part.url not in asked:
            asked[part.url] = await _ask_part(pipeline, source, part, tally)
        parts.append(replace(asked[part.url], name=part.name))
    with pipeline.database.read() as conn:
        bodies = releases.bodies_of(conn, parts)
    reading: Reading = await asyncio.to_thread(read_whole, outline, bodies, rules, source.region, recognise=False)
    if has_scans(reading.document):
        async with pipeline.scanning:
            outline = await asyncio.to_thread(read_page, original, rules)
            reading = await asyncio.to_thread(read_whole, outline, bodies, rules, source.region)
    assert answer.sha256 is not None, "only good bytes are read"
    return Release(reading, answer.capture_id, answer.sha256, tuple(parts), item.title)


async def _ask_part(pipeline: Pipeline, source: Source, part: Part, tally: Tally) -> Part:
    """Fetch one part of a document.

    A part that cannot be had is kept as it was last: a broken download is no change of the document.
    """
    if not same_site(part.url, source.url) and urlsplit(part.url).hostname not in source.hosts:
        return replace(part, error="on another host; name it in `hosts` to have it read")
    if not captures.is_storable(part.url):
        return replace(part, error=f"its address is longer than {captures.URL_LIMIT} bytes")
    kind: PageKind = "attachment" if part.kind == "file" else "part"
    answer = await pipeline.ask(source, await pipeline.page_at(part.url, source, kind), tally)
    if answer.sha256:
        return replace(part, capture_id=answer.capture_id, sha256=answer.sha256, error=None)
    return replace(part, error=answer.capture.reason)


def _headers_of(pipeline: Pipeline, answer: Answer) -> Mapping[str, str]:
    """The headers that came with the page's good bytes: a 304 need not repeat the content type."""
    if answer.capture.outcome == "ok" or answer.page.last_capture_id is None:
        return answer.capture.headers
    with pipeline.database.read() as conn:
        stored = captures.capture_by_id(conn, answer.page.last_capture_id)
    return {**(stored.headers if stored else {}), **answer.capture.headers}


def _parts_of(outline: Document, source: Source) -> list[Part]:
    """What has to be fetched beside the page to have the whole document."""
    pages = [Part("page", "", url) for url in outline.next_pages]
    if not source.attachments.read:
        return pages
    return pages + [Part("file", a.name, a.url) for a in outline.attachments if is_readable(a)]
