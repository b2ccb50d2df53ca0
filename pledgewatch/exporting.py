"""The archive as plain files, or as WARC: what somebody takes away who does not want to depend on us."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from crawler.files import sniff
from pledgewatch.warc import write_warc
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

    `tell` hears the title of each document that is done. Bodies that were pruned are left out: text, metadata and
    the answer's headers and hash are there.
    """
    written = 0
    for document in chosen:
        if warc:
            written += write_warc(conn, document, folder)
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
    page = captures.kept_bytes(conn, version.mark.capture_id)
    files = {} if page is None else {f"page.{_ending(page)}": page}
    for number, attachment in enumerate(version.document.attachments, 1):
        capture_id = version.attachment_captures.get(attachment.url)
        body = captures.kept_bytes(conn, capture_id) if capture_id else None
        if body is not None:
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
