"""Numbers as they are written in documents: Arabic, Chinese, and the two mixed (1.5亿, 三十六, 一百二十, 2千)."""

from __future__ import annotations

import re
from math import isfinite

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_SMALL = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10_000, "亿": 100_000_000}

MULTIPLIERS = {"百": 1e2, "千": 1e3, "万": 1e4, "十万": 1e5, "百万": 1e6, "千万": 1e7, "亿": 1e8, "万亿": 1e12}

CHINESE = re.compile(r"[零一二两三四五六七八九十百千万亿]+")


def chinese_number(text: str) -> int | None:
    """The value of a Chinese numeral (二百三十 → 230, 两 → 2, 十五 → 15), or None if it is not well formed.

    A numeral that begins with 百, 千 or 万 stands for one of them (万名 is 10000 名), as people write it.
    """
    if not text or not CHINESE.fullmatch(text):
        return None
    if len(text) > 1 and all(c in _DIGITS for c in text):
        return None  # 二零二五, 一二三: digits in a row spell a year or a list, no quantity
    total = section = digit = 0
    for position, char in enumerate(text):
        if char in _DIGITS:
            if digit and char != "零":
                return None
            digit = _DIGITS[char]
        elif char in _SMALL:
            section += (digit or (1 if not section else 0)) * _SMALL[char]
            digit = 0
        else:
            section += digit or (1 if position == 0 else 0)
            whole = char == "亿" or total < _LARGE["亿"]  # 三亿五千万: 万 scales what follows 亿, not the 亿
            total = (total + section) * _LARGE[char] if whole else total + section * _LARGE[char]
            section = digit = 0
    return total + section + digit


def round_value(value: float) -> float:
    """A value without the dust of binary fractions; whole numbers stay whole."""
    rounded = float(f"{value:.12g}")
    if not isfinite(rounded):  # hundreds of digits in a row: no figure, but no reason to fail either
        return rounded
    return int(rounded) if rounded == int(rounded) else rounded
