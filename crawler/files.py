"""A file's bytes → its text, whatever the file is called."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes

from crawler import ofd, office, pdf
from crawler.document import read_document
from crawler.encoding import decode_with_evidence
from crawler.kinds import UnreadableFile, sniff
from crawler.ocr import is_available, recognise
from crawler.paragraphs import Printed, paragraphs

__all__ = ["FileText", "UnreadableFile", "read_file", "sniff"]

_MAX_BYTES = 200 * 1024 * 1024  # of a file
_MAX_UNPACKED = 400 * 1024 * 1024  # of all parts of a container together
_MAX_RATIO = 300  # unpacked to packed, beyond a size that text reaches honestly
_HONEST = 20 * 1024 * 1024
_MAX_ENTRIES = 20_000


@dataclass(frozen=True)
class FileText:
    """What a file says; what was read by OCR stands between the marks of `crawler.ocr`."""

    kind: str
    text: str
    warnings: tuple[str, ...] = ()
    title: str | None = None


def read_file(body: bytes, name: str = "", ocr: bool = False) -> FileText:
    """The text of a file, told by its content: html, text, pdf, docx, doc, rtf, xls, xlsx, ofd; of a zip its names.

    `name` is only for messages. A text file's text is its content unchanged (decoded), so that offsets are
    offsets into the file. `ocr` reads pages that are only pictures, where the extra is installed: seconds for each.
    Raises UnreadableFile, and nothing else.
    """
    kind = sniff(body)
    reader = _READERS.get(kind)
    if reader is None:
        raise UnreadableFile(f"a file of kind {kind}, which has no reader", name, "open it by hand")
    if len(body) > _MAX_BYTES:
        raise UnreadableFile(f"{len(body)} bytes", name, f"the limit is {_MAX_BYTES}")
    try:
        return reader(body, name, ocr)
    except UnreadableFile as error:
        raise UnreadableFile(error.what, error.where or name, error.remedy) from error
    except Exception as error:  # readers of foreign formats fail in as many ways as there are damaged files
        raise _damaged(kind, name, error) from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # how a reader written in Rust fails
            raise _damaged(kind, name, error) from error
        raise


def _damaged(kind: str, name: str, error: BaseException) -> UnreadableFile:
    said = (str(error).splitlines() or [""])[0][:200]
    return UnreadableFile(f"damaged {kind}: {type(error).__name__} {said}".rstrip(), name, "fetch it again")


def _read_html(body: bytes, name: str, ocr: bool) -> FileText:
    document = read_document(body, "")
    return FileText("html", document.text, document.warnings, document.title or None)


def _read_web_archive(body: bytes, name: str, ocr: bool) -> FileText:
    """A page saved as MHTML, as Word does under the name .doc: its HTML part."""
    for part in message_from_bytes(body).walk():
        if part.get_content_type() == "text/html" and isinstance(page := part.get_payload(decode=True), bytes):
            document = read_document(page, "", part.get("Content-Type"))
            return FileText("mhtml", document.text, document.warnings, document.title or None)
    raise UnreadableFile("a web archive without a page", name, "open it by hand")


def _read_plain(body: bytes, name: str, ocr: bool) -> FileText:
    decoded = decode_with_evidence(body)
    doubts = () if decoded.certain else (f"encoding: {decoded.encoding} does not fit; characters may be wrong",)
    return FileText("text", decoded.text, doubts)


def _read_pdf(body: bytes, name: str, ocr: bool) -> FileText:
    import pypdfium2

    try:
        read = pdf.read_pdf(body, recognise if ocr and is_available() else None)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableFile("a PDF under a password", name, "ask the publisher") from error
        raise
    return FileText("pdf", read.text, read.warnings, read.title)


def _read_docx(body: bytes, name: str, ocr: bool) -> FileText:
    _open_container(body, name).close()
    text, title = office.read_docx(body)
    return FileText("docx", text, (), title)


def _read_doc(body: bytes, name: str, ocr: bool) -> FileText:
    return FileText("doc", office.read_doc(body))


def _read_rtf(body: bytes, name: str, ocr: bool) -> FileText:
    return FileText("rtf", office.read_rtf(body))


def _read_workbook(kind: str) -> Callable[[bytes, str, bool], FileText]:
    def read(body: bytes, name: str, ocr: bool) -> FileText:
        if kind == "xlsx":
            _open_container(body, name).close()
        text, warnings = office.read_workbook(body)
        return FileText(kind, text, warnings)

    return read


def _read_ofd(body: bytes, name: str, ocr: bool) -> FileText:
    with _open_container(body, name) as archive:
        pages = ofd.ofd_lines(archive)
        title = ofd.ofd_title(archive)
    text = "\n".join(paragraphs([[Printed(line) for line in page] for page in pages]))
    warnings = () if text or not pages else ("scanned: no text layer in any page",)
    return FileText("ofd", text, warnings, title)


def _read_zip(body: bytes, name: str, ocr: bool) -> FileText:
    with _open_container(body, name) as archive:
        names = [_real_name(info) for info in archive.infolist() if not info.is_dir()]
    return FileText("zip", "\n".join(names), (f"archive: {len(names)} files in it were not read",))


def _real_name(info: zipfile.ZipInfo) -> str:
    """Chinese archives name their entries in GBK without saying so; zipfile then reads them as CP437."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("gb18030")
    except UnicodeError:
        return info.filename


def _open_container(body: bytes, name: str) -> zipfile.ZipFile:
    """A zip whose directory promises no bomb; Python's reader gives no more bytes than the directory says."""
    archive = zipfile.ZipFile(io.BytesIO(body))
    entries = archive.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > _MAX_ENTRIES or unpacked > _MAX_UNPACKED:
        raise UnreadableFile(f"a container of {len(entries)} parts and {unpacked} bytes", name, "open it by hand")
    if unpacked > _HONEST and unpacked > _MAX_RATIO * len(body):
        raise UnreadableFile(f"a container that unpacks to {unpacked // len(body)} times its size", name)
    return archive


_READERS: dict[str, Callable[[bytes, str, bool], FileText]] = {
    "html": _read_html,
    "xml": _read_plain,
    "text": _read_plain,
    "mhtml": _read_web_archive,
    "pdf": _read_pdf,
    "docx": _read_docx,
    "doc": _read_doc,
    "rtf": _read_rtf,
    "xls": _read_workbook("xls"),
    "xlsx": _read_workbook("xlsx"),
    "ofd": _read_ofd,
    "zip": _read_zip,
}
