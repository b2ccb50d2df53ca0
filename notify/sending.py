"""Sending what is due: claims deliveries, sends them, records what came of it.

The database is somebody else's: it comes in as an `Outbox`. Each channel has one message under way at a time,
and a channel that is down, slow or told to wait keeps nobody but itself.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from notify.channels import SendResult, channel_for
from notify.messages import Links, Message, render
from notify.phrases import clean
from notify.subscriptions import Subscriber, after_quiet, channel_url, is_digest
from storage.records import Delivery, Event

log = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds to wait after the first, second, … try. A delivery is given up after the twelfth, three days on.
WAITS = (30, 120, 600, 3600, 3 * 3600, 6 * 3600, *[12 * 3600] * 5)
MOST_TRIES = len(WAITS) + 1


class Outbox(Protocol):
    """The stored deliveries. Each method may be a coroutine instead.

    `claim` takes up to `limit` deliveries that are due, but none of the (subscriber, channel) pairs in
    `skip`, under a lease that outlives `Plan.patience` and a send's timeout together; their `attempts` count
    this attempt too. `release` gives deliveries back unattempted.
    """

    def claim(
        self, now: datetime, limit: int, skip: Collection[tuple[str, str]]
    ) -> Sequence[Delivery] | Awaitable[Sequence[Delivery]]: ...
    def record_sent(self, ids: Sequence[int], now: datetime) -> Awaitable[None] | None: ...
    def record_retry(self, ids: Sequence[int], due_at: datetime, error: str) -> Awaitable[None] | None: ...
    def record_dead(self, ids: Sequence[int], error: str) -> Awaitable[None] | None: ...
    def release(self, ids: Sequence[int]) -> Awaitable[None] | None: ...


class Send(Protocol):
    """`notify.channels.send`, or something like it in a test."""

    def __call__(self, url: str, message: Message) -> Awaitable[SendResult]: ...


@dataclass(frozen=True)
class Style:
    """How messages are written: the service's language and time zone, addresses of pages, own templates."""

    language: str
    tz: ZoneInfo
    links: Links = field(default_factory=Links)
    templates: Path | None = None


@dataclass(frozen=True)
class Plan:
    """Bounds of a run, times in seconds.

    `patience`: how long a claimed delivery may wait for its channel's earlier ones. `burst`: with more
    deliveries of one reader waiting than this, they go out as one digest. `failures`: after so many in a row
    a channel counts as down, and what else waits for it waits on; more than one, lest a single message that
    a service cannot digest holds up all others. `slow_after`: how long a send counts among those `at_once`.
    """

    at_once: int = 32
    batch: int = 200
    patience: float = 60.0
    burst: int = 20
    failures: int = 2
    slow_after: float = 3.0
    poll: float = 1.0


@dataclass
class Tally:
    """What a run did, in deliveries. `problems`: the dead, as (delivery, channel, reason), for operators."""

    sent: int = 0
    retrying: int = 0
    dead: int = 0
    released: int = 0
    problems: list[tuple[int, str, str]] = field(default_factory=list)


async def deliver_due(
    outbox: Outbox,
    subscribers: Mapping[str, Subscriber],
    events_of: Callable[[Sequence[int]], Sequence[Event] | Awaitable[Sequence[Event]]],
    send: Send,
    style: Style,
    *,
    clock: Callable[[], datetime],
    rng: random.Random | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    plan: Plan | None = None,
) -> Tally:
    """Sends what is due until nothing is, and returns what was done.

    While one channel keeps the run busy, what becomes due for others is claimed and sent. Cancelled, it stops
    at once; what it held is sent again when the leases end. `clock` gives aware times in UTC.
    """
    run = _Run(outbox, subscribers, events_of, send, style, clock, rng or random.Random(), sleep, plan or Plan())
    return await run.until_nothing_is_due()


def next_try(attempts: int, now: datetime, rng: random.Random, retry_after: float | None = None) -> datetime | None:
    """When to try again after `attempts` tries have failed, a fifth earlier or later by chance, but never
    before the service asks for it; None where there is no further try."""
    if attempts >= MOST_TRIES:
        return None
    wait = WAITS[max(attempts, 1) - 1] * rng.uniform(0.8, 1.2)
    return now + timedelta(seconds=max(wait, retry_after or 0.0))


def compose(subscriber: Subscriber, url: str, events: Sequence[Event], style: Style) -> Message:
    """The message for one address. Where an operator's template fails, ours is used and the log says why."""
    from jinja2 import TemplateError

    channel = channel_for(url)
    how = {"format": channel.format, "limit": channel.limit, "tz": style.tz, "links": style.links}
    try:
        return render(subscriber, events, language=style.language, templates=style.templates, **how)  # type: ignore[arg-type]
    except TemplateError as error:
        if style.templates is None:
            raise
        log.warning("template in %s fails, ours is used: %s", style.templates, clean(error))
        return compose(subscriber, url, events, replace(style, templates=None))


async def _settled(value: T | Awaitable[T]) -> T:
    return await value if inspect.isawaitable(value) else value


@dataclass
class _Run:
    outbox: Outbox
    subscribers: Mapping[str, Subscriber]
    events_of: Callable[[Sequence[int]], Sequence[Event] | Awaitable[Sequence[Event]]]
    send: Send
    style: Style
    clock: Callable[[], datetime]
    rng: random.Random
    sleep: Callable[[float], Awaitable[None]]
    plan: Plan
    tally: Tally = field(default_factory=Tally)
    waiting: dict[str, deque[Delivery]] = field(default_factory=lambda: defaultdict(deque))
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    at_work: dict[tuple[str, str], None] = field(default_factory=dict)

    async def until_nothing_is_due(self) -> Tally:
        self.gate = asyncio.Semaphore(self.plan.at_once)
        try:
            while await self._claim() or self.tasks or any(self.waiting.values()):
                await self._some_progress()
        finally:
            await self._stop()
        return self.tally

    async def _claim(self) -> int:
        claimed = await _settled(self.outbox.claim(self.clock(), self.plan.batch, frozenset(self.at_work)))
        for delivery in claimed:
            self.waiting[delivery.channel].append(delivery)
            self.at_work[delivery.subscriber, delivery.channel] = None
        # A channel's task may have ended while the claim was awaited: whatever waits without one gets one.
        for channel in [name for name, queue in self.waiting.items() if queue and name not in self.tasks]:
            self.tasks[channel] = asyncio.create_task(self._serve(channel))
        return len(claimed)

    async def _some_progress(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=self.plan.poll, return_when=asyncio.FIRST_COMPLETED)
        for channel in [name for name, task in self.tasks.items() if task.done()]:
            self._end(channel, self.tasks.pop(channel).exception())

    def _end(self, channel: str, error: BaseException | None) -> None:
        if error is not None:
            # What was claimed stays so until its lease ends, and is then tried again.
            log.error("deliveries to %s stopped: %s: %s", channel, type(error).__name__, clean(error))
            self.waiting.pop(channel, None)
        if error is not None or not self.waiting[channel]:
            for pair in [pair for pair in self.at_work if pair[1] == channel]:
                del self.at_work[pair]

    async def _stop(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    # --- one channel ---

    async def _serve(self, channel: str) -> None:
        queue = self.waiting[channel]
        loop = asyncio.get_running_loop()
        patience_ends = loop.time() + self.plan.patience
        failures = 0
        while queue:
            parcel = self._next_parcel(queue)
            outcome, pace = await self._attempt(parcel)
            failures = 0 if outcome.ok or outcome.permanent else failures + 1
            if failures >= self.plan.failures or outcome.retry_after:
                await self._fail(_emptied(queue), outcome)
            elif loop.time() > patience_ends:
                await self._release(_emptied(queue))
            elif queue and pace:
                await self.sleep(pace)

    def _next_parcel(self, queue: deque[Delivery]) -> list[Delivery]:
        """The deliveries that go out together: all of a digest, all of a flood, else the first alone."""
        first = queue[0]
        together = [d for d in queue if d.subscriber == first.subscriber]
        subscriber = self.subscribers.get(first.subscriber)
        if len(together) <= self.plan.burst and not (subscriber and is_digest(subscriber)):
            together = [first]
        taken = {d.id for d in together}
        left = [d for d in queue if d.id not in taken]
        queue.clear()
        queue.extend(left)
        return together

    async def _attempt(self, parcel: Sequence[Delivery]) -> tuple[SendResult, float]:
        """Tries one message and records what came of it; returns that, and the channel's pace."""
        subscriber = self.subscribers.get(parcel[0].subscriber)
        url = channel_url(subscriber, parcel[0].channel) if subscriber else None
        if subscriber is None or url is None:
            return await self._record(parcel, _NO_ADDRESS), 0.0
        events = await _settled(self.events_of(_event_ids(parcel)))
        if not events:
            return await self._record(parcel, _NO_EVENTS), 0.0
        return await self._record(parcel, await self._try(subscriber, url, events)), channel_for(url).pace

    async def _try(self, subscriber: Subscriber, url: str, events: Sequence[Event]) -> SendResult:
        async with self.gate:
            try:
                message = await asyncio.to_thread(compose, subscriber, url, events, self.style)
            except Exception as error:  # a message that cannot be written must not stop the others
                log.exception("a message to %s could not be written", subscriber.id)
                return SendResult(False, reason=f"not written: {type(error).__name__}: {clean(error)[:200]}")
            sending = asyncio.ensure_future(self.send(url, message))
            # A slow service gives its place back, so that slow ones alone can never fill all places.
            try:
                await asyncio.wait({sending}, timeout=self.plan.slow_after)
            except asyncio.CancelledError:
                sending.cancel()
                raise
        return await sending

    async def _record(self, parcel: Sequence[Delivery], result: SendResult) -> SendResult:
        if result.ok:
            await _settled(self.outbox.record_sent([d.id for d in parcel], self.clock()))
            self.tally.sent += len(parcel)
        elif result.permanent:
            await self._give_up(parcel, result.reason)
        else:
            await self._fail(parcel, result)
        return result

    async def _fail(self, parcel: Sequence[Delivery], result: SendResult) -> None:
        """Each delivery gets a next try at a moment of its own: a flood that failed comes back spread out."""
        now = self.clock()
        for delivery in parcel:
            due = next_try(delivery.attempts, now, self.rng, result.retry_after)
            if due is None:
                await self._give_up([delivery], f"given up after {MOST_TRIES} tries: {result.reason}")
                continue
            subscriber = self.subscribers.get(delivery.subscriber)
            due = after_quiet(subscriber, due, self.style.tz) if subscriber else due
            await _settled(self.outbox.record_retry([delivery.id], due, result.reason))
            self.tally.retrying += 1

    async def _give_up(self, parcel: Sequence[Delivery], reason: str) -> None:
        await _settled(self.outbox.record_dead([d.id for d in parcel], reason))
        self.tally.dead += len(parcel)
        self.tally.problems += [(d.id, d.channel, reason) for d in parcel]

    async def _release(self, parcel: Sequence[Delivery]) -> None:
        if parcel:
            await _settled(self.outbox.release([d.id for d in parcel]))
            self.tally.released += len(parcel)


_NO_ADDRESS = SendResult(False, True, "this subscriber or address is no longer in the configuration")
_NO_EVENTS = SendResult(False, True, "its events are no longer stored")


def _emptied(queue: deque[Delivery]) -> list[Delivery]:
    taken = list(queue)
    queue.clear()
    return taken


def _event_ids(parcel: Sequence[Delivery]) -> list[int]:
    return list(dict.fromkeys(id for delivery in parcel for id in delivery.events))
