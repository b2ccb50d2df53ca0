"""What an answer of a server is worth: a page, or one of the many things that come in a page's place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from lxml import html

from crawler.addresses import is_home
from crawler.encoding import Decoded, decode_with_evidence, is_garbled
from crawler.markup import parse_html, squeeze, visible_text
from crawler.verdict import Expectation, Verdict
from storage.addresses import normal_address

OK = Verdict("ok")

# Scripts of the firewalls. They are also left in pages that were let through, so they count only where the
# page says nothing else; the statuses of _CHALLENGE_STATUS make them certain.
_CHALLENGE_MARKS = (
    ("ruishu", re.compile(r"\$_ts\b"), "瑞数 script challenge"),
    ("jiasule", re.compile(r"__jsl_clearance|__jsluid"), "创宇 (jiasule) cookie challenge"),
    ("acw", re.compile(r"acw_sc__v[23]|aliyun_waf|_waf_bd8ce2ce37"), "Aliyun firewall challenge"),
    (
        "cloudflare",
        re.compile(r"cf_chl_opt|cf-browser-verification|challenge-platform"),
        "Cloudflare challenge",
    ),
    ("captcha", re.compile(r"TencentCaptcha|geetest|slideVerify|/_guard/|captcha", re.I), "captcha"),
    (
        "cookie",
        re.compile(r"document\.cookie\s*=[^;]{0,200};[\s\S]{0,300}location\.(?:reload|href|replace)"),
        "cookie challenge",
    ),
)
_CHALLENGE_STATUS = {412: "ruishu", 202: "ruishu", 521: "jiasule"}
_WALL = re.compile(
    r"安全验证|人机验证|滑动验证|请输入验证码|验证码(?:已)?过期|(?:访问|请求|操作)(?:过于|太|次数)?(?:频繁|过多|过快)"
    r"|(?:请求|访问)(?:已)?(?:被|可能被|疑似)?(?:拦截|阻断|拒绝)|(?:疑似|存在)(?:非法|攻击|恶意)|非法(?:请求|访问)"
    r"|Web\s?应用防火墙|网站防火墙|创宇盾|云盾|安全狗|IP(?:地址)?(?:已)?被(?:禁止|封|限制|拉黑)|没有权限访问|无权(?:限)?访问"
    r"|access denied|request blocked|forbidden|just a moment|verify you are human|unusual traffic",
    re.I,
)
_GONE_WORDS = re.compile(
    r"(?:页面|网页|文件|文章|信息|内容|资源|链接|栏目|地址|稿件|文档)(?:或文件|或已)?(?:已(?:经)?)?(?:不存在|没有找到|未找到|找不到"
    r"|无法找到|被?删除|被?下线|被?撤[下回销]|失效了?|过期)|(?:找不到|未找到|没有找到|无法找到)(?:您|你)?(?:要|所)?(?:访问|查看|请求|查找)?的?"
    r"(?:该|此|这个|相关)?(?:页面|网页|文件|文章|信息|内容|资源)|(?:您|你)(?:要|所)?(?:访问|查看|请求|查找|浏览)的(?:页面|网页|内容|信息|文章|地址)"
    r"[^。！!]{0,12}(?:不存在|删除|找不到|走丢|不见|移动)|该(?:信息|文章|内容|稿件)(?:已|不)(?:删除|存在|公开)"
    r"|(?:HTTP|错误|error|status)\s*[:：]?\s*404|404\s*(?:not found|错误|error|页面)"
    r"|page (?:not|can(?:no|')t be) found"
    r"|no such page|not found on this server",
    re.I,
)
_GONE_IN_FRAME = re.compile(r"(?:您|你)(?:要|所)?访问的(?:页面|内容|信息|文章)[^。！!]{0,12}(?:不存在|删除|找不到)")
_GONE_TITLE = re.compile(
    r"\b404\b|not found|^(?:页面|网页|信息|内容|文章)?(?:不存在|未找到|没有找到|找不到.*|出错了?|已删除)$",
    re.I,
)
_REPAIR_WORDS = re.compile(
    r"(?:系统|网站|平台|服务器?|本站|站点)(?:正在|正|进行|例行|临时|处于|日常|停机)*(?:维护|升级|维修|检修|割接|改版|建设)"
    r"|(?:正在|停机|例行|临时)(?:进行)?(?:维护|升级|检修)|(?:暂停|停止|中断)(?:对外)?(?:服务|访问|开放|使用)|(?:服务|访问)(?:暂停|中断|暂不可用)"
    r"|暂时(?:无法|不能|停止)(?:访问|服务|使用)|(?:under|scheduled) (?:maintenance|construction)"
    r"|temporarily unavailable|be right back",
    re.I,
)
_ERROR_WORDS = re.compile(
    r"internal server error|bad gateway|gateway time-?out|service unavailable|whitelabel error page"
    r"|http status 5\d\d"
    r"|server error in"
    r"|(?:系统|服务器?|程序|内部|未知|运行时|数据库)(?:发生|出现|连接|内部)*(?:错误|异常|故障|失败|繁忙)"
    r"|stack ?trace|java\.lang\.|nullpointerexception|\bORA-\d{5}|fatal error:|too many connections"
    r"|网络(?:异常|错误)",
    re.I,
)
_LOGIN_WORDS = re.compile(r"登\s?[录陆]|统一身份认证|\blog ?in\b|\bsign ?in\b", re.I)
_LOGIN_PATH = re.compile(r"(?:^|[/._-])(?:login|signin|sso|cas|oauth2?|passport|auth)(?:[/._-]|$)", re.I)
_ERROR_PATH = re.compile(r"/(?:40[0-9]|50[0-9]|error|notfound|not_found|err|wrong)(?:[/._-]|$)", re.I)
# A title of this kind is a document: 关于网站系统维护的公告 is published, a maintenance page is put up.
_NOTICE = re.compile(
    r"关于.{2,60}的.{1,6}"
    r"|.{4,60}(?:通知|公告|通告|公示|通报|公报|意见|办法|答复|复函|批复|决定|方案|规定|细则|规划|报告|解读|纪要)"
)
_RECORD = re.compile(
    r"索\s*引\s*号|发\s*文\s*(?:字\s*号|机\s*关)|成\s*文\s*日\s*期|发\s*布\s*机\s*构|[〔\[（(](?:19|20)\d\d[〕\]）)]\s*\d+\s*号"
)
_ROWS_ELSEWHERE = re.compile(
    r"<datastore|listData|articleList|_CONFIG\b|queryData|/build/unit|dataproxy|/common/search|document\.write|loadPageData"
)
_REFRESH = re.compile(r"^\s*\d+\s*[;,]\s*url\s*=\s*[\"']?([^\"'>]+)", re.I)
_JUMP = re.compile(
    r"location(?:\.href)?\s*=\s*[\"']([^\"']+)[\"']|location\.(?:replace|assign)\(\s*[\"']([^\"']+)[\"']"
)
_CUT_TAG = re.compile(r"<[a-zA-Z/!][^<>]*\Z")
_BRIEF = 700  # characters: bare error pages stay under it; above it a page is judged by its title
_STUB = 20  # characters of visible text below which a page says nothing

_FILE_MARKS = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP or Office file"),
    (b"\xd0\xcf\x11\xe0", "old Office file"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"\x1f\x8b", "gzip data"),
    (b"Rar!", "RAR archive"),
    (b"7z\xbc\xaf", "7z archive"),
    (b"{\\rtf", "RTF"),
)
_DOCUMENT_FILES = frozenset({"PDF", "ZIP or Office file", "old Office file", "RTF", "picture"})


@dataclass(frozen=True)
class _Page:
    """A decoded answer with what the tests ask of it, worked out once."""

    decoded: Decoded
    url: str
    final_url: str
    expects: Expectation

    @cached_property
    def source(self) -> str:
        return self.decoded.text

    @cached_property
    def tree(self) -> html.HtmlElement:
        return parse_html(self.source)

    @cached_property
    def text(self) -> str:
        return visible_text(self.tree)

    @cached_property
    def title(self) -> str:
        return squeeze(self.tree.findtext(".//title") or "")

    @cached_property
    def brief(self) -> bool:
        return len(self.text) < _BRIEF

    @cached_property
    def is_record(self) -> bool:
        """Whether the page carries what only documents have: article metadata, a catalogue, a 文号."""
        for meta in self.tree.iter("meta"):
            if (meta.get("name") or "").lower() in ("articletitle", "pubdate") and (meta.get("content") or "").strip():
                return True
        return bool(_RECORD.search(self.text)) or bool(_NOTICE.search(self.heading) and len(self.text) > 40)

    @cached_property
    def heading(self) -> str:
        heads = [self.title, *(squeeze(h.text_content()) for h in self.tree.iter("h1", "h2", "h3"))]
        return " ".join(h for h in heads if h)[:300]


def judge(
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    url: str,
    final_url: str,
    expects: Expectation,
) -> Verdict:
    """The verdict on one answer; never raises.

    `url` was asked for, `final_url` is where redirects ended. "ok" means that the body is worth reading,
    "gone" that the server says there is nothing (404, 410, or a page that says so with status 200), "blocked"
    that we are kept out (challenges, captchas, logins), "failed" anything else: a fault that may pass.
    """
    known = {name.lower(): value for name, value in headers.items()}
    if status == 304:
        return Verdict("not_modified")
    if verdict := _by_status(status, known, body):
        return verdict
    if verdict := _by_size(status, known, body):
        return verdict
    if expects == "attachment" and not _looks_like_html(body):
        return _whole_file(body) or OK
    if kind := _file_kind(body):
        return _unexpected_file(kind, known, body, final_url)
    return _by_words(_Page(decode_with_evidence(body, known.get("content-type")), url, final_url, expects), body)


def _by_status(status: int, headers: Mapping[str, str], body: bytes) -> Verdict | None:
    source = body[:65536].decode("utf-8", "replace")
    marked = _challenge(source) if status in _CHALLENGE_STATUS or status >= 400 else None
    if status in (404, 410):
        return Verdict("gone", f"gone: HTTP {status}")
    if status in (412, 521) or (status == 202 and marked):
        name = marked[0] if marked else _CHALLENGE_STATUS[status]
        return Verdict("blocked", f"challenge:{name} {marked[1] if marked else 'script challenge'}, HTTP {status}")
    if status == 429:
        return Verdict("failed", "rate-limited: the server asks for fewer requests, HTTP 429")
    if status >= 400 and marked and len(source) < 60_000:
        return Verdict("blocked", f"challenge:{marked[0]} {marked[1]}, HTTP {status}")
    if status in (401, 403, 405, 407, 418, 451, 493):
        return Verdict("blocked", f"forbidden: the server refuses, HTTP {status}")
    if status >= 500:
        return Verdict("failed", f"server-error: HTTP {status}")
    if status >= 400:
        return Verdict("failed", f"client-error: HTTP {status}")
    if 300 <= status < 400:
        return Verdict("failed", f"redirect: not followed, HTTP {status} to {headers.get('location', 'nowhere')[:200]}")
    if status < 200:
        return Verdict("failed", f"no-answer: HTTP {status}")
    return None


def _by_size(status: int, headers: Mapping[str, str], body: bytes) -> Verdict | None:
    if not body.strip():
        return Verdict("failed", "empty: no body")
    if status == 206 and not headers.get("content-range", "").startswith("bytes 0-"):
        return Verdict("failed", "truncated: only a part of the file, HTTP 206")
    declared = headers.get("content-length", "").strip()
    coded = headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
    if declared.isdecimal() and not coded and "transfer-encoding" not in headers and len(body) < int(declared):
        return Verdict("failed", f"truncated: {len(body)} of {declared} bytes")
    return None


def _challenge(source: str) -> tuple[str, str] | None:
    return next(((name, words) for name, mark, words in _CHALLENGE_MARKS if mark.search(source)), None)


def _file_kind(body: bytes) -> str | None:
    head = body[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, kind in _FILE_MARKS:
        if head.startswith(mark):
            return kind
    # UTF-16 text has zero bytes too, but at every other place.
    zeros = body[:4096].count(0)
    even = body[:4096:2].count(0)
    return "binary data" if zeros and not body.startswith((b"\xff\xfe", b"\xfe\xff")) and 0 < even < zeros else None


def _looks_like_html(body: bytes) -> bool:
    head = body[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<script", b"<meta", b"<body", b"<!--", b"<title"))


def _whole_file(body: bytes) -> Verdict | None:
    """A verdict on a file that is cut: its format's end mark is missing."""
    kind = _file_kind(body)
    if kind == "PDF" and b"%%EOF" not in body[-4096:]:
        return Verdict("failed", "truncated: the PDF has no end mark")
    if kind == "ZIP or Office file" and b"PK\x05\x06" not in body[-66_000:]:
        return Verdict("failed", "truncated: the ZIP container has no directory")
    if kind == "gzip data":
        return Verdict("failed", "undecodable: compressed data in place of a file")
    return None


def _unexpected_file(kind: str, headers: Mapping[str, str], body: bytes, url: str) -> Verdict:
    """A document may itself be a file, where address or header say so; under an HTML name it is a fault."""
    declared = headers.get("content-type", "").lower()
    named = re.search(r"\.(?:pdf|docx?|wps|xlsx?|ofd|rtf|zip|jpe?g|png)$", _path_of(url), re.I)
    if kind in _DOCUMENT_FILES and (named or ("html" not in declared and declared)):
        return _whole_file(body) or OK
    return Verdict("failed", f"binary: {kind} where a page was expected")


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _by_words(page: _Page, body: bytes) -> Verdict:
    if verdict := _undecodable(page):
        return verdict
    start = page.source.lstrip("\ufeff \t\r\n")[:1]
    if start in "{[" and start:
        return _by_json(page.source)
    for test in _PAGE_TESTS:
        if verdict := test(page):
            return verdict
    if page.expects == "attachment" and "schemas-microsoft-com:office" not in page.source:
        return Verdict("failed", "html-for-file: a page where a file was expected")
    return OK


def _undecodable(page: _Page) -> Verdict | None:
    text = page.source
    lost = text.count("\ufffd")
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    if lost > 3 and lost > foreign * 0.02:
        return Verdict("failed", f"undecodable: {lost} characters fit no encoding")
    if is_garbled(text):
        return Verdict("failed", "mojibake: the server sends text that was garbled before")
    return None


def _by_json(source: str) -> Verdict:
    try:
        answer = json.loads(source)
    except (ValueError, RecursionError):
        # JSON lines and JSONP are read elsewhere; a cut array is not.
        return Verdict("failed", "truncated: the JSON does not end")
    if not isinstance(answer, dict):
        return OK
    code = next((answer[k] for k in ("code", "status", "errcode", "errCode") if k in answer), None)
    words = str(next((answer[k] for k in ("msg", "message", "error", "errmsg") if answer.get(k)), ""))[:100]
    filled = any(isinstance(v, list | dict) and v for v in answer.values())
    if filled or not (code or words) or str(code) in ("0", "200", "1", "true", "True", "success", "ok"):
        return OK
    if str(code) in ("404", "410"):
        return Verdict("gone", f"soft-404: the interface answers {code} {words}")
    if str(code) in ("401", "403") or _WALL.search(words):
        return Verdict("blocked", f"forbidden: the interface answers {code} {words}")
    return Verdict("failed", f"api-error: the interface answers {code} {words}")


def _challenged(page: _Page) -> Verdict | None:
    silent = len(page.text) < 200
    if page.is_record:
        return None
    marked = _challenge(page.source) if silent else None
    if marked and (marked[0] != "cookie" or len(page.text) < _STUB):
        return Verdict("blocked", f"challenge:{marked[0]} {marked[1]}")
    if page.brief and (words := _WALL.search(f"{page.title} {page.text}")):
        return Verdict("blocked", f"challenge:wall the page says: {words.group()}")
    return None


def _login(page: _Page) -> Verdict | None:
    if page.is_record:
        return None
    password = any((field.get("type") or "").lower() == "password" for field in page.tree.iter("input"))
    moved = _LOGIN_PATH.search(_path_of(page.final_url)) and not _LOGIN_PATH.search(_path_of(page.url))
    titled = len(page.title) < 40 and _LOGIN_WORDS.search(page.title)
    if (password and (titled or moved or len(page.text) < 300)) or (moved and page.brief):
        return Verdict("blocked", "login: the page asks who we are")
    return None


def _sent_home(page: _Page) -> Verdict | None:
    if normal_address(page.url) == normal_address(page.final_url):
        return None
    if is_home(page.final_url) and not is_home(page.url):
        return Verdict("gone", "soft-404: redirected to the home page")
    if _ERROR_PATH.search(_path_of(page.final_url)) and not _ERROR_PATH.search(_path_of(page.url)):
        return Verdict("gone", f"soft-404: redirected to the error page {page.final_url[:200]}")
    return None


def _said(page: _Page, words: re.Pattern[str], title: re.Pattern[str] | None = None) -> str | None:
    """The words by which a page says what it is, in its title or a short text; documents mention them."""
    if page.is_record:
        return None
    if found := (title or words).search(page.title):
        return found.group()
    if page.brief and (found := words.search(page.text)):
        return found.group()
    return None


def _soft_404(page: _Page) -> Verdict | None:
    if words := _said(page, _GONE_WORDS, _GONE_TITLE):
        return Verdict("gone", f"soft-404: the page says: {words}")
    # Some sites put the message into their full frame, far over the size of a bare error page.
    framed = page.expects == "document" and not page.is_record and len(page.text) < 6000
    if framed and (found := _GONE_IN_FRAME.search(page.text)):
        return Verdict("gone", f"soft-404: the page says: {found.group()}")
    return None


def _under_repair(page: _Page) -> Verdict | None:
    words = _said(page, _REPAIR_WORDS)
    return Verdict("failed", f"maintenance: the page says: {words}") if words else None


def _error_page(page: _Page) -> Verdict | None:
    words = _said(page, _ERROR_WORDS)
    return Verdict("failed", f"error-page: the page says: {words}") if words else None


def _shell(page: _Page) -> Verdict | None:
    """A page whose only content is to send the browser elsewhere."""
    if len(page.text) > 100:
        return None
    target = _refresh_target(page.tree)
    if not target and (jump := _JUMP.search(page.source)) and len(page.source) < 4000:
        target = jump[1] or jump[2]
    if not target:
        return None
    if _ERROR_PATH.search(target) or target in ("/", "/index.html"):
        return Verdict("gone", f"soft-404: the page sends the browser to {target[:200]}")
    return Verdict("failed", f"redirect-shell: the page sends the browser to {target[:200]}")


def _refresh_target(tree: html.HtmlElement) -> str | None:
    for meta in tree.iter("meta"):
        if (meta.get("http-equiv") or "").lower() == "refresh" and (m := _REFRESH.match(meta.get("content") or "")):
            return m[1].strip()
    return None


def _stub(page: _Page) -> Verdict | None:
    if len(page.text) >= _STUB:
        return None
    if page.expects == "list" and _ROWS_ELSEWHERE.search(page.source):
        return None
    if page.source.lstrip()[:5].lower() == "<?xml" or page.source.lstrip()[:10].lower() == "<datastore":
        return None
    if any(True for _ in page.tree.iter("iframe", "embed", "object", "img")) and page.expects == "document":
        return None
    if any(True for _ in page.tree.iter("script")):
        return Verdict("failed", 'stub: only scripts; the page needs a browser (render = "browser")')
    return Verdict("failed", f"stub: {len(page.text)} characters of text")


def _cut(page: _Page) -> Verdict | None:
    """HTML that stops in the middle: nothing is closed. Templates that merely forget </html> are balanced."""
    source = page.source.rstrip()
    lower = source[-20_000:].lower()
    if "</html" in lower or "</body" in lower or "<body" not in source[:200_000].lower():
        return None
    opened, closed = source.count("<div"), source.count("</div")
    tables = source.count("<table") - source.count("</table")
    if _CUT_TAG.search(source[-2000:]) or opened - closed >= 2 or tables >= 1:
        return Verdict("failed", "truncated: the page stops in the middle")
    return None


# In this order: the more certain sign comes first.
_PAGE_TESTS: tuple[Callable[[_Page], Verdict | None], ...] = (
    _challenged,
    _sent_home,
    _login,
    _soft_404,
    _under_repair,
    _error_page,
    _shell,
    _stub,
    _cut,
)
