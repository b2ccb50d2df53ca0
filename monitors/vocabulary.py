"""The vocabulary of extraction: `vocabulary.toml` as one frozen record, and words turned into patterns.

The file is data so that a measure word or a subsidy noun is added without touching a rule.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

_DATA: dict[str, Any] = tomllib.loads(files("monitors").joinpath("vocabulary.toml").read_text("utf-8"))


def words(*path: str) -> tuple[str, ...]:
    """The list at a dotted place of the vocabulary, e.g. `words("time", "forward")`, longest words first."""
    found: Any = _DATA
    for key in path:
        found = found[key]
    return tuple(sorted(found, key=lambda word: (-len(word), word)))


def mapping(*path: str) -> dict[str, Any]:
    """The table at a dotted place of the vocabulary."""
    found: Any = _DATA
    for key in path:
        found = found[key]
    return dict(found)


def alternation(choices: Iterable[str]) -> str:
    """A regular-expression group that matches one of the words, the longest first, without a capture."""
    ordered = sorted(set(choices), key=lambda word: (-len(word), word))
    return "(?:" + "|".join(re.escape(word) for word in ordered) + ")"


@cache
def any_of(*path: str) -> re.Pattern[str]:
    """A compiled pattern for one word of a vocabulary list."""
    return re.compile(alternation(words(*path)))


@cache
def measure_words() -> re.Pattern[str]:
    """A pattern for one unit of counting, of nature or of money, where it is not the beginning of another word."""
    refused = mapping("units", "not_before")
    units = {
        *words("units", "counts"),
        *words("units", "physical"),
        *words("units", "money"),
        *mapping("units", "same"),
        *words("units", "durations"),
        "%",
        "‰",
        "个百分点",
        "百分点",
        "成",
    }
    return re.compile(
        "|".join(
            re.escape(unit) + (f"(?!{alternation(refused[unit])})" if refused.get(unit) else "")
            for unit in sorted(units, key=lambda word: (-len(word), word))
        )
    )


@cache
def canonical_units() -> dict[str, str]:
    """Spellings of a unit and the one that is written."""
    return {str(k): str(v) for k, v in mapping("units", "same").items()}
