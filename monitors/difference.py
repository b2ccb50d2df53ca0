"""What differs between two texts, told in sentences, and in words and whole numbers inside a rewritten one.

Two levels, so that what both texts have is hardly looked at:

1. *Where.* Both texts are followed while they are alike. Where they part, the nearest lines are looked for from which
   both go on alike; only what lies between is cut into sentences and compared. Where no such lines are near, all the
   rest is. The outcome is two rows of items, each a run of common text or one sentence of one side.
2. *What.* Such a sentence stayed and was rewritten, was deleted or inserted, or moved: its partner stands elsewhere,
   unchanged or a little changed. What was rewritten is compared with its partner by tokens.

Sentences and tokens are compared by Myers' algorithm in C++, on one code point for each different one (`_compare`). On
characters it would be slow and cut numbers in two (5000 → 6000 is a 5 gone and a 6 come); a number with its unit is
one token, so it is never cut.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, compress, count, groupby
from operator import add, itemgetter, ne
from time import monotonic
from typing import Literal, NamedTuple

from fast_diff_match_patch import diff as raw_diff

BlockOp = Literal["equal", "inserted", "deleted", "replaced", "moved"]
PieceOp = Literal["equal", "inserted", "deleted"]
Span = tuple[int, int]

SECONDS = 0.2  # for all comparisons of one call together; past it the rest is told as rewritten
LEAST_SECONDS = 0.002  # for each comparison, even past that: a sentence or two need less
ALIKE = 0.3  # share of common character pairs from which two sentences are one sentence rewritten
MOVED_LENGTH = 4  # characters; shorter items are white space and crumbs
MOVED_ALIKE = 0.7  # share from which a sentence is told as moved although it changed on its way,
MOVED_ALIKE_LENGTH = 12  # if it has as many characters: short ones are alike by chance
ANCHOR = 256  # characters, from a line's start, that say that two texts go on alike
WINDOW = 1000  # characters gone and come among which such a place is looked for: farther, it may be the wrong one
PAIRS = 2500  # sentence pairs looked at inside one rewritten region before it is compared as a whole

_SENTENCE = re.compile(r"\n\s*|[^。！？；;\n]*[。！？；;]+[”’」』）)\]】]*|[^。！？；;\n]+")
_COUNT = "个百分点|人次|[个元张人名家所处项支亩种间户站辆件场次套床岁年月日天倍%％‰℃㎡]"
_TOKEN = re.compile(
    rf"\d+(?:[.,．]\d+)*(?:\s*[十百千万亿]*[余多]?(?:{_COUNT})(?:/[^\W\d_])*|[十百千万亿]+)?"
    rf"|百分之[零〇一二三四五六七八九十百两点]+|[〇零一二三四五六七八九十百千万亿两]{{2,}}(?:{_COUNT})?"
    r"|[A-Za-z]+|\s+|.",
    re.DOTALL,
)


class Piece(NamedTuple):
    """A run of text inside a block that both sides have, or only one. `moved`: it is in the block's partner too."""

    op: PieceOp
    text: str
    moved: bool = False


class Block(NamedTuple):
    """One or more sentences. `before` and `after` are (start, end) in the two texts; one may be empty.

    The pieces that are not "inserted" spell the before side, those that are not "deleted" the after side. A
    moved sentence makes two blocks, one where it left (all "deleted") and one where it arrived (all
    "inserted"); `partner` is where it stands in the other text. If it was `rewritten` on its way, what changed are
    the pieces of the two that are not `moved`.
    """

    op: BlockOp
    before: Span
    after: Span
    pieces: tuple[Piece, ...]
    partner: Span | None = None
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """Blocks in reading order; their before sides joined are the first text, their after sides the second."""

    blocks: tuple[Block, ...]

    @property
    def changed(self) -> bool:
        return any(block.op != "equal" for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Hunk:
    """Neighbouring changes with a little equal text around; `skipped` characters were left out before it."""

    blocks: tuple[Block, ...]
    skipped: int


class _Region(NamedTuple):
    """Items old[before[0]:before[1]] against new[after[0]:after[1]]: one common run, or sentences that differ."""

    equal: bool
    before: Span
    after: Span


class _Edit(NamedTuple):
    """What became of one item: its number on either side, None where it is not."""

    op: BlockOp
    old: int | None = None
    new: int | None = None
    distance: int = 0  # of a moved one: how many numbers further its partner stands on the other side


def difference(before: str, after: str) -> Difference:
    """Compare two texts. Time is near linear where most lines are common; a fuse of `SECONDS` bounds the
    comparison of texts that have nothing in common, which are then told as one text gone and another come.
    """
    until = monotonic() + SECONDS
    old, new, regions = _items(before, after, until)
    changed = [region for region in regions if not region.equal]
    gone = {o: old[o] for region in changed for o in range(*region.before)}
    come = {n: new[n] for region in changed for n in range(*region.after)}
    moves = _moves(gone, come, changed)
    stayed: dict[int, int] = {}
    for region in changed:
        left = {o: gone[o] for o in range(*region.before) if o in gone}
        right = {n: come[n] for n in range(*region.after) if n in come}
        stayed |= _alike(left, right, until)
    _take(stayed, gone, come)
    moves |= _rewritten_moves(gone, come)
    edits = _edits(old, new, regions, stayed, moves)
    return Difference(tuple(_blocks(old, new, edits, until)))


def sentences(text: str) -> list[str]:
    """Cut text after sentence ends and around line ends; the parts joined are the text."""
    return _SENTENCE.findall(text)


def tokens(text: str) -> list[str]:
    """Cut text into numbers with units, Latin words, white space, single characters; joined, the text."""
    return _TOKEN.findall(text)


def unified(found: Difference, context: int = 1) -> tuple[Hunk, ...]:
    """The changes with at most `context` equal sentences on either side, for a terminal or a page."""
    hunks: list[Hunk] = []
    current: list[Block] = []
    skipped = 0
    last = len(found.blocks) - 1
    for number, block in enumerate(found.blocks):
        cut = _outer(block, context if number > 0 else 0, context if number < last else 0)
        if block.op != "equal" or cut is None:
            current.append(block)
            continue
        head, tail = cut
        if current:
            hunks.append(Hunk((*current, *head), skipped))
            skipped = 0
        skipped += len(block.pieces[0].text) - sum(len(part.pieces[0].text) for part in (*head, *tail))
        current = list(tail)
    return (*hunks, Hunk(tuple(current), skipped)) if any(b.op != "equal" for b in current) else tuple(hunks)


def _outer(block: Block, head: int, tail: int) -> tuple[list[Block], list[Block]] | None:
    """The first `head` and last `tail` sentences of a block, or None when that is all there is."""
    text = block.pieces[0].text
    spans = [found.span() for found in _SENTENCE.finditer(text) if not found[0].isspace()]
    if len(spans) <= head + tail:
        return None
    first, last = spans[head - 1][1] if head else 0, spans[-tail][0] if tail else len(text)
    return _part(block, 0, first), _part(block, last, len(text))


def _part(block: Block, start: int, end: int) -> list[Block]:
    if start == end:
        return []
    piece = Piece("equal", block.pieces[0].text[start:end])
    before, after = block.before[0], block.after[0]
    old, new = (before + start, before + end), (after + start, after + end)
    return [block._replace(before=old, after=new, pieces=(piece,))]


# --- comparing two rows ------------------------------------------------------------------------------------------


def _compare(old: Sequence[str], new: Sequence[str], until: float) -> list[tuple[str, int]]:
    """Runs of ("=", "-" or "+", how many), after the semantic clean-up of diff-match-patch."""
    head, tail = _ends(old, new)
    left, right = len(old) - head - tail, len(new) - head - tail
    if left == right <= 1 or not old or not new:
        return [run for run in (("=", head), ("-", left), ("+", right), ("=", tail)) if run[1]]
    head, tail = max(0, head - 1), max(0, tail - 1)  # the clean-up slides a change along what is beside it
    codes: dict[str, str] = defaultdict(map(chr, count(0x10000)).__next__)
    before = "".join(map(codes.__getitem__, old[head : len(old) - tail]))
    after = "".join(map(codes.__getitem__, new[head : len(new) - tail]))
    seconds = max(LEAST_SECONDS, until - monotonic())
    runs = raw_diff(before, after, timelimit=seconds, checklines=False, cleanup="Semantic")
    told = groupby((("=", head), *runs, ("=", tail)), itemgetter(0))
    return [(op, size) for op, same in told if (size := sum(run[1] for run in same))]


def _ends(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many items both begin with, and how many of the rest both end with."""
    shorter = min(len(old), len(new))
    head = next(compress(count(), map(ne, old, new)), shorter)
    room = shorter - head
    return head, min(room, next(compress(count(), map(ne, reversed(old), reversed(new))), room))


def _runs(old: Sequence[str], new: Sequence[str], until: float) -> Iterator[tuple[bool, Sequence[str], Sequence[str]]]:
    """Both rows cut in turn into (equal?, part of old, part of new): what is between two equal runs stays together."""
    if not old or not new:
        if old or new:
            yield False, old, new
        return
    at_old = at_new = 0
    for equal, group in groupby(_compare(old, new, until), lambda run: run[0] == "="):
        end_old, end_new = at_old, at_new
        for op, size in group:
            end_old, end_new = end_old + size * (op != "+"), end_new + size * (op != "-")
        yield equal, old[at_old:end_old], new[at_new:end_new]
        at_old, at_new = end_old, end_new


# --- where -------------------------------------------------------------------------------------------------------


def _items(before: str, after: str, until: float) -> tuple[list[str], list[str], list[_Region]]:
    """Both texts as items, and how they lie against each other. An equal region is one item on either side."""
    old: list[str] = []
    new: list[str] = []
    regions: list[_Region] = []
    for common, gone, come in _parted(before, after):
        parts: list[tuple[bool, Sequence[str], Sequence[str]]] = [(True, [common], [common])] if common else []
        parts += _runs(sentences(gone), sentences(come), until)
        for equal, x, y in parts:
            if equal:
                x = y = ["".join(x)]
            regions.append(_Region(equal, (len(old), len(old) + len(x)), (len(new), len(new) + len(y))))
            old += x
            new += y
    return old, new, regions


def _parted(before: str, after: str) -> Iterator[tuple[str, str, str]]:
    """Both texts in turn: lines that both have, then those that only one has, up to where they meet again."""
    i = j = 0
    while True:
        size = _common(before, after, i, j)
        if size < max(len(before) - i, len(after) - j):
            size = max(0, before.rfind("\n", i, i + size) - i)  # back to the line's start
        p, q = _meeting(before, after, i + size, j + size)
        yield before[i : i + size], before[i + size : p], after[j + size : q]
        if p == len(before) and q == len(after):
            return
        i, j = p, q


def _common(before: str, after: str, i: int, j: int) -> int:
    """How many characters before[i:] and after[j:] begin with alike, found by slices that double, then halve."""
    room = min(len(before) - i, len(after) - j)
    size, step = 0, ANCHOR
    while size + step <= room and before.startswith(after[j + size : j + size + step], i + size):
        size, step = size + step, step * 2
    while step := step // 2:
        if size + step <= room and before.startswith(after[j + size : j + size + step], i + size):
            size += step
    return size


def _meeting(before: str, after: str, i: int, j: int) -> Span:
    """The line ends nearest to before[i:] and after[j:] from which both go on alike, else the ends of both texts."""
    found = len(before), len(after)
    near = WINDOW
    q = after.find("\n", j)
    while 0 <= q <= len(after) - ANCHOR and q - j < near:
        p = before.find(after[q : q + ANCHOR], i + (q == j), i + near - (q - j) + ANCHOR)
        if p >= 0:
            found, near = (p, q), p - i + q - j
        q = after.find("\n", q + 1)
    return found


# --- what --------------------------------------------------------------------------------------------------------


def _moves(gone: dict[int, str], come: dict[int, str], changed: Iterable[_Region]) -> dict[int, int]:
    """Old number → new number of the sentences that went from one place and came, unchanged, at one other. They are
    taken out of `gone` and `come`."""
    places = _only_places(come)
    moves = {o: places[text] for text, o in _only_places(gone).items() if text in places}
    for region in changed if moves else ():
        for o in _stayed(moves, region):
            del moves[o]
    _take(moves, gone, come)
    _carry(moves, gone, come)
    return moves


def _take(pairs: Mapping[int, int], gone: dict[int, str], come: dict[int, str]) -> None:
    for o, n in pairs.items():
        del gone[o], come[n]


def _only_places(items: Mapping[int, str]) -> dict[str, int]:
    counts = Counter(items.values())
    return {text: n for n, text in items.items() if len(text) >= MOVED_LENGTH and counts[text] == 1}


def _stayed(moves: Mapping[int, int], region: _Region) -> list[int]:
    """The most sentences of one region that keep their order in it: others came between them, they did not move."""
    inside = [(o, moves[o]) for o in range(*region.before) if moves.get(o) in range(*region.after)]
    ends: list[int] = []  # the lowest new number in which a rising row of each length ends,
    tails: list[int] = []  # the old number of that sentence,
    before: dict[int, int | None] = {}  # and what stands before each in its row
    for o, n in inside:
        length = bisect_left(ends, n)
        before[o] = tails[length - 1] if length else None
        ends[length : length + 1], tails[length : length + 1] = [n], [o]
    row = []
    last = tails[-1] if tails else None
    while last is not None:
        row.append(last)
        last = before[last]
    return row


def _carry(moves: dict[int, int], gone: dict[int, str], come: dict[int, str]) -> None:
    """What is too short or too common to be found alone goes along with its moved neighbour."""
    for step in (1, -1):
        for o in sorted(moves, reverse=step < 0):
            n = moves[o]
            while (o := o + step) in gone and come.get(n := n + step) == gone[o]:
                moves[o] = n
                del gone[o], come[n]


def _rewritten_moves(gone: dict[int, str], come: dict[int, str]) -> dict[int, int]:
    """The same for sentences that changed on their way: long, much alike, and either the other's best partner."""
    left, right = ({i: _pairs(x) for i, x in side.items() if len(x) >= MOVED_ALIKE_LENGTH} for side in (gone, come))
    if not left or not right or len(left) * len(right) > PAIRS:
        return {}
    alike = {(o, n): _dice(x, y) for o, x in left.items() for n, y in right.items()}
    moves = {}
    for o in left:
        n = max(right, key=lambda n: alike[o, n])
        if alike[o, n] >= MOVED_ALIKE and max(left, key=lambda o: alike[o, n]) == o:
            moves[o] = n
    _take(moves, gone, come)
    _carry(moves, gone, come)
    return moves


def _alike(left: Mapping[int, str], right: Mapping[int, str], until: float) -> dict[int, int]:
    """Which old sentence became which new one, in order, so that the pairs together are most alike."""
    if not left or not right:
        return {}
    if len(left) * len(right) > PAIRS:
        return _alike_in_tokens(left, right, until)
    if len(left) == len(right) == 1:  # mostly, a figure changed: no need to count
        (x,), (y,) = left.values(), right.values()
        if 2 * sum(_ends(x, y)) > max(len(x), len(y)):
            return dict(zip(left, right, strict=True))
    a, b = list(map(_pairs, left.values())), list(map(_pairs, right.values()))
    alike = [[_dice(x, y) if x or y else ALIKE for y in b] for x in a]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            pair = alike[i][j] + best[i + 1][j + 1] if alike[i][j] >= ALIKE else 0.0
            best[i][j] = max(pair, best[i + 1][j], best[i][j + 1])
    olds, news = list(left), list(right)
    found = {}
    i = j = 0
    while i < len(olds) and j < len(news):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            found[olds[i]] = news[j]
            i, j = i + 1, j + 1
    return found


def _alike_in_tokens(left: Mapping[int, str], right: Mapping[int, str], until: float) -> dict[int, int]:
    """The same for regions too large to look at all pairs: sentences pair whose tokens meet."""
    before = [(token, o) for o, text in left.items() for token in tokens(text)]
    after = [(token, n) for n, text in right.items() for token in tokens(text)]
    common: Counter[tuple[int, int]] = Counter()
    at_old = at_new = 0
    for op, size in _compare([t for t, _ in before], [t for t, _ in after], until):
        if op == "=":
            met = zip(before[at_old : at_old + size], after[at_new : at_new + size], strict=True)
            for (token, o), (_, n) in met:
                common[o, n] += len(token)
        at_old, at_new = at_old + size * (op != "+"), at_new + size * (op != "-")
    found: dict[int, int] = {}
    for (o, n), size in sorted(common.items()):
        enough = 2 * size >= ALIKE * (len(left[o]) + len(right[n]))
        if enough and o not in found and n > max(found.values(), default=-1):
            found[o] = n
    return found


def _pairs(text: str) -> frozenset[str]:
    kept = "".join(text.split())
    return frozenset(map(add, kept, kept[1:])) or frozenset(kept)


def _dice(a: frozenset[str], b: frozenset[str]) -> float:
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


# --- told in blocks ----------------------------------------------------------------------------------------------


def _edits(
    old: Sequence[str],
    new: Sequence[str],
    regions: Iterable[_Region],
    stayed: Mapping[int, int],
    moves: Mapping[int, int],
) -> Iterator[_Edit]:
    """All items in reading order; in a region, what left before what came."""
    origins = {n: o for o, n in moves.items()}
    for equal, before, after in regions:
        if equal:
            yield _Edit("equal", before[0], after[0])
            continue
        come = after[0]
        for o in range(*before):
            if o in moves:
                yield _Edit("moved", o, None, moves[o] - o)
            elif o not in stayed:
                yield _Edit("deleted", o)
            else:
                n = stayed[o]
                yield from _arrivals(range(come, n), origins)
                yield _Edit("equal" if old[o] == new[n] else "replaced", o, n)
                come = n + 1
        yield from _arrivals(range(come, after[1]), origins)


def _arrivals(numbers: Iterable[int], origins: Mapping[int, int]) -> Iterator[_Edit]:
    for n in numbers:
        yield _Edit("moved", None, n, origins[n] - n) if n in origins else _Edit("inserted", None, n)


def _kind(edit: _Edit) -> tuple[BlockOp, bool, int, int | None]:
    """Neighbours of one kind become one block: moved ones while they keep their distance, so that a chapter stays
    whole, and a rewritten one always alone."""
    return edit.op, edit.old is None, edit.distance, edit.old if edit.op == "replaced" else None


def _blocks(old: Sequence[str], new: Sequence[str], edits: Iterable[_Edit], until: float) -> Iterator[Block]:
    """Edits with places and pieces."""
    pieces = cache(partial(_pieces, until=until))  # what moved and was rewritten is asked for twice
    old_starts, new_starts = ([0, *accumulate(map(len, items))] for items in (old, new))
    old_end = new_end = 0
    for (op, came, distance, _), group in groupby(edits, _kind):
        old_at, new_at, size = old_end, new_end, len(list(group))
        old_end += size * (not came)
        new_end += size * (came or op in ("equal", "replaced"))
        before, after = (old_starts[old_at], old_starts[old_end]), (new_starts[new_at], new_starts[new_end])
        gone, come = old[old_at:old_end], new[new_at:new_end]
        if op == "replaced":
            yield Block(op, before, after, pieces(gone[0], come[0]))
        elif op != "moved":
            yield Block(op, before, after, (Piece(op, "".join(gone or come)),))
        elif came:
            first, last = new_at + distance, new_end + distance
            gone, partner = old[first:last], (old_starts[first], old_starts[last])
            yield Block(op, before, after, _moved_pieces(gone, come, "inserted", pieces), partner, gone != come)
        else:
            first, last = old_at + distance, old_end + distance
            come, partner = new[first:last], (new_starts[first], new_starts[last])
            yield Block(op, before, after, _moved_pieces(gone, come, "deleted", pieces), partner, gone != come)


def _pieces(before: str, after: str, until: float) -> tuple[Piece, ...]:
    """A rewritten sentence."""
    old, new = tokens(before), tokens(after)
    pieces = []
    at_old = at_new = 0
    for op, size in _compare(old, new, until):
        if op == "+":
            pieces.append(Piece("inserted", "".join(new[at_new : at_new + size])))
        else:
            pieces.append(Piece("equal" if op == "=" else "deleted", "".join(old[at_old : at_old + size])))
        at_old, at_new = at_old + size * (op != "+"), at_new + size * (op != "-")
    return tuple(pieces)


def _moved_pieces(
    old: Sequence[str], new: Sequence[str], side: PieceOp, pieces: Callable[[str, str], tuple[Piece, ...]]
) -> tuple[Piece, ...]:
    """One side of moved sentences: what the other has too, and what it has not."""
    if old == new:
        return (Piece(side, "".join(old), moved=True),)
    told = [
        (piece.op == "equal", piece.text)
        for o, n in zip(old, new, strict=True)
        for piece in ((Piece("equal", o),) if o == n else pieces(o, n))
        if piece.op in ("equal", side)
    ]
    runs = groupby(told, itemgetter(0))
    return tuple(Piece(side, "".join(text for _, text in run), moved) for moved, run in runs)
