"""The difference of two versions of a 30,000-character document, beside the libraries on characters.

Five figures changed, two paragraphs moved. Ours tells sentences, whole figures and what moved; diff-match-patch in its
own character mode and its C++ port tell characters, and a moved paragraph as one gone and one come.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fast_diff_match_patch
from diff_match_patch import diff_match_patch

from benchmarks.table import Row
from monitors.difference import difference

DOCUMENTS = Path(__file__).resolve().parents[1] / "tests" / "data" / "gold"
LENGTH = 30_000
FIGURES = 5
ROUNDS = 300


def versions(moved: bool, seed: int = 7) -> tuple[str, str]:
    """A document before and after; `moved`: two of its paragraphs went elsewhere as well."""
    rng = random.Random(seed)
    paragraphs = [line for path in sorted(DOCUMENTS.glob("*.txt")) for line in path.read_text("utf-8").splitlines()]
    lines: list[str] = []
    while sum(map(len, lines)) + len(lines) < LENGTH:
        number = len(lines) + 1
        lines.append(f"（{number}）{rng.choice(paragraphs)}第{number}项补贴{rng.randint(1000, 9999)}元。")
    after = list(lines)
    for at in rng.sample(range(len(lines)), FIGURES):
        head, _, _ = after[at].rpartition("补贴")
        after[at] = f"{head}补贴{rng.randint(1000, 9999)}元。"
    if moved:
        for _ in range(2):
            after.insert(rng.randrange(len(after)), after.pop(rng.randrange(len(after))))
    return "\n".join(lines)[:LENGTH], "\n".join(after)[:LENGTH]


def milliseconds(before: str, after: str, *compares: Callable[[str, str], object], rounds: int = ROUNDS) -> list[float]:
    """Processor time of one comparison by each, the best of some rounds; in turns, so that none has the quiet hour."""
    best = [float("inf")] * len(compares)
    for _ in range(rounds):
        for number, compare in enumerate(compares):
            began = time.process_time()
            compare(before, after)
            best[number] = min(best[number], time.process_time() - began)
    return [seconds * 1000 for seconds in best]


def _characters(before: str, after: str) -> object:
    library = diff_match_patch()
    library.Diff_Timeout = 0  # without it the answer is a poor one
    return library.diff_main(before, after, False)


def _port(before: str, after: str) -> object:
    return fast_diff_match_patch.diff(before, after, timelimit=0, cleanup="Semantic")


def rows() -> Iterator[Row]:
    """Once with figures alone, once with paragraphs moved besides."""
    for name, moved in ((f"{FIGURES} figures", False), (f"{FIGURES} figures, 2 paragraphs moved", True)):
        before, after = versions(moved)
        told = sum(block.op == "moved" for block in difference(before, after).blocks) // 2
        ours, port = milliseconds(before, after, difference, _port)
        what = f"{name}: ms, {told} told as moved"
        yield Row(what, f"{ours:.2f}", "20", ours / 20, "<= 1.00")
        yield Row(what, f"{ours:.2f}", f"C++ port, characters {port:.2f}", ours / port, "<= 1.30")
        (characters,) = milliseconds(before, after, _characters, rounds=1)
        yield Row(what, f"{ours:.2f}", f"diff-match-patch, characters {characters:.1f}", ours / characters)
