"""Figures in words: Chinese as the documents count, English with English names for what is counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitors.changes import compare_measures
from monitors.rules import change_words
from monitors.words import _ENGLISH_UNITS, figure_words
from notify.phrases import _UNITS, compose_figure
from storage.records import Bound, Figure, Measure

CHINESE = re.compile("[\u4e00-\u9fff]")
DATA = Path(__file__).parents[1] / "data"
COUNTED = sorted(unit for unit in _ENGLISH_UNITS if unit not in ("pp", "1"))


def figure(value: float | tuple[float, float], unit: str, bound: Bound = "=", quote: str = "") -> Figure:
    low, high = value if isinstance(value, tuple) else (None, None)
    return Figure(None if isinstance(value, tuple) else value, low, high, unit, bound, quote, 0, len(quote))


@pytest.mark.parametrize(
    ("told", "chinese", "english"),
    [
        (figure(10000, "元/张"), "1万元/张", "10,000 yuan per bed"),
        (figure((100, 450), "元/床/月"), "100元至450元/床/月", "100–450 yuan per bed per month"),
        (figure((5, 10), "%"), "5%至10%", "5–10%"),
        (figure(7000, "张", ">=", "7000余张"), "7000余张", "at least 7,000 beds"),
        (figure(1, "张"), "1张", "1 bed"),
        (figure(1, "名", ">=", "至少1名"), "至少1名", "at least 1 person"),
        (figure(12, "个"), "12个", "12"),
        (figure(8000, "元/个/年"), "8000元/个/年", "8,000 yuan per item per year"),
        (figure(4.5, "个/千人"), "4.5个/千人", "4.5 per 1,000 people"),
        (figure(2300, "户次"), "2300户次", "2,300 household-times"),
        (figure(40000, "人次", "~", "近4万人次"), "近4万人次", "about 40,000 person-times"),
        (figure(30, "平方米/百户", ">=", "不少于30平方米"), "不少于30平方米/百户", "at least 30 m² per 100 households"),
        (figure(1, "名/2万人"), "1名/2万人", "1 person per 20,000 people"),
        (figure(1, "所/10万人"), "1所/10万人", "1 institution per 100,000 people"),
        (figure(800, "元/千瓦"), "800元/千瓦", "800 yuan per kW"),
        (figure(1, "名/50个"), "1名/50个", "1 person per 50 items"),
        (figure(20, "元/万元"), "20元/万元", "20 yuan per 10,000 yuan"),
        (figure(2.1, "‰"), "2.1‰", "2.1‰"),
        (figure(1, "pp"), "1个百分点", "1 percentage point"),
        (figure(326000, "亩"), "32.6万亩", "326,000 mu"),
        (figure(3, ""), "3", "3"),
    ],
)
def test_figures_in_both_languages(told: Figure, chinese: str, english: str) -> None:
    assert (figure_words(told), figure_words(told, "en")) == (chinese, english)


@pytest.mark.parametrize("unit", COUNTED)
def test_chinese_keeps_the_measure_words_of_the_document(unit: str) -> None:
    assert figure_words(figure(1, unit)) == f"1{unit}"
    assert figure_words(figure(5000, unit)) == f"5000{unit}"
    assert figure_words(figure((5000, 60000), unit)) == f"5000{unit}至6万{unit}"
    assert figure_words(figure(5000, f"元/{unit}", "<=", "最高5000元")) == f"最高5000元/{unit}"
    assert figure_words(figure(5000, unit, ">=", f"5000余{unit}")) == f"5000余{unit}"
    assert figure_words(figure(5000, unit, "~", f"5000{unit}左右")) == f"5000{unit}左右"


@pytest.mark.parametrize("unit", COUNTED)
def test_english_has_no_chinese_for_a_unit_that_is_known(unit: str) -> None:
    for told in (unit, f"元/{unit}", f"{unit}/千人", f"人/50{unit}"):
        words = figure_words(figure(5000, told), "en")
        assert not CHINESE.search(words) and "  " not in words and words == words.strip(), told


@pytest.mark.parametrize(
    ("unit", "english"),
    [("艘", "300 艘"), ("元/艘", "300 yuan per 艘"), ("艘/艘次", "300 艘 per 艘次"), ("GB", "300 GB")],
)
def test_a_unit_that_is_not_known_stays_as_it_is(unit: str, english: str) -> None:
    assert figure_words(figure(300, unit), "en") == english


def test_messages_and_pages_have_the_same_words_for_a_unit() -> None:
    assert _UNITS.keys() <= _ENGLISH_UNITS.keys()
    for name in _UNITS.keys() - {"千米"}:  # the extractor calls it 公里
        for unit in (name, f"元/{name}", f"{name}/千人", *([f"名/50{name}"] if name != "个" else []), f"元/{name}/月"):
            for value in (1, 2):
                told = figure(value, unit)
                assert figure_words(told, "en") == compose_figure(told.to_json(), "en"), unit


def test_a_change_is_told_with_the_words_of_its_language() -> None:
    before = figure(5000, "元/张", quote="5000元/张")
    measure = Measure("subsidy", "建设补贴", (before,), None, "养老机构", None, (), "给予5000元/张的建设补贴。")
    [change] = compare_measures(
        [measure], [replace(measure, figures=(replace(before, value=6000, quote="6000元/张"),))]
    )
    assert change_words(change, "zh") == "建设补贴：5000元/张 → 6000元/张（+20%）"
    assert change_words(change, "en") == "建设补贴: 5,000 yuan per bed → 6,000 yuan per bed (+20%)"


def annotated() -> Iterator[Figure]:
    """The figures of annotated documents."""
    for path in sorted([*DATA.glob("gold/**/*.json*"), *DATA.glob("developed/**/*.json*")]):
        text = path.read_text("utf-8")
        for line in text.splitlines() if path.suffix == ".jsonl" else [text]:
            yield from _figures(json.loads(line)) if line.strip() else ()


def _figures(value: Any) -> Iterator[Figure]:
    if isinstance(value, dict) and {"unit", "bound", "quote"} <= value.keys():
        yield Figure(*(value.get(name) for name in ("value", "min", "max", "unit", "bound", "quote")), 0, 0)  # type: ignore[arg-type]
        return
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _figures(each)


def test_nearly_all_figures_of_real_documents_are_whole_in_english() -> None:
    found = list(annotated())
    mixed = [f.unit for f in found if CHINESE.search(figure_words(f, "en"))]
    assert len(found) > 500
    assert len(mixed) < len(found) / 100, mixed
