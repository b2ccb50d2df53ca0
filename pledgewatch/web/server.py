"""Serving the pages: as a guest in the daemon's loop, or alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Generator

import uvicorn

from pledgewatch.settings import Settings
from pledgewatch.web.app import create_app
from pledgewatch.web.site import StatusSource
from storage.access import has_accounts
from storage.database import Database

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0  # what is still being answered after half of this is cut off


class WebError(Exception):
    """The pages cannot be served. The message says where, why, and what to do."""


class _Guest(uvicorn.Server):
    """A server that leaves signals to its host: uvicorn's own would end the process before the crawl drains."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def serving(settings: Settings, database: Database, *, status: StatusSource | None = None) -> AsyncIterator[str]:
    """Serve the pages in the running loop while the block runs; gives their address ("http://127.0.0.1:8700").

    Where the configured port is 0 the address names the one that was free. Raises WebError where the address
    cannot be listened on, or where it can be reached by others and nobody has an account.
    """
    _look_for_accounts(settings, database)
    listener = _listen(settings)
    server = _Guest(_configuration(create_app(settings, database, status)))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="web")
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.01)
        if task.done():
            raise WebError(f"the web pages ended at once: {task.exception()}")
        yield _address(listener)
    finally:
        await _stop(server, task)
        listener.close()


def serve_alone(settings: Settings, database: Database) -> int:
    """Serve nothing but the pages until SIGINT or SIGTERM. Status 0, or 2 where the address cannot be had."""
    try:
        asyncio.run(_until_signal(settings, database))
    except WebError as error:
        print(f"pledgewatch: {error}", file=sys.stderr)
        return 2
    return 0


async def _until_signal(settings: Settings, database: Database) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopping.set)
    async with serving(settings, database) as url:
        print(f"pledgewatch: {url}", file=sys.stderr, flush=True)
        await stopping.wait()


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.web.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise WebError(
            f"web.listen {settings.web.listen}: {error.strerror or error}; "
            "end the other program or choose another port (0: any free one)"
        ) from error


def _look_for_accounts(settings: Settings, database: Database) -> None:
    """Raises WebError where other machines could connect and nobody could log in."""
    if not settings.web.needs_login:
        return
    with database.read() as conn:
        if has_accounts(conn):
            return
    said = "nobody could log in, there is no account; make one: pledgewatch users add NAME --role operator"
    if not settings.web.on_loopback:
        raise WebError(f"web.listen {settings.web.listen}: other machines can reach it, and {said}")
    log.warning("the pages are closed: %s", said)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _configuration(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(STOP_SECONDS / 2),
    )


async def _stop(server: uvicorn.Server, task: asyncio.Task[None]) -> None:
    server.should_exit = True
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        await asyncio.wait_for(task, STOP_SECONDS)
