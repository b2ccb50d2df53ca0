"""Commands that look into the archive: documents, history, diff, measures, events, deliveries, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pledgewatch.console import (
    EXIT_FAILED,
    LARGEST,
    ConfigOption,
    JsonOption,
    app,
    complain,
    count,
    load,
    open_begun,
    plain,
    print_json,
    print_lines,
    reading,
    remember,
    stop,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

    from pledgewatch.settings import Settings
    from storage.documents import StoredDocument, StoredVersion

DocumentArgument = Annotated[str, typer.Argument(metavar="DOC", help="A document's id, address or 文号.")]


def find(conn: sa.Connection, wanted: str) -> StoredDocument:
    """The one document that a person means, or an end that says which ones it could be."""
    from storage.documents import resolve

    found = resolve(conn, wanted)
    if not found:
        stop(f'no document "{wanted}"; `pledgewatch documents` lists them')
    if len(found) > 1:
        listed = "; ".join(f"{d.id} {d.title} ({d.publisher or d.source})" for d in found)
        stop(f'"{wanted}" names {len(found)} documents, take an id: {listed}')
    return found[0]


@app.command()
def documents(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    region: Annotated[str | None, typer.Option(help="Only of this region.")] = None,
    title: Annotated[str | None, typer.Option(help="Only with this in the title.")] = None,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """The documents in the archive, newest first.

    As JSON one object a line.
    """
    from storage.documents import list_documents

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        found = list_documents(conn, source=source, region=region, title=title)
        if json_:
            print_lines(document.to_json() for document in found)
            return
    from pledgewatch.terminal import show_documents

    show_documents(found)


@app.command()
def history(doc: DocumentArgument, json_: JsonOption = False, config: ConfigOption = None) -> None:
    """The versions of a document, oldest first."""
    from storage.documents import history as versions_of

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        document = find(conn, doc)
        lines = versions_of(conn, document.id)
    if json_:
        print_lines(line.to_json(document.id) for line in lines)
        return
    from pledgewatch.terminal import show_history

    show_history(document, lines, settings.service.zone)


@app.command()
def diff(
    doc: DocumentArgument,
    from_: Annotated[
        int | None, typer.Option("--from", metavar="N", min=1, max=LARGEST, help="Older version (the one before).")
    ] = None,
    to: Annotated[
        int | None, typer.Option("--to", metavar="N", min=1, max=LARGEST, help="Newer version (the latest).")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the difference as a web page.")] = None,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """What changed between two versions of a document.

    In colours on a terminal, with --html as a web page, with --json for scripts.
    """
    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        document = find(conn, doc)
        older, newer = _two_versions(conn, document, from_, to)
    from pledgewatch.comparing import compare, difference_json, difference_page
    from pledgewatch.terminal import show_difference

    if older.number == newer.number and from_ is None and to is None:
        complain(f"document {document.id} has one version; there is nothing to compare it with")
        if not json_ and html is None:
            return
    comparison = compare(document, older, newer, settings.service.language)
    if json_:
        print_json(difference_json(comparison))
    elif html is None:
        show_difference(comparison, settings.service.language)
    if html is not None:
        try:
            html.write_text(difference_page(comparison, settings.service.language), "utf-8")
        except OSError as error:
            stop(f"{html}: {error.strerror}", EXIT_FAILED)


def _two_versions(
    conn: sa.Connection, document: StoredDocument, older: int | None, newer: int | None
) -> tuple[StoredVersion, StoredVersion]:
    from storage.documents import latest_mark, version_by_number

    latest = latest_mark(conn, document.id)
    last = latest.number if latest else 0
    to = newer if newer is not None else last
    numbers = older if older is not None else max(1, to - 1), to
    found = []
    for number in numbers:
        version = version_by_number(conn, document.id, number)
        if version is None:
            has = "only version 1" if last == 1 else f"1 to {last}"
            stop(f"document {document.id} has no version {number}; it has {has}")
        found.append(version)
    return found[0], found[1]


measures_app = typer.Typer(
    help="The tracked measures; merge and split correct them.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
app.add_typer(measures_app, name="measures")


@measures_app.callback()
def measures(
    context: typer.Context,
    json_: JsonOption = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print a table, one statement a row.")] = False,
    config: ConfigOption = None,
) -> None:
    """The tracked measures with their statements; as JSON one measure a line."""
    if context.invoked_subcommand:
        remember(config)
        return
    if json_ and csv:
        stop("--csv and --json are two forms of one answer; choose one")
    from storage.threads import tracked_with_statements

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        threads = tracked_with_statements(conn)
        if json_:
            print_lines(thread.to_json() for thread in threads)
        elif csv:
            from pledgewatch.tabular import write_measures_csv

            write_measures_csv(threads)
        else:
            from pledgewatch.terminal import show_measures

            show_measures(threads, settings.service.language)


@measures_app.command()
def merge(
    keep: Annotated[str, typer.Argument(help="Id of the measure that stays.")],
    other: Annotated[str, typer.Argument(help="Id of the measure that is the same.")],
    config: ConfigOption = None,
) -> None:
    """Say that two tracked measures are one and the same, for good."""
    _decide(config, keep, other, same=True)


@measures_app.command()
def split(
    measure: Annotated[str, typer.Argument(help="Id of a tracked measure.")],
    doc: Annotated[str, typer.Argument(metavar="DOC", help="The document whose statements do not belong to it.")],
    config: ConfigOption = None,
) -> None:
    """Say that a document's statements of a measure are something else, for good."""
    _decide(config, measure, doc, same=False)


def _decide(config: str | None, first: str, second: str, *, same: bool) -> None:
    settings = load(config)
    from pledgewatch.linking import DecisionError, merge_measures, split_measure
    from pledgewatch.work import utc_now
    from storage.errors import StorageError
    from storage.threads import list_tracked

    try:
        with open_begun(settings).begin() as conn:
            names = {t.id: t.name for t in list_tracked(conn)}
            if same:
                _refuse_to_lose(settings, first, second)
                moved = merge_measures(conn, first, second, utc_now())
            else:
                moved = split_measure(conn, settings, first, find(conn, second), utc_now())
    except DecisionError as error:
        stop(str(error))
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    told = f"{count(moved, 'statement')} moved"
    print(plain(f"{told} from {names[second]} ({second}) to {names[first]} ({first})") if same else told)


def _refuse_to_lose(settings: Settings, keep: str, other: str) -> None:
    """A measure that the configuration names comes back with every pass: it is the one to keep."""
    named = {table.id for table in settings.tracked}
    if keep in named and other in named and keep != other:
        stop(f'[[tracked]] names both "{keep}" and "{other}"; take one of the two tables out first')
    if other in named and keep != other:
        stop(f'[[tracked]] names "{other}", so it has to stay; swap the order: measures merge {other} {keep}')


@app.command()
def events(
    since: Annotated[int, typer.Option(metavar="ID", min=0, max=LARGEST, help="Only events after this one.")] = 0,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """The change log.

    As JSON one event a line.
    """
    from storage.events import events_since

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        found = events_since(conn, since)
        if json_:
            print_lines(event.to_json() for event in found)
        else:
            from pledgewatch.terminal import show_events

            show_events(found, settings.service.zone, settings.service.language)


deliveries_app = typer.Typer(
    help="What was sent, what waits and what failed. Where a process was killed while it sent, its channels wait up "
    "to three minutes, so as not to send twice.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
app.add_typer(deliveries_app, name="deliveries")


@deliveries_app.callback()
def deliveries(context: typer.Context, json_: JsonOption = False, config: ConfigOption = None) -> None:
    """What was sent, what waits and what failed; as JSON one delivery a line."""
    if context.invoked_subcommand:
        remember(config)
        return
    from storage.outbox import list_deliveries

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        found = list_deliveries(conn)
    if json_:
        print_lines(d.to_json() for d in found)
    else:
        from pledgewatch.terminal import show_deliveries

        show_deliveries(found, settings.service.zone, settings.service.language)


@deliveries_app.command("retry")
def deliveries_retry(
    id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=LARGEST, help="Number of the delivery.")],
    config: ConfigOption = None,
) -> None:
    """Send a delivery again that failed or waits; it goes out with the next `check` or within seconds of `run`."""
    from pledgewatch.work import utc_now
    from storage.errors import StorageError
    from storage.outbox import delivery_by_id, retry
    from storage.readers import left_places

    database = open_begun(load(config, archive_only=True))
    try:
        with database.begin() as conn:
            wanted = delivery_by_id(conn, id_)
            if wanted is None:
                stop(f"there is no delivery {id_}; `pledgewatch deliveries` lists them")
            if (wanted.subscriber, wanted.channel) in left_places(conn):
                stop(f"the reader of delivery {id_} has unsubscribed; `pledgewatch subscribers resume` undoes that")
            queued = retry(conn, id_, utc_now())
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    if not queued:
        stop(f"delivery {id_} was sent already; it is not sent twice")
    print(f"delivery {id_} is queued again")


@app.command()
def export(
    doc: Annotated[str | None, typer.Argument(metavar="[DOC]", help="A document's id, address or 文号.")] = None,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to write into.")] = ...,  # type: ignore[assignment]
    all_: Annotated[bool, typer.Option("--all", help="Every document.")] = False,
    warc: Annotated[bool, typer.Option("--warc", help="WARC files in place of plain ones.")] = False,
    config: ConfigOption = None,
) -> None:
    """The archive as plain files, or as WARC.

    Plain: a folder for each document, in it one for each version, with page and attachments as they came, the text
    and the metadata. WARC: one file for each document, with every answer that a version was read from.
    """
    if (doc is None) == (not all_):
        stop("name one document, or say --all")
    from pledgewatch.exporting import export_documents
    from pledgewatch.terminal import Progress
    from storage.documents import list_documents

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        chosen = list_documents(conn) if all_ else (find(conn, doc or ""),)
        try:
            with Progress(len(chosen)) as progress:
                written = export_documents(conn, chosen, to, warc=warc, tell=progress.advance)
        except OSError as error:
            stop(f"{error.filename}: {error.strerror}", EXIT_FAILED)
    complain(f"{count(written, 'file')} of {count(len(chosen), 'document')} in {to}")
