"""What a gkmlpt page (广东) carries in `window._CONFIG.DETAIL`: the article as its script would show it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crawler.scripts import NO_VALUE, parse_literal

_DETAIL = re.compile(r"\bDETAIL\s*[:=]\s*(?=\{)")
_FIELDS = {  # of gkml_data, by field of the catalogue
    "index_number": "identifier",
    "doc_number": "document_number",
    "publisher": "publisher",
    "issued_on": "date",
}


@dataclass(frozen=True)
class Detail:
    """`content` is the body as HTML, `values` what the catalogue would print, `files` (name, address)."""

    content: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    files: tuple[tuple[str, str], ...] = ()


def detail_in(scripts: Iterable[str]) -> Detail:
    """The article of a page's scripts; an empty one where there is none."""
    for script in scripts:
        if hit := _DETAIL.search(script):
            record, _ = parse_literal(script, hit.end())
            if record is not NO_VALUE and isinstance(record, dict):
                return _detail(record)
    return Detail()


def _detail(record: Mapping[str, Any]) -> Detail:
    catalogue = record.get("gkml_data")
    cells = {**record, **catalogue} if isinstance(catalogue, dict) else record
    values = {name: str(cells[key]).strip() for name, key in _FIELDS.items() if isinstance(cells.get(key), str)}
    content = record.get("content")
    return Detail(content if isinstance(content, str) else "", values, tuple(_files(record)))


def _files(record: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key in ("attachment", "attachments"):
        rows = record.get(key)
        for row in rows if isinstance(rows, list) else ():
            url = row.get("url") or row.get("path") if isinstance(row, dict) else None
            if isinstance(url, str) and url:
                yield str(row.get("name") or row.get("title") or ""), url
