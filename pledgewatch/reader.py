"""What a pass has to know of reading before anything is read. Loads none of the code that reads: most passes find
nothing new, and it is a third of the program.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from crawler.reader import LISTS, OCR
from crawler.reader import READER as DOCUMENTS
from monitors.extraction import READER as MEASURES
from pledgewatch.settings import Source
from storage.records import Capture

#: Names the code that reads. A version made by another reader is read again before anything is compared with it.
READER = sha256(f"{DOCUMENTS}/{MEASURES}/{OCR}".encode()).hexdigest()[:12]


def unread_mark(sha: str | None) -> str:
    """What stands for bytes that the present reader cannot read: a newer one is to try them again."""
    return sha256(f"{READER}/{sha}".encode()).hexdigest()


def content_type(source: Source | None, headers: Mapping[str, str]) -> str | None:
    """An answer's content type, with the encoding that the operator names where the server's is wrong."""
    if source and source.encoding:
        return f"text/html; charset={source.encoding}"
    return headers.get("content-type")


def list_mark(source: Source, sha: str | None, capture: Capture, configured: str) -> str:
    """What stands for all that decides which documents a list names, and what its pass does with them.

    `sha` is of the list's bytes, which `capture` brought or confirmed; `configured` is `sources_mark` of all sources.
    """
    kind = content_type(source, capture.headers)
    said = [LISTS, sha, capture.final_url, kind, source.model_dump_json(), configured]
    return sha256(json.dumps(said).encode()).hexdigest()


def sources_mark(sources: Iterable[Source]) -> str:
    """What stands for who is watched: a source takes over the documents of one that is not any more."""
    return sha256(json.dumps([(source.id, source.url) for source in sources]).encode()).hexdigest()
