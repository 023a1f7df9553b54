"""What people do instead: one UPDATE, a loop with a sleep, a loop that pauses on `replay_lag`. None is tuned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg

from backfill.sandbox import Server

BATCH_ROWS = 5000
SLEEP_S = 0.1
PAUSE_ABOVE_S = 1.0

_LAG = "SELECT coalesce(extract(epoch FROM max(replay_lag)), 0)::float8 FROM pg_stat_replication"
_NEXT = (
    "WITH batch AS (SELECT id FROM users WHERE id > %s AND handle IS NULL ORDER BY id LIMIT %s),"
    " filled AS (UPDATE users u SET handle = username FROM batch WHERE u.id = batch.id RETURNING u.id)"
    " SELECT count(*), max(id) FROM filled"
)

Fill = Callable[[Server], Iterator[int]]
"""Fills the column of table users; yields the rows of each transaction when it is committed."""


def one_update(server: Server) -> Iterator[int]:
    """Fill it in one statement."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection.execute("UPDATE users SET handle = username WHERE handle IS NULL").rowcount


def sleeping_loop(server: Server) -> Iterator[int]:
    """Fill it in batches by primary key, with a fixed sleep between them."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for rows in _batches(connection):
            yield rows
            time.sleep(SLEEP_S)


def pausing_loop(server: Server) -> Iterator[int]:
    """Fill it in batches by primary key, pausing while the worst `replay_lag` is above a second."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for rows in _batches(connection):
            yield rows
            while _lag_s(connection) > PAUSE_ABOVE_S:
                time.sleep(SLEEP_S)


def _batches(connection: psycopg.Connection) -> Iterator[int]:
    last = 0
    while True:
        row = connection.execute(_NEXT, [last, BATCH_ROWS]).fetchone()
        if row is None or not row[0]:
            return
        rows, last = row
        yield rows


def _lag_s(connection: psycopg.Connection) -> float:
    row = connection.execute(_LAG).fetchone()
    return 0.0 if row is None else float(row[0])


RIVALS: dict[str, Fill] = {
    "one UPDATE": one_update,
    "loop, sleep 0.1 s": sleeping_loop,
    "loop, pause > 1 s": pausing_loop,
}
