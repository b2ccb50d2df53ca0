"""Why a page could not be had, in words: what fetcher, verdicts and passes give as a code, for readers of either
language.

A reason begins with its code ("timeout: no complete answer within 30 s"); what it was about may stand before it (an
address, "list:"), and behind it what an operator may look up.
"""

from __future__ import annotations

import re

CAUSES: dict[str, tuple[str, str]] = {
    # how an answer was kept from us
    "timeout": ("访问超时", "no answer in time"),
    "refused": ("无法连接", "the connection was refused"),
    "reset": ("连接被中断", "the connection was cut"),
    "unreachable": ("无法连接", "the server cannot be reached"),
    "dns": ("域名无法解析", "the server's name is not known"),
    "tls": ("安全连接失败", "no secure connection"),
    "protocol": ("服务器的应答不合规范", "the answer breaks the protocol"),
    "bad-gzip": ("压缩数据损坏", "the compressed answer is damaged"),
    "bad-encoding": ("压缩方式无法识别", "the answer is compressed in an unknown way"),
    "too-large": ("内容过大", "too large"),
    "cancelled": ("访问已取消", "given up"),
    "closing": ("服务正在停止", "the service is being stopped"),
    "bad-url": ("网址有误", "the address is wrong"),
    "bad-redirect": ("跳转的网址有误", "redirected to a wrong address"),
    "redirect-loop": ("反复跳转", "redirects without end"),
    "redirect-other-host": ("跳转到其他网站", "redirected to another site"),
    "private-address": ("网址指向内部网络", "the address is inside a private network"),
    "robots": ("网站不允许程序访问（robots.txt）", "robots.txt does not allow it"),
    "backing-off": ("网站此前出错，暂缓访问", "the site is left in peace for a while"),
    "budget": ("当日访问次数已用完", "the day's requests to this site are spent"),
    "unexpected-304": ("服务器误答“未修改”", "said to be unchanged, without having been asked so"),
    # pages that scripts write
    "browser": ("浏览器无法使用", "the browser failed"),
    "incomplete": ("网页未能完整加载", "the page did not load whole"),
    "endless": ("网页不断加载", "the page loads without end"),
    # what came in a page's place
    "gone": ("页面不存在", "the page is gone"),
    "soft-404": ("页面不存在", "the page is gone"),
    "challenge": ("被防护页拦截", "kept out by a firewall"),
    "forbidden": ("被拒绝访问", "access refused"),
    "login": ("要求登录", "a login is asked for"),
    "rate-limited": ("访问过于频繁，被限制", "the site asks for fewer requests"),
    "maintenance": ("网站维护中", "the site is under maintenance"),
    "server-error": ("服务器出错", "the server failed"),
    "client-error": ("服务器不接受请求", "the server does not accept the request"),
    "error-page": ("网站出错", "the site shows an error"),
    "api-error": ("接口出错", "the interface reports an error"),
    "redirect": ("跳转未完成", "a redirect that leads nowhere"),
    "redirect-shell": ("网页只有跳转，没有内容", "the page only sends the browser elsewhere"),
    "no-answer": ("服务器没有应答", "the server gave no answer"),
    "empty": ("网页是空的", "the page is empty"),
    "stub": ("网页没有正文", "the page has no text"),
    "truncated": ("内容不完整", "the page or file is cut off"),
    "undecodable": ("文字无法辨认", "the text cannot be read"),
    "mojibake": ("文字无法辨认", "the text is garbled"),
    "binary": ("应为网页，得到的是文件", "a file where a page was expected"),
    "html-for-file": ("应为附件，得到的是网页", "a page where a file was expected"),
    # what happened here
    "unreadable": ("文件无法读取", "the file cannot be read"),
    "storage": ("数据库出错", "the database failed"),
    "bug": ("程序出错", "the program made a mistake"),
    "pattern": ("标题规则无法匹配", "a title pattern cannot be matched"),
    "time-limit": ("访问超时", "the pass took too long"),
    "worker-died": ("读取该来源的进程多次中断", "the processes that read this source ended"),
    "no rows were found": ("列表里没有读到条目", "no rows were found in the list"),
}
_FIREWALLS = {
    "ruishu": ("瑞数", "Ruishu"),
    "jiasule": ("创宇盾", "Jiasule"),
    "acw": ("阿里云", "Aliyun"),
    "cloudflare": ("Cloudflare", "Cloudflare"),
    "captcha": ("验证码", "captcha"),
    "cookie": ("Cookie 校验", "cookie check"),
    "wall": ("", ""),  # the page's own words follow
}
# These may be mended by who knows what failed; it is told as it is.
_UNCLEAR = frozenset({"tls", "protocol", "browser", "incomplete", "pattern", "unreadable", "storage", "bug"})
_WITHOUT_COLON = ("backing-off", "no rows were found")
_CODE = re.compile(rf"(?:^|[:\s])({'|'.join(_WITHOUT_COLON)}|(?:{'|'.join(CAUSES)})(?=:))")


def cause_words(reason: str, language: str) -> str:
    """A reason for a reader: the cause, and in brackets what an operator may look up; "" for none.

    >>> cause_words("list: challenge:ruishu 瑞数 script challenge, HTTP 412", "zh")
    '被防护页拦截（HTTP 412，瑞数）'
    >>> cause_words("https://a.example/1.html: server-error: HTTP 502", "en")
    'the server failed (HTTP 502)'
    """
    english = language == "en"
    found = _CODE.search(reason)
    if found is None:
        return reason if english or not reason.isascii() or not reason else f"读取失败（{reason}）"
    facts = re.findall(r"\bHTTP \d{3}\b", reason)[:1]
    facts += [_FIREWALLS[name][english] for name in re.findall(r"challenge:(\w+)", reason) if name in _FIREWALLS]
    said = "the page says “{}”" if english else "网页写着“{}”"
    facts += [said.format(words) for words in re.findall(r"the page says: (.{1,40})", reason)]
    code = found[1]
    if not any(facts) and (english or code in _UNCLEAR):
        facts = [reason[found.end() :].lstrip(":; ")]
    told = (", " if english else "，").join(filter(None, facts))
    words = CAUSES[code][english]
    if not told:
        return words
    return f"{words} ({told})" if english else f"{words}（{told}）"
