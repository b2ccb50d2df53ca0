"""The difference of two sentences, for the eye: numbers and words stay whole, ellipses tell what is cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Side = Literal["same", "old", "new"]

# A number keeps its decimal point, thousands, magnitude and per cent sign; a Latin word stays whole.
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*[十百千万亿]*[%％‰]?|[A-Za-z]+|.", re.ASCII | re.DOTALL)
_SURROGATES = 0xD800
_LONGEST = 4000  # characters of a sentence that are compared; what is longer is no sentence


@dataclass(frozen=True)
class Piece:
    """A run of text that stands in both sentences, in the old one only, or in the new one only."""

    text: str
    side: Side


def tokens(text: str) -> list[str]:
    """`text` in pieces that may not be cut.

    >>> tokens("为1.5亿元以上")
    ['为', '1.5亿', '元', '以', '上']
    """
    return _TOKEN.findall(text)


def mark(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces of both sentences in reading order; an old piece stands before the new one in its place."""
    from diff_match_patch import diff_match_patch

    alphabet: dict[str, str] = {}
    old, new = (_encode(tokens(head(text, _LONGEST)), alphabet) for text in (before, after))
    matcher = diff_match_patch()
    matcher.Diff_Timeout = 0.5
    diffs = matcher.diff_main(old, new, False)
    matcher.diff_cleanupSemantic(diffs)
    words = {code: token for token, code in alphabet.items()}
    sides: dict[int, Side] = {-1: "old", 0: "same", 1: "new"}
    return tuple(Piece("".join(words[code] for code in run), sides[op]) for op, run in diffs)


def _encode(parts: Sequence[str], alphabet: dict[str, str]) -> str:
    """One character for each different token, so that the matcher can cut none of them in two."""
    for token in parts:
        number = len(alphabet) + 1
        alphabet.setdefault(token, chr(number if number < _SURROGATES else number + 0x800))
    return "".join(alphabet[token] for token in parts)


def alike(pieces: Iterable[Piece]) -> bool:
    """Whether the two sentences share enough that one line can show both."""
    size = {"same": 0, "old": 0, "new": 0}
    for piece in pieces:
        size[piece.side] += len(piece.text)
    return size["same"] >= max(size["old"], size["new"])


def quoted(text: str, quote: str, which: Side) -> tuple[Piece, ...]:
    """`text` with `quote` marked where it stands in it: first as a number of its own, not as part of another.

    >>> [p.text for p in quoted("满80岁的每月80元", "80元", "new") if p.side == "new"]
    ['80元']
    """
    if not text:
        return ()
    places = [m.start() for m in re.finditer(re.escape(quote), text)] if quote else []
    at = next((n for n in places if not text[n - 1 : n].isdigit() and text[n - 1 : n] not in (".", ",")), None)
    if at is None:
        return (Piece(text, "same"),)
    parts = (Piece(text[:at], "same"), Piece(quote, which), Piece(text[at + len(quote) :], "same"))
    return tuple(part for part in parts if part.text)


def side(pieces: Iterable[Piece], which: Side) -> tuple[Piece, ...]:
    """One of the two sentences: its own pieces and the shared ones."""
    return tuple(p for p in pieces if p.side in ("same", which))


def excerpt(pieces: Sequence[Piece], context: int, longest: int) -> tuple[Piece, ...]:
    """The same pieces, with at most `context` characters kept on either side of a difference, and at most
    `longest` of a differing run. Whatever is left out is told by "…"; no number or word is cut."""
    last = len(pieces) - 1
    return tuple(
        Piece(_shorten(p.text, n > 0, n < last, context), p.side)
        if p.side == "same"
        else Piece(head(p.text, longest), p.side)
        for n, p in enumerate(pieces)
    )


def _shorten(text: str, follows: bool, precedes: bool, context: int) -> str:
    """A shared run keeps its start if a difference lies before it, its end if one lies after it."""
    if len(text) <= context * (follows + precedes) + 1:
        return text
    start = head(text, context) if follows else "…"
    return (start + tail(text, context)).replace("……", "…") if precedes else start


def head(text: str, size: int) -> str:
    """At most `size` characters and an ellipsis from the start of `text`, at the edge of a token."""
    return _take(tokens(text[: size + 64]), size, len(text)) if len(text) > size else text


def tail(text: str, size: int) -> str:
    """As `head`, from the end."""
    if len(text) <= size:
        return text
    return _take([t[::-1] for t in reversed(tokens(text[-size - 64 :]))], size, len(text))[::-1]


def _take(parts: Iterable[str], size: int, whole: int) -> str:
    kept, used = [], 0
    for token in parts:
        if used + len(token) > size:
            break
        kept.append(token)
        used += len(token)
    return "".join(kept) + ("…" if used < whole else "")
