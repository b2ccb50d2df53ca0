"""Pages per second and CPU per page of a pass over unchanged pages, beside bare Scrapy on the same site.

Absolute figures depend on the machine and the hour; the ratio within one run is what counts. Every contender
is a command, run in a process of its own, that prints a JSON object with `pages`, `seconds` and `cpu`; rounds
alternate between contenders, and the best round of each is taken, for everything that disturbs a run makes it
slower.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.pass_contender import FOLDER

PAGES = 1000
ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """What is fetched: `hosts` servers share the pages; conditional requests are answered 304, others 200."""

    name: str
    hosts: int
    conditional: bool


@dataclass(frozen=True)
class Contender:
    """Who fetches. The first one of `CONTENDERS` is what the others are measured against."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()

    def command(self, port: int, case: Case) -> list[str]:
        sizes = [str(port), str(case.hosts), str(PAGES)]
        flags = ["--conditional"] if case.conditional else []
        return [sys.executable, "-m", self.module, *self.arguments, *sizes, *flags]


@dataclass(frozen=True)
class Run:
    rate: float  # pages per second
    cpu: float  # milliseconds of CPU per page
    server: float  # share of one core that the server used, 1.0 being its limit


CASES = (
    Case("304, one host", 1, True),
    Case("304, eight hosts", 8, True),
    Case("200, one host", 1, False),
    Case("200, eight hosts", 8, False),
)
CONTENDERS = (
    Contender("bare Scrapy", "benchmarks.fetch_contenders", ("scrapy",)),
    Contender("Fetcher", "benchmarks.fetch_contenders", ("fetcher",)),
    Contender("whole pass", "benchmarks.pass_contender"),
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


def _server_cpu(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/cpu") as answer:
        return float(answer.read())


def run(contender: Contender, case: Case, port: int) -> Run:
    """One pass. Raises where the contender fails or does not get every page as it should be."""
    before = _server_cpu(port)
    done = subprocess.run(contender.command(port, case), check=True, stdout=subprocess.PIPE, text=True, timeout=600)
    used = _server_cpu(port) - before
    result = json.loads(done.stdout.splitlines()[-1])
    if result["pages"] != PAGES:
        raise RuntimeError(f"{contender.name}, {case.name}: {result['pages']} of {PAGES} pages were good")
    seconds = result["seconds"]
    return Run(PAGES / seconds, result["cpu"] / PAGES * 1000, used / seconds)


def measure(case: Case, contenders: Sequence[Contender], port: int) -> list[Run]:
    """The best run of each contender."""
    rounds = [[run(contender, case, port) for contender in contenders] for _ in range(ROUNDS)]
    return [max(runs, key=lambda r: r.rate) for runs in zip(*rounds, strict=True)]


def main() -> None:
    print(f"A pass over {PAGES} unchanged pages; the best of {ROUNDS} rounds; ratios to {CONTENDERS[0].name}.")
    print("The last column is the share of a core that the server used.\n")
    print(f"{'case':18} {'contender':14} {'pages/s':>9} {'ratio':>6} {'CPU ms/page':>12} {'ratio':>6} {'':>7}")
    with site() as port, tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        for case in CASES:
            runs = measure(case, CONTENDERS, port)
            for contender, result in zip(CONTENDERS, runs, strict=True):
                rate, cpu = result.rate / runs[0].rate, result.cpu / runs[0].cpu
                print(
                    f"{case.name:18} {contender.name:14} {result.rate:9.0f} {rate:6.2f} {result.cpu:12.2f} "
                    f"{cpu:6.2f} {result.server:7.0%}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
