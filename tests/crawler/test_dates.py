from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.dates import find_date, find_stacked_date, parse_date

DAY = date(2025, 7, 7)


@pytest.mark.parametrize(
    "text",
    [
        "2025-07-07",
        "2025-7-7",
        "2025/7/7",
        "2025.07.07",
        "２０２５－０７－０７",
        "20250707",
        "2025年7月7日",
        "2025年07月07号",
        "2025 年 7 月 7 日",
        "2025年7月\n7日",
        "2025 -\n07- 07",
        "2025\n年7月7日",
        "二〇二五年七月七日",
        "二○二五年七月七日",
        "二零二五年七月七日",
        "二O二五年 七月\n七日",
        "[2025-07-07]",
        "（2025-07-07）",
        "2025-07-07 10:44",
        "2025-07-0710:44:09",
        "2025-07-07 10:44:00.0",
        "发布日期：2025-07-07",
        "发布时间: 2025年7月7日 09时30分",
        "2025年7月7日 星期一",
        "2025-07-06T16:30:00Z",
        "2025-07-07T00:00:00.000+0800",
        "1751817600000",
        "1751817600",
        "Mon, 07 Jul 2025 08:00:00 +0800",
        "Mon Jul 07 00:00:00 CST 2025",
        "Jul 7, 2025 12:00:00 AM",
    ],
)
def test_a_cell_that_is_a_date(text: str) -> None:
    assert parse_date(text) == DAY


@pytest.mark.parametrize(
    ("numerals", "expected"),
    [
        ("二〇二四年十二月三十一日", date(2024, 12, 31)),
        ("二〇二四年十月十日", date(2024, 10, 10)),
        ("一九九九年二月廿八日", date(1999, 2, 28)),
        ("二〇二三年十一月二十日", date(2023, 11, 20)),
    ],
)
def test_numerals(numerals: str, expected: date) -> None:
    assert parse_date(numerals) == expected


@pytest.mark.parametrize(
    "text",
    ["", "2025年7月", "2025-07", "2025-13-01", "2025年2月30日", "20250451", "07-07", "有效期3年", "3.14.15"],
)
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None
    assert find_date(text) is None


def test_a_sentence_with_a_date_is_not_a_date_but_has_one() -> None:
    sentence = "本办法自2025年7月7日起施行，有效期五年。"
    assert parse_date(sentence) is None
    assert find_date(sentence) == DAY


def test_the_first_date_counts_and_bare_digits_only_without_another() -> None:
    assert find_date("t20240101_1.html 2025-07-07") == DAY
    assert find_date("./202507/t20250707_1234567.html") == DAY
    assert find_date("编号 202507071 ") is None


def test_an_impossible_day_does_not_hide_the_next_date() -> None:
    assert find_date("2025-02-30 更正为 2025-07-07") == DAY


@pytest.mark.parametrize(
    "text", ["07 2025-07", "7\n2025.07", "07日\n2025年7月", "07-07 2025", "2025 07-07", "2025年\n7月7日"]
)
def test_day_and_month_in_two_lines(text: str) -> None:
    assert find_stacked_date(text) == DAY


@given(st.dates(min_value=date(1949, 10, 1), max_value=date(2099, 12, 31)))
def test_every_day_is_read_back(day: date) -> None:
    for form in (f"{day:%Y-%m-%d}", f"{day.year}年{day.month}月{day.day}日", f"{day:%Y%m%d}"):
        assert parse_date(form) == day
        assert find_date(f"前言 {form} 后记") == day


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parse_date(text)
    find_date(text)
    find_stacked_date(text)
