"""The same document under another template, another counter, another day: nothing of it may look like a revision."""

import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.document import read_document
from storage.records import Document

PARAGRAPHS = (
    "川民规〔2025〕6号",
    "各区民政局：",
    "一、到2027年，全市护理型床位占比达到73%，每个街道至少建成1所综合养老服务中心。",
    "二、对新增护理型床位给予每张8000元的一次性建设补贴，运营补贴为每床每月100元至450元。",
    "本通知自印发之日起施行。原通知（川民规〔2022〕1号）同时废止。",
    "东川市民政局",
    "2025年4月2日",
)
_ORIGINAL = PARAGRAPHS
TITLE = "东川市民政局关于加快发展护理型床位的通知"
CELLS = {
    "索引号": "0100/2025-7",
    "发布机构": "东川市民政局",
    "文号": "川民规〔2025〕6号",
    "发布日期": "2025-04-03",
    "有效性": "有效",
}
URL = "http://mzj.dongchuan.test/info/1001/5.htm"


def test_template_twins_read_the_same():
    looks = [_trs(random.Random(1)), _boda(random.Random(2)), _jcms(random.Random(3)), _ucap(random.Random(4))]
    documents = [_compared(read_document(page.encode(), URL)) for page in looks]
    assert documents[0].text.split("\n") == list(PARAGRAPHS)
    assert documents == [documents[0]] * 4


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**9), look=st.sampled_from(["_trs", "_boda", "_jcms", "_ucap"]))
def test_furniture_never_changes_a_document(seed, look):
    quiet = read_document(_trs(random.Random(0)).encode(), URL)
    noisy = read_document(globals()[look](random.Random(seed)).encode(), URL)
    assert _compared(noisy) == _compared(quiet)


@pytest.mark.parametrize(
    ("before", "after"),
    [("每张8000元", "每张9000元"), ("73%", "75%"), ("同时废止", "继续有效"), ("2025年4月2日", "2025年4月12日")],
)
def test_an_edited_text_is_seen(before, after, monkeypatch):
    old = read_document(_boda(random.Random(5)).encode(), URL)
    edited = tuple(paragraph.replace(before, after) for paragraph in PARAGRAPHS)
    monkeypatch.setattr(sys.modules[__name__], "PARAGRAPHS", edited)
    new = read_document(_boda(random.Random(6)).encode(), URL)
    assert (old.text, new.text) == ("\n".join(_ORIGINAL), "\n".join(edited))
    assert old.text != new.text


def _compared(document: Document) -> Document:
    return replace(document, warnings=())


def _furniture(dice: random.Random) -> list[str]:
    """Lines that templates put around a text, in any number and order, with the day's values."""
    lines = [
        f"浏览次数：<span>{dice.randint(0, 9999)}</span>",
        f"已阅 {dice.randint(0, 99)} &nbsp;<a href='#'>打印</a> <a href='#'>关闭</a>",
        "【字体：<a>大</a> <a>中</a> <a>小</a>】",
        "分享到：<a>微信</a><a>微博</a>",
        "扫一扫在手机打开当前页",
        f"页面生成时间 2026-0{dice.randint(1, 9)}-11 10:0{dice.randint(0, 9)}:00",
        f"当前位置：<a href='/'>首页</a> &gt; <a>栏目{dice.randint(1, 9)}</a>",
        f"<a href='5{dice.randint(0, 9)}.htm'>上一篇：养老补贴{dice.randint(1, 9)}00元的说明</a>",
        "责任编辑：王五",
        "视力保护色：",
        "[我要纠错] [返回顶部]",
        f"<script>var token='{dice.random()}';</script>",
        f"<input type='hidden' value='{dice.random()}'>",
        f"<!-- built {dice.random()} -->",
    ]
    return [f"<div>{line}</div>" for line in dice.sample(lines, dice.randint(0, len(lines)))]


def _related(dice: random.Random) -> str:
    rates = [dice.randint(1, 99) for _ in range(dice.randint(0, 4))]
    items = "".join(f"<li><a href='{rate}.htm'>{rate}%的老年人用上新设施</a></li>" for rate in rates)
    return f"<div><h3>相关新闻</h3><ul>{items}</ul></div>"


def _body(dice: random.Random, tag: str) -> str:
    blanks = ["", "　　", "&nbsp;&nbsp;", "\n  ", " \u200b"]
    paragraphs = []
    for text in PARAGRAPHS:
        cut = dice.randint(1, len(text) - 1)
        styled = f"{text[:cut]}<span style='color:#{dice.randint(100, 999)}'>{text[cut:]}</span>"
        paragraphs.append(f"<{tag} wzades='{dice.random()}'>{dice.choice(blanks)}{styled}{dice.choice(blanks)}</{tag}>")
        paragraphs += [f"<{tag}>&nbsp;</{tag}>"] * dice.randint(0, 1)
    return "\n".join(paragraphs)


def _head(dice: random.Random) -> str:
    return (
        f"<html><head><title>{TITLE}-东川市民政局</title><meta name='ArticleTitle' content='{TITLE}'>"
        f"<meta name='PubDate' content='2025-04-03 0{dice.randint(1, 9)}:15'>"
        "<meta name='SiteName' content='东川市民政局'>"
        f"<meta name='Maketime' content='2026-01-{dice.randint(10, 28)}'></head>"
    )


def _trs(dice: random.Random) -> str:
    rows = "".join(f"<tr><td><b>{' '.join(label)}：</b></td><td>{value}</td></tr>" for label, value in CELLS.items())
    return (
        f"{_head(dice)}<body>{''.join(_furniture(dice))}<table>{rows}</table><h2>{TITLE}</h2>{''.join(_furniture(dice))}"
        f"<div id='zoom'><div class='TRS_Editor'><style>p{{margin:{dice.randint(0, 9)}px}}</style>"
        f"{_body(dice, 'p')}</div>"
        f"{''.join(_furniture(dice))}</div>{_related(dice)}{''.join(_furniture(dice))}</body></html>"
    )


def _boda(dice: random.Random) -> str:
    rows = "".join(f"<tr><td>{label}</td><td>{value}</td></tr>" for label, value in CELLS.items())
    return (
        f"{_head(dice)}<body><div class='content'><h1>{TITLE}</h1>"
        f"<div>2025-04-03 来源：东川市民政局</div>{''.join(_furniture(dice))}"
        f"<table class='c{dice.randint(1, 9)}'>{rows}</table><div id='vsb_content'><div class='v_news_content'>"
        f"{_body(dice, 'p')}</div></div>{''.join(_furniture(dice))}{_related(dice)}</div></body></html>"
    )


def _jcms(dice: random.Random) -> str:
    items = "".join(f"<li><span>{label}：</span>{value}</li>" for label, value in CELLS.items())
    return (
        f"{_head(dice)}<body><ul>{items}</ul>{''.join(_furniture(dice))}<div class='main{dice.randint(1, 99)}'>"
        f"<!--ZJEG_RSS.content.begin-->{_body(dice, 'div')}<!--ZJEG_RSS.content.end--></div>"
        f"{''.join(_furniture(dice))}{_related(dice)}</body></html>"
    )


def _ucap(dice: random.Random) -> str:
    items = "".join(f"<dt>{label}</dt><dd>{value}</dd>" for label, value in CELLS.items())
    return (
        f"{_head(dice)}<body><dl>{items}</dl><div class='article'><h1>{TITLE}</h1>"
        f"<div class='pages_content'>{''.join(_furniture(dice))}<UCAPCONTENT>{_body(dice, 'p')}</UCAPCONTENT></div>"
        f"{_related(dice)}</div>{''.join(_furniture(dice))}</body></html>"
    )
