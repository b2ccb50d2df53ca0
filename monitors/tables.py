"""Figures in tables: a run of lines whose cells are joined by bars."""

from __future__ import annotations


def is_row(text: str, start: int, end: int) -> bool:
    """Whether the line `text[start:end]` is a row of a table."""
    return "|" in text[start : min(end, start + 4000)]
