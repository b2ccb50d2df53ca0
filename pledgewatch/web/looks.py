"""How large a reader wants the letters: a switch that needs no script, remembered by the browser."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pledgewatch.web.access import safe_next

COOKIE = "type"
LARGE = "large"
_YEAR = 365 * 86400  # seconds


@dataclass(frozen=True)
class Look:
    """How a page is wanted, and its own address, to which the switch leads back."""

    large: bool = False
    here: str = "/"


_PLAIN = Look()

#: How the page is wanted that is being made.
look: ContextVar[Look] = ContextVar("look", default=_PLAIN)


class Noticed:
    """Notices of each request how its page is wanted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            asked = HTTPConnection(scope)
            query = f"?{asked.url.query}" if asked.url.query else ""
            look.set(Look(asked.cookies.get(COOKIE) == LARGE, asked.url.path + query))
        await self.app(scope, receive, send)


def set_type(request: Request) -> Response:
    """Remember the size of letters that the query names and go back to where the reader was."""
    answer = RedirectResponse(safe_next(request.query_params.get("back", "/")), 303)
    if request.query_params.get("size") == LARGE:
        answer.set_cookie(COOKIE, LARGE, max_age=_YEAR, httponly=True, samesite="lax")
    else:
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer
