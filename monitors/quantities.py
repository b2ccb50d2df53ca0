"""Quantities in normalised text: numbers with units, ranges, lists that share a unit, rates, bounds.

A small grammar, read in steps: *numbers* (`_read`), *ranges and shared units* (`_share`, `_ranges`), *what it was
before* (`_previous`), then for each one its *bound* (`_bound_before`) and its *rate* (`_rated`: 每床每月, 每千名). Each
step takes what the step before made; nothing here knows what a measure is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, cast

from monitors.masks import HIDDEN, mask
from monitors.numerals import MULTIPLIERS, chinese_number, round_value
from monitors.vocabulary import alternation, canonical_units, mapping, measure_words, words
from storage.records import Bound

Sort = Literal["money", "percent", "count", "months", "times"]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or range with its unit. Offsets count in the normalised text.

    `start:end` is the quote (with bound and rate where they touch it), `number` where the first digit stands,
    `tail` where the unit ends. `linked` says that it continues a list begun by the quantity before it.
    """

    start: int
    end: int
    number: int
    tail: int
    value: float | None
    min: float | None
    max: float | None
    unit: str
    bound: Bound
    sort: Sort
    previous: float | None = None
    linked: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    """One number as read, before its neighbours have been asked for what they share with it."""

    start: int
    end: int  # after unit and a bound that follows it
    value: float
    scale: float
    unit: str
    tail: int  # after the unit
    after: Bound | None = None
    high: float | None = None
    linked: bool = False
    chinese: bool = False
    per: tuple[str, ...] = ()
    previous: float | None = None


_MULT = re.compile(alternation(MULTIPLIERS))
_VAGUE = re.compile(r"[余多来](?![元年月日天样式方功种层次级]?[一-鿿]?(?:的|性))")
_MONEY = set(words("units", "money"))
_DURATIONS = set(words("units", "durations")) - set(words("units", "counts"))
_TIMES = ["月", "年", "日", "天", "周", "季度", "学期", "学年", "小时", "学年度", "年度", "季", "半年"]
_EVENTS = ["次", "餐", "人次", "场", "期", "顿"]
_THINGS = [
    "人",
    "床位",
    "床",
    "张",
    "户",
    "家",
    "所",
    "名",
    "位",
    "个",
    "平方米",
    "亩",
    "吨",
    "千瓦时",
    "辆",
    "台",
    "套",
    "项",
    "件",
    "处",
    "座",
    "间",
    "例",
    "班",
    "对",
    "孩",
    "胎",
    "客",
    "只",
    "头",
    "株",
    "份",
    "公里",
    "站",
    "支",
    "村",
    "社区",
    "企业",
    "立方米",
    "斤",
    "公斤",
    "千克",
    "篇",
    "部",
    "条",
    "门",
    "公顷",
    "生",
    "栋",
    "千瓦",
    "机构",
    "单",
    "具",
    "度",
    "车",
    "艘",
    "架",
    "岗",
    "棵",
    "羽",
    "学生",
    "床日",
    "标准箱",
    "单元",
    "梯",
    "宗",
    "起",
    "托位",
    "学位",
    "车位",
    "岗位",
    "门店",
    "店",
    "课时",
    "学时",
    "口",
    "盏",
    "窝",
    "项目",
    "街道",
    "乡镇",
    "品种",
    "家庭",
    "航班",
    "航次",
    "班列",
    "批次",
    "车次",
    "块",
    "幢",
    "组",
    "期次",
    "台套",
    "工日",
]
_PER_NAME = {"天": "日", "床位": "床", "度": "千瓦时", "季": "季度", "顿": "餐", "年度": "年", "学年度": "学年"}

_NUMBER = re.compile(
    r"(?=[\d一二两三四五六七八九十百千万亿翻全])(?:(?<=[的于约近超过按达、])(?P<over>[1-9])/(?P<under>\d{1,2})(?![\d/.])"
    r"|(?P<digits>(?<![\d.A-Za-z])\d{1,15}(?:\.\d{1,8})?(?!\d))"
    r"|百分之(?P<percent>\d+(?:\.\d+)?|[零一二三四五六七八九十百点]+)"
    r"|(?P<parts>[二三四五六七八九十])分之(?P<share>[一二三四五六七八九两])"
    r"|(?P<double>翻了?(?P<nearly>近|约|超)?(?P<turns>[一两二三])?番)"
    r"|(?P<full>全覆盖(?=[,。;)!|\n]|$|的?目标|、(?![无零全多高常])))"
    r"|(?P<chinese>[一二两三四五六七八九十百千万亿]{1,12})(?![一二两三四五六七八九十]))"
)
_SLASH = re.compile(
    rf"/(?:\(|每)?(?P<a>{alternation(_THINGS + _EVENTS + _TIMES)})"
    rf"(?:[/·.*每](?P<b>{alternation(_THINGS + _EVENTS + _TIMES)}))?(?:[/·.每](?P<c>"
    rf"{alternation(_TIMES)}))?\)?"
)
_EACH_AFTER = re.compile(
    rf"每(?P<a>{alternation(_THINGS + _EVENTS + _TIMES)})(?:每(?P<b>"
    rf"{alternation(_THINGS + _EVENTS + _TIMES)}))?"
)
_AFTER = {
    bound: re.compile(r"(?:\(含[^()]{0,8}\))?" + alternation(found))
    for bound, found in mapping("bounds", "after").items()
}
_BEFORE: tuple[tuple[str, Bound], ...] = tuple(
    sorted(
        ((word, cast(Bound, bound)) for bound, found in mapping("bounds", "before").items() for word in found),
        key=lambda pair: -len(pair[0]),
    )
)
_ANY_BEFORE = re.compile(alternation(word for word, _ in _BEFORE))
_PEOPLE_BEFORE = re.compile(
    alternation(words("people", "nouns")) + r"(?:总?数|规模)?(?:已?达到?|为|已?超过?|约|近|有|共)?$"
)
_PEOPLE = re.compile(r"(?:户籍|常住|参保|名|位)?[一-鿿、]{0,9}?" + alternation(words("people", "nouns")))
_VISITS = re.compile(r"[一-鿿]{1,4}?人次")
_LOST = re.compile(r"[一-鿿、]{1,14}?" + alternation(words("things", "nouns")) + r"(?![一-鿿]{0,2}□)")
_LOST_CUE = re.compile(rf"(?:{alternation(words('time', 'doing'))}|等|共|有)了?$")
_DOING_NEAR = re.compile(rf"(?:{alternation(words('time', 'doing'))}|共|现?有|由|拥有|达到?)[^,。;:\n]{{0,10}}$")
_DOING_HERE = re.compile(rf"(?:{alternation(words('time', 'doing'))})(?:了|成|出)?(?:近|超|约|逾|不少于|至少)?$")
_COUNTED_LOOSELY = {
    "个",
    "项",
    "种",
    "类",
    "方面",
    "批",
    "组",
    "门",
    "条",
    "套",
    "张",
    "次",
    "部",
    "道",
    "团",
    "队",
    "对",
    "群",
    "份",
    "期",
    "节",
    "集",
    "件",
    "步",
    "片",
    "班",
    "本",
    "课",
    "堂",
    "口",
    "位",
    "点",
    "层",
    "面",
    "倍",
}
_ABSTRACT = re.compile(
    r"(?:方面|维护|意识|阶段|环节|步骤|层次|层面|问题|原则|坚持|确保|转变|关系|机制|体系|制度|方向|领域|结合"
    r"|方式|要求|任务|文明|自信"
    r"|重大|一致|优先|责任|目标|转型|率先|高地|清单|行动|优势|短板|关键)"
)

_CLAUSE_END = ",。;:!?\n|()"
_RANGE_MARK = re.compile(r"(?:\(不?含[^()]{0,8}\))?(?:--?|~|至|到)")
_LIST_MARK = re.compile(r"[、和及与或/]|以及|或者|和/或|,(?=\d)")
# 每引进1名 is a case that is paid for; 每个街道至少1个, 每村配备1名 are minima of places.
_PLACES = r"[个家所户名位人县市区乡镇街村社处座校院站班项年月周日天季半]"
_EACH = re.compile(
    rf"每(?!{_PLACES}[一-鿿])(?P<verb>(?:成功|新|引进|增加|满|多|再)?[一-鿿]{{0,5}}?)(?P<n>1"
    rf"|一)(?P<counted>{alternation(_THINGS + _EVENTS)})"
    rf"|每一?(?P<each>{alternation(_THINGS + _EVENTS + _TIMES)}"
    rf"|(?![满达超增减降升隔逢过提上下有多少新再])[一-鿿]{{1,2}}(?=\d|$))(?![升度]|加班)"
    rf"|单(?P<single>[次户台笔人床]|[个家](?=[一-鿿]{{0,8}}(?:每年|年度|每月)))(?![^,。;]{{0,20}}总额)"
    rf"(?=[^,。;\d总累]{{0,12}}(?:金额|额度|限额|最高|不超过|不得超过|救助|补助|补贴|奖励))"
    rf"|(?P<year>(?:[1一]个?(?:自然)?年内(?=累计|合计|最高|最多|不超过|[^,。;|]{{0,6}}限额)"
    rf"|全?年(?=最高|最多|累计[^,。;\d]{{0,6}}(?:最高|不超过|不得超过|限额))"
    rf"|(?:[1一]个|同一)?(?:自然|结算|保险|医保|待遇|会计)?年度(?=内|累计|最高|[^,。;"
    rf"|]{{0,6}}(?:限额|上限|封顶线))|(?<![\d上本当每周半])年(?=[一-鿿]{{0,6}}(?:限额|上限|封顶线)|(?:补贴|补助|奖励|资助)(?:总?额|金额))))"
    rf"|(?P<month>月度(?=[^,。;|]{{0,8}}限额)|(?<![\d上本当每个份])月(?=[一-鿿]{{0,6}}限额))|(?P<head>月人均|人月均|人均每月)|(?P<household>户均)(?=[^,。;\d]{{0,12}}(?:\d|$))|(?P<yearly>年人均|人年均|人均每年)|(?P<mean>月均|年均)"
)
_EACH_ONE = re.compile(
    rf"每(?!{_PLACES}[一-鿿])(?:(?:成功|新|引进|增加|满|多|再)?[一-鿿]{{0,5}}?)(?P<n>1|一)"
    + alternation(_THINGS + _EVENTS)
)
_BASE_SEEN = re.compile(
    r"每(?:[百千万]|十万|百万|\d+(?:\.\d+)?万?|[一二三四五六七八九十百千万]{2,})(?:名|位|人口|人|常住人口"
    r"|户|张|个|平方公里|公里|件|辆|亩|家|老年)"
    r"|(?<![\d几数上近超逾一-九十])[千万]人口"
    r"|(?<![\d几数上近超逾一-九十])[千万]人(?=[一-鿿]{2,12}数)"
)


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """All quantities of a normalised text in text order; they never overlap. Spans of time are none."""
    masked = mask(text)
    hidden, bases = _hide_bases(masked)
    tokens = _ranges(hidden, _share(hidden, _read(hidden)))
    tokens = _previous(hidden, tokens)
    return tuple(_finish(text, hidden, [t for t in tokens if t.unit], bases))


# --- numbers and units ------------------------------------------------------------------------------------


def _hide_bases(masked: str) -> tuple[str, dict[int, str]]:
    """Take the base of a ratio (每千名…, 每招用1人) out of the text: it is part of a unit, no figure of its own."""
    bases: dict[int, str] = {}
    pieces = list(masked)
    for found in _BASE_SEEN.finditer(masked):
        bases[found.end()] = _base(found[0])
        pieces[found.start() : found.end()] = HIDDEN * len(found[0])
    for found in _EACH_ONE.finditer(masked):
        pieces[found.start("n") : found.end("n")] = "△"
    return "".join(pieces), bases


def _base(words: str) -> str:
    """每千名 → 千人, 每100户 → 100户."""
    bare = re.sub(r"名$|位$|人口$|常住人口$|老年$|人$", "", words.removeprefix("每"))
    return bare + ("人" if re.search(r"(?:名|位|人口|人|老年)$", words) else "")


def base_named(name: str) -> str:
    """The base of a ratio that a name holds, or nothing: 每千名老年人拥有养老床位数 → 千人."""
    found = _BASE_SEEN.search(name)
    return _base(found[0]) if found else ""


def _read(text: str) -> list[_Token]:
    """Every number with the unit that follows it; a number without one keeps an empty unit for `_share`."""
    tokens: list[_Token] = []
    for found in _NUMBER.finditer(text):
        if tokens and found.start() < tokens[-1].end:
            continue
        token = _token(text, found)
        if token:
            tokens.append(token)
    return tokens


_NEARLY: dict[str, Bound] = {"近": "~", "约": "~", "超": ">"}


def _token(text: str, found: re.Match[str]) -> _Token | None:
    start, end = found.span()
    if found["full"]:
        return _Token(start, end, 100, 1, "%", end)
    if found["double"]:
        turns = {"两": 4, "二": 4, "三": 8}.get(found["turns"] or "", 2)
        return _Token(start, end, turns, 1, "倍", end, _NEARLY.get(found["nearly"]))
    if found["percent"]:
        value = _spoken(found["percent"])
        return None if value is None else _with_bound(text, _Token(start, end, value, 1, "%", end))
    if found["parts"]:
        share = (chinese_number(found["share"]) or 0) / (chinese_number(found["parts"]) or 1) * 100
        return _with_bound(text, _Token(start, end, round(share, 2), 1, "%", end))
    if found["over"]:
        share = int(found["over"]) / max(int(found["under"]), 1) * 100
        return _with_bound(text, _Token(start, end, round(share, 2), 1, "%", end)) if share < 100 else None
    if found["chinese"]:
        return _chinese_token(text, found)
    return _scaled_token(text, start, end, float(found["digits"]))


def _spoken(percent: str) -> float | None:
    """八十五点五 → 85.5, 80 → 80."""
    if percent[0].isdigit():
        return float(percent)
    whole, _, part = percent.partition("点")
    number = chinese_number(whole)
    if number is None:
        return None
    return number + (float("0." + "".join(str(chinese_number(c) or 0) for c in part)) if part else 0)


def _scaled_token(text: str, start: int, end: int, value: float) -> _Token:
    """A number in digits: 7000余张, 79.31万人, 1万余人次, 500千瓦."""
    unit = measure_words().match(text, end)
    scale, vague, at = 1.0, False, end
    if not unit or unit[0] in ("千克",):
        at, vague = _skip_vague(text, end)
        multiplier = _MULT.match(text, at)
        if multiplier and not (unit := measure_words().match(text, at)):
            scale, at = MULTIPLIERS[multiplier[0]], multiplier.end()
            at, more = _skip_vague(text, at)
            vague = vague or more
        unit = unit or measure_words().match(text, at)
    name = unit[0] if unit else ""
    at = unit.end() if unit else at
    if name == "成":
        return _with_bound(text, _Token(start, at, value * 10, 1, "%", at))
    token = _Token(start, at, value, scale, name, at, ">=" if vague else None)
    return _with_bound(text, _with_per(text, _lost_word(text, token) if not name else token))


def _skip_vague(text: str, at: int) -> tuple[int, bool]:
    vague = text[at : at + 1] in ("余", "多", "来") and text[at : at + 1] != ""
    return (at + 1, True) if vague else (at, False)


def _chinese_token(text: str, found: re.Match[str]) -> _Token | None:
    """A Chinese numeral with a measure word, where it counts something: 建成两大系统, 不低于两个月, 八成以上."""
    start, end = found.span()
    if text[max(0, start - 1) : start] in ("数", "几", "上", "第", "若", "每", "/", HIDDEN, "△"):
        return None
    if text[max(0, start - 1) : start] == "成" and text[max(0, start - 2) : start - 1] not in tuple("建完达形组养促做"):
        return None
    if text[max(0, start - 1) : start] in ("(", ":", "|") and _UNIT_NAMED.match(text, start):
        return None  # the unit of a column: (万人次)
    value = chinese_number(found[0])
    unit = measure_words().match(text, end)
    if unit and unit[0] == "成" and value and value < 10 and re.match(r"[以左]|的|[,。、]", text[end + 1 : end + 2]):
        return _with_bound(text, _Token(start, end + 1, value * 10, 1, "%", end + 1, chinese=True))
    if value is None:
        return None
    vague = False
    if not unit:
        at, vague = _skip_vague(text, end)
        unit = measure_words().match(text, at) if vague else None
    if not unit or not _counts(text, start, unit, value):
        return None
    token = _Token(start, unit.end(), value, 1, unit[0], unit.end(), ">=" if vague else None, chinese=True)
    return _with_bound(text, _with_per(text, token))


_UNIT_NAMED = re.compile(r"[十百千万亿]+[一-鿿/]{1,8}(?=[)|\n]|$)")
_BUILDINGS = {"所", "家", "座", "处", "间", "栋"}
_BUILT = re.compile(r"(?:办好|建成|新建|建设|设立|新设|成立|引进|新增|创建|开设|建立|改建|建)了?$")


def _counts(text: str, start: int, unit: re.Match[str], value: float) -> bool:
    """Whether a Chinese numeral with this unit is a size and no manner of speaking (两个维护, 三项制度, 一个中心)."""
    before = text[max(0, start - 16) : start]
    if unit[0] in _MONEY:
        return value >= 2 and text[start] not in "百千万亿"
    if _bound_before(text, start, start)[0] != "=":
        return True
    if value == 1 and unit[0] in _BUILDINGS:
        return bool(_BUILT.search(before))
    if value == 1 or unit[0] in ("年", "日", "点", "时", "方", "瓦", "克", "升", "级", "面"):
        return False
    if unit[0] in _DURATIONS:
        return unit[0] in ("个月",)
    if _ABSTRACT.match(text, unit.end()) or _ABSTRACT.match(text, unit.end() + 2):
        return False
    near = _DOING_HERE if unit[0] in _COUNTED_LOOSELY else _DOING_NEAR
    return bool(near.search(before))


def _lost_word(text: str, token: _Token) -> _Token:
    """The unit of a number that stands directly before a noun: 人 before people, 个 where a measure word got lost."""
    if re.match(r"级|年|届|版|型", text[token.end : token.end + 1]):
        return token
    after = re.match(r"(?:\(含\))?以上", text[token.end : token.end + 6])
    at = token.end + (after.end() if after else 0)
    if found := _VISITS.match(text, at):
        return replace(token, unit="人次", tail=found.end(), end=found.end()) if _large(token) else token
    if _large(token) and (found := _PEOPLE.match(text, at)) and "、" not in found[0][:1]:
        near = not after and found.end() - at <= 6
        return replace(token, unit="人", end=found.end() if near else token.end)
    ends = text[token.end : token.end + 1] in (",", "。", ";", "、", "\n", "")
    if token.scale > 1 and ends and _PEOPLE_BEFORE.search(text, max(0, token.start - 16), token.start):
        return replace(token, unit="人")
    cue = text[max(0, token.start - 6) : token.start]
    if token.scale == 1 and token.value < 2000 and token.value == int(token.value):
        bound = _bound_before(text, token.start, token.start)[0] == ">=" and re.match(r"[一-鿿]{2}", text[at : at + 2])
        if bound or (_LOST_CUE.search(cue) and _LOST.match(text, at)):
            return replace(token, unit="个")
    return token


def _large(token: _Token) -> bool:
    return token.scale > 1 or token.value >= 100


def _with_bound(text: str, token: _Token) -> _Token:
    for bound, words_after in _AFTER.items():
        if found := words_after.match(text, token.end):
            return replace(token, end=found.end(), after=bound)  # type: ignore[arg-type]
    if token.after is None and text[token.end : token.end + 1] in ("多", "余") and token.unit in _MONEY:
        return replace(token, end=token.end + 1, after=">=")
    return token


def _with_per(text: str, token: _Token) -> _Token:
    """元/人/月, 元每人每月: what an amount is per, where it follows the amount."""
    if token.unit not in _MONEY and token.unit not in ("微克", "毫克"):
        return token
    found = _SLASH.match(text, token.end) or _EACH_AFTER.match(text, token.end)
    if not found:
        return token
    per = tuple(_PER_NAME.get(p, p) for p in found.groups() if p)
    return replace(token, per=per, end=found.end(), tail=found.end())


# --- ranges and lists -------------------------------------------------------------------------------------


def _share(text: str, tokens: list[_Token]) -> list[_Token]:
    """Give numbers of a list or range the unit that is written once, at its end: 5、10万元; 100-600元; 1、2和3个."""
    shared: list[_Token] = []
    for token in reversed(tokens):
        following = shared[-1] if shared else None
        if following and token.unit == "个" and "百分点" in following.unit and _joined(text, token, following):
            token = replace(token, unit=following.unit)  # 提高4个和6个百分点
        if following and not token.unit and following.unit and not token.chinese and _joined(text, token, following):
            scale = following.scale if token.scale == 1 else token.scale
            if (
                token.scale == 1
                and _RANGE_MARK.fullmatch(text[token.end : following.start])
                and token.value * scale > (following.high or following.value) * following.scale
            ):
                scale = 1.0
            token = replace(token, unit=following.unit, scale=scale, per=following.per)
        shared.append(token)
    ordered = shared[::-1]
    return [replace(t, linked=True) if i and _listed(text, ordered[i - 1], t) else t for i, t in enumerate(ordered)]


def _joined(text: str, left: _Token, right: _Token) -> bool:
    between = text[left.end : right.start]
    return len(between) <= 13 and bool(_RANGE_MARK.fullmatch(between) or _LIST_MARK.fullmatch(between))


_LIST_GOES_ON = re.compile(rf"(?:{_LIST_MARK.pattern})(?:最高|不超过|每[一-鿿]|分别|给予)*")


def _listed(text: str, left: _Token, right: _Token) -> bool:
    between = text[left.end : right.start]
    return len(between) <= 12 and bool(_LIST_GOES_ON.fullmatch(between))


def _ranges(text: str, tokens: list[_Token]) -> list[_Token]:
    """Two ends with a range mark between them become one token (每床每月100元至450元, 5%-5.5%)."""
    out: list[_Token] = []
    for token in tokens:
        last = out[-1] if out else None
        if last and last.high is None and _is_range(text, last, token):
            scale_free = replace(last, value=last.value * last.scale, scale=1, high=token.value * token.scale)
            out[-1] = replace(
                scale_free,
                end=token.end,
                tail=token.tail,
                after=token.after,
                per=token.per or last.per,
                unit=token.unit,
            )
            continue
        out.append(token)
    return out


def _is_range(text: str, left: _Token, right: _Token) -> bool:
    mark = text[left.end : right.start]
    if not right.unit or left.unit != right.unit or not _RANGE_MARK.fullmatch(mark):
        return False
    if left.value * left.scale >= right.value * right.scale:
        return False
    changing = mark in ("到", "至") and re.search(r"[由从][^,。;]{0,10}$", text[max(0, left.start - 11) : left.start])
    return not changing or text.startswith("不等", right.end)


_RISE = re.compile(
    r"(?:\([^()]{0,12}\)|[一-鿿]{0,6}?)(?:提高|增加|增|上升|提升|上调|调整|扩大|增长|扩|升|调|降|下降|降低"
    r"|减少|下调|压减|缩短|压缩|扩展|扩容|发展|拓展)?[一-鿿]{0,3}?(?:到|至|为)"
    r"(?:了|每[一-鿿]){0,3}[一-鿿□]{0,10}$"
)


def _previous(text: str, tokens: list[_Token]) -> list[_Token]:
    """由X提高到Y: the figure is Y, X becomes what it was before."""
    out: list[_Token] = []
    for token in tokens:
        last = out[-1] if out else None
        if last and token.start - last.end <= 16 and last.high is None and _rises(text, last, token):
            was = last.value * (last.scale if last.unit or last.scale > 1 else token.scale)
            out[-1] = replace(token, previous=was, per=token.per or last.per, linked=last.linked)
            continue
        out.append(token)
    return out


def _rises(text: str, last: _Token, token: _Token) -> bool:
    if not token.unit or (last.unit and last.unit != token.unit):
        return False
    window = text[max(0, last.start - 14) : last.start]
    if not re.search(r"[由从](?!事|业|此|严|于)[^,。;]{0,12}$", window):
        return False
    between = text[last.end : token.start]
    return bool(_RISE.fullmatch(between)) and not any(mark in between for mark in ",。;")


# --- rates, bounds, the finished quantity -----------------------------------------------------------------


def _finish(text: str, masked: str, tokens: list[_Token], bases: dict[int, str]) -> Iterable[Quantity]:
    before: Quantity | None = None
    paid: Quantity | None = None
    for token in tokens:
        quantity = _quantity(text, masked, token, before, paid, bases)
        if quantity is None:
            continue
        yield quantity
        before = quantity
        paid = quantity if quantity.sort == "money" else paid


def _quantity(
    text: str, masked: str, token: _Token, before: Quantity | None, paid: Quantity | None, bases: dict[int, str]
) -> Quantity | None:
    """The quantity of a token; `before` is the one before it, `paid` the last amount of money."""
    floor = before.end if before else 0
    clause = max(_clause_start(masked, token.start), floor)
    sort = _sort(text, token)
    if sort is None or not _complete(text, token):
        return None
    linked = token.linked and before is not None and before.sort == sort
    bound, start = _bound_before(masked, token.start, clause)
    if token.after and (bound in ("=", "~") or text.startswith("控制在", start)):
        bound = token.after
    elif linked and bound == "=" and before is not None and before.bound in ("<=", ">=", "~"):
        bound = before.bound if not text.startswith(("以上", "左右", "余", "多"), before.tail) else bound
    unit, start = _rated(text, masked, token, sort, paid if sort == "money" else before, linked, (clause, start), bases)
    low, high = token.value * token.scale, token.high
    return Quantity(
        start=start,
        end=token.end,
        number=token.start,
        tail=token.tail,
        value=None if high is not None else round_value(low),
        min=None if high is None else round_value(low),
        max=None if high is None else round_value(high),
        unit=unit,
        bound=bound,
        sort=sort,
        previous=None if token.previous is None else round_value(token.previous),
        linked=linked,
    )


def _clause_start(text: str, position: int) -> int:
    """Where the clause of a position begins, looking back no more than 120 characters."""
    floor = max(0, position - 120)
    at = position
    while at > floor and text[at - 1] not in _CLAUSE_END:
        at -= 1
    return at


def sort_of_unit(unit: str) -> Sort:
    """The sort of a quantity by its unit alone, as in a table."""
    if unit.split("/")[0] in _MONEY:
        return "money"
    return "percent" if unit in ("%", "‰", "pp") else "times" if unit == "倍" else "count"


_LIFE = re.compile(r"寿命|受教育年限")
_DAYS_COUNTED = re.compile(r"(?:优良|达标|蓝天|良好)[一-鿿]{0,4}天数[一-鿿]{0,6}$")
_MONTHS_OF = re.compile(r"[^,。;:|\d]{0,14}?(?:标准|工资|养老金|生活费|保障金|低保金)")
_SCORED = re.compile(r"满意度|评分|指数|测评|评价|成绩|平均分")
_SERVICE_TIME = re.compile(r"开放|活动时间|锻炼|服务|护理|照料|照护|培训|时长|课|实训")


def _sort(text: str, token: _Token) -> Sort | None:
    """What sort of quantity a unit makes; None for spans of time, which are figures only in three phrases."""
    unit = token.unit
    if unit in _MONEY:
        return "money"
    if unit in ("%", "‰", "个百分点", "百分点"):
        return "percent"
    if unit == "倍":
        return "times"
    window = text[max(0, token.start - 24) : token.start]
    if unit == "个月" and _MONTHS_OF.match(text, token.end):
        return "months"
    if unit in ("年", "岁", "周岁") and _LIFE.search(window):
        return "count"
    if unit == "分":
        return "count" if _SCORED.search(window) else None
    if unit == "天" and _DAYS_COUNTED.search(window):
        return "count"
    if unit in ("小时", "个小时"):
        bounded = _bound_before(text, token.start, max(0, token.start - 12))[0] != "="
        return (
            "count"
            if bounded
            and _SERVICE_TIME.search(window + text[token.end : token.end + 6])
            and not re.match(r"[内前后]", text[token.end : token.end + 1])
            else None
        )
    return None if unit in _DURATIONS else "count"


def _complete(text: str, token: _Token) -> bool:
    """No piece of a longer number or code; a single 0 counts nothing."""
    return not re.match(r"[\d.]?\d", text[token.end : token.end + 2]) if token.unit in ("个",) else True


_GAP_OK = re.compile(
    rf"(?:每[一-鿿]{{1,2}}|为|达到?|有|可|获得?|的|其|设有?|(?:当地|本市|本省|全市|上年度?|同期)(?:的)?"
    rf"|给予|补贴|补助|奖励|资助|安排|支持|提供|一次性|发放|配备|配置|建设|建成|建有|建|设置|设立"
    rf"|打造|培育|新增|创建|完成|开展|组织|举办|成立|引进|拥有|增加|提高|提升|增长|到|完善|改造|支付|不|得"
    rf"|再|各|选择|确定|具备|保持|稳定|在|实现|保留|接受|享受|提取|报销|申报|推荐|覆盖|服务|培养|培训|入住"
    rf"|容纳|人均|△|{HIDDEN})*"
)


_GAP_OF = re.compile(r"[一-鿿]{1,16}的")  # 不低于上年度补贴总额的20%


def _bound_before(text: str, position: int, floor: int) -> tuple[Bound, int]:
    """The bound that the words before a number give, and where the quote begins with them.

    近, 约, 超 must touch the number; 至少 and 不低于 may stand before its verb or rate (至少建设1所, 不低于当地两个月).
    """
    window = text[max(floor, position - 20, 0) if floor != position else max(0, position - 20) : position]
    for char in ",。;:|\n":
        window = window[window.rfind(char) + 1 :]
    if not _ANY_BEFORE.search(window):
        return "=", position
    for word, bound in _BEFORE:
        at = window.rfind(word)
        if at < 0 or (len(word) == 1 and at + 1 != len(window)):
            continue
        if word in ("近", "接近") and bound == "~" and window[at - 1 : at] in ("附", "邻", "靠", "最"):
            continue
        gap = window[at + len(word) :]
        if bound in ("~", "<", ">") and gap and not re.fullmatch(r"(?:为|到|了|每[一-鿿]{1,2})*", gap):
            continue
        if (
            gap
            and not _GAP_OK.fullmatch(gap)
            and not (word.startswith("不") and _GAP_OF.fullmatch(gap))
            and not (word in ("至少", "最少", "起码") and re.fullmatch(r"[一-鿿]{1,5}", gap))
        ):
            continue
        start = position - len(window) + at
        if word in ("不超过",) and window[max(0, at - 2) : at] in ("最高", "最长", "累计"):
            start -= 2
        return bound, start
    return "=", position


def _rated(
    text: str,
    masked: str,
    token: _Token,
    sort: Sort,
    before: Quantity | None,
    linked: bool,
    span: tuple[int, int],
    bases: dict[int, str],
) -> tuple[str, int]:
    """The unit with what it is per, and where the quote begins once a rate that touches the number is taken in."""
    clause, start = span
    name = canonical_units().get(token.unit, token.unit)
    if sort == "percent":
        return ("pp" if "百分点" in name else name), start
    if sort != "money":
        return _with_base(text, name, token, clause, before, linked, bases), start
    per = list(token.per)
    rates = list(_EACH.finditer(masked, clause, token.start)) if clause < token.start else []
    for rate in rates:
        if not per or rate["each"] or rate["counted"] or rate["year"] or rate["single"]:
            per.extend(_rate_names(rate))
    if not per and before is not None and before.sort == "money" and _inherits(text, token, before, linked):
        per = before.unit.split("/")[1:]
    if not per and not _caps_sum(text, token, before):
        per = _head_rates(masked, token.start, clause)
    if not set(per) - {*_TIMES, "日"} and not _caps_sum(text, token, before):
        per = per + _trigger(masked, token.start)
    if not set(per) & set(_TIMES) and _LIMITED.search(text, clause, token.start) and _in_a_year(masked, clause):
        per = [*per, "年"]
    if (
        rates
        and token.start - rates[-1].end() <= 6
        and not any(c in text[rates[-1].end() : token.start] for c in ",。;")
    ):
        start = min(start, _first_touching(rates, token.start))
    return "/".join([name, *ordered_rates(per)]), start


def _first_touching(rates: list[re.Match[str]], position: int) -> int:
    start = position
    for rate in reversed(rates):
        if start - rate.end() > 6:
            break
        start = rate.start()
    return start


def _rate_names(rate: re.Match[str]) -> list[str]:
    if rate["counted"]:
        return [_PER_NAME.get(rate["counted"], rate["counted"])]
    if rate["each"]:
        return ["床", "日"] if rate["each"] == "床日" else [_PER_NAME.get(rate["each"], rate["each"])]
    if rate["year"] or rate["month"]:
        return ["年" if rate["year"] else "月"]
    if rate["single"]:
        return [rate["single"]]
    if rate["household"]:
        return ["户"]
    return ["人", "月"] if rate["head"] else ["人", "年"] if rate["yearly"] else []


def rates_named(words_: str) -> list[str]:
    """What the words of a table's head say that an amount is per: 每人每月 → 人, 月."""
    return [name for rate in _EACH.finditer(words_) for name in _rate_names(rate)]


def ordered_rates(per: list[str]) -> list[str]:
    """Things first, then occasions, time last; each once."""
    per = [_PER_NAME.get(name, name) for name in per]
    rank = dict.fromkeys([*_TIMES, "日"], 2) | dict.fromkeys(_EVENTS, 1)
    return sorted(dict.fromkeys(per), key=lambda name: rank.get(name, 0))


_PAID = re.compile(r"\d[万亿]?元")
# The parts of a rate, by who pays them: 每张1万元,其中省级补助6000元.
_BY_PAYER = re.compile(r"(?:其中)?[:,]?(?:中央|省|市|县|区|上级|本级|财政)[一-鿿]{0,3}?(?:补助|承担|负担|配套|安排)")
_CAPS = re.compile(r"最高|不超过|不得超过|上限|封顶|最多")
_ADDS = re.compile(r"再|另|增加|加发|增发|最高|不超过|上限|封顶|不得超过")


_CAP_OF_SUM = 10  # a cap so many times the amount is one on all that is paid, and not on each case
_ANOTHER_ORDER = 1000  # an amount so many times the one before is a sum, no tier of it


def _inherits(text: str, token: _Token, before: Quantity, linked: bool) -> bool:
    """Whether an amount takes the rate of the one before: a further tier, a cap on it, or an addition to it."""
    if linked:
        return not _caps_sum(text, token, before)
    between = text[before.end : token.start]
    if token.previous is not None:
        between = re.sub(r"[由从][^由从]*$", "", between)
    if len(between) > 60 or any(mark in between for mark in "。\n!?|") or "/" not in before.unit:
        return False
    if token.value * token.scale > _ANOTHER_ORDER * (before.value or before.max or 0):
        return False
    own = between[max(between.rfind(mark) for mark in ",;、:") + 1 :]
    if _caps_sum(text, token, before):
        return False
    if re.search(r"一次性|总|累计|合计|每|投资|投入|资金|预算|经费", own):
        return False
    if _BY_PAYER.fullmatch(own):
        return True
    if len(own) <= 8 and _ADDS.search(own):
        return ";" not in between or own == between
    return (len(own) <= 12 and not re.search(r"给予|奖励|安排|补贴|补助|为$", own)) or bool(
        re.search(r"再(?:增加|给予|奖励)?$", own)
    )


_LIMITED = re.compile(r"限额|封顶线|累计")
_IN_A_YEAR = re.compile(r"(?:一个|1个|每个|同一)(?:自然|保险|结算|医保|待遇|会计)?年度[内里]?,|年度内,|每年内?,")


def _in_a_year(masked: str, clause: int) -> bool:
    """Whether the sentence of a limit begins with the year it is for: 一个自然年度内,门诊限额3000元,住院限额6万元."""
    floor = max(0, clause - 80)
    start = max(masked.rfind(mark, floor, clause) for mark in "。\n!?")
    return bool(_IN_A_YEAR.search(masked, max(start, floor), clause))


def _caps_sum(text: str, token: _Token, before: Quantity | None) -> bool:
    """Whether an amount caps all that is paid by the amount before it: 每培训1人300元,最高不超过5万元."""
    return (
        before is not None
        and before.sort == "money"
        and token.value * token.scale >= _CAP_OF_SUM * (before.value or before.max or 0)
        and bool(_CAPS.search(text[max(before.end, token.start - 8) : token.start]))
    )


_LIST_BEGINS = re.compile(r"(?:限额|标准|额度|金额),其中")


def _listed_from(masked: str, start: int, end: int) -> int:
    """Where the head of a list ends that 其中 deals out (年度救助限额,其中一类对象5万元,二类对象4万元), or -1."""
    heads = list(_LIST_BEGINS.finditer(masked, start, min(end + 2, len(masked))))
    return heads[-1].end() - 3 if heads else -1


def _head_rates(masked: str, position: int, clause: int) -> list[str]:
    """The rate that a clause before gave.

    It holds for a cap that says nothing else (…每人每次…,最高不超过3元) and for what stands after its colon
    (每年支付限额标准:高血压600元).
    """
    floor = max(0, position - 80)
    head_end = clause - 1
    if (
        clause <= floor
        or masked[head_end] not in ",:、"
        or re.search(r"一次性|总|合计|投资|投入|资金", masked[clause:position])
    ):
        return []
    start = max(masked.rfind(mark, floor, head_end) for mark in "。;\n!?|") + 1
    caps = masked[head_end] == "," and position - clause <= 8 and _ADDS.search(masked[clause:position])
    colon = max(masked.rfind(":", start, clause), _listed_from(masked, start, clause))
    if not caps and (colon < 0 or position - clause > 20):
        return []
    seen = list(_EACH.finditer(masked, max(start, floor), head_end if caps else colon))
    last = [rate for rate in seen if _rate_names(rate) and seen[-1].start() - rate.start() <= 6]
    return [name for rate in last for name in _rate_names(rate)]


def _trigger(masked: str, position: int) -> list[str]:
    """每成功推荐1个…的,给予1万元: the case that an amount is paid for, said earlier in the sentence."""
    floor = max(0, position - 70)
    sentence = max(masked.rfind(mark, floor, position) for mark in "。\n;!?")
    window = masked[max(floor, sentence + 1) : position]
    found = [rate for rate in re.finditer(_EACH.pattern, window.replace("△", "1")) if rate["counted"] and rate["verb"]]
    if not found or _PAID.search(window, found[-1].end()):
        return []
    return _rate_names(found[-1])


def _before_note(text: str, clause: int) -> int:
    """Where a clause begins that a note in brackets cuts: 每千人口执业(助理)医师数."""
    if text[max(0, clause - 1) : clause] != ")":
        return clause
    opened = text.rfind("(", max(0, clause - 16), clause)
    return clause if opened < 0 else _clause_start(text, opened)


_BASE_BEHIND = re.compile(r"/每?([百千万]|十万|百万)(?:名|人)")


def _with_base(
    text: str, name: str, token: _Token, clause: int, before: Quantity | None, linked: bool, bases: dict[int, str]
) -> str:
    if behind := _BASE_BEHIND.match(text, token.tail):
        return f"{name}/{behind[1]}人"
    for end in range(token.start, _before_note(text, clause) - 1, -1):
        if end in bases:
            return f"{name}/{bases[end]}"
    if linked and before is not None and "/" in before.unit and before.sort == "count":
        return f"{name}/{before.unit.split('/', 1)[1]}"
    return name
