"""Deliveries: nothing lost, nothing sent twice without need, and nobody waits for a sick channel."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify_samples import LINKS, NOON, SHANGHAI, busy_day, event

from notify.channels import SendResult
from notify.messages import Message
from notify.sending import MOST_TRIES, WAITS, Plan, Style, Tally, compose, deliver_due, next_try
from notify.subscriptions import Subscriber, channel_id
from storage.records import Delivery, Event

STYLE = Style("zh", SHANGHAI, LINKS)
EVENTS = {e.id: e for e in busy_day(600)}


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class MemoryOutbox:
    """An outbox as the database keeps it, with leases that never run out."""

    clock: Clock
    rows: dict[int, Delivery] = field(default_factory=dict)
    leased: set[int] = field(default_factory=set)
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def queue(self, subscriber: Subscriber, url: str, *events: int) -> int:
        id = len(self.rows) + 1
        now = self.clock()
        self.rows[id] = Delivery(id, subscriber.id, channel_id(url), events, "pending", 0, None, now, None, now)
        return id

    def claim(
        self, now: datetime, limit: int, skip: Collection[str], only: tuple[str, str] | None = None
    ) -> list[Delivery]:
        due = [
            d
            for d in self.rows.values()
            if d.state in ("pending", "retrying")
            and d.due_at <= now
            and d.id not in self.leased
            and d.channel not in skip
            and only in (None, (d.subscriber, d.channel))
        ]
        taken = sorted(due, key=lambda d: (d.due_at, d.id))[:limit]
        for d in taken:
            self.leased.add(d.id)
            self.rows[d.id] = replace(d, attempts=d.attempts + 1)
        return [self.rows[d.id] for d in taken]

    def confirm(self, deliveries: Sequence[Delivery]) -> set[int]:
        return {d.id for d in deliveries if d.id in self.leased}

    def sent_since(self, subscriber: str, channel: str, since: datetime) -> list[datetime]:
        theirs = (d for d in self.rows.values() if (d.subscriber, d.channel) == (subscriber, channel))
        return sorted({d.sent_at for d in theirs if d.sent_at and d.sent_at >= since})

    def cancel(self, ids: Sequence[int], reason: str) -> None:
        self.record_dead(ids, reason)

    def _settle(self, ids: Sequence[int], **values: object) -> None:
        for id in ids:
            assert id in self.leased, f"delivery {id} was settled twice"
            self.leased.remove(id)
            self.rows[id] = replace(self.rows[id], **values)  # type: ignore[arg-type]

    def record_sent(self, ids: Sequence[int], now: datetime) -> None:
        self._settle(ids, state="sent", sent_at=now)

    def record_retry(self, due: Mapping[int, datetime], error: str) -> None:
        for id, moment in due.items():
            self._settle([id], state="retrying", due_at=moment, last_error=error)

    def record_dead(self, ids: Sequence[int], error: str) -> None:
        self._settle(ids, state="dead", last_error=error)

    def release(self, ids: Sequence[int], due_at: datetime | None = None) -> None:
        for id in ids:
            row = self.rows[id]
            self._settle([id], attempts=row.attempts - 1, due_at=due_at or row.due_at)

    def states(self) -> Counter[str]:
        return Counter(d.state for d in self.rows.values())


@dataclass
class Post:
    """Takes messages; `answer` says what becomes of one."""

    answer: Callable[[str, Message], SendResult | Awaitable[SendResult]] = lambda url, message: SendResult(True)
    sent: list[tuple[str, Message]] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    most_under_way: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    async def __call__(self, url: str, message: Message) -> SendResult:
        self.under_way[url] += 1
        self.most_under_way[url] = max(self.most_under_way[url], self.under_way[url])
        await asyncio.sleep(0)
        self.sent.append((url, message))
        result = self.answer(url, message)
        if not isinstance(result, SendResult):
            result = await result
        self.under_way[url] -= 1
        return result


async def _no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


def run(
    outbox: MemoryOutbox, post: Post, *subscribers: Subscriber, plan: Plan | None = None, style: Style = STYLE
) -> Tally:
    async def events_of(ids: Sequence[int]) -> list[Event]:
        return [EVENTS[id] for id in ids if id in EVENTS]

    deliveries = deliver_due(
        outbox,
        {s.id: s for s in subscribers},
        events_of,
        post,
        style,
        clock=outbox.clock,
        rng=outbox.rng,
        sleep=_no_sleep,
        plan=plan or Plan(poll=0.01),
    )
    return asyncio.run(asyncio.wait_for(deliveries, 30))


def subscriber(number: int = 1, *urls: str, **more: object) -> Subscriber:
    return Subscriber(f"s{number}", urls or (f"json://hook.example/{number}",), **more)  # type: ignore[arg-type]


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox(Clock())


def test_each_delivery_is_one_message_with_all_its_events(outbox: MemoryOutbox) -> None:
    wang = subscriber(1, "json://hook.example/1", "json://hook.example/2")
    for url in wang.to:
        outbox.queue(wang, url, 3, 1, 2)
    post = Post()
    tally = run(outbox, post, wang)
    assert tally == Tally(sent=2) and outbox.states() == {"sent": 2}
    assert sorted(url for url, _ in post.sent) == list(wang.to)
    assert all([e.id for e in message.events] == [3, 1, 2] for _, message in post.sent)


def test_one_message_at_a_time_for_a_channel(outbox: MemoryOutbox) -> None:
    people = [subscriber(n, "json://shared.example/x") for n in range(4)]
    for n, person in enumerate(people * 4):
        outbox.queue(person, person.to[0], n + 1)
    post = Post()
    assert run(outbox, post, *people).sent == 16
    assert len(post.sent) == 16 and post.most_under_way == {"json://shared.example/x": 1}


def test_a_failure_is_tried_again_when_it_is_due(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    id = outbox.queue(wang, wang.to[0], 1)
    post = Post(lambda url, message: SendResult(False, reason="answered HTTP 500"))
    assert run(outbox, post, wang) == Tally(retrying=1)
    row = outbox.rows[id]
    assert row.state == "retrying" and row.last_error == "answered HTTP 500" and row.attempts == 1
    assert timedelta(seconds=24) <= row.due_at - NOON <= timedelta(seconds=36)
    assert run(outbox, post, wang) == Tally() and len(post.sent) == 1
    outbox.clock.now = row.due_at
    post.answer = lambda url, message: SendResult(True)
    assert run(outbox, post, wang) == Tally(sent=1)


def test_after_twelve_tries_in_about_three_days_it_is_dead(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    id = outbox.queue(wang, wang.to[0], 1)
    post = Post(lambda url, message: SendResult(False, reason="down"))
    while outbox.rows[id].state != "dead":
        outbox.clock.now = outbox.rows[id].due_at
        tally = run(outbox, post, wang)
    assert len(post.sent) == MOST_TRIES == 12
    assert timedelta(days=2, hours=12) < outbox.clock.now - NOON < timedelta(days=3, hours=12)
    assert outbox.rows[id].last_error == "given up after 12 tries: down"
    assert tally.problems == [(id, channel_id(wang.to[0]), "given up after 12 tries: down")]


def test_a_permanent_refusal_ends_at_once(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    first, second = outbox.queue(wang, wang.to[0], 1), outbox.queue(wang, wang.to[0], 2)
    answers = iter([SendResult(False, True, "answered HTTP 410"), SendResult(True)])
    tally = run(outbox, Post(lambda url, message: next(answers)), wang)
    assert outbox.rows[first].state == "dead" and outbox.rows[second].state == "sent"
    assert (tally.sent, tally.dead) == (1, 1)


def test_what_the_service_asks_for_is_the_least(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    ids = [outbox.queue(wang, wang.to[0], n) for n in (1, 2, 3)]
    post = Post(lambda url, message: SendResult(False, reason="429", retry_after=900.0))
    run(outbox, post, wang)
    assert len(post.sent) == 1, "the others wait as well"
    assert all(outbox.rows[id].due_at >= NOON + timedelta(seconds=900) for id in ids)


def test_a_dead_channel_is_asked_twice_and_the_rest_waits(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    for n in range(1, 11):
        outbox.queue(wang, wang.to[0], n)
    post = Post(lambda url, message: SendResult(False, reason="down"))
    assert run(outbox, post, wang).retrying == 10 and len(post.sent) == 2
    assert len({row.due_at for row in outbox.rows.values()}) == 10


def test_one_message_that_a_service_cannot_take_holds_up_no_other(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    for n in range(1, 11):
        outbox.queue(wang, wang.to[0], n)
    post = Post(lambda url, m: SendResult(m.events[0].id != 1, reason="answered HTTP 500"))
    assert run(outbox, post, wang) == Tally(sent=9, retrying=1)


def test_sick_channels_delay_only_themselves(outbox: MemoryOutbox) -> None:
    """40 channels that never answer, and more than may be under way at once; 60 healthy ones are served."""
    people = [subscriber(n) for n in range(100)]
    for person in people:
        for n in range(1, 6):
            outbox.queue(person, person.to[0], n)
    healthy_done = asyncio.Event()
    sick = {person.to[0] for person in people[:40]}
    post = Post()

    async def answer(url: str) -> SendResult:
        if url in sick:
            await healthy_done.wait()
            return SendResult(False, reason="no answer")
        if sum(1 for sent, _ in post.sent if sent not in sick) == 300:
            healthy_done.set()
        return SendResult(True)

    post.answer = lambda url, message: answer(url)
    tally = run(outbox, post, *people, plan=Plan(at_once=8, slow_after=0.01, poll=0.01))
    assert (tally.sent, tally.retrying) == (300, 200)


def test_what_becomes_due_meanwhile_is_sent_while_a_slow_channel_is_at_work(outbox: MemoryOutbox) -> None:
    slow, quick = subscriber(1), subscriber(2)
    outbox.queue(slow, slow.to[0], 1)
    quick_sent = asyncio.Event()
    post = Post()

    async def answer(url: str) -> SendResult:
        if url == slow.to[0]:
            outbox.queue(quick, quick.to[0], 2)
            await quick_sent.wait()
        else:
            quick_sent.set()
        return SendResult(True)

    post.answer = lambda url, message: answer(url)
    assert run(outbox, post, slow, quick).sent == 2


def test_a_claim_that_waited_too_long_is_given_back_and_sent_by_a_fresh_one(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    for n in range(1, 6):
        outbox.queue(wang, wang.to[0], n)
    tally = run(outbox, Post(), wang, plan=Plan(patience=-1.0, poll=0.01))
    assert tally.sent == 5 and tally.released == 4 + 3 + 2 + 1
    assert all(row.attempts == 1 for row in outbox.rows.values())


def test_a_digest_is_one_message(outbox: MemoryOutbox) -> None:
    wang = subscriber(1, deliver="daily 08:30")
    for n in range(1, 8):
        outbox.queue(wang, wang.to[0], n)
    post = Post()
    assert run(outbox, post, wang).sent == 7
    ((_, message),) = post.sent
    assert len(message.events) == 7


def test_a_day_with_500_changes_is_a_digest(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    for n in range(1, 501):
        outbox.queue(wang, wang.to[0], n)
    post = Post()
    assert run(outbox, post, wang, plan=Plan(batch=1000, poll=0.01)).sent == 500
    assert len(post.sent) == 1 and len(post.sent[0][1].events) == 500


def test_500_changes_over_a_day_come_gathered_by_the_hour(outbox: MemoryOutbox) -> None:
    """One every two minutes, as a slow pass finds them: single messages first, then one an hour with all."""
    wang = subscriber()
    post = Post()
    for n in range(1, 501):
        outbox.queue(wang, wang.to[0], n)
        run(outbox, post, wang)
        outbox.clock.now += timedelta(minutes=2)
    outbox.clock.now += timedelta(hours=1)
    run(outbox, post, wang)
    assert outbox.states() == {"sent": 500} and all(row.attempts == 1 for row in outbox.rows.values())
    assert [len(message.events) for _, message in post.sent[:20]] == [1] * 20
    assert 20 + 16 <= len(post.sent) <= 20 + 18, "500 changes in 16 hours"
    told = [event.id for _, message in post.sent for event in message.events]
    assert sorted(told) == list(range(1, 501))


def test_the_next_day_messages_come_one_by_one_again(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    post = Post()
    for day in range(3):
        for n in range(1, 11):
            outbox.queue(wang, wang.to[0], 10 * day + n)
            run(outbox, post, wang)
        outbox.clock.now += timedelta(days=1, minutes=1)
    assert [len(message.events) for _, message in post.sent] == [1] * 30


def test_what_is_gathered_waits_out_quiet_hours(outbox: MemoryOutbox) -> None:
    wang = subscriber(1, quiet="12:30-18:00")  # the clock starts at noon
    post = Post()
    for n in range(1, 22):
        outbox.queue(wang, wang.to[0], n)
        run(outbox, post, wang)
        outbox.clock.now += timedelta(seconds=1)
    assert len(post.sent) == 20
    assert outbox.rows[21].due_at == datetime(2025, 7, 8, 18, 0, tzinfo=SHANGHAI)


def test_a_program_gets_every_change_as_it_comes(outbox: MemoryOutbox) -> None:
    program = subscriber(1, "webhook+https://hook.example/x")
    for n in range(1, 41):
        outbox.queue(program, program.to[0], n)
    post = Post()
    assert run(outbox, post, program).sent == 40 and len(post.sent) == 40


def test_a_digest_larger_than_a_claim_is_still_one_message(outbox: MemoryOutbox) -> None:
    flooded, manager = subscriber(1), subscriber(2, deliver="daily 08:30")
    for n in range(1, 501):
        outbox.queue(flooded, flooded.to[0], n)
        outbox.queue(manager, manager.to[0], n)
    post = Post()
    assert run(outbox, post, flooded, manager).sent == 1000
    assert [len(message.events) for _, message in post.sent] == [500, 500]


def test_the_pace_of_a_channel_holds_from_one_run_to_the_next(outbox: MemoryOutbox) -> None:
    robot = subscriber(1, "wecombot://3f0d-KEY")
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def runs() -> None:
        free_at: dict[str, float] = {}
        for n in (1, 2, 3):
            outbox.queue(robot, robot.to[0], n)
            args = (outbox, {robot.id: robot}, lambda ids: [EVENTS[id] for id in ids], Post(), STYLE)
            await deliver_due(*args, clock=outbox.clock, sleep=sleep, free_at=free_at)

    asyncio.run(runs())
    assert len(waits) == 2 and all(2 < wait <= 3.1 for wait in waits), "20 a minute are allowed"


def test_what_nobody_wants_any_more_is_not_sent_and_is_no_failure(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    first, second = outbox.queue(wang, wang.to[0], 1), outbox.queue(wang, wang.to[0], 2)
    post = Post()

    def answer(url: str, message: Message) -> SendResult:
        outbox.cancel([second], "cancelled: by somebody else")
        return SendResult(True)

    post.answer = answer
    assert run(outbox, post, wang).problems == [] and len(post.sent) == 1
    assert (outbox.rows[first].state, outbox.rows[second].state) == ("sent", "dead")


def test_an_address_or_subscriber_that_is_gone_ends_its_deliveries(outbox: MemoryOutbox) -> None:
    wang, gone = subscriber(1), subscriber(2)
    outbox.queue(wang, "json://old.example/x", 1)
    outbox.queue(gone, gone.to[0], 1)
    outbox.queue(wang, wang.to[0], 9999)
    post = Post()
    tally = run(outbox, post, wang)
    assert outbox.states() == {"dead": 3} and not post.sent
    assert [reason for _, _, reason in tally.problems] == ["its events are no longer stored"]
    assert [id for id, _, _ in sorted(tally.cancelled)] == [1, 2] and tally.dead == 1
    assert outbox.rows[1].last_error == "cancelled: this subscriber or address is no longer in the configuration"


def test_a_retry_does_not_fall_into_quiet_hours(outbox: MemoryOutbox) -> None:
    wang = subscriber(1, quiet="12:00-18:00")  # noon UTC+8 was the start of the clock
    id = outbox.queue(wang, wang.to[0], 1)
    run(outbox, Post(lambda url, message: SendResult(False, reason="down")), wang)
    assert outbox.rows[id].due_at == datetime(2025, 7, 8, 18, 0, tzinfo=SHANGHAI)


def test_a_message_that_cannot_be_written_stops_no_other(outbox: MemoryOutbox) -> None:
    wang, li = subscriber(1), subscriber(2)
    EVENTS[601] = event(601, after={"value": "not a number", "unit": "元/张"}, detail={})
    bad, good = outbox.queue(wang, wang.to[0], 601), outbox.queue(li, li.to[0], 1)
    run(outbox, Post(), wang, li)
    assert outbox.rows[bad].state == "retrying" and (outbox.rows[bad].last_error or "").startswith("not written")
    assert outbox.rows[good].state == "sent"


def test_a_sender_that_breaks_leaves_the_claim_to_its_lease(outbox: MemoryOutbox) -> None:
    wang, li = subscriber(1), subscriber(2)
    lost, good = outbox.queue(wang, wang.to[0], 1), outbox.queue(li, li.to[0], 1)

    def answer(url: str, message: Message) -> SendResult:
        if url == wang.to[0]:
            raise RuntimeError("broken")
        return SendResult(True)

    assert run(outbox, Post(answer), wang, li).sent == 1
    assert lost in outbox.leased and outbox.rows[good].state == "sent"


def test_a_broken_template_gives_way_to_ours(tmp_path: Path) -> None:
    (tmp_path / "message.text.j2").write_text("{{ nothing.there }}", "utf-8")
    message = compose(subscriber(), "terminal://", [event()], replace(STYLE, templates=tmp_path))
    assert "6000元/张" in message.body


def test_cancelled_it_stops_at_once(outbox: MemoryOutbox) -> None:
    wang = subscriber()
    id = outbox.queue(wang, wang.to[0], 1)

    async def forever() -> SendResult:
        await asyncio.Event().wait()
        return SendResult(True)

    async def cancelled() -> None:
        work = asyncio.create_task(
            deliver_due(
                outbox,
                {wang.id: wang},
                lambda ids: [EVENTS[1]],
                Post(lambda url, message: forever()),
                STYLE,
                clock=outbox.clock,
            )
        )
        await asyncio.sleep(0.05)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(cancelled())
    assert outbox.rows[id].state == "pending"


@given(st.integers(1, 40), st.integers(0, 2**32), st.one_of(st.none(), st.floats(0, 86_400)))
def test_the_next_try(attempts: int, seed: int, retry_after: float | None) -> None:
    due = next_try(attempts, NOON, random.Random(seed), retry_after)
    assert (due is None) == (attempts >= MOST_TRIES)
    if due is not None:
        wait = (due - NOON).total_seconds()
        assert wait >= (retry_after or 0) - 1e-3
        assert 0.8 * WAITS[attempts - 1] - 1e-3 <= wait <= max(1.2 * WAITS[attempts - 1], retry_after or 0) + 1e-3
