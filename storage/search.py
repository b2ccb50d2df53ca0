"""Full-text search over what documents say now: title, numbers, publisher and the text with its attachments.

SQLite: an FTS5 index of trigrams. It keeps neither text nor positions (`content=''`, `detail=none`): a third of the
texts' bytes instead of three times them. A word of three or more characters is the conjunction of its trigrams, so the
index may name a document that has all of them apart; whoever shows the text sees that (`pattern`) and leaves it out.
A word of one or two characters is no trigram: the index's own vocabulary (`search_terms`) is asked which trigrams begin
with it, by range, and at most `_TERMS` of them are looked up.

PostgreSQL: a table of the words, with a pg_trgm index where the server allows the extension; without it LIKE reads the
table.

The index is derived: it is written in the transaction that adds or replaces a version, filled by its migration, and
built anew by `rebuild`, never copied. FTS5 forgets a document only if told exactly what was indexed, so `_words` must
give the same for the same stored version for ever; a change there needs a migration that calls `rebuild`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from storage.archive import get_blob
from storage.columns import AnyRow, storable
from storage.errors import StorageError
from storage.tables import documents, versions

_TERMS = 2000  # trigrams looked up for one short word; more begin only with a sign that is in nearly every text
_WORDS = 8  # of a query that count; each is one more condition
_LONGEST = 60  # characters of a word that count
_END = "\n\n"  # so that the last two characters begin trigrams as well

# One width and one kind of bracket, one character for one: offsets in folded text are offsets in the text. Not NFKC,
# whose tables change with Python's.
_OPENING, _CLOSING = "[【（(〈《〔［{｛", "]】）)〉》〕］}｝"
_FOLD = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
    0x3000: 0x20,
    **str.maketrans(_OPENING + _CLOSING, "(" * len(_OPENING) + ")" * len(_CLOSING)),
}

_search = sa.table("search", sa.column("rowid"), sa.column("words"), sa.column("document_id"))
_terms = sa.table("search_terms", sa.column("term"))


def fold(text: str) -> str:
    """`text` in one width and with one kind of bracket, of the same length."""
    return text.translate(_FOLD)


def words_of(query: str) -> tuple[str, ...]:
    """The words of a query as the index knows them; all of them must be in a document."""
    return tuple(dict.fromkeys(word[:_LONGEST].lower() for word in fold(storable(query)).split()))[:_WORDS]


def pattern(words: Iterable[str]) -> tuple[re.Pattern[str], ...]:
    """For each word what finds it in folded text, where lines may be broken inside of words."""
    return tuple(re.compile(r"\s*".join(map(re.escape, word)), re.IGNORECASE) for word in words)


def found_in(conn: sa.Connection, words: Sequence[str]) -> sa.ColumnElement[bool]:
    """The condition that a document (`documents.id`) has all of the words, as far as the index can tell."""
    if conn.dialect.name == "postgresql":
        has = (_search.c.words.ilike(f"%{_escaped(word)}%", escape="\\") for word in words)
        return documents.c.id.in_(sa.select(_search.c.document_id).where(*has))
    parts = [_alternatives(conn, word) if len(word) < 3 else _trigrams(word) for word in words]
    if not all(parts):
        return sa.false()
    matches = sa.column("search").op("MATCH")(" AND ".join(parts))
    return documents.c.id.in_(sa.select(_search.c.rowid).where(matches))


def _escaped(word: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", word)


def _trigrams(word: str) -> str:
    parts = dict.fromkeys(word[i : i + 3] for i in range(len(word) - 2))
    return " AND ".join(map(_quoted, parts))


def _alternatives(conn: sa.Connection, word: str) -> str:
    begin = _terms.c.term.between(word, word + "\U0010ffff")
    found = conn.execute(sa.select(_terms.c.term).where(begin).limit(_TERMS)).scalars().all()
    return f"({' OR '.join(map(_quoted, found))})" if found else ""


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


# --- keeping the index in step --------------------------------------------------------------------------------


def forget(conn: sa.Connection, version_id: int) -> None:
    """Take a document out of the index whose latest version this is; before anything of the version changes."""
    if conn.dialect.name == "sqlite":  # PostgreSQL's row is replaced by `learn`
        for row in conn.execute(_LATEST.where(versions.c.id == version_id)):
            conn.execute(_DELETE, {"id": row.id, "words": _words(conn, row)})


def learn(conn: sa.Connection, version_id: int) -> None:
    """Put a document into the index by what its latest version, this one, says."""
    for row in conn.execute(_LATEST.where(versions.c.id == version_id)):
        _put(conn, [{"id": row.id, "words": _words(conn, row)}])


def rebuild(conn: sa.Connection) -> None:
    """Build the index anew from the latest versions of all documents."""
    if conn.dialect.name == "sqlite":
        conn.execute(sa.text("INSERT INTO search (search) VALUES ('delete-all')"))
    else:
        conn.execute(_search.delete())
    rows = conn.execute(_LATEST.execution_options(yield_per=200))
    for part in rows.partitions(200):
        _put(conn, [{"id": row.id, "words": _words(conn, row)} for row in part])


def _put(conn: sa.Connection, rows: list[dict[str, object]]) -> None:
    if conn.dialect.name == "sqlite":
        conn.execute(_INSERT, rows)
        return
    insert = postgresql.insert(_search)
    upsert = insert.on_conflict_do_update(index_elements=["document_id"], set_={"words": insert.excluded.words})
    conn.execute(upsert, [{"document_id": row["id"], "words": row["words"]} for row in rows])


def _words(conn: sa.Connection, row: AnyRow) -> str:
    """What is indexed of a version. White space goes: lines are broken anywhere in Chinese text."""
    try:
        text = get_blob(conn, row.text_sha256).decode()
    except StorageError:
        text = ""  # damaged: found by its title, and told by `storage verify`
    names = ("title", "doc_number", "index_number", "publisher")
    parts = (*(row.meta[name] or "" for name in names), text)
    return "\n".join("".join(fold(storable(part)).split()) for part in parts) + _END


_LATEST = sa.select(documents.c.id, versions.c.meta, versions.c.text_sha256).join(
    versions, versions.c.id == documents.c.latest_version_id
)
_INSERT = sa.text("INSERT INTO search (rowid, words) VALUES (:id, :words)")
_DELETE = sa.text("INSERT INTO search (search, rowid, words) VALUES ('delete', :id, :words)")
