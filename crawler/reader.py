"""What reads lists and documents, by name: hashes over its sources and libraries. Computed without loading any of it.

A version remembers the reader that made it, so these are asked for in every pass, also where nothing is read.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FOLDER = Path(__file__).parent
_MODULES = (
    *("addresses", "attachments", "body", "dates", "document", "encoding", "files", "gkmlpt", "kinds", "labels"),
    "metadata",
    *("markup", "office", "ofd", "page", "paragraphs", "pdf", "scripts", "tables", "workbook"),
)
_LIBRARIES = ("lxml", "trafilatura", "pypdfium2", "pdfplumber", "python-docx", "python-calamine")


def _fingerprint() -> str:
    digest = sha256()
    for name in _MODULES:
        digest.update(_FOLDER.joinpath(f"{name}.py").read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.hexdigest()


def _of_lists() -> str:
    digest = sha256(READER.encode())  # of what both are read with
    for module in sorted(_FOLDER.joinpath("listing").glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def _of_pictures() -> str:
    source = _FOLDER.joinpath("ocr.py").read_text("utf-8")
    try:
        return sha256(f"{source} {version('rapidocr')} {version('onnxruntime')}".encode()).hexdigest()
    except PackageNotFoundError:
        return ""


READER: str = _fingerprint()
"""Changes with every change of what a page or a file reads as, libraries included."""

LISTS: str = _of_lists()
"""Changes with every change of what a list page gives."""

OCR: str = _of_pictures()
"""Changes with whatever changes what pictures read as; "" where nothing reads them."""
