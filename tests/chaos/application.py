"""The application beside the job: it inserts, changes, empties, moves and deletes rows all the while."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import LiteralString

import psycopg
from psycopg.sql import Composed

from tests.chaos.tables import Table

PAUSE_S = 0.01

DUE: tuple[LiteralString, ...] = (
    "insert into {t} (id, {source}, {target}, mail, note) select i, 'new' || i, null, 'mail' || i, '' from generate_series(%(odd)s::bigint, %(odd)s + 4, 2) i where not exists (select from {t} where id = i)",
    "update {t} set {target} = null, filled = 0 where id between %(id)s and %(id)s + 6",
    "update {t} set {source} = {source} || 'x', {target} = null, filled = 0 where id = %(id)s",
)
"""What makes rows due; the count of our updates begins anew."""

CALM: tuple[LiteralString, ...] = (
    "insert into {t} (id, {source}, {target}, mail, note) select %(odd)s, 'full', 'full', 'mail', '' where not exists (select from {t} where id = %(odd)s)",
    "update {t} set {source} = {source} || 'y', {target} = {source} || 'y' where id = %(id)s",
    "update {t} set counter = counter + 1 where id between %(id)s and %(id)s + 10",
    "update {t} set mail = 'moved' || counter, counter = counter + 1 where id between %(id)s and %(id)s + 4",
    "update {t} set note = repeat('y', 50 + %(id)s %% 300) where id between %(id)s and %(id)s + 4",
    "delete from {t} where id = %(id)s",
)
"""What leaves as many rows due as there were, or fewer: also an update of a row that is due, which moves it."""


class Application:
    """A thread that writes until it is closed. `due` is whether it makes rows due; `calmed_s` is when it last might."""

    def __init__(self, dsn: Callable[[], str], table: Table, *, due: bool) -> None:
        self._dsn = dsn
        self._table = table
        self._chance = random.Random(f"application {table.plan.seed}")
        self._due = threading.Event()
        if due:
            self._due.set()
        self._stop = threading.Event()
        self.calmed_s = 0.0
        self.writes = 0
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def calm(self) -> None:
        """Make no row due from now on."""
        with self._turn:
            if self._due.is_set():
                self._due.clear()
                self.calmed_s = time.time()

    def touched(self) -> None:
        """Know that somebody else made rows due just now."""
        self.calmed_s = max(self.calmed_s, time.time())

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._dsn(), autocommit=True, application_name="application") as connection:
                    connection.execute("set lock_timeout = '1s'; set statement_timeout = '3s'")
                    while not self._stop.wait(PAUSE_S):
                        self._write(connection)
            except psycopg.Error:  # a server that is down, a table that is gone: the application comes again
                self._stop.wait(0.05)

    def _write(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        with self._turn:
            statement = self._draw()
            number = self._chance.randrange(self._table.id_end)
            values = {"id": number & ~1, "odd": number | 1}
            try:
                connection.execute(statement, values)
                self.writes += 1
            except psycopg.Error:
                if connection.closed:
                    raise

    def _draw(self) -> Composed:
        chosen = self._chance.choice((*DUE, *CALM) if self._due.is_set() else CALM)
        return self._table.sql(chosen)
