"""One document's path, end to end: real pages over HTTP, a real database, a real webhook."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers import Reply
from world import World, boda

REPLY = (
    "关于市政协第20260118号提案的答复",
    [
        "您提出的提案收悉，现答复如下：",
        "一、目前，全市养老机构护理型床位占比达到51.6%，建成家庭养老床位3200余张。",
        "二、对符合条件的养老机构，按照产权分别给予5000元/张、8000元/张的建设补贴。",
        "三、对社区养老服务设施，按照等级给予每个每年5万元至20万元的运营补贴。",
        "云川市民政局",
        "2026年3月10日",
    ],
)
PLAN = (
    "云川市养老服务提升行动方案",
    ["一、重点任务", "到2027年底，养老机构护理型床位占比达到55%以上。（责任单位：市民政局、市财政局）"],
)


@pytest.fixture
def world(tmp_path: Path, database_url: str):
    with World(tmp_path, database=database_url) as world:
        world.publish("reply", *REPLY)
        world.publish("plan", *PLAN, number="云政办发〔2025〕21号", published="2025-06-18")
        yield world


def test_the_first_pass_is_recorded_and_tells_nobody(world: World) -> None:
    report = world.check()
    assert (report.ok, report.new, report.events) == (True, 2, 2)
    assert [e.type for e in world.events(baseline=True)] == ["document.published"] * 2
    assert world.events() == []
    assert world.deliveries() == []
    assert world.bodies == []


def test_one_changed_figure_is_one_event_and_one_message(world: World) -> None:
    world.check()
    world.revise("reply", "5000元/张", "6000元/张")
    report = world.check()
    assert (report.revised, report.unchanged) == (1, 1)
    assert world.types() == ["document.revised", "measure.changed"]
    changed = world.events()[1]
    assert changed.before is not None and changed.after is not None and changed.measure is not None
    assert (changed.before["value"], changed.after["value"], changed.after["unit"]) == (5000, 6000, "元/张")
    assert "6000元/张" in changed.after["sentence"]
    assert changed.versions == (1, 2)
    assert [(d.state, len(d.events)) for d in world.deliveries()] == [("sent", 2)]
    assert len(world.bodies) == 1


@pytest.mark.parametrize("template", [None, boda], ids=["furniture", "another template"])
def test_what_is_not_the_document_makes_no_event(world: World, template) -> None:
    world.check()
    for n in range(1, 6):
        world.furniture = n
        if template:
            world.template = template
        report = world.check()
        assert (report.unchanged, report.events) == (2, 0)
    assert world.types() == []


def test_there_and_back_is_two_changes(world: World) -> None:
    world.check()
    world.revise("reply", "5000元/张", "6000元/张")
    world.check()
    world.revise("reply", "6000元/张", "5000元/张")
    world.check()
    assert world.types() == ["document.revised", "measure.changed"] * 2
    assert len(world.bodies) == 2


def test_a_new_document_says_what_it_restates(world: World) -> None:
    world.check()
    lines = ["一、目标", "到2027年底，养老机构护理型床位占比达到60%以上。"]
    world.publish("newplan", "云川市养老服务规划", lines, published="2026-08-21")
    world.check()
    assert world.types() == ["document.published", "measure.restated"]
    restated = world.events()[1]
    assert restated.before is not None and restated.after is not None
    assert (restated.before["value"], restated.after["value"]) == (55, 60)
    assert len(world.bodies) == 1


def test_a_report_that_reaches_a_target_says_so(world: World) -> None:
    world.check()
    lines = ["现答复如下：", "截至目前，全市养老机构护理型床位占比达到61.2%。"]
    world.publish("report", "关于市人大第12号建议的答复", lines, published="2026-08-21")
    world.check()
    assert "target.met" in world.types()


def test_figures_of_another_place_say_nothing_of_the_region(world: World) -> None:
    world.check()
    lines = [
        "11月20日，我局赴武汉市考察。武汉市按照产权分别给予符合条件的养老机构9000元/张、12000元/张的建设补贴，"
        "养老机构护理型床位占比达到70%。",
        "据了解，全国养老机构护理型床位占比达到65%。",
        "2019年我市养老机构护理型床位占比仅为31%。",
    ]
    world.publish("visit", "云川市民政局赴武汉市考察养老服务工作", lines, published="2026-08-21")
    world.check()
    assert world.types() == ["document.published"]
    world.revise("visit", "70%", "72%")
    world.check()
    assert world.types()[1:] == ["document.revised", "measure.changed"]


def test_a_draft_is_told_and_compared_with_nothing(world: World) -> None:
    world.check()
    lines = ["一、目标", "到2027年底，养老机构护理型床位占比达到60%以上。"]
    title = "关于征求《云川市养老服务规划（征求意见稿）》意见的公告"
    world.publish("draft", title, lines, published="2026-08-21")
    world.check()
    assert world.types() == ["document.published"]
    world.publish("newplan", "云川市养老服务规划", lines, published="2026-08-22")
    world.check()
    assert world.types()[1:] == ["document.published", "measure.restated"]
    restated = world.events()[-1]
    assert restated.before is not None and restated.before["value"] == 55


@pytest.mark.parametrize("dated", [True, False])
def test_documents_of_one_pass_are_compared_in_the_order_of_publication(world: World, dated: bool) -> None:
    """Lists show the latest first; what the older one raised is what the later one is judged by."""
    world.check()
    lines = ["现答复如下：", "截至目前，全市养老机构护理型床位占比达到56.2%。"]
    world.publish("report", "关于市人大第12号建议的答复", lines, published="2026-08-22" if dated else "")
    lines = ["一、目标", "到2027年底，养老机构护理型床位占比达到60%以上。"]
    world.publish("newplan", "云川市养老服务规划", lines, published="2026-08-21" if dated else "")
    world.check()
    told = [e.document.title for e in world.events() if e.type == "document.published" and e.document]
    assert told == ["云川市养老服务规划", "关于市人大第12号建议的答复"]
    if dated:
        assert "target.met" not in world.types()


def test_a_document_is_withdrawn_when_it_is_gone_twice_and_restored_when_it_is_back(world: World) -> None:
    world.check()
    world.withdraw("plan")
    assert world.check().withdrawn == 0
    assert world.types() == []
    assert world.check().withdrawn == 1
    assert world.check().withdrawn == 0
    assert world.types() == ["document.withdrawn"]
    world.publish("plan", *PLAN, number="云政办发〔2025〕21号", published="2025-06-18")
    world.check()
    assert world.types() == ["document.withdrawn", "document.restored"]


def test_a_document_that_is_back_with_another_figure_tells_both(world: World) -> None:
    world.check()
    world.withdraw("plan")
    world.check(2)
    lines = [PLAN[1][0], PLAN[1][1].replace("55%", "50%")]
    world.publish("plan", PLAN[0], lines, number="云政办发〔2025〕21号", published="2025-06-18")
    world.check()
    assert set(world.types()) == {"document.withdrawn", "document.restored", "document.revised", "measure.changed"}


def test_a_declared_end_is_a_withdrawal(world: World) -> None:
    def ended(paper, n):
        return boda(paper, n).replace("<li><span>发布日期", "<li><span>有效性：</span>失效</li><li><span>发布日期")

    world.template = lambda paper, n: ended(paper, n).replace("失效", "有效")
    world.check()
    world.template = ended
    world.check()
    assert world.types() == ["document.withdrawn"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        Reply(500, b"oops"),
        Reply(412, b"<html><head><script>$_ts=window['$_ts'];$_ts.nsd=1;</script></head><body></body></html>"),
        Reply(200, "<html><head><title>维护</title></head><body>网站正在维护升级，请稍后访问。</body></html>".encode()),
        Reply(200, b""),
    ],
    ids=["error", "challenge", "maintenance", "empty"],
)
def test_a_page_that_cannot_be_read_is_no_change(world: World, answer: Reply) -> None:
    world.check()
    world.site.route("/reply.html", lambda asked: answer)
    report = world.check(2)
    assert not report.ok and report.error
    assert [t for t in world.types() if not t.startswith("source.")] == []
    world.publish("reply", *REPLY)
    world.revise("reply", "5000元/张", "6000元/张")
    world.clock.move(days=1)
    world.check()
    assert [t for t in world.types() if not t.startswith("source.")] == ["document.revised", "measure.changed"]


def test_a_change_that_was_captured_before_a_kill_is_found_after_it(world: World, monkeypatch) -> None:
    """The process dies between T1 and T2: the bytes are stored, nothing was compared."""
    from pledgewatch import releases

    class Kill(BaseException):
        """Nothing in the product catches it; asyncio hands it on, as it would not a KeyboardInterrupt."""

    world.check()
    world.revise("reply", "5000元/张", "6000元/张")

    def killed(*_: object) -> None:
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr(releases, "commit_release", killed)
        with pytest.RaisesGroup(Kill):
            world.check()
    assert world.types() == []
    world.check()
    assert world.types() == ["document.revised", "measure.changed"]


def test_a_better_reader_revises_nothing(world: World, monkeypatch) -> None:
    """After an upgrade the older side is read again by the same code: no event, but better statements."""
    from dataclasses import replace

    from pledgewatch import reading, releases

    world.check()
    plain = reading.extraction.extract

    def renamed(text, context):
        return tuple(replace(m, subject="新" + m.subject) for m in plain(text, context))

    monkeypatch.setattr(reading.extraction, "extract", renamed)
    for module in (reading, releases):
        monkeypatch.setattr(module, "READER", "another-reader")
    assert world.check().events == 0
    assert world.types() == []
    world.revise("reply", "5000元/张", "6000元/张")
    world.check()
    assert world.types() == ["document.revised", "measure.changed"]
    measure = world.events()[1].measure
    assert measure is not None and measure.name.startswith("新")


def test_a_better_reader_and_a_revision_at_once(world: World, monkeypatch) -> None:
    from dataclasses import replace

    from pledgewatch import reading, releases

    world.check()
    plain = reading.extraction.extract
    monkeypatch.setattr(
        reading.extraction,
        "extract",
        lambda text, context: tuple(replace(m, subject="新" + m.subject) for m in plain(text, context)),
    )
    monkeypatch.setattr(releases, "READER", "another-reader")
    world.revise("reply", "5000元/张", "6000元/张")
    world.check()
    assert world.types() == ["document.revised", "measure.changed"]


def test_the_same_document_under_a_second_address_is_one_document(world: World) -> None:
    world.check()
    world.publish("copy", *PLAN, number="云政办发〔2025〕21号", published="2025-06-18")
    assert world.check().new == 0
    assert world.types() == []


def test_a_reissue_with_other_figures_is_heard_of(world: World) -> None:
    world.check()
    lines = [PLAN[1][0], PLAN[1][1].replace("55%", "45%")]
    world.publish("reissue", PLAN[0], lines, number="云政办发〔2025〕21号", published="2026-08-18")
    world.check()
    assert world.types()[0] == "document.published"
    assert {"measure.restated", "measure.conflict"} & set(world.types())


def test_an_attachment_is_part_of_the_document(world: World) -> None:
    docx = pytest.importorskip("docx")

    def file(amount: int) -> bytes:
        from io import BytesIO

        made, out = docx.Document(), BytesIO()
        made.add_paragraph(f"对养老护理员给予每人每月{amount}元的岗位补贴。")
        made.save(out)
        return out.getvalue()

    def with_file(paper, n):
        from world import trs

        return trs(paper, n).replace(
            '</div>\n<div class="related">', '<p><a href="/f.docx">附件：标准.docx</a></p></div>\n<div class="related">'
        )

    world.template = with_file
    world.papers.pop("plan")
    world.site.page("/f.docx", file(200))
    world.check()
    world.site.page("/f.docx", b"")
    world.check()
    assert [t for t in world.types() if not t.startswith("source.")] == []
    world.site.page("/f.docx", file(300))
    world.check()
    assert [t for t in world.types() if not t.startswith("source.")] == ["document.revised", "measure.changed"]
    changed = world.events()[-1]
    assert changed.before is not None and changed.after is not None
    assert (changed.before["value"], changed.after["value"]) == (200, 300)


def test_a_webhook_that_is_down_loses_nothing(world: World) -> None:
    world.check()
    world.site.route("/hook", lambda asked: Reply(503))
    world.revise("reply", "5000元/张", "6000元/张")
    world.check()
    assert [d.state for d in world.deliveries()] == ["retrying"]
    world.site.route("/hook", world._arrived)
    world.clock.move(hours=1)
    world.check()
    assert [d.state for d in world.deliveries()] == ["sent"]
    assert len(world.bodies) == 1


def test_a_blocked_source_is_told_to_operators_once(tmp_path: Path) -> None:
    operator = '[[subscribers]]\nid = "op"\nto = ["webhook+{url}"]\nevents = []\noperator = true\n'
    with World(tmp_path, subscribers="") as world:
        world._subscribers = operator.replace("{url}", world.site.url("/hook"))
        from pledgewatch.settings import parse_settings

        world.settings = parse_settings(world.config(), str(tmp_path / "config.toml"))
        world.publish("reply", *REPLY)
        world.check()
        world.site.route("/list.html", lambda asked: Reply(412, b"<script>$_ts=window['$_ts'];</script>"))
        world.check()
        world.clock.move(days=2)
        world.check()
        assert world.types() == ["source.blocked"]
        world.site.route("/list.html", lambda asked: Reply(200, world._list().encode()))
        world.clock.move(days=4)
        world.check()
        assert world.types() == ["source.blocked", "source.recovered"]
        assert len(world.bodies) == 2
