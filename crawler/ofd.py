"""OFD (GB/T 33190-2016): a zip of XML; the words of a page are `TextCode` elements with positions in millimetres."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

_PARSER = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
MAX_PAGES = 1000
_SAME_LINE = 0.6  # of a line's height: two pieces whose base lines are nearer stand on one line


@dataclass(frozen=True)
class _Piece:
    x: float
    y: float
    size: float
    text: str
    order: int


def ofd_lines(archive: zipfile.ZipFile) -> list[list[str]]:
    """The lines of each page, top to bottom. Raises KeyError or lxml's errors for an archive that is no OFD."""
    root = _xml(archive, "OFD.xml")
    pages: list[list[str]] = []
    for path in _once(_inside("", (body.text or "").strip()) for body in _named(root, "DocRoot")):
        folder = posixpath.dirname(path)
        places = (page.get("BaseLoc") for page in _named(_xml(archive, path), "Page"))
        inside = _once(_inside(folder, place) for place in places if place)[: MAX_PAGES - len(pages)]
        pages.extend(_lines(list(_pieces(_xml(archive, place)))) for place in inside)
    return pages


def _once(paths: Iterable[str]) -> list[str]:
    """Each part is read once: a small file that names one large page a thousand times stays small."""
    return list(dict.fromkeys(paths))


def ofd_title(archive: zipfile.ZipFile) -> str | None:
    titles = [t.text.strip() for t in _named(_xml(archive, "OFD.xml"), "Title") if t.text and t.text.strip()]
    return titles[0] if titles else None


def _xml(archive: zipfile.ZipFile, path: str) -> etree._Element:
    names = {name.lstrip("/").lower(): name for name in archive.namelist()}
    data = archive.read(names[path.lstrip("/").lower()])
    return etree.fromstring(data, etree.XMLParser(**_PARSER))


def _inside(folder: str, location: str) -> str:
    return posixpath.normpath(location if location.startswith("/") else posixpath.join(folder, location)).lstrip("/")


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    return (e for e in root.iter(etree.Element) if etree.QName(e).localname == name)


def _pieces(content: etree._Element) -> Iterator[_Piece]:
    """The text pieces of a page; a piece's place counts from its object's boundary."""
    for order, holder in enumerate(_named(content, "TextObject")):
        left, top = [*_numbers(holder.get("Boundary")), 0.0, 0.0][:2]
        size = (_numbers(holder.get("Size")) or [4.0])[0]
        for code in _named(holder, "TextCode"):
            x, y = (_numbers(code.get(axis)) or [0.0] for axis in ("X", "Y"))
            if code.text and code.text.strip():
                yield _Piece(left + x[0], top + y[0], size, code.text, order)


def _numbers(text: str | None) -> list[float]:
    try:
        return [float(part) for part in (text or "").split()[:4]]
    except ValueError:
        return []


def _lines(pieces: list[_Piece]) -> list[str]:
    """Pieces on one base line are one line, left to right."""
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda p: (p.y, p.x, p.order)):
        if rows and abs(rows[-1][0].y - piece.y) <= _SAME_LINE * max(rows[-1][0].size, piece.size):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return ["".join(p.text for p in sorted(row, key=lambda p: (p.x, p.order))) for row in rows]
