"""The address of a list's next page, from links, from the script that draws the pager, or from the query."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from lxml import html

from crawler.listing.page import Page
from crawler.listing.rows import address_in_call
from crawler.markup import squeeze
from crawler.scripts import unquoted, variables
from storage.addresses import normal_address

_NEXT_WORDS = re.compile(r"^\W{0,3}(?:下\s*一?\s*页|后\s*一?\s*页|next(?: page)?|[>›»])\W{0,3}$", re.IGNORECASE)
_PAGER_CALL = re.compile(r"\bcreatePage\w*\(([^()]{3,300})\)")
_ARGUMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[\w.$-]+")
_NUMBERED = re.compile(r"^(?P<head>.*?)(?P<number>\d+)?(?P<tail>\.\w+)?$")


def next_page(page: Page) -> str | None:
    """The address of the page after this one; None on the last page and where nothing tells."""
    return _pager_script(page) or _linked(page)


def with_query(url: str, **values: object) -> str:
    """`url` with some query parameters set, the others as they were."""
    parts = urlsplit(url)
    query = [(k, str(values.pop(k, v))) for k, v in parse_qsl(parts.query, keep_blank_values=True)]
    query += [(k, str(v)) for k, v in values.items()]
    return urlunsplit(parts._replace(query=urlencode(query)))


def query_of(url: str) -> dict[str, str]:
    """The query parameters of an address, the last of equal names."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def counted(url: str, name: str, fallback: int) -> int:
    """The number that a query parameter holds."""
    value = query_of(url).get(name, "")
    return int(value) if value.isdecimal() and len(value) < 10 else fallback


def numbered(template: str, url: str) -> str:
    """The address after `url` in a series: `template` holds {page} where the number stands.

    The first page often has no number in its address; it counts as page 1.
    """
    start, _, end = template.partition("{page}")
    middle = url[len(start) : len(url) - len(end)] if url.startswith(start) and url.endswith(end) else ""
    return f"{start}{int(middle) + 1 if middle.isdecimal() else 2}{end}"


def is_pager(page: Page) -> str | None:
    """Whose pager script draws this page: "trs" (counts from 0), "ucap" (from 1), or None."""
    found = _pager(page)
    return found[0] if found else None


def _pager(page: Page) -> tuple[str, int, int, str, str] | None:
    """(family, pages, this page's number, name, ending) as the pager script is called; the last counts."""
    for source in reversed(page.scripts):
        for call in _PAGER_CALL.findall(source):
            words = [_resolved(word, source) for word in _ARGUMENT.findall(call)]
            family = "ucap" if words and not words[0].isdecimal() else "trs"
            words = words[1:] if family == "ucap" else words
            if len(words) >= 4 and words[0].isdecimal() and words[1].isdecimal():
                return family, int(words[0][:9]), int(words[1][:9]), words[2], words[3]
        known = variables(source)
        if {"countPage", "currentPage"} <= known.keys() and (known["countPage"] + known["currentPage"]).isdecimal():
            return "trs", int(known["countPage"][:9]), int(known["currentPage"][:9]), *_own_name(page.url)
    return None


def _resolved(word: str, source: str) -> str:
    return unquoted(word) if word[0] in "\"'" or word.isdecimal() else variables(source).get(word, word)


def _own_name(url: str) -> tuple[str, str]:
    name, _, ending = urlsplit(url).path.rpartition("/")[2].rpartition(".")
    return (re.sub(r"_\d+$", "", name) or "index", ending or "html")


def _pager_script(page: Page) -> str | None:
    found = _pager(page)
    if not found:
        return None
    family, pages, number, name, ending = found
    following = number + 1
    if following >= pages + (family == "ucap"):
        return None
    return page.resolve(f"{name}_{following}.{ending.lstrip('.')}")


def _linked(page: Page) -> str | None:
    here = normal_address(page.url)
    for link in page.tree.iter("link"):
        if (link.get("rel") or "").lower() == "next" and (url := page.resolve(link.get("href") or "")):
            return url
    numbers: dict[int, str] = {}
    for element in page.tree.iter("a", "span", "li", "button"):
        words = squeeze(element.text_content())[:20] if element.tag == "a" or element.get("onclick") else ""
        title = element.get("title") or ""
        if not words and not title:
            continue
        url = _opened(element, page)
        if url and normal_address(url) != here:
            if _NEXT_WORDS.match(words) or _NEXT_WORDS.match(title):
                return url
            if words.isdecimal() and len(words) < 6 and element.tag == "a":
                numbers.setdefault(int(words), url)
    return _numbered_link(page, numbers)


def _numbered_link(page: Page, numbers: dict[int, str]) -> str | None:
    """A pager of bare numbers: the one after the number that is not linked."""
    if not numbers or (2 not in numbers and 1 not in numbers):
        return None
    current = next((n for n in range(1, max(numbers) + 1) if n not in numbers), None)
    return numbers.get((current or 1) + 1)


def _opened(element: html.HtmlElement, page: Page) -> str | None:
    for name in ("href", "tagname", "onclick", "data-href", "data-url"):
        value = (element.get(name) or "").strip()
        if not value or value.startswith("["):
            continue
        code = name == "onclick" or value.lower().startswith("javascript:")
        if url := address_in_call(value, page) if code else page.resolve(value):
            return url
    return None


def page_number_in_json(text: str, name: str) -> int | None:
    """The number that a JSON parameter holds (paramJson={"pageNo":1,"pageSize":15})."""
    try:
        value = json.loads(text.replace("'", '"')).get(name)
    except (ValueError, AttributeError, RecursionError):
        return None
    return int(value) if str(value).isdecimal() else None
