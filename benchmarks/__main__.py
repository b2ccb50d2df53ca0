"""`python -m benchmarks`: every figure that is told of, in one table; `python -m benchmarks NAME …` for some of them.

Absolute figures depend on the machine and the hour. A ratio is between two things measured in the same run.
"""

from __future__ import annotations

import argparse
import platform
from importlib import import_module

from benchmarks.table import head, show

#: Name → module with `rows()`; in this order.
PARTS = {
    "pass": "bench_fetch",
    "reading": "bench_reading",
    "extraction": "bench_extract",
    "difference": "bench_difference",
    "archive": "bench_archive",
    "start": "bench_start",
    "memory": "bench_memory",
    "workers": "bench_workers",
    "deliveries": "bench_deliveries",
}


def main() -> None:
    """Run the parts that are named, or all."""
    options = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    options.add_argument("parts", nargs="*", metavar="NAME", help=", ".join(PARTS))
    asked = options.parse_args().parts or list(PARTS)
    if unknown := [name for name in asked if name not in PARTS]:
        options.error(f"no benchmark is called {unknown[0]}; there are {', '.join(PARTS)}")
    print(f"{platform.platform()}, Python {platform.python_version()}\n{head()}")
    for name in asked:
        show(name, import_module(f"benchmarks.{PARTS[name]}").rows())


if __name__ == "__main__":
    main()
