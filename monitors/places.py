"""Whose figure it is: the region's own, or that of another place which its document only tells of.

A city's report on a visit quotes the subsidies of the city visited, and a plan quotes the country's average. Such
figures say nothing of the region. A place is another one if it is neither the region nor contains it nor lies in it:
a province speaks for its cities, and lists them. Where that cannot be told the region is believed to speak.
"""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache, lru_cache
from importlib.resources import files

Chain = tuple[str, ...]

_LONGEST = 15  # characters of the longest name in the list
_NO_PREFECTURE = "-"  # in the list: what follows stands right below its province
_COUNTRY_ITSELF = ("全国", "中国", "国家")

_SENTENCE = re.compile(r"[。；;！!？?]")
_CLAUSE = re.compile(r"[，,：:|]")
_ASIDE = re.compile(r"《[^》\n]*》|（[^（）\n]*）|\([^()\n]*\)")
_LEAD = re.compile(
    r"(?:[\s　“\"]|[（(]?[一二三四五六七八九十\d]{1,3}[、.．）)]|[一二三四五]是"
    r"|据了解|据悉|据统计|其中|例如|比如|譬如|又如|再如|如|像|在|而|同期|同时|此外|另外|目前|近年来|相比之下"
    r"|(?:截至|截止|到|至|从|自)?(?:20\d\d年|\d{1,2}月|\d{1,2}日|[上下]半年|[年月]?[底末初])+)*"
)
#: What follows a name that is part of another one, or says whose people are meant.
_NO_SPEAKER = re.compile(
    r"路|街|道|大道|大学|大厦|医院|银行|人(?!民|社|大|均)|镇|乡|村|社区|小区|户籍|户口|籍|.{0,8}(?:集团|公司)"
)
#: Names that are words as well.
_WORDS_TOO = frozenset((
    "安康", "白银", "长治", "大同", "安顺", "日照", "来宾", "开封", "阿里", "中卫", "城区", "郊区", "矿区", "东区",
    "西区", "新城区", "城关区", "市中区", "城中区", "城东区", "城西区", "城北区",
))  # fmt: skip
_COMPANY = frozenset("与和同跟及向由从对往至到赴比较于自、")
_PEOPLES = "土家|景颇|傈僳|哈尼|布依|蒙古|朝鲜|苗|藏|羌|彝|回|侗|壮|傣|白|黎|瑶|满"
_LEVEL = re.compile(
    rf"(?:(?:{_PEOPLES})族)*(?:哈萨克|柯尔克孜|蒙古)?自治[州县旗]$|(?:壮族|回族|维吾尔)?自治区$|省$|市$|地区$|盟$"
)
_OURS = re.compile(r"[我本][市省区县州盟旗局办委院厅]|我们")
_WHOLE = re.compile(r"全[市省区县州盟旗]")
#: Everybody else: the country as a whole, and places that are not named.
_COUNTRY = re.compile(
    r"全国(?!性|级|统一|首|第|唯一|最|前|示范|试点|先进|文明|优秀|模范|领先|率先|一流|知名|百强|卫生|双拥|人大|政协|两会)"
)
_ELSEWHERE = re.compile(
    r"外地(?!户|老|来|人|籍|务|企|游|投|车|学)|外省|外市|国外|国际上|兄弟(?:城市|省|市|地区)"
    r"|(?:部分|一些|有的)?(?:先进|发达|周边)(?:城市|省|地区|国家|地市)|其他(?:城市|省)|有的(?:城市|省)"
)
#: A name of a form that only places have, for those that no list of ours knows.
_UNLISTED = re.compile(
    r"(?!按照|根据|通过|经过|依托|依据|要求|争取|报请|会同|配合|联合|协调|围绕|作为|属于|建立|推动|推进|凡是|关于|落实|各)"
    r"[^\W\d_的各全我本该每和与在城超门上股夜集菜地级辖设区县省两多某有相重试周外入为由经将]{2}[市省县]"
    r"(?=[对为按给的已将在新全建每则实达]|养老|护理|出台|规定|财政|民政|人民政府)"
)


def place_of(text: str, start: int, region: str) -> str | None:
    """The other place that the figure at `text[start:]` is told of, in the text's words; None for the region itself.

    The words before the figure in its paragraph decide: a clause that begins with another place makes all that
    follows that place's, until one speaks of the region (我市, its name; in the next sentence 全市 as well).
    Without a `region` there is no other place.
    """
    if not region:
        return None
    begin = text.rfind("\n", 0, start) + 1
    before = _ASIDE.sub(lambda aside: "＿" * len(aside[0]), text[begin:start])
    speaker: str | None = None
    clause = ""
    for sentence in _SENTENCE.split(before):
        if speaker and (_COUNTRY.match(speaker) or _WHOLE.search(sentence)):
            speaker = None
        for clause in _CLAUSE.split(sentence):
            speaker = _speaker(clause, region, speaker)
    return speaker or (None if _speaks_of(clause, region) else _named_inside(clause, region))


def _speaker(clause: str, region: str, speaker: str | None) -> str | None:
    """Who speaks from this clause on, if `speaker` did before it."""
    lead = _LEAD.match(clause)
    for head in (clause.lstrip(), clause[lead.end() :] if lead else ""):
        if found := _COUNTRY.match(head) or _ELSEWHERE.match(head):
            return None if region in _COUNTRY_ITSELF else found[0]
        name = _name_at(head)
        if name and not _NO_SPEAKER.match(head, len(name)):
            return name if _is_elsewhere(name, region) else None
        if (unlisted := _UNLISTED.match(head)) and _is_elsewhere(unlisted[0], region):
            return unlisted[0]
    return None if _speaks_of(clause, region) else speaker


def _speaks_of(clause: str, region: str) -> bool:
    return bool(_OURS.search(clause)) or any(name in clause for name in _own_names(region))


def _named_inside(clause: str, region: str) -> str | None:
    """Another city or province in the midst of a clause, unless it only keeps company: 与武汉市签约."""
    for at in range(1, len(clause)):
        name = None if clause[at - 1] in _COMPANY else _name_at(clause[at:])
        if name and len(name) > 2 and name[-1] in "市省" and not _NO_SPEAKER.match(clause, at + len(name)):
            return name if _is_elsewhere(name, region) else None
    return None


def _name_at(words: str) -> str | None:
    """The longest name of a listed place with which these words begin."""
    return next((words[:n] for n in range(min(len(words), _LONGEST), 1, -1) if words[:n] in _divisions()), None)


@lru_cache(maxsize=4000)
def _is_elsewhere(name: str, region: str) -> bool:
    """Whether a place is surely neither the region nor contains it nor lies in it."""
    if any(name in own or own in name for own in _own_names(region)):
        return False
    there, here = _divisions().get(name, ()), _chains_of(region)
    if there and here:
        contains = {chain[-1] for chain in there} & {place for chain in here for place in chain}
        lies_in = {chain[-1] for chain in here} & {place for chain in there for place in chain}
        return not contains and not lies_in
    if not there or name[-1] in "区县旗":  # of a region that no list knows, counties may be parts
        return bool(not there and name[-1] == region[-1])
    is_province = all(len(chain) == 1 and chain[0][-1] != "市" for chain in there)
    return region[-1] == "省" if is_province else region[-1] in "市州盟"


@lru_cache(maxsize=1000)
def _own_names(region: str) -> tuple[str, ...]:
    """The names by which a region calls itself: 武汉市, 武汉; of 武汉市青山区 the district's."""
    last = (_parts(region) or [region])[-1]
    return tuple({region, last, _short(last)})


def _parts(region: str) -> list[str]:
    """The listed names that a region is put together from: 湖北省武汉市; none if there is more in it."""
    found, at = [], 0
    while at < len(region) and (name := _name_at(region[at:])):
        found.append(name)
        at += len(name)
    return found if at == len(region) else []


@lru_cache(maxsize=1000)
def _chains_of(region: str) -> tuple[Chain, ...]:
    """The places that a region may be, each below those that contain it; several where a name is not unique."""
    parts = _parts(region)
    chains = _divisions()[parts[-1]] if parts else ()
    above = {chain[-1] for part in parts[:-1] for chain in _divisions()[part]}
    return tuple(chain for chain in chains if above & set(chain)) or chains


def _short(name: str) -> str:
    short = _LEVEL.sub("", name)
    return short if len(short) > 1 else name


@cache
def _divisions() -> dict[str, tuple[Chain, ...]]:
    """For each name of a listed place, and each short name of a province or prefecture: province, prefecture, itself,
    as far as there are; for each place of this name.
    """
    found: dict[str, list[Chain]] = defaultdict(list)
    province = ""
    for line in files("monitors").joinpath("divisions.txt").read_text("utf-8").splitlines():
        if not line.startswith(" "):
            province = line
            found[province].append((province,))
            found[_short(province)].append((province,))
            continue
        prefecture, *counties = line.split()
        above: Chain = (province,) if prefecture == _NO_PREFECTURE else (province, prefecture)
        if prefecture != _NO_PREFECTURE:
            found[prefecture].append(above)
            found[_short(prefecture)].append(above)
        for county in counties:
            found[county].append((*above, county))
    return {name: tuple(dict.fromkeys(chains)) for name, chains in found.items() if name not in _WORDS_TOO}
