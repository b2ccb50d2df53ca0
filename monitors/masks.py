"""What looks like a number and is no quantity: dates, document numbers, names, ranks, phone numbers.

`mask` hides them, so that the grammar of quantities never has to argue with them. Each rule is one kind of thing
with one reason; the order does not matter, because a hidden character stays hidden.
"""

from __future__ import annotations

import re

HIDDEN = "□"

_N = r"[零一二三四五六七八九十百\d]"

# Every pattern is bounded or a single character class: matching time is linear in the text.
_RULES: dict[str, re.Pattern[str]] = {
    "title in 《》": re.compile(r"《[^《》\n]{1,150}》"),
    "web or mail address": re.compile(
        r"[A-Za-z0-9](?<![\w.-].)(?:(?<=h)ttps?://[!-~]{1,300}"
        r"|(?<=w)ww\.[!-~]{1,300}|[A-Za-z0-9._-]{0,59}@[\w.-]{1,60})"
    ),
    "document number": re.compile(r"[〔\[(【](?:19|20)\d\d[〕\])】]第?\d{0,5}号?|第?(?<!\d)\d{1,12}号(?![召线楼])"),
    "standard or product code": re.compile(
        r"(?<![A-Za-z0-9])(?:[A-Z]{1,4}/?[A-Z]{0,3}-?\d[\dA-Za-z./-]{0,20}"
        r"|\d{1,3}[A-FG-JL-OQ-Z](?![A-Za-z]))"
        r"(?:级|类)?"
    ),
    "phone or hotline": re.compile(
        r"(?<!\d)(?:1[3-9]\d{9}|0\d{2,3}-\d{7,8}|400-?\d{3}-?\d{4})(?!\d)"
        r"|(?<!\d)(?:9[56]\d{3,4}|1[12]\d{3}|1[12]\d)(?=[一-鿿]{0,8}(?:平台"
        r"|热线|专线|电话))"
        r"|(?:电话|热线|传真|邮编|邮政编码|拨打|QQ"
        r"|微信)[一-鿿]{0,4}:?[\d-]{3,20}"
    ),
    "register number": re.compile(
        r"(?:ICP备|公网安备|标识码|索引号|统一编号|身份证号|编号|备案号|证号)[^\n|,。]{0,30}"
    ),
    "page counter": re.compile(r"(?:浏览|阅读|访问|点击|已阅|字号|来源)(?:次数|量|数)?[:(]{0,2}\d{1,9}次?"),
    "long digits": re.compile(r"(?<![\d.])\d{9,}(?![\d万亿元])"),
    "date": re.compile(
        r"(?<!\d)(?:19|20)\d\d(?:年?[-~至到](?:19"
        r"|20)?\d\d)?年?(?:\d{1,2}月(?:[-~至到]\d{1,2}月)?(?:\d{1,2}日)?)?(?<=[年月日])(?:度|初|末|底|前"
        r"|后|级|间|版)?"
        r"|(?<!\d)(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}|(?<!\d)(?:19|20)\d\d[-~](?:19|20)\d\d(?![\d.万亿元%])"
        r"|(?<!\d)\d{1,2}(?:[-~至到]\d{1,2})?月(?:\d{1,2}日|份|底|末|初|前|中|上旬|中旬|下旬)?"
        r"|\d{1,2}日(?![常均托间照])|(?<![\d.])\d{1,2}:\d\d(?::\d\d)?(?![.:\d])"
        r"|[一二][零一二三四五六七八九]{3}年(?:[一二三四五六七八九十]{1,2}月(?:[一二三四五六七八九十]{1,3}"
        r"日)?)?"
        r"|[一二三四五六七八九十]{1,2}月(?=[一二三四五六七八九十]{1,3}日|底|份|末)"
    ),
    "plan period": re.compile(
        r"“?[一二三四五六七八九十]{1,3}五”?(?=期间|时期|规划|末|以来|收官|开局|重点|建设)"
        r"|“[一二三四五六七八九十]{1,3}五”"
    ),
    "ordinal": re.compile(rf"第{_N}{{1,5}}(?:[届次条款项章节批期阶代位名季号类所家个](?:段|度)?)?"),
    "age": re.compile(
        r"(?=[\d一二三四五六七八九十])(?<!寿命)(?<!寿命为)(?<!寿命达)(?<!寿命达到)(?<!寿命提高到)(?<![\d.])"
        r"(?:\d{1,3}(?:周岁|岁)?(?:[-~至到]\d{1,3})(?:周岁|岁)|\d{1,3}(?:周岁|岁|后(?![续期勤台来备]))"
        r"|[一二三四五六七八九十]{1,4}(?:周岁|岁))"
    ),
    "rank or grade": re.compile(
        rf"(?=[一二三四五六七八九十\dA-Z前零百])(?:[一二三四五六七八九十\dA]{{1,3}}[、至到和或与-])?(?:[一"
        rf"二三四五六七八九十]{{1,2}}|(?<![\d.])\d{{1,2}}|[A-Z]|\d?A{{1,5}})(?:至|到|-)?(?:级|星级|等级"
        rf"|等奖|等(?=奖|残|级)|流|甲|乙)(?!以上\d)|前{_N}{{1,3}}(?:名|位|强|列|批)?|{_N}{{2,4}}强"
        rf"|(?<!\d)\d{{1,2}}星"
    ),
    "coded name": re.compile(
        r"(?<![\d.])(?:\d{1,4}|[A-Z])(?:\+(?:\d{1,4}|[A-ZN]))+(?!\d)|(?<!\d)\d{1,8}(?=”)|“\d{1,8}”"
    ),
    "ratio": re.compile(r"(?<![\d.])\d{1,6}(?:\.\d{1,4})?(?::\d{1,6}(?:\.\d{1,4})?){1,6}"),
    "grid size": re.compile(
        r"(?=[\d一二三四五六七八九十])(?:(?<![\d.])\d{1,5}(?:[-~]\d{1,5})?(?:千伏|伏|kV)(?!安)"
        r"|(?<![\d.])(?:\d{1,3}|[一二三四五六七八九十]{1,4})分钟(?=[一-鿿]{0,8}[圈网])"
        r"|(?<![\d.])\d{1,4}(?:\.\d{1,4})?(?:纳米|英寸|寸|微米)|(?<![\d.])\d{1,5}米(?=[一-鿿]{0,4}(?:半径|范围|覆盖|见绿|见园|口径|跑道|泳池)))"
    ),
    "whole with one": re.compile(
        r"[一二三四五六七八九十]位一体|一(?:体|站式|次性|窗|网|图|张网|件事|批|系列|条龙|对一|键通|事一议"
        r"|人一|户一|村一|企一|老一小|揽子|般|起|定|些|律|切|致|旦|步|方面|线|流)"
        r"|[两二三四五六七八九十]会一|一式[一二两三四五六七八九十\d]{1,3}[份张]|唯一|统一|万一|十分(?!之)"
        r"|[两三四五六]项(?=补贴|补助|津贴|制度|政策|待遇|救助)|百分百|千方百计|五险一金|四害|双一流"
    ),
    "running number in text": re.compile(r"(?<=[。;:!?|\n])(?:\d{1,2}[.、)](?=[^\d])|\(\d{1,2}\)|[①-⑳])"),
    "copies": re.compile(
        r"\((?:各|共)?\d{1,4}份\)|(?:共印|印制|各印|印发至?|加印)\d{1,5}份"
        r"|(?:复印件|原件|申请表|登记表|审批表)(?:各|一式)?[\d一二两三]{1,2}份"
    ),
    "version": re.compile(r"(?<![\d.])\d{1,3}\.\d{1,3}(?:版|时代)|(?<![\d.])\d{1,4}(?:\.\d{1,4}){2,5}"),
    "what a bound includes": re.compile(r"(?<=含)[\d.]{1,9}[万亿]?[元%人个岁张户家](?=\))"),
    "campaign name": re.compile(
        r"(?<![\d.近超逾约余多])(?:百|千|万)[名村企家校店镇户](?=[^,。;\n]{0,14}(?:行动|工程|计划|示范"
        r"|大会|活动|专项))|百强|千村|万村|百千万"
    ),
    "line of page furniture": re.compile(
        r"(?m)^[^\n]{0,40}(?:扫一扫|无障碍(?:浏览|阅读|模式|访问)|【字体|字体:|字号:"
        r"|打印[^一-鿿\n]{0,4}关闭|版权所有|主办单位:|网站地图)[^\n]*$"
    ),
}

# Where a rule can begin. Few characters of a text are digits or numerals, so that most rules are tried at few places
# only; a rule that is not named here begins with a character that the regular-expression engine finds by itself.
_DIGITS = re.compile(r"\d+")
_NUMERALS = re.compile(r"\d+|[一二三四五六七八九十]")
_BEGINS: dict[str, re.Pattern[str]] = {
    "document number": re.compile(r"\d+|[〔\[(【第]"),
    "standard or product code": re.compile(r"\d+|[A-Z]"),
    "phone or hotline": re.compile(r"\d+|[电热传邮拨Q微]"),
    "long digits": re.compile(r"\d{9,}"),
    "date": _NUMERALS,
    "plan period": re.compile(r"[“一二三四五六七八九十]"),
    "age": _NUMERALS,
    "rank or grade": re.compile(r"\d+|[一二三四五六七八九十零百前A-Z]"),
    "coded name": re.compile(r"\d+|[A-Z“]"),
    "ratio": _DIGITS,
    "grid size": _NUMERALS,
    "whole with one": re.compile(r"[一二两三四五六七八九十百千万唯统双]"),
    "running number in text": re.compile(r"\d+|[(①-⑳]"),
    "what a bound includes": _DIGITS,
    "copies": re.compile(r"[(共印各加复原申登审]"),
    "version": _DIGITS,
    "campaign name": re.compile(r"[百千万]"),
}

# A short phrase in quotation marks is a name; what it counts is its own affair (“141”基层治理体系). A degree is not.
_QUOTED = re.compile(r"“([^“”\n]{1,22})”")
_ITEM = re.compile(
    r"(?m)^(?:\d{1,2}[.、)](?!\d)|\(\d{1,2}\)|[((]?[一二三四五六七八九十]{1,3}[))、]"
    r"|第[零一二三四五六七八九十百\d]{1,5}[章节条编部]|[①-⑳]|[一二三四五六七八九十]是)"
)


def mask(text: str) -> str:
    """The normalised text with everything that is no quantity replaced by `□`; length and offsets stay."""
    starts: dict[re.Pattern[str], list[int]] = {}  # rules only hide: what was no start stays none
    for name, rule in _RULES.items():
        begins = _BEGINS.get(name)
        if begins is None:
            text = rule.sub(_hide, text)
            continue
        if begins not in starts:
            starts[begins] = [place.start() for place in begins.finditer(text)]
        text = _hide_from(starts[begins], rule, text)
    text = _ITEM.sub(_hide, text)
    return _QUOTED.sub(_hide_name, text)


def _hide_from(starts: list[int], rule: re.Pattern[str], text: str) -> str:
    """The text with what `rule` matches hidden, tried only at `starts`."""
    pieces: list[str] = []
    at = 0
    for start in starts:
        if start >= at and (found := rule.match(text, start)):
            pieces += (text[at:start], HIDDEN * (found.end() - start))
            at = found.end()
    return "".join(pieces) + text[at:] if pieces else text


def _hide(found: re.Match[str]) -> str:
    return HIDDEN * len(found[0])


def _hide_name(found: re.Match[str]) -> str:
    return found[0] if "%" in found[1] else HIDDEN * len(found[0])
