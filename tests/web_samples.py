"""An archive to look at: two cities, a subsidy that was raised, a hostile title, a blocked source."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pledgewatch.settings import Settings, parse_settings
from storage import captures, documents, events, outbox, sources, threads
from storage.documents import Reading, StoredVersion
from storage.identity import identity_keys
from storage.records import Attachment, Capture, Document, Event, Figure, Kind, Measure, MeasureRef

NOW = datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"
BASE = "http://127.0.0.1"

CONFIG = """
[web]
listen = "127.0.0.1:0"

[[sources]]
id = "yunchuan-mzj"
url = "https://mzj.yunchuan.example/list.html"
name = "云川市民政局 建议提案答复"
region = "云川市"

[[sources]]
id = "linhai-gov"
url = "https://www.linhai.example/zwgk/"
name = "临海区人民政府 规范性文件"
region = "临海区"

[[sources]]
id = "new-one"
url = "https://www.new.example/"
"""

FIRST = """林知夏委员：
您提出的关于扩大普惠养老供给的提案收悉，现答复如下：
一、关于机构养老。截至目前，全市养老机构护理型床位占比达到51.6%，建成家庭养老床位3200余张。
二、关于资金支持。对符合条件的养老机构，分别给予5000元/张、8000元/张的建设补贴。补贴由区财政先行垫付，市财政按年度结算。
三、关于目标。到2027年底，养老机构护理型床位占比不低于60%。
四、关于社区。社区食堂面向六十岁以上老年人开放，具体办法由各区制定。各区应当公布食堂地址和开放时间。食堂价格由区民政局备案。
五、关于监督。市民政局会同市财政局每年组织一次抽查，结果在门户网站公布。抽查不合格的，限期整改。
六、其他。感谢您对养老服务工作的关心和支持，欢迎继续提出宝贵意见。
云川市民政局
【附件】补贴标准表.pdf
类别 | 标准
新建 | 5000元/张"""
SECOND = (
    FIRST.replace("分别给予5000元/张、8000元/张", "分别给予6000元/张、8000元/张")
    .replace("欢迎继续提出宝贵意见。", "欢迎继续提出意见。")
    .replace("补贴由区财政先行垫付，市财政按年度结算。", "")
    .replace("六、其他。", "补贴由区财政先行垫付，市财政按年度结算。\n六、其他。")
)
PAGE = (
    "<html><head><meta charset='gb2312'><title>答复</title></head><body><script>steal()</script><p>{}</p></body></html>"
)


def settings(**changed: Any) -> Settings:
    """The samples' configuration; `changed` replaces keys of [service]."""
    given = parse_settings(CONFIG, environ={})
    return given.model_copy(update={"service": given.service.model_copy(update=changed)})


def figure(text: str, quote: str, value: float, unit: str, bound: Any = "=", nth: int = 0) -> Figure:
    """A figure at the nth place where `quote` stands in `text`."""
    start = -1
    for _ in range(nth + 1):
        start = text.index(quote, start + 1)
    return Figure(value, None, None, unit, bound, quote, start, start + len(quote))


def measure(kind: Kind, subject: str, text: str, *figures: Figure, **more: Any) -> Measure:
    """A measure with the sentence that its first figure stands in."""
    start = max(text.rfind(end, 0, figures[0].start) for end in "\n。") + 1
    sentence = text[start : text.index("。", start) + 1]
    given = {"deadline": None, "recipient": None, "condition": None, "bodies": ()} | more
    return Measure(kind, subject, figures, sentence=sentence, **given)


def reply_measures(text: str, raised: bool) -> tuple[Measure, ...]:
    first, value = ("6000元/张", 6000) if raised else ("5000元/张", 5000)
    return (
        measure("progress", "养老机构护理型床位占比", text, figure(text, "51.6%", 51.6, "%")),
        measure("progress", "家庭养老床位", text, figure(text, "3200余张", 3200, "张", ">=")),
        measure(
            *("subsidy", "养老机构建设补贴", text),
            *(figure(text, first, value, "元/张"), figure(text, "8000元/张", 8000, "元/张")),
            recipient="养老机构",
        ),
        measure(
            *("target", "养老机构护理型床位占比", text, figure(text, "不低于60%", 60, "%", ">=")),
            deadline=date(2027, 12, 31),
            bodies=("市民政局", "市财政局"),
        ),
    )


def document(text: str, **more: Any) -> Document:
    given: dict[str, Any] = {
        "title": "关于市政协第20260118号提案的答复",
        "text": text,
        "doc_number": "云民函〔2026〕18号",
        "index_number": "113700004/2026-00218",
        "publisher": "云川市民政局",
        "published_on": date(2026, 2, 12),
        "issued_on": date(2026, 2, 10),
        "status": "in_force",
    }
    return Document(**(given | more))


def capture(url: str, body: bytes, at: datetime, **more: Any) -> Capture:
    headers = {"Content-Type": "text/html; charset=gb2312"}
    given = {"url": url, "final_url": url, "fetched_at": at, "status": 200, "headers": headers, "body": body}
    return Capture(**(given | {"outcome": "ok"} | more))


def store(
    conn: sa.Connection,
    source: str,
    region: str,
    url: str,
    doc: Document,
    measures: tuple[Measure, ...] = (),
    at: datetime = NOW,
    attachment: tuple[str, bytes] | None = None,
    known: int | None = None,
) -> StoredVersion:
    """A version as a pass stores it; of the document `known`, or of a new one."""
    page = captures.page_for(conn, url, source, "document")
    body = PAGE.format(doc.text).encode("gb18030")
    taken = captures.record_capture(conn, page, capture(url, body, at))
    files: dict[str, int] = {}
    if attachment:
        name, content = attachment
        address = f"{url.rpartition('/')[0]}/a.pdf"
        part = captures.page_for(conn, address, source, "attachment")
        header = {"Content-Type": "application/pdf"}
        files[address] = captures.record_capture(conn, part, capture(address, content, at, headers=header))
        doc = replace(doc, attachments=(Attachment(name, address, "类别 | 标准", "f" * 64),))
    if known is None:
        keys = identity_keys(url, doc.doc_number, doc.publisher, doc.index_number)
        known = documents.create_document(conn, keys, source=source, url=url, document=doc, region=region, now=at)
    for id_ in (taken, *files.values()):
        stored = captures.capture_by_id(conn, id_)
        assert stored is not None and stored.sha256 is not None
        captures.settle(conn, stored.page_id, known, stored.sha256)
    reading = Reading(doc, measures, "r1", f"{doc.text}{doc.title}", files)
    return documents.add_version(conn, known, reading, capture_id=taken, now=at)


TRACKED = (
    threads.Tracked("m1", "养老机构建设补贴", "subsidy", "云川市", "元/张", NOW),
    threads.Tracked("m2", "养老机构护理型床位占比", "target", "云川市", "%", NOW),
    threads.Tracked("m3/家庭 床位", "家庭养老床位", "progress", "云川市", "张", NOW),
    threads.Tracked("m5", "养老机构运营补贴", "subsidy", "临海区", "元/床", NOW),
    threads.Tracked("m4", "养老机构建设补贴", "subsidy", "临海区", "元/张", NOW),
)


def ref(id: str) -> MeasureRef:
    found = next(t for t in TRACKED if t.id == id)
    return MeasureRef(found.id, found.name, found.kind, "养老机构" if found.kind == "subsidy" else None)


def assign(conn: sa.Connection, version: StoredVersion, *ids: str | None) -> None:
    threads.assign(conn, {s.id: id for s, id in zip(version.statements, ids, strict=True)})


def fill(conn: sa.Connection) -> None:
    """The whole archive: document 1 has two versions, 2 is another city's, 3 is hostile and withdrawn."""
    later = NOW + timedelta(days=3)
    given = settings()
    sources.sync_sources(conn, {s.id: s.url for s in given.sources if s.id != "new-one"}, NOW)
    threads.put_tracked(conn, TRACKED)
    url = "https://mzj.yunchuan.example/art/2026/2/12/art_1_7.html"
    pdf = ("补贴标准表.pdf", b"%PDF-1.4 sample")
    first = store(conn, "yunchuan-mzj", "云川市", url, document(FIRST), reply_measures(FIRST, False), attachment=pdf)
    assign(conn, first, "m2", "m3/家庭 床位", "m1", "m2")
    second = store(
        *(conn, "yunchuan-mzj", "云川市", url, document(SECOND), reply_measures(SECOND, True)),
        at=later, attachment=pdf, known=first.mark.document_id,
    )  # fmt: skip
    assign(conn, second, "m2", "m3/家庭 床位", "m1", "m2")
    other = "第一条　对养老机构给予4000元/张的建设补贴。\n第二条　本办法有效期5年。"
    subsidy = measure(
        "subsidy", "养老机构建设补贴", other, figure(other, "4000元/张", 4000, "元/张"), recipient="养老机构"
    )
    rule = store(
        *(conn, "linhai-gov", "临海区", "https://www.linhai.example/zwgk/3.html"),
        document(
            other, title="临海区养老机构补贴办法", doc_number="临政规〔2025〕3号", publisher="临海区人民政府",
            index_number=None, published_on=date(2025, 11, 3),
        ),
        (subsidy,),
    )  # fmt: skip
    assign(conn, rule, "m4")
    gone = f"正文{HOSTILE}\u202e倒写，给予300元/床的运营补贴。"
    hostile = store(
        *(conn, "linhai-gov", "临海区", "https://www.linhai.example/zwgk/9.html"),
        document(
            gone, title=f"通知{HOSTILE}\uffff", doc_number='"><img src=x>',
            publisher=HOSTILE, index_number=None, published_on=None, status="repealed",
        ),
        (measure("subsidy", "养老机构运营补贴", gone, figure(gone, "300元/床", 300, "元/床")),),
    )  # fmt: skip
    assign(conn, hostile, "m5")
    documents.set_state(conn, hostile.mark.document_id, "withdrawn")
    events.record_events(conn, [*_events(conn, later, first, second, rule, hostile)])
    _deliveries(conn)
    _passes(conn, later)


def _events(
    conn: sa.Connection,
    at: datetime,
    first: StoredVersion,
    second: StoredVersion,
    rule: StoredVersion,
    bad: StoredVersion,
) -> list[Event]:
    refs = {v.id: documents.document_by_id(conn, v.mark.document_id) for v in (second, rule, bad)}
    reply, law, hostile = (stored.ref() for stored in refs.values() if stored)
    old, new = (v.statements[2].measure for v in (first, second))
    before, after = (m.figures[0].to_json() | {"sentence": m.sentence} for m in (old, new))
    conflict = rule.statements[0].measure
    told = conflict.figures[0].to_json() | {"sentence": conflict.sentence}
    target = second.statements[3].measure
    aim = target.figures[0].to_json() | {"sentence": target.sentence}
    mine = {"source": "yunchuan-mzj", "document": reply}
    there = {"source": "linhai-gov"}
    return [
        Event(
            "document.published", NOW, key="p", versions=(None, 1), baseline=True,
            detail={"figures": [{"name": "养老机构建设补贴", "words": "5000元/张"}], "measures": 4}, **mine,
        ),
        Event("document.revised", at, key="r", versions=(1, 2), detail={"reasons": ["text"]}, **mine),
        Event(
            "measure.changed", at, key="c", versions=(1, 2), measure=ref("m1"), before=before, after=after,
            summary="养老机构建设补贴：5000元/张 → 6000元/张",
            detail={"fields": ["value"], "bodies": ["市民政局"]}, **mine,
        ),
        Event(
            "measure.conflict", at, key="x", versions=(None, 1), measure=ref("m4"), before=before, after=told,
            summary="两份文件不一致", document=law,
            detail={"other_document": asdict(reply), "reason": "两份文件时间相近"}, **there,
        ),
        Event(
            "target.due", at + timedelta(hours=1), key="t", versions=(2, 2), measure=ref("m2"), before=aim,
            summary="目标将于2027-12-31到期", detail={"deadline": "2027-12-31", "days": 90}, **mine,
        ),
        Event(
            "document.withdrawn", at + timedelta(days=1), key="w", versions=(1, 1), document=hostile,
            detail={"reasons": ["404"]}, **there,
        ),
        Event(
            "source.blocked", at + timedelta(days=1), key="b", summary="来源被拦截",
            detail={"reason": "防护页面 <b>412</b>", "name": "临海区人民政府"}, **there,
        ),
    ]  # fmt: skip


def _deliveries(conn: sa.Connection) -> None:
    queued = [outbox.queue(conn, "wang", c, [3], NOW, g, NOW) for c, g in (("0:mailtos", "a"), ("1:wecombot", "b"))]
    outbox.record_sent(conn, [id_ for id_ in queued[:1] if id_], NOW)


def _passes(conn: sa.Connection, at: datetime) -> None:
    for id_, changed in (
        ("yunchuan-mzj", {"last_success_at": at, "cms": "trs"}),
        ("linhai-gov", {"state": "blocked", "failures": 4, "last_error": f"防护页面 412 {HOSTILE}"}),
    ):
        state = sources.source_state(conn, id_)
        assert state is not None
        sources.save_pass(
            conn, replace(state, baseline_at=NOW, last_pass_at=at, next_due_at=at + timedelta(hours=2), **changed)
        )
