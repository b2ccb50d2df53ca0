"""Atom feeds (RFC 4287): the change log for everybody, and for each subscriber what they are told."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree as ET

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from notify.phrases import change_words, clean
from notify.sending import compose
from notify.subscriptions import Subscriber, Told, as_told
from pledgewatch.posting import style_of
from pledgewatch.queueing import meant_for
from pledgewatch.web import queries
from pledgewatch.web.changes import entry_of, log_filter
from pledgewatch.web.site import Site, site_of
from storage import readers
from storage.events import latest_events
from storage.records import Event

_ATOM = "http://www.w3.org/2005/Atom"
_NO_XML = {0xFFFE: None, 0xFFFF: None}  # what XML 1.0 cannot hold, even escaped, and `clean` leaves
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOOKED_AT = 2000  # the newest events that are asked whether they concern a subscriber
_MESSAGES = 50
_AS_MAIL = "mailto://feed@localhost"  # messages of a feed are written as mails are; nothing is sent there


def _now() -> datetime:
    return datetime.now(UTC)


def events_feed(request: Request) -> Response:
    """The latest events, the newest first; the query filters as on the page."""
    site = site_of(request)
    with site.database.read() as conn:
        found = queries.change_log(conn, log_filter(request))
    here = _here(request, site)
    query = f"?{request.url.query}" if request.url.query else ""
    root = _feed(
        site,
        id=f"{site.settings.web.links_base}/feeds/events.atom{query}",
        title=f"Pledgewatch {site.words['events']}",
        updated=max((e.time for e in found.events), default=_EPOCH),
        own=f"{here}/feeds/events.atom{query}",
        page=f"{here}/events{query}",
    )
    for event in found.events:
        _add_event(root, event, site, here)
    return _answer(root, "no-cache")


def subscriber_feed(request: Request) -> Response:
    """The messages that a subscriber was told of, the newest first; whoever knows the address may read them."""
    site = site_of(request)
    with site.database.read() as conn:
        reader = readers.by_token(conn, request.path_params["token"])
        latest = latest_events(conn, _LOOKED_AT)
    table = next((t for t in site.settings.subscribers if reader and t.id == reader.subscriber), None)
    if reader is None or reader.channel != readers.FEED or table is None:
        raise HTTPException(404)
    subscriber, now = table.subscriber(), _now()
    theirs = as_told(subscriber, meant_for(site.settings, subscriber, latest), site.settings.service.zone)
    told = [message for message in reversed(theirs) if message.due <= now][:_MESSAGES]
    here = _here(request, site)
    root = _feed(
        site,
        id=_lasting_id(site, subscriber.id),
        title=f"Pledgewatch {site.words['own_feed']}",
        updated=max((message.due for message in told), default=_EPOCH),
        own=f"{here}{request.url.path}",
        page=f"{here}/events",
    )
    for message in told:
        _add_message(root, message, subscriber, site)
    return _answer(root, "private, no-cache")


def _here(request: Request, site: Site) -> str:
    return (site.settings.web.base_url or str(request.base_url)).rstrip("/")


def _lasting_id(site: Site, *parts: object) -> str:
    """An id that says nothing and stays when the feed's address is renewed."""
    return uuid5(NAMESPACE_URL, "/".join(map(str, (site.settings.web.links_base, *parts)))).urn


def _feed(site: Site, *, id: str, title: str, updated: datetime, own: str, page: str) -> ET.Element:
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": site.language})
    _add(root, "id", id)
    _add(root, "title", title)
    _add(root, "updated", updated.isoformat())
    _add(ET.SubElement(root, "author"), "name", "Pledgewatch")
    ET.SubElement(root, "link", {"rel": "self", "href": own})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": page})
    return root


def _answer(root: ET.Element, cache: str) -> Response:
    return Response(
        ET.tostring(root, encoding="utf-8", xml_declaration=True),
        headers={
            "Content-Type": "application/atom+xml; charset=utf-8",
            "Cache-Control": cache,
            "X-Robots-Tag": "noindex",
        },
    )


def _add_event(root: ET.Element, event: Event, site: Site, here: str) -> None:
    told = entry_of(event, site)
    figures = clean(change_words(event, site.language))
    node = ET.SubElement(root, "entry")
    _add(node, "id", f"{site.settings.web.links_base}/events/{event.id}")
    _add(node, "title", " ".join(filter(None, (told.label + site.words["colon"] + told.name, figures))))
    _add(node, "updated", event.time.isoformat())
    ET.SubElement(node, "link", {"rel": "alternate", "type": "text/html", "href": f"{here}/events/{event.id}"})
    _add(node, "category", "").set("term", event.type)
    _add(node, "summary", clean(event.summary) or told.note)


def _add_message(root: ET.Element, told: Told, subscriber: Subscriber, site: Site) -> None:
    message = compose(subscriber, _AS_MAIL, told.events, style_of(site.settings))
    node = ET.SubElement(root, "entry")
    _add(node, "id", _lasting_id(site, subscriber.id, told.events[0].id))
    _add(node, "title", message.title)
    _add(node, "updated", told.due.isoformat())
    address = f"{site.settings.web.links_base}/events/{told.events[0].id}"
    ET.SubElement(node, "link", {"rel": "alternate", "type": "text/html", "href": address})
    for type in dict.fromkeys(event.type for event in told.events):
        _add(node, "category", "").set("term", type)
    _add(node, "content", _inside(message.body)).set("type", "html")


def _inside(page: str) -> str:
    """What stands in the body of a page: an entry is a part of the reader's own."""
    head, opening, rest = page.partition("<body")
    return rest.partition(">")[2].rpartition("</body>")[0] if opening else head


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    child = ET.SubElement(parent, name)
    child.text = text.translate(_NO_XML) or None
    return child
