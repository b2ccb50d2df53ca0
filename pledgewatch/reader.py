"""What a pass has to know of reading before anything is read. Loads none of the code that reads: most passes find
nothing new, and it is a third of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from crawler.reader import OCR
from crawler.reader import READER as DOCUMENTS
from monitors.extraction import READER as MEASURES
from pledgewatch.settings import Source

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
