"""Commands that look after the whole archive: storage stats, verify, prune, copy; reread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

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
    print_json,
    reading,
    stop,
    storage_app,
)

EXAMPLES = 10  # differences that a report for people shows


@contextmanager
def _no_traceback() -> Iterator[None]:
    """A database that fails half way ends the command with status 1 and says what to do."""
    from storage.errors import StorageError

    try:
        yield
    except StorageError as error:
        stop(str(error), EXIT_FAILED)


@storage_app.command("stats")
def storage_stats(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """How much is in the archive and what it takes."""
    from storage.upkeep import stats

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        found = stats(conn)
    if json_:
        print_json(
            {
                "rows": found.rows,
                "bodies": {kind: asdict(bodies) for kind, bodies in found.bodies.items()},
                "bytes": found.bytes_as_they_were,
                "bytes_kept": found.bytes_kept,
                "bytes_per_version": found.bytes_per_version,
                "repeated": found.repeated,
                "file_bytes": found.file_bytes,
                "free_bytes": found.free_bytes,
            }
        )
        return
    from pledgewatch.terminal import show_storage

    show_storage(found)


@storage_app.command("verify")
def storage_verify(json_: JsonOption = False, config: ConfigOption = None) -> None:
    """Compare everything with its hashes.

    Status 1 names what is wrong. Read are bodies, the chain of each source's answers, versions and what they were
    read from, and rows that refer to nothing.
    JSON gives the chains' ends as well: kept elsewhere, they prove later that nothing before was rewritten.
    """
    from pledgewatch.terminal import Progress
    from storage.upkeep import chain_heads, faults, stats

    settings = load(config, archive_only=True)
    with reading(settings) as conn:
        bodies = stats(conn).bodies.values()
        total = sum(b.count - b.pruned for b in bodies)
        heads = chain_heads(conn)
        with Progress(total, "reading bodies") as progress:
            found = list(faults(conn, lambda n: progress.advance("reading bodies", n)))
    if json_:
        print_json({"ok": not found, "bodies": total, "chains": heads, "faults": found})
    else:
        for line in found:
            print(line)
        told = count(len(found), "fault") if found else "all is well"
        complain(f"{count(len(heads), 'chain')} and {total} bodies read: {told}")
    raise typer.Exit(EXIT_FAILED if found else 0)


@storage_app.command("prune")
def storage_prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Forget what [storage.keep] lets go.

    Without that part of the configuration nothing goes.
    failed = "90d": answers that were no page. unchanged = "90d": lists, and pages that said nothing new.
    versions = 20: what versions before a document's newest 20 were read from. Never goes what the latest version
    was read from or one that somebody was told of, nor texts, figures, headers, hashes and chains.
    """
    from pledgewatch.terminal import Progress
    from pledgewatch.work import utc_now
    from storage.pruning import Keep, forgettable, prune
    from storage.upkeep import stats

    settings = load(config, archive_only=True)
    keep = Keep(**dict(settings.storage.keep))
    if keep == Keep():
        complain("[storage.keep] names nothing that may go; the archive stays as it is")
    with reading(settings) as conn:
        chosen, room = forgettable(conn, keep, utc_now()), stats(conn)
    freed = None if dry_run else 0
    if chosen and not dry_run:
        database = open_begun(settings)
        with _no_traceback(), Progress(len(chosen), "forgetting") as progress:
            chosen, freed = prune(database, keep, utc_now(), lambda n: progress.advance("forgetting", n))
        database.close()
        with reading(settings) as conn:
            room = stats(conn)
    if not chosen and keep != Keep():
        complain("nothing may go: latest versions, those that a message named, and what is younger always stay")
    reasons = {r: sum(b.reason == r for b in chosen) for r in ("failed", "unchanged", "versions")}
    if json_:
        kept = sum(b.kept for b in chosen)
        print_json(
            {
                "dry_run": dry_run,
                "bodies": len(chosen),
                "reasons": reasons,
                "bytes_kept": kept,
                "bytes_freed": freed,
                "free_bytes": room.free_bytes,
            }
        )
        return
    from pledgewatch.terminal import show_pruning

    show_pruning(chosen, reasons, freed)
    if freed and settings.storage.url.startswith("sqlite"):
        file = settings.storage.url.removeprefix("sqlite:///")
        complain(
            f"hint: new answers use that room; to shrink the file, end the service and run: sqlite3 '{file}' vacuum"
        )


@storage_app.command("copy")
def storage_copy(
    to: Annotated[str, typer.Option("--to", metavar="URL", help="An empty database: sqlite:///FILE, postgresql://…")],
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy all of it to another database.

    The target is empty, and of either kind. All or nothing: the copy is read back and verified before it is kept; a
    run that was cut off leaves the target empty, and can be started again.
    """
    from pledgewatch.terminal import Progress
    from storage.database import open_database
    from storage.errors import StorageError
    from storage.upkeep import NotEmptyError, copy_archive, work_of_copying

    settings = load(config, archive_only=True)
    origin = open_begun(settings)
    try:
        target = open_database(to)
    except StorageError as error:
        stop(f"--to: {error}")
    try:
        with origin.read() as conn:
            total = work_of_copying(conn)
        with Progress(total, "copying") as progress:
            copied = copy_archive(origin, target, lambda n: progress.advance("copying, then verifying", n))
    except NotEmptyError as error:
        stop(str(error))
    except StorageError as error:
        stop(str(error), EXIT_FAILED)
    finally:
        origin.close()
        target.close()
    if json_:
        print_json({"to": target.where, "rows": copied, "verified": True})
    else:
        print(f"{count(sum(copied.values()), 'row')} copied to {target.where} and verified")
        complain("hint: storage.url decides which of the two is used; what is written to one is not in the other")


@app.command()
def reread(
    jobs: Annotated[int | None, typer.Option(min=1, max=256, help="Processes (one for each core).")] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only so many versions.")] = None,
    after: Annotated[int, typer.Option(metavar="ID", min=0, max=LARGEST, help="Go on behind this version id.")] = 0,
    all_: Annotated[bool, typer.Option("--all", help="Also what the present reader has read already.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Put the new readings in place of the old ones.")] = False,
    json_: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Read the archive's stored pages again with the present reader, and say what that changes in the record.

    Nobody is alerted, and without --apply nothing is written. A run that was cut off goes on where it ended: with
    --apply by itself, else with --after. Status 1 where a version could not be read.
    """
    from pledgewatch.rereading import reread_archive, versions_to_read
    from pledgewatch.terminal import Progress

    settings = load(config)
    with reading(settings) as conn:
        ids = versions_to_read(conn, after=after, limit=limit, every=all_)
    if not ids:
        which = f"versions behind {after}" if after else "versions"
        made = f"the present reader made all {which} already; --all reads them again"
        complain(f"nothing to read: {f'there are no {which}' if all_ else made}")
    with _no_traceback(), Progress(len(ids), "reading") as progress:
        report = reread_archive(settings, ids, jobs=jobs, apply=apply, tell=progress.advance)
    if json_:
        print_json(report.to_json())
    else:
        from pledgewatch.terminal import show_rereading

        show_rereading(report, EXAMPLES)
    raise typer.Exit(EXIT_FAILED if report.failed else 0)
