"""Structured logs on standard error: words on a terminal, one JSON object a line in a pipe, never a secret.

What libraries log goes the same way, from warnings on.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any

import structlog

# Apprise URLs and database URLs carry keys and passwords: what stands behind the scheme is not logged, but for
# the web addresses of watched pages and the names of files.
_SECRET_URL = re.compile(r"\b(?!https?://|sqlite:///|file:///)([a-z][a-z0-9+.-]{0,30})://[^\s\"']+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(https?://)[^/\s@]{1,200}@")
_NAMES = r"(?:key|api_?key|token|access_token|secret|password|passwd|sign|signature)"
_KEYS = re.compile(rf"((?:\b|(?<=_)){_NAMES}[\"']?\s*[=:]\s*[\"']?)[^&\s\"',;}}]+", re.IGNORECASE)
_IS_NAME = re.compile(_NAMES, re.IGNORECASE)
_HEADERS = re.compile(r"(\b(?:Bearer|Basic)\s+)[A-Za-z0-9+/=_~.-]{6,}", re.IGNORECASE)
# What would begin a line of its own, move a cursor or turn the reading direction; a traceback keeps its lines.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_STEERING_BUT_LINES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

_NOISY = ("apscheduler", "scrapy", "twisted", "httpx", "httpcore", "apprise", "uvicorn.error", "pdfminer")


def configure_logs(level: int = logging.INFO, *, words: bool | None = None, zone: tzinfo | None = None) -> None:
    """Set up logging for the process. `words` in place of JSON: True for commands that people run by hand.

    None decides by whether standard error is a terminal. `zone` is that of the clock in words (None: the machine's);
    JSON is in UTC.
    """
    words = sys.stderr.isatty() if words is None else words
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _clock(zone) if words else structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_secrets,
        *([_without_steering] if words else []),
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
        if words
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _route_libraries(shared, renderer)


def _route_libraries(shared: list[Any], renderer: Any) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


def _clock(zone: tzinfo | None) -> Callable[[Any, str, Any], Any]:
    def stamp(_logger: Any, _method: str, event: Any) -> Any:
        return {**event, "timestamp": datetime.now(zone).strftime("%H:%M:%S")}

    return stamp


def _without_secrets(_logger: Any, _method: str, event: Any) -> Any:
    """Secrets out, and what a reader looks for first to the front."""
    first = {key: event[key] for key in ("timestamp", "level", "event") if key in event}
    return {key: _masked(value) for key, value in (first | event).items()}


def _without_steering(_logger: Any, _method: str, event: Any) -> Any:
    """For terminals: what pages and servers say stays on its line and moves no cursor. JSON escapes by itself."""
    return {key: _shown(value, lines=key == "exception") for key, value in event.items()}


def _shown(value: Any, *, lines: bool) -> Any:
    steering = _STEERING_BUT_LINES if lines else _STEERING
    return steering.sub(lambda m: ascii(m[0])[1:-1], value) if isinstance(value, str) else value


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    if isinstance(value, dict):
        return {key: "…" if _IS_NAME.fullmatch(str(key)) else _masked(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool | None):
        return value
    return mask(str(value))  # an exception or an address as an object tells as much as its words


def mask(text: str) -> str:
    """`text` without what addresses of channels and databases keep secret.

    >>> mask("mailtos://me:secret@example.org failed")
    'mailtos://… failed'
    """
    text = _CREDENTIALS.sub(r"\1", _SECRET_URL.sub(r"\1://…", text))
    return _KEYS.sub(r"\1…", _HEADERS.sub(r"\1…", text))
