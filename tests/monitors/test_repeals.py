"""Which 文号s a document declares ended, on sentences of our own."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitors.repeals import may_be_called, repeals

A, B, C = "云政办规〔2019〕5号", "云政发〔2015〕3号", "云民规〔2020〕12号"
NEW_YEAR = date(2026, 1, 1)


def ended(text: str, title: str = "云川市养老机构补贴办法", own: tuple[str, ...] = ()) -> list[str]:
    return [r.number for r in repeals(title, text, own)]


@pytest.mark.parametrize(
    "text, numbers, day, kind",
    [
        (f"《云川市养老机构补贴办法》（{A}）同时废止。", [A], None, "repealed"),
        (f"本办法自2026年1月1日起施行，有效期5年，《旧办法》（{A}）同时废止。", [A], NEW_YEAR, "repealed"),
        (f"本办法自2026年1月1日起施行。\n《旧办法》（{A}）同时废止。", [A], NEW_YEAR, "repealed"),
        (f"《旧办法》（{A}）自本办法施行之日起废止。", [A], None, "repealed"),
        (f"《旧办法》（{A}）自本办法施行之日起，停止执行。", [A], None, "repealed"),
        (f"《旧办法》（{A}）、《通知》（{B}）予以废止。", [A, B], None, "repealed"),
        (f"原《旧办法》（{A}）和《关于补贴的通知》（{B}）等文件同时废止。", [A, B], None, "repealed"),
        (f"此前印发的《旧办法》（{A}）停止执行。", [A], None, "repealed"),
        (f"《旧办法》（{A}）自2026年1月1日起失效。", [A], NEW_YEAR, "expired"),
        (f"《旧办法》（{A}）自二〇二六年一月一日起废止。", [A], NEW_YEAR, "repealed"),
        (f"《旧办法》（{A}）于2025年12月31日失效。", [A], date(2025, 12, 31), "expired"),
        (f"经市政府研究决定，现宣布《旧办法》（{A}）失效。", [A], None, "expired"),
        (f"经研究，决定废止《旧办法》（{A}）和《通知》（{B}）。", [A, B], None, "repealed"),
        (f"现废止{B}文件。", [B], None, "repealed"),
        (f"根据《条例》（{C}）规定，《旧办法》（{A}）同时废止。", [A], None, "repealed"),
        (f"根据《条例》（{C}）和《意见》（{B}），《旧办法》（{A}）同时废止。", [A], None, "repealed"),
        (f"决定废止下列文件：\n一、《旧办法》（{A}）\n二、《通知》（{B}）\n云川市人民政府", [A, B], None, "repealed"),
        (f"决定废止下列文件：一、《旧办法》（{A}）；二、《通知》（{B}）。", [A, B], None, "repealed"),
        (
            f"自2026年1月1日起，下列文件宣布失效：\n1.关于补贴的通知（{A}）\n2.关于床位的通知（{B}）。",
            [A, B],
            NEW_YEAR,
            "expired",
        ),
        (f"附件：废止的规范性文件目录\n序号 | 名称 | 文号\n1 | 旧办法 | {A}\n2 | 通知 | {B}", [A, B], None, "repealed"),
        (f"1 | 旧办法 | {A} | 废止\n2 | 通知 | {B} | 继续有效\n3 | 意见 | {C} | 修改", [A], None, "repealed"),
        (
            f"一、《旧办法》（{A}）\n二、《通知》（{B}）\n上述文件自2026年1月1日起停止执行。",
            [A, B],
            NEW_YEAR,
            "repealed",
        ),
        (f"一、废止下列文件：\n1.《旧办法》（{A}）\n二、修改下列文件：\n1.《通知》（{B}）", [A], None, "repealed"),
        (f"《旧办法》（{A}）废止，《通知》（{B}）第三条修改为：按月发放。", [A], None, "repealed"),
        (f"《通知》（{B}）继续有效，《旧办法》（{A}）废止。", [A], None, "repealed"),
        ("《旧办法》（云政办规（2019）５号）同时废止。", ["云政办规（2019）5号"], None, "repealed"),
    ],
)
def test_what_ends_a_document(text: str, numbers: list[str], day: date | None, kind: str) -> None:
    found = repeals("云川市养老机构补贴办法", text)
    assert [(r.number, r.day, r.kind, r.own) for r in found] == [(n, day, kind, True) for n in numbers]
    assert all(r.number.translate({0x35: "5"})[-3:] in r.sentence.translate({0xFF15: "5"}) for r in found)


@pytest.mark.parametrize(
    "text",
    [
        f"对《旧办法》（{A}）作如下修改：",
        f"《旧办法》（{A}）根据本通知修订后重新公布。",
        f"《旧办法》（{A}）未废止。",
        f"《旧办法》（{A}）尚未废止，仍按原标准执行。",
        f"《旧办法》（{A}）继续有效。",
        f"《旧办法》（{A}）不予废止。",
        f"《旧办法》（{A}）拟废止。",
        f"拟对《旧办法》（{A}）予以废止，现公开征求意见。",
        f"建议废止《旧办法》（{A}）。",
        f"建议对《旧办法》（{A}）予以废止。",
        f"研究废止《旧办法》（{A}）的可行性。",
        f"《旧办法》（{A}）是否废止，由市民政局提出意见。",
        f"《旧办法》（{A}）第三条同时废止。",
        f"《旧办法》（{A}）中的第三条、第五条废止。",
        f"《旧办法》（{A}）有关补贴标准的规定同时废止。",
        f"废止《旧办法》（{A}）第三条。",
        f"除第三条外，《旧办法》（{A}）同时废止。",
        f"《旧办法》（{A}）除第三条外废止。",
        f"根据《旧办法》（{A}）要求，及时做好文件废止工作。",
        f"根据《旧办法》（{A}），此前有关规定同时废止。",
        f"按照《旧办法》（{A}）的规定，补贴到期自动失效。",
        f"《旧办法》（{A}）废止前已受理的，按原标准执行。",
        f"《旧办法》（{A}）施行后，以前的规定同时废止。",
        f"自《旧办法》（{A}）施行之日起，原规定同时废止。",
        f"关于废止《旧办法》（{A}）的请示收悉。",
        f"我局起草了关于废止《旧办法》（{A}）的决定。",
        f"《关于废止〈旧办法〉（{A}）的决定》自印发之日起执行。",
        f"做好规范性文件的修改、废止工作，执行《旧办法》（{A}）。",
        f"继续有效的规范性文件目录\n1 | 旧办法 | {A}",
        f"决定废止下列文件：\n二、下列文件继续有效：\n1.《旧办法》（{A}）",
        f"拟废止的文件目录\n1 | 旧办法 | {A}",
        "与本办法不一致的，同时废止。",
    ],
)
def test_what_ends_none(text: str) -> None:
    assert ended(text) == []


@pytest.mark.parametrize(
    "text, numbers",
    [
        (f"第二十八条 本办法自发布之日起30日后施行，原《云川市老年人优待办法》（{A}）即行废止。", [A]),
        (
            f"本通知自2026年3月1日起执行，有效期3年。《市民政局 市财政局关于津贴的通知》（{C}）同时停止执行。",
            [C],
        ),
        (f"云川市人民政府办公室2019年5月印发的《云川市养老机构补贴办法》（{A}）同时废止。", [A]),
        (f"原云川市民政局《关于做好补贴工作的通知》（{C}）自本通知印发之日起不再执行。", [C]),
        (f"此前有关规定与本办法不一致的，以本办法为准。{B}文件同时废止。", [B]),
        (f"经市政府第12次常务会议审议通过，现将《云川市养老机构补贴办法》（{A}）予以废止，自公布之日起生效。", [A]),
        (f"因上位法修改，《旧办法》（{A}）自公布之日起废止。", [A]),
        (f"因工作任务已完成，{A}、{B}两个文件宣布失效。", [A, B]),
        (f"《旧办法》（{A}）及其补充通知（{B}）同时废止。", [A, B]),
        (f"《旧办法》（{A}，以下简称《办法》）自2026年1月1日起废止。", [A]),
        (f"对主要内容已被新规定替代的《通知》（{B}）予以废止。", [B]),
        (f"请各单位对照{A}，对不符合要求的文件及时予以废止。", []),
        (f"依照《程序规定》（{A}），规范性文件有效期届满未延续的自动失效。", []),
        (f"《旧办法》（{A}）有效期届满后失效的，由市民政局重新公布。", []),
        (f"《旧办法》（{A}）已被修改，不再适用的条款停止执行。", []),
        (f"将《旧办法》（{A}）第五条中的“民政局”修改为“民政部门”，第七条废止。", []),
        (f"若《旧办法》（{A}）废止，则按新标准执行。", []),
        (f"市民政局提请市政府废止《旧办法》（{A}）。", []),
        (f"《旧办法》（{A}）将适时废止。", []),
        (f"本办法施行前已按{A}享受补贴的，补贴期满后停止执行。", []),
        (f"延长《旧办法》（{A}）有效期至2027年12月31日，期满自动失效。", []),
        (f"《旧办法》（{A}）延期执行，不宣布失效。", []),
        (
            f"附件2 宣布失效的规范性文件目录（共2件）\n序号|文件名称|文号\n1|关于床位的通知|{B}\n2|关于补贴的通知|{C}\n"
            f"附件3 继续有效的规范性文件目录\n1|旧办法|{A}",
            [B, C],
        ),
    ],
)
def test_sentences_that_were_first_read_blind(text: str, numbers: list[str]) -> None:
    assert ended(text) == numbers


def test_a_draft_ends_nothing() -> None:
    text = f"《旧办法》（{A}）同时废止。"
    assert ended(text, "云川市养老机构补贴办法（征求意见稿）") == []
    assert ended(text, "关于《云川市养老机构补贴办法》公开征求意见的公告") == []


def test_a_document_does_not_end_itself() -> None:
    text = f"《旧办法》（{A}）同时废止。"
    assert ended(text, own=("云政办规[2019] 5 号",)) == []


def test_the_title_of_a_decision_is_its_act() -> None:
    assert ended("特此通知。", f"云川市人民政府关于废止{B}文件的决定") == [B]
    assert ended("解读如下。", f"《关于废止{B}文件的决定》解读") == []


@pytest.mark.parametrize(
    "text",
    [
        f"《旧办法》（{A}）已于2018年废止。",
        f"《旧办法》（{A}）已废止。",
        f"《旧办法》（{A}）已被《新办法》（{C}）废止。",
        f"《新办法》（{C}）废止了《旧办法》（{A}）。",
        f"已废止的《旧办法》（{A}）",
    ],
)
def test_what_another_one_ended_is_told_not_done(text: str) -> None:
    assert [(r.number, r.own) for r in repeals("关于提案的答复", text, ("云民函〔2026〕8号",))] == [(A, False)]


def test_what_the_document_itself_ended_is_its_act() -> None:
    (found,) = repeals("办法", f"《新办法》（{C}）废止了《旧办法》（{A}）。", (C,))
    assert (found.number, found.own, found.title) == (A, True, "旧办法")


def test_titles_that_may_be_one() -> None:
    assert may_be_called("云川市养老机构补贴办法", "云川市人民政府办公室关于印发云川市养老机构补贴办法的通知")
    assert may_be_called("", "云川市养老机构补贴办法")
    assert not may_be_called("云川市道路停车收费规定", "云川市养老机构补贴办法")


WORDS = st.sampled_from(
    [
        *(
            "废止",
            "失效",
            "《旧办法》",
            f"（{A}）",
            f"（{B}）",
            "，",
            "。",
            "：",
            "\n",
            "根据",
            "第三条",
            "下列文件",
            "上述文件",
        ),
        *("一、", "同时", "自", "2026年1月1日", "起", "拟", "已", "被", "）", "《", "99", "等"),
    ]
)


@given(st.lists(WORDS, max_size=40).map("".join))
def test_whatever_is_said_only_numbers_that_stand_there_are_ended(text: str) -> None:
    found = repeals("关于补贴的通知", text)
    assert len({r.number for r in found}) == len(found)
    for repeal in found:
        assert repeal.number in (A, B) and repeal.number in text
        assert 0 < len(repeal.sentence) <= 300
    assert not {r.number for r in repeals("关于补贴的通知", text, (A,))} & {A}
    assert repeals("关于补贴的通知（征求意见稿）", text) == ()


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    repeals(text[:40], text + "废止")
