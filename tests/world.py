"""A watched site and the product that watches it, for tests that go all the way from a page to a message.

    with World(tmp_path) as world:
        world.publish("a", "关于…的答复", ["…每张5000元…"])
        world.check()                       # the baseline
        world.revise("a", "5000元", "6000元")
        world.check()
        world.types(), world.messages       # what was recorded, what arrived

Pages are served over real HTTP on loopback; messages arrive at a real webhook there, signed and all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any, Self

import databases
from servers import Asked, Reply, Site

from pledgewatch.passes import PassReport, pass_over
from pledgewatch.settings import Settings, parse_settings
from pledgewatch.work import Workshop
from storage import events, outbox
from storage.database import Database, open_database
from storage.records import Delivery, Event

START = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def move(self, **step: float) -> None:
        self.now += timedelta(**step)


@dataclass
class Paper:
    title: str
    lines: list[str]
    published: str = "2025-09-15"
    number: str = ""
    index: str = ""
    publisher: str = "云川市民政局"


def trs(paper: Paper, n: int) -> str:
    """A page in the manner of TRS; `n` changes everything but what the document says."""
    body = "\n".join(f"<p>{escape(line)}</p>" for line in paper.lines)
    return f"""<!DOCTYPE html><html><head><meta charset="utf-8">
<meta name="ArticleTitle" content="{escape(paper.title)}">
<meta name="PubDate" content="{paper.published} 10:00"><title>{escape(paper.title)} - 云川市民政局</title>
<!-- 页面生成时间 2026-09-{1 + n % 28:02d} --></head><body>
<div class="top">今天是2026年9月{1 + n % 28}日 <input type="hidden" name="token" value="{n * 7919}"></div>
<div class="crumb">当前位置：首页 &gt; 信息公开</div>
<table><tr><td>索 引 号</td><td>{paper.index}</td><td>文 号</td><td>{paper.number}</td></tr>
<tr><td>发布机构</td><td>{paper.publisher}</td><td>发布日期</td><td>{paper.published}</td></tr></table>
<h1>{escape(paper.title)}</h1><div class="info">浏览次数：{100 + n} 【打印】【关闭】</div>
<div class="TRS_Editor">{body}</div>
<div class="related"><h3>相关新闻</h3><ul><li><a href="/n{n}.html">我市召开第{n}次会议</a></li></ul></div>
<div class="foot">扫一扫在手机打开当前页　访问量：{n * 31}</div></body></html>"""


def boda(paper: Paper, n: int) -> str:
    """The same in the manner of 博达, as after a change of the site's system."""
    body = "\n".join(f'<p style="text-indent:{n % 3}em"><span>{escape(line)}</span></p>' for line in paper.lines)
    return f"""<html><head><meta charset="utf-8"><title>{escape(paper.title)}-云川市民政局</title></head><body>
<div class="nav"><a href="/">网站首页</a></div><form name="_newscontent_fromname"><h1>{escape(paper.title)}</h1>
<ul class="xxgk"><li><span>索引号：</span>{paper.index}</li><li><span>文号：</span>{paper.number}</li>
<li><span>发布机构：</span>{paper.publisher}</li><li><span>发布日期：</span>{paper.published}</li></ul>
<div class="time">发布时间：{paper.published}　点击数：<span>{n * 3}</span></div>
<div id="vsb_content"><div class="v_news_content">{body}</div></div></form>
<p>上一条：<a href="x{n}.htm">第{n}期简报</a></p></body></html>"""


Template = Callable[[Paper, int], str]


class World:
    """A context manager. `subscribers` is TOML; by default one that hears of everything at a webhook."""

    def __init__(self, folder: Path, *, database: str | None = None, config: str = "", subscribers: str | None = None):
        self.folder, self._own = folder, folder / "world.db" if database is None else None
        self._database_url = databases.url_at(self._own) if self._own else database
        self._config, self._subscribers = config, subscribers
        self.source, self.list_path = "city", "/list.html"
        self.papers: dict[str, Paper] = {}
        self.template: Template = trs
        self.furniture = 0
        self.clock = Clock()
        self.bodies: list[dict[str, Any]] = []
        self.site = Site()

    def __enter__(self) -> Self:
        self.site.__enter__()
        self.show_list(self.list_path)
        self.site.route("/hook", self._arrived)
        self.settings: Settings = parse_settings(self.config(), str(self.folder / "config.toml"))
        self.database: Database = open_database(self.settings.storage.url)
        return self

    def __exit__(self, *exc: object) -> None:
        self.database.close()
        if self._own:
            databases.give_up(self._own)
        self.site.__exit__(*exc)  # type: ignore[arg-type]

    def config(self) -> str:
        """The configuration as an operator would write it."""
        subscribers = self._subscribers
        if subscribers is None:
            subscribers = f'[[subscribers]]\nid = "reader"\nto = ["webhook+{self.site.url("/hook")}?secret=s"]\n'
        return f"""
[storage]
url = "{self._database_url}"
[crawl]
delay = 0
allow_private = true
timeout = "3s"
[[sources]]
id = "{self.source}"
url = "{self.site.url(self.list_path)}"
region = "云川市"
{self._config}
{subscribers}
"""

    def reconfigure(self, config: str | None = None) -> None:
        """Go on as after an operator's change of the configuration; `config` is more of the source's table."""
        self._config = self._config if config is None else config
        self.settings = parse_settings(self.config(), str(self.folder / "config.toml"))

    # --- what the site does ---

    def show_list(self, path: str, slugs: Sequence[str] | None = None, after: str = "") -> None:
        """Serve a list of these documents, of all by default, at `path`; `after` is more of the page's body."""
        self.site.route(path, lambda asked: Reply(200, self._list(slugs, after).encode()))

    def publish(self, slug: str, title: str, lines: Sequence[str], **more: str) -> None:
        self.papers[slug] = Paper(title, list(lines), **more)
        self.site.route(f"/{slug}.html", lambda asked, slug=slug: self._document(asked, slug))

    def revise(self, slug: str, before: str, after: str) -> None:
        """Change one passage, which must stand in the document."""
        paper = self.papers[slug]
        whole = "\n".join(paper.lines)
        assert before in whole, f"{before!r} is not in {slug}"
        paper.lines = whole.replace(before, after, 1).split("\n")

    def withdraw(self, slug: str) -> None:
        self.site.remove(f"/{slug}.html")

    def _document(self, asked: Asked, slug: str) -> Reply:
        return Reply(200, self.template(self.papers[slug], self.furniture).encode())

    def _list(self, slugs: Sequence[str] | None = None, after: str = "") -> str:
        rows = "\n".join(
            f'<li><a href="/{slug}.html">{escape(self.papers[slug].title)}</a>'
            f"<span>{self.papers[slug].published}</span></li>"
            for slug in (self.papers if slugs is None else slugs)
        )
        head = '<meta charset="utf-8"><title>信息公开</title>'
        return f"<!DOCTYPE html><html><head>{head}</head><body><ul class=list>{rows}</ul>{after}</body></html>"

    def _arrived(self, asked: Asked) -> Reply:
        self.bodies.append(json.loads(asked.body))
        return Reply(204)

    # --- what the product does ---

    def check(self, passes: int = 1) -> PassReport:
        """So many passes, with a delivery after each; the last one's report."""
        return asyncio.run(self._check(passes))

    async def _check(self, passes: int) -> PassReport:
        async with Workshop(self.settings, self.database, self.clock) as workshop:
            for _ in range(passes):
                for source in self.settings.sources:
                    report = await pass_over(workshop.pipeline, source)
                await workshop.post.deliver()
                self.clock.move(hours=2)
        return report

    # --- what came of it ---

    def events(self, *, baseline: bool = False) -> list[Event]:
        with self.database.read() as conn:
            return [e for e in events.events_since(conn) if baseline or not e.baseline]

    def types(self) -> list[str]:
        return [event.type for event in self.events()]

    def deliveries(self) -> list[Delivery]:
        with self.database.read() as conn:
            return outbox.list_deliveries(conn)
