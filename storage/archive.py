"""The bytes behind everything: content-addressed, compressed, verified on the way in and on the way out.

A body that resembles an earlier one is kept as a delta: zstd with the earlier body as its prefix. At least
every 64th of such a chain is a full copy, so that reading stays fast and damage to one row stays local.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from storage.columns import AnyRow
from storage.database import insert_into
from storage.errors import StorageError
from storage.tables import blobs

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CHAIN = 64  # blobs from one full copy to the next
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
    """The bytes with this sha256. Raises StorageError where they are missing, were pruned, or are damaged."""
    links = conn.execute(_CHAIN, {"sha": sha, "limit": 2 * CHAIN}).all()
    if not links:
        raise StorageError(f"archive: no blob {sha}; restore it from a backup")
    data = b""
    for link in links:
        data = _unpack(link, data)
    if digest(data) != sha:
        raise StorageError(f"archive: blob {sha} is damaged; restore it from a backup")
    return data


def _row(sha: str, data: bytes, packed: _Packed) -> dict[str, Any]:
    return {
        "sha256": sha,
        "encoding": packed.encoding,
        "base_sha256": packed.base_sha256,
        "depth": packed.depth,
        "size": len(data),
        "data": packed.data,
    }


def _pack(conn: sa.Connection, data: bytes, base: str | None) -> _Packed:
    delta = _delta(conn, data, base) if base else None
    if delta and len(delta.data) < len(data) // 20:  # no full copy can be as small
        return delta
    full = _full(data)
    return delta if delta and len(delta.data) < 0.8 * len(full.data) else full


def _full(data: bytes) -> _Packed:
    packed = zstd.compress(data, _LEVEL)
    if len(packed) >= len(data):
        return _Packed("raw", None, 0, data)
    _verify(data, _decompress(packed, len(data)))
    return _Packed("zstd", None, 0, packed)


def _delta(conn: sa.Connection, data: bytes, base: str) -> _Packed | None:
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
        raise StorageError(f"archive: blob {link.sha256} is damaged; restore it from a backup") from error
    raise StorageError(f"archive: blob {link.sha256} was pruned; its bytes are not kept any more")


def _decompress(packed: bytes, size: int, prefix: bytes = b"") -> bytes:
    # Never more than the size on record: a damaged row must not fill the memory.
    dictionary = zstd.ZstdDict(prefix, is_raw=True).as_prefix if prefix else None
    return zstd.ZstdDecompressor(zstd_dict=dictionary).decompress(packed, max_length=size + 1)


def _verify(data: bytes, again: bytes) -> None:
    if again != data:
        raise StorageError("archive: what was compressed does not decompress to the same; check the memory")


_ENCODING = sa.select(blobs.c.encoding).where(blobs.c.sha256 == sa.bindparam("sha"))
_DEPTH = sa.select(blobs.c.depth).where(blobs.c.sha256 == sa.bindparam("sha"), blobs.c.encoding != "pruned")

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
