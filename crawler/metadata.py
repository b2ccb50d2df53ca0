"""What a page says about its document: head tags, disclosure catalogue, info line, head and foot of the body.

Head tags: 政府网站发展指引 (国办发〔2017〕47号) and GB/T 42147-2022. `Maketime`, `HtmlGenerateTime` and 页面生成时间
are rebuild times of the page and never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice, pairwise

from lxml import etree
from lxml.html import HtmlElement

from crawler.dates import find_date, parse_date
from crawler.labels import (
    catalogues_in,
    is_catalogue_line,
    is_nothing,
    unit_of_line,
    units_of,
    values_behind_labels,
)
from crawler.markup import bare, squeeze
from crawler.page import Page, is_heading
from storage.records import Status

_STATUS_WORDS: dict[Status, str] = {
    "in_force": "有效 现行有效 继续有效 全文有效 部分有效 有效文件 生效 已生效 正在生效 是",
    "expired": "失效 已失效 全文失效 宣布失效 自动失效 到期失效 过期 已过期 无效 否",
    "repealed": "废止 已废止 全文废止 已被废止 宣布废止 已修改废止",
}
_STATUSES = {word: status for status, words in _STATUS_WORDS.items() for word in words.split()}
_SOURCE_LABEL = re.compile(r"^(?:信息|文章|稿件|内容)?来源\s*[:：]\s*")
# What the line under a title says after the publisher: 来源：石桥县民政局 阅读：2次 【字体：大 中 小】
_BESIDE_PUBLISHER = re.compile(
    r"[\s【\[（(|]*(?:浏览|阅读|点击|访问|查看|已阅|字体|字号|分享|打印|关闭|发布(?:时间|日期)|作者|责任编辑|编辑|审核)(?:次数|量|数|率)?\s*[:：].*"
    r"|\s+(?:浏览|阅读|点击|访问)\s*\d+\s*次.*"
)
_STATUS_SCRIPT = re.compile(
    r"(?im)^(?![ \t]*//).*?\b(?:file_?status|validity|yxx|sxx|wjzt|effective_?status)[\"']?"
    r"\s*[:=]\s*[\"']([^\"'\n]{1,8})[\"']"
)
_STATUS_FLAG = re.compile(r'"is_(expired|abolished)"\s*:\s*"?1\b')
_NOTICE = re.compile(
    r"[【\[（(]?(?:注[:：])?(?:本|该|此|原)(?:文件|规范性文件|通知|办法|规定|政策|文)(?:现)?(?:已|业已|已经|现已)(?:于.{2,24}?|自.{2,24}?起|被.{2,60}?)?"
    r"(废止|失效|停止执行)|[【\[（(](?:已|全文)?(废止|失效)[】\]）)]"
)
NUMBER = re.compile(
    r"[\u4e00-\u9fa5A-Za-z]{1,20}[〔\[［（(【﹝「〈](?:19|20)\d{2}[〕\]］）)】﹞」〉]第?\d{1,5}号(?:之[一二三四五六七八九十])?"
    r"|[\u4e00-\u9fa5]{2,20}令(?:第\d{1,4}号|[〔\[（(](?:19|20)\d{2}[〕\]）)]第?\d{1,4}号)"
)
_YEAR_BRACKETS = re.compile(r"[\[［（(【﹝「〈]((?:19|20)\d{2})[\]］）)】﹞」〉]")
_HEAD_OF_TEXT = 60  # lines of a bare text in which a catalogue may stand
_INFO_UNITS = 8  # units above the body, or at its head, in which a date without a label is the page's
_INFO_DATE = re.compile(  # 2025-09-15 18:15 民政局 (点击: 3); a date that opens a sentence has no time behind it
    r"[\s\ue000\[（(]*\d{4}[-./年]\d\d?[-./月]\d\d?日?(?:[\s\ue000\])）]*$"
    r"|[\s\ue000]+(?:\d\d?:\d\d|[^，。；]{0,12}(?:来源|作者|点击|浏览|发布))[^。；]{0,80}$)"
)
_BODY_HEAD = 12  # units of a body in which its template's info line may stand
_HEAD_LINES = 8  # a red-head document has its number here, above or below its title
_SIGN_OFF = re.compile(
    r"(?:[\u4e00-\u9fa5（）()、]{0,40})((?:19|20)\d{2}年\d{1,2}月\d{1,2}日|[二一][〇○零O0一二三四五六七八九]{3}年[一二三四五六七八九十]{1,2}月[一二三四五六七八九十]{1,3}日)"
    r"(?:印发)?"
)
_ORGAN = re.compile(
    r"([\u4e00-\u9fa5]{2,24}(?:局|厅|委员会|人民政府|办公室|办公厅|部|院|法院|检察院|中心|总队|大队|公司))(?:文件|（代章）)?"
)
_SITE_WORDS = re.compile(r"网$|网站|门户|官方|(?:平台|人民政府|局|厅|委员会|办公室|公开|专栏|频道)$")
_SITE_SUFFIX = re.compile(r"(?:门户网站|官方网站|政务网|信息网|公众信息网|网站|官网|网)$")
_TITLE_END = re.compile(
    r"(?:通知|意见|办法|方案|规划|决定|决议|答复|公告|通告|规定|细则|措施|函|批复|报告|条例|指南|要点|解读|计划|清单|标准|通报)"
    r"(?:[（(][^（）()]{1,20}[）)])?$"
)
_HERE = ("本网", "本站", "本网站", "本单位", "本局", "网站", "原创", "本部门", "其他", "转载", "互联网", "网络", "未知")
_MAX_TITLE = 400
_TAIL = 12  # characters at the end of a heading and of <title> that make them the same
_SHORT_TITLE = 12  # characters up to which a <title> may be the name of a column
_LEAST_FULL = 10  # characters of a heading that names its document in full
_CUT = re.compile(r"…+|\.{2,}")  # where a template cut a title
_COLUMN = re.compile(  # names of columns and pages, which <title> holds where a template has nothing better
    r"(?:首页|正文|详情页?|(?:文章|信息|内容|新闻|通知|公告)?(?:详情|详细|内容)页?|无标题(?:文档)?|untitled(?:document)?"
    r"|(?:通知|公告|公示|通告){2}|(?:政府|法定)?信息公开(?:目录|指南|专栏)?|政务公开|政策(?:文件|法规|解读)|(?:规范性|公开)?文件(?:库|公开)?"
    r"|(?:建议|议案|提案)+(?:办理|答复|公开)*(?:结果|情况)?(?:公开)?|工作动态|新闻(?:中心|动态)|重点领域)"
)


@dataclass(frozen=True)
class Metadata:
    title: str = ""
    doc_number: str | None = None
    index_number: str | None = None
    publisher: str | None = None
    published_on: date | None = None
    issued_on: date | None = None
    status: Status = "unknown"


@dataclass(frozen=True)
class Catalogue:
    """Values by field, the surest label's first."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    info: str = ""  # the line under the title, where it begins with a date and no label

    def get(self, name: str) -> str | None:
        return next(iter(self.values.get(name, ())), None)

    def date(self, name: str) -> date | None:
        return next((d for v in self.values.get(name, ()) if (d := parse_date(v) or find_date(v[:40]))), None)


def page_metadata(page: Page, catalogue: Catalogue, lines: Sequence[str], title: str) -> Metadata:
    """Everything that a page and the head and foot of its body (`lines`) say about the document."""
    metas = page.metas
    return Metadata(
        title=title or _title_from(lines),
        doc_number=doc_number(catalogue.get("doc_number")) or number_at_head(lines) or number_in_title(title),
        index_number=catalogue.get("index_number"),
        publisher=_publisher(catalogue, metas),
        published_on=(
            find_date(metas.get("pubdate", ""))
            or catalogue.date("published_on")
            or find_date(metas.get("firstpublishedtime", "") or metas.get("publishdate", ""))
            or find_date(metas.get("article:published_time", ""))
            or find_date(catalogue.info)
        ),
        issued_on=catalogue.date("issued_on") or sign_off_date(lines),
        status=_cell_status(catalogue) or _script_status(page.scripts) or _notice_status(title, lines),
    )


def text_metadata(lines: Sequence[str], title: str = "") -> Metadata:
    """The same from bare lines: a file, or a page that somebody saved as text."""
    catalogue = text_catalogue(lines[:_HEAD_OF_TEXT])
    body = [line for line in lines if not is_catalogue_line(line)]
    title = catalogue.get("title") or title or _title_from(body)
    return Metadata(
        title=title,
        doc_number=doc_number(catalogue.get("doc_number")) or number_at_head(body) or number_in_title(title),
        index_number=catalogue.get("index_number"),
        publisher=_publisher(catalogue, {}) or _masthead(lines),
        published_on=catalogue.date("published_on"),
        issued_on=catalogue.date("issued_on") or sign_off_date(body),
        status=_cell_status(catalogue) or _notice_status(title, body),
    )


# --- the catalogue ---


def page_catalogue(page: Page, body: HtmlElement | None, told: Mapping[str, str]) -> Catalogue:
    """The catalogue and info line of a page, in whatever shape they are printed.

    Of the body only its catalogue counts, and labels with a colon at its head: a table in the text may have a
    column 文号 as well. A date without any label stands right above the body, or at its head. `told` is what a
    script says; it counts where nothing is printed.
    """
    units = [*units_of(page.root, skip=body)]
    before = units[: units.index("")] if "" in units else []
    if body is not None:
        units += [unit for element in catalogues_in(body) for unit in units_of(element)]
        head = [unit for unit in islice(units_of(body), _BODY_HEAD) if ":" in unit or "：" in unit]
        units += head
        before = [*reversed(head), *before[-_INFO_UNITS:]]
    values = values_behind_labels(units)
    for name, value in told.items():
        if not is_nothing(value):
            values.setdefault(name, []).append(value)
    return Catalogue(values, next((unit for unit in reversed(before) if _INFO_DATE.match(unit)), ""))


def text_catalogue(lines: Iterable[str]) -> Catalogue:
    """The catalogue where it stands as lines of bare text."""
    return Catalogue(values_behind_labels(map(unit_of_line, lines)))


# --- fields ---


def doc_number(text: str | None) -> str | None:
    """文号 without white space and with 〔〕 around the year; None for none."""
    if text is None or is_nothing(text := bare(text)) or not any(c.isdigit() for c in text):
        return None
    return _YEAR_BRACKETS.sub(r"〔\1〕", text) if len(text) <= 60 else None


def number_at_head(lines: Sequence[str]) -> str | None:
    """The 文号 that is a line of its own above the text: a reprint leaves the cell empty and carries it here."""
    for line in lines[:_HEAD_LINES]:
        text = bare(line).strip("（）()【】")
        if NUMBER.fullmatch(text.removeprefix("文号：").removeprefix("文号:")):
            return doc_number(text.removeprefix("文号：").removeprefix("文号:"))
    return None


def number_in_title(title: str) -> str | None:
    """…的通知（穗民规字〔2024〕3号)."""
    text = bare(title)
    hit = re.search(r"[（(]([^（）()]{4,40}号)[）)]$", text)
    return doc_number(hit[1]) if hit and NUMBER.fullmatch(hit[1]) else None


def sign_off_date(lines: Sequence[str]) -> date | None:
    """The date under the signature: the first line that is a date alone, or a body and a date.

    A notice that carries its annex is signed in the middle, so the first one counts, not the last.
    """
    signed = next((line for line in lines[1:] if _is_sign_off(line)), "")
    return find_date(bare(signed))


def _is_sign_off(line: str) -> bool:
    return len(line) <= 60 and _SIGN_OFF.fullmatch(bare(line)) is not None


def _publisher(catalogue: Catalogue, metas: Mapping[str, str]) -> str | None:
    named = catalogue.get("publisher")
    if named and len(named) <= 80:
        return _without_here(named)
    for source in (metas.get("contentsource"), catalogue.get("source"), metas.get("source")):
        if source and not is_nothing(source) and len(source) <= 60:
            return _without_here(source) or _site(metas)
    return None


def _masthead(lines: Sequence[str]) -> str | None:
    """Who speaks in a bare text: 武汉市人民政府文件 or a body's name above it, else who signed it."""
    for line in lines[:4]:
        if hit := _ORGAN.fullmatch(bare(line)):
            return hit[1]
    for line, following in pairwise(lines):
        if _is_sign_off(following):
            first = squeeze(line).partition(" ")[0]
            hit = _ORGAN.fullmatch(first)
            return hit[1] if hit else None
    return None


def _without_here(source: str) -> str | None:
    """本网广州市… → 广州市…; None where only 本网 is said."""
    text = _BESIDE_PUBLISHER.sub("", source).strip(" :：")
    text = _SOURCE_LABEL.sub("", text)
    for word in ("本网站", "本网", "本站"):
        text = text.removeprefix(word)
    text = text.strip(" :：-—|/")
    return None if not text or text in _HERE or is_nothing(text) or text.startswith("http") else text


def _site(metas: Mapping[str, str]) -> str | None:
    return _SITE_SUFFIX.sub("", metas.get("sitename", "")) or None


def _cell_status(catalogue: Catalogue) -> Status | None:
    for value in catalogue.values.get("status", ()):
        if status := _STATUSES.get(bare(value).strip("()（）【】[]")):
            return status
    return None


def _script_status(scripts: Sequence[str]) -> Status | None:
    for script in scripts:
        if hit := _STATUS_SCRIPT.search(script):
            return _STATUSES.get(hit[1].strip())
        if "DETAIL" in script and (flag := _STATUS_FLAG.search(script)):
            return "expired" if flag[1] == "expired" else "repealed"
    return None


def _notice_status(title: str, lines: Sequence[str]) -> Status:
    """A notice at the head (本文件已废止). 同时废止 further down is about another document."""
    for line in (title, *lines[:3]):
        hit = _NOTICE.search(bare(line)) if len(line) <= 200 else None
        if hit and (hit[1] or hit[2]):
            return "expired" if (hit[1] or hit[2]) == "失效" else "repealed"
    return "unknown"


# --- the title ---


def page_title(page: Page, catalogue: Catalogue) -> str:
    """What the page calls its document, without the site's name; "" where nothing says it.

    A <title> that is cut, or says a column's or the site's name, gives way to a heading that says more.
    """
    named = page.metas.get("articletitle", "")
    if named and not _CUT.search(named):
        return _without_site(named, page.metas)
    whole = _without_site(page.whole_title, page.metas)
    headings = _headings(page)
    catalogued = catalogue.get("title") or ""
    sure = bare(catalogued) in bare(page.whole_title) or _says_more(bare(catalogued), bare(whole))
    return (
        _fuller_heading(page, headings, whole)
        or _told_heading(page, headings, [bare(title) for title in (named, page.whole_title, whole) if title])
        or (catalogued if sure else "")
        or _not_site(whole, page.metas)
        or catalogued
        or _any_heading(page, headings)
        or named
        or whole
    )


def _headings(page: Page) -> list[HtmlElement]:
    return [element for element in page.root.iter(etree.Element) if is_heading(element)]


def _heading_text(element: HtmlElement) -> str:
    return squeeze("".join(element.itertext()))


def _told_heading(page: Page, headings: Sequence[HtmlElement], told: Sequence[str]) -> str:
    """The longest heading that <title> repeats, or that goes on where it was cut, or ends as it does."""
    found = [
        text
        for text in map(_heading_text, headings)
        if 4 <= len(key := bare(text)) <= _MAX_TITLE and any(_is_told(key, title) for title in told)
    ]
    # A box around a heading is called a title as well, and holds its date and publisher.
    best = max((text for text in found if _TITLE_END.search(bare(text))), key=len, default="")
    best = best or max(found, key=len, default="")
    return best if not _is_site(best, page.metas) else ""


def _is_told(heading: str, title: str) -> bool:
    """Site and column stand before the title in some templates, and leave the body's name out of it."""
    tail = heading[-_TAIL:]
    return (
        heading in title
        or (len(title) >= 8 and heading.startswith(title) and _ends_no_worse(heading, title))
        or (len(tail) == _TAIL and title.endswith(tail))
        or _fills(heading, title)
    )


def _ends_no_worse(heading: str, title: str) -> bool:
    """What goes on behind a whole title is a date or a publisher in the same box."""
    return _TITLE_END.search(heading) is not None or _TITLE_END.search(title) is None


def _fills(heading: str, title: str) -> bool:
    """Whether a heading says all of a title that is cut somewhere: 关于…的通…"""
    pieces = _CUT.split(title)
    if len(pieces) < 2 or not heading.startswith(pieces[0]) or len("".join(pieces)) < 4 or _CUT.search(heading):
        return False
    at = 0
    for piece in pieces:
        at = heading.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return heading.endswith(pieces[-1])


def _fuller_heading(page: Page, headings: Sequence[HtmlElement], whole: str) -> str:
    """A heading that names a document where <title> holds the name of a column, a site or a page (详情), or a part.

    A title that a heading repeats is the document's, unless it is the name of a column. Headings in links are of other
    documents.
    """
    short = bare(whole)
    if _CUT.search(short) or "关于" in short:
        return ""
    linked = {bare(_heading_text(link)) for link in page.root.iter("a")}
    names = {bare(page.metas.get(name, "")) for name in ("sitename", "columnname")}
    is_column = short in linked or short in names or _is_site(whole, page.metas) or _COLUMN.fullmatch(short) is not None
    texts = [_heading_text(h) for h in headings if not _is_of_link(h)]
    if not is_column and any(bare(text) == short for text in texts):
        return ""
    return next((text for text in texts if _says_more(bare(text), short)), "")


def _is_of_link(heading: HtmlElement) -> bool:
    return heading.tag == "a" or next(heading.iterancestors("a"), None) is not None or heading.find(".//a") is not None


def _says_more(heading: str, title: str) -> bool:
    """Whether a heading ends as titles of documents do, and is longer than a title that is short, or part of it."""
    if not max(len(title) + 1, _LEAST_FULL) <= len(heading) <= _MAX_TITLE or not _TITLE_END.search(heading):
        return False
    return len(title) <= _SHORT_TITLE or title in heading


def _any_heading(page: Page, headings: Sequence[HtmlElement]) -> str:
    for text in map(_heading_text, headings):
        if 6 <= len(text) <= 120 and "位置" not in text and ">" not in text and not _is_site(text, page.metas):
            return text
    return ""


def _without_site(title: str, metas: Mapping[str, str]) -> str:
    """Title without " - 某某网站", "_栏目_某某政府网", "__…": joints followed by the site's or a column's name."""
    title = squeeze(title)[:_MAX_TITLE].partition("__")[0]
    head, joint, _ = title.partition("_")
    title = head.strip() if joint and len(bare(head)) >= 4 else title
    while True:
        parts = re.split(r"\s*[-|—–]+\s*(?=[^-|—–]*$)", title, maxsplit=1)
        if len(parts) < 2 or len(bare(parts[0])) < 4 or not _is_site(parts[1], metas):
            return title
        title = parts[0].strip()


def _is_site(text: str, metas: Mapping[str, str]) -> bool:
    key = bare(text)
    names = [bare(metas[name]) for name in ("sitename", "columnname") if metas.get(name)]
    return not key or key in names or (len(key) <= 30 and _SITE_WORDS.search(key) is not None and "关于" not in key)


def _not_site(text: str, metas: Mapping[str, str]) -> str:
    """`text` unless it is just the site's name: some templates put nothing else into <title>."""
    key = bare(text)
    names = [bare(metas[name]) for name in ("sitename", "columnname") if metas.get(name)]
    return "" if key in names or _SITE_SUFFIX.search(key) else text


def _title_from(lines: Sequence[str]) -> str:
    """A title out of bare lines: the first that ends as titles do, joined with the line before if it hangs."""
    for i, line in enumerate(lines[:12]):
        text = squeeze(line)
        if _TITLE_END.search(text):
            before = squeeze(lines[i - 1]) if i else ""
            hangs = len(text) < 12 and 6 <= len(before) <= 60 and text.startswith(("的", "关于"))
            return before + text if hangs else text
    return next((squeeze(line) for line in lines if 6 <= len(line) <= 80), "")
