"""One figure changed in a whole document is exactly one change, found by the extractor and the comparison together.

Every figure that is read in a document is changed in the text, one at a time; both texts are read, and the two
readings compared. The figure must be told as changed (a hit), and nothing else may be told (an extra).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitors.changes import compare_measures
from monitors.extraction import extract
from storage.records import Figure, Measure

ROOT = Path(__file__).resolve().parents[2]
SEEDS = ROOT.parent / "shared" / "seeds"
OWN = ROOT / "tests" / "data" / "gold"

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_NUMERAL = re.compile(r"[一二两三四五六七八九]")
_NEXT = {
    "一": "两",
    "二": "三",
    "两": "三",
    "三": "五",
    "四": "六",
    "五": "七",
    "六": "七",
    "七": "八",
    "八": "七",
    "九": "七",
}


@dataclass(frozen=True)
class Mutant:
    """A document with one figure changed: the figure, what its quote became, and the whole text."""

    figure: Figure
    printed: str
    text: str


def mutants(text: str, measures: tuple[Measure, ...]) -> Iterator[Mutant]:
    for figure in {f.start: f for m in measures for f in m.figures}.values():
        for change in (_first_number, _last_number) if figure.value is None else (_last_number,):
            printed = change(figure.quote)
            if printed and printed != figure.quote:
                yield Mutant(figure, printed, text[: figure.start] + printed + text[figure.end :])


def _last_number(quote: str) -> str | None:
    """The quote with its last number changed: upwards, but a percentage within 100."""
    return _changed(quote, lambda found: found[-1], lambda value: value * 1.3 + 1)


def _first_number(quote: str) -> str | None:
    """The quote with its first number changed downwards, so that a range stays one."""
    return _changed(quote, lambda found: found[0], lambda value: value * 0.6)


def _changed(
    quote: str, pick: Callable[[list[re.Match[str]]], re.Match[str]], step: Callable[[float], float]
) -> str | None:
    if found := list(_NUMBER.finditer(quote)):
        match = pick(found)
        return quote[: match.start()] + _stepped(match[0], quote, step) + quote[match.end() :]
    if found := list(_NUMERAL.finditer(quote)):
        match = pick(found)
        return quote[: match.start()] + _NEXT[match[0]] + quote[match.end() :]
    return None


def _stepped(number: str, quote: str, step: Callable[[float], float]) -> str:
    number = number.replace(",", "")
    digits = len(number.partition(".")[2])
    value = step(float(number))
    if "%" in quote and value > 100:
        value = float(number) * 0.8
    told = f"{value:.{digits}f}"
    return told if float(told) != float(number) else f"{value:.1f}"


def outcome(before: tuple[Measure, ...], mutant: Mutant) -> tuple[bool, int]:
    """Whether the change was told, and how many others were."""
    changes = compare_measures(before, extract(mutant.text))
    told = [c for c in changes if c.type == "changed" and c.before_figure == mutant.figure and "value" in c.fields]
    return len(told) == 1, len(changes) - len(told)


def documents() -> list[Path]:
    return sorted(SEEDS.glob("*.txt")) + sorted(OWN.glob("*.txt"))


REWORDED = [
    ("给予", "发放"),
    ("推进", "加快推进"),
    ("，", ","),
    ("目前", "截至目前"),
    ("全市", "我市"),
    ("建成", "已建成"),
    ("鼓励", "积极鼓励"),
    ("补贴标准", "补助标准"),
    ("\n\n", "\n"),
    ("一、", "第一，"),
    ("（一）", "1."),
]


def test_rewording_and_renumbering_change_no_measure() -> None:
    compared = 0
    told = []
    for path in documents():
        text = path.read_text("utf-8")
        before = extract(text)
        for old, new in REWORDED:
            if old in text:
                compared += len(before)
                changes = compare_measures(before, extract(text.replace(old, new)))
                told += [f"{path.name} {old} → {new}: {c.type} {c.fields} {(c.after or c.before)}" for c in changes]
    assert compared >= 100, "too few measures were read to say anything"
    assert len(told) <= 0.01 * compared, "\n".join(told)


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the reference folder shared/seeds is not beside the project")
def test_the_seeds_are_all_mutated() -> None:
    assert len(sorted(SEEDS.glob("*.txt"))) >= 5


def test_one_changed_figure_is_one_change() -> None:
    total = hits = with_extra = 0
    failed = []
    for path in documents():
        text = path.read_text("utf-8")
        before = extract(text)
        for mutant in mutants(text, before):
            hit, extra = outcome(before, mutant)
            total, hits, with_extra = total + 1, hits + hit, with_extra + bool(extra)
            if not hit or extra:
                failed.append(
                    f"{path.name} {mutant.figure.start}: {mutant.figure.quote} → {mutant.printed} ({extra} extra)"
                )
    assert total >= 100, "too few figures were read to say anything"
    told = f"{hits} of {total} told, {with_extra} with an extra event:\n" + "\n".join(failed)
    assert hits >= 0.99 * total, told
    assert with_extra <= 0.01 * total, told
