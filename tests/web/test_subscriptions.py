"""订阅: what the form describes is what the configuration would say, and no address is told."""

from __future__ import annotations

from html import unescape
from itertools import chain

import pytest
from starlette.testclient import TestClient

from notify.subscriptions import Subscriber
from pledgewatch.settings import SubscriberTable, parse_settings
from pledgewatch.web.subscriptions import as_toml, would_get
from storage.events import events_since

SECRET = "wecombot://a-key-nobody-sees"


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"regions": ("武汉市", "宜昌市"), "kinds": ("subsidy",), "minimum_change": 5.5, "operator": True},
        {"keywords": ('"引号"', "反\\斜", "换\n行"), "deliver": "mon 08:30", "quiet": "22:00-07:00"},
    ],
)
def test_the_lines_to_paste_say_the_same(more: dict[str, object]) -> None:
    table = SubscriberTable.model_validate({"id": "wang", "to": [SECRET], **more})
    told = as_toml(table)
    assert SECRET not in told
    (read,) = parse_settings(told.replace('""', f'"{SECRET}"', 1), environ={}).subscribers
    assert read == table


def test_mistakes_are_told_and_nothing_is_tried(web: TestClient) -> None:
    html = unescape(web.get("/subscriptions?events=no.such&minimum_change=-1").text)
    assert "请改正" in html and "events:" in html and "minimum_change:" in html
    assert "会收到" not in html.partition("请改正")[2]


def told(web: TestClient, **more: object) -> list[list[int]]:
    """The ids of the events in each message that the samples' log would have made, the latest first."""
    site = web.app.state.site  # type: ignore[attr-defined]
    with site.database.read() as conn:
        events = list(events_since(conn, baseline=False))
    found = would_get(Subscriber("wang", (SECRET,), **more), events, site)  # type: ignore[arg-type]
    return [[entry.event.id for entry in message.entries] for message in found]


def test_messages_hold_what_concerns_the_subscriber(web: TestClient) -> None:
    everything = sorted(id for message in told(web) for id in message)
    assert everything and everything == sorted(set(everything))
    subsidies = [id for message in told(web, kinds=("subsidy",), events=("measure.*",)) for id in message]
    assert subsidies and set(subsidies) < set(everything)
    assert told(web, regions=("火星",)) == []


def test_a_digest_is_one_message(web: TestClient) -> None:
    now, weekly = told(web), told(web, deliver="mon 08:30")
    assert len(weekly) < len(now)
    assert sorted(chain(*weekly)) == sorted(chain(*now))
