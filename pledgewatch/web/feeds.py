"""The change log as an Atom feed (RFC 4287)."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from starlette.requests import Request
from starlette.responses import Response

from notify.phrases import change_words, clean
from pledgewatch.web import queries
from pledgewatch.web.changes import entry_of, log_filter
from pledgewatch.web.site import Site, site_of
from storage.records import Event

_ATOM = "http://www.w3.org/2005/Atom"
_NO_XML = {0xFFFE: None, 0xFFFF: None}  # what XML 1.0 cannot hold, even escaped, and `clean` leaves
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def events_feed(request: Request) -> Response:
    """The latest events, the newest first; the query filters as on the page."""
    site = site_of(request)
    with site.database.read() as conn:
        found = queries.change_log(conn, log_filter(request))
    web = site.settings.web
    here = (web.base_url or str(request.base_url)).rstrip("/")
    query = f"?{request.url.query}" if request.url.query else ""
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": site.language})
    _add(root, "id", f"{web.links_base}/feeds/events.atom{query}")
    _add(root, "title", f"Pledgewatch {site.words['events']}")
    _add(root, "updated", max((e.time for e in found.events), default=_EPOCH).isoformat())
    _add(ET.SubElement(root, "author"), "name", "Pledgewatch")
    ET.SubElement(root, "link", {"rel": "self", "href": f"{here}/feeds/events.atom{query}"})
    ET.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": f"{here}/events{query}"})
    for event in found.events:
        _add_entry(root, event, site, here)
    return Response(
        ET.tostring(root, encoding="utf-8", xml_declaration=True),
        headers={"Content-Type": "application/atom+xml; charset=utf-8", "Cache-Control": "no-cache"},
    )


def _add_entry(root: ET.Element, event: Event, site: Site, here: str) -> None:
    told = entry_of(event, site)
    figures = clean(change_words(event, site.language))
    node = ET.SubElement(root, "entry")
    _add(node, "id", f"{site.settings.web.links_base}/events/{event.id}")
    _add(node, "title", " ".join(filter(None, (told.label + site.words["colon"] + told.name, figures))))
    _add(node, "updated", event.time.isoformat())
    ET.SubElement(node, "link", {"rel": "alternate", "type": "text/html", "href": f"{here}/events/{event.id}"})
    _add(node, "category", "").set("term", event.type)
    _add(node, "summary", clean(event.summary) or told.note)


def _add(parent: ET.Element, name: str, text: str) -> ET.Element:
    child = ET.SubElement(parent, name)
    child.text = text.translate(_NO_XML) or None
    return child
