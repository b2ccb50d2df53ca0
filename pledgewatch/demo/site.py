"""A small disclosure site: documents of cities that do not exist, in two looks, on a loopback port.

It behaves as such sites do: its pages carry counters, dates of the day and related news, answer conditional
requests, and may be edited, guarded by a challenge page or lost. The steps of the demo turn these switches.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any, Literal

import jinja2

Look = Literal["trs", "boda"]


@dataclass(frozen=True, slots=True)
class Paper:
    """A document of the site. `paragraphs` are its body; `table` rows follow them; `pdf` is an attached file."""

    slug: str
    look: Look
    title: str
    publisher: str
    published_on: str
    paragraphs: tuple[str, ...]
    doc_number: str = ""
    index_number: str = ""
    table: tuple[tuple[str, ...], ...] = ()
    pdf: str | None = None
    pdf_title: str = ""
    shelf: str = "/mzj/zfxxgk"  # the list of a site in the "trs" look that it stands in

    @property
    def path(self) -> str:
        if self.look == "trs":
            return f"{self.shelf}/{self.published_on[:7].replace('-', '')}/{self.slug}.html"
        return f"/qyq/info/1043/{self.slug}.htm"

    @property
    def list_path(self) -> str:
        return f"{self.shelf}/index.html" if self.look == "trs" else "/qyq/gkml.htm"

    def edited(self, before: str, after: str) -> Paper:
        """The paper with one passage changed. The passage must stand in it exactly once: a demo must not lie."""
        whole = "\n".join(self.paragraphs)
        if whole.count(before) != 1:
            raise ValueError(f"{self.slug}: {before!r} stands {whole.count(before)} times")
        return replace(self, paragraphs=tuple(whole.replace(before, after).split("\n")))


@dataclass(slots=True)
class SiteState:
    """The switches of the site."""

    papers: dict[str, Paper]
    furniture: int = 0  # counters, dates, related news, order of the page's blocks
    challenged: bool = False
    pdf_release: int = 1


class DemoSite:
    """The site on a loopback port. A context manager; `url(path)` gives whole addresses."""

    def __init__(self, papers: tuple[Paper, ...]) -> None:
        self.state = SiteState({p.slug: p for p in papers})
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("pledgewatch.demo", "looks"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )

    def __enter__(self) -> DemoSite:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    # --- what the demo's steps do ---

    def publish(self, paper: Paper) -> None:
        with self._lock:
            self.state.papers[paper.slug] = paper

    def revise(self, slug: str, before: str, after: str) -> None:
        with self._lock:
            self.state.papers[slug] = self.state.papers[slug].edited(before, after)

    def withdraw(self, slug: str) -> None:
        with self._lock:
            del self.state.papers[slug]

    def change_furniture(self) -> None:
        with self._lock:
            self.state.furniture += 1

    def challenge(self, on: bool) -> None:
        with self._lock:
            self.state.challenged = on

    def replace_pdf(self) -> None:
        with self._lock:
            self.state.pdf_release += 1

    # --- what the site answers ---

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        with self._lock:
            state = replace(self.state, papers=dict(self.state.papers))
        if state.challenged and path != "/robots.txt":
            return 412, "text/html; charset=utf-8", self._page("challenge.html").encode()
        if path == "/robots.txt":
            return 200, "text/plain", b"User-agent: *\nDisallow: /admin/\n"
        if listed := [p for p in state.papers.values() if p.list_path == path]:
            return 200, "text/html; charset=utf-8", self._list(listed, state.furniture)
        if path.endswith(".pdf"):
            return 200, "application/pdf", _pdf(state.pdf_release)
        paper = next((p for p in state.papers.values() if p.path == path), None)
        if paper is None:
            return 404, "text/html; charset=utf-8", self._page("missing.html").encode()
        look = paper.look
        body = self._page(f"{look}_detail.html", paper=paper, n=state.furniture, papers=list(state.papers.values()))
        # One of the two looks still says gb2312, as half of the country's older sites do.
        return 200, "text/html", body.encode("gb18030" if look == "boda" else "utf-8")

    def _list(self, listed: list[Paper], furniture: int) -> bytes:
        look = listed[0].look
        rows = sorted(listed, key=lambda p: p.published_on, reverse=True)
        # The oldest document is pinned: a list's first row says nothing about what is new.
        rows = rows[-1:] + rows[:-1]
        return self._page(f"{look}_list.html", rows=rows, n=furniture).encode("gb18030" if look == "boda" else "utf-8")

    def _page(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**values)


def _pdf(release: int) -> bytes:
    return files("pledgewatch.demo").joinpath("files", f"standard-{min(release, 2)}.pdf").read_bytes()


def _handler(site: DemoSite) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "nginx"
        sys_version = ""

        def do_GET(self) -> None:
            status, content_type, body = site.answer(self.path.split("?")[0])
            etag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
            if status == 200 and self.headers.get("If-None-Match") == etag:
                self._answer(304, {"ETag": etag}, b"")
                return
            headers = {"Content-Type": content_type, "Date": formatdate(usegmt=True)}
            self._answer(status, headers | ({"ETag": etag} if status == 200 else {}), body)

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """The demo's screen belongs to the alerts."""

    return Handler
