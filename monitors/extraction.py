"""Measures out of a text: which figures it states, of what, for whom and until when.

The public face of extraction. The stages are modules of their own, in the order in which they work: `normalise` (one
way of printing, with the way back), `masks` (what is no quantity), `quantities` (numbers with units, ranges, rates,
bounds), `structure` (sections, sentences, deadlines, bodies), `kinds` (target, subsidy, progress or nothing),
`subjects` (what is measured, for whom), `tables`; `statements` puts them together. docs/extraction.md tells the rules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from importlib.resources import files

from storage.records import Measure

_READ_BY = (
    "vocabulary.toml",
    "vocabulary.py",
    "normalise.py",
    "numerals.py",
    "masks.py",
    "quantities.py",
    "structure.py",
    "kinds.py",
    "subjects.py",
    "tables.py",
    "statements.py",
    "extraction.py",
)


def _fingerprint() -> str:
    """A hash over everything that decides what is read, so that no edit can forget to change it.

    An edit that changes nothing costs one more reading of stored bytes, and no event.
    """
    digest = sha256()
    for name in _READ_BY:
        digest.update(files("monitors").joinpath(name).read_bytes())
    return digest.hexdigest()[:16]


READER: str = _fingerprint()


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of a document besides its text. All of it may be missing: a bare text says most of it itself."""

    title: str = ""
    publisher: str | None = None
    region: str | None = None
    published_on: date | None = None


_NOTHING_KNOWN = Context()


def extract(text: str, context: Context = _NOTHING_KNOWN) -> tuple[Measure, ...]:
    """The measures of a text, in the order of their first figures.

    In: the text as read (paragraphs by line; a table as lines with " | " between cells; attachments under
    `【附件】name`). Out: measures whose figures quote `text[start:end]` and never overlap. Any string is accepted.
    """
    # The grammar's patterns take a fifth of a second to compile: commands that read no text should not pay for it.
    from monitors.statements import read_measures

    return read_measures(text, context.title, context.published_on)
