"""Pages and the answers that were got from them.

Every answer is a row; its bytes are in the archive once. The captures of one source form a chain: each holds
a hash over itself and the one before, and the source holds the last, so that a changed, removed or inserted
row is found by `broken_links`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from storage.addresses import normal_address
from storage.archive import get_blob, is_pruned, put_blob
from storage.columns import AnyRow, storable
from storage.database import Prepared, insert_into
from storage.errors import StorageError
from storage.records import Capture, Outcome
from storage.tables import captures, documents, pages, sources

#: A "part" is a further page of an article. "unwanted" rows stood on a list and matched no pattern; "backlog" pages
#: were known before anything of them was to be told, and what they publish is history.
PageKind = Literal["list", "document", "attachment", "part", "api", "unwanted", "backlog"]

URL_LIMIT = 2000  # bytes; no browser or index takes much more
UNREAD_TRIES = 10  # failures after which a page that never became a document is left alone


@dataclass(frozen=True, slots=True)
class Page:
    """An address with what is needed to ask for it again, and what its last answers were.

    `last_sha256` is of the last body that was judged "ok", `last_audit_at` when the body was last sent in
    full; `gone_passes` and `failures` count answers of that kind in a row. `settled_sha256` is of the last
    body that was compared with the document: while it is not `last_sha256`, that is still to be done. Of a list, and
    of what cannot be read, it is a mark instead (`settle_list`, `settle_unreadable`).
    """

    id: int
    url: str
    source: str
    kind: PageKind
    document_id: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    last_capture_id: int | None = None
    last_sha256: str | None = None
    last_fetched_at: datetime | None = None
    last_audit_at: datetime | None = None
    gone_passes: int = 0
    failures: int = 0
    settled_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class StoredCapture:
    """A capture as the archive has it, without its body."""

    id: int
    page_id: int
    source: str
    fetched_at: datetime
    url: str
    final_url: str
    status: int
    headers: Mapping[str, str]
    sha256: str | None
    outcome: Outcome
    reason: str
    seconds: float


def is_storable(url: str) -> bool:
    """Whether an address is short enough to be kept."""
    return len(url.encode("utf-8", "replace")) <= URL_LIMIT


def page_for(conn: sa.Connection, url: str, source: str, kind: PageKind) -> Page:
    """The page at `url`, made for `source` where it is new; it stays with the source that met it first."""
    found = page_by_url(conn, url)
    if found:
        return found
    _insert_pages(conn, [url], source, kind)
    found = page_by_url(conn, url)
    assert found is not None
    return found


def pages_for(conn: sa.Connection, urls: Iterable[str], source: str, kind: PageKind) -> dict[str, Page]:
    """`page_for` for all rows of a list at once: URL → page, in the order given.

    A row whose page was known by another spelling of its address (a new token, https) is that page: it follows the
    list to the new spelling, or keeps its own where it belongs to another source.
    """
    wanted = list(dict.fromkeys(urls))
    found = _pages_at(conn, wanted)
    if missing := [url for url in wanted if url not in found]:
        found |= _respelled(conn, missing, {page.id for page in found.values()}, source)
    if missing := [url for url in missing if url not in found]:
        _insert_pages(conn, missing, source, kind)
        found |= _pages_at(conn, missing)
    return {url: found[url] for url in wanted}


def _respelled(conn: sa.Connection, urls: list[str], taken: set[int], source: str) -> dict[str, Page]:
    by_key = {normal_address(url): url for url in reversed(urls)}
    found: dict[str, Page] = {}
    keys = list(by_key)
    for start in range(0, len(keys), 500):
        at = pages.c.normal_url.in_(keys[start : start + 500])
        for row in conn.execute(_PAGES.add_columns(pages.c.normal_url).where(at, _ROW).order_by(pages.c.id)).all():
            url = by_key[row.normal_url]
            page = Page(**{name: row._mapping[name] for name in Page.__slots__})
            if url not in found and page.id not in taken:
                found[url] = _respell(conn, page, url) if page.source == source else page
    return found


def _respell(conn: sa.Connection, page: Page, url: str) -> Page:
    # What a server said of one spelling need not hold for another, so the next request is without conditions.
    moved = {"url": url, "etag": None, "last_modified": None}
    conn.execute(pages.update().where(pages.c.id == page.id).values(moved))
    conn.execute(documents.update().where(documents.c.url == page.url).values(url=url))
    return replace(page, url=url, etag=None, last_modified=None)


def want(conn: sa.Connection, page_ids: Iterable[int]) -> None:
    """These rows had not been wanted before and are now, after a change of the patterns: they are history."""
    conn.execute(pages.update().where(pages.c.id.in_(list(page_ids)), _UNWANTED).values(kind="backlog"))


def end_baseline(conn: sa.Connection, source: str) -> None:
    """What the source's first pass met and could not read is history, whenever it can be read."""
    unread = sa.and_(pages.c.source_id == source, pages.c.kind == "document", pages.c.document_id.is_(None))
    conn.execute(pages.update().where(unread).values(kind="backlog"))


def known_addresses(conn: sa.Connection, urls: Iterable[str]) -> set[str]:
    """Which of these addresses are known, by this or another spelling; as keys of `normal_address`."""
    keys = list({normal_address(url) for url in urls})
    found: set[str] = set()
    for start in range(0, len(keys), 500):
        known = sa.select(pages.c.normal_url).where(pages.c.normal_url.in_(keys[start : start + 500]))
        found |= set(conn.execute(known).scalars())
    return found


def lists_to_retry(conn: sa.Connection, source: str, tries: int) -> set[str]:
    """The source's list pages that could not be read when they were last asked for, less than `tries` times."""
    failed = sa.and_(pages.c.kind == "list", pages.c.failures > 0, pages.c.failures < tries)
    return set(conn.execute(sa.select(pages.c.url).where(pages.c.source_id == source, failed)).scalars())


def give_up_lists(conn: sa.Connection, urls: Iterable[str]) -> None:
    """No list leads to these list pages any more."""
    conn.execute(pages.update().where(pages.c.url.in_(list(urls))).values(failures=0))


def page_by_url(conn: sa.Connection, url: str) -> Page | None:
    """The page at exactly this address."""
    row = conn.execute(_PAGE_BY_URL, {"wanted": url}).first()
    return _page(row) if row else None


def lock_page(conn: sa.Connection, page_id: int) -> Page:
    """The page as it is now, kept from other workers until the transaction ends."""
    return _page(conn.execute(_PAGES.where(pages.c.id == page_id).with_for_update()).one())


def settle(conn: sa.Connection, page_id: int, document_id: int, sha256: str) -> None:
    """Say with which of the page's bytes the document was compared.

    Written in the transaction of the comparison, so that a change that was captured but not yet compared is still
    found after a restart. The bytes of the document's parts stand in its version.
    """
    compared = {"document_id": document_id, "settled_sha256": sha256}
    conn.execute(pages.update().where(pages.c.id == page_id).values(compared))


def other_address(conn: sa.Connection, document_id: int, url: str) -> str | None:
    """Another address at which the document was seen and is not gone."""
    here = sa.and_(pages.c.document_id == document_id, pages.c.url != url, pages.c.gone_passes == 0)
    return conn.execute(sa.select(pages.c.url).where(here).order_by(pages.c.id).limit(1)).scalar()


def follow_list(conn: sa.Connection, source: str, urls: list[str]) -> None:
    """Read a source's documents where its list now leads to, if it leads no more to where they were read."""
    for start in range(0, len(urls), 500):
        moved = conn.execute(
            sa.select(documents.c.id, documents.c.url, pages.c.url.label("listed"))
            .join(pages, pages.c.document_id == documents.c.id)
            .where(pages.c.url.in_(urls[start : start + 500]), pages.c.url != documents.c.url)
            .where(documents.c.source_id == source, pages.c.gone_passes == 0)
        ).all()
        for row in moved:
            if row.url not in urls:
                move_document(conn, row.id, row.listed)


def move_document(conn: sa.Connection, document_id: int, url: str) -> None:
    """Read the document at another of its addresses from now on. There, nothing has been compared yet."""
    conn.execute(documents.update().where(documents.c.id == document_id).values(url=url))
    conn.execute(pages.update().where(pages.c.url == url).values(settled_sha256=None))


def detach_page(conn: sa.Connection, page_id: int) -> None:
    """The page does not show the document any more that it showed."""
    conn.execute(pages.update().where(pages.c.id == page_id).values(document_id=None, settled_sha256=None))


def settle_list(conn: sa.Connection, url: str, mark: str) -> None:
    """The pass over a list found nothing to do; `mark` stands for all that this followed from."""
    conn.execute(pages.update().where(pages.c.url == url, pages.c.kind == "list").values(settled_sha256=mark))


def unsettle_list(conn: sa.Connection, source: str) -> None:
    """Something may be found in a source's documents: its list is read again, unless this pass ends with nothing to do.

    Written with the answer, so that a kill leaves no list settled that is not.
    """
    _UNSETTLE_LIST.run(conn, {"source": source, "of_kind": "list"})


def settle_unreadable(conn: sa.Connection, page_id: int, mark: str | None) -> None:
    """Nothing could be read here; `mark` stands for bytes that need not be tried again."""
    conn.execute(pages.update().where(pages.c.id == page_id).values(settled_sha256=mark))


def unreadable_pages(conn: sa.Connection, source: str) -> list[Page]:
    """The source's rows that were fetched and could not be read."""
    here = sa.and_(pages.c.source_id == source, _ROW, pages.c.kind != "unwanted", pages.c.document_id.is_(None))
    met = sa.and_(pages.c.settled_sha256.is_not(None), pages.c.gone_passes < 2)
    return [_page(row) for row in conn.execute(_PAGES.where(here, met).order_by(pages.c.id))]


def record_capture(conn: sa.Connection, page: Page, capture: Capture) -> int:
    """Keep an answer, and with it the page's validators and counters; the capture's id.

    A 304 and a body that is known already cost a row and no copy. A body that was not judged "ok" is kept as
    well, but the page goes on comparing with the last good one.
    """
    sha = _keep_body(conn, page, capture)
    head = _CHAIN_HEAD.run(conn, {"source": page.source})
    row = _capture_row(page, capture, sha)
    row["chain"] = _link(head[0], row)
    id = int(_INSERT_CAPTURE.run(conn, row)[0])
    _MOVE_CHAIN.run(conn, {"source": page.source, "chain_": row["chain"]})
    _UPDATE_PAGE.run(conn, _page_after(page, capture, sha, id))
    return id


def capture_by_id(conn: sa.Connection, id: int) -> StoredCapture | None:
    row = conn.execute(_CAPTURES.where(captures.c.id == id)).first()
    return StoredCapture(**row._mapping) if row else None


def stored_bytes(conn: sa.Connection, capture_id: int) -> bytes:
    """The body of a capture; of a 304, the body that it confirmed. Empty where the answer had none."""
    row = conn.execute(sa.select(captures.c.sha256).where(captures.c.id == capture_id)).first()
    if row is None:
        raise StorageError(f"archive: no capture {capture_id}")
    return get_blob(conn, row.sha256) if row.sha256 else b""


def kept_bytes(conn: sa.Connection, capture_id: int) -> bytes | None:
    """`stored_bytes`, or None where a policy let them go."""
    sha = conn.execute(sa.select(captures.c.sha256).where(captures.c.id == capture_id)).scalar()
    return None if sha and is_pruned(conn, sha) else stored_bytes(conn, capture_id)


def confirmed_by(conn: sa.Connection, capture: StoredCapture) -> StoredCapture | None:
    """The last answer before a 304 that brought the body which it confirms; None where that is not kept."""
    row = conn.execute(
        _CAPTURES.where(
            captures.c.page_id == capture.page_id,
            captures.c.id < capture.id,
            captures.c.sha256 == capture.sha256,
            captures.c.outcome == "ok",
        )
        .order_by(captures.c.id.desc())
        .limit(1)
    ).first()
    return StoredCapture(**row._mapping) if row and not is_pruned(conn, row.sha256) else None


def due_documents(
    conn: sa.Connection, source: str, now: datetime, newest: int = 100, within_days: int = 30
) -> list[Page]:
    """The pages of known documents to read in this pass, the newest document first.

    The contract's recheck: the `newest` documents of a source in every pass; the older ones in rotation, the
    longest unread first, so many that each is read once in `within_days`. Pages that were met but never read
    are tried as well, until they failed `UNREAD_TRIES` times in a row, were gone twice or hold nothing
    readable.
    """
    known = _known_pages(source)
    fresh = conn.execute(known.limit(newest)).all()
    older = known.offset(newest).subquery()
    last_pass = conn.execute(sa.select(sources.c.last_pass_at).where(sources.c.id == source)).scalar()
    interval = max(now - last_pass, timedelta(0)) if last_pass else timedelta(0)
    turn = _turn(conn, older, now, interval, timedelta(days=within_days))
    unread = conn.execute(
        _PAGES.where(
            pages.c.source_id == source,
            pages.c.kind.in_(("document", "backlog")),
            pages.c.document_id.is_(None),
            pages.c.failures < UNREAD_TRIES,
            pages.c.gone_passes < 2,
            pages.c.settled_sha256.is_(None),
        ).order_by(pages.c.id)
    )
    return [_page(row) for row in (*fresh, *turn, *unread)]


def titles_of(conn: sa.Connection, page_ids: Iterable[int]) -> dict[str, str]:
    """Address → title of the documents that these pages show."""
    shown = sa.select(pages.c.url, documents.c.title).join(documents, documents.c.id == pages.c.document_id)
    return {row.url: row.title for row in conn.execute(shown.where(pages.c.id.in_(list(page_ids))))}


def watchers_of(conn: sa.Connection, urls: Iterable[str]) -> set[str]:
    """The sources whose documents stand at these addresses."""
    watched = sa.select(documents.c.source_id).join(pages, pages.c.document_id == documents.c.id).distinct()
    wanted, found = list(urls), set[str]()
    for start in range(0, len(wanted), 500):
        found |= set(conn.execute(watched.where(pages.c.url.in_(wanted[start : start + 500]))).scalars())
    return found


def broken_links(conn: sa.Connection) -> dict[str, list[int]]:
    """Per source, the captures whose hash does not follow from the one before; 0 stands for a missing end.

    An empty answer says that no capture was changed, removed or inserted.
    """
    broken: dict[str, list[int]] = {}
    heads: dict[str, str] = {}
    rows = conn.execute(sa.select(captures).order_by(captures.c.id).execution_options(yield_per=500))
    for row in rows:
        if _link(heads.get(row.source_id), row._mapping) != row.chain:
            broken.setdefault(row.source_id, []).append(int(row.id))
        heads[row.source_id] = row.chain
    for source in conn.execute(sa.select(sources.c.id, sources.c.chain)):
        if heads.get(source.id) != source.chain:
            broken.setdefault(source.id, []).append(0)
    return broken


def _insert_pages(conn: sa.Connection, urls: list[str], source: str, kind: PageKind) -> None:
    for url in urls:
        if not is_storable(url):
            raise StorageError(f"{url[:80]}…: longer than {URL_LIMIT} bytes; leave it out with `exclude`")
    rows = [{"url": url, "normal_url": normal_address(url), "source_id": source, "kind": kind} for url in urls]
    conn.execute(insert_into(conn, pages).on_conflict_do_nothing(), rows)


def _pages_at(conn: sa.Connection, urls: list[str]) -> dict[str, Page]:
    found = {}
    for start in range(0, len(urls), 500):
        for row in conn.execute(_PAGES.where(pages.c.url.in_(urls[start : start + 500]))):
            found[row.url] = _page(row)
    return found


def _keep_body(conn: sa.Connection, page: Page, capture: Capture) -> str | None:
    if capture.outcome == "not_modified":
        return page.last_sha256
    if not capture.body:
        return None
    return put_blob(conn, capture.body, page.last_sha256)


def _capture_row(page: Page, capture: Capture, sha: str | None) -> dict[str, Any]:
    return {
        "page_id": page.id,
        "source_id": page.source,
        "fetched_at": capture.fetched_at.astimezone(UTC),
        "url": storable(capture.url),
        "final_url": storable(capture.final_url),
        "status": capture.status,
        "headers": {storable(k): storable(v) for k, v in capture.headers.items()},
        "sha256": sha,
        "outcome": capture.outcome,
        "reason": storable(capture.reason),
        "seconds": capture.seconds,
    }


_CHAINED = ("url", "final_url", "status", "headers", "sha256", "outcome", "reason")


def _link(before: str | None, row: Mapping[Any, Any]) -> str:
    """The hash over a capture and the hash of the one before it."""
    said = [before, row["fetched_at"].isoformat(timespec="microseconds"), *(row[name] for name in _CHAINED)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _page_after(page: Page, capture: Capture, sha: str | None, id: int) -> dict[str, Any]:
    """The page's columns once this capture is stored."""
    headers = {name.lower(): value for name, value in capture.headers.items()}
    after = {name: getattr(page, name) for name in _MOVING}
    after |= {"page": page.id, "last_capture_id": id, "last_fetched_at": capture.fetched_at}
    match capture.outcome:
        case "ok":
            after |= {
                "gone_passes": 0,
                "failures": 0,
                "last_sha256": sha,
                "last_audit_at": capture.fetched_at,
            }
            after |= {"etag": headers.get("etag"), "last_modified": headers.get("last-modified")}
        case "not_modified":
            after |= {"gone_passes": 0, "failures": 0, "etag": headers.get("etag", page.etag)}
        case "gone":
            after |= {"gone_passes": page.gone_passes + 1, "failures": 0}
        case "blocked" | "failed":
            after |= {"failures": page.failures + 1}
    return after


def _known_pages(source: str) -> sa.Select[Any]:
    """The pages at which the documents of a source are read, the newest document first."""
    return (
        _PAGES.join(documents, sa.and_(documents.c.url == pages.c.url, documents.c.id == pages.c.document_id))
        .where(documents.c.source_id == source)
        .order_by(documents.c.rank_on.desc(), documents.c.id.desc())
    )


def _turn(
    conn: sa.Connection, older: sa.Subquery, now: datetime, interval: timedelta, within: timedelta
) -> list[AnyRow]:
    """Those of the older pages whose turn it is: an even share, and whatever would be late next time."""
    count = conn.execute(sa.select(sa.func.count()).select_from(older)).scalar_one()
    if not count:
        return []
    late = now - within + interval
    overdue = conn.execute(
        sa.select(sa.func.count()).select_from(older).where(older.c.last_fetched_at <= late)
    ).scalar_one()
    share = max(math.ceil(count * (interval / within)), overdue)
    return list(conn.execute(sa.select(older).order_by(older.c.last_fetched_at, older.c.id).limit(share)))


def _page(row: AnyRow) -> Page:
    return Page(*row)  # in the order of its fields, as _PAGES selects them


_PAGES = sa.select(
    *(pages.c.source_id.label("source") if name == "source" else pages.c[name] for name in Page.__slots__)
)
_UNWANTED = pages.c.kind == "unwanted"
_ROW = pages.c.kind.in_(("document", "backlog", "unwanted"))
_PAGE_BY_URL = _PAGES.where(pages.c.url == sa.bindparam("wanted"))
_CAPTURES = sa.select(
    *(
        captures.c.source_id.label("source") if name == "source" else captures.c[name]
        for name in StoredCapture.__slots__
    )
)
_MOVING = (
    *("etag", "last_modified", "last_capture_id", "last_sha256", "last_fetched_at", "last_audit_at"),
    *("gone_passes", "failures"),
)
# The lock keeps two workers on PostgreSQL from hanging two captures on the same link.
_CHAIN_HEAD = Prepared(sa.select(sources.c.chain).where(sources.c.id == sa.bindparam("source")).with_for_update())
_MOVE_CHAIN = Prepared(
    sources.update().where(sources.c.id == sa.bindparam("source")).values(chain=sa.bindparam("chain_"))
)
_UNSETTLE_LIST = Prepared(
    pages.update()
    .where(pages.c.source_id == sa.bindparam("source"), pages.c.kind == sa.bindparam("of_kind"))
    .where(pages.c.document_id.is_(None), pages.c.settled_sha256.is_not(None))
    .values(settled_sha256=sa.null())
)
_INSERT_CAPTURE = Prepared(
    captures.insert()
    .values({c.name: sa.bindparam(c.name) for c in captures.c if c.name != "id"})
    .returning(captures.c.id)
)
_UPDATE_PAGE = Prepared(
    pages.update().where(pages.c.id == sa.bindparam("page")).values({name: sa.bindparam(name) for name in _MOVING})
)
