"""Looking at a source without keeping anything: one list page, one document."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from crawler.fetch import Fetch, Fetcher
from crawler.files import UnreadableFile
from crawler.listing import read_list
from pledgewatch.mistakes import explain
from pledgewatch.passes import is_document, list_rules, wanted
from pledgewatch.reading import Original, content_type, detail_rules, measure, read_page
from pledgewatch.releases import region_of
from pledgewatch.settings import Settings, Source, config_file, parse_settings
from pledgewatch.work import crawl_policy
from storage.addresses import normal_address
from storage.records import Capture, Document, ListItem, ListPage, Measure


@dataclass(frozen=True, slots=True)
class Probe:
    """What one list page and one document of a source would give. `error` says why there is less."""

    source: str
    cms: str = ""
    items: tuple[ListItem, ...] = ()
    next: str | None = None
    document: Document | None = None
    measures: tuple[Measure, ...] = ()
    error: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.document.title if self.document else ""

    def to_json(self) -> dict[str, Any]:
        rows = [{"title": i.title, "url": i.url, "date": i.date.isoformat() if i.date else None} for i in self.items]
        return {
            "source": self.source,
            "cms": self.cms,
            "items": rows,
            "next": self.next,
            "document": self.document.to_json() if self.document else None,
            "measures": [m.to_json() for m in self.measures],
            "warnings": list(self.warnings),
            "error": self.error,
        }


async def probe(settings: Settings, source: Source) -> Probe:
    """Fetch a source's list page and its first document and read both. Never raises for what a site does."""
    async with Fetcher(crawl_policy(settings)) as fetcher:
        capture, page = await _list_page(fetcher, source)
        if capture.outcome != "ok":
            return Probe(source.id, error=f"list: {capture.reason}")
        if is_document(source, capture, page):
            return _with_document(Probe(source.id, "document"), source, capture)
        found = Probe(source.id, page.cms, page.items, page.next, warnings=page.warnings)
        if not page.items:
            return Probe(source.id, page.cms, error="no rows were found; name them with `list` in the source's table")
        chosen = wanted(source, page.items)
        if not chosen:
            return _but(found, "include, exclude and hosts let none of the rows through")
        first = await fetcher.fetch(_fetch(source, chosen[0].url, "document"))
        if first.outcome != "ok":
            return _but(found, f"{first.url}: {first.reason}")
        return _with_document(found, source, first)


async def _list_page(fetcher: Fetcher, source: Source) -> tuple[Capture, ListPage]:
    capture = await fetcher.fetch(_fetch(source, source.url, "list"))
    page = _rows(source, capture)
    if page.api and not page.items:
        capture = await fetcher.fetch(_fetch(source, page.api, "list"))
        page = _rows(source, capture)
    return capture, page


def _rows(source: Source, capture: Capture) -> ListPage:
    if capture.outcome != "ok":
        return ListPage("none", ())
    return read_list(capture.body, capture.final_url, content_type(source, capture.headers), list_rules(source))


def _fetch(source: Source, url: str, expects: Any) -> Fetch:
    return Fetch(url=url, source=source.id, expects=expects, delay=source.delay, tls=source.tls)


def _with_document(found: Probe, source: Source, capture: Capture) -> Probe:
    original = Original(capture.body, capture.final_url, content_type(source, capture.headers))
    try:
        reading = measure(read_page(original, detail_rules(source)), source.region)
    except UnreadableFile as error:
        return _but(found, f"{capture.url}: {error}")
    warnings = (*found.warnings, *reading.document.warnings)
    return Probe(found.source, found.cms, found.items, found.next, reading.document, reading.measures, None, warnings)


def _but(found: Probe, error: str) -> Probe:
    return Probe(found.source, found.cms, found.items, found.next, error=error, warnings=found.warnings)


# --- a new table -----------------------------------------------------------------------------------------------


def new_source(settings: Settings, url: str, id_: str | None) -> Source:
    """A source with only an id and a URL. ValueError where the address or id cannot be used."""
    taken = {source.id for source in settings.sources}
    same = [s.id for s in settings.sources if normal_address(s.url) == normal_address(url)]
    if same:
        raise ValueError(f'this address is watched already: source "{same[0]}"')
    try:
        chosen = id_ or _free_id(url, taken)
        source = Source(id=chosen, url=url)
    except ValidationError as error:
        raise ValueError("; ".join(explain(e, Source) for e in error.errors())) from error
    if chosen in taken:
        raise ValueError(f'the id "{chosen}" is taken; choose another with --id')
    return source


def _free_id(url: str, taken: set[str]) -> str:
    """mzj.wuhan.gov.cn → wuhan-mzj, the way the names of bureaus are read; a number names nobody: source-1."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or ":" in host or host.replace(".", "").isdigit():
        return next(name for n in range(1, len(taken) + 2) if (name := f"source-{n}") not in taken)
    labels = [x for x in (host or "source").split(".") if x not in ("www", "gov", "cn", "com", "org")]
    stem = re.sub(r"[^A-Za-z0-9-]", "-", "-".join(reversed(labels))).strip("-")[:48] or "source"
    return next(name for n in range(1, len(taken) + 3) if (name := stem if n == 1 else f"{stem}-{n}") not in taken)


def source_table(source: Source, found: Probe) -> str:
    """The TOML table of a probed source."""
    lines = ["[[sources]]", f"id = {_quoted(source.id)}", f"url = {_quoted(source.url)}"]
    name = found.document.publisher if found.document and found.document.publisher else ""
    if name:
        lines.append(f"name = {_quoted(name)}")
    if found.document and (region := region_of(source, found.document)):
        lines.append(f"region = {_quoted(region)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    # JSON's string is a TOML basic string, but for DEL, which JSON leaves bare.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def append_table(config: str | None, table: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Append a table to the configuration file, after checking that the whole still reads. Where it now stands."""
    path = config_file(config, environ)
    before = path.read_text("utf-8-sig")
    added = ("\n" if before and not before.endswith("\n") else "") + "\n" + table
    parse_settings(before + added, str(path), environ)
    with path.open("ab") as file:  # what stands there, byte order mark and line ends included, is not touched
        file.write(added.encode())
    return path
