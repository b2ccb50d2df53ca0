"""How well extracted measures agree with written-down ones: one figure at a time, by kind, value, unit and place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from storage.records import Figure, Measure

Row = tuple[Mapping[str, Any], Mapping[str, Any], int, int]  # measure, figure, start, end


def expected_figures(text: str, measures: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The figures that should be found, with offsets: given, or those of the quote in text order."""
    rows: list[Row] = []
    at = 0
    for measure in measures:
        for figure in measure["figures"]:
            start = figure["start"] if "start" in figure else text.find(figure["quote"], at)
            start = start if start >= 0 else text.find(figure["quote"])
            end = figure.get("end", start + len(figure["quote"]))
            rows.append((measure, figure, start, end))
            at = max(at, end)
    return rows


def agreement(
    text: str, expected: Sequence[Mapping[str, Any]], found: Sequence[Measure]
) -> tuple[Counter[str], list[str]]:
    """Counts (matched, missed, wrong, and what disagrees among the matched) and a line for each disagreement."""
    counts: Counter[str] = Counter()
    lines: list[str] = []
    flat = [(m, f) for m in found for f in m.figures]
    used: set[int] = set()
    spared: list[tuple[int, int]] = []
    for measure, figure, start, end in expected_figures(text, expected):
        hit = next(
            (i for i, pair in enumerate(flat) if i not in used and _same(measure, figure, start, end, pair)), None
        )
        if hit is not None:
            used.add(hit)
        if figure.get("optional"):
            spared.append((start, end))
        elif hit is None:
            counts["missed"] += 1
            lines.append(f"missed {measure['kind']} {figure['quote']} ({figure['unit']})")
        else:
            counts["matched"] += 1
            for name in _disagreements(measure, figure, flat[hit]):
                counts[name] += 1
                lines.append(f"{name} of {figure['quote']}: {flat[hit][0]}")
    for i, (m, f) in enumerate(flat):
        if i not in used and not any(min(f.end, end) > max(f.start, start) for start, end in spared):
            counts["wrong"] += 1
            lines.append(f"wrong {m.kind} {f.quote} ({f.unit}): {m.subject}")
    return counts, lines


def _number(value: float | None) -> float | None:
    return None if value is None else round(float(value), 2)


def _same(
    measure: Mapping[str, Any], figure: Mapping[str, Any], start: int, end: int, pair: tuple[Measure, Figure]
) -> bool:
    m, f = pair
    return (
        m.kind == measure["kind"]
        and f.unit == figure["unit"]
        and all(_number(getattr(f, key)) == _number(figure.get(key)) for key in ("value", "min", "max"))
        and min(f.end, end) > max(f.start, start)
    )


def _disagreements(measure: Mapping[str, Any], figure: Mapping[str, Any], pair: tuple[Measure, Figure]) -> list[str]:
    m, f = pair
    day = m.deadline.isoformat() if m.deadline else None
    wanted = measure.get("condition_contains") or ""
    checks = {
        "bound": f.bound == figure["bound"],
        "previous": _number(f.previous) == _number(figure.get("previous")),
        "deadline": measure["kind"] != "target" or day == measure.get("deadline"),
        "subject": all(term in m.subject for term in measure.get("subject_terms") or ()),
        "bodies": set(m.bodies) == set(measure.get("bodies") or ()),
        "recipient": "start" in figure or (measure.get("recipient") or "") in (m.recipient or ""),
        "condition": wanted in (m.condition or ""),
    }
    return [name for name, agrees in checks.items() if not agrees]


def f1(counts: Counter[str]) -> float:
    """The harmonic mean of precision and recall over figures."""
    matched = counts["matched"]
    return 2 * matched / (2 * matched + counts["missed"] + counts["wrong"]) if matched else 0.0
