"""The thread through documents: which statements speak of one measure, and what they say to each other.

Precision first: a wrong link is worse than a missing one. Two statements are of one measure when region,
family (target and progress together; subsidies by recipient) and unit fit, and their subjects are the same
after scope words, particles and synonyms are taken away. Subjects that are only near are linked when the
figure itself is evidence: the same uncommon number in nearly the same words. An operator's decisions stand
above all of this.

A region stands for one jurisdiction, as the caller names it; statements without one are never linked across
documents.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from hashlib import blake2s
from typing import Literal

from monitors.changes import tiers
from monitors.likeness import alike, around, dimension, folded, grams, masked
from storage.records import Figure, Kind, Measure

RelationKind = Literal["same", "repeated", "restated", "conflict", "met"]

SHARED = 0.4  # share of its other words that a statement with a generic subject must have in common
NEAR = 0.8  # likeness of two subjects from which one may be the other, if the figure is evidence too
CONTEXT = 0.5  # likeness of the words around two equal figures from which they are one statement, repeated
SAME_TIME = 31  # days within which two documents speak of the same time
SAME_DAY = 3  # days within which a reported figure cannot have moved
FALL, RISE = 0.9, 2.0  # share of a reported figure below or above which a month does not explain the step
MAGNITUDE = 10.0  # ratio that no revision of a figure explains, but a lost dash or point does

_LEVELS = "省市州区县镇乡街"
_SCOPE = re.compile(
    r"目前|现有|现已|累计|各类|各个|各级|一次性|获得|取得|达到|实现|完成|成功|全部|全面|开展"
    r"|[一二三四五\d]至[一二三四五\d]级|[的了各共已等]|(?:项目|数量|总数|个数|人数)$"
)
_SYNONYMS = (
    (re.compile(r"老年人|老人"), "老人"),
    (re.compile(r"养老服务设施|养老设施"), "养老设施"),
    (re.compile(r"所占比例|所占比重|占比|比例|比率|比重"), "率"),
    (re.compile(r"奖补|补助金|补贴金|补助"), "补贴"),
    (re.compile(r"内设|设置|开设|设立|开办"), "设"),
    (re.compile(r"医疗卫生机构"), "医疗机构"),
    (re.compile(r"乡?镇街道?|街道?乡?镇"), "镇街"),
)
# Words that make two measures of one: either both subjects have them or neither.
_TELLING = (
    "建设", "运营", "改造", "新建", "新增", "扩建", "城市", "城镇", "农村", "社区", "中心城区", "公办",
    "民办", "失能", "失智", "残疾", "高龄", "低保", "特困", "孤儿", "国家级", "省级", "市级", "区级",
    "示范", "试点", "覆盖", "签约", "达标", "评定", "持证", "参训", "入住", "岗位", "培训", "奖励",
    "补贴", "一级", "二级", "三级", "四级", "五级", "一星", "三星", "五星", "星级", "男", "女", "企业",
    "学校", "医院", "街道", "基地", "全省", "全国", "增长", "提高", "下降", "一期", "二期", "送餐",
    "就餐", "一次",
)  # fmt: skip
# Words that name no measure by themselves: 总投资 of one project is not that of another.
_GENERIC = re.compile(
    "功能|模块|系统|平台|项目|活动|培训|资金|投入|投资|总|服务|人员|机构|企业|单位|场所|设施|老人|岗位|试点|基地|案例"
    "|政策|措施|举措|方面|标准|规范|建设|改造|补贴|奖励|率|覆盖|任务|工作|群众|对象|家庭|居民|面积|财政|支出|收入|新增|新建"
)
_LESS_IS_BETTER = re.compile(r"失业率|死亡率|发生率|发病率|事故|能耗|排放|涨幅|自付|逾期|空置率")
_PEOPLE, _THINGS = frozenset("人名位"), frozenset("个家所处间座项种类支件套条门批组站")

_DRAFT = re.compile(r"征求意见稿|送审稿|讨论稿|[（(]草案|草案$|征[求集].{0,60}意见|意见征[求集]")
_MADE_KNOWN = re.compile(r"印发|公布|发布")
_DRAFT_HEAD = re.compile(
    r"^[^。\n]{0,80}[（(](?:公开|二次|再次)?(?:征求意见稿|送审稿|草案)[^（）()。\n]{0,10}[）)]$"
    r"|现(?!行)(?:就|将|面向|向|公开|征)[^。已\n]{0,60}征[求集][^。\n]{0,20}意见|现[^。已\n]{0,10}公开征[求集]",
    re.MULTILINE,
)
_OF_YEAR = re.compile(
    r"(?<![由从较比自])(20\d\d)年(?:[底末初]|\d{1,2}月底?)?[，,]?(?!以来|起|开始|至今|以后|之后)(?:(?!20\d\d年)[^，,。；;\n])*$"
)
LONG_GONE = 3  # years; reports on last year, or on the year before, are published late
_HEAD = 400  # characters of a text in which it says that it is a draft


@dataclass(frozen=True, slots=True)
class Statement:
    """A measure as one document states it. `standing`: the document is in force and not withdrawn."""

    id: int
    document: int
    region: str
    published_on: date | None
    standing: bool
    measure: Measure


@dataclass(frozen=True, slots=True)
class Tracked:
    """A measure followed through documents.

    One that an operator named (`named`) has no region, kind and unit until its first statement gives it
    these; the statements of any further region get a tracked measure of their own, with the region added to
    the id.
    """

    id: str
    name: str
    kind: Kind | None = None
    region: str = ""
    unit: str = ""
    recipient: str | None = None
    aliases: tuple[str, ...] = ()
    named: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """An operator's word: `a` and `b` are the same measure (a's id is kept), or are apart.

    Each is a tracked measure's id, or a `statement_key`: "id@document", the statements of one document alone.
    Ids are made from what statements say, so that a decision outlives a second reading of the documents.
    """

    a: str
    b: str
    same: bool


@dataclass(frozen=True, slots=True)
class Links:
    """Which tracked measure each statement belongs to, by statement id, and the tracked ones to store.

    `created` are those that are new, and the named ones whose first statement just told region, kind and
    unit.
    """

    assigned: Mapping[int, str]
    created: tuple[Tracked, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """What a later statement says to an earlier one, with the two figures it is about and why.

    same: they agree. repeated: both stand in one document. restated: the later document gives another figure.
    conflict: both stand at one time and disagree beyond what time explains. met: a report reaches a target.
    """

    kind: RelationKind
    earlier: Statement
    later: Statement
    before: Figure
    after: Figure
    reason: str = ""


def is_draft(title: str, text: str) -> bool:
    """Whether a document asks what people think of a policy to come: by its title, or by the head of its text."""
    asks = _DRAFT.search(title)
    if asks and (asks[0].endswith("稿") or "草案" in asks[0] or not _MADE_KNOWN.search(title)):
        return True
    return not _MADE_KNOWN.search(title) and bool(_DRAFT_HEAD.search(text[:_HEAD]))


def is_history(text: str, start: int, published_on: date | None) -> bool:
    """Whether the figure at `text[start:]` is said of a year long gone when its document was published."""
    year = _OF_YEAR.search(text, max(0, start - 80), start)
    return bool(year and published_on and int(year[1]) <= published_on.year - LONG_GONE)


def natural_id(statement: Statement) -> str:
    """The id of the tracked measure that this statement would be the first of."""
    digest = blake2s("|".join(_signature(statement)).encode(), digest_size=6)
    return "m" + digest.hexdigest()


def statement_key(statement: Statement) -> str:
    """How a decision names what one document states of one measure."""
    return f"{natural_id(statement)}@{statement.document}"


def link(
    new: Sequence[Statement],
    known: Mapping[str, Sequence[Statement]],
    tracked: Sequence[Tracked] = (),
    decisions: Sequence[Decision] = (),
) -> Links:
    """Give each new statement its tracked measure.

    `new` are statements of one document. `known` holds the statements of other documents by tracked id, at
    least those of the same regions. `tracked` are the tracked measures there are, the operator's named ones
    included. A revised document's statements should keep the id of those they were aligned with, and need
    not come here.
    """
    linker = _Linker(known, tracked, decisions)
    assigned = {s.id: id_ for s in new if (id_ := linker.decided(s) or linker.named(s) or linker.exact(s))}
    taken = set(assigned.values())
    rest = [s for s in new if s.id not in assigned]
    for _, statement, id_ in sorted(linker.near(rest), key=lambda found: -found[0]):
        if statement.id not in assigned and id_ not in taken:
            assigned[statement.id] = id_
            taken.add(id_)
    for statement in rest:
        if statement.id not in assigned:
            assigned[statement.id] = linker.founded(statement)
    return Links(assigned, tuple(linker.created.values()))


class _Linker:
    """Known statements under the keys by which new ones look for them."""

    def __init__(
        self,
        known: Mapping[str, Sequence[Statement]],
        tracked: Sequence[Tracked],
        decisions: Sequence[Decision],
    ) -> None:
        self.merged = {d.b: d.a for d in decisions if d.same}
        self.apart = {frozenset((d.a, d.b)) for d in decisions if not d.same}
        self.tracked = {t.id: t for t in tracked}
        self.created: dict[str, Tracked] = {}
        self.names = {_core(name, ""): t for t in tracked if t.named for name in (t.name, *t.aliases)}
        self.by_signature: dict[Hashable, Counter[str]] = defaultdict(Counter)
        self.by_trace: dict[Hashable, list[tuple[str, Statement, Figure]]] = defaultdict(list)
        for id_, statements in known.items():
            for statement in statements:
                self.by_signature[_signature(statement)][id_] += 1
                for trace, figure in _traces(statement).items():
                    self.by_trace[trace].append((id_, statement, figure))

    def decided(self, statement: Statement) -> str | None:
        for name in (statement_key(statement), natural_id(statement)) if self.merged else ():
            # A document's statements may be split off from what was merged; the narrower word counts.
            if name in self.merged and not self._kept_apart(final := self._final(name), statement):
                return final
        return None

    def named(self, statement: Statement) -> str | None:
        """The operator's tracked measure whose name or alias is the statement's subject."""
        found = self.names.get(_core(statement.measure.subject, statement.region))
        if not found or not statement.region:
            return None
        found = self.created.get(found.id, found)
        if found.region and found.region != statement.region:
            id_ = f"{found.id}.{statement.region}"
            found = self.created.get(id_) or self.tracked.get(id_) or Tracked(id_, found.name)
        if found.kind and _family(found.kind) != _family(statement.measure.kind):
            return None
        if self._kept_apart(found.id, statement):
            return None
        if not (found.kind and found.region and found.unit):
            self.created[found.id] = _told(found, statement)
        return found.id

    def exact(self, statement: Statement) -> str | None:
        """The tracked measure that says the same in other, equal words."""
        found = self.by_signature.get(_signature(statement), Counter())
        own = natural_id(statement)
        # Its natural id first: an id that one document's statements got when they were split off is theirs alone.
        ids = [self._final(id_) for id_, _ in sorted(found.items(), key=lambda item: (item[0] != own, -item[1]))]
        return next((id_ for id_ in ids if not self._kept_apart(id_, statement)), None)

    def near(self, statements: Iterable[Statement]) -> Iterable[tuple[float, Statement, str]]:
        """Scored links to statements that left the same trace."""
        for statement in statements:
            for trace, figure in _traces(statement).items():
                for id_, other, twin in self.by_trace.get(trace, ()):
                    score = _nearness(statement, figure, other, twin)
                    final = self._final(id_)
                    if score and not self._kept_apart(final, statement):
                        yield score, statement, final

    def founded(self, statement: Statement) -> str:
        """A tracked measure of its own; a document's statements that were told apart get one of the
        document's.
        """
        id_ = self._final(natural_id(statement))
        if self._kept_apart(id_, statement):
            id_ = f"{id_}-{statement.document}"
        if id_ not in self.tracked and id_ not in self.created:
            self.created[id_] = _told(Tracked(id_, statement.measure.subject), statement)
        return id_

    def _kept_apart(self, id_: str, statement: Statement) -> bool:
        if not self.apart:
            return False
        names = (natural_id(statement), statement_key(statement))
        return any(frozenset((id_, name)) in self.apart for name in names if name != id_)

    def _final(self, id_: str) -> str:
        seen: set[str] = set()
        while id_ in self.merged and id_ not in seen:
            seen.add(id_)
            id_ = self.merged[id_]
        return id_


def _told(tracked: Tracked, statement: Statement) -> Tracked:
    measure = statement.measure
    unit = measure.figures[0].unit if measure.figures else ""
    return replace(tracked, kind=measure.kind, region=statement.region, unit=unit, recipient=measure.recipient)


def _family(kind: Kind) -> str:
    return "subsidy" if kind == "subsidy" else "level"


def _signature(statement: Statement) -> tuple[str, ...]:
    """What two statements of one measure have in common, whatever their words and figures; a generic subject has
    it only with its own place."""
    topic = _topic(statement)
    if not _generic(statement):
        return topic
    return (*topic, str(statement.document), around(statement.measure, statement.measure.figures[0]))


def _generic(statement: Statement) -> bool:
    words = _words(statement.measure.subject, statement.region)
    return bool(statement.measure.figures) and len(_GENERIC.sub("", words)) < 2


def _shared(a: Statement, b: Statement) -> float:
    """The share of the shorter text's words, subjects apart, that the other has too: of the sentences, or of the
    words around the figures where that is more."""
    subjects = grams(folded(a.measure.subject)) | grams(folded(b.measure.subject))

    def common(one: str, other: str) -> float:
        left, right = ({g for g in grams(text) - subjects if "0" not in g} for text in (one, other))
        shorter = min(len(left), len(right))
        return len(left & right) / shorter if shorter >= 4 else 0.0

    near = common(around(a.measure, a.measure.figures[0]), around(b.measure, b.measure.figures[0]))
    return max(near, common(masked(a.measure.sentence), masked(b.measure.sentence)))


def _topic(statement: Statement) -> tuple[str, ...]:
    measure = statement.measure
    unit = measure.figures[0].unit if measure.figures else ""
    return (
        statement.region or f"#{statement.document}",
        *subject_key(measure.kind, measure.subject, unit, statement.region),
        _core(measure.recipient or "", statement.region) if measure.kind == "subsidy" else "",
    )


def subject_key(kind: Kind, subject: str, unit: str, region: str) -> tuple[str, str, str]:
    """What measures of one subject have in common, whatever their region: family, class of unit, and the subject
    without scope words, its own region's name and synonyms."""
    return _family(kind), _unit_class(unit), _core(subject, region)


def _unit_class(unit: str) -> str:
    """Units that may count the same thing under different measure words: 项 and 个, 人 and 名."""
    if unit in _PEOPLE:
        return "people"
    if unit in _THINGS:
        return "things"
    kind = dimension(unit)
    return unit if kind in {"count", "ratio"} else kind


@lru_cache(maxsize=20_000)
def _core(subject: str, region: str) -> str:
    """A subject without scope, particles and synonyms; the order of its characters does not matter
    (开设老年科的医院 and 医院开设老年科).
    """
    return "".join(sorted(_words(subject, region)))


@lru_cache(maxsize=20_000)
def _words(subject: str, region: str) -> str:
    text = folded(subject)
    own = folded(region)
    for name in (own, own[:-1] if len(own) > 2 and own[-1] in _LEVELS else ""):
        text = text.replace(name, "") if name else text
    if own and own[-1] in _LEVELS:
        text = re.sub(f"[全我本]{own[-1]}", "", text)
    text = _SCOPE.sub("", text)
    for pattern, word in _SYNONYMS:
        text = pattern.sub(word, text)
    return text


def _amount(figure: Figure) -> Hashable:
    return figure.value, figure.min, figure.max


def _traces(statement: Statement) -> dict[Hashable, Figure]:
    """What else a statement can be known by, and the figure that it is about.

    A generic subject leaves its topic. An uncommon number leaves its value and its printed digits (5-30万元 and
    530万元 leave one trace): 35 and 72.1 are uncommon; 3, 20, 100% and 10000 are not; a range always is.
    """
    found: dict[Hashable, Figure] = {}
    topic = _topic(statement)
    if _generic(statement):
        found[topic] = statement.measure.figures[0]
    for figure in statement.measure.figures:
        if figure.value is None or len(f"{figure.value:.4f}".strip("0.").replace(".", "")) >= 2:
            found[topic[:3], _amount(figure)] = figure
            if len(digits := _digits(figure)) >= 3:
                found[topic[:3], digits] = figure
    return found


def _nearness(a: Statement, figure: Figure, b: Statement, twin: Figure) -> float:
    """How surely two statements that left one trace are one measure; 0 where anything speaks against it."""
    if not a.region or a.document == b.document:
        return 0.0
    if _generic(a) and _topic(a) == _topic(b) and (shared := _shared(a, b)) >= SHARED:
        return shared
    if _amount(figure) != _amount(twin) and _digits(figure) != _digits(twin):
        return 0.0
    subject, other = _words(a.measure.subject, a.region), _words(b.measure.subject, b.region)
    if subject[-2:] != other[-2:] or _telling(subject) != _telling(other):
        return 0.0
    near = alike(subject, other)
    here, there = around(a.measure, figure), around(b.measure, twin)
    context = alike(here, there)
    in_context = context >= CONTEXT and (_within(a.measure.subject, there) or _within(b.measure.subject, here))
    return near + context if near >= NEAR or in_context else 0.0


@lru_cache(maxsize=20_000)
def _telling(subject: str) -> frozenset[str]:
    return frozenset(word for word in _TELLING if word in subject) | frozenset(re.findall(r"\d+", subject))


def _within(subject: str, words: str) -> bool:
    """Whether all that a subject says is said there, in whatever order."""
    needed = grams(masked(_SCOPE.sub("", subject)))
    return len(needed & grams(words)) >= 0.8 * len(needed)


def relate(earlier: Statement, later: Statement) -> Relation | None:
    """What `later` says to `earlier`, two statements of one tracked measure; None where they do not
    compare.

    See `Relation`. Bounds count: 90%以上 agrees with 90%, 近40万 with 39.8万. Whether a target had been
    reached before is for `relations` to say, which knows all statements.
    """
    old, new = earlier.measure, later.measure
    if earlier.region != later.region or not old.figures or not new.figures:
        return None
    if old.kind == "target" and new.kind == "progress" and earlier.document != later.document:
        met = reaches(new, old)
        return Relation("met", earlier, later, old.figures[0], new.figures[0]) if met else None
    if old.kind != new.kind:
        return None
    pairs = [(a, b) for a, b in _compared(old, new) if not agree(a, b)]
    if earlier.document == later.document:
        return Relation("repeated", earlier, later, old.figures[0], new.figures[0])
    if not pairs:
        return Relation("same", earlier, later, old.figures[0], new.figures[0])
    return _disagreement(earlier, later, *pairs[0])


def relations(new: Sequence[Statement], known: Sequence[Statement]) -> tuple[Relation, ...]:
    """What a document's statements say to the others of one tracked measure: restated, conflict and met
    only.

    Only documents that stand are looked at. Where another document agrees in any of its statements, it is
    neither restated nor in conflict; where several of its statements could be meant, the one under the most
    similar condition is. restated looks at the latest document before; met at targets that no known report
    had reached and no later document gave another figure.
    """
    others = [s for s in known if s.standing]
    found: list[Relation] = []
    for statement in (s for s in new if s.standing):
        found += _disagreements(statement, [s for s in others if s.document != statement.document])
        found += _met(statement, others)
    return tuple(found)


def _disagreements(statement: Statement, others: Sequence[Statement]) -> list[Relation]:
    documents: dict[int, list[Relation]] = defaultdict(list)
    for other in others:
        older, newer = _in_time(other, statement)
        relation = relate(older, newer)
        if relation and relation.kind in {"same", "restated", "conflict"}:
            documents[other.document].append(relation)
    told = [_meant(r) for r in documents.values() if all(x.kind != "same" for x in r)]
    conflicts = [r for r in told if r.kind == "conflict"]
    restated = [r for r in told if r.kind == "restated" and r.later is statement]
    # Where the document in force before agrees, or is contradicted, an older one has nothing to say.
    answered = [x.earlier for r in documents.values() for x in r if x.kind == "same" and x.later is statement]
    answered += [r.earlier for r in conflicts if r.later is statement]
    latest = max((r.earlier for r in restated), key=_day, default=None)
    if latest is None or any(_day(s) >= _day(latest) for s in answered):
        return conflicts
    return conflicts + [r for r in restated if r.earlier is latest]


def _in_time(a: Statement, b: Statement) -> tuple[Statement, Statement]:
    """The two in order of publication; `a` first where that is unknown or the same."""
    known = a.published_on and b.published_on
    return (b, a) if known and _day(b) < _day(a) else (a, b)


def _day(statement: Statement) -> date:
    return statement.published_on or date.min


def _meant(found: Sequence[Relation]) -> Relation:
    """Of the statements of one document the one whose condition and sentence are most like the other's."""

    def likeness(relation: Relation) -> float:
        a, b = relation.earlier.measure, relation.later.measure
        conditions = alike(folded(a.condition or ""), folded(b.condition or ""))
        return conditions + alike(masked(a.sentence), masked(b.sentence))

    return max(found, key=likeness)


def _met(statement: Statement, others: Sequence[Statement]) -> list[Relation]:
    reports = [s for s in others if s.measure.kind == "progress"]
    found = []
    targets = [s for s in others if s.measure.kind == "target" and _in_time(s, statement)[0] is s]
    for target in targets:
        if _is_superseded(target, targets) or any(reaches(report.measure, target.measure) for report in reports):
            continue
        relation = relate(target, statement)
        if relation and relation.kind == "met":
            found.append(relation)
    return found


def _is_superseded(target: Statement, targets: Iterable[Statement]) -> bool:
    """Whether a later document gives another figure for the same deadline, in each of its statements."""
    documents: dict[int, list[Relation]] = defaultdict(list)
    for other in targets:
        if _day(other) > _day(target) and other.measure.deadline == target.measure.deadline:
            relation = relate(target, other)
            if relation and relation.kind != "repeated":
                documents[other.document].append(relation)
    return any(all(r.kind != "same" for r in found) for found in documents.values())


def reaches(progress: Measure, target: Measure) -> bool:
    """Whether a reported figure reaches a target, as its bound asks: 90%以上 reaches 90%, 6% does not reach
    5%以内.

    A target without a bound is a floor, but for subjects of which less is better (失业率, 涨幅).
    """
    if progress.kind != "progress" or target.kind != "target" or not progress.figures or not target.figures:
        return False
    told, aim = progress.figures[0], target.figures[0]
    if not same_unit(told.unit, aim.unit):
        return False
    if aim.bound in {"<=", "<"} or (aim.bound == "=" and _LESS_IS_BETTER.search(target.subject)):
        return told.bound not in {">=", ">"} and _end(told, max) <= _end(aim, max)
    if told.bound in {"<=", "<"}:
        return False
    return (
        _end(told, min) > _end(aim, min)
        if aim.bound == ">" and told.bound == "="
        else _end(told, min) >= _end(aim, min)
    )


def _end(figure: Figure, end: Callable[[float, float], float]) -> float:
    if figure.value is not None:
        return figure.value
    return end(figure.min or 0.0, figure.max or 0.0)


def same_unit(a: str, b: str) -> bool:
    """Whether two figures can be compared: equal units, or measure words for the same things (项 and 个)."""
    return a == b or (_unit_class(a) == _unit_class(b) and dimension(a) == "count")


def agree(a: Figure, b: Figure) -> bool:
    """Whether two figures say the same of one thing, bounds considered."""
    if {a.bound, b.bound} & {">=", ">"} and {a.bound, b.bound} & {"<=", "<"}:
        return False
    if a.value is None or b.value is None:
        return _amount(a) == _amount(b)
    if a.value == b.value:
        return True
    if "~" in {a.bound, b.bound}:
        return abs(a.value - b.value) <= 0.05 * max(abs(a.value), abs(b.value))
    loose, exact = (a, b) if a.bound in {">=", ">"} else (b, a)
    rounded = loose.bound in {">=", ">"} and exact.bound == "=" and loose.unit != "%"
    return rounded and 0 <= exact.value - loose.value <= 0.1 * loose.value if exact.value and loose.value else False


def _compared(old: Measure, new: Measure) -> list[tuple[Figure, Figure]]:
    """The figures of two measures that can be compared, tier by tier."""
    pairs = tiers(old.figures, new.figures)
    return [(a, b) for a, b in pairs if a and b and same_unit(a.unit, b.unit)]


def _disagreement(earlier: Statement, later: Statement, a: Figure, b: Figure) -> Relation | None:
    reason = _clash(earlier, later, a, b) if earlier.standing and later.standing else ""
    if reason:
        return Relation("conflict", earlier, later, a, b, reason)
    if earlier.published_on and later.published_on and later.published_on <= earlier.published_on:
        return None
    return Relation("restated", earlier, later, a, b)


def _clash(earlier: Statement, later: Statement, a: Figure, b: Figure) -> str:
    """Why time does not explain two figures, or ""."""
    if b.previous is not None and b.previous == a.value:
        return ""  # 由960元提高到1030元 says itself that it follows on 960元
    if _digits(a) == _digits(b):
        return "lost_mark"  # 5-30万元 printed as 530万元, 72.1% as 721%
    low, high = sorted((abs(_end(a, max)), abs(_end(b, max))))
    if low and high / low >= MAGNITUDE:
        return "magnitude"
    if not earlier.published_on or not later.published_on:
        return ""
    days = abs((later.published_on - earlier.published_on).days)
    if days > SAME_TIME or earlier.measure.deadline != later.measure.deadline:
        return ""
    if earlier.measure.kind != "progress" or days <= SAME_DAY:
        return "same_time"
    share = _end(b, max) / _end(a, max) if _end(a, max) else 1.0
    return "same_time" if share < FALL or share > RISE else ""


def _digits(figure: Figure) -> str:
    return "".join(re.findall(r"\d", figure.quote))
