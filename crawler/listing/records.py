"""Rows out of JSON: the answers of list interfaces and the arrays that pages carry in scripts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from crawler.dates import find_date, parse_date
from crawler.listing.page import Page
from crawler.markup import squeeze
from crawler.scripts import NO_VALUE, literals
from storage.records import ListItem

# Keys in the order in which they are believed; letter case, "_" and "-" do not count.
_TITLES = ("title", "doctitle", "articletitle", "infotitle", "showtitle", "subject", "topic", "name", "mc")
_ADDRESSES = (
    *("url", "docpuburl", "puburl", "pcurl", "articleurl", "linkurl", "infourl", "detailurl", "docurl"),
    *("weburl", "posturl", "gkmlurl", "href", "link", "urls", "path"),
)
# The day that is shown to readers comes before days of saving: gkmlpt's publish_time moves with each rebuild.
_DAYS = (
    *("displaypublishtime", "pubdate", "publishdate", "pubtime", "publishtime", "publishedtimestr"),
    *("publishedtime", "docreltime", "docrelpubtime", "reltime", "firstpublishtime", "pubdatestr"),
    *("pubtimestr", "releasetime", "releasedate", "ptime", "fbsj", "date", "showdate", "time", "crtime"),
    *("createtime", "createdat", "createdate", "inputtime", "updatetime"),
)
_CHANNEL = frozenset({"children", "childCount", "parentId", "channelType"})  # marks of a menu's entries
_INNER = ("source", "_source", "doc", "article", "data")  # a hit of a search engine wraps the row
_TAG = re.compile(r"<[^<>]{0,300}>")
_MAX_LISTS = 2000


def best_rows(value: Any, page: Page) -> tuple[ListItem, ...]:
    """The rows of the array in `value` that looks most like a list of documents; () where none does."""
    candidates = (rows_of(array, page) for array in _arrays(value))
    return max(candidates, key=_weight, default=())


def script_rows(page: Page) -> tuple[ListItem, ...]:
    """The rows of the best array in the page's scripts; navigation has no dates and does not count."""
    best: tuple[ListItem, ...] = ()
    for source in page.scripts:
        if not re.search(r"title|TITLE|Title", source):
            continue
        for literal in literals(source):
            rows = best_rows(literal, page)
            if sum(r.date is not None for r in rows) * 2 > len(rows) and _weight(rows) > _weight(best):
                best = rows
    return best


def rows_of(records: Sequence[Any], page: Page) -> tuple[ListItem, ...]:
    """One row for each record that has a title and an address."""
    rows = (_row(record, page) for record in records)
    return tuple(row for row in rows if row)


def value_at(value: Any, path: str) -> Any:
    """What stands at a dotted path (data.list.0.url); `NO_VALUE` where it leads nowhere. "" is all of it."""
    for step in filter(None, path.split(".")):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return NO_VALUE
    return value


def row_at(record: Any, page: Page, title: str, url: str, day: str) -> ListItem | None:
    """The row of a record whose title, address and date stand at the given paths."""
    address = page.resolve(address_text(value_at(record, url)))
    words = title_text(value_at(record, title))
    found = day_of(value_at(record, day)) if day else None
    return ListItem(words, address, found) if address and words else None


def title_text(value: Any) -> str:
    """A title without the marks that search engines and editors leave in it."""
    return squeeze(html.unescape(_TAG.sub("", value))) if isinstance(value, str) else ""


def address_text(value: Any) -> str:
    """An address out of a string, a JSON string or an object of addresses per device ({"pc": "/…"})."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return ""
    if isinstance(value, dict):
        value = next((v for k in ("pc", "common", "url", "www", "wap", "mobile") if (v := value.get(k))), "")
    return html.unescape(value) if isinstance(value, str) else ""


def day_of(value: Any) -> date | None:
    """The day of a JSON value: printed, or a timestamp in seconds or milliseconds."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(int(value)) if isinstance(value, float) and abs(value) < 1e15 else str(value)
    return parse_date(text) or (find_date(text) if isinstance(value, str) else None)


def _row(record: Any, page: Page) -> ListItem | None:
    if not isinstance(record, dict) or _CHANNEL & record.keys():
        return None
    fields = {re.sub(r"[_-]", "", k).lower(): v for k, v in reversed(record.items()) if isinstance(k, str)}
    title = next((t for k in _TITLES if (t := title_text(fields.get(k)))), "")
    address = next((a for k in _ADDRESSES if (a := page.resolve(address_text(fields.get(k))))), None)
    if title and address:
        return ListItem(title, address, next((d for k in _DAYS if (d := day_of(fields.get(k)))), None))
    wrapped = next((record[k] for k in _INNER if isinstance(record.get(k), dict)), None)
    return _row(wrapped, page) if wrapped else None


def _arrays(value: Any) -> Iterator[list[Any]]:
    """Every array of objects inside `value`, the outer ones first."""
    waiting: list[Any] = [value]
    for _ in range(_MAX_LISTS):
        if not waiting:
            return
        value = waiting.pop(0)
        if isinstance(value, list):
            if value and isinstance(value[0], dict):
                yield value
            waiting += [v for v in value if isinstance(v, dict | list)]
        elif isinstance(value, dict):
            waiting += [v for v in value.values() if isinstance(v, dict | list)]


def _weight(rows: Sequence[ListItem]) -> float:
    return sum((2.0 if r.date else 1.0) * (0.3 + min(len(r.title), 30) / 30) for r in rows)
