"""Scanned files: words that are only a picture, read by the real engine without any network."""

from __future__ import annotations

import io
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from servers import Reply
from world import World, trs

from crawler import child, ocr
from crawler.files import UnreadableFile, read_file
from notify.messages import Limit, Links, render
from pledgewatch.reading import measure, read_local_file
from storage.records import Event

Image = pytest.importorskip("PIL.Image")
ImageDraw, ImageFont = pytest.importorskip("PIL.ImageDraw"), pytest.importorskip("PIL.ImageFont")
FONT = "STSong-Light"
pdfmetrics.registerFont(UnicodeCIDFont(FONT))
FONTS = [
    *Path("/usr/share/fonts").rglob("NotoSerifCJK-Regular.ttc"),
    *Path("/usr/share/fonts").rglob("NotoSansCJK*.ttc"),
]
LINES = ("一、失能老年人每人每月给予补贴2100元；新建床位每张补", "贴12000元。")
needs_engine = pytest.mark.skipif(not ocr.is_available(), reason="the extra `ocr` is not installed")
needs_font = pytest.mark.skipif(not FONTS, reason="no Noto CJK font to write Chinese with")


def picture(*lines: str) -> Any:
    """A narrow strip of a scanned page, a little askew; small, for the engine takes seconds."""
    sheet = Image.new("L", (1000, 60 + 60 * len(lines)), 250)
    draw, font = ImageDraw.Draw(sheet), ImageFont.truetype(str(FONTS[0]), 34, index=2)
    for row, line in enumerate(lines):
        draw.text((40, 30 + 60 * row), line, fill=25, font=font)
    return sheet.rotate(0.3, fillcolor=250)


def scanned(*lines: str) -> bytes:
    out = io.BytesIO()
    picture(*lines).save(out, "PDF", resolution=144)
    return out.getvalue()


def mixed() -> bytes:
    """A page of text, a scanned one, and a page of text."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=(595, 300))
    for page in ("每户一次性补贴5000元，用于居家适老化改造。", None, "护理型床位每张奖励3000元，由区级财政安排。"):
        canvas.setFont(FONT, 14)
        if page:
            canvas.drawString(50, 200, page)
        else:
            canvas.drawInlineImage(picture(*LINES), 20, 100, 500, 90)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


@needs_engine
@needs_font
def test_a_scanned_page_is_read_and_marked_within_its_document() -> None:
    read = read_file(mixed(), "通知.pdf", ocr=True)
    before, marked, after = re.split(f"{ocr.OPENING}|{ocr.CLOSING}", read.text)
    assert "5000元" in before and "3000元" in after
    assert marked.strip() == "".join(LINES)  # the line's end is layout, in a picture as in print
    assert [read.text[start:end] for start, end in ocr.spans(read.text)] == [marked]
    assert [w.split(":")[0] for w in read.warnings] == ["recognised"]


@needs_engine
@needs_font
def test_cells_side_by_side_are_a_row() -> None:
    read = read_file(scanned("失能补贴              2100元              每月"), ocr=True)
    assert read.text.split("\n")[1] == "失能补贴 | 2100元 | 每月"


@needs_engine
@needs_font
def test_a_change_in_a_scan_is_told_with_a_word_of_caution(tmp_path: Path) -> None:
    """The whole path: an attachment is a scan, its figure changes, and the message says where the figure is from."""
    with World(tmp_path) as world:
        files = {"now": scanned("失能老年人每人每月给予补贴2100元。")}
        world.site.route("/a.pdf", lambda _: Reply(200, files["now"], {"Content-Type": "application/pdf"}))
        body = ["自2026年1月1日起执行，标准每户500元。", '附件：<a href="/a.pdf">补贴标准.pdf</a>']
        world.publish("a", "关于调整补贴标准的通知", body)
        world.template = lambda paper, n: _with_links(paper, n)
        world.check()
        files["now"] = scanned("失能老年人每人每月给予补贴2600元。")
        world.check()
        (changed,) = [e for e in world.events() if e.type == "measure.changed"]
        assert changed.before and changed.after
        assert (changed.before["value"], changed.after["value"]) == (2100, 2600)
        assert changed.before["ocr"] is changed.after["ocr"] is True
        assert "扫描件识别，请核对" in _message(world, changed)
        world.furniture += 1
        world.check()
        assert len([e for e in world.events() if e.type == "measure.changed"]) == 1


def _message(world: World, event: Event) -> str:
    reader = world.settings.subscribers[0].subscriber()
    tz = world.settings.service.zone
    return render(reader, [event], language="zh", links=Links(), format="text", limit=Limit(), tz=tz).body


def _with_links(paper: Any, n: int) -> str:
    return unescape(trs(paper, n))


@needs_font
def test_without_the_extra_a_scan_says_what_would_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.ocr.find_spec", lambda name: None)
    (plain,) = read_file(mixed(), ocr=False).warnings
    (asked,) = read_file(mixed(), ocr=True).warnings
    assert plain == asked == "scanned: no text layer on page 2; install pledgewatch[ocr] to have it recognised"
    assert ocr.OPENING not in read_file(mixed(), ocr=True).text


def test_nothing_is_marked_where_nothing_was_recognised() -> None:
    assert ocr.spans("每人每月2100元。\n\n【附件】表.pdf\n300元") == []
    text = f"1元\n\n【附件】a.pdf\n{ocr.OPENING}\n2元\n\n【附件】b.pdf\n3元"
    assert [text[a:b].strip() for a, b in ocr.spans(text)] == ["2元"]


@needs_engine
@needs_font
def test_a_scan_that_takes_too_long_or_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawler.ocr._START_SECONDS", 0.1)
    monkeypatch.setattr("crawler.ocr._PAGE_SECONDS", 0.1)
    with pytest.raises(UnreadableFile, match="took more than 0 s"):
        read_file(scanned("每户4000元"), ocr=True)


def test_a_child_that_dies_is_told_by_name() -> None:
    with pytest.raises(UnreadableFile, match="a scan that needs more memory"):
        child.read_apart("json.tool", b"{", "a scan", seconds=20)  # ends with a status, as a killed reader does


@needs_engine
@needs_font
def test_figures_of_a_scan_are_flagged_in_what_extract_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = measure(read_local_file(mixed(), "通知.pdf")).measures
    flags = {f.value: f.to_json().get("ocr") for m in measures for f in m.figures}
    assert flags == {5000: None, 2100: True, 12000: True, 3000: None}
