"""What a search found, to look at: a little of the text around the words, the words marked. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from storage.search import fold, pattern

AROUND = 24  # characters shown before and after a word
EXCERPTS = 2  # places shown of one document
_ATTACHMENT = re.compile(r"^【附件】(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of text; `marked`: it is a word that was searched for."""

    text: str
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A place in a text. `attachment` is the name of the attachment that it stands in, "" for the body."""

    runs: tuple[Run, ...]
    attachment: str = ""


def has_all(texts: Sequence[str], words: Sequence[str]) -> bool:
    """Whether each word stands in one of the texts."""
    folded = [fold(text) for text in texts]
    return all(any(found.search(text) for text in folded) for found in pattern(words))


def excerpts(text: str, words: Sequence[str]) -> tuple[Excerpt, ...]:
    """The first place of each word, at most `EXCERPTS` that do not overlap, in the order of the text."""
    folded = fold(text)
    found = pattern(words)
    places = sorted({hit.start() for word in found if (hit := word.search(folded))})
    apart = [at for before, at in pairwise([-3 * AROUND, *places]) if at - before > 2 * AROUND]
    return tuple(_excerpt(text, folded, at, found) for at in apart[:EXCERPTS])


def marked(text: str, words: Sequence[str]) -> tuple[Run, ...]:
    """The whole of a short text, such as a title, with the words marked."""
    return tuple(_runs(text, fold(text), pattern(words)))


def _excerpt(text: str, folded: str, at: int, found: Sequence[re.Pattern[str]]) -> Excerpt:
    start, end = max(0, at - AROUND), min(len(text), at + 3 * AROUND)
    start = max(start, text.rfind("\n", 0, at) + 1)
    runs = list(_runs(text[start:end], folded[start:end], found))
    before = "…" if start > 0 and text[start - 1] != "\n" else ""
    after = "…" if end < len(text) else ""
    kept = [Run(re.sub(r"\s+", " ", run.text), run.marked) for run in (Run(before), *runs, Run(after)) if run.text]
    names = _ATTACHMENT.findall(text, 0, max(at, text.find("\n", at)))
    return Excerpt(tuple(kept), names[-1].strip() if names else "")


def _runs(text: str, folded: str, found: Sequence[re.Pattern[str]]) -> Iterator[Run]:
    at = 0
    for start, end in sorted({hit.span() for word in found for hit in word.finditer(folded)}):
        if start < at:
            continue
        yield Run(text[at:start])
        yield Run(text[start:end], marked=True)
        at = end
    yield Run(text[at:])
