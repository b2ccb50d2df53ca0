"""What somebody takes away: plain files that hold everything, and WARC as others read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from operating import Operator
from world import World, trs

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


@dataclass(frozen=True)
class Record:
    headers: dict[str, str]
    block: bytes

    @property
    def payload(self) -> bytes:
        return self.block.partition(b"\r\n\r\n")[2]

    @property
    def http_headers(self) -> dict[str, str]:
        lines = self.block.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def warc_records(data: bytes) -> list[Record]:
    """Read by the letter of ISO 28500: version line, named fields, an empty line, the block, two empty lines."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        version, *lines = head.decode("utf-8").split("\r\n")
        assert version == "WARC/1.1"
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["Content-Length"])
        assert rest[length : length + 4] == b"\r\n\r\n"
        found.append(Record(headers, rest[:length]))
        data = rest[length + 4 :]
    return found


def test_warc_is_read_by_its_standard(world: World, run: Operator, tmp_path: Path) -> None:
    assert run("export", "--all", "--to", tmp_path / "out", "--warc").status == 0
    files = sorted((tmp_path / "out").iterdir())
    assert [f.suffix for f in files] == [".warc", ".warc"]
    every = [warc_records(f.read_bytes()) for f in files]
    for records in every:
        assert records[0].headers["WARC-Type"] == "warcinfo"
        for record in records:
            assert {"WARC-Record-ID", "WARC-Date", "Content-Type"} <= set(record.headers)
    ids = [r.headers["WARC-Record-ID"] for records in every for r in records]
    assert len(ids) == len(set(ids))
    kept = [r for records in every for r in records[1:]]
    assert {r.headers["WARC-Target-URI"] for r in kept} == {
        world.site.url(path) for path in ("/reply.html", "/other.html", "/f.txt")
    }
    for record in kept:
        payload = record.payload if record.headers["WARC-Type"] == "response" else record.block
        assert record.headers["WARC-Payload-Digest"] == f"sha256:{sha256(payload).hexdigest()}"
    pages = [r.payload for r in kept if r.headers["WARC-Target-URI"] == world.site.url("/reply.html")]
    assert sorted(b"6000" in page for page in pages) == [False, True]


def test_only_full_answers_are_responses_in_warc(world: World, run: Operator, tmp_path: Path) -> None:
    assert run("export", "--all", "--to", tmp_path / "out", "--warc").status == 0
    records = [r for f in (tmp_path / "out").iterdir() for r in warc_records(f.read_bytes())]
    responses = [r for r in records if r.headers["WARC-Type"] == "response"]
    confirmed = [r for r in records if r.headers["WARC-Type"] == "resource"]
    for record in responses:
        assert record.block.startswith(b"HTTP/1.1 200 OK\r\n")
        assert int(record.http_headers["content-length"]) == len(record.payload)
    assert {r.headers["WARC-Target-URI"] for r in confirmed} <= {world.site.url("/f.txt")}
    assert all(r.block == FILE and r.headers["Content-Type"].startswith("text/plain") for r in confirmed)


def test_warc_is_read_by_another_program(run: Operator, tmp_path: Path) -> None:
    warcio = pytest.importorskip("warcio.archiveiterator", reason="warcio is not installed")
    assert run("export", "--all", "--to", tmp_path / "out", "--warc").status == 0
    with next((tmp_path / "out").iterdir()).open("rb") as file:
        types = [record.rec_type for record in warcio.ArchiveIterator(file)]
    assert types[:2] == ["warcinfo", "response"]
