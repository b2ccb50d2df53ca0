"""Hours of a source: passes begin only in them, a check by hand at any time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from pledgewatch.hours import is_open, opening, parse_hours
from pledgewatch.settings import ConfigError, parse_settings
from storage import sources

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe")
CLOCKS = st.times().map(lambda t: t.replace(second=0, microsecond=0))
SPANS = st.tuples(CLOCKS, CLOCKS).filter(lambda span: span[0] != span[1])


@given(
    st.lists(SPANS, min_size=1, max_size=3),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    st.sampled_from(ZONES),
)
def test_the_opening_is_the_first_moment_within_the_hours(spans, wall, zone_name) -> None:
    hours, zone, moment = tuple(spans), ZoneInfo(zone_name), wall.replace(tzinfo=UTC)
    opens = opening(hours, moment, zone)
    assert opens >= moment
    if is_open(hours, moment, zone):
        assert opens == moment
    elif opens.astimezone(zone).utcoffset() == moment.astimezone(zone).utcoffset():
        assert is_open(hours, opens, zone)
        assert not is_open(hours, opens - timedelta(seconds=1), zone)
        assert opens - moment < timedelta(days=1)


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        ("08:00-20:00", "2026-09-01 03:00", "2026-09-01 08:00"),
        ("08:00-20:00", "2026-09-01 20:00", "2026-09-02 08:00"),
        ("22:00-06:00", "2026-09-01 05:59", "2026-09-01 05:59"),
        ("22:00-06:00", "2026-09-01 06:00", "2026-09-01 22:00"),
        ("08:00-12:00, 14:00-18:00", "2026-09-01 13:00", "2026-09-01 14:00"),
        ("14:00-18:00,08:00-12:00", "2026-09-01 18:30", "2026-09-02 08:00"),
    ],
)
def test_spans_over_midnight_and_several_of_them(hours: str, at: str, opens: str) -> None:
    zone = ZoneInfo("Asia/Shanghai")
    moment = datetime.fromisoformat(at).replace(tzinfo=zone)
    assert opening(parse_hours(hours), moment, zone).astimezone(zone).isoformat(" ", "minutes")[:16] == opens


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ('"8-20"', '"8" is not a time of day'),
        ('"08:00"', '"08:00" are no hours'),
        ('"08:00-08:00"', "the same start and end"),
        ('"08:00-25:00"', '"25:00" is not a time of day'),
        ('"08:00-12:00,"', "are no hours"),
        ("8", "in quotes"),
    ],
)
def test_hours_that_are_none_are_told(value: str, told: str) -> None:
    text = f'[[sources]]\nid = "a"\nurl = "https://a.gov.cn/"\nhours = {value}\n'
    with pytest.raises(ConfigError) as caught:
        parse_settings(text)
    (problem,) = caught.value.problems
    assert problem.startswith("line 4: sources[1].hours: ") and told in problem


def test_passes_are_due_in_the_hours_and_a_check_by_hand_runs_anyway(tmp_path: Path) -> None:
    """The clock stands at 09:00 in Shanghai; a pass later it is 11:00."""
    with World(tmp_path, config='hours = "22:00-06:00"\nevery = "4h"') as world:
        world.publish("a", "关于补贴标准的通知", ["每张5000元。"])
        assert world.check().new == 1
        assert "22:00" <= _due(world) < "22:30"
        world.reconfigure('hours = "18:00-06:00"\nevery = "4h"')
        world.clock.move(days=1)  # the service was down
        world.check()
        assert "18:00" <= _due(world) < "18:30"
        world.reconfigure('every = "4h"')
        world.check()
        assert "16:" <= _due(world) < "18:"


def _due(world: World) -> str:
    with world.database.read() as conn:
        state = sources.source_state(conn, "city")
    assert state and state.next_due_at
    return state.next_due_at.astimezone(world.settings.service.zone).strftime("%H:%M")
