"""来源 and 送达, for people; health and metrics, for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from notify.causes import cause_words
from pledgewatch import holders
from pledgewatch.web import queries
from pledgewatch.web.access import viewer
from pledgewatch.web.site import Site, number, paging, site_of
from storage import leases
from storage.errors import StorageError
from storage.outbox import count_due
from storage.records import DeliveryState
from storage.sources import SourceState, make_due, source_states

MOODS = ("blocked", "failing", "drifted", "waiting", "ok", "retired")  # what needs an operator comes first
DELIVERY_STATES: tuple[DeliveryState, ...] = ("pending", "retrying", "sent", "dead")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SourceRow:
    """A source as the page shows it; `mood` is its state, or that it was not read yet or is not watched any more.
    `why` says what failed last.
    `due`: its pass has been asked for, or its time has come, and it has not begun."""

    id: str
    name: str
    region: str
    url: str
    mood: str
    running: bool
    due: bool
    why: str
    state: SourceState


def list_sources(request: Request) -> Response:
    """The sources. After the button was pressed the query names the source whose pass was asked for; it comes first."""
    site, now = site_of(request), datetime.now(UTC)
    named, page = request.query_params.get("asked"), number(request, "page") or 1
    with site.database.read() as conn:
        states = {state.id: state for state in source_states(conn)}
        at_work = daemon_runs(conn, site, now)
    # A configuration may name a source that no daemon has seen yet.
    unseen = [SourceState(s.id, s.url) for s in site.settings.sources if s.id not in states]
    rows = [_source_row(state, site, now) for state in (*states.values(), *unseen)]
    rows.sort(key=lambda row: (row.id != named, MOODS.index(row.mood), row.id))
    counts = Counter(row.mood for row in rows)
    return site.page(
        "sources",
        section="sources",
        rows=rows[(page - 1) * queries.PAGE : page * queries.PAGE],
        counts=[(mood, counts[mood]) for mood in MOODS if counts[mood]],
        asked=next((row for row in rows if row.id == named), None),
        at_work=at_work,
        paging=paging(request, page, len(rows), queries.PAGE),
    )


def ask_for_pass(request: Request) -> Response:
    """Let a source be read at once; the daemon looks every second for what is due."""
    site, id = site_of(request), request.path_params["id"]
    if site.settings.source(id) is None:
        raise HTTPException(404)
    with site.database.begin() as conn:
        make_due(conn, id, datetime.now(UTC))
    return RedirectResponse(f"/sources?{urlencode({'asked': id})}", 303)


def daemon_runs(conn: sa.Connection, site: Site, now: datetime) -> bool:
    """Whether anybody would start a pass: this process, or the daemon that holds the database's lease."""
    holder = leases.current(conn, leases.DAEMON, now)
    return site.status is not None or (holder is not None and not holders.is_gone(holder))


def _source_row(state: SourceState, site: Site, now: datetime) -> SourceRow:
    source = site.settings.source(state.id)
    mood: str = state.state
    if source is None:
        mood = "retired"
    elif state.last_pass_at is None:
        mood = "waiting"
    name, region = (source.label, source.region) if source else (state.id, "")
    running = state.id in site.running()
    due = not running and state.next_due_at is not None and state.next_due_at <= now
    why = cause_words(state.last_error or "", site.language)
    return SourceRow(state.id, name, region, state.url, mood, running, due, why, state)


def count_deliveries(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        counts = queries.delivery_counts(conn)
        due = count_due(conn, datetime.now(UTC))
    whose: dict[str, str] = {}
    for table in site.settings.subscribers:
        for channel in dict.fromkeys(table.channels):
            whose[channel] = ", ".join(filter(None, (whose.get(channel), table.id)))
    return site.page("deliveries", section="deliveries", counts=counts, states=DELIVERY_STATES, due=due, whose=whose)


# --- for programs ---------------------------------------------------------------------------------------------

STUCK_SECONDS = 120.0  # the service goes round every second; a database that is locked holds it up for ten


def health(request: Request) -> Response:
    """200 while the database can be read and the service goes round, else 503.

    `status`: ok, stuck (it did not go round for STUCK_SECONDS), unavailable (the database cannot be read).
    `seconds_since_tick`: how long ago it last went round; null where the pages are served alone. `running`: sources a
    pass is at work on. `sources`: by id their state, failed passes in a row, and when the last pass, the last good one
    and the next one are.
    """
    site = site_of(request)
    since_tick = site.status.seconds_since_tick() if site.status else None
    told = {"seconds_since_tick": None if since_tick is None else round(since_tick, 1)}
    try:
        with site.database.read() as conn:
            states = source_states(conn)
    except StorageError as error:
        log.error("storage", error=str(error))
        return _health(503, {"status": "unavailable", "database": "unreadable", **told})
    stuck = since_tick is not None and since_tick > STUCK_SECONDS
    status = "stuck" if stuck else "ok"
    if viewer.get() is None:  # a probe without a login learns no more than that
        return _health(503 if stuck else 200, {"status": status})
    return _health(
        503 if stuck else 200,
        {
            "status": status,
            "database": "readable",
            **told,
            "running": sorted(site.running()),
            "sources": {state.id: _pass_json(state) for state in states if state.next_due_at},
        },
    )


def _health(status: int, told: Mapping[str, Any]) -> Response:
    return JSONResponse(told, status, {"Cache-Control": "no-store"})


def _pass_json(state: SourceState) -> dict[str, str | int | None]:
    moments = {name: getattr(state, name) for name in ("last_pass_at", "last_success_at", "next_due_at")}
    told = {name: moment.isoformat() if moment else None for name, moment in moments.items()}
    return {"state": state.state, "failures": state.failures, **told}


def metrics(request: Request) -> Response:
    """The same and more for Prometheus (`pledgewatch.metrics`), in the format that it asks for."""
    told, kind = site_of(request).metrics.text(request.headers.get("accept", ""))
    return Response(told, headers={"Content-Type": kind, "Cache-Control": "no-store"})
