"""Looking at a source without keeping anything: one list page, one document."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from crawler.fetch import Fetcher
from crawler.files import UnreadableFile
from crawler.listing import read_list, same_rows
from pledgewatch.lists import is_document, list_rules, wanted
from pledgewatch.mistakes import explain
from pledgewatch.patterns import PatternError
from pledgewatch.pipeline import request_for, send
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
        capture, page = await _list_page(fetcher, source, source.url)
        if capture.outcome != "ok":
            return Probe(source.id, error=f"list: {capture.reason}")
        if is_document(source, capture, page):
            return _with_document(Probe(source.id, "document"), source, capture)
        found = Probe(source.id, page.cms, page.items, page.next, warnings=(*page.warnings, *_noted(capture)))
        if not page.items:
            return _but(found, "no rows were found; name them with `list` in the source's table")
        try:
            chosen = wanted(source, page.items)
        except PatternError as error:
            return _but(found, str(error))
        if not chosen:
            return _but(found, "include, exclude and hosts let none of the rows through")
        found = await _with_second_page(fetcher, source, page, found)
        first = await fetcher.fetch(request_for(source, chosen[0].url, "document"))
        if first.outcome != "ok":
            return _but(found, f"{first.url}: {first.reason}")
        return _with_document(found, source, first)


async def _list_page(fetcher: Fetcher, source: Source, url: str) -> tuple[Capture, ListPage]:
    capture = await send(fetcher, request_for(source, url, "list"), url)
    page = _rows(source, capture)
    if page.api and not page.items:
        capture = await send(fetcher, request_for(source, page.api, "list"), page.api)
        page = _rows(source, capture)
    return capture, page


async def _with_second_page(fetcher: Fetcher, source: Source, first: ListPage, found: Probe) -> Probe:
    """The next page's address is believed once that page was read: it may be a guess."""
    doubt, page = "", first
    for _ in range(2):  # where counting begins at another number, the first guess is the first page once more
        if page.next is None:
            break
        capture, page = await _list_page(fetcher, source, page.next)
        known = same_rows(first, page)
        if capture.outcome != "ok":
            doubt = f"cannot be read: {capture.reason}"
        elif known.foreign:
            doubt = "shows the rows of another list"
        elif known.repeats:
            doubt = "has no other rows than the first"
        else:
            return found
        if not known.repeats:
            break
    if not doubt:
        return found
    told = f"the next page, {first.next}, {doubt}; name it with `paging` in the source's table"
    return replace(found, next=None, warnings=(*found.warnings, told))


def _rows(source: Source, capture: Capture) -> ListPage:
    if capture.outcome != "ok":
        return ListPage("none", ())
    return read_list(capture.body, capture.final_url, content_type(source, capture.headers), list_rules(source))


def _with_document(found: Probe, source: Source, capture: Capture) -> Probe:
    original = Original(capture.body, capture.final_url, content_type(source, capture.headers))
    try:
        reading = measure(read_page(original, detail_rules(source)), source.region)
    except UnreadableFile as error:
        return _but(found, f"{capture.url}: {error}")
    warnings = tuple(dict.fromkeys((*found.warnings, *_noted(capture), *reading.document.warnings)))
    return Probe(found.source, found.cms, found.items, found.next, reading.document, reading.measures, None, warnings)


def _noted(capture: Capture) -> tuple[str, ...]:
    """What was remarkable about an answer that is good."""
    return (capture.reason,) if capture.reason else ()


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
    """mzj.wuhan.gov.cn → wuhan-mzj, the way the names of bureaus are read.

    A number and www.gov.cn name nobody: there the path does (…/zhengce/list.html → zhengce), and at last source-1.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    numbered = host == "localhost" or ":" in host or host.replace(".", "").isdigit()
    labels = [] if numbered else [x for x in host.split(".") if x not in ("www", "gov", "cn", "com", "org")]
    stem = _slug(reversed(labels)) or _slug(_telling(parts.path))
    if not stem:
        return next(name for n in range(1, len(taken) + 2) if (name := f"source-{n}") not in taken)
    return next(name for n in range(1, len(taken) + 3) if (name := stem if n == 1 else f"{stem}-{n}") not in taken)


def _telling(path: str) -> list[str]:
    """The last two parts of a path that say what lies there; the files of all lists are called the same."""
    names = [PurePosixPath(part).stem for part in path.split("/") if part]
    return [name for name in names if re.search("[A-Za-z]{2}", name) and not _SAME.fullmatch(name)][-2:] or names[-1:]


_SAME = re.compile(r"(?:index|list|default|col|art)[\d_-]*", re.IGNORECASE)


def _slug(names: Iterable[str]) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(names)).strip("-")[:48].strip("-")


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
