"""Commands about who may enter: accounts for people, tokens for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pledgewatch.console import (
    EXIT_FAILED,
    ConfigOption,
    JsonOption,
    load,
    open_archive,
    open_begun,
    print_lines,
    reading,
    stop,
    tokens_app,
    users_app,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Letters of any script, digits, and . @ + - _")]


class Role(StrEnum):
    """A reader sees the pages; an operator also starts passes and sees deliveries and subscribers."""

    reader = "reader"
    operator = "operator"


RoleOption = Annotated[Role, typer.Option(help="What they may do: see, or also run things.")]


@contextmanager
def _writing(config: str | None, *, begin: bool = False) -> Iterator[sa.Connection]:
    """A write transaction on the configured archive; ends the command with status 1 where it cannot be written.

    `begin`: who may enter can be said before there is an archive, and makes one.
    """
    from storage.errors import StorageError

    database = (open_archive if begin else open_begun)(load(config, archive_only=True))
    try:
        with database.begin() as conn:
            yield conn
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    finally:
        database.close()


def _checked(name: str) -> None:
    from pledgewatch.web.access import is_name

    if not is_name(name):
        stop(f"{name[:80]!r}: a name has 1 to 64 letters, digits, and . @ + - _")


def _new_password() -> str:
    """The hash of a password that is asked for twice on a terminal, or is the first line of a pipe."""
    from argon2 import PasswordHasher

    from pledgewatch.web.access import MIN_PASSWORD, prepared

    if sys.stdin.isatty():
        from getpass import getpass

        password = getpass("Password: ")
        if getpass("Once more: ") != password:
            stop("the two passwords differ; nothing was done")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(prepared(password)) < MIN_PASSWORD:
        stop(f"a password has at least {MIN_PASSWORD} characters; nothing was done")
    return PasswordHasher().hash(prepared(password))


# --- accounts -------------------------------------------------------------------------------------------------


@users_app.command("add")
def users_add(name: NameArgument, role: RoleOption = Role.reader, config: ConfigOption = None) -> None:
    """Make an account. The password is asked for, or read from a pipe."""
    from pledgewatch.work import utc_now
    from storage.access import add_account

    _checked(name)
    password = _new_password()
    with _writing(config, begin=True) as conn:
        made = add_account(conn, name, role.value, password, utc_now())
    if not made:
        stop(f'"{name}" has an account already; `pledgewatch users password {name}` gives it another password')
    print(f"{name} may log in as {role.value}")


@users_app.command("list")
def users_list(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The accounts; as JSON one a line."""
    from storage.access import list_accounts

    with reading(load(config, archive_only=True)) as conn:
        found = list_accounts(conn)
    if json_:
        print_lines({"name": a.name, "role": a.role, "created_at": a.created_at.isoformat()} for a in found)
        return
    for account in found:
        print(f"{account.name}: {account.role}")


@users_app.command("remove")
def users_remove(name: NameArgument, config: ConfigOption = None) -> None:
    """End an account, and at once whatever it is logged in to."""
    from storage.access import remove_account

    with _writing(config) as conn:
        ended = remove_account(conn, name)
    if not ended:
        stop(f'no account "{name}"; `pledgewatch users list` lists them')
    print(f"{name} is removed")


@users_app.command("password")
def users_password(name: NameArgument, config: ConfigOption = None) -> None:
    """Give an account another password; it is logged out everywhere."""
    from storage.access import end_sessions, set_password

    password = _new_password()
    with _writing(config) as conn:
        changed = set_password(conn, name, password)
        end_sessions(conn, name)
    if not changed:
        stop(f'no account "{name}"; `pledgewatch users list` lists them')
    print(f"{name} has another password")


# --- tokens ---------------------------------------------------------------------------------------------------


@tokens_app.command("add")
def tokens_add(name: NameArgument, role: RoleOption = Role.reader, config: ConfigOption = None) -> None:
    """Make a token for a program. It is shown this once and cannot be read again."""
    import secrets

    from pledgewatch.web.access import TOKEN_PREFIX, fingerprint
    from pledgewatch.work import utc_now
    from storage.access import add_token

    _checked(name)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    with _writing(config, begin=True) as conn:
        made = add_token(conn, name, role.value, fingerprint(token), utc_now())
    if not made:
        stop(f'there is a token "{name}" already; `pledgewatch tokens remove {name}` ends it')
    print(token)


@tokens_app.command("list")
def tokens_list(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The tokens by name, with when they were last used; as JSON one a line."""
    from storage.access import list_tokens

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        found = list_tokens(conn)
    if json_:
        print_lines(
            {
                "name": token.name,
                "role": token.role,
                "created_at": token.created_at.isoformat(),
                "used_at": token.used_at.isoformat() if token.used_at else None,
            }
            for token in found
        )
        return
    for token in found:
        used = f"{token.used_at.astimezone(settings.service.zone):%Y-%m-%d %H:%M}" if token.used_at else "never"
        print(f"{token.name}: {token.role}; last used {used}")


@tokens_app.command("remove")
def tokens_remove(name: NameArgument, config: ConfigOption = None) -> None:
    """End a token."""
    from storage.access import remove_token

    with _writing(config) as conn:
        ended = remove_token(conn, name)
    if not ended:
        stop(f'no token "{name}"; `pledgewatch tokens list` lists them')
    print(f"{name} is removed")
