"""Target, subsidy, progress, or no figure at all: what a quantity is said to be.

The rules are those of the definition of a measure: money that somebody can claim is a subsidy; what looks forward is
a target; what looks back or at the present is progress; a condition, a contribution or a fine is nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from monitors.quantities import Quantity
from monitors.structure import Genre, Mode
from monitors.tables import Entry, year_named
from monitors.vocabulary import alternation, any_of, words
from storage.records import Kind

_SUBSIDY = any_of("money_words", "subsidy")
_TOTAL = any_of("money_words", "totals")
_CONTRIBUTION = any_of("money_words", "contributions")
_RELIEF = any_of("money_words", "relief")
_LIMIT = any_of("money_words", "limits")
_DUTY = any_of("time", "duty")
_BACKWARD = any_of("time", "backward")
_DOING = any_of("time", "doing")
_FORWARD = re.compile(
    r"(?<!即)将(?=[一-鿿]{0,12}(?:达|接|建|新|完|实|推|投|开|提|改|增|继|组|培|打|进|启|力|全|持|筹|在|有"
    r"|引))|"
    + alternation(
        w
        for w in words("time", "forward")
        if w not in ("争取", "将", "要", "必须", "应当", "目标", "要求", "努力", "今后", "未来")
    )
    + r"|(?<!\d)(?<!\d年)(?:今年|本年)?(?:年|季|月)[底末]前"
    + r"|争取(?!上级|中央|国家|省|各类|各级|资金|专项|政策|到位|债券|到了?\d)"
    + r"|(?<![必重主需只还纪摘])要(?!求|素|点|件|闻|约|闻)|(?:目标|今后[^,。]{0,6}|未来[^,。]{0,6}|努力"
    r"|必须)"
)
_DATED = re.compile(r"(?<!截至)(?<!截止)(?:到|至)(20\d\d)年")
_YEAR = re.compile(r"(?<![\d较比与])(20\d\d)(?:年|(?=累计|全年|共))")
_DONE = re.compile(
    r"(?:建成|完成|实现|达到?|新增|建设|改造|培训|打造|培育|发放|投入|开展|举办|引进|创建|设立|成立|组建"
    r"|增长|提升|提高|上线|发布|获|入选|出台|建|设)了"
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Where a quantity stands: the text, its sentence, clause and neighbours, and what its document and section are."""

    text: str
    sentence: tuple[int, int]
    clause: tuple[int, int]
    genre: Genre
    mode: Mode | None
    year: int | None  # of the document
    dated: int | None  # the year of the deadline in force, if any
    paragraph_start: int
    carried: bool = False  # the figure before it in the sentence is a subsidy of the same sort

    def before(self, quantity: Quantity) -> str:
        return self.text[self.sentence[0] : quantity.start]

    def after(self, quantity: Quantity) -> str:
        return self.text[quantity.end : self.sentence[1]]

    def clause_text(self) -> str:
        return self.text[self.clause[0] : self.clause[1]]


# --- what is no figure ------------------------------------------------------------------------------------

_CLOSES = re.compile(r"^[^,。;:!?\n|、]{0,30}的(?:[,;。:\n]|$)")
_CONDITION_HEAD = re.compile(r"(?:且|并且|并|达到|达|满|超过|不足|低于|高于|不低于|不少于|不超过|为)?[^,。;:]{0,30}$")
_GIVEN_LATER = re.compile(r"(?:给予|予以|奖励|补贴|补助|资助|发放|享受|奖补|支持|减免|可申请|可申报|可享受|认定为)")
_QUALIFIES = re.compile(
    r"的(?!比例|标准|额度|幅度)[^,。;:]{1,20}?(?:可以?|应当?|须|申请|享受|纳入|认定|予以|给予|发放)|的?(?:本市|我市"
    r"|当地)?[一-鿿]{0,6}(?:家庭|人员|对象)(?:可以?|中|的)"
)
_MODIFIES = re.compile(r"(?:[一-鿿]{0,6}的[一-鿿]{1,10}|[一-鿿]{2,6})(?:占比|比例|比重|达到?|至少|不少于|不低于|\d)")
_LISTED_THRESHOLDS = re.compile(
    r"^[^,。;:、]{0,10}[、且][^,。;:\n]{2,40}的(?:[,;]|[一-鿿]{0,6}(?:家庭|人员|对象|企业))"
)
_THRESHOLD = re.compile(r"低于|超过|高于|不足|达到?|不满|以上|以下")
_QUALIFIED_ACTS = re.compile(r"的[^,。;:、\d]{2,16}?(?:至少|应当?|须|可|不得|要|配备|设立|设置|必须|每)")
_REQUIRED = re.compile(r"(?:申请|申报|享受|领取)[^,。;]{2,20}(?:须|应当?|需)(?:当)?(?:达到|具备|符合|满足|在|为)?")
_DEFINES = re.compile(r"(?:认定|申请|享受|准入|资格)[^,。;:]{0,6}条件(?:为|是|如下|包括)?:|是指|指的是|所称|以下简称")
_FINE = re.compile(r"罚款|处以|处罚|违法所得|赔偿")
_COPIES = re.compile(r"一式")
_REQUISITE = re.compile(
    r"(?:申请|申报|享受|补贴|资助|奖励|救助|认定|评定|资格|对象|扶持)[^。\n]{0,24}(?:条件|情形|标准之一"
    r"|要求)[^。\n]{0,12}:?$|(?:下列|以下)情形"
)
_FACILITY = re.compile(r"(?:应当?|须|需)(?:当)?(?:按照[^,。]{0,10})?(?:具备|符合|满足|达到)|建设标准|设置(?:标准|要求)")


_ILLNESSES = re.compile(r"[一-鿿]{0,6}(?:疾病|病种|病)(?!.{0,12}纳入)")
_DOES = re.compile(r"(?:□|[一二三四五六七八九十]是|已|共|累计|将|要|继续)*" + any_of("time", "doing").pattern)
_MEANS_SHARE = re.compile(
    r"(?:收入|支出|费用)[^,。;\d]{0,8}(?:超过|低于|高于|不足|达到?|占)[^,。;\d]{0,24}收入的?(?=[\d.]+%)"
)
_MEANS = re.compile(r"人均[^,。;]{0,8}收入|家庭[^,。;]{0,10}(?:收入|财产|存款|资产)|存款|市值|财产|月收入|年收入")


_GROUP_OF = re.compile(r"(?:\([^()]{1,6}\))?的?(?:且[^,。;]{2,16}的)?[一-鿿]{0,6}(?:家庭|人员|对象|人群|群体|人口)")
_WHEN = re.compile(r"时[,的]|的?(?:情况下|情形)")
_BAND_GIVEN = re.compile(  # 200平方米以上的15万元
    r"(?:以[上下内])?(?:\([^()]{1,8}\))?的(?:每[一-鿿])?(?:最高|给予|补助|奖励|补贴)?\d"
)
_TAKING_PART = re.compile(r"(?:部门|单位|成员|人员)?(?:共同)?(?:参加|组成|参与)的")  # 18个部门参加的领导小组
_STEPS = re.compile(r"(?:步骤|程序|流程)")  # how something goes, not how much there is
_SMALL_PLACE = re.compile(r"(?:以[上下])?的(?:行政|自然)?(?:村|乡镇?|镇|街道|社区|地区|县)")  # 人口不足500人的行政村
_LARGE_CLASS = re.compile(r"(?:以上)?的?(?:超?大班额|超?大班)")
_RANKED = re.compile(r"(?:排名?|位列|名列|名次)[^,。;\d]{0,4}[前后末]$")  # 排名后3位的
_WORTH = re.compile(
    r"(?:收入|财产|资产|市值|存款|价值|面值|产值|营收)[^,。;]{0,12}(?:低于|不超过|高于|超过|不足|达到?"
    r"|在|突破|首次|满|以上)"
)


def is_condition(setting: Setting, quantity: Quantity, later_money: bool, later_figure: bool) -> bool:
    """Whether a quantity only says when something else holds: 达到5个以上的…给予; 收入低于…的,; definitions.

    `later_money`: an amount follows in the same sentence, so that the quantity may be what earns it; `later_figure`:
    some figure follows in the same clause, which the quantity may only describe (亿元以上项目200个).
    """
    text, after = setting.text, setting.text[quantity.end : quantity.end + 60].split("\n")[0]
    if quantity.sort != "percent" and quantity.bound in (">=", "<=") and later_figure and _MODIFIES.match(after):
        return True
    if quantity.sort == "money" and after.startswith(("的标准", "标准的")):
        return False
    if _CLOSES.match(after) and not (quantity.sort == "money" and _granted(setting, quantity)):
        return True
    if quantity.bound != "=" and (listed := _LISTED_THRESHOLDS.match(after)) and _THRESHOLD.search(listed[0]):
        return True
    if quantity.bound != "=" and text[quantity.start - 1] == "(" and after.startswith(")"):
        return True  # 小户型(70平方米以下)占比
    if quantity.sort == "count" and (
        (later_money and _BAND_GIVEN.match(after))
        or _TAKING_PART.match(after)
        or (quantity.unit == "个" and _STEPS.match(after))
        or (quantity.unit in ("人", "户") and _SMALL_PLACE.match(after))
        or (quantity.unit == "人" and _LARGE_CLASS.match(after))
        or (quantity.unit == "位" and _RANKED.search(text[setting.clause[0] : quantity.start]))
    ):
        return True
    if _WHEN.match(after) or (_QUALIFIES.match(after) and _THRESHOLD.search(setting.clause_text())):
        return True
    if quantity.sort == "count" and quantity.bound in (">=", "<=") and _QUALIFIED_ACTS.match(after):
        return True
    if (
        quantity.sort == "percent"
        and setting.genre in ("rule", "unknown")
        and _MEANS_SHARE.search(text[setting.clause[0] : quantity.end])
    ):
        return True
    if (
        quantity.unit in ("种", "类")
        and (text[quantity.start - 1] == "等" or _ILLNESSES.match(after))
        and not _DOES.match(setting.clause_text())
    ):
        return True  # 白血病等12种疾病 counts the words before it
    if _DEFINES.search(text[setting.sentence[0] : quantity.start]):
        return True
    if quantity.sort == "times" and (_MEANS.search(text[setting.clause[0] : quantity.start]) or _GROUP_OF.match(after)):
        return True  # 收入在低保标准1.5倍以内
    if quantity.sort == "months" and _MEANS.search(text[setting.clause[0] : quantity.start]):
        return True
    if quantity.sort in ("count", "percent") and _REQUIRED.search(text[setting.sentence[0] : quantity.start]):
        return True
    if quantity.sort == "money" and quantity.bound == ">=" and later_figure and re.match(r"的?\d", after):
        return True
    if "名下" in setting.clause_text() and setting.genre in ("rule", "unknown"):
        return True
    if _FINE.search(setting.clause_text()):
        return True
    if (
        quantity.sort == "money"
        and setting.genre in ("rule", "unknown")
        and _WORTH.search(setting.clause_text())
        and (
            later_money
            or _MEANS.search(setting.clause_text())
            or re.search(r"的(?:家庭|人员|对象|企业|个人)|标准", after[:20])
        )
    ):
        return later_money or quantity.bound != "="
    if quantity.sort == "money" and not _granted(setting, quantity) and _BAND.match(after):
        return True
    if (
        quantity.sort == "money"
        and later_figure
        and _DESCRIBED.match(after)
        and _SIZE_OF.search(setting.text[setting.clause[0] : quantity.number])
    ):
        return True
    if quantity.sort == "money" and quantity.bound != "=" and _sizes_counted(setting, quantity, after):
        return True
    if quantity.sort == "money" and later_money and _earned_by(setting, quantity, after):
        return True
    if quantity.sort == "percent" and after.startswith(("的不予", "的,不予", "的不得")):
        return True
    if _STEP.search(text[max(setting.clause[0], quantity.start - 5) : quantity.start]):
        return True
    if quantity.sort == "percent" and (_INSTALMENT.match(after) or (setting.carried and _RAISES.match(after))):
        return True
    if quantity.sort in ("count", "percent", "times") and later_money:
        return _earns(setting, quantity, after)
    return False


# A band of costs, of which a share is paid: 1万元至5万元部分; 2万元以内的按65%; 起付线至3万元的费用.
_BAND = re.compile(
    r"(?:\([^()]{1,9}\))?(?:以[上下内])?(?:至[^,。;\d]{2,12})?(?:的?部分|的?(?:医疗|住院|门诊|合规|政策范围内)*费用"
    r"|(?:\([^()]{1,9}\))?(?:以[上下内])?的,?(?:每[一-鿿]|一次性|给予|最高|按)*(?:补贴|奖励|补助|救助|资助)[^,。;\d]{0,6}\d"
    r"|(?:以[上下内])?(?:\([^()]{1,9}\))?[\d.]+%|(?:的,?|(?<=以[上下内]),?)(?:报销|救助|补偿|支付)?(?:比例)?按?[一-鿿]{0,6}[\d.]+%)"
)
_INSTALMENT = re.compile(r"(?:[、和][\d.]+%)*的?比例(?:分[一-鿿]{1,3}年?)?(?:拨付|到位|兑现)")
_STEP = re.compile(r"每(?:增加|新增|满|超过?|达到?|提高|降低)$")  # 每增加500人增配1人
_RAISES = re.compile(r"的,?[^,。;\d]{0,10}(?:提高|增加|上浮|降低)")
_SIZE_OF = re.compile(r"(?:收入|产值|营收|投资|纳税|税收|资产|(?<![限金余])额)[^,。;]{0,24}$")
_DESCRIBED = re.compile(r"(?:以上|以下)?的[一-鿿“”]{2,16}\d")
_EARNER = re.compile(
    r"(?:[、和及][\d.]+[万亿]*元)*(?:\(含\))?(?:以上)?的[^,。;]{0,20},?[^,。;]{0,12}(?:给予|奖励|补助|补贴|资助)"
)


_COUNTED_SO = re.compile(r"\d[余多]?[万千百]?[余多]?[家个户名处座条支项](?:左右|以上)?[一-鿿]{0,10}$")
_SIZED = re.compile(r"(?:以[上下])?的?[一-鿿“”]{0,8}(?:企业|园区|集群|基地|产业|平台|主体|项目|公司|机构|商圈|市场)")


def _sizes_counted(setting: Setting, quantity: Quantity, after: str) -> bool:
    """A size between a count and what it counts: 10个产值超10亿元的园区."""
    return bool(_COUNTED_SO.search(setting.text[setting.clause[0] : quantity.start]) and _SIZED.match(after))


def _earned_by(setting: Setting, quantity: Quantity, after: str) -> bool:
    """An amount that somebody must turn over or invest to earn the one that follows: 营收突破1亿元的企业,给予20万元."""
    own = setting.text[setting.clause[0] : quantity.number]
    return bool(_SIZE_OF.search(own) and _EARNER.match(after))


def _granted(setting: Setting, quantity: Quantity) -> bool:
    return bool(_GIVES.search(setting.text[setting.clause[0] : quantity.start]))


_GIVES = re.compile(r"(?:给予|发放|补贴|补助|奖励|资助)[^,。;]{0,12}$")


_AMOUNT_GIVEN = re.compile(r"(?!资金|金额|基金)[^,。;\d]{0,24}\d[\d.]*(?:[万亿]*元|%)")
_REACHED = re.compile(r"达到?|超过|满|以上|首次|新增")
_CHOSEN = re.compile(
    r"(?:□|[一二三四五六七八九十]是)*(?:每年|力争|计划|拟)?(?:支持|遴选|评选|择优|认定|打造|培育|推动|确定)(?!的)"
)


def _earns(setting: Setting, quantity: Quantity, after: str) -> bool:
    """A size before the amount that it earns: …达到5个以上的运营主体给予20万元."""
    own = setting.text[setting.clause[0] : quantity.start]
    quoted = setting.text[quantity.start : quantity.end]
    if (
        re.search(r"(?:给予|补贴|补助|按|报销|支付|资助|奖励|减免|返还|救助)[^,。;]{0,14}$", own)
        and quantity.sort == "percent"
    ):
        return False
    if quantity.sort == "percent" and re.match(r"(?:予以|给予|的?(?:比例|标准))", after):
        return False
    giving = _GIVEN_LATER.search(re.split(r"[;。]", after)[0])
    if giving and "的" in after[: giving.start()]:
        return True
    amount = giving and _AMOUNT_GIVEN.match(after, giving.end())
    if quantity.bound != ">=" and _CHOSEN.match(setting.text, setting.clause[0]):
        return False  # 支持建设示范项目3个,给予…: so many are to be
    if amount and giving and after[giving.start() - 1] == "," and setting.genre not in ("report", "reply"):
        if setting.genre == "plan" and (_DUTY.search(own + quoted) or not _REACHED.search(own + quoted)):
            return False
        return giving[0] not in ("发放", "支持", "减免", "享受") or quantity.bound != "="
    return bool(re.match(r"(?:\(含\))?(?:及?以上|以下)?的", after)) and quantity.bound != "="


_RATE_OF = re.compile(  # 参保缴费率, 低收费开放率: rates about paying, and nothing to pay
    _CONTRIBUTION.pattern + r"[一-鿿]{0,8}?(?<!费)(?:率|占比|比重)[^,。;]{0,8}$|缴费率[^,。;]{0,8}$"
)
_RAISED_IN_ALL = re.compile(
    r"(?:筹资|缴费|收费)(?:总额|总量|规模|总计|收入|金额)[^,。;\d]{0,6}$"
)  # a total, and nobody's duty
_NEXT = re.compile(r"[、,;]")
_PAID_IN_HEAD = re.compile(  # 起付标准:在职职工200元,退休人员150元
    _CONTRIBUTION.pattern + r"[一-鿿]{0,4}(?:分别)?[为是]?:[^。;:%]{0,40}$"
)
# What people bear is what a fund pays a share of: 起付标准以上部分按60%支付; 个人自付费用救助60%.
_COVERED = re.compile(
    r"(?:部分|费用|以[上下内]|之后|后)[^,。;]{0,12}?(?:按照?|救助|支付|补偿|赔付|(?:基金|财政|保险)[^,。;]{0,6}承担)[^,。;]{0,10}$"
)
_PAID_BACK = re.compile(
    r"(?:[、和及][\d.]+%)*的?(?:比例|标准)?(?:给予|予以|进行|实施)?[一-鿿]{0,2}(?:救助|补偿|返还|赔付)"
)


def is_contribution(setting: Setting, quantity: Quantity) -> bool:
    """What people pay in, or pay themselves, is no benefit: 个人缴费每人每年60元."""
    if quantity.sort not in ("money", "percent"):
        return False
    if quantity.unit == "元" and _RAISED_IN_ALL.search(setting.text[setting.clause[0] : quantity.start]):
        return False
    before = setting.text[max(setting.clause[0], quantity.start - 40) : quantity.number]
    after = _NEXT.split(setting.text[quantity.end : min(setting.clause[1], quantity.end + 12)])[0]
    near = before + setting.text[quantity.number : quantity.end] + after
    if _RELIEF.search(near):
        return False
    if not _CONTRIBUTION.search(near):
        start = max(setting.sentence[0], quantity.start - 60)
        headed = setting.text.find(":", start, quantity.start) >= 0
        return headed and bool(_PAID_IN_HEAD.search(setting.text, start, quantity.start))
    if quantity.sort == "money":
        return True
    return not (_COVERED.search(before) or _PAID_BACK.match(after) or _RATE_OF.search(before))


# --- which kind -------------------------------------------------------------------------------------------


def kind_of(setting: Setting, quantity: Quantity) -> Kind:
    """The kind of a quantity that is a figure."""
    return "subsidy" if is_subsidy(setting, quantity) else _time_of(setting, quantity)


_SPENT = re.compile(
    r"(?:投入|投资|总额|统筹|筹集|筹措|募集|产值|营收|收入|销售|交易额|生产总值|增加值|融资|授信|引资|到位"
    r"|节约|税收|进出口|零售|消费额|成交|贷款余额|支出|结余|争取[^,。;]{0,10}资金)[^,。;]{0,16}$"
)
_PAID_OUT = re.compile(
    r"(?:累计|共|已|合计|总计|全年|年内)[^,。;]{0,14}(?:发放|兑付|支付|兑现|减免|补贴|补助|资助|奖励|救助"
    r"|落实|拨付)[^,。;]{0,24}$|(?:发放|兑付|兑现|支付)[^,。;]{2,24}(?:资金|补贴|金|券)(?:共|约|近|超|累计"
    r"|总计|达)+$"
)
_BUDGETED = re.compile(
    r"(?:安排|下达|拨付|预算|列支)[^,。;]{0,24}(?:资金|经费|补助|预算)[^,。;]{0,6}$|(?:下达"
    r"|上级(?:财政|专项)?补助(?:资金)?|预算(?:安排|总额|规模|列支)|(?:资金|经费|预算)[^,。;]{0,10}安排|拨付)[^,。;]{0,12}$|(?:资金|经费|预算)(?:共|总额|总计|约|达)?$"
)
_SHARE = re.compile(
    r"(?:(?:支付|报销|补贴|补助|资助|救助|补偿|给付|贴息|分担)比例|减免|基金支付|补贴标准|资助|报销|给予|补助|补贴|支付"
    r"|奖励|贴息|优惠|救助|返还)[^,。;]{0,24}$"
)
_SHARE_AFTER = re.compile(
    r"(?:的?(?:比例|标准)?)?(?:[^,。;]{0,4})?(?:予以|给予|的?补贴|的?补助|的?奖励|的?资助|救助|赔付|报销|支付|补足"
    r"|返还|退还|发放|增发|加发|标准)|以内的?(?:补贴|奖励)"
)
# The benefit of a list of tiers may stand after the last: 低保对象70%、特困人员90%的比例给予救助.
_MORE_TIERS = re.compile(
    r"(?:(?>[、,;和及][一-鿿()\d-]{1,14}?[\d.]{1,6}%)){1,8}"
    r"(?=的?(?:比例|标准)|(?:给予|予以)?(?:救助|支付|报销|补助|补贴|补偿|赔付))"
)
_OF_BAND = re.compile(
    r"(?:部分|费用|以[上下内]的?),?(?:再?按照?|支付|报销|救助|补[助偿贴]|赔付)(?:比例)?[^,。;\d]{0,6}$"
)
_FUNDS_NAMED = re.compile(
    r"(?:救助|补助|补贴|奖励|资助|奖补)(?:基金|资金|经费|对象|人员|人次|面|率)"
)  # they give nothing here
_AVERAGE = re.compile(
    r"(?:(?:平均|实际|综合)[一-鿿]{0,10}比例|比例(?:平均|实际))[^,。;\d]{0,6}$"
)  # what comes out of a rule, and is none
_SHARE_NAMED = re.compile(r"(?:支付|报销|补贴|补助|资助|结算|救助|补偿|给付|贴息|返还|奖补|奖励)比例(?:标准)?分别")
_DEALT = re.compile(r"比例(?:标准)?分别(?:为|是|按)?(?:[一-鿿、()]{1,16}[\d.]{1,6}%[、,和及]?){1,8}[一-鿿()]{0,16}$")
_OF_AMOUNT = re.compile(
    r"(?:标准|工资|收入|费用?|价格|售价|销售价|价款|金额|总额|利率|利息|租金|额|成本|支出|部分)的?(?:最高|不超过|不低于"
    r"|最低)?$"
)
_STANDARD = re.compile(
    r"(?:保障|救助|供养|养育|生活|补贴|补助|饮食|照料|护理|伙食|发放|给付|支付|待遇|低保|津贴|奖励|资助"
    r"|抚恤|优待|结算|养老金|生活费)[一-鿿]{0,6}(?:标准|水平|限额|金|额度)|待遇"
)


_PRICE_KEPT = re.compile(r"(?:租金|价格|收费(?:标准)?|利率)[^,。;]{0,6}(?:不高于|不超过|不得高于|不得超过|控制在)")
_RAISED = re.compile(_SUBSIDY.pattern + r"(?:标准|比例|水平|额度)?$")


def is_subsidy(setting: Setting, quantity: Quantity) -> bool:
    """Money, or a share or multiple of it, that a rule gives to somebody who can claim it."""
    own = setting.text[setting.clause[0] : quantity.number]
    after = setting.text[quantity.end : setting.clause[1]]
    if quantity.sort == "percent" and quantity.previous is not None and quantity.unit == "%":
        return bool(_RAISED.search(re.split(r"[由从](?=[^由从]*$)", own)[0]))
    if quantity.sort == "months":
        return True
    if quantity.sort == "times" and setting.carried and quantity.bound == "<=":
        return True
    if quantity.sort == "times":
        of = re.search(r"标准(?:的|按)?[^,。;]{0,4}$", own) or _STANDARD.search(own) or _SUBSIDY.search(own)
        return bool(of) and not re.search(r"增长|提高|扩大", own)
    if _PRICE_KEPT.search(setting.text[setting.clause[0] : quantity.number]):
        return False
    if quantity.sort == "percent":
        return bool(_RAISED_STANDARD.search(own)) or _is_share(setting, quantity, own, after)
    if _AVERAGE_PRICE.search(own):
        return False
    if quantity.bound == ">=" and _FUNDED.match(after):
        return False
    if quantity.sort == "money" and own.endswith("的"):  # 200平方米以上的15万元: a band, or a further one
        named = setting.text[max(0, setting.clause[0] - 24) : setting.clause[0]]
        if setting.carried or _GIVEN_BY_BANDS.search(named):
            return True
    return quantity.sort == "money" and _is_grant(setting, quantity, own, after)


_RAISED_STANDARD = re.compile(
    r"(?:(?:补[贴助]|救助|资助|奖励|对应|上述|该)标准|补[贴助])(?:的)?(?:基础)?上?(?:再|可)?(?:上浮|增发|加发|提高)$"
)
_AVERAGE_PRICE = re.compile(r"平均(?:租金|价格|房价|单价|工资|成本|造价)[^,。;]{0,6}$")
_GIVEN_BY_BANDS = re.compile(r"(?:给予|发放|予以)[^,。;]{0,12}(?:补贴|补助|奖励|奖补|资助)[,:]$")
_FUNDED = re.compile(  # 每人每年不低于10元的标准安排专项资金: how much is to be set aside
    r"的?(?:标准|比例)?,?(?:足额|统筹|予以|列入|纳入)?(?:安排|列支|预算|筹集|筹措|落实|提取)[^,。;]{0,16}(?:资金|经费|预算|基金)"
)
_BY_SOURCE = re.compile(
    r"(?:中央|省级?|市级?|区级?|县级?|上级|本级|各级|地方)(?:财政)?(?:补助|配套|投入)(?:资金)?[^,。;]{0,2}$"
)
_PART_OF_RATE = re.compile(r"每[^。;]{1,24}\d[\d.]*万?元[^。;]{0,4}其中")
_GRANTING = re.compile(r"标准|给予|予以|每|最高|一次性|不超过|按")


def _told_as_done(setting: Setting, own: str) -> bool:
    if (
        setting.genre in ("report", "reply")
        and re.search(r"基金(?:共|累计|已)?(?:支付|支出)[^,。;\d]{0,4}$", own)
        and not _GRANTING.search(own)
    ):
        return True
    if setting.genre == "report" and not _GRANTING.search(own) and (_SUBSIDY.search(own) or own.endswith("发放")):
        return True
    return (
        setting.genre in ("report", "reply")
        and bool(re.search(r"(?:发放|兑现|兑付|落实|减免|拨付|支付)[^,。;]{2,20}$", own))
        and not re.search(r"标准|给予|每", own)
    )


_OF_LOT = re.compile(  # the budget of one lot of a tender
    r"(?:标段|标包|(?:第|采购|^|[、,其中])[一二三四五六七八九十\dA-H]包|包[一二三四五六七八九十\dA-H])(?:\([^()]{1,24}\))?"
    r"[一-鿿]{0,6}$"
)
_UNCLAIMED = ("元", "元/年", "元/月", "美元", "港元")


def is_total(own: str) -> bool:
    """Whether the words before an amount tell money spent, invested or budgeted in total: nobody can claim that."""
    granted = re.search(r"(?:给予|予以)[^,。;]{0,6}$", own)
    if re.search(r"发放[一-鿿“”]{0,8}(?:券|贷款)[^,。;]{0,4}$|其中[^,。;\d]{0,4}用于[^,。;\d]{2,16}$", own):
        return True
    if _PAID_OUT.search(own) or _BY_SOURCE.search(own) or _OF_LOT.search(own):
        return True
    return not granted and bool(_SPENT.search(own) or _BUDGETED.search(own))


def _is_share(setting: Setting, quantity: Quantity, own: str, after: str) -> bool:
    after = re.sub(r"^(?:[、和及][\d.]+%?)+", "", after)
    if tiers := _MORE_TIERS.match(setting.text, quantity.end, setting.sentence[1]):
        after = re.split("[,。;]", setting.text[tiers.end() : tiers.end() + 40])[0]
    before, own = _FUNDS_NAMED.sub("", setting.before(quantity)), _FUNDS_NAMED.sub("", own)
    if _AVERAGE.search(own):
        return False
    if setting.carried and len(own) <= 14 and not re.search(r"增长|提高|下降|占比", own):
        return True
    if setting.carried and re.search(r"(?:提高|增加|降低|上浮)(?:到|至)$", own):
        return True
    if quantity.unit == "pp":
        raised = re.search(r"(?:报销|支付|补贴|补助|资助|救助)(?:比例|标准)", setting.before(quantity))
        return bool(raised) or "贴息" in own[-12:] or bool(re.match(r"(?:以内)?的?(?:贷款|财政)?贴息", after))
    if re.search(r"(?:财政|基金|统筹)[^,。;]{0,8}(?:承担|负担|支付|补助|分担)[^,。;]{0,6}$", own):
        return True
    if _OF_AMOUNT.search(own) and re.match(r"(?:且|,)?(?:最高|累计)?[^,。;]{0,16}(?:给予|予以|补贴|补助|奖励)", after):
        return True
    if _OF_AMOUNT.search(own) and (_STANDARD.search(before) or _SUBSIDY.search(before) or _SHARE_AFTER.match(after)):
        return True
    if re.search(r"(?:支付|报销|补贴|补助|资助|结算|救助|补偿|给付|贴息|返还|奖补|奖励)比例[^。;]{0,24}$", before):
        return True
    if (_DEALT.search(before) and _SHARE_NAMED.search(before)) or _OF_BAND.search(before[-24:]):
        return True
    if re.search(r"(?:占比|覆盖率|率|增长|提高|下降|达标率)(?:达到?|为|提高到|不低于|在)?[^,。;]{0,3}$", own):
        return bool(re.search(r"(?:报销|支付|补贴|补助)(?:比例|标准)[^,。;]{0,10}$", own))
    if _SHARE.search(own) or _SHARE_AFTER.match(after):
        return not re.search(r"(?:落实|发放率|到位率|覆盖|抽查)", own[-24:])
    return False


_MEAN_PAID = re.compile(  # what came out of a rule: 人均救助3200元
    r"(?:(?:人|次|户|月)均|平均)[^,。;\d每]{0,6}(?:救助|支付|报销|补偿|补助|减负|发放|受益|支出)(?:金额|水平)?(?:为|达到?|约)*$"
)
_NO_GRANT = re.compile(
    r"收入|消费|支出|成本|价|费|工资|产值|筹资|投资|投入|资金|注册|营收|金额|预算|人均|总额|额度|资产|税"
)
_PRICED = re.compile(r"收入|消费|支出|成本|价格|工资|产值|筹资|投资|投入|注册|营收|预算|收费|缴费|资产|罚|税")
_RATED_STANDARD = re.compile(r"(?:拨款|经费|补|保障|资助|照料|养育|供养)[一-鿿]{0,6}标准[^,。;]{0,24}$")
_ONLY_RATES = re.compile(r"(?:每[一-鿿])*")  # 每床每月100元, and no word more: hardly anything else than a grant


def _is_grant(setting: Setting, quantity: Quantity, own: str, after: str) -> bool:
    sentence_before = setting.before(quantity)
    if setting.carried and quantity.bound != "<=" and _PART_OF_RATE.search(sentence_before) and _BY_SOURCE.search(own):
        return True
    own = own.replace("低收入", "困难")  # names a group, tells no income
    if setting.genre in ("reply", "report") and re.search(r"人均[一-鿿]{0,8}水平(?:达到?|为)?$", own):
        return False
    if (
        quantity.unit in _UNCLAIMED
        and quantity.bound != "<="
        and not _LIMIT.search(own[-10:])
        and (
            is_total(own)
            or _told_as_done(setting, own)
            or (re.match(r"(?:专项)?资金", after) and re.search(r"(?:安排|下达|拨付|投入)[^,。;]{0,4}$", own))
        )
    ):
        return False
    if _MEAN_PAID.search(own) and quantity.bound == "=":
        return False
    if re.search(r"人均(?:可支配|收入|消费|GDP|生产总值)|价格|均价|工资收入", own):
        return False
    if _SUBSIDY.search(own) or _SUBSIDY.search(after[:24]) or _STANDARD.search(own):
        return True
    if re.search(r"^[^,。;]{0,6}(?:给予|发放|予以)|(?:给予|发放)[^,。;]{0,12}$", own) or re.match(
        r",给予[^,。;]{0,10}" + _SUBSIDY.pattern, setting.after(quantity)
    ):
        return True
    if setting.genre == "rule" and quantity.bound == "<=" and re.search(r"支付[^,。;]{0,4}$", own):
        return True
    rates = quantity.unit.count("/")
    if rates > 1 and setting.genre != "report" and (_RATED_STANDARD.search(own) or not _NO_GRANT.search(own)):
        return True
    if setting.genre == "rule" and ":" in sentence_before and not (_PRICED.search(sentence_before) or is_total(own)):
        return True
    carried = _SUBSIDY.search(sentence_before) or _STANDARD.search(sentence_before)
    if "/" in quantity.unit:
        return (
            bool(carried)
            or setting.genre == "rule"
            or (quantity.unit.count("/") > 1 and bool(_ONLY_RATES.fullmatch(own)))
            or bool(_SUBSIDY.search(setting.text[setting.paragraph_start : quantity.start]))
        )
    return (bool(carried) and not _TOTAL.search(own) and setting.genre != "reply") or bool(
        carried and quantity.bound == "<="
    )


def governed_by_limit(setting: Setting, quantity: Quantity) -> bool:
    """限额 and its like make every amount they govern a maximum, wherever in the sentence they stand."""
    return quantity.sort == "money" and limits(setting.text[setting.sentence[0] : quantity.number])


_HIGHEST = re.compile(r"最高[一-鿿]{0,6}(?:额度|限额)")


def limits(words_: str) -> bool:
    """Whether words name a limit, which makes every amount under them a maximum."""
    return bool(_LIMIT.search(words_) or _HIGHEST.search(words_))


_PLANNED_HEAD = re.compile(r"目标|任务|计划|规划|预期|(?:到|至)?20\d\d年?$")
_AIMED_HEAD = re.compile(r"(?:目标|规划|计划|预期)[值数]?$")  # it stays an aim when its year has passed
_REPORTED_HEAD = re.compile(r"人数|户数|资金|总额|合计|预算|实际|完成|现状|现有|基期|基数|现值|已|累计|上年|去年|基准")


_SUMMED_HEAD = re.compile(r"(?<!补助)(?<!奖励)资金|总额|合计|预算")


def kind_in_table(entry: Entry, genre: Genre, mode: Mode | None, year: int | None) -> tuple[Kind | None, int | None]:
    """The kind of a table's figure and the year that its column stands for.

    Money under a benefit's name is a subsidy. A column of a year or a plan is a target; one of a past year, or of
    what was done, is progress; where head and caption are silent, the section and the document decide.
    """
    quantity, head, labels = entry.quantity, entry.head, "".join(entry.labels)
    named = head + labels + entry.caption
    column_year = year_named(head) or entry.row_year
    ahead = entry.planned_year and entry.planned_year > (year or entry.planned_year - 1)
    paid_in = _CONTRIBUTION.search(head + labels) and not _RELIEF.search(head + labels)
    if paid_in and not (quantity.sort == "percent" and _RATE_OF.search(labels + head)):
        return None, None
    if ahead and not column_year and re.search(r"^(?:合计|累计|总计|小计|[一二三四五]年)|年均|增速|增长|增幅", head):
        return "target", entry.planned_year
    if re.search(r"增幅|增长|涨幅|增速|提高幅度", head):
        return ("target" if mode == "ahead" else "progress"), column_year
    granted = quantity.sort != "count" and (_SUBSIDY.search(named) or _STANDARD.search(named))
    if genre == "rule" and quantity.sort == "money" and ("/" in quantity.unit or re.search(r"标准|限额|金额", head)):
        granted = granted or re.search(r"元|标准|限额|金额", quantity.unit + head)
    if granted and not re.search(r"收入|投资|投入|覆盖率|占比|发放率", head + labels) and not _SUMMED_HEAD.search(head):
        return "subsidy", None
    if _AIMED_HEAD.search(head) and not entry.reported:
        return "target", column_year
    if entry.reported or _REPORTED_HEAD.search(head) or (column_year and year and column_year < year):
        return "progress", None
    if _PLANNED_HEAD.search(head) or _PLANNED_HEAD.search(entry.caption) or mode == "ahead":
        return "target", column_year
    return ("progress" if mode == "back" or genre in ("reply", "report", "unknown") else "target"), column_year


def _time_of(setting: Setting, quantity: Quantity) -> Kind:
    """Forward or back: duties first, then dates, then the words around, then the section, then the document."""
    own = setting.text[setting.clause[0] : quantity.end]
    before = setting.before(quantity) + setting.text[quantity.start : quantity.end]
    if _DUTY.search(own[-30:]):
        return "target"
    if (
        quantity.sort == "money"
        and _BUDGETED.search(setting.text[setting.clause[0] : quantity.start])
        and not re.search(r"力争|计划|目标|拟|争取", before)
    ):
        return "progress"
    if quantity.sort == "money" and (
        _PROJECT_COST.search(before) or _OF_LOT.search(setting.text[setting.clause[0] : quantity.start])
    ):
        return "progress"
    if (
        setting.genre == "rule"
        and setting.mode != "back"
        and quantity.bound in (">=", "<=")
        and not _looks_back(setting, before)
    ):
        return "target"
    if _SHORTCOMING.search(setting.text[setting.sentence[0] : quantity.start]) or _BARELY.search(before):
        return "progress"
    dated = _date_points(setting, quantity, before)
    if dated:
        return dated
    if _ALREADY.match(setting.after(quantity)):
        return "progress"
    last_back = max((m.end() for m in _looks_back(setting, before)), default=-1)
    done = max((m.end() for m in _DONE.finditer(before)), default=-1)
    last_forward = max(
        (
            m.end()
            for m in _FORWARD.finditer(_MEASURED_BY_PLAN.sub("", before))
            if setting.mode != "back" or m[0] not in ("预计", "预期", "将")
        ),
        default=-1,
    )
    if max(last_back, done) > last_forward:
        return "progress"
    if last_forward >= 0:
        return "target"
    if setting.mode:
        return "target" if setting.mode == "ahead" else "progress"
    return _default(setting, quantity, own)


_SHORTCOMING = re.compile(  # what a report admits stands as it says, also where the report looks ahead
    r"(?:也(?:要|应当?|必须)?|必须|应当?|要)(?:清醒)?(?:地)?(?:看到|认识到|意识到)|(?:仍然?|还|依然)存在"
    r"|存在的?(?:主要)?(?:问题|困难|不足|短板)"
)
_BARELY = re.compile(r"(?:仅|仅有|仅为|只有|刚刚?|才)[\d.]+%?$")


_PROJECT_COST = re.compile(  # the cost of a project and its parts, which nobody promises
    r"(?<!计划)(?<!规划)(?:总投资|总投入|投资概算|投资估算)(?:额|约|达|为)*[\d.]+[万亿]*元(?:[,;:](?:其中)?[^。;;]{0,40}[\d.]+[万亿]*元){0,4}$"
    r"|(?<!计划)(?<!规划)(?<!完成)(?:总投资|投资概算|投资估算)[^。,;]{0,4}$"
)
_ALREADY = re.compile(
    r"[一-鿿]{0,12}(?:(?<!早)已|均已|已经)(?:[全提按]|完成|建成|投[入用]|开工|竣工|启用|启动|落实|实施|运行|投产)"
)
# 占年度计划的106%: a plan that a figure is measured by is no plan of it.
_MEASURED_BY_PLAN = re.compile(r"(?:占|完成|超额|超过)[^,。;]{0,10}?(?:计划|目标|任务)[一-鿿]{0,4}的")
_SUMS = {"累计", "连续", "总计", "先后", "成功"}


_GIVEN_IN_ALL = re.compile(r"(?<!公)共(?:发放|兑付|兑现|拨付|救助|资助|惠及|减免|支出|投入)")
_YEARS_RUNNING = re.compile(r"连续[一二两三四五六七八九十\d]{1,3}年[^,。;\d]{0,6}(?:稳定|保持|超|达|居|位|实现|增)")
_GIVEN_SO_FAR = re.compile(
    r"(?:共|向[^,。;]{2,10})?(?:发放|兑付|支付|支出|拨付|救助|保障|惠及|受益|下达|投入|资助|减免)"
)


def _looks_back(setting: Setting, before: str) -> list[re.Match[str]]:
    """The words that look back. In a plan a sum over years (累计下降14.5%) looks ahead like the rest of it."""
    planned = setting.genre in ("plan", "rule") and setting.mode != "back"
    told = setting.genre == "rule"
    return [*_GIVEN_IN_ALL.finditer(before), *_YEARS_RUNNING.finditer(before)] + [
        found
        for found in _BACKWARD.finditer(before)
        if not (planned and found[0] in _SUMS and not (told and _GIVEN_SO_FAR.match(before, found.end())))
    ]


def _tells_a_year(setting: Setting, quantity: Quantity, before: str) -> bool:
    """Whether a rule tells what a year brought (2024年资助参保9.8万人); it does not plan its own year."""
    years = [int(m[1]) for m in _YEAR_TOLD.finditer(before)]
    return (
        bool(years)
        and quantity.bound not in (">=", "<=")
        and (not setting.year or max(years) <= setting.year)
        and not _FORWARD.search(before)
    )


def _date_points(setting: Setting, quantity: Quantity, before: str) -> Kind | None:
    """A year that is named in the sentence, or a deadline that governs it, against the document's own year."""
    if not setting.year and _STOOD.search(setting.text[setting.clause[0] : quantity.start]):
        return "progress"
    back = any(_looks_back(setting, before)) or (
        setting.genre == "report" and setting.mode != "ahead" and bool(_REPORTED.match(setting.clause_text()))
    )
    told = setting.genre == "rule" and setting.mode != "ahead" and _tells_a_year(setting, quantity, before)
    if setting.dated and not back and not told and setting.mode != "back":
        if setting.year and setting.dated < setting.year:
            return "progress"
        if setting.genre != "reply" or setting.mode == "ahead" or _DATED.search(before):
            return "target"
    if told:
        return "progress"
    years = [int(m[1]) for m in _YEAR.finditer(before)]
    if years and setting.year and max(years) < setting.year:
        return "progress"
    return None


# What a year brought (2019年占比仅为31%), where the document does not say when it speaks.
_STOOD = re.compile(
    r"20\d\d年(?![底末前])[^,。;\d]{0,24}?(?:仅[为占有达]?|只有|(?<!目标)(?<!预期)(?<!标准)(?<!调整)(?<!提高)为)(?:约|近)?$"
)
_YEAR_TOLD = re.compile(
    r"(?<![到至从自于\d-])(20\d\d)年度?(?![底末前起\d]|以[来前]|[-~至]|内|印|修|第)"
)  # a rule tells of a year gone by
_REPORTED = re.compile(r"(?:完成|建成|开工|实现|竣工|已)")  # in a report: 2026年改造任务140户,完成改造90户
_RULED = re.compile(r"不得|应当?|须|需|每[年月周日季]|不[低少小]于|至少|配备|限")


_HEADS_COUNTED = ("人", "人次", "户", "户次")


def _default(setting: Setting, quantity: Quantity, own: str) -> Kind:
    if setting.genre == "plan":
        return "target"
    if setting.genre == "rule":
        # A rule that counts people without a verb of doing tells whom it has reached.
        reached = quantity.unit in _HEADS_COUNTED and quantity.bound == "=" and not _RULED.search(own)
        return "progress" if reached and not _DOING.search(own) else "target"
    if setting.genre in ("reply", "report"):
        return "progress"
    starts = _DOING.match(re.sub(r"^(?:□|[一二三四五六七八九十]是|各[一-鿿]{1,4}|全[市省区县])+", "", own))
    if quantity.bound in (">=", "<=") and _RULED.search(own):
        return "target"
    return "target" if starts and not re.search(r"了|已", own) else "progress"
