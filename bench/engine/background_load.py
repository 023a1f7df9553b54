"""What goes on beside a run: snapshots that are held, and an application that writes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
from psycopg import IsolationLevel

from backfill.sandbox import Standby
from backfill.sandbox.wait import wait_until
from bench.engine.dataset import Dataset
from bench.engine.scenario import Beside, Scenario

CLIENTS = 4
HELD_S = 0.05, 0.15
FEEDBACK_S = 30.0


@contextmanager
def background_load(scenario: Scenario, subject: Dataset, standby: Standby | None) -> Iterator[None]:
    """Keep up, for as long as the context is open, what the scenario has beside the run."""
    match scenario.beside:
        case Beside.NOBODY:
            yield
        case Beside.SNAPSHOT:
            with _snapshot(subject.dsn):
                yield
        case Beside.STANDBY:
            assert standby is not None
            standby.wait_replayed(float("inf"))
            with _snapshot(standby.dsn_for(dbname=subject.database)):
                wait_until(lambda: _feedback(subject), "the standby's feedback arrives", FEEDBACK_S)
                yield
            standby.wait_replayed(float("inf"))
        case Beside.APPLICATION:
            with _application(subject):
                yield


@contextmanager
def _snapshot(dsn: str) -> Iterator[None]:
    """Hold a snapshot that has seen table users."""
    with psycopg.connect(dsn) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT FROM users LIMIT 1")
        yield
        connection.rollback()


def _feedback(subject: Dataset) -> bool:
    """Whether a standby holds a horizon back: it follows the oldest of its queries, so ours is not overtaken."""
    return subject.query("SELECT true FROM pg_replication_slots WHERE active AND xmin IS NOT NULL") != []


@contextmanager
def _application(subject: Dataset) -> Iterator[None]:
    """Run clients that write to a table of their own: what they hold is the horizon, never one of our rows."""
    subject.query("CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 50)")
    subject.query("INSERT INTO accounts SELECT i, 0 FROM generate_series(1, %s) i", CLIENTS)
    over = threading.Event()

    def work(client: int) -> None:
        chance = random.Random(client)
        with psycopg.connect(subject.dsn) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            while not over.is_set():
                connection.execute("UPDATE accounts SET balance = balance + 1 WHERE id = %s", [client])
                time.sleep(chance.uniform(*HELD_S))
                connection.commit()

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(work, client) for client in range(1, CLIENTS + 1)]
        try:
            yield
        finally:
            over.set()
        for client in clients:
            client.result()
