"""What a fetch is: one page to ask for, the requests it may become, and where redirects may lead. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import parse_qsl, urldefrag, urlencode, urljoin, urlsplit, urlunsplit

from crawler.transport import Exchange, Tls
from crawler.verdict import Expectation

_REDIRECTS = {301, 302, 303, 307, 308}
# What the pager's script leaves in the address when it posts the rest (大汉's dataproxy).
_STAYS_IN_QUERY = frozenset({"startrecord", "endrecord", "perpage"})
_RESENT = {307, 308}  # method and form are kept; the others turn a POST into a GET, as browsers do


@dataclass(frozen=True, slots=True)
class CrawlPolicy:
    """What holds for all requests. Times in seconds, sizes in bytes.

    `delay` lies between two requests to one host. `timeout` bounds a whole fetch, redirects included, without
    the time it waits for its turn. `per_host_daily` counts every request sent to a host within 24 hours.
    """

    user_agent: str
    delay: float = 2.0
    obey_robots: bool = True
    allow_private: bool = False
    timeout: float = 30.0
    max_bytes: int = 32 * 2**20
    per_host_daily: int | None = None
    max_redirects: int = 5
    max_hosts: int = 16
    chromium: str | None = None  # the program that shows pages which scripts write; None looks on the PATH


@dataclass(frozen=True, slots=True)
class Fetch:
    """One page to ask for.

    `etag` and `last_modified` are what the server sent with the version we hold, and nothing else: a time of
    our own would miss a file that was replaced by an older one. `allowed_hosts` are the hosts that a redirect
    may lead to, None for the same site, which is the host of `url` with or without "www.". `known_sha256` is
    the hash of the body that was last found good: the same bytes need no second verdict, which costs more
    than fetching them. `render` "browser" lets the page's scripts work before it is judged and kept, until
    `wait_for` (a CSS selector) is there, or until nothing is under way any more; it is never asked conditionally,
    for the validators are of the page that the scripts begin with.
    """

    url: str
    source: str
    expects: Expectation = "document"
    etag: str | None = None
    last_modified: str | None = None
    method: str = "GET"
    form: Mapping[str, str | list[str]] | None = None
    delay: float | None = None
    timeout: float | None = None
    tls: Tls = "standard"
    allowed_hosts: frozenset[str] | None = None
    known_sha256: str | None = None
    render: Literal["plain", "browser"] = "plain"
    wait_for: str | None = None

    @property
    def conditional(self) -> bool:
        return bool(self.etag or self.last_modified) and self.render == "plain"


class FetchError(Exception):
    """Why there is no answer to judge. `kind` is the reason's name, `url` where it happened."""

    def __init__(
        self,
        kind: str,
        detail: str,
        url: str,
        *,
        wait: float | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        super().__init__(f"{kind}: {detail}" if kind != "backing-off" else f"{kind} {detail}")
        self.kind = kind
        self.url = url
        self.wait = wait  # seconds until asking again makes sense, where that is known
        self.exchange = exchange  # where one had begun: what of the answer arrived before it failed


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of the chain that a fetch may become."""

    url: str
    method: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def base_headers(policy: CrawlPolicy) -> dict[str, str]:
    return {
        "User-Agent": policy.user_agent,
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5",
        "Accept-Encoding": "gzip, deflate",
    }


def request_of(url: str) -> tuple[str, dict[str, str | list[str]] | None]:
    """What to send for an address of a list: the address itself, and the form where its interface is posted to.

    Everywhere else such a page is named by one address that holds the form as its query: as the page's key in the
    archive, in `links`, and in a configuration.
    """
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in pairs}
    is_proxy = parts.path.endswith("/dataproxy.jsp") and {"startrecord", "columnid"} <= names
    if not is_proxy and not (parts.path.endswith("/queryList") and "unitid" in names):
        return url, None
    kept = [(name, value) for name, value in pairs if is_proxy and name in _STAYS_IN_QUERY]
    form: dict[str, str | list[str]] = {}
    for name, value in pairs:
        if (name, value) not in kept:
            before = form.get(name)
            form[name] = value if before is None else [*([before] if isinstance(before, str) else before), value]
    return urlunsplit(parts._replace(query=urlencode(kept))), form


def first_hop(request: Fetch, policy: CrawlPolicy) -> Hop:
    headers = base_headers(policy)
    if request.etag and request.conditional:
        headers["If-None-Match"] = request.etag
    if request.last_modified and request.conditional:
        headers["If-Modified-Since"] = request.last_modified
    if request.form is None:
        return Hop(request.url, request.method, b"", headers)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    return Hop(request.url, request.method, urlencode(request.form, doseq=True).encode(), headers)


def redirect_target(answer: Answer) -> str | None:
    """The web address that an answer redirects to; None where it redirects to none."""
    location = answer.headers.get("location", "").strip()
    if answer.status not in _REDIRECTS or not location:
        return None
    try:
        url = urldefrag(urljoin(answer.url, location)).url
        check_scheme(url)
    except (ValueError, FetchError):
        return None
    return url


def next_hop(hop: Hop, answer: Answer, request: Fetch) -> Hop | None:
    """Where a redirect leads, None for an answer that is none. Raises FetchError where it may not be followed."""
    location = answer.headers.get("location", "")
    if answer.status not in _REDIRECTS or not location:
        return None
    url = redirect_target(answer)
    if url is None:
        raise FetchError("bad-redirect", f"Location {location!r} is no http or https address", hop.url)
    if not may_lead_to(urlsplit(url).hostname or "", request):
        raise FetchError("redirect-other-host", f"to {url}", url)
    if answer.status in _RESENT:
        return replace(hop, url=url)
    headers = {name: value for name, value in hop.headers.items() if name != "Content-Type"}
    return Hop(url, "GET", b"", headers)


def may_lead_to(host: str, request: Fetch) -> bool:
    """Whether a redirect of this fetch, or a script of its page, may lead to `host`."""
    own = (urlsplit(request.url).hostname or "").removeprefix("www.")
    return host.removeprefix("www.") == own or host in (request.allowed_hosts or ())


def check_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            parts.port  # noqa: B018  # reading it is what checks it
            return
    except ValueError as error:
        raise FetchError("bad-url", str(error), url) from error
    raise FetchError("bad-url", f"{url!r} is no http or https address", url)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
