"""What the JSON API answers, for its OpenAPI document. The values themselves come from the records' `to_json`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from storage.records import Bound, DeliveryState, Kind, Status

T = TypeVar("T")


class Told(BaseModel):
    """What an answer holds, and nothing beside it: a field that is told and not named here breaks the document."""

    model_config = ConfigDict(extra="forbid")


class Problem(Told):
    """What is wrong (RFC 9457). `errors` names the parameters that are."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[str] = []


class Page(Told, Generic[T]):
    """A part of a list. `next` is the address of the part that follows, null at the end."""

    items: list[T]
    next: str | None


class Figure(Told):
    """A number in its base unit, or a range from `min` to `max`; `start` and `end` are offsets in the text."""

    value: float | None
    min: float | None
    max: float | None
    unit: str
    bound: Bound
    quote: str
    start: int
    end: int
    previous: float | None = None
    ocr: bool = False


class ToldFigure(Figure):
    sentence: str = ""


class Measure(Told):
    kind: Kind
    subject: str
    figures: list[Figure]
    deadline: date | None
    recipient: str | None
    condition: str | None
    bodies: list[str]
    sentence: str


class DocumentName(Told):
    id: int
    title: str
    url: str
    doc_number: str | None
    publisher: str | None
    region: str | None


class MeasureName(Told):
    id: str
    name: str
    kind: Kind
    recipient: str | None


class Event(Told):
    id: int
    type: str
    time: datetime
    source: str
    document: DocumentName | None
    versions: list[int | None] = Field(min_length=2, max_length=2)
    measure: MeasureName | None
    before: ToldFigure | None
    after: ToldFigure | None
    summary: str
    baseline: bool


class Document(Told):
    id: int
    source: str
    title: str
    url: str
    doc_number: str | None
    index_number: str | None
    publisher: str | None
    region: str | None
    published_on: date | None
    state: Literal["live", "withdrawn"]
    status: Status
    repealed_by: int | None
    repealed_on: date | None
    first_seen_at: datetime
    last_seen_at: datetime


class VersionLine(Told):
    document: int
    version: int
    created_at: datetime
    fetched_at: datetime
    title: str
    status: Status
    measures: int
    baseline: bool


class Attachment(Told):
    name: str
    url: str


class Version(Told):
    """A document as it was read: the text with its attachments, and the measures in it."""

    document: int
    version: int
    created_at: datetime
    baseline: bool
    title: str
    doc_number: str | None
    index_number: str | None
    publisher: str | None
    published_on: date | None
    issued_on: date | None
    status: Status
    attachments: list[Attachment]
    text: str
    measures: list[Measure]


class Difference(Told):
    """Two versions: the blocks of text that differ, with offsets in both, and the measures that do."""

    document: int
    versions: list[int]
    measures: list[dict[str, Any]]
    blocks: list[dict[str, Any]]


class Statement(Told):
    document: int
    title: str
    kind: Kind
    figures: list[Figure]
    quote: str
    deadline: date | None
    published_on: date | None
    version: int


class TrackedMeasure(Told):
    """A measure that is followed through documents, with what those in force say of it, the oldest first."""

    id: str
    name: str
    kind: Kind
    region: str | None
    unit: str | None
    statements: list[Statement]


class Subject(Told):
    """What several regions speak of. `id` names it in a comparison."""

    id: str
    name: str
    regions: list[str]
    measures: list[str]


class RegionRow(Told):
    region: str
    figures: list[Figure]
    statement: Statement


class Comparable(Told):
    """Rows of one kind and unit, for the same recipient, the highest first. Those that are not `counted` hold under a
    condition that the others do not know, and stand beside them only to be seen."""

    kind: Kind
    unit: str
    recipient: str
    rows: list[RegionRow]


class RegionComparison(Told):
    """What regions say of one subject; `alone` are figures that none of another region can be set beside."""

    subject: Subject
    comparable: list[Comparable]
    alone: list[RegionRow]


class Source(Told):
    id: str
    name: str
    url: str
    region: str
    state: str | None
    last_pass_at: datetime | None
    last_success_at: datetime | None
    next_due_at: datetime | None
    failures: int
    last_error: str | None
    lied_at: datetime | None
    running: bool


class Pass(Told):
    """A pass that was asked for. `daemon`: somebody is there to begin it within seconds."""

    source: str
    due_at: datetime
    running: bool
    daemon: bool


class Delivery(Told):
    id: int
    subscriber: str
    channel: str
    events: list[int]
    state: DeliveryState
    attempts: int
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


class Subscriber(Told):
    """Who is told of what. Channels are named without their addresses."""

    id: str
    channels: list[str]
    events: list[str]
    sources: list[str]
    regions: list[str]
    kinds: list[str]
    tracked: list[str]
    recipients: list[str]
    keywords: list[str]
    minimum_change: float | None
    deliver: str
    quiet: str | None
    operator: bool
    language: str | None
