"""What changed between the measures of two versions of a document.

Measures are paired by what they say (kind, subject, recipient, unit, sentence, neighbours), never by their
place alone, so that reordering, renumbering, a moved paragraph or a reworded sentence is no removal and no
addition. First pairs that agree to the letter are taken, then looser and looser ones; what is left is scored
against the few measures that share rare words with it, so that time grows about linearly with their number.

A pair makes one change for every figure that differs: of 5000/8000 → 6000/8000 that is one. What differs
beside the figures (deadline, recipient, condition) is named in `fields` of each of these, or, where no figure
differs, makes one change of its own. A wording alone makes none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Literal

from monitors.likeness import alike, around, dimension, folded, grams, masked
from storage.records import Figure, Measure

ChangeType = Literal["changed", "added", "removed"]
Field = Literal["value", "bound", "unit", "deadline", "recipient", "condition", "figures"]
Pair = tuple[int | None, int | None]

SAME = 0.58  # score from which two measures are one
SAME_IN_PLACE = 0.4  # the same for the only two of a kind that stand between the same neighbours
SAME_CONDITION = 0.5  # share of common character pairs from which a condition was only reworded
CANDIDATES = 12  # measures scored against one, those that share most of its rare words

_NUMBERS = re.compile(r"\d+(?:\.\d+)?|[一二三四五六七八九十两]+(?=[个名年级家张人岁月日天所次])")
_DIGITS = str.maketrans("一二三四五六七八九两", "1234567892")
_TURNS = re.compile(r"不|未|非|无|除|以上|以下|以内|以外|满|超过|低于")
_QUALIFIERS = re.compile(r"符合条件|[我本全][省市州县区]|各类|各|该|的|等|对")


@dataclass(frozen=True, slots=True)
class MeasureChange:
    """One change of one measure.

    "changed": both measures; the figures that differ (one is None where a tier came or went; both are the
    first figure where only deadline, recipient or condition differ). "added" and "removed": one measure and
    its first figure. `fields` says what differs; it is empty for "added" and "removed".
    """

    type: ChangeType
    before: Measure | None
    after: Measure | None
    before_figure: Figure | None
    after_figure: Figure | None
    fields: tuple[Field, ...] = ()


def compare_measures(before: Sequence[Measure], after: Sequence[Measure]) -> tuple[MeasureChange, ...]:
    """The changes from one version's measures to the next one's, in the order of the newer, removals last."""
    changes: list[MeasureChange] = []
    quotes = _quotes(before), _quotes(after)
    for i, j in align(before, after):
        old, new = None if i is None else before[i], None if j is None else after[j]
        if old and new:
            changes += _changed(old, new, _own_condition(old, quotes[0]), _own_condition(new, quotes[1]))
        elif new:
            changes.append(MeasureChange("added", None, new, None, _first(new)))
        elif old:
            changes.append(MeasureChange("removed", old, None, _first(old), None))
    return tuple(_without_regrouped(changes))


def align(before: Sequence[Measure], after: Sequence[Measure]) -> tuple[Pair, ...]:
    """Which measure of the older version is which of the newer: pairs of indices, None where there is none.

    In the order of the newer version, what was removed last. It also serves to hand a tracked measure on from
    one version to the next.
    """
    old, new = [_Face.of(m) for m in before], [_Face.of(m) for m in after]
    pairs: dict[int, int] = {}
    for key in _KEYS:
        _pair_equal(old, new, pairs, key)
    _pair_unique(old, new, pairs)
    _pair_scored(old, new, pairs)
    _pair_in_place(old, new, pairs)
    origins = {j: i for i, j in pairs.items()}
    kept: list[Pair] = [(origins.get(j), j) for j in range(len(after))]
    return (*kept, *((i, None) for i in range(len(before)) if i not in pairs))


@dataclass(frozen=True, slots=True)
class _Face:
    """What is looked at when measures are paired, worked out once."""

    kind: str
    subject: str
    recipient: str
    dimensions: tuple[str, ...]
    sentence: str
    template: str
    context: str
    figures: tuple[Hashable, ...]
    deadline: str

    @classmethod
    def of(cls, measure: Measure) -> _Face:
        return cls(
            measure.kind,
            folded(measure.subject),
            folded(measure.recipient or ""),
            tuple(sorted({dimension(f.unit) for f in measure.figures})),
            folded(measure.sentence),
            masked(measure.sentence),
            around(measure, measure.figures[0]) if measure.figures else "",
            tuple(map(_sign, measure.figures)),
            str(measure.deadline),
        )


Key = Callable[[_Face], Hashable]
_KEYS: tuple[Key, ...] = (
    lambda f: (f.kind, f.subject, f.recipient, f.figures, f.sentence),
    lambda f: (f.kind, f.subject, f.recipient, f.figures, f.template),
    lambda f: (f.kind, f.subject, f.recipient, f.figures, f.deadline),
    lambda f: (f.kind, f.subject, f.recipient, f.dimensions, f.template),
    lambda f: (f.kind, f.subject, f.recipient, f.figures),
)


def _pair_equal(old: Sequence[_Face], new: Sequence[_Face], pairs: dict[int, int], key: Key) -> None:
    """Pair what has one key, in the order of the texts."""
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for j in _free(len(new), pairs.values()):
        waiting[key(new[j])].append(j)
    for i in _free(len(old), pairs):
        if queue := waiting.get(key(old[i])):
            pairs[i] = queue.pop(0)


def _pair_unique(old: Sequence[_Face], new: Sequence[_Face], pairs: dict[int, int]) -> None:
    """Pair the only two left that speak of one subject in one dimension."""

    def places(faces: Sequence[_Face], taken: Iterable[int]) -> dict[Hashable, list[int]]:
        found: dict[Hashable, list[int]] = defaultdict(list)
        for n in _free(len(faces), taken):
            face = faces[n]
            found[face.kind, face.subject, face.recipient, face.dimensions].append(n)
        return found

    come = places(new, pairs.values())
    for key, left in places(old, pairs).items():
        if len(left) == 1 and len(come.get(key, ())) == 1:
            pairs[left[0]] = come[key][0]


def _pair_scored(old: Sequence[_Face], new: Sequence[_Face], pairs: dict[int, int]) -> None:
    """Pair the rest, the most alike first."""
    scored = []
    for i, candidates in _candidates(old, new, pairs).items():
        for j in candidates:
            score = _score(old[i], new[j]) + (0.1 if _beside(i, j, pairs) else 0.0)
            if score >= SAME:
                scored.append((-score, abs(i - j), i, j))
    taken = set(pairs.values())
    for _, _, i, j in sorted(scored):
        if i not in pairs and j not in taken:
            pairs[i] = j
            taken.add(j)


def _pair_in_place(old: Sequence[_Face], new: Sequence[_Face], pairs: dict[int, int]) -> None:
    """Pair two that stand alone between the same neighbours: a sentence rewritten almost entirely."""
    taken = set(pairs.values())
    for i in _free(len(old), list(pairs)):
        left, right = (
            pairs.get(i - 1, -1 if i == 0 else None),
            pairs.get(i + 1, len(new) if i + 1 == len(old) else None),
        )
        if left is None or right is None or right - left != 2 or left + 1 in taken:
            continue
        a, b = old[i], new[left + 1]
        if a.kind == b.kind and a.dimensions == b.dimensions and _score(a, b) >= SAME_IN_PLACE:
            pairs[i] = left + 1
            taken.add(left + 1)


def _free(size: int, taken: Iterable[int]) -> list[int]:
    used = set(taken)
    return [n for n in range(size) if n not in used]


def _beside(i: int, j: int, pairs: Mapping[int, int]) -> bool:
    return pairs.get(i - 1) == j - 1 or pairs.get(i + 1) == j + 1


def _candidates(old: Sequence[_Face], new: Sequence[_Face], pairs: Mapping[int, int]) -> dict[int, list[int]]:
    """For each free older measure the free newer ones that share most with it, rare words counting most."""
    holders: dict[str, list[int]] = defaultdict(list)
    for j in _free(len(new), pairs.values()):
        for feature in _features(new[j]):
            holders[feature].append(j)
    found = {}
    for i in _free(len(old), pairs):
        shared: Counter[int] = Counter()
        lists = sorted((holders[f] for f in _features(old[i]) if f in holders), key=len)
        for number, holding in enumerate(lists):
            if number > 8 and len(holding) > 40:
                break  # what so many have in common tells them apart no more
            for j in holding[:200]:
                shared[j] += 1 / len(holding)  # type: ignore[assignment]
        found[i] = [j for j, _ in shared.most_common(CANDIDATES)]
    return found


def _features(face: _Face) -> frozenset[str]:
    return grams(face.subject) | grams(face.template) | {face.template, face.context}


def _score(a: _Face, b: _Face) -> float:
    """How surely two measures are one: about 1 for the same words, 0 for nothing in common."""
    subject, context = alike(a.subject, b.subject), alike(a.context, b.context)
    sentence = max(context, (context + alike(a.template, b.template)) / 2)
    score = 0.6 * subject + 0.4 * sentence
    if a.kind != b.kind:
        # Two of these three show that only the reading of the verb differs, and not what is said.
        if (subject >= 0.6) + (sentence >= 0.85) + (a.figures == b.figures) < 2:
            return 0.0
        score -= 0.1
    if a.dimensions != b.dimensions:
        score -= 0.2
    if a.recipient and b.recipient and alike(a.recipient, b.recipient) < 0.5:
        score -= 0.15
    return score + (0.15 if a.figures == b.figures else 0.0)


def _first(measure: Measure) -> Figure | None:
    return measure.figures[0] if measure.figures else None


def _quotes(measures: Iterable[Measure]) -> dict[str, set[str]]:
    """The quotes of all figures, by the sentence they stand in."""
    found: dict[str, set[str]] = defaultdict(set)
    for measure in measures:
        found[measure.sentence] |= {figure.quote for figure in measure.figures}
    return found


def _own_condition(measure: Measure, quotes: Mapping[str, set[str]]) -> str:
    """A condition without the figures of its sentence: these are measures, and their changes told as such."""
    condition = measure.condition or ""
    for quote in sorted(quotes[measure.sentence], key=len, reverse=True):
        condition = condition.replace(quote, "")
    return condition


def _changed(old: Measure, new: Measure, condition: str, new_condition: str) -> list[MeasureChange]:
    """`condition` and `new_condition`: see `_own_condition`."""
    beside = _fields_beside(old, new)
    if _condition_differs(condition, old.sentence, new_condition, new.sentence):
        beside += ("condition",)
    changes = []
    for before, after in tiers(old.figures, new.figures):
        fields: tuple[Field, ...] = _figure_fields(before, after) if before and after else ("figures",)
        if fields:
            changes.append(MeasureChange("changed", old, new, before, after, fields + beside))
    if beside and not changes:
        changes.append(MeasureChange("changed", old, new, _first(old), _first(new), beside))
    return changes


def _without_regrouped(changes: Sequence[MeasureChange]) -> list[MeasureChange]:
    """Changes without figures that only went over to another measure: gone from one and come to another in the
    same words, because a sentence was read as one measure with two tiers and now as two, or the other way.
    """
    gone = [c for c in changes if c.after_figure is None]
    come = [c for c in changes if c.before_figure is None]
    for _ in range(2):  # what stays on one side keeps its figures from cancelling on the other
        come = _found_in(come, gone)
        gone = _found_in(gone, come)
    regrouped = {id(change) for change in (*gone, *come)}
    return [change for change in changes if id(change) not in regrouped]


def _found_in(changes: Sequence[MeasureChange], others: Sequence[MeasureChange]) -> list[MeasureChange]:
    """Those of the changes all of whose figures the others have as well, in the same words."""
    pool = Counter(trace for other in others for trace in _one_sided(other))
    found = []
    for change in changes:
        wanted = Counter(_one_sided(change))
        if wanted and wanted <= pool:
            pool -= wanted
            found.append(change)
    return found


def _one_sided(change: MeasureChange) -> list[Hashable]:
    """The figures that only one version has, by what they and the words around them say."""
    measure = change.after if change.before_figure is None else change.before
    figure = change.after_figure or change.before_figure
    if measure is None or figure is None:
        return []
    figures = (figure,) if change.type == "changed" else measure.figures
    return [(_sign(f), around(measure, f)) for f in figures]


def _figure_fields(a: Figure, b: Figure) -> tuple[Field, ...]:
    found: list[Field] = []
    if not all(_equal(x, y) for x, y in ((a.value, b.value), (a.min, b.min), (a.max, b.max))):
        found.append("value")
    if a.bound != b.bound:
        found.append("bound")
    if a.unit != b.unit:
        found.append("unit")
    return tuple(found)


def _equal(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def tiers(old: Sequence[Figure], new: Sequence[Figure]) -> list[tuple[Figure | None, Figure | None]]:
    """Which tier became which: as many as before in their order, unless they were only reordered."""
    if Counter(map(_sign, old)) == Counter(map(_sign, new)):
        return []
    if len(old) == len(new):
        return list(zip(old, new, strict=True))
    return _tiers_of_unequal_number(old, new)


def _sign(figure: Figure) -> Hashable:
    return figure.value, figure.min, figure.max, figure.unit, figure.bound


def _tiers_of_unequal_number(old: Sequence[Figure], new: Sequence[Figure]) -> list[tuple[Figure | None, Figure | None]]:
    """Edit distance: equal tiers cost nothing, a changed one as much as one that came or went."""
    cost = [[i + j for j in range(len(new) + 1)] for i in range(len(old) + 1)]
    for i, a in enumerate(old, 1):
        for j, b in enumerate(new, 1):
            replaced = cost[i - 1][j - 1] + bool(_figure_fields(a, b))
            cost[i][j] = min(replaced, cost[i - 1][j] + 1, cost[i][j - 1] + 1)
    found: list[tuple[Figure | None, Figure | None]] = []
    i, j = len(old), len(new)
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + bool(_figure_fields(old[i - 1], new[j - 1])):
            i, j = i - 1, j - 1
            found.append((old[i], new[j]))
        elif i and cost[i][j] == cost[i - 1][j] + 1:
            i -= 1
            found.append((old[i], None))
        else:
            j -= 1
            found.append((None, new[j]))
    return found[::-1]


def _fields_beside(old: Measure, new: Measure) -> tuple[Field, ...]:
    """What differs beside the figures and the condition."""
    found: list[Field] = []
    if old.deadline != new.deadline:
        found.append("deadline")
    if _recipient_differs(old, new):
        found.append("recipient")
    return tuple(found)


def _recipient_differs(old: Measure, new: Measure) -> bool:
    """Whether somebody else gets the money.

    A recipient that one reading names and the other leaves open, or that both sentences name, is a matter of
    wording and not of money.
    """
    a, b = (_QUALIFIERS.sub("", folded(m.recipient or "")) for m in (old, new))
    if a == b or not a or not b:
        return False
    return not (a in folded(new.sentence) and b in folded(old.sentence))


def _condition_differs(a: str, sentence: str, b: str, new_sentence: str) -> bool:
    """Whether a condition's substance differs: its numbers, its negations and limits, or most of its words.

    Where one reading sets a condition apart, or another part of it, and the other version's sentence says it as
    well, nothing differs.
    """
    if bool(a) != bool(b):
        return not (_held(a, new_sentence) if a else _held(b, sentence))
    same = _essence(a) == _essence(b) and alike(folded(a), folded(b)) >= SAME_CONDITION
    return not same and not (_held(a, new_sentence) and _held(b, sentence))


def _essence(text: str) -> Counter[str]:
    """Its numbers, negations and limits."""
    return Counter(n.translate(_DIGITS) for n in _NUMBERS.findall(text)) + Counter(_TURNS.findall(text))


def _held(condition: str, sentence: str) -> bool:
    """Whether a sentence says all of a condition, in whatever order."""
    words = grams(folded(condition))
    return _essence(condition) <= _essence(sentence) and len(words & grams(folded(sentence))) >= 0.9 * len(words)
