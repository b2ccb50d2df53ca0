"""HTML text to a tree, forgivingly, and the words a reader sees in it: what pages, lists and verdicts share.

White space: a line break in the source between two CJK characters is layout and vanishes (CSS Text 3, segment
break transformation); every other run of blanks, no-break and ideographic spaces included, is one space.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from cssselect import SelectorError
from lxml import etree, html
from lxml.cssselect import CSSSelector

if TYPE_CHECKING:
    from bs4.element import Tag

_CJK = "\u3000-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef“”‘’—…"
_BREAK = re.compile(rf"(?<=[{_CJK}])[ \t]*[\r\n][ \t\r\n]*(?=[{_CJK}])")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff\ud800-\udfff]+")
_GBK_BLANK = "\ue5e5"  # a full-width space of GBK that Unicode has only for private use
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ENDS = re.compile(r"</(?:html|body)\s*>", re.IGNORECASE)  # an included header may close the page it stands in
_DEEPEST, _SHALLOW = 2000, 100  # levels of nesting
_INLINE = frozenset(["a", "b", "big", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "u", "o:p"])
_UNSEEN = frozenset({"script", "style", "noscript", "template", "head", "svg"})
_HIDDEN = etree.XPath(
    "//*[not(self::body or self::html)][@hidden or contains(translate(@style, 'DISPLAYNOE ', 'displaynoe'),"
    " 'display:none')]"
)


def parse_html(text: str) -> html.HtmlElement:
    """The tree of a page or of a fragment; never raises. An empty page is an empty <html>."""
    text = _ENDS.sub("", _CONTROL.sub(" ", text))
    if text.lstrip("\ufeff \t\r\n").startswith("<?xml"):  # lxml refuses text that declares an encoding
        text = text.partition("?>")[2]
    root = _tree(text)
    return _tree(_shallow(text)) if text.count("<") > _DEEPEST and _depth(root) >= _DEEPEST else root


def _tree(text: str) -> html.HtmlElement:
    try:
        root = html.document_fromstring(text, parser=html.HTMLParser(huge_tree=True))
    except (etree.LxmlError, ValueError, AssertionError):
        return html.Element("html")
    return root if root is not None else html.Element("html")


def _depth(root: html.HtmlElement) -> int:
    depth = deepest = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    return deepest


def _shallow(text: str) -> str:
    """The page with its nesting cut, and all of its text.

    libxml2 drops what lies deeper than about 2,045 levels, and an editor that never closes its <font> gets there with
    a long document. BeautifulSoup's own parser has no such limit; it takes ten times as long, so only these pages
    are given to it. Below `_SHALLOW` levels elements are left out and only their text is kept, line by line.
    """
    from bs4 import BeautifulSoup  # here: hardly a page needs it, and it takes 60 ms to load
    from bs4.element import NavigableString, Tag

    depths: dict[int, int] = {}
    written: list[str] = []
    open_tags: list[str] = []
    for node in BeautifulSoup(text, "html.parser").descendants:
        depth = depths.get(id(node.parent), 0)
        while len(open_tags) > depth:
            written.append(f"</{open_tags.pop()}>")
        if isinstance(node, Tag):
            depths[id(node)] = depth + 1 if depth < _SHALLOW else depth
            if depth < _SHALLOW:
                written.append(_start_tag(node))
                open_tags += [node.name] * (not node.is_empty_element)
            elif node.name not in _INLINE:
                written.append("<br>")
        elif type(node) is NavigableString:
            written.append(escape(node))
    return "".join(written)


def _start_tag(tag: Tag) -> str:
    pairs = ((name, " ".join(v) if isinstance(v, list) else v or "") for name, v in tag.attrs.items())
    return f"<{tag.name}" + "".join(f' {name}="{escape(value)}"' for name, value in pairs) + ">"


def hidden_elements(root: html.HtmlElement) -> list[html.HtmlElement]:
    """The elements that the markup itself hides (hidden, display:none), in page order, inner ones too."""
    return list(_HIDDEN(root))


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
    return squeeze(" ".join(parts))


def select(node: html.HtmlElement, selector: str) -> list[html.HtmlElement]:
    """The elements inside `node` that a CSS selector names, in page order. ValueError for what is no selector."""
    return list(_compiled(selector)(node))


@lru_cache(maxsize=256)
def _compiled(selector: str) -> CSSSelector:
    try:
        return CSSSelector(selector, translator="html")
    except (SelectorError, etree.XPathError) as error:
        raise ValueError(f"not a CSS selector: {selector} ({error})") from None


def squeeze(text: str) -> str:
    """Text with each run of white space as one space, none at the ends, and nothing invisible in it."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text).replace(_GBK_BLANK, " ")
        if "\n" in text or "\r" in text:
            text = _BREAK.sub("", text)
    return " ".join(text.split())


def bare(text: str) -> str:
    """Text without any white space: what labels and titles are compared by."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text).replace(_GBK_BLANK, "")
    return "".join(text.split())
