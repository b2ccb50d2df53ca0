"""The command line: what the contract names. What each command does is done in other rooms."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from pledgewatch import access_commands, archive_commands, source_commands, storage_commands, subscriber_commands
from pledgewatch.console import (
    EXIT_FAILED,
    ConfigOption,
    JsonOption,
    app,
    complain,
    config_app,
    count,
    load,
    open_archive,
    print_json,
    remember,
    stop,
)
from pledgewatch.cycles import begin_loading, end_loading

if TYPE_CHECKING:
    from pledgewatch.settings import Settings

__all__ = ["access_commands", "archive_commands", "main", "source_commands", "storage_commands", "subscriber_commands"]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"pledgewatch {version('pledgewatch')}")
        raise typer.Exit


@app.callback()
def program(
    config: ConfigOption = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    remember(config)


# --- the product at work ---------------------------------------------------------------------------------------


@app.command()
def demo(
    config: ConfigOption = None,
    once: Annotated[
        bool, typer.Option("--once", help="End after the last step; 0 only if the alerts are right.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the web pages (0: any free one).", min=0, max=65535)] = 8700,
) -> None:
    """See it work: no network, no set-up."""
    from pledgewatch.demo import run_demo

    raise typer.Exit(run_demo(once=once, port=port))


@app.command()
def run(
    role: Annotated[
        list[str] | None,
        typer.Option(help="With shared work (workers.engine): schedule, crawl, deliver or web; may be repeated (all)."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """The daemon: watches, delivers, serves the web pages.

    SIGTERM and SIGINT end it within 10 seconds, SIGHUP reloads the configuration. One daemon works on a database,
    unless the work is shared.
    """
    # While the program is still loading there is nothing to bring to an end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = load(config)
    if settings.workers.engine == "procrastinate":
        _share_work(settings, config, role)
    if role:
        stop('--role is for shared work: set engine = "procrastinate" in [workers]')
    from pledgewatch.daemon import run_daemon

    raise typer.Exit(run_daemon(settings, config, open_archive(settings)))


def _share_work(settings: Settings, config: str | None, role: list[str] | None) -> NoReturn:
    if not find_spec("procrastinate"):
        stop('workers.engine = "procrastinate" needs an extra: pip install "pledgewatch[workers]"')
    from pledgewatch.workers import ROLES, run_workers

    if unknown := sorted({*(role or ())} - {*ROLES}):
        stop(f"no role {', '.join(unknown)}; there are: {', '.join(ROLES)}")
    raise typer.Exit(run_workers(settings, config, open_archive(settings), role or ROLES))


@app.command()
def check(
    sources: Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Ids of sources (all).")] = None,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """One pass now over sources, then deliver what is due.

    Tells of deadlines too that are near or have passed. As JSON one object a line and source. Status 1 where a source
    or a delivery failed.
    """
    settings = load(config)
    known = [s.id for s in settings.sources]
    if unknown := [s for s in sources or () if s not in known]:
        stop(f"no source {', '.join(unknown)}; the configuration has: {', '.join(known) or 'none'}")
    from pledgewatch.checking import check_sources

    raise typer.Exit(check_sources(settings, open_archive(settings), sources or known, as_json=json_))


@app.command()
def web(config: ConfigOption = None) -> None:
    """The web pages alone; nothing is watched."""
    settings = load(config)
    from pledgewatch.web import serve_alone

    end_loading()
    raise typer.Exit(serve_alone(settings, open_archive(settings)))


# --- reading files ---------------------------------------------------------------------------------------------


@app.command()
def extract(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|-]...", help="Files; - is standard input.")
    ] = None,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read files and print the measures in them.

    HTML, text, PDF, DOCX, DOC, XLS, XLSX and OFD; no database is needed. Status 1 where a file could not be read.
    """
    if not files and sys.stdin.isatty():
        stop("name a file, or pipe one in")
    results, failed = [], False
    for name in files or ["-"]:
        try:
            results.append(_extract_one(name))
        except ReadingError as error:
            complain(str(error))
            failed = True
    if json_:
        print_json({"files": results})
    else:
        from pledgewatch.terminal import show_extraction

        show_extraction(results)
    raise typer.Exit(EXIT_FAILED if failed else 0)


class ReadingError(Exception):
    """A file could not be read; the message names it."""


def _file_bytes(name: str) -> bytes:
    try:
        body = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise ReadingError(f"{name}: {error.strerror}") from error
    if name == "-" and not body:
        raise ReadingError("standard input is empty")
    return body


def _extract_one(name: str) -> dict[str, Any]:
    body = _file_bytes(name)
    from pledgewatch.reading import UnreadableFile, measure, read_local_file

    try:
        document = read_local_file(body, "stdin" if name == "-" else name)
    except UnreadableFile as error:
        told = str(error).removeprefix(f"{Path(name).name}: ")  # readers know a file by its last name
        raise ReadingError(f"{name}: {told}") from error
    for warning in document.warnings:
        complain(f"{name}: {warning}")
    measures = measure(document).measures
    return {"file": name, "document": document.to_json(), "measures": [m.to_json() for m in measures]}


@app.command()
def links(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A saved list page or a list API's answer; - is standard input."),
    ],
    base: Annotated[str, typer.Option("--base", metavar="URL", help="The address the page was saved from.")],
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What a saved list page would yield.

    Titles, addresses and dates of its rows, and the next page.
    """
    if not base.startswith(("http://", "https://")):
        stop(f"--base {base}: write the whole address, with http:// or https://")
    from crawler.listing import read_list

    try:
        page = read_list(_file_bytes(file), base)
    except ReadingError as error:
        stop(str(error), EXIT_FAILED)
    rows = [{"title": i.title, "url": i.url, "date": i.date.isoformat() if i.date else None} for i in page.items]
    if json_:
        print_json({"cms": page.cms, "items": rows, "next": page.next})
        return
    for warning in page.warnings:
        complain(warning)
    for row in rows:
        print(f"{row['date'] or '----------'}  {row['title']}\n            {row['url']}")
    print(f"{page.cms}: {len(rows)} items; next page: {page.next or 'none'}", file=sys.stderr)


@config_app.command("check")
def config_check(config: ConfigOption = None) -> None:
    """Validate the configuration; every mistake is named with its key and line."""
    settings = load(config, addresses=True)
    if settings.sources and "example.org" in settings.crawl.user_agent:
        complain("hint: crawl.user_agent names nobody; put an address there that a site's operator can write to")
    from storage.addresses import normal_address

    first: dict[str, str] = {}
    for source in settings.sources:
        if (other := first.setdefault(normal_address(source.url), source.id)) != source.id:
            complain(f'hint: sources "{other}" and "{source.id}" have the same address')
    if settings.web.needs_login and not settings.web.encrypted:
        complain("hint: web: passwords cross the network readable; put a proxy with TLS before it, name it in base_url")
    print(
        f"configuration is right: {count(len(settings.sources), 'source')}, "
        f"{count(len(settings.tracked), 'tracked measure')}, {count(len(settings.subscribers), 'subscriber')}"
    )


def main() -> None:
    """Entry point of the program."""
    begin_loading()
    for stream in (sys.stdout, sys.stderr):
        # Scripts get UTF-8 whatever the locale; a terminal keeps its own and shows "?" for what it cannot.
        stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe went away (`| head`): not an error of ours.
        _forget_output()
        sys.exit(0)
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_output()


def _forget_output() -> None:
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
