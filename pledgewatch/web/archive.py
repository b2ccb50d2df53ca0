"""文档: the documents, one document with its versions and measures, and the archived originals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from crawler.encoding import decode_with_evidence
from crawler.kinds import sniff
from notify.phrases import clean
from pledgewatch.web import queries
from pledgewatch.web.changes import entry_of
from pledgewatch.web.queries import DocumentFilter, DocumentRow
from pledgewatch.web.site import id_of, number, one_of, place_of, plain, site_of, steps
from pledgewatch.web.snippets import Excerpt, Run, excerpts, marked
from storage.captures import StoredCapture, capture_by_id, stored_bytes
from storage.documents import (
    StoredDocument,
    StoredVersion,
    document_by_id,
    history,
    latest_version,
    version_by_id,
    version_by_number,
)
from storage.errors import StorageError
from storage.search import words_of

# An archived page shows itself and nothing else: no script, no request, no form, no way out but a click.
RAW_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "private, max-age=3600",
}
_SHOWN = {"html": "text/html", "text": "text/plain", "xml": "text/plain", "empty": "text/plain"}
_FILES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
}
_ENDINGS = {"text": "txt", "empty": "txt", "binary": "bin", "ole": "bin", "gzip": "gz"}
# Python's codec → the name that browsers know.
_CHARSETS = {"big5hkscs": "big5", "utf-8-sig": "utf-8"}
_UNSAFE_NAME = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+|^[.\s]+|[.\s]+$')
_ATTACHMENT = "【附件】"


STATES = ("live", "withdrawn")
FOUND = 20  # documents of a page of a search: each is shown with what was found in it


@dataclass(frozen=True)
class Found:
    """A document of a list; of a search with its title marked and the places where the words stand."""

    row: DocumentRow
    title: tuple[Run, ...]
    number: tuple[Run, ...] = ()
    excerpts: tuple[Excerpt, ...] = ()


def list_documents(request: Request) -> Response:
    site = site_of(request)
    wanted = DocumentFilter(
        plain(request, "q"), plain(request, "region"), plain(request, "source"), one_of(request, "state", STATES)
    )
    with site.database.read() as conn:
        words = words_of(wanted.words)
        found = queries.find_documents(conn, wanted, place_of(request), FOUND if words else queries.PAGE)
        ids = [row.latest_version_id for row in found.rows if words and row.latest_version_id]
        texts = queries.document_words(conn, ids)
        regions = queries.document_regions(conn)
    return site.page(
        "documents",
        section="documents",
        rows=list(_shown_rows(found.rows, words, texts)),
        wanted=wanted,
        steps=steps(request, found, [row.id for row in found.rows]),
        regions=regions,
        states=STATES,
        sources=site.source_names(),
    )


def _shown_rows(rows: Iterable[DocumentRow], words: Sequence[str], texts: Mapping[int, str]) -> Iterator[Found]:
    """The rows as the page shows them, of a search those that have the words."""
    for row in rows:
        text = texts.get(row.latest_version_id or 0, "")
        if queries.has_words(row, text, words):
            title, number = clean(row.title), clean(row.doc_number or "")
            yield Found(row, marked(title, words), marked(number, words), excerpts(text, words) if words else ())


# --- one document ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """A run of text; `anchor` is set where a figure begins, `marked` says that it is one."""

    text: str
    marked: bool = False
    anchor: str = ""


@dataclass(frozen=True)
class Line:
    """A paragraph, a row of a table, or the name of an attachment whose text follows."""

    kind: Literal["paragraph", "row", "attachment"]
    pieces: tuple[Piece, ...]


def show_document(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        document = _document(conn, request)
        version = _version(conn, request, document)
        lines = history(conn, document.id)
        events = queries.document_log(conn, document.id)
        gone = queries.withdrawal(conn, document.id) if document.state == "withdrawn" else None
        repealer = document_by_id(conn, document.repealed_by) if document.repealed_by else None
    return site.page(
        "document",
        section="documents",
        document=document,
        version=version,
        history=lines[::-1],
        last=lines[-1].number if lines else 0,
        gone=entry_of(gone, site) if gone else None,
        repealer=repealer,
        text=text_lines(version.text, figure_spans(version)) if version else (),
        source=site.source_names().get(document.source, document.source),
        entries=[entry_of(event, site) for event in events],
    )


def _document(conn: sa.Connection, request: Request) -> StoredDocument:
    document = document_by_id(conn, id_of(request))
    if document is None:
        raise HTTPException(404)
    return document


def _version(conn: sa.Connection, request: Request, document: StoredDocument) -> StoredVersion | None:
    """The version that the query names, else the latest; None for a document that has none yet."""
    wanted = request.query_params.get("version")
    if not wanted:
        return latest_version(conn, document.id)
    found = version_by_number(conn, document.id, number(request, "version") or 0)
    if found is None:
        raise HTTPException(404)
    return found


def figure_spans(version: StoredVersion) -> list[tuple[int, int]]:
    """Where the figures stand, as far as they stand where they should: in order, of those that overlap the first."""
    figures = (figure for measure in version.measures for figure in measure.figures)
    return list(_disjoint((f.start, f.end) for f in figures if version.text[f.start : f.end] == f.quote))


def text_lines(text: str, spans: Iterable[tuple[int, int]]) -> tuple[Line, ...]:
    """A document's text in lines, its figures marked. The anchor of a figure is "f" and where it starts.

    Of spans that overlap the first is marked; white space at line ends and empty lines are left out.
    """
    pieces = _marked(text, _disjoint(spans))
    return tuple(_line(line) for line in _split_lines(pieces) if any(p.text.strip() for p in line))


def _disjoint(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    reached = 0
    for start, end in sorted(set(spans)):
        if start >= reached and end > start:
            yield start, end
            reached = end


def _marked(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[Piece]:
    at = 0
    for start, end in spans:
        yield Piece(text[at:start])
        yield Piece(text[start:end], marked=True, anchor=f"f{start}")
        at = end
    yield Piece(text[at:])


def _split_lines(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces cut at line ends; of a figure that runs over a line end, the first part keeps the anchor."""
    line: list[Piece] = []
    for piece in pieces:
        first, *rest = piece.text.split("\n")
        line.append(replace(piece, text=first))
        for part in rest:
            yield line
            line = [replace(piece, text=part, anchor="")]
    yield line


def _line(pieces: Sequence[Piece]) -> Line:
    kept = tuple(p for p in pieces if p.text)
    text = "".join(p.text for p in kept)
    if text.startswith(_ATTACHMENT):
        return Line("attachment", kept)
    return Line("row" if " | " in text else "paragraph", kept)


# --- archived originals ---------------------------------------------------------------------------------------


def raw_version(request: Request) -> Response:
    """The page that a version was read from, as it came."""
    with site_of(request).database.read() as conn:
        version = version_by_id(conn, id_of(request))
        if version is None:
            raise HTTPException(404)
        capture, body = _captured(conn, version.mark.capture_id)
        name = _file_name(version.document.title, body)
    return _shown(capture, body, name)


def raw_capture(request: Request) -> Response:
    """An archived answer, an attachment above all, as a file to keep."""
    with site_of(request).database.read() as conn:
        capture, body = _captured(conn, id_of(request))
        name = queries.capture_name(conn, capture.id, capture.page_id)
    last = unquote(urlsplit(capture.url).path.rpartition("/")[2])
    return _download(body, _file_name(name or last or f"capture-{capture.id}", body))


def _captured(conn: sa.Connection, id: int) -> tuple[StoredCapture, bytes]:
    capture = capture_by_id(conn, id)
    if capture is None:
        raise HTTPException(404)
    try:
        return capture, stored_bytes(conn, id)
    except StorageError as error:  # pruned or damaged: the rest of the archive can still be read
        raise HTTPException(410) from error


def _shown(capture: StoredCapture, body: bytes, name: str) -> Response:
    kind = sniff(body)
    if kind not in _SHOWN:
        return _download(body, name)
    headers = {k.lower(): v for k, v in capture.headers.items()}
    charset = decode_with_evidence(body, headers.get("content-type")).encoding
    media = f"{_SHOWN[kind]}; charset={_CHARSETS.get(charset, charset)}"
    return Response(body, headers={**RAW_HEADERS, "Content-Type": media})


def _download(body: bytes, name: str) -> Response:
    disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    media = _FILES.get(sniff(body), "application/octet-stream")
    return Response(body, headers={**RAW_HEADERS, "Content-Type": media, "Content-Disposition": disposition})


def _file_name(name: str, body: bytes) -> str:
    """A name that is safe to save under, with the ending of what the bytes are: a page named .exe stays a page."""
    kind = sniff(body)
    endings: dict[str, str] = {
        "text": "txt",
        "empty": "txt",
        "picture": "",
        "binary": "bin",
        "ole": "bin",
        "gzip": "gz",
    }
    ending = endings.get(kind, kind)
    kept = _UNSAFE_NAME.sub("_", clean(name))[:80].strip("._ ") or "file"
    if kind == "picture":
        known = re.search(r"\.(png|jpe?g|gif|bmp|tiff?)$", kept, re.IGNORECASE)
        return kept if known else f"{kept}.bin"
    return kept if kept.lower().endswith(f".{ending}") else f"{kept}.{ending}"


def version_facts(version: StoredVersion) -> dict[str, Any]:
    """What a version says of itself beside its text, by the names of `words`."""
    document = version.document
    names = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")
    return {name: getattr(document, name) for name in names}
