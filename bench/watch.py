"""The lag of replicas as somebody else sees it: an LSN clock of its own, in a thread and on a connection of its own."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import psycopg

from backfill.sandbox import Link, Server

EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Sample:
    """Where the primary and each replica were, and what the link had carried by then."""

    at_s: float
    insert_lsn: int
    replay_lsn: dict[str, int]
    carried_bytes: int

    def since(self, began_s: float) -> Sample:
        """Return it with its time counted from `began_s`."""
        return replace(self, at_s=self.at_s - began_s)


class Watch:
    """Samples every 20 ms while its context is open. It never reads `replay_lag`, which is late."""

    def __init__(self, server: Server, link: Link) -> None:
        self.samples: list[Sample] = []
        self._dsn, self._link = server.dsn, link
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _sample(self) -> None:
        statement = (
            "SELECT pg_current_wal_insert_lsn() - '0/0', application_name, replay_lsn - '0/0' FROM pg_stat_replication"
        )
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            while not self._stop.wait(EVERY_S):
                began_s = time.monotonic()
                rows = connection.execute(statement).fetchall()
                at_s = (began_s + time.monotonic()) / 2
                if rows:
                    replay = {name: int(position) for _, name, position in rows if position is not None}
                    self.samples.append(Sample(at_s, int(rows[0][0]), replay, self._link.forwarded_bytes))


def lags(samples: Sequence[Sample], replica: str) -> list[tuple[float, float]]:
    """Return (time, lag in seconds): how long ago the primary was last seen at or before the replay position.

    That is the upper bound, at most one sample more than the truth.
    """
    inserts = [one.insert_lsn for one in samples]
    found = []
    for one in samples:
        replay = one.replay_lsn.get(replica)
        if replay is None:
            continue
        passed = bisect_right(inserts, replay) - 1
        behind = replay < one.insert_lsn
        found.append((one.at_s, max(0.0, one.at_s - samples[max(passed, 0)].at_s) if behind else 0.0))
    return found
