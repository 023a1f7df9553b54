"""The tables whose change is shown, the jobs that fill their new column, and the releases of their application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from backfill.sandbox.change.application import Release
from backfill.sandbox.server import Server
from backfill.values.identifier import TableName

OLD, NEW = "username", "handle"
_JOB = """\
name: {name}-handle
table: public.{name}
set: {{handle: username}}
where: handle IS DISTINCT FROM username
sync: trigger
batch: {{rows: 200, min_rows: 50, max_rows: 500, target_time: 30ms}}
throttle: {{max_wal_rate: 8MB/s}}
finish:
  not_null: [handle]
  indexes: [{{columns: [{key}], unique: true, name: {name}_handle_key, constraint: true}}]
"""
_USERS: tuple[LiteralString, ...] = (
    "CREATE SEQUENCE users_id_seq",
    (
        "CREATE TABLE users (id bigint PRIMARY KEY, revision int NOT NULL DEFAULT 0, username text NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now())"
    ),
)
_MEMBERS: tuple[LiteralString, ...] = (
    "CREATE SEQUENCE members_id_seq",
    (
        "CREATE TABLE members (id bigint PRIMARY KEY, revision int NOT NULL DEFAULT 0, username text NOT NULL,"
        " created_at timestamptz NOT NULL DEFAULT now()) PARTITION BY HASH (id)"
    ),
    "CREATE TABLE members_1 PARTITION OF members FOR VALUES WITH (MODULUS 3, REMAINDER 0)",
    "CREATE TABLE members_2 PARTITION OF members FOR VALUES WITH (MODULUS 3, REMAINDER 1)",
    "CREATE TABLE members_3 PARTITION OF members FOR VALUES WITH (MODULUS 3, REMAINDER 2)",
)
_FILL: dict[str, LiteralString] = {
    "users": "INSERT INTO users (id, username) SELECT id, 'user-' || id || '-0' FROM generate_series(1, %s) id",
    "members": "INSERT INTO members (id, username) SELECT id, 'user-' || id || '-0' FROM generate_series(1, %s) id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedTable:
    """A table, what becomes of it in words, the columns of its new key, and whether its old column goes."""

    name: str
    title: str
    statements: tuple[LiteralString, ...]
    key: str
    renamed: bool

    @property
    def job(self) -> str:
        """The name of its job."""
        return f"{self.name}-handle"

    @property
    def job_file(self) -> str:
        """The text of its job file."""
        return _JOB.format(name=self.name, key=self.key)

    @property
    def table(self) -> TableName:
        """Its name with its schema."""
        return TableName("public", self.name)

    def release(self, reads: str, *writes: str) -> Release:
        """Return a release of the application."""
        return Release(self.name, reads, writes)

    def create(self, primary: Server, rows: int) -> None:
        """Make it, and fill its old column."""
        for statement in self.statements:
            primary.query(statement)
        primary.query(_FILL[self.name], rows)
        primary.query("SELECT setval(%s, %s)", f"{self.name}_id_seq", rows)
        primary.query("VACUUM (ANALYZE)")


USERS = ChangedTable(name="users", title="a column is renamed", statements=_USERS, key="handle", renamed=True)
MEMBERS = ChangedTable(
    name="members",
    title="a partitioned table gets a NOT NULL column and a unique key",
    statements=_MEMBERS,
    key="handle, id",
    renamed=False,
)
