"""The grammar of quantities, step by step: normalising, masking, numbers, ranges, lists, rates, bounds."""

from __future__ import annotations

import pytest

from monitors.masks import HIDDEN, mask
from monitors.normalise import normalise
from monitors.numerals import chinese_number
from monitors.quantities import Quantity, find_quantities
from monitors.vocabulary import measure_words


def _read(text: str) -> list[Quantity]:
    return list(find_quantities(normalise(text).text))


def _value(q: Quantity) -> float | tuple[float | None, float | None] | None:
    return q.value if q.value is not None else (q.min, q.max)


@pytest.mark.parametrize(
    ("printed", "normal"),
    [
        ("新增托位 １２０ 个，占比 ３０％", "新增托位120个,占比30%"),
        ("补贴5,500元", "补贴5500元"),
        ("一是**健全制度**。", "一是健全制度。"),
        ("在城区新建社区食堂、助餐点，服务老人3\n\n18人次。", "在城区新建社区食堂、助餐点,服务老人318人次。"),
        ("工作目标\n到2027年", "工作目标\n到2027年"),
        ("年度目标为2025,300个不算", "年度目标为2025,300个不算"),
        ("5～15万元", "5~15万元"),
        ("A B  12 34", "A B 12 34"),
    ],
)
def test_normalise(printed: str, normal: str) -> None:
    found = normalise(printed)
    assert found.text == normal
    assert all(found.source(i) < len(printed) for i in range(len(normal)))


@pytest.mark.parametrize(
    "text",
    [
        "《助餐三年行动方案(2025-2027年)》",
        "镇政发〔2024〕11号",
        "DB3301/T0659-2022",
        "2025年6月30日",
        "第42届",
        "前10名",
        "65岁及以上",
        "3A级",
        "三位一体",
        "“5+20+N”",
        "1+3+N",
        "8.7:41.2:50.1",
        "0571-88001234",
        "13800001111",
        "12345热线",
        "220千伏",
        "15分钟生活圈",
        "“十四五”期间",
        "一式三份",
        "二级",
        "80后",
        "5G",
        "进一步",
        "2025-2027年",
    ],
)
def test_masked(text: str) -> None:
    hidden = mask(normalise(text).text)
    assert not any(char.isdigit() for char in hidden), hidden
    assert not _read(text)


@pytest.mark.parametrize("text", ["建成5所学校", "占比达到“95%”", "预期寿命提高到80岁", "近40万人", "带动万名青年就业"])
def test_not_masked(text: str) -> None:
    assert _read(text), mask(normalise(text).text).replace(HIDDEN, "_")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("三十六", 36),
        ("一百二十", 120),
        ("两", 2),
        ("十五", 15),
        ("一千万", 10_000_000),
        ("二零二五", None),
        ("三亿五千万", 350_000_000),
        ("万", 10_000),
        ("", None),
        ("一零五", None),
        ("一百零五", 105),
    ],
)
def test_chinese_number(text: str, value: int | None) -> None:
    assert chinese_number(text) == value


@pytest.mark.parametrize(
    ("text", "value", "unit", "bound"),
    [
        ("建设床位7000余张。", 7000, "张", ">="),
        ("签约服务79.31万人。", 793100, "人", "="),
        ("培训1万余人次。", 10000, "人次", ">="),
        ("装机500万千瓦。", 5_000_000, "千瓦", "="),
        ("发电3亿千瓦时。", 300_000_000, "千瓦时", "="),
        ("面积不小于30㎡。", 30, "平方米", ">="),
        ("占比达百分之八十五点五。", 85.5, "%", "="),
        ("覆盖八成以上的村。", 80, "%", ">="),
        ("超过三分之二的社区。", 66.67, "%", ">"),
        ("产量翻一番。", 2, "倍", "="),
        ("提高3.5个百分点。", 3.5, "pp", "="),
        ("培训服务全覆盖。", 100, "%", "="),
        ("为230万老年人服务。", 2_300_000, "人", "="),
        ("助餐超480万老年人次。", 4_800_000, "人次", ">"),
        ("至少办好一所学校。", 1, "所", ">="),
        ("总额突破150亿元。", 15_000_000_000, "元", ">"),
        ("失业率控制在5.5%以内。", 5.5, "%", "<="),
        ("抽查不低于机构总数的20%。", 20, "%", ">="),
        ("每千名老年人拥有床位35张。", 35, "张/千人", "="),
        ("每5000名老人配备1名社工。", 1, "名/5000人", "="),
    ],
)
def test_quantity(text: str, value: float, unit: str, bound: str) -> None:
    (found,) = _read(text)
    assert (_value(found), found.unit, found.bound) == (value, unit, bound)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("每床每月补贴200元", "元/床/月"),
        ("每月每人补贴200元", "元/人/月"),
        ("补贴200元/人·月", "元/人/月"),
        ("补贴200元每人每天", "元/人/日"),
        ("每成功推荐1个的,给予1万元", "元/个"),
        ("每招用1人,给予1万元", "元/人"),
        ("一个自然年度内累计不超过5万元", "元/年"),
        ("每小时50元", "元/小时"),
        ("一次性补助3000元", "元"),
        ("按0.2元/千瓦时补贴", "元/千瓦时"),
        ("每生每天5元", "元/生/日"),
    ],
)
def test_rate(text: str, unit: str) -> None:
    assert [q.unit for q in _read(text)] == [unit]


@pytest.mark.parametrize(
    ("text", "values", "units"),
    [
        ("给予5、10万元", [50_000, 100_000], ["元", "元"]),
        ("给予15、50和100万元", [150_000, 500_000, 1_000_000], ["元"] * 3),
        ("给予5-30万元", [(50_000, 300_000)], ["元"]),
        ("增长5%—5.5%", [(5, 5.5)], ["%"]),
        ("给予8000-1万元", [(8_000, 10_000)], ["元"]),
        ("给予4000元/个、6000元/个", [4000, 6000], ["元/个", "元/个"]),
        ("按一级每人每月300元、二级200元、三级100元", [300, 200, 100], ["元/人/月"] * 3),
        ("基地3个、企业6个", [3, 6], ["个", "个"]),
        ("给予530万元", [5_300_000], ["元"]),
    ],
)
def test_lists_and_ranges(text: str, values: list[object], units: list[str]) -> None:
    found = _read(text)
    assert [_value(q) for q in found] == values
    assert [q.unit for q in found] == units


def test_a_bound_holds_for_the_whole_list() -> None:
    assert [q.bound for q in _read("给予最高15万元、50万元、100万元的补贴")] == ["<=", "<=", "<="]


@pytest.mark.parametrize(
    ("text", "value", "previous"),
    [
        ("由每人每月880元提高到每人每月940元", 940, 880),
        ("占比从52%提高到60%", 60, 52),
        ("由35张增加到40张", 40, 35),
        ("由80提高到100元", 100, 80),
    ],
)
def test_what_it_was_before(text: str, value: float, previous: float) -> None:
    (found,) = _read(text)
    assert (found.value, found.previous) == (value, previous)


@pytest.mark.parametrize(
    "text",
    [
        "10个工作日内办结",
        "近3年",
        "有效期3年",
        "保存不少于5年",
        "三项制度",
        "两个维护",
        "四大方向",
        "一批项目",
        "若干措施",
        "7天无理由",
    ],
)
def test_no_quantity(text: str) -> None:
    assert _read(text) == []


def test_a_measure_word_that_begins_another_word_is_none() -> None:
    assert measure_words().match("家庭") is None
    assert measure_words().match("家企业")


@pytest.mark.parametrize("digits", ["9" * 330, "8" * 5000])
def test_digits_without_end_are_no_figure_and_no_failure(digits: str) -> None:
    from monitors.extraction import extract

    found = extract(f"给予{digits}元补贴，达到{digits}%，至少{digits}具备能力的机构。")
    assert all(abs(f.value or 0) < 1e300 for m in found for f in m.figures)
