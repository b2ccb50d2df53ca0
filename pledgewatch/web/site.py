"""What all pages share: settings, database, templates, and the headers that keep a browser from being misled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from monitors.words import figure_words
from notify.messages import safe_url
from notify.phrases import clean, compose_figure
from pledgewatch.settings import Settings
from pledgewatch.web.access import needed, viewer
from pledgewatch.web.looks import look
from pledgewatch.web.queries import COUNTED, Place, Slice
from pledgewatch.web.words import weekday, words
from storage.database import Database
from storage.records import Figure

if TYPE_CHECKING:
    from pledgewatch.metrics import Metrics

HERE = Path(__file__).parent
# Controls, and marks that make a text read otherwise than it stands: shown as what they are, signs of damage.
_UNPRINTABLE = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd"
)
SECTIONS = ("events", "documents", "measures", "regions", "sources", "subscriptions", "deliveries")

# Pages are ours and need one style sheet; all else is refused, so that a slip in escaping does nothing.
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Other sites learn nothing; ours is told, or a form would come from an origin "null", as a stranger's does.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class StatusSource(Protocol):
    """What the running service tells the pages that the database does not know."""

    @property
    def settings(self) -> Settings:
        """The configuration as it is now: it may have been read again since the start."""
        ...

    def running(self) -> Collection[str]:
        """The ids of the sources that a pass is at work on. Called from other threads."""
        ...

    @property
    def metrics(self) -> Metrics:
        """What is counted while the service runs."""
        ...

    def seconds_since_tick(self) -> float:
        """How long ago the service last went round, whatever there was to do."""
        ...


@lru_cache(maxsize=1)
def _style_address() -> str:
    """The style sheet's address changes with its content, so browsers may keep it for long."""
    return f"/static/style.css?{sha256((HERE / 'static' / 'style.css').read_bytes()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Site:
    """The pages' surroundings. `start` is the configuration that was there when the service began."""

    start: Settings
    database: Database
    status: StatusSource | None = None
    style: str = field(default_factory=_style_address)

    @property
    def settings(self) -> Settings:
        return self.status.settings if self.status else self.start

    @property
    def language(self) -> str:
        return self.settings.service.language

    @property
    def words(self) -> Mapping[str, str]:
        return words(self.language)

    def running(self) -> frozenset[str]:
        return frozenset(self.status.running()) if self.status else frozenset()

    @cached_property
    def metrics(self) -> Metrics:
        """The service's, or with the pages alone those of the database."""
        if self.status:
            return self.status.metrics
        from pledgewatch.metrics import Metrics

        return Metrics(self.database, lambda: datetime.now(UTC))

    def source_names(self) -> dict[str, str]:
        """The configured sources, id → name."""
        return {source.id: source.label for source in self.settings.sources}

    def local(self, moment: datetime) -> datetime:
        """A moment in the service's time zone."""
        return moment.astimezone(self.settings.service.zone)

    def page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **shown: Any
    ) -> HTMLResponse:
        """A page from `templates/{template}.html.j2`. `section` is the column that it belongs to."""
        who = viewer.get()
        columns = [name for name in SECTIONS if who and (who.operator or needed(f"/{name}", "GET") == "reader")]
        known = {"w": self.words, "language": self.language, "template": template, "site": self, "columns": columns}
        known |= {"viewer": who, "look": look.get()}
        html = _environment().get_template(f"{template}.html.j2").render(known | {"section": ""} | shown)
        return HTMLResponse(html, status, {"Cache-Control": "no-cache", **(headers or {})})


def site_of(request: Request) -> Site:
    return cast(Site, request.app.state.site)


@dataclass(frozen=True)
class Paging:
    """Where a numbered list stands; `previous` and `next` are addresses or None."""

    page: int
    last: int
    total: int
    previous: str | None
    next: str | None


def paging(request: Request, page: int, total: int, size: int) -> Paging:
    last = max(1, ceil(total / size))
    return Paging(
        page,
        last,
        total,
        address(request, page=min(page - 1, last)) if page > 1 else None,
        address(request, page=page + 1) if page < last else None,
    )


@dataclass(frozen=True)
class Steps:
    """Where a list stands that is walked row by row; `previous` and `next` are addresses or None. `total` is exact
    unless `more`."""

    previous: str | None
    next: str | None
    total: int
    more: bool


def steps(request: Request, found: Slice[Any], ids: Sequence[object]) -> Steps:
    """The ways on from some rows with these ids."""
    first, last = (ids[0], ids[-1]) if ids else (None, None)
    return Steps(
        address(request, before=first, after=None) if found.previous and ids else None,
        address(request, after=last, before=None) if found.next and ids else None,
        min(found.total, COUNTED),
        found.total > COUNTED,
    )


def place_of(request: Request) -> Place:
    """Where the query says that the list goes on."""
    return Place(plain(request, "after"), plain(request, "before"))


def address(request: Request, **changed: object) -> str:
    """This page's address with some of the query changed; a value of None leaves it out."""
    query = {k: v for k, v in request.query_params.items() if k not in changed and v}
    query |= {k: str(v) for k, v in changed.items() if v is not None}
    return f"{request.url.path}?{urlencode(query)}" if query else request.url.path


def number(request: Request, name: str, least: int = 1) -> int | None:
    """A whole number in the query, or None where there is none that could be meant."""
    said = request.query_params.get(name, "")
    # SQLite's and PostgreSQL's numbers end near 10**18; no page lies beyond.
    return max(least, int(said)) if said.isascii() and said.isdigit() and len(said) < 18 else None


def id_of(request: Request) -> int:
    """The number in the path. Raises the answer 404 for one that no row can have."""
    id = int(request.path_params["id"])
    if id >= 2**63:
        raise HTTPException(404)
    return id


def one_of(request: Request, name: str, choices: Collection[str]) -> str:
    """A choice in the query; "" where it is none of those that are offered."""
    said = request.query_params.get(name, "")
    return said if said in choices else ""


def plain(request: Request, name: str) -> str:
    """Words in the query, without what nobody types."""
    return clean(request.query_params.get(name, ""))[:200]


# --- templates ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": clean,
        "printable": lambda text: str(text).translate(_UNPRINTABLE),
        "fill": lambda text, **values: text.format(**values),
        "link": lambda url: safe_url(url) or "",
        "segment": lambda text: quote(str(text), safe=""),
        "figure": _figure,
        "named": lambda name, known: (name, known[name]),
        "pair": lambda value: (value, value),
        "host": lambda url: urlsplit(url).hostname or url,
        "weekday": _weekday,
    }
    return environment


def _figure(figure: Figure | Mapping[str, Any], language: str) -> str:
    return figure_words(figure, language) if isinstance(figure, Figure) else compose_figure(figure, language)


def _weekday(day: date, language: str) -> str:
    return weekday(day.weekday(), language)
