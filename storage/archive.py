"""The bytes behind everything: content-addressed, compressed, verified on the way in and on the way out.

A body that resembles an earlier one is kept as a delta: zstd with the earlier body as its prefix. Every 64th of
such a chain goes back to the full copy at its beginning, so that reading stays fast; where it does not resemble that
any more, it is a full copy itself.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from storage.columns import AnyRow
from storage.database import insert_into
from storage.errors import LostBodyError, StorageError
from storage.tables import blobs

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHAIN = 64  # blobs that are read at most to get one
_KINSHIP = 4  # a full copy in its place would be so many times as long as a delta that goes back to the beginning
# Of levels 3, 9, 12, 15, 19 and 22, level 9 gave the smallest deltas but for 1 %, at a tenth of the time.
_LEVEL = 9
_SHORTEST_BASE = 64  # bytes; zstd itself refuses prefixes below 8
_LONG = 20  # log2 of the bytes from which far matches need an index of their own
_WINDOW_LIMIT = 27  # log2 of the bytes that zstd looks back over; what decompressors accept unasked


@dataclass(frozen=True, slots=True)
class _Packed:
    encoding: str
    base_sha256: str | None
    depth: int
    data: bytes


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put_blob(conn: sa.Connection, data: bytes, base: str | None = None) -> str:
    """Keep `data`, as a delta against the blob `base` where that pays; its sha256. Bytes are kept once."""
    sha = digest(data)
    encoding = conn.execute(_ENCODING, {"sha": sha}).scalar()
    if encoding is not None and encoding != "pruned":
        return sha
    row = _row(sha, data, _pack(conn, data, base if base != sha else None))
    if encoding == "pruned":
        conn.execute(blobs.update().where(blobs.c.sha256 == sha).values(row))
    else:
        conn.execute(insert_into(conn, blobs).values(row).on_conflict_do_nothing())
    return sha


def get_blob(conn: sa.Connection, sha: str) -> bytes:
    """The bytes with this sha256. Raises LostBodyError where they are missing, were pruned, or are damaged."""
    links = conn.execute(_CHAIN, {"sha": sha, "limit": 2 * CHAIN}).all()
    if not links:
        raise LostBodyError(f"archive: no blob {sha}; restore it from a backup")
    data = b""
    for link in links:
        data = _unpack(link, data)
    if digest(data) != sha:
        raise LostBodyError(f"archive: blob {sha} is damaged; restore it from a backup")
    return data


def is_pruned(conn: sa.Connection, sha: str) -> bool:
    """Whether the bytes with this sha256 were kept once and let go by a policy."""
    pruned = sa.select(blobs.c.sha256).where(blobs.c.sha256 == sha, blobs.c.encoding == "pruned")
    return conn.execute(pruned).first() is not None


def drop_blobs(conn: sa.Connection, shas: Collection[str], going: Collection[str] = ()) -> int:
    """Forget these bytes but not that they were there: their rows are marked as pruned. How many bytes that frees.

    What was kept as a delta against them is packed anew. `going` are more that may go later: nothing new is built
    on them, and until they go they can be read. Negative where the new copies take more than was freed.
    """
    now, gone = set(shas), set(shas) | set(going)
    freed = 0
    builders = sa.select(blobs.c.sha256, sa.func.length(blobs.c.data).label("bytes"))
    for sha in shas:
        for row in conn.execute(builders.where(blobs.c.base_sha256 == sha)).all():
            if row.sha256 in now:
                continue
            data = get_blob(conn, row.sha256)
            packed = _pack(conn, data, _standing_base(conn, sha, gone))
            conn.execute(blobs.update().where(blobs.c.sha256 == row.sha256).values(asdict(packed)))
            freed += row.bytes - len(packed.data)
    for sha in shas:
        kept = sa.select(sa.func.length(blobs.c.data)).where(blobs.c.sha256 == sha)
        freed += conn.execute(kept).scalar_one()
        empty = {"encoding": "pruned", "base_sha256": None, "depth": 0, "data": b""}
        conn.execute(blobs.update().where(blobs.c.sha256 == sha).values(empty))
    return freed


def _standing_base(conn: sa.Connection, sha: str, gone: Collection[str]) -> str | None:
    """What `sha` builds on, directly or not, and that stays."""
    base: str | None = sha
    while base in gone:
        base = conn.execute(sa.select(blobs.c.base_sha256).where(blobs.c.sha256 == base)).scalar()
    return base


def unsound(conn: sa.Connection) -> Iterator[tuple[str, str | None]]:
    """Every blob of the archive, each unpacked once: its sha256, and what is wrong with it or None."""
    roots = sa.select(blobs.c.sha256).where(blobs.c.encoding.in_(("raw", "zstd"))).order_by(blobs.c.sha256)
    for sha in conn.execute(roots.execution_options(yield_per=1000)).scalars():
        yield from _unsound_family(conn, sha)
    base = blobs.alias()
    loose = sa.or_(base.c.sha256.is_(None), base.c.encoding == "pruned", base.c.depth >= blobs.c.depth)
    stray = (
        sa.select(blobs.c.sha256)
        .outerjoin(base, base.c.sha256 == blobs.c.base_sha256)
        .where(blobs.c.encoding == "delta", loose)
    )
    for sha in conn.execute(stray).scalars():
        yield sha, f"blob {sha} builds on bytes that are not there"
    unknown = sa.select(blobs.c.sha256).where(blobs.c.encoding.not_in(("raw", "zstd", "delta", "pruned")))
    for sha in conn.execute(unknown).scalars():
        yield sha, f"blob {sha} is kept in a way that nobody knows"


def _unsound_family(conn: sa.Connection, root: str) -> Iterator[tuple[str, str | None]]:
    """A full copy, then what builds on it. Depth first, so that few bodies are in memory at a time."""
    links = sa.select(*(blobs.c[name] for name in ("sha256", "encoding", "size", "depth", "data")))
    waiting = [(conn.execute(links.where(blobs.c.sha256 == root)).one(), b"")]
    while waiting:
        link, base = waiting.pop()
        data, fault = b"", None
        try:
            data = _unpack(link, base)
        except LostBodyError as error:
            fault = str(error)
        if fault is None and (digest(data) != link.sha256 or len(data) != link.size):
            fault = f"archive: blob {link.sha256} is damaged; restore it from a backup"
        yield link.sha256, fault
        built = blobs.c.base_sha256 == link.sha256, blobs.c.encoding == "delta", blobs.c.depth > link.depth
        waiting += [(row, data) for row in conn.execute(links.where(*built))]


def _row(sha: str, data: bytes, packed: _Packed) -> dict[str, Any]:
    return {"sha256": sha, "size": len(data), **asdict(packed)}


def _pack(conn: sa.Connection, data: bytes, base: str | None) -> _Packed:
    delta = _delta(conn, data, base) if base else None
    if delta and len(delta.data) < len(data) // 20:  # no full copy can be as small
        return delta
    full = _full(data)
    pays = 0.8 if delta and delta.base_sha256 == base else 1 / _KINSHIP
    return delta if delta and len(delta.data) < pays * len(full.data) else full


def _full(data: bytes) -> _Packed:
    packed = zstd.compress(data, _LEVEL)
    if len(packed) >= len(data):
        return _Packed("raw", None, 0, data)
    _verify(data, _decompress(packed, len(data)))
    return _Packed("zstd", None, 0, packed)


def _delta(conn: sa.Connection, data: bytes, base: str) -> _Packed | None:
    depth = conn.execute(_DEPTH, {"sha": base}).scalar()
    if depth is not None and depth + 1 >= CHAIN:
        base = conn.execute(_CHAIN, {"sha": base, "limit": 2 * CHAIN}).scalars().first() or base
        depth = conn.execute(_DEPTH, {"sha": base}).scalar()
    if depth is None or depth + 1 >= CHAIN:
        return None
    prefix = get_blob(conn, base)
    window = (len(prefix) + len(data)).bit_length()
    if len(prefix) < _SHORTEST_BASE or window > _WINDOW_LIMIT:
        return None
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.window_log: max(window, 10),
        zstd.CompressionParameter.enable_long_distance_matching: int(window > _LONG),
    }
    packed = zstd.compress(data, options=options, zstd_dict=zstd.ZstdDict(prefix, is_raw=True).as_prefix)
    _verify(data, _decompress(packed, len(data), prefix))
    return _Packed("delta", base, depth + 1, packed)


def _unpack(link: AnyRow, base: bytes) -> bytes:
    """The bytes of one link of a chain, given those of the link before."""
    try:
        match link.encoding:
            case "raw":
                return bytes(link.data)
            case "zstd":
                return _decompress(link.data, link.size)
            case "delta":
                return _decompress(link.data, link.size, base)
    except zstd.ZstdError as error:
        raise LostBodyError(f"archive: blob {link.sha256} is damaged; restore it from a backup") from error
    raise LostBodyError(f"archive: blob {link.sha256} was pruned; its bytes are not kept any more")


def _decompress(packed: bytes, size: int, prefix: bytes = b"") -> bytes:
    # Never more than the size on record: a damaged row must not fill the memory.
    dictionary = zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
    return zstd.ZstdDecompressor(zstd_dict=dictionary).decompress(packed, max_length=size + 1)


def _verify(data: bytes, again: bytes) -> None:
    if again != data:
        raise StorageError("archive: what was compressed does not decompress to the same; check the memory")


# Both hold the row until the transaction ends, lest it is pruned before it is referred to.
_ENCODING = sa.select(blobs.c.encoding).where(blobs.c.sha256 == sa.bindparam("sha")).with_for_update(read=True)
_DEPTH = (
    sa.select(blobs.c.depth)
    .where(blobs.c.sha256 == sa.bindparam("sha"), blobs.c.encoding != "pruned")
    .with_for_update(read=True)
)

# A blob with all that it builds on, the full copy first.
_CHAIN = sa.text(
    """
    WITH RECURSIVE chain AS (
        SELECT sha256, encoding, base_sha256, size, data, 0 AS step FROM blobs WHERE sha256 = :sha
        UNION ALL
        SELECT b.sha256, b.encoding, b.base_sha256, b.size, b.data, c.step + 1
        FROM blobs AS b JOIN chain AS c ON b.sha256 = c.base_sha256 WHERE c.step < :limit
    )
    SELECT sha256, encoding, size, data FROM chain ORDER BY step DESC
    """
)
