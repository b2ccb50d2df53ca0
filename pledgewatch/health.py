"""How a source is doing: what a pass leaves behind, and what operators are told when that changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zlib import crc32

from notify.causes import cause_words
from pledgewatch import queueing
from pledgewatch.hours import is_open, opening
from pledgewatch.settings import Settings, Source
from storage import captures, events, sources
from storage.records import Event
from storage.sources import SourceState, State

if TYPE_CHECKING:
    from pledgewatch.passes import Listing, PassReport
    from pledgewatch.pipeline import Pipeline

FAILURES_TOLD = 3  # failed passes in a row before an operator hears of them: a server may have a bad hour
#: How long a server that called a changed page unchanged is asked for everything in full.
DISTRUST = timedelta(days=30)
DRIFTED_ROWS = 3  # a list that yielded at least so many and now yields none has changed its layout


_WORDS = {
    "zh": {
        "failing": "来源「{name}」连续{failures}次访问失败：{reason}",
        "blocked": "来源「{name}」被拦截：{reason}",
        "drifted": "来源「{name}」的列表原有{rows}条，现在一条也读不出：{reason}",
        "lied": "来源「{name}」的服务器对已修改的页面仍答“未修改”（304）：{url}。此后每次完整读取，不再依赖该应答",
        "ok": "来源「{name}」已恢复正常",
        "none": "版式可能已改，请用 pledgewatch sources test {id} 查看",
    },
    "en": {
        "failing": "Source “{name}” failed {failures} times in a row: {reason}",
        "blocked": "Source “{name}” is blocked: {reason}",
        "drifted": "The list of source “{name}” gave {rows} rows and now gives none: {reason}",
        "lied": "The server of source “{name}” calls a changed page unchanged (304): {url}. From now on its pages are "
        "fetched in full every time",
        "ok": "Source “{name}” works again",
        "none": "its layout may have changed; see pledgewatch sources test {id}",
    },
}


def finish_pass(pipeline: Pipeline, source: Source, listing: Listing, report: PassReport) -> int:
    """Record how a pass went and when the next is due; how many `source.*` events that made."""
    now = pipeline.clock()
    with pipeline.database.begin() as conn:
        before = sources.source_state(conn, source.id)
        if before is None:
            return 0
        judged = judge(before, listing, report)
        reason = judged.reason
        after = _after(before, source, listing, report, judged, now, pipeline.settings)
        sources.save_pass(conn, after)
        if listing.mark and report.ok and judged.state == "ok":
            captures.settle_list(conn, source.url, listing.mark)
        if after.baseline_at and not before.baseline_at:
            captures.end_baseline(conn, source.id)
        told = [_event(pipeline.settings, source, after, reason, now)] if after.state != before.state else []
        if report.lied and not is_distrusted(before, now):
            told.append(_lie(pipeline.settings, source, report.lied, now))
        recorded = events.record_events(conn, told)
        queueing.queue_messages(conn, pipeline.settings, recorded, now)
    return len(recorded)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A source's state after a pass, why, and whether the pass counts as a success."""

    state: State
    reason: str = ""
    good: bool = True


def judge(before: SourceState, listing: Listing, report: PassReport) -> Judgement:
    """How a source is after a pass. One bad page among good ones is no trouble of the source."""
    if listing.blocked or (report.blocked and not _any_good(report)):
        return Judgement("blocked", report.error or "blocked", good=False)
    if listing.error or (report.failed and not _any_good(report)):
        failing = before.failures + 1 >= FAILURES_TOLD or before.state == "failing"
        return Judgement("failing" if failing else before.state, report.error or "failed", good=False)
    if (
        before.productive_items >= DRIFTED_ROWS
        and listing.rows == 0
        and not listing.is_document
        and not listing.settled
    ):
        return Judgement("drifted")
    return Judgement("ok")


def is_distrusted(state: SourceState, now: datetime) -> bool:
    """Whether the source's server was found lately to call changed pages unchanged: its 304s are not asked for."""
    return state.lied_at is not None and now - state.lied_at < DISTRUST


def _any_good(report: PassReport) -> bool:
    return report.fetched + report.not_modified > 0


def _after(
    before: SourceState,
    source: Source,
    listing: Listing,
    report: PassReport,
    judged: Judgement,
    now: datetime,
    settings: Settings,
) -> SourceState:
    # What the first pass met is known from its list on, even where it could not be read yet.
    ends_baseline = listing.complete and not listing.error
    return replace(
        before,
        url=source.url,
        state=judged.state,
        baseline_at=before.baseline_at or (now if ends_baseline else None),
        last_pass_at=now,
        last_success_at=now if judged.good else before.last_success_at,
        next_due_at=next_pass(source, now, settings),
        failures=0 if judged.good else before.failures + 1,
        productive_items=listing.rows or before.productive_items,
        last_error=report.error or judged.reason or None,
        cms=listing.cms or before.cms,
        lied_at=now if report.lied else before.lied_at,
    )


def next_pass(source: Source, now: datetime, settings: Settings) -> datetime:
    """When a source is due again, in UTC and in its hours. Sources with one rhythm are spread over a tenth of it."""
    return within_hours(source, _next_turn(source, now, settings), settings)


def within_hours(source: Source, due: datetime, settings: Settings) -> datetime:
    """`due`, or where that is outside of the source's hours, soon after they begin."""
    zone, hours = settings.service.zone, source.open_hours
    if not hours or is_open(hours, due, zone):
        return due
    opens = opening(hours, due, zone)
    # Spread as well: else every source with office hours would be asked at eight o'clock sharp.
    later = opens + source.every * 0.1 * _share(source)
    return later if is_open(hours, later, zone) else opens


def _share(source: Source) -> float:
    """A number from 0 to 1 that is the source's own."""
    return crc32(source.id.encode()) % 1000 / 1000


def _next_turn(source: Source, now: datetime, settings: Settings) -> datetime:
    if source.cron is None:
        return now + source.every * (1 + (_share(source) - 0.5) * 0.1)
    from apscheduler.triggers.cron import CronTrigger

    fire = CronTrigger.from_crontab(source.cron, settings.service.zone).get_next_fire_time(None, now)
    return fire.astimezone(UTC) if fire else now + source.every


def _event(settings: Settings, source: Source, state: SourceState, reason: str, now: datetime) -> Event:
    words = _WORDS[settings.service.language]
    shown = cause_words(reason, settings.service.language) or words["none"].format(id=source.id)
    kind = "recovered" if state.state == "ok" else state.state
    summary = words[state.state].format(
        name=source.label, failures=state.failures, reason=shown, rows=state.productive_items, id=source.id
    )
    return Event(
        type=f"source.{kind}",
        time=now,
        source=source.id,
        key=f"source.{kind}:{source.id}:{now.isoformat()}",
        summary=summary,
        detail={"reason": shown if kind != "recovered" else "", "name": source.label},
    )


def _lie(settings: Settings, source: Source, url: str, now: datetime) -> Event:
    """What operators hear of a server whose 304s hide changes. The source goes on: its pages are read in full."""
    summary = _WORDS[settings.service.language]["lied"].format(name=source.label, url=url)
    return Event(
        type="source.failing",
        time=now,
        source=source.id,
        key=f"source.failing:{source.id}:304:{now.isoformat()}",
        summary=summary,
        detail={"reason": f"304: {url}", "name": source.label},
    )
