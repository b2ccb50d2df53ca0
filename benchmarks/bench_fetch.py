"""Pages per second and CPU per page of a whole pass, beside bare Scrapy, urlwatch and webchanges on the same site.

Every contender is a program that is run twice: once to know the pages, then, timed from its start to its end, to look
at them again. Bare Scrapy has its default settings, a callback that counts and no pipeline; it keeps nothing. Rounds
alternate between contenders and the best of each is taken, for everything that disturbs a run makes it slower.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.fetch_contenders import addresses
from benchmarks.pass_contender import FOLDER
from benchmarks.table import Row

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """What is looked at: `hosts` share the pages, which `list` of the server leads to and which answer `status`."""

    name: str
    hosts: int
    list: str
    pages: int
    status: int = 200


@dataclass(frozen=True)
class Contender:
    """A program of ours, or a peer."""

    name: str
    arguments: tuple[str, ...] = ()
    peer: peers.Peer | None = None

    @property
    def rounds(self) -> int:
        return 1 if self.name == "webchanges" else ROUNDS  # it takes half a minute

    def command(self, port: int, case: Case, folder: Path) -> list[str]:
        if self.peer is None:
            return [sys.executable, "-m", *self.arguments, str(port), str(case.hosts), str(case.pages), case.list]
        jobs = folder / f"{case.list}{case.hosts}.yaml"
        wanted = addresses(port, case.hosts, case.pages, case.list)
        jobs.write_text("\n---\n".join(f"url: {url}" for url, _ in wanted), "utf-8")
        return self.peer.command(folder, jobs)


@dataclass(frozen=True)
class Run:
    """Pages per second and milliseconds of CPU per page: of the whole process, and of the pass alone where told."""

    rate: float
    cpu: float
    pass_rate: float | None = None
    pass_cpu: float | None = None


SCRAPY = Contender("bare Scrapy", ("benchmarks.fetch_contenders", "scrapy"))
FETCHER = Contender("our fetcher alone", ("benchmarks.fetch_contenders", "fetcher"))
OURS = Contender("whole pass", ("benchmarks.pass_contender",))
CASES = (
    Case("304", 1, "list", 1000, 304),
    Case("304, 8 hosts", 8, "list", 1000, 304),
    Case("200, same bytes", 1, "bare", 1000),
    Case("200, all changed", 1, "moving", 200),
)


@contextmanager
def site() -> Iterator[int]:
    """The server in a process of its own; gives its port."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.server"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def ask(port: int, word: str) -> dict[str, Any]:
    """What the server says: "told", or "publish" for another edition."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{word}") as answer:
        return dict(json.loads(answer.read() or b"{}"))


def timed(command: Sequence[str], folder: Path) -> tuple[str, float, float]:
    """Run a program: what it printed, the seconds that it took and those of CPU. Raises where it fails.

    Everybody's modules are compiled once, as pip compiles those that it installs: ours, which run from the working
    tree, by the first run, which no case counts.
    """
    environment = {**peers.environment(folder), FOLDER: str(folder)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with (folder / "output").open("w+", encoding="utf-8") as output:
        began = time.perf_counter()
        program = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(program.pid, 0)
        seconds = time.perf_counter() - began
        program.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read()
    if program.returncode:
        raise RuntimeError(f"{' '.join(command)}: {said[-2000:]}")
    return said, seconds, usage.ru_utime + usage.ru_stime


def run(contender: Contender, case: Case, port: int, folder: Path) -> Run:
    """One pass over pages that are known. Raises where not every page was answered as the case says."""
    if case.list == "moving":
        ask(port, "publish")
    before = ask(port, "told")[str(case.status)]
    said, seconds, cpu = timed(contender.command(port, case, folder), folder)
    answered = ask(port, "told")[str(case.status)] - before
    if answered < case.pages:
        raise RuntimeError(f"{contender.name}, {case.name}: {answered} of {case.pages} pages were asked for: {said}")
    whole = Run(case.pages / seconds, cpu / case.pages * 1000)
    if contender.peer:
        return whole
    told = json.loads(said.splitlines()[-1])
    if told["pages"] != case.pages:
        raise RuntimeError(f"{contender.name}, {case.name}: {told['pages']} of {case.pages} pages were good")
    return Run(whole.rate, whole.cpu, case.pages / told["seconds"], told["cpu"] / case.pages * 1000)


def measure(case: Case, contenders: Sequence[Contender], port: int, folder: Path) -> dict[str, Run]:
    """Name → the best of each figure."""
    for contender in contenders:
        if contender not in (SCRAPY, FETCHER):  # which know nothing of what was before
            timed(contender.command(port, case, folder), folder)
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(ROUNDS):
        for contender in contenders:
            if number < contender.rounds:
                runs[contender.name].append(run(contender, case, port, folder))
    return {name: _best(done) for name, done in runs.items()}


def _best(runs: Sequence[Run]) -> Run:
    return Run(
        max(run.rate for run in runs),
        min(run.cpu for run in runs),
        max((run.pass_rate for run in runs if run.pass_rate), default=None),
        min((run.pass_cpu for run in runs if run.pass_cpu), default=None),
    )


def rows() -> Iterator[Row]:
    """A whole pass beside each of the others, in each case."""
    with site() as port, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        others = [Contender(peer.name, peer=peer) for peer in peers.install(folder)]
        for case in CASES:
            # The peers are asked in the cases that differ for them; the other ones take them minutes.
            beside = [*others] if case.hosts == 1 and case.list != "bare" else []
            runs = measure(case, [SCRAPY, FETCHER, OURS, *beside], port, folder)
            yield from _told(case, runs)


def _told(case: Case, runs: dict[str, Run]) -> Iterator[Row]:
    ours = runs.pop(OURS.name)
    limit = {"rate": ">= 1.00", "cpu": "<= 0.60"} if case.status == 304 else {"rate": "", "cpu": ""}
    for name, other in runs.items():
        if name != FETCHER.name:
            told = f"{name} {other.rate:.0f}"
            asked = limit["rate"] if name == SCRAPY.name else ""
            yield Row(f"{case.name}: pages/s, whole process", f"{ours.rate:.0f}", told, ours.rate / other.rate, asked)
            told = f"{name} {other.cpu:.2f}"
            asked = limit["cpu"] if name == "urlwatch" else ""
            yield Row(f"{case.name}: CPU ms a page", f"{ours.cpu:.2f}", told, ours.cpu / other.cpu, asked)
        if other.pass_rate and other.pass_cpu and ours.pass_rate and ours.pass_cpu:
            ratio = ours.pass_rate / other.pass_rate
            asked = limit["rate"] if name == SCRAPY.name else ""
            without = f"{case.name}: pages/s, without start and end"
            yield Row(without, f"{ours.pass_rate:.0f}", f"{name} {other.pass_rate:.0f}", ratio, asked)
            without = f"{case.name}: CPU ms a page, without start and end"
            ratio = ours.pass_cpu / other.pass_cpu
            yield Row(without, f"{ours.pass_cpu:.2f}", f"{name} {other.pass_cpu:.2f}", ratio)
