"""The calendar's turn over a real archive: what a first run says of deadlines, and what it keeps to itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from world import World

from pledgewatch.checking import check_sources
from pledgewatch.deadlines import look_at_calendar
from storage.database import open_database


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path, database=database_url) as world:
        yield world


def test_a_first_run_tells_nobody_of_deadlines_that_were_near_already(world: World) -> None:
    """It is September: this year's end comes near (90 days) in October, October's end is near from the first."""
    near = ["到2026年10月底，全市社区养老服务设施达到50个。", "到2026年底，全市家庭养老床位达到800张。"]
    world.publish("plan", "云川市养老服务方案", near)
    world.check()
    look_at_calendar(world.settings, world.database, world.clock())
    (event,) = world.events(baseline=True)[1:]
    assert (event.type, event.baseline, event.detail["deadline"]) == ("target.due", True, "2026-10-31")
    assert world.deliveries() == []
    world.clock.move(days=31)
    look_at_calendar(world.settings, world.database, world.clock())
    assert [(e.type, e.detail["deadline"]) for e in world.events()] == [
        ("target.due", "2026-10-31"),  # within 30 days now, which it was not
        ("target.due", "2026-12-31"),
    ]
    assert len(world.deliveries()) == 1  # both are of one document


def test_a_new_document_whose_deadline_is_near_is_told_of(world: World) -> None:
    world.publish("reply", "关于市政协第18号提案的答复", ["全市共有养老机构20家。"])
    world.check()
    world.publish("plan", "云川市养老服务方案", ["到2026年10月底，全市社区养老服务设施达到50个。"])
    world.check()
    look_at_calendar(world.settings, world.database, world.clock())
    assert world.types() == ["document.published", "target.due"]


def test_a_target_missed_is_told_with_the_last_report_of_its_measure(world: World) -> None:
    world.publish("plan", "云川市养老服务方案", ["到2026年10月底，全市家庭养老床位达到800张。"])
    world.check()
    world.publish("first", "关于市政协第18号提案的答复", ["目前，全市建成家庭养老床位500张。"], published="2026-08-01")
    world.publish("later", "关于市政协第19号提案的答复", ["目前，全市建成家庭养老床位650张。"], published="2026-09-01")
    world.check()
    world.clock.move(days=61)  # the first of November
    look_at_calendar(world.settings, world.database, world.clock())
    (missed,) = [e for e in world.events() if e.type == "target.missed"]
    assert missed.detail["days"] == -1 and missed.after is None
    reported = missed.detail["reported"]
    assert (reported["words"], reported["published_on"], reported["figure"]["value"]) == ("650张", "2026-09-01", 650)


def test_check_tells_of_deadlines_too_and_once(world: World) -> None:
    world.publish("reply", "关于市政协第18号提案的答复", ["全市共有养老机构20家。"])
    world.check()
    soon = datetime.now(UTC).date() + timedelta(days=20)
    world.publish(
        "plan", "云川市养老服务方案", [f"到{soon.year}年{soon.month}月{soon.day}日，全市家庭养老床位达到800张。"]
    )
    for _ in range(2):
        check_sources(world.settings, open_database(world.settings.storage.url), ["city"], as_json=True)
    assert [e.type for e in world.events()] == ["document.published", "target.due"]
    assert len(world.bodies) == 2
