"""The archive looked after from the command line: its size, its soundness, what may go, and moves."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from operating import Operator
from world import START, World

from storage import database as databases
from storage import upkeep
from storage.database import open_database
from storage.tables import blobs, captures, statements

LINES = ["对符合条件的养老机构给予5000元/张的建设补贴。" * 5]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path, database=database_url, subscribers="") as world:
        world.publish("reply", "关于市政协第18号提案的答复", LINES)
        world.publish("other", "关于市政协第19号提案的答复", LINES)
        world.check()
        for n in range(5, 9):
            world.revise("reply", f"{n}000元/张", f"{n + 1}000元/张")
            world.furniture = n
            world.check()
        write(world)
        yield world


def write(world: World, more: str = "") -> None:
    (world.folder / "config.toml").write_text(world.config() + more, "utf-8")


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setattr("pledgewatch.work.utc_now", lambda: START + timedelta(days=300))
    return Operator(world.folder / "config.toml", capsys, monkeypatch)


def test_stats_count_what_is_there(world: World, run: Operator) -> None:
    found = run("storage", "stats", "--json").json
    assert (found["rows"]["documents"], found["rows"]["versions"]) == (2, 6)
    assert set(found["bodies"]) == {"document", "list", "text"}
    assert found["bodies"]["list"]["count"] == 1
    assert 0 < found["bytes_kept"] < found["bytes"]
    kept = sum(b["kept"] for kind, b in found["bodies"].items() if kind != "list")
    assert found["bytes_per_version"] == kept / 6
    assert 0 < found["repeated"] < 1
    shown = run("storage", "stats").out
    assert "2 documents, 6 versions" in shown and "a version" in shown


@pytest.mark.parametrize(
    "words",
    [
        *("storage stats", "storage stats --json", "storage verify", "storage prune", "reread"),
        *("documents", "events", "measures", "deliveries", "export --all --to out"),
    ],
)
def test_looking_into_an_archive_makes_none(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "empty.toml"
    config.write_text(f'[storage]\nurl = "sqlite:///{tmp_path}/new.db"\n[storage.keep]\nversions = 1\n', "utf-8")
    run = Operator(config, capsys, monkeypatch)
    ended = run(*words.split())
    assert ended.status == 0
    assert ended.err.count(f"there is no archive at {tmp_path}/new.db yet; `check` or `run` makes one\n") == 1
    assert [path.name for path in tmp_path.glob("new*")] == []
    config.write_text(f'storage.url = "sqlite:///{tmp_path}/nowhere/new.db"', "utf-8")
    ended = run(*words.split())
    assert (ended.status, ended.out) == (2, "")
    assert f"pledgewatch: {tmp_path}/nowhere: there is no such folder; make it, or choose another folder\n" in ended.err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "words",
    [
        *("storage copy --to sqlite:///{}/other.db", "deliveries retry 1", "measures merge a b", "measures split a 1"),
        *("subscribers renew wang", "subscribers resume wang", "users remove li", "tokens remove report"),
    ],
)
def test_changing_what_an_archive_holds_makes_none(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun_with(tmp_path, monkeypatch, capsys)
    ended = run(*words.format(tmp_path).split())
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == f"pledgewatch: there is no archive at {tmp_path}/new.db yet; `check` or `run` makes one\n"
    assert [path.name for path in tmp_path.glob("*.db*")] == []


def test_subscribers_without_an_archive_have_no_feed_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun_with(tmp_path, monkeypatch, capsys)
    ended = run("subscribers", "list", "--json")
    assert ended.status == 0 and f"there is no archive at {tmp_path}/new.db yet" in ended.err
    (line,) = ended.lines
    assert (line["id"], line["feed"], line["unsubscribed"]) == ("wang", None, {})
    ended = run("subscribers", "list")
    assert ended.out.startswith("wang: terminal://") and "feed" not in ended.out
    assert [path.name for path in tmp_path.glob("*.db*")] == []


def begun_with(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Operator:
    config = folder / "config.toml"
    subscriber = '[[subscribers]]\nid = "wang"\nto = ["terminal://me"]\n'
    config.write_text(f'[storage]\nurl = "sqlite:///{folder}/new.db"\n{subscriber}', "utf-8")
    return Operator(config, capsys, monkeypatch)


def test_verify_says_that_all_is_well(run: Operator) -> None:
    ended = run("storage", "verify")
    assert (ended.status, ended.out) == (0, "")
    assert "all is well" in ended.err
    found = run("storage", "verify", "--json").json
    assert found["ok"] and found["faults"] == [] and set(found["chains"]) == {"city"}


def test_verify_names_what_is_wrong(world: World, run: Operator) -> None:
    with world.database.begin() as conn:
        conn.execute(captures.update().where(captures.c.id == 2).values(reason="tampered"))
        sha = conn.execute(sa.select(blobs.c.sha256).where(blobs.c.depth == 0).limit(1)).scalar()
        conn.execute(blobs.update().where(blobs.c.sha256 == sha).values(data=b"tampered"))
    ended = run("storage", "verify")
    assert ended.status == 1
    assert "source city: capture 2 was changed" in ended.out and f"blob {sha} is damaged" in ended.out
    assert run("storage", "verify", "--json").json["faults"] == ended.out.splitlines()


def test_prune_first_says_and_then_does(world: World, run: Operator) -> None:
    before = run("storage", "prune", "--json")
    assert (before.status, before.json["bodies"]) == (0, 0)
    assert "[storage.keep]" in before.err
    write(world, "[storage.keep]\nversions = 2\nunchanged = '30d'\n")
    tried = run("storage", "prune", "--dry-run", "--json").json
    assert tried["bodies"] > 0 and tried["bytes_freed"] is None
    assert tried == run("storage", "prune", "--dry-run", "--json").json
    assert "would go" in run("storage", "prune", "--dry-run").out
    assert "nothing may go" not in run("storage", "prune", "--dry-run").err
    done = run("storage", "prune", "--json").json
    assert (done["bodies"], done["reasons"]) == (tried["bodies"], tried["reasons"])
    assert run("storage", "stats", "--json").json["bodies"]["document"]["pruned"] == done["bodies"]
    assert run("storage", "verify").status == 0
    assert run("diff", world.site.url("/reply.html"), "--from", 1, "--to", 5, "--json").status == 0
    again = run("storage", "prune", "--dry-run")
    assert again.out.startswith("0 bodies would go") and "latest versions, those that a message named" in again.err
    assert run("storage", "prune", "--json").json["bodies"] == 0
    world.check()
    assert world.types()[-1] == "measure.changed"  # nothing new came of it


def test_a_policy_that_cannot_be_is_refused(world: World, run: Operator) -> None:
    write(world, "[storage.keep]\nversions = 0\n")
    ended = run("storage", "prune")
    assert ended.status == 2 and "storage.keep.versions" in ended.err


def test_a_copy_is_used_like_the_first(world: World, run: Operator, tmp_path: Path, sqlite_url: str) -> None:
    (tmp_path / "copy").mkdir()
    target = f"sqlite:///{tmp_path / 'copy' / 'a.db'}"
    ended = run("storage", "copy", "--to", target, "--json")
    assert ended.status == 0, ended.err
    assert ended.json["verified"] and ended.json["rows"]["versions"] == 6
    documents = run("documents", "--json").out
    with World(tmp_path / "copy", database=target, subscribers="") as other:
        write(other)
        again = Operator(tmp_path / "copy" / "config.toml", run._capsys, run._monkeypatch)
        assert again("documents", "--json").out == documents
        assert again("storage", "verify").status == 0
    full = run("storage", "copy", "--to", target)
    assert full.status == 2 and "not empty" in full.err


def test_there_and_back_again(world: World, run: Operator, tmp_path: Path, database_url: str) -> None:
    """SQLite → PostgreSQL → SQLite, or the other way about, is the same to the last row."""
    middle = f"sqlite:///{tmp_path / 'middle.db'}"
    assert run("storage", "copy", "--to", middle).status == 0
    told = {name: run(*name.split(), "--json").out for name in ("documents", "events", "measures", "storage verify")}
    config = (world.folder / "config.toml").read_text("utf-8")
    world.database.close()
    with open_database(database_url).begin() as conn:
        for table in reversed(upkeep.metadata.sorted_tables):
            if table is blobs:
                conn.execute(blobs.update().values(base_sha256=None))
            conn.execute(table.delete())
    (world.folder / "config.toml").write_text(config.replace(database_url, middle), "utf-8")
    assert run("storage", "copy", "--to", database_url).status == 0
    (world.folder / "config.toml").write_text(config, "utf-8")
    for name, before in told.items():
        assert run(*name.split(), "--json").out == before, name


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("a.db", "--to: no database URL; one looks like sqlite:///FILE or postgresql://USER@HOST/NAME"),
        ("mysql://localhost/x", "only sqlite and postgresql"),
        ("postgresql://nobody:T0PSECRET@127.0.0.1:1/x", "does not answer"),
        ("sqlite:////proc/nothing/a.db", "another folder"),
    ],
)
def test_a_target_that_cannot_be_opened_is_told(run: Operator, url: str, said: str) -> None:
    ended = run("storage", "copy", "--to", url)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err and "T0PSECRET" not in ended.err and "Traceback" not in ended.err


def test_a_full_disk_is_told_and_leaves_nothing(world: World, tmp_path: Path) -> None:
    target = tmp_path / "full.db"
    open_database(f"sqlite:///{target}").close()
    limit = target.stat().st_size + 20_000

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with world.database.begin() as conn:  # more than there is room for
        quotes = [{"id": 10_000 + n, "version_id": 1, "position": 100 + n, "sentence": "养" * 900} for n in range(100)]
        rest = {"kind": "target", "subject": "x", "bodies": [], "figures": []}
        conn.execute(statements.insert(), [quote | rest for quote in quotes])
    command = ["storage", "copy", "--to", f"sqlite:///{target}", "--config", str(world.folder / "config.toml")]
    ended = subprocess.run(
        [sys.executable, "-c", "from pledgewatch.cli import main; main()", *command],
        capture_output=True,
        text=True,
        preexec_fn=small_disk,
        timeout=60,
    )
    assert ended.returncode == 1, ended.stderr
    assert "disk" in ended.stderr and "Traceback" not in ended.stderr
    again = open_database(f"sqlite:///{target}")
    with again.read() as conn:
        assert not any(upkeep.stats(conn).rows.values())
    again.close()


@pytest.fixture
def file_world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, database=f"sqlite:///{tmp_path / 'file.db'}", subscribers="") as world:
        world.publish("reply", "关于市政协第18号提案的答复", LINES)
        world.check()
        world.revise("reply", "5000元/张", "6000元/张")
        world.check()
        world.database.close()
        write(world, "[storage.keep]\nversions = 1\n")
        yield world


def test_a_locked_file_is_told(
    file_world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.1)
    run = Operator(file_world.folder / "config.toml", capsys, monkeypatch)
    other = sqlite3.connect(file_world.folder / "file.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for command in (["prune"], ["copy", "--to", f"sqlite:///{file_world.folder / 'file.db'}"]):
        ended = run("storage", *command)
        assert ended.status == 1 and "another program is writing" in ended.err, ended.err
    other.close()
    assert run("storage", "prune").status == 0


def test_a_damaged_file_is_told(
    file_world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_world.folder / "file.db"
    run = Operator(file_world.folder / "config.toml", capsys, monkeypatch)
    assert run("storage", "verify").status == 0
    whole = path.read_bytes()
    for page in range(1, len(whole) // 4096, 7):
        path.write_bytes(whole[: page * 4096] + b"\xff" * 4096 + whole[(page + 1) * 4096 :])
        for command in ("verify", "stats", "prune"):
            ended = run("storage", command)
            if command == "verify":
                assert ended.status in (1, 2), page
            assert ended.status in (0, 1, 2)
            assert "Traceback" not in ended.err
    path.write_bytes(b"something else" * 1000)
    assert run("storage", "verify").status == 2
