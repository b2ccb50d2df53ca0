"""Patterns of an operator: they choose titles, and none of them can hold up the service."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from servers import Reply
from world import World

from pledgewatch.probing import probe

BOMB = "^(?:养|老|养老)+[a-z]$"
TITLE = "养老" * 40 + "服务"


@pytest.mark.parametrize("key", ["include", "exclude"])
def test_a_pattern_that_never_ends_fails_its_source_by_name(tmp_path: Path, key: str) -> None:
    with World(tmp_path, config=f"{key} = {json.dumps([BOMB])}") as world:
        world.publish("a", TITLE, ["每张5000元。"])
        report = world.check()
        assert (report.ok, report.new) == (False, 0)
        assert report.error and BOMB in report.error and "takes too long" in report.error
        found = asyncio.run(probe(world.settings, world.settings.sources[0]))
        assert found.error and "takes too long" in found.error
        world.reconfigure(f'{key} = "养老金"')
        assert world.check().ok


def test_patterns_choose_by_title(tmp_path: Path) -> None:
    with World(tmp_path, config='include = ["养老|老年", "^关于.*补贴"]\nexclude = ["解读$"]') as world:
        for slug, title in enumerate(("养老服务办法", "关于育儿补贴的通知", "养老服务解读", "招聘公告")):
            world.publish(str(slug), title, ["每张5000元。"])
        assert world.check().new == 2


def test_a_pattern_that_never_ends_on_a_documents_own_title_fails_its_source_too(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        for slug in "abc":
            world.publish(slug, TITLE, ["每张5000元。"])
        world.site.route(world.list_path, lambda asked: Reply(200, world._list().replace(TITLE, "办事指南").encode()))
        assert world.check().new == 3
        world.reconfigure(f"exclude = {json.dumps([BOMB])}")
        report = world.check()
        assert not report.ok and report.error and "takes too long" in report.error
