"""Every mistake in a configuration is told with its key, its line and what to write; nothing else gets out."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.phrases import _LABELS
from pledgewatch.settings import (
    EVENT_TYPES,
    MAX_CHARACTERS,
    ConfigError,
    Settings,
    load_settings,
    parse_duration,
    parse_settings,
)

SOURCE = '[[sources]]\nid = "a"\nurl = "https://a.example.org/list.html"\n'
SUBSCRIBER = '[[subscribers]]\nid = "s"\nto = ["webhook+https://hook.example.org/"]\n'

DOCUMENTED = """
[service]
timezone = "Asia/Shanghai"
language = "en"
[storage]
url = "sqlite:///pledgewatch.db"
[crawl]
user_agent = "Pledgewatch (+mailto:ops@example.org)"
delay = 2.0
obey_robots = true
allow_private = false
[web]
listen = "127.0.0.1:8700"
[[sources]]
id = "wuhan-mzj"
url = "https://mzj.example.org/list.html"
name = "武汉市民政局 建议提案答复"
region = "武汉市"
every = "2h"
include = ["养老", "老年"]
exclude = ["公示"]
recheck = "auto"
cms = "trs"
encoding = "gb18030"
tls = "legacy"
list = { item = "ul.list li", title = "a", link = "a", date = "span", expect = 5 }
paging = { next = "a.next", pages = 2 }
detail = { body = ".TRS_Editor", title = "h1", drop = [".share"] }
attachments = { link = ".files a", read = true }
[[sources]]
id = "short"
url = "https://mzj.example.org/other.html"
cron = "30 8 * * mon-fri"
recheck = 20
list = "ul li"
paging = "https://mzj.example.org/other_{page}.html"
detail = "#zoom"
attachments = "a.file"
[[tracked]]
id = "nursing-beds"
name = "养老机构护理型床位占比"
aliases = ["护理型床位占养老机构床位比例"]
alert = ">=10%"
[[subscribers]]
id = "wang"
to = ["mailtos://u:p@mail.example.org/?to=a@example.org", "wecombot://0123456789"]
events = ["measure.*", "document.published"]
regions = ["武汉市"]
kinds = ["target", "subsidy"]
recipients = ["养老机构"]
keywords = []
deliver = "daily 08:30"
quiet = "22:00-07:00"
operator = false
"""


def problems(text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "config.toml", environ or {})
    return caught.value.problems


def test_every_documented_key_is_accepted() -> None:
    found = parse_settings(DOCUMENTED)
    assert [s.id for s in found.sources] == ["wuhan-mzj", "short"]
    short = found.sources[1]
    assert (short.list.item, short.detail.body, short.attachments.link) == ("ul li", "#zoom", "a.file")
    assert short.paging.next == "https://mzj.example.org/other_{page}.html"
    assert short.recheck == 20


def test_the_contract_s_example_is_accepted() -> None:
    contract = Path(__file__).resolve().parents[2].parent / "shared" / "contract.md"
    if not contract.exists():
        pytest.skip("the reference folder ../shared is absent")
    example = re.search(r"```toml\n(.*?)```", contract.read_text("utf-8"), re.DOTALL)
    assert example
    harmless = (
        example[1].replace("https://…/", "https://mzj.example.org/").replace("mailtos://…", "mailtos://u:p@example.org")
    )
    assert parse_settings(harmless).sources[0].id == "wuhan-mzj"
    # The keys that the example only names in a comment.
    assert {"recheck", "cms", "list", "paging", "detail", "attachments", "tls", "encoding", "exclude", "cron"} <= set(
        type(parse_settings(harmless).sources[0]).model_fields
    )


def test_nothing_at_all_has_defaults_that_are_right_for_most() -> None:
    found = parse_settings("")
    assert (found.service.timezone, found.service.language) == ("Asia/Shanghai", "zh")
    assert (found.crawl.delay, found.crawl.obey_robots, found.crawl.allow_private) == (2.0, True, False)
    assert found.web.address == ("127.0.0.1", 8700)


def test_a_source_needs_an_id_and_a_url() -> None:
    source = parse_settings(SOURCE).sources[0]
    assert (source.every, source.label, source.recheck) == (timedelta(hours=2), "a", "auto")
    assert problems("[[sources]]\n") == ["line 1: sources[1].id: is missing", "line 1: sources[1].url: is missing"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[service]\ntimezon = 'x'", 'line 2: service.timezon: is no known key; did you mean "timezone"?'),
        ("[service]\ntimezone = 'Mars'", "line 2: service.timezone: is no time zone; write one such as Asia/Shanghai"),
        ("[service]\nlanguage = 'cn'", 'line 2: service.language: write "zh" or "en"'),
        ("[service]\ndelay = 1", "line 2: service.delay: is no known key here; it belongs under [crawl]"),
        ("[service]\ntemplates = '/no/such/folder'", "line 2: service.templates: is no folder"),
        ("[[source]]\nid = 'a'", 'line 1: source: is no known key; did you mean "sources"?'),
        ("[[crawl]]\ndelay = 1", "line 1: crawl: is one table: write [crawl]"),
        ("crawl = 3", "line 1: crawl: is one table: write [crawl]"),
        ("[sources]\nid = 'a'", "line 1: sources: write [[sources]]: there may be several"),
        ("[crawl]\ndelay = 'soon'", "line 2: crawl.delay: write a number"),
        ("[crawl]\ndelay = nan", "line 2: crawl.delay: write a finite number"),
        ("[crawl]\nobey_robots = 'perhaps'", "line 2: crawl.obey_robots: write true or false"),
        ("[crawl]\ntimeout = 5", 'line 2: crawl.timeout: write a duration with its unit, such as "30m", "2h" or "1d"'),
        ("[crawl]\nuser_agent = '公开守望'", "line 2: crawl.user_agent: a user agent is one line of ASCII"),
        ("[web]\nlisten = '8700'", 'line 2: web.listen: write host:port, such as "127.0.0.1:8700"'),
        ("[web]\nlisten = '127.0.0.1:99999'", "line 2: web.listen: write host:port"),
        ("[web]\nbase_url = 'example.org'", "line 2: web.base_url: write a whole address"),
        ("[storage]\nurl = 'mysql://x'", "line 2: storage.url: begins with sqlite:/// or postgresql+psycopg://"),
        ("[storage]\nurl = 'sqlite:///:memory:'", "line 2: storage.url: names no file"),
        (SOURCE + "every = 5", "line 4: sources[1].every: write a duration with its unit"),
        (SOURCE + "every = '0s'", "line 4: sources[1].every: a duration lies between 1s and 366d"),
        (SOURCE + "name = { zh = 'x' }", 'line 4: sources[1].name: write it in quotes: "…"'),
        (SOURCE + "list = { itm = 'li' }", 'line 4: sources[1].list.itm: is no known key; did you mean "item"?'),
        (SOURCE + "[sources.paging]\npages = 0", "line 5: sources[1].paging.pages: must be at least 1"),
        (SOURCE + "detail.body = 'div['", "line 4: sources[1].detail.body: "),
        (SOURCE + "detail = 'div['", "line 4: sources[1].detail.body: "),
        (SOURCE + "cms = 'trss'", "line 4: sources[1].cms: 'trss' is none of auto, boda"),
        (SOURCE + "encoding = 'base64'", "line 4: sources[1].encoding: is no known encoding"),
        (SOURCE + "include = ['(']", "line 4: sources[1].include[1]: '(' is no pattern"),
        (SOURCE + "include = ['a', '']", "line 4: sources[1].include[2]: an empty pattern would match every title"),
        (SOURCE + "recheck = -1", 'line 4: sources[1].recheck: write "auto", "all", or how many'),
        (SOURCE + "cron = '30 8 * *'", "line 4: sources[1].cron: has 4 fields; write five"),
        (SOURCE + "cron = '0 8 31 2 *'", "line 4: sources[1].cron: is a schedule that never comes"),
        (SOURCE + "every = '1h'\ncron = '0 8 * * *'", "line 5: sources[1].cron: stands beside `every`"),
        (SOURCE + "obey_robots = 1", "line 4: sources[1].obey_robots: is no known key here; it belongs under [crawl]"),
        (SOURCE + SOURCE, 'line 5: sources[2].id: "a" is the id of sources[1] already'),
        (SOURCE.replace('"a"', '"武汉"'), "line 2: sources[1].id: an id has 1 to 64 letters"),
        (SOURCE.replace("https://a.example.org", ""), "line 3: sources[1].url: write a whole address"),
        (
            SUBSCRIBER + "events = ['mesure.*']",
            'line 4: subscribers[1].events[1]: "mesure.*" names no event; did you mean "measure.*"?',
        ),
        (SUBSCRIBER + "events = ['source.*']", "line 4: subscribers[1].events: source.* events go to operators only"),
        (SOURCE + SUBSCRIBER + "sources = ['b']", 'line 7: subscribers[1].sources: "b" is the id of no source'),
        (
            SUBSCRIBER + "kinds = ['targets']",
            'line 4: subscribers[1].kinds[1]: write "target", "subsidy" or "progress"; did you mean',
        ),
        (SUBSCRIBER + "deliver = 'weekly'", "line 4: subscribers[1].deliver: "),
        (SUBSCRIBER + "quiet = 'night'", "line 4: subscribers[1].quiet: "),
        ("[[subscribers]]\nid = 's'\nto = []", "line 3: subscribers[1].to: names none"),
        ("[[subscribers]]\nid = 's'\nto = ['me@example.org']", "line 3: subscribers[1].to[1]: write an Apprise URL"),
        ("[[tracked]]\nid = 't'\nname = 'x'\nalert = '10%'", "line 4: tracked[1].alert: write any, increase"),
        ("[service]\nlanguage = zh", "line 2: is not TOML: invalid value (column 12); words need quotes"),
        ("[service]\n[service]", "line 2: is not TOML: cannot declare"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_line_key_and_what_to_write(text: str, told: str) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert found[0].startswith(told)


def test_all_mistakes_are_told_in_one_go_and_in_the_order_of_the_file() -> None:
    text = (
        '[service]\nlanguag = "zh"\n' + SOURCE + 'every = "x"\n' + SOURCE + SUBSCRIBER + 'sources = ["b"]\nquiet = "x"'
    )
    found = problems(text)
    assert [int(line.split(":")[0].removeprefix("line ")) for line in found] == [2, 6, 8, 13, 14]


def test_lines_are_right_beside_strings_of_several_lines() -> None:
    text = '[service]\nlanguage = "zh"\n[[sources]]\nname = """\nurl = 1\n[web]\n"""\nid = "a"\nurl = "x"\n'
    assert problems(text)[-1].startswith("line 9: sources[1].url:")


def test_secrets_come_from_the_environment() -> None:
    text = '[[subscribers]]\nid = "s"\nto = ["mailtos://me:${PASSWORD}@example.org"]'
    assert parse_settings(text, environ={"PASSWORD": "x1"}).subscribers[0].to == ("mailtos://me:x1@example.org",)
    for environ in ({}, {"PASSWORD": ""}):
        assert problems(text, environ) == [
            "line 3: subscribers[1].to[1]: the environment variable PASSWORD is not set or empty"
        ]


def test_a_look_into_the_archive_needs_its_own_tables_only() -> None:
    rest = (
        '[web]\nbase_url = "${BASE}"\n[[subscribers]]\nid = "a"\nto = ["webhook+https://a.example?secret=${SECRET}"]\n'
    )
    settings = parse_settings(f'[service]\nlanguage = "en"\n{rest}', environ={}, archive_only=True)
    assert settings.service.language == "en" and settings.subscribers == ()
    with pytest.raises(ConfigError) as refused:
        parse_settings(f'[storage]\nurl = "postgresql+psycopg://u:${{PW}}@h/db"\n{rest}', environ={}, archive_only=True)
    assert refused.value.problems == ["line 2: storage.url: the environment variable PW is not set or empty"]
    whole = parse_settings(rest, environ={"BASE": "https://w.example", "SECRET": "s"}, archive_only=True)
    assert len(whole.subscribers) == 1


def test_a_number_and_a_switch_may_come_from_the_environment() -> None:
    text = '[crawl]\ndelay = "${DELAY}"\nallow_private = "${PRIVATE}"'
    crawl = parse_settings(text, environ={"DELAY": "0.5", "PRIVATE": "true"}).crawl
    assert (crawl.delay, crawl.allow_private) == (0.5, True)
    assert problems(text, {"PRIVATE": "true"}) == [
        "line 2: crawl.delay: the environment variable DELAY is not set or empty"
    ]


def test_no_mistake_repeats_a_secret() -> None:
    text = '[storage]\nurl = "${DB}"\n[[subscribers]]\nid = "s"\nto = ["${KEY}", 5]\nquiet = 5'
    told = problems(text, {"DB": "mysql://u:hunter2@h/d", "KEY": "hunter2"})
    assert len(told) == 4
    assert "hunter2" not in "\n".join(told)


def test_crontab_s_numbers_mean_crontab_s_days() -> None:
    source = parse_settings(SOURCE + 'cron = "30 8 * * 1-5"').sources[0]
    assert source.cron == "30 8 * * mon,tue,wed,thu,fri"
    assert parse_settings(SOURCE + 'cron = "0 8 * * 0,6"').sources[0].cron == "0 8 * * sun,sat"


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5h", 5400), ("1d", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("value", [5, "5", True, "h", "-1h", "1y", "٣h", "0.5s", "367d", "9" * 30 + "s", [], {}])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


def test_the_event_types_are_those_that_messages_have_words_for() -> None:
    assert set(EVENT_TYPES) == {label.partition(" ")[0] for label in _LABELS}


# --- the file ----------------------------------------------------------------------------------------------------


def refused(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(str(file))
    assert caught.value.path == str(file)
    return caught.value.problems[0]


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + SOURCE.replace("\n", "\r\n").encode())
    assert load_settings(str(tmp_path / "c.toml")).sources[0].id == "a"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory; the project's own config.toml" in refused(tmp_path / "none.toml")
    assert "cannot be read: Is a directory" in refused(tmp_path)
    (tmp_path / "gbk.toml").write_bytes('name = "武汉"'.encode("gbk"))
    assert "is not UTF-8 text" in refused(tmp_path / "gbk.toml")
    (tmp_path / "utf16.toml").write_bytes(SOURCE.encode("utf-16"))
    assert "is not UTF-8 text" in refused(tmp_path / "utf16.toml")


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()
    assert load_settings(str(tmp_path / "config.toml")) == load_settings(
        None, {"PLEDGEWATCH_CONFIG": str(tmp_path / "config.toml")}
    )


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    text = '[service]\ntemplates = "words"\n[storage]\nurl = "sqlite:///data/a.db"'
    found = parse_settings(text, str(tmp_path / "config.toml"))
    assert found.storage.url == f"sqlite:///{tmp_path}/data/a.db"
    assert found.service.templates == tmp_path / "words"
    absolute = parse_settings('[storage]\nurl = "sqlite:////var/lib/a.db"', str(tmp_path / "config.toml"))
    assert absolute.storage.url == "sqlite:////var/lib/a.db"


def test_a_user_agent_that_names_nobody_is_noticed_but_allowed() -> None:
    assert Settings().crawl.user_agent == "Pledgewatch (+mailto:ops@example.org)"


# --- whatever stands in it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "x = " + "{a=" * 100_000,
        "a." * 100_000 + "b = 1",
        "[" + "a." * 100_000 + "b]",
        "x = {" + "a." * 100_000 + "b = 1}",
        ("[" + "a." * 150 + "a]\n") * 2,
        "x = " + "9" * 10_000,
        "#" * (MAX_CHARACTERS + 1),
        "[" + " " * 200_000,
        "sources = [" + "1," * 10_000 + "]",
        "\0", "\ud800", "﻿﻿", "=", "[[", "]]", "'''", '"""', "\r", "a = 1\r\r",
    ],
    ids=range(20),
)  # fmt: skip
def test_absurd_files_are_refused_in_words(text: str) -> None:
    assert all(len(problem) < 400 for problem in problems(text)[:5])


WORDS = ["service", "storage", "crawl", "web", "sources", "tracked", "subscribers"]
KEYS = st.sampled_from(
    [
        *WORDS,
        "id",
        "url",
        "to",
        "every",
        "cron",
        "include",
        "list",
        "paging",
        "detail",
        "tls",
        "events",
        "alert",
        "quiet",
        "deliver",
        "recheck",
        "a b",
        "",
    ]
)
LEAVES = st.one_of(
    st.text(max_size=12), st.integers(), st.floats(), st.booleans(), st.dates(), st.times(),
    st.sampled_from(["a", "https://a/", "2h", "0 8 * * 1-5", "*/0 * * * *", "* * * * mon-", "sqlite:///x"]),
    st.sampled_from(["${HOME}", "${", "h:1", "../..", "measure.*", "(?:", "x" * 200]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)


def toml(value: object) -> str:
    """A value as TOML writes it in line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return (
            '"'
            + "".join(f"\\U{ord(c):08X}" if not c.isalnum() and not 0xD800 <= ord(c) < 0xE000 else c for c in value)
            + '"'
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return str(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_values_of_any_shape_are_read_or_refused(tables: dict[str, object]) -> None:
    """Arrays of tables with every key of the configuration, holding whatever."""
    try:
        found = parse_settings("\n".join(f"{toml(k)} = {toml(v)}" for k, v in tables.items()), environ={})
    except ConfigError as error:
        assert error.problems and all(error.problems)
    else:
        assert isinstance(found, Settings)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_documented_tables_with_one_wrong_value_are_read_or_refused(data: st.DataObject) -> None:
    lines = DOCUMENTED.splitlines()
    at = data.draw(st.sampled_from([n for n, line in enumerate(lines) if " = " in line]))
    lines[at] = lines[at].partition(" = ")[0] + " = " + toml(data.draw(VALUES))
    try:
        parse_settings("\n".join(lines), environ={})
    except ConfigError as error:
        assert error.problems


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_bytes_of_any_kind_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(body)
    try:
        load_settings(str(file), {})
    except ConfigError as error:
        assert error.problems


# --- the example -------------------------------------------------------------------------------------------------

EXAMPLE = Path(__file__).resolve().parents[2] / "config.toml"


def test_the_example_is_right_as_it_stands_and_with_every_comment_taken_away() -> None:
    text = EXAMPLE.read_text("utf-8")
    assert parse_settings(text).sources
    every = re.sub(r"^# (?=\[\[|(?!templates)[a-z_]+ = )", "", text, flags=re.MULTILINE)
    environ = {"MAIL_PASSWORD": "x", "WECOM_KEY": "0123456789", "HOOK_SECRET": "x", "DB_PASSWORD": "x"}
    found = parse_settings(every, environ=environ, addresses=True)
    assert [s.id for s in found.subscribers] == ["wang", "ops"]
    assert found.sources[0].paging.pages == 3
