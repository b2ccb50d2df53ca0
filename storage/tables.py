"""The tables. `migrations/` builds them; a test holds the two together.

Some columns point at rows that are written after their own (`pages.last_capture_id`, `documents.latest_version_id`,
`documents.repealed_by`, `sources.chain`): they carry no foreign key, because the two rows would need each other, and
are written in the same transaction as what they name.
"""

from __future__ import annotations

import sqlalchemy as sa

from storage.columns import Moment, Words

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = sa.JSON(none_as_null=True)
Sha256 = sa.String(64)
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts only an INTEGER key by itself

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("url", Words, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, server_default="ok"),
    sa.Column("baseline_at", Moment),
    sa.Column("last_pass_at", Moment),
    sa.Column("last_success_at", Moment),
    sa.Column("next_due_at", Moment),  # null: not in the configuration, hence never due
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("productive_items", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", Words),
    sa.Column("cms", Words),
    sa.Column("lied_at", Moment),  # when an audit last found changed what the server had called unchanged
    sa.Column("chain", Sha256),  # of the source's last capture: the end of its chain
    sa.Column("job_id", sa.BigInteger),  # of the job that passes over it now, where several workers share the sources
    sa.Column("deaths", sa.Integer, nullable=False, server_default="0"),  # workers that ended while they read it
    sa.Index(None, "next_due_at"),
)

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("url", Words, nullable=False, unique=True),
    sa.Column("normal_url", Words, nullable=False),
    sa.Column("source_id", sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("document_id", sa.ForeignKey("documents.id")),
    sa.Column("etag", Words),
    sa.Column("last_modified", Words),
    sa.Column("last_capture_id", Id),
    sa.Column("last_sha256", Sha256),  # of the last body that was judged "ok"
    sa.Column("settled_sha256", Sha256),  # of the last body that was compared with the document; of a list, a mark
    sa.Column("last_fetched_at", Moment),
    sa.Column("last_audit_at", Moment),  # when the body was last sent in full
    sa.Column("gone_passes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Index(None, "normal_url"),
    sa.Index(None, "document_id"),
    sa.Index(None, "source_id", "kind", "document_id"),
)

blobs = sa.Table(
    "blobs",
    metadata,
    sa.Column("sha256", Sha256, primary_key=True),  # of the bytes as they were, not as they are kept
    sa.Column("encoding", sa.String(10), nullable=False),  # raw, zstd, delta, pruned
    sa.Column("base_sha256", sa.ForeignKey("blobs.sha256")),
    sa.Column("depth", sa.Integer, nullable=False),  # deltas between this one and a full copy
    sa.Column("size", sa.BigInteger, nullable=False),  # bytes as they were
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Index(None, "base_sha256"),
)

captures = sa.Table(
    "captures",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("page_id", sa.ForeignKey("pages.id"), nullable=False),
    sa.Column("source_id", sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.Column("url", Words, nullable=False),
    sa.Column("final_url", Words, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("headers", Json, nullable=False),
    sa.Column("sha256", sa.ForeignKey("blobs.sha256")),  # of a 304: the body that it confirms
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("reason", Words, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("chain", Sha256, nullable=False),
    sa.Index(None, "page_id", "id"),
)

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("source_id", sa.ForeignKey("sources.id"), nullable=False),
    sa.Column("url", Words, nullable=False),
    sa.Column("title", Words, nullable=False),
    sa.Column("doc_number", Words),
    sa.Column("normal_number", Words),
    sa.Column("index_number", Words),
    sa.Column("publisher", Words),
    sa.Column("region", Words),
    sa.Column("published_on", sa.Date),
    sa.Column("rank_on", sa.Date, nullable=False),  # published_on, else the day it was first seen
    sa.Column("state", sa.String(10), nullable=False, server_default="live"),
    sa.Column("status", sa.String(10), nullable=False, server_default="unknown"),
    sa.Column("first_seen_at", Moment, nullable=False),
    sa.Column("last_seen_at", Moment, nullable=False),
    sa.Column("latest_version_id", Id),
    sa.Column("versions", sa.Integer, nullable=False, server_default="0"),  # the latest version's number
    sa.Column("repealed_by", Id),  # the document that declares this one ended
    sa.Column("repealed_on", sa.Date),  # from this day on, where it names one
    sa.Column("ended", sa.Boolean, nullable=False, server_default=sa.false()),  # that day has come
    sa.Index(None, "source_id", "rank_on", "id"),
    sa.Index(None, "region", "rank_on", "id"),
    sa.Index(None, "rank_on", "id"),
    sa.Index(None, "normal_number"),
    sa.Index(None, "latest_version_id"),
    sa.Index(None, "repealed_by"),
)

repeals = sa.Table(  # which 文号s the latest version of a document declares ended, known or not
    "repeals",
    metadata,
    sa.Column("document_id", sa.ForeignKey("documents.id"), primary_key=True),
    sa.Column("normal_number", Words, primary_key=True),
    sa.Column("number", Words, nullable=False),
    sa.Column("title", Words, nullable=False),
    sa.Column("sentence", Words, nullable=False),
    sa.Column("day", sa.Date),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("own", sa.Boolean, nullable=False),
    sa.Index(None, "normal_number"),
)

document_keys = sa.Table(
    "document_keys",
    metadata,
    sa.Column("key", Words, primary_key=True),
    sa.Column("document_id", sa.ForeignKey("documents.id"), nullable=False),
    sa.Index(None, "document_id"),
)

versions = sa.Table(
    "versions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("document_id", sa.ForeignKey("documents.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("capture_id", sa.ForeignKey("captures.id"), nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("text_sha256", sa.ForeignKey("blobs.sha256"), nullable=False),
    sa.Column("fingerprint", Words, nullable=False),
    sa.Column("reader", Words, nullable=False),
    sa.Column("meta", Json, nullable=False),
    sa.Column("attachments", Json, nullable=False),
    sa.Column("baseline", sa.Boolean, nullable=False),
    sa.UniqueConstraint("document_id", "number"),
    sa.Index(None, "capture_id"),
    sa.Index(None, "reader"),
)

tracked = sa.Table(
    "tracked",
    metadata,
    sa.Column("id", Words, primary_key=True),
    sa.Column("name", Words, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("region", Words),
    sa.Column("unit", Words),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("configured", sa.Boolean, nullable=False),
    sa.Index(None, "region", "name", "id"),
    sa.Index(None, "name", "id"),
)

statements = sa.Table(
    "statements",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("version_id", sa.ForeignKey("versions.id"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("subject", Words, nullable=False),
    sa.Column("recipient", Words),
    sa.Column("condition", Words),
    sa.Column("deadline", sa.Date),
    sa.Column("bodies", Json, nullable=False),
    sa.Column("sentence", Words, nullable=False),
    sa.Column("figures", Json, nullable=False),
    sa.Column("tracked_id", sa.ForeignKey("tracked.id")),
    sa.UniqueConstraint("version_id", "position"),
    sa.Index(None, "tracked_id", "version_id", "kind"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("a", Words, nullable=False),
    sa.Column("b", Words, nullable=False),
    sa.Column("verdict", sa.String(5), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.UniqueConstraint("a", "b"),
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("key", Words, nullable=False, unique=True),
    sa.Column("type", Words, nullable=False),
    sa.Column("time", Moment, nullable=False),
    sa.Column("source_id", Words, nullable=False),  # no foreign key: some events have no source
    sa.Column("document_id", sa.ForeignKey("documents.id")),
    sa.Column("document", Json),  # as it was told at that time
    sa.Column("version_from", sa.Integer),
    sa.Column("version_to", sa.Integer),
    sa.Column("measure", Json),
    sa.Column("before", Json),
    sa.Column("after", Json),
    sa.Column("summary", Words, nullable=False),
    sa.Column("baseline", sa.Boolean, nullable=False),
    sa.Column("detail", Json, nullable=False),
    # Said above in JSON; here to filter by. `size` is that of `change_size` without its sign.
    sa.Column("region", Words),
    sa.Column("kind", sa.Text),
    sa.Column("recipient", Words),
    sa.Column("measure_id", Words),
    sa.Column("size", sa.Float),
    sa.Index(None, "type", "id"),
    sa.Index(None, "document_id", "id"),
    # What is rare in the log is looked for in here, not in the rows themselves.
    sa.Index("ix_events_log", "id", "type", "kind", "size", "baseline"),
    sa.Index(None, "time", "id"),
    *(sa.Index(None, name, "baseline", "id") for name in ("region", "source_id", "recipient", "measure_id")),
    sqlite_autoincrement=True,  # an id that was told once never names another event
)

# Written as literals: SQLite uses a partial index only where the query repeats the index's own words.
OPEN_DELIVERY = sa.text("state IN ('pending', 'retrying')")

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("subscriber", Words, nullable=False),
    sa.Column("channel", Words, nullable=False),
    sa.Column("group_key", Words, nullable=False),
    sa.Column("state", sa.String(10), nullable=False, server_default="pending"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("lease_until", Moment),
    sa.Column("lease_token", Words),
    sa.Column("last_error", Words),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.UniqueConstraint("subscriber", "channel", "group_key"),
    sa.Index(None, "channel", "state", "sent_at"),
    sa.Index("ix_deliveries_open", "due_at", "id", sqlite_where=OPEN_DELIVERY, postgresql_where=OPEN_DELIVERY),
    sa.Index(None, "subscriber", "channel", "sent_at"),
    sqlite_autoincrement=True,
)

delivery_events = sa.Table(
    "delivery_events",
    metadata,
    sa.Column("delivery_id", sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.ForeignKey("events.id"), nullable=False),
    sa.Index(None, "event_id"),
)

readers = sa.Table(
    "readers",
    metadata,
    sa.Column("subscriber", Words, primary_key=True),
    sa.Column("channel", Words, primary_key=True),  # as in deliveries, or "feed"
    sa.Column("token", Words, nullable=False, unique=True),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("left_at", Moment),  # since when nothing more is sent there
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("holder", Words, nullable=False),
    sa.Column("until", Moment, nullable=False),
)

hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host", Words, primary_key=True),  # with its port where that is not the usual one
    sa.Column("visited", sa.Boolean, nullable=False, server_default=sa.false()),  # by a process that has not left yet
    sa.Column("asked_at", Moment),  # when its last answer ended, as of when it was last left
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # in a row
    sa.Column("closed_until", Moment),  # it failed, or asked for patience: not asked before
    sa.Column("crawl_delay", sa.Float, nullable=False, server_default="0"),  # seconds, by its robots.txt
    sa.Column("day_began", Moment),  # the first request of the day that is counted
    sa.Column("day_count", sa.Integer, nullable=False, server_default="0"),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("password", Words, nullable=False),  # argon2, with its salt and parameters
    sa.Column("created_at", Moment, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("sha256", Sha256, primary_key=True),  # of the secret that the browser holds
    sa.Column("account", sa.ForeignKey("accounts.name"), nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment, nullable=False),
    sa.Index(None, "account"),
    sa.Index(None, "expires_at"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("name", Words, primary_key=True),
    sa.Column("role", sa.String(10), nullable=False),
    sa.Column("sha256", Sha256, nullable=False, unique=True),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("used_at", Moment),
)
