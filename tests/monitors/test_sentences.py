"""The definition of a measure, line by line: short texts with the measures that they state."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from monitors.extraction import Context, extract
from tests.monitors.scoring import agreement

SENTENCES = Path(__file__).resolve().parents[1] / "data" / "sentences"
ROWS = [
    (source.stem, json.loads(line))
    for source in sorted(SENTENCES.glob("*.jsonl"))
    for line in source.read_text("utf-8").splitlines()
    if line.strip()
]


@pytest.mark.parametrize("row", [row for _, row in ROWS], ids=[f"{source}-{row['rule']}" for source, row in ROWS])
def test_sentence(row: dict[str, Any]) -> None:
    published = date.fromisoformat(row["published_on"]) if row.get("published_on") else None
    found = extract(row["text"], Context(title=row.get("genre_title") or "", published_on=published))
    _, lines = agreement(row["text"], row["measures"], found)
    assert not lines, "\n".join(lines)
