"""What somebody takes away: plain files that hold everything, and WARC as others read it."""

from __future__ import annotations

import json
from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
from operating import Operator
from warcio.archiveiterator import ArchiveIterator
from warcio.cli import main as warcio_program
from world import World, trs

from storage import archive
from storage.tables import captures, versions

LINES = ["对符合条件的养老机构给予5000元/张的建设补贴。"]
FILE = "对养老护理员给予每人每月200元的岗位补贴。".encode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        (tmp_path / "config.toml").write_text(world.config(), "utf-8")
        link = '<p><a href="/../../f.txt">附件：../../标准.txt</a></p></div>\n<div class="related">'
        world.template = lambda paper, n: trs(paper, n).replace('</div>\n<div class="related">', link)
        world.site.page("/f.txt", FILE, headers={"Content-Type": "text/plain; charset=utf-8"})
        world.publish("reply", "关于市政协第18号提案的答复", LINES)
        world.publish("other", "关于市政协第19号提案的答复", LINES)
        world.check()
        world.revise("reply", "5000元/张", "6000元/张")
        world.check()
        yield world


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(world.folder / "config.toml", capsys, monkeypatch)


def test_plain_files_hold_bytes_text_and_metadata(world: World, run: Operator, tmp_path: Path) -> None:
    ended = run("export", world.site.url("/reply.html"), "--to", tmp_path / "out")
    assert (ended.status, ended.out) == (0, "")
    document = run("documents", "--title", "第18号", "--json").lines[0]["id"]
    folder = tmp_path / "out" / str(document)
    assert sorted(p.name for p in folder.iterdir()) == ["v1", "v2"]
    assert sorted(p.name for p in (folder / "v2").iterdir()) == [
        *("attachment-1.txt", "metadata.json", "page.html", "text.txt"),
    ]
    assert (folder / "v2" / "attachment-1.txt").read_bytes() == FILE
    assert (folder / "v1" / "page.html").read_bytes().count("5000元/张".encode()) == 1
    assert (folder / "v2" / "page.html").read_bytes() == world._document(None, "reply").body  # type: ignore[arg-type]
    metadata = json.loads((folder / "v2" / "metadata.json").read_text("utf-8"))
    assert (metadata["url"], metadata["version"], metadata["capture"]["status"]) == (
        world.site.url("/reply.html"),
        2,
        200,
    )
    assert metadata["capture"]["sha256"] == sha256((folder / "v2" / "page.html").read_bytes()).hexdigest()
    text = (folder / "v2" / "text.txt").read_text("utf-8")
    for figure in (f for measure in metadata["measures"] for f in measure["figures"]):
        assert text[figure["start"] : figure["end"]] == figure["quote"]


def test_all_of_the_archive_stays_below_the_folder(run: Operator, tmp_path: Path) -> None:
    before = {p for p in tmp_path.rglob("*") if "out" not in p.parts and not p.name.startswith("world.db")}
    assert run("export", "--all", "--to", tmp_path / "out").status == 0
    assert len(list((tmp_path / "out").iterdir())) == 2
    after = {p for p in tmp_path.rglob("*") if "out" not in p.relative_to(tmp_path).parts}
    assert {p for p in after if not p.name.startswith("world.db")} == before


def test_a_folder_that_cannot_be_written_to_is_told(run: Operator, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ended = run("export", "--all", "--to", tmp_path / "file")
    assert ended.status == 1
    assert str(tmp_path / "file") in ended.err


# --- WARC: read by warcio, which shares no line with the writer -----------------------------------------------------


@dataclass(frozen=True)
class Record:
    kind: str
    headers: dict[str, str]
    http_line: str
    http_headers: dict[str, str]
    payload: bytes


def warc_records(path: Path) -> list[Record]:
    """All records; raises for a digest that does not fit its block or payload, or a form that is not the standard's."""
    found = []
    with path.open("rb") as file:
        for record in ArchiveIterator(file, check_digests="raise"):
            payload = record.content_stream().read()
            http = record.http_headers
            found.append(
                Record(
                    record.rec_type,
                    dict(record.rec_headers.headers),
                    f"{http.protocol} {http.statusline}" if http else "",
                    {k.lower(): v for k, v in http.headers} if http else {},
                    payload,
                )
            )
    return found


def exported(run: Operator, folder: Path) -> list[Record]:
    ended = run("export", "--all", "--to", folder, "--warc")
    assert ended.status == 0, ended.err
    files = sorted(folder.iterdir())
    assert {f.suffix for f in files} == {".warc"}
    return [record for f in files for record in warc_records(f)]


def test_every_answer_of_a_version_is_a_response(world: World, run: Operator, tmp_path: Path) -> None:
    records = exported(run, tmp_path / "out")
    assert [r.kind for r in records].count("warcinfo") == 2 and records[0].kind == "warcinfo"
    for one in records:  # a file that two documents share is the same record in both
        assert all(
            one == other for other in records if one.headers["WARC-Record-ID"] == other.headers["WARC-Record-ID"]
        )
    for record in records:
        assert {"WARC-Record-ID", "WARC-Date", "Content-Type", "WARC-Block-Digest"} <= set(record.headers)
        datetime.fromisoformat(record.headers["WARC-Date"])
    responses = [r for r in records if r.kind == "response"]
    assert {r.headers["WARC-Target-URI"] for r in responses} == {
        world.site.url(path) for path in ("/reply.html", "/other.html", "/f.txt")
    }
    for record in responses:
        assert record.http_line == "HTTP/1.1 200 OK"
        assert int(record.http_headers["content-length"]) == len(record.payload)
        digest = b32encode(sha256(record.payload).digest()).decode()
        assert record.headers["WARC-Payload-Digest"] == f"sha256:{digest}"
    pages = [r.payload for r in responses if r.headers["WARC-Target-URI"] == world.site.url("/reply.html")]
    assert sorted(b"6000" in page for page in pages) == [False, True]


def test_a_304_is_a_revisit_of_what_it_confirms(world: World, run: Operator, tmp_path: Path) -> None:
    """The file was confirmed by its server when the page was revised: the second version was read from a 304."""
    records = exported(run, tmp_path / "out")
    revisits = [r for r in records if r.kind == "revisit"]
    assert revisits, "of two documents that share a file the second may have been read from a 304 as well"
    for revisit in revisits:
        assert revisit.headers["WARC-Profile"].endswith("/revisit/server-not-modified")
        assert revisit.http_line == "HTTP/1.1 304 Not Modified" and revisit.http_headers["etag"]
        assert revisit.payload == b""
        before = records[: records.index(revisit)]
        named, *same = [r for r in before if r.headers["WARC-Record-ID"] == revisit.headers["WARC-Refers-To"]]
        assert all(one == named for one in same), "a file that two documents share stands in the records of both"
        assert named.kind == "response" and named.payload == FILE
        assert named.headers["WARC-Date"] == revisit.headers["WARC-Refers-To-Date"]
        assert named.headers["WARC-Target-URI"] == revisit.headers["WARC-Refers-To-Target-URI"]
        assert named.headers["WARC-Payload-Digest"] == revisit.headers["WARC-Payload-Digest"]


def test_an_address_in_chinese_and_a_hostile_header(world: World, run: Operator, tmp_path: Path) -> None:
    with world.database.begin() as conn:
        first = captures.c.id == sa.select(sa.func.min(versions.c.capture_id)).scalar_subquery()
        url = "https://例子.example/公开 信息/答复.html?词=养老&x=%E5"
        headers = {"Server": "nginx\r\nX-Forged: 1", "X-名": "值", "Content-Encoding": "gzip"}
        conn.execute(captures.update().where(first).values(final_url=url, headers=headers))
    records = exported(run, tmp_path / "out")
    (record,) = [r for r in records if r.headers.get("WARC-Target-URI", "").endswith("x=%E5")]
    uri = record.headers["WARC-Target-URI"]
    assert uri.isascii() and " " not in uri and unquote(uri.removesuffix("%E5")) == url.removesuffix("%E5")
    assert "x-forged" not in record.http_headers and "content-encoding" not in record.http_headers
    assert record.http_headers["server"] == "nginx X-Forged: 1"


def test_what_was_pruned_is_left_out(world: World, run: Operator, tmp_path: Path) -> None:
    url = world.site.url("/reply.html")
    with world.database.begin() as conn:
        first = sa.select(captures.c.sha256).where(captures.c.url == url).order_by(captures.c.id).limit(1)
        archive.drop_blobs(conn, [conn.execute(first).scalar_one()])
    (page,) = [r.payload for r in exported(run, tmp_path / "warc") if r.headers.get("WARC-Target-URI") == url]
    assert b"6000" in page
    assert run("export", url, "--to", tmp_path / "plain").status == 0
    older, newer = sorted((tmp_path / "plain").glob("*/v*"))
    assert {p.name for p in newer.iterdir()} - {p.name for p in older.iterdir()} == {"page.html"}


def test_the_checker_of_another_program_passes_it(run: Operator, tmp_path: Path) -> None:
    exported(run, tmp_path / "out")
    files = [str(f) for f in (tmp_path / "out").iterdir()]
    with pytest.raises(SystemExit) as ended:
        warcio_program(["check", *files])
    assert not ended.value.code
