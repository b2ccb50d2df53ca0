"""Words of a message: one message for a revision or publication and its reader, with all its events.

What stands in an event comes from pages of others and is data: it is cleaned of controls, escaped for the
format by the template engine, and linked only if it is http(s). The layout is in `templates/`, one file a
format; an operator's own folder of files with the same names goes before them.

Beside the contract's fields these keys of `Event.detail` are shown where they are there: `before_words` and
`after_words` (a figure ready to read); `deadline`, `recipient`, `condition` (a value, or [before, after]);
`bodies`; `days` (left until the deadline, below 0 past it); `reported` (the last figure reported towards a target:
`words`, `figure`, `published_on`); `reasons`, `cause`, `reason` (codes, see `phrases.REASONS`, or words);
`figures` (what a new document holds: `name`, `words`, `figures`) and `measures` (how many it holds in all);
`other_document` (of a conflict, or the one that ended this one, with `repeal`: its `kind`, from when (`on`), the
`sentence`, whether it is its `own` act); `published_on`; `files` ("added", "changed", "removed": names) and `sentences`
([old, new], with `sentences_in_all` and `same_numbers`) of a revision; `file` (the attachment that
gives a figure).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode, urlsplit
from zoneinfo import ZoneInfo

from notify.marking import Piece, alike, excerpt, head, mark, quoted, side
from notify.phrases import (
    REASONS,
    WORDS,
    both_words,
    change_words,
    clean,
    contents,
    days_words,
    end_words,
    headline_words,
    importance,
    label,
    last_report,
    reason_words,
    side_words,
    size_words,
    source_name,
    title,
)
from notify.subscriptions import Subscriber, is_digest, parse_deliver
from storage.records import DocumentRef, Event

if TYPE_CHECKING:
    from jinja2 import Environment

_Sentences = tuple[tuple[Piece, ...], tuple[Piece, ...], tuple[Piece, ...]]
Format = Literal["text", "markdown", "html"]
TEMPLATES = Path(__file__).with_name("templates")

_LONGEST_SUBJECT = {"zh": 60, "en": 78}  # what mail programs show of a line; Chinese characters are twice as wide

# From all there is to one line an event: the first that fits the channel is taken.
_CONTEXTS: tuple[int | None, ...] = (400, 60, 16, None)
_LONGEST_TITLE, _LONGEST_URL, _MOST_FIGURES = 120, 500, 5
_REWRITTEN = 40  # characters around what changed in a sentence that gives no figure


@dataclass(frozen=True)
class Limit:
    """How much a channel takes: `size` in characters, or in UTF-8 bytes. `title_inside` says that the title
    stands in the body and takes its share; `title` is the title's own limit in characters."""

    size: int = 32_768
    in_bytes: bool = False
    title_inside: bool = False
    title: int = 78

    def cost(self, text: str) -> int:
        return len(text.encode("utf-8", "replace")) if self.in_bytes else len(text)


@dataclass(frozen=True)
class Links:
    """Addresses of the web pages. `base` is where readers reach them ("https://watch.example.org"), or empty:
    then messages link only the watched page. `sources` are the addresses of the watched lists by source."""

    base: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    def document(self, document: int) -> str | None:
        return self._at(f"/documents/{document}")

    def diff(self, document: int, old: int, new: int) -> str | None:
        return self._at(f"/documents/{document}/diff?{urlencode({'from': old, 'to': new})}")

    def version(self, version: int) -> str | None:
        return self._at(f"/versions/{version}/raw")

    def event(self, event: int) -> str | None:
        return self._at(f"/events/{event}")

    def events(self) -> str | None:
        return self._at("/events")

    def all_sources(self) -> str | None:
        return self._at("/sources")

    def _at(self, path: str) -> str | None:
        return self.base.rstrip("/") + path if self.base else None


@dataclass(frozen=True)
class Message:
    """What a channel sends. `text` says the same as an HTML `body` in plain words, for mail programs that
    want it; `events` go to channels that send data instead of words. For mail: where to `unsubscribe`, which
    list it comes from, and the `contact` behind it."""

    title: str
    body: str
    format: Format = "text"
    text: str = ""
    events: tuple[Event, ...] = ()
    unsubscribe: str | None = None
    list_id: str = ""
    contact: str = ""


TOLD_AT_LENGTH = 8  # documents of one message; of more, each has a line an event


def documents_of(events: Iterable[Event]) -> int:
    """How many documents, or sources without one, events are of."""
    return len({e.document.id if e.document else e.source for e in events})


def _start(events: Sequence[Event]) -> int:
    """A digest of many documents is read on a phone: it starts with less of each."""
    documents = documents_of(events)
    return 0 if documents <= 3 else 2 if documents <= TOLD_AT_LENGTH else 3


# --- what a template sees -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One event of a measure or target, in words. `old` and `new` are its two sentences, called `sides`;
    `inline` is both in one, for a change within a document where they have enough in common."""

    id: int
    label: str
    sides: tuple[str, str]
    name: str
    figures: str
    size: str
    summary: str
    facts: tuple[tuple[str, str], ...] = ()
    inline: tuple[Piece, ...] = ()
    old: tuple[Piece, ...] = ()
    new: tuple[Piece, ...] = ()
    link: str | None = None


@dataclass(frozen=True)
class Group:
    """A document, or a source, with its changes. `labels` tell what happened to the document itself."""

    heading: str
    number: str
    labels: str
    summaries: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    changes: tuple[Change, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True)
class _Setting:
    language: str
    links: Links
    tz: ZoneInfo
    context: int | None = None
    words: dict[str, str] = field(default_factory=dict)


def render(
    subscriber: Subscriber,
    events: Sequence[Event],
    *,
    language: str,
    links: Links,
    format: Format,
    limit: Limit,
    tz: ZoneInfo,
    templates: Path | None = None,
    unsubscribe: str | None = None,
) -> Message:
    """The message that tells `subscriber` of `events` (at least one), within `limit`.

    Events of several documents make a digest, ordered by importance. What does not fit is first told with
    less of the sentences around a difference, then in one line, then counted: "还有 N 条" with a link.
    `language` is "zh" or "en"; the subscriber's own goes before it. `templates` is a folder of files that
    replace ours. `unsubscribe` is the address of a mail's own foot.
    """
    setting = _Setting(_language(subscriber, language), links, tz)
    ordered = sorted(events, key=importance)
    rhythm = "now" if documents_of(events) > 1 else None
    if is_digest(subscriber):
        rhythm = parse_deliver(subscriber.deliver).every
    longest = min(_LONGEST_SUBJECT[setting.language], limit.title)
    heading = title(ordered, setting.language, longest, rhythm)
    writer = _Writer(ordered, heading, setting, templates, unsubscribe)
    room = limit.size - (limit.cost(heading) + 8 if limit.title_inside else 0)
    body = writer.body(format, limit, room)
    text = body if format == "text" else writer.body("text", replace(limit, in_bytes=False), 32_768)
    return Message(heading, body, format, text, tuple(events), writer.unsubscribe)


def _language(subscriber: Subscriber, language: str) -> str:
    wanted = subscriber.language or language
    return wanted if wanted in WORDS else "zh"


@dataclass(frozen=True)
class _Writer:
    events: Sequence[Event]
    heading: str
    setting: _Setting
    templates: Path | None
    unsubscribe: str | None

    def body(self, format: Format, limit: Limit, room: int) -> str:
        for context in _CONTEXTS[_start(self.events) :]:
            body = self._write(format, len(self.events), context)
            if limit.cost(body) <= room:
                return body
        return self._fewer(format, limit, room)

    def _fewer(self, format: Format, limit: Limit, room: int) -> str:
        """As many events as fit, in one line each, found by halving: more events take more room."""
        fits, best = 0, ""
        low, high = 1, len(self.events) - 1
        while low <= high:
            middle = (low + high) // 2
            body = self._write(format, middle, None)
            if limit.cost(body) <= room:
                fits, best, low = middle, body, middle + 1
            else:
                high = middle - 1
        return best if fits else self._least(format, limit, room)

    def _least(self, format: Format, limit: Limit, room: int) -> str:
        """For channels of a line or two: the title, and the address if there is room for it."""
        link = self._more_link()
        for line in (f"{self.heading} {link}", self.heading) if link else (self.heading,):
            said = _escaped(line, format)
            if limit.cost(said) <= room:
                return said
        size = room // 4 - 1 if limit.in_bytes else room - 1
        return head(self.heading, max(1, size))

    def _more_link(self) -> str | None:
        documents = {e.document.id for e in self.events if e.document}
        links = self.setting.links
        return links.document(documents.pop()) if len(documents) == 1 else links.events()

    def _write(self, format: Format, count: int, context: int | None) -> str:
        words = WORDS[self.setting.language]
        setting = replace(self.setting, context=context, words=words)
        left = len(self.events) - count
        template = _environment(self.templates, format).get_template(f"message.{format}.j2")
        return template.render(
            title=self.heading,
            groups=_groups(self.events[:count], setting),
            words=words,
            language=self.setting.language,
            brief=context is None,
            contents=[] if left else contents(self.events, self.setting.language),
            more=words["more"].format(n=left) if left else "",
            more_link=self._more_link(),
            unsubscribe=self.unsubscribe,
        ).strip()


# --- events into words --------------------------------------------------------------------------------------


def _groups(events: Sequence[Event], setting: _Setting) -> list[Group]:
    """Events by document (or source), in the order in which their most important ones came."""
    together: dict[tuple[str, Any], list[Event]] = {}
    for event in events:
        key = ("document", event.document.id) if event.document else ("source", event.source)
        together.setdefault(key, []).append(event)
    return [_group(members, setting) for members in together.values()]


def _group(events: Sequence[Event], s: _Setting) -> Group:
    document = events[0].document
    own = [e for e in events if e.measure is None]
    return Group(
        heading=head(clean(document.title if document else source_name(events[0])), _LONGEST_TITLE),
        number=clean(document.doc_number or "") if document else "",
        labels=s.words["comma"].join(dict.fromkeys(label(e, s.language) for e in own)),
        summaries=tuple(dict.fromkeys(filter(None, (_summary(e, s) for e in own)))),
        facts=_document_facts(document, events, s) if s.context is not None else (),
        links=_document_links(document, events, s) if document else _source_links(events[0].source, s),
        changes=(
            *(c for e in own for c in _rewritten(e, s)),
            *(_change(e, s) for e in events if e.measure is not None),
        ),
        ids=tuple(sorted(e.id for e in events)),
    )


def _summary(event: Event, s: _Setting) -> str:
    """What an event of a document or source says beyond its label: the figures of a new document, what was
    revised, why it is gone."""
    w, detail = s.words, event.detail
    if s.context is None:
        return ""
    if event.type == "document.published":
        told = [_headline(f, s.language) for f in detail.get("figures") or () if f.get("words")]
        in_all = max(len(told), detail.get("measures") or 0)
        told, more = told[:_MOST_FIGURES], w["in_all"].format(n=in_all) if in_all > _MOST_FIGURES else ""
        scanned = any(f.get("ocr") for f in detail.get("figures") or ())
        note = f"{w['open']}{w['ocr']}{w['close']}" if scanned else ""
        figures = f"{w['figures']}{w['colon']}{w['comma'].join(told)}{more}{note}" if told else ""
        return ("；" if s.language == "zh" else "; ").join(filter(None, (end_words(event, s.language), figures)))
    if ended := end_words(event, s.language):
        return ended
    reasons = w["comma"].join(_reason_of_revision(code, detail, s) for code in detail.get("reasons") or ())
    if reasons:
        return f"{w['revised' if event.type == 'document.revised' else 'reason']}{w['colon']}{reasons}"
    return clean(detail.get("reason") or event.summary)


def _reason_of_revision(code: str, detail: Mapping[str, Any], s: _Setting) -> str:
    """A reason in words; that files differ with the names of the files."""
    files = detail.get("files") or {}
    if code != "attachments" or not any(files.values()):
        return reason_words(code, s.language)
    named = [(kind, name) for kind in ("added", "changed", "removed") for name in files.get(kind) or ()]
    told = [s.words[f"file_{kind}"].format(name=head(clean(name), _LONGEST_TITLE)) for kind, name in named]
    more = s.words["in_all"].format(n=len(told)) if len(told) > _MOST_FIGURES else ""
    return s.words["comma"].join(told[:_MOST_FIGURES]) + more


def _rewritten(event: Event, s: _Setting) -> tuple[Change, ...]:
    """The first sentences of a revision that changed no figure, shown as those of a figure are, only shorter."""
    pairs = [[clean(side) for side in pair] for pair in event.detail.get("sentences") or ()]
    if not pairs or s.context is None:
        return ()
    in_all = event.detail.get("sentences_in_all") or 0
    about = s.words["same_numbers" if event.detail.get("same_numbers") else "same_measures"]
    count = s.words["rewritten_in_all"].format(n=in_all) if in_all > len(pairs) else ""
    told = []
    for before, after in pairs:
        inline, old, new = _marked(before, after, min(s.context, _REWRITTEN), inline=True)
        sides = s.words["before"], s.words["after"]
        told.append(Change(event.id, s.words["rewritten"], sides, about, "", "", count, (), inline, old, new))
        about, count = s.words["elsewhere"], ""
    return tuple(told)


def _headline(told: Mapping[str, Any], language: str) -> str:
    return f"{clean(told.get('name') or '')} {headline_words(told, language)}"


def _document_facts(document: DocumentRef | None, events: Sequence[Event], s: _Setting) -> tuple[tuple[str, str], ...]:
    day = next((clean(e.detail["published_on"]) for e in events if e.detail.get("published_on")), "")
    publisher = clean(document.publisher or document.region or "") if document else ""
    found = max(e.time for e in events).astimezone(s.tz)
    ended = next((e.detail for e in events if e.detail.get("repeal")), {})
    return _told(
        (s.words["published"], " ".join(filter(None, (publisher, day)))),
        (s.words["found"], _clock(found)),
        (s.words["declared"], _other_document(ended.get("other_document") or {}, s) if ended else None),
        (s.words["declaration"], head(clean((ended.get("repeal") or {}).get("sentence") or ""), _LONGEST_TITLE * 2)),
    )


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def _source_links(source: str, s: _Setting) -> tuple[tuple[str, str], ...]:
    """The watched list itself, and how all sources are doing."""
    watched = s.links.sources.get(source)
    return _told(
        (s.words["page"], safe_url(watched) if watched else None),
        (s.words["sources"], s.links.all_sources()),
    )


def _document_links(document: DocumentRef, events: Sequence[Event], s: _Setting) -> tuple[tuple[str, str], ...]:
    old, new = next((e.versions for e in events if all(e.versions)), (None, None))
    compared = old is not None and new is not None and old != new
    return _told(
        (s.words["page"], safe_url(document.url)),
        (s.words["diff"], s.links.diff(document.id, old, new) if compared else None),  # type: ignore[arg-type]
        (s.words["archive"], s.links.document(document.id)),
    )


def _told(*facts: tuple[str, str | None]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in facts if value)


def safe_url(url: str) -> str | None:
    """`url` fit to be a link anywhere, or None where it is not http(s), or too long to be shown."""
    address = quote(clean(url).replace(" ", "%20"), safe="%/:?#@!$&*+,;=~-._[]")
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    usable = parts.scheme in ("http", "https") and parts.netloc and len(address) <= _LONGEST_URL
    return address if usable else None


def _change(event: Event, s: _Setting) -> Change:
    assert event.measure is not None
    inline, old, new = _sentences(event, s.context)
    return Change(
        id=event.id,
        label=label(event, s.language),
        sides=side_words(event, s.language),
        name=clean(event.measure.name),
        figures=_figures(event, s.language),
        size=size_words(event, s.language),
        summary=_reason(event, s.language),
        facts=_measure_facts(event, s),
        inline=inline,
        old=old,
        new=new,
        link=s.links.event(event.id) if event.id else None,
    )


def _reason(event: Event, language: str) -> str:
    """Why figures clash: by its code, in the reader's language, else in the words that the event came with."""
    code = event.detail.get("cause")
    return reason_words(code if code in REASONS else event.detail.get("reason") or "", language)


def _figures(event: Event, language: str) -> str:
    """Old and new figure with their units; in conflicts and targets, as the title says them."""
    before, after = both_words(event, language)
    if event.type.startswith("target.") or event.type == "measure.conflict" or before == after:
        return change_words(event, language)
    return " → ".join(filter(None, (before, after)))


def _measure_facts(event: Event, s: _Setting) -> tuple[tuple[str, str], ...]:
    detail, w = event.detail, s.words
    deadline = _now_and_before(detail.get("deadline"), s)
    if detail.get("days") is not None:
        deadline += f"{w['open']}{days_words(detail['days'], s.language)}{w['close']}"
    scanned = any(figure and figure.get("ocr") for figure in (event.before, event.after))
    note = (w["note"], w["ocr"] if scanned else None)
    reported = (w["reported"], last_report(detail, s.language))
    if s.context is None:
        return _told((w["deadline"], deadline), reported, note)
    recipient = detail.get("recipient") or (event.measure.recipient if event.measure else None)
    return _told(
        (w["recipient"], _now_and_before(recipient, s)),
        (w["condition"], _now_and_before(detail.get("condition"), s)),
        (w["deadline"], deadline),
        reported,
        (w["bodies"], w["comma"].join(clean(body) for body in detail.get("bodies") or ())),
        (w["file"], head(clean(detail.get("file") or ""), _LONGEST_TITLE)),
        (w["other"], _other_document(detail.get("other_document") or {}, s)),
        note,
    )


def _now_and_before(value: Any, s: _Setting) -> str:
    """A value of `detail`, or both of them where it is [before, after]. Long ones are shortened."""
    sides = value if isinstance(value, list | tuple) else [value]
    told = [head(clean(side or ""), _LONGEST_TITLE) for side in sides]
    return " → ".join(side or s.words["none"] for side in told) if len(told) > 1 else told[0]


class Linked(str):
    """`words` with an `address` of ours behind them; in a format without links, one beside the other."""

    words: str
    address: str

    def __new__(cls, words: str, address: str) -> Linked:
        linked = super().__new__(cls, f"{words} {address}".strip())
        linked.words, linked.address = words or address, address
        return linked


def _other_document(other: Mapping[str, Any], s: _Setting) -> str:
    title, number = (clean(other.get(key) or "") for key in ("title", "doc_number"))
    link = s.links.document(other["id"]) if other.get("id") else None
    named = head(title, _LONGEST_TITLE) + (f"{s.words['open']}{number}{s.words['close']}" if number else "")
    return Linked(named, link) if link else named


def _sentences(event: Event, context: int | None) -> _Sentences:
    """Both sentences with their differences marked; and in one, where one took the other's place in a text.

    Sentences of two documents differ in much that is no change: there the figure's own words are marked, nothing else.
    """
    if context is None:
        return (), (), ()
    before, after = (clean((figure or {}).get("sentence") or "") for figure in (event.before, event.after))
    if event.type in _OF_TWO_DOCUMENTS:
        quotes = [clean((figure or {}).get("quote") or "") for figure in (event.before, event.after)]
        old, new = quoted(before, quotes[0], "old"), quoted(after, quotes[1], "new")
        return (), excerpt(old, context, 2 * context), excerpt(new, context, 2 * context)
    return _marked(before, after, context, inline=event.type == "measure.changed")


_OF_TWO_DOCUMENTS = ("measure.restated", "measure.conflict")


def _marked(before: str, after: str, context: int, *, inline: bool) -> _Sentences:
    pieces = mark(before, after) if before and after else ()
    if not pieces or not alike(pieces):
        old, new = ((Piece(head(text, 4 * context), "same"),) if text else () for text in (before, after))
        return (), old, new
    marked = excerpt(pieces, context, 2 * context)
    return marked if inline else (), side(marked, "old"), side(marked, "new")


# --- formats ------------------------------------------------------------------------------------------------


class Marked(str):
    """Markdown of ours, that is not escaped again."""

    __slots__ = ()


# Backslashes show in WeCom and DingTalk, so what would be markup becomes its wide twin instead.
# "@" would call people, "<" would make a mention.
_TWINS = str.maketrans("*_`[]<>\\|@&", "＊＿｀［］＜＞＼｜＠＆")
_LINE_START = re.compile(r"^(\s*)([#+-])", re.MULTILINE)


def escape_markdown(text: object) -> str:
    """Text from outside as it may stand in any chat's Markdown: nothing in it acts as markup."""
    if isinstance(text, Marked):
        return text
    plain = str(text).translate(_TWINS).replace("~~", "～～")
    return _LINE_START.sub(lambda m: m[1] + {"#": "＃", "+": "＋", "-": "－"}[m[2]], plain)


def _escaped(text: str, format: Format) -> str:
    if format == "html":
        return escape(text)
    return escape_markdown(text) if format == "markdown" else text


def strong(text: str) -> Marked:
    """All of `text` in Markdown bold: right only between spaces, punctuation and the ends of a line."""
    return Marked(f"**{escape_markdown(text)}**")


def bold(text: str) -> Marked:
    """Markdown bold around what can carry it: the marks must touch a letter or digit to be seen as marks.

    >>> bold("（5000元）")
    '（**5000元**）'
    """
    start = next((n for n, c in enumerate(text) if c.isalnum()), None)
    if start is None:
        return Marked(escape_markdown(text))
    end = len(text) - next(n for n, c in enumerate(reversed(text)) if c.isalnum())
    lead, core, rest = text[:start], text[start:end], text[end:]
    return Marked(f"{escape_markdown(lead)}**{escape_markdown(core)}**{escape_markdown(rest)}")


def _link(address: str, name: str) -> Marked:
    safe = quote(address, safe="%/:?#@!$&*+,;=~-._")
    return Marked(f"[{escape_markdown(name)}]({safe})")


def _marked_text(pieces: Iterable[Piece]) -> str:
    return "".join(p.text if p.side == "same" else f"【{p.text}】" for p in pieces)


def _marked_markdown(pieces: Iterable[Piece]) -> Marked:
    return Marked("".join(escape_markdown(p.text) if p.side == "same" else bold(p.text) for p in pieces))


@lru_cache(maxsize=16)
def _environment(templates: Path | None, format: Format) -> Environment:
    """Sandboxed, for a template may be an operator's. Every value it prints is escaped for the format."""
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    folders = [folder for folder in (templates, TEMPLATES) if folder]
    env = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folders),
        autoescape=format == "html",
        finalize=escape_markdown if format == "markdown" else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"strong": strong, "link": _link}
    env.filters["marked"] = _marked_markdown if format == "markdown" else _marked_text
    return env
