"""The one parser of printed dates: whatever a Chinese government page prints, as a `date` in China."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")  # no daylight saving since 1991

_PLAIN = str.maketrans("０１２３４５６７８９－—–／．：　\xa0\u200b", "0123456789---/.:   ")
_DIGITS = {"〇": 0, "○": 0, "零": 0, "O": 0, "o": 0, "Ο": 0, "０": 0, "0": 0}
_DIGITS |= {numeral: i for i, numeral in enumerate("一二三四五六七八九", 1)}
_GAP = r"\s{0,4}"
_Y4 = r"(?<!\d)((?:1\s?9|2\s?0)\s?\d\s?\d)"
_ARABIC = re.compile(rf"{_Y4}{_GAP}年{_GAP}(\d\s?\d?){_GAP}月{_GAP}(\d\s?\d?){_GAP}[日号]")
# The day may have the time of day glued to it: 2025-07-2310:44.
_JOINED = re.compile(rf"(?<!\d)((?:19|20)\d\d){_GAP}([-/.]){_GAP}(\d\d?){_GAP}\2{_GAP}(\d\d(?=\d\d?:\d\d)|\d\d?(?!\d))")
_NUMERAL = re.compile(
    rf"([一二][〇○零OoΟ０0九一二三四五六七八\s]{{3,8}})年{_GAP}([一二三四五六七八九十\s]{{1,5}})月"
    rf"{_GAP}([一二三四五六七八九十廿卅\s]{{1,6}})[日号]"
)
_COMPACT = re.compile(r"(?<![\d.])((?:19|20)\d\d)([01]\d)([0-3]\d)(?!\d)")
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)")
_HINT = re.compile(r"\d|年")  # without one of these there is no date; most cells are none
_LONGEST = 100  # characters of a cell that is a date and nothing else
_STAMP = re.compile(r"1\d{12}|1\d{9}")
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_ENGLISH = re.compile(
    rf"\b({'|'.join(re.findall('...', _MONTHS))})[a-z]{{0,6}}\.? (\d\d?)\b[^\n]{{0,24}}?\b((?:19|20)\d\d)\b"
)
_STACKED_DAY_FIRST = re.compile(r"(?<!\d)(\d\d?)\s*日?\s+((?:19|20)\d\d)\s?[-./年]\s?(\d\d?)(?!\d)")
_STACKED_YEAR_LAST = re.compile(r"(?<!\d)(\d\d?)\s?[-./月]\s?(\d\d?)日?\s+((?:19|20)\d\d)(?!\d)")
_STACKED_YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d\d)年?\s+(\d\d?)\s?[-./月]\s?(\d\d?)(?!\d)")
# What may stand beside a date that is a whole cell: a label, brackets, a weekday, the time of day.
_BESIDE = re.compile(
    r"[\s\[\]()（）【】<>〔〕:：,，;；、|]+|(?:星期|周)[一二三四五六日天]|(?:上午|下午|AM|PM|am|pm)"
    r"|T?\d\d?:\d\d(?::\d\d)?(?:\.\d+)?|\d\d?时(?:\d\d?分)?(?:\d\d?秒)?"
    r"|[\u4e00-\u9fff\s]{0,8}(?:日期|时间|发布|更新|成文|印发|生成|施行)[\u4e00-\u9fff]{0,2}"
)


def parse_date(text: str) -> date | None:
    """The date that `text` is: a cell, an attribute, a JSON value. None where it says anything else besides.

    Brackets, a label (发布日期：), a weekday and the time of day may stand beside the date. ISO times with an
    offset and timestamps (milliseconds or seconds since 1970, as digits) are told as the day in China.
    """
    text = text.strip()
    if len(text) > _LONGEST or not _HINT.search(text):
        return None
    if _STAMP.fullmatch(text):
        return _from_stamp(text)
    if _ISO.fullmatch(text):
        return _from_iso(text)
    if text[:1].isascii() and (english := _from_english(text)):
        return english
    plain = text.translate(_PLAIN)
    for start, end, found in _dates(plain):
        if not _BESIDE.sub("", plain[:start]) and not _BESIDE.sub("", plain[end:]):
            return found
    return None


def find_date(text: str) -> date | None:
    """The first date that stands anywhere in `text`; None where there is none.

    Eight bare digits (20250915) count only where nothing is written as a date: they may be a number.
    """
    plain = text.translate(_PLAIN)
    if iso := _ISO.search(plain):
        return _from_iso(iso.group())
    return next((found for _, _, found in _dates(plain)), None)


def find_stacked_date(text: str) -> date | None:
    """The date of a list row whose parts are printed one above the other: "15 2025-09", "09-15 2025"."""
    plain = text.translate(_PLAIN)
    if m := _STACKED_DAY_FIRST.search(plain):
        return _day(m[2], m[3], m[1])
    if m := _STACKED_YEAR_LAST.search(plain):
        return _day(m[3], m[1], m[2])
    if m := _STACKED_YEAR_FIRST.search(plain):
        return _day(m[1], m[2], m[3])
    return None


def _dates(plain: str) -> Iterator[tuple[int, int, date]]:
    """(start, end, date) of each date in text order; compact ones only where there is no other."""
    written = [
        *((m, _day(m[1], m[2], m[3])) for m in _ARABIC.finditer(plain)),
        *((m, _day(m[1], m[3], m[4])) for m in _JOINED.finditer(plain)),
        *((m, _from_numerals(m[1], m[2], m[3])) for m in _NUMERAL.finditer(plain)),
    ]
    valid = [(m.start(), m.end(), found) for m, found in written if found]
    if valid:
        yield from sorted(valid)
        return
    for m in _COMPACT.finditer(plain):
        if found := _day(m[1], m[2], m[3]):
            yield m.start(), m.end(), found


def _day(year: str, month: str, day: str) -> date | None:
    """The date, or None for a day that no calendar has; white space inside a number is a lost line break."""
    try:
        return date(*(int("".join(part.split())) for part in (year, month, day)))
    except ValueError:
        return None


def _from_numerals(year: str, month: str, day: str) -> date | None:
    digits = [_DIGITS[c] for c in year if c in _DIGITS]
    if len(digits) != 4:
        return None
    return _day("".join(map(str, digits)), str(_small_number(month)), str(_small_number(day)))


def _small_number(numeral: str) -> int:
    """七 → 7, 十二 → 12, 三十一 → 31, 廿三 → 23; 0 for what is none."""
    numeral = "".join(numeral.split()).replace("廿", "二十").replace("卅", "三十")
    tens, ten, ones = numeral.rpartition("十")
    if len(tens) > 1 or len(ones) > 1:
        return 0
    return (_DIGITS.get(tens, 1) * 10 if ten else 0) + _DIGITS.get(ones, 0)


def _from_stamp(text: str) -> date:
    seconds = int(text) / 1000 if len(text) == 13 else int(text)
    return datetime.fromtimestamp(seconds, CHINA).date()


def _from_iso(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).astimezone(CHINA).date()
    except (ValueError, OverflowError):
        return None


def _from_english(text: str) -> date | None:
    """Feeds (RFC 822) and JSON made by Java: "Jul 23, 2025 10:00:00 AM"."""
    if m := _ENGLISH.search(text):
        return _day(m[3], str(_MONTHS.index(m[1]) // 3 + 1), m[2])
    if not text[:1].isalpha() and ":" not in text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(CHINA).date()
