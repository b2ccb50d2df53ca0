"""Column types that mean the same on SQLite and PostgreSQL, and the way JSON is written into both."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

AnyRow = sa.Row[*tuple[Any, ...]]

# PostgreSQL's text holds no NUL, and neither database holds half a surrogate pair; damaged pages hold both.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with what no database can hold replaced, one character for one, so that offsets stay true."""
    if text.isascii() and "\0" not in text:  # as most headers and addresses are: this is asked of each
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def dump_json(value: Any) -> str:
    return storable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


class Words(TypeDecorator[str]):
    """Text that came from outside."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, UTC in and out.

    SQLite gets ISO text of one width, which sorts as time does; PostgreSQL its own type.
    """

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.String(32))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value!r}")
        value = value.astimezone(UTC)
        return value.isoformat(timespec="microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)
