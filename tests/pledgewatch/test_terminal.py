"""What commands print for people, where it is more than what they print for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import stock
from databases import give_up, url_at
from operating import Operator
from servers import Asked, Reply, Site

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
