"""config.toml: read, expanded, checked as a whole.

Every mistake is found in one go and told with its key, its line, what is wrong and, for an unknown key, the nearest
known one. Nothing else in the program looks at the file or at the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from ipaddress import ip_address
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
)

from notify.subscriptions import WEEKDAYS, Subscriber, channel_id, parse_deliver, parse_quiet
from pledgewatch.hours import Hours, parse_hours
from pledgewatch.mistakes import Key, explain, key_lines, nearest, syntax_mistake, told

DEFAULT_FILE = "config.toml"
ENVIRONMENT_KEY = "PLEDGEWATCH_CONFIG"
_OF_ARCHIVE = ("service", "storage")  # the tables that a look into the archive needs
MAX_CHARACTERS = 2**20  # a thousand sources take a fifth of this
MAX_DOTS = 200  # dots of keys on one line: tomllib's work grows with their square

EVENT_TYPES = (
    *("document.published", "document.revised", "document.withdrawn", "document.restored"),
    *("measure.changed", "measure.added", "measure.removed", "measure.restated", "measure.conflict"),
    *("target.met", "target.missed", "target.due"),
    *("source.failing", "source.blocked", "source.drifted", "source.recovered"),
)


_GROUPS = tuple(sorted({f"{name.partition('.')[0]}.*" for name in EVENT_TYPES}))
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)  # a schedule that does not come within years of it never comes


class ConfigError(Exception):
    """The configuration cannot be used. `problems` holds one line for each mistake."""

    def __init__(self, path: str, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        super().__init__("\n".join(f"{path}: {p}" for p in problems))


def parse_duration(value: object) -> timedelta:
    """ "90s", "30m", "2h", "1d", "1w". Raises ValueError for anything else, for less than 1 s or more than 366 d."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*([smhdw])\s*", str(value), re.ASCII)
    if not match:
        raise ValueError('write a duration with its unit, such as "30m", "2h" or "1d"')
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]]
    if not 1 <= seconds <= 366 * 86400:
        raise ValueError("a duration lies between 1s and 366d")
    return timedelta(seconds=seconds)


def is_loopback(host: str) -> bool:
    """The host is this machine under a name or number that no other can reach."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or not value.isprintable() or " " in value:
        raise ValueError("write a whole address that begins with http:// or https://")
    if parts.port == 0:
        raise ValueError("port 0 cannot be asked")
    return value


def _identifier(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", value):
        raise ValueError("an id has 1 to 64 letters, digits, dots, - and _ (a-z, not Chinese), a letter or digit first")
    return value


def _no_controls(value: str) -> str:
    if not value.isprintable():
        raise ValueError("holds a line break or a control character")
    return value


def _strings(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _pattern(value: str) -> str:
    if not value.strip():
        raise ValueError("an empty pattern would match every title; leave the key out")
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{value[:80]!r} is no pattern: {error}") from error
    return value


def _channel(value: str) -> str:
    scheme, _, rest = value.partition("://")
    if not (scheme and rest and value.isprintable()):
        raise ValueError("write an Apprise URL, such as mailtos://… or wecombot://KEY")
    return value


def _event_pattern(value: str) -> str:
    if not any(fnmatchcase(name, value) for name in EVENT_TYPES):
        raise ValueError(f'"{value[:80]}" names no event' + nearest(value, [*EVENT_TYPES, *_GROUPS]))
    return value


def _cron(value: str) -> str:
    """A crontab line as the scheduler reads it: there 0 is Monday, in crontab Sunday, so weekdays become words."""
    from apscheduler.triggers.cron import CronTrigger

    fields = value.split()
    if len(fields) != 5:
        raise ValueError(f'has {len(fields)} fields; write five: minute hour day month weekday, "30 8 * * mon-fri"')
    fields[4] = ",".join(_weekdays(part) for part in fields[4].split(","))
    try:
        fire = CronTrigger.from_crontab(" ".join(fields), ZoneInfo("UTC")).get_next_fire_time(None, _ANY_DAY)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"is no schedule: {error}") from error
    if fire is None:
        raise ValueError("is a schedule that never comes")
    return " ".join(fields)


def _weekdays(part: str) -> str:
    """ "1-5" → "mon,tue,wed,thu,fri"; what is not written in crontab's numbers stays as it is."""
    match = re.fullmatch(r"([0-7])(?:-([0-7]))?(?:/([1-7]))?", part)
    if not match:
        return part
    days = range(int(match[1]), int(match[2] or match[1]) + 1, int(match[3] or 1))
    if not days:
        raise ValueError(f'"{part}" runs backwards; name the weekdays, such as "sat,sun,mon"')
    return ",".join(WEEKDAYS[day - 1] for day in days)


def _hours(value: str) -> str:
    parse_hours(value)
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Strings = Annotated[tuple[str, ...], BeforeValidator(_strings)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Line = Annotated[str, AfterValidator(_no_controls)]
Cron = Annotated[str, AfterValidator(_cron)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], BeforeValidator(_strings)]
Events = Annotated[tuple[Annotated[str, AfterValidator(_event_pattern)], ...], BeforeValidator(_strings)]
Kinds = Annotated[tuple[Literal["target", "subsidy", "progress"], ...], BeforeValidator(_strings)]


class _Table(BaseModel):
    # Numbers may stand in quotes: a "${NAME}" from the environment is always text.
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Service(_Table):
    timezone: str = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"
    templates: Path | None = None  # a folder whose files replace the built-in message templates
    contact: Line | None = None  # a mail address of whoever runs the service: mails name it for unsubscribing

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError("is no time zone; write one such as Asia/Shanghai") from error
        return value

    @field_validator("contact")
    @classmethod
    def _mail_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[\w.+-]{1,64}@[\w-]+(\.[\w-]+)+", value, re.ASCII):
            raise ValueError("write one mail address, such as ops@example.org")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Keep(_Table):
    """How long `storage prune` leaves bodies as they came; what is left out stays for good."""

    failed: Duration | None = None  # answers that were no page
    unchanged: Duration | None = None  # lists, and pages that said nothing new
    versions: int | None = Field(default=None, ge=1)  # the newest so many of each document


class Storage(_Table):
    url: Line = "sqlite:///pledgewatch.db"
    keep: Keep = Keep()

    @field_validator("url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("begins with sqlite:/// or postgresql+psycopg://")
        if value.partition(":///")[2].split("?")[0] in ("", ":memory:") and value.startswith("sqlite"):
            raise ValueError("names no file: an archive in memory would be lost; write sqlite:///FILE")
        return value


class Crawl(_Table):
    user_agent: str = Field(default="Pledgewatch (+mailto:ops@example.org)", min_length=3)
    delay: float = Field(default=2.0, ge=0, le=3600, allow_inf_nan=False)
    obey_robots: bool = True
    allow_private: bool = False
    timeout: Duration = timedelta(seconds=30)
    pass_limit: Duration = timedelta(hours=2)  # a pass over one source is ended after this
    max_bytes: int = Field(default=32 * 2**20, ge=1024, le=2**30)
    per_host_daily: int | None = Field(default=None, ge=1)
    audit: Duration = timedelta(days=7)  # how often a page is fetched without conditions
    chromium: Line | None = None  # the program for sources with render = "browser"; else one on the PATH

    @field_validator("user_agent")
    @classmethod
    def _fits_a_header(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()):
            raise ValueError("a user agent is one line of ASCII: servers refuse others")
        return value


class Web(_Table):
    listen: str = "127.0.0.1:8700"
    base_url: WebAddress | None = None  # how readers reach these pages; links in messages begin with it
    login: Literal["auto", "always"] = "auto"  # auto: not where only this machine can reach the pages

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or not value.isprintable():
            raise ValueError('write host:port, such as "127.0.0.1:8700"')
        return value

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def on_loopback(self) -> bool:
        """Nobody but this machine can connect."""
        return is_loopback(self.address[0])

    @property
    def needs_login(self) -> bool:
        """A public `base_url` says that a proxy brings others in, wherever the pages listen."""
        public = self.base_url is not None and not is_loopback(urlsplit(self.base_url).hostname or "")
        return self.login == "always" or public or not self.on_loopback

    @property
    def encrypted(self) -> bool:
        """What readers send can be read by nobody on the way."""
        base = urlsplit(self.links_base)
        return base.scheme == "https" or is_loopback(base.hostname or "")

    @property
    def links_base(self) -> str:
        return (self.base_url or f"http://{self.listen}").rstrip("/")


class Workers(_Table):
    engine: Literal["embedded", "procrastinate"] = "embedded"  # embedded: `run` does all the work in one process
    stalled: Duration = timedelta(seconds=20)  # a worker that gave no sign of life for so long is taken for dead


class ListTable(_Table):
    item: str | None = None
    title: str | None = None
    link: str | None = None
    date: str | None = None
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


def _recheck(value: object) -> object:
    if value in ("auto", "all") or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError('write "auto", "all", or how many of the newest documents are read in every pass')


class Source(_Table):
    id: Identifier
    url: WebAddress
    name: Line = ""
    region: Line = ""
    every: Duration = timedelta(hours=2)
    cron: Cron | None = None
    hours: Annotated[str, AfterValidator(_hours)] | None = None  # passes begin only then: "08:00-20:00, 22:00-02:00"
    include: Patterns = ()
    exclude: Patterns = ()
    recheck: Annotated[Any, AfterValidator(_recheck)] = "auto"  # or how many of the newest
    kind: Literal["auto", "list", "document"] = "auto"
    cms: str = "auto"
    list: Annotated[ListTable, BeforeValidator(_as_table("item"))] = ListTable()
    paging: Annotated[PagingTable, BeforeValidator(_as_table("next"))] = PagingTable()
    detail: Annotated[DetailTable, BeforeValidator(_as_table("body"))] = DetailTable()
    attachments: Annotated[AttachmentsTable, BeforeValidator(_as_table("link"))] = AttachmentsTable()
    tls: Literal["standard", "legacy"] = "standard"
    render: Literal["plain", "browser"] = "plain"  # browser: the page's scripts write it
    wait_for: str | None = None  # a selector of what the page must hold before it is read
    encoding: str | None = None
    delay: float | None = Field(default=None, ge=0, le=3600, allow_inf_nan=False)
    hosts: Strings = ()  # further hosts that documents of this source may lie on

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        try:
            b"  ".decode(value or "utf-8", "ignore")  # codecs that make no text (base64, rot13) fail here as well
        except (LookupError, ValueError) as error:
            raise ValueError("is no known encoding; write one such as gb18030") from error
        return value

    @property
    def label(self) -> str:
        return self.name or self.id

    @property
    def open_hours(self) -> Hours:
        """When a pass may begin; () is at any time."""
        return parse_hours(self.hours) if self.hours else ()


class Tracked(_Table):
    id: Identifier
    name: str = Field(min_length=1)
    aliases: Strings = ()
    alert: str = "any"
    region: str | None = None
    kind: Literal["target", "subsidy", "progress"] | None = None

    @field_validator("alert")
    @classmethod
    def _alert(cls, value: str) -> str:
        if not re.fullmatch(r"any|increase|decrease|>=\s*\d{1,9}(\.\d{1,9})?%", value, re.ASCII):
            raise ValueError('write any, increase, decrease, or a size such as ">=10%"')
        return value


class SubscriberTable(_Table):
    id: Identifier
    to: Annotated[tuple[Annotated[str, AfterValidator(_channel)], ...], BeforeValidator(_strings), Field(min_length=1)]
    events: Events = ("measure.*", "document.*", "target.*")
    sources: Strings = ()
    regions: Strings = ()
    kinds: Kinds = ()
    tracked: Strings = ()
    recipients: Strings = ()
    keywords: Strings = ()
    minimum_change: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    deliver: str = "now"
    quiet: str | None = None
    operator: bool = False
    language: Literal["zh", "en"] | None = None

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

    @property
    def channels(self) -> list[str]:
        """What stands for the addresses outside of the configuration."""
        return [channel_id(url) for url in self.to]

    def to_json(self) -> dict[str, Any]:
        """The table without its addresses, as `subscribers list --json` prints it."""
        return {"id": self.id, "channels": self.channels, **self.model_dump(mode="json", exclude={"to", "id"})}

    def subscriber(self) -> Subscriber:
        return Subscriber(**{name: getattr(self, name) for name in type(self).model_fields})


class Settings(_Table):
    """The whole configuration. `path` is the file it came from: relative paths count from its folder."""

    service: Service = Service()
    storage: Storage = Storage()
    crawl: Crawl = Crawl()
    web: Web = Web()
    workers: Workers = Workers()
    sources: tuple[Source, ...] = ()
    tracked: tuple[Tracked, ...] = ()
    subscribers: tuple[SubscriberTable, ...] = ()

    @cached_property
    def _by_id(self) -> dict[str, Source]:
        return {source.id: source for source in self.sources}

    def source(self, source_id: str) -> Source | None:
        return self._by_id.get(source_id)


def load_settings(
    path: str | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    addresses: bool = False,
    archive_only: bool = False,
) -> Settings:
    """Read and check the configuration file.

    `path` None means $PLEDGEWATCH_CONFIG, else ./config.toml. `addresses` loads the channels (0.4 s) to find
    addresses that could never work. `archive_only` is for who needs [service] and [storage] and nothing else: where a
    variable of another table is not set, all others are left out. Raises ConfigError with every mistake found.
    """
    file = config_file(path, environ)
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"{error.reason} at byte {error.start}"
        raise ConfigError(str(file), [f"is not UTF-8 text ({where}); save it as UTF-8"]) from error
    except (OSError, ValueError) as error:
        hint = "; the project's own config.toml is one to begin with" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(str(file), [f"cannot be read: {getattr(error, 'strerror', error)}{hint}"]) from error
    return parse_settings(text, str(file), environ, addresses=addresses, archive_only=archive_only)


def config_file(path: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The file that `--config`, the environment or the default names."""
    return Path(path or environ.get(ENVIRONMENT_KEY) or DEFAULT_FILE)


def parse_settings(
    text: str,
    name: str = DEFAULT_FILE,
    environ: Mapping[str, str] = os.environ,
    *,
    addresses: bool = False,
    archive_only: bool = False,
) -> Settings:
    """Check the text of a configuration; relative SQLite and template paths count from the file's folder.

    `addresses` and `archive_only` as in `load_settings`. Raises ConfigError with every mistake, in the order of the
    file.
    """
    data = _toml(text, name)
    lines = key_lines(text)
    mistakes: list[tuple[Key, str]] = []
    data = _expanded(data, (), environ, lambda key, what: mistakes.append((key, what)))
    if archive_only and any(key[0] not in _OF_ARCHIVE for key, _ in mistakes):
        mistakes = [(key, what) for key, what in mistakes if key[0] in _OF_ARCHIVE]
        data = {table: data[table] for table in _OF_ARCHIVE if table in data}
    unset = {key for key, _ in mistakes}
    settings = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        found = ((tuple(e["loc"]), explain(e, Settings)) for e in error.errors())
        mistakes += [(key, what) for key, what in found if key not in unset]
    mistakes += _inconsistent(data)
    mistakes += [m for n, source in enumerate(_tables(data, "sources")) for m in _bad_rules(n, source)]
    if addresses:
        mistakes += [m for m in _unusable_addresses(data) if m[0] not in {key for key, _ in mistakes}]
    if settings:
        settings = _anchored(settings, Path(name).resolve().parent)
        if settings.workers.engine != "embedded" and not settings.storage.url.startswith("postgresql"):
            mistakes.append((("workers", "engine"), "works on PostgreSQL; set storage.url to postgresql+psycopg://…"))
        if settings.service.templates and not settings.service.templates.is_dir():
            mistakes.append((("service", "templates"), "is no folder"))
    if mistakes or settings is None:
        raise ConfigError(name, [problem for _, problem in sorted(told(*m, lines) for m in dict.fromkeys(mistakes))])
    return settings


def _toml(text: str, name: str) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(name, [f"has {len(text)} characters; a configuration has at most {MAX_CHARACTERS}"])
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MAX_DOTS and re.sub(r"\"[^\"]*\"|'[^']*'", "", line).count(".") > MAX_DOTS:
            raise ConfigError(name, [f"line {number}: more than {MAX_DOTS} dots outside of quotes"])
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError(name, ["is nested too deep to be a configuration"]) from error
    except ValueError as error:  # a TOMLDecodeError, or a number with thousands of digits
        raise ConfigError(name, [syntax_mistake(error)]) from error


def _anchored(settings: Settings, folder: Path) -> Settings:
    """The daemon may be started from anywhere: a relative database file lies beside config.toml."""
    update: dict[str, Any] = {}
    url = settings.storage.url
    if url.startswith("sqlite:///") and not url.startswith(("sqlite:////", "sqlite:///~")):
        absolute = folder / url.removeprefix("sqlite:///")
        update["storage"] = settings.storage.model_copy(update={"url": f"sqlite:///{absolute}"})
    if settings.service.templates:
        templates = folder / settings.service.templates
        update["service"] = settings.service.model_copy(update={"templates": templates})
    return settings.model_copy(update=update)


def _expanded(value: Any, key: Key, environ: Mapping[str, str], complain: Callable[[Key, str], None]) -> Any:
    """Replace "${NAME}" in every string by the environment's value."""
    if isinstance(value, dict):
        return {k: _expanded(v, (*key, k), environ, complain) for k, v in value.items()}
    if isinstance(value, list):
        return [_expanded(v, (*key, i), environ, complain) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def substitute(match: re.Match[str]) -> str:
        if not environ.get(match[1]):
            complain(key, f"the environment variable {match[1]} is not set or empty")
        return environ.get(match[1], "")

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", substitute, value)


# --- what no single key can know --------------------------------------------------------------------------------


def _tables(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The tables of one array; {} where something else stands. Other checks tell that."""
    found = data.get(name)
    return [table if isinstance(table, dict) else {} for table in found] if isinstance(found, list) else []


def _inconsistent(data: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Mistakes between keys. Works on raw tables, so that they are told together with the mistakes in keys."""
    for name in ("sources", "tracked", "subscribers"):
        yield from _taken_twice(name, _tables(data, name))
    for n, source in enumerate(_tables(data, "sources")):
        if "every" in source and "cron" in source:
            yield ("sources", n, "cron"), "stands beside `every`; keep one of the two"
        if "wait_for" in source and source.get("render", "plain") == "plain":
            yield ("sources", n, "wait_for"), 'waits for scripts: add render = "browser"'
    ids = [table["id"] for table in _tables(data, "sources") if isinstance(table.get("id"), str)]
    for n, table in enumerate(_tables(data, "subscribers")):
        yield from _idle(n, table, ids)


def _taken_twice(name: str, tables: list[dict[str, Any]]) -> Iterator[tuple[Key, str]]:
    seen: dict[str, int] = {}
    for n, table in enumerate(tables):
        if isinstance(id_ := table.get("id"), str) and seen.setdefault(id_, n) != n:
            yield (name, n, "id"), f'"{id_[:80]}" is the id of {name}[{seen[id_] + 1}] already'


def _idle(n: int, table: dict[str, Any], ids: list[str]) -> Iterator[tuple[Key, str]]:
    """What would leave a subscriber waiting for something that never comes."""
    wanted = table.get("sources", [])
    for id_ in [wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else []:
        if isinstance(id_, str) and id_ not in ids:
            yield ("subscribers", n, "sources"), f'"{id_[:80]}" is the id of no source{nearest(id_, ids)}'
    events = table.get("events", [])
    asked = [e for e in events if isinstance(e, str)] if isinstance(events, list) else [str(events)]
    if any(e.startswith("source.") for e in asked) and table.get("operator", False) is False:
        yield ("subscribers", n, "events"), "source.* events go to operators only: add operator = true"


def _unusable_addresses(data: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    from notify.channels import check_address

    for n, table in enumerate(_tables(data, "subscribers")):
        addresses = table.get("to")
        for i, address in enumerate([addresses] if isinstance(addresses, str) else addresses or ()):
            try:
                check_address(str(address))
            except ValueError as error:
                yield ("subscribers", n, "to", i), str(error)


def _bad_rules(n: int, source: dict[str, Any]) -> Iterator[tuple[Key, str]]:
    """Selectors and CMS names that a pass could not use. Loads the crawler only for a source that names some."""
    listed: dict[tuple[str, ...], Any] = {
        ("cms",): source.get("cms"),
        **_named(source, "list", "item"),
        **_named(source, "paging", "next"),
    }
    for key, rule in listed.items():
        if isinstance(rule, str) and rule != "auto":
            from crawler.listing import ListRules

            try:
                ListRules(**{key[-1]: rule})  # type: ignore[arg-type]
            except ValueError as error:
                yield ("sources", n, *key), str(error).partition(": ")[2]
    selectors = _named(source, "detail", "body") | _named(source, "attachments", "link")
    for key, rule in {**selectors, ("wait_for",): source.get("wait_for")}.items():
        for selector in rule if isinstance(rule, list) else [rule]:
            if isinstance(selector, str):
                from crawler.markup import parse_html, select

                try:
                    select(parse_html(""), selector)
                except ValueError as error:
                    yield ("sources", n, *key), str(error)


def _named(source: dict[str, Any], table: str, short: str) -> dict[tuple[str, ...], Any]:
    """The rules of one of a source's tables, or the one rule that a bare string stands for (`_as_table`)."""
    found = source.get(table)
    if isinstance(found, str):
        return {(table, short): found}
    known = _RULES[table]
    return {(table, key): rule for key, rule in found.items() if key in known} if isinstance(found, dict) else {}


_RULES = {
    "list": ("item", "title", "link", "date"),
    "paging": ("next",),
    "detail": ("body", "title", "drop"),
    "attachments": ("link",),
}
