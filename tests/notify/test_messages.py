"""Words of messages: as a reader sees them, within every limit, and harmless whatever a page says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from notify_samples import (
    LINKS,
    NEW,
    NOTICE,
    OLD,
    READER,
    SHANGHAI,
    UNSUBSCRIBE,
    busy_day,
    document_event,
    event,
    figure,
    revision,
    target_event,
)

from notify.channels import CHANNELS
from notify.marking import alike, excerpt, head, mark, side, tail, tokens
from notify.messages import Format, Limit, Message, bold, escape_markdown, render, safe_url
from notify.phrases import change_words, clean, compose_figure
from storage.records import Event, MeasureRef

GOLDEN = Path(__file__).with_name("golden")
HOSTILE = "<script>alert(1)</script>\r\nBcc: x@example.org\x1b[31m[点我](javascript:alert(1))\u202e**@all** {{ 7*7 }}"


def written(
    events: Sequence[Event],
    format: Format = "text",
    limit: Limit | None = None,
    language: str = "zh",
    **more: object,
) -> Message:
    limit = limit or Limit()
    return render(READER, events, language=language, links=LINKS, format=format, limit=limit, tz=SHANGHAI, **more)  # type: ignore[arg-type]


# --- golden messages -----------------------------------------------------------------------------------

CONFLICT = event(
    21,
    "measure.conflict",
    before=figure(None, "元", "给予5-30万元的一次性奖励。", min=50000, max=300000, quote="5-30万元"),
    after=figure(5300000, "元", "对连锁运营的，给予530万元的一次性奖励。", quote="530万元"),
    measure=MeasureRef("award", "社区嵌入式养老服务机构奖励", "subsidy", "养老机构"),
    detail={
        "before_words": "5万—30万元",
        "after_words": "530万元",
        "reason": "lost_mark",
        "other_document": {"id": 5, "title": "关于第20250451号提案的答复", "doc_number": None},
    },
)
MISSED = event(
    31,
    "target.missed",
    before=figure(90, "%", "到2025年底，社区养老设施等级评定率达到90%。"),
    after=None,
    measure=MeasureRef("rated", "社区养老设施等级评定率", "target"),
    detail={
        "before_words": "90%",
        "deadline": "2025-12-31",
        "days": -1,
        "bodies": ["区民政局"],
        "reported": {"words": "86%", "figure": figure(86, "%"), "published_on": "2025-11-01"},
    },
)
PUBLISHED = document_event(
    41,
    "document.published",
    detail={
        "figures": [{"name": "家庭养老床位", "words": "7000张"}, {"name": "助餐补贴", "words": "3元/餐"}],
        "measures": 2,
    },
)
REWORDED = document_event(
    71,
    detail={
        "reasons": ["text", "attachments"],
        "changes": 0,
        "published_on": "2025-07-07",
        "files": {"added": ["申请表.docx"], "changed": ["补贴标准.xlsx"], "removed": []},
        "sentences": [
            ["由市民政局会同市财政局解释，自2025年8月1日起施行。", "由市民政局负责解释，自2025年8月1日起施行。"],
            ["", "各区应当公开咨询电话。"],
        ],
        "sentences_in_all": 3,
        "same_numbers": True,
    },
)
WITHDRAWN = document_event(51, "document.withdrawn", detail={"reasons": ["404"], "changes": 0})
BLOCKED = document_event(
    61, "source.blocked", document=None, detail={"name": "武汉市民政局 答复"}, summary="连续3次返回验证页面（HTTP 412）"
)


@pytest.mark.parametrize(
    ("name", "events", "format", "language"),
    [
        ("revision.zh.txt", revision(), "text", "zh"),
        ("revision.en.txt", revision(), "text", "en"),
        ("revision.zh.md", revision(), "markdown", "zh"),
        ("revision.zh.html", revision(), "html", "zh"),
        ("conflict.zh.txt", [CONFLICT], "text", "zh"),
        ("missed.zh.txt", [MISSED], "text", "zh"),
        ("missed.en.txt", [MISSED], "text", "en"),
        ("published.zh.txt", [PUBLISHED], "text", "zh"),
        ("reworded.zh.txt", [REWORDED], "text", "zh"),
        ("reworded.en.txt", [REWORDED], "text", "en"),
        ("withdrawn.en.txt", [WITHDRAWN], "text", "en"),
        ("blocked.zh.txt", [BLOCKED], "text", "zh"),
        ("digest.zh.txt", [*busy_day(2), MISSED, PUBLISHED], "text", "zh"),
    ],
)
def test_golden(name: str, events: list[Event], format: Format, language: str) -> None:
    """The files are read by a person when they change; one that is missing is written and fails once."""
    message = written(events, format, language=language, unsubscribe=UNSUBSCRIBE if format == "html" else None)
    told = f"{message.title}\n\n{message.body}\n"
    path = GOLDEN / name
    if not path.exists():
        path.write_text(told, "utf-8")
        pytest.fail(f"{name} was missing and has been written: read it, then run again")
    assert told == path.read_text("utf-8")


def test_in_sentences_of_two_documents_only_the_figure_s_own_words_are_marked() -> None:
    """They differ in much, and another number may stand where this one did."""
    news = event(
        type="measure.restated",
        before=figure(980, "元/人/月", "每人每月980元，护理补贴另计1440元。", quote="980元"),
        after=figure(1030, "元/人/月", "自7月起，护理补贴每人每月1440元，低保每人每月1030元。", quote="1030元"),
    )
    body = written([news]).body
    assert "每人每月【980元】，护理补贴另计1440元。" in body
    assert "每人每月1440元，低保每人每月【1030元】。" in body


def test_a_new_document_with_many_figures_says_how_many() -> None:
    figures = [{"name": f"补贴{n}", "words": f"{n}元"} for n in range(1, 21)]
    detail = {"figures": figures, "measures": 31}
    assert "补贴5 5元等31项" in written([document_event(type="document.published", detail=detail)]).body
    detail = {"figures": figures[:5], "measures": 5}
    assert "项" not in written([document_event(type="document.published", detail=detail)]).body


# --- titles --------------------------------------------------------------------------------------------


def raised(before: str, after: str) -> Event:
    """A subsidy that changed between two figures as they are told."""
    return event(before=None, after=None, detail={"before_words": before, "after_words": after})


@pytest.mark.parametrize(
    ("events", "language", "title"),
    [
        ([event()], "zh", "【补贴调整】武汉市 养老机构建设补贴 5000→6000元/张 +20%"),
        ([event()], "en", "[Subsidy changed] 武汉市 养老机构建设补贴 5,000→6,000 yuan per bed +20%"),
        ([target_event()], "zh", "【目标调整】武汉市 护理型床位占比 不低于70%→不低于75% +5个百分点"),
        ([raised("9800元/张", "1.2万元/张")], "zh", "【补贴调整】武汉市 养老机构建设补贴 9800→12000元/张"),
        ([raised("1.2345万元/床/月", "9800元/床/月")], "zh", "【补贴调整】武汉市 养老机构建设补贴 12345→9800元/床/月"),
        ([raised("1万元/张", "1.2万元/张")], "zh", "【补贴调整】武汉市 养老机构建设补贴 1万→1.2万元/张"),
        (revision(), "zh", "【补贴调整】武汉市 养老机构建设补贴 5000→6000元/张 +20% 等2项"),
        ([MISSED], "zh", "【目标逾期】武汉市 社区养老设施等级评定率 目标90% 2025-12-31"),
        ([CONFLICT], "zh", "【数字矛盾】武汉市 社区嵌入式养老服务机构奖励 5万—30万元≠530万元"),
        ([document_event()], "zh", "【文件修订】武汉市 关于进一步支持养老机构发展的通知"),
        ([BLOCKED], "zh", "【来源受阻】武汉市民政局 答复"),
        (
            [target_event(before=figure(70, "%"), after=figure(70, "%"), detail={"deadline": ["2025-12-31", None]})],
            "zh",
            "【目标调整】武汉市 护理型床位占比 期限 2025-12-31→无",
        ),
    ],
)
def test_titles(events: list[Event], language: str, title: str) -> None:
    assert written(events, language=language).title == title


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("1名/5000人", "2名/5000人", "1→2名/5000人"),
        ("1名/3000人", "1名/5000人", "1名/3000人→1名/5000人"),
        ("1.2万名/5000人", "1名/5000人", "12000→1名/5000人"),
        ("1.2万名", "5000人", "12000名→5000人"),
        ("35张/千人", "40张/千人", "35→40张/千人"),
        ("5万—30万元", "6万—30万元", "5万—30万→6万—30万元"),
        ("5000元/张、8000元/张", "6000元/张、8000元/张", "5000元/张、8000元/张→6000元/张、8000元/张"),
        ("5000元以上", "6000元以上", "5000→6000元以上"),
        ("5000元/张", "5000元/床", "5000元/张→5000元/床"),
        (
            "1 person per 5,000 people",
            "2 people per 5,000 people",
            "1 person per 5,000 people→2 people per 5,000 people",
        ),
        ("35 beds per 1,000 people", "40 beds per 1,000 people", "35→40 beds per 1,000 people"),
        ("全覆盖", "90%", "全覆盖→90%"),
    ],
)
def test_from_and_to_share_a_whole_unit_or_none(before: str, after: str, told: str) -> None:
    assert change_words(raised(before, after), "zh") == told


def test_why_figures_clash_is_told_in_the_reader_s_language() -> None:
    """The event came with words of the service's language."""
    told = replace(CONFLICT, detail={**CONFLICT.detail, "cause": "lost_mark", "reason": "疑似漏印连接号或小数点"})
    assert "same digits: a mark may have been lost in print" in written([told], language="en").body
    unknown = replace(told, detail={**told.detail, "cause": "newer", "reason": ""})
    assert "newer" not in written([unknown]).body


def test_a_long_name_is_shortened_before_region_size_and_count_are_left_out() -> None:
    name = "社区嵌入式养老服务机构一次性建设和运营补贴（含家庭养老床位）"
    news = [event(measure=MeasureRef("beds", name, "subsidy")), *(target_event(n) for n in (2, 3))]
    assert (
        written(news).title
        == "【补贴调整】武汉市 社区嵌入式养老服务机构一次性建设和运营补贴（含家庭养老… 5000→6000元/张 +20% 等3项"
    )
    told = "[Subsidy changed] 武汉市 社区嵌入式养老服务机构一次性建设和… 5,000→6,000 yuan per bed +20% +2 more"
    assert written(news, language="en").title == told


@pytest.mark.parametrize(
    ("deliver", "language", "start"),
    [
        ("daily 08:30", "zh", "【每日汇总】7项：补贴调整 武汉市 养老机构建设补贴 5000→5070元/张 +1.4%"),
        ("mon 08:30", "en", "[Weekly digest] 7 items: Subsidy changed 养老机构建设补贴 5,000→5,070 yuan per bed"),
        ("now", "zh", "【汇总】7项：补贴调整 "),
    ],
)
def test_a_digest_says_so_and_begins_with_its_contents(deliver: str, language: str, start: str) -> None:
    reader = replace(READER, deliver=deliver)
    message = render(reader, busy_day(7), language=language, links=LINKS, format="text", limit=Limit(), tz=SHANGHAI)
    assert message.title.startswith(start)
    listed, _, rest = message.body.partition("\n\n")
    assert listed.count("\n· ") == 7 and "5070" in rest


def test_a_list_of_contents_is_short_and_only_for_many() -> None:
    assert not written(busy_day(5)).body.startswith("目录")
    listed = written(busy_day(15)).body.partition("\n\n")[0].splitlines()
    assert listed[0] == "目录" and len(listed) == 12 and listed[-1] == "· 还有 5 条"
    assert listed[1] == "· 补贴调整 养老机构建设补贴 5000→5150元/张 +3%"
    for format in ("html", "markdown"):
        assert "5000→5150元/张 +3%" in written(busy_day(7) + busy_day(15)[7:], format).body  # type: ignore[arg-type]


words = st.text(st.sampled_from("养老机构建设补贴0123456789.%万元abc，（）\x1b\n\u202e<>[]*_ "), max_size=80)
amounts = st.integers(1, 10**9)


@given(words, words, amounts, amounts, st.sampled_from(["zh", "en"]), st.integers(1, 30))
def test_a_title_is_one_line_of_bounded_length_with_whole_figures(
    name: str, region: str, old: int, new: int, language: str, count: int
) -> None:
    news = event(
        measure=MeasureRef("m", name, "subsidy"),
        document=replace(NOTICE, region=region),
        detail={"before_words": f"{old}元/张", "after_words": f"{new}元/张"},
        before=figure(old, "元/张"),
        after=figure(new, "元/张"),
    )
    title = written([news, *(target_event(n) for n in range(2, count + 1))], language=language).title
    assert 0 < len(title) <= (60 if language == "zh" else 78)
    assert title == clean(title)
    if "→" in title:
        unit = "元/张" if language == "zh" else " yuan per bed"
        plain = title.replace(",", "") if language == "en" else title
        assert re.search(rf"(?<!\d){old}(?:{unit})?→{new}{unit}", plain)


# --- limits --------------------------------------------------------------------------------------------


def figures_in(text: str) -> set[str]:
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    return set(re.findall(r"\d+(?:\.\d+)?(?=元| yuan)", plain))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["text", "markdown", "html"]), st.integers(40, 6000), st.booleans(), st.integers(1, 60),
    st.sampled_from(["zh", "en"]),
)  # fmt: skip
def test_a_message_keeps_its_limit_and_cuts_no_figure(
    format: Format, size: int, in_bytes: bool, count: int, language: str
) -> None:
    limit = Limit(size, in_bytes, title_inside=True)
    events = busy_day(count)
    message = written(events, format, limit, language)
    assert limit.cost(message.title) + 2 + limit.cost(message.body) <= max(size, limit.cost(message.title) + 60)
    whole = {"5000", "6000", *(str(5000 + 10 * n) for n in range(1, count + 1))}
    assert figures_in(message.body) <= whole
    if format == "html" and message.body.startswith("<!doctype"):
        assert balanced(message.body)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.wrong = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.wrong |= not self.open or self.open.pop() != tag


def parsed(html: str) -> _Tags:
    tags = _Tags()
    tags.feed(html)
    tags.close()
    return tags


def balanced(html: str) -> bool:
    tags = parsed(html)
    return not tags.open and not tags.wrong


def test_500_changes_are_one_message_that_counts_the_rest() -> None:
    message = written(busy_day(500), "markdown", CHANNELS["wecombot"].limit)
    assert len(f"### {message.title}\n\n{message.body}".encode()) <= 2048
    shown = len(re.findall(r"补贴调整：", message.body))
    assert f"[还有 {500 - shown} 条](https://watch.example.org/events)" in message.body
    # The largest change comes first.
    assert "10000元/张" in message.title and message.body.index("10000元/张") < message.body.index("9990元/张")


def test_a_mail_of_500_changes_is_bounded_and_whole() -> None:
    message = written(busy_day(500), "html")
    assert len(message.body) <= 32_768 and balanced(message.body)
    assert re.search(r"还有 \d+ 条", message.body) and re.search(r"还有 \d+ 条", message.text)


def test_what_does_not_fit_is_shortened_around_the_difference_before_it_is_left_out() -> None:
    long = "本市户籍老年人入住机构的，" * 60
    news = [
        event(before=figure(5000, "元/张", long + OLD), after=figure(6000, "元/张", long + NEW)),
        *revision(),
    ]
    message = written(news, "text", Limit(900))
    assert "【6000】" in message.body and "…" in message.body
    assert "还有" not in message.body


def test_every_message_names_its_events_and_links_page_and_archive() -> None:
    for format in ("text", "markdown", "html"):
        body = written(revision(), format).body  # type: ignore[arg-type]
        assert "11、12、13" in body
        assert NOTICE.url in body
        assert "https://watch.example.org/documents/7" in body
        assert re.search(r"/documents/7/diff\?from=1&(amp;)?to=2", body)


# --- the marked difference -----------------------------------------------------------------------------


def test_the_difference_is_marked_with_numbers_whole() -> None:
    pieces = mark("给予5-30万元、1.5亿元补贴", "给予530万元、1.8亿元补贴")
    assert [p.text for p in pieces if p.side == "old"] == ["5-30万", "1.5亿"]
    assert [p.text for p in pieces if p.side == "new"] == ["530万", "1.8亿"]


@given(words, words)
def test_the_marked_pieces_are_the_two_sentences(before: str, after: str) -> None:
    pieces = mark(before, after)
    assert "".join(p.text for p in side(pieces, "old")) == before
    assert "".join(p.text for p in side(pieces, "new")) == after


@given(words, st.integers(1, 90))
def test_a_cut_falls_between_tokens(text: str, size: int) -> None:
    start, end = head(text, size), tail(text, size)
    kept, rest = tokens(start.rstrip("…")), tokens(end.lstrip("…"))
    assert kept == tokens(text)[: len(kept)]
    assert not rest or rest == tokens(text)[-len(rest) :]


def test_an_excerpt_keeps_every_difference() -> None:
    pieces = excerpt(mark("前" * 300 + "5000元" + "后" * 300, "前" * 300 + "6000元" + "后" * 300), 10, 40)
    assert [p.text for p in pieces] == ["…" + "前" * 10, "5000", "6000", "元" + "后" * 9 + "…"]


def test_sentences_that_share_too_little_stand_apart() -> None:
    assert not alike(mark("建设补贴每张5000元。", "本通知自发布之日起施行，由民政局解释。"))
    body = written(
        [event(before=figure(1, "元", "甲乙丙丁戊己庚辛。"), after=figure(2, "元", "子丑寅卯辰巳午未申酉。"))]
    ).body
    assert "原：甲乙丙丁戊己庚辛。" in body and "现：子丑寅卯辰巳午未申酉。" in body


# --- what pages say is data ----------------------------------------------------------------------------


def hostile_event() -> Event:
    return event(
        document=replace(NOTICE, title=HOSTILE, doc_number=HOSTILE, publisher=HOSTILE, url="javascript:alert(1)"),
        measure=MeasureRef("m", HOSTILE, "subsidy", HOSTILE),
        before=figure(5000, HOSTILE, HOSTILE + OLD),
        after=figure(6000, HOSTILE, HOSTILE + NEW),
        detail={
            "before_words": HOSTILE,
            "bodies": [HOSTILE],
            "reason": HOSTILE,
            "condition": [None, HOSTILE],
        },
    )


def test_html_has_no_markup_from_a_page() -> None:
    tags = parsed(written([hostile_event(), hostile_event()], "html").body)
    assert {tag for tag, _ in tags.seen} <= {
        "html", "head", "meta", "title", "body", "div", "span", "a", "b", "del", "ins", "mark"
    }  # fmt: skip
    links = [attrs["href"] or "" for tag, attrs in tags.seen if tag == "a"]
    assert links and all(link.startswith("https://watch.example.org/") for link in links)


def test_markdown_has_no_markup_from_a_page() -> None:
    body = written([hostile_event()], "markdown").body
    assert re.findall(r"\]\(([^)]*)\)", body) and "](javascript" not in body
    assert "@" not in body and "<" not in body
    assert all(link.startswith("https://watch.example.org/") for link in re.findall(r"\]\(([^)]*)\)", body))


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_nothing_unseen_or_steering_stands_in_a_message(format: Format) -> None:
    message = written([hostile_event()], format)
    for text in (message.title, message.body, message.text):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]", text)
    assert "\n" not in message.title and "{{ 7*7 }}" in message.text.replace("＊", "*")


@given(st.text(max_size=60))
def test_clean_is_one_line_and_stays_clean(text: str) -> None:
    told = clean(text)
    assert told == clean(told) and not re.search("[\r\n\x1b\u2028\u2029\x85]", told)
    told.encode("utf-8")


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://a.gov.cn/x?y=1&z=2", "https://a.gov.cn/x?y=1&z=2"),
        ("https://a.gov.cn/通知 (1).html", "https://a.gov.cn/%E9%80%9A%E7%9F%A5%20%281%29.html"),
        ('https://a.gov.cn/"><script>', "https://a.gov.cn/%22%3E%3Cscript%3E"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//a.gov.cn/x", None),
        ("https://[broken", None),
        ("java\nscript:alert(1)", None),
    ],
)
def test_only_http_links(url: str, link: str | None) -> None:
    assert safe_url(url) == link


def test_bold_touches_letters_and_digits() -> None:
    assert bold("（5000元）") == "（**5000元**）"
    assert bold("、") == "、"
    assert escape_markdown("# a\n- b") == "＃ a\n－ b"


# --- figures, templates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "zh", "en"),
    [
        (figure(50000, "元"), "5万元", "50,000 yuan"),
        (figure(5000, "元/张"), "5000元/张", "5,000 yuan per bed"),
        (figure(150000000, "元"), "1.5亿元", "150,000,000 yuan"),
        (figure(72.1, "%"), "72.1%", "72.1%"),
        (figure(70, "%", bound=">="), "不低于70%", "≥ 70%"),
        (figure(None, "元/床/月", min=100, max=450), "100—450元/床/月", "100–450 yuan per bed per month"),
        (figure(66.67, "%", bound="~"), "约66.67%", "about 66.67%"),
        (figure(123456, "人"), "123456人", "123,456 people"),
        (figure(600, "元/人/月", bound="<="), "最高600元/人/月", "≤ 600 yuan per person per month"),
        (figure(1, "名/5000人"), "1名/5000人", "1 person per 5,000 people"),
        (figure(35, "张/千人"), "35张/千人", "35 beds per 1,000 people"),
        (figure(2, "帧"), "2帧", "2 帧"),
    ],
)
def test_figures_in_words(told: dict[str, object], zh: str, en: str) -> None:
    assert compose_figure(told, "zh") == zh
    assert compose_figure(told, "en") == en


def test_a_new_documents_figures_are_told_in_the_readers_language() -> None:
    told = {"name": "建设补贴", "words": "5000元/张、70%", "figures": [figure(5000, "元/张"), figure(70, "%")]}
    news = document_event(41, "document.published", detail={"figures": [told], "measures": 1})
    assert "Main figures: 建设补贴 5,000 yuan per bed, 70%" in written([news], "html", language="en").body
    assert "主要数字：建设补贴 5000元/张、70%" in written([news], "html").body


def test_the_other_document_of_a_conflict_is_linked() -> None:
    address, title = "https://watch.example.org/documents/5", "关于第20250451号提案的答复"
    tags = parsed(written([CONFLICT], "html").body).seen
    assert ("a", address) in [(tag, values.get("href")) for tag, values in tags]
    assert f"[{title}]({address})" in written([CONFLICT], "markdown").body
    assert f"另一份文件：{title} {address}" in written([CONFLICT]).body
    hostile = replace(CONFLICT, detail=CONFLICT.detail | {"other_document": {"id": 5, "title": HOSTILE}})
    assert not [tag for tag, _ in parsed(written([hostile], "html").body).seen if tag == "script"]


def test_an_operators_template_goes_before_ours(tmp_path: Path) -> None:
    (tmp_path / "message.text.j2").write_text("{% for g in groups %}{{ g.heading }}!{% endfor %}", "utf-8")
    assert written([event()], templates=tmp_path).body == "关于进一步支持养老机构发展的通知!"
    assert written([event()], "html", templates=tmp_path).body.startswith("<!doctype")


def test_an_operators_template_reaches_nothing_else(tmp_path: Path) -> None:
    from jinja2.exceptions import SecurityError

    (tmp_path / "message.text.j2").write_text("{{ title.__class__.__mro__[1].__subclasses__() }}", "utf-8")
    with pytest.raises(SecurityError):
        written([event()], templates=tmp_path)


def test_the_readers_language_goes_before_the_services() -> None:
    message = render(
        replace(READER, language="en"),
        [event()],
        language="zh",
        links=LINKS,
        format="text",
        limit=Limit(),
        tz=SHANGHAI,
    )
    assert message.title.startswith("[Subsidy changed]") and "Deadline: 2027-12-31" in message.body
