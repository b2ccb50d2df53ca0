"""Rows out of HTML by structure: the block of like siblings that holds links to documents and their dates."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, lru_cache
from itertools import islice
from urllib.parse import urlsplit

from lxml import etree, html

from crawler.addresses import same_site
from crawler.dates import find_date, find_stacked_date, parse_date
from crawler.listing.page import Page
from crawler.markup import hidden_elements, parse_html, select, squeeze
from crawler.scripts import written_html
from storage.addresses import normal_address
from storage.records import ListItem

_FURNITURE = re.compile(
    r"^(?:首\s*页|尾\s*页|末\s*页|(?:上|下|前|后)\s*一?\s*页|第?一页|最后一页|返回(?:首页|顶部|上级)?|更多.{0,3}|more|查看(?:更多|详情|全文)?"
    r"|详[细情](?:信息|内容)?|阅读全文|(?:(?:文字|图文|图片|视频|音频|动漫|动画|专家|媒体|政策|文件|负责人|一图)(?:版)?(?:解读|读懂|图解))|\[?打印\]?|关闭|分享|收藏|登录|注册|搜索|下载|点击(?:查看|下载)?|政策解读|文件解读|图文解读|图解|解读|相关解读|原文"
    r"|政策原文|网站地图|联系我们|设为首页|加入收藏|无障碍(?:浏览|阅读)?|长者(?:模式|专区)|跳转|确定|GO|\W+|\d+|[<>«»‹›…]+)[>»›\s]*$",
    re.IGNORECASE,
)
_SIDE = re.compile(
    r"nav|menu|header|footer|^foot|friend|crumb|location|position|sitemap|copyright|lianjie|toolbar"
    r"|pag(?:e|ing|ination)s?[_-]?(?:div|bar|num)?$",
    re.I,
)
_BULLET = re.compile(r"^[\s·•●○◆◇■□▪▫►▶→>»›※★☆\-–—|]+(?=\S)|^[\[【（(]?置顶[\]】）)]?\s*")
_CUT = re.compile(r"(?:\.{2,}|…+|。{2,})\s*$")
_LABELLED = re.compile(r"(?:文章)?标\s*题\s*[:：]\s*(.+)")
# Only figures with dashes: 2024年12月31日前 opens a title.
_OWN_DATE = re.compile(
    r"^[\[(（【]?\d{4}[-/.]\d\d?[-/.]\d\d?[\])）】]?\s+|\s*[\[(（【]?\s?\d{4}[-/.]\d\d?[-/.]\d\d?"
    r"(?:\s\d\d?:\d\d(?::\d\d)?)?\s?[\])）】]?$"
)
_MONTH_DAY = re.compile(r"^\W*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?\W*$")
_ADDRESS_DAY = re.compile(
    r"/t?(20\d\d)-?([01]\d)-?([0-3]\d)[_/.-]|/(20\d\d)[/-](\d\d?)[/-](\d\d?)/|/(20\d\d)-?([01]\d)/([0-3]\d)/"
)
_ADDRESS_YEAR = re.compile(r"/(20\d\d)(?:[01]\d)?/|/t?(20\d\d)[01]\d[0-3]\d_")
_QUOTED = re.compile(r"[\"']([^\"'\s]{1,500})[\"']")
_LIKE_ADDRESS = re.compile(r"^(?:https?:)?//|^\.{0,2}/|\.(?:s?html?|jsp|aspx?|php|pdf|docx?|do)(?:$|[?#])", re.I)
_CALL = re.compile(r"([\w$]+)\s*\(\s*[\"']?([\w.-]{1,80})[\"']?")
_ASIDE = re.compile(r"(?:^|[-_])(?:aside|side|sidebar|hot|rank|recommend|related|tuijian)(?:$|[-_])", re.I)
_ASIDE_WORDS = re.compile(r"热点|热门|推荐|相关|排行|图片新闻|猜你|点击量|友情链接|专题专栏|快速(?:通道|入口)")
_PUBLISHED = re.compile(r"(?:发\s*布|公\s*开|公\s*布|上\s*网)\s*(?:日\s*期|时\s*间)")
_TITLED = re.compile(r"tit|name|\bbt\b|subject", re.I)
_MAX_LINKS = 3  # addresses in one row: the document, and beside it an interpretation or a category
_MAX_REPEATS = 12  # links in one row, those to the same address included
_MAX_DEPTH = 10  # levels between a row and its link
_MAX_LABELLED = 30  # characters of a piece that is a date with its label; a longer one is prose
_MIN_TAB = 3  # rows that make a tab
_CONCEALED = "data-concealed"  # set on what the markup hides: other tabs, tooltips
_MAX_PIECES = 300  # pieces of text in which a row's date is looked for
_OPENERS = ("href", "onclick", "data-href", "data-url", "data-link")


@dataclass(frozen=True)
class Link:
    """A link to what may be a document: its element, its address, its title as good as the page gives it."""

    element: html.HtmlElement
    url: str
    title: str


@dataclass(frozen=True)
class Row:
    """An element that holds one document's link, with its date where one is printed."""

    element: html.HtmlElement
    link: Link
    links: int
    day: date | None

    @cached_property
    def item(self) -> ListItem:
        return ListItem(self.link.title, self.link.url, self.day or day_in_address(self.link.url))


@dataclass(frozen=True)
class Answer(Page):
    """A page whose visible rows are worked out once for all readers that ask."""

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        return html_rows(self)


def html_rows(page: Page, tree: html.HtmlElement | None = None) -> tuple[Row, ...]:
    """The rows of the page's dominant list, in page order; () where no block of links looks like one."""
    tree = page.tree if tree is None else tree
    _run_writers(tree)
    for element in hidden_elements(tree):
        element.set(_CONCEALED, "1")
    blocks = list(_blocks(tree, _links(tree, page)))
    best = max(blocks, key=lambda rows: _score(rows, page), default=())
    return _own_tab(_without_strays(best), page) if _score(best, page) >= 1 else ()


def _without_strays(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Rows without those beside a dated list that only look like rows: a menu or a foot with a link or two."""
    if dated(rows) < 0.75 * len(rows):
        return rows
    return tuple(row for row in rows if row.day or not (_is_side(row.element) or len(row.link.title) < 8))


def _own_tab(rows: tuple[Row, ...], page: Page) -> tuple[Row, ...]:
    """Of several tabs (like lists side by side) those of the page's own column, where addresses tell them apart."""
    tabs: dict[html.HtmlElement | None, list[Row]] = defaultdict(list)
    for row in rows:
        tabs[row.element.getparent()].append(row)
    column = _column(page.url)
    own = {tab: sum(_path(row).startswith(column) for row in rows) for tab, rows in tabs.items()}
    if any(own.values()) and all(own[tab] == len(rows) or _is_other_tab(rows, own[tab]) for tab, rows in tabs.items()):
        return tuple(row for tab, rows in tabs.items() if own[tab] for row in rows)
    return rows


def _is_other_tab(rows: list[Row], own: int) -> bool:
    """Whether rows lie all under one column that is not the page's own."""
    columns = {(urlsplit(row.link.url).hostname, *_path(row).split("/")[:3]) for row in rows}
    return own == 0 and len(rows) >= _MIN_TAB and len(columns) == 1


def _path(row: Row) -> str:
    return urlsplit(row.link.url).path


def record_rows(page: Page, fragments: Iterable[str]) -> tuple[Row, ...]:
    """One row for each HTML fragment that holds a link: the records of a datastore."""
    tree = parse_html("<html><body>" + "".join(f"<div>{f}</div>" for f in fragments) + "</body></html>")
    links = _by_element(_links(tree, page))
    rows = (_row(div, links) for div in tree.iterfind("./body/div"))
    return tuple(row for row in rows if row)


def selected_rows(page: Page, item: str, title: str | None, link: str | None, day: str | None) -> tuple[Row, ...]:
    """The rows that CSS selectors name; title, link and date selectors look inside of each row."""
    _run_writers(page.tree)
    links = _by_element(_links(page.tree, page, strict=False))
    rows = (_row(element, links, title, link, day) for element in select(page.tree, item))
    return tuple(row for row in rows if row)


def dated(rows: Iterable[Row]) -> int:
    """How many rows print a date."""
    return sum(row.day is not None for row in rows)


def day_in_address(url: str) -> date | None:
    """The day in a document's address (/t20250915_1.html, /art/2025/9/15/): often the day shown."""
    for found in _ADDRESS_DAY.finditer(url):
        year, month, day = (part for part in found.groups() if part)
        if valid := parse_date(f"{year}-{month}-{day}"):
            return valid
    return None


def address_in_call(code: str, page: Page) -> str | None:
    """The address that an onclick or a javascript: link opens, through the page's own function if need be."""
    for quoted in _QUOTED.findall(code):
        if _LIKE_ADDRESS.search(quoted) and (url := page.resolve(quoted)):
            return url
    for name, argument in _CALL.findall(code):
        if opened := _opened_by(name, argument, page):
            return opened
    return None


def _opened_by(function: str, argument: str, page: Page) -> str | None:
    """The address that a function of the page builds around its first argument: "/info/" + id + ".html"."""
    definition = re.compile(rf"function\s+{re.escape(function)}\s*\(\s*(\w+)[^)]{{0,100}}\)\s*\{{([^}}]{{0,800}})")
    for source in page.scripts:
        if not (found := definition.search(source)):
            continue
        built = re.search(
            rf"[\"']([^\"']{{1,300}})[\"']\s*\+\s*{re.escape(found[1])}\b(?:\s*\+\s*[\"']([^\"']{{0,100}})[\"'])?",
            found[2],
        )
        if built:
            return page.resolve(built[1] + argument + (built[2] or ""))
    return None


def _run_writers(tree: html.HtmlElement) -> None:
    """Puts the rows that scripts would write into the places where the scripts stand."""
    for script in list(tree.iter("script")):
        if not script.text or "document" not in script.text or script.getparent() is None:
            continue
        written = written_html(script.text)
        if "<a" in written.lower():
            fragment = parse_html(f"<html><body><span>{written}</span></body></html>").find("./body")
            if fragment is not None:
                fragment.tag, fragment.tail = (
                    "div" if len(fragment.findall(".//a")) > 1 else "span",
                    script.tail,
                )
                script.getparent().replace(script, fragment)


def _links(tree: html.HtmlElement, page: Page, strict: bool = True) -> Iterator[Link]:
    here = normal_address(page.url)
    for element in tree.iter("a", "li", "tr", "td", "div", "p", "span", "dd", "h3", "h4"):
        if element.tag != "a" and not element.get("onclick"):
            continue
        url = _address(element, page)
        if not url or (strict and normal_address(url) == here):
            continue
        title = _title(element)
        if title and not _FURNITURE.match(title):
            yield Link(element, url, title)


def _address(element: html.HtmlElement, page: Page) -> str | None:
    for name in _OPENERS:
        value = element.get(name)
        if not value:
            continue
        code = name == "onclick" or value.lower().lstrip().startswith("javascript:")
        if url := address_in_call(value, page) if code else page.resolve(value):
            return url
    return None


def _title(element: html.HtmlElement) -> str:
    """The full title: the attribute where the text is cut or empty, else the text of the title's element."""
    shown = _shown_title(element)
    attribute = element.get("title") or ""
    if "\n" in attribute and (labelled := _LABELLED.search(attribute)):
        attribute = labelled[1]
    attribute = _clean(attribute)
    if not attribute or attribute == shown or _FURNITURE.match(attribute):
        return shown
    start = _CUT.sub("", shown)
    if not start or _same_start(attribute, start):
        return attribute if len(attribute) >= len(start) else shown
    return shown if not _CUT.search(shown) else attribute


def _same_start(full: str, start: str) -> bool:
    squeezed = re.sub(r"\s", "", full)
    return squeezed.startswith(re.sub(r"\s", "", start)[:200])


def _shown_title(element: html.HtmlElement) -> str:
    for inner in element.iter():
        if inner is not element and isinstance(inner.tag, str):
            named = inner.tag in ("h1", "h2", "h3", "h4", "h5") or _TITLED.search(inner.get("class") or "")
            if named and len(words := _clean(inner.text_content())) >= 4:
                return words
    if element.tag != "a":
        text = next(
            (t for a in element.iter("a", "h3", "h4", "p", "span") if len(t := _clean(a.text_content())) >= 4),
            "",
        )
        return text or _clean(element.text_content())
    text = _clean("".join(_spoken(element)))
    if not text and (picture := next(iter(element.iter("img")), None)) is not None:
        return _clean(picture.get("alt") or "")
    return text


def _spoken(element: html.HtmlElement) -> Iterator[str]:
    """The pieces of text in a link without the piece that is a date."""
    for piece in element.itertext():
        if not parse_date(piece.strip()):
            yield piece


def _clean(text: str) -> str:
    text = squeeze(text)
    text = _OWN_DATE.sub("", text) if len(text) > 14 else text
    return _BULLET.sub("", text).strip()


def _by_element(links: Iterable[Link]) -> dict[html.HtmlElement, Link]:
    return {link.element: link for link in links}


def _blocks(tree: html.HtmlElement, links: Iterator[Link]) -> Iterator[tuple[Row, ...]]:
    """Groups of rows: siblings, and siblings of like parents under one grandparent (lists cut into fives)."""
    by_element = _by_element(links)
    holders: dict[html.HtmlElement, None] = {}
    for element in by_element:
        holders |= dict.fromkeys((element, *islice(element.iterancestors(), _MAX_DEPTH)))
    groups: dict[tuple[object, str, str, bool], list[Row]] = defaultdict(list)
    concealed: set[html.HtmlElement] = set()
    for element in tree.iter(etree.Element):
        parent = element.getparent()
        if element.get(_CONCEALED) or parent in concealed:
            concealed.add(element)
        if element not in holders or parent is None or element.tag in ("body", "html", "head"):
            continue
        if row := _row(element, by_element):
            region = parent.getparent() if parent.getparent() is not None else parent
            like = (f"{parent.tag}.{_class(parent)}", str(element.tag), element in concealed)
            groups[region, *like].append(row)
    yield from (tuple(rows) for rows in groups.values() if not _are_cells(rows))


def _are_cells(rows: list[Row]) -> bool:
    """Whether these are cells beside each other (title, author with date) that only together make a row."""
    beside: dict[html.HtmlElement | None, list[Row]] = defaultdict(list)
    for row in rows:
        if row.element.tag == "td":
            beside[row.element.getparent()].append(row)
    mixed = [cells for cells in beside.values() if 0 < dated(cells) < len(cells)]
    return len(mixed) > 0.5 * len(beside) > 0


def _class(element: html.HtmlElement) -> str:
    return re.sub(r"\d+", "", (element.get("class") or "").split(" ")[0])


def _row(
    element: html.HtmlElement,
    links: dict[html.HtmlElement, Link],
    title: str | None = None,
    link: str | None = None,
    day: str | None = None,
) -> Row | None:
    """The row that an element makes, None where it holds no link or a whole list of them."""
    inside = _links_inside(element, links, link)
    addresses = {found.url for found in inside}
    if not addresses or (not link and (len(addresses) > _MAX_LINKS or len(inside) >= _MAX_REPEATS)):
        return None
    main = _main_link(inside)
    if title and (named := next(iter(select(element, title)), None)) is not None:
        main = replace(main, title=_clean(named.get("title") or named.text_content()) or main.title)
    if day:
        cell = next(iter(select(element, day)), None)
        found_day = find_date(cell.text_content()) if cell is not None else None
    else:
        found_day = _printed_day(element, main)
    return Row(element, main, len(addresses), found_day)


def _links_inside(element: html.HtmlElement, links: dict[html.HtmlElement, Link], selector: str | None) -> list[Link]:
    """The links of a possible row; no more of a whole list than shows that it is one."""
    if selector:
        return [links[inner] for inner in select(element, selector) if inner in links]
    found = (links[inner] for inner in element.iter() if inner in links)
    return list(islice(found, _MAX_REPEATS))


def _main_link(inside: list[Link]) -> Link:
    """The document's link among those of a row: the longest title, of its spellings one that is not cut."""
    longest = max(inside, key=lambda found: len(found.title))
    spellings = [found for found in inside if found.url == longest.url and not _CUT.search(found.title)]
    return max(spellings, key=lambda found: len(found.title), default=longest)


def _printed_day(element: html.HtmlElement, link: Link) -> date | None:
    pieces = list(islice(_pieces(element), _MAX_PIECES))
    if printed := [(n, day) for n, piece in enumerate(pieces) if (day := parse_date(piece))]:
        return _published(element, pieces, printed)
    rest = [piece for piece in pieces if piece not in link.title]
    short = " ".join(piece for piece in rest if len(piece) <= _MAX_LABELLED)
    if found := find_date(short) or find_stacked_date(short):
        return found
    for inner in element.iter("time", "input"):
        if found := parse_date(inner.get("datetime") or inner.get("value") or ""):
            return found
    if found := _day_beside(element) or _month_and_day(pieces, link.url):
        return found
    return None if day_in_address(link.url) else find_date(" ".join(rest))  # a day in a summary is often another


def _published(element: html.HtmlElement, pieces: list[str], printed: list[tuple[int, date]]) -> date:
    """Of several days in a row the one that a label or the table's head calls the day of publication."""
    if len(printed) > 1:
        for n, day in printed:
            if _PUBLISHED.search(pieces[n]) or (n and _PUBLISHED.search(pieces[n - 1])):
                return day
        if cell := _published_cell(element):
            return parse_date(cell) or printed[0][1]
    return printed[0][1]


def _published_cell(row: html.HtmlElement) -> str | None:
    """The text of a table row's cell under the head 发布日期."""
    table = next(row.iterancestors("table"), None) if row.tag == "tr" else None
    head = next(table.iter("tr"), None) if table is not None else None
    if head is None or head is row:
        return None
    for title, cell in zip(head, row, strict=False):
        if _PUBLISHED.search(squeeze(title.text_content())):
            return squeeze(cell.text_content())
    return None


def _pieces(element: html.HtmlElement) -> Iterator[str]:
    """The pieces of text of a row; scripts and what is hidden in it (a tooltip with more dates) left out."""
    walker = etree.iterwalk(element, events=("start", "end", "comment"))
    for event, inner in walker:
        text = inner.text if event == "start" else inner.tail
        if inner is not element and event == "start" and (inner.tag in ("script", "style") or inner.get(_CONCEALED)):
            walker.skip_subtree()
            continue
        if text and (event == "start" or inner is not element) and (piece := squeeze(text)):
            yield piece


def _day_beside(element: html.HtmlElement) -> date | None:
    """The date that follows a bare link: as text, or in siblings that hold no link (dt/dd, a/span/br)."""
    if found := parse_date(squeeze(element.tail or "")):
        return found
    following = element.getnext()
    for _ in range(3):
        if following is None or not isinstance(following.tag, str) or following.tag == "a":
            return None
        if following.tag not in ("br", "span", "dd", "em", "i", "b", "font", "td", "p", "div", "time"):
            return None
        if next(following.iter("a"), None) is not None:
            return None
        text = squeeze(following.text_content())
        if found := parse_date(text) or (find_date(text) if len(text) < 40 else None):
            return found
        if found := parse_date(squeeze(following.tail or "")):
            return found
        following = following.getnext()
    return None


def _month_and_day(pieces: list[str], url: str) -> date | None:
    """A date printed without its year (09-15), where the address tells the year."""
    year = _ADDRESS_YEAR.search(url)
    for piece in pieces:
        if year and (found := _MONTH_DAY.match(piece)):
            return parse_date(f"{year[1] or year[2]}-{found[1]}-{found[2]}")
    return None


def _score(rows: Iterable[Row], page: Page) -> float:
    rows = tuple(rows)
    if not rows:
        return 0.0
    total = sum(_row_score(row, page) for row in rows)
    around = list(islice(rows[0].element.iterancestors(), 3 * _MAX_DEPTH))
    aside = any(_is_side(ancestor) for ancestor in around) or _is_aside(rows[0].element)
    concealed = any(ancestor.get(_CONCEALED) for ancestor in (rows[0].element, *around))
    return total * (0.1 if aside else 1.0) * (0.5 if concealed else 1.0)


def _row_score(row: Row, page: Page) -> float:
    """A dated row with a long title counts most; an undated one with a short title is navigation."""
    length = len(row.link.title)
    score = 3.0 + min(length, 30) / 30 if row.day else (1.0 if length >= 12 else 0.3 if length >= 8 else 0.05)
    if not row.day and (row.link.url.endswith("/") or not same_site(row.link.url, page.url)):
        score *= 0.3
    # Recommended reading leads to other columns; the rows of a column mostly lie under it.
    if urlsplit(row.link.url).path.startswith(_column(page.url)):
        score *= 1.5
    return score / (1 + 0.3 * (row.links - 1))


@lru_cache(maxsize=256)
def _column(url: str) -> str:
    """The folder that a list's address stands in; no folder stands for none ("//" starts no path)."""
    folder = urlsplit(url).path.rpartition("/")[0] + "/"
    return folder if folder.count("/") > 1 else "//"


def _is_aside(row: html.HtmlElement) -> bool:
    """Whether the short words right before a block call it recommended or popular."""
    block = row.getparent()
    for _ in range(2):
        if block is None:
            return False
        before = block.getprevious()
        if before is not None and isinstance(before.tag, str):
            words = squeeze(" ".join(islice(before.itertext(), 20)))
            if len(words) < 20 and _ASIDE_WORDS.search(words):
                return True
        block = block.getparent()
    return False


def _is_side(element: html.HtmlElement) -> bool:
    if element.tag in ("nav", "footer", "header", "aside"):
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}".split()
    return any(_SIDE.search(name) or _ASIDE.search(name) for name in names)
