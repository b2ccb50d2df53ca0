"""The pages in real Chromium: what is shown, and that nothing but our own pages is asked for.

Debian's Chromium, by path. Without it these tests are skipped by name; with PLEDGEWATCH_REQUIRE_ALL=1 they fail.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from servers import Reply, Site
from world import World

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
)

HOSTILE = """</p><script>new Image().src = "{leak}/script"</script><img src="{leak}/img">
<iframe src="{leak}/frame"></iframe><link rel="stylesheet" href="{leak}/style"><p onclick="x()">"""


@pytest.fixture
def chromium() -> str:
    if CHROMIUM:
        return CHROMIUM
    if os.environ.get("PLEDGEWATCH_REQUIRE_ALL") == "1":
        pytest.fail("Chromium is required and not installed")
    pytest.skip("no Chromium on this machine")


def show(program: str, url: str, folder: Path) -> str:
    """The page's DOM once it is loaded, its scripts run, its resources fetched."""
    command = [program, *FLAGS, f"--user-data-dir={folder}", "--virtual-time-budget=3000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


async def _served(world: World, program: str, paths: list[str], folder: Path) -> list[str]:
    from pledgewatch.web import serving

    async with serving(world.settings, world.database) as base:
        return [await asyncio.to_thread(show, program, base + path, folder) for path in paths]


def test_from_the_change_log_to_the_difference(tmp_path: Path, chromium: str) -> None:
    with World(tmp_path, config='[web]\nlisten = "127.0.0.1:0"') as world:
        world.publish("reply", "关于第118号提案的答复", ["现答复如下：对养老机构给予5000元/张的建设补贴。"])
        world.check()
        world.revise("reply", "5000元/张", "6000元/张")
        world.check()
        log, difference = asyncio.run(
            _served(world, chromium, ["/", "/documents/1/diff?from=1&to=2"], tmp_path / "profile")
        )
    assert "5000元/张" in log and "6000元/张" in log
    assert "<del" in difference and "<ins" in difference
    assert "5000元" in difference and "6000元" in difference


def test_an_archived_page_runs_nothing_and_calls_nobody(tmp_path: Path, chromium: str) -> None:
    with Site() as leak, World(tmp_path, config='[web]\nlisten = "127.0.0.1:0"') as world:
        leak.route("/", lambda asked: Reply(200, b"x"))
        world.publish("reply", "关于第118号提案的答复", ["对养老机构给予5000元/张的建设补贴。"])
        plain = world.template
        world.template = lambda paper, n: plain(paper, n).replace(
            '</div>\n<div class="related">',
            HOSTILE.format(leak=leak.url("").rstrip("/")) + '</div>\n<div class="related">',
        )
        world.check()
        (shown,) = asyncio.run(_served(world, chromium, ["/versions/1/raw"], tmp_path / "profile"))
        asked = [request.path for request in leak.requests]
    assert "建设补贴" in shown
    assert asked == []
