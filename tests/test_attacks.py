"""What somebody hostile may try, and the test that holds each attempt. Without a file's name the test is here.

Who is asked (SSRF)
1.  redirect to a private address            crawler/test_fetch: a_redirect_to_a_private_address_is_not_followed
2.  name that resolves inside, or to both    crawler/test_fetch: the same test; crawler/test_guard: others_do_not
3.  IPv6, wrapped and odd notations          crawler/test_guard: others_do_not, odd_spellings_are_read_…
4.  redirect to file: or without a host      crawler/test_faults: redirects to a file, redirects to no address
5.  robots.txt that redirects inside         robots_txt_leads_nobody_inside
6.  attachment on another host               a_page_sends_nobody_to_another_host
7.  <base href> to another host              a_page_sends_nobody_to_another_host
8.  list row to another host                 a_list_sends_nobody_to_another_host
9.  javascript:, data:, file: in a list      a_list_sends_nobody_to_another_host
10. javascript:, data: in a document         addresses_that_run_are_no_attachments
11. javascript: in a message                 notify/test_messages: only_http_links

What is shown
12. markup in title, body, 文号, publisher   web_pages_hold_no_markup_of_a_site; web/test_pages: archived_text_is_data
13. markup in mail and in chats' Markdown    notify/test_messages: html_has_no_…, markdown_has_no_markup_from_a_page
14. markup in `diff --html`                  a_written_difference_holds_no_markup_of_a_site
15. archived page that runs scripts          web/test_answers: archived_page_is_the_bytes_in_a_sandbox
16. escape codes in a terminal               no_command_lets_a_site_steer_the_terminal; notify/test_channels:
                                             the_terminal_shows_the_message_and_nothing_that_steers_it
17. line breaks and escape codes in the log  what_a_site_says_stays_on_its_line_of_the_log
18. template code in a title                 a_title_is_no_template; notify/test_messages: an_operators_template_…
19. formulas in CSV                          a_cell_is_no_formula
20. extra headers in a mail                  notify/test_channels: a_page_cannot_add_headers_to_a_mail
21. extra headers of a webhook               a_page_cannot_add_headers_to_a_webhook
22. broken XML in the feed                   the_feed_stays_whole
23. names of downloads                       web/test_answers: names_of_downloads_are_safe
24. paths in attachments' names, exported    an_export_stays_below_its_folder; pledgewatch/test_export: all_of_the_…

What is unpacked
25. gzip and deflate bombs on the wire       crawler/test_faults: sends a gzip bomb, sends a deflate bomb
26. bombs in DOCX, XLSX, OFD, PNG, PDF       a_bomb_is_refused_or_harmless
27. a directory of a zip that lies           a_bomb_is_refused_or_harmless
28. XXE and billion laughs in files          entities_are_never_expanded; crawler/test_files: ofd_entities_…
29. XXE and billion laughs in lists, feeds   entities_of_a_list_are_never_expanded
30. TOML bombs                               pledgewatch/test_settings: absurd_files_are_refused_in_words

What is kept
31. NUL, half characters in what is stored   what_no_database_can_hold_is_kept_without_it (SQLite and PostgreSQL)
32. half characters in addresses and titles  half_characters_in_a_list_are_dropped
33. overlong addresses in list and document  overlong_addresses_cost_nobody_else
34. thousands of rows, files, figures        floods_are_bounded
35. an answer in place of a page, ten sorts  hostile_pages_cost_only_themselves
36. secrets in logs, errors, deliveries      secrets_are_never_told; pledgewatch/test_daemon: the_log_is_json_…
37. bodies without end, 200 MB, slow servers crawler/test_faults: sends the body without end and 40 more
"""

from __future__ import annotations

import asyncio
import csv
import io
import ipaddress
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docx
import openpyxl
import pytest
import structlog
from databases import database, database_url, postgresql, postgresql_url, sqlite_template, sqlite_url  # noqa: F401
from loopback import Answer, http_server
from notify_samples import LINKS, NOTICE, READER, SHANGHAI, event
from operating import Operator
from servers import Asked, Reply, Site
from web_markup import read as read_markup
from world import World, trs

from crawler.document import read_document
from crawler.fetch import CrawlPolicy, Fetch, Fetcher
from crawler.files import UnreadableFile, read_file
from crawler.listing import read_list
from notify.channels import send
from notify.messages import Limit, render
from pledgewatch.logs import configure_logs
from pledgewatch.settings import ConfigError, parse_settings
from pledgewatch.tabular import write_measures_csv
from storage import threads
from storage.database import Database
from storage.records import ListItem

FOLDER = Path(__file__).parent
LIST = "https://mzj.example.gov.cn/zwgk/list.html"
LINES = [
    "为支持养老机构建设，对符合条件的养老机构按每张床位5000元给予建设补贴。",
    "本通知自印发之日起施行，由市民政局负责解释。",
]
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
HOSTILE = '通知<script>alert(1)</script>"><img src=x onerror=alert(1)>{{ 7*7 }}${7*7}\x9b31m\u202e=1+1'


def test_every_test_of_the_table_is_there() -> None:
    """The table above is a promise; a renamed test breaks it here."""
    table = __doc__ or ""
    assert len(re.findall(r"^\d+\. ", table, re.MULTILINE)) >= 25
    files = [Path(__file__), *FOLDER.glob("*/test_*.py")]
    tests = {name for file in files for name in re.findall(r"def test_(\w+)", file.read_text("utf-8"))}
    told = re.findall(r"[a-z]+(?:_[a-z0-9]+){2,}_?", table)
    assert len(told) >= 25
    assert [name for name in told if not any(test.startswith(name) for test in tests)] == []


# --- who is asked -----------------------------------------------------------------------------------------------


def test_robots_txt_leads_nobody_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only 127.0.0.1 counts as public here."""
    public = ipaddress.ip_address("127.0.0.1")
    monkeypatch.setattr("crawler.guard.is_public", lambda address: address == public)

    async def fetched(url: str) -> None:
        async with Fetcher(CrawlPolicy("Tests (+mailto:ops@example.org)", delay=0, timeout=2.0)) as fetcher:
            await fetcher.fetch(Fetch(url, "s", allowed_hosts=frozenset({"127.0.0.1", "127.0.0.2"})))

    with Site() as site, Site("127.0.0.2") as inside:
        site.route("/robots.txt", lambda asked: Reply(302, b"", {"Location": inside.url("/robots.txt")}))
        asyncio.run(fetched(site.url("/a.html")))
        assert site.count("/robots.txt") == 1
        assert inside.requests == []


@pytest.mark.parametrize("with_base", [False, True])
def test_a_page_sends_nobody_to_another_host(tmp_path: Path, with_base: bool) -> None:
    with World(tmp_path) as world, Site("127.0.0.2") as inside:
        inside.page("/latest/meta-data/keys.pdf", b"%PDF-1.4 secret")
        base = f'<base href="{inside.url("/latest/meta-data/")}">' if with_base else ""
        href = "keys.pdf" if with_base else inside.url("/latest/meta-data/keys.pdf")

        def page(paper: Any, n: int) -> str:
            link = f'<p>附件：<a href="{href}">补贴标准表.pdf</a></p></div>\n<div class="related">'
            return trs(paper, n).replace("<head>", f"<head>{base}").replace('</div>\n<div class="related">', link)

        world.template = page
        world.publish("reply", "关于建设补贴的通知", LINES)
        report = world.check()
        assert (report.new, report.ok) == (1, True)
        assert inside.requests == []


def test_a_list_sends_nobody_to_another_host(tmp_path: Path) -> None:
    with World(tmp_path) as world, Site("127.0.0.2") as inside:
        inside.page("/keys.html", "secret")
        addresses = (
            inside.url("/keys.html"),
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//[::1",
        )
        rows = [
            f'<li><a href="{a}">关于第{n}项补贴的通知</a><span>2025-09-15</span></li>' for n, a in enumerate(addresses)
        ]
        for n in range(3):
            world.publish(f"reply{n}", f"关于第{n}项建设补贴的通知", LINES)
        good = world._list().partition("<ul class=list>")[2].partition("</ul>")[0]
        world.site.page("/list.html", f"<html><body><ul class=list>{good}{''.join(rows)}</ul></body></html>")
        report = world.check()
        assert (report.new, report.ok) == (3, True)
        assert inside.requests == []
        asked = {request.path for request in world.site.requests}
        assert asked == {"/robots.txt", "/list.html", *(f"/reply{n}.html" for n in range(3))}


def test_addresses_that_run_are_no_attachments() -> None:
    hrefs = (
        "javascript:open('a')",
        "data:application/pdf;base64,AAAA",
        "file:///etc/a.pdf",
        "vbscript:a.pdf",
        "ftp://a/b.pdf",
    )
    links = "".join(f'<p><a href="{h}" download="标准.pdf">附件：标准.pdf</a></p>' for h in hrefs)
    links += "".join(f'<iframe src="{h}"></iframe>' for h in hrefs)
    body = f"<div id=zoom><p>{LINES[0]}</p>{links}<a href='a.pdf'>附件.pdf</a></div>"
    page = f"<html><base href='//['><body>{body}</body></html>"
    found = read_document(page.encode(), LIST).attachments
    assert [a.url for a in found] == ["https://mzj.example.gov.cn/zwgk/a.pdf"]


# --- what is shown ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An archive of one document whose every field is hostile, with a revision."""
    with World(tmp_path_factory.mktemp("hostile")) as world:
        (world.folder / "config.toml").write_text(world.config(), "utf-8")
        link = '<p><a href="/f.txt">../../../附件：\x9b31m标准.txt</a></p></div>\n<div class="related">'
        world.template = lambda paper, n: trs(paper, n).replace('</div>\n<div class="related">', link)
        world.site.page("/f.txt", "附件：每人每月200元\x9b31m。", headers={"Content-Type": "text/plain; charset=utf-8"})
        world.publish(
            "reply", HOSTILE, [*LINES, HOSTILE], number=f"云民〔2025〕3号{HOSTILE}", publisher=f"市民政局{HOSTILE}"
        )
        world.check()
        world.revise("reply", "5000元", "6000元")
        world.revise("reply", "由市民政局负责解释", "由\x9b2J市财政局<b>负责</b>解释")
        world.check()
        yield world


@pytest.fixture
def run(hostile: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(hostile.folder / "config.toml", capsys, monkeypatch)


def test_the_hostile_document_was_read_and_told(hostile: World) -> None:
    assert "measure.changed" in hostile.types()
    assert len(hostile.bodies) == 1


def pages_of(world: World) -> dict[str, str]:
    import warnings

    from pledgewatch.web import create_app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    client = TestClient(create_app(world.settings, world.database), base_url="http://127.0.0.1")
    first = (
        "/",
        "/documents",
        "/documents?q=script",
        "/documents/1",
        "/measures",
        "/regions",
        "/sources",
        "/deliveries",
    )
    both = (f"/documents/1/diff?from=1&to=2&view={view}" for view in ("inline", "sides"))
    paths = (*first, *both, *(f"/events/{e.id}" for e in world.events(baseline=True)))
    return {path: client.get(path).text for path in paths} | {"feed": client.get("/feeds/events.atom").text}


def test_web_pages_hold_no_markup_of_a_site(hostile: World) -> None:
    for path, html in pages_of(hostile).items():
        if path == "feed":
            continue
        found = read_markup(html)
        assert found.faults == [], path
        scripts = re.findall(r"<script.*", html)  # of ours the difference has one, and it is a file
        assert scripts == ['<script src="/static/jump.js" defer></script>'] * ("/diff" in path), path
        assert "<img" not in html and "\u202e" not in html, path
        assert not [a for a, _ in found.links if a.lower().startswith(("javascript:", "data:"))], path


def test_the_feed_stays_whole(hostile: World) -> None:
    feed = ElementTree.fromstring(pages_of(hostile)["feed"])
    assert any("6000" in "".join(entry.itertext()) for entry in feed.iter("{http://www.w3.org/2005/Atom}entry"))


def test_a_written_difference_holds_no_markup_of_a_site(run: Operator, tmp_path: Path) -> None:
    assert run("diff", "1", "--html", tmp_path / "d.html").status == 0
    html = (tmp_path / "d.html").read_text("utf-8")
    assert "6000元" in html
    assert "<script>alert" not in html and "<img" not in html and "onerror=alert(1)>" not in html


@pytest.mark.parametrize(
    "words",
    [["documents"], ["history", "1"], ["diff", "1"], ["measures"], ["events"], ["deliveries"], ["sources", "list"],
     ["subscribers", "test", "reader", "--since", "1d"], ["sources", "test", "city"]],
    ids=" ".join,
)  # fmt: skip
def test_no_command_lets_a_site_steer_the_terminal(run: Operator, words: list[str]) -> None:
    ended = run(*words)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", ended.out + ended.err)


def test_what_a_site_says_stays_on_its_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        configure_logs(words=True)
        url, title = "https://a/\n00:00:00 [error] forged", "标题\x1b[2J\x9b31m\u202e\r\u2028x"
        structlog.get_logger("t").warning("visited", url=url, title=title, more=[url])
    finally:
        structlog.configure(**before)
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.endswith("\n")
    assert not STEERING.search(told.rstrip("\n")) and "\u2028" not in told


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_a_title_is_no_template(format: Any) -> None:
    words = "{{ 7*7 }}{% for x in (1,2) %}{{ cycler.__init__.__globals__ }}{% endfor %}"
    told = [event(document=replace(NOTICE, title=words), type="document.revised", measure=None)]
    message = render(READER, told, language="zh", links=LINKS, format=format, limit=Limit(), tz=SHANGHAI)
    for text in (message.title, message.body, message.text):
        assert "49" not in text and "7" in text and "builtins" not in text


def test_a_cell_is_no_formula(hostile: World) -> None:
    found = next(iter(_threads(hostile.database)))
    tracked = replace(found.tracked, name='=HYPERLINK("https://evil.example")', region="@SUM(A1)")
    known = [replace(s, document=replace(s.document, title="+cmd|' /C calc'!A0")) for s in found.statements]
    out = io.StringIO()
    write_measures_csv([replace(found, tracked=tracked, statements=tuple(known))], out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert rows
    for row in rows:
        assert not [cell for name, cell in row.items() if name != "bound" and cell[:1] in ("=", "+", "-", "@")]


def _threads(archive: Database) -> list[threads.Thread]:
    with archive.read() as conn:
        return list(threads.tracked_with_statements(conn))


def test_a_page_cannot_add_headers_to_a_webhook() -> None:
    words = "甲\r\nX-Injected: 1\r\n\r\nbody"
    told = [event(source="s\r\nX-Injected: 1", document=replace(NOTICE, title=words, url=f"https://a/\r\n{words}"))]
    message = render(READER, told, language="zh", links=LINKS, format="text", limit=Limit(), tz=SHANGHAI)
    with http_server(Answer(204)) as endpoint:
        address = endpoint.url.replace("http", "webhook+http", 1) + "/hook?secret=s"
        assert asyncio.run(send(address, message, timeout=5)).ok
        ((_, headers, body),) = endpoint.requests
    assert "X-Injected" not in headers
    assert words in json.dumps(json.loads(body), ensure_ascii=False).replace("\\r\\n", "\r\n")


def test_an_export_stays_below_its_folder(run: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    assert run("export", "--all", "--to", folder).status == 0
    written = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert any("attachment" in path.name for path in written)
    assert all(re.fullmatch(r"[a-z0-9.-]+", part) for path in written for part in path.parts)
    assert [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents] == []


# --- what is unpacked -------------------------------------------------------------------------------------------

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFD = 'xmlns:ofd="http://www.ofdspec.org/2016"'
SHEET = "xl/worksheets/sheet1.xml"


def packed(parts: dict[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return out.getvalue()


def changed(whole: bytes, **parts: str | bytes) -> bytes:
    """A container with parts replaced or added; "__" in a name stands for "/", "_x_" for a dot."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        kept: dict[str, str | bytes] = {name: archive.read(name) for name in archive.namelist()}
    return packed(kept | {name.replace("__", "/").replace("_x_", "."): data for name, data in parts.items()})


def word(body: str = "", doctype: str = "") -> bytes:
    out = io.BytesIO()
    docx.Document().save(out)
    return changed(
        out.getvalue(), word__document_x_xml=f'{doctype}<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>'
    )


def words_of(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def workbook(rows: str, shared: str = "", doctype: str = "") -> bytes:
    out = io.BytesIO()
    book = openpyxl.Workbook()
    book.active["A1"] = "补贴"  # so that there are shared strings
    book.save(out)
    sheet = f'{doctype}<worksheet xmlns="{S}"><sheetData>{rows}</sheetData></worksheet>'
    strings = f'{doctype}<sst xmlns="{S}"><si><t>{shared or "补贴"}</t></si></sst>'
    return changed(out.getvalue(), xl__worksheets__sheet1_x_xml=sheet, xl__sharedStrings_x_xml=strings)


def ofd(objects: str, pages: int = 1, roots: int = 1, doctype: str = "") -> bytes:
    page, root = '<ofd:Page BaseLoc="P.xml"/>', "<ofd:DocRoot>D.xml</ofd:DocRoot>"
    return packed(
        {
            "OFD.xml": f"<ofd:OFD {OFD}><ofd:DocBody>{root * roots}</ofd:DocBody></ofd:OFD>",
            "D.xml": f"<ofd:Document {OFD}>{page * pages}</ofd:Document>",
            "P.xml": f"{doctype}<ofd:Page {OFD}>{objects}</ofd:Page>",
        }
    )


def ofd_text(text: str) -> str:
    return f'<ofd:TextObject Boundary="20 30 150 8"><ofd:TextCode X="1" Y="4">{text}</ofd:TextCode></ofd:TextObject>'


def lying(whole: bytes, name: str, size: int) -> bytes:
    """The container with another unpacked size of one part in both of its directories."""
    data = bytearray(whole)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        local = archive.getinfo(name).header_offset + 22
    central = whole.rindex(name.encode()) - 46 + 24
    for place in (local, central):
        data[place : place + 4] = struct.pack("<I", size)
    return bytes(data)


def pdf(content: bytes, kids: int = 1, box: int = 100) -> bytes:
    stream = zlib.compress(content, 9)
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (kids, b"3 0 R " * kids),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R>>" % (box, box),
        b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream),
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"xref\n0 5\n0000000000 65535 f \n%strailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (
        table,
        len(out),
    )


def png(side: int) -> bytes:
    """A picture of `side`² grey pixels in a few kilobytes a gigabyte."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9)) + chunk(b"IEND", b"")


CORNER = "<row r={q}1048576{q}><c r={q}XFD1048576{q}><v>1</v></c></row>"
CELL = '<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>'
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "docx that unpacks to 300 times its size": (lambda: word(words_of("0" * 40_000_000)), "times its size"),
    "docx with cells over a billion columns": (
        lambda: word(
            "<w:tbl>" + "<w:tr><w:tc><w:tcPr><w:gridSpan w:val='1000000000'/></w:tcPr></w:tc></w:tr>" * 50 + "</w:tbl>"
        ),
        "",
    ),
    "docx that is deeply nested": (lambda: word("<w:sdt>" * 3000 + "</w:sdt>" * 3000), "damaged docx"),
    "docx with a picture of 20 gigabytes": (
        lambda: changed(word(words_of("每床450元")), word__media__image1_x_png=png(140_000)), "每床450元",
    ),
    "xlsx with a cell in the farthest corner": (lambda: workbook(CORNER.format(q="'")), "1048576 rows"),
    "xlsx with one text in each of 5000 cells": (
        lambda: workbook("".join(CELL.format(n=n) for n in range(1, 5001)), "补" * 300_000), "more memory",
    ),
    "xlsx whose directory lies about strings": (
        lambda: lying(workbook(CELL.format(n=1), "x" * 12_000_000), "xl/sharedStrings.xml", 1000), "",
    ),
    "xlsx whose directory lies about a sheet": (
        lambda: lying(workbook("<row r='1'/>" + " " * 12_000_000), SHEET, 1000), "CRC",
    ),
    "ofd of one large page a thousand times": (lambda: ofd(ofd_text("每床450元") * 3000, pages=1000), "每床450元"),
    "ofd of one document 50,000 times": (lambda: ofd("", roots=50_000), ""),
    "pdf with a page of 40 MB": (lambda: pdf(b"q Q " * 10_000_000), ""),
    "pdf of one page 50,000 times": (lambda: pdf(b"q Q", kids=50_000), ""),
    "pdf with an endless page": (lambda: pdf(b"q Q", box=2_000_000_000), ""),
    "rtf that is deeply nested": (lambda: b"{\\rtf1" + b"{" * 300_000 + b"450" + b"}" * 300_000, "450"),
    "page that is deeply nested": (lambda: b"<html><body>" + b"<div>" * 20_000 + "每床450元".encode(), ""),
    "table of spans over everything": (
        lambda: b"<html><body><div id=zoom><p>450</p><table>" + b"<tr><td rowspan=65000 colspan=1000>1<td>2</tr>" * 300,
        "450",
    ),
}  # fmt: skip
READ_ALL = """
import resource, sys
from pathlib import Path
import docx, lxml, pdfplumber, pypdfium2, trafilatura  # what readers import counts for nobody
from crawler.files import UnreadableFile, read_file
for path in map(Path, sys.argv[1:]):
    try:
        told = read_file(path.read_bytes()).text[:100]
    except UnreadableFile as error:
        told = str(error)
    print(path.name, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, ascii(told), flush=True)
"""


@pytest.fixture(scope="module")
def blasts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What a reader with three gigabytes of address space says of each bomb, and its peak in MB after it."""
    import resource

    folder = tmp_path_factory.mktemp("bombs")
    for n, (make, _) in enumerate(BOMBS.values()):
        (folder / f"{n:02}").write_bytes(make())

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))

    environ = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    command = [sys.executable, "-c", READ_ALL, *map(str, sorted(folder.iterdir()))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300, preexec_fn=limited, env=environ)
    lines = [line.split(" ", 2) for line in ended.stdout.splitlines()]
    assert len(lines) == len(BOMBS), ended.stderr[-2000:]
    return {name: (int(mb), told) for name, (_, mb, told) in zip(BOMBS, lines, strict=True)}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_or_harmless(blasts: dict[str, tuple[int, str]], name: str) -> None:
    megabytes, told = blasts[name]
    assert ascii(BOMBS[name][1])[1:-1] in told
    assert megabytes < 1000


ROUNDS = ("<!ENTITY " + b + ' "' + f"&{a};" * 10 + '">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
LAUGHS = '<!DOCTYPE x [<!ENTITY a "HAHAHAHAHA">' + "".join(ROUNDS) + "]>"


@pytest.fixture
def entities(tmp_path: Path) -> dict[str, str]:
    secret = tmp_path / "secret.txt"
    secret.write_text("TOPSECRET", "utf-8")
    return {"&i;": LAUGHS, "&e;": f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'}


@pytest.mark.parametrize("kind", ["docx", "ofd", "xlsx shared", "xlsx inline"])
def test_entities_are_never_expanded(entities: dict[str, str], kind: str) -> None:
    for name, doctype in entities.items():
        inline = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{name}</t></is></c></row>'
        body = {
            "docx": lambda n=name, d=doctype: word(words_of(n), d),
            "ofd": lambda n=name, d=doctype: ofd(ofd_text(n), doctype=d),
            "xlsx shared": lambda n=name, d=doctype: workbook(CELL.format(n=1), n, d),
            "xlsx inline": lambda i=inline, d=doctype: workbook(i, "", d),
        }[kind]()
        try:
            text = read_file(body).text
        except UnreadableFile as error:
            text = str(error)
        assert "HAHA" not in text and "TOPSECRET" not in text


def test_entities_of_a_list_are_never_expanded(entities: dict[str, str]) -> None:
    for name, doctype in entities.items():
        head = f'<?xml version="1.0" encoding="utf-8"?>{doctype}'
        link = f"<li><a href='/a.html' title='{name}'>{name}关于补贴的通知</a></li>"
        bodies = [
            f"{head}<rss><channel><item><title>{name}关于补贴的通知</title><link>{LIST}/a</link></item></channel></rss>",
            f"{head}<datastore><recordset><record>{link}</record></recordset></datastore>",
            f"{head}<html><body><ul>{link * 5}</ul></body></html>",
            f"{head}<html><body><div id=zoom><p>{name}{LINES[0]}</p></div></body></html>",
        ]
        for body in bodies:
            told = repr(read_list(body.encode(), LIST)) + repr(read_document(body.encode(), LIST))
            assert "HAHA" not in told and "TOPSECRET" not in told


# --- what is kept -----------------------------------------------------------------------------------------------


def test_what_no_database_can_hold_is_kept_without_it(database_url: str, tmp_path: Path) -> None:  # noqa: F811
    words = "关于\0建设\ud800补贴\udfff的\x01通知"
    with World(tmp_path, database=database_url) as world:
        row = {"title": words, "url": "/reply.html", "date": "2025-09-15"}
        listed = json.dumps({"data": {"list": [row]}})
        world.site.page("/list.html", listed, headers={"Content-Type": "application/json"})
        world.publish("reply", "x", [])
        written = "关于&#0;建设&#xD800;补贴&#xDFFF;的&#1;通知"
        page = f"<html><body><h1>{written}</h1><div id=zoom><p>{written}{'。'.join(LINES)}</p></div></body></html>"
        world.site.page("/reply.html", page)
        world.check()
        world.site.page("/reply.html", page.replace("5000元", "6000元&#0;"))
        report = world.check()
        assert (report.ok, report.revised, report.error) == (True, 1, None)
        assert "measure.changed" in world.types()


def test_half_characters_in_a_list_are_dropped() -> None:
    rows = [
        {"title": f"关于\ud83d第{n}项补贴的通知", "url": f"/a\ud83d/{n}.html", "date": "2025-01-01"} for n in range(3)
    ]
    script = f"<html><body><script>var list = {json.dumps(rows)};</script></body></html>"
    for body in (json.dumps({"data": {"list": rows}}), script):
        items = read_list(body.encode(), LIST).items
        assert [item.title for item in items] == [f"关于第{n}项补贴的通知" for n in range(3)]
        assert "".join(item.url for item in items).isascii()
    halves = "&#xD800;&#55296;&#x0DFFF;&#057343;"
    feed = f"<rss><item><title>关于{halves}补贴</title><link>https://a.example/{halves}1.html</link></item></rss>"
    assert read_list(feed.encode(), LIST).items == (ListItem("关于补贴", "https://a.example/1.html"),)


def test_overlong_addresses_cost_nobody_else(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        long = "/" + "a" * 100_000
        rows = f'<li><a href="{long}.html">关于第1项补贴的通知</a><span>2025-09-15</span></li>'
        rows += '<li><a href="/reply.html">关于建设补贴的通知</a><span>2025-09-15</span></li>'
        rows += '<li><a href="/links.html">关于运营补贴的通知</a><span>2025-09-15</span></li>'
        world.site.page("/list.html", f"<html><body><ul class=list>{rows}</ul></body></html>")
        world.publish("reply", "关于建设补贴的通知", LINES)
        link = f'<p><a href="{long}.pdf">附件.pdf</a></p>'
        world.site.page(
            "/links.html",
            f"<html><body><h1>关于运营补贴的通知</h1><div id=zoom><p>{LINES[0]}</p>{link}</div></body></html>",
        )
        report = world.check()
        assert report.new >= 1
        assert not [asked for asked in world.site.requests if len(asked.target) > 5000]


def test_floods_are_bounded() -> None:
    rows = "".join(
        f'<li><a href="/{n}.html">关于第{n}项补贴的通知</a><span>2025-01-01</span></li>' for n in range(2000)
    )
    assert len(read_list(f"<html><body><ul>{rows}</ul></body></html>".encode(), LIST).items) == 2000
    files = "".join(f'<a href="/f/{n}.pdf">附件{n}.pdf</a>' for n in range(3000))
    page = f"<html><body><div id=zoom><p>{LINES[0] * 40}</p>{files}</div></body></html>"
    assert len(read_document(page.encode(), LIST).attachments) <= 200
    calls = "".join(f"createPageHTML({n}, 0, 'a{n}', 'html');\n" for n in range(9000, 9999))
    page = f"<html><body><div id=zoom><p>{LINES[0] * 40}</p><script>{calls}</script></div></body></html>"
    assert len(read_document(page.encode(), LIST).next_pages) <= 100


SORTS: dict[str, Callable[[Asked], Reply]] = {
    "no-page": lambda asked: Reply(200, bytes(range(256)) * 20),
    "empty": lambda asked: Reply(200, b""),
    "challenge": lambda asked: Reply(412, b"<html><script>$_ts={};$_ts.cd='x';</script></html>"),
    "repair": lambda asked: Reply(200, "<html><title>系统维护</title><body><h1>系统维护中</h1></body></html>".encode()),
    "bomb": lambda asked: Reply(200, zlib.compress(bytes(50_000_000), 9), {"Content-Encoding": "deflate"}),
    "loop": lambda asked: Reply(302, b"", {"Location": asked.path}),
    "away": lambda asked: Reply(302, b"", {"Location": "http://127.0.0.2:9/keys.html"}),
    "cut": lambda asked: Reply(200, b"<html><body>", {"Content-Length": "9000"}),
    "broken-file": lambda asked: Reply(200, b"PK\x03\x04" + bytes(3000), {"Content-Type": "application/zip"}),
    "picture": lambda asked: Reply(200, png(60_000), {"Content-Type": "image/png"}),
    "deep": lambda asked: Reply(200, b"<html><body>" + b"<div><b>" * 5_000),
    "garbled": lambda asked: Reply(200, ("<html><body><p>" + "。".join(LINES) * 9).encode().decode("latin-1").encode()),
}


def test_hostile_pages_cost_only_themselves(tmp_path: Path) -> None:
    """Good documents beside twelve sorts of bad pages: read, compared and told as if the others were not there."""
    with World(tmp_path) as world:
        for n in range(3):
            world.publish(f"good{n}", f"关于第{n}项建设补贴的通知", LINES)
        for name in SORTS:
            world.publish(name, f"关于{name}的补贴的通知", LINES)
        first = world.check()
        assert (first.new, first.failed) == (3 + len(SORTS), 0)
        for name, answer in SORTS.items():
            world.site.route(f"/{name}.html", answer)
        world.revise("good1", "5000元", "6000元")
        report = world.check()
        assert report.failed + report.blocked == len(SORTS), report
        assert (report.ok, report.revised) == (False, 1) and report.error
        told = [e for e in world.events() if not e.type.startswith("source.")]
        assert {e.document.title for e in told if e.document} == {"关于第1项建设补贴的通知"}
        assert len(world.bodies) == 1
        bad = {d.title for d in _live(world) if d.state != "live"}
        assert bad == set()


def _live(world: World) -> list[Any]:
    from storage.documents import list_documents

    with world.database.read() as conn:
        return list(list_documents(conn))


# --- secrets ----------------------------------------------------------------------------------------------------


def test_secrets_are_never_told(run: Operator, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f"""
[storage]
url = "sqlite:///{tmp_path}/a.db"
[[sources]]
id = "city"
url = "http://127.0.0.1:9/list.html"
[[subscribers]]
id = "r"
to = ["webhook+http://127.0.0.1:9/T0PSECRET?secret=T0PSECRET", "mailto://me:T0PSECRET@127.0.0.1?to=a@example.org"]
""",
        "utf-8",
    )
    for words in (
        ["config", "check"],
        ["subscribers", "list"],
        ["subscribers", "test", "r"],
        ["deliveries"],
        ["check"],
    ):
        ended = run(*words, "--config", config, config=False)
        assert "T0PSECRET" not in ended.out + ended.err, words
    bad = config.read_text("utf-8") + 'language = "T0PSECRET"\nevents = 7\n'
    with pytest.raises(ConfigError) as refused:
        parse_settings(bad, "config.toml", {}, addresses=True)
    assert "T0PSECRET" not in str(refused.value)
