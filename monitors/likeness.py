"""How alike two wordings are, and what two units have in common: shared by changes and threads."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

from monitors.vocabulary import words
from storage.records import Figure, Measure

_NUMERALS = "零〇一二三四五六七八九十百千万亿两"
_NUMBER = re.compile(rf"\d+(?:[.,]\d+)*|(?<=百分之)[{_NUMERALS}点]+|[{_NUMERALS}]+")
_NO_WORD = re.compile(r"[\W_]+")
_MARK = re.compile(r"[，。；！？,;\d]")
_WINDOW = 24  # characters on each side of a figure that count as its words
_MONEY = frozenset(words("units", "money"))
_TIMES = frozenset({"年", "月", "日", "天", "周", "季度", "学期", "学年", "小时"})


def folded(text: str) -> str:
    """Text without punctuation and white space, in one width and one case."""
    return _NO_WORD.sub("", unicodedata.normalize("NFKC", text)).lower()


def masked(text: str) -> str:
    """`folded` text with every number, in digits or in Chinese, as "0": what stays when a figure changes."""
    return _NO_WORD.sub("", _NUMBER.sub("0", unicodedata.normalize("NFKC", text))).lower()


def around(measure: Measure, figure: Figure) -> str:
    """The words on both sides of a figure as far as the next mark or number, `masked`: what it says itself,
    wherever its sentence begins and ends."""
    before, found, after = measure.sentence.partition(figure.quote)
    if not found:
        return masked(measure.sentence)
    return masked(_MARK.split(before[-_WINDOW:])[-1] + "0" + _MARK.split(after[:_WINDOW])[0])


@lru_cache(maxsize=20_000)
def grams(text: str) -> frozenset[str]:
    """The pairs of neighbouring characters of a text; of a single character, itself."""
    return frozenset(map("".join, pairwise(text))) or frozenset(text)


def alike(a: str, b: str) -> float:
    """Dice's coefficient of the two texts' character pairs: 0 nothing in common, 1 the same pairs."""
    if a == b:
        return 1.0
    left, right = grams(a), grams(b)
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0


@lru_cache(maxsize=4_000)
def dimension(unit: str) -> str:
    """What kind of quantity a unit counts: "%", "pp", "money", "money/年" (per time), "ratio" or "count"."""
    base, *per = unit.split("/")
    if base in {"%", "pp"}:
        return base
    if base in _MONEY:
        time = [part for part in per if part in _TIMES]
        return "/".join(["money", *time])
    return "ratio" if per else "count"
