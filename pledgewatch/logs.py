"""Structured logs on standard error: words on a terminal, one JSON object a line in a pipe, never a secret."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog

# Apprise URLs and database URLs carry keys and passwords: what stands behind the scheme is not logged, but for
# the web addresses of watched pages.
_SECRET_URL = re.compile(r"\b(?!https?://)([a-z][a-z0-9+.-]*)://[^\s\"']+", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(https?://)[^/\s@]+@")


def configure_logs(level: int = logging.INFO) -> None:
    """Set up logging for the process; libraries speak only from warnings on."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if terminal else [structlog.processors.format_exc_info]),
            _without_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _without_secrets(_logger: Any, _method: str, event: Any) -> Any:
    return {key: mask(value) if isinstance(value, str) else value for key, value in event.items()}


def mask(text: str) -> str:
    """`text` without what addresses of channels and databases keep secret.

    >>> mask("mailtos://me:secret@example.org failed")
    'mailtos://… failed'
    """
    return _CREDENTIALS.sub(r"\1", _SECRET_URL.sub(r"\1://…", text))
