"""Another reader over the whole archive: told before it is kept, never an alert, and gone on with after an end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from operating import Operator
from world import World

from pledgewatch import releases, rereading
from pledgewatch.reading import READER
from storage import documents
from storage.database import Database
from storage.tables import blobs, captures, statements, versions

LINES = ["一、目前，全市建成家庭养老床位3200余张。", "二、对符合条件的养老机构给予5000元/张的建设补贴。"]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Three documents, one of them in three versions, with an alert that was sent."""
    with World(tmp_path, database=database_url, config='[[tracked]]\nid = "beds"\nname = "家庭养老床位"\n') as world:
        for slug in ("reply", "other", "third"):
            world.publish(slug, f"关于{slug}号提案的答复", LINES)
        world.check()
        for n in (5, 6):
            world.revise("reply", f"{n}000元/张", f"{n + 1}000元/张")
            world.check()
        (tmp_path / "config.toml").write_text(world.config(), "utf-8")
        yield world


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(world.folder / "config.toml", capsys, monkeypatch)


def spoil(world: World) -> None:
    """As an older reader left it: it had not seen the beds, and read the subsidy as ten times as much."""
    with world.database.begin() as conn:
        conn.execute(versions.update().values(reader="older", fingerprint="older"))
        conn.execute(statements.delete().where(statements.c.subject.contains("床位")))
        for row in conn.execute(sa.select(statements)).all():
            figures = [f | {"value": f["value"] * 10, "quote": "0" + f["quote"]} for f in row.figures]
            conn.execute(statements.update().where(statements.c.id == row.id).values(figures=figures))


def record(database: Database) -> list[object]:
    """What the archive says, thread by thread, whatever the rows' numbers."""
    with database.read() as conn:
        rows = conn.execute(
            sa.select(
                versions.c.document_id,
                versions.c.number,
                versions.c.fingerprint,
                statements.c.position,
                statements.c.figures,
                statements.c.tracked_id,
            )
            .join(statements, statements.c.version_id == versions.c.id)
            .order_by(versions.c.document_id, versions.c.number, statements.c.position)
        )
        return [tuple(row) for row in rows]


def test_what_the_present_reader_has_read_is_left_alone(run: Operator) -> None:
    assert run("reread", "--json").json["versions"] == 0
    everything = run("reread", "--all", "--json", "--jobs", 1).json
    assert (everything["versions"], everything["changed"]) == (5, 0)


def test_the_report_says_what_would_change_and_changes_nothing(world: World, run: Operator) -> None:
    spoil(world)
    before, told = record(world.database), world.events(baseline=True)
    ended = run("reread", "--json", "--jobs", 1)
    assert ended.status == 0, ended.err
    report = ended.json
    assert (report["reader"], report["applied"], report["versions"]) == (READER, False, 5)
    assert (report["changed"], report["documents"]) == (5, 3)
    assert report["measures"] == {"added": 5, "removed": 0, "changed": 5}
    changes = {c["type"]: c for c in report["examples"][0]["measures"]}
    assert "5000元" in changes["changed"]["after"] and "3200" in changes["added"]["after"]
    assert record(world.database) == before and world.events(baseline=True) == told
    shown = run("reread", "--jobs", 1).out
    assert "5 versions read, 5 would change" in shown and "3200" in shown


@pytest.mark.parametrize("jobs", [1, 2])
def test_applied_the_record_is_as_if_it_had_always_been_read_so(world: World, run: Operator, jobs: int) -> None:
    before, told, sent = record(world.database), world.events(baseline=True), len(world.bodies)
    spoil(world)
    assert record(world.database) != before
    report = run("reread", "--apply", "--json", "--jobs", jobs).json
    assert (report["applied"], report["versions"], report["changed"], report["failed"]) == (True, 5, 5, [])
    after = record(world.database)
    last = {document: number for document, number, *_ in before}  # type: ignore[misc]

    def latest(rows: list[object]) -> list[object]:
        return [row for row in rows if last[row[0]] == row[1]]  # type: ignore[index]

    assert latest(after) == latest(before), "what was followed goes on"
    assert [row[:5] for row in after] == [row[:5] for row in before]  # type: ignore[index]
    assert world.events(baseline=True) == told
    world.check()
    assert world.events(baseline=True) == told and len(world.bodies) == sent
    assert run("reread", "--json").json["versions"] == 0
    assert run("storage", "verify").status == 0


def test_a_run_that_was_cut_off_goes_on(world: World, run: Operator) -> None:
    spoil(world)
    first = run("reread", "--json", "--limit", 2, "--jobs", 1).json
    rest = run("reread", "--json", "--after", first["last"], "--jobs", 1).json
    assert (first["versions"], rest["versions"]) == (2, 3)
    assert run("reread", "--apply", "--json", "--limit", 2, "--jobs", 1).json["versions"] == 2
    assert run("reread", "--apply", "--json", "--jobs", 1).json["versions"] == 3


def test_versions_that_cannot_be_read_are_named(world: World, run: Operator) -> None:
    spoil(world)
    with world.database.begin() as conn:
        of_other = sa.select(captures.c.sha256).where(captures.c.url.contains("other"))
        sha = conn.execute(of_other).scalars().first()
        conn.execute(blobs.update().where(blobs.c.base_sha256 == sha).values(base_sha256=None, depth=0))
        conn.execute(blobs.update().where(blobs.c.sha256 == sha).values(encoding="pruned", data=b""))
    ended = run("reread", "--apply", "--json", "--jobs", 1)
    assert ended.status == 1
    (failed,) = ended.json["failed"]
    assert failed["version"] == 1 and "pruned" in failed["error"]
    assert run("reread", "--json").json["versions"] == 1
    assert "cannot be read" in run("reread").out


def _wait_for_the_others(database: Database, own: int) -> None:
    """What another process keeps while this one dies is read twice, and differs no more the second time."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with database.read() as conn:
            if rereading.versions_to_read(conn) == [own]:
                break
        time.sleep(0.05)
    time.sleep(0.5)  # for the last one's report


def _die_of_the_third(
    database: Database, settings: object, document: object, version: documents.StoredVersion
) -> object:
    if "third" in version.document.title:
        _wait_for_the_others(database, version.id)
        os.kill(os.getpid(), signal.SIGKILL)
    return releases.read_stored(database, settings, document, version)  # type: ignore[arg-type]


def _prepare_to_die(settings: object) -> None:
    rereading.read_stored = _die_of_the_third  # type: ignore[assignment]
    _prepare(settings)  # type: ignore[arg-type]


_prepare = rereading._prepare


def test_a_document_that_ends_its_process_costs_only_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that crashes a library written in C takes the process with it."""
    spoil(world)
    with world.database.read() as conn:
        ids = rereading.versions_to_read(conn)
    monkeypatch.setattr(rereading, "_prepare", _prepare_to_die)
    monkeypatch.setattr(rereading, "get_context", lambda _: multiprocessing.get_context("fork"))
    report = rereading.reread_archive(world.settings, ids, jobs=2, apply=True)
    assert [f.error for f in report.failed] == ["reading it ends the process"]
    assert "third" in report.failed[0].title
    assert (report.versions, report.changed) == (5, 4)
    with world.database.read() as conn:
        assert rereading.versions_to_read(conn) == [report.failed[0].version_id]


def test_a_pass_in_between_is_not_undone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(world)
    with world.database.read() as conn:
        ids = rereading.versions_to_read(conn)
    plain = releases.read_stored

    def meanwhile(database: Database, settings: object, document: object, version: documents.StoredVersion) -> object:
        found = plain(database, settings, document, version)  # type: ignore[arg-type]
        with database.begin() as conn:
            conn.execute(versions.update().where(versions.c.id == version.id).values(fingerprint="a pass was here"))
        return found

    monkeypatch.setattr(rereading, "read_stored", meanwhile)
    rereading.reread_archive(world.settings, ids, jobs=1, apply=True)
    assert {row[2] for row in record(world.database)} == {"a pass was here"}  # type: ignore[index]
