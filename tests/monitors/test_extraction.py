"""What a quantity is said to be: kind, deadline, bodies, recipient, tables, and the fingerprint of the reader."""

from __future__ import annotations

from datetime import date

import pytest

from monitors import extraction
from monitors.extraction import Context, extract
from monitors.structure import genre_of, split_bodies
from storage.records import Measure

PLAN, REPLY, RULE = "促进家政服务业发展行动方案", "对市人大第118号建议的答复", "家政服务业补贴办法"


def _one(text: str, title: str = PLAN, published: date | None = None) -> Measure:
    (measure,) = extract(text, Context(title=title, published_on=published))
    return measure


@pytest.mark.parametrize(
    ("text", "title", "kind"),
    [
        ("新建家政服务站30个。", PLAN, "target"),
        ("新建家政服务站30个。", REPLY, "progress"),
        ("至少建成家政服务站30个。", REPLY, "target"),
        ("下一步,将新建家政服务站30个。", REPLY, "target"),
        ("目前已建成家政服务站30个。", PLAN, "progress"),
        ("对员工制家政企业给予5万元奖励。", REPLY, "subsidy"),
        ("市财政累计投入5000万元支持家政服务站建设。", REPLY, "progress"),
        ("家政服务站建筑面积不低于80平方米。", RULE, "target"),
        ("职业培训补贴的支付比例为75%。", RULE, "subsidy"),
        ("丧葬补助为6个月最低生活保障标准。", RULE, "subsidy"),
    ],
)
def test_kind(text: str, title: str, kind: str) -> None:
    assert _one(text, title).kind == kind


@pytest.mark.parametrize(
    ("text", "deadline"),
    [
        ("到2027年,新建家政服务站30个。", date(2027, 12, 31)),
        ("2026年6月底前新建家政服务站30个。", date(2026, 6, 30)),
        ("“十五五”期间新建家政服务站30个。", date(2030, 12, 31)),
        ("每年新建家政服务站30个。", None),
        ("新建家政服务站30个。到2027年,体系更加完善。", None),
        ("到2027年,体系更加完善。\n新建家政服务站30个。", None),
        ("一、2026年重点工作\n新建家政服务站30个。", date(2026, 12, 31)),
        ("自2025年1月1日起,新建家政服务站30个。", None),
    ],
)
def test_deadline(text: str, deadline: date | None) -> None:
    assert _one(text).deadline == deadline


@pytest.mark.parametrize(
    ("printed", "names"),
    [
        ("市民政局、市财政局,各区人民政府", ("市民政局", "市财政局", "各区人民政府")),
        ("区民政局区发展和改革局区财政局", ("区民政局", "区发展和改革局", "区财政局")),
        ("市场监督管理局河东区分局、区残联", ("市场监督管理局河东区分局", "区残联")),
        ("各县(市、区)人民政府〈含开发区,下同〉", ("各县(市、区)人民政府",)),
        ("区卫生健康局残联", ("区卫生健康局", "残联")),
    ],
)
def test_split_bodies(printed: str, names: tuple[str, ...]) -> None:
    assert split_bodies(printed) == names


def test_bodies_serve_their_item_and_no_other() -> None:
    text = "(一)扩面。新建站点5个。\n开设专区8个。(责任单位:市商务局)\n(二)提质。培训骨干90名。(责任单位:市人社局"
    assert [m.bodies for m in extract(text, Context(title=PLAN))] == [("市商务局",), ("市商务局",), ("市人社局",)]


@pytest.mark.parametrize(
    "text",
    [
        "年营业收入低于200万元的,不予受理。",
        "本办法所称小微企业,是指从业人员300人以下的企业。",
        "个人缴费标准为每人每年400元。",
        "骗取补贴的,处3万元罚款。",
        "申请站点应当符合下列条件:\n(一)经营面积80平方米以上;\n(二)服务人员10名以上。",
    ],
)
def test_no_figure(text: str) -> None:
    assert extract(text, Context(title=RULE)) == ()


def test_a_condition_is_kept_as_words() -> None:
    measure = _one("对吸纳就业达到50人(含)以上的家政企业给予10万元奖励。", RULE)
    assert [f.value for f in measure.figures] == [100_000]
    assert measure.recipient == "家政企业"
    assert "达到50人(含)以上" in (measure.condition or "")


def test_tiers_are_figures_of_one_measure() -> None:
    measure = _one("对示范站点分别给予5万元、8万元的建设补贴。", RULE)
    assert [(f.value, f.unit) for f in measure.figures] == [(50_000, "元"), (80_000, "元")]
    assert "建设补贴" in measure.subject


def test_dealt_out_figures_have_a_subject_each() -> None:
    first, second = extract("目前,城区站点和农村站点覆盖率分别达到82%和58%。", Context(title=REPLY))
    assert (first.subject, second.subject) == ("城区站点覆盖率", "农村站点覆盖率")


def test_a_list_item_gets_the_shared_head_back() -> None:
    subjects = [m.subject for m in extract("创建省级绿色示范学校5所、医院3家。", Context(title=PLAN))]
    assert subjects[1].endswith("绿色示范医院")


def test_a_table_takes_units_from_caption_and_labels_from_spans() -> None:
    text = "具体补贴标准见下表(单位:元/人/月):\n对象 | 档次 | 补贴标准\n困难家庭 | 一档 | 200\n↑ | 二档 | 350—400"
    one, two = extract(text, Context(title=RULE))
    assert (one.kind, one.figures[0].value, one.figures[0].unit) == ("subsidy", 200, "元/人/月")
    assert (two.figures[0].min, two.figures[0].max) == (350, 400)
    assert "困难家庭" in two.subject and "二档" in two.subject


def test_a_column_of_years_gives_deadlines() -> None:
    text = "指标 | 单位 | 2024年 | 2027年目标\n托位总数 | 万个 | 1.2 | 2\n普惠占比 | % | 51 | ≥65"
    found = [
        (m.kind, m.figures[0].value, m.figures[0].unit, m.figures[0].bound, m.deadline)
        for m in extract(text, Context(title=PLAN))
    ]
    day = date(2027, 12, 31)
    assert found == [
        ("progress", 12_000, "个", "=", None),
        ("target", 20_000, "个", "=", day),
        ("progress", 51, "%", "=", None),
        ("target", 65, "%", ">=", day),
    ]


def test_catalogue_data_is_no_table_of_figures() -> None:
    assert (
        extract("索引号 | 11330900MB0X/2025-02231 | 发布日期 | 2025-04-02 |\n公开方式 | 主动公开 | 浏览 | 15个") == ()
    )


@pytest.mark.parametrize(
    ("title", "genre"),
    [
        (REPLY, "reply"),
        (PLAN, "plan"),
        (RULE, "rule"),
        ("2026年政府工作报告", "report"),
        ("关于印发《公共厕所管理办法》的通知", "rule"),
    ],
)
def test_genre(title: str, genre: str) -> None:
    assert genre_of(title, "") == genre


def test_the_reader_knows_its_own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    assert extraction._fingerprint() == extraction.READER
    monkeypatch.setattr(extraction, "_READ_BY", extraction._READ_BY[1:])
    assert extraction._fingerprint() != extraction.READER
