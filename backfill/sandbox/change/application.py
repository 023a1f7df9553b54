"""An application in two versions: sessions that read and write as fast as they can, and check all that they read.

The value of a row follows from its `id` and its `revision`. So each row is right or wrong by itself, whoever wrote it
last, and an update that was lost is missing from the sum of all revisions.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import LiteralString, Self

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composable, Composed, Identifier

from backfill.sandbox.change.latency import Sample
from backfill.sandbox.wait import wait_until

Connection = psycopg.Connection[TupleRow]
SESSIONS, ERRORS_SHOWN = 3, 5
END_S = 30.0


@dataclass(frozen=True)
class Release:
    """Which column a release of the application reads, which columns it writes, and the statements of that."""

    table: str
    reads: str
    writes: tuple[str, ...]

    @cached_property
    def read(self) -> Composed:
        """A row by its key."""
        return self._compose("SELECT revision, {reads} FROM {table} WHERE id = %s")

    @cached_property
    def update(self) -> Composed:
        """The next revision of a row."""
        value = SQL("'user-' || id || '-' || revision + 1")
        values = SQL(", ").join(SQL("{} = {}").format(Identifier(column), value) for column in self.writes)
        return self._compose("UPDATE {table} SET revision = revision + 1, {values} WHERE id = %s", values=values)

    @cached_property
    def insert(self) -> Composed:
        """A new row."""
        columns = SQL(", ").join(map(Identifier, self.writes))
        values = SQL(", ").join([SQL("'user-' || id || '-0'")] * len(self.writes))
        return self._compose(
            "INSERT INTO {table} (id, {columns}) SELECT id, {values} FROM nextval({sequence}) id RETURNING id",
            columns=columns,
            values=values,
            sequence=f"{self.table}_id_seq",
        )

    @cached_property
    def delete(self) -> Composed:
        """The end of a row."""
        return self._compose("DELETE FROM {table} WHERE id = %s RETURNING revision")

    def _compose(self, text: LiteralString, **parts: Composable | str) -> Composed:
        return SQL(text).format(table=Identifier(self.table), reads=Identifier(self.reads), **parts)

    def __str__(self) -> str:
        return f"reads {self.reads} and writes {' and '.join(self.writes)}"


@dataclass(slots=True)
class Observations:
    """What sessions saw and did: their errors, how long statements took, how many rows they wrote."""

    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Observations) -> Observations:
        return Observations(
            [*self.samples, *other.samples], [*self.errors, *other.errors], self.written + other.written
        )


class Application:
    """Sessions of one version, each with a connection to the primary and one to the standby."""

    def __init__(
        self, name: str, primary: str, standby: str, rows: int, release: Release, *, sessions: int = SESSIONS
    ) -> None:
        self._sessions = [
            _Session(f"{name}-{number}", primary, standby, rows, lambda: self._release) for number in range(sessions)
        ]
        self._release: Release | None = release

    def __enter__(self) -> Self:
        for session in self._sessions:
            session.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def deploy(self, release: Release) -> None:
        """Have all sessions work as another release; return when none runs a statement of an earlier one."""
        self._release = release
        wait_until(
            lambda: all(session.release is release or not session.is_alive() for session in self._sessions),
            "every session of the application has the new release",
        )

    def stop(self) -> None:
        """End all sessions behind their statements."""
        self._release = None
        for session in self._sessions:
            if session.is_alive():
                session.join(END_S)

    @property
    def seen(self) -> Observations:
        """What all sessions saw until now."""
        return sum((session.seen for session in self._sessions), Observations())


class _Session(threading.Thread):
    """One session: chooses its statements by chance, and checks what it reads."""

    def __init__(self, name: str, primary: str, standby: str, rows: int, wanted: Callable[[], Release | None]) -> None:
        super().__init__(name=name, daemon=True)
        self.release: Release | None = None
        self.seen = Observations()
        self._dsns = primary, standby
        self._rows = rows
        self._wanted = wanted
        self._chance = random.Random(name)  # noqa: S311 - which row is read next is no secret
        self._own: list[int] = []

    def run(self) -> None:
        """Work until there is no release any longer; an error of the server ends nothing but its statement."""
        try:
            primary, standby = (
                psycopg.connect(dsn, autocommit=True, application_name=self.name, connect_timeout=10)
                for dsn in self._dsns
            )
        except psycopg.Error as error:
            self.seen.errors.append(str(error))
            return
        with primary, standby:
            while (release := self._wanted()) is not None and not (primary.closed or standby.closed):
                self.release = release
                began_s = time.monotonic()
                try:
                    self._act(release, primary, standby)
                except psycopg.Error as error:
                    self.seen.errors.append(str(error))
                ended_s = time.monotonic()
                self.seen.samples.append((ended_s, ended_s - began_s))

    def _act(self, release: Release, primary: Connection, standby: Connection) -> None:
        key = self._chance.randint(1, self._rows)
        match self._chance.randrange(20):
            case 0:
                [(key,)] = primary.execute(release.insert).fetchall()
                self._own.append(key)
                self.seen.written["inserts"] += 1
            case 1 if self._own:
                [(revision,)] = primary.execute(release.delete, [self._own.pop()]).fetchall()
                self.seen.written.update(deletes=1, deleted_revisions=revision)
            case 2 | 3 | 4 | 5 | 6 | 7:
                self.seen.written["updates"] += primary.execute(release.update, [key]).rowcount
            case 8 | 9 | 10 | 11:
                self._check(key, "the standby", standby.execute(release.read, [key]).fetchall())
            case _:
                self._check(key, "the primary", primary.execute(release.read, [key]).fetchall())

    def _check(self, key: int, server: str, rows: list[TupleRow]) -> None:
        """Take a row that is missing, or not as its revision says, for an error."""
        if [value for _, value in rows] != [f"user-{key}-{revision}" for revision, _ in rows] or not rows:
            self.seen.errors.append(f"row {key} was read on {server} as {rows}")
