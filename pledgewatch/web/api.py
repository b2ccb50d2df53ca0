"""The JSON API below /api/v1: what the pages show, for programs, in the shapes of the command line.

Who may ask for what is decided where it is for the pages (`access.needed`), before a request comes here. Lists come in
parts; `next`, also as a Link header, is the address of the part that follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException as AnyHTTPException

from pledgewatch.comparing import compare, difference_json
from pledgewatch.settings import Source
from pledgewatch.web import api_models as models
from pledgewatch.web import api_queries, queries, regions
from pledgewatch.web.gates import API, problem_json
from pledgewatch.web.operations import daemon_runs
from pledgewatch.web.site import Site, address
from pledgewatch.web.words import OPERATIONS
from storage.documents import DocumentState, StoredDocument, document_by_id, history, version_by_number
from storage.errors import StorageError
from storage.events import event_by_id
from storage.outbox import list_deliveries
from storage.records import DeliveryState, Kind
from storage.search import words_of
from storage.sources import TOLD, SourceState, make_due, source_states

T = TypeVar("T")
LARGEST = 2**63 - 1  # what a database can hold as a number

log = structlog.get_logger(__name__)


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


def _no_others(request: Request) -> None:
    """Refuses parameters that the operation does not have: a misspelt filter would show what was not asked for."""
    known = {parameter.alias for parameter in request.scope["route"].dependant.query_params}
    if unknown := sorted(request.query_params.keys() - known):
        wrong = [{"loc": ("query", name[:80]), "msg": "there is no such parameter"} for name in unknown[:10]]
        raise RequestValidationError(wrong)


Here = Annotated[Site, Depends(_site)]
Limit = Annotated[int, Query(ge=1, le=200, description="Items of a part.")]
Cursor = Annotated[int | None, Query(ge=1, le=LARGEST, description="From `next`.")]
Id = Annotated[int, Path(ge=1, le=LARGEST)]
Words = Annotated[str, Query(max_length=200)]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    words = {
        400: "The request cannot be read.",
        401: "A token or a session is needed.",
        403: "This needs the role of an operator, or a page of another site asked.",
        404: "There is no such thing.",
        413: "The body is too large.",
        422: "A parameter is not what it should be.",
        503: "The database cannot be read now.",
    }
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": words[status], "content": content} for status in statuses}


_CACHED: dict[int | str, dict[str, Any]] = {304: {"description": "What `If-None-Match` names is what there is."}}
router = APIRouter(dependencies=[Depends(_no_others)], responses=_problems(401, 403, 422, 503))


def create_api(site: Site) -> FastAPI:
    """The API over the pages' site, to be mounted. Its document says that a token is needed where one is."""
    api = FastAPI(
        title="Pledgewatch",
        version="1",
        description="Figures in government documents, and when they change.",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for kind, handler in _HANDLERS.items():
        api.add_exception_handler(kind, handler)
    api.state.site = site
    by_token = [Depends(HTTPBearer(auto_error=False))] if site.settings.web.needs_login else []
    api.include_router(router, dependencies=by_token)
    return api


def describe(request: Request) -> Response:
    """The API's document as a page."""
    site: Site = request.app.state.site
    api: FastAPI = request.app.state.api
    operations = [
        {
            "method": method.upper(),
            "path": path,
            "words": operation["description"] if site.language == "en" else OPERATIONS[f"{method.upper()} {path}"],
            "parameters": [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"],
        }
        for path, methods in api.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return site.page("api", base=API, operations=operations)


# --- answers --------------------------------------------------------------------------------------------------


def _answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(value, status, {"Cache-Control": "no-cache", **(headers or {})})


def _part(
    request: Request,
    found: Sequence[T],
    limit: int,
    tell: Callable[[T], dict[str, Any]],
    shown: Callable[[T], bool] = lambda _: True,
) -> Response:
    """A part of a list of which one item more than `limit` was asked for, without what is not to be `shown`."""
    rows = [tell(one) for one in found[:limit]]
    following = address(request, cursor=rows[-1]["id"]) if len(found) > limit else None
    return _listed((row for one, row in zip(found, rows, strict=False) if shown(one)), following)


def _listed(rows: Iterable[Any], following: str | None = None) -> Response:
    link = {"Link": f'<{following}>; rel="next"'} if following else None
    return _answer({"items": list(rows), "next": following}, headers=link)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
    told = {"type": "about:blank", "title": "invalid parameter", "status": 422, "detail": "; ".join(wrong)}
    return JSONResponse(
        told | {"errors": wrong}, 422, {"Cache-Control": "no-store"}, media_type="application/problem+json"
    )


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AnyHTTPException)
    return problem_json(error.status_code, str(error.detail), "", error.headers)


def _unavailable(request: Request, error: Exception) -> Response:
    log.error("storage", error=str(error))
    return problem_json(503, "unavailable", "The database cannot be read now.")


def _broken(request: Request, error: Exception) -> Response:
    return problem_json(500, "broken", "The error was logged.")


_HANDLERS = {
    RequestValidationError: _invalid,
    AnyHTTPException: _refused,
    StorageError: _unavailable,
    Exception: _broken,
}


# --- the change log -------------------------------------------------------------------------------------------


@router.get("/events", response_model=models.Page[models.Event], responses=_CACHED)
def events(
    request: Request,
    site: Here,
    type: Annotated[str, Query(max_length=50, description='A type, or a pattern such as "measure.*".')] = "",
    region: Words = "",
    source: Words = "",
    kind: Kind | None = None,
    recipient: Words = "",
    measure: Annotated[str, Query(max_length=200, description="The id of a tracked measure.")] = "",
    least: Annotated[
        float | None, Query(gt=0, le=10**6, description="Percent of the old figure, or points, that it changed by.")
    ] = None,
    baseline: Annotated[bool, Query(description="With what was there at the first pass.")] = False,
    since: Annotated[
        int | None, Query(ge=0, le=LARGEST, description="Only events after this one, the oldest first.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The change log, the newest event first; with `since` what was added, the oldest first."""
    wanted = queries.LogFilter(
        type=type,
        region=region,
        source=source,
        kind=kind or "",
        recipient=recipient,
        measure=measure,
        least=least,
        baseline=baseline,
        before=cursor if since is None else None,
        after=since,
    )
    with site.database.read() as conn:
        found = queries.change_log(conn, wanted, limit)
    if since is None:
        rows = [event.to_json() for event in found.events]
        return _listed(rows, address(request, cursor=rows[-1]["id"]) if found.older and rows else None)
    rows = [event.to_json() for event in reversed(found.events)]
    return _listed(rows, address(request, since=rows[-1]["id"]) if found.newer and rows else None)


@router.get("/events/{id}", response_model=models.Event, responses=_problems(404) | _CACHED)
def event(site: Here, id: Id) -> Response:
    """One event."""
    with site.database.read() as conn:
        return _answer(_known(event_by_id(conn, id)).to_json())


# --- documents ------------------------------------------------------------------------------------------------


@router.get("/documents", response_model=models.Page[models.Document], responses=_CACHED)
def documents(
    request: Request,
    site: Here,
    region: Words = "",
    source: Words = "",
    state: DocumentState | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """The documents, those that were found last first."""
    wanted = queries.DocumentFilter(region=region, source=source, state=state or "")
    with site.database.read() as conn:
        found = api_queries.documents_before(conn, wanted, cursor, limit + 1)
    return _part(request, found, limit, StoredDocument.to_json)


@router.get("/search", response_model=models.Page[models.Document], responses=_CACHED)
def search(
    request: Request,
    site: Here,
    q: Annotated[str, Query(min_length=1, max_length=200, description="Words; all must be in the document.")],
    region: Words = "",
    source: Words = "",
    state: DocumentState | None = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response:
    """The documents whose text, title, numbers or publisher hold all of the words, those found last first. A part may
    have fewer than `limit`, and still a `next`."""
    wanted, words = queries.DocumentFilter(q, region, source, state or ""), words_of(q)
    with site.database.read() as conn:
        found = api_queries.documents_before(conn, wanted, cursor, limit + 1)
        texts = queries.document_words(conn, [d.latest_version_id for d in found[:limit] if d.latest_version_id])

    def shown(document: StoredDocument) -> bool:
        return queries.has_words(document, texts.get(document.latest_version_id or 0, ""), words)

    return _part(request, found, limit, StoredDocument.to_json, shown)


@router.get("/documents/{id}", response_model=models.Document, responses=_problems(404) | _CACHED)
def document(site: Here, id: Id) -> Response:
    """One document, with the metadata of its latest version."""
    with site.database.read() as conn:
        return _answer(_known(document_by_id(conn, id)).to_json())


@router.get("/documents/{id}/versions", response_model=models.Page[models.VersionLine],
            responses=_problems(404) | _CACHED)  # fmt: skip
def versions(site: Here, id: Id) -> Response:
    """The versions of a document, the oldest first."""
    with site.database.read() as conn:
        known = _known(document_by_id(conn, id))
        return _listed(line.to_json(known.id) for line in history(conn, known.id))


@router.get("/documents/{id}/versions/{number}", response_model=models.Version, responses=_problems(404) | _CACHED)
def version(site: Here, id: Id, number: Id) -> Response:
    """A document as it was read: its text, and the measures in it."""
    with site.database.read() as conn:
        found = _known(version_by_number(conn, id, number))
    told = {
        "document": id,
        "version": found.number,
        "created_at": found.mark.created_at.isoformat(),
        "baseline": found.mark.baseline,
    }
    return _answer(told | found.document.to_json() | {"measures": [m.to_json() for m in found.measures]})


@router.get("/documents/{id}/diff", response_model=models.Difference, responses=_problems(404) | _CACHED)
def diff(
    site: Here,
    id: Id,
    older: Annotated[
        int | None, Query(alias="from", ge=1, le=LARGEST, description="Older version (the one before).")
    ] = None,
    newer: Annotated[int | None, Query(alias="to", ge=1, le=LARGEST, description="Newer version (the latest).")] = None,
) -> Response:
    """What differs between two versions of a document."""
    with site.database.read() as conn:
        known = _known(document_by_id(conn, id))
        last = max((line.number for line in history(conn, id)), default=0)
        to = newer or last
        sides = [version_by_number(conn, id, number) for number in (older or max(1, to - 1), to)]
    return _answer(difference_json(compare(known, _known(sides[0]), _known(sides[1]), site.language)))


# --- measures -------------------------------------------------------------------------------------------------


@router.get("/measures", response_model=models.Page[models.TrackedMeasure], responses=_CACHED)
def measures(
    request: Request,
    site: Here,
    q: Annotated[str, Query(max_length=200, description="A part of the name.")] = "",
    region: Words = "",
    kind: Kind | None = None,
    cursor: Annotated[str, Query(max_length=200, description="From `next`.")] = "",
    limit: Limit = 50,
) -> Response:
    """The tracked measures with what documents in force say of them."""
    with site.database.read() as conn:
        found = api_queries.threads_after(conn, cursor, limit + 1, region=region, kind=kind or "", words=q)
    return _part(request, found, limit, lambda thread: thread.to_json())


@router.get("/measures/{id:path}", response_model=models.TrackedMeasure, responses=_problems(404) | _CACHED)
def measure(site: Here, id: Annotated[str, Path(min_length=1)]) -> Response:
    """One tracked measure with what documents in force say of it."""
    with site.database.read() as conn:
        (thread,) = api_queries.with_statements(conn, [_known(queries.tracked_by_id(conn, id))])
    return _answer(thread.to_json())


# --- regions --------------------------------------------------------------------------------------------------


@router.get("/subjects", response_model=models.Page[models.Subject], responses=_CACHED)
def subjects(
    request: Request,
    site: Here,
    q: Annotated[str, Query(max_length=200, description="A part of the name.")] = "",
    cursor: Annotated[int, Query(ge=0, le=10**6, description="From `next`.")] = 0,
    limit: Limit = 50,
) -> Response:
    """What several regions speak of, the subjects of the most regions first."""
    with site.database.read() as conn:
        known = regions.known_subjects(conn, site.settings)
    found = [one for one in known if q.strip() in one.name and len(one.regions) > 1]
    rows = [_subject_json(one) for one in found[cursor : cursor + limit]]
    return _listed(rows, address(request, cursor=cursor + limit) if len(found) > cursor + limit else None)


@router.get("/comparison", response_model=models.RegionComparison, responses=_problems(404) | _CACHED)
def comparison(
    site: Here, measure: Annotated[str, Query(max_length=200, description="A subject's id, or any of its measures.")]
) -> Response:
    """What regions say of one subject, as far as it can be compared."""
    with site.database.read() as conn:
        subject, known = _known(regions.said_of(conn, site.settings, measure))
    compared, alone = regions.compare(known)
    return _answer(
        {
            "subject": _subject_json(subject),
            "comparable": [
                {
                    **{name: getattr(one, name) for name in ("kind", "unit", "recipient")},
                    "rows": [_row_json(row) for row in one.rows],
                }
                for one in compared
            ],
            "alone": [_row_json(row) for row in alone],
        }
    )


def _subject_json(subject: regions.Subject) -> dict[str, Any]:
    regions_, measures_ = list(subject.regions), list(subject.ids)
    return {"id": subject.ids[0], "name": subject.name, "regions": regions_, "measures": measures_}


def _row_json(row: regions.Row) -> dict[str, Any]:
    figures = [figure.to_json() for figure in row.figures]
    return {"region": row.region, "figures": figures, "statement": row.statement.to_json()}


# --- sources, deliveries, subscribers -------------------------------------------------------------------------


@router.get("/sources", response_model=models.Page[models.Source], responses=_CACHED)
def sources(site: Here) -> Response:
    """The watched sources and how they are doing."""
    with site.database.read() as conn:
        states = {state.id: state for state in source_states(conn)}
    return _listed(_source_json(source, states.get(source.id), site) for source in site.settings.sources)


def _source_json(source: Source, state: SourceState | None, site: Site) -> dict[str, Any]:
    known = state.to_json() if state else dict.fromkeys(TOLD) | {"failures": 0}
    names = {"id": source.id, "name": source.label, "url": source.url, "region": source.region}
    return names | known | {"running": source.id in site.running()}


@router.post("/sources/{id}/pass", status_code=202, response_model=models.Pass, responses=_problems(400, 404, 413))
def start_pass(site: Here, id: str) -> Response:
    """Let a source be read at once. An operator's token is needed where one is for reading."""
    if site.settings.source(id) is None:
        raise HTTPException(404, "not found")
    now = datetime.now(UTC)
    with site.database.begin() as conn:
        make_due(conn, id, now)
        at_work = daemon_runs(conn, site, now)
    running = id in site.running()
    told = {"source": id, "due_at": now.isoformat(), "running": running, "daemon": at_work}
    return _answer(told, 202, {"Cache-Control": "no-store"})


@router.get("/deliveries", response_model=models.Page[models.Delivery], responses=_CACHED)
def deliveries(
    request: Request, site: Here, state: DeliveryState | None = None, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """What was sent, what waits and what failed, the oldest first. For operators."""
    with site.database.read() as conn:
        found = list_deliveries(conn, state=state, since=cursor or 0, limit=limit + 1)
    return _part(request, found, limit, lambda delivery: delivery.to_json())


@router.get("/subscribers", response_model=models.Page[models.Subscriber], responses=_CACHED)
def subscribers(site: Here) -> Response:
    """Who is told of what; of channels the kind, not the address. For operators."""
    return _listed(table.to_json() for table in site.settings.subscribers)


def _known(found: T | None) -> T:
    if found is None:
        raise HTTPException(404, "not found")
    return found
