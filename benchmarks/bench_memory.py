"""Memory and start of the daemon at 100, 1,000 and 10,000 hourly sources; each in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.table import Row

SIZES = ((100, 2), (1000, 2), (10_000, 2))  # sources, simulated hours


def rows() -> Iterator[Row]:
    """What `benchmarks.simulation` told of each size; the ratio is to the limit at 10,000 sources."""
    for sources, hours in SIZES:
        command = [sys.executable, "-m", "benchmarks.simulation", "--sources", str(sources), "--hours", str(hours)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

        def figure(pattern: str, told: str = told) -> float:
            found = re.search(pattern, told)
            assert found, told
            return float(found[1])

        peak, start = figure(r"peak (\d+) MB"), figure(r"to the first pass: ([\d.]+) s")
        late, wall = figure(r"after its time by at most (\d+) s"), figure(r"simulated hours in (\d+) s")
        yield Row(f"{sources:,} sources: MB at most", f"{peak:.0f}", "400", peak / 400, "<= 1.00")
        yield Row(f"{sources:,} sources: s until the first pass", f"{start:.1f}", "5", start / 5, "<= 1.00")
        what = f"{sources:,} sources: s a pass is late, at most"
        yield Row(what, f"{late:.0f}", f"{hours} h lived in {wall:.0f} s", asked="no queue that grows")
