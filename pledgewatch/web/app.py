"""The application: which address shows which page, and what every answer carries."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pledgewatch.settings import Settings
from pledgewatch.web import archive, changes, comparison, feeds, figures, operations
from pledgewatch.web.site import HERE, PAGE_HEADERS, Site, StatusSource, site_of
from storage.database import Database
from storage.errors import StorageError

log = logging.getLogger(__name__)

ROUTES: tuple[BaseRoute, ...] = (
    Route("/", changes.show_log),
    Route("/events", changes.show_log),
    Route("/events/{id:int}", changes.show_event),
    Route("/documents", archive.list_documents),
    Route("/documents/{id:int}", archive.show_document),
    Route("/documents/{id:int}/diff", comparison.show_difference),
    Route("/versions/{id:int}/raw", archive.raw_version),
    Route("/captures/{id:int}/raw", archive.raw_capture),
    Route("/measures", figures.list_measures),
    Route("/measures.csv", figures.all_as_csv),
    Route("/measures/{id:path}.csv", figures.one_as_csv),
    Route("/measures/{id:path}", figures.show_measure),
    Route("/sources", operations.list_sources),
    Route("/deliveries", operations.count_deliveries),
    Route("/feeds/events.atom", feeds.events_feed),
    Route("/healthz", operations.health),
    Route("/metrics", operations.metrics),
    Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
)


def create_app(settings: Settings, database: Database, status: StatusSource | None = None) -> Starlette:
    """The pages over `database`. `status` is the running service, if there is one beside them."""
    app = Starlette(
        routes=ROUTES,
        middleware=[Middleware(_Guard)],
        exception_handlers={
            HTTPException: _refused,
            StorageError: _unavailable,
            Exception: _broken,
        },
    )
    app.state.site = Site(settings, database, status)
    return app


class _Guard:
    """Puts the protecting headers on every answer, and answers only those who ask for this service by name.

    A page elsewhere may let its own name resolve to this machine and then read what is served here; its requests
    carry that name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in PAGE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        site: Site = scope["app"].state.site
        if _is_ours(Headers(scope=scope).get("host", ""), site):
            await self.app(scope, receive, guarded)
        else:
            await _problem(site, "refused", 421)(scope, receive, guarded)


def _is_ours(host: str, site: Site) -> bool:
    web = site.settings.web
    ours = {"127.0.0.1", "localhost", "::1", web.address[0].lower(), urlsplit(web.links_base).hostname}
    try:
        return urlsplit(f"//{host}").hostname in ours
    except ValueError:
        return False


def _problem(site: Site, what: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return site.page("problem", status, {**PAGE_HEADERS, **(headers or {})}, what=what)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {404: "not_found", 410: "gone"}.get(error.status_code, "refused")
    return _problem(site_of(request), what, error.status_code, error.headers)


def _unavailable(request: Request, error: Exception) -> Response:
    log.error("storage: %s", error)
    return _problem(site_of(request), "unavailable", 503)


def _broken(request: Request, error: Exception) -> Response:
    return _problem(site_of(request), "broken", 500)  # the server logs the error itself
