"""What a reader can do without a login, by an address that nobody can guess: follow their feed, and unsubscribe."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pledgewatch.notices import reader_left, tell_operators
from pledgewatch.posting import cancel_left
from pledgewatch.web.site import Site, site_of
from storage import readers
from storage.readers import Reader

log = structlog.get_logger(__name__)

# The address is the right to use it: no copy is kept on the way, and no search engine lists it.
_OWN = {"Cache-Control": "private, no-store", "X-Robots-Tag": "noindex"}


def ask_whether(request: Request) -> Response:
    """Asks before anything is done: programs that look for harm in mails follow every link in them."""
    site = site_of(request)
    return _page(site, "left" if _reader(site, request).left_at else "asked")


def unsubscribe(request: Request) -> Response:
    """Nothing more goes to this address: by the button of the page, or by the mail program's own (RFC 8058)."""
    site = site_of(request)
    reader = _reader(site, request)
    with site.database.begin() as conn:
        new = readers.leave(conn, reader.subscriber, reader.channel, datetime.now(UTC))
        waiting = cancel_left(conn, reader.subscriber, reader.channel)
    if new:
        undo = f"pledgewatch subscribers resume {reader.subscriber} {reader.channel}"
        log.warning(
            "reader unsubscribed", subscriber=reader.subscriber, channel=reader.channel, cancelled=waiting, undo=undo
        )
    answer = _page(site, "left")
    if new:  # after the answer: nobody waits for a mail server to have left
        notice = reader_left(reader.subscriber, reader.channel, waiting)
        answer.background = BackgroundTask(tell_operators, site.settings, site.database, notice)
    return answer


def _reader(site: Site, request: Request) -> Reader:
    """Whom the address was made for. Raises the answer 404 where there is none."""
    with site.database.read() as conn:
        reader = readers.by_token(conn, request.path_params["token"])
    if reader is None or reader.channel == readers.FEED:
        raise HTTPException(404)
    return reader


def _page(site: Site, state: str) -> Response:
    return site.page("unsubscribe", headers=_OWN, state=state, columns=())
