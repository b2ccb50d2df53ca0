"""The calendar's turn: targets whose deadline is near, or has passed without a report that reaches them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from monitors.rules import DUE_DAYS, Promise, calendar_events
from monitors.threads import Statement
from monitors.words import figure_words
from notify.subscriptions import occasions
from pledgewatch import queueing
from pledgewatch.settings import Settings
from storage import documents, events, threads
from storage.database import Database
from storage.records import Event, MeasureRef
from storage.threads import KnownStatement


def look_at_calendar(settings: Settings, database: Database, now: datetime) -> list[Event]:
    """Record and queue target.due and target.missed as of `now`; what was new.

    Every event has one key for good, so that looking twice a day, or after a pause of a month, tells nothing twice.
    """
    zone = settings.service.zone
    names = {t.id: t.name for t in settings.tracked}
    today = now.astimezone(zone).date()
    with database.begin() as conn:
        documents.let_repeals_hold(conn, today)
        known = list(threads.statements_of(conn, promised_until=today + timedelta(days=max(DUE_DAYS))))
        baseline = documents.baseline_documents(conn)
        promises = [
            _promise(k, names, _watched_since(conn, k, zone), baseline=k.document.id in baseline)
            for k in known
            if k.measure.kind == "target" and k.measure.deadline
        ]
        language = settings.service.language
        found = calendar_events(today, now, promises, _reported(known), language=language)
        recorded = events.record_events(conn, [_with_last_report(event, known, language) for event in found])
        for occasion in occasions(recorded):
            queueing.queue_messages(conn, settings, occasion, now)
    return recorded


def _watched_since(conn: sa.Connection, known: KnownStatement, zone: ZoneInfo) -> date:
    document = documents.document_by_id(conn, known.document.id)
    assert document is not None, f"a statement refers to document {known.document.id}, which there is not"
    return document.first_seen_at.astimezone(zone).date()


def _promise(known: KnownStatement, names: dict[str, str], since: date, *, baseline: bool) -> Promise:
    measure = known.measure
    name = names.get(known.tracked_id or "", measure.subject)
    ref = MeasureRef(known.tracked_id or "", name, measure.kind, measure.recipient)
    return Promise(ref, _statement(known), known.source, known.document, known.version, since, baseline)


def _reported(known: Sequence[KnownStatement]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = defaultdict(list)
    for k in known:
        if k.measure.kind == "progress" and k.tracked_id:
            found[k.tracked_id].append(_statement(k))
    return found


def _with_last_report(event: Event, known: Sequence[KnownStatement], language: str) -> Event:
    """The event with the last figure that was reported of its measure in the target's unit, if there is one.

    It stands in `detail`, not in `after`: nothing has changed, and no `minimum_change` is to judge it.
    """
    assert event.measure is not None and event.before is not None
    reports = (k for k in known if k.measure.kind == "progress" and k.tracked_id and k.tracked_id == event.measure.id)
    told: dict[str, Any] | None = None
    for report in reports:  # the oldest document first
        figure = next((f for f in report.measure.figures if f.unit == event.before["unit"]), None)
        if figure is not None:
            day = report.published_on.isoformat() if report.published_on else None
            told = {"words": figure_words(figure, language), "figure": figure.to_json(), "published_on": day}
    return replace(event, detail={**event.detail, "reported": told}) if told else event


def _statement(known: KnownStatement) -> Statement:
    return Statement(
        known.id, known.document.id, known.document.region or "", known.published_on, known.standing, known.measure
    )
