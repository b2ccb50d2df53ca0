"""Whom a subsidy is for, whatever a document calls them. Pure functions."""

from __future__ import annotations

import re

#: Names of one and the same group, the plainest first. A longer name is looked for before a shorter one in it.
_SAME = (
    ("养老机构", "养老服务机构", "养老院", "敬老院", "老年公寓", "老年养护院", "社会福利院", "福利院"),
    ("护理员", "养老护理员", "养老护理人员", "护理人员", "照护员", "护工"),
    ("老年人", "老人", "长者"),
    ("失能老年人", "失能老人", "失能长者", "失能人员"),
    ("养老服务设施", "社区养老服务设施", "社区居家养老服务中心", "居家养老服务中心", "日间照料中心"),
    ("老年食堂", "老年餐厅", "长者食堂", "长者饭堂", "老年助餐点", "助餐点", "幸福食堂"),
    ("低保对象", "最低生活保障对象", "低保人员", "低保家庭", "最低生活保障家庭"),
    ("特困人员", "特困供养人员", "五保供养对象", "五保对象", "五保户"),
    ("残疾人", "残障人士", "残疾人士", "残障者"),
    ("毕业生", "高校毕业生", "大学毕业生", "大学生"),
    ("托育机构", "托育服务机构", "托儿所"),
    ("医疗机构", "医疗卫生机构", "医院", "卫生院"),
    ("个体户", "个体工商户", "个体经营者"),
)
_PLAINEST = {name: names[0] for names in _SAME for name in names}
_ANY = re.compile("|".join(sorted(_PLAINEST, key=len, reverse=True)))


def plain_names(text: str) -> str:
    """`text` with every group called by its plainest name.

    >>> plain_names("民办养老服务机构")
    '民办养老机构'
    """
    return _ANY.sub(lambda found: _PLAINEST[found[0]], text)


def is_one_of(wanted: str, told: str) -> bool:
    """Whether those who are told of are among the wanted, or the other way round.

    >>> is_one_of("护理员", "一线养老护理人员"), is_one_of("养老院", "托育机构")
    (True, False)
    """
    a, b = plain_names(wanted), plain_names(told)
    return a in b or b in a
