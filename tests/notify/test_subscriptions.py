"""Who hears of what, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify_samples import NOTICE, READER, SHANGHAI, document_event, event, figure, target_event

from notify.recipients import is_one_of
from notify.subscriptions import (
    Subscriber,
    as_told,
    channel_id,
    channel_url,
    concerns,
    mail_reader,
    next_send,
    parse_deliver,
    parse_quiet,
    within,
)
from storage.records import Event, MeasureRef


def reader(**filters: object) -> Subscriber:
    return replace(READER, **filters)  # type: ignore[arg-type]


FIGURES = [
    {
        "measure": "beds",
        "name": "养老机构建设补贴",
        "kind": "subsidy",
        "recipient": "养老机构",
        "words": "6000元/张",
    }
]
PUBLISHED = document_event(type="document.published", detail={"figures": FIGURES, "measures": 1})
TARGETS_ONLY = document_event(
    type="document.published", detail={"figures": [{"name": "床位数", "kind": "target"}], "measures": 1}
)
TOLD_IN_PART = document_event(detail={"figures": [{"kind": "target"}], "measures": 2})
SOURCE_DOWN = document_event(type="source.failing", document=None)


@pytest.mark.parametrize(
    ("filters", "news", "heard"),
    [
        ({}, event(), True),
        ({}, replace(event(), baseline=True), False),
        ({"events": ("document.published",)}, event(), False),
        ({"events": ("measure.*",)}, event(), True),
        ({"events": ("measure.changed", "target.*")}, document_event(), False),
        # Sources' troubles are for operators, whatever the patterns say.
        ({"events": ("*",)}, SOURCE_DOWN, False),
        ({"operator": True}, SOURCE_DOWN, True),
        ({"operator": True, "sources": ("other",)}, SOURCE_DOWN, False),
        ({"operator": True, "regions": ("武汉市",), "kinds": ("subsidy",)}, SOURCE_DOWN, True),
        ({"sources": ("wuhan-mzj",)}, event(), True),
        ({"sources": ("xianning-mzj",)}, event(), False),
        # Kinds, tracked measures, recipients.
        ({"kinds": ("subsidy",)}, event(), True),
        ({"kinds": ("subsidy",)}, target_event(), False),
        ({"tracked": ("beds",)}, event(), True),
        ({"tracked": ("beds",)}, target_event(), False),
        ({"recipients": ("养老机构",)}, event(), True),
        ({"recipients": ("养老护理员",)}, event(), False),
        ({"recipients": ("机构",)}, event(), True),
        ({"recipients": ("养老护理员",), "kinds": ("target", "subsidy")}, target_event(), True),
        ({"recipients": ("养老机构",)}, event(measure=MeasureRef("", "建设补贴", "subsidy")), True),
        ({"recipients": ("养老护理员",)}, event(measure=MeasureRef("", "建设补贴", "subsidy")), False),
        # What a document holds decides for the document.
        ({"kinds": ("subsidy",)}, PUBLISHED, True),
        ({"kinds": ("subsidy",)}, TARGETS_ONLY, False),
        ({"kinds": ("subsidy",), "recipients": ("养老护理员",)}, PUBLISHED, False),
        ({"tracked": ("beds",)}, PUBLISHED, True),
        ({"kinds": ("subsidy",)}, document_event(type="document.withdrawn", detail={}), True),
        ({"kinds": ("subsidy",)}, TOLD_IN_PART, True),
        ({"kinds": ("subsidy",)}, document_event(type="document.published", detail={"measures": 0}), False),
        # Words anywhere in what the reader would see.
        ({"keywords": ("护理型",)}, target_event(), True),
        ({"keywords": ("护理型",)}, event(), False),
        ({"keywords": ("扩建",)}, event(), True),
        ({"keywords": ("建设补贴",)}, PUBLISHED, True),
    ],
)  # fmt: skip
def test_filters(filters: dict[str, object], news: Event, heard: bool) -> None:
    assert concerns(reader(**filters), news) is heard


@pytest.mark.parametrize(
    ("region", "wanted", "inside"),
    [
        ("武汉市", "武汉市", True),
        ("武汉市江汉区", "武汉市", True),
        ("湖北省武汉市江汉区", "武汉市", True),
        ("武汉市江汉区", "江汉区", True),
        ("武汉市", "武汉市江汉区", False),
        ("咸宁市", "武汉市", False),
        ("大武汉市场", "武汉市", False),
    ],
)
def test_regions(region: str, wanted: str, inside: bool) -> None:
    assert within(region, wanted) is inside
    news = event(document=replace(NOTICE, region=region, publisher=None, title="通知"))
    assert concerns(reader(regions=(wanted,)), news) is inside


def test_a_document_without_region_is_placed_by_its_publisher() -> None:
    news = event(document=replace(NOTICE, region=None))
    assert concerns(reader(regions=("武汉市",)), news)
    assert not concerns(reader(regions=("咸宁市",)), news)


@pytest.mark.parametrize(
    ("before", "after", "heard"),
    [
        (figure(5000, "元/张"), figure(5400, "元/张"), False),
        (figure(5000, "元/张"), figure(5500, "元/张"), True),
        (figure(5000, "元/张"), figure(4000, "元/张"), True),
        (figure(70, "%"), figure(75, "%"), False),  # points, not percent of a percentage
        (figure(70, "%"), figure(80, "%"), True),
        (figure(5000, "元/张"), figure(5001, "元/床/月"), True),
        (figure(None, "元", min=50000, max=300000), figure(None, "元", min=50000, max=310000), False),
        (figure(None, "元", min=50000, max=300000), figure(None, "元", min=50000, max=400000), True),
        (figure(5000, "元"), figure(5000, "元", bound="<="), True),
        (figure(0, "元"), figure(5, "元"), True),
        (None, figure(5, "元"), True),
    ],
)
def test_minimum_change(before: dict[str, object] | None, after: dict[str, object], heard: bool) -> None:
    assert concerns(reader(minimum_change=10.0), event(before=before, after=after)) is heard


@pytest.mark.parametrize(
    ("wanted", "told", "heard"),
    [
        ("养老机构", "养老服务机构", True),
        ("养老机构", "民办养老院", True),
        ("养老服务机构", "养老机构", True),
        ("养老机构", "敬老院", True),
        ("护理员", "养老护理员", True),
        ("护理员", "一线护理人员", True),
        ("养老护理员", "护理员", True),
        ("老人", "户籍居家老年人", True),
        ("老年人", "失能老人", True),
        ("长者饭堂", "老年助餐点", True),
        ("低保家庭", "最低生活保障对象", True),
        ("高校毕业生", "毕业生", True),
        ("养老机构", "机构", True),  # told without saying which: better one too many
        ("养老机构", "托育机构", False),
        ("养老机构", "养老护理员", False),
        ("护理员", "养老机构", False),
        ("老年人", "长者饭堂", False),
        ("残疾人", "儿童", False),
    ],
)
def test_recipients_by_any_of_their_names(wanted: str, told: str, heard: bool) -> None:
    news = event(measure=MeasureRef("m", "补贴", "subsidy", told))
    assert concerns(reader(recipients=(wanted,)), news) is heard


def test_a_recipient_that_was_not_read_is_looked_for_in_the_sentence() -> None:
    after = figure(400, "元/人/月", "对在养老服务机构工作的护理人员，每人每月给予400元。")
    news = event(measure=MeasureRef("m", "岗位补贴", "subsidy"), before=None, after=after)
    assert concerns(reader(recipients=("养老护理员",)), news)
    assert concerns(reader(recipients=("养老院",)), news)
    assert not concerns(reader(recipients=("残疾人",)), news)


@given(st.text("养老服务机构护理员人长者饭堂院", max_size=12), st.text("养老服务机构护理员人长者饭堂院", max_size=12))
def test_names_of_recipients_go_both_ways(a: str, b: str) -> None:
    assert is_one_of(a, b) == is_one_of(b, a) and is_one_of(a, a)


MONDAY = datetime(2025, 7, 7, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai


def at_times(count: int, **apart: float) -> list[Event]:
    """So many revisions of documents of their own, each of two events."""
    made = []
    for n in range(count):
        document = replace(NOTICE, id=n)
        moment = MONDAY + n * timedelta(**apart)
        made += [
            event(2 * n + 1, time=moment, document=document),
            document_event(2 * n + 2, time=moment, document=document),
        ]
    return made


@pytest.mark.parametrize(
    ("filters", "events", "messages"),
    [
        ({}, at_times(3, minutes=1), [2, 2, 2]),
        ({}, at_times(20), [2] * 20),
        ({}, at_times(21), [42]),
        ({"quiet": "08:00-12:00"}, at_times(3, minutes=1), [2, 2, 2]),
        ({"quiet": "08:00-12:00"}, at_times(30, minutes=1), [60]),
        ({"deliver": "daily 08:30"}, at_times(4, hours=8), [6, 2]),
        ({"deliver": "mon 08:30"}, at_times(4, hours=8), [8]),
        ({"deliver": "now"}, [], []),
    ],
)
def test_events_in_the_messages_that_tell_them(
    filters: dict[str, object], events: list[Event], messages: list[int]
) -> None:
    told = as_told(reader(**filters), events, SHANGHAI)
    assert [len(message.events) for message in told] == messages
    assert sorted(e.id for message in told for e in message.events) == [e.id for e in events]
    assert all(message.due >= max(e.time for e in message.events) for message in told)


def test_a_mail_address_keeps_its_id_with_another_server_and_password() -> None:
    urls = [
        "mailto://user:one@mail.example.org?from=w@example.org&to=Reader@example.org",
        "mailtos://user:two@smtp.example.net:465?to=reader@example.org",
        "mailtos://user:two@smtp.example.net/reader@example.org",
        "mailto://reader:pw@example.org",
    ]
    assert {channel_id(url) for url in urls} == {channel_id(urls[0])}
    assert channel_id(urls[0]).startswith("mailto-")
    assert channel_id("mailto://other:pw@example.org") != channel_id(urls[0])
    assert mail_reader("mailtos://me%40example.org:pw@smtp.example.net") == "me@example.org"
    assert mail_reader("wecombot://KEY") is None


def test_channels_are_known_by_a_fingerprint_without_the_address() -> None:
    urls = ("mailtos://user:hunter2@mail.example.org?to=a@example.org", "wecombot://3a2b-key")
    wang = Subscriber("wang", urls)
    for url in urls:
        assert channel_url(wang, channel_id(url)) == url
        assert "hunter2" not in channel_id(url) and "3a2b" not in channel_id(url)
    assert channel_id(urls[1]).startswith("wecombot-")
    assert channel_url(wang, "mailto-00000000") is None


def at(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("deliver", "quiet", "zone", "now", "due"),
    [
        ("now", None, SHANGHAI, "2025-07-08 12:00", "2025-07-08 12:00"),
        ("now", "22:00-07:00", SHANGHAI, "2025-07-08 21:59", "2025-07-08 21:59"),
        ("now", "22:00-07:00", SHANGHAI, "2025-07-08 22:00", "2025-07-09 07:00"),
        ("now", "22:00-07:00", SHANGHAI, "2025-07-09 03:00", "2025-07-09 07:00"),
        ("now", "22:00-07:00", SHANGHAI, "2025-07-09 07:00", "2025-07-09 07:00"),
        ("now", "12:00-14:00", SHANGHAI, "2025-07-09 13:00", "2025-07-09 14:00"),
        ("daily 08:30", None, SHANGHAI, "2025-07-08 08:00", "2025-07-08 08:30"),
        ("daily 08:30", None, SHANGHAI, "2025-07-08 08:30", "2025-07-08 08:30"),
        ("daily 08:30", None, SHANGHAI, "2025-07-08 08:31", "2025-07-09 08:30"),
        ("daily 06:00", "22:00-07:00", SHANGHAI, "2025-07-08 12:00", "2025-07-09 07:00"),
        ("mon 08:30", None, SHANGHAI, "2025-07-08 12:00", "2025-07-14 08:30"),  # a Tuesday
        ("mon 08:30", None, SHANGHAI, "2025-07-14 08:30", "2025-07-14 08:30"),
        ("mon 08:30", None, SHANGHAI, "2025-07-14 08:31", "2025-07-21 08:30"),
        # 2025-03-30 02:00 is skipped to 03:00 in Berlin, 2025-10-26 03:00 comes twice as 02:00.
        ("daily 02:30", None, BERLIN, "2025-03-29 12:00", "2025-03-30 03:30"),
        ("daily 08:30", None, BERLIN, "2025-03-29 12:00", "2025-03-30 08:30"),
        ("daily 02:30", None, BERLIN, "2025-10-25 12:00", "2025-10-26 02:30"),
    ],
)
def test_next_send(deliver: str, quiet: str | None, zone: ZoneInfo, now: str, due: str) -> None:
    assert next_send(reader(deliver=deliver, quiet=quiet), at(now, zone), zone) == at(due, zone)


def test_quiet_that_ends_in_the_hour_that_comes_twice() -> None:
    second_coming = datetime(2025, 10, 26, 1, 10, tzinfo=UTC)  # 02:10 in Berlin, for the second time
    due = next_send(reader(quiet="22:00-02:30"), second_coming, BERLIN)
    assert due == second_coming + timedelta(minutes=20)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from(["now", "daily 02:30", "sun 02:30", "fri 23:59"]),
    st.sampled_from([None, "22:00-07:00", "01:30-02:30", "00:00-23:59"]),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"]),
)
def test_what_is_due_is_never_in_the_past_nor_in_quiet_hours(
    when: datetime, deliver: str, quiet: str | None, name: str
) -> None:
    zone, now, subscriber = ZoneInfo(name), when.replace(tzinfo=UTC), reader(deliver=deliver, quiet=quiet)
    due = next_send(subscriber, now, zone)
    assert now <= due <= now + timedelta(days=9)
    assert next_send(replace(subscriber, deliver="now"), due, zone) == due


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("hourly", '"now"'),
        ("daily", '"now"'),
        ("day 08:30", '"day"'),
        ("mon 24:00", '"24:00"'),
        ("daily 8.30", '"8.30"'),
    ],
)
def test_a_wrong_rhythm_is_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_deliver(text)


@pytest.mark.parametrize(("text", "wrong"), [("22:00", "HH:MM-HH:MM"), ("22:00-7", '"7"'), ("08:00-08:00", "the same")])
def test_wrong_quiet_hours_are_named(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        parse_quiet(text)
