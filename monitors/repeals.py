"""What a document declares ended: the 文号s that it repeals, with the sentence and the day. Pure.

Governments declare the end of a document nearly always in another one: 《…》（云政办规〔2019〕5号）同时废止, or a list
under 决定废止下列文件. False alarms are worse here than misses, so a number is believed only where nothing but titles,
days and adverbs stands between it and the word that ends it. Not believed are drafts, wishes and negations (拟废止,
未废止, 建议废止), parts (第三条废止, 除…外), bases (根据…), and what is only amended. Documents that are named without
a number are left alone: a title is shared too often.

What a document tells of another one's act (已于2018年废止, 被《…》废止) ends the number as well, but is marked as
told: `own` is False.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from monitors.threads import is_draft
from storage.identity import normal_number
from storage.records import EndedAs, Repeal

_LONGEST_SENTENCE = 300
_LONGEST_TAIL = 6  # characters beside days and adverbs between the last number and the word that ends it
_LONGEST_LEAD = 40  # characters between that word and the first number behind it

_WIDE = str.maketrans("０１２３４５６７８９　", "0123456789 ")
_TITLE = re.compile(r"《[^《》\n]*(?:《[^《》\n]*》[^《》\n]*)*》")
_MASK = "\x01"
_NUMBER = re.compile(
    r"(?P<word>[\u4e00-\u9fffA-Za-z]{2,20}) ?"
    r"(?P<rest>[〔\[（(【［﹝〈] ?(?:19|20)\d\d ?[〕\])）】］﹞〉] ?第? ?\d{1,5} ?号)"
)
# What a number's word seems to begin with where the sentence runs on without a mark: 废止云政发〔2015〕3号.
_BEFORE_WORD = re.compile(
    r".*(?:废止|执行|失效|作废|施行|根据|依据|按照|依照|以及|下列|以下|文件|通知|办法|发布|印发|公布|对|将|与|及|和|原|的)"
    r"(?=[\u4e00-\u9fffA-Za-z]{2})"
)
_VERB = re.compile(r"废止|失效|作废|停止(?:执行|施行|实施)|终止(?:执行|施行)|不再(?:执行|施行|适用)")
_ADVERB = r"(?:同时|一并|一律|予以?|即行|即|自行|自动|全文|全部|均|也|都|宣布|正式|随之|相应地?|现|决定|应)"
_NOT_MEANT_BEFORE = re.compile(
    r"(?:拟|建议|提议|申请|提请|未|不|没有|不得|是否|可|可以|(?<!相)应当?|需要?|须|如|若|要求|研究|计划|适时|及时|逐步|即将"
    r"|暂缓|避免|防止|导致|关于|修改或者?|修订或者?|修改、|修订、|改、)(?:对|将|把)?" + _ADVERB + "{0,3}$"
)
_NOT_MEANT_AFTER = re.compile(
    r" ?(?:前|后|之前|之后|之日|情况|日期|程序|工作|时间|期限|或|与否|条件|理由|原因|建议|意见|范围|请示"
    r"|的(?:[，,。；;]|$))"
)
_HYPOTHESIS = re.compile(
    r"(?<![模虚])拟(?![定订])|建议(?!提案|办理)|提请|是否|如需|征求.{0,12}意见|草案|送审稿|考虑(?!到)|不予|暂缓|"
    r"(?:^|[，,])(?:若|倘|一旦|假如|如果|如(?=[\x01原该]))|除.{1,40}?(?:以外|之外|外)|尚未|从未|并未|没有|有人|谣|误传"
)
_BASIS = re.compile(r"根据|依据|依照|按照|遵照|参照|贯彻|落实|按")
_BASIS_END = re.compile(r"规定|要求|精神|部署|意见|安排")
_PREDICATE = re.compile(
    r"修改|修订|修正|施行(?!之日)|实施(?!之日)|印发(?!的)|继续|保留|制定|出台|依据|根据|按照|参照|要求|精神|调整|代替|"
    r"暂停|转发(?!的)|废止|失效|作废|停止|终止|不再|有效|发布(?!的)|公布(?!的)"
)
_PART = re.compile(
    r"第 ?[\d一二三四五六七八九十百零〇、]+ ?(?:条|款|项|章|节|部分|点)|部分|条款|附件|附表"
    r"|(?<!下列)内容|标准|中的|其中|"
    r"有关(?!部门)|相关|规定"
)
_ETC = re.compile(
    r"等? ?(?:[\d两二三四五六七八九十]+)?[个件份项]?(?:规范性|政策性|行政规范性)?(?:文件|通知|办法|政策|意见)"
    r"|等(?:规定|制度)|"
    r"及其?(?:相关)?配套(?:文件|政策)"
)
_DAY = (
    r"(?P<y>\d{4}|[二〇○零一三四五六七八九]{4}) ?年 ?"
    r"(?P<m>\d{1,2}|[一二三四五六七八九十]{1,3}) ?月 ?(?P<d>\d{1,2}|[一二三四五六七八九十]{1,3}) ?日"
)
_PERIOD = re.compile(
    r"自[^，,；;。]{0,40}?起|(?:于|到|至|在)? ?\d{4} ?年(?: ?\d{1,2} ?月)?(?: ?\d{1,2} ?日)?底?前?(?:已)?"
)
_SINCE = re.compile(rf"自 ?{_DAY} ?(?:之日)?起")
_ON = re.compile(rf"(?:于|到|至|在)? ?{_DAY} ?起?{_ADVERB}{{0,3}}(?={_VERB.pattern})")
_TAKES_EFFECT = re.compile(rf"(?:本|该)[^，,；;。\n]{{1,16}}自 ?{_DAY} ?(?:之日)?起(?:正式)?(?:施行|实施|执行|生效)")
_WITH_THE_DOCUMENT = re.compile(r"同时|(?:施行|实施|生效|执行)之日")
_TOLD = re.compile(rf"(?:已|业已|早已)(?:经|于[^，,]{{0,20}}|在[^，,]{{0,20}}|被[^，,]*|由[^，,]*)?{_ADVERB}{{0,3}}$")
_BY_ANOTHER = re.compile(r"[被由](?!本)")
_LISTS = re.compile(r"下列|以下|如下|目录|清单|名单")
_ABOVE = re.compile(r"(?:以上|上述|上列|前述)[^，,。；]{0,8}(?:文件|通知|规定|政策|办法|意见)")
_OTHER_FATE = re.compile(r"修改|修订|修正|继续|保留|拟|根据|依据|按照|施行|特此|有效")
_ITEM = re.compile(
    r" ?(?:[（(]?(?:\d{1,3}|[一二三四五六七八九十百]{1,4})[)）.．、 |]|《|\x01|关于|[^|]*\||[^，。]{0,30}[\x01〔])"
)
_OWN_TITLE = re.compile(r"关于(?P<act>(?:宣布)?(?:废止|失效|停止执行).+?)的(?:决定|通知|公告|通告|命令|令)$")
_FILLING = re.compile(
    rf"[，,]?以下(?:简称|称)[^）)]*[）)]|{_ADVERB}|业已|早已|已经?|此前|到期|期满|[届已]满|共|[\d两二三四五六七八九十]+[个件份项]"
    r"|[\s\x01|，,、）)〕】（(《》]"
)
_CLOSING = '）)〕】]》”" \x01'
_OPEN, _CLOSE = "《（(〔[【“", "》）)〕]】”"
_DIGITS = {c: n for n, c in enumerate("〇一二三四五六七八九")} | {"○": 0, "零": 0}


def repeals(title: str, text: str, own_numbers: Collection[str] = ()) -> tuple[Repeal, ...]:
    """What a document with this title and text declares ended, each number once; nothing for a draft.

    `own_numbers` are the document's own 文号s, which it cannot end.
    """
    if not (_VERB.search(text) or _VERB.search(title)) or is_draft(title, text):
        return ()
    folded = text.translate(_WIDE)
    effect = _last_day(_TAKES_EFFECT, folded)
    own = {normal_number(number) for number in own_numbers}
    found: dict[str, Repeal] = {}
    units = list(_units(folded))
    if act := _OWN_TITLE.search(title.translate(_WIDE).strip()):
        units.insert(0, act["act"])
    for repeal in _in_units(units, effect, own):
        key = normal_number(repeal.number)
        if key not in own and (key not in found or repeal.own > found[key].own):
            found[key] = repeal
    return tuple(found.values())


def may_be_called(said: str, title: str) -> bool:
    """Whether a document with this title may be what another one calls `said`; "" may be any.

    Half of the pairs of characters are enough: 补贴办法 is called by its short name as often as by 关于印发…的通知.
    """
    one, other = (re.sub(r"\W", "", name) for name in (said, title))
    pairs = {one[i : i + 2] for i in range(len(one) - 1)}
    return not pairs or not other or 2 * sum(pair in other for pair in pairs) >= len(pairs)


def _units(text: str) -> Iterator[str]:
    """Sentences: ended by a full stop, a semicolon, a colon or a line's end, but not inside of brackets."""
    for line in text.split("\n"):
        yield from (unit for unit in _split(line, "。；;！？：:") if unit.strip())


def _split(text: str, ends: str) -> Iterator[str]:
    depth = start = 0
    for n, c in enumerate(text):
        if c in _OPEN:
            depth += 1
        elif c in _CLOSE:
            depth = max(0, depth - 1)
        elif c in ends and not depth:
            yield text[start:n]
            start = n + 1
    yield text[start:]


@dataclass(frozen=True, slots=True)
class _Named:
    """A number in a sentence: where it stands there (its title not included), and what it is called."""

    number: str
    title: str
    start: int
    end: int
    basis: bool


def _in_units(units: Sequence[str], effect: date | None, own: Collection[str]) -> Iterator[Repeal]:
    head: tuple[str, EndedAs, date | None] | None = None  # of the list that these units are items of
    above: list[tuple[_Named, str]] = []  # the items just above, in case 上述文件 are ended
    for unit in units:
        masked = _TITLE.sub(lambda m: _MASK * len(m[0]), unit)
        named = _named(unit, masked)
        ends = [v for v in _VERB.finditer(masked) if _is_meant(masked, v)]
        if not _VERB.search(masked):
            if head:
                if not _goes_on(masked, named):
                    head = None
                else:
                    yield from _items(unit, masked, named, head)
            above = [*above, *((n, unit) for n in _whole(masked, named))] if _is_item(masked) and named else []
            continue
        head = None
        if not ends:
            above = []
            continue
        day = _day(masked, effect)
        told = False
        for end in ends:
            kind: EndedAs = "expired" if end[0] == "失效" else "repealed"
            objects, is_own = _objects(masked, named, end, own)
            for each in objects:
                told = True
                yield Repeal(each.number, each.title, _short(unit), day, kind, is_own)
        if told or _OTHER_FATE.search(_PERIOD.sub("", _without_basis(masked))):
            above = []
            continue
        last: EndedAs = "expired" if ends[-1][0] == "失效" and len(ends) == 1 else "repealed"
        if _ABOVE.search(masked):
            for each, item in above:
                yield Repeal(each.number, each.title, _short(f"{item.strip()}：{unit.strip()}"), day, last)
        elif _LISTS.search(masked):
            head = (unit.strip(), last, day)
        above = []


def _without_basis(masked: str) -> str:
    """A sentence without the clauses that only say on what it rests."""
    return "，".join(clause for clause in _split(masked, "，,") if not _BASIS.search(clause))


def _named(unit: str, masked: str) -> list[_Named]:
    """The numbers of a sentence, those inside of titles left out."""
    found: list[_Named] = []
    for hit in _NUMBER.finditer(masked):
        word = hit["word"]
        cut = _BEFORE_WORD.match(word)
        start = hit.start() + (cut.end() if cut else 0)
        number = re.sub(r"\s", "", masked[start : hit.end()])
        title, begins = "", start
        before = list(_TITLE.finditer(unit, found[-1].end if found else 0, start))
        if before and start - before[-1].end() <= 12:
            title, begins = before[-1][0][1:-1], before[-1].start()
        clause = max(masked.rfind(mark, 0, begins) for mark in "，,")
        lead = masked[clause + 1 : begins]
        basis = list(_BASIS.finditer(lead))
        is_basis = bool(basis and not _BASIS_END.search(lead, basis[-1].end()))
        found.append(_Named(number, title, begins, hit.end(), is_basis))
    return found


def _is_meant(masked: str, verb: re.Match[str]) -> bool:
    """Whether a word like 废止 says that something ends: no wish, no draft, no negation, no name of a procedure."""
    clause = masked[max(masked.rfind(mark, 0, verb.start()) for mark in "，,") + 1 : verb.start()]
    if _NOT_MEANT_BEFORE.search(clause) or _NOT_MEANT_AFTER.match(masked, verb.end()):
        return False
    return not _HYPOTHESIS.search(masked)


def _objects(
    masked: str, named: Sequence[_Named], verb: re.Match[str], own: Collection[str]
) -> tuple[list[_Named], bool]:
    """What a word like 废止 ends, and whether that is this document's act: what follows it, else what is before."""
    stop = min((n for mark in "，," if (n := masked.find(mark, verb.end())) >= 0), default=len(masked))
    behind = [n for n in named if verb.end() <= n.start < stop]
    before = [n for n in named if n.end <= verb.start()]
    if behind and _leads(masked[verb.end() : behind[0].start]):
        subject = before and not before[-1].basis and normal_number(before[-1].number) not in own
        already = re.match(r"的", masked[verb.end() :]) or _TOLD.search(masked[: verb.start()])
        return _whole(masked, _chain(masked, behind)), not subject and not already
    since = max((v.end() for v in _VERB.finditer(masked, 0, verb.start())), default=0)
    before = [n for n in before if n.start >= since]
    another = next(
        (
            hit
            for each in before
            if (hit := _BY_ANOTHER.search(masked, each.end, verb.start()))
            and masked[each.end : hit.start()].strip("）)已 经") in ("", "现", "业")
        ),
        None,
    )
    if another and _PREDICATE.search(masked, another.end(), verb.start()):
        return [], True
    if another:
        before = [n for n in before if n.end <= another.start()]
        return _whole(masked, _chain(masked, before[::-1])[::-1]), False
    if not before or not _is_tail(masked[before[-1].end : verb.start()]):
        return [], True
    objects = _chain(masked, before[::-1])[::-1]
    return _whole(masked, objects, last_is_whole=True), not _TOLD.search(masked[: verb.start()])


def _leads(lead: str) -> bool:
    """Whether what stands between the word and the first number behind it is only names."""
    return len(lead) <= _LONGEST_LEAD and not (_PREDICATE.search(lead) or _BASIS.search(lead) or _PART.search(lead))


def _is_tail(tail: str) -> bool:
    """Whether what stands between a number and the word that ends it is only days and adverbs."""
    bare = _ETC.sub("", _PERIOD.sub("", tail.lstrip(_CLOSING)))
    told = _FILLING.sub("", re.sub(r"因[^，,]{1,30}[，,]", "", bare))
    return len(told) <= _LONGEST_TAIL and not (_PART.search(told) or _PREDICATE.search(told) or _BASIS.search(told))


def _chain(masked: str, named: Sequence[_Named]) -> list[_Named]:
    """The numbers that are spoken of together, from the one next to the word on: 《…》（…）、《…》（…）和《…》（…）."""
    found: list[_Named] = []
    for each in named:
        if each.basis:
            break
        if found:
            one, other = sorted((found[-1], each), key=lambda n: n.start)
            gap = _PERIOD.sub("", masked[one.end : other.start])
            if _PREDICATE.search(gap) or len(gap) > _LONGEST_LEAD:
                break
        found.append(each)
    return found


def _whole(masked: str, named: Sequence[_Named], *, last_is_whole: bool = False) -> list[_Named]:
    """Those of the numbers of which not only a part is meant: 《…》（…）第三条."""
    found = []
    for n, each in enumerate(named):
        end = named[n + 1].start if n + 1 < len(named) else len(masked)
        after = masked[each.end : end].lstrip(_CLOSING)
        is_last = n + 1 == len(named)
        if (last_is_whole and is_last) or not _PART.match(re.sub(r"^[中里内的]+", "", after)):
            found.append(each)
    return found


def _is_item(masked: str) -> bool:
    return bool(_ITEM.match(masked))


def _goes_on(masked: str, named: Sequence[_Named]) -> bool:
    """Whether a sentence below 废止下列文件 still belongs to that list."""
    if _OTHER_FATE.search(masked):
        return _is_item(masked) and bool(named) and not _LISTS.search(masked)
    return bool(named) or len(masked.strip()) <= 40 or (_is_item(masked) and _MASK in masked)


def _items(unit: str, masked: str, named: Sequence[_Named], head: tuple[str, EndedAs, date | None]) -> Iterator[Repeal]:
    """The numbers of one item of a list of what ends."""
    above, kind, day = head
    fate = _OTHER_FATE.search(masked)
    known = [n for n in named if not n.basis and (fate is None or n.end <= fate.start())]
    for each in _whole(masked, known):
        yield Repeal(each.number, each.title, _short(f"{above}：{unit.strip()}"), day, kind)


def _short(sentence: str) -> str:
    return " ".join(sentence.split())[:_LONGEST_SENTENCE]


def _day(masked: str, effect: date | None) -> date | None:
    """From when a sentence's objects are ended: a day in it, else that of the document, where it goes with it."""
    said = _last_day(_ON, masked) or _last_day(_SINCE, masked)
    return said or (effect if _WITH_THE_DOCUMENT.search(masked) else None)


def _last_day(pattern: re.Pattern[str], text: str) -> date | None:
    last = None
    for hit in pattern.finditer(text):
        last = hit
    if last is None:
        return None
    try:
        return date(_year(last["y"]), _count(last["m"]), _count(last["d"]))
    except ValueError:
        return None


def _year(words: str) -> int:
    return int(words) if words.isascii() else int("".join(str(_DIGITS[c]) for c in words))


def _count(words: str) -> int:
    """A month or a day: 12, 十二, 二十一."""
    if words.isascii():
        return int(words)
    tens, ten, ones = words.rpartition("十")
    return (_DIGITS.get(tens, 1) * 10 if ten else 0) + (_DIGITS.get(ones, 0) if ones else 0)
