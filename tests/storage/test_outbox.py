"""Events are recorded once; deliveries go to one sender at a time and are never lost."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from threading import Barrier, Lock, Thread

import pytest
from stock import NOW, add_document, add_source, event

from storage import documents, events, outbox, readers
from storage.database import Database, open_database
from storage.records import DocumentRef, MeasureRef

LATER = NOW + timedelta(minutes=5)


def record(db: Database, *keys: str) -> list[int]:
    with db.begin() as conn:
        return [e.id for e in events.record_events(conn, [event(key) for key in keys])]


def queue(db: Database, group: str, subscriber: str = "wang", channel: str = "0:mailtos", **when: int) -> int:
    (id,) = record(db, f"event {subscriber} {channel} {group}")
    with db.begin() as conn:
        delivery = outbox.queue(conn, subscriber, channel, [id], NOW + timedelta(**when), group, NOW)
    assert delivery is not None
    return delivery


# ------------------------------------------------------------------ events


def test_an_event_comes_back_as_it_was_recorded(database: Database) -> None:
    with database.begin() as conn:
        add_source(conn)
        stored = documents.document_by_id(conn, add_document(conn).mark.document_id)
        assert stored
        given = event(
            document=stored.ref(),
            versions=(1, 2),
            measure=MeasureRef("t", "建设补贴", "subsidy", "养老机构"),
            before={"value": 5000.0, "unit": "元/张", "sentence": "旧"},
            after={"value": 6000.0, "unit": "元/张", "sentence": "新"},
            summary="养老机构建设补贴 5000→6000元/张",
            baseline=True,
            detail={"deadline": None, "bodies": ["市民政局"]},
        )
        (recorded,) = events.record_events(conn, [given])
        found = events.event_by_id(conn, recorded.id)
    assert found == recorded
    assert recorded.to_json() == {**given.to_json(), "id": recorded.id}
    assert isinstance(recorded.document, DocumentRef)


def test_an_event_is_recorded_once(database: Database) -> None:
    with database.begin() as conn:
        first = events.record_events(conn, [event("a"), event("b"), event("a", summary="again")])
        second = events.record_events(conn, [event("b"), event("c"), event("a")])
        assert [e.key for e in first] == ["a", "b"] and [e.key for e in second] == ["c"]
        assert [e.key for e in events.events_since(conn)] == ["a", "b", "c"]
        assert first[0].summary == ""
        assert events.record_events(conn, []) == []


def test_many_events_keep_their_order(database: Database) -> None:
    with database.begin() as conn:
        recorded = events.record_events(conn, [event(f"{n}") for n in range(1500)])
        assert [e.key for e in recorded] == [f"{n}" for n in range(1500)]
        assert list(events.events_since(conn)) == recorded
        ids = [recorded[7].id, recorded[3].id, 10**6]
        assert events.events_by_ids(conn, ids) == [recorded[7], recorded[3]]


def test_the_log_is_read_from_where_one_left_off(database: Database) -> None:
    with database.begin() as conn:
        types = ("measure.changed", "measure.added", "document.revised", "measureXchanged")
        made = events.record_events(
            conn, [event(t, type=t, source=t[0], baseline=t == "document.revised") for t in types]
        )

        def told(*given: int, **how: object) -> list[str]:
            return [e.type for e in events.events_since(conn, *given, **how)]

        assert told(made[1].id) == ["document.revised", "measureXchanged"]
        assert told(0, 2) == ["measure.changed", "measure.added"]
        assert told(types=["measure.*"]) == ["measure.changed", "measure.added"]
        assert told(types=["document.revised", "measure.added"]) == ["measure.added", "document.revised"]
        assert told(source="d") == ["document.revised"]
        assert told(baseline=False) == [t for t in types if t != "document.revised"]


def test_ids_grow_in_the_order_of_commits(database: Database, database_url: str) -> None:
    """A reader that has seen an id must never find a smaller one later."""
    other = open_database(database_url)
    with database.begin() as conn:
        (first,) = events.record_events(conn, [event("slow")])
        overtaker = Thread(target=record, args=(other, "fast"))
        overtaker.start()
        overtaker.join(0.3)
        with database.read() as reader:
            assert list(events.events_since(reader)) == []
    overtaker.join()
    with database.read() as conn:
        assert [(e.id, e.key) for e in events.events_since(conn)] == [(first.id, "slow"), (first.id + 1, "fast")]
    other.close()


# ------------------------------------------------------------------ deliveries


def test_a_group_is_queued_once_for_each_channel(database: Database) -> None:
    one, two = record(database, "a", "b")
    with database.begin() as conn:
        first = outbox.queue(conn, "wang", "0:mailtos", [two, one], LATER, "g", NOW)
        assert outbox.queue(conn, "wang", "0:mailtos", [one], NOW, "g", NOW) is None
        assert outbox.queue(conn, "wang", "1:bark", [one], NOW, "g", NOW) is not None
        assert first is not None
        stored = outbox.delivery_by_id(conn, first)
    assert stored and stored.to_json() == {
        "id": first,
        "subscriber": "wang",
        "channel": "0:mailtos",
        "events": [two, one],
        "state": "pending",
        "attempts": 0,
        "last_error": None,
        "created_at": NOW.isoformat(),
        "sent_at": None,
    }


def test_what_is_due_is_claimed_the_longest_overdue_first(database: Database) -> None:
    late, early, future = (
        queue(database, "1", minutes=-1),
        queue(database, "2", minutes=-9),
        queue(database, "3", minutes=1),
    )
    claimed = outbox.claim(database, NOW, 10, 60, "t1")
    assert [(d.id, d.attempts, d.state) for d in claimed] == [(early, 1, "pending"), (late, 1, "pending")]
    assert outbox.claim(database, NOW, 10, 60, "t2") == []
    assert [d.id for d in outbox.claim(database, LATER, 1, 60, "t3")] == [early]  # its lease ran out
    assert outbox.claim(database, LATER, 9, 60, "t4") == []  # another serves the channel
    assert [d.id for d in outbox.claim(database, LATER, 9, 60, "t3")] == [late, future]


def test_channels_at_work_are_left_alone(database: Database) -> None:
    queue(database, "1"), queue(database, "2", channel="1:bark"), queue(database, "3", "li")
    claimed = outbox.claim(database, NOW, 9, 60, "t", {"0:mailtos"})
    assert [(d.subscriber, d.channel) for d in claimed] == [("wang", "1:bark")]


def test_what_becomes_of_an_attempt(database: Database) -> None:
    sent, again, dead, back = (queue(database, str(n)) for n in range(4))
    outbox.claim(database, NOW, 9, 60, "t")
    with database.begin() as conn:
        outbox.record_sent(conn, [sent], LATER)
        outbox.record_retry(conn, {again: LATER}, "t", "HTTP 500")
        outbox.record_dead(conn, [dead], "t", "no such user")
        outbox.release_claim(conn, [back], "t")
        found = {d.id: d for d in outbox.list_deliveries(conn)}
        assert outbox.count_due(conn, NOW) == 1 and outbox.count_due(conn, LATER) == 2
    assert [(d.state, d.attempts, d.last_error) for d in found.values()] == [
        ("sent", 1, None),
        ("retrying", 1, "HTTP 500"),
        ("dead", 1, "no such user"),
        ("pending", 0, None),
    ]
    assert found[sent].sent_at == LATER and found[again].due_at == LATER
    assert [d.id for d in outbox.claim(database, NOW, 9, 60, "u")] == [back]
    retried = outbox.claim(database, LATER, 9, 60, "v")
    assert {d.id: d.attempts for d in retried} == {again: 2, back: 2}


def test_a_claim_that_was_lost_changes_nothing_but_sent_is_sent(database: Database) -> None:
    id = queue(database, "1")
    outbox.claim(database, NOW, 9, 60, "slow")
    outbox.claim(database, LATER, 9, 600, "quick")
    with database.begin() as conn:
        outbox.record_retry(conn, {id: LATER}, "slow", "late")
        outbox.record_dead(conn, [id], "slow", "late")
        outbox.release_claim(conn, [id], "slow")
        found = outbox.delivery_by_id(conn, id)
        assert found and (found.state, found.attempts) == ("pending", 2)
    assert outbox.claim(database, LATER, 9, 60, "third") == []
    with database.begin() as conn:
        outbox.record_sent(conn, [id], LATER)
        outbox.record_dead(conn, [id], "quick", "after all")
        found = outbox.delivery_by_id(conn, id)
        assert found and found.state == "sent"
        assert not outbox.retry(conn, id, LATER)


def test_the_dead_can_be_sent_again(database: Database) -> None:
    id = queue(database, "1")
    outbox.claim(database, NOW, 9, 60, "t")
    with database.begin() as conn:
        outbox.record_dead(conn, [id], "t", "gone")
        assert outbox.retry(conn, id, LATER) and not outbox.retry(conn, 999, LATER)
        assert [d.id for d in outbox.list_deliveries(conn, state="pending")] == [id]
    assert [d.id for d in outbox.claim(database, LATER, 9, 60, "u")] == [id]


def test_deliveries_are_listed_by_state_subscriber_and_id(database: Database) -> None:
    first, second = queue(database, "1"), queue(database, "2", "li")
    with database.read() as conn:
        assert [d.id for d in outbox.list_deliveries(conn, subscriber="li")] == [second]
        assert [d.id for d in outbox.list_deliveries(conn, since=first)] == [second]
        assert [d.id for d in outbox.list_deliveries(conn, limit=1)] == [first]
        assert outbox.list_deliveries(conn, state="dead") == []


def test_a_channel_that_another_sender_serves_hides_nobody_behind_it(database: Database) -> None:
    for n in range(6):
        queue(database, f"{n}", channel=f"{n // 3}:bark", minutes=n - 9)
    waiting = queue(database, "6", channel="2:bark")
    first, second = (outbox.claim(database, NOW, 1, 60, "one", skip) for skip in ((), ("0:bark",)))
    assert [d.channel for d in (*first, *second)] == ["0:bark", "1:bark"]
    assert [d.id for d in outbox.claim(database, NOW, 1, 60, "two")] == [waiting]
    assert outbox.claim(database, NOW, 9, 60, "two", only=("wang", "0:bark")) == []
    assert len(outbox.claim(database, NOW, 9, 60, "one")) == 4
    with database.begin() as conn:
        outbox.record_dead(conn, [waiting], "two", "gone")
    after_the_leases = NOW + timedelta(seconds=60)
    assert {d.channel for d in outbox.claim(database, after_the_leases, 9, 60, "two")} == {"0:bark", "1:bark"}


@pytest.mark.parametrize("size", [1, 7])
def test_senders_at_once_get_no_delivery_twice_and_never_share_a_channel(
    database: Database, database_url: str, size: int
) -> None:
    with database.begin() as conn:
        (told,) = events.record_events(conn, [event()])
        for n in range(120):
            outbox.queue(conn, "wang", f"{n % 6}:bark", [told.id], NOW, f"{n}", NOW)
    claimed: Counter[int] = Counter()
    serving: Counter[str] = Counter()
    shared: list[str] = []
    start, guard = Barrier(4), Lock()

    def send(name: str) -> None:
        db = open_database(database_url)
        start.wait()
        while got := outbox.claim(db, NOW, size, 60, name):
            channels = {d.channel for d in got}
            with guard:
                claimed.update(d.id for d in got)
                shared.extend(channel for channel in channels if serving[channel])
                serving.update(channels)
            with db.begin() as conn:
                outbox.record_sent(conn, [d.id for d in got], NOW)
                with guard:  # no longer ours as soon as this is committed
                    serving.subtract(channels)
        db.close()

    senders = [Thread(target=send, args=(f"sender {n}",)) for n in range(4)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(claimed) == 120 and set(claimed.values()) == {1}
    assert shared == []


# ------------------------------------------------------------------ readers


def test_what_a_reader_left_ends_whatever_its_state(database: Database) -> None:
    waiting, claimed, sent = queue(database, "a"), queue(database, "b"), queue(database, "c")
    other, elsewhere = queue(database, "a", "li"), queue(database, "a", channel="0:wecombot")
    for number, token in ((claimed, "held"), (sent, "done")):
        with database.begin() as conn:
            conn.execute(outbox.deliveries.update().where(outbox.deliveries.c.id == number).values(lease_token=token))
    with database.begin() as conn:
        outbox.record_sent(conn, [sent], NOW)
        assert outbox.cancel(conn, "wang", "0:mailtos", "cancelled: left") == 2
        outbox.record_retry(conn, {claimed: LATER}, "held", "451")
        found = {d.id: (d.state, d.last_error) for d in outbox.list_deliveries(conn)}
        assert outbox.still_wanted(conn, [claimed, waiting], "held") == set()
    left = ("dead", "cancelled: left")
    assert (found[waiting], found[claimed], found[sent]) == (left, left, ("sent", None))
    assert found[other] == found[elsewhere] == ("pending", None)
    with database.begin() as conn:
        outbox.record_sent(conn, [claimed], LATER)  # it was under way
        told = outbox.delivery_by_id(conn, claimed)
    assert told and told.state == "sent"


def test_messages_are_counted_by_when_they_went(database: Database) -> None:
    ids = [queue(database, f"g{n}") for n in range(5)]
    queue(database, "x", "li")
    with database.begin() as conn:
        outbox.record_sent(conn, ids[:3], NOW)  # a digest
        outbox.record_sent(conn, ids[3:4], LATER)
        assert outbox.sent_since(conn, "wang", "0:mailtos", NOW) == [NOW, LATER]
        assert outbox.sent_since(conn, "wang", "0:mailtos", LATER) == [LATER]
        assert outbox.sent_since(conn, "li", "0:mailtos", NOW) == []


def test_the_rest_of_one_channel_is_claimed_alone_and_may_be_put_off(database: Database) -> None:
    ids = [queue(database, f"g{n}") for n in range(3)]
    queue(database, "x", "li")
    claimed = outbox.claim(database, NOW, 10, 60, "t", only=("wang", "0:mailtos"))
    assert [d.id for d in claimed] == ids
    with database.begin() as conn:
        outbox.release_claim(conn, ids, "t", LATER)
    assert [d.subscriber for d in outbox.claim(database, NOW, 10, 60, "u")] == ["li"]
    again = [d for d in outbox.claim(database, LATER, 10, 60, "v") if d.subscriber == "wang"]
    assert [d.id for d in again] == ids and {d.attempts for d in again} == {1}


def test_a_place_has_one_token_until_it_is_renewed(database: Database) -> None:
    first = readers.token_for(database, "wang", readers.FEED, NOW)
    assert readers.token_for(database, "wang", readers.FEED, LATER) == first
    assert readers.token_for(database, "li", readers.FEED, NOW) != first
    with database.begin() as conn:
        second = readers.renew(conn, "wang", readers.FEED, LATER)
        assert readers.by_token(conn, first) is None
        found = readers.by_token(conn, second)
    assert found == readers.Reader("wang", readers.FEED, second, None) and second != first


def test_two_who_ask_at_once_get_the_same_token(database_url: str) -> None:
    start, given = Barrier(4), []

    def ask() -> None:
        db = open_database(database_url)
        start.wait()
        given.append(readers.token_for(db, "wang", readers.FEED, NOW))
        db.close()

    threads = [Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(given) == 4 and len(set(given)) == 1
