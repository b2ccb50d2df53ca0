"""来源 and 送达, for people; health and metrics, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from pledgewatch.web import queries
from pledgewatch.web.site import Site, site_of
from storage.errors import StorageError
from storage.outbox import count_due
from storage.records import DeliveryState
from storage.sources import SourceState, source_states

STATES = ("ok", "failing", "blocked", "drifted")
DELIVERY_STATES: tuple[DeliveryState, ...] = ("pending", "retrying", "sent", "dead")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SourceRow:
    """A source as the page shows it; `mood` is its state, or that it was not read yet or is not watched any more."""

    id: str
    name: str
    region: str
    url: str
    mood: str
    running: bool
    state: SourceState


def list_sources(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        states = {state.id: state for state in source_states(conn)}
    # A configuration may name a source that no daemon has seen yet.
    unseen = [SourceState(s.id, s.url) for s in site.settings.sources if s.id not in states]
    rows = [_source_row(state, site) for state in (*states.values(), *unseen)]
    return site.page("sources", section="sources", rows=sorted(rows, key=_urgency))


def _source_row(state: SourceState, site: Site) -> SourceRow:
    source = site.settings.source(state.id)
    mood: str = state.state
    if source is None:
        mood = "retired"
    elif state.last_pass_at is None:
        mood = "waiting"
    name, region = (source.label, source.region) if source else (state.id, "")
    return SourceRow(state.id, name, region, state.url, mood, state.id in site.running(), state)


def _urgency(row: SourceRow) -> tuple[int, str]:
    """What needs an operator comes first."""
    return ("blocked", "failing", "drifted", "waiting", "ok", "retired").index(row.mood), row.id


def count_deliveries(request: Request) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        counts = queries.delivery_counts(conn)
        due = count_due(conn, datetime.now(UTC))
    return site.page("deliveries", section="deliveries", counts=counts, states=DELIVERY_STATES, due=due)


Sample = tuple[dict[str, str], float]
Family = tuple[str, str, str, list[Sample]]

# --- for programs ---------------------------------------------------------------------------------------------


def health(request: Request) -> Response:
    """200 while the database can be read, else 503; with the state and last passes of every source."""
    site = site_of(request)
    try:
        with site.database.read() as conn:
            states = source_states(conn)
    except StorageError as error:
        log.error("storage", error=str(error))
        return JSONResponse({"status": "unavailable", "database": "unreadable"}, 503, {"Cache-Control": "no-store"})
    return JSONResponse(
        {
            "status": "ok",
            "database": "readable",
            "running": sorted(site.running()),
            "sources": {state.id: _pass_json(state) for state in states if state.next_due_at},
        },
        headers={"Cache-Control": "no-store"},
    )


def _pass_json(state: SourceState) -> dict[str, str | int | None]:
    moments = {name: getattr(state, name) for name in ("last_pass_at", "last_success_at", "next_due_at")}
    told = {name: moment.isoformat() if moment else None for name, moment in moments.items()}
    return {"state": state.state, "failures": state.failures, **told}


def metrics(request: Request) -> Response:
    """The same for Prometheus, in its text format 0.0.4."""
    site = site_of(request)
    with site.database.read() as conn:
        states = [state for state in source_states(conn) if state.next_due_at]
        counts = queries.delivery_counts(conn)
        due = count_due(conn, datetime.now(UTC))
        last = queries.last_event_id(conn)
    deliveries: list[Sample] = [({"state": s}, counts.total(s)) for s in DELIVERY_STATES]
    families: list[Family] = [
        ("passes_running", "gauge", "Passes at work now.", [({}, len(site.running()))]),
        ("source_last_pass_timestamp_seconds", "gauge", "End of the last pass.", _moments(states, "last_pass_at")),
        ("source_last_success_timestamp_seconds", "gauge", "End of the last good pass.",
         _moments(states, "last_success_at")),
        ("source_next_pass_timestamp_seconds", "gauge", "When the next pass is due.", _moments(states, "next_due_at")),
        ("source_failures", "gauge", "Failed passes in a row.", [({"source": s.id}, s.failures) for s in states]),
        ("source_state", "gauge", "1 for the state that a source is in.",
         [({"source": s.id, "state": name}, int(s.state == name)) for s in states for name in STATES]),
        ("deliveries", "gauge", "Deliveries by state.", deliveries),
        ("deliveries_due", "gauge", "Deliveries whose time has come and that were not sent.", [({}, due)]),
        ("last_event_id", "counter", "Id of the latest event of the change log.", [({}, last)]),
    ]  # fmt: skip
    lines = (line for family in families for line in _family(*family))
    return PlainTextResponse(
        "\n".join(lines) + "\n", headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


def _moments(states: Iterable[SourceState], name: str) -> list[Sample]:
    known = ((state.id, getattr(state, name)) for state in states)
    return [({"source": id}, moment.timestamp()) for id, moment in known if moment]


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP pledgewatch_{name} {words}"
    yield f"# TYPE pledgewatch_{name} {kind}"
    for labels, value in samples:
        told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"pledgewatch_{name}{'{' + told + '}' if told else ''} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
