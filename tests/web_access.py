"""Somebody at a browser, where a login is needed."""

from __future__ import annotations

import re
import warnings
from typing import Any

import httpx
from argon2 import PasswordHasher
from starlette.applications import Starlette
from web_samples import BASE, settings

from pledgewatch.settings import Settings
from pledgewatch.web.access import TOKEN_PREFIX

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # see conftest
    from starlette.testclient import TestClient

#: Hashes in a thousandth of the time that the service takes.
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
PASSWORD = "correct horse 电池"
TOKENS = {"reader": f"{TOKEN_PREFIX}{'r' * 43}", "王芳": f"{TOKEN_PREFIX}{'o' * 43}"}


def closed_settings(**changed: Any) -> Settings:
    """The samples' configuration with `login = "always"`; `changed` are further keys of [web]."""
    given = settings()
    return given.model_copy(update={"web": given.web.model_copy(update={"login": "always", **changed})})


def at_browser(app: Starlette, base: str = BASE) -> TestClient:
    """A browser that follows nothing by itself, says where it is and takes pages first."""
    app.state.access._hasher = QUICK
    headers = {"Accept": "text/html,*/*;q=0.8", "Origin": base, "Sec-Fetch-Site": "same-origin"}
    return TestClient(app, base_url=base, headers=headers, follow_redirects=False)


def log_in(web: TestClient, name: str = "王芳", password: str = PASSWORD, goal: str = "/") -> httpx.Response:
    return web.post("/login", params={"next": goal}, data={"name": name, "password": password})


def form_key(web: TestClient, path: str = "/sources") -> str:
    """The key that the forms of a page carry."""
    found = re.search(r'name="key" value="([^"]+)"', web.get(path).text)
    assert found, path
    return found[1]


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}
