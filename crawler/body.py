"""Where a page keeps its text, and that text without the page's furniture.

The container is looked for in the tiers of `_CONTAINERS` (CMS families, then habits of templates); where none is
known, trafilatura tells which paragraphs are the text and the smallest element around them is taken, so that its
tables and figures come along. Furniture is what the template adds: buttons, counters, share links, related news.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from lxml import etree
from lxml.html import HtmlElement

from crawler import markup
from crawler.labels import is_catalogue
from crawler.markup import bare
from crawler.page import BODY_MARK, Line, Page, lines_of
from crawler.tables import table_lines

# First tier: names that a CMS gives to the article's text and to nothing else. The rest: habits of templates.
_CONTAINERS = (
    (
        "@" + BODY_MARK,
        *("#UCAP-CONTENT", "<ucapcontent>", "<founder-content>", "#zoomcon", "#vsb_content*", ".v_news_content"),
        *(".TRS_Editor", ".trs_editor_view", ".TRS_UEDITOR", ".TRS_PreAppend", ".trs_paper_default"),
        *(".wp_articlecontent", "#js_content", ".article-content-body", ".nfw-cms-content", "#con_con"),
    ),
    (
        *("#zoom", "#info_cont", ".info_cont", ".content_article", ".article-content", ".article_content"),
        *("#article_content", "#articlecontent", ".articlecontent", ".pages_content", ".xxgk_content", "#bt_content"),
        *(".bt_content", "#xxgk_content", ".news_content", "#news_content", ".news-content", ".newscontent"),
        *("#newscontent", ".article-body", "#article-body", ".article_body", ".article-con", ".article_con"),
        *("#artcontent", "#fontzoom", "#textzoom", "#mainText", "#contentText", ".contentText", "#NewsContent"),
        *(".detail-content", ".detail_content", "#detailcontent", ".content_txt", ".con_txt", ".zoom", "#content1"),
        *(".gk_content", ".zwgk_content", ".wzcon", ".wz_content", "#ivs_content", ".text_content", ".j-fontContent"),
        *(".xl_content", ".xlcontent", ".conTxt", ".conTxt1", ".con_text", ".content-text", ".easysite-news-text"),
        *(".artical_content", ".main-txt", ".nr_content", ".neirong", "#neirong", ".rich_media_content", ".p_content"),
        *(".ccontent", ".article_main_content", ".bfr_article_content", ".zwxl-article", ".news_cont_d_wrap"),
        *("#xw_box", ".detail-news", ".xl-cont", ".xl_cont", ".show-content", ".artText", ".artcon", ".art_con"),
        *(".article-main",),
        *("#d_content", "#doccontent", "#content_body", "#detailContent", "#j-show-body", ".content_zw", ".zwcontent"),
        *("#txtContent", "#textContent", ".textcontent", ".txtcon", ".infocontent", "#infocontent", ".wzxq_con"),
    ),
    (
        *("article", "#content", ".content", "#con", ".con", ".zw", "#zw", ".article", "#article", ".main-content"),
        *(".text", "#text", ".detail", "#detail", ".nr", ".wznr", ".info-content", ".content-box", ".zwnr"),
    ),
)
_MAX_TABLES = 20  # one inside the other; deeper ones are read as if they were layout
_MAX_TOLD = 300_000  # characters of a page that trafilatura is asked about
_MAX_PASSAGES = 300  # that tell where a text stands: of more, some
_SENTENCE = re.compile("[，。；]")
_MAX_CANDIDATES = 20  # of a tier; a page with more is broken, and nested ones cost their square
ENOUGH = 30  # characters (without white space) that make a text; a page of less may be only an attachment
_FURNITURE_NAME = re.compile(
    r"(?:^|[-_])(?:bd|b|jia|add|simple|social|art|article)?shar(?:e|ing)s?(?:$|[-_])|bdsharebuttonbox|jiathis|addthis"
    r"|(?:^|[-_])(?:erweima|qrcode|ewm|sweep|breadcrumbs?|crumbs?|curb|bread|setfont|fontsize|font-?size)(?:$|[-_])"
    r"|^(?:related|relevant|recommend|xgwz|xgxw|xgyd|xgwj|xgjd|xglj|xgnews)|[-_](?:related|relevant|recommend)$"
    r"|(?:^|[-_])(?:pagination|prev[-_]?next|pre[-_]?next|updown|article-?extended|toolbar|tools|statement)$",
    re.IGNORECASE,
)
_RELATED = re.compile(
    r"[【\[《]?(?:相关|关联|延伸|推荐|热门|猜你喜欢|最新)(?:的?(?:稿件|新闻|链接|阅读|文章|信息|解读|内容|推荐|报道|资讯|文件|政策|附件下载)"
    r"|政策解读|解读材料|新闻|)[】\]》]?[:：]?"
)
_NEIGHBOUR = re.compile(r"(?:上|下|前|后)一(?:篇|条|页|则|个)[:：]?.*|没有了|返回(?:列表|上一页|首页)")
_BUTTON = (
    "打印|打印本页|打印文章|打印此页|本页打印|关闭|关闭窗口|关闭本页|关闭页面|关闭此页|窗口关闭|收藏|收藏本页|加入收藏|我要收藏|分享"
    "|分享到|分享至|一键分享|分享本页|新浪微博|腾讯微博|QQ空间|qq空间|QQ好友|人人网|朋友圈|微信扫一扫|返回|返回顶部|返回首页|返回列表"
    "|回到顶部|TOP|Top|top|纠错|我要纠错|内容纠错|网站纠错|大号|中号|小号|特大|超大|放大|缩小|复位|A\\+|A-|A大|A中|A小|字体|字号"
    "|字体大小|文字大小|字号大小|语音播报|语音阅读|朗读|听全文|下载本页|下载文字版|下载图片版|下载原文|一键下载|无障碍|无障碍阅读"
    "|无障碍浏览|适老模式|长者助手|关怀版|保护视力色|举报|点赞|收起|展开|展开全文|保存本页|复制链接|大字体|二维码"
)
_WEAK = re.compile(  # furniture beside furniture, a word of the text when alone
    r"大|中|小|标准|正常|默认|人|次|人次|个|推荐|评论|全文|下载|更多|保存|微信|微博|QQ|邮件|发送|顶部|繁体|简体|赞|A|[\d,]+次?"
    r"|[-—_|/·>＞»•:：+]+"
)
_COUNTER = r"(?:浏览|阅读|点击|访问|查看|人气|下载|已阅|阅|点击率|浏览率|关注)(?:次数|人数|数量|总数|量|数|率)?"
_STRONG = re.compile(
    rf"(?:{_BUTTON}){{1,6}}[:：]?|(?:本文|本页|文章|该信息|信息|已|被)?{_COUNTER}[:：]?(?:[\d,]+|[-—]+)?(?:次|人|人次)?"
    r"|(?:视力保护色|保护视力色|背景色|字体颜色|颜色|打印|下载)[:：]|(?:字体|字号|字体大小|文字大小|字号大小)[:：].{0,4}"
    r"|扫一扫.{0,24}|(?:用|请用|使用|打开)?(?:手机|微信).{0,8}扫(?:一扫|描|码).{0,24}|扫码(?:查看|阅读|打开|分享|关注).{0,12}"
    r"|页面生成时间.{0,24}|本页面?(?:更新|生成).{0,24}"
    r"|(?:责任编辑|责编|网站编辑|编辑|审核|校对|初审|复审|终审|录入|发布人|信息员|值班编辑)[:：].{0,16}"
)
_MOMENT = r"\d{4}[-./年]\d\d?[-./月]\d\d?日?(?:\s+\d\d?:\d\d(?::\d\d)?)?"
_INFO = re.compile(  # the line under a title; 时间： alone may open a text (时间：9月1日 地点：…)
    r"(?:发布|更新|发表|录入|添加|发文|公开|信息|稿件|文章|内容|资料|新闻|本文)(?:时间|日期|来源|出处|单位|机构|者)\s*[:：]"
    r"|(?:来源|出处|作者|字体|字号|分享到|供稿)\s*[:：]"
    rf"|(?:时间|日期)\s*[:：]\s*{_MOMENT}(?:$|\s+\S{{2,6}}\s*[:：])"
    r"|\d{4}[-./]\d\d?[-./]\d\d?\s+\d\d?:\d\d(?::\d\d)?(?:$|\s)"
    rf"|[\[（(]?\s?{_MOMENT}\s?[\])）]?\s?(?:浏览|点击|阅读|访问|来源|分享)"
    rf"|{_COUNTER}\s*[:：]"
)
_PLACE = re.compile(
    r"(?:网站)?首页\s*(?:[>＞»›→]|&gt;).{0,120}|(?:您?的?(?:当前|现在)?(?:所在)?的?位置(?:是|为)?|您(?:现在|当前)?所?在(?:的位置|这里)?)[:：>].{0,120}"
)
_BRACKETS = re.compile(r"[\[\]【】()（）〖〗「」『』|｜,，、;；\s]+")
_AFTER_COLON = re.compile(r"([:：])\s+")
_ATTACHMENT_HEAD = re.compile(r"(?:相关|点击下载)?附件(?:下载|列表|资料)?[:：]?|(?:文件|资料)下载[:：]?")
_FIGURE = re.compile(r"\d[\d,.]{0,20}\s?(?:%|％|万|亿|元|张|家|个|人|名|所|户|亩|平方米|公里|吨)")


@dataclass(frozen=True)
class Body:
    """The lines of a page's text, the element they stand in, and what was uncertain."""

    lines: tuple[Line, ...]
    element: HtmlElement | None
    warnings: tuple[str, ...] = ()


def find_body(page: Page, html: str, selector: str | None = None) -> Body:
    """The body of a page, its furniture still in it (`texts_of` takes that out).

    `html` is what the page was parsed from. `selector` is a CSS selector that an operator gave; one that finds
    nothing is told as a warning.
    """
    warnings: tuple[str, ...] = ()
    if selector:
        if chosen := select(page.root, selector):
            return Body(tuple(line for element in chosen for line in _read(element)), chosen[0])
        warnings = (f"body: nothing matches {selector}",)
    if found := _container(page.root):
        return Body(tuple(found[1]), found[0], warnings)
    element, lines = _told_from_layout(page, html)
    if lines:
        return Body(tuple(lines), element, (*warnings, "body: no known container; told from the layout"))
    if hidden := _hidden_container(page):
        return Body(tuple(hidden[1]), hidden[0], warnings)
    return Body((), None, (*warnings, "body: no text found"))


def add_body(page: Page, content: str) -> Body:
    """A body that a script would put into the page, put there: `content` is its HTML."""
    element = markup.parse_html(f"<html><body><div>{content}</div></body></html>")
    element.tag = "div"
    element.set(BODY_MARK, "1")
    page.root.append(element)
    return Body(tuple(_read(element)), element)


def texts_of(body: Body, title: str) -> tuple[str, ...]:
    """The body's lines without buttons, counters, related news, heading and an empty 附件: at the end.

    `title` is what the page calls its document: the same words as the template's heading above the text go.
    """
    kept = _without_related([line for line in body.lines if not is_furniture(line.text)])
    texts = _without_heading(kept, bare(title))
    while texts and _ATTACHMENT_HEAD.fullmatch(bare(texts[-1])):
        texts.pop()
    return tuple(texts)


def select(root: HtmlElement, selector: str) -> list[HtmlElement]:
    """Elements that match a CSS selector, outermost only. Raises ValueError for a selector that is none."""
    found = markup.select(root, selector)
    chosen = set(found)
    return [e for e in found if not any(a in chosen for a in e.iterancestors())]


def _read(element: HtmlElement) -> list[Line]:
    """Lines of a container; one that is itself a table or a part of one is layout."""
    return lines_of(element, _replace)


def _replace(element: HtmlElement) -> list[Line] | None:
    if _is_furniture(element):
        return []
    if element.tag == "table" and next(islice(element.iterancestors("table"), _MAX_TABLES, None), None) is None:
        return table_lines(element, _read)
    return None


def _is_furniture(element: HtmlElement) -> bool:
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    if names != " " and any(_FURNITURE_NAME.search(name) for name in names.split()):
        return True
    return is_catalogue(element)


# --- the container ---


Found = tuple[HtmlElement, list[Line]]


def _container(root: HtmlElement) -> Found | None:
    """The innermost element of the best tier that holds the text, and its lines; None where no tier has one."""
    best: Found | None = None
    for tier in _tiers(root):
        lines = {element: _read(element) for element in tier[:_MAX_CANDIDATES]}
        sizes = {element: _size(read) for element, read in lines.items()}
        if full := [element for element, size in sizes.items() if size >= ENOUGH]:
            chosen = _innermost(full, sizes)
            return chosen, lines[chosen]
        if best is None and lines:
            best = max(lines.items(), key=lambda item: sizes[item[0]])
    return best


def _tiers(root: HtmlElement) -> list[list[HtmlElement]]:
    tiers: list[list[HtmlElement]] = [[] for _ in _CONTAINERS]
    for element in _NAMED(root):
        keys = _keys(element)
        for tier, names in zip(tiers, _TIER_NAMES, strict=True):
            if not keys.isdisjoint(names):
                tier.append(element)
                break
    return tiers


def _keys(element: HtmlElement) -> set[str]:
    keys = {f"<{element.tag}>"}
    if name := element.get("id"):
        keys.add("#" + name.strip().lower())
        if name.startswith("vsb_content"):  # 博达 numbers them: vsb_content_2, vsb_content_502
            keys.add("#vsb_content*")
    if names := element.get("class"):
        keys.update("." + name for name in names.lower().split())
    if element.get(BODY_MARK):
        keys.add("@" + BODY_MARK)
    return keys


_NAMED = etree.XPath(
    f"descendant-or-self::*[@id or @class or @{BODY_MARK}"
    " or self::article or self::ucapcontent or self::founder-content]"
)
_TIER_NAMES = tuple(
    frozenset(name.lower() if name[0] in "#.<@" else f"<{name}>" for name in tier) for tier in _CONTAINERS
)


def _size(lines: Sequence[Line]) -> int:
    """How much text there is, links, headings and furniture aside."""
    plain = (line.text for line in lines if not line.linked and not line.heading)
    return sum(len(text) for text in plain if not is_furniture(text))


def _innermost(elements: Sequence[HtmlElement], sizes: dict[HtmlElement, int]) -> HtmlElement:
    """The fullest element, or one inside it that lacks next to nothing of it.

    Two editors side by side (a notice and its annex) are both in the one around them.
    """
    fullest = max(elements, key=lambda e: sizes[e])
    inside = [e for e in elements if fullest in e.iterancestors() and sizes[e] >= 0.95 * sizes[fullest]]
    return _innermost(inside, sizes) if inside else fullest


def _hidden_container(page: Page) -> Found | None:
    """A body that a script would show: only where nothing visible is one."""
    found = [found for part in page.hidden if (found := _container(part)) is not None]
    fullest = max(found, key=lambda found: _size(found[1]), default=None)
    return fullest if fullest is not None and _size(fullest[1]) >= ENOUGH else None


# --- no known container ---


def _told_from_layout(page: Page, html: str) -> tuple[HtmlElement | None, list[Line]]:
    """The body where no name tells it. trafilatura is slow on long pages and blind to layout tables: then, prose.

    Sentences tell where the text is; a title, a date or a file's name may stand anywhere.
    """
    told = _told_by_trafilatura(html) if len(html) <= _MAX_TOLD else []
    if sum(map(len, told)) < ENOUGH:
        told = [bare(line.text) for line in _read(page.root) if not line.linked and not is_furniture(line.text)]
    sentences = [passage for passage in told if len(passage) >= 18 and _SENTENCE.search(passage)]
    passages = sentences if sum(map(len, sentences)) >= 3 * ENOUGH else told
    if len(passages) > _MAX_PASSAGES:
        passages = [*passages[:: len(passages) // _MAX_PASSAGES], passages[-1]]
    if sum(map(len, passages)) < ENOUGH:
        return None, []
    element = _around(page.root, passages)
    if element is None or element.tag in ("body", "html"):
        return None, _maybe_heading(_within(page.root, passages))
    return element, _maybe_heading(_read(element))


def _told_by_trafilatura(html: str) -> list[str]:
    import trafilatura  # slow to import, and most pages never need it

    try:
        told = trafilatura.extract(html, include_comments=False, include_tables=True, favor_recall=True) or ""
    except Exception:  # whatever damaged markup does to it, there may be other ways to the text
        return []
    parts = (part for line in told.splitlines() for part in line.split("|"))
    return [key for part in parts if len(key := bare(part.strip("- "))) >= 8]


def _maybe_heading(lines: list[Line]) -> list[Line]:
    """Where the template is unknown, any of the first lines may be its heading."""
    return [*(replace(line, heading=True) for line in lines[:4]), *lines[4:]]


def _around(root: HtmlElement, passages: Sequence[str]) -> HtmlElement | None:
    """The smallest element with nine tenths of the passages: down from the root while one child has them."""
    need = 0.9 * sum(map(len, passages))
    element: HtmlElement | None = None
    candidate: HtmlElement | None = root
    while candidate is not None:
        element = candidate
        candidate = None
        for child in element.iterchildren(etree.Element):
            text = bare("".join(child.itertext()))
            if len(text) >= need and sum(len(p) for p in passages if p in text) >= need:
                candidate = child
                break
    while element is not None and element.tag in ("td", "tr", "tbody", "p", "li") and not _is_column(element):
        element = element.getparent()  # never half a table
    return element


def _is_column(element: HtmlElement) -> bool:
    """Whether a cell is a column of a page's layout: it holds paragraphs."""
    return element.tag == "td" and len(_read(element)) > 2


def _within(root: HtmlElement, passages: Sequence[str]) -> list[Line]:
    """The page's lines between the first and the last passage: a text strewn over the page's top level."""
    lines = _read(root)
    told = "\n".join(passages)

    def is_told(at: int) -> bool:
        return len(key := bare(lines[at].text)) >= 8 and key[:40] in told

    first = next((at for at in range(len(lines)) if is_told(at)), len(lines))
    last = next((at for at in reversed(range(first, len(lines))) if is_told(at)), first)
    return [line for line in lines[first : last + 1] if not line.linked]


# --- furniture in lines ---


def is_furniture(line: str) -> bool:
    """Whether a line is only buttons, counters, a breadcrumb, a neighbour link or a hint to scan a code."""
    if len(line) > 160:
        return False
    if _NEIGHBOUR.fullmatch(line) or _PLACE.fullmatch(line):
        return True
    tokens = [token for token in _BRACKETS.split(_AFTER_COLON.sub(r"\1", line)) if token]
    strong = [bool(_STRONG.fullmatch(token)) for token in tokens]
    return any(strong) and all(sure or _WEAK.fullmatch(token) for sure, token in zip(strong, tokens, strict=True))


def _without_related(lines: list[Line]) -> list[Line]:
    kept: list[Line] = []
    dropping = False
    for line in lines:
        if _RELATED.fullmatch(bare(line.text)) and len(line.text) > 2:
            dropping = True
        elif not (dropping and line.linked):
            dropping = False
            kept.append(line)
    return kept


def _without_heading(lines: list[Line], title: str) -> list[str]:
    """Drop the template's heading (in up to four lines) and the line of date, source and counter under it.

    A title that the text itself begins with, as a paragraph, is text.
    """
    head = ""
    for count, line in enumerate(lines[:4], 1):
        head += bare(line.text)
        if line.heading and title and head == title:
            lines = lines[count:]
            break
    texts = [line.text for line in lines]
    while texts and _is_info(texts[0]):
        texts = texts[1:]
    return texts


def _is_info(line: str) -> bool:
    """发布时间：2025-09-15 来源：… 浏览次数：…: short, begins with a label, and each part is one."""
    return len(line) < 120 and _INFO.match(line) is not None


def missing_figures(page: Page, texts: Sequence[str]) -> tuple[str, ...]:
    """Figures with a unit that stand on the page, outside links, and not in the text: something may be lost."""
    text = bare("\n".join(texts))
    known = {bare(figure) for line in texts for figure in _FIGURE.findall(line)}  # a long page has thousands of them

    def is_missing(figure: str) -> bool:
        return (key := bare(figure)) not in known and key not in text

    if not any(is_missing(figure) for figure in _FIGURE.findall("\n".join(page.root.itertext()))):
        return ()
    around = (line.text for line in lines_of(page.root) if not line.linked and len(line.text) > 15)
    figures = (figure for line in around if not is_furniture(line) for figure in _FIGURE.findall(line))
    return tuple(dict.fromkeys(figure for figure in figures if is_missing(figure)))
