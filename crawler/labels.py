"""The words that stand before a value: labels of the disclosure catalogue and of the line under a title.

Compared with white space and colons removed, since templates pad them (索 引 号：, 文　　号). Source: the catalogues
of 政府信息公开条例's implementation (索引号, 发布机构, 生成日期 …) as sites print them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lxml import etree
from lxml.html import HtmlElement

from crawler.markup import bare, squeeze
from crawler.page import BLOCKS

# By field, the surest label first; the labels of "" only end the value before them.
_LABELS = {
    "index_number": "索引号 信息索引号 公开索引号 信息公开索引号 索引编号 索引码 信息索取号 索取号 信息索引",
    "doc_number": """
        发文字号 文号 文件字号 公文字号 文件编号 公文编号 发文编号 发文文号 公文文号 发文号 文件文号 发布文号
        文件号""",
    "publisher": """
        发布机构 发文机关 发文机构 发布机关 发布单位 发文单位 制发机关 制定机关 颁布机关 公开机构 公开单位
        发布部门 发布主体 制作单位 制作机构 发文部门 信息发布机构 公开责任部门 责任部门 发布者""",
    "source": """
        信息来源 稿件来源 文章来源 新闻来源 内容来源 来源 文章出处 出处 供稿单位 来源单位""",
    "published_on": """
        发布日期 发布时间 公开日期 公布日期 信息发布日期 公开时间 发表时间 发表日期 上传时间 信息时间 发稿时间
        公布时间 上网日期 上网时间 信息公开日期 更新时间 更新日期 日期 时间""",
    "issued_on": """
        成文日期 成文时间 生成日期 生成时间 发文日期 发文时间 印发日期 制发日期 签发日期 签署日期 制定日期 颁布日期
        制文日期""",
    "status": """
        有效性 文件状态 时效性 效力状态 效力状况 时效状态 公文时效 时效状况 有效状态 文件有效性 信息有效性 文件时效性
        信息时效性 文件效力状态 是否有效 是否现行有效 时效 效力 文件效力""",
    "title": "标题 名称 信息名称 文件名称 信息标题 文件标题 公文名称",
    "": """
        主题分类 分类 组配分类 体裁分类 信息分类 信息类别 公开范围 公开方式 公开形式 公开时限 公开程序 公开类别
        公开属性 主题词 关键词 实施日期 施行日期 生效日期 失效日期 废止日期 统一编号 服务对象 内容概述 内容概要
        摘要 浏览次数 浏览量 点击数 点击次数 点击量 点击 阅读次数 阅读量 访问次数 字体 字号 打印 分享 分享到
        责任编辑 编辑 作者 审核 主题导航 所属机构 联系方式 文种 备注 有效期 语种 保护视力色 视力保护色 解读
        政策解读 附件 附件下载 文件下载 公文种类 公文类别 文件类型 联合发文单位 登记日期 统一登记号 所属主题
        施行时间 实施时间 失效时间 废止时间 有效期限 公开目录 公开类型 重要程度 发布级别 载体类型 记录形式
        信息格式 附加说明""",
}
_FIELD_OF = {label: name for name, labels in _LABELS.items() for label in labels.split()}
_RANK = {label: rank for labels in _LABELS.values() for rank, label in enumerate(labels.split())}
# A text may name dates, sources and titles; these it does not.
_CATALOGUE_ONLY = frozenset(
    """索引号 信息索引号 发文字号 发布机构 发文机关 发文机构 发布机关 主题分类 组配分类 体裁分类 公开方式 公开范围
    公开形式 公开时限 有效性 时效性 文件状态 统一编号 信息类别 公开责任部门 效力状态 效力状况 信息时效性
    统一登记号 公文种类""".split()  # noqa: SIM905
)
CATALOGUE_MARK = "data-catalogue"  # set on the elements that are the disclosure catalogue
EDGE = "\ue000"  # stands in a unit where one inline element ends and the next begins
_SPACED = "|".join(r"[\s\ue000]*".join(label) for label in sorted(_FIELD_OF, key=len, reverse=True))
_LABEL = re.compile(
    r"(?:(?<=^)|(?<=[\s\ue000|;；，,、【\[（(]))("
    + _SPACED
    + r")(?:[\s\ue000】\]）)]*[:：]|[\s\ue000]*[】\]]|(?=\ue000)|$)"
)
_BARE_ROW = re.compile(rf"(^|[\s{EDGE}])({_SPACED})(?=\s|$)")
_CATALOGUE_TAGS = frozenset(("table", "ul", "ol", "dl", "div"))
_MARKED = etree.XPath(f"descendant::*[@{CATALOGUE_MARK}]")
_FORM_FIELDS = frozenset(("input", "select", "textarea", "button"))
_SENTENCE = re.compile("[，。；].*[，。；]")
_MAX_UNIT = 600  # characters: a longer unit is prose
_MAX_VALUE = 200
_MAX_CATALOGUE = 1000
_NOTHING = frozenset(
    """无 暂无 - -- --- — —— / 空 null NULL 无文号 none None 其他 〔〕号 〔〕 []号""".split()  # noqa: SIM905
)


def is_nothing(value: str) -> bool:
    """Whether a cell says that there is no value."""
    return not (text := bare(value)) or text in _NOTHING


def values_behind_labels(units: Iterable[str]) -> dict[str, list[str]]:
    """Values by field, the surest label's first. A label alone in its unit has its value in the next unit."""
    found: dict[str, list[tuple[int, str]]] = {}
    waiting: str | None = None
    for unit in units:
        hits = list(_LABEL.finditer(unit)) if len(unit) <= _MAX_UNIT else []
        if waiting and (not hits or hits[0].start() > 0):
            _keep(found, waiting, unit[: hits[0].start()] if hits else unit)
        waiting = None
        ends = [*(hit.start() for hit in hits[1:]), len(unit)]
        for hit, end in zip(hits, ends, strict=False):
            value = unit[hit.end() : end]
            if end == len(unit) and not _trimmed(value):
                waiting = _bare_label(hit[1])
            else:
                _keep(found, _bare_label(hit[1]), value)
    return {name: [value for _, value in sorted(rows, key=_by_rank)] for name, rows in found.items()}


def _by_rank(row: tuple[int, str]) -> int:
    return row[0]


def _bare_label(label: str) -> str:
    return bare(label.replace(EDGE, ""))


def _keep(found: dict[str, list[tuple[int, str]]], label: str, value: str) -> None:
    name, value = _FIELD_OF[label], _trimmed(value)
    if name and len(value) <= _MAX_VALUE and not is_nothing(value):
        found.setdefault(name, []).append((_RANK[label], value))


def _trimmed(text: str) -> str:
    return squeeze(text.replace(EDGE, " ")).strip(" :：|;；【】[]")


def units_of(root: HtmlElement, skip: HtmlElement | None = None) -> Iterator[str]:
    """The text of each block and cell in page order, with `EDGE` where inline elements meet.

    A unit with form fields is left out: a search form names labels and offers all their values. What stands in
    the element `skip` is left out too; an empty unit tells where it was.
    """
    for event, node, unit in _walk(root, skip):
        if unit:
            yield unit
        if node is skip and event == "start":
            yield ""


def _walk(root: HtmlElement, skip: HtmlElement | None = None) -> Iterator[tuple[str, HtmlElement, str]]:
    """Each element as it begins and ends, with the unit that is finished there ("" for none)."""
    pieces: list[str] = []
    form = False
    walker = etree.iterwalk(root, events=("start", "end"))
    for event, node in walker:
        if node is skip and event == "start":
            walker.skip_subtree()
        unit = ""
        if node.tag in BLOCKS or node.tag == "br":
            if pieces and not form:
                unit = _unit(pieces)
            pieces, form = [], False
        else:
            pieces.append(EDGE)
        yield event, node, unit
        form = form or node.tag in _FORM_FIELDS
        text = node.tail if event == "end" else node.text if node is not skip else None
        if text and not text.isspace():
            pieces.append(text)
    if pieces and not form:
        yield "end", root, _unit(pieces)


def _unit(pieces: Sequence[str]) -> str:
    return squeeze("".join(pieces)).strip(EDGE + " ")


@dataclass
class _Open:
    """An element that may be the catalogue: what it holds so far, elements inside included."""

    element: HtmlElement
    length: int = 0
    labels: set[str] = field(default_factory=set)
    prose: bool = False  # it holds a sentence that no label announces


def mark_catalogues(root: HtmlElement) -> None:
    """Set `CATALOGUE_MARK` on the disclosure catalogue: an element that is short and names three labels, one telling.

    An element around it that holds nothing else is one too; one that holds a short text as well is not.
    """
    opened: list[_Open] = []
    announced = False
    for event, node, unit in _walk(root):
        if unit and opened:
            announced = _note(opened[-1], unit, announced)
        if node.tag not in _CATALOGUE_TAGS:
            continue
        if event == "start":
            opened.append(_Open(node))
        elif opened and opened[-1].element is node:
            _close(opened)


def _note(inner: _Open, unit: str, announced: bool) -> bool:
    """Add a unit to the element it stands in; says whether it ends in a label, whose value is the next one."""
    inner.length += len(unit)
    hits = list(_LABEL.finditer(unit)) if inner.length <= _MAX_CATALOGUE else []
    inner.labels.update(_bare_label(hit[1]) for hit in hits)
    inner.prose = inner.prose or (not hits and not announced and _SENTENCE.search(unit) is not None)
    return bool(hits) and not _trimmed(unit[hits[-1].end() :])


def _close(opened: list[_Open]) -> None:
    closed = opened.pop()
    if closed.prose or closed.length > _MAX_CATALOGUE:
        closed.prose = True
    elif len(closed.labels) >= 3 and not closed.labels.isdisjoint(_CATALOGUE_ONLY):
        closed.element.set(CATALOGUE_MARK, "1")
    if opened:
        outer = opened[-1]
        outer.length += closed.length
        outer.prose = outer.prose or closed.prose
        if not outer.prose:
            outer.labels |= closed.labels


def is_catalogue(element: HtmlElement) -> bool:
    """Whether `mark_catalogues` found an element to be the disclosure catalogue."""
    return element.get(CATALOGUE_MARK) is not None


def catalogues_in(root: HtmlElement) -> list[HtmlElement]:
    """The elements in `root` that `mark_catalogues` marked, in page order."""
    return list(_MARKED(root))


def is_catalogue_line(line: str) -> bool:
    """Whether a line of bare text is a row of the catalogue: it holds two labels."""
    return len(line) <= _MAX_UNIT and len(_LABEL.findall(unit_of_line(line))) >= 2


def unit_of_line(line: str) -> str:
    """A line of bare text as a unit: cells are edges, and in a row of labels so is the blank behind each.

    索引号 640202037/2024-00029 文号 无 生成日期 2023-09-14 has neither colons nor cells left.
    """
    unit = line.replace(" | ", EDGE + " ")
    labels = list(_BARE_ROW.finditer(unit)) if len(unit) <= _MAX_UNIT else []
    return _BARE_ROW.sub(rf"\1\2{EDGE}", unit) if len(labels) >= 2 else unit
