"""The demo is run as a user runs it; it checks its own alerts, so these tests check that it can fail."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pledgewatch.demo import papers, show
from pledgewatch.demo.site import DemoSite

PROGRAM = Path(sys.executable).with_name("pledgewatch")


def test_the_demo_says_exactly_what_is_expected(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "demo", "--once", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "5000→6000元/张 +20%" in done.stdout
    assert f"{len(show.STEPS)} 步全部符合预期" in done.stdout
    assert done.stderr == ""


def test_an_alert_too_many_or_too_few_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    baseline, revision = show.STEPS[0], show.STEPS[2]
    monkeypatch.setattr(show, "STEPS", (baseline, dataclasses.replace(revision, act=lambda site: None)))
    assert show.run_demo(once=True, port=0) == 1
    monkeypatch.setattr(show, "STEPS", (baseline, dataclasses.replace(revision, expected=())))
    assert show.run_demo(once=True, port=0) == 1
    assert "应有" in capsys.readouterr().out


def test_the_site_has_documents_in_two_looks_and_a_pdf() -> None:
    everything = (*papers.PAPERS, papers.WORK_REPORT)
    assert len({paper.path for paper in everything}) == len(everything) == 13
    assert {paper.look for paper in everything} == {"trs", "boda"}
    assert any(paper.pdf for paper in everything)


def test_a_passage_that_is_not_there_cannot_be_revised() -> None:
    with DemoSite(papers.PAPERS) as site, pytest.raises(ValueError, match="stands 0 times"):
        site.revise(papers.REPLY.slug, "7000元/张", "8000元/张")


def test_furniture_changes_the_bytes_and_nothing_else() -> None:
    with DemoSite(papers.PAPERS) as site:
        _, _, before = site.answer(papers.REPLY.path)
        site.change_furniture()
        _, _, after = site.answer(papers.REPLY.path)
    assert before != after
