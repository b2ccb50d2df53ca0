"""The words that readers see, in Chinese and in English: labels, figures, titles. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from notify.marking import head
from storage.records import Event, change_size

# Most important first: what one can claim, then what was promised, then what was reported.
_ORDER = (
    "measure.changed subsidy", "measure.conflict", "measure.added subsidy", "measure.removed subsidy",
    "measure.restated subsidy", "target.missed", "measure.changed target", "target.due", "target.met",
    "measure.removed target", "measure.added target", "measure.restated target", "measure.changed progress",
    "measure.restated progress", "measure.removed progress", "measure.added progress", "document.withdrawn",
    "document.published", "document.restored", "document.revised", "source.blocked", "source.failing",
    "source.drifted", "source.recovered",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(_ORDER)}

_LABELS: dict[str, tuple[str, str]] = {
    "measure.changed subsidy": ("补贴调整", "Subsidy changed"),
    "measure.changed target": ("目标调整", "Target changed"),
    "measure.changed progress": ("进展更正", "Progress corrected"),
    "measure.added subsidy": ("新增补贴", "Subsidy added"),
    "measure.added target": ("新增目标", "Target added"),
    "measure.added progress": ("新增进展", "Progress added"),
    "measure.removed subsidy": ("补贴删去", "Subsidy removed"),
    "measure.removed target": ("目标删去", "Target removed"),
    "measure.removed progress": ("进展删去", "Progress removed"),
    "measure.restated subsidy": ("补贴更新", "Subsidy restated"),
    "measure.restated target": ("目标更新", "Target restated"),
    "measure.restated progress": ("进展更新", "Progress updated"),
    "measure.conflict": ("数字矛盾", "Figures conflict"),
    "target.met": ("目标达成", "Target met"),
    "target.missed": ("目标逾期", "Target missed"),
    "target.due": ("目标即将到期", "Target due"),
    "document.published": ("新文件", "New document"),
    "document.revised": ("文件修订", "Document revised"),
    "document.withdrawn": ("文件撤下", "Document withdrawn"),
    "document.withdrawn repealed": ("文件废止", "Document repealed"),
    "document.withdrawn expired": ("文件失效", "Document expired"),
    "document.restored": ("文件恢复", "Document restored"),
    "source.failing": ("来源故障", "Source failing"),
    "source.blocked": ("来源受阻", "Source blocked"),
    "source.drifted": ("版面变动", "Source drifted"),
    "source.recovered": ("来源恢复", "Source recovered"),
}

_WORDS: dict[str, tuple[str, str]] = {
    "deadline": ("期限", "Deadline"),
    "bodies": ("责任单位", "Responsible"),
    "recipient": ("对象", "For"),
    "condition": ("条件", "Condition"),
    "reported": ("最近进展", "Last reported"),
    "other": ("另一份文件", "Other document"),
    "declared": ("依据", "Declared in"),
    "declaration": ("原文", "In its words"),
    "note": ("注意", "Note"),
    "ocr": ("扫描件识别，请核对", "read from a scan by a program; please check"),
    "revised": ("变动", "Changed"),
    "reason": ("原因", "Reason"),
    "none": ("无", "none"),
    "published": ("发布", "Published"),
    "found": ("发现", "Found"),
    "page": ("原网页", "Page"),
    "diff": ("前后比对", "Comparison"),
    "archive": ("存档", "Archived copy"),
    "sources": ("全部来源", "All sources"),
    "events": ("事件编号", "Event"),
    "figures": ("主要数字", "Main figures"),
    "in_all": ("等{n}项", " ({n} in all)"),
    "file": ("出自附件", "In the attachment"),
    "file_added": ("新增附件《{name}》", "attachment added: {name}"),
    "file_changed": ("附件《{name}》内容变动", "attachment changed: {name}"),
    "file_removed": ("删去附件《{name}》", "attachment removed: {name}"),
    "rewritten": ("文字改动", "Wording changed"),
    "same_numbers": ("数字未变", "no number changed"),
    "same_measures": ("指标未变", "no measure changed"),
    "elsewhere": ("另一处", "elsewhere"),
    "rewritten_in_all": ("共{n}处", "{n} places in all"),
    "before": ("原", "Before"),
    "after": ("现", "After"),
    "more": ("还有 {n} 条", "{n} more"),
    "unsubscribe": ("退订", "Unsubscribe"),
    "comma": ("、", ", "),
    "colon": ("：", ": "),
    "open": ("（", " ("),
    "close": ("）", ")"),
    "contents": ("目录", "Contents"),
    "now": ("汇总", "Digest"),
    "daily": ("每日汇总", "Daily digest"),
    "weekly": ("每周汇总", "Weekly digest"),
    "items": ("{n}项", "{n} items"),
    "why": (
        "您收到此邮件，是因为其内容符合您的订阅条件。",
        "You get this message because it fits your subscription.",
    ),
}
WORDS = {language: {key: told[n] for key, told in _WORDS.items()} for n, language in enumerate(("zh", "en"))}

# What an event gives as reason: parts of a document that were revised, why it is gone, why figures clash.
REASONS: dict[str, tuple[str, str]] = {
    "text": ("正文", "text"),
    "attachments": ("附件", "attachments"),
    "title": ("标题", "title"),
    "doc_number": ("文号", "document number"),
    "index_number": ("索引号", "index number"),
    "publisher": ("发布机构", "publisher"),
    "published_on": ("发布日期", "date of publication"),
    "issued_on": ("成文日期", "date of issue"),
    "status": ("有效性", "status"),
    "gone": ("页面连续两次访问不到", "the page was gone twice in a row"),
    "repealed": ("已被其他文件废止", "repealed by another document"),
    "expired": ("已由其他文件宣布失效", "declared expired by another document"),
    "404": ("页面已不存在（404）", "the page is gone (404)"),
    "410": ("页面已撤除（410）", "the page was removed (410)"),
    "lost_mark": ("数字相同，疑似漏印符号", "same digits: a mark may have been lost in print"),
    "magnitude": ("数量级不同", "another order of magnitude"),
    "same_time": ("同一时期说法不同", "told otherwise at the same time"),
}

_BOUNDS = {
    "zh": {">=": "不低于", "<=": "最高", ">": "超过", "<": "低于", "~": "约"},
    "en": {">=": "≥ ", "<=": "≤ ", ">": "> ", "<": "< ", "~": "about "},
}

_CHINESE = re.compile("[\u4e00-\u9fff]")

# What is counted or paid for, one and many. What is not here stays as the document has it.
_UNITS: dict[str, tuple[str, str]] = {
    "元": ("yuan", "yuan"), "人": ("person", "people"), "名": ("person", "people"),
    "人次": ("person-time", "person-times"),
    "张": ("bed", "beds"), "床": ("bed", "beds"), "床位": ("bed", "beds"), "户": ("household", "households"),
    "家": ("institution", "institutions"), "所": ("institution", "institutions"), "个": ("", ""),
    "项": ("item", "items"), "件": ("item", "items"), "条": ("item", "items"), "处": ("place", "places"),
    "座": ("building", "buildings"), "栋": ("building", "buildings"), "套": ("flat", "flats"),
    "间": ("room", "rooms"), "台": ("device", "devices"), "部": ("device", "devices"), "辆": ("vehicle", "vehicles"),
    "次": ("time", "times"), "场": ("event", "events"), "餐": ("meal", "meals"), "例": ("case", "cases"),
    "倍": ("times", "times"), "个月": ("month", "months"), "月": ("month", "months"), "年": ("year", "years"),
    "日": ("day", "days"), "天": ("day", "days"), "周": ("week", "weeks"), "季度": ("quarter", "quarters"),
    "小时": ("hour", "hours"), "分钟": ("minute", "minutes"), "岁": ("year", "years"), "亩": ("mu", "mu"),
    "平方米": ("m²", "m²"), "公里": ("km", "km"), "千米": ("km", "km"), "吨": ("t", "t"), "斤": ("jin", "jin"),
}  # fmt: skip
# A number and what it counts in; not the 5000 of 名/5000人, which is part of the unit.
_SCALED = re.compile(r"(?<![/\d.])(\d+(?:\.\d+)?)(万亿|[万亿]?)", re.ASCII)
_PER_MANY = re.compile(r"(千|\d+)?(\D+)")

# Escape sequences of terminals, whole: what is left of one without its first character is rubbish.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,999}(?:\x07|\x1b\\)?|[@-Z\\-_])")
# Controls, and what makes a text read otherwise than it stands: direction marks, invisible joiners, tags.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_GAP = re.compile(r"[\s\x1c-\x1f\x85\u2028\u2029]+")


def clean(text: object) -> str:
    """One line of text from outside, without controls, escape sequences, line breaks or invisible marks.

    >>> clean("a\\x1b[31mb\\r\\nBcc: c")
    'ab Bcc: c'
    """
    return _GAP.sub(" ", _UNSEEN.sub("", _ANSI.sub("", str(text)))).strip()


def news(event: Event) -> str:
    """What kind of news an event is: its type, with the measure's kind where that matters."""
    with_kind = f"{event.type} {event.measure.kind}" if event.measure else event.type
    return with_kind if with_kind in _RANK else event.type


def importance(event: Event) -> tuple[int, float, int]:
    """A sort key, most important first: what kind of news, then how large the change, then which is older."""
    size = change_size(event.before, event.after) if event.before and event.after else None
    return _RANK.get(news(event), len(_RANK)), -abs(size or 0.0), event.id


def label(event: Event, language: str) -> str:
    """The few characters that say what happened; an unknown type says its own name."""
    kind = str((event.detail.get("repeal") or {}).get("kind"))
    told = _LABELS.get(f"{event.type} {kind}") or _LABELS.get(news(event))
    return told[language == "en"] if told else clean(event.type)


# How another document ends one: by its own act, or as it tells of one; and that it does so no more.
_ENDS: dict[str, tuple[str, str]] = {
    "repealed": ("已被{by}废止", "repealed by {by}"),
    "expired": ("已由{by}宣布失效", "declared expired by {by}"),
    "told repealed": ("据{by}，已废止", "repealed, as {by} says"),
    "told expired": ("据{by}，已失效", "expired, as {by} says"),
    "no more": ("{by}不再宣布其废止、失效", "{by} does not declare it ended any more"),
}


def end_words(event: Event, language: str) -> str:
    """Which document ended the one of this event, and from when: 已被《…》（云政发〔2026〕1号）废止，自2026年1月1日起.

    "" for an event that is of no such end.
    """
    end, other = event.detail.get("repeal"), event.detail.get("other_document") or {}
    if not end:
        return ""
    english = language == "en"
    name, number = (clean(other.get(key) or "") for key in ("title", "doc_number"))
    by = name if "《" in name and not english else ("“{}”" if english else "《{}》").format(name)
    by += f"{WORDS[language]['open']}{number}{WORDS[language]['close']}" if number else ""
    kind = clean(end.get("kind"))
    if event.type == "document.restored":
        return _ENDS["no more"][english].format(by=by)
    told = _ENDS.get(kind if end.get("own", True) else f"told {kind}", _ENDS["repealed"])[english].format(by=by)
    try:
        day = date.fromisoformat(end.get("on") or "")
    except ValueError:
        return told
    return f"{told}, from {day} on" if english else f"{told}，自{day.year}年{day.month}月{day.day}日起"


def reason_words(code: object, language: str) -> str:
    told = REASONS.get(str(code))
    return told[language == "en"] if told else clean(code)


def days_words(days: int, language: str) -> str:
    """How far a deadline is: 还有30天, 今天, 已过1天.

    >>> days_words(-1, "zh"), days_words(1, "en"), days_words(-2, "en")
    ('已过1天', '1 day left', '2 days ago')
    """
    if days == 0:
        return "今天" if language == "zh" else "today"
    if language == "zh":
        return f"还有{days}天" if days > 0 else f"已过{-days}天"
    count = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
    return f"{count} left" if days > 0 else f"{count} ago"


# --- figures -----------------------------------------------------------------------------------------------


def figure_words(event: Event, end: str, language: str) -> str:
    """The figure before or after (`end`), as a reader says it: 5000元/张. Empty if there is none."""
    ready = event.detail.get(f"{end}_words")
    figure = event.before if end == "before" else event.after
    # Ready words are in the service's language, which need not be the reader's.
    if ready and not (language == "en" and figure and _CHINESE.search(ready)):
        return clean(ready)
    return compose_figure(figure, language) if figure else ""


def both_words(event: Event, language: str) -> tuple[str, str]:
    """The figures before and after, in one measure: 9800元/张 and 12000元/张 where one of them has no 万."""
    before, after = (figure_words(event, end, language) for end in ("before", "after"))
    if language == "zh" and before and after:
        scales = {number[2] for number in _SCALED.finditer(f"{before} {after}")}
        if {"", "万"} <= scales:
            return _SCALED.sub(_spelled, before), _SCALED.sub(_spelled, after)
    return before, after


def _spelled(number: re.Match[str]) -> str:
    return f"{(Decimal(number[1]) * 10_000).normalize():f}" if number[2] == "万" else number[0]


def headline_words(told: Mapping[str, Any], language: str) -> str:
    """A figure, or several, of a new document: its `words`, or `figures` where those are not in the reader's
    language."""
    if language == "en" and told.get("figures") and _CHINESE.search(told["words"]):
        return ", ".join(compose_figure(figure, language) for figure in told["figures"])
    return clean(told["words"])


def last_report(detail: Mapping[str, Any], language: str) -> str:
    """What was reported last towards the target of an event's `detail`, and when: 1210户（2026-11-01）; or ""."""
    told = detail.get("reported")
    if not told:
        return ""
    words = headline_words({"words": told["words"], "figures": [told["figure"]]}, language)
    day = clean(told.get("published_on") or "")
    said = WORDS[language]
    return words + (f"{said['open']}{day}{said['close']}" if day else "")


def compose_figure(figure: Mapping[str, Any], language: str) -> str:
    """Words for a figure of the contract.

    >>> compose_figure({"value": None, "min": 50000, "max": 300000, "unit": "元", "bound": "="}, "zh")
    '5万—30万元'
    >>> compose_figure({"value": 600, "unit": "元/人/月", "bound": "<="}, "en")
    '≤ 600 yuan per person per month'
    """
    ends = [figure.get("value")] if figure.get("value") is not None else [figure.get("min"), figure.get("max")]
    dash = "–" if language == "en" else "—"
    numbers = dash.join(_number(float(n), language) for n in ends if n is not None)
    unit = clean(figure.get("unit") or "")
    if language == "en":
        unit = _english_unit(unit, one=ends == [1])
    gap = " " if language == "en" and unit not in ("%", "") else ""
    bound = _BOUNDS[language].get(str(figure.get("bound")), "")
    return f"{bound}{numbers}{gap}{unit}" if numbers else clean(figure.get("quote") or "")


def _english_unit(unit: str, *, one: bool) -> str:
    """`unit` of the contract as English says it.

    >>> _english_unit("元/床/月", one=False), _english_unit("张/千人", one=False), _english_unit("名/5000人", one=True)
    ('yuan per bed per month', 'beds per 1,000 people', 'person per 5,000 people')
    """
    counted, *per = unit.split("/")
    told = [_UNITS.get(counted, (counted, counted))[not one]]
    for each in per:
        many, name = found.groups() if (found := _PER_MANY.fullmatch(each)) else (None, each)
        size = f"{1000 if many == '千' else int(many):,} " if many else ""
        told.append(f"per {size}{_UNITS.get(name, (name, name))[bool(many)] or 'item'}")
    return " ".join(filter(None, told))


def _number(number: float, language: str) -> str:
    for size, name in ((1e8, "亿"), (1e4, "万")) if language == "zh" else ():
        scaled = number / size
        if abs(number) >= size and round(scaled, 2) == scaled:
            return f"{scaled:.2f}".rstrip("0").rstrip(".") + name
    grouped = "," if language == "en" else ""
    return f"{number:{grouped}.4f}".rstrip("0").rstrip(".")


_SIDES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "target.": (("目标", "数据"), ("Target", "Report")),
    "measure.conflict": (("另一文件", "本文件"), ("Other", "This")),
    "measure.restated": (("此前文件", "本文件"), ("Earlier", "This")),
    "": (("原", "现"), ("Before", "After")),
}


def side_words(event: Event, language: str) -> tuple[str, str]:
    """What the two sentences of an event are called: the old and the new, the target and what was reported,
    the other document's and this one's."""
    return next(told for start, told in _SIDES.items() if event.type.startswith(start))[language == "en"]


def size_words(event: Event, language: str) -> str:
    """How much a figure changed: +20%, -2个百分点. Empty for ranges and for what cannot be compared."""
    if not event.type.startswith("measure.") or event.type == "measure.conflict":
        return ""
    before, after = event.before, event.after
    size = change_size(before, after) if before and after and before.get("value") is not None else None
    if size is None or before is None or round(size, 1) == 0:
        return ""
    number = f"{size:+.1f}".removesuffix(".0")
    if before.get("unit") in ("%", "pp"):
        return f"{number}个百分点" if language == "zh" else f"{number} pp"
    return f"{number}%"


def change_words(event: Event, language: str) -> str:
    """Both figures in one expression, what they share said once: 5000→6000元/张."""
    before, after = both_words(event, language)
    if event.type == "measure.conflict" and before and after:
        return f"{before}≠{after}"
    if event.type.startswith("target."):
        aim = f"目标{before}" if language == "zh" else f"target {before}"
        return f"{after}{WORDS[language]['open']}{aim}{WORDS[language]['close']}" if after else aim
    if before and after and before != after:
        return f"{_without_shared_unit(before, after)}→{after}"
    return after or before


# A number or range with what stands before it (不低于, ≥), and its unit, which may hold a number of its own: 名/5000人.
_NUMBER_AND_UNIT = re.compile(r"(\D*\d[\d.,]*[十百千万亿]*(?:[—–]\d[\d.,]*[十百千万亿]*)?[%％‰]?)(.*)", re.ASCII)


def _without_shared_unit(before: str, after: str) -> str:
    """`before` without its unit where `after` has the same: the whole unit or nothing, and never of several figures."""
    old, new = _NUMBER_AND_UNIT.fullmatch(before), _NUMBER_AND_UNIT.fullmatch(after)
    several = "、" in before or ", " in before
    return old[1] if old and new and old[2] == new[2] and not several else before


_FEW, _MOST_LINES = 5, 10  # news that need no list of contents; lines of one

# --- titles ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Parts:
    mark: str
    place: str
    name: str
    figures: str
    size: str
    others: str


def title(events: Sequence[Event], language: str, longest: int = 60, rhythm: str | None = None) -> str:
    """What changed, in at most `longest` characters; a figure stands in it whole or not at all.

    `events` are in order of importance; the first gives the title, the others are counted. `rhythm` ("now", "daily",
    "weekly") is given for a digest, which says so and begins with the count.
    """
    lead = events[0]
    others = _items(events) - 1
    said = WORDS[language]
    kind = said[rhythm] if rhythm and others else label(lead, language)
    mark = f"【{kind}】" if language == "zh" else f"[{kind}] "
    if rhythm and others:
        mark += f"{said['items'].format(n=others + 1)}{said['colon']}{label(lead, language)} "
        others = 0
    parts = _Parts(
        mark=mark,
        place=_place(lead),
        name=_subject(lead),
        figures=_title_figures(lead, language),
        size=_day(lead) or size_words(lead, language),
        others=_others(others, language),
    )
    return clean(_fit(parts, longest))


_SHORTEST_NAME = 7  # characters by which a measure is still known: it is shortened before region and size are left out


def _fit(p: _Parts, longest: int) -> str:
    """The fullest wording that leaves the name recognisable; the figures are the last to go."""
    for place, figures, size, others in (
        (p.place, p.figures, p.size, p.others),
        ("", p.figures, p.size, p.others),
        ("", p.figures, "", p.others),
        ("", p.figures, "", ""),
        (p.place, "", "", p.others),
        ("", "", "", p.others),
    ):
        before = p.mark + (f"{place} " if place else "")
        after = "".join(f" {part}" for part in (figures, size, others) if part)
        room = longest - len(before) - len(after)
        if room >= min(len(p.name), _SHORTEST_NAME):
            return before + (p.name if len(p.name) <= room else head(p.name, room - 1)) + after
    return head(p.mark + p.name, longest - 1)


def contents(events: Sequence[Event], language: str) -> list[str]:
    """A line for each of the first news of a digest, and what more there is; nothing for a few."""
    if _items(events) <= _FEW:
        return []
    news = [e for e in events if e.measure or not any(o.measure for o in events if o.document == e.document)]
    lines = [
        " ".join(filter(None, (label(e, language), _subject(e), _title_figures(e, language), size_words(e, language))))
        for e in news[:_MOST_LINES]
    ]
    left = len(news) - len(lines)
    return [head(clean(line), 100) for line in lines] + ([WORDS[language]["more"].format(n=left)] if left else [])


def _items(events: Sequence[Event]) -> int:
    """How many news a reader counts: each measure, and each document or source that has none."""
    measures = sum(1 for event in events if event.measure)
    told = {e.document.id for e in events if e.measure and e.document}
    bare = {e.document.id if e.document else e.source for e in events if not e.measure}
    return measures + len(bare - told)


def _others(count: int, language: str) -> str:
    if not count:
        return ""
    return f"等{count + 1}项" if language == "zh" else f"+{count} more"


def _subject(event: Event) -> str:
    if event.measure:
        return clean(event.measure.name)
    return clean(event.document.title if event.document else source_name(event))


def source_name(event: Event) -> str:
    """What the operator calls the source of an event of its own, or its id."""
    return str(event.detail.get("name") or event.source)


def _place(event: Event) -> str:
    region = clean(event.document.region or "") if event.document else ""
    return "" if not region or _subject(event).startswith(region) else region


def _day(event: Event) -> str:
    """The day that a target due or missed is about."""
    day = event.detail.get("deadline")
    return clean(day) if day and event.type in ("target.due", "target.missed") else ""


def _title_figures(event: Event, language: str) -> str:
    before, after = (figure_words(event, end, language) for end in ("before", "after"))
    deadline = event.detail.get("deadline")
    if before == after and isinstance(deadline, list | tuple):
        none = WORDS[language]["none"]
        return f"{WORDS[language]['deadline']} {'→'.join(clean(day or none) for day in deadline)}"
    return change_words(event, language)
