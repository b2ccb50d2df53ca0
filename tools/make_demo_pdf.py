"""Write the two releases of the PDF that the demo's site publishes: run after a change of its words."""

from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table

FOLDER = Path(__file__).resolve().parents[1] / "pledgewatch" / "demo" / "files"


def write(path: Path, allowance: int) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    head = ParagraphStyle("head", fontName="STSong-Light", fontSize=18, leading=28, alignment=1)
    body = ParagraphStyle("body", fontName="STSong-Light", fontSize=12, leading=20, wordWrap="CJK")
    rows = [
        ["项目", "单位", "标准"],
        ["城乡低保标准", "元/人/月", "960"],
        ["散居特困人员基本生活标准", "元/人/月", "1536"],
        ["集中供养特困人员基本生活标准", "元/人/月", "1728"],
    ]
    table = Table(
        rows, style=[("GRID", (0, 0), (-1, -1), 0.5, "black"), ("FONT", (0, 0), (-1, -1), "STSong-Light", 11)]
    )
    story = [
        Paragraph("2026年度社会救助标准", head),
        table,
        Spacer(1, 16),
        Paragraph(f"困难残疾人生活补贴标准为每人每月{allowance}元，重度残疾人护理补贴标准为每人每月180元。", body),
    ]
    # No dates inside, so that the same words give the same bytes.
    SimpleDocTemplate(str(path), pagesize=A4, title="2026年度社会救助标准", invariant=1).build(story)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write(FOLDER / "standard-1.pdf", 190)
    write(FOLDER / "standard-2.pdf", 210)
