"""Which documents a source's list names: its first page and those behind it, and the rows that are wanted.

Loaded by the first list that differs from the one with which the last pass found nothing to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import structlog

from crawler.addresses import same_site
from crawler.kinds import UnreadableFile, sniff
from crawler.listing import ListRules, read_list, same_rows
from pledgewatch.passes import Listing
from pledgewatch.patterns import PatternError, matches
from pledgewatch.pipeline import Answer, Pipeline
from pledgewatch.reader import content_type
from pledgewatch.settings import Source
from storage import captures
from storage.addresses import normal_address
from storage.records import Capture, ListItem, ListPage
from storage.sources import SourceState

log = structlog.get_logger(__name__)

#: Passes in which a further list page that fails is tried again. Until then its rows may yet come.
LIST_TRIES = 3


async def read_lists(pipeline: Pipeline, source: Source, state: SourceState, answer: Answer) -> Listing:
    """The rows of the first page, of which `answer` is, and, as long as a page brings something unknown, of those
    behind it. `state` is the source's before this pass.
    """
    baseline = state.baseline_at is None
    first, page = await _rows_of(pipeline, source, answer)
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
    indirect = first.page.url != source.url
    return Listing(tuple(chosen), tuple(unwanted), missing, complete, lied=lied, cms=page.cms, indirect=indirect)


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
        answer, page = await _rows_of(pipeline, source, await pipeline.ask_list(source, url))
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


async def _rows_of(pipeline: Pipeline, source: Source, answer: Answer) -> tuple[Answer, ListPage]:
    """A list page; where it holds no rows but says which interface gives them, that interface's answer."""
    answer, page = await _parsed(pipeline, source, answer)
    if page.api and not page.items and page.api != answer.page.url:
        return await _parsed(pipeline, source, await pipeline.ask_list(source, page.api))
    return answer, page


async def _parsed(pipeline: Pipeline, source: Source, answer: Answer) -> tuple[Answer, ListPage]:
    """The answer with the bytes that it brought or confirmed, and the rows in them."""
    if not answer.is_good:
        return answer, ListPage("none", ())
    capture = replace(answer.capture, body=pipeline.bytes_of(answer))
    kind = content_type(source, capture.headers)
    page = await asyncio.to_thread(read_list, capture.body, capture.final_url, kind, list_rules(source))
    return replace(answer, capture=capture), page


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
        if (not source.include or matches(source.include, item.title))
        and not matches(source.exclude, item.title)
        and _allowed(source, item.url)
        and captures.is_storable(item.url)
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
