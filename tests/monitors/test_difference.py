"""The difference of two texts: complete, whole numbers, moved sentences, bounded."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.difference import Difference, difference, sentences, tokens, unified

NUMBER = re.compile(r"\d+(?:[.,．]\d+)*")
PARTS = [
    "新建床位",
    "5000元/张",
    "8,000",
    "3.5",
    "万元",
    "。",
    "\n",
    "、",
    "按月发放",
    " ",
    "72.1%",
    "；",
    "机构",
    "12",
    "A级",
]
TEXTS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=60).map("".join), st.text(max_size=80))

RULE = (
    "一、建设支持。新办的养老院每张床位补5000元，改建的每张补8000元。\n"
    "二、运营支持。入住一位失能老人每月补200元。\n"
    "三、人才支持。护理员连续工作满三年的，一次奖1万元。\n"
)


def before_side(found: Difference) -> str:
    return "".join(p.text for b in found.blocks for p in b.pieces if p.op != "inserted")


def after_side(found: Difference) -> str:
    return "".join(p.text for b in found.blocks for p in b.pieces if p.op != "deleted")


def changed_pieces(found: Difference) -> list[tuple[str, str]]:
    return [(p.op, p.text) for b in found.blocks if b.op == "replaced" for p in b.pieces if p.op != "equal"]


def cuts(found: Difference, side: str) -> set[int]:
    """Places in one text where a piece ends."""
    ends, at = set(), 0
    for block in found.blocks:
        for piece in block.pieces:
            if piece.op != side:
                at += len(piece.text)
                ends.add(at)
    return ends


@given(TEXTS)
def test_sentences_and_tokens_lose_nothing(text: str) -> None:
    assert "".join(sentences(text)) == text
    assert "".join(tokens(text)) == text


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_sides_spell_the_texts_and_numbers_stay_whole(before: str, after: str) -> None:
    found = difference(before, after)
    assert before_side(found) == before
    assert after_side(found) == after
    for text, other in ((before, "inserted"), (after, "deleted")):
        inside = {at for m in NUMBER.finditer(text) for at in range(m.start() + 1, m.end())}
        assert not inside & cuts(found, other)


@settings(max_examples=200, deadline=None)
@given(TEXTS, TEXTS)
def test_spans_follow_each_other_and_hold_what_the_pieces_say(before: str, after: str) -> None:
    at_old = at_new = 0
    for block in difference(before, after).blocks:
        assert (block.before[0], block.after[0]) == (at_old, at_new)
        at_old, at_new = block.before[1], block.after[1]
        assert before[slice(*block.before)] == "".join(p.text for p in block.pieces if p.op != "inserted")
        assert after[slice(*block.after)] == "".join(p.text for p in block.pieces if p.op != "deleted")
    assert (at_old, at_new) == (len(before), len(after))


@given(TEXTS)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert not difference(text, text).changed


def test_one_figure_is_one_piece_with_its_unit() -> None:
    found = difference(RULE, RULE.replace("5000元", "6000元"))
    assert changed_pieces(found) == [("deleted", "5000元"), ("inserted", "6000元")]


def test_chinese_numerals_are_whole() -> None:
    found = difference("覆盖率要达到百分之八十五。", "覆盖率要达到百分之九十。")
    assert changed_pieces(found) == [("deleted", "百分之八十五"), ("inserted", "百分之九十")]


def test_a_sentence_that_went_elsewhere_is_moved_and_names_its_partner() -> None:
    lines = RULE.splitlines(keepends=True)
    after = lines[1] + lines[2] + lines[0]
    moved = [b for b in difference(RULE, after).blocks if b.op != "equal"]
    assert {b.op for b in moved} == {"moved"}
    left, arrived = sorted(moved, key=lambda b: b.before[0] == b.before[1])
    assert left.partner == arrived.after
    assert arrived.partner == left.before
    assert RULE[slice(*left.before)] == after[slice(*arrived.after)]


def test_a_new_sentence_beside_a_changed_one_stays_apart_from_it() -> None:
    after = RULE.replace("每月补200元。", "每月补260元。遇节日另送慰问品一份。")
    ops = [b.op for b in difference(RULE, after).blocks]
    assert ops.count("replaced") == 1
    assert ops.count("inserted") == 1
    assert ("inserted", "260元") in changed_pieces(difference(RULE, after))


def test_texts_without_anything_in_common_are_one_gone_and_one_come() -> None:
    found = difference("天地玄黄宇宙洪荒" * 400, "日月盈昃辰宿列张" * 400)
    assert [b.op for b in found.blocks] == ["deleted", "inserted"]


def test_unified_keeps_context_and_counts_what_it_leaves_out() -> None:
    before = "".join(f"第{n}条照旧执行。" for n in range(40))
    after = before.replace("第5条照旧", "第5条停止").replace("第30条照旧", "第30条停止")
    hunks = unified(difference(before, after), context=1)
    assert len(hunks) == 2
    assert hunks[0].skipped == len("".join(f"第{n}条照旧执行。" for n in range(4)))
    assert [b.op for b in hunks[0].blocks] == ["equal", "replaced", "equal"]
    assert hunks[1].blocks[0].pieces[0].text == "第29条照旧执行。"
    shown = sum(b.before[1] - b.before[0] for h in hunks for b in h.blocks)
    assert shown == len("".join(f"第{n}条照旧执行。" for n in (4, 5, 6, 29, 30, 31)))


def test_unified_of_equal_texts_is_empty() -> None:
    assert unified(difference(RULE, RULE)) == ()
