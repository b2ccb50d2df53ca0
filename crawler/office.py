"""Office files → text: DOCX, DOC (antiword), RTF, XLS and XLSX."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

from crawler.child import read_apart
from crawler.kinds import UnreadableFile
from crawler.markup import squeeze
from crawler.tables import ABOVE, LEFT, join_row

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HIDDEN_PARTS = frozenset((_W + "del", _W + "moveFrom", _W + "pPr", _W + "rPr", _W + "instrText", _W + "delText"))
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_ANTIWORD_SECONDS = 30.0
_WORKBOOK_SECONDS = 60.0
_MAX_SPAN = 200
_TITLE_STYLE = re.compile(r"Title|Heading ?1|1", re.IGNORECASE)
_LONGEST_HEADING = 60
_NO_HEADING = re.compile(r"[。；！？\t|]|^附[件表]\s*[\d一二三四五六七八九十]*[：:]?$|^[一二三四五六七八九十]+、")


# --- DOCX ---


def read_docx(body: bytes) -> tuple[str, str | None]:
    """(text, title) of a Word document: paragraphs and tables in order; deleted text is left out.

    The title is the one among its properties, else its first heading, else its first line where that is no sentence.
    """
    import docx

    document = docx.Document(io.BytesIO(body))
    lines = [line for line in _docx_lines(document.element.body) if line]
    title = squeeze(document.core_properties.title or "") or _docx_heading(document.element.body)
    return "\n".join(lines), title or next((line for line in lines[:1] if _is_heading(line)), None)


def _docx_heading(body: Any) -> str:
    """The first paragraph in one of Word's own styles for titles: ids are Title, Heading1, in Chinese a bare 1."""
    for paragraph in body.iter(_W + "p"):
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        is_title = style is not None and _TITLE_STYLE.fullmatch(style.get(_W + "val") or "")
        if is_title and (words := squeeze(_paragraph(paragraph))):
            return words
    return ""


def _is_heading(line: str) -> bool:
    return len(line) <= _LONGEST_HEADING and not _NO_HEADING.search(line)


def _docx_lines(holder: Any) -> Iterator[str]:
    """Lines of a body or a cell. Content controls (sdt) and inserted blocks are looked into."""
    for child in holder:
        if child.tag == _W + "p":
            yield from (squeeze(line) for line in _paragraph(child).split("\n"))
        elif child.tag == _W + "tbl":
            yield from _docx_table(child)
        elif child.tag in (_W + "sdt", _W + "sdtContent", _W + "ins", _W + "moveTo", _W + "customXml"):
            yield from _docx_lines(child)


def _paragraph(paragraph: Any) -> str:
    """A paragraph's text. Word stores a text box twice; the fallback copy is skipped."""
    pieces: list[str] = []
    for node in paragraph:
        _gather(node, pieces)
    return "".join(pieces)


def _gather(node: Any, pieces: list[str]) -> None:
    if node.tag in _HIDDEN_PARTS or node.tag == _FALLBACK:
        return
    if node.tag == _W + "t":
        pieces.append(node.text or "")
    elif node.tag in (_W + "br", _W + "cr", _W + "p"):
        pieces.append("\n")
    elif node.tag == _W + "tab":
        pieces.append(" ")
    elif node.tag == _W + "noBreakHyphen":
        pieces.append("-")
    for child in node:
        _gather(child, pieces)


def _docx_table(table: Any) -> Iterator[str]:
    for row in table.iter(_W + "tr"):
        if next(row.iterancestors(_W + "tbl")) is not table:  # of a table inside a cell
            continue
        cells: list[str] = []
        for cell in row.iter(_W + "tc"):
            if next(cell.iterancestors(_W + "tr")) is row:
                cells.extend(_docx_cell(cell))
        yield join_row(cells)


def _docx_cell(cell: Any) -> list[str]:
    span = cell.find(f"{_W}tcPr/{_W}gridSpan")
    merge = cell.find(f"{_W}tcPr/{_W}vMerge")
    digits = (span.get(_W + "val") or "1") if span is not None else "1"
    width = min(max(int(digits), 1), _MAX_SPAN) if digits.isascii() and digits.isdigit() else 1
    if merge is not None and merge.get(_W + "val") != "restart":
        return [ABOVE] * width
    text = " ".join(line for line in _docx_lines(cell) if line)
    return [text, *[LEFT] * (width - 1)]


# --- XLS, XLSX ---


def read_workbook(body: bytes) -> tuple[str, tuple[str, ...]]:
    """(text, warnings): each sheet under its name (where there are several), a row a line, merged cells told.

    Read by `crawler.workbook` in a process of its own with a limit to its memory: a workbook of a few kilobytes can
    ask for a terabyte, and a reader that runs out of memory takes its process with it.
    """
    told = read_apart("crawler.workbook", body, "a workbook", seconds=_WORKBOOK_SECONDS)
    return told["text"], tuple(told["warnings"])


# --- DOC ---


def read_doc(body: bytes) -> str:
    """The text of a Word 97-2003 document, by antiword in a process of its own."""
    program = shutil.which("antiword")
    if program is None:
        raise UnreadableFile("a Word 97-2003 document, and antiword is not installed", "", "install antiword")
    command = [program, "-m", "UTF-8.txt", "-w", "0", "-"]
    try:
        done = subprocess.run(command, input=body, capture_output=True, timeout=_ANTIWORD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreadableFile(f"antiword took more than {_ANTIWORD_SECONDS:.0f} s", "", "open it by hand") from error
    if done.returncode != 0 or not done.stdout.strip():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise UnreadableFile(f"antiword cannot read it: {said[-1] if said else 'no text'}", "", "open it by hand")
    return "\n".join(_antiword_lines(done.stdout.decode("utf-8", "replace")))


def _antiword_lines(text: str) -> Iterator[str]:
    """antiword draws tables with bars at both ends of a row; pictures are [pic]."""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("|") and stripped.endswith("|"):
            yield join_row([squeeze(cell) for cell in stripped.strip("|").split("|")])
        elif kept := squeeze(stripped.replace("[pic]", "")):
            yield kept


# --- RTF ---

_RTF = re.compile(
    rb"\\u(-?\d{1,6}) ?|\\'([0-9a-fA-F]{2})|\\([a-z]{1,32})(-?\d{1,10})? ?"
    rb"|\\(\*)|\\([^a-z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_RTF_UNSEEN = frozenset(  # groups that hold no text of the document
    (
        *(b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"generator", b"fldinst", b"nonshppict"),
        *(b"header", b"headerl", b"headerr", b"headerf", b"footer", b"footerl", b"footerr", b"footerf"),
        *(b"listtable", b"listoverridetable", b"themedata", b"datastore", b"xmlnstbl", b"rsidtbl", b"latentstyles"),
    )
)
_CELL = "\x1f"
_RTF_TEXT = {b"par": "\n", b"line": "\n", b"row": "\n", b"sect": "\n", b"page": "\n", b"cell": _CELL, b"tab": " "}
_RTF_TEXT |= {b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”"}


def read_rtf(body: bytes) -> str:
    """The text of an RTF file: characters as \\u or as bytes of its code page, groups that are no text skipped."""
    page = re.search(rb"\\ansicpg(\d{1,5})", body[:2000])
    codec = {b"936": "gb18030", b"950": "big5hkscs"}.get(page[1], f"cp{int(page[1])}") if page else "gb18030"
    rows = _RtfReader(codec).read(body).split("\n")
    return "\n".join(line for row in rows if (line := _rtf_line(row)))


def _rtf_line(row: str) -> str:
    cells = row.split(_CELL)
    return join_row([squeeze(cell) for cell in cells[:-1]]) if len(cells) > 1 else squeeze(row)


class _RtfReader:
    """One pass over the tokens; a stack remembers which groups are skipped and how many bytes follow a \\u."""

    def __init__(self, codec: str) -> None:
        try:
            b"".decode(codec)
        except LookupError:
            codec = "gb18030"
        self._codec = codec
        self._pieces: list[str] = []
        self._bytes = bytearray()
        self._stack: list[tuple[bool, int]] = []
        self._skip, self._after = False, 1  # in an unseen group; characters that replace a \u for old readers
        self._owed = 0

    def read(self, body: bytes) -> str:
        for token in _RTF.finditer(body):
            self._take(token)
        self._flush()
        return "".join(self._pieces)

    def _take(self, token: re.Match[bytes]) -> None:
        number, hexadecimal, word, argument, star, sign, brace, plain = token.groups()
        if brace:
            self._group(brace)
        elif word:
            self._word(word, argument)
        elif star:
            self._skip = True
        elif not self._skip and number:
            self._unicode(int(number))
        elif not self._skip and (hexadecimal or plain or sign):
            self._raw(bytes.fromhex(hexadecimal.decode()) if hexadecimal else plain or self._sign(sign))

    def _group(self, brace: bytes) -> None:
        if brace == b"{":
            self._stack.append((self._skip, self._after))
        elif self._stack:
            self._skip, self._after = self._stack.pop()
        self._owed = 0

    def _word(self, word: bytes, argument: bytes | None) -> None:
        if word == b"uc" and argument:
            self._after = max(0, min(int(argument), 4))
        elif word in _RTF_UNSEEN or (word == b"bin" and argument):
            self._skip = True
        elif not self._skip and (text := _RTF_TEXT.get(word)):
            self._flush()
            self._pieces.append(text)

    def _unicode(self, number: int) -> None:
        self._flush()
        code = number % 65536
        self._pieces.append(chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd")
        self._owed = self._after

    def _raw(self, data: bytes) -> None:
        swallowed = min(self._owed, len(data))
        self._owed -= swallowed
        self._bytes += data[swallowed:]

    @staticmethod
    def _sign(sign: bytes) -> bytes:
        return sign if sign in b"\\{}" else b" " if sign == b"~" else b""

    def _flush(self) -> None:
        if self._bytes:
            self._pieces.append(self._bytes.decode(self._codec, "replace"))
            self._bytes.clear()
