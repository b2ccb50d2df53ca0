"""The demo's steps: what the site does, what the product is expected to say, and whether it said exactly that."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pledgewatch.demo import papers
from pledgewatch.demo.site import DemoSite
from pledgewatch.logs import configure_logs
from pledgewatch.passes import PassReport, pass_over
from pledgewatch.settings import Settings, parse_settings
from pledgewatch.work import Workshop
from storage import events, outbox
from storage.database import Database, open_database

PAUSE_SECONDS = 2.5  # for the reader's eyes, between steps; none with --once

_CONFIG = """
[crawl]
delay = 0.0
allow_private = true

[web]
listen = "127.0.0.1:{port}"

[[sources]]
id = "yunchuan-mzj"
url = "{city}"
name = "云川市民政局 政府信息公开"
region = "云川市"

[[sources]]
id = "qingyu-mzj"
url = "{district}"
name = "青屿区民政局 信息公开目录"
region = "云川市青屿区"

[[sources]]
id = "cities-rules"
url = "{cities}"
name = "省民政厅 各市养老服务政策"

[[tracked]]
id = "nursing-beds"
name = "养老机构护理型床位占比"

[[subscribers]]
id = "analyst"
to = ["terminal://analyst"]
events = ["measure.*", "document.*", "target.*"]

[[subscribers]]
id = "operator"
to = ["terminal://operator"]
events = []
operator = true
"""

Alert = tuple[str, tuple[str, ...]]  # subscriber, and the types of the events in the message


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the site does, and the messages that must follow: these and no others."""

    words: str
    act: Callable[[DemoSite], None]
    expected: tuple[Alert, ...] = ()
    passes: int = 1
    note: str = ""


STEPS = (
    Step(
        "第一次访问：记录基线，不发提醒",
        lambda site: None,
        note=f"首次访问只建立基线：{len(papers.PAPERS)} 份文件、一份 PDF，两种网站样式，其中一种为 gb2312 编码",
    ),
    Step(
        "网站只更换了页面装饰：浏览次数、当天日期、相关信息、令牌、样式",
        DemoSite.change_furniture,
        note="正文未变，没有任何提醒",
    ),
    Step(
        "网站悄悄改了一个数字：建设补贴 5000元/张 改为 6000元/张",
        lambda site: site.revise(papers.REPLY.slug, "5000元/张", "6000元/张"),
        (("analyst", ("document.revised", "measure.changed")),),
    ),
    Step(
        "网站发布新文件：护理型床位占比目标由 55% 改为 60%",
        lambda site: site.publish(papers.WORK_REPORT),
        (("analyst", ("document.published", "measure.restated")),),
    ),
    Step(
        "附件 PDF 被同名替换：困难残疾人生活补贴标准变了",
        DemoSite.replace_pdf,
        (("analyst", ("document.revised", "measure.changed")),),
    ),
    Step(
        "网站被防护页面挡住（HTTP 412）",
        lambda site: site.challenge(True),
        (("operator", ("source.blocked",)),) * 3,
        note="不会误报“文件全部撤下”，只告知运维人员",
    ),
    Step(
        "防护解除，一切照旧",
        lambda site: site.challenge(False),
        (("operator", ("source.recovered",)),) * 3,
    ),
    Step(
        "网站撤下一份文件，连续两次访问都不在",
        lambda site: site.withdraw(papers.RULE.slug),
        (("analyst", ("document.withdrawn",)),),
        passes=2,
    ),
)


def run_demo(*, once: bool, port: int) -> int:
    """Run the demo; status 0 if exactly the expected alerts came, 1 if not. Without `once` it waits for Ctrl-C."""
    configure_logs(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="pledgewatch-demo-") as folder, DemoSite(papers.PAPERS) as site:
        settings = _settings(site, Path(folder), port)
        return asyncio.run(_Show(site, settings, once=once).run())


def _settings(site: DemoSite, folder: Path, port: int) -> Settings:
    text = _CONFIG.format(
        city=site.url(papers.REPLY.list_path),
        district=site.url(papers.DISTRICT_REPLY.list_path),
        cities=site.url(papers.RULES[0].list_path),
        port=_free_port(port),
    )
    return parse_settings(text, str(folder / "config.toml"))


def _free_port(wanted: int) -> int:
    """The wanted port, or any free one where it is taken: a demo must not fail on somebody's other program."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                print(
                    f"pledgewatch: 127.0.0.1:{wanted} is taken by another program; using a free port", file=sys.stderr
                )
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


class _Show:
    def __init__(self, site: DemoSite, settings: Settings, *, once: bool) -> None:
        self.site, self.settings, self.once = site, settings, once
        self.console = Console(highlight=False)
        self.seen = 0
        self.wrong: list[str] = []

    async def run(self) -> int:
        from pledgewatch.web import serving

        database = open_database(self.settings.storage.url)
        async with AsyncExitStack() as stack:
            base = await stack.enter_async_context(serving(self.settings, database))
            workshop = await stack.enter_async_context(Workshop(self.settings, database))
            self.console.print(Text(f"演示网站 {self.site.url('/')}　Pledgewatch 网页 {base}", "bold"))
            for number, step in enumerate(STEPS, 1):
                await self._play(workshop, database, number, step)
            self._sum_up()
            if not self.once:
                self.console.print(f"网页仍可浏览：{base}　按 Ctrl-C 结束")
                await _interrupted()
        return 1 if self.wrong else 0

    async def _play(self, workshop: Workshop, database: Database, number: int, step: Step) -> None:
        self.console.print()
        self.console.print(Text(f"第 {number} 步　{step.words}", "bold cyan"))
        step.act(self.site)
        for _ in range(step.passes):
            reports = [await pass_over(workshop.pipeline, source) for source in self.settings.sources]
            await workshop.post.deliver()
        self.console.print(Text(_counted(reports), "dim"))
        if step.note:
            self.console.print(Text(step.note, "green"))
        self._compare(number, step, self._told(database))
        if not self.once:
            await asyncio.sleep(PAUSE_SECONDS)

    def _told(self, database: Database) -> list[Alert]:
        """The messages that were delivered since the last step."""
        with database.read() as conn:
            new = outbox.list_deliveries(conn, since=self.seen)
            told = [
                (d.subscriber, tuple(sorted(e.type for e in events.events_by_ids(conn, d.events))))
                for d in new
                if d.state == "sent"
            ]
        self.seen = max([self.seen, *(d.id for d in new)])
        return told

    def _compare(self, number: int, step: Step, told: Sequence[Alert]) -> None:
        expected = sorted((who, tuple(sorted(types))) for who, types in step.expected)
        if sorted(told) == expected:
            return
        self.wrong.append(f"第 {number} 步：应有 {expected}，实有 {sorted(told)}")
        self.console.print(Text(self.wrong[-1], "bold red"))

    def _sum_up(self) -> None:
        self.console.print()
        if self.wrong:
            self.console.print(Text(f"{len(self.wrong)} 步与预期不符", "bold red"))
            return
        alerts = sum(len(step.expected) for step in STEPS)
        self.console.print(Text(f"{len(STEPS)} 步全部符合预期：{alerts} 条提醒，一条不多，一条不少", "bold green"))


def _counted(reports: Sequence[PassReport]) -> str:
    names = {"new": "新增", "revised": "修订", "unchanged": "未变", "withdrawn": "撤下", "blocked": "被拦截"}
    totals = {name: sum(getattr(report, name) for report in reports) for name in names}
    told = "，".join(f"{names[name]} {total}" for name, total in totals.items() if total)
    seconds = sum(report.seconds for report in reports)
    return f"访问 {len(reports)} 个来源：{told or '无变化'}（{seconds:.1f} 秒）"


async def _interrupted() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
