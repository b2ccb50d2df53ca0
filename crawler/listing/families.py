"""The readers of the CMS families: each says whether a page is its own, and what it lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from lxml import etree

from crawler.dates import find_date, parse_date
from crawler.listing.paging import (
    counted,
    is_pager,
    next_page,
    page_number_in_json,
    query_of,
    with_query,
)
from crawler.listing.records import best_rows, script_rows, value_at
from crawler.listing.rows import Answer, Row, dated, html_rows, record_rows
from crawler.markup import parse_html, squeeze
from crawler.scripts import NO_VALUE, literals
from storage.records import ListItem, ListPage

_RECORD = re.compile(r"<record>\s*(?:<!\[CDATA\[)?", re.IGNORECASE)
_COUNT = re.compile(r"<(totalrecord|totalpage)>\s*(\d{1,9})\s*<", re.IGNORECASE)
_NEXT_GROUP = re.compile(r"<nextgroup>\s*(?:<!\[CDATA\[)?\s*<a[^>]*?href=[\"']([^\"']+)", re.IGNORECASE)
_DATAPROXY_FORM = (
    *("appid", "webid", "path", "columnid"),
    *("sourceContentType", "unitid", "webname", "permissiontype"),
)
_PAGE_SIZE = 15
_SID = re.compile(r"\bSID\s*:\s*[\"']?(\d+)")
_CATEGORY = re.compile(r"\b(?:CAT_ID|CATEGORY_ID|CURRENT_CAT)\s*:\s*[\"']?(\d+)")
_FIRST_CATEGORY = re.compile(r"\bTREE\s*:\s*\[\s*\{\s*\"?id\"?\s*:\s*\"?(\d+)")
_UNIT = "/api-gateway/jpaas-publish-server/front/page/build/unit"
_MIN_ROWS = 3  # dated rows that make a visible block the list, whatever else the page hides


def read_datastore(page: Answer) -> ListPage | None:
    """大汉 JCMS: records in a datastore, as the dataproxy's whole answer or in a column page's script."""
    if "<datastore" not in page.text[:500] and "<record>" not in page.text:
        return None
    stores = [list(_records(store)) for store in re.split(r"<datastore\b", page.text)[1:]] or [
        list(_records(page.text))
    ]
    rows = max((record_rows(page, store) for store in stores), key=len)
    if not rows:
        return None
    return ListPage("jcms", items(rows), _next_records(page))


def _records(store: str) -> Iterator[str]:
    starts = [m.end() for m in _RECORD.finditer(store)]
    for start, stop in zip(starts, [*starts[1:], len(store)], strict=True):
        # The record ends at its own mark: what a cut answer leaves behind is dropped.
        end = store.find("</record>", start, stop)
        if end > 0:
            yield store[start:end].strip().removesuffix("]]>")


def _next_records(page: Answer) -> str | None:
    totals = {name.lower(): int(number) for name, number in _COUNT.findall(page.text)}
    size = counted(page.url, "perpage", _PAGE_SIZE)
    if "startrecord" in query_of(page.url):
        start = counted(page.url, "startrecord", 1) + size
        if start > totals.get("totalrecord", start):
            return None
        return with_query(page.url, startrecord=start, endrecord=start + size - 1)
    if "dataproxy" in page.url and "page" in query_of(page.url):
        number = counted(page.url, "page", 1) + 1
        return with_query(page.url, page=number) if number <= totals.get("totalpage", number) else None
    if found := _NEXT_GROUP.search(page.text):
        return page.resolve(found[1].replace("&amp;", "&"))
    return _dataproxy_of_column(page, totals)


def _dataproxy_of_column(page: Answer, totals: dict[str, int]) -> str | None:
    """Page 2 of a column whose script holds the form that its pager posts."""
    for source in page.scripts:
        for form in (*literals(source), *_pairs(source)):
            if isinstance(form, dict) and form.get("columnid") and form.get("unitid"):
                size = int(found[1]) if (found := re.search(r"perPage\W{1,4}(\d{1,3})", source)) else _PAGE_SIZE
                if totals.get("totalrecord", size + 1) <= size:
                    return None
                where = {"startrecord": size + 1, "endrecord": 2 * size, "perpage": size, "col": 1}
                query = where | {name: form[name] for name in _DATAPROXY_FORM if name in form}
                return page.resolve("/module/web/jpage/dataproxy.jsp?" + urlencode(query))
    return None


def _pairs(source: str) -> Iterator[dict[str, str]]:
    if "unitid" in source and "columnid" in source:
        yield dict(re.findall(r"\b(\w+)[\"']?\s*[:=]\s*[\"']([^\"']{0,80})[\"']", source))


def read_gkmlpt(page: Answer) -> ListPage | None:
    """广东 gkmlpt: the catalogue's page names site and category, the rows come from its interface."""
    if "_CONFIG" not in page.text or not (site := _SID.search(page.text)) or "/gkmlpt" not in page.url + page.text:
        return None
    root = re.match(r"https?://[^/]+(?:/[^/?#]+)*?(?=/gkmlpt)", page.url)
    category = _category(page)
    start = root[0] if root else urljoin(page.url, "/").rstrip("/")
    api = f"{start}/gkmlpt/api/all/{category}?page=1&sid={site[1]}"
    rows = page.rows
    if dated(rows) >= _MIN_ROWS:
        return ListPage("gkmlpt", items(rows), next_page(page), api)
    return ListPage("gkmlpt", (), None, api)


def _category(page: Answer) -> str:
    fragment = urlsplit(page.url).fragment
    if fragment.isdecimal():
        return fragment
    found = _CATEGORY.search(page.text) or _FIRST_CATEGORY.search(page.text)
    return found[1] if found else "0"


def read_json(page: Answer) -> ListPage | None:
    """The answer of a list interface: gkmlpt, JPAAS, UCAP, gov.cn, any that names titles and addresses."""
    answer = page.json
    if answer is NO_VALUE or not isinstance(answer, dict | list):
        return None
    markup = value_at(answer, "data.html")
    if isinstance(markup, str):
        return _read_unit(page, markup)
    rows = best_rows(answer, page)
    if not rows:
        return None
    return ListPage(_json_family(page, answer), rows, _next_of_interface(page, answer, rows))


def _json_family(page: Answer, answer: Any) -> str:
    if "/gkmlpt/" in page.url or value_at(answer, "articles") is not NO_VALUE:
        return "gkmlpt"
    if value_at(answer, "searchVO") is not NO_VALUE or "ZUIXINZHENGCE" in page.url.upper():
        return "govcn"
    if value_at(answer, "data.results") is not NO_VALUE or "_isJson=" in page.url:
        return "ucap"
    return "json"


def _next_of_interface(page: Answer, answer: Any, rows: tuple[ListItem, ...]) -> str | None:
    """The same query with its page number raised, unless the answer's own counts say that it was the last."""
    query = query_of(page.url)
    name = next(
        (n for n in ("page", "p", "pageNo", "pageNum", "pageIndex", "current", "currentPage") if n in query),
        None,
    )
    if not name or not query[name].isdecimal():
        return None
    number = int(query[name][:9])
    total, pages = _total(answer, _TOTALS), _total(answer, _PAGES)
    size = max(len(rows), next((int(query[n]) for n in _SIZES if query.get(n, "").isdecimal()), 0))
    seen = max(number, 1) * size
    if (pages is not None and number >= pages) or (pages is None and total is not None and seen >= total):
        return None
    return with_query(page.url, **{name: number + 1})


_TOTALS = ("total", "totalcount", "totalrecord", "totalhits", "count")
_PAGES = ("totalpage", "totalpages", "pagecount", "pages")
_SIZES = ("_pageSize", "pageSize", "pagesize", "n", "perPage", "size", "limit", "rows")


def _total(answer: Any, names: tuple[str, ...]) -> int | None:
    for level in (answer, value_at(answer, "data"), value_at(answer, "searchVO"), value_at(answer, "result")):
        if isinstance(level, dict):
            for key, value in level.items():
                if key.replace("_", "").lower() in names and str(value).isdecimal():
                    return int(value)
    return None


def _read_unit(page: Answer, markup: str) -> ListPage:
    """JPAAS: one unit of a page, as HTML inside of JSON."""
    inner = Answer(f"<html><body>{markup}</body></html>", page.url)
    rows = inner.rows
    asked = query_of(page.url).get("paramJson", "{}")
    number = page_number_in_json(asked, "pageNo") or 1
    size = page_number_in_json(asked, "pageSize") or _shown_number(markup, "rows") or len(rows)
    total = _shown_number(markup, "count")
    if not rows or (total is not None and number * size >= total) or (total is None and len(rows) < size):
        return ListPage("jpaas", items(rows))
    following = json.dumps({"pageNo": number + 1, "pageSize": size}, separators=(",", ":"))
    return ListPage("jpaas", items(rows), with_query(page.url, paramJson=following))


def _shown_number(markup: str, name: str) -> int | None:
    found = re.search(rf"\b{name}\s*=\s*[\"']?(\d{{1,9}})", markup)
    return int(found[1]) if found else None


def read_unit_page(page: Answer) -> ListPage | None:
    """JPAAS: a column's page, whose `queryData` names the unit that holds the rows."""
    if "build/unit" not in page.text and "queryData" not in page.text and "querydata" not in page.text:
        return None
    query = _unit_query(page)
    if not query:
        return None
    rows = page.rows
    full = dated(rows) >= _MIN_ROWS
    asked = json.dumps(
        {"pageNo": 2 if full else 1, "pageSize": len(rows) if full else _PAGE_SIZE}, separators=(",", ":")
    )
    api = page.resolve(f"{_UNIT}?" + urlencode(query | {"paramJson": asked}))
    return ListPage("jpaas", items(rows), api) if full else ListPage("jpaas", (), None, api)


def _unit_query(page: Answer) -> dict[str, str]:
    for element in page.tree.xpath("//*[@querydata]"):
        if found := _quoted_pairs(element.get("querydata")):
            return found
    for source in page.scripts:
        if "webId" in source and "tplSetId" in source and (found := _quoted_pairs(source)):
            return found
    return {}


_UNIT_KEYS = ("parseType", "webId", "tplSetId", "pageType", "tagId", "editType", "pageId")


def _quoted_pairs(text: str) -> dict[str, str]:
    pairs = dict(re.findall(r"[\"']?(\w+)[\"']?\s*:\s*[\"']([^\"']*)[\"']", text))
    return {k: pairs[k] for k in _UNIT_KEYS if k in pairs} if {"webId", "pageId"} <= pairs.keys() else {}


def read_script(page: Answer) -> ListPage | None:
    """Rows in a JSON variable of a script, unless the page shows more of them itself."""
    rows = script_rows(page)
    if len(rows) < 2 or len(rows) < dated(page.rows):
        return None
    family = "ucap" if re.search(r"\blistData\b|articleList|channelCode|channelId", page.text) else "script"
    return ListPage(family, rows, _query_list(page) or next_page(page))


def _query_list(page: Answer) -> str | None:
    """UCAP's `loadPageData(params)`: the form that its pager posts to /queryList, as a query."""
    for source in page.scripts:
        if "loadPageData" not in source:
            continue
        for form in literals(source):
            if isinstance(form, dict) and form.get("unitid") and form.get("channelCode"):
                query = [("current", counted(page.url, "current", 1) + 1), ("unitid", form["unitid"])]
                query += [("perPage", form.get("perPage", _PAGE_SIZE))]
                query += [(f"{k}[]", v) for k in ("webSiteCode", "channelCode") for v in form.get(k) or ()]
                return urljoin(page.url, "/queryList?" + urlencode(query))
    return None


def read_channel(page: Answer) -> ListPage | None:
    """开普 UCAP with meta channelId: rows on the page, in a comment, or behind /common/search/."""
    channel = next(
        (m.get("content") for m in page.tree.iter("meta") if (m.get("name") or "").lower() == "channelid"),
        None,
    )
    if not channel or not re.fullmatch(r"[\w-]{6,64}", channel.strip()):
        return None
    rows = _longer(page.rows, comment_rows(page))
    if dated(rows) >= _MIN_ROWS or (rows and next_page(page)):
        return ListPage("ucap", items(rows), next_page(page))
    query = "_isAgg=true&_isJson=true&_pageSize=20&_template=index&_rangeTimeGte=&_channelName=&page=1"
    return ListPage("ucap", (), None, page.resolve(f"/common/search/{channel.strip()}?{query}"))


def read_comment(page: Answer) -> ListPage | None:
    """A list that hides in an HTML comment until a script unwraps it."""
    hidden = comment_rows(page)
    if dated(hidden) < 2 or len(hidden) <= dated(page.rows):
        return None
    return ListPage("ucap", items(hidden), next_page(page))


def comment_rows(page: Answer) -> tuple[Row, ...]:
    """The rows of the fullest list inside of a comment."""
    best: tuple[Row, ...] = ()
    for comment in page.tree.iter(etree.Comment):
        text = comment.text or ""
        if text.count("<a") >= 2:
            best = _longer(best, html_rows(page, parse_html(f"<html><body>{text}</body></html>")))
    return best


# References to half characters (U+D800 to U+DFFF): in what the parser recovers from them no text can be read.
_HALVES = re.compile(
    r"&#(?:x0*d[89a-f][0-9a-f]{2}|0*(?:5529[6-9]|55[3-9]\d\d|56\d{3}|57[0-2]\d\d|573[0-3]\d|5734[0-3]));", re.IGNORECASE
)


def read_feed(page: Answer) -> ListPage | None:
    """RSS, Atom, and sitemaps."""
    if not re.search(r"<(?:rss|feed|rdf:RDF|urlset)\b", page.text[:2000]):
        return None
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, huge_tree=False)
    text = _HALVES.sub("", page.text.lstrip("\ufeff \r\n"))
    root = etree.fromstring(text.encode("utf-8", "replace"), parser=parser)
    if root is None:
        return None
    entries = (_entry(e, page) for e in root.iter("{*}item", "{*}entry", "{*}url"))
    rows = tuple(entry for entry in entries if entry)
    return ListPage("feed", rows) if rows else None


def _entry(element: etree._Element, page: Answer) -> ListItem | None:
    fields: dict[str, str] = {}
    for child in element:
        if isinstance(child.tag, str):
            name = child.tag.rpartition("}")[2].lower()  # QName refuses the names that a mended feed may have
            fields.setdefault(name, squeeze(child.text or "") or child.get("href") or "")
    url = page.resolve(fields.get("link") or fields.get("loc") or fields.get("guid") or "")
    day = next(
        (d for k in ("pubdate", "published", "date", "updated", "lastmod") if (d := _feed_day(fields.get(k)))),
        None,
    )
    return ListItem(fields.get("title") or url, url, day) if url else None


def _feed_day(text: str | None) -> date | None:
    return (parse_date(text) or find_date(text)) if text else None


def read_html(page: Answer) -> ListPage | None:
    """Plain links; the family is told by pager and addresses, for the operator's information."""
    rows = page.rows
    if not rows:
        return None
    return ListPage(_html_family(page, rows), items(rows), next_page(page))


_ADDRESSES = (
    ("trs", re.compile(r"/t\d{8}_\d+\.s?html?")),
    ("post", re.compile(r"/content/(?:\d+/\d+/)?m?post_\d+\.html")),
    ("boda", re.compile(r"/info/\d+/\d+\.htm\b")),
    ("jcms", re.compile(r"/art/\d{4}/")),
    ("ucap", re.compile(r"/\d{6}/[0-9a-f]{32}\.s?html|/content_\d{15,}\.s?html")),
)


def _html_family(page: Answer, rows: tuple[Row, ...]) -> str:
    if pager := is_pager(page):
        return pager
    for family, address in _ADDRESSES:
        if sum(bool(address.search(row.link.url)) for row in rows) * 2 > len(rows):
            return family
    return "plain"


def items(rows: tuple[Row, ...]) -> tuple[ListItem, ...]:
    return tuple(row.item for row in rows)


def _longer(first: tuple[Row, ...], second: tuple[Row, ...]) -> tuple[Row, ...]:
    return second if dated(second) > dated(first) else first
