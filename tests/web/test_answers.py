"""What is not a page: archived originals, tables, the feed, health, metrics, refusals; and serving for real."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import httpx
import pytest
from starlette.testclient import TestClient
from web_samples import BASE, CONFIG, FIRST, HOSTILE, NOW, fill, settings

from pledgewatch.settings import Settings
from pledgewatch.web import WebError, create_app, serving
from pledgewatch.web.archive import text_lines
from storage.captures import page_for, record_capture
from storage.database import Database
from storage.errors import StorageError

ATOM = "{http://www.w3.org/2005/Atom}"


# --- archived originals ---------------------------------------------------------------------------------------


def test_archived_page_is_the_bytes_in_a_sandbox(web: TestClient) -> None:
    answer = web.get("/versions/1/raw")
    assert answer.headers["content-security-policy"] == (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=gb18030"
    assert "<script>steal()</script>" in answer.text  # as it was; the browser runs none of it
    assert FIRST in answer.content.decode("gb18030")


def test_archived_attachment_is_a_download_under_its_own_name(web: TestClient) -> None:
    answer = web.get("/captures/2/raw")
    assert answer.content == b"%PDF-1.4 sample"
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''%E8%A1%A5%E8%B4%B4%E6%A0%87%E5%87%86%E8%A1%A8.pdf"
    )
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("last", "body", "name"),
    [
        ("run.exe", b"<html><p>page</p></html>", "run.exe.html"),
        ("..%2F..%2Fetc%2Fpasswd", b"root", "etc_passwd.txt"),
        ("a%0d%0aSet-Cookie:x", b"%PDF-1.7", "a Set-Cookie_x.pdf"),
        ("", b"\x00\x01\x02\x03binary" * 9, "capture-1.bin"),
        ("%E8%A1%A8.xls", b"plain words", "%E8%A1%A8.xls.txt"),
    ],
)
def test_names_of_downloads_are_safe(empty: Database, last: str, body: bytes, name: str) -> None:
    from web_samples import capture

    from storage.sources import sync_sources

    url = f"https://mzj.yunchuan.example/{last}"
    with empty.begin() as conn:
        sync_sources(conn, {"s": "https://mzj.yunchuan.example/"}, NOW)
        record_capture(conn, page_for(conn, url, "s", "attachment"), capture(url, body, NOW))
    answer = TestClient(create_app(settings(), empty), base_url=BASE).get("/captures/1/raw")
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith("attachment; filename*=UTF-8''")
    assert disposition.partition("''")[2].replace("%20", " ") == name
    assert answer.content == body


def test_pruned_original_is_told_from_a_broken_database(
    filled: Database, web: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pruned(conn: object, id: int) -> bytes:
        raise StorageError("archive: blob was pruned")

    monkeypatch.setattr("pledgewatch.web.archive.stored_bytes", pruned)
    answer = web.get("/versions/1/raw")
    assert answer.status_code == 410
    assert "存档原件读不出" in answer.text


# --- text -----------------------------------------------------------------------------------------------------


def test_text_in_lines_keeps_every_character_and_marks_once() -> None:
    text = "一、达到\n51.6%。\n\n表 | 列\n【附件】表.pdf\n结束"
    spans = [(text.index("到"), text.index("%") + 1), (text.index("51"), text.index("%") + 1), (0, 0)]
    lines = text_lines(text, spans)
    assert [line.kind for line in lines] == ["paragraph", "paragraph", "row", "attachment", "paragraph"]
    assert "".join(p.text for line in lines for p in line.pieces) == text.replace("\n", "")
    marked = [(p.text, p.anchor) for line in lines for p in line.pieces if p.marked]
    assert marked == [("到", "f3"), ("51.6%", "")]


# --- tables and the feed --------------------------------------------------------------------------------------


def rows(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_tables_to_take_away(web: TestClient) -> None:
    every = rows(web.get("/measures.csv").content)
    assert {row["id"] for row in every} == {"m1", "m2", "m3/家庭 床位", "m4"}  # not m5: withdrawn
    one = web.get("/measures/m1.csv")
    assert [row["value"] for row in rows(one.content)] == ["6000", "8000"]
    assert one.headers["content-type"] == "text/csv; charset=utf-8"
    assert one.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%E5%85%BB")
    odd = web.get("/measures/m3%2F%E5%AE%B6%E5%BA%AD%20%E5%BA%8A%E4%BD%8D.csv")
    assert [row["quote"] for row in rows(odd.content)] == ["3200余张"]


def test_feed_is_the_log(web: TestClient) -> None:
    answer = web.get("/feeds/events.atom")
    assert answer.headers["content-type"] == "application/atom+xml; charset=utf-8"
    feed = ET.fromstring(answer.content)
    titles = [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")]
    assert len(titles) == 6
    assert "补贴调整：养老机构建设补贴 5000→6000元/张" in titles
    assert any(HOSTILE in (title or "") for title in titles)  # as text
    for node in (feed, *feed.iter(f"{ATOM}entry")):
        assert node.findtext(f"{ATOM}id") and datetime.fromisoformat(node.findtext(f"{ATOM}updated") or "")
    links = [link.get("href") or "" for link in feed.iter(f"{ATOM}link")]
    assert all(link.startswith(BASE) for link in links)


def test_feed_takes_the_pages_filters(web: TestClient) -> None:
    feed = ET.fromstring(web.get("/feeds/events.atom?kind=target").content)
    assert len(list(feed.iter(f"{ATOM}entry"))) == 1


# --- for programs ---------------------------------------------------------------------------------------------


def test_health(web: TestClient) -> None:
    answer = web.get("/healthz")
    told = answer.json()
    assert answer.status_code == 200 and told["status"] == "ok"
    assert told["sources"]["linhai-gov"]["state"] == "blocked"
    assert told["sources"]["yunchuan-mzj"]["last_success_at"] == "2026-03-05T01:30:00+00:00"


# --- both databases ---------------------------------------------------------------------------------------------


def test_every_query_means_the_same_on_both_databases(database: Database, web: TestClient) -> None:
    with database.begin() as conn:
        fill(conn)
    other = TestClient(create_app(settings(), database), base_url=BASE)
    other.app.state.access = web.app.state.access  # type: ignore[attr-defined]  # one key for forms
    for path in (
        *("/events", "/events?region=临海区&kind=subsidy&type=measure.*", "/events?before=6&source=linhai-gov"),
        *("/events/4", "/documents", "/documents?q=临政规〔2025〕3", "/documents/1", "/documents/1/diff"),
        *("/measures", "/measures?q=床位&kind=target&region=云川市", "/measures/m1", "/sources", "/deliveries"),
        *("/measures.csv", "/feeds/events.atom", "/healthz", "/captures/2/raw"),
    ):
        assert other.get(path).content == web.get(path).content, path


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/events/99", "/events/0", "/events/x", "/documents/99", "/documents/99/diff", "/measures/none"),
        *("/documents/1?version=9", "/documents/1?version=x", "/documents/1/diff?from=1&to=9", "/versions/99/raw"),
        *("/captures/99/raw", "/measures/none.csv", "/static/none.css", "/static/../app.py", f"/documents/{10**30}"),
    ],
)
def test_what_is_not_there_is_said_in_words(web: TestClient, path: str) -> None:
    answer = web.get(path)
    assert answer.status_code == 404
    assert "页面不存在" in answer.text
    assert "content-security-policy" in answer.headers


def test_writing_is_refused(web: TestClient) -> None:
    answer = web.post("/events")
    assert answer.status_code == 405
    assert "请求未被接受" in answer.text
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8700", 200),
        ("localhost", 200),
        ("[::1]:8700", 200),
        ("watch.example.org", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
def test_only_those_who_ask_by_name_are_answered(filled: Database, host: str, status: int) -> None:
    given = settings()
    given = given.model_copy(update={"web": given.web.model_copy(update={"base_url": "https://watch.example.org/"})})
    web = TestClient(create_app(given, filled), base_url=BASE)
    assert web.get("/healthz", headers={"Host": host}).status_code == status


class Unreadable(Database):
    """A database whose every read fails as a lost disk does."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @contextmanager
    def read(self) -> Iterator[None]:  # type: ignore[override]
        raise self.error
        yield


def test_unreadable_database() -> None:
    web = TestClient(create_app(settings(), Unreadable(StorageError("disk: /secret/path is gone"))), base_url=BASE)
    assert web.get("/healthz").status_code == 503
    answer = web.get("/events")
    assert answer.status_code == 503
    assert "数据库暂时读不了" in answer.text
    assert "secret" not in answer.text + web.get("/healthz").text


def test_mistake_of_ours_shows_no_trace() -> None:
    app = create_app(settings(), Unreadable(RuntimeError("secret")))
    answer = TestClient(app, base_url=BASE, raise_server_exceptions=False).get("/events")
    assert answer.status_code == 500
    assert "页面出错了" in answer.text and "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


# --- serving for real -----------------------------------------------------------------------------------------


def test_serves_in_the_running_loop_and_leaves_it(filled: Database) -> None:
    async def visit() -> tuple[str, int]:
        before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
        async with httpx.AsyncClient() as client:
            async with serving(settings(), filled) as url:
                assert {name: signal.getsignal(name) for name in before} == before  # signals stay the host's
                answer = await client.get(f"{url}/events")  # the connection stays open while the server leaves
            with pytest.raises(httpx.ConnectError):
                async with httpx.AsyncClient() as other:
                    await other.get(url)
        return url, answer.status_code

    url, status = asyncio.run(asyncio.wait_for(visit(), 20))
    assert status == 200
    assert url.startswith("http://127.0.0.1:") and not url.endswith(":0")


def test_taken_port_is_told_in_words(filled: Database) -> None:
    async def twice() -> None:
        async with serving(settings(), filled) as url, serving(_listening(url.removeprefix("http://")), filled):
            pass

    with pytest.raises(WebError, match=r"web\.listen 127\.0\.0\.1:\d+: .*choose another port"):
        asyncio.run(twice())


def test_other_machines_are_kept_out_until_there_is_a_login(filled: Database) -> None:
    async def open_to_all() -> None:
        async with serving(_listening("0.0.0.0:0"), filled):
            pass

    with pytest.raises(WebError, match=r"0\.0\.0\.0:0: other machines"):
        asyncio.run(open_to_all())


def _listening(listen: str) -> Settings:
    given = settings()
    return given.model_copy(update={"web": given.web.model_copy(update={"listen": listen})})


ALONE = """
import sys
from pledgewatch.settings import load_settings
from pledgewatch.web import serve_alone
from storage.database import open_database
settings = load_settings(sys.argv[1])
sys.exit(serve_alone(settings, open_database(settings.storage.url)))
"""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_alone_until_a_signal(tmp_path: Path, stop: signal.Signals) -> None:
    config = tmp_path / "config.toml"
    config.write_text(CONFIG, "utf-8")
    program = [sys.executable, "-c", ALONE, str(config)]
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as running:
        assert running.stderr
        url = running.stderr.readline().removeprefix("pledgewatch: ").strip()
        assert httpx.get(f"{url}/healthz").status_code == 200
        taken = config.with_name("taken.toml")
        taken.write_text(CONFIG.replace("127.0.0.1:0", url.removeprefix("http://")), "utf-8")
        second = subprocess.run(
            [*program[:-1], str(taken)], stderr=subprocess.PIPE, text=True, env=environment, timeout=60
        )
        running.send_signal(stop)
        assert running.wait(timeout=30) == 0
    assert second.returncode == 2
    assert "choose another port" in second.stderr
