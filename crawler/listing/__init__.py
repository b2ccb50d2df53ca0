"""List pages: which documents a page names, where its next page is, and whose CMS made it.

The families and the order in which they are told apart follow what saved pages of government sites show: an
address alone never tells a CMS.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from crawler.addresses import host_of
from crawler.encoding import decode_with_evidence
from crawler.listing import families
from crawler.listing.paging import next_page, numbered
from crawler.listing.records import row_at, value_at
from crawler.listing.rows import Answer, selected_rows
from crawler.markup import parse_html, select
from storage.addresses import normal_address
from storage.records import ListItem, ListPage

_PATH = re.compile(r"[\w$-]+(?:\.[\w$-]+)*")

_MIN_FOREIGN = 3  # rows of another column that show a page to be another list; fewer may be links elsewhere
_DAY_FOLDERS = re.compile(r"(?:/(?:19|20)\d{2}(?:-?\d{2}){0,2}|/\d{1,2})+$")
TITLE_LIMIT = 500  # characters; what is longer is a page's text and no row's title

__all__ = ["CMS_NAMES", "ListRules", "Overlap", "read_list", "same_rows"]


@dataclass(frozen=True, slots=True)
class ListRules:
    """What an operator says about a list where detection is wrong; all of it may be left out.

    `item`, `title`, `link` and `date` are CSS selectors (title, link and date inside of an item), or, for a
    JSON answer, dotted paths: `item` to the array ("data.list"), the others inside of a record. `next` is a
    CSS selector of the link or an address with {page}. `expect` is how many items the page has at least.
    """

    cms: str = "auto"
    item: str | None = None
    title: str | None = None
    link: str | None = None
    date: str | None = None
    next: str | None = None
    expect: int | None = None

    def __post_init__(self) -> None:
        """ValueError for an unknown CMS or a selector that is neither CSS nor a path: refused before use."""
        if self.cms not in CMS_NAMES:
            raise ValueError(f"list.cms: {self.cms!r} is none of {', '.join(sorted(CMS_NAMES))}")
        for key in ("item", "title", "link", "date", "next"):
            rule = getattr(self, key)
            if rule and not _PATH.fullmatch(rule) and "{page}" not in rule:
                try:
                    select(parse_html(""), rule)
                except ValueError as error:
                    raise ValueError(f"list.{key}: {error}") from None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How a page's rows stand to those of the page before: `shared` were there, `fresh` were not.

    `foreign`: all of them stand in other columns than the rows before.
    """

    shared: int
    fresh: int
    foreign: bool = False

    @property
    def repeats(self) -> bool:
        """The second page is the first again (?pageNum= that the server ignores): paging does not work."""
        return self.fresh == 0


Reader = Callable[[Answer], ListPage | None]
# In the order of detection, each with the names of `ListRules.cms` that let it try.
_READERS: tuple[tuple[Reader, str], ...] = (
    (families.read_datastore, "jcms"),
    (families.read_feed, "feed"),
    (families.read_json, "json gkmlpt jpaas ucap govcn"),
    (families.read_gkmlpt, "gkmlpt"),
    (families.read_script, "script ucap"),
    (families.read_channel, "ucap"),
    (families.read_comment, "ucap"),
    (families.read_unit_page, "jpaas"),
    (families.read_html, "plain trs post boda jcms gkmlpt jpaas ucap govcn"),
)
CMS_NAMES = frozenset({"auto"}.union(*(names.split() for _, names in _READERS)))


def read_list(body: bytes, url: str, content_type: str | None = None, rules: ListRules = ListRules()) -> ListPage:
    """The rows of a list page or of a list interface's answer, in page order; never raises on any bytes.

    `url` is where the body came from after redirects. Rows have full titles, absolute addresses and the day
    printed beside them (else the day in the address, else None); an address comes once. `next` is None on the
    last page. Warnings tell where reading was uncertain.
    """
    decoded = decode_with_evidence(body, content_type)
    page = Answer(decoded.text, url if host_of(url) else "")
    found = _by_rules(page, rules) if rules.item else _by_detection(page, rules.cms)
    found = replace(found, items=_once(found.items))
    if rules.next:
        found = replace(found, next=_ruled_next(page, rules.next))
    return replace(found, warnings=(*found.warnings, *_warnings(found, rules, decoded.certain)))


def same_rows(first: ListPage, second: ListPage) -> Overlap:
    """Page 2 held against page 1: neighbours may share rows, but a page without fresh ones repeats.

    The address of a further page is often a guess (a number raised by one); what answers there need not be this list.
    """
    known = {normal_address(item.url) for item in first.items}
    shared = sum(normal_address(item.url) in known for item in second.items)
    columns = Counter(_column(item.url) for item in first.items)
    # A list that gathers rows of many columns tells nothing by them.
    one_column = bool(columns) and max(columns.values()) >= 0.8 * columns.total()
    foreign = len(second.items) >= _MIN_FOREIGN and not any(_column(item.url) in columns for item in second.items)
    return Overlap(shared, len(second.items) - shared, one_column and foreign)


def _column(url: str) -> str:
    """Where a document's address says that it stands: its folder without days and numbers of documents.

    >>> _column("https://mzj.gov.cn/zwgk/tzgg/202508/t20250812_31001.shtml")
    'mzj.gov.cn/zwgk/tzgg'
    >>> _column("https://mzj.gov.cn/art/2025/8/11/art_1229123456_5540001.html")
    'mzj.gov.cn/art/art_1229123456'
    """
    parts = urlsplit(normal_address(url))
    folder, _, name = parts.path.rpartition("/")
    if art := re.match(r"art_\d+(?=_\d)", name):
        return f"{parts.netloc}{_DAY_FOLDERS.sub('', folder)}/{art[0]}"
    if name.startswith(("post_", "mpost_")):
        folder = re.sub(r"(?<=/content)(?:/\d+)+$", "", folder)
    return parts.netloc + _DAY_FOLDERS.sub("", folder)


def _by_detection(page: Answer, cms: str) -> ListPage:
    found = (reader(page) for reader, names in _READERS if cms == "auto" or cms in names.split())
    return next((listing for listing in found if listing), ListPage("plain", ()))


def _by_rules(page: Answer, rules: ListRules) -> ListPage:
    cms = "rules" if rules.cms == "auto" else rules.cms
    if isinstance(page.json, dict | list):
        records = value_at(page.json, rules.item or "")
        found = (
            row_at(record, page, rules.title or "title", rules.link or "url", rules.date or "")
            for record in (records if isinstance(records, list) else ())
        )
        return ListPage(cms, tuple(row for row in found if row))
    rows = selected_rows(page, rules.item or "", rules.title, rules.link, rules.date)
    return ListPage(cms, families.items(rows), next_page(page))


def _ruled_next(page: Answer, rule: str) -> str | None:
    if "{page}" in rule:
        return numbered(page.resolve(rule) or rule, page.url)
    link = next(iter(select(page.tree, rule)), None)
    return page.resolve(link.get("href") or "") if link is not None else None


def _once(rows: tuple[ListItem, ...]) -> tuple[ListItem, ...]:
    """Rows without those whose address came before; of two titles the longer, of the dates the known one."""
    kept: dict[str, ListItem] = {}
    for row in rows:
        key = normal_address(row.url)
        if len(row.title) > TITLE_LIMIT:
            row = replace(row, title=row.title[:TITLE_LIMIT])
        before = kept.get(key)
        if before is None:
            kept[key] = row
        elif len(row.title) > len(before.title):
            kept[key] = replace(before, title=row.title, date=before.date or row.date)
    return tuple(kept.values())


def _warnings(found: ListPage, rules: ListRules, certain: bool) -> tuple[str, ...]:
    cut = sum(item.title.endswith(("...", "…")) for item in found.items)
    told = (
        (not certain, "the encoding is uncertain"),
        (cut > 0, f"{cut} titles are cut on the page"),
        (not found.items and not found.api, "no rows found"),
        (
            rules.expect is not None and len(found.items) < rules.expect,
            f"{len(found.items)} rows, expected {rules.expect}",
        ),
    )
    return tuple(words for holds, words in told if holds)
