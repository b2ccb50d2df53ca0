"""Bytes to text: what a page declares, believed only as far as its bytes bear it out."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A page that says gb2312 holds 镕 and 喆, which only the larger sets have; gb18030 reads all three.
_FAMILY = {
    "gb18030": "gb18030 gbk gb2312 gb231280 xgbk cp936 936 ms936 windows936 euccn chinese csgb2312",
    "utf-8": "utf8 utf unicode11utf8 xunicode20utf8 utf8mb4",
    "big5hkscs": "big5 big5hkscs xbig5 cp950",
    "utf-16-le": "utf16 utf16le",
    "utf-16-be": "utf16be",
}
_CODEC = {name: codec for codec, names in _FAMILY.items() for name in names.split()}
_LATER = re.compile(rb"<meta\b[^>]{0,400}", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*[=:]?[\s\"']*(?:text/html;?\s*charset\s*=\s*)?([\w.:-]+)", re.IGNORECASE)
_XML = re.compile(rb"^\s*<\?xml\b[^>]{0,200}?encoding\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_HEAD = 16_384  # bytes in which a declaration is looked for; templates put comments before it
_SAMPLE = 20_000  # characters by which a reading is judged
_CUT = 4  # bytes at the very end that may be half a character
_ASCII = re.compile("[\x00-\x7f]+")


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, the codec that made it, and whether the bytes left no doubt.

    `certain` is False where characters were lost (they stand as U+FFFD) or the text reads like no language:
    what is not certain must not be stored as a revision.
    """

    text: str
    encoding: str
    certain: bool


def decode(body: bytes, content_type: str | None = None) -> str:
    """The text of a page. See `decode_with_evidence`; never raises."""
    return decode_with_evidence(body, content_type).text


def decode_with_evidence(body: bytes, content_type: str | None = None) -> Decoded:
    """The text of a page, from byte order mark, the header's charset, its own declaration, or its bytes.

    `content_type` is the header's value. Declared gb2312 and gbk are read as gb18030. Strictly valid UTF-8
    beats another declaration unless that one reads better. Line ends stay as they are.
    """
    for mark, marked in _MARKS:
        if body.startswith(mark):
            return _forced(body[len(mark) :], marked)
    if body.isascii():
        return Decoded(body.decode("ascii"), "utf-8", True)
    if unmarked := _utf16_without_mark(body):
        return _forced(body, unmarked)
    declared = declared_encodings(body, content_type)
    readings = [r for codec in _candidates(declared) if (r := _strict(body, codec))]
    if not readings:
        return _damaged(body, declared)
    return _best(readings, declared)


def declared_encodings(body: bytes, content_type: str | None) -> tuple[str, ...]:
    """The codecs that header, XML declaration and meta tags name, in this order; unknown and Latin ones not.

    Latin-1 is what servers say when nobody configured them, so it tells nothing about a Chinese page.
    """
    head = body[:_HEAD]
    names = _CHARSET.findall((content_type or "").encode("ascii", "ignore"))
    names += _XML.findall(head)
    for tag in _LATER.findall(head):
        names += _CHARSET.findall(tag)
    known = (_CODEC.get(re.sub(r"[^a-z0-9]", "", name.decode("ascii", "ignore").lower())) for name in names)
    return tuple(dict.fromkeys(codec for codec in known if codec))


def plausibility(text: str) -> float:
    """How much of what is not ASCII in `text` is everyday Chinese: about 1 for prose, under 0.4 for mojibake.

    Everyday are the punctuation and the 3,755 first-level characters of GB 2312. 1.0 for pure ASCII.
    """
    # Counting all characters runs in C; the few hundred different ones are looked at afterwards.
    counts = {c: n for c, n in Counter(text[:_SAMPLE]).items() if c > "\x7f"}
    total = sum(counts.values())
    return sum(n for c, n in counts.items() if _everyday(c)) / total if total else 1.0


def is_garbled(text: str) -> bool:
    """Whether `text` is UTF-8 that somebody once read as GBK or Latin and stored so (涓浗, ä¸­å›½)."""
    marks = _ASCII.sub("", text[:_SAMPLE])
    if len(marks) < 8 or plausibility(marks) > 0.6:
        return False
    return any(_comes_back(marks, codec) for codec in ("gb18030", "cp1252", "latin-1"))


def _comes_back(marks: str, codec: str) -> bool:
    undone = marks.encode(codec, "ignore").decode("utf-8", "replace")
    return len(undone) > 2 and undone.count("\ufffd") < len(undone) * 0.3 and plausibility(undone) > 0.5


def _candidates(declared: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(("utf-8", *declared, "gb18030", "big5hkscs")))


def _strict(body: bytes, codec: str) -> Decoded | None:
    """The reading without any error; half a character at the very end is a cut, not another encoding."""
    try:
        return Decoded(body.decode(codec), codec, True)
    except UnicodeDecodeError as error:
        if error.start < len(body) - _CUT or error.start == 0:
            return None
        return Decoded(body[: error.start].decode(codec) + "\ufffd", codec, False)


def _best(readings: list[Decoded], declared: tuple[str, ...]) -> Decoded:
    """UTF-8 where valid, unless something declared reads clearly better; else the declared; else by looks."""
    first = readings[0]
    if first.encoding == "utf-8":
        rivals = [r for r in readings[1:] if r.encoding in declared and "utf-8" not in declared]
        for rival in rivals:
            if plausibility(rival.text) > plausibility(first.text) + 0.2:
                return rival
        return _looked_at(first)
    named = [r for r in readings if r.encoding in declared and plausibility(r.text) > 0.4]
    return _looked_at(named[0] if named else max(readings, key=_looks))


def _looks(reading: Decoded) -> float:
    # Traditional characters are not everyday ones: Big5 is told by its own first level instead.
    if reading.encoding == "big5hkscs":
        raw = reading.text[:_SAMPLE].encode("big5", "ignore")
        leads = [byte for byte in raw if byte >= 0xA1]
        return sum(0xA4 <= b <= 0xC6 for b in leads) / len(leads) * 0.8 if leads else 0.0
    return plausibility(reading.text)


def _looked_at(reading: Decoded) -> Decoded:
    return Decoded(reading.text, reading.encoding, reading.certain and not is_garbled(reading.text))


def _forced(body: bytes, codec: str) -> Decoded:
    text = body.decode(codec, "replace")
    return Decoded(text, codec, "\ufffd" not in text)


def _damaged(body: bytes, declared: tuple[str, ...]) -> Decoded:
    """No codec fits without loss: the one that loses least, the declared one among equals."""
    order = tuple(dict.fromkeys((*declared, "utf-8", "gb18030")))
    texts = [(body.decode(codec, "replace"), codec) for codec in order]
    text, codec = min(texts, key=lambda t: t[0].count("\ufffd") / max(1, len(t[0])) - plausibility(t[0]))
    return Decoded(text, codec, False)


def _utf16_without_mark(body: bytes) -> str | None:
    """UTF-16 betrays itself by the zero bytes of its tags."""
    sample = body[:2000]
    if sample.count(0) < len(sample) * 0.2:
        return None
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > 4 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 4 * odd else None


@lru_cache(maxsize=16384)
def _everyday(character: str) -> bool:
    try:
        lead = character.encode("gb2312")[0]
    except UnicodeEncodeError:
        return character in "\xa0\u2022\u2014\u2013\u00a9"
    return 0xB0 <= lead <= 0xD7 or 0xA1 <= lead <= 0xA3
