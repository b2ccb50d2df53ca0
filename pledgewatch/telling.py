"""What a message tells beyond its events: which files and sentences a revision changed, what a figure was read from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from crawler.document import ATTACHED
from monitors.difference import difference
from notify.messages import TOLD_AT_LENGTH, documents_of
from pledgewatch.revisions import changed_files, own_text
from storage import documents
from storage.documents import StoredVersion
from storage.records import Event

MOST_SENTENCES = 2  # of a revision that changed no figure
_NUMBER = re.compile(r"[\d〇零一二三四五六七八九十百千万亿]+")
_LONGEST = 2000  # characters of a changed sentence that are handed on; a message shows less


def with_what_changed(conn: sa.Connection, events: Sequence[Event]) -> list[Event]:
    """The events with more in their `detail`, out of the versions that they are of, for whoever writes a message.

    `published_on` of the document; of a revision the `files` that were added, changed and removed, and where no figure
    changed the first changed `sentences` of the page as [old, new], with how many there are (`sentences_in_all`) and
    whether all `same_numbers` stand in them; of a measure the name of the `file` in which its figure stands. Where
    there are so many documents that each has a line only, the events stay as they are.
    """
    if documents_of(events) > TOLD_AT_LENGTH:
        return list(events)
    versions: dict[tuple[int, int], StoredVersion | None] = {}

    def version(document: int, number: int | None) -> StoredVersion | None:
        if number is None:
            return None
        if (document, number) not in versions:
            versions[document, number] = documents.version_by_number(conn, document, number)
        return versions[document, number]

    told = []
    for event in events:
        if event.document is None:
            told.append(event)
            continue
        older, newer = (version(event.document.id, number) for number in event.versions)
        told.append(replace(event, detail={**_beside(event, older, newer), **event.detail}))
    return told


def _beside(event: Event, older: StoredVersion | None, newer: StoredVersion | None) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if newer and newer.document.published_on:
        told["published_on"] = newer.document.published_on.isoformat()
    if older and newer and event.type == "document.revised":
        reasons = event.detail.get("reasons") or ()
        if "attachments" in reasons:
            told["files"] = changed_files(older.document, newer.document)
        if "text" in reasons and not event.detail.get("changes"):
            told |= changed_sentences(own_text(older.document), own_text(newer.document))
    holder, figure = (newer, event.after) if event.after else (older, event.before)
    if holder and figure and (file := file_at(holder, figure["start"])):
        told["file"] = file
    return told


def changed_sentences(before: str, after: str) -> dict[str, Any]:
    """The first sentences that differ between two texts, as [old, new], one of which may be empty; how many there
    are, and whether they hold the same numbers."""
    found = [
        [before[slice(*block.before)].strip(), after[slice(*block.after)].strip()]
        for block in difference(before, after).blocks
        if block.op in ("replaced", "inserted", "deleted")
    ]
    found = [pair for pair in found if any(re.search(r"\w", side) for side in pair)]
    shown = [[side[:_LONGEST] for side in pair] for pair in found[:MOST_SENTENCES]]
    gone, come = (sorted(_NUMBER.findall(" ".join(pair[n] for pair in found))) for n in (0, 1))
    return {"sentences": shown, "sentences_in_all": len(found), "same_numbers": gone == come} if found else {}


def file_at(version: StoredVersion, start: int) -> str:
    """The name of the file that says what stands at `start` of a version's text; "" where the page itself does."""
    end = len(version.text)
    for file in reversed([a for a in version.document.attachments if a.text]):
        end -= len(f"{ATTACHED}{file.name}\n{file.text}")
        if start >= end:
            return file.name
    return ""
