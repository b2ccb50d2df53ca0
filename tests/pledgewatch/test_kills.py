"""SIGKILL at each named point of a document's path, and at random moments: no change is lost, no alert is lost.

The victim is a process of its own that checks the world's site once and kills itself at the point; then the test
checks again and counts what arrived. A message may come twice only where the kill fell between sending and recording,
and then with the same event ids.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from world import World

VICTIM = """
import asyncio, os, signal, sys
from pledgewatch import posting, releases
from pledgewatch.passes import pass_over
from pledgewatch.settings import load_settings
from pledgewatch.work import Workshop
from storage import captures, documents, events, outbox
from storage.database import open_database
from datetime import datetime

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def before(module, name):
    setattr(module, name, die)

def after(module, name, when=lambda result: True):
    plain = getattr(module, name)
    def wrapped(*args, **kwargs):
        result = plain(*args, **kwargs)
        if when(result):
            die()
        return result
    setattr(module, name, wrapped)

point, config, now = sys.argv[1:]
settings = load_settings(config)
if point == "after capture":
    before(releases, "commit_release")
elif point == "inside T2":
    after(documents, "add_version")
elif point == "events recorded, not committed":
    after(events, "record_events", bool)
elif point == "after claim":
    after(outbox, "claim", bool)
elif point == "after send":
    before(outbox, "record_sent")
elif point == "recorded, not committed":
    after(outbox, "record_sent")

async def main():
    async with Workshop(settings, open_database(settings.storage.url), lambda: datetime.fromisoformat(now)) as workshop:
        print("ready", flush=True)
        for source in settings.sources:
            await pass_over(workshop.pipeline, source)
        await workshop.post.deliver()
asyncio.run(main())
"""

ROUNDS = int(os.environ.get("PLEDGEWATCH_KILL_ROUNDS", "12"))

POINTS = (
    *("after capture", "inside T2", "events recorded, not committed"),
    *("after claim", "after send", "recorded, not committed"),
)
LINES = [
    "现答复如下：对符合条件的养老机构给予5000元/张的建设补贴。",
    "目前，全市养老机构护理型床位占比达到51.6%。",
]


def victim(world: World, point: str) -> subprocess.Popen[str]:
    config = world.folder / "config.toml"
    config.write_text(world.config(), "utf-8")
    return subprocess.Popen(
        [sys.executable, "-c", VICTIM, point, str(config), world.clock().isoformat()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def arrived(world: World) -> list[tuple[str, ...]]:
    """The event ids of every message that arrived."""
    return [tuple(sorted(str(event["id"]) for event in body)) for body in world.bodies]


def settle(world: World) -> None:
    """Once more, after the dead process's lease has run out."""
    world.clock.move(hours=2)
    world.check()


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(tmp_path: Path, point: str) -> None:
    with World(tmp_path) as world:
        world.publish("reply", "关于第118号提案的答复", LINES)
        world.check()
        world.revise("reply", "5000元/张", "6000元/张")
        process = victim(world, point)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL, errors
        settle(world)
        assert world.types() == ["document.revised", "measure.changed"]
        assert [d.state for d in world.deliveries()] == ["sent"]
        twice = point in ("after send", "recorded, not committed")
        assert len(world.bodies) == (2 if twice else 1)
        assert len(set(arrived(world))) == 1


def test_killed_at_random_moments(tmp_path: Path) -> None:
    """Revision after revision, each met by a process that is killed somewhere."""
    rng = random.Random(20260901)
    with World(tmp_path) as world:
        world.publish("reply", "关于第118号提案的答复", LINES)
        world.check()
        amount = 5000
        for _ in range(ROUNDS):
            world.revise("reply", f"{amount}元/张", f"{amount + 100}元/张")
            amount += 100
            process = victim(world, "never")
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(rng.uniform(0, 0.25))
            process.kill()
            process.communicate()
            settle(world)
        changed = [e for e in world.events() if e.type == "measure.changed"]
        values = [(e.before["value"], e.after["value"]) for e in changed if e.before and e.after]
        assert values == [(n, n + 100) for n in range(5000, amount, 100)]
        told = {id_ for ids in arrived(world) for id_ in ids}
        assert {str(e.id) for e in world.events()} == told
        assert {d.state for d in world.deliveries()} == {"sent"}
