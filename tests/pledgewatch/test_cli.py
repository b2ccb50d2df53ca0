"""Every command of the contract against a real archive: keys, exit statuses, streams."""

from __future__ import annotations

import csv
import io
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from operating import Operator
from servers import Reply
from world import World

from pledgewatch import posting
from pledgewatch.console import app

PASS_KEYS = (
    *("source", "ok", "fetched", "not_modified", "new", "revised", "unchanged", "withdrawn", "blocked", "failed"),
    *("events", "seconds", "error"),
)
DOCUMENT_KEYS = (
    *("title", "doc_number", "index_number", "publisher", "published_on", "issued_on", "status", "attachments", "text"),
)
EVENT_KEYS = (
    *("id", "type", "time", "source", "document", "versions", "measure", "before", "after", "summary", "baseline"),
)
DELIVERY_KEYS = (
    *("id", "subscriber", "channel", "events", "state", "attempts", "last_error", "created_at", "sent_at"),
)
TEXT = "一、目前，全市建成家庭养老床位3200余张。\n二、对符合条件的养老机构给予5000元/张的建设补贴。\n"
LINES = TEXT.splitlines()
NUMBER = "云民提〔2026〕18号"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A document with two versions, another with one, a message that was sent and one that failed."""
    folder = tmp_path_factory.mktemp("archive")
    subscribers = (
        '[[subscribers]]\nid = "reader"\nto = ["webhook+{0}"]\n'
        '[[subscribers]]\nid = "deaf"\nto = ["webhook+{1}"]\nkinds = ["subsidy"]\n'
    )
    with World(folder, config='[[tracked]]\nid = "beds"\nname = "家庭养老床位"\n') as world:
        world.site.route("/deaf", lambda asked: Reply(503))
        world._subscribers = subscribers.format(world.site.url("/hook"), world.site.url("/deaf"))
        from pledgewatch.settings import parse_settings

        world.settings = parse_settings(world.config(), str(folder / "config.toml"))
        (folder / "config.toml").write_text(world.config(), "utf-8")
        world.publish("reply", "关于市政协第18号提案的答复", LINES, number=NUMBER)
        world.publish("plan", "云川市养老服务方案", ["到2027年底，养老机构护理型床位占比达到55%以上。"], index="K-1")
        world.check()
        world.revise("reply", "5000元/张", "6000元/张")
        world.check()
        yield world


@pytest.fixture
def run(archive: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(archive.folder / "config.toml", capsys, monkeypatch)


# --- help, configuration, usage ----------------------------------------------------------------------------------


def commands() -> list[tuple[str, ...]]:
    import typer

    tree = typer.main.get_command(app)
    found: list[tuple[str, ...]] = [()]
    for name, command in tree.commands.items():  # type: ignore[attr-defined]
        found.append((name,))
        found += [(name, sub) for sub in getattr(command, "commands", {})]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_and_takes_a_configuration(run: Operator, words: tuple[str, ...]) -> None:
    ended = run(*words, "--help", config=False)
    assert ended.status == 0
    assert "--config FILE" in ended.out
    assert ended.out.startswith("Usage: pledgewatch")


def test_how_long_a_killed_process_holds_its_channels_is_told(run: Operator) -> None:
    assert posting.LEASE_SECONDS == 3 * 60
    assert "wait up to three minutes" in " ".join(run("deliveries", "--help", config=False).out.split())


def test_the_contract_s_commands_are_all_there() -> None:
    assert {" ".join(words) for words in commands()} >= {
        *("demo", "run", "check", "extract", "links", "sources list", "sources test", "sources add", "documents"),
        *("history", "diff", "measures", "measures split", "measures merge", "events", "deliveries"),
        *("deliveries retry", "subscribers list", "subscribers test", "export", "config check"),
    }


@pytest.mark.parametrize(
    "words",
    [
        ["nosuch"], ["check", "--nosuch"], ["check", "nosuch"], ["history"], ["diff", "1", "--from", "x"],
        ["diff", "1", "--from", "0"], ["events", "--since", "x"], ["events", "--since", "9" * 30],
        ["deliveries", "retry", "9" * 30], ["export", "--to", "x"], ["export", "1", "--all", "--to", "x"],
        ["export", "1"], ["measures", "--csv", "--json"],
        ["links", "x"], ["links", "x", "--base", "example.org"], ["sources", "test", "nosuch"],
        ["subscribers", "test", "nosuch"], ["sources", "add", "ftp://example.org/"], ["sources", "add", "x"],
        ["sources", "add", "https://a.example.org/", "--id", "city"],
        ["sources", "add", "https://a.example.org/", "--id", "市"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_prints_nothing_on_standard_output(run: Operator, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err and "Traceback" not in ended.err


@pytest.mark.parametrize(
    "words",
    [
        ["history", "999"], ["diff", "云政发〔1999〕1号"], ["diff", "1", "--to", "9"], ["deliveries", "retry", "999"],
        ["measures", "merge", "x", "y"], ["measures", "split", "x", "1"], ["export", "999", "--to", "x"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_does_not_exist_is_wrong_usage(run: Operator, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("pledgewatch: ")


def test_the_configuration_is_named_in_three_ways(run: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run("--config", run.config, "documents", "--json", config=False)
    group = run("sources", "--config", run.config, "list", "--json", config=False)
    inner = run("deliveries", "--config", run.config, "retry", "999", config=False)
    assert (before.status, len(before.lines), len(group.lines), inner.status) == (0, 2, 1, 2)
    assert run("documents", "--json", config=False).status in (0, 2)  # ./config.toml of wherever tests run
    missing = run("--config", "/nowhere/c.toml", "documents", config=False)
    assert missing.status == 2
    assert "/nowhere/c.toml: cannot be read" in missing.err
    command = [sys.executable, "-c", "from pledgewatch.cli import main; main()", "documents", "--json"]
    environ = {**os.environ, "PLEDGEWATCH_CONFIG": str(run.config)}
    assert len(subprocess.run(command, env=environ, capture_output=True, check=True).stdout.splitlines()) == 2


def test_config_check(run: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run("config", "check")
    assert ended.status == 0
    assert ended.out == "configuration is right: 1 source, 1 tracked measure, 2 subscribers\n"
    assert "crawl.user_agent names nobody" in ended.err
    bad = tmp_path / "bad.toml"
    bad.write_text('[[subscribers]]\nid = "s"\nto = ["nosuch://x", "mailtos://"]\nquiet = "x"\n', "utf-8")
    ended = Operator(bad, run._capsys, monkeypatch)("config", "check")
    assert ended.status == 2
    told = [line.partition("bad.toml: ")[2] for line in ended.err.splitlines()]
    assert [line.split(": ")[:2] for line in told] == [
        ["line 3", "subscribers[1].to[1]"],
        ["line 3", "subscribers[1].to[2]"],
        ["line 4", "subscribers[1].quiet"],
    ]
    assert "nosuch" in told[0]


def test_a_database_that_is_none_is_told(tmp_path: Path, run: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database" * 100)
    (tmp_path / "c.toml").write_text('[storage]\nurl = "sqlite:///a.db"', "utf-8")
    ended = Operator(tmp_path / "c.toml", run._capsys, monkeypatch)("documents")
    assert ended.status == 2
    assert "a.db" in ended.err and "storage.url" in ended.err


def test_a_secret_that_is_not_set_stops_only_what_needs_it(run: Operator, archive: World, tmp_path: Path) -> None:
    config = archive.folder / "unset.toml"
    config.write_text(
        archive.config() + '[[subscribers]]\nid = "hook"\nto = ["json://h.example/${HOOK_SECRET}"]\n', "utf-8"
    )
    ask = Operator(config, run._capsys, run._monkeypatch)
    for words in (
        *(("documents",), ("events",), ("measures",), ("deliveries",), ("history", "1"), ("diff", "1")),
        *(("users", "list"), ("tokens", "list"), ("export", "1", "--to", tmp_path / "out"), ("storage", "stats")),
        ("storage", "verify"),
    ):
        assert ask(*words).status == 0, words
    for words in (("check",), ("run",), ("subscribers", "test", "reader"), ("config", "check")):
        ended = ask(*words)
        assert ended.status == 2 and "HOOK_SECRET is not set" in ended.err, words


# --- check -------------------------------------------------------------------------------------------------------


def test_check_prints_one_line_a_source(run: Operator) -> None:
    ended = run("check", "--json")
    assert ended.status in (0, 1)  # the deaf subscriber's message may be due again
    [line] = ended.lines
    assert tuple(line) == PASS_KEYS
    assert (line["source"], line["ok"], line["unchanged"], line["error"]) == ("city", True, 2, None)
    assert re.match(r"ok\s+city: 2 unchanged", run("check", "city").out)


def test_a_source_that_fails_ends_with_1_and_the_others_go_on(run: Operator, archive: World, tmp_path: Path) -> None:
    broken = f'[[sources]]\nid = "broken"\nurl = "{archive.site.url("/nowhere.html")}"\n'
    config = archive.config().replace("world.db", "other.db") + broken
    (tmp_path / "config.toml").write_text(config, "utf-8")
    ended = Operator(tmp_path / "config.toml", run._capsys, run._monkeypatch)("check", "--json")
    assert ended.status == 1
    lines = {line["source"]: line for line in ended.lines}
    assert lines["city"]["ok"] and not lines["broken"]["ok"]
    assert lines["broken"]["error"].startswith("list: ")
    assert tuple(lines["broken"]) == PASS_KEYS


# --- reading files -----------------------------------------------------------------------------------------------


def test_extract_reads_what_it_can_and_goes_on(run: Operator, tmp_path: Path) -> None:
    text = tmp_path / "文件.txt"
    text.write_bytes(TEXT.replace("\n", "\r\n").encode())
    (tmp_path / "page.html").write_text(f"<html><head><title>答复</title></head><body><p>{LINES[0]}</p></body></html>")
    (tmp_path / "junk.bin").write_bytes(bytes(range(256)) * 50)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    files = [
        text,
        tmp_path / "none.txt",
        tmp_path / "junk.bin",
        tmp_path,
        tmp_path / "broken.pdf",
        tmp_path / "page.html",
    ]
    ended = run("extract", *files, "--json")
    assert ended.status == 1
    assert [Path(f["file"]).name for f in ended.json["files"]] == ["文件.txt", "page.html"]
    for name in ("none.txt: No such file", "junk.bin: ", "Is a directory", "broken.pdf: "):
        assert name in ended.err
    assert ended.err.count("junk.bin") == 1 and "junk.bin: a file of kind" in ended.err
    first = ended.json["files"][0]
    assert tuple(first) == ("file", "document", "measures")
    assert tuple(first["document"]) == DOCUMENT_KEYS
    assert first["document"]["text"] == TEXT.replace("\n", "\r\n")
    assert len(first["measures"]) == 2
    for measure in first["measures"]:
        for figure in measure["figures"]:
            assert first["document"]["text"][figure["start"] : figure["end"]] == figure["quote"]


def test_extract_reads_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from pledgewatch.cli import main; main()", "extract"]
    for words in (["-", "--json"], ["--json"], []):
        ended = subprocess.run([*command, *words], input=TEXT.encode(), capture_output=True, cwd=tmp_path, check=True)
        assert "5000元/张" in ended.stdout.decode()
    assert list(tmp_path.iterdir()) == [], "extract needs no database"


@pytest.mark.parametrize("body", [b"", b"\0" * 100, b"\xff\xfe", b"PK\x03\x04", b"<", "﻿".encode(), b"{" * 5000])
def test_extract_of_oddities_never_breaks(run: Operator, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "odd").write_bytes(body)
    ended = run("extract", tmp_path / "odd", "--json")
    assert ended.status in (0, 1)
    assert len(ended.json["files"]) == 1 - ended.status


def test_links_tells_rows_and_the_next_page(run: Operator, archive: World, tmp_path: Path) -> None:
    (tmp_path / "list.html").write_text(archive._list(), "utf-8")
    ended = run("links", tmp_path / "list.html", "--base", "https://mzj.example.org/list.html", "--json")
    assert ended.status == 0
    assert tuple(ended.json) == ("cms", "items", "next")
    assert ended.json["items"][0] == {
        "title": "关于市政协第18号提案的答复",
        "url": "https://mzj.example.org/reply.html",
        "date": "2025-09-15",
    }
    words = run("links", tmp_path / "list.html", "--base", "https://mzj.example.org/")
    assert "2025-09-15  关于市政协第18号提案的答复" in words.out
    assert run("links", tmp_path / "none", "--base", "https://mzj.example.org/").status == 1


# --- the archive -------------------------------------------------------------------------------------------------


def test_documents_and_history(run: Operator) -> None:
    rows = run("documents", "--json").lines
    reply = next(row for row in rows if row["doc_number"] == NUMBER)
    assert {"id", "title", "url", "published_on", "state"} <= set(reply)
    for name in (reply["id"], reply["url"], NUMBER, "云民提[2026]18号"):
        versions = run("history", name, "--json").lines
        assert [(v["version"], v["baseline"]) for v in versions] == [(1, True), (2, False)]
    assert NUMBER in run("documents").out
    assert run("documents", "--title", "方案", "--json").lines[0]["title"] == "云川市养老服务方案"
    assert "baseline" in run("history", NUMBER).out


def test_measures(run: Operator) -> None:
    rows = run("measures", "--json").lines
    assert all(tuple(r) == ("id", "name", "kind", "region", "unit", "statements") for r in rows)
    beds = next(r for r in rows if r["id"] == "beds")
    assert tuple(beds["statements"][0]) == (
        *("document", "title", "kind", "figures", "quote", "deadline", "published_on", "version"),
    )
    assert (beds["name"], beds["unit"], beds["statements"][0]["figures"][0]["value"]) == ("家庭养老床位", "张", 3200)
    table = list(csv.DictReader(io.StringIO(run("measures", "--csv").out)))
    assert {row["id"] for row in table} == {r["id"] for r in rows}
    assert "家庭养老床位" in run("measures").out


def test_events_since(run: Operator) -> None:
    rows = run("events", "--json").lines
    assert all(tuple(r) == EVENT_KEYS for r in rows)
    changed = next(r for r in rows if r["type"] == "measure.changed")
    assert set(changed["document"]) == {"id", "title", "url", "doc_number", "publisher", "region"}
    assert set(changed["measure"]) == {"id", "name", "kind", "recipient"}
    assert (changed["before"]["value"], changed["after"]["value"]) == (5000, 6000)
    assert "sentence" in changed["after"]
    assert run("events", "--json", "--since", changed["id"]).lines == [r for r in rows if r["id"] > changed["id"]]
    assert "6000元/张" in run("events").out


def test_events_of_the_baseline_are_marked_in_words(run: Operator, archive: World) -> None:
    baseline = {r["id"]: r["baseline"] for r in run("events", "--json").lines}
    shown = {int(line.split()[0]): "[基线]" in line for line in run("events").out.splitlines()}
    assert shown == baseline
    assert set(shown.values()) == {True, False}


def test_measures_are_printed_with_their_units(run: Operator, archive: World) -> None:
    assert "3200余张" in run("measures").out
    assert "6000元/张" in run("measures").out


def test_times_are_those_of_the_service(run: Operator, archive: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of tests stands at 01:00 UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        for words in (["events"], ["history", "1"], ["deliveries"]):
            assert re.search(r"2026-09-01 (09|11):00", run(*words).out), words
    finally:
        monkeypatch.undo()
        time.tzset()


def test_deliveries_and_retry(run: Operator) -> None:
    rows = {r["subscriber"]: r for r in run("deliveries", "--json").lines}
    assert all(tuple(r) == DELIVERY_KEYS for r in rows.values())
    assert (rows["reader"]["state"], rows["deaf"]["state"]) == ("sent", "retrying")
    assert "503" in rows["deaf"]["last_error"]
    again = run("deliveries", "retry", rows["reader"]["id"])
    assert again.status == 2 and "was sent already" in again.err
    assert "there is no delivery 77" in run("deliveries", "retry", 77).err
    ended = run("deliveries", "retry", rows["deaf"]["id"])
    assert (ended.status, ended.out) == (0, f"delivery {rows['deaf']['id']} is queued again\n")
    assert "retrying" in run("deliveries").out or "pending" in run("deliveries").out


def test_no_line_is_cut_or_coloured_in_a_pipe(run: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    for words in (["documents"], ["measures"], ["events"], ["deliveries"], ["sources", "list"], ["history", "1"]):
        out = run(*words).out
        assert "\x1b" not in out
        assert len([line for line in out.splitlines() if line.strip()]) <= 12
    assert "关于市政协第18号提案的答复" in run("documents").out


def test_a_reader_that_goes_away_is_no_error(run: Operator) -> None:
    program = f"{sys.executable} -c 'from pledgewatch.cli import main; main()' events --json --config {run.config}"
    ended = subprocess.run(["bash", "-c", f"set -o pipefail; {program} | head -c 1"], capture_output=True, check=False)
    assert ended.stderr == b""


def test_a_locale_without_chinese_gets_utf_8_in_a_pipe(run: Operator) -> None:
    command = [
        sys.executable,
        "-c",
        "from pledgewatch.cli import main; main()",
        "documents",
        "--config",
        str(run.config),
    ]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ended = subprocess.run(command, env=environ, capture_output=True, check=True)
    assert NUMBER in ended.stdout.decode("utf-8")


def test_a_terminal_gets_colours_and_progress(run: Operator) -> None:
    assert "\x1b[" in on_terminal("diff", NUMBER, "--config", str(run.config))
    checked = on_terminal("check", "--config", str(run.config))
    assert "city: 2 unchanged" in checked


def on_terminal(*words: str) -> str:
    """What the program writes to a terminal."""
    main_end, program_end = pty.openpty()
    command = [sys.executable, "-c", "from pledgewatch.cli import main; main()", *words]
    environ = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    process = subprocess.Popen(command, stdin=program_end, stdout=program_end, stderr=program_end, env=environ)
    os.close(program_end)
    written = b""
    while True:
        try:
            piece = os.read(main_end, 4096)
        except OSError:  # Linux says EIO where the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(main_end)
    process.wait()
    return written.decode("utf-8", "replace")


@pytest.fixture
def two_reports(tmp_path: Path, run: Operator) -> Iterator[tuple[World, Operator]]:
    """Two documents that state one measure, and a plan with another."""
    with World(tmp_path, config='[[tracked]]\nid = "beds"\nname = "家庭养老床位"\n') as world:
        (tmp_path / "config.toml").write_text(world.config(), "utf-8")
        world.publish("one", "关于第1号提案的答复", ["目前，全市建成家庭养老床位3200余张。"], published="2025-01-10")
        world.publish("two", "关于第2号提案的答复", ["目前，全市建成家庭养老床位3300余张。"], published="2025-02-10")
        world.publish("plan", "云川市养老服务方案", ["到2027年底，养老机构护理型床位占比达到55%以上。"])
        world.check()
        yield world, Operator(tmp_path / "config.toml", run._capsys, run._monkeypatch)


def stated_in(run: Operator) -> dict[str, list[int]]:
    """The documents of each tracked measure."""
    return {r["id"]: [s["document"] for s in r["statements"]] for r in run("measures", "--json").lines}


def test_measures_are_split_for_good(two_reports: tuple[World, Operator]) -> None:
    world, run = two_reports
    stays, goes = stated_in(run)["beds"]
    ended = run("measures", "split", "beds", goes)
    assert (ended.status, ended.out, ended.err) == (0, "1 statement moved\n", "")
    assert stated_in(run)["beds"] == [stays]
    for slug, old, new in (("one", "3200", "3400"), ("two", "3300", "3500")):
        world.revise(slug, old, new)
    world.check()
    assert stated_in(run)["beds"] == [stays]
    assert [goes] in stated_in(run).values()


def test_measures_are_merged_for_good(two_reports: tuple[World, Operator]) -> None:
    world, run = two_reports
    other = next(r for r in run("measures", "--json").lines if r["kind"] == "target")
    document = other["statements"][0]["document"]
    wrong = run("measures", "merge", other["id"], "beds")
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err.endswith(f"swap the order: measures merge beds {other['id']}\n")
    ended = run("measures", "merge", "beds", other["id"])
    told = f"1 statement moved from {other['name']} ({other['id']}) to 家庭养老床位 (beds)\n"
    assert (ended.status, ended.out, ended.err) == (0, told, "")
    assert document in stated_in(run)["beds"]
    world.revise("plan", "55%", "60%")
    world.check()
    assert document in stated_in(run)["beds"]
    assert not stated_in(run).get(other["id"])


# --- subscribers -------------------------------------------------------------------------------------------------


def test_subscribers(run: Operator, archive: World) -> None:
    rows = run("subscribers", "list", "--json").lines
    assert [r["id"] for r in rows] == ["reader", "deaf"]
    listed = run("subscribers", "list").out
    assert archive.site.url("/hook") not in listed
    assert listed.count("filters: ") == 1 and "filters: kinds subsidy" in listed
    arrived = len(archive.bodies)
    sent = run("subscribers", "test", "reader")
    assert (sent.status, len(archive.bodies)) == (0, arrived + 1)
    failed = run("subscribers", "test", "deaf")
    assert (failed.status, failed.out) == (1, "")
    assert "503" in failed.err


def test_whose_addresses_they_are_without_what_is_secret(run: Operator, tmp_path: Path) -> None:
    secrets = ("hunter22", "KEYKEYKEY", "T0KEN", "P4TH")
    config = tmp_path / "config.toml"
    config.write_text(
        f'storage.url = "sqlite:///{tmp_path}/a.db"\n[[subscribers]]\nid = "wang"\nevents = []\nto = '
        '["mailtos://watch:hunter22@mail.example.org/?to=wang@example.org", "wecombot://KEYKEYKEY", '
        '"webhook+https://u:hunter22@hooks.example.org/P4TH?secret=T0KEN", "jsons://in.example.org/T0KEN"]\n',
        "utf-8",
    )
    shown = run("subscribers", "list", "--config", config, config=False).out
    for place in (
        "wang@example.org (mailto-",
        "wecombot://… (wecombot-",
        "webhook+https://hooks.example.org… (webhook+",
    ):
        assert place in shown, shown
    assert "jsons://in.example.org…" in shown and "; no events; now" in shown
    assert not [secret for secret in secrets if secret in shown]


def test_a_sample_that_nobody_is_left_for_has_failed(tmp_path: Path, run: Operator) -> None:
    from notify.subscriptions import channel_id
    from storage.readers import leave, make_tokens

    with World(tmp_path) as world:
        (tmp_path / "config.toml").write_text(world.config(), "utf-8")
        [table] = world.settings.subscribers
        with world.database.begin() as conn:
            make_tokens(conn, [(table.id, channel_id(url)) for url in table.to], world.clock())
            for url in table.to:
                assert leave(conn, table.id, channel_id(url), world.clock())
        ended = run("subscribers", "test", table.id, "--config", tmp_path / "config.toml", config=False)
        assert (ended.status, ended.out, world.bodies) == (1, "", [])
        assert "nothing was sent: every address of" in ended.err


def test_numbers_may_come_as_text_for_so_the_environment_gives_them() -> None:
    from pledgewatch.settings import parse_settings

    text = 'crawl.delay = "${DELAY}"\n[[sources]]\nid = "a"\nurl = "https://example.org/"\ndelay = "2"\n'
    settings = parse_settings(text, "config.toml", {"DELAY": "2.5"})
    assert (settings.crawl.delay, settings.sources[0].delay) == (2.5, 2.0)


def test_what_a_subscriber_would_have_had(run: Operator, archive: World) -> None:
    arrived = len(archive.bodies)
    ended = run("subscribers", "test", "deaf", "--since", "0")
    assert ended.status == 0
    assert "6000元/张" in ended.out
    assert "nothing since event 99" in run("subscribers", "test", "deaf", "--since", "99").out
    assert len(archive.bodies) == arrived
