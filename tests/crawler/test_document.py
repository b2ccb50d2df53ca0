"""Pages of the CMS families, written after the form of real ones, against what a reader would copy from them."""

import json
import re
import time
from pathlib import Path

import pytest

from crawler.document import READER, DetailRules, full_text, join_pages, read_document, read_text
from crawler.kinds import UnreadableFile
from storage.records import Attachment, Document

PAGES = Path(__file__).parent / "pages" / "details"
NAMES = sorted(path.stem for path in PAGES.glob("*.html"))
FIELDS = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")


def read(name: str) -> tuple[Document, dict]:
    expected = json.loads((PAGES / f"{name}.json").read_text("utf-8"))
    return read_document((PAGES / f"{name}.html").read_bytes(), expected["url"]), expected


@pytest.mark.parametrize("name", NAMES)
def test_metadata(name):
    document, expected = read(name)
    shown = {field: getattr(document, field) for field in FIELDS}
    shown |= {f: d.isoformat() for f in ("published_on", "issued_on") if (d := shown[f])}
    assert shown == {field: expected[field] for field in FIELDS}


@pytest.mark.parametrize("name", NAMES)
def test_text(name):
    document, expected = read(name)
    assert document.text.split("\n") == (expected["text"] or [""])


@pytest.mark.parametrize("name", NAMES)
def test_attachments_and_parts(name):
    document, expected = read(name)
    assert [[a.name, a.url] for a in document.attachments] == expected["attachments"]
    assert list(document.next_pages) == expected["next_pages"]


@pytest.mark.parametrize("name", NAMES)
def test_warnings(name):
    document, expected = read(name)
    beginnings = expected.get("warnings", [])
    assert len(document.warnings) == len(beginnings)
    assert all(any(w.startswith(b) for w in document.warnings) for b in beginnings)


def test_rules_win_over_the_automatic_reading():
    body = "<p>一、正文在一个没有名字的地方，共有三十多个字，足够算作一篇文章了，再多说几句也无妨。</p>"
    other = f"<div class=content><p>{'别的内容。' * 20}</p></div>"
    page = f"<html><head><title>x</title></head><body><b id=t>真正的 标题</b>{other}"
    page += f"<div class=odd>{body}<p class=ad>广告</p></div><div class=dl><a href=/f?k=1>附表</a></div></body></html>"
    rules = DetailRules(body=".odd", title="#t", attachments=".dl", drop=(".ad",))
    document = read_document(page.encode(), "http://a.test/b/c.html", None, rules)
    assert (document.title, document.text) == ("真正的 标题", body[3:-4])
    assert document.attachments == (Attachment("附表", "http://a.test/f?k=1"),)
    with pytest.raises(ValueError, match="not a CSS selector: ::"):
        read_document(page.encode(), "http://a.test/", None, DetailRules(body="::"))


def test_a_table_in_the_text_is_no_catalogue():
    rows = "<tr><th>序号</th><th>名称</th><th>文号</th></tr><tr><td>1</td><td>旧办法</td><td>川民〔2011〕9号</td></tr>"
    body = f"<div class=TRS_Editor><p>{'现将有关事项公告如下。' * 5}</p><table border=1>{rows}</table></div>"
    page = f"<html><head><title>关于废止部分文件的公告</title></head><body>{body}</body></html>"
    document = read_document(page.encode(), "http://a.test/")
    assert (document.doc_number, document.title, document.status) == (None, "关于废止部分文件的公告", "unknown")
    assert document.text.endswith("序号 | 名称 | 文号\n1 | 旧办法 | 川民〔2011〕9号")


@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ("<script>var file_status='失效';</script>", "expired"),
        ("<script>\n// var file_status='失效';\n</script>", "unknown"),
        ("<!-- <tr><td>有效性</td><td>失效</td></tr> -->", "unknown"),
        ('<script>window._CONFIG={DETAIL: {"is_abolished":1}}</script>', "repealed"),
        ("<table><tr><td>时效性</td><td>继续有效</td></tr></table>", "in_force"),
        ("<form>有效性：<select><option>全部</option><option>失效</option></select></form>", "unknown"),
        ("<ul><li>是否有效：否</li></ul>", "expired"),
    ],
)
def test_status(extra, status):
    text = "旧的通知同时废止，自本通知失效之日起执行。" * 3
    page = f"<html><body>{extra}<div class=TRS_Editor><p>{text}</p></div></body></html>"
    assert read_document(page.encode(), "http://a.test/").status == status


def test_a_notice_at_the_head_repeals():
    text = "<p>（本文件已于2024年3月1日废止）</p>" + "<p>各区民政局：请遵照执行，并将执行情况按季度报送。</p>" * 3
    page = f"<html><body><div class=TRS_Editor>{text}</div></body></html>"
    assert read_document(page.encode(), "http://a.test/").status == "repealed"


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("浏览次数：1234", False),
        ("已阅 0 打印 关闭", False),
        ("【字体：大 中 小】", False),
        ("您现在的位置：首页 > 政务公开 > 通知", False),
        ("上一篇：关于补贴的通知", False),
        ("（责任编辑：张三）", False),
        ("发布时间：2025-09-15 来源：民政局 浏览次数：88", False),
        ("时间：2019-09-18 06:23 来源：日报", False),
        ("2025-09-15 18:15 民政局", False),
        ("[ 2025-09-15 ]浏览：12分享到", False),
        ("打印关闭", False),
        ("首页 > 政务公开 > 通知", False),
        ("时间：2025年9月1日上午9时 地点：市民中心", True),
        ("单位：万元", True),
        ("标准", True),
        ("3600", True),
        ("支持扫码就餐的社区食堂每家补贴5000元", True),
        ("阅读空间建设", True),
        ("公开方式：主动公开", True),
        ("数据来源：统计局", True),
        ("下载量达到10万次", True),
    ],
)
def test_furniture_at_the_head(line, kept):
    prose = "<p>一、对新增的护理型床位按照每张八千元的标准给予一次性建设补贴，并按月给予运营补贴。</p>" * 2
    page = f"<html><body><div class=article-content><p>{line}</p>{prose}</div></body></html>"
    assert (line in read_document(page.encode(), "http://a.test/").text.split("\n")) is kept


def test_parts_of_an_article_are_joined():
    def part(number: int) -> Document:
        files = (Attachment("a", "http://a.test/a.pdf"),)
        return Document(f"t{number}", f"第{number}部分", attachments=files, next_pages=("x",))

    joined = join_pages(part(1), [part(2), part(3)])
    assert (joined.title, joined.text) == ("t1", "第1部分\n第2部分\n第3部分")
    assert (len(joined.attachments), joined.next_pages) == (1, ())


def test_full_text_holds_what_attachments_say():
    read_one = Attachment("表.xlsx", "http://a.test/1", text="县 | 80")
    document = Document("t", "正文", attachments=(read_one, Attachment("没读.pdf", "http://a.test/2")))
    assert full_text(document) == "正文\n\n【附件】表.xlsx\n县 | 80"
    assert full_text(Document("t", "正文")) == "正文"


def test_bare_text_is_kept_and_read():
    text = "索引号 640000/2024-00029 文号 川民发〔2023〕2号 生成日期 2023-09-14\n"
    text += "公开方式 主动公开 发布机构 东川市民政局\n\n  关于印发《实施方案》的通知\n"
    document = read_text(text)
    assert document.text == text
    assert (document.title, document.publisher) == ("关于印发《实施方案》的通知", "东川市民政局")
    assert (document.index_number, document.doc_number) == ("640000/2024-00029", "川民发〔2023〕2号")
    assert document.issued_on is not None
    assert document.issued_on.isoformat() == "2023-09-14"


@pytest.mark.parametrize("body", [b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_page_is_refused_by_name(body):
    with pytest.raises(UnreadableFile):
        read_document(body, "http://a.test/x.html")


def test_deep_and_broken_markup_is_read():
    deep = "<div>" * 3000 + "<table><tr><td>" * 300 + "底" + "</p></b>" * 50
    document = read_document(f"<html><body>{deep}</body></html>".encode(), "http://[bad/")
    assert isinstance(document.text, str)


def test_a_heading_that_ends_as_the_page_is_called_is_the_title():
    text = "<p>一、对新增的护理型床位，给予一次性建设补贴；并按月给予运营补贴。</p>" * 2
    head = "<title>东海市民政局 通知公告 关于调整护理补贴标准的通知</title>"
    heading = "<h1>东海市民政局<br>关于调整护理补贴标准的通知</h1>"
    page = f"<html><head>{head}</head><body>{heading}<div class=zoom>{text}</div></body></html>"
    assert read_document(page.encode(), "http://a.test/").title == "东海市民政局关于调整护理补贴标准的通知"


def test_tables_in_tables_are_read_to_any_depth():
    text = "<p>一、对新增的护理型床位，按照每张八千元的标准给予一次性建设补贴；并按月给予运营补贴。</p>" * 3
    page = f"<html><body>{'<table><tr><td>' * 400}{text}</body></html>"
    assert read_document(page.encode(), "http://a.test/").text.count("护理型床位") == 3


def test_a_short_text_beside_its_catalogue_is_no_catalogue():
    cells = "<td>索引号</td><td>1/2025-1</td><td>发布机构</td><td>民政局</td><td>文号</td><td>东民〔2025〕1号</td>"
    text = "<p>经审核，拟对下列机构给予补贴，现予公示。如有异议，请于五日内反映。</p><p>民政局</p>"
    page = f"<html><body><div class=a><table><tr>{cells}</table><div class=content>{text}</div></div></body></html>"
    document = read_document(page.encode(), "http://a.test/")
    assert (document.doc_number, document.text.split("\n")[0][:4]) == ("东民〔2025〕1号", "经审核，")


def test_the_reader_has_a_fingerprint():
    assert len(READER) == 64


@pytest.mark.parametrize("tag", ["font", "span", "div"])
def test_tags_that_are_never_closed_lose_no_figure(tag: str) -> None:
    """libxml2 drops what lies deeper than about 2,045 levels without a word."""
    lines = "".join(f"<{tag}>第{n}段：给予每张{n}元补贴。<br>" for n in range(1, 3001))
    page = f"<html><head><title>关于补贴标准的通知</title></head><body><div id='zoom'>{lines}</div></body></html>"
    document = read_document(page.encode(), "http://a.example.gov.cn/1.html")
    found = re.findall(r"给予每张(\d+)元补贴", document.text)
    assert found == [str(n) for n in range(1, 3001)]
    assert len(document.text.splitlines()) == 3000


@pytest.mark.parametrize("shape", ["<p>{}</p>", "{}<br>"], ids=["paragraphs", "breaks"])
def test_the_work_grows_with_a_page_and_not_with_its_square(shape):
    def cost(count: int) -> float:
        lines = (shape.format(f"第{n}条 到2027年，护理型床位达到{n}张以上，各区要落实资金。") for n in range(count))
        page = f"<html><head><title>办法</title></head><body><div class=main99>{''.join(lines)}</div></body></html>"
        before = time.process_time()  # of this process alone, whatever else the machine does
        assert len(read_document(page.encode(), "http://mzj.example.test/a.html").text) > 20 * count
        return time.process_time() - before

    assert cost(20_000) < 9 * cost(5000)  # 4 times the page; its square would be 16


FULL = "关于印发东川市养老服务体系建设三年行动计划的通知"


def titled(title: str, heading: str = FULL, around: str = "{}", body: str = "") -> str:
    """The title that is read of a page without metadata: its <title>, and a heading."""
    text = "<p>各区民政局：现将行动计划印发给你们，请结合实际认真贯彻落实。到2027年底，护理型床位占比达到55%。</p>" * 3
    head = (
        f"<html><head><meta charset=utf-8><title>{title}</title></head><body><div class=top><h2>东川市民政局</h2></div>"
    )
    page = f"{head}{around.format(f'<h1>{heading}</h1>')}<div class=content>{text}{body}</div></body></html>"
    return read_document(page.encode(), "https://mzj.example.org/a/b.html").title


@pytest.mark.parametrize(
    "title",
    [
        *("关于印发东川市养老服…", "关于印发东川市养老服...", "关于…的通…", "关于印发…三年行动计划的通知"),
        *(
            "关于印发东川市养老服…_东川市民政局",
            "关于印发东川市养老服... - 东川市民政局",
            "关于印发东川市养老服务体系建",
        ),
        *("关于印发东川市养老服务体系建-东川市民政局", "三年行动计划", "东川市养老服务体系建设三年行动计划"),
        *("", "东川市民政局", "东川市人民政府门户网站", "中国·东川", "Dongchuan", "无标题文档", "文章详情"),
        *("通知公告", "通知公告-东川市民政局", "通知公告_东川市人民政府门户网站", "政策文件", "建议提案办理"),
    ],
)
def test_a_title_that_is_cut_or_names_a_column_gives_way_to_the_heading(title: str) -> None:
    assert titled(title) == FULL
    assert titled(title, around="<h2>通知公告</h2>{}<p>发布时间：2025-09-15</p>") == FULL
    assert titled(title, around="<div class=detail_title>{}<p>发布时间：2025-09-15</p></div>") == FULL


def test_a_title_that_is_whole_stays() -> None:
    related = f"<h3><a href=/1.html>{FULL}</a></h3>"
    assert titled("东川市养老服务条例", "东川市养老服务条例", body=f"<h3>{FULL}</h3>") == "东川市养老服务条例"
    assert titled("东川市养老服务条例", "信息公开", body=related) == "东川市养老服务条例"
    assert titled(f"{FULL}（东民发〔2025〕3号）", "通知公告").startswith(FULL)
    assert titled(FULL, "关于开展养老机构检查的通知") == FULL
    boxed = "<div class=detail_title>{}<p>2024-05-20 16:30:00　来源：东川市民政局</p></div>"
    assert titled(FULL, around=boxed) == FULL
