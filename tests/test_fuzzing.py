"""Whatever comes in is read or refused by name, and in finite time: no other exception, no hang.

By default each test tries a few dozen inputs. PLEDGEWATCH_FUZZ=1 tries more than 20,000 in all; a number tries so many
times as much.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from notify_samples import LINKS, NOTICE, READER, SHANGHAI, event
from test_attacks import LIST, ofd, ofd_text, pdf, word, words_of, workbook

from crawler.document import full_text, read_document
from crawler.files import UnreadableFile, read_file
from crawler.listing import read_list
from monitors.extraction import Context, extract
from notify.messages import Limit, render
from pledgewatch.settings import ConfigError, parse_settings
from storage.records import MeasureRef

PAGES = Path(__file__).parent / "crawler" / "pages"
DETAILS = sorted(p.read_bytes() for p in (PAGES / "details").iterdir() if p.suffix != ".json")
LISTS = sorted(p.read_bytes() for p in (PAGES / "lists").iterdir() if not p.name.endswith(".expected.json"))
FILES = {
    "pdf": pdf(b"BT /F1 12 Tf 10 10 Td (450) Tj ET 0 0 m 9 9 l S " * 5),
    "docx": word(words_of("每床450元") + "<w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"),
    "ofd": ofd(ofd_text("每床450元") * 3),
    "xlsx": workbook('<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1"><v>450.5</v></c></row>'),
}
CONFIG = """[crawl]
delay = 2.0
[[sources]]
id = "a"
url = "https://mzj.example.gov.cn/list.html"
every = "2h"
include = ["养老", "老年"]
list = {item = "li.row", expect = 3}
[[tracked]]
id = "beds"
name = "护理型床位"
alert = ">=10%"
[[subscribers]]
id = "wang"
to = ["json://127.0.0.1"]
deliver = "mon 08:30"
quiet = "22:00-07:00"
"""
HANG = 120.0  # seconds for one input: a hundred times what the slowest honest one takes
TIMES = float(os.environ.get("PLEDGEWATCH_FUZZ") or 0)


def tries(few: int, many: int) -> Any:
    """So many inputs, few in the suite; slow inputs are no failure here, hanging ones are."""
    count = int(many * TIMES) or few
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@contextmanager
def watchdog() -> Iterator[None]:
    """Ends the run with the place where it hangs: a loop in C hears no exception."""
    faulthandler.dump_traceback_later(HANG, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


TOKENS = [
    *(b"", b"\0", b"\xff\xfe", b"<", b">", b'"', b"<!--", b"]]>", b"<![CDATA[", b"</div>", b"<table>", b"&#xD800;"),
    *(b"\\ud83d", b"99999999999999999999", b"-1", b"1e999", b"{", b"}", b"[", b"null", b"\r\n", b"5000\xe5\x85\x83"),
    *("５０００元至".encode(), "负二千亿".encode(), b"2025-02-30", b"http://[", b"javascript:", b"<base href='//['>"),
]


@st.composite
def damaged(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A sample with some stretches replaced by tokens, by other bytes, or by stretches of itself."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 8))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 0, 1, 4, 40, 400]))
        copied = draw(st.integers(0, len(data)))
        stretch = st.sampled_from([*TOKENS, bytes(data[copied : copied + 60])]) | st.binary(max_size=12)
        data[start : start + length] = draw(stretch) * draw(st.sampled_from([1, 1, 1, 2, 50]))
    return bytes(data)


@tries(60, 9000)
@given(damaged([CONFIG.encode()]))
def test_configurations(body: bytes) -> None:
    with watchdog():
        try:
            parse_settings(body.decode("utf-8", "replace"), environ={})
        except ConfigError as error:
            assert error.problems and all("\n" not in problem for problem in error.problems)


@tries(15, 1500)
@given(damaged(DETAILS))
def test_pages(body: bytes) -> None:
    with watchdog():
        try:
            document = read_document(body, LIST)
        except UnreadableFile as error:
            assert str(error)
            return
        text = full_text(document)
        text.encode()
        for measure in extract(text, Context(title=document.title, publisher=document.publisher)):
            assert all(text[f.start : f.end] == f.quote for f in measure.figures)
        assert all(a.url.startswith(("http:", "https:")) for a in document.attachments)


@tries(20, 1500)
@given(damaged(LISTS), st.sampled_from([LIST, "", "http://[", "x"]))
@example(b"<rss><item><http://x><title>a</title></item></rss>", LIST)  # found so: a mended feed's tag is no XML name
def test_list_answers(body: bytes, url: str) -> None:
    with watchdog():
        found = read_list(body, url)
        for item in found.items:
            assert item.title and item.url.startswith(("http:", "https:"))
            f"{item.title}{item.url}".encode()


@pytest.mark.parametrize("kind", ["pdf", "docx", "ofd"])
@tries(20, 1500)
@given(data=st.data())
def test_files(kind: str, data: st.DataObject) -> None:
    read_or_refused(data.draw(damaged([FILES[kind]])))


@tries(3, 100)
@given(damaged([FILES["xlsx"]]))
def test_workbooks(body: bytes) -> None:
    """Few, for each takes a process of its own."""
    read_or_refused(body)


def read_or_refused(body: bytes) -> None:
    with watchdog():
        try:
            read_file(body).text.encode()
        except UnreadableFile as error:
            assert str(error)


WORDS = st.text(max_size=40) | st.sampled_from(
    ["", "{{ 7 }}", "</a>", "**", "\0\ud800", "5000元", "x" * 3000, "\r\nX: y"]
)
NUMBERS = st.none() | st.floats(allow_nan=False) | st.integers(-(10**20), 10**20)
TOLD = st.fixed_dictionaries(
    {
        "value": NUMBERS,
        "min": NUMBERS,
        "max": NUMBERS,
        "unit": WORDS,
        "bound": st.sampled_from(["=", ">=", "<=", ">", "<", "~"]),
    },
    optional={"quote": WORDS, "sentence": WORDS, "previous": NUMBERS},
)
DETAIL = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("before_words", "after_words", "reason", "published_on"), WORDS),
        **{name: WORDS | st.lists(st.none() | WORDS, min_size=2, max_size=2) for name in ("deadline", "condition")},
        "bodies": st.lists(WORDS, max_size=3),
        "reasons": st.lists(WORDS, max_size=3),
        "days": st.integers(-10, 10**6),
        "figures": st.lists(st.fixed_dictionaries({"name": WORDS, "words": WORDS}), max_size=8),
        "other_document": st.fixed_dictionaries({"id": st.integers(1, 9), "title": WORDS, "doc_number": WORDS}),
    },
)
TYPES = ["measure.changed", "measure.conflict", "target.due", "target.met", "document.revised", "document.published"]
EVENTS = st.builds(
    lambda id, type, words, before, after, detail: event(
        id,
        type,
        document=replace(NOTICE, title=words[0], url=words[1], doc_number=words[2], region=words[3]),
        measure=MeasureRef("m", words[4], "subsidy", words[5]) if not type.startswith("document.") else None,
        before=before,
        after=after,
        detail=detail,
    ),
    st.integers(1, 99),
    st.sampled_from(TYPES),
    st.lists(WORDS, min_size=6, max_size=6),
    st.none() | TOLD,
    st.none() | TOLD,
    DETAIL,
)


@tries(30, 4500)
@given(
    st.lists(EVENTS, min_size=1, max_size=4),
    st.sampled_from(["text", "markdown", "html"]),
    st.sampled_from([80, 600, 2048, 32_768]),
    st.booleans(),
)
def test_messages(told: list[Any], format: Any, size: int, in_bytes: bool) -> None:
    with watchdog():
        limit = Limit(size, in_bytes)
        message = render(READER, told, language="zh", links=LINKS, format=format, limit=limit, tz=SHANGHAI)
    assert limit.cost(message.body) <= size and len(message.title) <= 60 and "\n" not in message.title
    f"{message.title}{message.body}{message.text}".encode()
