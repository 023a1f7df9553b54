"""A scenario's table, made once in chunks and then copied file by file for every run: the same bytes for everybody.

Rows are a function of their number, so they are also the same from one day to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

from backfill.sandbox import Server
from backfill.sandbox.query import query
from bench.engine.scenario import Key, Scenario
from bench.workload import initialise

MADE, COPY = "made", "subject"
CHUNK_ROWS = 1_000_000
UUID_LEAF_PERCENT = 70
"""How full random inserts leave a B-tree's leaves; an index that is built at once would have 90 %."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A database with table users; `rows` of them match."""

    server: Server
    database: str
    rows: int = 0

    @property
    def dsn(self) -> str:
        """Conninfo of the superuser."""
        return self.server.dsn_for(dbname=self.database)

    def query(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own."""
        return query(self.dsn, statement, *parameters)

    def int_of(self, statement: LiteralString, *parameters: object) -> int:
        """Return the only value of a statement."""
        [(value,)] = self.query(statement, *parameters)
        return int(value)


@contextmanager
def make_dataset(server: Server, scenario: Scenario, rows: int) -> Iterator[Dataset]:
    """Give the database that copies are taken of; nobody works on it."""
    server.query(f"CREATE DATABASE {MADE}")
    try:
        subject = Dataset(server, MADE)
        subject.query(_table(scenario))
        if scenario.body_bytes:
            subject.query("ALTER TABLE users ALTER body SET STORAGE EXTERNAL")
        for first in range(1, rows + 1, CHUNK_ROWS):
            subject.query(_rows(scenario, rows), first, min(first + CHUNK_ROWS - 1, rows))
        for statement in _indexes(scenario):
            subject.query(statement)
        subject.query("VACUUM (ANALYZE) users")
        initialise(subject.dsn)
        yield Dataset(server, MADE, subject.int_of("SELECT count(*) FROM users WHERE handle IS NULL"))
    finally:
        server.query(f"DROP DATABASE {MADE} WITH (FORCE)")


@contextmanager
def copy_dataset(original: Dataset) -> Iterator[Dataset]:
    """Give a copy to work on."""
    server = original.server
    [(version,)] = server.query("SELECT current_setting('server_version_num')::int")
    strategy = "STRATEGY file_copy" if version >= 150_000 else ""  # before 15 the only one, without a name
    server.query(f"CREATE DATABASE {COPY} TEMPLATE {MADE} {strategy}")
    try:
        yield Dataset(server, COPY, original.rows)
    finally:
        server.query(f"DROP DATABASE {COPY} WITH (FORCE)")


def _table(scenario: Scenario) -> str:
    key = "uuid" if scenario.key is Key.UUID else "bigint"
    body = "body text NOT NULL, " if scenario.body_bytes else ""
    return (
        f"CREATE TABLE users (id {key} NOT NULL, username text NOT NULL, email text NOT NULL,"
        f" created_at timestamptz NOT NULL, {body}handle text)"
        f" WITH (autovacuum_enabled = off, fillfactor = {scenario.fillfactor})"
    )


def _rows(scenario: Scenario, rows: int) -> str:
    key = "md5(i::text)::uuid" if scenario.key is Key.UUID else "i"
    body = f"(SELECT string_agg(md5(i || '.' || part), '') FROM generate_series(1, {scenario.body_bytes // 32}) part), "
    matches = f"(hashint8(i) & 2147483647) %% {scenario.one_in} = 0"
    if scenario.clustered:
        matches = f"i > {rows - rows // scenario.one_in}"
    return (
        f"INSERT INTO users SELECT {key}, 'user_' || md5(i::text), md5(i || 'e') || '@example.com',"
        f" timestamptz '2020-01-01' + i * interval '1 second', {body if scenario.body_bytes else ''}"
        f" CASE WHEN {matches} THEN NULL ELSE 'user_' || md5(i::text) END FROM generate_series(%s::bigint, %s) i"
    )


def _indexes(scenario: Scenario) -> Iterator[str]:
    if scenario.indexes:
        leaves = f"WITH (fillfactor = {UUID_LEAF_PERCENT})" if scenario.key is Key.UUID else ""
        yield f"CREATE UNIQUE INDEX users_pkey ON users (id) {leaves}"
        yield "ALTER INDEX users_pkey RESET (fillfactor)"
        yield "ALTER TABLE users ADD PRIMARY KEY USING INDEX users_pkey"
    columns = ("email", "username", "created_at", "created_at, email")
    for number, indexed in enumerate(columns[: max(0, scenario.indexes - 1)]):
        yield f"CREATE INDEX users_{number} ON users ({indexed})"
    if scenario.with_target_index:
        yield "CREATE INDEX users_handle ON users (handle)"
