"""What commands print for people, where it is more than what they print for scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
import stock
from databases import give_up, url_at
from operating import Operator
from servers import Asked, Reply, Site

import notify.channels
import notify.plugins
from notify import answers
from notify.sending import _NO_ADDRESS, _NO_EVENTS
from pledgewatch.posting import _LEFT
from pledgewatch.terminal import why, why_unsent
from storage import captures, documents
from storage.database import open_database


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[str]:
    """The address of an archive that is not begun."""
    path = tmp_path / "archive.db"
    yield url_at(path)
    give_up(path)


@pytest.fixture
def run(archive: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    """The program with a configuration of its own."""
    config = tmp_path / "config.toml"
    config.write_text(f'[storage]\nurl = "{archive}"\n', "utf-8")
    return Operator(config, capsys, monkeypatch)


def test_a_version_is_as_old_as_its_alert_whatever_it_was_read_from_since(run: Operator, archive: str) -> None:
    with closing(open_database(archive)) as database, database.begin() as conn:
        stock.add_source(conn)
        version = stock.add_document(conn)
        id = version.mark.document_id
        page = captures.page_for(conn, stock.URL, "mzj", "document")
        for day, text in ((2, "改后的正文"), (5, "再改的正文")):
            at = stock.NOW + timedelta(days=day)
            copy = captures.record_capture(conn, page, stock.capture(text.encode(), fetched_at=at))
            version = documents.add_version(conn, id, stock.reading(text=text), capture_id=copy, now=at)
        # The file was saved again three days later, with the same words in it.
        saved = stock.capture(b"saved again", fetched_at=stock.NOW + timedelta(days=8))
        copy = captures.record_capture(conn, page, saved)
        documents.replace_reading(conn, version.id, stock.reading(text="再改的正文"), copy)
    told = run("history", id).out.splitlines()[-3:]
    assert [line.split()[:3] for line in told] == [
        ["1", "2026-03-02", "09:30"],
        ["2", "2026-03-04", "09:30"],
        ["3", "2026-03-07", "09:30"],
    ]
    assert ["read from a copy of 2026-03-10 09:30" in line for line in told] == [False, False, True]
    assert sum("read from" in line for line in told) == 1
    lines = run("history", id, "--json").lines
    assert [line["created_at"][:10] for line in lines] == ["2026-03-02", "2026-03-04", "2026-03-07"]
    assert [line["fetched_at"][:10] for line in lines] == ["2026-03-02", "2026-03-04", "2026-03-10"]
    assert tuple(lines[0]) == (
        *("document", "version", "created_at", "fetched_at", "title", "status", "measures", "baseline"),
    )


def test_a_sample_makes_no_archive(run: Operator, tmp_path: Path) -> None:
    """Nor does any other command about subscribers that has nothing to keep."""
    with Site() as site:
        arrived: list[bytes] = []

        def hook(asked: Asked) -> Reply:
            arrived.append(asked.body)
            return Reply(204)

        site.route("/hook", hook)
        reader = f'[[subscribers]]\nid = "reader"\nto = ["webhook+{site.url("/hook")}", "terminal://me"]\n'
        config = f'[storage]\nurl = "sqlite:///{tmp_path}/none.db"\n[crawl]\nallow_private = true\n{reader}'
        (tmp_path / "config.toml").write_text(config, "utf-8")
        sent = run("subscribers", "test", "reader")
        assert (sent.status, len(arrived)) == (0, 1)
        assert [line.partition("-")[0] for line in sent.out.splitlines() if line.endswith(": sent")] == [
            "webhook+http",
            "terminal",
        ]
        assert run("subscribers", "test", "reader", "--since", 0).status == 0
        assert run("subscribers", "list").status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


# --- why something failed, in the reader's language ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "chinese", "english"),
    [
        ("list: server-error: HTTP 502", "服务器出错（HTTP 502）", "the server failed (HTTP 502)"),
        (
            "https://a.example:81/x.html: tls: certificate has expired",
            "https://a.example:81/x.html：安全连接失败（certificate has expired）",
            "https://a.example:81/x.html: no secure connection (certificate has expired)",
        ),
        (
            "https://a.example/: of a new kind",
            "https://a.example/：读取失败（of a new kind）",
            "https://a.example/: of a new kind",
        ),
        ("list: timeout: no\x1b[2J answer", "访问超时", "no answer in time (no[2J answer)"),
    ],
)
def test_why_a_page_failed_is_told_in_both_languages(reason: str, chinese: str, english: str) -> None:
    assert (why(reason, "zh"), why(reason, "en")) == (chinese, english)


@pytest.mark.parametrize(
    ("reason", "chinese"),
    [
        ("answered HTTP 503", "应答 HTTP 503"),
        ("no answer within 30 s", "没有及时应答（30 s）"),
        ("not a usable address: no {} in it", "地址不可用（no {} in it）"),
        (_NO_ADDRESS, "已取消：配置中已没有该订阅者或地址"),
        (_LEFT, "已取消：读者已退订"),
        ("Robot: 关键词不匹配", "Robot: 关键词不匹配"),
        ("", ""),
    ],
)
def test_why_a_message_was_not_sent_is_told_in_both_languages(reason: str, chinese: str) -> None:
    assert (why_unsent(reason, "zh"), why_unsent(reason, "en")) == (chinese, reason)


def test_whatever_our_own_sender_says_has_chinese_words() -> None:
    ours = [words for words, _ in answers._CAUSES] + [_NO_EVENTS.reason, _NO_ADDRESS, _LEFT, "no answer within 1 s"]
    for status in (302, 404, 429, 500):
        with pytest.raises(answers.Refused) as refused:
            answers.judge_status(status)
        ours.append(str(refused.value))
    for package in (notify.channels, notify.plugins):
        # What stands before the first thing that is filled in.
        said = re.findall(r'Refused\(\s*f?"([^"{]+)', Path(package.__file__).read_text("utf-8"))
        assert len(said) > 3
        ours += said
    assert [reason for reason in ours if why_unsent(reason, "zh") == reason] == []


@pytest.mark.parametrize(
    ("language", "page", "message"),
    [("zh", "被拒绝访问（HTTP 403）", "应答 HTTP 503"), ("en", "access refused (HTTP 403)", "answered HTTP 503")],
)
def test_tables_say_why_in_the_service_s_language(
    run: Operator, archive: str, tmp_path: Path, language: str, page: str, message: str
) -> None:
    with Site() as site:
        site.route("/shut.html", lambda asked: Reply(403, b"<html><body><h1>403 Forbidden</h1></body></html>"))
        site.route("/hook", lambda asked: Reply(503))
        tables = f"""
            [service]
            language = "{language}"
            [storage]
            url = "{archive}"
            [crawl]
            allow_private = true
            delay = 0
            [[sources]]
            id = "shut"
            url = "{site.url("/shut.html")}"
            [[subscribers]]
            id = "deaf"
            to = ["webhook+{site.url("/hook")}"]
            events = ["source.*"]
            operator = true
        """
        (tmp_path / "config.toml").write_text(tables, "utf-8")
        for _ in range(3):
            checked = run("check")
            assert checked.status == 1
            assert f"pledgewatch: shut: {page}\n" in checked.err
        assert f"shut: {page}\n" in run("sources", "list").out
        [told] = run("sources", "list", "--json").lines
        assert told["last_error"].startswith("list: forbidden: ")
        [line] = [line for line in run("deliveries").out.splitlines() if "retrying" in line]
        assert line.rstrip().endswith(message)
        assert [d["last_error"] for d in run("deliveries", "--json").lines] == ["answered HTTP 503"]
        [report] = run("check", "--json").lines
        assert report["error"].startswith("list: forbidden: ")


def test_history_says_which_document_ended_this_one(run: Operator, archive: str) -> None:
    with closing(open_database(archive)) as database, database.begin() as conn:
        stock.add_source(conn)
        old = stock.add_document(conn).mark.document_id
        assert "repealed" not in run("history", old).out
        documents.set_repealed(conn, old, 77, date(2026, 1, 1), ended=True)
    assert "repealed by document 77 from 2026-01-01 on" in run("history", old).out
