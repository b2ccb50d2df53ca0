"""Two versions of a document side by side: the difference, the measures that changed, and both as a web page."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from monitors import rules
from monitors.changes import MeasureChange, compare_measures
from monitors.difference import Block, Difference, Piece, difference, unified
from storage.documents import StoredDocument, StoredVersion

_WORDS = {
    "zh": {
        "title": "版本比对",
        "measures": "指标变化",
        "moved": "移动",
        "same": "两个版本的正文相同",
        "skipped": "略去 {n} 字",
    },
    "en": {
        "title": "Difference",
        "measures": "Measures",
        "moved": "moved",
        "same": "The two texts are the same",
        "skipped": "{n} characters left out",
    },
}

_STYLE = """
body { margin: 0 auto; max-width: 48rem; padding: 1rem; color: #1c2024; background: #fff; overflow-wrap: anywhere;
  font: 1.05rem/1.9 "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif }
h1 { font-size: 1.3rem; line-height: 1.5 }
h2 { font-size: 1.1rem }
.meta, .skip { color: #5b6570; font-size: .9rem }
.text { white-space: pre-wrap }
.hunk { border-top: 1px solid #d7dce1; padding: .75rem 0 }
del { background: #fde2e1; color: #8a1c16 }
ins { background: #d8f3df; color: #0b5a26; text-decoration: none; border-bottom: 2px solid #0b5a26 }
.moved :is(del, ins) { background: #e3ebfb; color: inherit; border: 0 }
@media (prefers-color-scheme: dark) {
  body { color: #e6e8ea; background: #15181b }
  .meta, .skip { color: #a2abb4 }
  .hunk { border-color: #3a4148 }
  del { background: #4a1f1d; color: #ffc9c5 }
  ins { background: #143a22; color: #b9f0c9; border-color: #b9f0c9 }
  .moved :is(del, ins) { background: #1d2b4a }
}
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of one document and what differs. `changes` are the changed measures in words."""

    document: StoredDocument
    older: StoredVersion
    newer: StoredVersion
    difference: Difference
    measure_changes: tuple[MeasureChange, ...]
    changes: tuple[str, ...]


def compare(document: StoredDocument, older: StoredVersion, newer: StoredVersion, language: str = "zh") -> Comparison:
    """Compare two stored versions; nothing is written."""
    changed = compare_measures(older.measures, newer.measures)
    words = tuple(rules.change_words(change, language) for change in changed)
    return Comparison(document, older, newer, difference(older.text, newer.text), changed, words)


def difference_json(comparison: Comparison) -> dict[str, Any]:
    """The comparison for scripts: changed blocks with offsets and pieces, changed measures."""
    return {
        "document": comparison.document.id,
        "versions": [comparison.older.number, comparison.newer.number],
        "measures": [_change_json(change) for change in comparison.measure_changes],
        "blocks": [_block_json(block) for block in comparison.difference.blocks if block.op != "equal"],
    }


def _change_json(change: MeasureChange) -> dict[str, Any]:
    return {
        "type": change.type,
        "fields": list(change.fields),
        "before": change.before.to_json() if change.before else None,
        "after": change.after.to_json() if change.after else None,
    }


def _block_json(block: Block) -> dict[str, Any]:
    return {
        "op": block.op,
        "before": list(block.before),
        "after": list(block.after),
        "pieces": [[piece.op, piece.text] for piece in block.pieces],
        "partner": list(block.partner) if block.partner else None,
        "rewritten": block.rewritten,
    }


def difference_page(comparison: Comparison, language: str = "zh") -> str:
    """A page of its own, without anything from elsewhere: what `diff --html` writes."""
    words = _WORDS.get(language, _WORDS["zh"])
    title = f"{words['title']}：{comparison.document.title}"
    head = f"{comparison.older.number} → {comparison.newer.number}"
    changes = "".join(f"<li>{escape(line)}</li>" for line in comparison.changes)
    listed = f"<h2>{words['measures']}</h2><ul>{changes}</ul>" if changes else ""
    hunks = "".join(_hunk_html(h.blocks, h.skipped, words) for h in unified(comparison.difference))
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="meta">{head} · {escape(comparison.document.url)}</p>{listed}'
        f"{hunks or '<p>' + words['same'] + '</p>'}</body></html>\n"
    )


def _hunk_html(blocks: tuple[Block, ...], skipped: int, words: dict[str, str]) -> str:
    note = f'<p class="skip">{words["skipped"].format(n=skipped)}</p>' if skipped else ""
    text = "".join(block_html(block, words["moved"]) for block in blocks)
    return f'<div class="hunk">{note}<div class="text">{text}</div></div>'


def block_html(block: Block, moved: str) -> str:
    """One block as HTML: <del> for what went, <ins> for what came; moved text says that it moved."""
    return "".join(_piece_html(piece, moved) for piece in block.pieces)


def _piece_html(piece: Piece, moved: str) -> str:
    told = _PIECES[piece.op].format(escape(piece.text))
    return f'<span class="moved" title="{moved}">{told}</span>' if piece.moved else told


_PIECES = {"equal": "{}", "deleted": "<del>{}</del>", "inserted": "<ins>{}</ins>"}
