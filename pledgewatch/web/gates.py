"""What every request passes on its way in, and every answer on its way out.

From the outside in: `Guard` (asked by name, protecting headers), `Entry` (who asks, may they, is a form ours),
`Tagged` (an answer that the reader has already is not sent again).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from ipaddress import ip_address
from typing import cast
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pledgewatch.settings import Web
from pledgewatch.web.access import SAFE_METHODS, Access, Viewer, foreign, is_local, needed, viewer
from pledgewatch.web.site import PAGE_HEADERS, Site
from storage.errors import StorageError

API = "/api/v1"
MAX_BODY = 64 * 1024  # bytes; our forms have a few hundred
BODY_SECONDS = 10.0
PROBLEM_TYPE = "application/problem+json"

_TAGGED = ("text/html", "application/json", "application/atom+xml")
_MAX_TAGGED = 4 * 2**20  # bytes; a longer answer goes out as it comes
# Forms that a person may send without a session: a login begins one, and a token stands in the other's address.
_KEYLESS = ("/login", "/unsubscribe/", f"{API}/")
_WORDS = {
    "bad_request": "The request cannot be read.",
    "broken": "The error was logged.",
    "forbidden": "This needs the role of an operator.",
    "form_stale": "The request does not come from a page of this service.",
    "login_needed": "Send a token: Authorization: Bearer …",
    "not_found": "There is nothing at this address.",
    "refused": "This address or method is not served here.",
    "too_large": "The body is too large or came too slowly.",
    "unavailable": "The database cannot be read now.",
}


def problem(site: Site, path: str, what: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that says what is wrong: a page for people; for programs, below /api, problem+json (RFC 9457)."""
    if path.startswith(f"{API}/"):
        return problem_json(status, what.replace("_", " "), _WORDS.get(what, ""), headers)
    return site.page("problem", status, {**PAGE_HEADERS, **(headers or {})}, what=what)


def problem_json(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    told = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(told, status, {"Cache-Control": "no-store", **(headers or {})}, PROBLEM_TYPE)


def site_of_scope(scope: Scope) -> Site:
    return cast(Site, scope["app"].state.site)


# --- asked by name --------------------------------------------------------------------------------------------


class Guard:
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
        site = site_of_scope(scope)
        private = site.settings.web.needs_login and not scope["path"].startswith("/static/")

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in PAGE_HEADERS.items():
                    headers.setdefault(name, value)
                if private:
                    headers.add_vary_header("Cookie, Authorization")
                    if headers.get("Cache-Control", "no-cache") == "no-cache":
                        headers["Cache-Control"] = "private, no-cache"
            await send(message)

        if _is_ours(Headers(scope=scope).get("host", ""), site.settings.web):
            await self.app(scope, receive, guarded)
        else:
            await problem(site, scope["path"], "refused", 421)(scope, receive, guarded)


def _is_ours(host: str, web: Web) -> bool:
    ours = {"127.0.0.1", "localhost", "::1", web.address[0].lower(), urlsplit(web.links_base).hostname}
    try:
        asked = urlsplit(f"//{host}").hostname or ""
        # Whoever is asked for by number was not found by a name that somebody else may turn elsewhere.
        return asked in ours or (not web.on_loopback and bool(ip_address(asked)))
    except ValueError:
        return False


# --- who asks, and may they -----------------------------------------------------------------------------------


class Entry:
    """Lets in who may enter. What a form holds is then in `request.state.form`, its key seen to be right."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        access: Access = scope["app"].state.access
        try:
            who = await run_in_threadpool(access.who, request)
        except StorageError as error:
            logging.getLogger(__name__).error("storage: %s", error)
            who = None
            if needed(scope["path"], request.method):
                await problem(site_of_scope(scope), scope["path"], "unavailable", 503)(scope, receive, send)
                return
        held = viewer.set(who)
        try:
            answer = _refusal(request, who, access.web)
            if answer is None and request.method not in SAFE_METHODS:
                answer, receive = await _read_body(request, who, access.web)
            await (answer or self.app)(scope, receive, send)
        finally:
            viewer.reset(held)


def _refusal(request: Request, who: Viewer | None, web: Web) -> Response | None:
    """The answer to somebody who may not do this, else None."""
    path = request.url.path
    role = needed(path, request.method)
    if role is None or (path == "/metrics" and is_local(request, web)):
        return None
    if who is None:
        return _ask_to_log_in(request)
    if role == "operator" and not who.operator:
        return problem(site_of_scope(request.scope), path, "forbidden", 403)
    return None


def _ask_to_log_in(request: Request) -> Response:
    path = request.url.path
    if "text/html" in request.headers.get("accept", "") and not path.startswith(f"{API}/"):
        query = f"?{request.url.query}" if request.url.query else ""
        back = f"?next={quote(path + query, safe='/')}" if request.method == "GET" and path != "/" else ""
        return RedirectResponse(f"/login{back}", 303)
    return problem(site_of_scope(request.scope), path, "login_needed", 401, {"WWW-Authenticate": "Bearer"})


async def _read_body(request: Request, who: Viewer | None, web: Web) -> tuple[Response | None, Receive]:
    """What is wrong with a request that would change something, and its body to be read again."""
    site, path = site_of_scope(request.scope), request.url.path
    if foreign(request, web):
        return problem(site, path, "form_stale", 403), request.receive
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(request)
    except TimeoutError:
        body = None
    if body is None:
        return problem(site, path, "too_large", 413, {"Connection": "close"}), request.receive
    try:
        form = _form(request, body)
    except ValueError:
        return problem(site, path, "bad_request", 400), request.receive
    request.state.form = form
    if _takes_forms(request) and not _is_signed(form, who):
        return problem(site, path, "form_stale", 403), request.receive
    return None, _again(body, request.receive)


async def _body(request: Request) -> bytes | None:
    """The whole body, or None where it is longer than any of ours."""
    said = request.headers.get("content-length", "0")
    if not said.isdigit() or len(said) > 9 or int(said) > MAX_BODY:
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return None
    return body


def _form(request: Request, body: bytes) -> dict[str, str]:
    """The form's fields. Raises ValueError where it cannot be read."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return {}
    return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100))


def _is_signed(form: Mapping[str, str], who: Viewer | None) -> bool:
    key = who.form_key if who else ""
    return key != "" and compare_digest(form.get("key", "").encode(), key.encode())


def _takes_forms(request: Request) -> bool:
    """A page of ours answers this method here and asks for the form's key. What nobody answers needs none."""
    if request.url.path.startswith(_KEYLESS):
        return False
    routes = cast(Starlette, request.scope["app"]).routes
    return any(isinstance(r, Route) and r.matches(request.scope)[0] is Match.FULL for r in routes)


def _again(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


# --- what the reader has already ------------------------------------------------------------------------------


class Tagged:
    """Gives pages, feeds and JSON an ETag, a hash of what they say, and answers 304 to whoever has that already."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        await self.app(scope, receive, _Tagging(Headers(scope=scope).get("if-none-match", ""), send))


class _Tagging:
    """Sends an answer on, held back until it is whole where it can be tagged."""

    def __init__(self, known: str, send: Send) -> None:
        self._known = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        self._send = send
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _can_be_tagged(message):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if message.get("more_body") and len(self._body) <= _MAX_TAGGED:
                return
            await self._end(more=message.get("more_body", False))

    async def _end(self, more: bool) -> None:
        assert self._start is not None
        start, body, self._start, self._body = self._start, self._body, None, b""
        if not more:
            headers = MutableHeaders(scope=start)
            headers["ETag"] = tag = f'"{sha256(body).hexdigest()[:32]}"'
            if tag in self._known or "*" in self._known:
                start["status"], body = 304, b""
                for name in ("content-length", "content-type"):
                    del headers[name]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _can_be_tagged(message: Message) -> bool:
    headers = Headers(scope=message)
    kind = headers.get("content-type", "").partition(";")[0]
    return (
        message["status"] == 200
        and kind in _TAGGED
        and "etag" not in headers
        and headers.get("cache-control") != "no-store"
    )
