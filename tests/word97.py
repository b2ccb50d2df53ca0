"""Word 97 documents, as small as Word's readers accept them: a compound file with a FIB, its text and a piece table."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTOR = 512
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_TEXT_AT = 0x800


def word97(words: str) -> bytes:
    """A .doc of these words; "\\r" ends a paragraph."""
    text = words.encode("utf-16-le")
    end = _TEXT_AT + len(text)
    formats = -(-end // _SECTOR)  # number of the sector in which those of characters stand; of paragraphs, the next
    fib = bytearray(_TEXT_AT)
    for at, number in {0x00: 0xA5EC, 0x02: 0xC1, 0x06: 0x804, 0x0A: 0x1200, 0x0C: 0xBF, 0x20: 14, 0x3E: 22}.items():
        struct.pack_into("<H", fib, at, number)
    struct.pack_into("<H", fib, 0x98, 93)  # pairs of places that follow
    table = b""
    for at, data in {
        0x0A2: _styles(),
        0x0FA: struct.pack("<3I", _TEXT_AT, end, formats),
        0x102: struct.pack("<3I", _TEXT_AT, end, formats + 1),
        0x1A2: _piece_table(len(words)),
    }.items():
        struct.pack_into("<II", fib, at, len(table), len(data))
        table += data
    for at, number in {0x18: _TEXT_AT, 0x1C: end, 0x40: end, 0x4C: len(words)}.items():
        struct.pack_into("<I", fib, at, number)
    document = (bytes(fib) + text).ljust(formats * _SECTOR, b"\0")
    run = struct.pack("<II", _TEXT_AT, end)
    characters = run.ljust(_SECTOR - 1, b"\0") + b"\1"
    paragraphs = (run + b"\x80").ljust(257, b"\0") + b"\1"
    document += characters + paragraphs.ljust(_SECTOR - 1, b"\0") + b"\1"
    return _compound_file({"WordDocument": document, "1Table": table})


def _styles() -> bytes:
    """A sheet with one style, Normal: antiword goes astray without any."""
    style = struct.pack("<6H", 0, 0xFFF1, 0, 0, 0, 6) + "Normal\0".encode("utf-16-le")
    return struct.pack("<10H", 18, 1, 10, 1, 0, 15, 0, 0, 0, 0) + struct.pack("<H", len(style)) + style


def _piece_table(length: int) -> bytes:
    """One piece: all characters, from the text's place on."""
    return b"\2" + struct.pack("<IIIHIH", 16, 0, length, 0, _TEXT_AT, 0)


def _compound_file(streams: Mapping[str, bytes]) -> bytes:
    """The streams in sectors of their own, behind one sector of allocation table and one of directory."""
    padded = {name: data.ljust(max(4096, -(-len(data) // _SECTOR) * _SECTOR), b"\0") for name, data in streams.items()}
    chain, directory, body = [_FAT, _END], [_entry("Root Entry", 5, child=1, start=_END)], b""
    for number, (name, data) in enumerate(padded.items(), 1):
        start, count = len(chain), len(data) // _SECTOR
        chain += [*range(start + 1, start + count), _END]
        right = number + 1 if number < len(padded) else _FREE
        directory.append(_entry(name, 2, right=right, start=start, size=len(data)))
        body += data
    chain += [_FREE] * (_SECTOR // 4 - len(chain))
    sizes = struct.pack("<5H6x9I", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + sizes + struct.pack("<109I", 0, *[_FREE] * 108)
    return head + struct.pack(f"<{_SECTOR // 4}I", *chain) + b"".join(directory).ljust(_SECTOR, b"\0") + body


def _entry(name: str, kind: int, *, right: int = _FREE, child: int = _FREE, start: int, size: int = 0) -> bytes:
    raw = name.encode("utf-16-le")
    links = struct.pack("<HBBIII", len(raw) + 2, kind, 1, _FREE, right, child)
    return raw.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)
