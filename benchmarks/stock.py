"""An archive as large as one wants it, written straight into the tables: what the pages are measured and tested on.

Everything is a function of the numbers asked for; two builds are the same. Texts are our own sentences, put together
anew for each document; figures stand in them where the statements say.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any

import sqlalchemy as sa

from storage import search
from storage.archive import digest, zstd
from storage.database import Database
from storage.tables import (
    blobs,
    captures,
    deliveries,
    delivery_events,
    documents,
    events,
    pages,
    sources,
    statements,
    tracked,
    versions,
)

START = datetime(2025, 1, 6, 1, 0, tzinfo=UTC)
REGIONS = tuple(f"{name}{kind}" for name in "云林江海山河湖川安宁平泰长明东" for kind in ("川市", "州市"))
_BODIES = ("民政局", "卫生健康委员会", "财政局", "医疗保障局")
_SUBJECTS = ("养老机构建设补贴", "养老机构护理型床位占比", "家庭养老床位", "社区食堂运营补贴", "高龄津贴", "助餐点")
_FIGURES = (
    ("subsidy", "元/张"),
    ("target", "%"),
    ("progress", "张"),
    ("subsidy", "元/年"),
    ("subsidy", "元/月"),
    ("progress", "个"),
)
_RECIPIENTS = ("养老机构", "社区食堂", "高龄老年人", "失能老年人", "用人单位")
_CLAUSES = (
    "各区应当公布{}的地址和开放时间，并在门户网站更新", "有关部门对{}每年组织一次抽查，结果向社会公布",
    "{}的具体办法由各区结合实际制定，报市里备案", "街道办事处负责{}的日常巡查和登记", "鼓励社会力量参与{}的建设和运营",
    "对{}不合格的，责令限期整改，逾期不改的取消资格", "市级统筹安排{}所需经费，纳入年度预算",
    "{}应当符合消防、食品安全和建筑规范的要求", "支持{}与医疗卫生机构就近签约合作",
)  # fmt: skip
_THINGS = (
    "老年食堂",
    "嵌入式机构",
    "日间照料中心",
    "适老化改造",
    "长者照护之家",
    "护理人员培训",
    "辅具租赁站",
    "农村互助点",
)


@dataclass(frozen=True)
class Size:
    """How much there is: `versions` of each document, `statements` of each version."""

    documents: int = 10_000
    versions: int = 5
    statements: int = 6
    sources: int = 100
    measures: int = 20_000


def build(database: Database, size: Size) -> None:
    """Fill an empty database."""
    with database.begin() as conn:
        _insert(conn, sources, _sources(size))
        _insert(conn, tracked, _tracked(size))
        for first in range(0, size.documents, 500):
            _add_documents(conn, size, range(first, min(first + 500, size.documents)))
        _insert(conn, events, _events(size))
        _insert(conn, deliveries, _deliveries(size))
        last = size.documents // 4
        _insert(conn, delivery_events, ({"delivery_id": n, "position": 0, "event_id": n} for n in range(1, last + 1)))
        search.rebuild(conn)


def _insert(conn: sa.Connection, table: sa.Table, rows: Iterator[dict[str, Any]]) -> None:
    while part := list(islice(rows, 5000)):
        conn.execute(table.insert(), part)


def _region(number: int) -> str:
    return REGIONS[number % len(REGIONS)]


def _day(number: int) -> date:
    return date(2018, 1, 1) + timedelta(days=number * 7 % 2900)


def _found(document: int, version: int, size: Size) -> datetime:
    """When a version was found: all first ones in the first pass, later ones spread over a year."""
    turn = (version - 1) * size.documents + document if version else 0
    return START + timedelta(days=turn * 365 / (size.documents * size.versions))


def _sources(size: Size) -> Iterator[dict[str, Any]]:
    for n in range(size.sources):
        url = f"https://s{n}.example.gov.cn/list.html"
        yield {"id": f"s{n}", "url": url, "baseline_at": START, "last_pass_at": START, "next_due_at": START}


def _tracked(size: Size) -> Iterator[dict[str, Any]]:
    for n in range(size.measures):
        kind, unit = _FIGURES[n % 6]
        name = f"{_SUBJECTS[n % 6]}（{_THINGS[n // 6 % 8]}{n // 48}类）"
        given = {"id": f"m{n}", "name": name, "kind": kind, "unit": unit, "region": _region(n // 6)}
        yield given | {"created_at": START, "configured": False}


def _value(document: int, version: int, position: int) -> int:
    return (document * 37 + position * 101) % 90 * 100 + 1000 + version * (position % 3) * 100


def _title(document: int) -> str:
    return f"{_region(document)}关于{_THINGS[document % 8]}和{_SUBJECTS[document % 6]}的实施办法（第{document}号）"


def _text(document: int, version: int, size: Size) -> tuple[str, list[tuple[int, int, str]]]:
    """The text and where its figures stand: start, end, sentence."""
    chance = random.Random(document)
    parts, spans, at = [], [], 0
    for position in range(size.statements):
        things = (chance.choice(_THINGS) + str(chance.randrange(100)) for _ in range(9))
        parts += [chance.choice(_CLAUSES).format(thing) + "。\n" for thing in things]
        quote = f"{_value(document, version, position)}{_FIGURES[position % 6][1]}"
        head = f"第{position + 1}条　{_SUBJECTS[position % 6]}按"
        at = sum(map(len, parts)) + len(head)
        sentence = f"{head}{quote}执行。"
        spans.append((at, at + len(quote), sentence))
        parts.append(sentence + "\n")
    if document % 5 == 0:
        parts.append("【附件】明细表.pdf\n机构 | 护理型床位 | 标准\n甲 | 120 | 一档\n")
    return "".join(parts), spans


def _add_documents(conn: sa.Connection, size: Size, numbers: range) -> None:
    made: dict[sa.Table, list[dict[str, Any]]] = {
        t: [] for t in (documents, pages, blobs, captures, versions, statements)
    }
    for n in numbers:
        made[documents].append(_document(n, size))
        url = made[documents][-1]["url"]
        made[pages].append(
            {
                "id": n + 1,
                "url": url,
                "normal_url": url,
                "source_id": f"s{n % size.sources}",
                "kind": "document",
                "document_id": n + 1,
            }
        )
        for version in range(size.versions):
            text, spans = _text(n, version, size)
            id = n * size.versions + version + 1
            sha = digest(text.encode())
            made[blobs].append(
                {
                    "sha256": sha,
                    "encoding": "zstd",
                    "base_sha256": None,
                    "depth": 0,
                    "size": len(text.encode()),
                    "data": zstd.compress(text.encode(), 1),
                }
            )
            made[captures].append(_capture(n, id, sha, _found(n, version, size), url, size))
            made[versions].append(_version(n, version, id, sha, size))
            made[statements] += [_statement(n, version, id, i, span, size) for i, span in enumerate(spans)]
    for table, rows in made.items():
        conn.execute(table.insert(), rows)


def _document(n: int, size: Size) -> dict[str, Any]:
    return {
        "id": n + 1,
        "source_id": f"s{n % size.sources}",
        "url": f"https://s{n % size.sources}.example.gov.cn/{n}.html",
        "region": _region(n),
        "rank_on": _day(n),
        "state": "withdrawn" if n % 97 == 5 else "live",
        "first_seen_at": START,
        "last_seen_at": START + timedelta(days=365),
        "latest_version_id": (n + 1) * size.versions,
        "versions": size.versions,
        "normal_number": f"{_region(n)[:2]}民规〔{_day(n).year}〕{n}号",
        **{k: v for k, v in _meta(n).items() if k != "issued_on"},
        "published_on": _day(n),
    }


def _meta(n: int) -> dict[str, Any]:
    return {
        "title": _title(n),
        "doc_number": f"{_region(n)[:2]}民规〔{_day(n).year}〕{n}号",
        "index_number": None,
        "publisher": f"{_region(n)}{_BODIES[n % 4]}",
        "published_on": _day(n).isoformat(),
        "issued_on": None,
        "status": "expired" if n % 31 == 7 else "in_force",
    }


def _capture(n: int, id: int, sha: str, at: datetime, url: str, size: Size) -> dict[str, Any]:
    told = {
        "id": id,
        "page_id": n + 1,
        "source_id": f"s{n % size.sources}",
        "fetched_at": at,
        "url": url,
        "final_url": url,
    }
    return told | {
        "status": 200,
        "headers": {},
        "sha256": sha,
        "outcome": "ok",
        "reason": "",
        "seconds": 0.1,
        "chain": sha,
    }


def _version(n: int, version: int, id: int, sha: str, size: Size) -> dict[str, Any]:
    return {
        "id": id,
        "document_id": n + 1,
        "number": version + 1,
        "capture_id": id,
        "created_at": _found(n, version, size),
        "text_sha256": sha,
        "fingerprint": sha,
        "reader": "r",
        "meta": _meta(n),
        "attachments": [],
        "baseline": version == 0,
    }


def _thread(n: int, position: int, size: Size) -> str:
    """A measure of the document's region and of the statement's subject."""
    region = n % len(REGIONS)
    turn = n // len(REGIONS) % max(1, size.measures // (6 * len(REGIONS)))
    return f"m{min((turn * len(REGIONS) + region) * 6 + position % 6, size.measures - 1)}"


def _figure(n: int, version: int, position: int, start: int, end: int) -> dict[str, Any]:
    value = _value(n, version, position)
    unit = _FIGURES[position % 6][1]
    return {
        "value": value,
        "min": None,
        "max": None,
        "unit": unit,
        "bound": "=",
        "quote": f"{value}{unit}",
        "start": start,
        "end": end,
        "previous": None,
    }


def _statement(n: int, version: int, id: int, position: int, span: tuple[int, int, str], size: Size) -> dict[str, Any]:
    kind = _FIGURES[position % 6][0]
    return {
        "version_id": id,
        "position": position,
        "kind": kind,
        "subject": _SUBJECTS[position % 6],
        "recipient": _RECIPIENTS[n % 5] if kind == "subsidy" else None,
        "condition": None,
        "deadline": date(2027, 12, 31) if kind == "target" else None,
        "bodies": [],
        "sentence": span[2],
        "figures": [_figure(n, version, position, span[0], span[1])],
        "tracked_id": _thread(n, position, size),
    }


def _events(size: Size) -> Iterator[dict[str, Any]]:
    """The first pass, then for each further version that it was revised and which figures changed."""
    for n in range(size.documents):
        yield _event(n, 0, "document.published", None, size)
    for version in range(1, size.versions):
        for n in range(size.documents):
            yield _event(n, version, "document.revised", None, size)
            for position in range(size.statements):
                if position % 3:
                    yield _event(n, version, "measure.changed", position, size)


def _event(n: int, version: int, type: str, position: int | None, size: Size) -> dict[str, Any]:
    shown = ("title", "doc_number", "publisher")
    told: dict[str, Any] = {
        "key": f"{type} {n} {version} {position}",
        "type": type,
        "time": _found(n, version, size),
        "source_id": f"s{n % size.sources}",
        "document_id": n + 1,
        "document": {
            "id": n + 1,
            "url": _document(n, size)["url"],
            "region": _region(n),
            **{k: _meta(n)[k] for k in shown},
        },
        "version_from": version or None,
        "version_to": version + 1,
        "summary": "",
        "baseline": version == 0,
        "detail": {"reasons": ["text"]} if type == "document.revised" else {},
        "region": _region(n),
        **dict.fromkeys(("measure", "before", "after", "kind", "recipient", "measure_id", "size")),
    }
    return told if position is None else told | _change(n, version, position, size)


def _change(n: int, version: int, position: int, size: Size) -> dict[str, Any]:
    kind = _FIGURES[position % 6][0]
    id, recipient = _thread(n, position, size), _RECIPIENTS[n % 5] if kind == "subsidy" else None
    sentence = f"第{position + 1}条　{_SUBJECTS[position % 6]}按"
    old, new = (_figure(n, v, position, 0, 5) | {"sentence": sentence} for v in (version - 1, version))
    return {
        "measure": {"id": id, "name": _SUBJECTS[position % 6], "kind": kind, "recipient": recipient},
        "before": old,
        "after": new,
        "summary": f"{_SUBJECTS[position % 6]}：{old['quote']} → {new['quote']}",
        "kind": kind,
        "recipient": recipient,
        "measure_id": id,
        "size": abs(new["value"] - old["value"]) / old["value"] * 100,
    }


def _deliveries(size: Size) -> Iterator[dict[str, Any]]:
    for n in range(1, size.documents // 4 + 1):
        told = {"id": n, "subscriber": f"u{n % 50}", "channel": f"c{n % 50}", "group_key": f"g{n}", "state": "sent"}
        yield told | {"due_at": START, "created_at": START, "sent_at": START}
