"""Answers of servers, each with the verdict and the first word of the reason."""

import io
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.judging import Expectation, Verdict, judge

URL = "http://mzj.example.gov.cn/zwgk/202507/t20250707_1.html"
SMALL = """<html><head><title>公示</title></head>
<body><h2>公示</h2><p>经审核，拟对王某某等3人发放护理员岗位补贴，
现予公示，公示期5个工作日。</p><p>某某区民政局</p><p>2025年7月7日</p></body></html>"""
NAV = "".join(f'<li><a href="/{n}/">栏目名称{n}</a></li>' for n in range(150))


def verdict(
    body: str | bytes,
    status: int = 200,
    expects: Expectation = "document",
    final: str = URL,
    headers: Mapping[str, str] | None = None,
    url: str = URL,
) -> Verdict:
    content = body.encode() if isinstance(body, str) else body
    known = {"Content-Type": "text/html"} if headers is None else headers
    return judge(status=status, headers=known, body=content, url=url, final_url=final, expects=expects)


def html(text: str, title: str = "", head: str = "") -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body>{text}</body></html>"


GOOD = {
    "a short notice": SMALL,
    "a notice about maintenance": html(
        "<h1>关于政务服务网系统维护的公告</h1><p>因系统升级，7月8日0时至6时暂停服务，请提前办理相关业务。</p>"
        "<p>市政务服务局</p><p>2025年7月7日</p>",
        "关于政务服务网系统维护的公告",
    ),
    "a document that speaks of missing pages": html(
        "<h1>关于政府网站检查情况的通报</h1><p>抽查发现，部分栏目打开后提示您访问的页面不存在，另有3家单位网站无法访问。</p>",
        "关于政府网站检查情况的通报",
    ),
    "a record with little text": html(
        "<p>详见附件。</p><a href='./P020250707.pdf'>附件：验证码短信服务采购结果.pdf</a>",
        "采购结果",
        "<meta name='ArticleTitle' content='采购结果'><meta name='PubDate' content='2025-07-07'>",
    ),
    "a page let through by the firewall": html(f"<p>{'养老服务补贴标准如下。' * 40}</p><script>$_ts={{}};</script>"),
    "a portal with a login box": html(
        f"<ul>{NAV}</ul><form>用户登录<input type='password'></form><p>{'正文内容。' * 100}</p>", "通知公告"
    ),
    "a scan in a frame": html("<iframe src='/pdf/web/viewer.html?file=/a.pdf'></iframe>", "批复"),
    "a page that forgets its end": "<html><body><div><h1>关于调整补贴的通知</h1><p>自2025年起执行。</p></div>",
    "gb2312": html("<p>关于发放高龄津贴的通知，自二〇二五年七月起执行，请各街道遵照办理。</p>").encode("gb18030"),
}


@pytest.mark.parametrize("body", GOOD.values(), ids=GOOD.keys())
def test_documents_pass(body: str | bytes) -> None:
    assert verdict(body) == Verdict("ok")


RUISHU = "<html><head><script>$_ts=window['$_ts']||{};</script><script src='/x/y.js'></script></head></html>"
BAD = [
    ("404", "", 404, "gone", "gone:"),
    ("410", "x", 410, "gone", "gone:"),
    ("not found in a title", html("<h1>Not Found</h1>", "404 Not Found"), 200, "gone", "soft-404:"),
    (
        "not found in words",
        html("<p>对不起，您访问的页面不存在或已被删除！</p><a href='/'>返回首页</a>"),
        200,
        "gone",
        "soft-404:",
    ),
    (
        "not found inside the site's frame",
        html(f"<ul>{NAV}</ul><p>抱歉，您要访问的页面已删除</p><ul>{NAV}</ul>", "某某市民政局"),
        200,
        "gone",
        "soft-404:",
    ),
    ("withdrawn", html("<div>该信息已删除</div>", "提示"), 200, "gone", "soft-404:"),
    ("ruishu 412", RUISHU, 412, "blocked", "challenge:ruishu"),
    ("ruishu 202", RUISHU, 202, "blocked", "challenge:ruishu"),
    ("ruishu 200", RUISHU, 200, "blocked", "challenge:ruishu"),
    ("ruishu without a body", "", 412, "blocked", "challenge:"),
    (
        "jiasule",
        "<script>document.cookie='__jsl_clearance_s=1';location.href=location.pathname</script>",
        521,
        "blocked",
        "challenge:jiasule",
    ),
    (
        "acw",
        "<html><script>var arg1='3A4B';document.cookie='acw_sc__v2='+x;</script></html>",
        200,
        "blocked",
        "challenge:acw",
    ),
    ("firewall 403", html("<p>您的请求疑似攻击行为，已被网站防火墙拦截</p>"), 403, "blocked", "forbidden:"),
    (
        "firewall 200",
        html("<h3>访问被拒绝</h3><p>您的IP已被限制，事件编号：8273</p>", "403"),
        200,
        "blocked",
        "challenge:wall",
    ),
    ("too often", html("<p>您的访问过于频繁，请稍后再试</p>"), 200, "blocked", "challenge:wall"),
    (
        "verify",
        html("<div id='slide'></div><p>请完成安全验证后继续访问</p>", "安全验证"),
        200,
        "blocked",
        "challenge:wall",
    ),
    (
        "login",
        html("<form>用户名<input name='u'>密码<input type='password' name='p'></form>", "统一身份认证平台"),
        200,
        "blocked",
        "login:",
    ),
    ("401", "", 401, "blocked", "forbidden:"),
    ("too many", "", 429, "failed", "rate-limited:"),
    ("500", html("<p>出错</p>"), 500, "failed", "server-error:"),
    (
        "cloudflare 503",
        html("<script>window._cf_chl_opt={}</script>", "Just a moment..."),
        503,
        "blocked",
        "challenge:cloudflare",
    ),
    ("400", "", 400, "failed", "client-error:"),
    (
        "maintenance",
        html("<h1>系统正在升级维护</h1><p>请于明日访问</p>", "系统维护"),
        200,
        "failed",
        "maintenance:",
    ),
    ("closed for the night", html("<p>网站暂停服务，预计8月1日恢复。</p>"), 200, "failed", "maintenance:"),
    (
        "stack trace",
        html("<pre>java.lang.NullPointerException at com.trs.Foo</pre>", "HTTP Status 500"),
        200,
        "failed",
        "error-page:",
    ),
    ("database", html("<p>数据库连接失败</p>"), 200, "failed", "error-page:"),
    (
        "shell",
        "<html><head><meta http-equiv='refresh' content='0; url=/new/index.html'></head></html>",
        200,
        "failed",
        "redirect-shell:",
    ),
    (
        "shell by script",
        "<script>window.location.href='/wzq/a.html';</script>",
        200,
        "failed",
        "redirect-shell:",
    ),
    ("shell to nowhere", "<script>location.replace('/404.html')</script>", 200, "gone", "soft-404:"),
    (
        "application",
        html("<div id='app'></div><script src='/js/app.js'></script>", "政务公开"),
        200,
        "failed",
        "stub:",
    ),
    ("nothing", "", 200, "failed", "empty:"),
    ("blanks", " \r\n ", 200, "failed", "empty:"),
    (
        "garbled",
        html("<p>" + "关于养老服务补贴标准的通知" * 3 + "</p>").encode().decode("gb18030", "replace"),
        200,
        "failed",
        "mojibake:",
    ),
    ("noise", bytes(range(128, 256)) * 20, 200, "failed", "undecodable:"),
    ("a picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, 200, "failed", "binary:"),
    ("compressed", b"\x1f\x8b\x08" + b"\x01" * 50, 200, "failed", "binary:"),
    (
        "cut in a tag",
        "<html><body><div><div><p>关于做好养老服务工作的通知</p><p>各区民政局：</p><a hre",
        200,
        "failed",
        "truncated:",
    ),
    (
        "cut in a block",
        "<html><body><div><div><div><p>关于做好养老服务工作的通知</p><p>各区民政局：现将",
        200,
        "failed",
        "truncated:",
    ),
]


@pytest.mark.parametrize(("body", "status", "outcome", "code"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_what_comes_in_place_of_a_page(body: str | bytes, status: int, outcome: str, code: str) -> None:
    found = verdict(body, status)
    assert (found.outcome, found.reason[: len(code)]) == (outcome, code), found
    assert len(found.reason) > len(code)


def test_not_modified() -> None:
    assert verdict("", 304).outcome == "not_modified"


def test_redirects_away() -> None:
    home = html(f"<ul>{NAV}</ul>", "某某市民政局")
    assert verdict(home, final="https://mzj.example.gov.cn/").reason.startswith("soft-404: redirected to the home")
    assert verdict(home, final="http://mzj.example.gov.cn/error/404.html").outcome == "gone"
    assert verdict(html("请登录", "登录"), final="http://mzj.example.gov.cn/sso/login?to=x").outcome == "blocked"
    assert verdict(SMALL, final=URL.replace("http:", "https:")) == Verdict("ok")
    assert (
        verdict(
            home, url="http://example.gov.cn/", final="https://www.example.gov.cn/index.html", expects="list"
        ).outcome
        == "ok"
    )


def test_length() -> None:
    size = len(SMALL.encode())
    assert verdict(SMALL, headers={"content-length": str(size)}).outcome == "ok"
    assert verdict(SMALL, headers={"CONTENT-LENGTH": str(size + 1)}).reason.startswith("truncated:")
    assert verdict(SMALL, headers={"Content-Length": str(size + 1), "Content-Encoding": "gzip"}).outcome == "ok"


def test_files() -> None:
    pdf = b"%PDF-1.4\n" + b"0" * 3000 + b"\n%%EOF\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("word/document.xml", "<x/>" * 2000)
    office = archive.getvalue()
    for whole in (pdf, office, b"\xd0\xcf\x11\xe0" + b"\0" * 600):
        assert verdict(whole, expects="attachment").outcome == "ok"
    for cut in (pdf[:1500], office[: len(office) // 2]):
        assert verdict(cut, expects="attachment").reason.startswith("truncated:")
    assert verdict(SMALL, expects="attachment").reason.startswith("html-for-file:")
    assert verdict(html("<p>文件不存在</p>"), expects="attachment").outcome == "gone"
    assert verdict(pdf).reason.startswith("binary:")
    assert verdict(pdf, headers={"Content-Type": "application/pdf"}).outcome == "ok"
    assert verdict(pdf, final=URL.replace(".html", ".pdf")).outcome == "ok"


def test_interfaces() -> None:
    assert verdict('{"code":200,"data":{"results":[{"title":"通知"}]}}', expects="list").outcome == "ok"
    assert verdict('[{"TITLE":"通知"}]', expects="list").outcome == "ok"
    assert verdict('{"code":200,"data":{"results":[{"ti', expects="list").reason.startswith("truncated:")
    assert verdict('{"code":500,"msg":"系统异常"}', expects="list").reason.startswith("api-error:")
    assert verdict('{"code":403,"msg":"无权访问"}', expects="list").outcome == "blocked"
    assert verdict('{"total":0,"articles":[]}', expects="list").outcome == "ok"
    store = "<datastore><totalrecord>0</totalrecord><recordset></recordset></datastore>"
    assert verdict(store, expects="list").outcome == "ok"


def test_a_list_whose_rows_stand_in_scripts_is_no_stub() -> None:
    page = html("<div id='l'></div><script>var listData={articleList:[]}</script>")
    assert verdict(page, expects="list").outcome == "ok"
    assert verdict(page).reason.startswith("stub:")


@given(
    st.binary(max_size=300),
    st.integers(min_value=-1, max_value=700),
    st.sampled_from(["list", "document", "attachment"]),
    st.text(max_size=30),
)
def test_no_answer_raises(body: bytes, status: int, expects: Expectation, url: str) -> None:
    for content in (body, b"<html><body>" + body, b'{"code":' + body, b"%PDF-" + body):
        found = verdict(content, status, expects, final=url, url="http://" + url)
        assert found.outcome in ("ok", "not_modified", "gone", "blocked", "failed")
        assert found.reason or found.outcome in ("ok", "not_modified")
