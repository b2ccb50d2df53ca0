"""Characters per second that extraction reads, and whether its time grows with the text alone.

Absolute figures depend on the machine and the hour; the ratio of the time for two million characters to the time for
one million is what counts: 2 is linear. Three kinds of text: the annotated documents of the tests (a figure every
hundred characters), the same as one endless line, and the same thinned out with prose that holds no figure.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.table import Row, show
from monitors.extraction import extract

DOCUMENTS = Path(__file__).resolve().parents[1] / "tests" / "data" / "gold"
MILLION = 1_000_000
PROSE = "各地区各部门要加强组织领导,压实工作责任,完善配套措施,做好宣传引导,及时研究解决工作中出现的新情况新问题。\n"


def texts() -> Mapping[str, str]:
    """What is read, by name: each text is repeated until it is long enough."""
    documents = [source.read_text("utf-8") for source in sorted(DOCUMENTS.glob("*.txt"))]
    dense = "\n".join(documents)
    return {
        "documents": dense,
        "one line": dense.replace("\n", "").replace("|", ""),
        "sparse": "\n".join(document + PROSE * (4 * len(document) // len(PROSE)) for document in documents),
    }


def seconds(text: str) -> float:
    """Processor time that one reading of a text takes."""
    start = time.process_time()
    extract(text)
    return time.process_time() - start


def rows() -> Iterator[Row]:
    """A row for each kind of text."""
    extract("到2030年建成1所。")  # patterns compile at the first call
    for name, text in texts().items():
        once, twice = (seconds((text * (size // len(text) + 1))[:size]) for size in (MILLION, 2 * MILLION))
        yield Row(f"{name}: characters/s", f"{2 * MILLION / twice:,.0f}")
        yield Row(
            f"{name}: s for two million", f"{twice:.1f}", f"for one million {once:.1f}", twice / once, "2 is linear"
        )


if __name__ == "__main__":
    show("extraction", rows())
