"""How long the commands take that a person waits for: `--help`, and `check` of one source."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.bench_fetch import site, timed
from benchmarks.table import Row

ROUNDS = 5
ROWS = 10
_CONFIG = """
[storage]
url = "sqlite:///{folder}/check.db"
[crawl]
delay = 0
allow_private = true
[[sources]]
id = "one"
url = "http://127.0.0.1:{port}/list/{rows}"
"""


def _best(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """Seconds, and seconds of CPU, of the best run."""
    runs = [timed(command, folder)[1:] for _ in range(ROUNDS)]
    return min(seconds for seconds, _ in runs), min(cpu for _, cpu in runs)


def rows() -> Iterator[Row]:
    """Each beside the start of the interpreter alone."""
    program = [sys.executable, "-c", "from pledgewatch.cli import main; main()"]
    with site() as port, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "config.toml"
        config.write_text(_CONFIG.format(folder=folder, port=port, rows=ROWS), "utf-8")
        check = [*program, "check", "--config", str(config)]
        python, _ = _best([sys.executable, "-c", ""], folder)
        timed(check, folder)  # the baseline
        cases = (("--help", [*program, "--help"], 0.2), (f"check, one source of {ROWS} documents", check, 1.5))
        for what, command, limit in cases:
            seconds, cpu = _best(command, folder)
            beside = f"{limit}; Python alone {python:.2f}"
            yield Row(f"{what}: s ({cpu:.2f} of CPU)", f"{seconds:.2f}", beside, seconds / limit, "<= 1.00")
