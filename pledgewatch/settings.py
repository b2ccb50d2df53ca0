"""config.toml: read, expanded, checked as a whole.

Every mistake is found in one go and told with its key, its line, what is wrong and, for an unknown key, the nearest
known one. Nothing else in the program looks at the file or at the environment.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from notify.subscriptions import Subscriber, parse_deliver, parse_quiet

DEFAULT_FILE = "config.toml"
ENVIRONMENT_KEY = "PLEDGEWATCH_CONFIG"


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds one line for each mistake."""

    def __init__(self, path: str, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        super().__init__("\n".join(f"{path}: {p}" for p in problems))


def parse_duration(value: object) -> timedelta:
    """ "90s", "30m", "2h", "1d" or a number of seconds. Raises ValueError for anything else or less than 1 s."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw]?)\s*", str(value))
    if isinstance(value, bool) or not match:
        raise ValueError('write a duration such as "30m", "2h" or "1d"')
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]]
    if not 1 <= seconds <= 366 * 86400:
        raise ValueError("a duration lies between 1s and 366d")
    return timedelta(seconds=seconds)


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write a whole address that begins with http:// or https://")
    return value


def _strings(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Strings = Annotated[tuple[str, ...], BeforeValidator(_strings)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Service(_Table):
    timezone: str = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"
    templates: Path | None = None  # a folder whose files replace the built-in message templates

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is no time zone; write one such as Asia/Shanghai") from error
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Storage(_Table):
    url: str = "sqlite:///pledgewatch.db"

    @field_validator("url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("begins with sqlite:/// or postgresql+psycopg://")
        return value


class Crawl(_Table):
    user_agent: str = Field("Pledgewatch (+mailto:ops@example.org)", min_length=3, pattern=r"^[\x20-\x7e]+$")
    delay: float = Field(default=2.0, ge=0, le=3600)
    obey_robots: bool = True
    allow_private: bool = False
    timeout: Duration = timedelta(seconds=30)
    pass_limit: Duration = timedelta(hours=2)  # a pass over one source is ended after this
    max_bytes: int = Field(default=32 * 2**20, ge=1024, le=2**30)
    per_host_daily: int | None = Field(default=None, ge=1)
    audit: Duration = timedelta(days=7)  # how often a page is fetched without conditions


class Web(_Table):
    listen: str = "127.0.0.1:8700"
    base_url: str | None = None  # how readers reach these pages; links in messages begin with it

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError('write host:port, such as "127.0.0.1:8700"')
        return value

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def links_base(self) -> str:
        return (self.base_url or f"http://{self.listen}").rstrip("/")


class ListTable(_Table):
    item: str | None = None
    title: str | None = None
    link: str | None = None
    date: str | None = None
    items: str | None = None  # paths in a JSON answer
    expect: int | None = Field(default=None, ge=1)  # fewer rows than this mean that the layout drifted


class PagingTable(_Table):
    next: str | None = None  # a selector, or an address with {page}
    pages: int = Field(default=3, ge=1, le=1000)  # read on the first pass; later ones stop at known pages


class DetailTable(_Table):
    body: str | None = None
    title: str | None = None
    drop: Strings = ()


class AttachmentsTable(_Table):
    link: str | None = None
    read: bool = True


def _as_table(key: str) -> Callable[[object], object]:
    """`list = "li.row"` is short for `list = {item = "li.row"}`."""
    return lambda value: {key: value} if isinstance(value, str) else value


class Source(_Table):
    id: Identifier
    url: WebAddress
    name: str = ""
    region: str = ""
    every: Duration = timedelta(hours=2)
    cron: str | None = None
    include: Strings = ()
    exclude: Strings = ()
    recheck: Literal["auto", "all"] | int = "auto"
    kind: Literal["auto", "list", "document"] = "auto"
    cms: str = "auto"
    list: Annotated[ListTable, BeforeValidator(_as_table("item"))] = ListTable()
    paging: Annotated[PagingTable, BeforeValidator(_as_table("next"))] = PagingTable()
    detail: Annotated[DetailTable, BeforeValidator(_as_table("body"))] = DetailTable()
    attachments: Annotated[AttachmentsTable, BeforeValidator(_as_table("link"))] = AttachmentsTable()
    tls: Literal["standard", "legacy"] = "standard"
    encoding: str | None = None
    delay: float | None = Field(default=None, ge=0, le=3600)
    hosts: Strings = ()  # further hosts that documents of this source may lie on

    @field_validator("cron")
    @classmethod
    def _readable_cron(cls, value: str | None) -> str | None:
        if value is not None:
            from apscheduler.triggers.cron import CronTrigger

            CronTrigger.from_crontab(value)  # raises ValueError with the field's name
        return value

    @field_validator("include", "exclude")
    @classmethod
    def _readable_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no pattern: {error}") from error
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        import codecs

        if value is not None:
            try:
                codecs.lookup(value)
            except LookupError as error:
                raise ValueError("is no known encoding; write one such as gb18030") from error
        return value

    @property
    def label(self) -> str:
        return self.name or self.id


class Tracked(_Table):
    id: Identifier
    name: str
    aliases: Strings = ()
    alert: str = Field(default="any", pattern=r"^(any|increase|decrease|>=\s*\d+(\.\d+)?%)$")
    region: str | None = None
    kind: Literal["target", "subsidy", "progress"] | None = None


class SubscriberTable(_Table):
    id: Identifier
    to: Strings
    events: Strings = ("measure.*", "document.*", "target.*")
    sources: Strings = ()
    regions: Strings = ()
    kinds: tuple[Literal["target", "subsidy", "progress"], ...] = ()
    tracked: Strings = ()
    recipients: Strings = ()
    keywords: Strings = ()
    minimum_change: float | None = Field(default=None, ge=0)
    deliver: str = "now"
    quiet: str | None = None
    operator: bool = False
    language: Literal["zh", "en"] | None = None

    @field_validator("to")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if "://" not in address:
                raise ValueError("each address is an Apprise URL, such as mailtos://… or wecombot://KEY")
        return value

    @field_validator("deliver")
    @classmethod
    def _deliver(cls, value: str) -> str:
        parse_deliver(value)
        return value

    @field_validator("quiet")
    @classmethod
    def _quiet(cls, value: str | None) -> str | None:
        if value is not None:
            parse_quiet(value)
        return value

    def subscriber(self) -> Subscriber:
        return Subscriber(**{name: getattr(self, name) for name in type(self).model_fields})


class Settings(_Table):
    """The whole configuration. `path` is the file it came from: relative paths count from its folder."""

    service: Service = Service()
    storage: Storage = Storage()
    crawl: Crawl = Crawl()
    web: Web = Web()
    sources: tuple[Source, ...] = ()
    tracked: tuple[Tracked, ...] = ()
    subscribers: tuple[SubscriberTable, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        for name in ("sources", "tracked", "subscribers"):
            seen: set[str] = set()
            for entry in getattr(self, name):
                if entry.id in seen:
                    raise ValueError(f'{name}: the id "{entry.id}" stands twice')
                seen.add(entry.id)
        for subscriber in self.subscribers:
            for key, known in (("sources", self.sources), ("tracked", self.tracked)):
                ids = [entry.id for entry in known]
                for wanted in getattr(subscriber, key):
                    if wanted not in ids and not any(c in wanted for c in "*?["):
                        raise ValueError(
                            f'subscribers "{subscriber.id}": {key} names "{wanted}", which is not configured'
                            + _nearest(wanted, ids)
                        )
        return self

    def source(self, source_id: str) -> Source | None:
        return next((s for s in self.sources if s.id == source_id), None)


def load_settings(path: str | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the configuration file.

    `path` None means $PLEDGEWATCH_CONFIG, else ./config.toml. Raises ConfigError with every mistake found.
    """
    file = Path(path or environ.get(ENVIRONMENT_KEY) or DEFAULT_FILE)
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(str(file), [f"is not UTF-8 text ({error.reason} at byte {error.start})"]) from error
    except OSError as error:
        hint = "; copy config.example.toml to begin with" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(str(file), [f"cannot be read: {error.strerror}{hint}"]) from error
    return parse_settings(text, str(file), environ)


def parse_settings(text: str, name: str = DEFAULT_FILE, environ: Mapping[str, str] = os.environ) -> Settings:
    """Check the text of a configuration; relative SQLite and template paths count from the file's folder."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(name, [f"is not TOML: {error}"]) from error
    lines = _key_lines(text)
    problems: list[str] = []
    data = _expanded(data, (), environ, lambda key, what: problems.append(_told(key, what, lines)))
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        problems += [_explained(e, lines) for e in error.errors()]
    if problems:
        raise ConfigError(name, problems)
    return _anchored(settings, Path(name).resolve().parent)


def _anchored(settings: Settings, folder: Path) -> Settings:
    """The daemon may be started from anywhere: a relative database file lies beside config.toml."""
    update: dict[str, Any] = {}
    url = settings.storage.url
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////") and ":memory:" not in url:
        absolute = folder / url.removeprefix("sqlite:///")
        update["storage"] = settings.storage.model_copy(update={"url": f"sqlite:///{absolute}"})
    if settings.service.templates:
        update["service"] = settings.service.model_copy(update={"templates": folder / settings.service.templates})
    return settings.model_copy(update=update)


Key = tuple[str | int, ...]


def _expanded(value: Any, key: Key, environ: Mapping[str, str], complain: Callable[[Key, str], None]) -> Any:
    """Replace "${NAME}" in every string by the environment's value."""
    if isinstance(value, dict):
        return {k: _expanded(v, (*key, k), environ, complain) for k, v in value.items()}
    if isinstance(value, list):
        return [_expanded(v, (*key, i), environ, complain) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def substitute(match: re.Match[str]) -> str:
        if match[1] not in environ:
            complain(key, f"the environment variable {match[1]} is not set")
            return "unset"
        return environ[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", substitute, value)


def _explained(error: Any, lines: Mapping[Key, int]) -> str:
    key: Key = tuple(part for part in error["loc"] if not _is_branch(part))
    if error["type"] == "extra_forbidden":
        return _told(key, "is no known key" + _nearest(str(key[-1]), _known_keys(key[:-1])), lines)
    if error["type"] == "missing":
        return _told(key, "is missing", lines)
    what = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        what = f"{error['input']!r} is not allowed here"
    return _told(key, what, lines)


def _is_branch(part: str | int) -> bool:
    """pydantic puts the tried branch of a union ("literal['auto']", "int") into an error's path."""
    return isinstance(part, str) and (part.startswith(("literal[", "function-")) or part == "int")


def _told(key: Key, what: str, lines: Mapping[Key, int]) -> str:
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
    name = ".".join(f"[{p + 1}]" if isinstance(p, int) else str(p) for p in key).replace(".[", "[")
    return f"{f'line {line}: ' if line else ''}{f'{name}: ' if name else ''}{what}"


def _nearest(word: str, known: list[str]) -> str:
    match = difflib.get_close_matches(word, known, 1, 0.5)
    return f'; did you mean "{match[0]}"?' if match else ""


def _known_keys(table: Key) -> list[str]:
    model: type[BaseModel] = Settings
    for part in table:
        if isinstance(part, int):
            continue
        found = _model_of(model.model_fields[part].annotation) if part in model.model_fields else None
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in getattr(annotation, "__args__", ()) if (m := _model_of(a))), None)


_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"^\s*([A-Za-z0-9_\-\"'.]+)\s*=")


def _key_lines(text: str) -> dict[Key, int]:
    """In which line each key stands; tomllib does not tell. Good enough for one key a line."""
    return dict(_walk_lines(text))


def _walk_lines(text: str) -> Iterator[tuple[Key, int]]:
    table: Key = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            parts = [p.strip(" \"'") for p in header[2].split(".")]
            if header[1] == "[[":
                counts[header[2]] = counts.get(header[2], -1) + 1
                table = (*parts, counts[header[2]])
            else:
                first = (parts[0], counts[parts[0]]) if parts[0] in counts else (parts[0],)
                table = (*first, *parts[1:])
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            yield (*table, *(p.strip("\"'") for p in assignment[1].split("."))), number
