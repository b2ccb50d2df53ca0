"""A page that scripts write, between fetcher and browser: what it may ask for, and what it cannot do without."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from crawler.browser import Asked, Browser, Given, RenderError, Wait
from crawler.hops import Answer, CrawlPolicy, Fetch, FetchError, Hop, base_headers, may_lead_to, next_hop
from crawler.kinds import sniff
from crawler.transport import Exchange
from crawler.verdict import Verdict

# A part that fails in one of these ways fails so every time: the page is the same without it. Any other failure
# passes, and a page without that part would look like one whose words were taken away.
_SETTLED = {"robots", "private-address", "bad-url", "bad-redirect", "redirect-other-host", "redirect-loop"}
_NEVER_THERE = {401, 404, 410}
_SHELF_SECONDS = 3600.0
_SHELF_BYTES = 16 * 2**20
# What says how the first answer was sent, not what the scripts made of it.
_OF_SHELL = {"content-length", "content-encoding", "transfer-encoding", "content-type", "etag", "last-modified"}


def needs_a_browser(answer: Answer, verdict: Verdict) -> bool:
    """Whether scripts are let loose on an answer. A firewall's challenge is a refusal, and is not answered."""
    hollow = verdict.reason.startswith(("stub", "redirect-shell"))
    return answer.status == 200 and sniff(answer.body) == "html" and (verdict.outcome == "ok" or hollow)


class ScriptShelf:
    """Scripts that were fetched within the hour, for all pages: a site's pages share theirs."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, Given]] = {}

    def get(self, url: str) -> Given | None:
        """The script at `url`, if it was kept and is not too old."""
        until, given = self._kept.get(url, (0.0, None))
        return given if until > self._clock() else None

    def keep(self, url: str, given: Given) -> None:
        """Keep a good answer that its server allows to be kept; the oldest give way."""
        if given.status != 200 or "no-store" in given.headers.get("cache-control", "").lower():
            return
        self._kept.pop(url, None)
        self._kept[url] = (self._clock() + _SHELF_SECONDS, given)
        while sum(len(kept.body) for _, kept in self._kept.values()) > _SHELF_BYTES:
            del self._kept[next(iter(self._kept))]


@dataclass
class Rendering:
    """One page in the browser. `send` is the fetcher's way of asking, manners included.

    Only hosts that the fetch may lead to are asked. `kept_away` says what was not, and why.
    """

    request: Fetch
    policy: CrawlPolicy
    send: Callable[[Hop, Exchange], Awaitable[Answer]]
    scripts: ScriptShelf
    timeout: float  # seconds, for the page with all its parts
    kept_away: dict[str, str] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _left: int = 0  # bytes that its parts may still have

    async def show(self, browser: Browser, shell: Answer) -> Answer:
        """The page as its scripts make it of `shell`, which was fetched already. Raises FetchError."""
        self._left = self.policy.max_bytes
        wait = Wait(self.timeout, self.policy.max_bytes, self.request.wait_for)
        first = Given(shell.status, shell.headers, shell.body)
        try:
            url, body = await browser.render(shell.url, first, self._ask, wait)
        except RenderError as error:
            raise FetchError(error.kind, str(error), shell.url) from error
        if not url.startswith(("http://", "https://")):
            raise FetchError("redirect-other-host", f"a script leads to {self._told() or url}", shell.url)
        return Answer(url, shell.status, _headers(shell.headers), body)

    def note(self) -> str:
        """What was kept from the page, in words for an operator; "" if nothing was."""
        return f"not loaded: {self._told()}" if self.kept_away else ""

    def _told(self) -> str:
        return "; ".join(f"{what} ({why})" for what, why in list(self.kept_away.items())[:5])

    async def _ask(self, asked: Asked) -> Given | None:
        host = urlsplit(asked.url).hostname or ""
        if not may_lead_to(host, self.request):
            self.kept_away[host] = "another host; name it in `hosts` if the page needs it"
            return None
        if asked.kind == "script" and (kept := self.scripts.get(asked.url)):
            return kept
        try:
            async with self._turn:
                answer = await self._follow(asked)
        except FetchError as error:
            self._do_without(asked, error)
            return None
        if asked.kind == "document" and not (answer.status == 200 and sniff(answer.body) == "html"):
            raise FetchError("incomplete", f"a script leads to {asked.url}: HTTP {answer.status}, no page", asked.url)
        if answer.status >= 400 and answer.status not in _NEVER_THERE:
            self._do_without(asked, FetchError("incomplete", f"HTTP {answer.status}", asked.url))
        given = Given(answer.status, answer.headers, answer.body)
        if asked.kind == "script":
            self.scripts.keep(asked.url, given)
        return given

    def _do_without(self, asked: Asked, error: FetchError) -> None:
        """Go on without a part where the page is never with it, or `wait_for` tells whether it is whole; else raise."""
        if error.kind not in _SETTLED and not self.request.wait_for:
            reason = str(error).removeprefix("incomplete: ")
            told = f"a script asks for {asked.url}: {reason} (with `wait_for` the page may do without it)"
            raise FetchError("incomplete", told, asked.url, wait=error.wait)
        self.kept_away[asked.url] = error.kind if error.kind in _SETTLED else str(error)

    async def _follow(self, asked: Asked) -> Answer:
        headers = {**base_headers(self.policy), **asked.headers}
        hop = Hop(asked.url, asked.method, asked.body, headers)
        for _ in range(self.policy.max_redirects + 1):
            answer = await self.send(hop, Exchange(self.timeout, max(0, self._left), self.request.tls))
            self._left -= len(answer.body)
            further = next_hop(hop, answer, self.request)
            if further is None:
                return answer
            hop = further
        raise FetchError("redirect-loop", "redirects without end", asked.url)


def _headers(shell: Mapping[str, str]) -> dict[str, str]:
    """The first answer's headers, as far as they hold for the page that was made of it."""
    return {name: value for name, value in shell.items() if name not in _OF_SHELL} | {
        "content-type": "text/html; charset=utf-8"
    }
