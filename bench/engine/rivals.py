"""What people do instead, each in its own form, without pauses and with its sizes tuned: 5,000 rows a batch, as ours.

In good faith: commits are asynchronous as ours are, statements are planned for their values, and joins go by index, as
they do on tables of the size that these forms are made for, also where a small table would be read as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg

from bench.engine.dataset import Dataset
from bench.engine.tally import Tally
from bench.rivals import KEYSET, NEXT

Connection = psycopg.Connection[tuple[Any, ...]]

BATCH_ROWS = 5000
GITLAB_BATCH_ROWS, GITLAB_SUB_BATCH_ROWS = 50_000, 2500
"""Those of its own copy of a table into partitions; the defaults, 1,000 and 100, cost it more statements a row."""

SESSION = "-c synchronous_commit=off -c enable_hashjoin=off -c enable_mergejoin=off"
PLAIN = "UPDATE users SET handle = username WHERE handle IS NULL"
FOLKLORE = "UPDATE users SET handle = username WHERE ctid IN (SELECT ctid FROM users WHERE handle IS NULL LIMIT %s)"
LOCK = "FOR NO KEY UPDATE"


def plain(subject: Dataset, tally: Tally) -> None:
    """One statement."""
    with psycopg.connect(subject.dsn, autocommit=True) as connection:
        tally.begin(time.monotonic())
        _timed(connection, tally, PLAIN, [])
        tally.end(time.monotonic())


def folklore(subject: Dataset, tally: Tally) -> None:
    """Run `ctid IN (SELECT … LIMIT n)` until it finds nothing.

    The loop that is pasted into psql; pgroll takes the form for tables without a key.
    """
    with _session(subject, tally) as connection:
        while _timed(connection, tally, FOLKLORE, [BATCH_ROWS]).rowcount:
            pass


def keyset(subject: Dataset, tally: Tally) -> None:
    """Take the next n rows by primary key, and remember the last key: the usual advice for a large table."""
    _by_key(subject, tally, KEYSET.format(after="", lock=""), NEXT)


def pgroll(subject: Dataset, tally: Tally) -> None:
    """Do the same under row locks that are taken first: pgroll's statement (pkg/backfill/templates/sql.go).

    Its column of rows still to do and the trigger that sets the value are left out, to its favour.
    """
    _by_key(subject, tally, KEYSET.format(after="", lock=LOCK), KEYSET.format(after="id > %s AND", lock=LOCK))


def gitlab(subject: Dataset, tally: Tally) -> None:
    """Work through ranges of keys, each in sub-ranges, as GitLab's batched background migrations do.

    A range is looked up by OFFSET from its first key (each_batch.rb, primary_key_batching_strategy.rb), over the rows
    that match (`scope_to`); its job's row, pauses and interval are left out.
    """
    with _session(subject, tally) as connection:
        look = partial(_key, connection)
        first = look("ORDER BY id LIMIT 1")
        while first is not None:
            behind = look("AND id >= %s ORDER BY id LIMIT 1 OFFSET %s", first, GITLAB_BATCH_ROWS)
            last = (
                look("AND id >= %s ORDER BY id DESC LIMIT 1", first)
                if behind is None
                else look("AND id >= %s AND id < %s ORDER BY id DESC LIMIT 1", first, behind)
            )
            _sub_batches(connection, tally, (first, last))
            first = look("AND id > %s ORDER BY id LIMIT 1", last)


def _key(connection: Connection, rest: str, *parameters: object) -> object | None:
    """Look up a key among the rows that match."""
    row = connection.execute(f"SELECT id FROM users WHERE handle IS NULL {rest}", parameters).fetchone()
    return None if row is None else row[0]


def _sub_batches(connection: Connection, tally: Tally, ends: tuple[object, object]) -> None:
    look = partial(_key, connection)
    inside = "AND id BETWEEN %s AND %s"
    begin = look(f"{inside} ORDER BY id LIMIT 1", *ends)
    while begin is not None:
        stop = look(f"{inside} AND id >= %s ORDER BY id LIMIT 1 OFFSET %s", *ends, begin, GITLAB_SUB_BATCH_ROWS)
        if stop is None:
            _timed(connection, tally, f"{PLAIN} {inside} AND id >= %s", [*ends, begin])
        else:
            _timed(connection, tally, f"{PLAIN} {inside} AND id >= %s AND id < %s", [*ends, begin, stop])
        begin = stop


def _by_key(subject: Dataset, tally: Tally, first: str, following: str) -> None:
    with _session(subject, tally) as connection:
        began_s = time.monotonic()
        rows, last = connection.execute(first, [BATCH_ROWS]).fetchone() or (0, None)
        while rows:
            at_s = time.monotonic()
            tally.batch(at_s, rows, at_s - began_s)
            began_s = at_s
            rows, last = connection.execute(following, [last, BATCH_ROWS]).fetchone() or (0, None)


def _timed(
    connection: Connection, tally: Tally, statement: str, parameters: list[object]
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run a batch that is one statement, and count it."""
    began_s = time.monotonic()
    cursor = connection.execute(statement, parameters)
    at_s = time.monotonic()
    tally.batch(at_s, cursor.rowcount, at_s - began_s)
    return cursor


@contextmanager
def _session(subject: Dataset, tally: Tally) -> Iterator[Connection]:
    """Give a session in autocommit; the clock runs while it is open."""
    with psycopg.connect(subject.dsn, autocommit=True, prepare_threshold=None, options=SESSION) as connection:
        tally.begin(time.monotonic())
        yield connection
        tally.end(time.monotonic())
