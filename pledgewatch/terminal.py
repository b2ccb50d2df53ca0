"""What commands print for people: words, colours on a terminal, nothing that a script should read."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from notify.causes import cause_words
from pledgewatch.console import count
from pledgewatch.console import plain as plain

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from monitors.difference import Piece
    from pledgewatch.comparing import Comparison
    from pledgewatch.passes import PassReport
    from pledgewatch.rereading import Report
    from storage.documents import HistoryLine, StoredDocument
    from storage.pruning import Forgettable
    from storage.records import Delivery, Event
    from storage.sources import SourceState
    from storage.threads import Thread
    from storage.upkeep import Stats

KINDS = {"target": "目标", "subsidy": "补贴", "progress": "进展"}
_STATES = {"ok": "green", "failing": "red", "blocked": "red", "drifted": "yellow"}
_CHANGES = {"added": "green", "removed": "red", "changed": "yellow"}
_DELIVERIES = {"sent": "green", "pending": "cyan", "retrying": "yellow", "dead": "red"}
_ANY_WIDTH = 100_000
# How `notify` says why a message did not go out, and the same in Chinese; {} is what follows. What a service says of
# itself stays as it is.
_UNSENT = (
    ("no answer within ", "没有及时应答（{}）"),
    ("timed out", "没有及时应答"),
    ("answered HTTP ", "应答 HTTP {}"),
    ("answered 200 without saying", "应答未说明是否收下"),
    ("refused with code ", "被拒收，代码 {}"),
    ("not sent, without a word why", "未能发出，没有说明原因"),
    ("mail server answered ", "邮件服务器应答 {}"),
    ("mail server: ", "邮件服务器出错（{}）"),
    ("connection refused", "无法连接"),
    ("host unreachable", "无法连接"),
    ("host name not resolved", "域名无法解析"),
    ("connection closed by the other side", "连接被中断"),
    ("certificate not trusted", "证书不可信"),
    ("TLS failed", "安全连接失败"),
    ("no service is called ", "没有 {} 这种渠道"),
    ("not a usable address: ", "地址不可用（{}）"),
    ("not written: ", "消息无法写成（{}）"),
    ("its events are no longer stored", "所含变动已不在存档中"),
    ("cancelled: this subscriber or address is no longer", "已取消：配置中已没有该订阅者或地址"),
    ("cancelled: the reader has unsubscribed", "已取消：读者已退订"),
)
_ADDRESS = re.compile(r"(https?://\S+): ")


def console(stream: Any = None) -> Console:
    """A terminal with its colours, or plain lines of any length in a pipe."""
    stream = stream or sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False)
    return Console(file=stream, highlight=False, soft_wrap=True, width=_ANY_WIDTH, no_color=True)


def clock(moment: datetime | None, zone: tzinfo) -> str:
    """A moment by the clock of the service's time zone, which need not be that of this machine."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M") if moment else "-"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def why(reason: str, language: str) -> str:
    """Why a pass or page failed, in words; the address that it is about stays before them.

    >>> why("https://a.example/1.html: server-error: HTTP 502", "zh")
    'https://a.example/1.html：服务器出错（HTTP 502）'
    """
    about = _ADDRESS.match(reason)
    if about is None:
        return plain(cause_words(reason, language))
    words = cause_words(reason[about.end() :], language)
    return plain(about[1] + ("：" if language == "zh" else ": ") + words)


def why_unsent(reason: str, language: str) -> str:
    """Why a message did not go out, in words.

    >>> why_unsent("answered HTTP 503", "zh"), why_unsent("answered HTTP 503", "en")
    ('应答 HTTP 503', 'answered HTTP 503')
    """
    for start, words in _UNSENT if language == "zh" else ():
        if reason.startswith(start):
            return plain(words.replace("{}", reason[len(start) :]))
    return plain(reason)


# --- progress ----------------------------------------------------------------------------------------------------


class Progress:
    """A bar with a moving clock on standard error while it is a terminal; nothing in a pipe.

    `words` say what is under way until the first of `total` is done.
    """

    def __init__(self, total: int, words: str = "") -> None:
        self.total, self.words = total, words
        self._bar: RichProgress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._bar.start()
            self._task = self._bar.add_task(escape(plain(self.words)), total=self.total)
        return self

    def advance(self, words: str, by: int = 1) -> None:
        """One more of `total` is done, or `by` more."""
        if self._bar:
            self._bar.update(self._task, advance=by, description=escape(plain(words)))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Out of the way while something else is printed."""
        if self._bar:
            self._bar.stop()
        yield
        if self._bar:
            self._bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()


# --- passes and sources ------------------------------------------------------------------------------------------


def show_report(report: PassReport, language: str, *, baseline: bool = False) -> None:
    """One line for a pass over a source; `baseline`: its first, of which nobody is told."""
    counts = ("new", "revised", "unchanged", "withdrawn", "blocked", "failed", "events")
    words = {"new": "new (baseline)" if baseline else "new", "events": "event" if report.events == 1 else "events"}
    told = ", ".join(f"{k} {words.get(n, n)}" for n in counts if (k := getattr(report, n))) or "nothing to visit"
    mark = Text("ok  ", "green") if report.ok else Text("!!  ", "red")
    line = mark + Text(f"{report.source}: {told} ({report.seconds:.1f} s)")
    console().print(line)
    if report.error:
        console(sys.stderr).print(Text(f"pledgewatch: {report.source}: {why(report.error, language)}", "red"))


def show_sources(rows: Sequence[tuple[Any, SourceState | None]], zone: tzinfo, language: str) -> None:
    """The configured sources with how they are doing; below them why some are not well."""
    out = console()
    table = _table("id", "state", "last pass", "next pass", "name")
    for source, state in rows:
        table.add_row(
            source.id,
            _standing(state),
            clock(state.last_pass_at if state else None, zone),
            clock(state.next_due_at if state else None, zone) + (f" ({source.hours})" if source.hours else ""),
            plain(source.label),
        )
    out.print(table)
    for source, state in rows:
        if state and state.last_error and (state.failures or state.state != "ok"):
            out.print(Text(f"{source.id}: {why(state.last_error, language)}", "red"))
        if state and state.lied_at:
            told = f"{source.id}: its server called a changed page unchanged (304) on {clock(state.lied_at, zone)}"
            out.print(Text(told, "yellow"))


def _standing(state: SourceState | None) -> Text:
    """A source's state in words. The stored one turns only when failing has become a habit; people ask before."""
    if state is None or state.last_pass_at is None:
        return Text("never visited")
    word = state.state if state.last_success_at else "never worked"
    failed = f"failing {state.failures}×" if state.state in ("ok", "failing") else f"{state.failures} failed"
    if not state.failures:
        return Text(word, _STATES.get(word, ""))
    return Text(failed if word in ("ok", "failing") else f"{word}, {failed}", "red")


# --- reading -----------------------------------------------------------------------------------------------------


def show_extraction(results: Sequence[Mapping[str, Any]]) -> None:
    """Documents and their measures, one figure a line."""
    out = console()
    for result in results:
        document = result["document"]
        facts = [document[n] for n in ("doc_number", "publisher", "published_on") if document[n]]
        out.print(Text(plain(document["title"] or result["file"]), "bold"))
        if facts:
            out.print(Text(plain(" · ".join(facts)), "dim"))
        table = _table("kind", "subject", "figure", "unit", "deadline", "quote")
        for measure in result["measures"]:
            for n, figure in enumerate(measure["figures"]):
                table.add_row(
                    KINDS[measure["kind"]] if n == 0 else "",
                    plain(measure["subject"]) if n == 0 else "",
                    figure_text(figure),
                    figure["unit"],
                    (measure["deadline"] or "") if n == 0 else "",
                    plain(figure["quote"]).replace("\n", "") + (" (from a scan: check)" if figure.get("ocr") else ""),
                )
        out.print(table if result["measures"] else Text("no measures", "dim"))


def figure_text(figure: Mapping[str, Any]) -> str:
    """A figure's bound and number."""
    bound = "" if figure["bound"] == "=" else figure["bound"]
    if figure["value"] is None:
        return f"{bound}{figure['min']:g}–{figure['max']:g}"
    return f"{bound}{figure['value']:,.12g}"


# --- archive -----------------------------------------------------------------------------------------------------


def show_documents(documents: Sequence[StoredDocument]) -> None:
    table = _table("id", "published", "文号", "title")
    for document in documents:
        title = Text(plain(document.title), "" if document.standing else "strike")
        table.add_row(str(document.id), str(document.published_on or "-"), plain(document.doc_number or "-"), title)
    console().print(table)


def show_history(document: StoredDocument, lines: Sequence[HistoryLine], zone: tzinfo) -> None:
    """A document's versions by the time of their alert; beside it that of a later copy which says the same."""
    out = console()
    out.print(Text(plain(document.title), "bold"))
    out.print(Text(plain(document.url), "dim"))
    if document.repealed_by:
        since = f" from {document.repealed_on} on" if document.repealed_on else ""
        out.print(Text(f"repealed by document {document.repealed_by}{since}", "yellow"))
    table = _table("version", "found", "status", "measures", "")
    for line in lines:
        notes = ["baseline"] if line.baseline else []
        if line.fetched_at > line.created_at:  # a version is read from the last bytes that said the same
            notes.append(f"read from a copy of {clock(line.fetched_at, zone)}")
        found = clock(line.created_at, zone)
        table.add_row(str(line.number), found, line.status, str(line.statements), ", ".join(notes))
    out.print(table)


def show_measures(threads: Iterable[Thread], language: str) -> None:
    """Each tracked measure with its statements below it."""
    from monitors.words import figure_words

    out = console()
    for thread in threads:
        tracked = thread.tracked
        head = Text.assemble((plain(tracked.name), "bold"), f"  {tracked.region or ''}  ", (tracked.id, "dim"))
        out.print(head)
        for known in thread.statements:
            figures = ("、" if language == "zh" else ", ").join(
                figure_words(f, language) for f in known.measure.figures
            )
            told = Text.assemble(
                f"  {known.published_on or '----------'}  {KINDS[known.measure.kind]}  ",
                (plain(figures), "cyan"),
                f"  {known.measure.deadline or ''}  ",
                (f"[{known.document.id}] {plain(known.document.title)}", "dim"),
            )
            out.print(told)


def show_events(events: Iterable[Event], zone: tzinfo, language: str) -> None:
    """One line an event; those of a source's first pass, which nobody is told of, are marked."""
    out = console()
    mark = "[基线] " if language == "zh" else "[baseline] "
    for event in events:
        told = (mark if event.baseline else "") + plain(event.summary)
        line = f"{event.id:>6}  {clock(event.time, zone)}  {event.type:<20} {told}"
        out.print(Text(line, "dim" if event.baseline else ""))


def show_deliveries(deliveries: Iterable[Delivery], zone: tzinfo, language: str) -> None:
    table = _table("id", "state", "tries", "subscriber", "channel", "events", "created", "error")
    for d in deliveries:
        table.add_row(
            str(d.id),
            Text(d.state, _DELIVERIES[d.state]),
            str(d.attempts),
            d.subscriber,
            d.channel,
            ",".join(map(str, d.events)),
            clock(d.created_at, zone),
            why_unsent(d.last_error or "", language),
        )
    console().print(table)


def show_difference(comparison: Comparison, language: str) -> None:
    """The changed sentences and the measures that changed: colours on a terminal that has them, else marks."""
    from monitors.difference import unified

    out = console()
    out.print(
        Text(f"{plain(comparison.document.title)}  {comparison.older.number} → {comparison.newer.number}", "bold")
    )
    for line in comparison.changes:
        out.print(Text("• " + plain(line), "yellow"))
    hunks = unified(comparison.difference)
    if not hunks and not comparison.changes:
        out.print(Text("两个版本的正文相同" if language == "zh" else "the two texts are the same", "dim"))
    for hunk in hunks:
        out.print(Text("…", "dim"))
        told = Text()
        for block in hunk.blocks:
            for piece in block.pieces:
                if out.color_system and not out.no_color:
                    told.append(plain(piece.text), _piece_style(piece))
                else:
                    told.append(_marked(piece))
        out.print(told)


def _marked(piece: Piece) -> str:
    """A piece of a difference without colours, the way `git diff --word-diff` marks words; "~": it moved."""
    text = plain(piece.text)
    if piece.op == "equal":
        return text
    left, right = ("[-", "-]") if piece.op == "deleted" else ("{+", "+}")
    # A mark that ran over a line's end would not be seen on the next line.
    lines = (f"{left}{'~' if piece.moved else ''}{x}{right}" if x else "" for x in text.split("\n"))
    return "\n".join(lines)


def _piece_style(piece: Piece) -> str:
    if piece.moved:
        return "blue strike" if piece.op == "deleted" else "blue"
    return {"equal": "", "deleted": "red strike", "inserted": "bold green"}[piece.op]


def show_probe(found: Any) -> None:
    """What a source would give: the list's rows, the first document, its measures."""
    out = console()
    if found.items:
        out.print(Text(f"{found.cms}: {count(len(found.items), 'item')}; next page: {found.next or 'none'}", "bold"))
        for item in found.items[:10]:
            out.print(Text(f"  {item.date or '----------'}  {plain(item.title)}"))
        if len(found.items) > 10:
            out.print(Text(f"  … {len(found.items) - 10} more", "dim"))
    if found.document:
        measures = [m.to_json() for m in found.measures]
        show_extraction([{"file": "", "document": found.document.to_json(), "measures": measures}])
        size = count(len(found.document.text), "character"), count(len(found.document.attachments), "attachment")
        out.print(Text(", ".join(size), "dim"))
    for warning in found.warnings:
        console(sys.stderr).print(Text(f"warning: {plain(warning)}", "yellow"))


# --- the whole archive -------------------------------------------------------------------------------------------


def bytes_in_words(size: float) -> str:
    """
    >>> bytes_in_words(999), bytes_in_words(1_234_567)
    ('999 bytes', '1.2 MB')
    """
    if size < 1000:
        return f"{size:.0f} bytes"
    units = iter("kMGTP")
    while size >= 999.95:
        size, unit = size / 1000, next(units)
    return f"{size:.1f} {unit}B"


def show_storage(found: Stats) -> None:
    """What is in the archive: a line of counts, bodies by kind, what they take."""
    out = console()
    counted = ("documents", "versions", "captures", "statements", "events", "deliveries")
    out.print(", ".join(f"{found.rows[name]:,} {name}" for name in counted))
    table = _table("bodies", "number", "pruned", "as they came", "as kept", "ratio")
    for kind, b in found.bodies.items():
        sizes = bytes_in_words(b.bytes), bytes_in_words(b.kept), f"{b.bytes / b.kept:.1f}" if b.kept else "-"
        table.add_row(kind, f"{b.count:,}", f"{b.pruned:,}", *sizes)
    out.print(table)
    if found.bytes_per_version is not None:
        out.print(f"{bytes_in_words(found.bytes_per_version)} a version: texts, pages and files as kept")
    if found.repeated is not None:
        out.print(f"{found.repeated:.1%} of {found.answers:,} answers brought bytes that were known")
    out.print(f"{bytes_in_words(found.file_bytes)} on disk, {bytes_in_words(found.free_bytes)} of them free")


def show_pruning(chosen: Sequence[Forgettable], reasons: Mapping[str, int], freed: int | None) -> None:
    """What `storage prune` forgot; `freed` is None where it only looked."""
    told = ", ".join(f"{number} {reason}" for reason, number in reasons.items() if number)
    size = bytes_in_words(sum(b.kept for b in chosen))
    if freed is None:
        print(f"{len(chosen)} bodies would go{f' ({told})' if told else ''}; they take {size}")
    else:
        print(f"{len(chosen)} bodies forgotten{f' ({told})' if told else ''}; {bytes_in_words(max(freed, 0))} freed")


def show_rereading(report: Report, examples: int) -> None:
    """What another reader makes of the archive: counts, then some of the differences."""
    out = console()
    for difference in report.examples[:examples]:
        out.print(Text(f"{difference.document} v{difference.number}  {plain(difference.title)}", "bold"))
        if difference.fields:
            out.print(Text(f"    {', '.join(difference.fields)}", "dim"))
        for change in difference.measures:
            figures = " → ".join(plain(q) for q in (change["before"], change["after"]) if q)
            out.print(Text(f"    {change['type']:<8} {plain(change['subject'])}: {figures}", _CHANGES[change["type"]]))
    for failure in report.failed:
        out.print(Text(f"{failure.document} v{failure.number}  cannot be read: {plain(failure.error or '')}", "red"))
    measures = ", ".join(f"{report.measures[name]} {name}" for name in _CHANGES)
    verb = "changed" if report.applied else "would change"
    out.print(f"{count(report.versions, 'version')} read, {report.changed} {verb}; measures: {measures}")
