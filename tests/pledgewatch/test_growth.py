"""What a pass over one source costs does not depend on what the archive holds of others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from world import World

from benchmarks.stock import REGIONS, Size, build
from pledgewatch.reader import READER
from storage.database import Database
from storage.tables import documents, tracked, versions

OTHERS = Size(documents=1500, versions=2, statements=4, sources=1, measures=500)


def test_a_pass_costs_the_same_beside_fifteen_hundred_documents_of_others(tmp_path: Path) -> None:
    """Counted in steps of SQLite's machine, which no other program on this one can change."""
    alone, beside = steps_of_a_day(tmp_path / "alone", 0), steps_of_a_day(tmp_path / "beside", OTHERS.documents)
    more = {statement: (alone[statement], steps) for statement, steps in (beside - alone).items() if steps > 10}
    more.pop("COMMIT", None)  # SQLite puts the parts of its word index together in it, now and then
    assert not more, more
    assert sum(alone.values()) > 100  # the count counts


def steps_of_a_day(folder: Path, others: int) -> Counter[str]:
    """Statement → tens of steps, of a pass over eighty documents that meets a revised one and a new one."""
    folder.mkdir()
    with World(folder, database=f"sqlite:///{folder / 'world.db'}") as world:
        if others:
            build(world.database, OTHERS)
            elsewhere = next(region for region in REGIONS if region != "云川市")
            with world.database.begin() as conn:
                for table in (documents, tracked):
                    conn.execute(table.update().where(table.c.region == "云川市").values(region=elsewhere))
                conn.execute(versions.update().values(reader=READER))
        for n in range(80):
            words = ["您提出的建议已经收悉，有关工作正在研究。"]
            world.publish(f"a{n}", f"关于第{n}号提案的答复", words, number=f"云民〔2025〕{n}号")
        world.check()
        world.revise("a11", "正在研究", "已经完成")
        world.publish("b", "关于印发实施方案的通知", ["到2027年，护理型床位占比达到80%。"], number="云民〔2025〕99号")
        before = len(world.bodies)
        with counting(world.database) as steps:
            world.check()
        assert len(world.bodies) == before + 2
    return steps


@contextmanager
def counting(database: Database) -> Iterator[Counter[str]]:
    steps: Counter[str] = Counter()
    running = ""

    def begins(statement: str) -> None:
        nonlocal running
        running = re.sub(r"'[^']*'|\d+", "?", statement)

    def watch(conn: Any, *_: Any) -> None:
        conn.set_trace_callback(begins)
        conn.set_progress_handler(lambda: steps.update([running]), 10)

    sa.event.listen(database.engine, "checkout", watch)
    yield steps
    sa.event.remove(database.engine, "checkout", watch)
