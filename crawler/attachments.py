"""The files that belong to a document: links, embedded viewers and scripts in and near its body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from urllib.parse import parse_qsl, unquote

from lxml import etree
from lxml.html import HtmlElement

from crawler.labels import catalogues_in
from crawler.markup import bare, squeeze
from crawler.page import Page, resolve, split_address
from storage.addresses import normal_address
from storage.records import Attachment

_TYPES = r"(?:pdf|docx?|wps|wpt|et|xlsx?|ofd|rtf|pptx?|csv|zip|rar|7z|ceb|txt)"
_FILE = re.compile(rf"\.{_TYPES}$", re.IGNORECASE)
_FILE_IN_TEXT = re.compile(rf"[^\s'\"<>()（）]\.{_TYPES}(?![A-Za-z0-9])", re.IGNORECASE)
_FILE_LITERAL = re.compile(rf"['\"]([^'\"<>\s]{{1,400}}?\.{_TYPES}(?:\?[^'\"<>\s]{{0,200}})?)['\"]", re.IGNORECASE)
_DOWNLOADER = re.compile(r"down_?load|downfile|file_?down|getfile|attach(?:ment)?|showfile|readattach", re.IGNORECASE)
_DOWNLOAD_PATH = re.compile(r"(?:down_?load|downfile|file_?down|getfile|readattach\w*)[^/]*$", re.IGNORECASE)
_VIEWER = re.compile(r"\.html?$", re.IGNORECASE)
_FILE_PARAMETERS = ("file", "url", "src", "path", "filepath", "fileurl", "pdf", "doc")
_FILE_KEYS = ("id", "fileid", "file", "filename", "attachid")
_GENERIC = re.compile(
    r"(?:点击|请|立即|在线|我要)?(?:此处|这里)?(?:下载|查看|预览|打开|浏览|阅读)(?:附件|文件|原文|全文|PDF|pdf|文档|此处|这里|版)?|附件(?:下载)?|download|file|原文下载"
    r"|PDF版?|pdf版?|Word版?|OFD版?|ofd版?|文字版|图片版"
)
_NUMBERING = re.compile(r"^(?:附件|[\d一二三四五六七八九十]{1,3}[.．、:：]|[:：])+")
_NOT_NEAR = re.compile(
    r"header|footer|foot|copyright|nav|menu|sidebar|side-bar|related|relevant|xgwz|xgwj|friend", re.IGNORECASE
)
_FILES_HEAD = re.compile(r"(?:相关)?附件(?:下载|列表|材料)?(?![^：:\s]{0,2}解读)")
_LEADING = etree.XPath("descendant-or-self::*[self::a or self::iframe or self::embed or self::object or @onclick]")
_BESIDE = 700  # characters beside a body that still leave it the main thing
_MAX_WRAPPERS = 30
_MAX_FOLLOWING = 6
_MAX_LIST = 200


def find_attachments(
    page: Page, bodies: Iterable[HtmlElement], chosen: Iterable[HtmlElement] | None = None
) -> tuple[Attachment, ...]:
    """Attachments in page order, each address once, names as a reader knows them.

    `bodies` are the elements that the text was read from; what stands near them (their wrapper, as long as it
    holds little other text) counts as theirs. `chosen` are links an operator's selector picked: then only those.
    """
    roots = list(chosen) if chosen is not None else _roots(page.root, list(bodies))
    found: dict[str, Attachment] = {}
    for root in roots:
        for element in _LEADING(root):
            for url, name in _references(element, page, told=chosen is not None):
                key = normal_address(url)
                known = found.get(key)
                if known is None or (_is_generic(known.name) and not _is_generic(name)):
                    found[key] = Attachment(name, url)
    return tuple(found.values())[:_MAX_LIST]


def is_attachment_line(text: str, attachments: Iterable[Attachment]) -> bool:
    """Whether a linked line of the body is nothing but an attachment's name."""
    key = _stem(text)
    return any(key and key in (_stem(a.name), _stem(unquote(a.url.rsplit("/", 1)[-1]))) for a in attachments) or (
        bool(_FILE.search(text.strip())) or _is_generic(_stem(text))
    )


def _stem(name: str) -> str:
    return _FILE.sub("", _NUMBERING.sub("", bare(name)))


def _roots(page: HtmlElement, bodies: list[HtmlElement]) -> list[HtmlElement]:
    """Where attachments stand, in page order: the catalogue (文件下载), what is near the bodies, and what follows."""
    if not bodies:
        return [page]
    near = [_near(body) for body in bodies]
    catalogues = catalogues_in(page)
    roots = {*catalogues, *near}
    apart = [element for element in catalogues if roots.isdisjoint(element.iterancestors())]
    return [*apart, *near, *(e for root in near for e in _following(root))]


def _near(body: HtmlElement) -> HtmlElement:
    """The highest element around a body that holds little text besides it."""
    beside, limit = 0, 0.3 * _length(body) + _BESIDE
    near = body
    for ancestor in islice(body.iterancestors(), _MAX_WRAPPERS):
        beside += sum(_length(child) for child in ancestor.iterchildren(etree.Element) if child is not near)
        if ancestor.tag in ("body", "html") or beside > limit or _is_far(ancestor):
            break
        near = ancestor
    return near


def _following(near: HtmlElement) -> Iterator[HtmlElement]:
    """The blocks right after a body: an attachment box that is no part of its wrapper. A long block is another text."""
    for sibling in islice(near.itersiblings(etree.Element), _MAX_FOLLOWING):
        if _is_far(sibling) or sibling.tag in ("footer", "nav") or _length(sibling) > _BESIDE:
            return
        yield sibling


def _length(element: HtmlElement) -> int:
    return len("".join("".join(element.itertext()).split()))


def _is_far(element: HtmlElement) -> bool:
    if not _NOT_NEAR.search(f"{element.get('class') or ''} {element.get('id') or ''}"):
        return False
    # A box of related things that is headed 附件下载 holds the document's own files.
    return not _FILES_HEAD.match(bare("".join(islice(element.itertext(), 8))))


def _references(element: HtmlElement, page: Page, told: bool) -> Iterator[tuple[str, str]]:
    """(address, name) of the files an element leads to."""
    if element.tag == "a":
        yield from _links(element, page, told)
    elif element.tag in ("iframe", "embed", "object"):
        source = _target(resolve(page.base, element.get("src") or element.get("data") or ""))
        if source.startswith(("http:", "https:")) and _is_file(source):
            yield source, _name(element, source)
    elif "onclick" in element.attrib:
        yield from _scripted(element, page)


def _links(link: HtmlElement, page: Page, told: bool) -> Iterator[tuple[str, str]]:
    href = (link.get("href") or "").strip()
    if not href or href.startswith("#") or href.lower().startswith(("javascript:", "mailto:", "tel:", "data:")):
        yield from _scripted(link, page)
        return
    url = _target(resolve(page.base, href))
    marked = "attachment" in (link.get("class") or "") or link.get("download") is not None
    text = squeeze("".join(link.itertext()))
    named = bool(_FILE_IN_TEXT.search(text)) and not _VIEWER.search(split_address(url).path)
    if url.startswith(("http:", "https:")) and (told or marked or named or _is_file(url)) and not _is_page(url, told):
        yield url, _name(link, url)
    elif "onclick" in link.attrib:
        yield from _scripted(link, page)


def _is_page(url: str, told: bool) -> bool:
    """An interpretation or a neighbouring article, whatever its link is called."""
    return not told and not _is_file(url) and re.search(r"\.s?html?$", split_address(url).path) is not None


def _scripted(element: HtmlElement, page: Page) -> Iterator[tuple[str, str]]:
    for code in (element.get("onclick"), element.get("href")):
        for hit in _FILE_LITERAL.finditer(code or ""):
            url = resolve(page.base, hit[1])
            if url.startswith(("http:", "https:")):
                yield url, _name(element, url)


def _is_file(url: str) -> bool:
    parts = split_address(url)
    path = unquote(parts.path)
    if _FILE.search(path) or (_DOWNLOAD_PATH.search(path) and parts.query):
        return True
    if not parts.query or _VIEWER.search(path):
        return False
    values = parse_qsl(parts.query)
    return any(_FILE.search(value) for _, value in values) or bool(
        _DOWNLOADER.search(path) and any(name.lower() in _FILE_KEYS for name, _ in values)
    )


def _target(url: str) -> str:
    """The file that a viewer page shows (viewer.html?file=/x.pdf), else the address itself."""
    parts = split_address(url)
    if _VIEWER.search(parts.path):
        for name, value in parse_qsl(parts.query):
            if name.lower() in _FILE_PARAMETERS and _FILE.search(split_address(value).path):
                return resolve(url, value)
    return url


def _name(element: HtmlElement, url: str) -> str:
    """The real name: download, alt, title, the link's text, else the file's own."""
    text = squeeze("".join(element.itertext()))
    said = [squeeze(element.get(key) or "") for key in ("download", "alt", "title", "data-name", "textvalue")]
    names = [name for name in (*said, text) if name]
    telling = next((name for name in names if not _is_generic(name)), None)
    return telling or _file_name(url) or next(iter(names), url)


def _is_generic(name: str) -> bool:
    return _GENERIC.fullmatch(bare(name).strip("[]【】()（）>：:")) is not None


def _file_name(url: str) -> str:
    parts = split_address(url)
    for value in (value for _, value in parse_qsl(parts.query)):
        if _FILE.search(value):
            return value.rsplit("/", 1)[-1]
    return unquote(parts.path.rsplit("/", 1)[-1])
