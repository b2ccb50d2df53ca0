"""A document's answers as a WARC file: WARC 1.1, ISO 28500:2017, which replay programs and archives read.

There are no request records: what was sent is not kept, and none is made up. Bodies are entities without transfer
and content encoding, and the stored headers about those are left out.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b32encode
from datetime import datetime
from http.client import responses
from pathlib import Path
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

import sqlalchemy as sa

from storage import captures, documents
from storage.captures import StoredCapture
from storage.documents import StoredDocument

_NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
_ENCODED = {"content-encoding", "transfer-encoding", "content-length", "connection"}
_BREAKS = re.compile(r"[\0\r\n]+")


def write_warc(conn: sa.Connection, document: StoredDocument, folder: Path) -> int:
    """One file a document, with the answers that its versions were read from; how many files (1).

    A 304 is a revisit record; the answer whose body it confirms stands before it. Answers whose bodies were pruned
    are left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{document.id}.warc").open("wb") as file:
        file.write(_info(document))
        for capture in _answers(conn, document):
            if capture.status == 304:
                confirmed = captures.confirmed_by(conn, capture)
                if confirmed is not None:
                    file.write(_revisit(capture, confirmed))
                continue
            body = captures.kept_bytes(conn, capture.id)
            if body is not None:
                file.write(_response(capture, body))
    return 1


def _answers(conn: sa.Connection, document: StoredDocument) -> list[StoredCapture]:
    ids: set[int] = set()
    for line in documents.history(conn, document.id):
        version = documents.version_by_number(conn, document.id, line.number)
        if version:
            ids |= {line.capture_id, *version.attachment_captures.values()}
    found = {id_: capture for id_ in ids if (capture := captures.capture_by_id(conn, id_))}
    for capture in list(found.values()):
        if capture.status == 304 and (confirmed := captures.confirmed_by(conn, capture)):
            found[confirmed.id] = confirmed
    return [found[id_] for id_ in sorted(found)]


def _info(document: StoredDocument) -> bytes:
    body = "software: Pledgewatch\r\nformat: WARC File Format 1.1\r\n" + (
        "conformsTo: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
        f"description: {_line(document.title)}\r\n"
    )
    headers = {
        "WARC-Type": "warcinfo",
        "WARC-Record-ID": f"<urn:uuid:{uuid5(NAMESPACE_URL, document.url)}>",
        "WARC-Date": _date(document.last_seen_at),
        "WARC-Filename": f"{document.id}.warc",
        "Content-Type": "application/warc-fields",
    }
    return _block(headers, body.encode())


def _response(capture: StoredCapture, body: bytes) -> bytes:
    headers = _named("response", capture) | {"WARC-Payload-Digest": _digest(body)}
    return _block(headers, _head(capture, len(body)) + body)


def _revisit(capture: StoredCapture, confirmed: StoredCapture) -> bytes:
    assert confirmed.sha256 is not None
    headers = _named("revisit", capture) | {
        "WARC-Profile": _NOT_MODIFIED,
        "WARC-Payload-Digest": _in_base32(bytes.fromhex(confirmed.sha256)),
        "WARC-Refers-To": _identity(confirmed),
        "WARC-Refers-To-Target-URI": _uri(confirmed.final_url),
        "WARC-Refers-To-Date": _date(confirmed.fetched_at),
    }
    return _block(headers, _head(capture, None))


def _named(kind: str, capture: StoredCapture) -> dict[str, str]:
    return {
        "WARC-Type": kind,
        "WARC-Record-ID": _identity(capture),
        "WARC-Date": _date(capture.fetched_at),
        "WARC-Target-URI": _uri(capture.final_url),
        "Content-Type": "application/http;msgtype=response",
    }


def _identity(capture: StoredCapture) -> str:
    return f"<urn:uuid:{uuid5(NAMESPACE_URL, f'{capture.url}#{capture.id}#{capture.fetched_at.isoformat()}')}>"


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _uri(url: str) -> str:
    """An address as the standard wants it: signs beyond ASCII and spaces as %XX; what is written so stays."""
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~")


def _digest(data: bytes) -> str:
    return _in_base32(hashlib.sha256(data).digest())


def _in_base32(digest: bytes) -> str:
    return "sha256:" + b32encode(digest).decode()


def _line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip()


def _head(capture: StoredCapture, length: int | None) -> bytes:
    """The answer's status line and headers; `length` is the body's, None where it has none."""
    first = f"HTTP/1.1 {capture.status} {responses.get(capture.status, '')}"
    kept = [f"{_line(k)}: {_line(v)}" for k, v in capture.headers.items() if k.lower() not in _ENCODED]
    lines = [first, *kept, *([] if length is None else [f"Content-Length: {length}"])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def _block(headers: dict[str, str], block: bytes) -> bytes:
    named = headers | {"WARC-Block-Digest": _digest(block), "Content-Length": str(len(block))}
    lines = ["WARC/1.1", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"
