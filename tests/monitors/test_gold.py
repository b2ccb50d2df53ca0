"""Whole annotated documents: our own, and, where the reference folder stands beside the project, real ones."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from monitors.extraction import extract
from tests.monitors.scoring import agreement, f1

OPEN = Path(__file__).resolve().parents[1] / "data" / "gold"
DEVELOPED = OPEN.parent / "developed"
FRESH = OPEN.parent / "fresh"
SHARED = Path(__file__).resolve().parents[2].parent / "shared"
COMMITMENTS = {"target", "subsidy"}


def _pairs(gold: Path, texts: list[Path]) -> list[tuple[Path, Path]]:
    found = []
    for annotated in sorted(gold.glob("*.json")):
        text = next((d / f"{annotated.stem}.txt" for d in texts if (d / f"{annotated.stem}.txt").exists()), None)
        if text:
            found.append((annotated, text))
    return found


def _score(pairs: list[tuple[Path, Path]], kinds: set[str]) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    lines: list[str] = []
    for annotated, source in pairs:
        text = source.read_bytes().decode("utf-8")
        expected = list(json.loads(annotated.read_text("utf-8"))["measures"])
        optional = [
            {**m, "figures": [{**f, "optional": True} for f in m["figures"]]}
            for m in expected
            if m["kind"] not in kinds
        ]
        found = [m for m in extract(text) if m.kind in kinds]
        of_kind = [m for m in expected if m["kind"] in kinds]
        spared = [
            m
            for m in optional
            if any(f.get("optional") for n in expected if n["figures"] == m["figures"] for f in n["figures"])
        ]
        some, said = agreement(text, [*of_kind, *spared], found)
        counts += some
        lines += [f"{source.stem}: {line}" for line in said]
    return counts, lines


def _check(pairs: list[tuple[Path, Path]], subjects_named: float = 0.95, least: float = 0.97) -> None:
    commitments, lines = _score(pairs, COMMITMENTS)
    progress, more = _score(pairs, {"progress"})
    told = "\n".join(lines + more)
    assert f1(commitments) >= least, told
    assert f1(progress) >= 0.93, told
    for name, share in (("bound", 0.97), ("deadline", least), ("subject", subjects_named), ("bodies", least)):
        matched = commitments["matched"]
        assert 1 - commitments[name] / matched >= share, f"{name}\n{told}"


def test_our_own_documents() -> None:
    _check(_pairs(OPEN, [OPEN]))


def test_documents_by_a_stranger() -> None:
    _check(_pairs(DEVELOPED, [DEVELOPED]), subjects_named=0.94)


def test_documents_worked_with_once() -> None:
    _check(_pairs(FRESH, [FRESH]), subjects_named=0.80, least=0.94)


@pytest.mark.shared
def test_reference_documents() -> None:
    if not (SHARED / "gold").is_dir():
        pytest.skip("the reference folder 'shared' does not stand beside the project")
    _check(_pairs(SHARED / "gold", [SHARED / "seeds", SHARED / "gold"]))
