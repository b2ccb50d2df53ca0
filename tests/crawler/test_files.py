"""Files of every kind, made here; what they are called never matters."""

import base64
import io
import shutil
import zipfile
from pathlib import Path

import docx
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table
from word97 import word97

from crawler.files import UnreadableFile, read_file, sniff

FOLDER = Path(__file__).parent / "files"
FONT = "STSong-Light"
pdfmetrics.registerFont(UnicodeCIDFont(FONT))
STYLE = ParagraphStyle("body", fontName=FONT, fontSize=14, leading=24, firstLineIndent=28, wordWrap="CJK")
PLEDGE = (
    "到2026年底，全市街道综合养老服务中心覆盖率达到百分之百，社区养老服务设施配建达标率不低于95%，"
    "每个县至少建成2所具备全日托养功能的机构，新增护理型床位3200张。"
)


def pdf_of(*parts, running_head: str = "") -> bytes:
    def footer(canvas: Canvas, template) -> None:
        canvas.setFont(FONT, 10)
        canvas.drawCentredString(300, 20, f"— {template.page} —")
        canvas.drawString(60, 820, running_head)

    out = io.BytesIO()
    story = [Paragraph(part, STYLE) if isinstance(part, str) else part for part in parts]
    SimpleDocTemplate(out, invariant=True).build(story, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue()


def zip_of(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name.replace("__", "/").replace("_x", "."), data)
    return out.getvalue()


def docx_of() -> bytes:
    document = docx.Document()
    document.core_properties.title = "补贴标准表"
    document.add_paragraph("一、建设补贴")
    table = document.add_table(3, 3)
    for r, row in enumerate([("类别", "标准", ""), ("自理", "100元", "每月"), ("失能", "300元", "")]):
        for c, text in enumerate(row):
            table.cell(r, c).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(1, 2).merge(table.cell(2, 2))
    document.add_paragraph("二、本办法自2025年1月1日起施行。")
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def xlsx_of() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "资金表"
    sheet.append(("2025年资金分配表", None, None))
    for row in [("县区", "万元", "占比"), ("东湖区", 120.5, 0.6), ("西湖区", 80, 0.4)]:
        sheet.append(row)
    sheet.merge_cells("A1:C1")
    book.create_sheet("说明")["B2"] = "单位：万元"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def ofd_of(*pages: str) -> bytes:
    ns = 'xmlns:ofd="http://www.ofdspec.org/2016"'
    listed = "".join(f'<ofd:Page ID="{i}" BaseLoc="Pages/Page_{i}/Content.xml"/>' for i in range(len(pages)))
    parts = {
        "OFD.xml": f"<ofd:OFD {ns}><ofd:DocBody><ofd:DocInfo><ofd:Title>关于调整标准的通知</ofd:Title></ofd:DocInfo>"
        "<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": f"<ofd:Document {ns}><ofd:Pages>{listed}</ofd:Pages></ofd:Document>",
    }
    for i, page in enumerate(pages):
        objects = "".join(
            f'<ofd:TextObject Boundary="20 {30 + 10 * n} 150 8" Size="5">'
            f'<ofd:TextCode X="{40 * k}" Y="4">{piece}</ofd:TextCode></ofd:TextObject>'
            for n, line in enumerate(page.split("\n"))
            for k, piece in reversed(list(enumerate(line.split("~"))))
        )
        parts[f"Doc_0/Pages/Page_{i}/Content.xml"] = f"<ofd:Page {ns}><ofd:Content>{objects}</ofd:Content></ofd:Page>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


RTF = (
    rb"{\rtf1\ansi\ansicpg936{\fonttbl{\f0 \'cb\'ce\'cc\'e5;}}{\*\generator X;}\uc1\pard "
    rb"\u20851?\u20110?\'d1\'f8\'c0\'cf8000\'d4\'aa\par\trowd A\cell B\cell\row}"
)


def test_pdf_paragraphs_run_over_lines_and_pages_without_page_furniture():
    read = read_file(pdf_of("一、目标", *[PLEDGE] * 14, "二、补贴", running_head="东川市公报"), "通知.doc")
    assert read.kind == "pdf"
    assert read.text.split("\n") == ["一、目标", *[PLEDGE] * 14, "二、补贴"]
    assert read.warnings == ()


def test_pdf_tables_are_rows():
    grid = [("FONTNAME", (0, 0), (-1, -1), FONT), ("GRID", (0, 0), (-1, -1), 1, "black"), ("SPAN", (2, 1), (2, 2))]
    rows = [["项目", "标准", "备注"], ["建设补贴", "每张8000元", "一次性"], ["运营补贴", "每床每月450元", ""]]
    table = Table(rows, style=grid)
    lines = read_file(pdf_of("标准见下表。", table, "本办法有效期5年。")).text.split("\n")
    assert lines == [
        "标准见下表。",
        "项目 | 标准 | 备注",
        "建设补贴 | 每张8000元 | 一次性",
        "运营补贴 | 每床每月450元 | ↑",
        "本办法有效期5年。",
    ]


def test_scanned_pdf_is_told():
    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (600, 800), 200).save(out, "PDF")
    read = read_file(out.getvalue())
    assert read.text == ""
    assert [w.split(":")[0] for w in read.warnings] == ["scanned"]


def test_pdf_under_a_password():
    from reportlab.lib.pdfencrypt import StandardEncryption

    out = io.BytesIO()
    canvas = Canvas(out, encrypt=StandardEncryption("secret"))
    canvas.drawString(100, 100, "x")
    canvas.save()
    with pytest.raises(UnreadableFile, match="password"):
        read_file(out.getvalue(), "密.pdf")


def test_docx_tables_and_spans():
    read = read_file(docx_of(), "表.pdf")
    assert (read.kind, read.title) == ("docx", "补贴标准表")
    assert read.text.split("\n") == [
        "一、建设补贴",
        "类别 | 标准 | ←",
        "自理 | 100元 | 每月",
        "失能 | 300元 | ↑",
        "二、本办法自2025年1月1日起施行。",
    ]


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([("", "Normal"), ("养老机构补贴标准", "Normal"), ("一、建设补贴", "Normal")], "养老机构补贴标准"),
        ([("临山市民政局文件", "Normal"), ("关于调整补贴的通知", "Heading 1")], "关于调整补贴的通知"),
        ([("附件1", "Normal"), ("标准", "Normal")], None),
        ([("一、建设补贴", "Normal")], None),
        ([("对新建养老机构给予补贴。", "Normal")], None),
    ],
)
def test_docx_without_a_title_of_its_own(lines: list[tuple[str, str]], title: str | None):
    document = docx.Document()
    for words, style in lines:
        document.add_paragraph(words, style)
    out = io.BytesIO()
    document.save(out)
    assert read_file(out.getvalue(), "a.docx").title == title


def test_docx_deleted_text_is_gone_and_inserted_text_stays():
    document = docx.Document()
    paragraph = document.add_paragraph("每张")
    for tag, run_tag, text in (("del", "delText", "5000"), ("ins", "t", "8000")):
        change = paragraph._p.makeelement(docx.oxml.ns.qn(f"w:{tag}"), {})
        run = change.makeelement(docx.oxml.ns.qn("w:r"), {})
        words = run.makeelement(docx.oxml.ns.qn(f"w:{run_tag}"), {})
        words.text = text
        run.append(words)
        change.append(run)
        paragraph._p.append(change)
    paragraph.add_run("元")
    out = io.BytesIO()
    document.save(out)
    assert read_file(out.getvalue()).text == "每张8000元"


def test_workbook_sheets_and_merged_cells():
    read = read_file(xlsx_of(), "表.xls")
    assert read.kind == "xlsx"
    assert read.text.split("\n") == [
        "资金表",
        "2025年资金分配表 | ← | ←",
        "县区 | 万元 | 占比",
        "东湖区 | 120.5 | 0.6",
        "西湖区 | 80 | 0.4",
        "说明",
        "| 单位：万元",
    ]


def test_workbook_with_a_cell_in_the_farthest_corner():
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = 1, 2
    out = io.BytesIO()
    book.save(out)
    with pytest.raises(UnreadableFile, match="1048576 rows"):
        read_file(out.getvalue())


def test_ofd_pieces_stand_in_the_order_of_the_page():
    read = read_file(ofd_of("关于调整~标准的通知\n每床每月~450元。", "二、有效期5年。"), "a.zip")
    assert (read.kind, read.title) == ("ofd", "关于调整标准的通知")
    assert read.text.split("\n") == ["关于调整标准的通知", "每床每月450元。", "二、有效期5年。"]


def test_ofd_entities_are_not_expanded():
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    bomb = entities + b"<OFD><DocBody><DocRoot>&b;</DocRoot></DocBody></OFD>"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("OFD.xml", bomb)
    with pytest.raises(UnreadableFile, match="damaged ofd"):
        read_file(out.getvalue(), "b.ofd")


def test_rtf_named_doc():
    read = read_file(RTF, "旧文件.doc")
    assert (read.kind, read.text) == ("rtf", "关于养老8000元\nA | B")


def test_html_named_doc():
    body = f"<div class='TRS_Editor'><p>{PLEDGE}</p></div>"
    page = f"<html><head><title>补贴办法</title></head><body>{body}</body></html>"
    read = read_file(page.encode("gb18030"), "办法.doc")
    assert (read.kind, read.title, read.text) == ("html", "补贴办法", PLEDGE)


def test_web_archive_named_doc():
    page = f"<html><body><div class='content'><p>{PLEDGE}</p></div></body></html>".encode("gb18030")
    head = b'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n'
    head += b"Content-Type: text/html; charset=gb2312\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    read = read_file(head + base64.encodebytes(page) + b"\r\n--b--\r\n", "办法.doc")
    assert (read.kind, read.text) == ("mhtml", PLEDGE)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_text_is_its_content_unchanged(encoding):
    text = "关于补贴标准的通知\r\n\r\n　　每张 8000  元。\n\n2024年4月1日\n"
    read = read_file(text.encode(encoding), "a.pdf")
    assert (read.kind, read.text) == ("text", text)


def test_zip_is_a_list_of_names():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("附件1.docx", b"x")
        archive.writestr("b/附件2.xls", b"x")
    read = read_file(out.getvalue())
    assert (read.kind, read.text.split("\n")) == ("zip", ["附件1.docx", "b/附件2.xls"])
    assert read.warnings == ("archive: 2 files in it were not read",)


def test_container_bomb_is_refused_before_it_is_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (60 * 1024 * 1024))
    with pytest.raises(UnreadableFile, match="times its size"):
        read_file(out.getvalue(), "bomb.docx")


@pytest.mark.skipif(not shutil.which("antiword"), reason="antiword is not installed")
def test_a_word_97_document_named_pdf():
    lines = [
        "关于调整补贴标准的通知（镕喆）",
        "一、失能老年人每人每月给予补贴2100元。",
        "二、新建床位每张补贴12000元。",
    ]
    read = read_file(word97("".join(f"{line}\r" for line in lines)), "通知.pdf")
    assert (read.kind, read.text.split("\n")) == ("doc", lines)


@pytest.mark.skipif(not shutil.which("antiword"), reason="antiword is not installed")
def test_a_word_97_document_cut_anywhere_fails_by_name_or_not_at_all():
    whole = word97("关于调整补贴标准的通知\r每张补贴12000元。\r")
    for part in range(1, 8):
        _read_or_refuse(whole[: len(whole) * part // 8])


def test_docx_named_doc():
    assert read_file(docx_of(), "通知.doc").kind == "docx"


OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "WordDocument".encode("utf-16-le")


def pretend_antiword(folder: Path, monkeypatch, script: str) -> None:
    program = folder / "antiword"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\n{script}\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda name: str(program))


def test_doc_through_antiword(tmp_path, monkeypatch):
    printed = "关于补贴的通知\\n\\n|类别  |标准   |\\n|自理  |100元  |\\n[pic]\\n"
    pretend_antiword(tmp_path, monkeypatch, f"printf '{printed}'")
    read = read_file(OLD_WORD, "通知.pdf")
    assert (read.kind, read.text) == ("doc", "关于补贴的通知\n类别 | 标准\n自理 | 100元")


@pytest.mark.parametrize(
    ("script", "said"), [("echo 'not a Word Document.' >&2; exit 1", "not a Word Document"), ("sleep 5", "took more")]
)
def test_doc_that_antiword_fails_on(tmp_path, monkeypatch, script, said):
    pretend_antiword(tmp_path, monkeypatch, script)
    monkeypatch.setattr("crawler.office._ANTIWORD_SECONDS", 0.5)
    with pytest.raises(UnreadableFile, match=said):
        read_file(OLD_WORD, "通知.doc")


def test_doc_without_antiword(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UnreadableFile, match="install antiword"):
        read_file(OLD_WORD, "a.doc")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"%PDF-1.4 ...", "pdf"),
        (b"\xef\xbb\xbf<!DOCTYPE html><p>", "html"),
        ("公告".encode("gb18030"), "text"),
        (b"Rar!\x1a\x07", "rar"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (bytes(range(256)) * 4, "binary"),
        (b"<?xml version='1.0'?><rss/>", "xml"),
        (RTF, "rtf"),
    ],
)
def test_sniff(body, kind):
    assert sniff(body) == kind


SAMPLES = {
    "pdf": pdf_of("一、目标"),
    "docx": docx_of(),
    "xlsx": xlsx_of(),
    "ofd": ofd_of("通知"),
    "rtf": RTF,
    "html": "<html><body><table><tr><td colspan='9999999999' rowspan='x'>表</td></tr></table></body></html>".encode(),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_cut_files_fail_by_name_or_not_at_all(kind):
    whole = SAMPLES[kind]
    for part in range(1, 12):
        _read_or_refuse(whole[: len(whole) * part // 12])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SAMPLES)), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=20))
def test_damaged_files_fail_by_name_or_not_at_all(kind, damage):
    data = bytearray(SAMPLES[kind])
    for place, byte in damage:
        data[min(len(data) - 1, int(place * len(data)))] = byte
    _read_or_refuse(bytes(data))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_fail_by_name_or_not_at_all(data):
    _read_or_refuse(data)
    _read_or_refuse(b"<html>" + data)


def _read_or_refuse(data: bytes) -> None:
    try:
        read = read_file(data)
    except UnreadableFile as error:
        assert str(error)
    else:
        assert isinstance(read.text, str)
