"""Bytes that the archive keeps for a version, beside what nothing can do much better than, in one run.

A hundred versions of one document of about 40 KB, a few figures changed in each. "solid" is all of them in one zstd
stream at its strongest setting: it cannot be read from the middle, and is the limit. The pack is git's own, after
`git gc --aggressive`. The archive takes them one at a time, as they come, and gives back any one in a millisecond.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from benchmarks.table import Row, show
from storage import archive
from storage.archive import zstd
from storage.database import open_database
from storage.tables import blobs

COUNT = 100


def page_versions(count: int, seed: int = 7) -> list[bytes]:
    """Versions of a page of about 40 KB; each brings five changed clauses, every tenth a new paragraph."""
    rng = random.Random(seed)
    words = ["".join(chr(rng.randint(0x4E00, 0x5400)) for _ in range(rng.choice((2, 2, 3, 4)))) for _ in range(1500)]

    def paragraph() -> str:
        clauses = ["".join(rng.choices(words, k=5)) for _ in range(8)]
        return f"<p>{'，'.join(clauses)}{rng.randint(1, 9999)}元。</p>\n"

    parts = [paragraph() for _ in range(110)]
    versions = []
    for number in range(count):
        for _ in range(5):
            at = rng.randrange(len(parts))
            parts[at] = parts[at].rsplit("，", 1)[0] + f"，{rng.choice(words)}{rng.randint(1, 9999)}元。</p>\n"
        if number % 10 == 0:
            parts.insert(rng.randrange(len(parts)), paragraph())
        versions.append("".join(parts).encode())
    return versions


def in_archive(versions: Sequence[bytes], folder: Path) -> tuple[int, float, float]:
    """Bytes of all rows' data; median milliseconds to write and to read one version."""
    database = open_database(f"sqlite:///{folder / 'archive.db'}")
    written, read, base = [], [], None
    with database.begin() as conn:
        for body in versions:
            start = time.perf_counter()
            base = archive.put_blob(conn, body, base)
            written.append(time.perf_counter() - start)
        for body in versions:
            start = time.perf_counter()
            assert archive.get_blob(conn, archive.digest(body)) == body
            read.append(time.perf_counter() - start)
        kept = int(conn.execute(sa.select(sa.func.sum(sa.func.length(blobs.c.data)))).scalar_one())
    database.close()
    return kept, median(written) * 1000, median(read) * 1000


def in_pack(versions: Sequence[bytes], folder: Path) -> int | None:
    """Bytes of a git pack, commits and trees included; None without git."""
    if not shutil.which("git"):
        return None

    def git(*words: str) -> None:
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "commit.gpgsign=false")
        subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)

    git("init")
    for number, body in enumerate(versions):
        (folder / "page.html").write_bytes(body)
        git("add", "page.html")
        git("commit", "-m", str(number))
    git("gc", "--aggressive", "--prune=now")
    return sum(pack.stat().st_size for pack in folder.glob(".git/objects/pack/*.pack"))


def solid(versions: Sequence[bytes]) -> int:
    """All versions in one stream at the strongest setting that looks back over all of them."""
    options = {
        zstd.CompressionParameter.compression_level: 22,
        zstd.CompressionParameter.window_log: 27,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    return len(zstd.compress(b"".join(versions), options=options))


def chained(versions: Sequence[bytes], level: int) -> int:
    """Each version against the one before, a full copy every 64th: what is simpler, with more effort."""
    total = 0
    for number, body in enumerate(versions):
        prefix = versions[number - 1] if number % archive.CHAIN else b""
        options = {
            zstd.CompressionParameter.compression_level: level,
            zstd.CompressionParameter.window_log: max((len(prefix) + len(body)).bit_length(), 10),
        }
        dictionary = zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
        total += len(zstd.compress(body, options=options, zstd_dict=dictionary))
    return total


def rows(make: Callable[[int], list[bytes]] = page_versions) -> Iterator[Row]:
    """What the archive keeps beside every other way to keep the versions."""
    versions = make(COUNT)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept, write, read = in_archive(versions, folder)
        (folder / "git").mkdir()
        pack = in_pack(versions, folder / "git")
    others = [
        ("zstd, solid", solid(versions), "<= 1.20"),
        ("git pack", pack, ""),
        ("a full copy every 64th, level 19", chained(versions, 19), ""),
        ("each by itself, zstd 19", sum(len(zstd.compress(body, 19)) for body in versions), ""),
        ("each by itself, zlib", sum(len(zlib.compress(body, 9)) for body in versions), ""),
    ]
    what = f"bytes a version, {COUNT} of {len(versions[0]):,} bytes"
    for other, total, asked in others:
        if total is None:
            print(f"  {other}: left out, it is not installed", file=sys.stderr)
        else:
            yield Row(what, f"{kept / COUNT:,.0f}", f"{other} {total / COUNT:,.0f}", kept / total, asked)
    yield Row("ms to write a version", f"{write:.1f}")
    yield Row("ms to read a version", f"{read:.1f}")


if __name__ == "__main__":
    show("archive", rows())
