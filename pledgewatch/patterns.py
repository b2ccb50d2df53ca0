"""An operator's patterns, which choose titles. None of them can hold up the service."""

from __future__ import annotations

from collections.abc import Sequence

SECONDS = 0.2  # for one pattern and one title; an honest pattern takes microseconds


class PatternError(ValueError):
    """A pattern of the configuration that would hold up all other work."""


def matches(patterns: Sequence[str], title: str) -> bool:
    """Whether one of the operator's patterns fits. This runs in the loop: one that backtracks for ever must not."""
    if not patterns:
        return False
    import regex  # type: ignore[import-untyped]  # here: most sources name no pattern

    for pattern in patterns:
        try:
            if regex.search(pattern, title, timeout=SECONDS):
                return True
        except TimeoutError as error:
            told = f"pattern: {pattern[:80]!r} takes too long on a title; write it without one repetition in another"
            raise PatternError(told) from error
        except regex.error as error:  # a pattern of `re` that this engine reads otherwise
            raise PatternError(f"pattern: {pattern[:80]!r}: {error}") from error
    return False
