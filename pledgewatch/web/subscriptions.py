"""订阅: what a subscriber would get, tried on the change log. Nothing is sent, and no address is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pydantic import ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from notify.subscriptions import Subscriber, as_told, concerns
from pledgewatch.mistakes import explain
from pledgewatch.queueing import is_wanted
from pledgewatch.settings import Settings, SubscriberTable
from pledgewatch.web.changes import KINDS, Entry, entry_of
from pledgewatch.web.site import Site, number, site_of
from pledgewatch.web.words import event_types
from storage.events import events_by_ids
from storage.records import Event
from storage.tables import events

LOOKED_AT = 2000  # the newest events that are tried
SHOWN = 50  # messages, the newest first
DAYS = 7
MOST_DAYS = 90
LISTS = ("regions", "recipients", "keywords", "tracked", "sources")
_SEVERAL = re.compile(r"[,，、;；\n]+")
_NOBODY = "json://address.invalid"  # an address that is never used: the table wants one


@dataclass(frozen=True)
class Message:
    """What goes out at `due` (in the service's zone)."""

    due: datetime
    entries: tuple[Entry, ...]


def show_subscriptions(request: Request) -> Response:
    site = site_of(request)
    days = min(number(request, "days") or DAYS, MOST_DAYS)
    table, mistakes = wanted(request.query_params, site.settings)
    messages: list[Message] = []
    cut = False
    if table is not None:
        recent, cut = _recent(site, days)
        messages = would_get(table.subscriber(), recent, site)
    return site.page(
        "subscriptions",
        section="subscriptions",
        table=table or SubscriberTable(id="new", to=(_NOBODY,)),
        chosen=request.query_params.get("subscriber", ""),
        ids=[s.id for s in site.settings.subscribers],
        types={name: told for name, told in event_types(site.language).items() if not name.startswith("source.")},
        kinds=KINDS,
        days=days,
        mistakes=mistakes,
        messages=messages[:SHOWN],
        total=len(messages),
        only_newest=LOOKED_AT if cut else 0,
        toml=as_toml(table) if table else "",
    )


def wanted(query: QueryParams, settings: Settings) -> tuple[SubscriberTable | None, list[str]]:
    """The subscriber that the query names or describes, or what is wrong with the description."""
    configured = next((s for s in settings.subscribers if s.id == query.get("subscriber")), None)
    if configured:
        return configured, []
    if not query:
        return None, []
    try:
        return SubscriberTable.model_validate(_described(query)), []
    except ValidationError as error:
        return None, [f"{'.'.join(map(str, e['loc'][:1]))}: {explain(e, Settings)}" for e in error.errors()]


def _described(query: QueryParams) -> dict[str, Any]:
    """A `[[subscribers]]` table of what stands in the form; what is empty is left to its default."""
    listed = {name: [w for part in query.getlist(name) for w in _SEVERAL.split(part) if w.strip()] for name in LISTS}
    told: dict[str, Any] = {name: tuple(word.strip() for word in words) for name, words in listed.items() if words}
    for name in ("events", "kinds"):
        if query.getlist(name):
            told[name] = tuple(query.getlist(name))
    for name in ("minimum_change", "deliver", "quiet"):
        if said := query.get(name, "").strip():
            told[name] = said
    return {"id": "new", "to": (_NOBODY,), "operator": query.get("operator") == "1", **told}


def _recent(site: Site, days: int) -> tuple[list[Event], bool]:
    """The events of the last `days` that are no baseline, the oldest first, and whether there were too many."""
    since = datetime.now(UTC) - timedelta(days=days)
    newest = sa.select(events.c.id).order_by(events.c.id.desc()).limit(LOOKED_AT)
    with site.database.read() as conn:
        found = events_by_ids(conn, list(conn.execute(newest).scalars()))
    recent = [event for event in reversed(found) if event.time >= since]
    return [event for event in recent if not event.baseline], len(recent) == LOOKED_AT


def would_get(subscriber: Subscriber, recent: list[Event], site: Site) -> list[Message]:
    """The messages that tell `subscriber` of recent events, the latest first."""
    theirs = [event for event in recent if is_wanted(site.settings, event) and concerns(subscriber, event)]
    told = as_told(subscriber, theirs, site.settings.service.zone)
    return [Message(site.local(m.due), tuple(entry_of(e, site) for e in m.events)) for m in reversed(told)]


def as_toml(table: SubscriberTable) -> str:
    """The table as it is written in config.toml: what differs from the defaults, and no address."""
    said = table.model_dump(exclude_defaults=True, exclude={"id", "to"})
    lines = ["[[subscribers]]", f"id = {_toml(table.id)}", 'to = [""]']
    return "\n".join([*lines, *(f"{name} = {_toml(value)}" for name, value in said.items())])


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return '"' + "".join(_ESCAPED.get(c, c) if c.isprintable() else f"\\U{ord(c):08x}" for c in str(value)) + '"'


_ESCAPED: Mapping[str, str] = {'"': '\\"', "\\": "\\\\"}
