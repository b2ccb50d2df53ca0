"""What a figure measures, who gets it, and on what condition: the words around a quantity, cut to size.

A count names what follows it (331家医疗卫生机构…) or, at the end of its clause, what precedes it
(家庭养老床位7000余张); a rate names what precedes it; an amount names its recipient and the kind of benefit.
"""

from __future__ import annotations

import re

from monitors.quantities import Quantity
from monitors.vocabulary import alternation, any_of, words

UNNAMED = "未注明"  # a figure that stands alone: a cell without row or column names
_LONGEST = 32
_DATE = (
    r"(?:20\d\d年?[-~至到](?=20\d\d年)|(?:截至|截止|到|至|自|从|在|于)?(?:20\d\d|今|去|明|本|当)年(?:\d{1,2}月)?(?:\d{1,2}日)?(?:底|末|初|年底)?"
    r"(?:前|以来|期间|起|内)?|“?[一二三四五六七八九十]{1,3}五”?(?:期间|时期|末))"
)
_LEAD = re.compile(
    rf"^(?:{_DATE}|且|该|\d{{1,2}}(?:年|个月)[内间]|[、,和及与或并且]|以及|其中|目前|当前|现在|我们|同时|此外|另外|近年来"
    rf"|全(?=乡镇)|全[市省区县镇乡州](?![域镇])|我[市省区县局厅]|力争|确保|争取|预计|累计|已经?|现有|共有|拥有"
    rf"|有(?=[一-鿿]{{2,6}}(?:机构|设施|床位|中心))|共计?|将"
    rf"|计划(?!生育)|要|拟|即|对(?!象)|把|按照?|"
    rf"[一二三四五六七八九十]是|\([一二三四五六七八九十\d]{{1,2}}\)|\d{{1,2}}[.、)]"
    rf"|[(]?[一二三四五六七八九十]{{1,2}}[)、]|第[一二三四五六七八九十百零\d]+条|给予|分别|均|还|也|再"
    rf"|每年|每月|年均|使|让|为了?|由|其(?!他)|:|”|了|的|实现(?=市|省|区|县|乡|村|全)|原则上)"
)
_TAIL = re.compile(
    r"(?:达到?|为|是|(?<!公)共计?|总计|合计|累计|(?<![节签预])约|(?<!附)近|超过?|(?<![国所公私])有|等|实现"
    r"|提高|提升|保持|稳定|控制|(?<!存)在|到|(?<!甚)至|(?<!相)应当?|须|需|不低于|不少于|不超过|不小于|不高于|最高"
    r"|最低|至少|分别|了|已|原则上|增加到|上升|下降|力争|(?<![平生人户])均|可|不得|将|确保|基本|各|给予|按|人均|每人|每月"
    r"|每年|突破|高于|低于|增加|逐步|要|于|按照|(?<!可)以|由|从|拟|计划|△|、|:|的|完成|各类?共|达成|"
    r"(?<!共)和|(?<![惠普涉波])及|(?<!参)与|逾|现有|拥有|接近|仅|只|再|另|下调|上调|调整|降低|降|升"
    r"|(?<!新)增|提|扩大|就|(?<!比)较|连续[一二两三四五六七八九十\d]{1,3}年)$"
)
_OPENING_VERB = re.compile(
    r"^(?:进一步|积极|持续|大力|加快|深入|扎实|着力|全面|不断|统筹|继续|有序|稳步|因地制宜|支持|鼓励|引导"
    r"|推动|推进|打造|建设|培育|推出|选送|完成|组织|实施|开展|举办|建成|发布|整合)+(?=[一-鿿“]{4})"
)
_PREDICATE = re.compile(r"^(?:促进|开展|用于|以及|以|为|左右|从而|,|进行|支持|推动|推进|提升|给予|保障|实现|的基础上)")
_GENERIC = re.compile(
    r"^(?:每[个一]?(?:季度|半?年|月|周|处|家|所|[天日])|(?:高于|低于|较|比|占)[一-鿿\d]{2,8}$|改造|提升|改建|扩建|新建|建设|创建|培育|再|较上年|比上年|较去年|同比|享受|待遇|参保|受益|惠及"
    r"|服务|使用|规划|总|建筑|用地|年|月|日|累计|占地|平均|新增|综合|其中|实际|覆盖|达标|完成|市县|占|同比"
    r"|人员|活动|投入|资金|规模|培训|就业|总体|分|实现)*"
    r"(?:人数|数量|总数|总量|面积|规模|投资|投入|覆盖率|达标率|比例|占比|比重|增速|标准|总额|金额|覆盖"
    r"|全覆盖|市县|床位|人次|次数|水平|长度|里程|产量|产值|收入|增长|下降|涨幅|率|资金|合格率|满意率"
    r"|完成率|比|时间|时长|频次|容量|户数|就业帮扶|帮扶|)$"
)
_STOPS = ",。;:!?\n|"
_STOP = re.compile(f"[{_STOPS}]")
_BENEFIT = re.compile(
    r"[一-鿿“”()-]{0,14}?" + any_of("money_words", "subsidy").pattern + r"(?:标准|资金|金额|金|限额)?"
)
_BENEFIT_NOUNS = (
    "补贴",
    "补助",
    "奖励",
    "奖补",
    "资助",
    "津贴",
    "补偿",
    "减免",
    "救助",
    "慰问金",
    "抚恤金",
    "奖金",
    "奖学金",
    "助学金",
    "生活费",
    "养老金",
    "待遇",
    "限额",
    "标准",
    "比例",
    "支持",
    "扶持",
    "贴息",
    "返还",
    "报销",
    "救助金",
    "补差",
    "激励",
    "养育",
    "保障金",
    "消费券",
    "优待金",
    "丧葬费",
    "护理费",
    "补足",
    "优惠",
    "加发",
    "红包",
    "慰问",
    "经费",
    "赔付",
    "奖",
)
_NOUN = alternation(_BENEFIT_NOUNS)
_NAMES = re.compile(_NOUN + r"(?!对象|人员|家庭|机构|基金|条件)")
_SPECIFIC = re.compile(
    rf"[一-鿿“”]{{2,12}}?{_NOUN}(?:(?:年度|最高|支付)*(?:标准|金额|资金|限额|比例|封顶线|金))*(?!后|对象|人员|家庭|机构|基金|条件|范围|申请|政策|工作|方式|年限|期限)"
)
_PAID_IN = any_of("money_words", "contributions")
_BARE_BENEFIT = re.compile(
    rf"^(?:部分|以[上下内]|超出|年度内|第[一二三四五六]年|首年|次年|一次性|基本|最高|最低|统一|每月|每年|月|年|现行|具体|调整后|提高后|年度|人均|市级|区级|省级|定额|的|给予|相应|按|发放|其|予以|享受|分档"
    rf"|差额)*{_NOUN}*(?:标准|资金|金额|支持|限额|比例|金)*$"
)


def tidy(text: str) -> str:
    """A phrase without the words that only introduce it (到2025年底, 力争) or lead over to its number (达到, 共)."""
    text = text.strip(" ,。;:、|□△-")
    changed = True
    while changed and text:
        shorter = _TAIL.sub("", _LEAD.sub("", text))
        if shorter.endswith(_DATE_ENDS):
            shorter = _DATE_BEHIND.sub("", shorter)
        shorter = shorter.strip(" ,。;:、|□△-")
        changed, text = shorter != text, shorter
    return _balance(text)


_DATE_ENDS = tuple("年月日底末初前来间起内期-~至到")
_DATE_BEHIND = re.compile(rf"(?<=[一-鿿”)]){_DATE}$")


def _balance(text: str) -> str:
    """Brackets and quotation marks that the cut left open are closed or dropped."""
    for opening, closing in ("()", "“”"):
        while text.count(opening) > text.count(closing) and opening in text:
            at = text.rindex(opening)
            text = text + closing if len(text) - at > 1 else text[:at]
        while text.count(closing) > text.count(opening) and closing in text:
            at = text.index(closing)
            text = text[:at] + text[at + 1 :] if at + 1 < len(text) or at == 0 else text[:at]
    return text


def _shorten(text: str) -> str:
    """The end of a long phrase, from a natural break on: the head of a Chinese noun phrase stands last."""
    if len(text) <= _LONGEST:
        return text
    for mark in (",", "、", "的"):
        at = text.find(mark, len(text) - _LONGEST - 1)
        if 0 <= at < len(text) - 6:
            return _balance(text[at + 1 :])
    return _balance(text[-_LONGEST:])


def clause_of(text: str, quantity: Quantity, sentence: tuple[int, int]) -> tuple[int, int]:
    """The clause of a quantity: up to the nearest comma, semicolon, colon or full stop outside of brackets."""
    start = quantity.start
    while start > sentence[0] and text[start - 1] not in _STOPS:
        start -= 1
    stop = _STOP.search(text, quantity.end, sentence[1])
    return start, stop.start() if stop else sentence[1]


def subject_of_count(
    text: str, quantity: Quantity, clause: tuple[int, int], floor: int, ceiling: int, last: str
) -> str:
    """The subject of a count or of money that is no benefit.

    `floor` and `ceiling` are where the neighbouring figures of the clause end and begin; `last` is the subject of the
    figure before, whose head a short list item shares (示范基地3个、企业6个).
    """
    left = max(clause[0], floor)
    printed = text[left : quantity.start]
    before = tidy(_without_previous(printed, quantity))
    if _SIZE_ALONE.fullmatch(text[quantity.tail : min(clause[1], ceiling)]) and not _COUNTED_AGAIN.match(
        text, quantity.tail
    ):
        ceiling = clause[1]
    standard = _AS_STANDARD.match(text, quantity.end)
    behind = standard.end() if standard else quantity.tail
    measured = standard and (_MEASURED_NOUN.search(before) or ceiling - behind < 5)
    after = "" if measured else _following(text[behind : min(clause[1], ceiling)])
    if quantity.sort == "money":
        if re.search(r"(?:标段|包)(?:\([^()]*\))?$", before) and "预算" in text[max(0, clause[0] - 60) : clause[0]]:
            after = after or "预算"
        return _shorten(_strip_verb(before) + after) or _fallback(text, clause)
    if after and len(_strip_verb(before)) > 2 and _DOING_TO_IT.search(after) and not _ENDS_IN_VERB.search(before):
        return _shorten(_strip_verb(before) + after)
    if after and (not before or not _PREDICATE.match(after) or "的" in after):
        return _counted(before, printed, text[left : quantity.number], after, floor > clause[0])
    if quantity.unit in ("次", "遍", "轮") and (done := _DONE_SO_OFTEN.search(text[quantity.start : quantity.number])):
        return _shorten(_strip_verb(before) + done[1])
    if left > clause[0] and printed[:1] in "、和及与" and 0 < len(before) <= 5 and last:
        return _shared_head(last, before)
    named = _strip_verb(before)
    if printed.startswith("(") and last and (kind := tidy(printed.lstrip("("))) and len(kind) <= 4:
        return _shorten(kind + last)
    part = printed.startswith("其中") and len(named) <= 6
    if len(named) < 2 or part or _GENERIC.match(named):
        named = _with_context(text, clause[0], named, last, after, floor)
    return _shorten(_under_head(text, clause, named)) or _fallback(text, clause)


_MEASURED = re.compile(
    r"(?:^|[。;:,\n|])(?P<head>[一-鿿]{2,16}?(?:面积|率|占比|比例|数量|人数|规模|时长|次数|数|量))(?:分别)?(?:为|是)?:$"
)


def _under_head(text: str, clause: tuple[int, int], named: str) -> str:
    """A short name with what the head of its list measures: 生均面积:小学6平方米,初中8平方米 → 小学生均面积."""
    if len(named) > 8:
        return named
    at = text.rfind(":", max(0, clause[0] - 40), clause[0])
    if at < 0 or any(mark in text[at : clause[0]] for mark in "。;\n"):
        return named
    found = _MEASURED.search(text[max(0, at - 20) : at + 1])
    return named + found["head"] if found and not named.endswith(found["head"]) else named


def _without_previous(printed: str, quantity: Quantity) -> str:
    """…占比由52%提高到: what it was before is no part of the name."""
    return re.sub(r"[由从][^由从]*$", "", printed) if quantity.previous is not None else printed


def _following(after: str) -> str:
    if after.startswith("(") and re.match(r"\([一-鿿]{1,6}$", after):  # 28家(公办12家: a note that counts its parts
        return ""
    bound = _BOUND_BEHIND.match(after)
    after = after[bound.end() :] if bound else after
    if not after or after[0] in "、和及与" or after.startswith("以及"):  # the next of a list begins
        return ""
    linked = _NEXT_OF_LIST.split(after)[0] if len(after) <= 40 else after
    return tidy(linked[1:] if linked[:1] in ("的", "”") else linked)


_BOUND_BEHIND = re.compile(r"(?:\((?:含[^()]*|[一-鿿])\))?(?:以上|以下|以内|左右|余|多|及以上)?")
_NEXT_OF_LIST = re.compile(r"(?:[、和及与]|以及)(?=(?:[一-鿿]{0,6})$)")


_MEASURED_NOUN = re.compile(r"(?:面积|用地|率|比例|时间|时长|人数|次数|数量|容积|宽度|高度|长度)$")
_SIZE_ALONE = re.compile(r"(?:年|总)?(?:产值|营收|营业收入|投资|收入|投资额|交易额)?")  # 10个产值超10亿元的园区
_COUNTED_AGAIN = re.compile(r"\d[\d.]*[万千]?[余多]?(?:户|人|名|床|张)")  # 1200户3100人
_AS_STANDARD = re.compile(r"的(?:标准|要求|比例|规模)|[或和及]")  # 建筑面积不低于0.1平方米的标准配建
_DOING_TO_IT = re.compile(r"^[一-鿿]{0,4}(?:建设|改造|创建|提升|发展|升级|工作|运行|运营)$")
_ENDS_IN_VERB = re.compile(any_of("time", "doing").pattern + "了?$")
_DONE_SO_OFTEN = re.compile(r"(?:至少|不少于|不低于)([一-鿿]{2,4})$")  # 至少复核1次
_NEW = re.compile(r"(新增|新建|新开发|改造提升|新开设|改造|签约|免费建立|培训|惠及)了?$")
_EQUIPPED = re.compile(  # who must have so many of them: 乡镇综合文化站至少配备2名…
    r"(?:每一?个?)?(?P<place>(?![每个])[一-鿿]{1,12}?)(?:原则上|应当?|须|需|均|要|都|至少)*(?:配备|配置|建有|设有)(?:不少于|至少)?$"
)
_HAVING = ("配备", "配置", "建有", "设有", "少于", "至少")
_AREA = re.compile(r"每个?[一-鿿]{0,4}(?:街道|乡镇|[镇乡村县区市]|社区|园区|学校)$|各[一-鿿]{1,5}$|各[一-鿿]{1,4}")
_BENEFICIARY = re.compile(r"(?:为|面向|对)(?P<whom>[一-鿿]{2,12}?)(?=提供|开展|适配|进行|实施)")


def _without_lead(text: str) -> str:
    while lead := _LEAD.match(text):
        text = text[lead.end() :]
    return text


def _counted(before: str, printed: str, had: str, after: str, listed: bool) -> str:
    """The name of what follows its number, with the words before it that tell it from its like.

    `printed` ends where the quote begins, `had` where the number does."""
    subject = after if len(after) <= _LONGEST else _ends_of(after)
    if new := _NEW.search(printed):
        subject = new[1] + subject
    place = _EQUIPPED.match(_without_lead(had)) if had.endswith(_HAVING) else None
    if place and place["place"] not in subject and len(subject) <= 16:
        subject = place["place"] + subject
    if (area := _AREA.search(before)) and not subject.startswith(area[0]):
        subject = area[0] + subject
    if len(after) <= 10 and (whom := _BENEFICIARY.search(printed)) and whom["whom"] not in subject:
        subject = whom["whom"] + subject
    elif len(after) < 4 and before and not listed and not place and not area:
        subject = _shorten(_strip_verb(before) + subject)
    return subject


def _ends_of(after: str) -> str:
    """The beginning and the head of a phrase that is too long: its first noun, and what stands behind its last 的."""
    tail = after[after.rfind("的") + 1 :] if "的" in after[8:] else after[-14:]
    return _balance(after[:16] + tail[-18:])


def _strip_verb(text: str) -> str:
    return _OPENING_VERB.sub("", text)


_NEWLY = re.compile(r"新增|新建|新改建|改扩建|改建|扩建|改造提升|改造|新开|培训|建成|完成")
_PLACE = re.compile(r"(?:乡镇|街道|社区|园区|小区|自然村|行政村|[县区市镇乡村户])$")


_SORTS = re.compile(r"公办民营|公建民营|公办|民办|国有|民营|城市|农村|城镇|乡村|[省市区县乡村镇]级|国家级")
_DISTINCTION = re.compile(r"示范|试点|样板|标杆|星级|特色|重点|龙头|先进|优秀|精品|智慧")


def _shared_head(last: str, item: str) -> str:
    """示范基地(区) and 企业 → 示范企业: the head that the first item of a list shares with the next."""
    if re.fullmatch(r"[国省市区县州]家?级", item):
        return re.sub(r"[国省市区县州]家?级", item, last, count=1)
    bare = re.sub(r"\([^()]*\)$", "", last)
    if (other := _SORTS.match(bare)) and _SORTS.fullmatch(item):
        return item + bare[other.end() :]
    if (place := _PLACE.search(bare)) and _PLACE.search(item):
        return bare[: place.start()] + item
    if _ENDS_IN_VERB.search(item):
        return last + item
    if len(item) > 2:
        return (lead[0] if (lead := _NEWLY.match(last)) else "") + item
    if not _DISTINCTION.search(bare):
        return (lead[0] if (lead := _NEWLY.match(last)) else "") + item
    keep = bare[: -len(item)] if len(item) <= 3 and len(bare) > len(item) + 1 else bare[:-2]
    return keep + item


def _with_context(text: str, clause_start: int, named: str, last: str, after: str, floor: int) -> str:
    """What a subject that says only 人数 or 覆盖率 is about: from the clause before it, else from the last subject."""
    context = ""
    at = clause_start
    if at > 0 and text[at - 1] in ",:、;":
        start = max(text.rfind(mark, max(0, at - 80), at - 1) for mark in ",。;:!?\n") + 1
        piece = text[start : at - 1]
        whom = _BENEFICIARY.search(piece)
        context = whom["whom"] if whom else last if floor >= start and last else tidy(piece)
    elif floor > clause_start:
        context = last
    return _strip_verb(_shorten(context)) + (named or "") + (after if len(after) <= 20 else after[:20])


def _fallback(text: str, clause: tuple[int, int]) -> str:
    return tidy(text[clause[0] : clause[1]])[:_LONGEST] or UNNAMED


_TASK = re.compile(r"(?:全年|年度)?(?:改造|建设|实施|目标|工作|新增|计划)*任务数?")


def needs_heading(subject: str) -> bool:
    """Whether a name says so little (改造任务) that the heading of its item must supply the rest."""
    return bool(_TASK.fullmatch(subject))


def subject_of_rate(text: str, quantity: Quantity, clause: tuple[int, int], floor: int, ceiling: int, last: str) -> str:
    """The subject of a percentage: the rate before it, or the share of what follows it (50%的街道建有老年学校)."""
    printed = _without_previous(text[max(clause[0], floor) : quantity.start], quantity)
    before = re.sub(r"分别(?=增长|提高|下降)", "", _strip_verb(tidy(printed)))
    after = text[quantity.end : min(clause[1], ceiling)]
    if after.startswith("的") and len(after) > 3 and not re.match(r"的(?:目标|水平|比例|标准|要求|增速|速度)", after):
        return (tidy(after[1:])[:_LONGEST] + "占比").replace("率占比", "率")
    if before in ("占比", "比例", "比重") and (closes := text.rfind(")", clause[0], quantity.start)) >= floor:
        before = _before_brackets(text, closes) + before
    if quantity.tail - quantity.number == 3 and text.startswith("全覆盖", quantity.number):
        before = (before or "") + "覆盖率"
    if (
        len(before) < 2
        or _GENERIC.match(before)
        or re.match(r"^(?:四|三|五|二)?[一-鿿]{0,5}以上在?[一-鿿]{0,4}占比", before)
    ):
        before = _with_context(text, clause[0], before, last, "", floor)
    return _shorten(_under_head(text, clause, before)) or _fallback(text, clause)


def _before_brackets(text: str, end: int) -> str:
    """The noun that a bracket before `end` explains: 小户型 of 其中小户型(70平方米以下)占比."""
    opens = text.rfind("(", max(0, end - 24), end)
    noun = re.search(r"[一-鿿]{2,10}$", text[max(0, opens - 10) : opens]) if opens > 0 else None
    return tidy(noun[0]) if noun else ""


def changed(subject: str, change: str) -> str:
    """The name of how far something moves: 护理型床位占比提高."""
    return subject if subject.endswith(change) else _shorten(subject + change)


def distributed(text: str, clause: tuple[int, int], quantities: list[Quantity]) -> list[str] | None:
    """Subjects of figures that 分别 deals out: A和B覆盖率分别达到82%和58% → A覆盖率, B覆盖率."""
    first = quantities[0]
    before = text[clause[0] : first.start]
    at = before.rfind("分别")
    if at < 0 or len(quantities) < 2:
        return None
    named = tidy(before[:at])
    parts = re.split(r"[、和及与]|以及", named)
    if len(parts) != len(quantities):
        return None
    tail = _common_tail(parts)
    return [part if i == len(parts) - 1 or part.endswith(tail) else part + tail for i, part in enumerate(parts)]


def _common_tail(parts: list[str]) -> str:
    """What the last of several names of one length says for all: 污水处理率 of 县城、乡镇污水处理率."""
    if all(part.endswith("级") for part in parts[:-1]) and (level := re.match(r"[一-鿿]{1,3}级", parts[-1])):
        return parts[-1][level.end() :]
    for size in (2, 1):  # 公交车、出租车新能源比例: what follows the end that the names share
        at = parts[-1].rfind(parts[0][-size:])
        if at > 0 and len(parts[0]) > size and at + size < len(parts[-1]):
            return parts[-1][at + size :]
    found = re.search(
        r"[一-鿿]{0,2}(?:率|占比|比例|比重|人数|数量|面积|增长|下降|标准|收入|支出|增速|产值|产量|总量|寿命)$",
        parts[-1],
    )
    if not found:
        return ""
    lengths = {len(part) for part in parts[:-1]}
    own = lengths.pop() if len(lengths) == 1 else len(parts[-1])
    return parts[-1][own:] if 2 <= own < found.start() else found[0]


# --- benefits ---------------------------------------------------------------------------------------------

_GIVE = r"(?:给予|发放|予以|按|可享受|享受|可领取|领取|奖励|补贴|补助|资助|可申请|支付|一次性|每[一-鿿]|分别)"
_FOR = re.compile(rf"对(?!象)(?:于)?(?P<who>[^。;:]{{2,70}}?),?(?={_GIVE})")
_TO = re.compile(
    r"(?:给予|奖励|补助|补贴|资助)(?P<who>(?!每|不|最)[一-鿿]{2,10}?)(?:(?=每|\d|一次性|最高|不超过)|(?<=[人者位构业庭员户])(?=奖励|补助|补贴))|(?:向"
    r"|为)(?P<whom>[一-鿿]{2,24}?)(?=发放|提供(?![^,。;]{0,12}服务)|给予|支付)"
)
_RECIPIENT = re.compile(
    alternation(words("recipients", "nouns"))
    + r"(?!(?<=个人)(?:负担|自付|自负|账户|缴费|支付|所得)|(?<=家庭)(?:养老|照护|病床|医生)"
    + r"|(?<=居民)(?:基本)?(?:医保|医疗|养老保险)|(?<=定点医疗机构)|公寓|市场)"
)
_BOUNDED = re.compile(  # a number that tells a group from its like: 80至89周岁, 100周岁及以上, 5人以上
    r"(?:年?满)?(?<!\d)\d{1,3}(?:周?岁)?(?:\(含\))?(?:[-~至到]\d{1,3}(?:周?岁)?(?:\(含\))?)?"
    r"(?:(?<=岁)|(?<=岁\(含\))|[一-鿿%]{1,2}(?=及?以[上下]))(?:\(含[^()]{0,6}\))?(?:及?以[上下])?"
)
_LIST_TAIL = (
    r"(?:[、和及或至~-]{0,2}(?:最高|不超过)?\d[\d.]{0,12}"
    r"[元万亿%/人月年日张床个户家所次亩名位餐台辆套件项吨间处例起株头]{0,8}){0,8}"
)
_OF = re.compile(_LIST_TAIL + rf"的?(?P<noun>(?!、)[^,。;:的\d]{{0,16}}?{_NOUN}(?:{_NOUN}|标准|资金|金|款|费)*)")
_TIERS_THEN = re.compile(  # 省外1000元、省内500元的标准给予面试补贴
    r"(?:[、,和及][^、,。;\d]{1,12}?[\d.]+[万亿]?(?:元|%)(?:[/每][一-鿿]+)*){1,6}的?(?:标准|比例)?,?(?:给予|予以|发放|进行)"
    rf"(?P<noun>[^,。;\d]{{0,12}}?{_NOUN})"
)
_LATER = re.compile(
    r"(?:的?(?:标准|比例))?,?(?:(?:给予|予以)(?:最高|不超过|累计)+[\d.]+[万亿]?元的?|给予|予以|发放|(?<=比例)(?:进行)?(?=[救报补资返倾]))(?P<noun>[^,。;\d]{0,12}?"
    + _NOUN
    + ")"
)
_RATE = r"每(?:平方米|立方米|平方公里|千瓦时|公里|小时|学[年期]|季度|年度|人次|床[位日]|[一-鿿])"
_RATE_WORDS = re.compile(rf"{_RATE}(?:{_RATE})?|人均")
_TIER_STANDARD = re.compile(r"(?<=[级等类档者人的内外])(?:补贴|补助)?标准$")
_CUT = re.compile(r"享受|给予|发放|予以|的|可|领取|提供|为|对(?!象)|按照?|由|执行|落实|建立|制定|完善|实行|提高")


_GIVING_LEAD = re.compile(rf"^(?:比例|标准)(?:给予|予以|进行)?(?={_NOUN})|^(?:发放|给予|予以)(?=[一-鿿]{{3}})")
_SORT_OF_STANDARD = re.compile(rf"{_NOUN}*(比例|限额|标准)$")
_CAPPED = re.compile(r"(?:最高|累计|总额|不超过|上限|封顶)+[^,。;]{0,6}$")  # a cap is one on what was said before
_PER_MEAL = re.compile(r"每[餐顿](?:补贴|补助|奖补|资助)(?:标准)?$")
_NAMED_HEADING = re.compile(r"补贴|补助|奖励|奖补|津贴|救助|标准|待遇|资助|补偿|减免|限额|贴息")


def subject_of_benefit(
    text: str,
    quantity: Quantity,
    clause: tuple[int, int],
    sentence: tuple[int, int],
    paragraph_start: int,
    last: str,
    floor: int,
    heading: str,
) -> str:
    """Recipient and benefit as one name: 养老机构建设补贴; a standard is named as printed (城乡最低生活保障标准)."""
    own = text[max(clause[0], floor) : quantity.number]
    if dealt := _dealt_share(text[clause[0] : quantity.number]):
        return _shorten(dealt)
    if quantity.unit == "pp" and re.search(_NOUN, tidy(own)):
        return _shorten(tidy(own))
    named = _named_standard(re.sub(r"[由从][^,]*$", "", own) if quantity.previous is not None else own)
    of = None if quantity.sort in ("months", "times") else _OF.match(text, quantity.end, clause[1])
    if not of and not named:
        of = _LATER.match(text, quantity.end, sentence[1])
    if not of and not names_benefit(named) and (tiers := _TIERS_THEN.match(text, quantity.end, sentence[1])):
        tier = named if named and not _BARE_BENEFIT.match(named) and not re.search(_NOUN, named) else ""
        noun = tidy(tiers["noun"])
        return _shorten(
            tier + noun if len(noun) > 2 else tier + _granted(text, quantity, clause, sentence, paragraph_start, noun)
        )
    if of and of["noun"].endswith(("标准", "比例")) and (later := _LATER.match(text, quantity.end, sentence[1])):
        of = later
    if of:
        noun = _GIVING_LEAD.sub("", tidy(of["noun"]))
        return _granted(text, quantity, clause, sentence, paragraph_start, noun)
    if _TIER_STANDARD.search(named):
        named = _TIER_STANDARD.sub("", named)
    elif named and _NAMES.search(named) and not _BARE_BENEFIT.match(named):
        return _shorten(named + (_following(text[quantity.end : clause[1]])[:12] if quantity.sort == "percent" else ""))
    if not named and last:
        return last
    topic = (
        (last if names_benefit(last) and _CAPPED.search(own) else "")
        or (_spoken_of(text, clause[0], floor) if floor > clause[0] else "")
        or (heading if _NAMED_HEADING.search(heading) and heading not in named else "")
        or _condition_topic(text, clause, sentence, last)
        or _spoken_of(text, sentence[0], clause[0])
        or _spoken_of(text, max(paragraph_start, clause[0] - 300), clause[0])
    )
    if named and topic and (ending := _SORT_OF_STANDARD.search(named)):
        who = _recipient_noun(text[max(sentence[0], clause[0] - 40) : quantity.number]) or ""
        other = _SORT_OF_STANDARD.search(topic)
        if who and who not in topic and other and _recipient_noun(topic) == topic[: other.start()]:
            return _shorten(named if who in named else who + named)  # the same standard of another group
        if other and other[1] != ending[1] and _BARE_BENEFIT.match(named):
            return _shorten(topic[: other.start()] + named)
    if (meal := _PER_MEAL.search(own)) and "餐" not in topic:
        return _shorten((_case(text, quantity, sentence) or "") + meal[0])
    topic = topic or heading or (last if names_benefit(last) and not named.endswith("限额") else "")
    topic = _GIVEN.sub("", topic)
    label = named if named and not _BARE_BENEFIT.match(named) and named not in topic else ""
    topic = _of_group(label, topic)
    share = _share_named(text, quantity, clause, sentence)
    if not label and named.endswith("比例") and topic.endswith(named[:-2]):
        topic += "比例"
    topic, label = (label, topic) if topic and _LIMIT_NAMED.search(label) else (topic, label)
    named = label + topic if topic else (named if _NAMES.search(named) else named + share if named else last or share)
    return _shorten(named) or _fallback(text, clause)


_LIMIT_NAMED = re.compile(r"^[年月单].{0,6}(?:封顶线|限额|上限)$")
_GROUP_NAMED = re.compile(r"岁(?:\(含\))?(?:及?以[上下])?的?")


def _of_group(label: str, topic: str) -> str:
    """What a benefit is called without the group of the tier before, where a label names its own (90至99周岁)."""
    if "岁" not in label:
        return topic
    for group in reversed(list(_GROUP_NAMED.finditer(topic))):
        topic = topic[group.end() :]
        break
    shared = next((size for size in range(min(len(label), len(topic)), 1, -1) if label.endswith(topic[:size])), 0)
    return topic[shared:]


_PAYING = re.compile(r"支付|报销|救助|补偿|赔付|资助|补助|补贴|贴息|减免|返还")


def _share_named(text: str, quantity: Quantity, clause: tuple[int, int], sentence: tuple[int, int]) -> str:
    """The name of a share that only its verb names: 0-3万元部分支付60%."""
    if quantity.sort != "percent":
        return ""
    said = _last_match(_PAYING, text[clause[0] : quantity.number]) or _PAYING.search(text, quantity.end, sentence[1])
    return said[0] + "比例" if said else ""


_DEALT = re.compile(
    rf"(?P<share>[一-鿿]{{0,30}}?{_NOUN}(?:比例|标准)?)分别(?:为|是|按)(?:[一-鿿、()]{{1,16}}[\d.]{{1,6}}%[、,和及]?){{0,8}}"
    r"(?P<tier>[一-鿿()]{2,16})$"
)


def _dealt_share(own: str) -> str:
    """The share of one of several that 分别 deals out: 救助比例分别为特困人员90%、低保对象 → 低保对象救助比例."""
    found = _DEALT.search(own)
    return tidy(found["tier"]) + tidy(found["share"]) if found else ""


def names_benefit(subject: str) -> bool:
    """Whether a name says which benefit it is: 高龄津贴 does, 补贴标准 and 90至99周岁 do not."""
    return bool(_NAMES.search(subject)) and not _BARE_BENEFIT.match(subject)


def headed(subject: str, who: str | None, heading: str) -> str:
    """A benefit that its sentence calls by its sort alone, with the name that its item's heading gives it.

    第四条 门诊救助。对低保对象…给予救助 → 低保对象门诊救助."""
    sort = heading[-2:]
    told = names_benefit(heading) and len(heading) <= 10 and re.fullmatch(_NOUN, sort)
    return (who or "") + heading if told and subject in (sort, f"{who}{sort}") else subject


_LITTLE = re.compile(
    r"(?:年度?|单次|累计)?(?:救助|报销|补助|补偿|支付)?(?:年|年度)?(?:封顶线|限额|上限|比例|标准|救助|报销|补助|补偿)"
)


def says_little(subject: str) -> bool:
    """Whether a benefit's name needs whom it is for: 救助, 年封顶线, or one that a verb begins (收住失能老年人补贴)."""
    return bool(_LITTLE.fullmatch(subject) or _TAKES_IN.match(subject))


_EACH_GIVEN = re.compile(rf"每[个一]?[一-鿿]{{1,2}}(?:给予)?(?P<noun>{_NOUN})")


def of_each(counted: str, own: str) -> str:
    """The name of a benefit that a clause gives for each of what was counted before it, or nothing: 改造40户,每户补助….

    `counted` is the subject of the count, `own` the clause up to the amount."""
    given = _EACH_GIVEN.match(own)
    return _shorten(counted + given["noun"]) if given else ""


def benefit_in(words_: str) -> str:
    """The last benefit that a caption names in so many words, or nothing."""
    return re.sub(r"^(?:现将|年度?)+", "", _spoken_of(words_, 0, len(words_)))


def under(heading: str, subject: str) -> str:
    """A name that says too little, told under its heading: 高龄津贴 and 90至99周岁 → 90至99周岁高龄津贴."""
    if not heading or heading in subject:
        return subject
    if subject == UNNAMED or _BARE_BENEFIT.match(subject):
        return heading if heading.endswith(subject[-2:]) or subject == UNNAMED else _shorten(heading + subject)
    return _shorten(subject) + heading


_HEADED = re.compile(
    r"^(?:第?[一二三四五六七八九十\d]{1,3}[章节条、.]|[(][一二三四五六七八九十\d]{1,3}[)]|[①-⑳])*(?P<name>[^。;:,]{2,24}?)"
    r"(?:的?(?:标准|对象和标准|范围和标准|发放标准|申领标准|补贴标准|补助标准))?(?=[。:]|$)"
)


def benefit_of_heading(heading: str) -> str:
    """The benefit that a heading names, or nothing: 四、高龄津贴标准 → 高龄津贴."""
    found = _HEADED.match(heading)
    name = tidy(found["name"]) if found else ""
    return name if len(name) <= 20 and names_benefit(name) else ""


# A name holds no verb of giving: neither in front nor between recipient and benefit (社区食堂给予一次性建设补助).
_GIVEN = re.compile(
    r"^(?:发放|享受|给予|予以|领取|按照?)+(?=[一-鿿“])|(?<=[一-鿿)])(?:给予|予以|发放)(?:一次性)?(?=[一-鿿“]{3})"
)


_OF_A_BAND = re.compile(r"^(?:\([^()]{1,12}\))?(?:以[上下内])?的?(?:部分|费用),?")
_COUNTED_BEFORE = re.compile(r"^[^,]{0,6}?\d+[人名个家户件项](?=[一-鿿]{2})")
_BY_WHAT = re.compile(r"(?<=[一-鿿])(?:按照?|根据|依据)[一-鿿]{2,8}(?=给予|予以|发放)")
_BY_STANDARD = re.compile(r"(?<=标准)(?:按照?|参照|为|确定)")
_GIVING_TAIL = re.compile(
    r"(?:给予|发放|予以|按|可?享受|可?领取|(?<!基金)支付|一次性|分别|最高|最多|可获得?|不超过|不得超过|不低于"
    r"|原则上|标准为|确定为|累计|再|另)+$"
)


def _named_standard(own: str) -> str:
    """What a clause names before its amount: 急难型临时救助标准 of 急难型临时救助标准原则上人均."""
    own = _BY_WHAT.sub("", own.removeprefix("后"))
    named = tidy(_COUNTED_BEFORE.sub("", _RATE_WORDS.sub("", _OF_A_BAND.sub("", own))))
    named = _GIVING_TAIL.sub("", _BY_STANDARD.split(named)[0])
    if by := re.match(rf"(?P<benefit>.{{2,20}}?{_NOUN}(?:标准)?)(?:分别)?(?:按照?|为)(?P<tier>.{{1,12}})$", named):
        named = by["tier"] + ("" if _BARE_BENEFIT.match(by["benefit"]) else by["benefit"])
    if re.match(r"在?(?:上述|原|现行|此|该|前述)?[^,]{0,8}基础上$", named):
        return ""
    named = re.sub(rf"分别(?={_NOUN})", "", _GIVEN.sub("", named))
    return tidy(re.sub(r"[万亿]?元", "", named) if re.match(r"[万亿]?元", named) else named)


def _granted(
    text: str, quantity: Quantity, clause: tuple[int, int], sentence: tuple[int, int], paragraph_start: int, noun: str
) -> str:
    """A grant by its noun and by whom or what it is for."""
    noun = re.sub(r"^分[档类级](?=.)", "", noun)
    case = _case(text, quantity, sentence)
    who = named_with(text, quantity, clause, sentence) or ""
    prefix = case or _earning(text, clause, sentence) or who
    if who and who not in prefix and len(prefix) + len(who) + len(noun) <= 24 and not case:
        prefix = who + prefix
    if tier := _TIER_IN.match(text[clause[0] : quantity.number]):
        prefix = tier[1] if tier[1] in prefix or len(prefix + tier[1] + noun) > 28 else tier[1] + prefix
    own = _named_standard(text[clause[0] : quantity.number])
    if noun == "贴息" and who and own.startswith(who) and own.endswith(("贷款", "借款")):
        prefix = own
    if place := None if prefix else _PLACE_GIVEN.match(text, clause[0], quantity.number):
        prefix = place["place"]
    if not prefix and _BARE_BENEFIT.match(noun):
        said = "" if names_benefit(own) else _spoken_of(text, max(paragraph_start, clause[0] - 300), clause[0])
        prefix = said or own
    return _shorten(noun if prefix in noun else prefix if prefix.endswith(noun) else prefix + noun)


_TIER_IN = re.compile(r"([一-鿿]{2,14})的,?(?=按照?|每[一-鿿]|给予|再|一次性)")  # 居家托养的按每人每次50元
_WHERE = re.compile(r"(?<=[一-鿿]{2})在(?![校读职岗册训])")  # 救助对象在市内三级医院住院的
_AND_MORE = re.compile(r"[并且](?=[一-鿿])|(?:满|达到?|超过)?\d|[、,].*$")


def _earning(text: str, clause: tuple[int, int], sentence: tuple[int, int]) -> str:
    """What earns a grant, from the clause before it: 青年人才首次购房的,按购房款的3%给予补贴 → 青年人才首次购房."""
    if clause[0] <= sentence[0] or text[clause[0] - 1] != ",":
        return ""
    start = max(*(text.rfind(mark, sentence[0], clause[0] - 1) for mark in ",。;:"), sentence[0] - 1) + 1
    piece = text[start : clause[0] - 1]
    topic = tidy(_WHERE.split(_AND_MORE.split(piece)[0])[0]) if piece.endswith("的") else ""
    return topic if 3 <= len(topic) <= 16 and not re.match(r"对|按|经|符合", topic) else ""


def _spoken_of(text: str, start: int, end: int) -> str:
    """The last benefit that a stretch of text names in so many words."""
    for found in reversed(list(_SPECIFIC.finditer(text, max(start, 0), max(end, 0)))):
        name = re.sub(r"^[万亿]?元的?|^[零一二三四五六七八九十百]*条", "", _CUT.split(found[0])[-1])
        name = name if len(name) > 2 and not _BARE_BENEFIT.match(name) else re.sub(r"^[万亿]?元的?", "", found[0])
        if not _BARE_BENEFIT.match(name) and not _PAID_IN.search(name) and not name.startswith("每"):
            return tidy(name)
    return ""


_RAISING = re.compile(r"^(?:稳步|逐步|持续|适时|适当)?(?:提高|提升|上调|调整|增加|完善|健全|落实)")
_STANDARD_GIVEN_BY = re.compile(r"(?:按照?|参照|依据|不低于|不高于)[^,。;]{2,24}(?:执行|发放|确定|核定)$")


def _condition_topic(text: str, clause: tuple[int, int], sentence: tuple[int, int], last: str) -> str:
    """The case that the clause before names: 开展先行急难救助的,救助标准…; of a clause with an amount, what it gave."""
    if clause[0] <= sentence[0] or text[clause[0] - 1] != ",":
        return ""
    start = max(text.rfind(mark, sentence[0], clause[0] - 1) for mark in ",。;:") + 1
    piece = _STANDARD_GIVEN_BY.sub("", text[max(start, sentence[0]) : clause[0] - 1])
    if (
        "%" in piece
        or (not last and re.search(r"\d[万亿]?元", piece))
        or (not piece.endswith("的") and not re.search(_NOUN + "$", piece))
    ):
        return ""
    if last and re.search(r"\d[万亿]?元", piece):
        return last
    topic = _RAISING.sub("", tidy(piece))
    return topic + ("" if re.search(_NOUN, topic) else "补贴") if 3 <= len(topic) <= 24 else ""


def _case(text: str, quantity: Quantity, sentence: tuple[int, int]) -> str:
    """What a grant is for, from the 对…的 that opens its sentence: 养老机构设置医疗机构."""
    found = _last_for(text, quantity, sentence)
    if not found or ":" in text[found.end() : quantity.number]:
        return ""
    phrase = re.sub(r"(?:,|根据|按照?|给予).*$", "", found["who"])
    phrase = tidy(re.sub(r"^(?:符合条件的|新建的|每[个家所处户名位](?=[一-鿿]{2}))", "", phrase))
    return phrase if len(phrase) <= 20 else _head_of(phrase)


def _for_at(text: str, quantity: Quantity, sentence: tuple[int, int]) -> int | None:
    """Where the 对 stands that names whom an amount is for; None where there is none."""
    floor = max(sentence[0], quantity.number - 120)
    at = text.rfind("对", floor, quantity.number)
    while at >= floor:
        if text[at - 1 : at] not in ("面", "针", "相", "应", "绝", "配", "核") and text[at : at + 2] not in (
            "对象",
            "对接",
            "对应",
        ):
            return at
        at = text.rfind("对", floor, at)
    return None


def _last_for(text: str, quantity: Quantity, sentence: tuple[int, int]) -> re.Match[str] | None:
    at = _for_at(text, quantity, sentence)
    if at is None:
        return None
    return _FOR.match(text, at, quantity.number + 1) or _FOR.match(text[at : quantity.number] + "一次性")


_TAKES_IN = re.compile(r"收住|收治|收养|收留|接收|接纳|招收|招用|吸纳|聘用|雇用|录用")
_TAKER = re.compile(_RECIPIENT.pattern + rf"(?=每?新?(?:{_TAKES_IN.pattern}))")
_AGE_GROUP = re.compile(rf"(?P<group>{_BOUNDED.pattern})(?:的|每人|每月|分别|为|按)*$")
_PLACE_GIVEN = re.compile(  # 街道养老服务中心给予5万元建设补贴
    r"(?:第[零一二三四五六七八九十百\d]{1,5}条|[一二三四五六七八九十]{1,3}、|\([一二三四五六七八九十\d]{1,3}\)|\d{1,2}[.、])?"
    r"(?P<place>(?!第)[一-鿿]{2,16}(?:中心|服务站|驿站|食堂|助餐点|服务点|护理院|敬老院|养老院|幼儿园|卫生院|学校|基地|床位|设施))"
    r"(?:给予|予以|按照?|每|最高|不超过)[^,。;:]{0,12}$"
)
_PLACE_OF_WORK = re.compile(r"(?:之家|中心|[站点园院所馆社校店厂])$")


def recipient_of(text: str, quantity: Quantity, clause: tuple[int, int], sentence: tuple[int, int]) -> str | None:
    """Who gets a benefit, as printed: whom 对…给予, 向…发放 or 给予… names, else the recipient spoken of last.

    Of 养老机构收住失能老年人 it is who takes in, also where the clause before named it (…;收住重度失能老年人的,…)."""
    who = _whom(text, quantity, clause, sentence)
    return (_taker(text, quantity, sentence) if who and _TAKES_IN.search(who) else None) or who


def named_with(text: str, quantity: Quantity, clause: tuple[int, int], sentence: tuple[int, int]) -> str | None:
    """Who gets a benefit, told with whom they take in: the words that tell one benefit from its like."""
    who = _whom(text, quantity, clause, sentence)
    return (_taker(text, quantity, sentence) or "") + who if who and _TAKES_IN.match(who) else who


def _taker(text: str, quantity: Quantity, sentence: tuple[int, int]) -> str | None:
    window = text[max(sentence[0], quantity.number - 160) : quantity.number]
    taker = _last_match(_TAKER, window)
    return _recipient_noun(window[: taker.end()]) if taker else None


def _whom(text: str, quantity: Quantity, clause: tuple[int, int], sentence: tuple[int, int]) -> str | None:
    window = text[max(sentence[0], quantity.number - 160) : quantity.number]
    to = _last_match(_TO, window + "1")
    if to and (
        who := _recipient_noun(to["who"] or to["whom"])
        or (to["who"] if not re.search(_NOUN + "|额度|一次性|金额|比例|参保|年化", to["who"] or "补贴") else None)
    ):
        return who
    found = _last_for(text, quantity, sentence)
    if found:
        head = _head_of(found["who"])
        known = _recipient_noun(head)
        if known and not head.endswith(known) and len(head) <= 8 and _PLACE_OF_WORK.search(head):
            return head
        return known or _recipient_noun(found["who"]) or head or None
    if tier := _AGE_GROUP.match(text, clause[0], quantity.number):
        return tier["group"]
    if who := _recipient_noun(window):
        return who
    if place := _PLACE_GIVEN.match(text, clause[0], quantity.number):
        return place["place"]
    return _recipient_noun(text[quantity.end : clause[1]])


def _last_match(pattern: re.Pattern[str], window: str) -> re.Match[str] | None:
    return max(pattern.finditer(window), key=lambda found: found.start(), default=None)


def _head_of(phrase: str) -> str:
    """The noun that a phrase is about: 就业帮扶车间 of 纳入名录的就业帮扶车间."""
    head = re.sub(r"(?:,|根据|按照?|分别|再|另|增加).*$", "", phrase).rstrip("的")
    head = head[head.rfind("的") + 1 :]
    return re.sub(r"^(?:每[一-鿿]|新建|新办|首次|符合条件|各类?|全市|本市)+", "", head)[-16:]


def _recipient_noun(phrase: str | None) -> str | None:
    """The last known recipient in a phrase, with the noun that it is the head of, and those named beside it:
    特困人员和低保对象.
    """
    last = _last_match(_RECIPIENT, phrase or "")
    if not last or not phrase:
        return None
    start, name = _recipient_at(phrase, last)
    names, end = [name], last.end()
    while len(names) < _NAMED_TOGETHER and phrase[start - 1 : start] in _JOINS and start > 1:
        joint = start - 1 - (phrase[start - 2 : start] == "以及")
        beside = _last_match(_RECIPIENT, phrase[:joint])
        if not beside or beside.end() != joint:
            break
        start, name = _recipient_at(phrase, beside)
        names.append(name)
    first = names[-1]
    return phrase[start:end][phrase[start:end].find(first) :] if first and len(names) > 1 else names[0] or None


_JOINS = frozenset("、和与及或")
_NAMED_TOGETHER = 6  # recipients of one benefit; what goes on is a list of something else


def _recipient_at(phrase: str, noun: re.Match[str]) -> tuple[int, str]:
    """Where a known recipient begins with the words that belong to it, and its name without what leads up to it."""
    start = noun.start()
    while (
        start > 0
        and noun.end() - start < 16
        and re.match(r"[一-鿿]", phrase[start - 1])
        and phrase[start - 1] not in "的对给予向为按照和及与于是在等每条,"
    ):
        start -= 1
    if noun.end() - start >= 16:
        start = noun.start()  # no seam found: the known noun alone
    if start > 0 and phrase[start - 1] in "每1一" and phrase[start] in "户名位家个所" and noun.start() > start:
        start += 1
    if start > 0 and phrase[start - 1].isdigit() and noun.start() > start:
        start += 1
    if start > 0 and phrase[start - 1] in "ABCDEFG" and phrase[start] == "类":
        start -= 1
    if start > 0 and phrase[start - 1] == "在" and phrase[start] in "读校职岗册训":
        start -= 1
    for group in _BOUNDED.finditer(phrase, max(0, start - 20), noun.start()):
        if group.start() < start <= group.end():
            return group.start(), phrase[group.start() : noun.end()]
    found = _RAISING.sub("", phrase[start : noun.end()])
    lead = r"^(?:(?:全额|定额|分类)(?:资助|救助|补助)|[列纳评]?入(?=[国省市])|获评|且|该|符合条件"
    lead += r"|其中|由|完成|实施|开展|全市|本市|新建|新办|将|并导致|按照?|及?以[上下]|周?岁)+"
    return start, re.sub(lead, "", found)


_WHEN = re.compile(r"(?P<when>[^。;:]{1,120}的)[^的。;:]{0,24}$")
_NEW_ONLY = re.compile(r"新建|新办|新增|首次|新设|新开办|新引进")
_BY = re.compile(r"(?:按照?|根据)[^,。;]{2,30}?(?=给予|分别|发放|予以)")


def condition_of(
    text: str, quantity: Quantity, clause: tuple[int, int], sentence: tuple[int, int]
) -> tuple[int, int] | None:
    """Where the words stand that say when a benefit is due: what qualifies its recipient, or what it goes by."""
    at = _for_at(text, quantity, sentence) if _last_for(text, quantity, sentence) else None
    start = max(sentence[0], quantity.number - 120) if at is None else at + 1
    start = max(start, text.rfind(";", start, quantity.number) + 1)
    given = [m.start() for m in re.finditer(r"给予|发放|予以|奖励|补贴", text[start : quantity.number])]
    end = start + given[-1] if given else quantity.number
    when = _WHEN.match(text, start, end)
    # 按个人缴费标准的75%: what a share is of is no condition.
    if when and not (quantity.sort == "percent" and when.end("when") == quantity.start):
        lead = re.match(
            r"[一二三四五六七八九十]{1,3}、|\d{1,2}[.、]|第[零一二三四五六七八九十百\d]+条|\([一二三四五六七八九十\d]+\)|,|、",
            text[start : start + 8],
        )
        return start + (lead.end() if lead else 0), when.end("when")
    if new := _NEW_ONLY.match(text, start, end):
        return new.span()
    by = _BY.search(text, clause[0], quantity.number)
    return by.span() if by else None
