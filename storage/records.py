"""The records that cross folders: what a page becomes on its way from bytes to an alert.

All are frozen: a step takes one record and makes the next. The fields of `Figure`, `Measure`, `Document` and
`Event` that users see keep the names of the public contract; `to_json` gives exactly those.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

Kind = Literal["target", "subsidy", "progress"]
Bound = Literal["=", ">=", "<=", ">", "<", "~"]
Status = Literal["in_force", "expired", "repealed", "unknown"]
EndedAs = Literal["expired", "repealed"]
Outcome = Literal["ok", "not_modified", "gone", "blocked", "failed"]
DeliveryState = Literal["pending", "sent", "retrying", "dead"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, or a range, with its unit, as it stands in a text.

    `value` is in the base unit (5万元 is 50000 元) and None for a range, whose ends are `min` and `max`.
    `text[start:end] == quote` in the text that was read.
    """

    value: float | None
    min: float | None
    max: float | None
    unit: str
    bound: Bound
    quote: str
    start: int
    end: int
    previous: float | None = None
    ocr: bool = False  # read from a picture by a program: a reader should check it

    def to_json(self) -> dict[str, Any]:
        """The figure as the contract prints it; `previous` and `ocr` only where they say something."""
        out = asdict(self)
        if self.previous is None:
            del out["previous"]
        if not self.ocr:
            del out["ocr"]
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Figure:
        """Inverse of `to_json`; unknown keys are ignored, so that older rows stay readable."""
        return cls(**{k: data[k] for k in cls.__slots__ if k in data})


@dataclass(frozen=True, slots=True)
class Measure:
    """One statement that ties a subject to figures: a target, a subsidy or a progress report."""

    kind: Kind
    subject: str
    figures: tuple[Figure, ...]
    deadline: date | None
    recipient: str | None
    condition: str | None
    bodies: tuple[str, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "figures": [f.to_json() for f in self.figures],
            "deadline": self.deadline.isoformat() if self.deadline else None,
            "recipient": self.recipient,
            "condition": self.condition,
            "bodies": list(self.bodies),
            "sentence": self.sentence,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Measure:
        return cls(
            kind=data["kind"],
            subject=data["subject"],
            figures=tuple(Figure.from_json(f) for f in data["figures"]),
            deadline=date.fromisoformat(data["deadline"]) if data.get("deadline") else None,
            recipient=data.get("recipient"),
            condition=data.get("condition"),
            bodies=tuple(data.get("bodies") or ()),
            sentence=data.get("sentence") or "",
        )


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that belongs to a document. `url` is absolute; `text` is None until the file has been read."""

    name: str
    url: str
    text: str | None = None
    sha256: str | None = None  # of the file's bytes
    error: str | None = None  # why `text` is None although the file was asked for
    kind: Literal["file", "page"] = "file"  # a further page of the article is kept like a file


@dataclass(frozen=True, slots=True)
class Document:
    """What a page says, without the page's furniture.

    `text` is the body; a table stands in it as one line a row, cells joined by " | ", with "↑" for a cell
    that a row span continues from above and "←" for one that a column span continues from the left.
    `warnings` tell an operator where reading was uncertain; they are never compared.
    """

    title: str
    text: str
    doc_number: str | None = None
    index_number: str | None = None
    publisher: str | None = None
    published_on: date | None = None
    issued_on: date | None = None
    status: Status = "unknown"
    attachments: tuple[Attachment, ...] = ()
    next_pages: tuple[str, ...] = ()  # further parts of the same article, to be fetched and joined
    warnings: tuple[str, ...] = ()

    def with_text(self, text: str) -> Document:
        return replace(self, text=text)

    def to_json(self) -> dict[str, Any]:
        """The document as `extract --json` prints it."""
        return {
            "title": self.title,
            "doc_number": self.doc_number,
            "index_number": self.index_number,
            "publisher": self.publisher,
            "published_on": self.published_on.isoformat() if self.published_on else None,
            "issued_on": self.issued_on.isoformat() if self.issued_on else None,
            "status": self.status,
            "attachments": [{"name": a.name, "url": a.url} for a in self.attachments if a.kind == "file"],
            "text": self.text,
        }


@dataclass(frozen=True, slots=True)
class Repeal:
    """A 文号 that a document declares ended.

    `title` is what the document calls it, "" where it gives the number only. `day` is from when, where that is
    said; None is from the declaration on. `own`: by this document itself, not told of another one's act.
    """

    number: str
    title: str
    sentence: str
    day: date | None
    kind: EndedAs
    own: bool = True


@dataclass(frozen=True, slots=True)
class ListItem:
    """One row of a list page. `url` is absolute."""

    title: str
    url: str
    date: date | None = None


@dataclass(frozen=True, slots=True)
class ListPage:
    """What a list page yields: its rows in page order and the address of the next page, if there is one."""

    cms: str
    items: tuple[ListItem, ...]
    next: str | None = None
    api: str | None = None  # where the rows really come from, when the page itself holds none
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """One answer of a server, kept as it came. Times are aware and in UTC.

    `url` is what was asked for, `final_url` where the redirects ended. `outcome` is the verdict on the
    answer; anything but "ok" and "not_modified" makes no version. `reason` says why, in words for an
    operator.
    """

    url: str
    final_url: str
    fetched_at: datetime
    status: int
    headers: Mapping[str, str]
    body: bytes
    outcome: Outcome
    reason: str = ""
    retry_after: float | None = None  # seconds, where the server asked for patience
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MeasureRef:
    """A tracked measure as an event names it."""

    id: str
    name: str
    kind: Kind
    recipient: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentRef:
    id: int
    title: str
    url: str
    doc_number: str | None = None
    publisher: str | None = None
    region: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the change log. `before` and `after` are figures with their `sentence` added.

    `id` is 0 until the event is stored. `key` makes a second recording of the same event harmless: it is
    unique in the database. `detail` holds what is not in the contract but a message needs (deadline, bodies,
    reasons).
    """

    type: str
    time: datetime
    source: str
    key: str
    id: int = 0
    document: DocumentRef | None = None
    versions: tuple[int | None, int | None] = (None, None)
    measure: MeasureRef | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    summary: str = ""
    baseline: bool = False
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The event as `events --json` prints it."""
        return {
            "id": self.id,
            "type": self.type,
            "time": self.time.isoformat(),
            "source": self.source,
            "document": self.document.to_json() if self.document else None,
            "versions": list(self.versions),
            "measure": asdict(self.measure) if self.measure else None,
            "before": dict(self.before) if self.before is not None else None,
            "after": dict(self.after) if self.after is not None else None,
            "summary": self.summary,
            "baseline": self.baseline,
        }


def change_size(before: Mapping[str, Any], after: Mapping[str, Any]) -> float | None:
    """The larger of a figure's changes, signed: in percent of the old one, in points where the unit is `%`.

    None where the two cannot be compared or their numbers are the same.
    """
    if before.get("unit") != after.get("unit"):
        return None
    changes = []
    for end in ("value", "min", "max"):
        old, new = before.get(end), after.get(end)
        if (old is None) != (new is None):
            return None
        if old is None or new is None or old == new:
            continue
        if before.get("unit") in ("%", "pp"):
            changes.append(float(new - old))
        elif old:
            changes.append((new - old) / abs(old) * 100)
    return max(changes, key=abs, default=None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one channel of one subscriber: queued with the change, sent later.

    `channel` names the address by scheme and fingerprint ("mailto-1a2b3c4d"), never in full: addresses hold
    secrets and stay in the configuration.
    """

    id: int
    subscriber: str
    channel: str
    events: tuple[int, ...]
    state: DeliveryState
    attempts: int
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None
    due_at: datetime

    def to_json(self) -> dict[str, Any]:
        """The delivery as `deliveries --json` prints it."""
        return {
            "id": self.id,
            "subscriber": self.subscriber,
            "channel": self.channel,
            "events": list(self.events),
            "state": self.state,
            "attempts": self.attempts,
            "last_error": self.last_error,
            "created_at": self.created_at.isoformat(),
            "sent_at": self.sent_at.isoformat() if self.sent_at else None,
        }
