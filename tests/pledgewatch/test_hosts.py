"""How a host wants to be treated outlasts the process that learned it: real servers, real databases, real processes."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from servers import Reply, Site
from world import World

from crawler.fetch import CrawlPolicy, Fetch, Fetcher
from storage.database import Database
from storage.hosts import HostBook
from storage.records import Capture

POLICY = CrawlPolicy("Tests (+mailto:ops@example.org)", delay=0, allow_private=True, timeout=10.0, obey_robots=False)


def fetch(database: Database, *urls: str, daily: int | None = None, killed: bool = False) -> list[Capture]:
    """One after the other, by a fetcher of its own, which may end without a word."""

    async def inside() -> list[Capture]:
        policy = CrawlPolicy(POLICY.user_agent, 0, False, True, 10.0, per_host_daily=daily)
        async with Fetcher(policy, memory=HostBook(database)) as fetcher:
            found = [await fetcher.fetch(Fetch(url, "s")) for url in urls]
            if killed:
                fetcher.manners._lanes.clear()
            return found

    return asyncio.run(asyncio.wait_for(inside(), 60))


@pytest.mark.parametrize("killed", [False, True], ids=["left", "killed"])
@pytest.mark.parametrize("status", [503, 429])
def test_patience_that_a_host_asked_for_is_given_by_the_next_fetcher(
    database: Database, status: int, killed: bool
) -> None:
    with Site() as site:
        site.route("/busy.html", lambda asked: Reply(status, headers={"Retry-After": "600"}))
        site.page("/a.html", "<p>养老服务</p>")
        (busy,) = fetch(database, site.url("/busy.html"), killed=killed)
        assert busy.retry_after == 600
        (refused,) = fetch(database, site.url("/a.html"))
        assert refused.reason.startswith("backing-off until")
        assert refused.retry_after is not None and 500 < refused.retry_after <= 600
        assert site.count("/a.html") == 0


def test_a_budget_is_spent_once_however_many_fetchers_there_are(database: Database) -> None:
    with Site() as site:
        site.page("/a.html", "<p>养老服务</p>")
        url = site.url("/a.html")
        for _ in range(3):
            fetch(database, url, url, url, daily=7)
        assert site.count("/a.html") == 7
        (refused,) = fetch(database, url, daily=7)
        assert refused.reason.startswith("budget: 7 requests")
        (again,) = fetch(database, url, daily=8)
        assert again.status == 200, "a larger budget holds at once"


def test_who_is_killed_takes_no_more_than_his_grant(database: Database) -> None:
    with Site() as site:
        site.page("/a.html", "<p>养老服务</p>")
        url = site.url("/a.html")
        fetch(database, url, url, daily=30, killed=True)  # 20 were his
        fetch(database, *[url] * 30, daily=30)
        assert site.count("/a.html") == 2 + 10


def test_check_goes_on_from_what_the_check_before_it_was_told(tmp_path: Path) -> None:
    def check(world: World) -> dict[str, object]:
        text = world.config().replace("timeout", "obey_robots = false\nper_host_daily = 4\ntimeout")
        (tmp_path / "config.toml").write_text(text, "utf-8")
        program = [sys.executable, "-c", "from pledgewatch.cli import main; main()", "check", "--json"]
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout, done.stderr
        return dict(json.loads(done.stdout))

    with World(tmp_path) as world:
        world.publish("a", "关于第1号提案的答复", ["对符合条件的养老机构给予5000元/张的建设补贴。"])
        assert check(world)["new"] == 1
        assert check(world)["unchanged"] == 1
        third = check(world)
        assert str(third["error"]).startswith("list: budget: 4 requests"), third
        assert len(world.site.requests) == 4
