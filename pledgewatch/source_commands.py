"""Commands about the sources that are watched: list, test, add."""

from __future__ import annotations

from typing import Annotated

import typer

from pledgewatch.console import (
    EXIT_FAILED,
    ConfigOption,
    JsonOption,
    complain,
    count,
    is_there,
    load,
    print_json,
    print_lines,
    reading,
    sources_app,
    stop,
)


@sources_app.command("list")
def sources_list(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The configured sources and how they are doing; as JSON one source a line."""
    settings = load(config)
    from storage.sources import TOLD, source_states

    unseen = dict.fromkeys(TOLD) | {"failures": 0}
    states = {}
    if is_there(settings):  # looking makes no database
        with reading(settings) as conn:
            states = {state.id: state for state in source_states(conn)}
    rows = [(source, states.get(source.id)) for source in settings.sources]
    if not json_:
        from pledgewatch.terminal import show_sources

        show_sources(rows, settings.service.zone, settings.service.language)
        return
    print_lines(
        {
            "id": source.id,
            "name": source.label,
            "url": source.url,
            "region": source.region,
            **(state.to_json() if state else unseen),
        }
        for source, state in rows
    )


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
