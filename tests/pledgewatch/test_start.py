"""What a command loads. Half of a short command's time is its start, and one careless import brings all of it back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from world import World

PROGRAM = """
import json, sys
from pledgewatch.cli import main
try:
    main()
finally:
    sys.stderr.write("\\n" + json.dumps(sorted(sys.modules)))
"""

#: What reads documents and measures, and what compares them.
READING = (
    *("crawler.document", "crawler.files", "crawler.pdf", "monitors.statements", "monitors.rules", "monitors.threads"),
    *("pledgewatch.gathering", "pledgewatch.releases", "bs4", "trafilatura", "pypdfium2", "pdfplumber", "docx"),
)
#: What reads lists, and what tells good answers from bad ones.
LISTS = ("crawler.listing", "crawler.judging", "pledgewatch.lists")
#: What other commands need.
OTHERS = ("alembic", "apprise", "apscheduler", "fastapi", "jinja2", "playwright", "regex", "uvicorn")
#: What none needs before it works.
LIBRARIES = ("aiohttp", "asyncio", "lxml", "pydantic", "rich", "scrapy", "sqlalchemy", "structlog", "twisted")


def loaded(*words: str) -> set[str]:
    """The modules that a command had loaded when it ended well."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, check=False, text=True)
    assert ended.returncode == 0, ended.stderr
    return set(json.loads(ended.stderr.splitlines()[-1]))


def among(modules: Sequence[str], found: set[str]) -> list[str]:
    return [name for name in modules if name in found]


def test_help_loads_no_library() -> None:
    assert among([*READING, *OTHERS, *LIBRARIES], loaded("--help")) == []


def test_a_pass_over_unchanged_pages_loads_nothing_that_reads(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        for n in range(3):
            world.publish(f"doc{n}", f"关于第{n}件建议的答复", [f"对新增床位给予每张{n + 1}000元的建设补贴。"])
        world.check()
        config = tmp_path / "config.toml"
        config.write_text(world.config(), "utf-8")
        found = loaded("check", "--config", str(config))
        assert "pledgewatch.passes" in found
        assert among([*READING, *LISTS, *OTHERS], found) == []
        world.revise("doc1", "2000元", "3000元")
        found = loaded("check", "--config", str(config))
        assert among(["crawler.document", "monitors.rules"], found) == ["crawler.document", "monitors.rules"]
