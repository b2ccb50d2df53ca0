"""Reading a page as a browser and a screen reader would, far enough to see what is wrong with it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr"}
INLINE = {"a", "span", "del", "ins", "mark", "time", "q", "strong"}


@dataclass
class Markup:
    """What a page is made of. `faults` are breaches of what every page keeps to."""

    tags: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)  # address, rel
    loaded: list[str] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    text: str = ""
    faults: list[str] = field(default_factory=list)


def read(html: str) -> Markup:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.finished()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Markup()
        self._open: list[str] = []
        self._inputs: list[str] = []
        self._scripts = 0  # that are not files
        self._labelled: set[str] = set()
        self._headings: list[int] = []
        self._named: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag != "title" or "svg" not in self._open:  # a drawing's parts have titles of their own
            self.page.tags[tag] += 1
        if "id" in given:
            self.page.ids.append(given["id"])
        self._named += given.get("aria-labelledby", "").split()
        self._look(tag, given)
        if tag not in VOID:
            self._open.append(tag)

    def _look(self, tag: str, given: dict[str, str]) -> None:
        page = self.page
        for name in given:
            if name == "style" or name.startswith("on"):
                page.faults.append(f"<{tag} {name}> is inline code")
        if tag == "a":
            page.links.append((given.get("href", ""), given.get("rel", "")))
            if "aria-current" in given:
                page.current.append(given["aria-current"])
        if tag == "link" and given.get("rel") in ("stylesheet", "icon"):
            page.loaded.append(given["href"])
        if "src" in given:
            page.loaded.append(given["src"])
        if tag in ("input", "select") and given.get("type") != "hidden":
            self._inputs.append(given.get("id", ""))
        if tag == "label":
            self._labelled.add(given.get("for", ""))
        if tag == "script" and "src" not in given:
            self._scripts += 1
        if tag == "th" and "scope" not in given:
            page.faults.append("a <th> without scope")
        if tag in ("h1", "h2", "h3", "h4"):
            self._headings.append(int(tag[1]))
        if tag == "html" and not given.get("lang"):
            page.faults.append("<html> without lang")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.page.faults.append(f"</{tag}> closes something else")
        if tag not in INLINE:
            self.page.text += " "

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("style", "script"):
            self.page.text += data

    def finished(self) -> Markup:
        page = self.page
        told = page.faults.append
        if self._open:
            told(f"never closed: {self._open}")
        for id_, count in Counter(page.ids).items():
            if count > 1:
                told(f"the id {id_} stands {count} times")
        for field_id in self._inputs:
            if field_id not in self._labelled:
                told(f"the field {field_id} has no label")
        for name in {*self._named, *self._labelled} - set(page.ids):
            told(f"the id {name} is referred to and missing")
        for once in ("h1", "main", "title"):
            if page.tags[once] != 1:
                told(f"{page.tags[once]} <{once}>")
        if page.tags["table"] != page.tags["caption"]:
            told("a table without caption")
        for before, after in zip(self._headings, self._headings[1:], strict=False):
            if after > before + 1:
                told(f"<h{after}> after <h{before}>")
        if self._scripts or page.tags["style"]:
            told("inline script or style")
        return page
