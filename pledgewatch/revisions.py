"""What counts as a change of a document: two releases held against each other, field by field. Pure.

White space does not count, nor do width and signs in titles, numbers and publishers; what is known now and was not
before is a gain in knowledge; what could not be had this time is carried on.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from dataclasses import replace

from crawler.attachments import is_attachment_line
from crawler.document import full_text
from pledgewatch.reading import Reading, measure
from storage.addresses import normal_address
from storage.records import Attachment, Document

_META = ("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status")
_WORDED = ("title", "doc_number", "index_number", "publisher")  # compared without signs and width
_UNSEEN = re.compile(r"[\s\u200b-\u200f\u2060\ufeff\u00ad]+")
_BESIDE = re.compile(r"[\s|｜：:]")


def changed_fields(before: Document, after: Reading) -> tuple[str, ...]:
    """What a release changes: "text", "attachments", and names of metadata. Nothing for a mere gain in knowledge.

    `before.text` is the whole text. A field that was not known before is filled in, not changed.
    """
    now = after.document
    fields = ["text"] if _squeezed(own_text(before)) != _squeezed(own_text(now.with_text(after.text))) else []
    fields += [name for name in _META if _is_changed(name, getattr(before, name), getattr(now, name))]
    if _said_by_files(before) != _said_by_files(now):
        fields.append("attachments")
    return tuple(fields)


def _is_changed(name: str, before: object, after: object) -> bool:
    if isinstance(before, str) and isinstance(after, str) and name in _WORDED:
        if name == "publisher":  # some templates print a view counter or an office beside it
            before, after = (bare_words(_BESIDE.split(words.strip(), maxsplit=1)[0]) for words in (before, after))
            return bool(before) and before not in after and after not in before
        before, after = bare_words(before), bare_words(after)
    return _is_known(before) and before != after


def own_text(document: Document) -> str:
    """What the page itself says, out of the whole text, which ends with what its files say. Links to files are not."""
    own = document.text.removesuffix(full_text(document)[len(document.text) :])
    return "\n".join(line for line in own.split("\n") if not is_attachment_line(line, document.attachments))


def _said_by_files(document: Document) -> Counter[str]:
    """What the files say, in whatever order and by whatever name; those without text count by their bytes."""
    return Counter(_said_by(a) for a in document.attachments if a.kind == "file")


def changed_files(before: Document, after: Document) -> dict[str, list[str]]:
    """The names of files that were "added", "changed" and "removed", by what they say: a name is no change."""
    gone, come = (_said_by_files(d) for d in (before, after))
    same = gone & come
    left = [_without(d, Counter(same)) for d in (before, after)]
    told: dict[str, list[str]] = {"added": [], "changed": [], "removed": []}
    for file in left[1]:
        older = next((f for f in left[0] if _is_one_file(f, file)), None)
        if older:
            left[0].remove(older)
        told["changed" if older else "added"].append(file.name or file.url)
    told["removed"] = [f.name or f.url for f in left[0]]
    return told


def _without(document: Document, said: Counter[str]) -> list[Attachment]:
    """The files of a document but for those that say one of `said`, each as often as it stands there."""
    found = []
    for file in (a for a in document.attachments if a.kind == "file"):
        if said[words := _said_by(file)] > 0:
            said[words] -= 1
        else:
            found.append(file)
    return found


def _said_by(file: Attachment) -> str:
    return _squeezed(file.text or "") or file.sha256 or ""


def _squeezed(text: str) -> str:
    """A text without white space and signs that do not show: another template breaks and indents its lines anew."""
    return _UNSEEN.sub("", text)


def _is_known(value: object) -> bool:
    return value not in (None, "", "unknown")


def carried(before: Document, reading: Reading, region: str) -> Reading:
    """A field that was known and is missing now is carried on: templates lose fields, documents do not.

    So is a file that cannot be had, under whatever address the page names it now.
    """
    now = reading.document
    lost = {n: getattr(before, n) for n in _META if not _is_known(getattr(now, n)) and _is_known(getattr(before, n))}
    known = replace(reading, document=replace(now, **lost)) if lost else reading
    files = tuple(_as_before(before, a) for a in now.attachments)
    if files == now.attachments:
        return known
    return replace(measure(replace(known.document, attachments=files), region), further=reading.further)


def _as_before(before: Document, attachment: Attachment) -> Attachment:
    if attachment.sha256 is not None or attachment.error is None:
        return attachment
    kept = next((a for a in before.attachments if a.sha256 and _is_one_file(a, attachment)), None)
    return replace(attachment, text=kept.text, sha256=kept.sha256) if kept else attachment


def _is_one_file(one: Attachment, other: Attachment) -> bool:
    same_name = bool(one.name) and one.name == other.name
    return one.kind == other.kind and (same_name or normal_address(one.url) == normal_address(other.url))


def without_late_parts(before: Document, reading: Reading, region: str) -> Reading:
    """The reading without files and further pages that could not be had before: to get one at last revises nothing."""
    unread = [a for a in before.attachments if a.text is None and (a.error is not None or a.kind == "page")]
    late = [a for a in reading.document.attachments if a.text is not None and any(_is_one_file(a, u) for u in unread)]
    missed = {a.url for a in unread if a.kind == "page" and a.sha256 is None}
    pages = [text for url, text in reading.further if url in missed]
    if not late and not pages:
        return reading
    files = tuple(replace(a, text=None, sha256=None) if a in late else a for a in reading.document.attachments)
    own = reading.document.text
    for page in pages:
        own = own.replace(f"\n{page}", "", 1)
    return measure(replace(reading.document, text=own, attachments=files), region)


def fingerprint(reading: Reading) -> str:
    """A hash over all that a version says."""
    meta = reading.document.to_json() | {"text": reading.text}
    files = [(a.name, a.url, a.sha256, a.error) for a in reading.document.attachments]
    said = json.dumps([meta, files], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "replace")).hexdigest()


def bare_words(words: str) -> str:
    """Words without signs, white space and differences of width."""
    return re.sub(r"\W", "", unicodedata.normalize("NFKC", words))
