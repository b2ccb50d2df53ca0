"""Every reason that the program gives has words for readers of Chinese and of English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.judging import _CHALLENGE_MARKS
from monitors.rules import _WORDS
from notify.causes import _FIREWALLS, CAUSES, cause_words
from notify.phrases import REASONS
from pledgewatch.revisions import _META

ROOT = Path(__file__).parents[2]
#: Calls that give a code, and which of their arguments it is.
MAKERS = {"Verdict": 1, "FetchError": 0, "TransportError": 0, "RefusedError": 0, "RenderError": 0, "Listing": 0}
CHINESE = re.compile("[\u4e00-\u9fff]")


def beginnings(node: ast.AST) -> Iterator[str]:
    """What the texts under `node` begin with, as far as it is written there."""
    for part in ast.walk(node):
        if isinstance(part, ast.JoinedStr) and part.values and isinstance(part.values[0], ast.Constant):
            yield str(part.values[0].value)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def codes() -> dict[str, str]:
    """Every code that stands in the source, with where."""
    found: dict[str, str] = {}
    passes = [ROOT / "pledgewatch" / f"{name}.py" for name in ("passes", "pipeline", "workers")]
    for file in [*ROOT.glob("crawler/*.py"), *passes]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            told: list[str] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                position = MAKERS[node.func.id]
                given = node.args[position : position + 1]
                given += [k.value for k in node.keywords if k.arg in ("reason", "error")]
                told = [words for one in given for words in beginnings(one)]
                if node.func.id == "Verdict" or file.parent.name == "pledgewatch":
                    told = [words for words in told if re.match(r"[\w-]+:", words)]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                if node.targets[0].id in ("reason", "told") and file.parent.name == "pledgewatch":
                    told = [words for words in beginnings(node.value) if re.match(r"[\w-]+: ", words)]
            elif isinstance(node, ast.FunctionDef) and node.name == "_named":  # errors of the network library
                returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return) and n.value]
                first = [value.elts[0] for value in returned if isinstance(value, ast.Tuple)]
                told = [words for one in first for words in beginnings(one)]
            found |= {words.removeprefix("list: ").partition(":")[0]: file.name for words in told}
    return {code: where for code, where in found.items() if re.fullmatch(r"[a-z0-9-]+", code)}


def test_every_code_of_the_source_has_words_in_both_languages() -> None:
    known = codes()
    assert len(known) > 40, known
    assert {"timeout", "dns", "stub", "challenge", "backing-off", "endless", "bug", "worker-died"} <= set(known)
    assert {code: where for code, where in known.items() if code not in CAUSES and code != "list"} == {}
    for chinese, english in CAUSES.values():
        assert CHINESE.search(chinese) and english and not CHINESE.search(english)


def test_every_firewall_has_a_name() -> None:
    assert {name for name, _, _ in _CHALLENGE_MARKS} < set(_FIREWALLS)


def test_why_a_document_or_figure_is_told_of_has_words_in_both_languages() -> None:
    revised = {"text", "attachments", *_META}
    withdrawn = {"gone", "status"}
    clashes = {"lost_mark", "magnitude", "same_time"}
    assert revised | withdrawn | clashes <= set(REASONS)
    assert withdrawn | clashes <= set(_WORDS["zh"])


@pytest.mark.parametrize(
    ("reason", "chinese", "english"),
    [
        ("timeout: no complete answer within 30 s", "访问超时", "no answer in time (no complete answer within 30 s)"),
        ("list: stub: 3 characters of text", "网页没有正文", "the page has no text (3 characters of text)"),
        (
            "https://a.example:81/x.html: tls: certificate has expired",
            "安全连接失败（certificate has expired）",
            "no secure connection (certificate has expired)",
        ),
        (
            "challenge:ruishu 瑞数 script challenge, HTTP 412",
            "被防护页拦截（HTTP 412，瑞数）",
            "kept out by a firewall (HTTP 412, Ruishu)",
        ),
        (
            "challenge:wall the page says: 访问过于频繁",
            "被防护页拦截（网页写着“访问过于频繁”）",
            "kept out by a firewall (the page says “访问过于频繁”)",
        ),
        (
            "backing-off until 2026-09-01 09:00: a.example failed or asked for patience",
            "网站此前出错，暂缓访问",
            "the site is left in peace for a while (until 2026-09-01 09:00: a.example failed or asked for patience)",
        ),
        (
            "list: no rows were found; see pledgewatch sources test city",
            "列表里没有读到条目",
            "no rows were found in the list (see pledgewatch sources test city)",
        ),
        ("something new: the browser", "读取失败（something new: the browser）", "something new: the browser"),
        ("", "", ""),
    ],
)
def test_a_reason_reads_well(reason: str, chinese: str, english: str) -> None:
    assert (cause_words(reason, "zh"), cause_words(reason, "en")) == (chinese, english)
