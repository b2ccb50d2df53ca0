"""Who gets in and who does not, as somebody would try it who should not."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import argon2
import httpx
import pytest
from operating import Operator
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from web_access import PASSWORD, QUICK, TOKENS, at_browser, bearer, closed_settings, form_key, log_in
from web_samples import BASE, NOW, settings

from pledgewatch.settings import Settings, Web
from pledgewatch.web import WebError, create_app, serving
from pledgewatch.web.access import (
    KEYS,
    SESSION_ENDS,
    SESSION_IDLE,
    TRIES_BY_ADDRESS,
    TRIES_BY_NAME,
    TRIES_WINDOW,
    Access,
    Tries,
    fingerprint,
    needed,
    safe_next,
)
from pledgewatch.web.gates import MAX_BODY
from storage import access
from storage.database import Database
from storage.sources import source_state

OPEN = {"/login", "/healthz", "/type", "/unsubscribe/{token}", "/feeds/subscribers/{token}.atom"}
OPERATORS = {"/deliveries", "/subscriptions", "/metrics", "/api/v1/deliveries", "/api/v1/subscribers"}
COOKIE = "pledgewatch"


def accessed(web: TestClient) -> Access:
    found: Access = web.app.state.access  # type: ignore[attr-defined]
    return found


def refused(answer: httpx.Response) -> bool:
    """The login is shown again with what is wrong, and nobody has come in."""
    return answer.status_code == 200 and "用户名或密码不对" in answer.text and "set-cookie" not in answer.headers


def addresses(web: TestClient) -> Iterator[tuple[str, str]]:
    """Method and pattern of everything that is served, but for static files."""
    for route in web.app.routes:  # type: ignore[attr-defined]
        if isinstance(route, Route):
            yield from ((method, route.path) for method in route.methods or () if method != "HEAD")
    spec = web.get("/api/v1/openapi.json", headers=bearer("王芳")).json()
    yield from ((method.upper(), f"/api/v1{path}") for path, of in spec["paths"].items() for method in of)


def at(pattern: str) -> str:
    return re.sub(r"\{[^}]+\}", "1", pattern)


def due(database: Database, id: str = "linhai-gov") -> datetime | None:
    with database.read() as conn:
        state = source_state(conn, id)
    return state.next_due_at if state else None


# --- which doors there are ------------------------------------------------------------------------------------


def test_nothing_is_open_but_what_must_be(closed: TestClient) -> None:
    assert {route.path for route in closed.app.routes if isinstance(route, Mount)} == {"/static", "/api/v1"}  # type: ignore[attr-defined]
    for method, pattern in addresses(closed):
        answer = closed.request(method, at(pattern))
        if pattern in OPEN:
            assert answer.status_code != 401 and not answer.headers.get("location", "").startswith("/login?"), pattern
        elif pattern.startswith("/api/v1/"):
            assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer", pattern
        else:
            assert (answer.status_code, answer.headers["location"][:6]) == (303, "/login"), pattern


def test_readers_may_not_do_what_operators_may(closed: TestClient) -> None:
    log_in(closed, "reader")
    assert closed.get("/").status_code == 200
    assert "/deliveries" not in closed.get("/").text
    assert "/pass" not in closed.get("/sources").text
    for method, pattern in addresses(closed):
        if pattern in OPERATORS or (method == "POST" and pattern.endswith("/pass")):
            assert closed.request(method, at(pattern)).status_code == 403, pattern
            token = closed.request(method, at(pattern), headers=bearer("reader"))
            assert token.status_code == 403, pattern


def test_every_form_carries_a_key(closed: TestClient, web: TestClient) -> None:
    """Whoever adds a POST gets this for nothing; without the key, or with another's, it is refused."""
    log_in(closed, "王芳")
    for client in (closed, web):
        for method, pattern in addresses(closed):
            if method == "POST" and not pattern.startswith("/api/") and pattern not in OPEN:
                for key in ({}, {"key": ""}, {"key": "x"}, {"key": "键"}, {"key": fingerprint("form ")}):
                    assert client.post(at(pattern), data=key).status_code == 403, pattern


@pytest.mark.parametrize(
    "path",
    [
        *("/static/..%2f..%2fdeliveries", "/static/../deliveries", "/static/%2e%2e/sources", "//deliveries"),
        *("/login/../deliveries", "/healthz/../events", "/Deliveries", "/deliveries/", "/unsubscribe/../sources"),
        *("/feeds/subscribers/../../events", "/static/..\\..\\access.py", "/static//etc/passwd", "/%00", "/login/"),
    ],
)
def test_no_way_around(entered: Database, path: str) -> None:
    """Asked for as written: a client of the usual sort would tidy the address up."""

    async def ask() -> bytes:
        async with serving(closed_settings(), entered) as url:
            host, port = url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            return answer

    answer = asyncio.run(asyncio.wait_for(ask(), 20))
    status = int(answer.split(b" ", 2)[1])
    assert status in (303, 307, 400, 401, 404), answer
    assert "临海区".encode() not in answer and b"root:" not in answer


# --- logging in and out ---------------------------------------------------------------------------------------


def test_from_the_door_to_a_page_and_out_again(closed: TestClient) -> None:
    sent = closed.get("/documents?q=养老")
    assert (sent.status_code, sent.headers["location"]) == (
        303,
        "/login?next=/documents%3Fq%3D%25E5%2585%25BB%25E8%2580%2581",
    )
    assert 'name="password"' in closed.get(sent.headers["location"]).text
    assert refused(closed.post(sent.headers["location"], data={"name": "王芳", "password": "wrong wrong"}))
    entered = closed.post(sent.headers["location"], data={"name": "王芳", "password": PASSWORD})
    assert (entered.status_code, entered.headers["location"]) == (303, "/documents?q=%E5%85%BB%E8%80%81")
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie and "Domain" not in cookie
    page = closed.get("/sources")
    assert "王芳" in page.text
    assert page.headers["cache-control"] == "private, no-cache" and "Cookie" in page.headers["vary"]
    secret = closed.cookies[COOKIE]
    assert closed.post("/logout", data={"key": form_key(closed)}).headers["location"] == "/login"
    closed.cookies.set(COOKIE, secret)
    assert closed.get("/sources").status_code == 303  # the session has ended, not only the cookie


def test_cookies_of_an_encrypted_site_go_nowhere_else(entered: Database) -> None:
    base = "https://watch.example.org"
    web = at_browser(create_app(closed_settings(base_url=f"{base}/"), entered), base)
    cookie = log_in(web).headers["set-cookie"]
    assert cookie.startswith("__Host-pledgewatch=") and "Secure" in cookie


def test_a_session_that_somebody_else_prepared_is_worth_nothing(closed: TestClient) -> None:
    planted = "A" * 43
    closed.cookies.set(COOKIE, planted)
    log_in(closed)
    assert at_with(closed, planted).get("/sources").status_code == 303
    with accessed(closed).database.read() as conn:
        kept = set(conn.exec_driver_sql("SELECT sha256 FROM sessions").scalars())
    assert fingerprint(planted) not in kept and len(kept) == 1


def test_logging_in_again_ends_the_session_before(closed: TestClient) -> None:
    log_in(closed)
    first = closed.cookies[COOKIE]
    log_in(closed)
    assert closed.cookies[COOKIE] != first
    assert at_with(closed, first).get("/sources").status_code == 303
    assert closed.get("/sources").status_code == 200


def at_with(web: TestClient, secret: str) -> TestClient:
    """Another browser with this cookie."""
    other = at_browser(web.app)  # type: ignore[arg-type]
    other.cookies.set(COOKIE, secret)
    return other


def test_sessions_end_by_themselves(closed: TestClient) -> None:
    now = [NOW]
    accessed(closed).clock = lambda: now[0]
    log_in(closed)
    for _ in range(int(SESSION_ENDS / SESSION_IDLE)):
        assert closed.get("/sources").status_code == 200
        now[0] += SESSION_IDLE - timedelta(minutes=1)
    now[0] = NOW + SESSION_ENDS + timedelta(seconds=1)
    assert closed.get("/sources").status_code == 303
    log_in(closed)
    now[0] += SESSION_IDLE
    assert closed.get("/sources").status_code == 303


def test_an_ended_account_and_another_password_end_sessions(closed: TestClient) -> None:
    log_in(closed, "王芳")
    elsewhere = at_browser(closed.app)  # type: ignore[arg-type]
    log_in(elsewhere, "王芳")
    wish = {"old": PASSWORD, "new": "another password", "again": "another password"}
    key = form_key(closed, "/account")
    for mistake, told in (
        ({"old": "wrong wrong"}, "现在的密码不对"),
        ({"again": "x"}, "两次输入的新密码不同"),
        ({"new": "短", "again": "短"}, "新密码太短"),
    ):
        answer = closed.post("/account/password", data=wish | {"key": key} | mistake)
        assert answer.status_code == 200 and f'role="alert">{told}' in answer.text
    assert elsewhere.get("/sources").status_code == 200
    assert "密码已更换" in closed.post("/account/password", data=wish | {"key": key}).text
    assert elsewhere.get("/sources").status_code == 303
    assert closed.get("/sources").status_code == 200
    assert refused(log_in(elsewhere))
    assert log_in(elsewhere, password="another password").status_code == 303
    with accessed(closed).database.begin() as conn:
        access.remove_account(conn, "王芳")
    assert closed.get("/sources").status_code == 303


def test_a_hash_that_grew_old_is_made_anew(closed: TestClient) -> None:
    del accessed(closed)._hasher  # the quick one of all other tests
    with accessed(closed).database.read() as conn:
        weak = access.password_of(conn, "王芳")
    assert log_in(closed).status_code == 303
    with accessed(closed).database.read() as conn:
        kept = access.password_of(conn, "王芳")
    assert kept and kept != weak and not argon2.PasswordHasher().check_needs_rehash(kept)
    assert log_in(closed).status_code == 303


# --- guessing -------------------------------------------------------------------------------------------------


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hashes that passwords were compared with."""
    done: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, hash: str, password: str) -> bool:
        done.append(hash)
        return verify(self, hash, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    return done


def test_an_unknown_name_looks_like_a_wrong_password(closed: TestClient, hashes: list[str]) -> None:
    answers = [log_in(closed, name, "wrong wrong") for name in ("nobody", "reader")]
    assert len(hashes) == 2
    unknown, known = (argon2.extract_parameters(made) for made in hashes)
    assert unknown == known  # as much memory, as many rounds
    assert len({answer.text.replace("nobody", "reader") for answer in answers}) == 1
    assert all(map(refused, answers))


def test_guessing_is_put_off(closed: TestClient, hashes: list[str]) -> None:
    now = [NOW]
    accessed(closed).clock = lambda: now[0]
    for _ in range(TRIES_BY_NAME):
        assert refused(log_in(closed, password="wrong wrong"))
    late = log_in(closed)
    assert late.status_code == 429 and late.headers["retry-after"] == str(int(TRIES_WINDOW.total_seconds()))
    assert len(hashes) == TRIES_BY_NAME  # the right password was not even looked at
    assert log_in(closed, "reader").status_code == 303  # others are not kept out
    for n in range(TRIES_BY_ADDRESS - TRIES_BY_NAME - 2):
        assert refused(log_in(closed, f"name{n}", "wrong wrong"))
    assert log_in(closed, "reader").status_code == 429  # but an address that tries all names is
    now[0] += TRIES_WINDOW
    assert log_in(closed).status_code == 303


def test_tries_are_counted_without_end() -> None:
    tries = Tries(1, TRIES_WINDOW)
    assert tries.count("0", NOW) == 0
    for n in range(1, KEYS):
        tries.count(str(n), NOW)
    assert tries.count("0", NOW) > 0
    for n in range(KEYS, 3 * KEYS):
        tries.count("x" * 10_000 + str(n), NOW)
    assert len(tries._windows) == KEYS
    assert max(map(len, tries._windows)) == 64


def test_behind_a_proxy_tries_are_those_of_whom_it_names(entered: Database) -> None:
    base = "https://watch.example.org"
    app = create_app(closed_settings(base_url=base), entered)
    web = TestClient(app, base_url=base, client=("127.0.0.1", 5000), follow_redirects=False)
    web.headers["X-Forwarded-For"] = "8.8.8.8, 203.0.113.7"  # the first of these anybody may write
    for _ in range(TRIES_BY_ADDRESS):
        accessed(web)._by_address.count("203.0.113.7", accessed(web).clock())
    assert log_in(web).status_code == 429
    web.headers["X-Forwarded-For"] = "203.0.113.7, 198.51.100.4"
    assert log_in(web).status_code == 303


# --- other sites ----------------------------------------------------------------------------------------------

FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:9999"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "http://["},
    {"Origin": BASE, "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", ["/sources/linhai-gov/pass", "/api/v1/sources/linhai-gov/pass"])
def test_a_page_elsewhere_starts_no_pass(entered: Database, headers: dict[str, str], path: str) -> None:
    """Neither where the pages are open, nor with a session that the browser sends along."""
    planned = due(entered)
    for given in (settings(), closed_settings()):
        web = TestClient(create_app(given, entered), base_url=BASE, follow_redirects=False)
        accessed(web)._hasher = QUICK
        log_in(web)
        key = form_key(web)
        assert web.post(path, data={"key": key}, headers=headers).status_code == 403
        assert due(entered) == planned
    assert web.post("/login", data={"name": "reader", "password": PASSWORD}, headers=headers).status_code == 403


def test_a_name_that_turns_to_this_machine_is_refused(entered: Database) -> None:
    app = create_app(closed_settings(listen="0.0.0.0:8700"), entered)
    for host, status in (("evil.example", 421), ("192.168.1.5:8700", 200), ("[fe80::1]:8700", 200), ("1.2.3.4.", 421)):
        answer = TestClient(app, base_url=BASE).get("/healthz", headers={"Host": host})
        assert answer.status_code == status, host
    post = TestClient(app, base_url=BASE).post("/login", headers={"Host": "evil.example"}, data={})
    assert post.status_code == 421


@pytest.mark.parametrize(
    "wanted",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", ""),
        *("/x\r\nSet-Cookie: a=b", "/x\nLocation: //evil.example", "/\t/evil.example", " /x", "evil", "/" + "x" * 9000),
    ],
)
def test_a_login_leads_nowhere_else(closed: TestClient, wanted: str) -> None:
    answer = log_in(closed, goal=wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert closed.get("/login", params={"next": wanted}).headers["location"] == "/"


def test_a_login_leads_where_one_wanted_to_go() -> None:
    assert safe_next("/documents/1/diff?from=1&to=2") == "/documents/1/diff?from=1&to=2"


# --- too much -------------------------------------------------------------------------------------------------


def test_large_and_odd_bodies_are_refused(closed: TestClient, web: TestClient) -> None:
    assert refused(log_in(closed, password="x" * (MAX_BODY - 1000)))
    assert log_in(closed, password="x" * MAX_BODY).status_code == 413
    many = "&".join(f"f{n}=1" for n in range(1000))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert closed.post("/login", content=many, headers=form).status_code == 400
    assert closed.post("/login", content=b"name=\xff\xfe", headers=form).status_code == 400
    api = web.post("/api/v1/sources/linhai-gov/pass", content=b"x" * (MAX_BODY + 1))
    assert (api.status_code, api.headers["content-type"]) == (413, "application/problem+json")


def test_a_body_without_length_and_a_cookie_without_end(entered: Database) -> None:
    async def visit() -> None:
        async def long() -> AsyncIterator[bytes]:
            for _ in range(MAX_BODY // 4096 + 1):
                yield b"x" * 4096

        async with serving(closed_settings(), entered) as url, httpx.AsyncClient(base_url=url) as client:
            assert (await client.post("/login", content=long())).status_code == 413
            assert (await client.get("/sources", headers={"Cookie": "a=" + "x" * 20_000})).status_code == 401
            with pytest.raises((httpx.HTTPError, AssertionError)):
                assert (await client.get("/", headers={"Cookie": "a=" + "x" * 2_000_000})).status_code != 400
            assert (await client.get("/healthz")).json() == {"status": "ok"}

    asyncio.run(asyncio.wait_for(visit(), 30))


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 44, "键", "%00" * 43, "'; DROP TABLE sessions;--"])
def test_odd_cookies_are_nobody(closed: TestClient, cookie: str) -> None:
    header = f"{COOKIE}={cookie}".encode()
    assert closed.get("/sources", headers=[(b"Cookie", header)]).status_code == 303


@pytest.mark.parametrize(
    "token", ["", "x", "Bearer", "Bearer ", "Bearer x", "Basic eDp4", "Bearer pledgewatch_" + "A" * 43]
)
def test_odd_tokens_are_nobody(closed: TestClient, token: str) -> None:
    answer = closed.get("/api/v1/events", headers={"Authorization": token})
    assert answer.status_code == 401


# --- what is left behind --------------------------------------------------------------------------------------


def test_secrets_are_neither_kept_nor_logged(
    closed: TestClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    log_in(closed, password="wrong wrong secret")
    log_in(closed, "secret as a name", "x")
    log_in(closed)
    closed.get("/api/v1/events", headers=bearer("王芳"))
    closed.get("/api/v1/events", headers={"Authorization": "Bearer pledgewatch_" + "Z" * 43})
    secrets = (closed.cookies[COOKIE], TOKENS["王芳"], "Z" * 43, PASSWORD, "secret")
    out, err = capfd.readouterr()
    database = accessed(closed).database
    kept = []
    with database.read() as conn:
        for table in ("accounts", "sessions", "tokens"):
            kept += [str(row) for row in conn.exec_driver_sql(f"SELECT * FROM {table}").all()]
    assert len(kept) == 5
    for secret in secrets:
        for told in (caplog.text, out, err, "".join(kept)):
            assert secret not in told


def test_health_tells_strangers_one_word(closed: TestClient) -> None:
    assert closed.get("/healthz").json() == {"status": "ok"}
    assert "sources" in closed.get("/healthz", headers=bearer("reader")).json()


def test_metrics_are_for_operators_and_for_this_machine(entered: Database) -> None:
    def ask(headers: dict[str, str], peer: str, **web: str) -> int:
        app = create_app(closed_settings(**web), entered)
        return TestClient(app, base_url=BASE, client=(peer, 1)).get("/metrics", headers=headers).status_code

    assert ask({}, "127.0.0.1") == 200
    assert ask({}, "203.0.113.7") == 401
    assert ask(bearer("reader"), "203.0.113.7") == 403
    assert ask(bearer("王芳"), "203.0.113.7") == 200
    assert ask({"X-Forwarded-For": "203.0.113.7"}, "127.0.0.1") == 401
    assert ask({}, "127.0.0.1", base_url="https://watch.example.org") == 401  # whom a proxy brings, nobody knows


# --- when the doors close -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("web", "closed"),
    [
        ({}, False),
        ({"listen": "[::1]:8700"}, False),
        ({"listen": "localhost:8700", "base_url": "http://127.0.0.1:9000"}, False),
        ({"listen": "127.0.0.1:8700", "base_url": "https://watch.example.org"}, True),
        ({"listen": "0.0.0.0:8700"}, True),
        ({"listen": "0.0.0.0:8700", "base_url": "http://localhost:8700"}, True),
        ({"listen": "watch.example.org:8700"}, True),
        ({"login": "always"}, True),
    ],
)
def test_only_loopback_is_open(web: dict[str, str], closed: bool) -> None:
    assert Web.model_validate(web).needs_login is closed


def test_nothing_listens_to_others_while_nobody_could_log_in(empty: Database) -> None:
    given = closed_settings(listen="0.0.0.0:0", login="auto")

    async def open_to_all(settings: Settings) -> int:
        async with serving(settings, empty) as url, httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{url.rpartition(':')[2]}/sources")).status_code

    with pytest.raises(WebError, match="users add NAME --role operator"):
        asyncio.run(open_to_all(given))
    with empty.begin() as conn:
        access.add_account(conn, "wang", "operator", "x", NOW)
    assert asyncio.run(open_to_all(given)) == 401


def test_closed_pages_without_an_account_say_what_to_do(empty: Database) -> None:
    web = at_browser(create_app(closed_settings(), empty))
    assert "pledgewatch users add" in web.get("/login").text


# --- a pass now -----------------------------------------------------------------------------------------------


def test_the_button_starts_a_pass_and_says_who_would_make_it(entered: Database) -> None:
    for given in (settings(), closed_settings()):
        web = at_browser(create_app(given, entered))
        log_in(web)
        planned = due(entered)
        pressed = web.post("/sources/linhai-gov/pass", data={"key": form_key(web)})
        assert (pressed.status_code, pressed.headers["location"]) == (303, "/sources?asked=linhai-gov")
        assert due(entered) != planned
        assert "后台服务没有运行" in web.get(pressed.headers["location"]).text
    assert web.post("/sources/none/pass", data={"key": form_key(web)}).status_code == 404
    assert 'role="status"' not in web.get("/sources?asked=NOTHING").text


# --- the commands ---------------------------------------------------------------------------------------------


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    config = tmp_path / "config.toml"
    config.write_text(f'[storage]\nurl = "sqlite:///{tmp_path / "a.db"}"\n', "utf-8")
    return Operator(config, capsys, monkeypatch)


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_accounts_by_command(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "short\n")
    assert operator("users", "add", "wang").status == 2
    typed(monkeypatch, f"{PASSWORD}\n")
    assert operator("users", "add", "王 芳").status == 2
    assert operator("users", "add", "王芳", "--role", "operator").status == 0
    typed(monkeypatch, f"{PASSWORD}\n")
    again = operator("users", "add", "王芳")
    assert again.status == 2 and "already" in again.err
    listed = operator("users", "list", "--json")
    assert [(row["name"], row["role"]) for row in listed.lines] == [("王芳", "operator")]
    assert "argon2" not in listed.out
    typed(monkeypatch, "another password")
    assert operator("users", "password", "王芳").status == 0
    assert operator("users", "remove", "nobody").status == 2
    assert operator("users", "remove", "王芳").status == 0
    assert operator("users", "list").out == ""


def test_tokens_by_command(operator: Operator) -> None:
    made = operator("tokens", "add", "grafana")
    assert made.status == 0 and made.out.startswith("pledgewatch_")
    assert operator("tokens", "add", "grafana").status == 2
    listed = operator("tokens", "list", "--json")
    assert [(row["name"], row["role"], row["used_at"]) for row in listed.lines] == [("grafana", "reader", None)]
    assert made.out.strip() not in listed.out
    assert operator("tokens", "remove", "grafana").status == 0
    assert operator("tokens", "remove", "grafana").status == 2


def test_who_needs_what_is_said_once() -> None:
    assert needed("/", "GET") == needed("/api/v1/events", "GET") == needed("/feeds/events.atom", "GET") == "reader"
    assert needed("/sources/a/pass", "POST") == needed("/api/v1/sources/a/pass", "POST") == "operator"
    assert needed("/deliveriesx", "GET") == "reader"  # another page, were there one


def test_it_listens_where_it_was_told(entered: Database) -> None:
    """Off loopback with an account: a socket on all addresses, asked over loopback only."""

    async def family() -> bool:
        async with serving(closed_settings(listen="0.0.0.0:0"), entered) as url:
            host, _, port = url.removeprefix("http://").rpartition(":")
            with socket.create_connection(("127.0.0.1", int(port)), timeout=5):
                return host == "0.0.0.0"

    assert asyncio.run(asyncio.wait_for(family(), 20))
