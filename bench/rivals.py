"""What people do instead: one UPDATE, or a loop in batches by primary key, paced by a rival throttle."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import psycopg

from backfill.sandbox import Server
from bench.rival_throttles import FixedSleep, OnOff, RivalThrottle

LAG = "SELECT coalesce(extract(epoch FROM max(replay_lag)), 0)::float8 FROM pg_stat_replication"
KEYSET = (
    "WITH batch AS (SELECT id FROM users WHERE {after} handle IS NULL ORDER BY id LIMIT %s {lock}),"
    " filled AS (UPDATE users u SET handle = username FROM batch WHERE u.id = batch.id RETURNING u.id)"
    " SELECT (SELECT count(*) FROM filled), (SELECT id FROM batch ORDER BY id DESC LIMIT 1)"
)
"""Rows of the next batch by primary key, of whatever type, and its last key; `bench.engine` has it with a lock."""
NEXT = KEYSET.format(after="id > %s AND", lock="")

Fill = Callable[[Server], Iterator[int]]
"""Fills the column of table users; yields the rows of each transaction when it is committed."""


def one_update(server: Server) -> Iterator[int]:
    """Fill it in one statement."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection.execute("UPDATE users SET handle = username WHERE handle IS NULL").rowcount


def obey(server: Server, law: RivalThrottle, until_s: float = float("inf")) -> Iterator[int]:
    """Fill it as the law says, until there is nothing left or the clock is at `until_s`, also in a long sleep."""
    last, took_s = 0, 0.0
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        while time.monotonic() < until_s:
            step = law.step(took_s, _lag_s(connection))
            time.sleep(max(0.0, min(step.sleep_s, until_s - time.monotonic())))
            if not step.rows or time.monotonic() >= until_s:
                continue
            began_s = time.monotonic()
            rows, last = connection.execute(NEXT, [last, step.rows]).fetchone() or (0, None)
            took_s = time.monotonic() - began_s
            if not rows:
                return
            yield rows


def paced(law: RivalThrottle) -> Fill:
    """Return a loop under a law that has no memory, as it may be used again."""
    return lambda server: obey(server, law)


def _lag_s(connection: psycopg.Connection) -> float:
    row = connection.execute(LAG).fetchone()
    return 0.0 if row is None else float(row[0])


RIVALS: dict[str, Fill] = {
    "one UPDATE": one_update,
    "loop, sleep 0.1 s": paced(FixedSleep(rows=5000, sleep_s=0.1)),
    "loop, pause > 1 s": paced(OnOff(rows=5000, threshold_s=1.0)),
}
"""Those of `bench.link`, not tuned."""
