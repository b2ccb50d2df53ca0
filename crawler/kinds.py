"""What a file is, told by its content: servers and editors name files as they please."""

from __future__ import annotations

import io
import re
import zipfile
from itertools import islice

_HTML = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|meta|title|div|table|script|p|a|span|ul|h[1-6])\b", re.IGNORECASE
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")
_PARTS = {"word/document.xml": "docx", "xl/workbook.xml": "xlsx", "xl/workbook.bin": "xlsx", "OFD.xml": "ofd"}
_CONTROLS = bytes([*range(1, 9), *range(14, 27), *range(28, 32)])  # but for white space and escape
_HEAD = 4096  # bytes looked at for the mark of a format


class UnreadableFile(Exception):  # noqa: N818 (the name is the operator's word for it)
    """Bytes that give no text. Says what is wrong with which file, and what an operator can do."""

    def __init__(self, what: str, where: str = "", remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        super().__init__(f"{where + ': ' if where else ''}{what}{'; ' + remedy if remedy else ''}")


def sniff(body: bytes) -> str:
    """The kind of a file: html, text, pdf, docx, doc, rtf, xlsx, xls, ofd, zip, rar, 7z, gzip, picture, ole, xml
    (that is no page), mhtml (a web archive), empty or binary.
    """
    head = body[:_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n\x00")
    if not head:
        return "empty"
    if b"%PDF-" in body[:1024]:
        return "pdf"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_kind(body)
    if body.startswith(_OLE):
        return _ole_kind(body)
    for mark, kind in ((b"{\\rtf", "rtf"), (b"Rar!", "rar"), (b"7z\xbc\xaf", "7z"), (b"\x1f\x8b", "gzip")):
        if head.startswith(mark):
            return kind
    if head.startswith(_PICTURES):
        return "picture"
    return _text_kind(body, head)


def _zip_kind(body: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for name in islice(archive.namelist(), 5000):
                if name.lstrip("/") in _PARTS:
                    return _PARTS[name.lstrip("/")]
    except Exception:  # zipfile raises a dozen kinds of errors on damaged directories
        return "zip"
    return "zip"


def _ole_kind(body: bytes) -> str:
    """Word, Excel and WPS share one container; its directory names the streams in UTF-16."""
    for stream, kind in (("WordDocument", "doc"), ("Workbook", "xls"), ("Book", "xls")):
        if stream.encode("utf-16-le") in body:
            return kind
    return "ole"


def _text_kind(body: bytes, head: bytes) -> str:
    wide = body.startswith((b"\xff\xfe", b"\xfe\xff"))
    plain = head.replace(b"\x00", b"") if wide else head
    if not wide and plain.count(b"\x00") + _controls(plain) > len(plain) // 50:
        return "binary"
    if plain[:200].lower().startswith((b"mime-version:", b"from: <saved")):
        return "mhtml"
    if _HTML.search(plain) or _HTML.search(body[:65536]):
        return "html"
    return "xml" if plain.startswith(b"<?xml") else "text"


def _controls(data: bytes) -> int:
    return len(data) - len(data.translate(None, _CONTROLS))
