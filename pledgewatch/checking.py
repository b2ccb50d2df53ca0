"""`pledgewatch check`: one pass over some sources, a look at the calendar, then deliver what is due."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from pledgewatch.logs import configure_logs
from pledgewatch.passes import PassReport, pass_over
from pledgewatch.settings import Settings, Source
from pledgewatch.terminal import Progress, show_report
from pledgewatch.work import Workshop
from storage.database import Database
from storage.errors import StorageError
from storage.sources import source_states
from storage.threads import statements_of

if TYPE_CHECKING:
    from notify.sending import Tally


def check_sources(settings: Settings, database: Database, ids: Sequence[str], *, as_json: bool) -> int:
    """Visit the sources named, print a line for each, deliver; status 1 where anything failed."""
    configure_logs(logging.WARNING, words=True, zone=settings.service.zone)
    chosen = [source for source in settings.sources if source.id in ids]
    if not chosen:
        print(
            "pledgewatch: the configuration has no sources; `pledgewatch sources add URL` probes one", file=sys.stderr
        )
    try:
        return asyncio.run(_check(settings, database, chosen, as_json))
    except StorageError as error:
        print(f"pledgewatch: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pledgewatch: stopped; what was read is kept, the next pass goes on from there", file=sys.stderr)
        return 1
    finally:
        database.close()


async def _check(settings: Settings, database: Database, chosen: Sequence[Source], as_json: bool) -> int:
    failed = False
    async with Workshop(settings, database) as workshop:
        with database.read() as conn:
            first = {state.id for state in source_states(conn) if state.baseline_at is None}
        with Progress(len(chosen), ", ".join(source.id for source in chosen)) as progress:
            waiting = {source.id: source.id for source in chosen}

            def counted(source: str, done: int, of: int) -> None:
                waiting[source] = f"{source} {done}/{of}"
                progress.advance(", ".join(waiting.values()), by=0)

            passes = [asyncio.create_task(_pass(workshop, s, partial(counted, s.id))) for s in chosen]
            for done in asyncio.as_completed(passes):
                report = await done
                del waiting[report.source]
                progress.advance(", ".join(waiting.values()))
                failed |= not report.ok
                with progress.aside():
                    if as_json:
                        print(json.dumps(report.to_json(), ensure_ascii=False), flush=True)
                    else:
                        show_report(report, settings.service.language, baseline=report.source in first)
        await asyncio.to_thread(_look_at_calendar, settings, database)
        tally = await workshop.post.deliver()
    _tell_deliveries(tally)
    return 1 if failed or tally.dead or tally.retrying else 0


def _look_at_calendar(settings: Settings, database: Database) -> None:
    with database.read() as conn:
        if not any(known.measure.deadline for known in statements_of(conn, kind="target")):
            return
    from pledgewatch.deadlines import look_at_calendar  # here: the rules are loaded only where a deadline is known

    look_at_calendar(settings, database, datetime.now(UTC))


async def _pass(workshop: Workshop, source: Source, counted: Callable[[int, int], None]) -> PassReport:
    try:
        return await pass_over(workshop.pipeline, source, counted)
    except StorageError as error:
        return PassReport(source.id, ok=False, failed=1, error=f"storage: {error}")


def _tell_deliveries(tally: Tally) -> None:
    if tally.sent or tally.retrying or tally.dead:
        told = f"deliveries: {tally.sent} sent, {tally.retrying} to be retried, {tally.dead} given up"
        print(told, file=sys.stderr)
