"""An archived page in a real browser: it is shown, runs nothing and calls nobody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from live import served
from playwright.sync_api import Browser
from servers import Reply, Site
from world import World

HOSTILE = """</p><script>new Image().src = "{leak}/script"</script><img src="{leak}/img">
<iframe src="{leak}/frame"></iframe><link rel="stylesheet" href="{leak}/style"><p onclick="x()">"""


def test_an_archived_page_runs_nothing_and_calls_nobody(tmp_path: Path, browser: Browser) -> None:
    """No request is stopped by the test: what would be asked for arrives at the leak."""
    with Site() as leak, World(tmp_path, config='[web]\nlisten = "127.0.0.1:0"') as world:
        leak.route("/", lambda asked: Reply(200, b"x"))
        world.publish("reply", "关于第118号提案的答复", ["对养老机构给予5000元/张的建设补贴。"])
        plain = world.template
        world.template = lambda paper, n: plain(paper, n).replace(
            '</div>\n<div class="related">',
            HOSTILE.format(leak=leak.url("").rstrip("/")) + '</div>\n<div class="related">',
        )
        with ThreadPoolExecutor(1) as apart:  # from the browser's event loop
            apart.submit(world.check).result()
        with served(world) as base:
            page = browser.new_page()
            page.goto(f"{base}/versions/1/raw", wait_until="networkidle")
            shown = page.content()
            page.close()
        asked = [request.path for request in leak.requests]
    assert "建设补贴" in shown and "<iframe" in shown
    assert asked == []
