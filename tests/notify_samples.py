"""Events as the monitors make them, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from notify.messages import Links
from notify.subscriptions import Subscriber
from storage.records import DocumentRef, Event, MeasureRef

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2025, 7, 8, 4, 0, tzinfo=UTC)
LINKS = Links("https://watch.example.org", {"wuhan-mzj": "https://mzj.example.gov.cn/zwgk/"})
UNSUBSCRIBE = "https://watch.example.org/unsubscribe/x7"
READER = Subscriber("wang", ("terminal://",))

NOTICE = DocumentRef(
    7,
    "关于进一步支持养老机构发展的通知",
    "https://mzj.example.gov.cn/zwgk/202507/t20250707_1.html",
    "江民规〔2025〕3号",
    "武汉市民政局",
    "武汉市",
)
_REST = "的标准给予一次性建设补贴，资金由市、区两级财政各承担一半。"
OLD = f"对新建、改建的民办养老机构，验收合格后按5000元/张{_REST}"
NEW = f"对新建、改建、扩建的民办养老机构，验收合格后按6000元/张{_REST}"


def figure(value: float | None, unit: str, sentence: str = "", **more: Any) -> dict[str, Any]:
    told = {
        "value": value,
        "min": None,
        "max": None,
        "unit": unit,
        "bound": "=",
        "quote": "",
        "start": 0,
        "end": 0,
    }
    return told | {"sentence": sentence} | more


def event(id: int = 1, type: str = "measure.changed", **more: Any) -> Event:
    """A subsidy raised from 5000 to 6000 yuan a bed, unless told otherwise."""
    told: dict[str, Any] = {
        "time": NOON,
        "source": "wuhan-mzj",
        "key": f"{type}:{id}",
        "document": NOTICE,
        "versions": (1, 2),
        "measure": MeasureRef("beds", "养老机构建设补贴", "subsidy", "养老机构"),
        "before": figure(5000, "元/张", OLD),
        "after": figure(6000, "元/张", NEW),
        "detail": {
            "before_words": "5000元/张",
            "after_words": "6000元/张",
            "deadline": "2027-12-31",
            "bodies": ["市民政局", "市财政局"],
            "published_on": "2025-07-07",
        },
    }
    return Event(type=type, id=id, **(told | more))


def target_event(id: int = 2, **more: Any) -> Event:
    """A target for nursing beds raised from 70 to 75 per cent."""
    told: dict[str, Any] = {
        "measure": MeasureRef("nursing", "护理型床位占比", "target"),
        "before": figure(70, "%", "到2027年，全市护理型床位占比不低于70%。", bound=">="),
        "after": figure(75, "%", "到2027年，全市护理型床位占比不低于75%。", bound=">="),
        "detail": {
            "before_words": "不低于70%",
            "after_words": "不低于75%",
            "deadline": ["2026-12-31", "2027-12-31"],
        },
    }
    return event(id, **(told | more))


def document_event(id: int = 3, type: str = "document.revised", **more: Any) -> Event:
    told: dict[str, Any] = {
        "measure": None,
        "before": None,
        "after": None,
        "summary": f"修订：{NOTICE.title}",
        "detail": {"reasons": ["text", "attachments"], "changes": 2},
    }
    return event(id, type, **(told | more))


def revision() -> list[Event]:
    """One revision with all its events."""
    return [document_event(11), event(12), target_event(13)]


def busy_day(count: int) -> list[Event]:
    """So many raised subsidies, each in a document of its own."""
    return [
        event(
            n,
            document=replace(NOTICE, id=n, title=f"关于调整第{n}项养老服务补贴标准的通知", url=f"https://mzj.example.gov.cn/{n}.html"),
            after=figure(5000 + 10 * n, "元/张", NEW.replace("6000", str(5000 + 10 * n))),
            detail={"before_words": "5000元/张", "after_words": f"{5000 + 10 * n}元/张"},
        )
        for n in range(1, count + 1)
    ]  # fmt: skip
