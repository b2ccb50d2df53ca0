"""How a host is treated, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.manners import (
    DAY,
    FIRST_BACKOFF,
    GRANT,
    JITTER,
    LONGEST_BACKOFF,
    LONGEST_CRAWL_DELAY,
    PATIENCE,
    ROBOTS_BYTES,
    Manners,
    Notebook,
    RefusedError,
    host_key,
    product_token,
    read_robots,
    retry_after,
)

HOST = "mzj.example.org"
EPOCH = datetime(2026, 3, 1, tzinfo=UTC)


class Clock:
    """Time that passes only by being slept or set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def moment(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def manners(clock: Clock, delay: float = 2.0, **limits: Any) -> Manners:
    return Manners(delay=delay, clock=clock, now=clock.moment, sleep=clock.sleep, **limits)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(coroutine)


def test_pauses_are_never_shorter_than_the_delay_and_not_all_alike(clock: Clock) -> None:
    async def visits() -> None:
        guest = manners(clock)
        for _ in range(50):
            async with guest.turn(HOST):
                clock.now += 0.5  # the answer takes its time; the pause begins after it

    run(visits())
    assert len(clock.slept) == 49, "the first request waits for nothing"
    assert all(2.0 <= pause <= 2.0 * (1 + JITTER) for pause in clock.slept)
    assert len(set(clock.slept)) > 10


def test_time_that_has_passed_anyway_counts(clock: Clock) -> None:
    async def visits() -> None:
        guest = manners(clock)
        for _ in range(3):
            async with guest.turn(HOST):
                pass
            clock.now += 60

    run(visits())
    assert clock.slept == []


def test_a_source_may_ask_for_another_delay(clock: Clock) -> None:
    async def visits() -> None:
        guest = manners(clock)
        for _ in range(2):
            async with guest.turn(HOST, delay=10.0):
                pass

    run(visits())
    assert clock.slept[0] >= 10.0


def test_one_request_at_a_time_per_host_in_order_of_asking_and_hosts_side_by_side(clock: Clock) -> None:
    log: list[str] = []

    async def visit(guest: Manners, host: str, number: int) -> None:
        async with guest.turn(host):
            log.append(f"{host}{number}+")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append(f"{host}{number}-")

    async def visits() -> None:
        guest = manners(clock, delay=0)
        await asyncio.gather(*(visit(guest, host, n) for n in range(3) for host in "ab"))

    run(visits())
    for host in "ab":
        assert [e for e in log if e[0] == host] == [f"{host}{n}{s}" for n in range(3) for s in "+-"]
    assert log.index("b0+") < log.index("a0-"), "hosts do not wait for each other"


def test_no_more_hosts_at_once_than_allowed(clock: Clock) -> None:
    busy = most = 0

    async def visit(guest: Manners, host: str) -> None:
        nonlocal busy, most
        async with guest.turn(host):
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0)
            busy -= 1

    async def visits() -> None:
        guest = manners(clock, delay=0, max_hosts=3)
        await asyncio.gather(*(visit(guest, f"host{n}") for n in range(20)))

    run(visits())
    assert most == 3


def test_patience_ends_after_failures_in_a_row_and_grows_from_there(clock: Clock) -> None:
    guest = manners(clock)
    for _ in range(PATIENCE - 1):
        guest.failed(HOST)
        guest.check(HOST)
    waits = []
    for _ in range(12):
        guest.failed(HOST)
        with pytest.raises(RefusedError, match="until") as refused:
            guest.check(HOST)
        assert refused.value.kind == "backing-off"
        assert refused.value.wait is not None
        waits.append(refused.value.wait)
        clock.now += refused.value.wait
        guest.check(HOST)
    assert waits[:3] == pytest.approx([FIRST_BACKOFF * 2.0 * factor for factor in (1, 2, 4)])
    assert waits[-1] == LONGEST_BACKOFF


def test_a_success_restores_patience(clock: Clock) -> None:
    guest = manners(clock)
    for _ in range(10):
        guest.failed(HOST)
        guest.succeeded(HOST)
    guest.check(HOST)


def test_a_host_that_asks_for_patience_gets_it_at_once_and_alone(clock: Clock) -> None:
    guest = manners(clock)
    guest.failed(HOST, wait=120.0, at_once=True)
    with pytest.raises(RefusedError) as refused:
        guest.check(HOST)
    assert refused.value.wait == pytest.approx(120.0)
    guest.check("other.example.org")
    clock.now += 120.0
    guest.check(HOST)


def test_being_told_to_slow_down_without_a_time_backs_off_at_once(clock: Clock) -> None:
    guest = manners(clock)
    guest.failed(HOST, at_once=True)
    with pytest.raises(RefusedError) as refused:
        guest.check(HOST)
    assert refused.value.wait == pytest.approx(FIRST_BACKOFF * 2.0)


def test_those_who_wait_in_the_queue_are_refused_without_waiting_further(clock: Clock) -> None:
    outcomes: list[str] = []

    async def visit(guest: Manners) -> None:
        try:
            async with guest.turn(HOST):
                await asyncio.sleep(0)
                guest.failed(HOST, wait=600.0, at_once=True)
                outcomes.append("sent")
        except RefusedError as error:
            outcomes.append(error.kind)

    async def visits() -> None:
        guest = manners(clock)
        await asyncio.gather(*(visit(guest) for _ in range(100)))

    run(visits())
    assert outcomes == ["sent"] + ["backing-off"] * 99
    assert clock.slept == []


def test_the_budget_lasts_for_a_day_from_the_first_request(clock: Clock) -> None:
    async def visits() -> None:
        guest = manners(clock, delay=0, daily=3)
        for _ in range(3):
            async with guest.turn(HOST):
                pass
            clock.now += 3600
        with pytest.raises(RefusedError, match="3 requests") as refused:
            async with guest.turn(HOST):
                pytest.fail("a fourth request")
        assert refused.value.kind == "budget"
        assert refused.value.wait == pytest.approx(DAY - 3 * 3600)
        async with guest.turn("other.example.org"):
            pass
        clock.now += DAY - 3 * 3600
        async with guest.turn(HOST):
            pass

    run(visits())


def test_a_failure_inside_a_turn_frees_the_host(clock: Clock) -> None:
    async def visits() -> None:
        guest = manners(clock)
        with pytest.raises(ZeroDivisionError):
            async with guest.turn(HOST):
                raise ZeroDivisionError
        async with guest.turn(HOST):
            pass

    run(visits())
    assert len(clock.slept) == 1, "a request that failed was a request all the same"


# What outlasts a process


async def ask(guest: Manners, host: str = HOST, times: int = 1) -> int:
    """Ask so many times; how often we were let."""
    let = 0
    for _ in range(times):
        try:
            async with guest.turn(host):
                let += 1
        except RefusedError:
            pass
    return let


@pytest.mark.parametrize("killed", [False, True], ids=["left", "killed"])
def test_the_next_process_keeps_its_distance(clock: Clock, killed: bool) -> None:
    async def visits() -> None:
        memory = Notebook()
        before = manners(clock, memory=memory)
        await ask(before)
        before.slow_down(HOST, 9.0)
        if not killed:
            await before.settle()
        clock.now += 1.5
        await ask(manners(clock, memory=memory))

    run(visits())
    (pause,) = clock.slept
    assert (2.0 <= pause <= 2.0 * (1 + JITTER)) if killed else (7.5 <= pause <= 9.0 * (1 + JITTER) - 1.5)


def test_the_next_process_leaves_a_host_alone_that_asked_for_it(clock: Clock) -> None:
    async def visits() -> None:
        memory = Notebook()
        before = manners(clock, memory=memory)
        await ask(before)
        before.failed(HOST, wait=600.0, at_once=True)
        await before.note(HOST)  # and then it is killed
        clock.now += 100
        after = manners(clock, memory=memory)
        with pytest.raises(RefusedError) as refused:
            async with after.turn(HOST):
                pytest.fail("asked")
        assert refused.value.wait == pytest.approx(500.0)
        clock.now += 500
        assert await ask(after) == 1
        after.failed(HOST)
        await after.settle()
        with pytest.raises(RefusedError):
            await manners(clock, memory=memory).turn(HOST).__aenter__()

    run(visits())


def test_a_clock_that_ran_ahead_closes_a_host_for_a_day_at_most(clock: Clock) -> None:
    async def visits() -> None:
        memory = Notebook()
        before = manners(clock, memory=memory)
        await ask(before)
        clock.now += 100 * DAY
        before.failed(HOST, wait=600.0, at_once=True)
        await before.settle()
        clock.now -= 100 * DAY
        assert await ask(manners(clock, memory=memory)) == 0
        clock.now += DAY
        assert await ask(manners(clock, memory=memory)) == 1

    run(visits())


STEPS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["ask", "ask", "leave", "kill"]), st.integers(0, 7200)), max_size=60
)


@given(steps=STEPS, daily=st.integers(1, 50))
def test_no_way_to_end_spends_more_than_the_budget_nor_loses_more_than_a_grant(
    steps: list[tuple[int, str, int]], daily: int
) -> None:
    """Three processes ask, leave and are killed. In the day from a first request on, all of them keep to one budget."""
    clock, memory = Clock(), Notebook()
    crew = [manners(clock, 0.0, daily=daily, memory=memory) for _ in range(3)]
    asked: list[float] = []
    deaths = 0

    async def visits() -> None:
        nonlocal deaths
        for number, step, pause in steps:
            clock.now += pause
            if step == "ask":
                for _ in range(7):
                    asked.extend([clock.now] * await ask(crew[number]))
            elif step == "leave":
                await crew[number].settle()
            else:
                deaths += 1
                crew[number] = manners(clock, 0.0, daily=daily, memory=memory)
        for guest in crew:
            await guest.settle()
        began = memory._hosts[HOST].day_began if HOST in memory._hosts else None
        if began and clock.moment() - began < timedelta(seconds=DAY):
            today = sum(began <= EPOCH + timedelta(seconds=at) for at in asked)
            rest = await ask(crew[0], times=daily)
            assert daily - GRANT * deaths <= today + rest <= daily

    run(visits())
    while asked:
        day = [at for at in asked if at < asked[0] + DAY]
        assert len(day) <= daily
        asked = asked[len(day) :]


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://a.example.org/x", "a.example.org"),
        ("https://A.Example.ORG./y?z", "a.example.org"),
        ("http://a.example.org:80/", "a.example.org"),
        ("https://user:pass@a.example.org:443/", "a.example.org"),
        ("http://a.example.org:8080/", "a.example.org:8080"),
        ("http://[2001:db8::1]:81/", "2001:db8::1:81"),
    ],
)
def test_what_shares_a_lane(url: str, key: str) -> None:
    assert host_key(url) == key


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sat, 01 Mar 2025 08:10:00 GMT", 600.0),
        ("Sat, 01 Mar 2025 07:00:00 GMT", 0.0),
        ("99999999999", DAY),
        ("Sat, 01 Mar 2031 00:00:00 GMT", DAY),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("Sat, 99 Foo 2025 25:61:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2025, 3, 1, 8, 0, tzinfo=UTC)) == seconds


@pytest.mark.parametrize(
    ("agent", "token"),
    [("Pledgewatch (+mailto:ops@example.org)", "Pledgewatch"), ("Watch/2.1 (x)", "Watch"), ("", "*")],
)
def test_the_name_that_robots_know_us_by(agent: str, token: str) -> None:
    assert product_token(agent) == token


RULES = b"User-agent: *\nDisallow: /private/\n\nUser-agent: pledgewatch\nDisallow: /no-watchers/\n"


@pytest.mark.parametrize(
    ("status", "body", "allowed", "refused"),
    [
        (200, b"User-agent: *\nDisallow: /private/\n", ["/", "/public/private/"], ["/private/a"]),
        (200, RULES, ["/private/a"], ["/no-watchers/a"]),
        (200, b"User-agent: *\nDisallow:\n", ["/"], []),
        (200, b"User-agent: *\nDisallow: /\nAllow: /zwgk/\n", ["/zwgk/a"], ["/a"]),
        (200, b"\xef\xbb\xbfUser-agent: *\r\nDisallow: /*.pdf$\r\n", ["/a.html"], ["/a.pdf"]),
        (200, b"<html><body>404</body></html>", ["/"], []),
        (200, b"\xff\xfe\x00garbage\x00", ["/"], []),
        (200, b"#" * ROBOTS_BYTES + b"\nUser-agent: *\nDisallow: /\n", ["/"], []),
        (404, b"User-agent: *\nDisallow: /\n", ["/"], []),
        (403, b"", ["/"], []),
        (302, b"", ["/"], []),
    ],
)
def test_robots_by_the_letter(status: int, body: bytes, allowed: list[str], refused: list[str]) -> None:
    robots, _ = read_robots(status, body, now=0.0, delay=2.0, product="Pledgewatch")
    assert not robots.refusal
    assert robots.expires == DAY
    for path in allowed:
        assert robots.allows(f"http://{HOST}{path}", "Pledgewatch"), path
    for path in refused:
        assert not robots.allows(f"http://{HOST}{path}", "Pledgewatch"), path


def test_a_broken_robots_txt_disallows_everything_for_a_while() -> None:
    robots, _ = read_robots(503, b"", now=100.0, delay=2.0, product="Pledgewatch")
    assert "503" in robots.refusal
    assert robots.expires == 100.0 + FIRST_BACKOFF * 2.0


SLOW = b"User-agent: *\nCrawl-delay: 7\n"


def test_a_crawl_delay_is_kept_within_reason(clock: Clock) -> None:
    robots, asked = read_robots(200, SLOW, now=0.0, delay=2.0, product="Pledgewatch")
    assert robots.rules is not None
    assert asked == 7.0

    async def visits() -> None:
        guest = manners(clock)
        guest.slow_down(HOST, asked)
        for _ in range(2):
            async with guest.turn(HOST):
                pass
        guest.slow_down(HOST, 86_400.0)
        async with guest.turn(HOST):
            pass

    run(visits())
    assert 7.0 <= clock.slept[0] <= 7.0 * (1 + JITTER)
    assert LONGEST_CRAWL_DELAY <= clock.slept[1] <= LONGEST_CRAWL_DELAY * (1 + JITTER)
