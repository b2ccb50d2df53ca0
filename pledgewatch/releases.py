"""What is written when a document was visited: version, statements, events and deliveries, together or not at all.

The unit of comparison is the latest version. A version that an older reader made is first read again from its stored
bytes, so that a better reader never looks like a revised document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

import sqlalchemy as sa

from monitors import rules
from monitors.changes import align, compare_measures
from pledgewatch import queueing
from pledgewatch.linking import thread, thread_relations
from pledgewatch.reading import (
    READER,
    Original,
    Reading,
    content_type,
    detail_rules,
    read_page,
    read_whole,
)
from pledgewatch.repealing import Step, declare, mark_if_repealed
from pledgewatch.revisions import bare_words, carried, changed_fields, fingerprint, without_late_parts
from pledgewatch.settings import Settings, Source
from storage import archive, captures, documents, events, sources, threads
from storage.captures import Page
from storage.database import Database
from storage.documents import ENDED, StoredDocument, StoredVersion
from storage.identity import identity_keys
from storage.records import Attachment, Document, Event

Verdict = Literal["new", "revised", "unchanged", "withdrawn", "unread"]
Outcome = tuple[Verdict, int]  # and how many events were recorded

GONE_PASSES = 2  # a document is withdrawn when it was gone this many passes in a row

_REGION = re.compile(r"^[\u4e00-\u9fff]{2,9}?(?:市|自治州|州|盟|区|县|旗)")


@dataclass(frozen=True, slots=True)
class Scene:
    """What all writing about one visit shares."""

    settings: Settings
    source: Source
    page: Page
    now: datetime

    @property
    def today(self) -> date:
        """The day, where the service is."""
        return self.now.astimezone(self.settings.service.zone).date()


@dataclass(frozen=True, slots=True)
class Part:
    """A file or further page that belongs to a document, with the bytes it had when it was last asked for."""

    kind: Literal["file", "page"]
    name: str
    url: str
    capture_id: int | None = None
    sha256: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a document, read. `page_sha256` and `parts` are the bytes it was read from."""

    reading: Reading
    capture_id: int
    page_sha256: str
    parts: tuple[Part, ...]
    title_on_list: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A document that a page was found to show, as far as a visit must know it before reading anything."""

    document: StoredDocument
    parts: tuple[Part, ...]
    settled: Mapping[str, str | None]  # address → hash of the bytes that were compared last
    is_current: bool  # made by the present reader

    def is_settled(self, bodies: Mapping[str, str | None]) -> bool:
        """Whether these bytes, and no others, were compared already."""
        return self.is_current and dict(self.settled) == dict(bodies)


def known_at(conn: sa.Connection, page: Page) -> Known | None:
    """The document that this page shows, or None for a page that never was read."""
    document = documents.document_by_id(conn, page.document_id) if page.document_id else None
    mark = documents.latest_mark(conn, document.id) if document else None
    if document is None or mark is None:
        return None
    # Only the address at which a document is read stands for its attachments as well.
    own = documents.asked_parts(conn, document.id) if document.url == page.url else ()
    parts = tuple(Part(p.kind, p.name, p.url) for p in own)
    settled = {page.url: page.settled_sha256, **{p.url: p.sha256 for p in own}}
    return Known(document, parts, settled, mark.reader == READER)


def bodies_of(conn: sa.Connection, parts: Iterable[Part]) -> dict[str, bytes | str]:
    """The bytes of each part, or why there are none, by address."""
    return {p.url: archive.get_blob(conn, p.sha256) if p.sha256 else (p.error or "not fetched") for p in parts}


# --- nothing to compare ------------------------------------------------------------------------------------------


def see(conn: sa.Connection, scene: Scene, known: Known) -> Outcome:
    """The same bytes as before: the document was seen, and is back if it had been gone."""
    documents.touch(conn, known.document.id, scene.now)
    if known.document.state == "live" or known.document.url != scene.page.url:
        return "unchanged", 0
    return "unchanged", len(_change_state(conn, scene, known.document, "restored", ()))


def commit_gone(database: Database, scene: Scene) -> Outcome:
    """The page is not there. Its document is withdrawn when that repeats, unless it stands elsewhere as well."""
    with database.begin() as conn:
        page = captures.lock_page(conn, scene.page.id)
        document = documents.document_by_id(conn, page.document_id) if page.document_id else None
        if document is None or document.url != page.url or document.state != "live":
            return "unread", 0
        if page.gone_passes < GONE_PASSES:
            return "unread", 0
        if elsewhere := captures.other_address(conn, document.id, page.url):
            captures.move_document(conn, document.id, elsewhere)
            return "unread", 0
        return "withdrawn", len(_change_state(conn, scene, document, "withdrawn", ("gone",)))


def _change_state(
    conn: sa.Connection,
    scene: Scene,
    document: StoredDocument,
    step: rules.DocumentStep,
    reasons: Sequence[str],
) -> list[Event]:
    documents.set_state(conn, document.id, "withdrawn" if step == "withdrawn" else "live")
    if document.status in ENDED or document.repealed_by is not None:
        return []  # it was withdrawn when it was declared 失效; its page may come and go
    version = documents.latest_version(conn, document.id)
    number = version.number if version else None
    occasion = _occasion(scene, document, (number, number), baseline=False)
    measures = version.measures if version else ()
    return _record(conn, scene, rules.document_events(occasion, step, measures=measures, reasons=reasons))


# --- something to compare ----------------------------------------------------------------------------------------


def bring_up_to_date(database: Database, scene: Scene, release: Release) -> None:
    """Let the present reader read what a release will be compared with, if an older one has.

    Apart from `commit_release`, which nobody else may write beside: reading a long PDF again takes its time.
    """
    with database.read() as conn:
        known = _document_of(conn, scene, _titled(release))
        version = documents.latest_version(conn, known.id) if known else None
    if known and version and version.mark.reader != READER:
        read_again(database, scene.settings, known, version)


def commit_release(database: Database, scene: Scene, release: Release) -> Outcome:
    """Compare a release with what is known and write down what follows from it."""
    release = _titled(release)
    with database.begin() as conn:
        captures.lock_page(conn, scene.page.id)
        known = _document_of(conn, scene, release)
        if known is None:
            return _publish(conn, scene, release)
        documents.lock_document(conn, known.id)
        version = documents.latest_version(conn, known.id)
        assert version is not None, f"document {known.id} has no version"
        if known.url != scene.page.url:
            return _compare_elsewhere(conn, scene, release, known, version)
        return _compare(conn, scene, release, known, version)


def _titled(release: Release) -> Release:
    """A page without a title of its own goes by the words of the list that led to it."""
    document = release.reading.document
    if document.title or not release.title_on_list:
        return release
    named = replace(document, title=release.title_on_list)
    return replace(release, reading=replace(release.reading, document=named))


def _document_of(conn: sa.Connection, scene: Scene, release: Release) -> StoredDocument | None:
    """The document that a release belongs to: its page's, or the one whose number, title and figures it has.

    A number alone is not enough: a reissue under the old number with other figures is what readers must hear of.
    """
    page = captures.page_by_url(conn, scene.page.url)
    if page and page.document_id:
        return documents.document_by_id(conn, page.document_id)
    found = documents.find_document(conn, _keys(scene, release.reading.document))
    version = documents.latest_version(conn, found.id) if found else None
    if found is None or version is None:
        return None
    return found if _same_document(version, release.reading) else None


def _same_document(version: StoredVersion, reading: Reading) -> bool:
    one, other = bare_words(version.document.title), bare_words(reading.document.title)
    return (one in other or other in one) and not compare_measures(version.measures, reading.measures)


def _keys(scene: Scene, document: Document) -> tuple[str, ...]:
    # The number's own words name its issuer; a district that reprints it is only the publisher. The region keeps
    # two cities' equal numbers apart.
    issuer = document.doc_number and (region_of(scene.source, document)[:2] or document.publisher)
    return identity_keys(scene.page.url, document.doc_number, issuer, document.index_number)


def region_of(source: Source, document: Document) -> str:
    """The region that a document speaks for: the source's, else what its publisher's name begins with."""
    if source.region:
        return source.region
    found = _REGION.match(document.publisher or "")
    return found[0] if found else ""


def _publish(conn: sa.Connection, scene: Scene, release: Release) -> Outcome:
    """A document that was not known: its first version, an event, and what it says to earlier documents."""
    document = release.reading.document
    baseline = _is_baseline(conn, scene)
    id_ = documents.create_document(
        conn,
        _keys(scene, document),
        source=scene.source.id,
        url=scene.page.url,
        document=document,
        region=region_of(scene.source, document) or None,
        now=scene.now,
    )
    version = _add_version(conn, scene, release, id_, baseline)
    stored, ended_by, steps = _repeal(conn, scene, id_, version, None)
    threading = thread(conn, scene.settings, stored, version.text, version.statements, {}, scene.now)
    occasion = _occasion(scene, stored, (None, version.number), baseline)
    found = rules.document_events(
        occasion, "published", measures=version.measures, refs=threading.refs_of(version.statements), end=ended_by
    )
    repealed = {s.document.id for s in steps}
    related = thread_relations(conn, occasion, stored, version.statements, threading, repealed=repealed)
    ends = _end_events(conn, scene, stored, version, steps, baseline)
    return "new", len(_record(conn, scene, (*found, *related, *ends)))


def _repeal(
    conn: sa.Connection, scene: Scene, document_id: int, version: StoredVersion, older: StoredVersion | None
) -> tuple[StoredDocument, rules.End | None, tuple[Step, ...]]:
    """Keep what a document's newest version declares ended: the document as it stands now, what ended it before it
    was read, and what it ended itself.
    """
    documents.let_repeals_hold(conn, scene.today)
    stored = documents.document_by_id(conn, document_id)
    assert stored is not None
    steps = declare(conn, stored, version, older, scene.today)
    repeal = mark_if_repealed(conn, stored, scene.today)
    if repeal is None:
        return stored, None, steps
    stored = documents.document_by_id(conn, document_id)
    assert stored is not None and stored.repealed_by is not None
    by = documents.document_by_id(conn, stored.repealed_by)
    assert by is not None
    return stored, rules.End(by.ref(), repeal), steps


def _end_events(
    conn: sa.Connection,
    scene: Scene,
    by: StoredDocument,
    version: StoredVersion,
    steps: Sequence[Step],
    baseline: bool,
) -> tuple[Event, ...]:
    """The events of the documents that this version of another one ends, or ends no more."""
    found: list[Event] = []
    for each in steps:
        last = documents.latest_version(conn, each.document.id)
        number, measures = (last.number, last.measures) if last else (None, ())
        source, day = each.document.source, each.document.published_on
        language = scene.settings.service.language
        occasion = rules.Occasion(source, each.document.ref(), (number, number), scene.now, baseline, language, day)
        end = rules.End(by.ref(), each.repeal, version.number)
        found += rules.document_events(occasion, each.step, measures=measures, reasons=(each.repeal.kind,), end=end)
    return tuple(found)


def _is_baseline(conn: sa.Connection, scene: Scene) -> bool:
    """Whether the document was there before anything was to be told, even if it could be read only now."""
    state = sources.source_state(conn, scene.source.id)
    page = captures.page_by_url(conn, scene.page.url)
    return state is None or state.baseline_at is None or (page is not None and page.kind == "backlog")


def _compare_elsewhere(
    conn: sa.Connection, scene: Scene, release: Release, known: StoredDocument, version: StoredVersion
) -> Outcome:
    """A further address of a known document. As long as it gives the same figures it is only that."""
    if _same_document(version, release.reading):
        captures.settle(conn, scene.page.id, known.id, release.page_sha256)
        documents.touch(conn, known.id, scene.now)
        return "unchanged", 0
    captures.detach_page(conn, scene.page.id)
    return _publish(conn, scene, release)


def _compare(
    conn: sa.Connection, scene: Scene, release: Release, known: StoredDocument, version: StoredVersion
) -> Outcome:
    reading = carried(version.document, release.reading, scene.source.region)
    release = replace(release, reading=reading)
    documents.add_keys(conn, known.id, _keys(scene, reading.document))
    comparable = reading
    if version.mark.baseline:  # who was told of a document without its file is to be told of the file
        comparable = without_late_parts(version.document, reading, scene.source.region)
    fields = changed_fields(version.document, comparable)
    if _is_first_look(conn, scene) and not compare_measures(version.measures, comparable.measures):
        fields = ()
    came_back = known.state == "withdrawn"
    if not fields:
        if version.mark.fingerprint != fingerprint(reading):
            again = documents.replace_reading(conn, version.id, _stored(release), release.capture_id)
            _keep_threads(conn, scene.settings, known, version, again)
            _repeal(conn, scene, known.id, again, again)
        captures.settle(conn, scene.page.id, known.id, release.page_sha256)
        documents.touch(conn, known.id, scene.now)
        return "unchanged", len(_change_state(conn, scene, known, "restored", ())) if came_back else 0
    newer = _add_version(conn, scene, release, known.id, baseline=False)
    found = _revision_events(conn, scene, version, newer, comparable, fields, came_back)
    if came_back:
        documents.set_state(conn, known.id, "live")
    return "revised", len(_record(conn, scene, found))


def _is_first_look(conn: sa.Connection, scene: Scene) -> bool:
    """Whether the document has just moved to this address: another edition of it is only news by its figures."""
    page = captures.page_by_url(conn, scene.page.url)
    return page is not None and page.settled_sha256 is None


def _keep_threads(
    conn: sa.Connection, settings: Settings, document: StoredDocument, older: StoredVersion, newer: StoredVersion
) -> None:
    """Let the statements of a better reading belong to what they belonged to; new ones are threaded as ever."""
    kept = _inherited(older, newer)
    thread(conn, settings, document, newer.text, newer.statements, kept, newer.mark.created_at)


def _inherited(older: StoredVersion, newer: StoredVersion) -> dict[int, str | None]:
    pairs = align(older.measures, newer.measures)
    return {newer.statements[j].id: older.statements[i].tracked_id for i, j in pairs if i is not None and j is not None}


def _revision_events(
    conn: sa.Connection,
    scene: Scene,
    older: StoredVersion,
    newer: StoredVersion,
    comparable: Reading,
    fields: Sequence[str],
    came_back: bool,
) -> tuple[Event, ...]:
    document, _, steps = _repeal(conn, scene, newer.mark.document_id, newer, older)
    kept = _inherited(older, newer)
    threading = thread(conn, scene.settings, document, newer.text, newer.statements, kept, scene.now)
    refs = {**threading.refs_of(older.statements), **threading.refs_of(newer.statements)}
    changes = compare_measures(older.measures, comparable.measures)
    occasion = _occasion(scene, document, (older.number, newer.number), _is_unfinished_baseline(conn, scene))
    found: list[Event] = []
    declared = _status_step(older.document.status, newer.document.status)
    step = declared or ("restored" if came_back and newer.document.status not in ENDED else None)
    # Where another document ended it, that was told: what its own page says of it now is no news.
    if step and document.repealed_by is None:
        reasons = ("status",) if declared else ()
        found += rules.document_events(occasion, step, measures=newer.measures, reasons=reasons)
    if set(fields) != {"status"} or not step:
        found += rules.document_events(
            occasion, "revised", changes=changes, measures=newer.measures, refs=refs, reasons=fields
        )
    moved = {c.after for c in changes if c.after is not None}
    touched = [s for s in newer.statements if s.measure in moved]
    repealed = {s.document.id for s in steps if s.step == "withdrawn"}
    related = thread_relations(conn, occasion, document, touched, threading, older.statements, repealed)
    return (*found, *related, *_end_events(conn, scene, document, newer, steps, occasion.baseline))


def _is_unfinished_baseline(conn: sa.Connection, scene: Scene) -> bool:
    # Not the baseline itself: one that begins anew, for another list, leaves known documents watched.
    state = sources.source_state(conn, scene.source.id)
    return state is None or state.last_success_at is None


def _status_step(before: str, after: str) -> rules.DocumentStep | None:
    """A document that is declared 失效 or 废止 is withdrawn, wherever its page may stand."""
    if after in ENDED and before not in ENDED:
        return "withdrawn"
    return "restored" if before in ENDED and after == "in_force" else None


# --- writing ----------------------------------------------------------------------------------------------------------


def _stored(release: Release) -> documents.Reading:
    captured = {p.url: p.capture_id for p in release.parts if p.capture_id is not None}
    return _stored_reading(release.reading, captured)


def _stored_reading(reading: Reading, captured: Mapping[str, int]) -> documents.Reading:
    whole = replace(reading.document, text=reading.text)
    return documents.Reading(whole, reading.measures, READER, fingerprint(reading), captured)


def _add_version(
    conn: sa.Connection, scene: Scene, release: Release, document_id: int, baseline: bool
) -> StoredVersion:
    version = documents.add_version(
        conn, document_id, _stored(release), capture_id=release.capture_id, now=scene.now, baseline=baseline
    )
    captures.settle(conn, scene.page.id, document_id, release.page_sha256)
    return version


def _occasion(
    scene: Scene, document: StoredDocument, versions: tuple[int | None, int | None], baseline: bool
) -> rules.Occasion:
    language = scene.settings.service.language
    return rules.Occasion(
        scene.source.id, document.ref(), versions, scene.now, baseline, language, document.published_on
    )


def _record(conn: sa.Connection, scene: Scene, found: Sequence[Event]) -> list[Event]:
    """Append events to the log and queue a message for everybody whom they concern."""
    recorded = events.record_events(conn, found)
    queueing.queue_messages(conn, scene.settings, recorded, scene.now)
    return recorded


# --- reading again ----------------------------------------------------------------------------------------------------


def read_again(
    database: Database, settings: Settings, document: StoredDocument, version: StoredVersion
) -> StoredVersion:
    """Read a version's stored bytes with the present reader and keep what it gives. Never makes an event."""
    reading = read_stored(database, settings, document, version)
    with database.begin() as conn:
        return replace_stored(conn, settings, document, version, reading)


def read_stored(database: Database, settings: Settings, document: StoredDocument, version: StoredVersion) -> Reading:
    """What the present reader makes of a version's stored bytes. Raises UnreadableFile, LostBodyError."""
    source = settings.source(document.source)
    with database.read() as conn:
        capture = captures.capture_by_id(conn, version.mark.capture_id)
        assert capture is not None, f"version {version.id} has no capture"
        body = captures.stored_bytes(conn, capture.id)
        bodies = {a.url: _stored_body(conn, a, version) for a in version.document.attachments}
    original = Original(body, capture.final_url, content_type(source, capture.headers))
    selectors = detail_rules(source)
    outline = read_page(original, selectors)
    region = source.region if source else ""
    return carried(version.document, read_whole(outline, bodies, selectors, region), region)


def replace_stored(
    conn: sa.Connection, settings: Settings, document: StoredDocument, version: StoredVersion, reading: Reading
) -> StoredVersion:
    """Put another reading of the same bytes in a version's place. What its measures belonged to they belong to."""
    again = documents.replace_reading(conn, version.id, _stored_reading(reading, version.attachment_captures))
    if version.id == document.latest_version_id:
        _keep_threads(conn, settings, document, version, again)
        declare(conn, document, again, again, again.mark.created_at.astimezone(settings.service.zone).date())
    else:  # what an older version says is threaded to nothing new
        threads.assign(conn, {id_: kept for id_, kept in _inherited(version, again).items() if kept})
    return again


def _stored_body(conn: sa.Connection, attachment: Attachment, version: StoredVersion) -> bytes | str:
    capture_id = version.attachment_captures.get(attachment.url)
    return captures.stored_bytes(conn, capture_id) if capture_id else (attachment.error or "not fetched")
