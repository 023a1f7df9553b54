"""A whole change of one table, step by step, while both versions of the application work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from psycopg.sql import SQL, Composed, Identifier

from backfill.change.lock_mode import LockMode
from backfill.events.event import Event
from backfill.observe.notices import notice_for
from backfill.observe.terminal.line_output import LineOutput
from backfill.postgres.change.polite_lock import take_politely
from backfill.postgres.monitor.side_connection import side_connection
from backfill.postgres.session.connection import connect
from backfill.sandbox.change.application import SESSIONS, Application
from backfill.sandbox.change.latency import Spell, compare
from backfill.sandbox.change.outcome import ChangeOutcome, Comparison
from backfill.sandbox.change.run_with_rests import SPELL_S, RunWithRests
from backfill.sandbox.change.tables import NEW, OLD, ChangedTable
from backfill.sandbox.command import command, read_events
from backfill.sandbox.query import query
from backfill.sandbox.server import Server
from backfill.sandbox.standby import Standby
from backfill.values.errors import BackfillError

_COMPARE = (
    "SELECT count(*), count(*) FILTER (WHERE {new} IS DISTINCT FROM 'user-' || id || '-' || revision),"
    " coalesce(sum(revision), 0)::bigint FROM {table}"
)


@dataclass(slots=True, kw_only=True)
class ChangePlay:
    """One change: its table and servers, who reports, and the spells so far."""

    table: ChangedTable
    rows: int
    primary: Server
    standby: Standby
    folder: Path
    screen: LineOutput
    spell_s: float = SPELL_S
    sessions: int = SESSIONS
    spells: list[Spell] = field(default_factory=list)

    def play(self) -> ChangeOutcome:
        """Make the change; return the verdict on it."""
        table, began_s = self.table, time.monotonic()
        self._note(f"{table.title}: table {table.name} with {self.rows:,} rows")
        table.create(self.primary, self.rows)
        self.standby.wait_replayed()
        with self._application("old", OLD, OLD) as old:
            self._calm()
            with self._working():
                self._note(f"expand: column {NEW} is added")
                self._ddl(SQL("ALTER TABLE {} ADD COLUMN {} text").format(self._name, Identifier(NEW)))
                self._gate("--column", f"{table.table}.{NEW}", "--replica", self.standby.dsn)
            with self._application("new", OLD, OLD, NEW) as new:
                self._calm()
                self._run()
                with self._working():
                    self._gate("--job", table.job)
                self._deploy(new, NEW, OLD, NEW)
                self._calm()
                old.stop()
                self._note("the old version is gone")
                with self._working():
                    self._finish()
                self._calm()
                if table.renamed:
                    self._contract(new)
        self.standby.wait_replayed()
        seen = {"old": old.seen, "new": new.seen}
        return ChangeOutcome(
            title=table.title,
            elapsed_s=time.monotonic() - began_s,
            rows=self.rows,
            versions=seen,
            latency={name: compare(one.samples, self.spells) for name, one in seen.items()},
            compared=tuple(self._compare(server) for server in (self.primary, self.standby)),
        )

    def _contract(self, new: Application) -> None:
        with self._working():
            column = Identifier(OLD)
            self._note(f"contract: column {OLD} may be NULL, then nobody writes it, then it goes")
            self._ddl(SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(self._name, column))
            self._deploy(new, NEW, NEW)
            self._ddl(SQL("ALTER TABLE {} DROP COLUMN {}").format(self._name, column))
        self._calm()

    @property
    def _name(self) -> Identifier:
        return Identifier(self.table.table.schema, self.table.name)

    def _note(self, text: str) -> None:
        self.screen.note(text)

    def _record(self, event: Event) -> None:
        """Write what an event of DDL says; only those of the run have a progress."""
        notice = notice_for(event)
        if notice is not None:
            self.screen.note(notice.text, notice.tone)

    @contextmanager
    def _application(self, name: str, reads: str, *writes: str) -> Iterator[Application]:
        release = self.table.release(reads, *writes)
        dsns = self.primary.dsn, self.standby.dsn
        with Application(f"{name}-version", *dsns, self.rows, release, sessions=self.sessions) as application:
            self._note(f"the {name} version is deployed: it {release}, {self.sessions} sessions on both servers")
            yield application

    def _deploy(self, application: Application, reads: str, *writes: str) -> None:
        release = self.table.release(reads, *writes)
        application.deploy(release)
        self._note(f"the new version's next release is deployed: it {release}")

    def _calm(self) -> None:
        """Let the application work alone."""
        began_s = time.monotonic()
        time.sleep(self.spell_s)
        self.spells.append(Spell(began_s, time.monotonic(), calm=True))

    @contextmanager
    def _working(self) -> Iterator[None]:
        began_s = time.monotonic()
        yield
        self.spells.append(Spell(began_s, time.monotonic(), calm=False))

    def _ddl(self, statement: Composed) -> None:
        """Execute what needs ACCESS EXCLUSIVE without keeping others waiting."""

        async def execute() -> None:
            dsn = self.primary.dsn
            async with (
                side_connection(dsn) as side,
                await connect(dsn, application_name="backfill:demo") as connection,
            ):
                await take_politely(
                    connection,
                    [statement],
                    table=self.table.table,
                    lock=LockMode.ACCESS_EXCLUSIVE,
                    job=self.table.job,
                    side=side,
                    report=self._record,
                )

        anyio.run(execute)

    def _run(self) -> None:
        job_file = self.folder / f"{self.table.job}.yaml"
        job_file.write_text(self.table.job_file, encoding="utf-8")
        self._note(f"backfill run {job_file.name}, paused now and then to compare")
        run = RunWithRests(self.primary.dsn, self.table.job, str(job_file), self.screen.record, spell_s=self.spell_s)
        run.play()
        self.spells += run.spells

    def _gate(self, *arguments: str) -> None:
        with command(self.primary.dsn, "gate", "--timeout", "60s", *arguments) as gate:
            assert gate.stdout is not None, "it was asked for a pipe"
            for line in gate.stdout:
                self._note(line.strip())
        self._ended(gate.returncode, "gate")

    def _finish(self) -> None:
        job_file = self.folder / f"{self.table.job}.yaml"
        self._note(f"backfill finish {job_file.name}")
        with command(self.primary.dsn, "finish", str(job_file), "--json") as finish:
            for event in read_events(finish):
                self._record(event)
            finish.wait(60)
        self._ended(finish.returncode, "finish")

    def _ended(self, code: int | None, what: str) -> None:
        if code != 0:
            raise BackfillError(f"backfill {what} of job {self.table.job!r} ended with {code}")

    def _compare(self, server: Server) -> Comparison:
        """Read all rows of a server."""
        statement = SQL(_COMPARE).format(new=Identifier(NEW), table=self._name)
        [(rows, wrong, revisions)] = query(server.dsn, statement)
        return Comparison(server.name, rows, wrong, revisions)
