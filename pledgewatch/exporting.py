"""The archive as plain files, or as WARC: what somebody takes away who does not want to depend on us."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from http.client import responses
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa

from crawler.files import sniff
from storage import captures, documents
from storage.captures import StoredCapture
from storage.documents import StoredDocument, StoredVersion

_ENDINGS = {"text": "txt", "html": "html", "xml": "xml"}


def export_documents(
    conn: sa.Connection,
    chosen: Sequence[StoredDocument],
    folder: Path,
    *,
    warc: bool,
    tell: Callable[[str], None] = lambda _: None,
) -> int:
    """Write documents below `folder`; how many files. Raises OSError where a file cannot be written.

    `tell` hears the title of each document that is done.
    """
    written = 0
    for document in chosen:
        if warc:
            written += _write_warc(conn, document, folder)
        else:
            written += _write_plain(conn, document, folder / str(document.id))
        tell(document.title)
    return written


def _versions(conn: sa.Connection, document: StoredDocument) -> list[StoredVersion]:
    numbers = [line.number for line in documents.history(conn, document.id)]
    found = (documents.version_by_number(conn, document.id, number) for number in numbers)
    return [version for version in found if version]


def _write_plain(conn: sa.Connection, document: StoredDocument, folder: Path) -> int:
    """One folder a document, in it one a version: page and attachments as they came, text, metadata, measures."""
    written = 0
    for version in _versions(conn, document):
        place = folder / f"v{version.number}"
        place.mkdir(parents=True, exist_ok=True)
        files = _originals(conn, version)
        files["text.txt"] = version.text.encode()
        files["metadata.json"] = json.dumps(_metadata(conn, document, version), ensure_ascii=False, indent=1).encode()
        for name, body in files.items():
            (place / name).write_bytes(body)
        written += len(files)
    return written


def _originals(conn: sa.Connection, version: StoredVersion) -> dict[str, bytes]:
    """Raw bytes under names of ours: a site's names may point anywhere."""
    page = captures.stored_bytes(conn, version.mark.capture_id)
    files = {f"page.{_ending(page)}": page}
    for number, attachment in enumerate(version.document.attachments, 1):
        capture_id = version.attachment_captures.get(attachment.url)
        if capture_id:
            body = captures.stored_bytes(conn, capture_id)
            files[f"attachment-{number}.{_ending(body)}"] = body
    return files


def _ending(body: bytes) -> str:
    kind = sniff(body)
    return _ENDINGS.get(kind, kind if kind.isalnum() else "bin")


def _metadata(conn: sa.Connection, document: StoredDocument, version: StoredVersion) -> dict[str, Any]:
    meta = version.document.to_json()
    del meta["text"]
    capture = captures.capture_by_id(conn, version.mark.capture_id)
    return {
        "id": document.id,
        "url": document.url,
        "version": version.number,
        "created_at": version.mark.created_at.isoformat(),
        **meta,
        "capture": _capture_json(capture) if capture else None,
        "measures": [measure.to_json() for measure in version.measures],
    }


def _capture_json(capture: StoredCapture) -> dict[str, Any]:
    return {
        "url": capture.url,
        "final_url": capture.final_url,
        "fetched_at": capture.fetched_at.isoformat(),
        "status": capture.status,
        "headers": dict(capture.headers),
        "sha256": capture.sha256,
    }


# --- WARC 1.1 (ISO 28500:2017) -----------------------------------------------------------------------------------


def _write_warc(conn: sa.Connection, document: StoredDocument, folder: Path) -> int:
    """One file a document with a response record for each capture that a version was read from."""
    folder.mkdir(parents=True, exist_ok=True)
    ids: set[int] = set()
    for version in _versions(conn, document):
        ids |= {version.mark.capture_id, *version.attachment_captures.values()}
    found = [capture for id_ in sorted(ids) if (capture := captures.capture_by_id(conn, id_))]
    with (folder / f"{document.id}.warc").open("wb") as file:
        file.write(_warc_info(document))
        for capture in found:
            file.write(_warc_record(capture, captures.stored_bytes(conn, capture.id)))
    return 1


def _warc_info(document: StoredDocument) -> bytes:
    body = b"software: Pledgewatch\r\nformat: WARC File Format 1.1\r\n"
    headers = {
        "WARC-Type": "warcinfo",
        "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, document.url)}>",
        "WARC-Date": document.last_seen_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Content-Type": "application/warc-fields",
    }
    return _warc_block(headers, body)


def _warc_record(capture: StoredCapture, body: bytes) -> bytes:
    """A response; or, where the server only confirmed what we had (304), what was confirmed, as a resource."""
    identity = uuid5(NAMESPACE_URL, f"{capture.url}#{capture.id}#{capture.fetched_at.isoformat()}")
    confirmed = capture.status == 304
    headers = {
        "WARC-Type": "resource" if confirmed else "response",
        "WARC-Record-ID": f"<urn:uuid:{identity}>",
        "WARC-Date": capture.fetched_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "WARC-Target-URI": capture.final_url,
        "WARC-Payload-Digest": f"sha256:{hashlib.sha256(body).hexdigest()}",
        "Content-Type": _header(capture, "content-type") if confirmed else "application/http;msgtype=response",
    }
    return _warc_block(headers, body if confirmed else _http_head(capture, len(body)) + body)


def _header(capture: StoredCapture, wanted: str) -> str:
    found = (value for name, value in capture.headers.items() if name.lower() == wanted)
    return next(found, "application/octet-stream")


def _http_head(capture: StoredCapture, length: int) -> bytes:
    # The stored body is the entity without transfer or content encoding: headers about those would be untrue.
    skipped = {"content-encoding", "transfer-encoding", "content-length", "connection"}
    first = f"HTTP/1.1 {capture.status} {responses.get(capture.status, '')}"
    lines = [f"{name}: {value}" for name, value in capture.headers.items() if name.lower() not in skipped]
    return ("\r\n".join([first, *lines, f"Content-Length: {length}"]) + "\r\n\r\n").encode("utf-8", "replace")


def _warc_block(headers: dict[str, str], body: bytes) -> bytes:
    lines = ["WARC/1.1", *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body + b"\r\n\r\n"
