"""The present reader over the archive's stored pages: what would it change in the record, and the change itself.

Never an event, never an alert. Reading is spread over processes, each with a connection of its own. A version
remembers which reader made it, so that `apply` goes on by itself where it ended.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

import sqlalchemy as sa

from monitors.changes import MeasureChange, compare_measures
from pledgewatch.reading import READER, UnreadableFile
from pledgewatch.releases import read_stored, replace_stored
from pledgewatch.revisions import changed_fields
from pledgewatch.settings import Settings
from storage import documents
from storage.database import Database, open_database
from storage.documents import StoredVersion
from storage.errors import LostBodyError
from storage.records import Figure
from storage.tables import versions

EXAMPLES = 100  # differences that a report holds
_AHEAD = 4  # versions handed to each process in advance


@dataclass(frozen=True, slots=True)
class Difference:
    """What another reading of one version would change. `fields` are those of the document that differ."""

    version_id: int
    document: int
    number: int
    title: str
    fields: tuple[str, ...] = ()
    measures: tuple[dict[str, Any], ...] = ()
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "document": self.document,
            "version": self.number,
            "title": self.title,
            "fields": list(self.fields),
            "measures": list(self.measures),
        }


@dataclass(slots=True)
class Report:
    """What a run found. `last` is the version id to go on behind: all up to it were read."""

    reader: str = READER
    applied: bool = False
    versions: int = 0
    last: int = 0
    changed: int = 0
    documents: set[int] = field(default_factory=set)
    fields: Counter[str] = field(default_factory=Counter)
    measures: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)
    failed: list[Difference] = field(default_factory=list)

    def add(self, found: Difference) -> None:
        self.versions += 1
        if found.error:
            self.failed.append(found)
        elif found.fields or found.measures:
            self.changed += 1
            self.documents.add(found.document)
            self.fields.update(found.fields)
            self.measures.update(change["type"] for change in found.measures)
            self.examples += [found] if len(self.examples) < EXAMPLES else []

    def to_json(self) -> dict[str, Any]:
        return {
            "reader": self.reader,
            "applied": self.applied,
            "versions": self.versions,
            "last": self.last,
            "changed": self.changed,
            "documents": len(self.documents),
            "fields": dict(self.fields),
            "measures": {name: self.measures[name] for name in ("added", "removed", "changed")},
            "examples": [d.to_json() for d in self.examples],
            "failed": [{"document": d.document, "version": d.number, "error": d.error} for d in self.failed],
        }


def versions_to_read(
    conn: sa.Connection, *, after: int = 0, limit: int | None = None, every: bool = False
) -> list[int]:
    """The ids of the versions behind `after` that another reader made, or of every one, in order."""
    query = sa.select(versions.c.id).where(versions.c.id > after).order_by(versions.c.id).limit(limit)
    return list(conn.execute(query if every else query.where(versions.c.reader != READER)).scalars())


def reread_archive(
    settings: Settings,
    ids: Sequence[int],
    *,
    jobs: int | None = None,
    apply: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Read these versions again in `jobs` processes (one for each core); `apply` keeps the new readings.

    `tell` hears the title of each version that is done. Raises StorageError where the database fails.
    """
    report = Report(applied=apply)
    jobs = min(jobs or os.cpu_count() or 1, len(ids))
    found = _in_processes(settings, ids, jobs, apply) if jobs > 1 else _here(settings, ids, apply)
    for difference in found:
        report.add(difference)
        tell(difference.title)
    report.last = ids[-1] if ids else 0
    return report


def _here(settings: Settings, ids: Sequence[int], apply: bool) -> Iterator[Difference]:
    if not ids:
        return
    database = open_database(settings.storage.url)
    try:
        for id_ in ids:
            yield _reread(database, settings, id_, apply)
    finally:
        database.close()


# --- in processes ------------------------------------------------------------------------------------------------

_mine: tuple[Database, Settings]  # of a worker process


def _prepare(settings: Settings) -> None:
    global _mine
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's to answer
    _mine = open_database(settings.storage.url), settings


def _reread_mine(id_: int, apply: bool) -> Difference:
    return _reread(*_mine, id_, apply)


def _in_processes(settings: Settings, ids: Sequence[int], jobs: int, apply: bool) -> Iterator[Difference]:
    """The readings as they come. What ends a process is read once more by itself, and told if it does that again."""
    waiting, struck = list(reversed(ids)), list[int]()
    while waiting:
        struck += yield from _until_broken(settings, waiting, jobs, apply)
    for id_ in struck:
        alone = [id_]
        if (yield from _until_broken(settings, alone, 1, apply)):
            yield _told(settings, id_, "reading it ends the process")


def _until_broken(
    settings: Settings, waiting: list[int], jobs: int, apply: bool
) -> Generator[Difference, None, list[int]]:
    """Empty `waiting`, from its end. Returns what was in hand when a process broke, or nothing."""
    under_way: dict[Future[Difference], int] = {}
    # A fresh interpreter each: a fork would share the connection, and the locks of other threads.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _prepare, (settings,)) as pool:
        try:
            while waiting or under_way:
                while waiting and len(under_way) < jobs * _AHEAD:
                    future = pool.submit(_reread_mine, waiting[-1], apply)
                    under_way[future] = waiting.pop()
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del under_way[future]
                    yield result
        except BrokenProcessPool:
            return list(under_way.values())
        finally:
            pool.shutdown(cancel_futures=True)
    return []


def _told(settings: Settings, id_: int, error: str) -> Difference:
    database = open_database(settings.storage.url)
    with database.read() as conn:
        version = documents.version_by_id(conn, id_)
    database.close()
    assert version is not None, f"no version {id_}"
    return _difference(version, error=error)


# --- one version -------------------------------------------------------------------------------------------------


def _reread(database: Database, settings: Settings, id_: int, apply: bool) -> Difference:
    with database.read() as conn:
        version = documents.version_by_id(conn, id_)
        assert version is not None, f"no version {id_}"
        document = documents.document_by_id(conn, version.mark.document_id)
        assert document is not None, f"version {id_} has no document"
    try:
        reading = read_stored(database, settings, document, version)
    except (UnreadableFile, LostBodyError) as error:
        return _difference(version, error=str(error))
    fields = changed_fields(version.document, reading)
    changes = tuple(_change_json(c) for c in compare_measures(version.measures, reading.measures))
    if apply:
        with database.begin() as conn:
            documents.lock_document(conn, document.id)
            now = documents.version_by_id(conn, id_)
            if now is not None and now.mark == version.mark:  # else a pass has read it again meanwhile
                current = documents.document_by_id(conn, document.id) or document
                replace_stored(conn, settings, current, version, reading)
    return _difference(version, fields, changes)


def _difference(
    version: StoredVersion,
    fields: tuple[str, ...] = (),
    changes: tuple[dict[str, Any], ...] = (),
    error: str | None = None,
) -> Difference:
    mark = version.mark
    return Difference(mark.id, mark.document_id, mark.number, version.document.title, fields, changes, error)


def _change_json(change: MeasureChange) -> dict[str, Any]:
    measure = change.after or change.before
    assert measure is not None, "a change of nothing"
    return {
        "type": change.type,
        "kind": measure.kind,
        "subject": measure.subject,
        "before": _quote(change.before_figure),
        "after": _quote(change.after_figure),
        "fields": list(change.fields),
        "sentence": measure.sentence,
    }


def _quote(figure: Figure | None) -> str | None:
    return figure.quote if figure else None
