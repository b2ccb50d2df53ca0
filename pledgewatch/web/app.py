"""The application: which address shows which page, and what every answer carries."""

from __future__ import annotations

import logging

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from pledgewatch.settings import Settings
from pledgewatch.web import (
    archive,
    changes,
    comparison,
    feeds,
    figures,
    login,
    looks,
    operations,
    readers,
    regions,
    subscriptions,
)
from pledgewatch.web.access import Access
from pledgewatch.web.gates import API, Entry, Guard, Tagged, problem
from pledgewatch.web.site import HERE, Site, StatusSource, site_of
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
    Route("/measures/{id:path}.xlsx", figures.one_as_xlsx),
    Route("/measures/{id:path}", figures.show_measure),
    Route("/regions", regions.list_subjects),
    Route("/regions.csv", regions.as_csv),
    Route("/regions.xlsx", regions.as_xlsx),
    Route("/subscriptions", subscriptions.show_subscriptions),
    Route("/type", looks.set_type),
    Route("/sources", operations.list_sources),
    Route("/sources/{id}/pass", operations.ask_for_pass, methods=["POST"]),
    Route("/deliveries", operations.count_deliveries),
    Route("/login", login.show_login),
    Route("/login", login.log_in, methods=["POST"]),
    Route("/logout", login.log_out, methods=["POST"]),
    Route("/account", login.show_account),
    Route("/account/password", login.change_password, methods=["POST"]),
    Route("/feeds/events.atom", feeds.events_feed),
    Route("/feeds/subscribers/{token}.atom", feeds.subscriber_feed),
    Route("/unsubscribe/{token}", readers.ask_whether),
    Route("/unsubscribe/{token}", readers.unsubscribe, methods=["POST"]),
    Route("/healthz", operations.health),
    Route("/metrics", operations.metrics),
    Mount("/static", StaticFiles(directory=HERE / "static"), name="static"),
)


def create_app(settings: Settings, database: Database, status: StatusSource | None = None) -> Starlette:
    """The pages over `database`. `status` is the running service, if there is one beside them."""
    from pledgewatch.web.api import create_api, describe  # FastAPI takes its time to load

    site = Site(settings, database, status)
    api = create_api(site)
    app = Starlette(
        routes=(*ROUTES, Route(API, describe), Mount(API, api)),
        middleware=[Middleware(Guard), Middleware(looks.Noticed), Middleware(Entry), Middleware(Tagged)],
        exception_handlers={
            HTTPException: _refused,
            StorageError: _unavailable,
            Exception: _broken,
        },
    )
    app.state.site, app.state.api = site, api
    app.state.access = Access(settings.web, database)
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = {404: "not_found", 410: "gone"}.get(error.status_code, "refused")
    return problem(site_of(request), request.url.path, what, error.status_code, error.headers)


def _unavailable(request: Request, error: Exception) -> Response:
    log.error("storage: %s", error)
    return problem(site_of(request), request.url.path, "unavailable", 503)


def _broken(request: Request, error: Exception) -> Response:
    return problem(site_of(request), request.url.path, "broken", 500)  # the server logs the error itself
