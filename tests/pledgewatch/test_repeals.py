"""Documents that another document ends, over real HTTP and on both databases."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from world import World

from notify.messages import Limit, Links, render
from notify.subscriptions import Subscriber
from pledgewatch.deadlines import look_at_calendar
from pledgewatch.releases import read_again
from pledgewatch.web import create_app
from storage import documents
from storage.documents import StoredDocument
from storage.records import Event
from storage.threads import statements_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Starlette would rather have a successor of httpx that the project does not need
    from starlette.testclient import TestClient

NUMBER, NEW_NUMBER = "云政办规〔2019〕5号", "云政办规〔2026〕8号"
TITLE, NEW_TITLE = "云川市养老机构补贴办法", "云川市养老服务扶持办法"
REPEAL = f"《{TITLE}》（{NUMBER}）同时废止。"
SUBSIDY = ["一、补贴标准", "对符合条件的养老机构，按照产权给予5000元/张的建设补贴。"]
RAISED = ["一、补贴标准", "对符合条件的养老机构，按照产权给予8000元/张的建设补贴。"]


@pytest.fixture
def world(tmp_path: Path, database_url: str):
    with World(tmp_path, database=database_url) as world:
        world.publish("old", TITLE, SUBSIDY, number=NUMBER, published="2019-06-01")
        yield world


def repeal(world: World, *lines: str, slug: str = "new", title: str = NEW_TITLE, **more: str) -> None:
    given = {"number": NEW_NUMBER, "published": "2026-08-21"} | more
    world.publish(slug, title, lines or [*RAISED, REPEAL], **given)


def stored(world: World, number: str = NUMBER) -> StoredDocument:
    with world.database.read() as conn:
        (found,) = documents.resolve(conn, number)
        return found


def standing(world: World, number: str = NUMBER) -> bool:
    with world.database.read() as conn:
        found = statements_of(conn, document_id=documents.resolve(conn, number)[0].id)
        return any(True for _ in found)


def message(world: World, language: str = "zh") -> str:
    """The last pass's news as a reader gets it in a mail's text."""
    told = [e for e in world.events() if e.time == world.events()[-1].time]
    reader, links = Subscriber("reader", ("mailto://a@example.org",)), Links("https://watch.example.org")
    zone = ZoneInfo("Asia/Shanghai")
    return render(reader, told, language=language, links=links, format="text", limit=Limit(), tz=zone).body


def ends(world: World, *, baseline: bool = False) -> list[Event]:
    return [e for e in world.events(baseline=baseline) if e.type in ("document.withdrawn", "document.restored")]


def test_a_new_document_ends_another_one(world: World) -> None:
    world.check()
    repeal(world)
    world.check()
    (event,) = ends(world)
    assert event.document is not None and event.document.title == TITLE
    assert event.summary == f"「{TITLE}」已被《{NEW_TITLE}》（{NEW_NUMBER}）废止"
    assert event.detail["other_document"]["url"].endswith("/new.html")
    assert event.detail["repeal"]["sentence"] == REPEAL.rstrip("。")
    assert world.types() == ["document.published", "measure.restated", "document.withdrawn"]
    assert not standing(world) and standing(world, NEW_NUMBER)
    (body,) = world.bodies
    assert f"已被《{NEW_TITLE}》（{NEW_NUMBER}）废止" in str(body)
    for _ in range(3):  # the old page stands as it stood, and is changed: it comes back to nobody
        assert world.check().events == 0
    world.withdraw("old")
    assert world.check(3).events == 0
    assert len(ends(world)) == 1 and len(world.bodies) == 1


def test_what_was_repealed_contradicts_nothing(world: World) -> None:
    world.check()
    repeal(world, *SUBSIDY[:1], "对符合条件的养老机构，按照产权给予500000元/张的建设补贴。", REPEAL)
    world.check()
    assert "measure.conflict" not in world.types()
    lines = ["现答复如下：", "对符合条件的养老机构，按照产权给予4000元/张的建设补贴。"]
    world.publish("reply", "关于市政协第118号提案的答复", lines, published="2026-08-25")
    world.check()
    others = [e.detail.get("other_document", {}).get("title") for e in world.events() if e.type.startswith("measure.")]
    assert TITLE not in others


def test_the_day_may_be_to_come(world: World) -> None:
    world.check()
    repeal(world, *RAISED, "本办法自2026年10月1日起施行，有效期5年。", REPEAL)
    world.check()
    (event,) = ends(world)
    assert event.summary.endswith("废止，自2026年10月1日起")
    document = stored(world)
    assert (document.repealed_on, document.ended, document.standing) == (date(2026, 10, 1), False, True)
    assert standing(world)
    world.clock.move(days=40)
    look_at_calendar(world.settings, world.database, world.clock())
    assert stored(world).ended and not standing(world)
    assert world.check().events == 0


@pytest.mark.parametrize(
    "title, lines",
    [
        (f"{NEW_TITLE}（征求意见稿）", [REPEAL]),
        ("关于补贴工作的通知", [f"《{TITLE}》（{NUMBER}）第一条同时废止。"]),
        ("关于补贴工作的通知", [f"《{TITLE}》（{NUMBER}）继续有效。"]),
        ("关于停车的通知", [f"《云川市道路停车收费规定》（{NUMBER}）同时废止。"]),
    ],
)
def test_what_ends_nothing(world: World, title: str, lines: list[str]) -> None:
    world.check()
    repeal(world, *lines, title=title)
    world.check()
    assert world.types() == ["document.published"]
    assert standing(world) and stored(world).repealed_by is None


def test_another_city_ends_its_own_documents_only(tmp_path: Path, database_url: str) -> None:
    with World(tmp_path, database=database_url) as world:
        for slug, region in (("same", "云川市"), ("other", "平江市")):
            world.publish(slug, f"{region}{TITLE}", SUBSIDY, number=NUMBER, published="2019-06-01", publisher=region)
        repeal(world, publisher="平江市民政局")
        world.show_list("/list.html", ["same"])
        world.show_list("/pingjiang.html", ["other"])
        url = world.site.url("/pingjiang.html")
        world.reconfigure(f'[[sources]]\nid = "pingjiang"\nurl = "{url}"\nregion = "平江市"\n')
        world.check()
        world.show_list("/pingjiang.html", ["other", "new"])
        world.check()
        assert [e.document.region for e in ends(world) if e.document] == ["平江市"]
        assert [e.source for e in ends(world)] == ["pingjiang"]


def test_a_list_of_documents(world: World) -> None:
    world.publish("third", "关于床位补贴的通知", SUBSIDY, number="云民规〔2018〕2号", published="2018-06-01")
    world.check()
    lines = [
        "经研究，决定废止下列文件：",
        f"一、《{TITLE}》（{NUMBER}）",
        "二、《关于床位补贴的通知》（云民规〔2018〕2号）",
        "本决定自公布之日起施行。",
    ]
    repeal(world, *lines, title="云川市人民政府关于废止部分规范性文件的决定")
    world.check()
    assert [e.document.doc_number for e in ends(world) if e.document] == [NUMBER, "云民规〔2018〕2号"]
    assert len(world.bodies) == 1


def test_a_revision_may_end_and_end_no_more(world: World) -> None:
    repeal(world, *RAISED, "特此通知。")
    world.check()
    world.revise("new", "特此通知。", REPEAL)
    world.check()
    assert world.types() == ["document.revised", "document.withdrawn"]
    world.revise("new", REPEAL, "特此通知。")
    world.check()
    assert [e.type for e in ends(world)] == ["document.withdrawn", "document.restored"]
    assert stored(world).repealed_by is None and standing(world)
    world.revise("new", "特此通知。", REPEAL)
    world.check()
    assert [e.type for e in ends(world)][2:] == ["document.withdrawn"]


def test_the_first_pass_tells_nobody(world: World) -> None:
    repeal(world)
    world.check()
    assert world.types() == [] and world.bodies == []
    assert not standing(world)
    assert world.check().events == 0


@pytest.mark.parametrize("slug", ["a", "z"])
def test_what_ends_it_may_be_read_before_it(tmp_path: Path, database_url: str, slug: str) -> None:
    with World(tmp_path, database=database_url) as world:
        repeal(world, slug=slug)
        world.check()
        world.publish("old", TITLE, SUBSIDY, number=NUMBER, published="2019-06-01")
        world.check()
        assert world.types() == ["document.published"]  # it comes with the word of its end
        assert world.events()[0].detail["other_document"]["doc_number"] == NEW_NUMBER
        assert f"已被《{NEW_TITLE}》（{NEW_NUMBER}）废止" in message(world)
        assert not standing(world)


def test_its_own_page_says_it_later(world: World) -> None:
    world.check()
    repeal(world)
    world.check()
    world.papers["old"].title = f"{TITLE}（已废止）"
    world.check(2)
    assert len(ends(world)) == 1


def test_an_archive_from_before_is_marked_by_reading_again(world: World) -> None:
    repeal(world)
    world.check()
    with world.database.begin() as conn:
        new, old = (documents.resolve(conn, number)[0] for number in (NEW_NUMBER, NUMBER))
        documents.set_repeals(conn, new.id, ())
        documents.set_repealed(conn, old.id, None, None, False)
        version = documents.latest_version(conn, new.id)
    assert version is not None
    before = len(world.events(baseline=True))
    read_again(world.database, world.settings, new, replace(version, mark=replace(version.mark, reader="old")))
    assert stored(world).repealed_by == new.id and not standing(world)
    assert len(world.events(baseline=True)) == before


@pytest.mark.parametrize(
    "language, badge, told",
    [
        ("zh", "已被其他文件废止或宣布失效", f"已被《{NEW_TITLE}》（{NEW_NUMBER}）废止，自2026年8月1日起"),
        ("en", "Declared ended by another document", f"repealed by “{NEW_TITLE}” ({NEW_NUMBER}), from 2026-08-01 on"),
    ],
    ids=["zh", "en"],
)
def test_pages_feed_and_record_say_who_ended_it(world: World, language: str, badge: str, told: str) -> None:
    service = world.settings.service.model_copy(update={"language": language})
    world.settings = world.settings.model_copy(update={"service": service})
    world.check()
    repeal(world, *RAISED, f"《{TITLE}》（{NUMBER}）自2026年8月1日起废止。")
    world.check()
    old, new = stored(world), stored(world, NEW_NUMBER)
    client = TestClient(create_app(world.settings, world.database), base_url="http://127.0.0.1:8700")
    page = client.get(f"/documents/{old.id}").text
    assert badge in page and f'href="/documents/{new.id}"' in page and "2026-08-01" in page
    assert badge not in client.get(f"/documents/{new.id}").text
    assert told in page and told in message(world, language)
    assert told in client.get("/").text
    badges = {"zh": "已被废止", "en": "Ended"}
    assert f'<span class="badge bad">{badges[language]}</span>' in client.get("/documents").text
    assert NEW_TITLE in ends(world)[0].summary and ends(world)[0].summary in client.get("/feeds/events.atom").text
    (given,) = [d for d in client.get("/api/v1/documents").json()["items"] if d["id"] == old.id]
    assert (given["repealed_by"], given["repealed_on"]) == (new.id, "2026-08-01")
    assert json.loads(json.dumps(old.to_json()))["repealed_by"] == new.id
    assert client.get(f"/api/v1/documents/{old.id}").json()["repealed_by"] == new.id


def test_what_another_one_ended_is_told_as_that(world: World) -> None:
    world.check()
    lines = ["现答复如下：", f"《{TITLE}》（{NUMBER}）已于2020年废止。"]
    repeal(world, *lines, title="关于市政协第118号提案的答复", number="云民函〔2026〕8号")
    world.check()
    (event,) = ends(world)
    assert event.summary == f"「{TITLE}」已废止（见《关于市政协第118号提案的答复》（云民函〔2026〕8号））"
    assert "据《关于市政协第118号提案的答复》（云民函〔2026〕8号），已废止" in message(world)
    assert not standing(world)
