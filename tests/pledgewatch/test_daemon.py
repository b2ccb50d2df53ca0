"""`pledgewatch run` as an operator knows it: a real process, a real site on loopback, real signals."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
import structlog
from servers import Reply
from world import World

from pledgewatch import holders
from pledgewatch.console import complain, plain
from pledgewatch.logs import configure_logs, mask
from storage import leases

LINES = ["一、目前，全市建成家庭养老床位3200余张。", "二、对符合条件的养老机构给予5000元/张的建设补贴。"]
PATIENCE = 40.0  # seconds until a test gives up waiting; nothing is asserted about how long things take
MUST_END = 10.0  # the contract's promise for SIGTERM and SIGINT


def until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class Service:
    """One `pledgewatch run`. Its log is read from a file as it grows."""

    def __init__(self, folder: Path, name: str = "run") -> None:
        self.folder, self.log_file = folder, folder / f"{name}.log"

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", "from pledgewatch.cli import main; main()", "run"]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=log)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def log(self, event: str | None = None, **wanted: Any) -> list[dict[str, Any]]:
        """The log's complete lines, of one event if it is named."""
        lines = self.log_file.read_text("utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [x for x in found if event in (None, x["event"]) and all(x.get(k) == v for k, v in wanted.items())]

    def has_started(self) -> None:
        until(lambda: self.log("started") or self.process.poll() is not None)
        assert self.process.poll() is None, self.log_file.read_text("utf-8")

    def ask_to_end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(MUST_END)

    def end(self) -> int:
        return self.process.wait(PATIENCE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, config='every = "1s"\n') as world:
        world.publish("reply", "关于市政协第20260118号提案的答复", LINES)
        write(world)
        yield world


def write(world: World, more: str = "", listen: str = "127.0.0.1:0") -> None:
    text = world.config().replace("[[sources]]", f'[web]\nlisten = "{listen}"\n[[sources]]', 1)
    (world.folder / "config.toml").write_text(text + more, "utf-8")


def source(world: World, name: str, path: str) -> str:
    return f'[[sources]]\nid = "{name}"\nurl = "{world.site.url(path)}"\nevery = "1s"\n'


def test_baseline_change_and_alert_come_by_schedule(world: World) -> None:
    with Service(world.folder) as service:
        until(lambda: service.log("pass", new=1))
        world.revise("reply", "5000元/张", "6000元/张")
        until(lambda: world.bodies)
        assert service.ask_to_end() == 0
        assert service.log()[-1]["event"] == "stopped"
    assert world.types() == ["document.revised", "measure.changed"]
    assert [d.state for d in world.deliveries()] == ["sent"]
    assert len(world.bodies) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_it_ends_while_a_fetch_hangs(world: World, number: int) -> None:
    world.site.wire("/list.html", lambda wire: wire.hang())
    with Service(world.folder) as service:
        until(lambda: world.site.count("/robots.txt"))
        service.has_started()
        assert service.ask_to_end(number) == 0
        assert service.log("stopping", passes=["city"])


def test_it_ends_while_documents_are_read_and_goes_on_after_a_restart(world: World) -> None:
    for n in range(9):
        world.publish(f"d{n}", f"关于第{n}号提案的答复", LINES)
        world.site.route(f"/d{n}.html", lambda asked, n=n: Reply(200, world._document(asked, f"d{n}").body, delay=0.2))
    with Service(world.folder) as service:
        until(lambda: world.site.count("/d3.html"))
        assert service.ask_to_end() == 0
    with Service(world.folder, "again") as service:
        until(lambda: service.log("pass", ok=True))
        assert service.ask_to_end() == 0
    assert [e.type for e in world.events(baseline=True)] == ["document.published"] * 10
    assert world.events() == []


def test_a_channel_that_hangs_does_not_keep_it(world: World) -> None:
    world.site.wire("/hook", lambda wire: wire.hang())
    with Service(world.folder) as service:
        until(lambda: service.log("pass", new=1))
        world.revise("reply", "5000元/张", "6000元/张")
        until(lambda: service.log("pass", revised=1))
        time.sleep(1.5)  # long enough for the delivery to be on its way
        assert service.ask_to_end() == 0
    assert [d.state for d in world.deliveries()] in (["pending"], ["retrying"])


def test_a_signal_while_it_loads_ends_it(world: World) -> None:
    with Service(world.folder) as service:
        until(lambda: _catches(service.process.pid, signal.SIGTERM))
        assert service.ask_to_end() == 0


def _catches(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) & (1 << (number - 1)))


def test_reloading_finds_a_new_source(world: World) -> None:
    with Service(world.folder) as service:
        until(lambda: service.log("pass", source="city"))
        world.site.route("/other.html", lambda asked: Reply(200, world._list().encode()))
        write(world, source(world, "other", "/other.html"))
        service.process.send_signal(signal.SIGHUP)
        until(lambda: service.log("pass", source="other"))
        assert service.log("configuration reloaded", sources=2)
        assert service.ask_to_end() == 0


def test_a_bad_configuration_is_refused_and_the_old_one_stays(world: World) -> None:
    with Service(world.folder) as service:
        until(lambda: service.log("pass"))
        write(world, "[[sources]]\nid = 'x'\nurl = 'nowhere'\n")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: service.log("configuration refused, the old one stays"))
        [refused] = service.log("configuration refused, the old one stays")
        assert "sources[2].url: write a whole address" in refused["problems"][0]
        passes = len(service.log("pass"))
        until(lambda: len(service.log("pass")) > passes)
        assert service.ask_to_end() == 0


def test_what_only_a_restart_changes_is_told(world: World) -> None:
    with Service(world.folder) as service:
        service.has_started()
        write(world, listen="127.0.0.1:1")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: service.log("configuration reloaded"))
        assert service.log("these change only with a restart", settings=["web"])
        assert service.ask_to_end() == 0


def test_reloading_changes_how_sites_are_asked(world: World) -> None:
    with Service(world.folder) as service:
        until(lambda: service.log("pass", ok=True))
        text = (world.folder / "config.toml").read_text("utf-8")
        text = text.replace(
            "allow_private = true", 'allow_private = false\nuser_agent = "Other/2 (+mailto:o@example.org)"'
        )
        (world.folder / "config.toml").write_text(text, "utf-8")
        service.process.send_signal(signal.SIGHUP)
        until(lambda: service.log("configuration reloaded"))
        assert service.log("these change only with a restart", settings=["crawl.allow_private"])
        until(lambda: world.site.requests[-1].headers["user-agent"].startswith("Other/2"))
        assert service.ask_to_end() == 0


def test_a_second_daemon_on_the_database_says_so(world: World) -> None:
    with Service(world.folder) as first:
        first.has_started()
        with Service(world.folder, "second") as second:
            assert second.end() == 2
            said = second.log_file.read_text("utf-8")
            assert f"another daemon (process {first.process.pid} on {socket.gethostname()})" in said
            assert "Traceback" not in said
        assert first.ask_to_end() == 0


def test_after_a_kill_the_next_one_starts_at_once_and_goes_on(world: World) -> None:
    with Service(world.folder) as service:
        until(lambda: service.log("pass", new=1))
        service.process.kill()
        service.process.wait()
    world.revise("reply", "5000元/张", "6000元/张")
    with Service(world.folder, "next") as service:
        service.has_started()
        assert service.log("taking over from a process that was killed")
        until(lambda: world.bodies)
        assert service.ask_to_end() == 0
    assert world.types() == ["document.revised", "measure.changed"]
    assert leases.holder(world.database, "daemon") is None


def test_a_source_that_hangs_fails_or_floods_does_not_stop_the_others(world: World) -> None:
    world.site.wire("/hangs.html", lambda wire: wire.hang())
    world.site.route("/fails.html", lambda asked: Reply(500, b"oops"))
    world.site.wire("/floods.html", _flood)
    names = ("hangs", "fails", "floods")
    with World(world.folder, config='every = "1s"\n') as good:
        good.publish("other", "关于第7号提案的答复", LINES)
        bad = "".join(source(world, name, f"/{name}.html") for name in names)
        write(good, bad)
        with Service(good.folder) as service:
            until(lambda: {x["source"] for x in service.log("pass")} >= {"city", *names})
            good.revise("other", "5000元/张", "6000元/张")
            until(lambda: good.bodies)
            assert all(not x.get("ok") and x["error"] for name in names for x in service.log("pass", source=name))
            assert service.ask_to_end() == 0


def _flood(wire: Any) -> None:
    """Hundreds of megabytes, as much as one takes."""
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    for _ in range(10_000):
        if wire.ended.is_set():
            return
        wire.send(b"<p>" + b"x" * 65_536 + b"</p>")


def test_a_port_that_is_taken_is_told(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        write(world, listen=address)
        with Service(world.folder) as service:
            assert service.end() == 2
            said = service.log_file.read_text("utf-8")
    assert f"web.listen {address}" in said
    assert "Traceback" not in said
    assert leases.holder(world.database, "daemon") is None


def test_a_configuration_that_is_wrong_starts_nothing(world: World) -> None:
    (world.folder / "config.toml").write_text("[crawl]\ndelay = 'x'", "utf-8")
    with Service(world.folder) as service:
        assert service.end() == 2
        assert "line 2: crawl.delay: write a number" in service.log_file.read_text("utf-8")


def test_the_log_is_json_without_secrets(world: World) -> None:
    hook = world.site.url("/hook")
    world._subscribers = (
        f'[[subscribers]]\nid = "r"\nto = ["webhook+{hook}?secret=hunter2", "json://u:hunter2@127.0.0.1:1/x"]\n'
    )
    write(world)
    world.site.route("/hook", lambda asked: Reply(400, b"no"))
    with Service(world.folder) as service:
        until(lambda: service.log("pass", new=1))
        world.revise("reply", "5000元/张", "6000元/张")
        until(lambda: service.log("delivery given up"))
        assert service.ask_to_end() == 0
        lines = service.log_file.read_text("utf-8").splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert "hunter2" not in "\n".join(lines)


# --- who holds a lease -------------------------------------------------------------------------------------------


def test_a_process_that_runs_is_not_gone_and_one_that_ended_is() -> None:
    ours = holders.this_process()
    assert not holders.is_gone(ours)
    host, pid, world, start = ours.rsplit(":", 3)
    assert holders.is_gone(f"{host}:{pid}:{world}:{int(start) - 1}"), "another process has the number now"
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    assert holders.is_gone(f"{host}:{child.pid}:{world}:1")


@pytest.mark.parametrize(
    "holder",
    ["", "host:1", "host:1::", "host:1:another-world:5", f"host:{os.getpid()}::5"],
    ids=["nobody", "too short", "no start", "another world", "ours without a world"],
)
def test_nothing_is_said_of_processes_elsewhere(holder: str) -> None:
    assert not holders.is_gone(holder)


@pytest.mark.parametrize(
    "text",
    [
        "mailtos://me:hunter2@example.org failed",
        "webhook+https://hooks.example.org/hunter2",
        "https://user:hunter2@example.org/list.html",
        "https://example.org/send?key=hunter2&x=1",
        "postgresql+psycopg://u:hunter2@db/x",
        "wecombot://hunter2 answered 500",
        "tgram://123456:hunter2/chat failed",
        "connection failed: host=db user=u password=hunter2 dbname=x",
        "{'token': 'hunter2', 'chat': 1}",
        "Authorization: Bearer hunter2hunter2",
        "POST https://oapi.example.org/robot/send?access_token=hunter2&timestamp=1 → 403",
    ],
)
def test_logs_mask_secrets(text: str) -> None:
    assert "hunter2" not in mask(text)


def test_logs_mask_whatever_they_are_given(capsys: pytest.CaptureFixture[str]) -> None:
    """Words, objects, exceptions with their tracebacks, what libraries say, and values by their names."""
    configure_logs()
    address = "mailtos://me:hunter2@mail.example.org"
    log = structlog.get_logger("test")
    log.error("delivery given up", channel=address, error=ValueError(address), told=[{"token": "hunter2"}, {address}])
    try:
        raise RuntimeError(f"cannot send to {address}")
    except RuntimeError:
        log.exception("bug")
        logging.getLogger("a.library").exception("failed for %s", address)
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 3 and "cannot send to mailtos" in said
    assert "hunter2" not in said


def test_logs_keep_what_operators_need() -> None:
    for text in ("https://mzj.example.org/list.html?page=2", "sqlite:////var/lib/pledgewatch/a.db"):
        assert mask(text) == text


@pytest.mark.parametrize("mark", ["\x1b[2J", "\u202e", "\u2066", "\u200f", "\u061c", "\x9b", "\u2028", "\r"], ids=ascii)
def test_terminals_are_not_steered_by_others(mark: str, capsys: pytest.CaptureFixture[str]) -> None:
    complain(f"page says {mark}5000")
    assert capsys.readouterr().err in ("pledgewatch: page says 5000\n", "pledgewatch: page says [2J5000\n")
    assert plain(f"a\t{mark}\nb").replace("[2J", "") == "a\t\nb"
