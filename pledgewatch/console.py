"""What all commands share: the program, its options, how they end and where they print.

Data goes to standard output, everything else to standard error. Exit status 0 done, 1 done but something failed,
2 wrong usage or configuration. Heavy libraries are imported inside the commands that use them: `--help` is quick.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    import sqlalchemy as sa

    from pledgewatch.settings import Settings
    from storage.database import Database

EXIT_FAILED, EXIT_USAGE = 1, 2
LARGEST = 2**63 - 1  # what a database can hold as a number

#: As people meet them: try, run, read files, configure, look into the archive.
_ORDER = (
    *("demo", "run", "check", "web", "extract", "links", "sources", "subscribers", "users", "tokens", "config"),
    *("documents", "history", "diff", "measures", "events", "deliveries", "export", "reread", "storage"),
)


class _InOrder(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=_ORDER.index)


app = typer.Typer(
    cls=_InOrder,
    name="pledgewatch",
    help="Watches what governments promise and pay on their disclosure pages, and tells which figure changed.",
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="FILE", help="Configuration file (default ./config.toml, or $PLEDGEWATCH_CONFIG)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]


def remember(config: str | None) -> None:
    """A `--config` that stands before the command's name is the default of the one behind it."""
    if config is not None:
        os.environ["PLEDGEWATCH_CONFIG"] = config


def _group(name: str, words: str) -> typer.Typer:
    group = typer.Typer(help=words, rich_markup_mode=None, no_args_is_help=True)
    app.add_typer(group, name=name)
    group.callback()(_with_config)
    return group


def _with_config(config: ConfigOption = None) -> None:
    remember(config)


sources_app = _group("sources", "The watched pages: list, test, add.")
subscribers_app = _group("subscribers", "Who is told of what: list, test, renew, resume.")
config_app = _group("config", "The configuration file.")
users_app = _group("users", "Who may log in to the web pages: add, list, remove, password.")
tokens_app = _group("tokens", "What lets programs in: add, list, remove.")
storage_app = _group("storage", "The archive as a whole: stats, verify, prune, copy.")


# Controls, and marks that turn the direction of what follows them: tab and line feed stay.
_STEERING = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
)


def plain(text: str) -> str:
    """Text of others as it stands: it must not move the reader's cursor, nor read otherwise than it is."""
    return text.translate(_STEERING)


def complain(message: str) -> None:
    """A line for the operator, on standard error."""
    print(f"pledgewatch: {plain(message)}", file=sys.stderr)


def count(number: int, thing: str) -> str:
    """1 source, 2 sources."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def stop(message: str, status: int = EXIT_USAGE) -> NoReturn:
    complain(message)
    raise typer.Exit(status)


def load(config: str | None, *, addresses: bool = False, archive_only: bool = False) -> Settings:
    """The settings, or an end with status 2 and every mistake named; with `addresses` those of channels as well.

    `archive_only`: for a command that needs the archive alone, which a secret of a channel must not stop.
    """
    from pledgewatch.settings import ConfigError, load_settings

    try:
        return load_settings(config, addresses=addresses, archive_only=archive_only)
    except ConfigError as error:
        for problem in error.problems:
            complain(f"{error.path}: {problem}")
        raise typer.Exit(EXIT_USAGE) from None


def open_archive(settings: Settings) -> Database:
    from storage.database import open_database
    from storage.errors import StorageError

    try:
        return open_database(settings.storage.url)
    except StorageError as error:
        stop(str(error))


def is_there(settings: Settings) -> bool:
    """Whether the archive was begun: SQLite would make an empty file where there is none."""
    from sqlalchemy.engine import make_url

    url = make_url(settings.storage.url)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").expanduser().exists()


def open_begun(settings: Settings) -> Database:
    """The archive, for a command about what it holds already; ends with status 2 where none was begun."""
    if is_there(settings):
        return open_archive(settings)
    _nothing_yet(settings).close()
    raise typer.Exit(EXIT_USAGE)


def _nothing_yet(settings: Settings) -> Database:
    from sqlalchemy.engine import make_url

    from storage.database import empty_database, make_engine
    from storage.errors import StorageError

    try:
        make_engine(settings.storage.url).dispose()  # that the folder is missing too is a mistake
    except StorageError as error:
        stop(str(error))
    complain(f"there is no archive at {make_url(settings.storage.url).database} yet; `check` or `run` makes one")
    return empty_database()


@contextmanager
def reading(settings: Settings) -> Iterator[sa.Connection]:
    """A read transaction on the configured archive; ends the command with status 1 where it cannot be read.

    Looking makes no archive: where none was begun, that is told, and there is nothing to find.
    """
    from storage.errors import StorageError

    database = open_archive(settings) if is_there(settings) else _nothing_yet(settings)
    try:
        with database.read() as conn:
            yield conn
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    finally:
        database.close()


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def print_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        print_json(row)
