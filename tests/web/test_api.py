"""The JSON API: fuzzed against its own OpenAPI document, in the contract's shapes, part by part."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounds
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import just
from schemathesis.checks import CHECKS, load_all_checks
from starlette.applications import Starlette
from starlette.testclient import TestClient
from web_access import bearer, closed_settings
from web_markup import read
from web_samples import BASE, settings

from pledgewatch.settings import parse_settings
from pledgewatch.web import api_models, create_app
from pledgewatch.web.words import OPERATIONS
from storage.database import Database
from storage.errors import StorageError
from storage.events import events_since
from storage.records import Figure
from storage.sources import source_state
from storage.threads import tracked_with_statements

load_all_checks()
API = "/api/v1"
EXAMPLES = 6  # of each operation and mode
#: What there is, so that not all is answered with 404.
KNOWN: dict[str, dict[str, Any]] = {
    "/events/{id}": {"id": 3},
    "/documents/{id}": {"id": 1},
    "/documents/{id}/versions": {"id": 1},
    "/documents/{id}/versions/{number}": {"id": 1, "number": 2},
    "/documents/{id}/diff": {"id": 1},
    "/measures/{id}": {"id": "m1"},
    "/sources/{id}/pass": {"id": "linhai-gov"},
}


def attack(app: Starlette, headers: dict[str, str], *unchecked: str) -> int:
    """Call every operation of the API with right and wrong values; how many calls were made.

    Each answer must be one that the document promises.
    """
    schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", app, headers={"Host": "127.0.0.1", **headers})
    checks = [CHECKS.get_one(name) for name in CHECKS.get_all_names() if name not in unchecked]
    calls = 0
    for operation in (result.ok() for result in schema.get_all_operations()):
        for mode in schemathesis.GenerationMode:

            @seed(1)
            @bounds(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode), right=just(mode is mode.POSITIVE))
            def attempt(case: schemathesis.Case, right: bool) -> None:
                nonlocal calls
                calls += 1
                if right and calls % 2:
                    case.path_parameters = case.path_parameters | KNOWN.get(case.path, {})
                # What is wrong with a wrong call may be that it brings no token; so it gets none.
                token = headers if right else {}
                case.call_and_validate(headers={"Host": "127.0.0.1", **token}, checks=checks)

            with suppress(Unsatisfiable):  # nothing that this operation is sent could be wrong
                attempt()
    return calls


def test_open_api_keeps_its_word(entered: Database) -> None:
    assert attack(create_app(settings(), entered), {}) > 150


def test_closed_api_keeps_its_word(entered: Database) -> None:
    assert attack(create_app(closed_settings(), entered), bearer("王芳")) > 150


# --- shapes ---------------------------------------------------------------------------------------------------


def items(web: TestClient, path: str) -> list[dict[str, Any]]:
    """All items of a list, part by part; the body and the header name the same next part."""
    found: list[dict[str, Any]] = []
    following: str | None = f"{API}{path}"
    while following:
        answer = web.get(following)
        assert answer.status_code == 200, answer.text
        part = answer.json()
        found += part["items"]
        following = part["next"]
        assert answer.headers.get("link") == (f'<{following}>; rel="next"' if following else None)
    return found


def test_events_are_those_of_the_command_line(web: TestClient, filled: Database) -> None:
    with filled.read() as conn:
        log = [event.to_json() for event in events_since(conn)]
    assert items(web, "/events?limit=1&baseline=true") == log[::-1]
    assert items(web, "/events?limit=2&baseline=true&since=0") == log
    assert items(web, "/events?limit=2&since=4&baseline=true") == log[4:]
    assert web.get(f"{API}/events/3").json() == log[2]
    assert [e["id"] for e in items(web, "/events?type=measure.*&kind=subsidy")] == [4, 3]
    for query in ("recipient=养老机构", "measure=m1", "least=10", "least=1000", "region=云川市&kind=subsidy"):
        page = web.get(f"/events?{query}").text
        shown = set(re.findall(r'<a href="/events/(\d+)">', page))
        assert {str(e["id"]) for e in items(web, f"/events?{query}")} == shown


def test_measures_are_those_of_the_command_line(web: TestClient, filled: Database) -> None:
    with filled.read() as conn:
        threads = [thread.to_json() for thread in tracked_with_statements(conn)]
    assert len(threads) > 2
    assert items(web, "/measures?limit=1") == items(web, "/measures") == threads
    for thread in threads:
        assert web.get(f"{API}/measures/{quote(thread['id'], safe='')}").json() == thread
    assert {m["id"] for m in items(web, "/measures?region=云川市&kind=target")} == {"m2"}


def test_documents_with_their_versions(web: TestClient) -> None:
    every = items(web, "/documents?limit=1")
    assert [d["id"] for d in every] == [3, 2, 1]
    assert web.get(f"{API}/documents/1").json() == every[-1]
    assert [v["version"] for v in items(web, "/documents/1/versions")] == [1, 2]
    told = web.get(f"{API}/documents/1/versions/2").json()
    for measure in told["measures"]:
        for figure in measure["figures"]:
            assert told["text"][figure["start"] : figure["end"]] == figure["quote"]
    changed = web.get(f"{API}/documents/1/diff").json()
    assert changed["versions"] == [1, 2] and changed["blocks"] and changed["measures"]
    assert web.get(f"{API}/documents/1/diff?from=1&to=9").status_code == 404
    assert [d["id"] for d in items(web, "/search?q=建设补贴&limit=1")] == [2, 1]
    assert items(web, "/search?q=没有这样的话") == []


def test_regions_side_by_side(web: TestClient) -> None:
    (subject,) = items(web, "/subjects?limit=1")
    assert set(subject["regions"]) == {"云川市", "临海区"}
    told = web.get(f"{API}/comparison", params={"measure": subject["id"]}).json()
    rows = told["comparable"][0]["rows"]
    assert [(row["region"], [f["value"] for f in row["figures"]]) for row in rows] == [
        ("云川市", [6000, 8000]),
        ("临海区", [4000]),
    ]


def test_subscribers_come_without_their_addresses(empty: Database) -> None:
    config = '[[subscribers]]\nid = "wang"\nto = ["mailtos://user:secret@mail.example/?to=wang@example.org"]\n'
    web = TestClient(create_app(parse_settings(config, environ={}), empty), base_url=BASE)
    answer = web.get(f"{API}/subscribers")
    assert answer.json()["items"][0]["id"] == "wang"
    assert "secret" not in answer.text and "example" not in answer.text


def test_the_document_can_be_read_by_people(web: TestClient) -> None:
    page = read(web.get(API).text)
    assert page.faults == [] and page.loaded and all(address.startswith("/") for address in page.loaded)
    assert f"POST {API}/sources/{{id}}/pass" in page.text
    assert "/api/v1/openapi.json" in dict(page.links)


# --- asking again, and asking wrongly -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [f"{API}/events", f"{API}/documents/1", f"{API}/measures", f"{API}/sources", "/events", "/feeds/events.atom"],
)
def test_what_is_known_already_is_not_sent_again(web: TestClient, path: str) -> None:
    first = web.get(path)
    again = web.get(path, headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "content-security-policy" in again.headers and "content-length" not in again.headers
    assert web.get(path, headers={"If-None-Match": '"other"'}).content == first.content


def test_an_etag_follows_what_is_there(entered: Database) -> None:
    web = TestClient(create_app(settings(), entered), base_url=BASE)
    tag = web.get(f"{API}/sources").headers["etag"]
    web.post(f"{API}/sources/linhai-gov/pass")
    assert web.get(f"{API}/sources", headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/events?limit=0", 422),
        ("/events?cursor=x", 422),
        ("/events/0", 422),
        (f"/events/{2**63}", 422),
        ("/events/99", 404),
        ("/documents/99/versions", 404),
        ("/measures/none", 404),
        ("/search", 422),
        ("/events?regoin=x", 422),
        ("/nothing", 404),
        ("/comparison?measure=none", 404),
    ],
)
def test_what_is_wrong_is_told_as_a_problem(web: TestClient, path: str, status: int) -> None:
    answer = web.get(API + path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status and told["title"]


def test_an_unreadable_database_is_told_without_its_name(filled: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    web = TestClient(create_app(settings(), filled), base_url=BASE)

    def fail(self: Database) -> None:
        raise StorageError("disk: /secret/path is gone")

    monkeypatch.setattr(Database, "read", fail)
    answer = web.get(f"{API}/events")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert "secret" not in answer.text


def test_other_sites_may_not_read(web: TestClient) -> None:
    answer = web.get(f"{API}/events", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


# --- a pass now -----------------------------------------------------------------------------------------------


def test_a_pass_can_be_asked_for(entered: Database) -> None:
    web = TestClient(create_app(closed_settings(), entered), base_url=BASE)
    asked = f"{API}/sources/linhai-gov/pass"
    for headers, status in (({}, 401), (bearer("reader"), 403)):
        answer = web.post(asked, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (status, status)
    planned = _due(entered)
    answer = web.post(asked, headers=bearer("王芳"))
    assert answer.status_code == 202
    told = answer.json()
    assert told | {"due_at": ""} == {"source": "linhai-gov", "due_at": "", "running": False, "daemon": False}
    assert _due(entered) == datetime.fromisoformat(told["due_at"]) != planned
    assert web.post(f"{API}/sources/none/pass", headers=bearer("王芳")).status_code == 404


def _due(database: Database) -> datetime | None:
    with database.read() as conn:
        state = source_state(conn, "linhai-gov")
    return state.next_due_at if state else None


def test_figures_are_described_as_they_are_told() -> None:
    """A figure read from a scan says so: few documents hold one, so the answers of a test cannot be relied on."""
    described = api_models.Figure.model_fields
    assert list(described) == list(Figure.__slots__)
    scanned = Figure(5000, None, None, "元/张", "=", "5000元/张", 0, 7, ocr=True)
    assert api_models.Figure.model_validate(scanned.to_json()).ocr


def test_the_page_of_the_api_speaks_the_service_s_language(web: TestClient, filled: Database) -> None:
    api = web.get(f"{API}/openapi.json").json()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in api.items() for method in methods} == set(OPERATIONS)
    page = web.get(API).text
    assert all(words in page for words in OPERATIONS.values())
    assert "The change log, the newest event first" not in page
    english = TestClient(create_app(settings(language="en"), filled), base_url=BASE)
    assert "The change log, the newest event first" in english.get(API).text
