"""Documents, versions and statements: what is put in comes out, and finds its way by every name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from stock import NOW, URL, add_document, add_source, capture, document, measure, reading

from storage import captures, documents, threads
from storage.database import Database
from storage.identity import identity_keys, normal_number, short_key
from storage.records import Attachment


@pytest.fixture
def conn(database: Database):
    with database.begin() as conn:
        add_source(conn)
        yield conn


def next_version(conn: sa.Connection, id: int, given: documents.Reading) -> documents.StoredVersion:
    page = captures.page_by_url(conn, URL)
    assert page
    capture_id = captures.record_capture(conn, page, capture(given.document.text.encode()))
    return documents.add_version(conn, id, given, capture_id=capture_id, now=NOW + timedelta(days=1))


def test_a_version_comes_back_as_it_was_put(conn: sa.Connection) -> None:
    given = reading(measure(), measure(8000), measure(100, "运营补贴", deadline=None, recipient=None))
    stored = add_document(conn, replace(given, attachment_captures={"https://mzj.example.gov.cn/a.pdf": 1}))
    assert documents.latest_version(conn, stored.mark.document_id) == stored
    assert documents.version_by_id(conn, stored.id) == stored
    assert documents.version_by_number(conn, stored.mark.document_id, 1) == stored
    assert documents.latest_mark(conn, stored.mark.document_id) == stored.mark
    assert stored.document == given.document and stored.measures == given.measures
    assert stored.attachment_captures == {"https://mzj.example.gov.cn/a.pdf": 1}


def test_a_document_without_measures_or_attachments(conn: sa.Connection) -> None:
    bare = replace(reading(attachments=(), publisher=None, published_on=None), measures=())
    stored = add_document(conn, bare)
    assert documents.latest_version(conn, stored.mark.document_id) == stored
    found = documents.document_by_id(conn, stored.mark.document_id)
    assert found and found.published_on is None


def test_an_attachment_that_could_not_be_read_keeps_its_reason(conn: sa.Connection) -> None:
    unread = Attachment("表.xls", "https://a/b.xls", error="encrypted")
    stored = add_document(conn, reading(attachments=(unread,)))
    latest = documents.latest_version(conn, stored.mark.document_id)
    assert latest and latest.document.attachments == (unread,)


def test_versions_are_numbered_and_the_document_follows_the_latest(conn: sa.Connection) -> None:
    first = add_document(conn)
    id = first.mark.document_id
    second = next_version(conn, id, reading(measure(6000), title="新题", status="expired", text="改"))
    assert (first.number, second.number) == (1, 2)
    assert documents.latest_version(conn, id) == second
    assert documents.version_by_number(conn, id, 1) == first
    found = documents.document_by_id(conn, id)
    assert found and (found.title, found.status, found.last_seen_at) == (
        "新题",
        "expired",
        NOW + timedelta(days=1),
    )
    lines = documents.history(conn, id)
    assert [(v.number, v.title, v.statements) for v in lines] == [
        (1, "关于养老机构补贴的通知", 1),
        (2, "新题", 1),
    ]


def test_reading_again_replaces_the_reading_and_keeps_the_threads(conn: sa.Connection) -> None:
    first = add_document(conn, reading(measure(), measure(8000), measure(1, "别的")))
    threads.put_tracked(conn, [threads.Tracked(t, t, "subsidy", None, None, NOW) for t in ("a", "b", "c")])
    threads.assign(conn, {s.id: t for s, t in zip(first.statements, "abc", strict=True)})
    newer = reading(measure(2, "新的"), measure(5000.5), measure(8000), reader="r2", text="清理后的正文")
    again = documents.replace_reading(conn, first.id, newer)
    assert documents.latest_version(conn, first.mark.document_id) == again
    assert (again.number, again.mark.reader, again.text) == (1, "r2", "清理后的正文")
    assert [s.tracked_id for s in again.statements] == [None, "a", "b"]


def test_reading_an_older_version_again_leaves_the_document_as_it_is(conn: sa.Connection) -> None:
    first = add_document(conn)
    next_version(conn, first.mark.document_id, reading(title="今题"))
    documents.replace_reading(conn, first.id, reading(title="昔题", reader="r2"))
    found = documents.document_by_id(conn, first.mark.document_id)
    assert found and found.title == "今题"


@pytest.mark.parametrize(
    "name",
    [
        "{id}",
        URL,
        "http://www.mzj.example.gov.cn/art/2026/3/1/art_1_7.html#top",
        "示民规〔2026〕3号",
        " 示民规[2026] 3 号 ",
        "示民规（２０２６）３号",
        "K1234/2026-00007",
    ],
)
def test_a_document_is_found_by_all_its_names(conn: sa.Connection, name: str) -> None:
    id = add_document(conn).mark.document_id
    assert [d.id for d in documents.resolve(conn, name.format(id=id))] == [id]


@pytest.mark.parametrize("name", ["999", "https://example.org/", "示民规〔2026〕4号", "", "9" * 40])
def test_an_unknown_name_finds_nothing(conn: sa.Connection, name: str) -> None:
    add_document(conn)
    assert documents.resolve(conn, name) == ()


def test_a_number_that_two_issuers_share_finds_both(conn: sa.Connection) -> None:
    add_document(conn)
    add_document(conn, reading(publisher="邻市民政局", index_number="X"), URL + "?2")
    assert len(documents.resolve(conn, "示民规〔2026〕3号")) == 2


def test_the_stronger_key_wins_and_new_addresses_are_learned(conn: sa.Connection) -> None:
    id = add_document(conn).mark.document_id
    moved = identity_keys("https://new.example.cn/x", "示民规[2026]3号", "示例市民政局")
    found = documents.find_document(conn, moved)
    assert found and found.id == id
    assert documents.find_document(conn, moved[1:]) is None
    documents.add_keys(conn, id, moved)
    found = documents.find_document(conn, moved[1:])
    assert found and found.id == id


def test_a_key_stays_with_its_document(conn: sa.Connection) -> None:
    first = add_document(conn).mark.document_id
    second = add_document(conn, reading(doc_number="示民规〔2026〕9号", index_number=None), URL + "?9")
    documents.add_keys(conn, second.mark.document_id, identity_keys(URL))
    found = documents.find_document(conn, identity_keys(URL))
    assert found and found.id == first


def test_seen_withdrawn_and_listed(conn: sa.Connection) -> None:
    first = add_document(conn).mark.document_id
    second = add_document(
        conn, reading(published_on=date(2026, 3, 2), doc_number=None, title="100%_覆盖"), URL + "?2", "邻市"
    ).mark.document_id
    documents.touch(conn, first, NOW + timedelta(hours=1))
    documents.set_state(conn, first, "withdrawn")
    found = documents.document_by_id(conn, first)
    assert found and (found.state, found.last_seen_at) == ("withdrawn", NOW + timedelta(hours=1))

    def ids(**filters: str) -> list[int]:
        return [d.id for d in documents.list_documents(conn, **filters)]

    assert ids() == [second, first]
    assert ids(state="live") == ids(region="邻市") == ids(title="0%_") == [second]
    assert ids(source="mzj", title="补贴") == [first]
    assert [d.id for d in documents.list_documents(conn, limit=1, offset=1)] == [first]


def test_keys_fit_an_index_and_stay_apart() -> None:
    long = "示" * 5000
    keys = {short_key(long + end) for end in "ab"}
    assert len(keys) == 2 and all(len(key.encode()) < 2700 for key in keys)
    assert normal_number("鄂政发 〔2024〕\n１１ 号") == "鄂政发〔2024〕11号"


def test_an_overlong_number_does_no_harm(conn: sa.Connection) -> None:
    stored = add_document(conn, reading(doc_number="号" * 9000, index_number="索" * 9000))
    assert [d.id for d in documents.resolve(conn, "号" * 9000)] == [stored.mark.document_id]


def test_the_text_of_a_damaged_page_keeps_its_offsets(conn: sa.Connection) -> None:
    text = "给予\0\ud8005000元"
    stored = add_document(conn, reading(text=text, title="\0", attachments=()))
    latest = documents.latest_version(conn, stored.mark.document_id)
    assert latest and latest.text == "给予��5000元"
    assert document().title
