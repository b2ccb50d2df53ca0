"""Commands about the configuration's two ends: the sources that are watched, the subscribers who are told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from pledgewatch.console import (
    EXIT_FAILED,
    LARGEST,
    ConfigOption,
    JsonOption,
    complain,
    count,
    load,
    print_json,
    print_lines,
    reading,
    sources_app,
    stop,
    subscribers_app,
)


@sources_app.command("list")
def sources_list(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The configured sources and how they are doing; as JSON one source a line."""
    settings = load(config)
    from storage.sources import source_states

    with reading(settings) as conn:
        states = {state.id: state for state in source_states(conn)}
    rows = [(source, states.get(source.id)) for source in settings.sources]
    if not json_:
        from pledgewatch.terminal import show_sources

        show_sources(rows, settings.service.zone)
        return
    print_lines(
        {
            "id": source.id,
            "name": source.label,
            "url": source.url,
            "region": source.region,
            "state": state.state if state else None,
            "last_pass_at": _iso(state.last_pass_at) if state else None,
            "last_success_at": _iso(state.last_success_at) if state else None,
            "next_due_at": _iso(state.next_due_at) if state else None,
            "failures": state.failures if state else 0,
            "last_error": state.last_error if state else None,
        }
        for source, state in rows
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


@sources_app.command("test")
def sources_test(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of a configured source.")],
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch one list page and one document and show what would be read. Stores nothing."""
    settings = load(config)
    source = settings.source(id_)
    if source is None:
        stop(f'no source "{id_}"; the configuration has: {", ".join(s.id for s in settings.sources) or "none"}')
    import asyncio

    from pledgewatch.probing import probe
    from pledgewatch.terminal import show_probe

    found = asyncio.run(probe(settings, source))
    if json_:
        print_json(found.to_json())
    else:
        show_probe(found)
    if found.error:
        stop(f"{source.id}: {found.error}", EXIT_FAILED)


@sources_app.command("add")
def sources_add(
    url: Annotated[str, typer.Argument(metavar="URL", help="A list page, or one document.")],
    id_: Annotated[str | None, typer.Option("--id", help="Id of the new source (made from the address).")] = None,
    write: Annotated[bool, typer.Option("--write", help="Append the table to the configuration file.")] = False,
    config: ConfigOption = None,
) -> None:
    """Probe an address and print the table to paste into the configuration."""
    settings = load(config)
    import asyncio

    from pledgewatch.probing import append_table, new_source, probe, source_table

    try:
        source = new_source(settings, url, id_)
    except ValueError as error:
        stop(str(error))
    found = asyncio.run(probe(settings, source))
    if found.error:
        stop(f"{url}: {found.error}", EXIT_FAILED)
    table = source_table(source, found)
    print(table)
    if found.items:
        complain(
            f"{found.cms}: {count(len(found.items), 'item')}; the first document reads: {found.title or 'nothing'}"
        )
    else:
        complain(f"one document: {found.title or 'without a title'}")
    if write:
        try:
            path = append_table(config, table)
        except OSError as error:
            stop(f"{error.filename}: {error.strerror}; nothing was written", EXIT_FAILED)
        complain(f"appended to {path}")


@subscribers_app.command("list")
def subscribers_list(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The subscribers with their channels (without secrets) and filters; as JSON one subscriber a line."""
    settings = load(config)
    from notify.subscriptions import channel_id

    for table in settings.subscribers:
        channels = [channel_id(url) for url in table.to]
        if json_:
            filters = table.model_dump(mode="json", exclude={"to", "id"})
            print_json({"id": table.id, "channels": channels, **filters})
        else:
            print(f"{table.id}: {', '.join(channels)}; {', '.join(table.events)}; {table.deliver}")


@subscribers_app.command("test")
def subscribers_test(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of a configured subscriber.")],
    since: Annotated[
        int | None,
        typer.Option(
            "--since",
            metavar="EVENT",
            min=0,
            max=LARGEST,
            help="Send nothing; show what they would have had since this event.",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Send a sample alert through every channel of a subscriber."""
    settings = load(config, addresses=since is None)
    table = next((s for s in settings.subscribers if s.id == id_), None)
    if table is None:
        known = ", ".join(s.id for s in settings.subscribers) or "none"
        stop(f'no subscriber "{id_}"; the configuration has: {known}')
    import asyncio

    from pledgewatch.sampling import send_sample, show_past

    if since is not None:
        with reading(settings) as conn:
            show_past(settings, table, conn, since)
        return
    failed = asyncio.run(send_sample(settings, table))
    raise typer.Exit(EXIT_FAILED if failed else 0)
