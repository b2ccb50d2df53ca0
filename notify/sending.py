"""Sending what is due: claims deliveries, sends them, records what came of it.

The database is somebody else's: it comes in as an `Outbox`. Each channel has one message under way at a time,
and a channel that is down, slow or told to wait keeps nobody but itself. A reader who was told of much today
gets the rest together, once an hour.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from notify.channels import SendResult, channel_for
from notify.messages import Links, Message, render
from notify.phrases import clean
from notify.subscriptions import BURST, Subscriber, after_quiet, channel_id, channel_url, is_digest, mail_reader
from storage.records import Delivery, Event

log = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds to wait after the first, second, … try. A delivery is given up after the twelfth, three days on.
WAITS = (30, 120, 600, 3600, 3 * 3600, 6 * 3600, *[12 * 3600] * 5)
MOST_TRIES = len(WAITS) + 1


class Outbox(Protocol):
    """The stored deliveries. Each method may be a coroutine instead.

    `claim` takes up to `limit` deliveries that are due, but none of the channels in `skip` or of one that another
    sender is serving, or those of one (subscriber, channel) `only`, under a lease that outlives `Plan.patience` and
    a send's timeout together; their `attempts` count this attempt too. `confirm`, asked just before a message
    leaves, names those that are still held and wanted: a reader may have unsubscribed meanwhile. `sent_since` tells
    when messages went to such a pair, the oldest first. `record_retry` is told when each is due again. `release`
    gives deliveries back unattempted, to be due at `due_at` where that is given; `cancel` ends them, which is no
    failure.
    """

    def claim(
        self, now: datetime, limit: int, skip: Collection[str], only: tuple[str, str] | None = None
    ) -> Sequence[Delivery] | Awaitable[Sequence[Delivery]]: ...
    def confirm(self, deliveries: Sequence[Delivery]) -> Collection[int] | Awaitable[Collection[int]]: ...
    def sent_since(
        self, subscriber: str, channel: str, since: datetime
    ) -> Sequence[datetime] | Awaitable[Sequence[datetime]]: ...
    def record_sent(self, ids: Sequence[int], now: datetime) -> Awaitable[None] | None: ...
    def record_retry(self, due: Mapping[int, datetime], error: str) -> Awaitable[None] | None: ...
    def record_dead(self, ids: Sequence[int], error: str) -> Awaitable[None] | None: ...
    def cancel(self, ids: Sequence[int], reason: str) -> Awaitable[None] | None: ...
    def release(self, ids: Sequence[int], due_at: datetime | None = None) -> Awaitable[None] | None: ...


class Send(Protocol):
    """`notify.channels.send`, or something like it in a test."""

    def __call__(self, url: str, message: Message) -> Awaitable[SendResult]: ...


@dataclass(frozen=True)
class Style:
    """How messages are written: the service's language and time zone, addresses of pages, own templates.

    `unsubscribe` gives the address where the reader of a (subscriber, channel) of mails gives them up;
    `contact` is the mail address of whoever runs the service, or empty.
    """

    language: str
    tz: ZoneInfo
    links: Links = field(default_factory=Links)
    templates: Path | None = None
    unsubscribe: Callable[[str, str], str | None] = lambda subscriber, channel: None
    contact: str = ""


@dataclass(frozen=True)
class Plan:
    """Bounds of a run, times in seconds.

    `patience`: how long a claimed delivery may wait for its channel's earlier ones. `burst`: with more
    deliveries of one reader waiting than this, they go out as one digest, of `digest` deliveries at most; after
    as many messages within a day, what comes goes out together every `pause`. `failures`: after so many in a row
    a channel counts as down, and what else waits for it waits on; more than one, lest a single message that
    a service cannot digest holds up all others. `slow_after`: how long a send counts among those `at_once`.
    """

    at_once: int = 32
    batch: int = 200
    patience: float = 60.0
    burst: int = BURST
    digest: int = 2000
    pause: timedelta = timedelta(hours=1)
    failures: int = 2
    slow_after: float = 0.5
    poll: float = 1.0


@dataclass
class Tally:
    """What a run did, in deliveries. `problems`: the dead, as (delivery, channel, reason), for operators;
    `cancelled`: those whom nobody wants any more, likewise."""

    sent: int = 0
    retrying: int = 0
    dead: int = 0
    released: int = 0
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    cancelled: list[tuple[int, str, str]] = field(default_factory=list)


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
    free_at: dict[str, float] | None = None,
) -> Tally:
    """Sends what is due until nothing is, and returns what was done.

    While one channel keeps the run busy, what becomes due for others is claimed and sent. Cancelled, it stops
    at once; what it held is sent again when the leases end. `clock` gives aware times in UTC. `free_at` keeps
    the pace of channels from one run to the next: when each may be sent to again, in the loop's time.
    """
    run = _Run(outbox, subscribers, events_of, send, style, clock, rng or random.Random(), sleep, plan or Plan())
    run.free_at = {} if free_at is None else free_at
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
    try:
        message = render(
            subscriber,
            events,
            language=style.language,
            links=style.links,
            format=channel.format,
            limit=channel.limit,
            tz=style.tz,
            templates=style.templates,
            unsubscribe=style.unsubscribe(subscriber.id, channel_id(url)) if mail_reader(url) else None,
        )
    except TemplateError as error:
        if style.templates is None:
            raise
        log.warning("template in %s fails, ours is used: %s", style.templates, clean(error))
        return compose(subscriber, url, events, replace(style, templates=None))
    host = urlsplit(style.links.base).hostname or "localhost"
    return replace(message, list_id=f"{subscriber.id}.pledgewatch.{host}", contact=style.contact)


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
    free_at: dict[str, float] = field(default_factory=dict)

    async def until_nothing_is_due(self) -> Tally:
        self.gate = asyncio.Semaphore(self.plan.at_once)
        try:
            while (claimed := await self._claim()) or self.tasks or any(self.waiting.values()):
                # A full claim may have left others behind who are due as well: one of many for one channel did.
                if claimed < self.plan.batch:
                    await self._some_progress()
        finally:
            await self._stop()
        return self.tally

    async def _claim(self) -> int:
        at_work = frozenset((*self.tasks, *(name for name, queue in self.waiting.items() if queue)))
        claimed = list(await _settled(self.outbox.claim(self.clock(), self.plan.batch, at_work)))
        if len(claimed) == self.plan.batch:
            claimed += await self._rest_of_digests(claimed)
        for delivery in claimed:
            self.waiting[delivery.channel].append(delivery)
        # A channel's task may have ended while the claim was awaited: whatever waits without one gets one.
        for channel in [name for name, queue in self.waiting.items() if queue and name not in self.tasks]:
            self.tasks[channel] = asyncio.create_task(self._serve(channel))
        return len(claimed)

    async def _rest_of_digests(self, claimed: Sequence[Delivery]) -> list[Delivery]:
        """What more is due for readers who will get one message with all of it."""
        rest: list[Delivery] = []
        for pair, waiting in Counter((d.subscriber, d.channel) for d in claimed).items():
            subscriber = self.subscribers.get(pair[0])
            if waiting > self.plan.burst or (subscriber and is_digest(subscriber)):
                room = self.plan.digest - waiting
                rest += await _settled(self.outbox.claim(self.clock(), room, frozenset(), pair))
        return rest

    async def _some_progress(self) -> None:
        if self.tasks:
            await asyncio.wait(self.tasks.values(), timeout=self.plan.poll, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(_GATHER)  # others end in the same moment; one claim serves them all
        for channel in [name for name, task in self.tasks.items() if task.done()]:
            self._end(channel, self.tasks.pop(channel).exception())

    def _end(self, channel: str, error: BaseException | None) -> None:
        if error is not None:
            # What was claimed stays so until its lease ends, and is then tried again.
            log.error("deliveries to %s stopped: %s: %s", channel, type(error).__name__, clean(error))
            self.waiting.pop(channel, None)

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
            outcome = await self._serve_first(queue)
            failures = 0 if outcome.ok or outcome.permanent else failures + 1
            if failures >= self.plan.failures or outcome.retry_after:
                await self._fail(_emptied(queue), outcome)
            elif loop.time() > patience_ends:
                await self._release(_emptied(queue))

    async def _serve_first(self, queue: deque[Delivery]) -> SendResult:
        """Takes the next message out of the queue and does with it what is to be done now."""
        first = queue[0]
        theirs = [d for d in queue if d.subscriber == first.subscriber]
        subscriber = self.subscribers.get(first.subscriber)
        url = channel_url(subscriber, first.channel) if subscriber else None
        if subscriber is None or url is None:
            await self._cancel(_taken(queue, theirs), _NO_ADDRESS)
            return _DONE
        if is_digest(subscriber) or not channel_for(url).gathers:
            return await self._attempt(_taken(queue, theirs if is_digest(subscriber) else [first]), subscriber, url)
        lately = await _settled(
            self.outbox.sent_since(first.subscriber, first.channel, self.clock() - timedelta(days=1))
        )
        if len(lately) < self.plan.burst:
            return await self._attempt(
                _taken(queue, theirs if len(theirs) > self.plan.burst else [first]), subscriber, url
            )
        turn = after_quiet(subscriber, lately[-1] + self.plan.pause, self.style.tz)
        if turn <= self.clock():
            return await self._attempt(_taken(queue, theirs), subscriber, url)
        await self._release(_taken(queue, theirs), turn)
        return _DONE

    async def _attempt(self, parcel: Sequence[Delivery], subscriber: Subscriber, url: str) -> SendResult:
        """Tries one message and records what came of it."""
        await self._keep_pace(parcel[0].channel, channel_for(url).pace)
        wanted = await _settled(self.outbox.confirm(parcel))
        parcel = [delivery for delivery in parcel if delivery.id in wanted]
        if not parcel:
            return _DONE
        events = await _settled(self.events_of(_event_ids(parcel)))
        if not events:
            return await self._record(parcel, _NO_EVENTS)
        return await self._record(parcel, await self._try(subscriber, url, events))

    async def _keep_pace(self, channel: str, pace: float) -> None:
        loop = asyncio.get_running_loop()
        wait = self.free_at.get(channel, 0.0) - loop.time()
        if wait > 0:
            await self.sleep(wait)
        if pace:
            self.free_at[channel] = loop.time() + pace

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
        tries = {d.id: next_try(d.attempts, now, self.rng, result.retry_after) for d in parcel}
        again = {d.id: self._past_quiet(d, due) for d in parcel if (due := tries[d.id])}
        if again:
            await _settled(self.outbox.record_retry(again, result.reason))
            self.tally.retrying += len(again)
        if over := [d for d in parcel if d.id not in again]:
            await self._give_up(over, f"given up after {MOST_TRIES} tries: {result.reason}")

    def _past_quiet(self, delivery: Delivery, due: datetime) -> datetime:
        subscriber = self.subscribers.get(delivery.subscriber)
        return after_quiet(subscriber, due, self.style.tz) if subscriber else due

    async def _give_up(self, parcel: Sequence[Delivery], reason: str) -> None:
        await _settled(self.outbox.record_dead([d.id for d in parcel], reason))
        self.tally.dead += len(parcel)
        self.tally.problems += [(d.id, d.channel, reason) for d in parcel]

    async def _cancel(self, parcel: Sequence[Delivery], reason: str) -> None:
        await _settled(self.outbox.cancel([d.id for d in parcel], reason))
        self.tally.cancelled += [(d.id, d.channel, reason) for d in parcel]

    async def _release(self, parcel: Sequence[Delivery], due_at: datetime | None = None) -> None:
        if parcel:
            await _settled(self.outbox.release([d.id for d in parcel], due_at))
            self.tally.released += len(parcel)


_GATHER = 0.02  # seconds
_DONE = SendResult(True)
_NO_ADDRESS = "cancelled: this subscriber or address is no longer in the configuration"
_NO_EVENTS = SendResult(False, True, "its events are no longer stored")


def _taken(queue: deque[Delivery], parcel: Sequence[Delivery]) -> Sequence[Delivery]:
    """`parcel`, which is no longer in the queue then."""
    ids = {delivery.id for delivery in parcel}
    left = [delivery for delivery in queue if delivery.id not in ids]
    queue.clear()
    queue.extend(left)
    return parcel


def _emptied(queue: deque[Delivery]) -> list[Delivery]:
    taken = list(queue)
    queue.clear()
    return taken


def _event_ids(parcel: Sequence[Delivery]) -> list[int]:
    return list(dict.fromkeys(id for delivery in parcel for id in delivery.events))
