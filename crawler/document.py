"""A page's bytes → a Document: its text without furniture, its metadata, its attachments. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from crawler.attachments import find_attachments, is_attachment_line
from crawler.body import ENOUGH, Body, add_body, find_body, missing_figures, select, texts_of
from crawler.encoding import decode_with_evidence
from crawler.gkmlpt import Detail, detail_in
from crawler.kinds import UnreadableFile, sniff
from crawler.labels import mark_catalogues
from crawler.metadata import page_catalogue, page_metadata, page_title, text_metadata
from crawler.page import Page, parse_page, resolve, split_address
from crawler.reader import READER as READER
from storage.addresses import normal_address
from storage.records import Attachment, Document

_PAGING = re.compile(
    r"""(?m)^(?![ \t]*(?://|function)).*?\bcreatePageHTML\s*\(\s*(?:["'][^"']*["']\s*,\s*)?(\d{1,4})\s*,\s*(\d{1,4})\s*,"""
    r"""\s*["']([^"'\s]{1,200})["']\s*,\s*["'](\w{1,8})["']"""
)
ATTACHED = "\n\n【附件】"
"""Parts an attachment from what stands before it in a document's whole text; its name ends the line."""

_MAX_PARTS = 100  # of one article
_ICON = re.compile(r"icon|ico_|/ico|filetype|file_type|attach|logo|button|btn|blank|space|/emot|\.gif", re.IGNORECASE)


@dataclass(frozen=True)
class DetailRules:
    """CSS selectors for a site where the automatic reading is wrong; None leaves it automatic.

    `body` and `title` pick what holds them, `attachments` the links (or what holds the links), `drop` what is
    taken out of the page first.
    """

    body: str | None = None
    title: str | None = None
    attachments: str | None = None
    drop: tuple[str, ...] | None = None


def read_document(
    body: bytes, url: str, content_type: str | None = None, rules: DetailRules = DetailRules()
) -> Document:
    """The document that a page shows.

    `url` is the page's address (what its links count from), `content_type` the header's value. A page whose text
    is only in attachments has the text "". Raises UnreadableFile for bytes that are no page and ValueError for a
    rule that is no CSS selector.
    """
    kind = sniff(body)
    if kind not in ("html", "text", "xml"):
        raise UnreadableFile(f"not a page but {kind}", url, "read it with files.read_file")
    decoded = decode_with_evidence(body, content_type)
    doubts = () if decoded.certain else (f"encoding: {decoded.encoding} does not fit; characters may be wrong",)
    page = parse_page(decoded.text, url)
    _drop(page, rules.drop or ())
    mark_catalogues(page.root)
    detail = detail_in(page.scripts)
    read = find_body(page, decoded.text, rules.body)
    if detail.content and sum(len(line.text) for line in read.lines) < ENOUGH:
        read = add_body(page, detail.content)
    return _document(page, read, detail, rules, doubts)


def _document(page: Page, body: Body, detail: Detail, rules: DetailRules, doubts: tuple[str, ...]) -> Document:
    catalogue = page_catalogue(page, body.element, detail.values)
    title = _ruled_title(page, rules) or page_title(page, catalogue)
    texts = texts_of(body, title)
    meta = page_metadata(page, catalogue, texts, title)
    attachments = _with_told(_attachments(page, body, rules), detail, page)
    lines = () if _only_links(texts, attachments) else texts
    warnings = (*doubts, *body.warnings, *_picture_warning(body), *_figure_warning(page, texts))
    return Document(
        title=meta.title,
        text="\n".join(lines),
        doc_number=meta.doc_number,
        index_number=meta.index_number,
        publisher=meta.publisher,
        published_on=meta.published_on,
        issued_on=meta.issued_on,
        status=meta.status,
        attachments=attachments,
        next_pages=_next_pages(page),
        warnings=warnings,
    )


def read_text(text: str, title: str = "", warnings: tuple[str, ...] = ()) -> Document:
    """A document out of bare text (a file, a page saved as text): the text unchanged, the metadata read from it."""
    lines = [line for line in (raw.strip(" \t\r\f\v\u00a0\u3000*#") for raw in text.split("\n")) if line]
    meta = text_metadata(lines, title)
    return Document(
        title=meta.title,
        text=text,
        doc_number=meta.doc_number,
        index_number=meta.index_number,
        publisher=meta.publisher,
        published_on=meta.published_on,
        issued_on=meta.issued_on,
        status=meta.status,
        warnings=warnings,
    )


def join_pages(first: Document, others: Iterable[Document]) -> Document:
    """One document out of an article's parts: texts in order, attachments once each, the first part's metadata."""
    parts = [first, *others]
    attachments = {a.url: a for part in parts for a in part.attachments}
    return replace(
        first,
        text="\n".join(part.text for part in parts if part.text),
        attachments=tuple(attachments.values()),
        next_pages=(),
        warnings=tuple(dict.fromkeys(w for part in parts for w in part.warnings)),
    )


def full_text(document: Document) -> str:
    """What is compared and measured: the body, then each attachment that was read, under 【附件】 and its name."""
    return document.text + "".join(f"{ATTACHED}{a.name}\n{a.text}" for a in document.attachments if a.text)


def _drop(page: Page, selectors: Sequence[str]) -> None:
    for selector in selectors:
        for element in select(page.root, selector):
            element.drop_tree()


def _ruled_title(page: Page, rules: DetailRules) -> str:
    chosen = select(page.root, rules.title) if rules.title else []
    return " ".join("".join(chosen[0].itertext()).split()) if chosen else ""


def _attachments(page: Page, body: Body, rules: DetailRules) -> tuple[Attachment, ...]:
    if rules.attachments:
        return find_attachments(page, (), select(page.root, rules.attachments))
    return find_attachments(page, [body.element] if body.element is not None else [])


def _with_told(found: tuple[Attachment, ...], detail: Detail, page: Page) -> tuple[Attachment, ...]:
    """The attachments of the page, and those that only its script tells of."""
    known = {normal_address(a.url) for a in found}
    told = (Attachment(name or url.rsplit("/", 1)[-1], resolve(page.base, url)) for name, url in detail.files)
    return (*found, *(a for a in told if a.url.startswith("http") and normal_address(a.url) not in known))


def _only_links(lines: Sequence[str], attachments: Sequence[Attachment]) -> bool:
    return bool(attachments) and all(is_attachment_line(line, attachments) for line in lines)


def _picture_warning(body: Body) -> tuple[str, ...]:
    if body.element is None:
        return ()
    pictures = [i for i in body.element.iter("img") if (s := i.get("src")) and not _ICON.search(s[:300])]
    return (f"picture: {len(pictures)} in the body; their text is not read",) if pictures else ()


def _figure_warning(page: Page, texts: Sequence[str]) -> tuple[str, ...]:
    missing = missing_figures(page, texts)
    return (f"figures of the page are missing from the text: {'、'.join(missing[:10])}",) if missing else ()


def _next_pages(page: Page) -> tuple[str, ...]:
    """The article's further parts, as its paging script or its numbered links name them."""
    for script in page.scripts:
        if hit := _PAGING.search(script):
            return tuple(_parts(page.url, int(hit[1]), hit[3], hit[4]))
    return tuple(_linked_parts(page))


def _parts(url: str, count: int, name: str, extension: str) -> Iterable[str]:
    """TRS counts parts from 0: t2024_1.html is the second. A list's script (index) is not an article's."""
    own = split_address(url).path.rsplit("/", 1)[-1]
    if name == "index" and not own.startswith("index"):
        return
    for number in range(1, min(count, _MAX_PARTS)):
        yield resolve(url, f"{name}_{number}.{extension}")


def _linked_parts(page: Page) -> Iterable[str]:
    path = split_address(page.url).path
    stem, dot, extension = path.rpartition(".")
    if not dot or "/" in extension or len(stem) < 2:
        return
    part = re.compile(rf"{re.escape(stem)}_(\d{{1,3}}){re.escape(dot + extension)}")
    found: dict[int, str] = {}
    for link in page.root.iter("a"):
        url = resolve(page.base, link.get("href") or "")
        if hit := part.fullmatch(split_address(url).path):
            found.setdefault(int(hit[1]), url)
    yield from (found[number] for number in sorted(found)[:_MAX_PARTS])
