"""HTML text to a tree, forgivingly, and the words a reader sees in it."""

from __future__ import annotations

import re
from functools import lru_cache

from cssselect import SelectorError
from lxml import etree, html
from lxml.cssselect import CSSSelector

_UNSEEN = frozenset({"script", "style", "noscript", "template", "head", "svg"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_SPACE = re.compile(r"\s+")


def parse_html(text: str) -> html.HtmlElement:
    """The tree of a page or of a fragment; never raises. An empty page is an empty <html>."""
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:
        root = html.document_fromstring(_CONTROL.sub(" ", text).encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError):
        return html.Element("html")
    return root if root is not None else html.Element("html")


def visible_text(node: html.HtmlElement) -> str:
    """The words of an element as a reader sees them, white space folded; scripts, styles, <head> left out."""
    parts: list[str] = []
    hidden: html.HtmlElement | None = None
    for event, element in etree.iterwalk(node, events=("start", "end", "comment", "pi")):
        if event == "start":
            if hidden is None and element.tag in _UNSEEN and element is not node:
                hidden = element
            elif hidden is None and element.text:
                parts.append(element.text)
        elif element is hidden:
            hidden = None
        if event != "start" and hidden is None and element is not node and element.tail:
            parts.append(element.tail)
    return fold(" ".join(parts))


def select(node: html.HtmlElement, selector: str) -> list[html.HtmlElement]:
    """The elements inside `node` that a CSS selector names, in page order. ValueError for what is no selector."""
    return list(_compiled(selector)(node))


@lru_cache(maxsize=256)
def _compiled(selector: str) -> CSSSelector:
    try:
        return CSSSelector(selector, translator="html")
    except (SelectorError, etree.XPathError) as error:
        raise ValueError(f"{selector!r} is no CSS selector: {error}") from None


def fold(text: str) -> str:
    """White space folded to single blanks, none at the ends."""
    return _SPACE.sub(" ", text).strip()
