"""Which events a change, a relation or a day makes: pure construction of the change log's lines.

Every event gets a key that says what happened to what, so that recording the same pass twice makes no second
event. The words a message needs stand in `summary` and, figure by figure, in `detail` (before_words,
after_words), because the rooms that write messages do not know measures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal

from monitors.changes import MeasureChange
from monitors.threads import Relation, Statement, reaches
from monitors.words import figure_words, step_words
from storage.records import DocumentRef, Event, Figure, Measure, MeasureRef, Repeal

AnyFigure = Figure | Mapping[str, Any] | None  # a record, or as an event holds it
DocumentStep = Literal["published", "revised", "withdrawn", "restored"]

DUE_DAYS = (90, 30)  # a target is announced as due once within each of these many days before its deadline
_SAID = ("value", "min", "max", "unit", "bound")  # what a reader's own language needs to say a figure
HEADLINES = 20  # measures that the message of a new document shows

_WORDS = {
    "zh": {
        "published": "发布：{title}",
        "revised": "修订：{title}",
        "withdrawn": "撤下：{title}",
        "restored": "恢复：{title}",
        "figures": "（{n}项指标变化）",
        "added": "新增 {name}：{after}",
        "removed": "删去 {name}：{before}",
        "changed": "{name}：{before} → {after}",
        "step": "（{step}）",
        "beside": "{name}（{after}）",
        "figure_added": "{name}：新增 {after}",
        "figure_removed": "{name}：删去 {before}",
        "deadline": "期限 {before} → {after}",
        "recipient": "对象 {before} → {after}",
        "condition": "条件 {before} → {after}",
        "none": "无",
        "restated": "{name}：新文件改为 {after}（原 {before}）",
        "conflict": "{name}：两份文件不一致，{before} 与 {after}",
        "met": "{name}：已达 {after}，目标 {before}",
        "due": "{name}：目标 {before} 将于 {deadline} 到期，还有{days}天",
        "missed": "{name}：目标 {before} 已于 {deadline} 到期，未见达成的数据",
        "lost_mark": "疑似漏印连接号或小数点",
        "magnitude": "相差一个数量级以上",
        "same_time": "两份文件时间相近",
        "gone": "（页面连续不可访问）",
        "status": "（文件有效性变更）",
        "repealed": "「{title}」已被{by}废止{since}",
        "expired": "「{title}」已由{by}宣布失效{since}",
        "told repealed": "「{title}」已废止{since}（见{by}）",
        "told expired": "「{title}」已失效{since}（见{by}）",
        "ended no more": "恢复：{title}（{by}不再宣布其废止、失效）",
        "by": "《{title}》",
        "number": "（{number}）",
        "since": "，自{day}起",
        "day": "{d.year}年{d.month}月{d.day}日",
        "sep": "；",
        "list": "、",
    },
    "en": {
        "published": "Published: {title}",
        "revised": "Revised: {title}",
        "withdrawn": "Withdrawn: {title}",
        "restored": "Restored: {title}",
        "figures": " (measures changed: {n})",
        "added": "Added {name}: {after}",
        "removed": "Removed {name}: {before}",
        "changed": "{name}: {before} → {after}",
        "step": " ({step})",
        "beside": "{name} ({after})",
        "figure_added": "{name}: new {after}",
        "figure_removed": "{name}: {before} dropped",
        "deadline": "deadline {before} → {after}",
        "recipient": "recipient {before} → {after}",
        "condition": "condition {before} → {after}",
        "none": "none",
        "restated": "{name}: a new document says {after} (was {before})",
        "conflict": "{name}: two documents disagree, {before} and {after}",
        "met": "{name}: {after} reached, the target was {before}",
        "due": "{name}: target {before} is due on {deadline}, in {days} days",
        "missed": "{name}: target {before} was due on {deadline}, no figure reached it",
        "lost_mark": "a dash or a decimal point seems to be lost",
        "magnitude": "they differ by an order of magnitude",
        "same_time": "both documents are of about the same time",
        "gone": " (the page cannot be reached any more)",
        "status": " (the document's validity changed)",
        "repealed": "“{title}” was repealed by {by}{since}",
        "expired": "“{title}” was declared expired by {by}{since}",
        "told repealed": "“{title}” is repealed{since} (as {by} says)",
        "told expired": "“{title}” has expired{since} (as {by} says)",
        "ended no more": "Restored: {title} ({by} does not declare it ended any more)",
        "by": "“{title}”",
        "number": " ({number})",
        "since": ", from {day} on",
        "day": "{d:%Y-%m-%d}",
        "sep": "; ",
        "list": ", ",
    },
}


@dataclass(frozen=True, slots=True)
class Occasion:
    """What all events of one step of one document share. `time` is aware and in UTC.

    `versions` are the numbers of the older and the newer version: (None, 1) for a new document, (n, n)
    where a document was withdrawn or came back unchanged.
    """

    source: str
    document: DocumentRef
    versions: tuple[int | None, int | None]
    time: datetime
    baseline: bool = False
    language: str = "zh"
    published_on: date | None = None


@dataclass(frozen=True, slots=True)
class End:
    """What another document says of the end of the one that an event is of; `version` is of the other one."""

    by: DocumentRef
    repeal: Repeal
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Promise:
    """A tracked target that stands, on its way to its deadline. `watched_since`: when its document was
    first seen; `baseline`: that was in a first pass, which tells nobody of what it finds.
    """

    ref: MeasureRef
    statement: Statement
    source: str
    document: DocumentRef
    version: int | None
    watched_since: date
    baseline: bool = False


def document_events(
    occasion: Occasion,
    step: DocumentStep,
    *,
    changes: Sequence[MeasureChange] = (),
    measures: Sequence[Measure] = (),
    refs: Mapping[Measure, MeasureRef] | None = None,
    reasons: Sequence[str] = (),
    end: End | None = None,
) -> tuple[Event, ...]:
    """The events of one step of a document: its own first, then one for each change of a measure.

    `changes` belong to a revision only. `measures` are those of the present version: a new document's message
    shows the first `HEADLINES`. `refs` names tracked measures; a measure without one is named by its subject.
    `reasons` says what was revised (names of fields) or why the document was withdrawn ("gone", "status", "repealed",
    "expired"). `end` names the document that declares this one ended, or does so no more.
    """
    known = refs or {}
    said = _WORDS[occasion.language]
    summary = said[step].format(title=occasion.document.title)
    if end and step in ("withdrawn", "restored"):
        summary = _end_summary(occasion, step, end)
    elif step != "revised":
        summary += "".join(said.get(reason, "") for reason in reasons[:1])
        summary += said["sep"] + _end_summary(occasion, "withdrawn", end) if end else ""
    if changes:
        summary += said["figures"].format(n=len(changes))
    detail: dict[str, Any] = {"reasons": list(reasons), "changes": len(changes)}
    if occasion.published_on:
        detail["published_on"] = occasion.published_on.isoformat()
    # A new document's message shows these; for every step they tell whose subscription the document concerns.
    detail["figures"] = [_headline(m, known, occasion.language) for m in measures[:HEADLINES]]
    detail["measures"] = len(measures)
    if end:
        detail |= _end_detail(end)
    about = f"{end.by.id}v{end.version}" if end and end.version else ""
    first = _event(occasion, f"document.{step}", about, summary=summary, detail=detail)
    return (first, *(_change_event(occasion, change, known) for change in changes))


def thread_events(
    occasion: Occasion,
    relations: Iterable[Relation],
    refs: Mapping[int, MeasureRef],
    documents: Mapping[int, DocumentRef],
) -> tuple[Event, ...]:
    """measure.restated, measure.conflict and target.met that a document's statements make with earlier
    ones.

    `refs` names the tracked measure of every statement, by the statement's id; `documents` the documents of
    the earlier statements, by document id. Statements that only agree, or that repeat one document, make
    none.
    """
    types = {"restated": "measure.restated", "conflict": "measure.conflict", "met": "target.met"}
    return tuple(
        _relation_event(occasion, types[relation.kind], relation, refs, documents)
        for relation in relations
        if relation.kind in types
    )


def calendar_events(
    today: date,
    time: datetime,
    promises: Iterable[Promise],
    reported: Mapping[str, Sequence[Statement]],
    *,
    language: str = "zh",
) -> tuple[Event, ...]:
    """target.due and target.missed of one day; run it every day, or after a pause: each event has one key
    for good. A target that several standing documents state for one deadline is told once, by the latest.

    `today` is in the service's time zone. `reported` holds the progress statements of each tracked measure,
    by its id: a target that one of them reaches is never due or missed. A deadline that had passed before
    the document was first seen is history and makes no event. One that was near when a baseline found it is
    part of what was found, and its event a baseline's: a first run would tell of every target of this year at
    once. What comes near, nearer, or to its end from then on is news.
    """
    events = []
    for promise in _latest(promises):
        measure = promise.statement.measure
        figure, deadline = _first(measure), measure.deadline
        met = any(reaches(s.measure, measure) for s in reported.get(promise.ref.id, ()))
        if figure is None or deadline is None or met or deadline < promise.watched_since:
            continue
        days = (deadline - today).days
        if days < 0:
            events.append(_calendar_event(promise, figure, deadline, time, "missed", 0, days, language))
        elif horizon := min((d for d in DUE_DAYS if days <= d), default=0):
            events.append(_calendar_event(promise, figure, deadline, time, "due", horizon, days, language))
    return tuple(events)


def passes_alert(before: AnyFigure, after: AnyFigure, alert: str) -> bool:
    """Whether a change is one that a `[[tracked]]` table asks for: "any", "increase", "decrease", ">=10%".

    Figures may be records or the mappings of an event. A percentage is of the older figure; for a rate (%),
    it is in percentage points. Where one side is missing, or has another unit, only a threshold of size
    cannot be judged and the change passes: a reader would rather see it than miss it.
    """
    if alert == "any":
        return True
    old, new = _size(before), _size(after)
    if old is None or new is None or _get(before, "unit") != _get(after, "unit"):
        return True
    if alert == "increase":
        return new > old
    if alert == "decrease":
        return new < old
    threshold = alert_threshold(alert)
    share = abs(new - old) if _get(before, "unit") in {"%", "pp"} else abs(new - old) / (abs(old) or 1.0) * 100
    return share >= threshold


def alert_threshold(alert: str) -> float:
    """The number of an alert like ">=10%". ValueError for anything else."""
    found = re.fullmatch(r">=\s*(\d+(?:\.\d+)?)\s*%", alert.strip())
    if not found:
        raise ValueError(f'alert = "{alert}": write "any", "increase", "decrease" or ">=10%"')
    return float(found[1])


def _size(figure: AnyFigure) -> float | None:
    """The figure as one number; of a range its upper end."""
    if figure is None:
        return None
    value = _get(figure, "value")
    return float(value) if value is not None else _get(figure, "max")


def _get(figure: AnyFigure, name: str) -> Any:
    return figure.get(name) if isinstance(figure, Mapping) else getattr(figure, name, None)


def _first(measure: Measure) -> Figure | None:
    return measure.figures[0] if measure.figures else None


def _event(occasion: Occasion, type_: str, about: str, **more: Any) -> Event:
    older, newer = occasion.versions
    key = f"{type_}:{occasion.document.id}:{older or 0}-{newer or 0}{about and ':' + about}"
    if type_ in {"document.withdrawn", "document.restored"} and not about:
        key += f":{occasion.time:%Y%m%dT%H%M%S}"  # a document may go and come back more than once
    return Event(
        type=type_,
        time=occasion.time,
        source=occasion.source,
        key=key,
        document=occasion.document,
        versions=occasion.versions,
        baseline=occasion.baseline,
        **more,
    )


def _end_summary(occasion: Occasion, step: DocumentStep, end: End) -> str:
    said, by, repeal = _WORDS[occasion.language], end.by, end.repeal
    named = said["by"].format(title=by.title) if "《" not in by.title else by.title
    named += said["number"].format(number=by.doc_number) if by.doc_number else ""
    since = said["since"].format(day=said["day"].format(d=repeal.day)) if repeal.day else ""
    told = repeal.kind if repeal.own else f"told {repeal.kind}"
    template = said[told if step == "withdrawn" else "ended no more"]
    return template.format(title=occasion.document.title, by=named, since=since)


def _end_detail(end: End) -> dict[str, Any]:
    repeal = end.repeal
    told = {"kind": repeal.kind, "own": repeal.own, "on": _plain(repeal.day), "sentence": repeal.sentence}
    return {"repeal": told, "other_document": end.by.to_json()}


def _named(measure: Measure, refs: Mapping[Measure, MeasureRef]) -> MeasureRef:
    return refs.get(measure) or MeasureRef("", measure.subject, measure.kind, measure.recipient)


def _headline(measure: Measure, refs: Mapping[Measure, MeasureRef], language: str) -> dict[str, Any]:
    return {
        "measure": _named(measure, refs).id,
        "name": measure.subject,
        "kind": measure.kind,
        "recipient": measure.recipient,
        "words": _all_words(measure, language),
        "figures": [{key: told[key] for key in _SAID} for told in (f.to_json() for f in measure.figures)],
        "deadline": measure.deadline.isoformat() if measure.deadline else None,
        "sentence": measure.sentence,
        **({"ocr": True} if any(figure.ocr for figure in measure.figures) else {}),
    }


def _all_words(measure: Measure, language: str) -> str:
    return _WORDS[language]["list"].join(figure_words(f, language) for f in measure.figures)


def _json(figure: Figure | None, measure: Measure | None) -> dict[str, Any] | None:
    return figure.to_json() | {"sentence": measure.sentence} if figure and measure else None


def _change_event(occasion: Occasion, change: MeasureChange, refs: Mapping[Measure, MeasureRef]) -> Event:
    measure = change.after or change.before
    assert measure is not None  # a change has at least one side
    ref = _named(measure, refs)
    places = [str(f.start) if f else "" for f in (change.before_figure, change.after_figure)]
    return _event(
        occasion,
        f"measure.{change.type}",
        "-".join(places),
        measure=ref,
        before=_json(change.before_figure, change.before),
        after=_json(change.after_figure, change.after),
        summary=_change_summary(change, ref.name, occasion.language),
        detail=_change_detail(change, measure, occasion.language),
    )


def _change_detail(change: MeasureChange, measure: Measure, language: str) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "fields": list(change.fields),
        "before_words": _side_words(change.before, change.before_figure, language),
        "after_words": _side_words(change.after, change.after_figure, language),
        "deadline": measure.deadline.isoformat() if measure.deadline else None,
        "bodies": list(measure.bodies),
        "recipient": measure.recipient,
        "condition": measure.condition,
    }
    for name in ("deadline", "recipient", "condition"):
        if name in change.fields:
            detail[name] = [_plain(getattr(side, name, None)) for side in (change.before, change.after)]
    return detail


def _side_words(measure: Measure | None, figure: Figure | None, language: str) -> str | None:
    return figure_words(figure, language) if figure and measure else None


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def change_words(change: MeasureChange, language: str) -> str:
    """A change in one line, its measure named by the document's own words."""
    measure = change.after or change.before
    return _change_summary(change, measure.subject if measure else "", language)


def _change_summary(change: MeasureChange, name: str, language: str) -> str:
    said = _WORDS[language]
    before = figure_words(change.before_figure, language) if change.before_figure else ""
    after = figure_words(change.after_figure, language) if change.after_figure else ""
    if change.type == "added" and change.after:
        return said["added"].format(name=name, after=_all_words(change.after, language))
    if change.type == "removed" and change.before:
        return said["removed"].format(name=name, before=_all_words(change.before, language))
    beside = [
        said[field].format(before=_side(change.before, field, said), after=_side(change.after, field, said))
        for field in ("deadline", "recipient", "condition")
        if field in change.fields
    ]
    return said["sep"].join([_figure_summary(change, name, before, after, language), *beside])


def _figure_summary(change: MeasureChange, name: str, before: str, after: str, language: str) -> str:
    said = _WORDS[language]
    if not change.before_figure:
        return said["figure_added"].format(name=name, after=after)
    if not change.after_figure:
        return said["figure_removed"].format(name=name, before=before)
    if not {"value", "bound", "unit"} & set(change.fields):
        return said["beside"].format(name=name, after=after)
    told = said["changed"].format(name=name, before=before, after=after)
    step = step_words(change.before_figure, change.after_figure, language)
    return told + said["step"].format(step=step) if step else told


def _side(measure: Measure | None, name: str, said: Mapping[str, str]) -> str:
    return str(getattr(measure, name, None) or said["none"])


def _relation_event(
    occasion: Occasion,
    type_: str,
    relation: Relation,
    refs: Mapping[int, MeasureRef],
    documents: Mapping[int, DocumentRef],
) -> Event:
    earlier, later = relation.earlier, relation.later
    ref = refs.get(later.id) or refs.get(earlier.id) or _named(later.measure, {})
    other = documents.get(earlier.document)
    before, after = (figure_words(f, occasion.language) for f in (relation.before, relation.after))
    summary = _WORDS[occasion.language][relation.kind].format(name=ref.name, before=before, after=after)
    return _event(
        occasion,
        type_,
        f"{earlier.document}:{ref.id}:{relation.before.start}-{relation.after.start}",
        measure=ref,
        before=_json(relation.before, earlier.measure),
        after=_json(relation.after, later.measure),
        summary=summary,
        detail={
            "before_words": before,
            "after_words": after,
            "reason": _WORDS[occasion.language].get(relation.reason, ""),
            "cause": relation.reason,
            "other_document": other.to_json() if other else {"id": earlier.document},
            "other_published_on": _plain(earlier.published_on),
            "deadline": _deadline_between(type_, earlier.measure, later.measure),
        },
    )


def _deadline_between(type_: str, earlier: Measure, later: Measure) -> Any:
    """The deadline of what was promised; a pair where a later document promises it for another day."""
    if type_ == "target.met" or earlier.deadline == later.deadline:
        return _plain(earlier.deadline)
    return [_plain(earlier.deadline), _plain(later.deadline)]


def _latest(promises: Iterable[Promise]) -> list[Promise]:
    """One standing promise for each tracked measure and deadline."""
    found: dict[tuple[str, date | None], Promise] = {}
    for promise in (p for p in promises if p.statement.standing and p.statement.measure.figures):
        about = (_about(promise), promise.statement.measure.deadline)
        other = found.get(about)
        if other is None or _told_on(other) <= _told_on(promise):
            found[about] = promise
    return list(found.values())


def _about(promise: Promise) -> str:
    """What a promise is of, for its key: its tracked measure, or where there is none the place of its figure."""
    return promise.ref.id or f"{promise.document.id}/{promise.statement.measure.figures[0].start}"


def _told_on(promise: Promise) -> date:
    return promise.statement.published_on or date.min


def _calendar_event(
    promise: Promise,
    figure: Figure,
    deadline: date,
    time: datetime,
    what: Literal["due", "missed"],
    horizon: int,
    days: int,
    language: str,
) -> Event:
    """The key holds the horizon, not the days left: a day missed or run twice still says it once."""
    measure = promise.statement.measure
    words = figure_words(figure, language)
    came_near = deadline - timedelta(days=horizon)
    return Event(
        type=f"target.{what}",
        time=time,
        source=promise.source,
        key=f"target.{what}:{_about(promise)}:{deadline}:{horizon}",
        document=promise.document,
        versions=(promise.version, promise.version),
        measure=promise.ref,
        before=_json(figure, measure),
        summary=_WORDS[language][what].format(name=promise.ref.name, before=words, deadline=deadline, days=days),
        baseline=what == "due" and promise.baseline and came_near <= promise.watched_since,
        detail={
            "before_words": words,
            "deadline": deadline.isoformat(),
            "days": days,
            "bodies": list(measure.bodies),
        },
    )
