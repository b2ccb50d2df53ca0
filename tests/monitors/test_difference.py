"""The difference of two texts: complete, whole numbers, moved sentences, bounded."""

from __future__ import annotations

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitors.difference import SECONDS, Difference, difference, sentences, tokens, unified

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
PARAGRAPHS = [
    f"（{n}）第{n}项由第{n % 7}科室办理，全年安排{n * 37}万元，惠及{n * 11}人。按季度公布。" for n in range(40)
]
TEXTS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=60).map("".join), st.text(max_size=80))


@st.composite
def revisions(draw: st.DrawFn) -> tuple[str, str]:
    """A document long enough to be followed by slices, and what a few changes to its lines make of it."""
    lines = list(PARAGRAPHS)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["figure", "move", "delete", "insert", "cut", "blank"])):
            case "figure":
                lines[at] = lines[at].replace("7", draw(st.sampled_from(["8", "777", "，"])))
            case "move":
                lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
            case "delete":
                del lines[at]
            case "insert":
                lines.insert(at, draw(TEXTS))
            case "cut":
                lines[at : at + 1] = [lines[at][: len(lines[at]) // 2], lines[at][len(lines[at]) // 2 :]]
            case _:
                lines[at] += draw(st.sampled_from([" ", "\n", "\r", "\u3000\n\u3000"]))
    return "\n".join(PARAGRAPHS), "\n".join(lines)


PAIRS = st.one_of(st.tuples(TEXTS, TEXTS), revisions())
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


@settings(max_examples=400, deadline=None)
@given(PAIRS)
def test_sides_spell_the_texts_and_numbers_stay_whole(pair: tuple[str, str]) -> None:
    before, after = pair
    found = difference(before, after)
    assert before_side(found) == before
    assert after_side(found) == after
    for text, other in ((before, "inserted"), (after, "deleted")):
        inside = {at for m in NUMBER.finditer(text) for at in range(m.start() + 1, m.end())}
        assert not inside & cuts(found, other)


@settings(max_examples=400, deadline=None)
@given(PAIRS)
def test_spans_follow_each_other_and_hold_what_the_pieces_say(pair: tuple[str, str]) -> None:
    before, after = pair
    at_old = at_new = 0
    for block in difference(before, after).blocks:
        assert (block.before[0], block.after[0]) == (at_old, at_new)
        at_old, at_new = block.before[1], block.after[1]
        assert before[slice(*block.before)] == "".join(p.text for p in block.pieces if p.op != "inserted")
        assert after[slice(*block.after)] == "".join(p.text for p in block.pieces if p.op != "deleted")
        assert block.pieces and all(piece.text for piece in block.pieces)
        assert (block.partner is not None) == (block.op == "moved")
    assert (at_old, at_new) == (len(before), len(after))


@settings(max_examples=300, deadline=None)
@given(PAIRS)
def test_a_moved_block_and_its_partner_have_the_same_words_but_for_what_changed(pair: tuple[str, str]) -> None:
    carried: dict[str, list[str]] = {"deleted": [], "inserted": []}
    for block in difference(*pair).blocks:
        if block.op == "moved" and block.partner:
            side = block.pieces[0].op
            other = pair[side == "deleted"][slice(*block.partner)]
            same = [piece.text for piece in block.pieces if piece.moved]
            assert all(text in other for text in same)
            here = pair[side == "inserted"][slice(*(block.before if side == "deleted" else block.after))]
            assert block.rewritten == (here != other)
            carried[side] += same
    assert sorted("".join(carried["deleted"])) == sorted("".join(carried["inserted"]))


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


def test_a_moved_sentence_may_have_changed_a_figure() -> None:
    lines = RULE.splitlines(keepends=True)
    after = lines[1] + lines[2] + lines[0].replace("8000元", "9000元")
    left, arrived = [b for b in difference(RULE, after).blocks if b.op == "moved"]
    if left.after[0] < left.after[1]:
        left, arrived = arrived, left
    assert left.rewritten and arrived.rewritten
    assert (left.partner, arrived.partner) == (arrived.after, left.before)
    assert [piece.text for piece in left.pieces if not piece.moved] == ["8000元"]
    assert [piece.text for piece in arrived.pieces if not piece.moved] == ["9000元"]
    assert not any(b.op in ("deleted", "inserted", "replaced") for b in difference(RULE, after).blocks)


def test_a_paragraph_of_a_long_document_is_moved_with_its_figure_changed() -> None:
    lines = list(PARAGRAPHS)
    lines.insert(30, lines.pop(5).replace("185万元", "190万元"))
    moved = [b for b in difference("\n".join(PARAGRAPHS), "\n".join(lines)).blocks if b.op != "equal"]
    assert [(b.op, [p.text for p in b.pieces if not p.moved]) for b in moved] == [
        ("moved", ["185万元"]),
        ("moved", ["190万元"]),
    ]


def test_what_is_only_alike_by_chance_did_not_move() -> None:
    lines = list(PARAGRAPHS)
    del lines[5]
    lines.append("各有关单位要加强协作，由第9科室办理日常工作，全年安排一次检查。")
    ops = [b.op for b in difference("\n".join(PARAGRAPHS), "\n".join(lines)).blocks]
    assert ops == ["equal", "deleted", "equal", "inserted"]


def test_a_line_moved_far_and_rewritten_leaves_what_it_passed_where_it_was() -> None:
    lines = [PARAGRAPHS[20].replace("7", "8"), *PARAGRAPHS[:20], *PARAGRAPHS[21:]]
    changed = [b for b in difference("\n".join(PARAGRAPHS), "\n".join(lines)).blocks if b.op != "equal"]
    assert all(p.text.strip() in PARAGRAPHS[20] + lines[0] for b in changed for p in b.pieces)


@pytest.mark.parametrize("blank", ["\n", "\n\n", "\r\n", " ", "\u3000"])
def test_a_paragraph_cut_in_two_is_not_rewritten(blank: str) -> None:
    before = "\n".join(PARAGRAPHS)
    after = before.replace("人。按季度公布。", f"人。{blank}按季度公布。")
    changed = [p.text for b in difference(before, after).blocks for p in b.pieces if p.op != "equal"]
    assert "".join(changed) == blank * len(PARAGRAPHS)


def test_a_document_of_one_endless_line_is_told_in_figures() -> None:
    before = "".join(PARAGRAPHS).replace("。", "，")
    found = difference(before, before.replace("740万元", "750万元"))
    assert changed_pieces(found) == [("deleted", "740万元"), ("inserted", "750万元")]


def test_a_fuse_bounds_the_time_of_texts_with_nothing_in_common() -> None:
    rng = random.Random(3)
    before, after = ("".join(chr(rng.randrange(low, low + 5000)) for _ in range(60_000)) for low in (0x4E00, 0x7000))
    began = time.process_time()
    found = difference(before, after)
    assert time.process_time() - began < 10 * SECONDS  # some of it is Python's, on a busy machine
    assert before_side(found) == before and after_side(found) == after


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


def test_unified_counts_no_line_end_as_a_sentence() -> None:
    before = "\n".join(PARAGRAPHS)
    (hunk,) = unified(difference(before, before.replace("740万元", "750万元")))
    head, _, tail = hunk.blocks
    assert (head.pieces[0].text, tail.pieces[0].text) == ("按季度公布。\n", "按季度公布。")


def test_unified_of_equal_texts_is_empty() -> None:
    assert unified(difference(RULE, RULE)) == ()
