"""The five documents it all began with, served as pages: what is read, what a changed figure does, what noise does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import World, boda

SEEDS = Path(__file__).resolve().parents[2].parent / "shared" / "seeds"

pytestmark = pytest.mark.skipif(not SEEDS.is_dir(), reason="the reference folder ../shared is not beside the project")

# Name, title, the least number of measures that a reader would find, one subsidy or target with another figure.
DOCUMENTS = {
    "000": ("对市政协十四届四次会议第20250451号提案的答复", 30, "5000元/张", "6000元/张", (5000, 6000)),
    "001": ("对市政协十四届四次会议第20250577号提案的答复", 18, "530万元", "550万元", (5_300_000, 5_500_000)),
    "002": ("对市政协五届三次会议第078号提案的答复", 15, "5—10万元", "5—12万元", (None, None)),
    "003": ("市人民政府印发关于加快推进新时代养老服务体系建设若干措施的通知", 14, "不低于70%", "不低于75%", (70, 75)),
    "004": ("关于印发《大武口区促进健康养老产业发展实施方案》的通知", 10, "98%以上", "95%以上", (98, 95)),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        for name, (title, *_) in DOCUMENTS.items():
            lines = (SEEDS / f"{name}.txt").read_text("utf-8").splitlines()
            world.publish(name, title, lines, index=f"010886343/2025-{name}")
        yield world


def test_every_seed_becomes_a_document_with_measures(world: World) -> None:
    from storage import documents

    report = world.check()
    assert (report.ok, report.new) == (True, 5)
    with world.database.read() as conn:
        found = {d.title: documents.latest_version(conn, d.id) for d in documents.list_documents(conn)}
    for title, least, *_ in DOCUMENTS.values():
        version = found[title]
        assert version is not None
        assert len(version.measures) >= least
        for measure in version.measures:
            assert all(version.text[f.start : f.end] == f.quote for f in measure.figures)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_one_changed_figure_is_one_event_and_one_message(world: World, name: str) -> None:
    _, _, old, new, values = DOCUMENTS[name]
    world.check()
    world.revise(name, old, new)
    world.check()
    assert world.types() == ["document.revised", "measure.changed"]
    changed = world.events()[1]
    assert changed.before is not None and changed.after is not None
    assert (changed.before["value"], changed.after["value"]) == values
    assert changed.before != changed.after
    assert [d.state for d in world.deliveries()] == ["sent"]
    assert len(world.bodies) == 1


def test_counters_dates_news_and_another_template_make_nothing(world: World) -> None:
    world.check()
    for n in (1, 2, 3):
        world.furniture = n
        assert world.check().events == 0
    world.template = boda
    for n in (4, 5):
        world.furniture = n
        assert world.check().events == 0
    assert world.types() == []
    assert world.bodies == []
