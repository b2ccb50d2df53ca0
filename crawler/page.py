"""The text of a page → a tree that holds what a reader could see, and the lines of its elements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, urljoin, urlsplit

from lxml import etree
from lxml.html import HtmlElement

from crawler.kinds import UnreadableFile
from crawler.markup import hidden_elements, parse_html, squeeze

BODY_MARK = "data-marked-body"  # set on the element that stands for a body between two comments
BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dir", "div"),
        *("dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6"),
        *("header", "hgroup", "hr", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary"),
        *("table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
        *("ucapcontent", "ucaptitle", "founder-content", "founder-title"),
    )
)
_BODY_COMMENTS = ("ZJEG_RSS.content.", "[信息内容]>")
_DROPPED = ("script", "style", "noscript", "template", "svg", "canvas", "audio", "video", "map", "math")
_FIELDS = frozenset(("title", "select", "option", "button", "input", "textarea", "object", "iframe", "embed"))
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "ucaptitle", "founder-title"))
_HEADING_NAME = re.compile(r"title|biaoti|^bt$|^tit$|headline", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """One line of a page. `linked`: all of it is the text of links; `heading`: the template marks it as a heading."""

    text: str
    linked: bool = False
    heading: bool = False


@dataclass(frozen=True)
class Page:
    """A parsed page: the tree without scripts, comments and hidden parts, which are kept beside it."""

    root: HtmlElement
    url: str
    scripts: tuple[str, ...]
    hidden: tuple[HtmlElement, ...]
    whole_title: str  # of <title>

    @cached_property
    def base(self) -> str:
        """What relative addresses count from: `<base href>` where it is a web address, else the page's own."""
        href = next((b.get("href") for b in self.root.iter("base") if b.get("href")), "")
        base = resolve(self.url, href or "")
        return base if base.startswith(("http:", "https:")) else self.url

    @cached_property
    def metas(self) -> dict[str, str]:
        """Head tags by lower-case name; of duplicates the first that says something."""
        found: dict[str, str] = {}
        for meta in self.root.iter("meta"):  # malformed heads push them into the body
            name = (meta.get("name") or meta.get("property") or "").strip().lower()
            content = squeeze(meta.get("content") or "")
            if name and content:
                found.setdefault(name, content)
        return found


def resolve(base: str, href: str) -> str:
    """`href` as a browser would resolve it; "" for what is no address."""
    try:
        return urljoin(base, href.strip().replace("\\", "/"))
    except ValueError:
        return ""


def split_address(url: str) -> SplitResult:
    """The parts of an address; all empty for what cannot be split (http://[bad/)."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def parse_page(text: str, url: str) -> Page:
    """Read the text of a page. Raises UnreadableFile where there is no element in it."""
    root = parse_html(text)
    if len(root) == 0 and not root.text:
        raise UnreadableFile("holds no page", url, "look at the stored answer")
    _mark_bodies(root)
    title = squeeze("".join(next((t.itertext() for t in root.iter("title")), iter(()))))
    scripts = tuple(s.text for s in root.iter("script") if s.text)
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    etree.strip_elements(root, *_DROPPED, with_tail=False)
    _open_buttons(root)
    return Page(root, url, scripts, tuple(_take_hidden(root)), title)


def _open_buttons(root: HtmlElement) -> None:
    """`<button … />` is never closed: libxml2 keeps the rest of the page inside, browsers end it with its form."""
    for button in list(root.iter("button", "select", "option")):
        if next((e for e in button.iterdescendants(etree.Element) if e.tag in BLOCKS), None) is not None:
            button.drop_tag()


def _take_hidden(root: HtmlElement) -> Iterator[HtmlElement]:
    for element in hidden_elements(root):
        if element.getparent() is not None:
            element.drop_tree()
            yield element


def _mark_bodies(root: HtmlElement) -> None:
    """JCMS puts the body between two comments, whatever the template around them: make it an element."""
    for comment in list(root.iter(etree.Comment)):
        mark = next((m for m in _BODY_COMMENTS if f"{m}begin" in (comment.text or "")), None)
        if mark is None or comment.getparent() is None:
            continue
        inside: list[HtmlElement] = []
        for sibling in comment.itersiblings():
            if sibling.tag is etree.Comment and f"{mark}end" in (sibling.text or ""):
                _wrap(comment, inside)
                break
            inside.append(sibling)


def _wrap(comment: HtmlElement, inside: list[HtmlElement]) -> None:
    text, comment.tail = comment.tail, None
    body = etree.SubElement(comment.getparent(), "div", {BODY_MARK: "1"})
    comment.addnext(body)
    body.text = text
    for element in inside:
        body.append(element)  # moves it with its tail


Replace = Callable[[HtmlElement], "list[Line] | None"]


def lines_of(element: HtmlElement, replace: Replace | None = None) -> list[Line]:
    """The lines of an element as a reader sees them: one for each block and after each br; inline tags join.

    `replace` may give other lines for an element inside (a table, a list of related news); None leaves it as it
    is. Form fields and embedded things have no text.
    """
    if not len(element) and element.tag != "a":  # most cells of a table
        text = squeeze(element.text or "")
        return [Line(text, heading=is_heading(element))] if text else []
    writer = _Writer()
    walker = etree.iterwalk(element, events=("start", "end"))
    skipped: HtmlElement | None = None
    for event, node in walker:
        inner = node is not element
        if event == "start":
            lines = [] if inner and node.tag in _FIELDS else replace(node) if inner and replace else None
            if lines is None:
                writer.open(node)
                continue
            writer.put(lines, node.tag in BLOCKS)
            skipped = node
            walker.skip_subtree()
            continue
        if node is skipped:
            skipped = None
        else:
            writer.close(node)
        if inner and node.tail:
            writer.text(node.tail)
    return writer.finish()


def is_heading(node: HtmlElement) -> bool:
    """Whether the template marks an element as a heading, by its tag or its name."""
    if node.tag in _HEADINGS:
        return True
    names = f"{node.get('class') or ''} {node.get('id') or ''}"
    return names != " " and any(_HEADING_NAME.search(name) for name in names.split())


class _Writer:
    """Gathers text pieces into lines; knows how deep it stands in links and headings."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._pieces: list[str] = []
        self._links = self._headings = 0
        self._plain = False  # the line holds text outside links

    def open(self, node: HtmlElement) -> None:
        if node.tag in BLOCKS or node.tag == "br":
            self._end_line()
        self._links += node.tag == "a"
        self._headings += is_heading(node)
        if node.text:
            self.text(node.text)

    def close(self, node: HtmlElement) -> None:
        if node.tag in BLOCKS:
            self._end_line()
        self._links -= node.tag == "a"
        self._headings -= is_heading(node)

    def text(self, text: str) -> None:
        self._pieces.append(text)
        self._plain = self._plain or (not self._links and not text.isspace())

    def put(self, lines: list[Line], block: bool) -> None:
        if block:
            self._end_line()
        self.lines.extend(lines)

    def finish(self) -> list[Line]:
        self._end_line()
        return self.lines

    def _end_line(self) -> None:
        text = squeeze("".join(self._pieces))
        if text:
            self.lines.append(Line(text, linked=not self._plain, heading=self._headings > 0))
        self._pieces.clear()
        self._plain = False
