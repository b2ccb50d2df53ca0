"""From bytes to a document and its measures: the pure half of a document's path.

The same functions read a fresh answer, an older version's stored bytes and a file named on the command line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from crawler import document as documents
from crawler import ocr
from crawler.document import DetailRules, full_text, join_pages
from crawler.files import UnreadableFile, read_file, sniff
from monitors import extraction
from monitors.extraction import Context
from pledgewatch.reader import READER, content_type
from pledgewatch.settings import Source
from storage.records import Attachment, Document, Figure, Measure

_NOT_TEXT = frozenset(
    [
        "png",
        "jpg",
        "jpeg",
        "gif",
        "bmp",
        "webp",
        "svg",
        "mp3",
        "mp4",
        "wav",
        "avi",
        "mov",
        "wmv",
        "flv",
        "rar",
        "7z",
    ]
)


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes of one page or file as a server sent them."""

    body: bytes
    url: str
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What one release of a document says: page and attachments together, and the measures in it.

    `text` is the body with its attachments: what is compared, and what the figures' offsets count in. `further` are
    the article's further pages, address and text, which stand in the document's text.
    """

    document: Document
    text: str
    measures: tuple[Measure, ...]
    further: tuple[tuple[str, str], ...] = ()


def detail_rules(source: Source | None) -> DetailRules:
    """The operator's overrides for reading a document, as the crawler takes them."""
    if source is None:
        return DetailRules()
    detail = source.detail
    return DetailRules(
        body=detail.body, title=detail.title, attachments=source.attachments.link, drop=detail.drop or None
    )


def read_page(original: Original, rules: DetailRules, *, recognise: bool = True) -> Document:
    """Read a page, or a file that stands in a page's place. Raises UnreadableFile, which says what and why.

    `recognise` reads scans too, where OCR is installed: that takes seconds a page.
    """
    if sniff(original.body) in ("html", "text", "xml"):
        return documents.read_document(original.body, original.url, original.content_type, rules)
    name = unquote(PurePosixPath(urlsplit(original.url).path).name)
    found = read_file(original.body, name, recognise)
    return documents.read_text(found.text, found.title or PurePosixPath(name).stem, found.warnings)


def read_whole(
    outline: Document, bodies: Mapping[str, bytes | str], rules: DetailRules, region: str, *, recognise: bool = True
) -> Reading:
    """Read what belongs to a page and measure all of it as one document.

    `outline` is the page as `read_page` gave it; `bodies` maps the address of each further page and attachment to
    its bytes, or to the words that say why there are none.
    """
    further = {
        url: read_page(Original(body, url), rules, recognise=recognise)
        for url in outline.next_pages
        if isinstance(body := bodies.get(url), bytes)
    }
    joined = join_pages(outline, further.values()) if outline.next_pages else outline
    read = [_with_text(a, bodies.get(a.url), recognise) for a in joined.attachments]
    files = tuple(attachment for attachment, _ in read)
    warnings = (*joined.warnings, *(f"{a.name}: {warning}" for a, told in read for warning in told))
    pages = tuple(
        Attachment("", url, sha256=_sha256(bodies.get(url)), kind="page") for url in outline.next_pages if url in bodies
    )
    reading = measure(replace(joined, attachments=files + pages, warnings=warnings), region)
    return replace(reading, further=tuple((url, page.text) for url, page in further.items()))


def has_scans(document: Document) -> bool:
    """Whether pages of the document or of its files are pictures that `recognise` would read."""
    return ocr.is_available() and any("scanned:" in warning for warning in document.warnings)


def _with_text(attachment: Attachment, body: bytes | str | None, recognise: bool) -> tuple[Attachment, tuple[str, ...]]:
    if body is None or isinstance(body, str):
        return replace(attachment, error=body), ()
    try:
        found = read_file(body, attachment.name, recognise)
    except UnreadableFile as error:
        return replace(attachment, sha256=_sha256(body), error=str(error)), ()
    return replace(attachment, text=found.text, sha256=_sha256(body)), found.warnings


def _sha256(body: bytes | str | None) -> str | None:
    return hashlib.sha256(body).hexdigest() if isinstance(body, bytes) else None


def is_readable(attachment: Attachment) -> bool:
    """Whether a file is worth fetching: pictures, films and archives hold no text that could be read."""
    return not any(
        PurePosixPath(name.lower()).suffix.lstrip(".") in _NOT_TEXT
        for name in (attachment.name, urlsplit(attachment.url).path)
    )


def read_local_file(body: bytes, name: str) -> Document:
    """Read a file of the user's. A text file's `text` is its content unchanged, so that offsets count in the file."""
    if sniff(body) == "text":
        found = read_file(body, name)
        return documents.read_text(found.text, "", found.warnings)
    return read_page(Original(body, name), DetailRules())


def measure(document: Document, region: str = "") -> Reading:
    """Extract the measures of a document with all its attachments."""
    text = full_text(document)
    context = Context(
        title=document.title,
        publisher=document.publisher,
        region=region or None,
        published_on=document.issued_on or document.published_on,
    )
    return Reading(document, text, _flagged(extraction.extract(text, context), ocr.spans(text)))


def _flagged(measures: tuple[Measure, ...], recognised: Sequence[tuple[int, int]]) -> tuple[Measure, ...]:
    """The measures, with the figures marked that were read from pictures."""

    def flagged(figure: Figure) -> Figure:
        seen = any(start <= figure.start < end for start, end in recognised)
        return replace(figure, ocr=True) if seen else figure

    return tuple(replace(m, figures=tuple(map(flagged, m.figures))) for m in measures) if recognised else measures


__all__ = [
    "READER",
    "Original",
    "Reading",
    "UnreadableFile",
    "content_type",
    "detail_rules",
    "has_scans",
    "is_readable",
    "measure",
    "read_local_file",
    "read_page",
    "read_whole",
]
