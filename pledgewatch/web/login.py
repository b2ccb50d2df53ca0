"""Logging in and out, and the account: what somebody may do, and another password."""

from __future__ import annotations

from typing import cast

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pledgewatch.web.access import (
    MIN_PASSWORD,
    SESSION_ENDS,
    Access,
    TooManyTriesError,
    Viewer,
    address_of,
    prepared,
    safe_next,
    viewer,
)
from pledgewatch.web.site import site_of
from storage.access import has_accounts


def show_login(request: Request) -> Response:
    wanted = safe_next(request.query_params.get("next", "/"))
    if viewer.get():
        return RedirectResponse(wanted, 303)
    return _login_page(request, wanted)


def log_in(request: Request) -> Response:
    """A new session for the right name and password: the old one, if the browser has one, ends.

    A form that holds a mistake is shown again, and that is an answer like any other (200): a browser tells of each
    status above 400 as of a fault of the page.
    """
    access = _access(request)
    wanted = safe_next(request.query_params.get("next", "/"))
    name, password = (request.state.form.get(field, "") for field in ("name", "password"))
    try:
        secret = access.log_in(name, password, address_of(request, access.web), viewer.get())
    except TooManyTriesError as error:
        return _login_page(request, wanted, name, wait=error.seconds)
    if secret is None:
        return _login_page(request, wanted, name, wrong=True)
    answer = RedirectResponse(wanted, 303)
    answer.set_cookie(
        access.cookie,
        secret,
        max_age=int(SESSION_ENDS.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=access.secure,
    )
    return answer


def _login_page(request: Request, wanted: str, name: str = "", *, wrong: bool = False, wait: int = 0) -> Response:
    site = site_of(request)
    with site.database.read() as conn:
        nobody = not has_accounts(conn)
    status, headers = (429, {"Retry-After": str(wait)}) if wait else (200, {})
    shown = {"wanted": wanted, "name": name[:64], "wrong": wrong, "wait": -(-wait // 60), "nobody": nobody}
    return site.page("login", status, headers, **shown)


def log_out(request: Request) -> Response:
    access = _access(request)
    access.log_out(_viewer())
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(access.cookie, httponly=True, samesite="lax", secure=access.secure)
    return answer


def show_account(request: Request) -> Response:
    return _account_page(request)


def change_password(request: Request) -> Response:
    """Another password, for whoever knows the old one."""
    access, who = _access(request), _viewer()
    old, new, again = (request.state.form.get(field, "") for field in ("old", "new", "again"))
    if who.session == "":
        return _account_page(request, "no_password", 403)
    if new != again:
        return _account_page(request, "passwords_differ")
    if len(prepared(new)) < MIN_PASSWORD:
        return _account_page(request, "password_short")
    try:
        changed = access.change_password(who, old, new, address_of(request, access.web))
    except TooManyTriesError as error:
        return _account_page(request, "login_wait", 429, {"Retry-After": str(error.seconds)})
    return _account_page(request, "password_changed" if changed else "password_wrong")


def _account_page(
    request: Request, told: str = "", status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return site_of(request).page("account", status, headers, told=told, least=MIN_PASSWORD)


def _viewer() -> Viewer:
    who = viewer.get()
    assert who is not None, "only somebody known comes so far"
    return who


def _access(request: Request) -> Access:
    return cast(Access, request.app.state.access)
