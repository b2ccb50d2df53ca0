"""A suspect's pass, which a worker has done in a process of its own: what the worker's metrics are told of it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from pathlib import Path

import pytest
from servers import Reply, Site
from world import Paper, trs

from pledgewatch.settings import parse_settings
from pledgewatch.workers import Station
from storage.database import open_database
from storage.errors import StorageError
from storage.sources import sync_sources


def counted(station: Station) -> dict[str, float]:
    """Passes by result, and of how many the length is known."""
    told = station.metrics.registry.get_sample_value
    results = {name: told("pledgewatch_passes_total", {"result": name}) or 0.0 for name in ("ok", "failed")}
    return results | {"timed": told("pledgewatch_pass_duration_seconds_count") or 0.0}


def test_a_pass_in_a_process_of_its_own_is_counted_by_how_it_ended(
    tmp_path: Path, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site() as site, closing(open_database(postgresql_url)) as database:
        paper = Paper("关于扩大普惠养老供给的提案的答复", ["目前，全市建成家庭养老床位3200余张。"])
        row = f'<li><a href="/a.html">{paper.title}</a><span>{paper.published}</span></li>'
        rows = f'<meta charset="utf-8"><title>信息公开</title><ul class=list>{row}</ul>'
        site.route("/list.html", lambda asked: Reply(200, rows.encode()))
        site.route("/a.html", lambda asked: Reply(200, trs(paper, 1).encode()))
        settings = parse_settings(
            f'[storage]\nurl = "{postgresql_url}"\n[crawl]\nallow_private = true\ndelay = 0\n'
            '[workers]\nengine = "procrastinate"\n'
            f'[[sources]]\nid = "well"\nurl = "{site.url("/list.html")}"\n'
            f'[[sources]]\nid = "ill"\nurl = "{site.url("/nowhere.html")}"\n'
        )
        station = Station(settings, None, database, {"crawl"})
        with database.begin() as conn:
            sync_sources(conn, {source.id: source.url for source in settings.sources}, station.clock())
        well, ill = settings.sources
        assert asyncio.run(station._pass_apart(well))
        assert counted(station) == {"ok": 1, "failed": 0, "timed": 1}
        assert asyncio.run(station._pass_apart(ill)), "a pass that found nothing has ended nobody's process"
        assert counted(station) == {"ok": 1, "failed": 1, "timed": 2}
        for ending in ("kill -9 $$", "exit 1"):
            program = tmp_path / "python"
            program.write_text(f"#!/bin/sh\n{ending}\n", "utf-8")
            program.chmod(0o700)
            monkeypatch.setattr(sys, "executable", str(program))
            try:
                assert not asyncio.run(station._pass_apart(well))
            except StorageError:
                assert ending == "exit 1"
        assert counted(station) == {"ok": 1, "failed": 1, "timed": 2}, "a pass that did not end is none"
