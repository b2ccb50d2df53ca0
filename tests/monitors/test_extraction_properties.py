"""What holds for every text: nothing raises, quotes are verbatim, figures never overlap, neighbours do not matter."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.extraction import extract
from monitors.normalise import normalise
from monitors.tables import is_row
from storage.records import Figure

PIECES = [
    "到2027年底",
    "新建养老服务站",
    "12个",
    "3—5万元",
    "每人每月",
    "500元",
    "给予",
    "补贴",
    "不低于",
    "70%",
    "、",
    ",",
    "，",
    "。",
    "\n",
    "\n\n",
    "达到",
    "（责任单位：市民政局、市财政局）",
    "一、",
    "1.",
    "第三条",
    " | ",
    "↑",
    "(单位:万元)",
    "“",
    "”",
    "《",
    "》",
    "分别",
    "由",
    "提高到",
    "每千名老年人",
    "35张",
    "三分之二",
    "两大系统",
    "全覆盖",
    "余",
    "万",
    "亿",
    "7",
    "０",
    "％",
    "对养老机构",
    "的",
    "限额",
    "最高",
    "**",
    "　",
    "千",
    "百",
]
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(PIECES), max_size=60).map("".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=40).map("".join),
)
# Whole documents that end with a full stop, so that nothing after them can belong to their last sentence.
DOCUMENTS = st.lists(
    st.sampled_from(
        [
            "到2026年底，全市新增公办托位1200个，普惠托位占比达到60%以上。",
            "对新办的家庭农场给予3万元、5万元奖励。",
            "目前，全县有乡村医生412名。",
            "城乡低保标准由每人每月700元提高到750元。",
            "每千名老年人拥有护理型床位不少于12张。",
            "改造农村公路80公里、危桥6座。",
            "（责任单位：市交通运输局、市财政局）",
            "一、工作目标",
            "1.新建示范食堂30家。",
        ]
    ),
    min_size=1,
    max_size=6,
).map(lambda lines: "\n".join([*lines, "以上事项请认真落实。"]))
UNRELATED = st.lists(
    st.sampled_from(
        [
            "山里的雾散得很慢，石板路上没有人。",
            "她把信折好，放进抽屉。",
            "河水绕过村子，往东去了。",
            "桥边有3棵柳树。",
            "晚饭吃了2碗面。",
        ]
    ),
    min_size=1,
    max_size=6,
).map("\n\n".join)


def _figures(text: str) -> list[Figure]:
    return [figure for measure in extract(text) for figure in measure.figures]


@given(TEXTS)
@settings(max_examples=400, deadline=None)
def test_any_text_is_read_and_quotes_are_verbatim(text: str) -> None:
    figures = sorted(_figures(text), key=lambda f: f.start)
    assert all(f.quote == text[f.start : f.end] and f.quote for f in figures)
    assert all(a.end <= b.start for a, b in itertools.pairwise(figures))


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_measures_come_in_text_order_and_are_complete(text: str) -> None:
    measures = extract(text)
    firsts = [m.figures[0].start for m in measures]
    assert firsts == sorted(firsts)
    for measure in measures:
        assert measure.subject and measure.sentence in text
        for f in measure.figures:
            assert (f.value is None) == (f.min is not None and f.max is not None)
            assert f.min is None or f.max is None or f.min < f.max


@given(DOCUMENTS, UNRELATED)
@settings(max_examples=200, deadline=None)
def test_what_follows_a_document_changes_nothing_in_it(document: str, more: str) -> None:
    alone = extract(document)
    together = extract(f"{document}\n\n{more}")
    assert [m for m in together if m.figures[0].start < len(document)] == list(alone)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_every_normalised_character_has_its_source(text: str) -> None:
    normal = normalise(text)
    places = [normal.source(i) for i in range(len(normal.text))]
    assert places == sorted(set(places))
    assert all(0 <= place < len(text) for place in places)
    assert len(normal.text) <= len(text)


@given(st.text(alphabet="1a| \n", max_size=40))
def test_a_row_is_a_line_with_a_bar(text: str) -> None:
    assert is_row(text, 0, len(text)) == ("|" in text)
