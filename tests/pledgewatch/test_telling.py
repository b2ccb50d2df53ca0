"""What a message tells beyond its events, out of the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from world import World

from pledgewatch.revisions import changed_files
from pledgewatch.telling import changed_sentences, file_at, with_what_changed
from storage.documents import StoredVersion, version_by_number
from storage.records import Attachment, Document, Event

LINES = ["目前，全市建成家庭养老床位3200余张。", "本答复由市民政局会同市财政局解释。"]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path, database=database_url) as world:
        world.publish("reply", "关于市政协第18号提案的答复", LINES)
        world.check()
        yield world


def told(world: World) -> list[Event]:
    with world.database.read() as conn:
        return with_what_changed(conn, world.events())


def test_a_revision_without_figures_tells_its_sentences_and_the_date_of_the_document(world: World) -> None:
    world.revise("reply", "会同市财政局解释", "负责解释")
    world.check()
    (revised,) = told(world)
    assert revised.detail["sentences"] == [["本答复由市民政局会同市财政局解释。", "本答复由市民政局负责解释。"]]
    assert (revised.detail["sentences_in_all"], revised.detail["published_on"]) == (1, "2025-09-15")
    assert revised.detail["same_numbers"]


def test_a_revision_of_a_figure_is_told_by_its_figure(world: World) -> None:
    world.revise("reply", "3200余张", "3500余张")
    world.check()
    assert all("sentences" not in event.detail and "file" not in event.detail for event in told(world))


def test_files_go_by_what_they_say_and_are_named() -> None:
    def document(*files: tuple[str, str]) -> Document:
        return Document("答复", "正文", attachments=tuple(Attachment(n, f"https://a.example/{n}", t) for n, t in files))

    before = document(("名单.xlsx", "甲"), ("标准.docx", "每张5000元"), ("旧表.doc", "一"))
    after = document(("机构名单.xlsx", "甲"), ("标准.docx", "每张6000元"), ("新表.doc", "二"))
    assert changed_files(before, after) == {"added": ["新表.doc"], "changed": ["标准.docx"], "removed": ["旧表.doc"]}


def test_the_file_in_which_a_figure_stands(world: World) -> None:
    files = (
        Attachment("标准.docx", "https://a.example/1", "每张5000元"),
        Attachment("扫描.pdf", "https://a.example/2"),
    )
    with world.database.read() as conn:
        version = version_by_number(conn, 1, 1)
    assert isinstance(version, StoredVersion)
    text = "【附件】见文末。\n正文1元\n\n【附件】标准.docx\n每张5000元"
    whole = replace(version, document=replace(version.document, text=text, attachments=files))
    assert file_at(whole, text.index("5000元")) == "标准.docx"
    assert file_at(whole, text.index("1元")) == ""


def test_sentences_that_only_moved_or_broke_are_not_told() -> None:
    assert changed_sentences("一是建床位。\n二是办食堂。", "一是建床位。\n\n二是办食堂。") == {}


def test_numbers_that_are_no_measures_count_as_numbers() -> None:
    """A telephone number among the third and further sentences: "no number changed" would be wrong."""
    before, after = (f"由{who}解释。\n由{who}施行。\n咨询电话{tel}。" for who, tel in (("甲", 8500), ("乙", 8600)))
    told = changed_sentences(before, after)
    assert (len(told["sentences"]), told["sentences_in_all"], told["same_numbers"]) == (2, 3, False)
