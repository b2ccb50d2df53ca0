"""Commands about those who are told: list, test, renew, resume."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from pledgewatch.console import (
    EXIT_FAILED,
    LARGEST,
    ConfigOption,
    JsonOption,
    is_there,
    load,
    open_archive,
    open_begun,
    plain,
    print_json,
    reading,
    stop,
    subscribers_app,
)

if TYPE_CHECKING:
    from pledgewatch.settings import Settings, SubscriberTable

SubscriberArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a configured subscriber.")]


def _named(settings: Settings, id_: str) -> SubscriberTable:
    table = next((s for s in settings.subscribers if s.id == id_), None)
    if table is None:
        stop(f'no subscriber "{id_}"; the configuration has: {", ".join(s.id for s in settings.subscribers) or "none"}')
    return table


@subscribers_app.command("list")
def subscribers_list(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The subscribers with their channels (without secrets), filters and feeds; as JSON one subscriber a line.

    Whoever knows the address of a feed can read it: hand it to nobody but the subscriber.
    """
    settings = load(config)
    from storage.readers import left_places

    with reading(settings) as conn:
        left = left_places(conn)
    feeds = _feeds(settings) if is_there(settings) else {}
    for table in settings.subscribers:
        gone = {channel: at for channel in table.channels if (at := left.get((table.id, channel)))}
        if json_:
            times = {channel: at.isoformat() for channel, at in gone.items()}
            print_json({**table.to_json(), "feed": feeds.get(table.id), "unsubscribed": times})
        else:
            _show(settings, table, gone, feeds.get(table.id))


def _feeds(settings: Settings) -> dict[str, str]:
    """The address of each subscriber's feed; the archive keeps what it is made of."""
    from pledgewatch.work import utc_now
    from storage.errors import StorageError
    from storage.readers import FEED, token_for

    database, now = open_archive(settings), utc_now()
    try:
        return {t.id: _feed_at(settings, token_for(database, t.id, FEED, now)) for t in settings.subscribers}
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    finally:
        database.close()


def _feed_at(settings: Settings, token: str) -> str:
    return f"{settings.web.links_base}/feeds/subscribers/{token}.atom"


def _show(settings: Settings, table: SubscriberTable, left: dict[str, datetime], feed: str | None) -> None:
    from notify.subscriptions import channel_id

    def told(url: str) -> str:
        channel = channel_id(url)
        words = f"{_place(url)} ({channel})"
        if channel not in left:
            return words
        since = left[channel].astimezone(settings.service.zone)
        return f"{words} (unsubscribed {since:%Y-%m-%d %H:%M})"

    events = ", ".join(table.events) or "no events"
    print(f"{table.id}: {', '.join(map(told, table.to))}; {events}; {table.deliver}")
    if filters := _filters(table):
        print(f"    filters: {filters}")
    if feed:
        print(f"    feed: {feed}")


def _filters(table: SubscriberTable) -> str:
    """What a subscriber has narrowed down, key by key as the configuration says it; "" for nothing."""
    lists = ("sources", "regions", "kinds", "tracked", "recipients", "keywords")
    told = [f"{name} {', '.join(chosen)}" for name in lists if (chosen := getattr(table, name))]
    told += [f"{name} {value}" for name in ("minimum_change", "quiet") if (value := getattr(table, name)) is not None]
    return plain("; ".join([*told, *(["operator"] if table.operator else [])]))


#: In the addresses of all other services the key may stand where a host is looked for: wecombot://KEY.
_WITH_HOST = ("webhook+http", "webhook+https", "json", "jsons", "form", "forms", "xml", "xmls")


def _place(url: str) -> str:
    """Whose address it is, without its keys and passwords: reader@example.org, jsons://hooks.example.org…"""
    from notify.subscriptions import mail_reader

    if reader := mail_reader(url):
        return plain(reader)
    scheme, _, rest = url.partition("://")
    try:
        host = urlsplit(f"//{rest}").hostname if scheme.lower() in _WITH_HOST else ""
    except ValueError:
        host = ""
    return plain(f"{scheme}://{host or ''}…")


@subscribers_app.command("test")
def subscribers_test(
    id_: SubscriberArgument,
    since: Annotated[
        int | None,
        typer.Option(
            "--since",
            metavar="EVENT",
            min=0,
            max=LARGEST,
            help="Send nothing; show the messages they would have had since this event.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Send a sample alert through every channel of a subscriber.

    It needs no archive and makes none; without one, links in the sample lead nowhere.
    """
    settings = load(config, addresses=since is None)
    table = _named(settings, id_)
    import asyncio
    from contextlib import closing

    from pledgewatch.sampling import send_sample, show_past
    from storage.database import empty_database

    if since is not None:
        with reading(settings) as conn:
            show_past(settings, table, conn, since)
        return
    with closing(open_archive(settings) if is_there(settings) else empty_database()) as database:
        failed = asyncio.run(send_sample(settings, table, database))
    raise typer.Exit(EXIT_FAILED if failed else 0)


@subscribers_app.command("renew")
def subscribers_renew(id_: SubscriberArgument, config: ConfigOption = None) -> None:
    """Give a subscriber's feed another address; the old one is worth nothing from now on."""
    settings = load(config)
    table = _named(settings, id_)
    from pledgewatch.work import utc_now
    from storage.errors import StorageError
    from storage.readers import FEED, renew

    try:
        with open_begun(settings).begin() as conn:
            token = renew(conn, table.id, FEED, utc_now())
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    print(_feed_at(settings, token))


@subscribers_app.command("resume")
def subscribers_resume(
    id_: SubscriberArgument,
    address: Annotated[
        str | None, typer.Argument(metavar="[ADDRESS]", help="A channel as `list` names it, or a mail address (all).")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Send again to what was unsubscribed; only do so when its reader asks for it."""
    settings = load(config)
    table = _named(settings, id_)
    from notify.subscriptions import channel_id, mail_reader
    from storage.errors import StorageError
    from storage.readers import resume

    named = (address or "").lower()
    chosen = [channel_id(url) for url in table.to if not named or named in (channel_id(url), mail_reader(url))]
    if not chosen:
        stop(f'{table.id} has no channel "{address}"; it has: {", ".join(table.channels)}')
    try:
        with open_begun(settings).begin() as conn:
            resumed = [channel for channel in dict.fromkeys(chosen) if resume(conn, table.id, channel)]
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    if not resumed:
        stop(f"{table.id} has not unsubscribed from {', '.join(chosen)}")
    print(f"{table.id}: sending again to {', '.join(resumed)}; `pledgewatch deliveries` lists what was cancelled")
