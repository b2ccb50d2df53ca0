"""What differs between two texts, told in sentences first and in words and whole numbers inside them.

Myers' algorithm on characters is slow on long documents and cuts numbers in two (5000 → 6000 is a 5 gone
and a 6 come). So every sentence is mapped to one code point and the sentences are compared; then, only
inside sentences that were rewritten, tokens are mapped to code points and compared again. A number with its
unit is one token, so it is never cut. A sentence that only went elsewhere is told as moved.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from typing import Literal

from fast_diff_match_patch import diff as raw_diff

BlockOp = Literal["equal", "inserted", "deleted", "replaced", "moved"]
PieceOp = Literal["equal", "inserted", "deleted"]
Span = tuple[int, int]

SECONDS = 0.2  # for all raw comparisons of one call together; past it the rest is told as rewritten
ALIKE = 0.3  # share of common character pairs from which two sentences are one sentence rewritten
MOVED_LENGTH = 4  # characters; shorter items are white space and crumbs
PAIRS = 2500  # sentence pairs looked at inside one rewritten region before it is compared as a whole

_SENTENCE = re.compile(r"\n\s*|[^。！？；;\n]*[。！？；;]+[”’」』）)\]】]*|[^。！？；;\n]+")
_COUNT = "个百分点|人次|[个元张人名家所处项支亩种间户站辆件场次套床岁年月日天倍%％‰℃㎡]"
_TOKEN = re.compile(
    rf"\d+(?:[.,．]\d+)*(?:\s*[十百千万亿]*[余多]?(?:{_COUNT})(?:/[^\W\d_])*|[十百千万亿]+)?"
    rf"|百分之[零〇一二三四五六七八九十百两点]+|[〇零一二三四五六七八九十百千万亿两]{{2,}}(?:{_COUNT})?"
    r"|[A-Za-z]+|\s+|.",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of text inside a block that both sides have, or only one."""

    op: PieceOp
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """One or more sentences. `before` and `after` are (start, end) in the two texts; one may be empty.

    The pieces that are not "inserted" spell the before side, those that are not "deleted" the after side. A
    moved sentence makes two blocks, one where it left (all "deleted") and one where it arrived (all
    "inserted"); `partner` is where it stands in the other text.
    """

    op: BlockOp
    before: Span
    after: Span
    pieces: tuple[Piece, ...]
    partner: Span | None = None


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


@dataclass(frozen=True, slots=True)
class _Region:
    """Sentences old[before[0]:before[1]] against new[after[0]:after[1]]."""

    equal: bool
    before: Span
    after: Span


@dataclass(frozen=True, slots=True)
class _Edit:
    """What became of one sentence: its number on either side, None where it is not."""

    op: BlockOp
    old: int | None = None
    new: int | None = None


def difference(before: str, after: str) -> Difference:
    """Compare two texts. Time is near linear where most sentences are common; a fuse of `SECONDS` bounds the
    comparison of texts that have nothing in common, which are then told as one text gone and another come.
    """
    old, new = sentences(before), sentences(after)
    regions = _regions(_compare(old, new, SECONDS))
    moves = _moves(old, new, regions)
    edits = [edit for region in regions for edit in _edits(old, new, region, moves)]
    return Difference(tuple(_blocks(old, new, edits, moves)))


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
    parts = sentences(block.pieces[0].text)
    if len(parts) <= head + tail:
        return None
    first, final = sum(map(len, parts[:head])), sum(map(len, parts[len(parts) - tail :])) if tail else 0
    size = sum(map(len, parts))
    return _part(block, 0, first), _part(block, size - final, size)


def _part(block: Block, start: int, end: int) -> list[Block]:
    if start == end:
        return []
    piece = Piece("equal", block.pieces[0].text[start:end])
    before, after = block.before[0], block.after[0]
    old, new = (before + start, before + end), (after + start, after + end)
    return [replace(block, before=old, after=new, pieces=(piece,))]


def _compare(old: Sequence[str], new: Sequence[str], seconds: float) -> list[tuple[str, int]]:
    """Runs of ("=", "-" or "+", how many items), after the semantic clean-up of diff-match-patch."""
    codes: dict[str, str] = {}
    for item in (*old, *new):
        codes.setdefault(item, chr(0x10000 + len(codes)))
    before, after = "".join(map(codes.__getitem__, old)), "".join(map(codes.__getitem__, new))
    return list(raw_diff(before, after, timelimit=seconds, checklines=False, cleanup="Semantic"))


def _regions(runs: Iterable[tuple[str, int]]) -> list[_Region]:
    """Runs put together: what is equal, and between two equal runs all that went and came."""
    regions = []
    old = new = 0
    for equal, group in groupby(runs, lambda run: run[0] == "="):
        counts: Counter[str] = Counter()
        for op, count in group:
            counts[op] += count
        before, after = old + counts["="] + counts["-"], new + counts["="] + counts["+"]
        regions.append(_Region(equal, (old, before), (new, after)))
        old, new = before, after
    return regions


def _moves(old: Sequence[str], new: Sequence[str], regions: Iterable[_Region]) -> dict[int, int]:
    """Old number → new number of the sentences that went from one place and came, unchanged, at one other."""
    changed = [region for region in regions if not region.equal]
    gone = {o: old[o] for region in changed for o in range(*region.before)}
    come = {n: new[n] for region in changed for n in range(*region.after)}
    places = _only_places(come)
    moves = {o: places[text] for text, o in _only_places(gone).items() if text in places}
    for region in changed:
        for o in _stayed(moves, region):
            del moves[o]
    found = set(moves.values())
    still = {n: text for n, text in come.items() if n not in found}
    for step in (1, -1):
        for o in sorted(moves, reverse=step < 0):
            _carry(o, step, gone, still, moves)
    return moves


def _stayed(moves: Mapping[int, int], region: _Region) -> list[int]:
    """The most sentences of one region that keep their order in it: others came between them, they did not move."""
    inside = [(o, moves[o]) for o in range(*region.before) if o in moves and moves[o] in range(*region.after)]
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


def _only_places(items: Mapping[int, str]) -> dict[str, int]:
    counts = Counter(items.values())
    return {text: n for n, text in items.items() if counts[text] == 1 and len(text) >= MOVED_LENGTH}


def _carry(o: int, step: int, gone: Mapping[int, str], come: dict[int, str], moves: dict[int, int]) -> None:
    """What is too short or too common to be found alone goes along with its moved neighbour."""
    n = moves[o]
    while (o := o + step) not in moves and o in gone and come.get(n := n + step) == gone[o]:
        moves[o] = n
        del come[n]


def _edits(old: Sequence[str], new: Sequence[str], region: _Region, moves: dict[int, int]) -> list[_Edit]:
    if region.equal:
        both = zip(range(*region.before), range(*region.after), strict=True)
        return [_Edit("equal", o, n) for o, n in both]
    arrivals = set(moves.values())
    left = [o for o in range(*region.before) if o not in moves]
    right = [n for n in range(*region.after) if n not in arrivals]
    pairs = _alike(old, new, left, right)
    edits = []
    come = region.after[0]
    for o in range(*region.before):
        if o in pairs:
            edits += [_arrival(n, arrivals) for n in range(come, pairs[o])]
            come = pairs[o] + 1
            edits.append(_Edit("equal" if old[o] == new[pairs[o]] else "replaced", o, pairs[o]))
        else:
            edits.append(_Edit("moved" if o in moves else "deleted", old=o))
    return edits + [_arrival(n, arrivals) for n in range(come, region.after[1])]


def _arrival(number: int, arrivals: set[int]) -> _Edit:
    return _Edit("moved" if number in arrivals else "inserted", new=number)


def _alike(old: Sequence[str], new: Sequence[str], left: Sequence[int], right: Sequence[int]) -> dict[int, int]:
    """Which old sentence became which new one, in order, so that the pairs together are most alike."""
    if len(left) * len(right) > PAIRS:
        return _alike_in_tokens(old, new, left, right)
    a, b = [_pairs(old[o]) for o in left], [_pairs(new[n]) for n in right]
    alike = [[_dice(x, y) if x or y else ALIKE for y in b] for x in a]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in reversed(range(len(left))):
        for j in reversed(range(len(right))):
            pair = alike[i][j] + best[i + 1][j + 1] if alike[i][j] >= ALIKE else 0.0
            best[i][j] = max(pair, best[i + 1][j], best[i][j + 1])
    found = {}
    i = j = 0
    while i < len(left) and j < len(right):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            found[left[i]] = right[j]
            i, j = i + 1, j + 1
    return found


def _alike_in_tokens(
    old: Sequence[str], new: Sequence[str], left: Sequence[int], right: Sequence[int]
) -> dict[int, int]:
    """The same for regions too large to look at all pairs: sentences pair whose tokens meet."""
    before = [(token, o) for o in left for token in tokens(old[o])]
    after = [(token, n) for n in right for token in tokens(new[n])]
    common: Counter[tuple[int, int]] = Counter()
    at_old = at_new = 0
    for op, count in _compare([t for t, _ in before], [t for t, _ in after], SECONDS):
        if op == "=":
            met = zip(before[at_old : at_old + count], after[at_new : at_new + count], strict=True)
            for (token, o), (_, n) in met:
                common[o, n] += len(token)
        at_old, at_new = at_old + count * (op != "+"), at_new + count * (op != "-")
    found: dict[int, int] = {}
    for (o, n), size in sorted(common.items()):
        enough = 2 * size >= ALIKE * (len(old[o]) + len(new[n]))
        if enough and o not in found and n > max(found.values(), default=-1):
            found[o] = n
    return found


def _pairs(text: str) -> frozenset[str]:
    kept = "".join(text.split())
    return frozenset(map("".join, pairwise(kept))) or frozenset(kept)


def _dice(a: frozenset[str], b: frozenset[str]) -> float:
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0.0


def _blocks(old: Sequence[str], new: Sequence[str], edits: Sequence[_Edit], moves: dict[int, int]) -> Iterable[Block]:
    """Edits with places and pieces; neighbours of one kind become one block, except rewritten sentences."""
    starts, arrived = _starts(old), _starts(new)
    origins = {n: o for o, n in moves.items()}
    rewritten = sum(len(old[e.old]) for e in edits if e.op == "replaced" and e.old is not None) or 1
    at_old = at_new = 0
    for group in _grouped(edits, moves, origins):
        end_old = at_old + sum(edit.old is not None for edit in group)
        end_new = at_new + sum(edit.new is not None for edit in group)
        gone, come = old[at_old:end_old], new[at_new:end_new]
        seconds = SECONDS * len("".join(gone)) / rewritten
        partner = None
        if group[0].op == "moved":
            partner = _partner(group, moves, origins, starts, arrived)
        yield Block(
            group[0].op,
            (starts[at_old], starts[end_old]),
            (arrived[at_new], arrived[end_new]),
            _pieces(group[0].op, gone, come, seconds),
            partner,
        )
        at_old, at_new = end_old, end_new


def _starts(parts: Sequence[str]) -> list[int]:
    return [0, *accumulate(map(len, parts))]


def _grouped(edits: Sequence[_Edit], moves: dict[int, int], origins: dict[int, int]) -> list[list[_Edit]]:
    """Neighbours of one kind; moved ones while they keep their distance, so that a chapter stays whole."""

    def kind(edit: _Edit) -> tuple[BlockOp, bool, int]:
        distance = 0
        if edit.op == "moved":
            distance = moves[edit.old] - edit.old if edit.old is not None else origins[_new(edit)] - _new(edit)
        return edit.op, edit.old is None, distance

    groups: list[list[_Edit]] = []
    for edit in edits:
        if groups and edit.op != "replaced" and kind(groups[-1][-1]) == kind(edit):
            groups[-1].append(edit)
        else:
            groups.append([edit])
    return groups


def _new(edit: _Edit) -> int:
    assert edit.new is not None  # an edit without an old side has a new one
    return edit.new


def _partner(
    group: Sequence[_Edit],
    moves: dict[int, int],
    origins: dict[int, int],
    starts: Sequence[int],
    arrived: Sequence[int],
) -> Span:
    first, last = group[0], group[-1]
    if first.old is not None and last.old is not None:
        return arrived[moves[first.old]], arrived[moves[last.old] + 1]
    return starts[origins[_new(first)]], starts[origins[_new(last)] + 1]


def _pieces(op: BlockOp, gone: Sequence[str], come: Sequence[str], seconds: float) -> tuple[Piece, ...]:
    before, after = "".join(gone), "".join(come)
    if op == "equal":
        return (Piece("equal", before),)
    if op != "replaced":
        return (Piece("deleted", before),) if before else (Piece("inserted", after),)
    return tuple(_token_pieces(tokens(before), tokens(after), seconds))


def _token_pieces(old: Sequence[str], new: Sequence[str], seconds: float) -> Iterable[Piece]:
    at_old = at_new = 0
    for op, count in _compare(old, new, seconds):
        if op == "+":
            yield Piece("inserted", "".join(new[at_new : at_new + count]))
        else:
            yield Piece("equal" if op == "=" else "deleted", "".join(old[at_old : at_old + count]))
        at_old, at_new = at_old + count * (op != "+"), at_new + count * (op != "-")
