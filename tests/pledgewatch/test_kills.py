"""SIGKILL at each named point of a document's path, and at random moments: no change is lost, no alert is lost.

The victim is a process of its own that checks the world's site once and kills itself at the point; then the test
checks again and counts what arrived. A message may come twice only where its delivery was not recorded as sent when the
process died, and then with the same event ids.

PLEDGEWATCH_KILL_ROUNDS says how often on each database; `-rP` shows what was counted.
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
    async def awaited(*args, **kwargs):
        await plain(*args, **kwargs)
        die()
    setattr(module, name, awaited if asyncio.iscoroutinefunction(plain) else wrapped)

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
elif point == "before record":
    before(outbox, "record_sent")
elif point == "recorded, not committed":
    after(outbox, "record_sent")

async def main():
    async with Workshop(settings, open_database(settings.storage.url), lambda: datetime.fromisoformat(now)) as workshop:
        if point == "after send":
            after(workshop.post, "sender")
        print("ready", flush=True)
        for source in settings.sources:
            await pass_over(workshop.pipeline, source)
        await workshop.post.deliver()
asyncio.run(main())
"""

POINTS = (
    *("after capture", "inside T2", "events recorded, not committed"),
    *("after claim", "after send", "before record", "recorded, not committed"),
)
ANY = "at any moment"
PLACES = (*POINTS, ANY)
ROUNDS = -(-int(os.environ.get("PLEDGEWATCH_KILL_ROUNDS", "16")) // len(PLACES))  # at each place

#: Where the message was sent and is not known to be: it comes again.
SENT_UNRECORDED = ("after send", "before record", "recorded, not committed")
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


def kill_at(world: World, place: str, rng: random.Random) -> None:
    """Start a process on the world and see it dead."""
    process = victim(world, place)
    if place == ANY:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors


def recorded(world: World) -> int:
    """How many deliveries are known to be sent."""
    return sum(d.state == "sent" for d in world.deliveries())


def settle(world: World) -> None:
    """Once more, after the dead process's lease has run out."""
    world.clock.move(hours=2)
    world.check()


@pytest.mark.timeout(120 + 30 * ROUNDS)
@pytest.mark.parametrize("place", PLACES)
def test_killed(database_url: str, tmp_path: Path, place: str) -> None:
    """Revision after revision, each met by a process that dies at this place."""
    rng = random.Random(20260901)
    with World(tmp_path, database=database_url) as world:
        world.publish("reply", "关于第118号提案的答复", LINES)
        world.check()
        twice = 0
        for number in range(ROUNDS):
            amount, before = 5000 + 100 * number, len(world.bodies)
            world.revise("reply", f"{amount}元/张", f"{amount + 100}元/张")
            kill_at(world, place, rng)
            known = recorded(world) > number
            settle(world)
            messages = arrived(world)[before:]
            assert len(set(messages)) == 1, "one message, and where it came again the same events"
            assert len(messages) == 2 if place in SENT_UNRECORDED else len(messages) <= (1 if known else 2)
            if place != ANY and place not in SENT_UNRECORDED:
                assert len(messages) == 1, "nothing had been sent yet"
            twice += len(messages) - 1
        assert_nothing_lost(world)
    print(f"{world.database.dialect}, {place}: {ROUNDS} killed, 0 lost, {twice} told twice with the same events")


def arrived(world: World) -> list[tuple[str, ...]]:
    """The event ids of every message that arrived."""
    return [tuple(sorted(str(event["id"]) for event in body)) for body in world.bodies]


def assert_nothing_lost(world: World) -> None:
    """Every revision was recorded once, and what was recorded was told."""
    changed = [e for e in world.events() if e.type == "measure.changed"]
    values = [(e.before["value"], e.after["value"]) for e in changed if e.before and e.after]
    assert values == [(n, n + 100) for n in range(5000, 5000 + 100 * ROUNDS, 100)]
    assert world.types() == ["document.revised", "measure.changed"] * ROUNDS
    assert {str(e.id) for e in world.events()} == {id_ for ids in arrived(world) for id_ in ids}
    assert [d.state for d in world.deliveries()] == ["sent"] * ROUNDS
