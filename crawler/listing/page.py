"""One list answer with what the readers of the CMS families ask of it, each worked out once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import html

from crawler.markup import parse_html
from crawler.scripts import NO_VALUE, parse_literal

_STRAY = re.compile(r"[\t\r\n\u200b\ufeff\ud800-\udfff]")
_NOT_PAGES = re.compile(r"^(?:javascript|mailto|tel|data|about|blob|vbscript|file):", re.IGNORECASE)


@dataclass(frozen=True)
class Page:
    """A decoded answer and the address it came from."""

    text: str
    url: str

    @cached_property
    def tree(self) -> html.HtmlElement:
        return parse_html(self.text)

    @cached_property
    def scripts(self) -> tuple[str, ...]:
        """The text of the inline scripts, in page order."""
        return tuple(s.text for s in self.tree.iter("script") if s.text and s.text.strip())

    @cached_property
    def base(self) -> str:
        """What relative addresses are resolved against: the first <base href>, relative to the page."""
        href = next((b.get("href") for b in self.tree.iter("base") if b.get("href")), "")
        return joined(self.url, href) or self.url

    @cached_property
    def json(self) -> Any:
        """The answer as JSON (JSONP included), or `NO_VALUE` where it is none."""
        start = self.text.lstrip("\ufeff \t\r\n")
        if start[:1] in ("{", "["):
            return parse_literal(start, 0)[0]
        if called := re.match(r"[\w$.]{1,60}\(\s*(?=[{\[])", start):
            return parse_literal(start, called.end())[0]
        return NO_VALUE

    def resolve(self, href: str) -> str | None:
        """The absolute address that a browser would open, or None for what opens no page."""
        return joined(self.base, href)


def joined(base: str, href: str) -> str | None:
    """`href` resolved against `base`; None for anchors, scripts, templates and what cannot be an address."""
    href = _STRAY.sub("", href).strip().replace("\\", "/")
    if not href or href.startswith("#") or _NOT_PAGES.match(href) or "{{" in href or "${" in href:
        return None
    try:
        url = urljoin(base, href)
        parts = urlsplit(url)
        return url.replace(" ", "%20") if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None
