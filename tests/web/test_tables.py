"""What stands in which row of the pages' tables."""

from __future__ import annotations

import re
from datetime import date, timedelta

from starlette.testclient import TestClient
from web_samples import BASE, CONFIG, NOW, TRACKED, assign, document, figure, measure, settings, store

from notify.subscriptions import channel_id
from pledgewatch.settings import parse_settings
from pledgewatch.web import create_app
from storage import events, outbox, sources, threads
from storage.database import Database
from storage.records import Event, Measure


def rows(web: TestClient, path: str) -> list[str]:
    """The words of each row of the last table on a page, without its head."""
    answer = web.get(path)
    assert answer.status_code == 200
    body = re.findall(r"<tbody>(.*?)</tbody>", answer.text, re.DOTALL)[-1]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in re.findall(r"<tr.*?</tr>", body, re.DOTALL)]


def beds(text: str, quote: str, value: float) -> tuple[Measure, ...]:
    return (measure("progress", "家庭养老床位", text, figure(text, quote, value, "张")),)


def test_a_measure_s_figures_stand_in_the_order_of_their_days(empty: Database) -> None:
    """A revision stands where it was found, after documents that came out before it and are newer than its own."""
    told = [
        # document, what it says, when it was published, how many days after the first pass the version was found
        ("old", 3200, date(2025, 9, 15), 0),
        ("old", 3300, date(2025, 9, 15), 40),
        ("new", 3400, date(2026, 2, 12), 0),
        ("new", 3500, date(2026, 2, 12), 20),
        ("late", 3600, date(2026, 3, 28), 30),
    ]
    with empty.begin() as conn:
        sources.sync_sources(conn, {"yunchuan-mzj": "https://mzj.yunchuan.example/list.html"}, NOW)
        threads.put_tracked(conn, TRACKED)
        known: dict[str, int] = {}
        for name, value, published, days in told:
            text = f"全市建成家庭养老床位{value}张。"
            doc = document(text, title=f"答复{name}", doc_number=name, index_number=name, published_on=published)
            version = store(
                *(conn, "yunchuan-mzj", "云川市", f"https://mzj.yunchuan.example/{name}.html", doc),
                beds(text, f"{value}张", value),
                at=NOW + timedelta(days=days),
                known=known.get(name),
            )
            known[name] = version.mark.document_id
            assign(conn, version, "m3/家庭 床位")
    web = TestClient(create_app(settings(), empty), base_url=BASE)
    shown = rows(web, "/measures/m3%2F%E5%AE%B6%E5%BA%AD%20%E5%BA%8A%E4%BD%8D")
    assert [(row[:10], re.findall(r"(\d+)张", row)[0]) for row in shown] == [
        ("2025-09-15", "3200"),
        ("2026-02-12", "3400"),
        ("2026-03-22", "3500"),
        ("2026-03-28", "3600"),
        ("2026-04-11", "3300"),
    ]


def test_deliveries_say_whose_channel_it_is(empty: Database) -> None:
    """By the subscriber's id, never by the address; a channel that left the configuration is nobody's."""
    address = "mailtos://watch:hunter22@mail.example.org/?to=wang@example.org"
    shared = "webhook+https://hooks.example.org/in?secret=T0KEN"
    tables = f"""
        [[subscribers]]
        id = "wang-fang"
        to = ["{address}", "{shared}"]
        [[subscribers]]
        id = "li-ming"
        to = ["{shared}"]
    """
    with empty.begin() as conn:
        sources.sync_sources(conn, {"yunchuan-mzj": "https://mzj.yunchuan.example/list.html"}, NOW)
        [event] = events.record_events(conn, [Event("document.revised", NOW, source="yunchuan-mzj", key="r")])
        for subscriber, channel in (
            ("wang-fang", channel_id(address)),
            ("wang-fang", channel_id(shared)),
            ("li-ming", channel_id(shared)),
            ("gone", "mailto-00000000"),
        ):
            outbox.queue(conn, subscriber, channel, [event.id], NOW, f"{subscriber} {channel}", NOW)
    web = TestClient(create_app(parse_settings(CONFIG + tables, environ={}), empty), base_url=BASE)
    assert sorted(rows(web, "/deliveries")) == sorted(
        [
            f"wang-fang {channel_id(address)} 1 0 0 0",
            f"wang-fang, li-ming {channel_id(shared)} 2 0 0 0",
            "mailto-00000000 1 0 0 0",
        ]
    )
    html = web.get("/deliveries").text
    assert not [secret for secret in ("hunter22", "T0KEN", "wang@example.org", "hooks.example") if secret in html]
