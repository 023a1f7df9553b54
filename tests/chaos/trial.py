"""A round in progress: its database, its workers, its application, and how a deed waits for them."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from backfill.postgres.state.schema import init_script
from backfill.sandbox import Server, Standby
from backfill.sandbox.conninfo import conninfo
from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError
from tests.chaos.application import Application
from tests.chaos.oracle import Absence, Exit
from tests.chaos.process import Worker
from tests.chaos.schedule import Plan
from tests.chaos.servers import Servers
from tests.chaos.tables import JOB, SETUP, Table, run

RUN_S = 4.0
"""How long a run on the brakes lasts, more or less: so there is a middle for things to happen in."""
ROW_WAL_BYTES = 500
REACH_S = 60.0
PATIENCE_S = 40
"""How long the campaign itself waits for a lock."""
OURS: LiteralString = "starts_with(application_name, 'backfill:') and datname = current_database()"
FAST = '{"max_wal_rate": "1GB/s"}'

Row = tuple[Any, ...]
Connection = psycopg.Connection[Row]
Statement = LiteralString | Composed


@dataclass
class Trial:
    """Everything that deeds act on. `primary` is the server that is the primary now."""

    plan: Plan
    servers: Servers
    folder: Path
    mutant: str = ""
    name: str = field(default_factory=lambda: f"chaos_{secrets.token_hex(6)}")
    password: str = field(default_factory=lambda: secrets.token_hex(16))
    workers: list[Worker] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    expected: dict[int, tuple[int, ...]] = field(default_factory=dict)
    worker_dsn: str = ""

    def __post_init__(self) -> None:
        """Draw from the seed what the deeds draw."""
        self.chance = random.Random(f"deeds {self.plan.seed}")
        self.table = Table(self.plan, self.name)
        self.primary: Server = self.servers.primary
        self.application: Application
        self._asking: Connection | None = None
        self._turn = threading.Lock()
        self.job = self.folder / "job.yaml"

    # The database.

    @property
    def dsn(self) -> str:
        """Conninfo of the superuser on the server that is the primary now."""
        return self.primary.dsn_for(dbname=self.name)

    @contextmanager
    def connection(self, *, autocommit: bool = False) -> Iterator[Connection]:
        """A session of the campaign; one that was killed meanwhile is closed without a word."""
        connection = self._connect(autocommit=autocommit)
        try:
            yield connection
        finally:
            with suppress(psycopg.Error):
                connection.close()

    def _connect(self, *, autocommit: bool) -> Connection:
        options = f"-c lock_timeout={PATIENCE_S}s"
        return psycopg.connect(self.dsn, autocommit=autocommit, application_name="campaign", options=options)

    def query(self, text: Statement, *parameters: object) -> list[Row]:
        """Run one statement as superuser, on a session that is kept; again on another one where it was lost."""
        try:
            return self._ask(text, *parameters)
        except psycopg.OperationalError:
            if self._asking is None or not self._asking.closed:
                raise
        return self._ask(text, *parameters)

    def _ask(self, text: Statement, *parameters: object) -> list[Row]:
        with self._turn:
            if self._asking is None or self._asking.closed:
                self._asking = self._connect(autocommit=True)
            cursor = self._asking.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def transact(self, *statements: Composed) -> None:
        """Run statements in one transaction, on a table that a worker is at."""
        with self.connection(autocommit=True) as connection:
            run(connection, list(statements))

    def open(self) -> None:
        """Make role, database, state schema and table, and let the application begin."""
        with psycopg.connect(self.primary.dsn, autocommit=True) as connection:
            role, literal = Identifier(self.name), Literal(self.password)
            connection.execute(SQL("create role {} login password {}").format(role, literal))
            strategy = SQL("strategy file_copy" if connection.info.server_version >= 150_000 else "")
            connection.execute(SQL("create database {} {}").format(role, strategy))
        with self.connection(autocommit=True) as connection:
            connection.execute(init_script(self.name).encode())
            connection.execute(SETUP.encode())
            if self.servers.disk is not None:
                place = SQL("create tablespace {} location {}")
                connection.execute(place.format(Identifier(self.name), Literal(str(self.servers.disk))))
                connection.execute(SQL("set default_tablespace = {}").format(Identifier(self.name)))
            run(connection, self.table.create())
            connection.execute(self.table.sql("vacuum analyze {t}"))
        for standby in self.servers.standbys:
            standby.wait_replayed()
        self.worker_dsn = self._dsn_of_workers()
        self.write_job()
        self.application = Application(lambda: self.dsn, self.table, due=not self.plan.calm)

    def write_job(self, run_s: float = RUN_S) -> None:
        """Write the job file, on the brakes: a run of all rows takes about so long."""
        rate = round(self.plan.rows * ROW_WAL_BYTES / run_s)
        gate = any(name.endswith("-gate") for name in self.plan.faults)
        required = tuple(one.name for one in self.servers.standbys) if not self.plan.servers else ()
        self.job.write_text(self.table.job(rate, gate=gate, required=required))

    def close(self) -> None:
        """End everything and leave the servers as they were."""
        if hasattr(self, "application"):
            self.application.close()
        for worker in self.workers:
            worker.close()
        if self._asking is not None:
            self._asking.close()
        if self.plan.servers:
            return  # they go as a whole
        self.servers.restore()
        with psycopg.connect(self.primary.dsn, autocommit=True) as connection:
            connection.execute(SQL("drop database if exists {} with (force)").format(Identifier(self.name)))
            connection.execute(SQL("drop role if exists {}").format(Identifier(self.name)))

    def _dsn_of_workers(self) -> str:
        ports = [self.servers.to_primary.port]
        if self.plan.servers == "heir":
            ports += [one.port for one in self.servers.standbys if one.port]
        hosts = ",".join("127.0.0.1" for _ in ports)
        port = ",".join(map(str, ports))
        return conninfo(host=hosts, port=port, user=self.name, dbname=self.name, password=self.password)

    # Workers.

    def start(self, *arguments: str, expected: tuple[int, ...] = (0,), dsn: str = "") -> Worker:
        """Start a worker that is expected to end with one of these codes, unless a deed says otherwise."""
        log = self.folder / f"worker-{len(self.workers) + 1}"
        worker = Worker(dsn or self.worker_dsn, self.job, log, *arguments, mutant=self.mutant)
        self.workers.append(worker)
        self.expected[worker.pid] = expected
        return worker

    def ended(self, worker: Worker, *expected: int, timeout_s: float = REACH_S) -> int:
        """Wait for a worker's end and keep how it ended; the codes may be other ones than were said at its start."""
        code = worker.end(timeout_s)
        allowed = expected or self.expected[worker.pid]
        self.exits.append(Exit(code, allowed, f"{worker.log.name}: {worker.stderr[-300:].strip()}"))
        self.expected.pop(worker.pid, None)
        return code

    def living(self) -> list[Worker]:
        """Return the workers that run; the end of each other one is kept."""
        for worker in self.workers:
            if not worker.living and worker.pid in self.expected:
                self.ended(worker)
        return [worker for worker in self.workers if worker.living]

    def worker(self) -> Worker:
        """Return a worker that is at work, on rows that are due: one is started where none runs."""
        found = self.living()
        return found[0] if found else self.start()

    def busy(self) -> Worker:
        """Return a worker that has work for some time, and does batches."""
        self.make_due()
        worker = self.worker()
        began = len(worker.told("BatchDone"))
        worker.wait(lambda: len(worker.told("BatchDone")) > began, "a batch")
        return worker

    def make_due(self, share: float = 0.5) -> None:
        """Empty some rows where few are left to do, as the application may; not where it has to be calm."""
        if self.plan.calm:
            return
        few = self.plan.rows // 50
        [(due,)] = self.query(
            self.table.sql(
                "select count(*) from (select from {t} where {target} is null limit {few}) s", few=Literal(few)
            )
        )
        if due < few:
            count = self.plan.rows // 10 if self.plan.sparse else round(self.plan.rows * share)
            empty = "update {t} set {target} = null, filled = 0 where id between {low} and {high}"
            low = self.chance.randrange(self.table.id_end - 2 * count + 1)
            with suppress(psycopg.Error):  # deadlock with a batch: the worker has work, then
                self.query(self.table.sql(empty, low=Literal(low), high=Literal(low + 2 * count)))
            self.application.touched()

    def tune(self, limits: str) -> None:
        """Let other limits hold, as `backfill tune` does; '{}' takes them back."""
        self.query("update backfill.job set tuned = %s::jsonb where name = %s", limits, JOB)

    @contextmanager
    def tuned(self, worker: Worker, limits: str) -> Iterator[None]:
        """Other limits that a worker knows."""
        told = len(worker.told("LimitsChanged"))
        self.tune(limits)
        try:
            worker.wait(lambda: len(worker.told("LimitsChanged")) > told, "knows other limits")
            if refused := worker.told("LimitsChanged")[-1][1]["refused"]:
                raise MissedError(f"the limits were refused: {refused}")
            yield
        finally:
            self.tune("{}")

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """No brakes, so that what has to be reached is reached soon."""
        done = threading.Event()

        def keep() -> None:  # the row of the job is there only once the first worker has begun
            hasten = "update backfill.job set tuned = %s::jsonb where tuned <> %s::jsonb"
            while not done.is_set():
                with suppress(psycopg.Error), self.connection(autocommit=True) as connection:
                    while not done.wait(0.1):
                        connection.execute(hasten, [FAST, FAST])
                done.wait(0.1)

        thread = threading.Thread(target=keep, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(10)
            with suppress(psycopg.Error):
                self.tune("{}")

    # What is waited for.

    def blocked_by(self, connection: Connection) -> list[tuple[int, str]]:
        """Return worker sessions that wait for a lock of a session of ours: pid and statement."""
        text: LiteralString = "select pid, query from pg_stat_activity where %s = any (pg_blocking_pids(pid)) and "
        return [(pid, said) for pid, said in self.query(text + OURS, connection.info.backend_pid)]

    def until_blocked(self, holder: Connection) -> Worker:
        """Wait until a worker stands before a lock of ours and return it; one that has ended is followed by another."""
        found: list[Worker] = []

        def stands() -> bool:
            self.worker()
            found[:] = [worker for pid, _ in self.blocked_by(holder) if (worker := self.worker_of(pid)) is not None]
            return bool(found)

        wait_until(stands, "a worker comes to where it is held", REACH_S)
        return found[0]

    def worker_of(self, session: int) -> Worker | None:
        """Return the worker whose session a server process is, by its name, which ends with the worker's pid."""
        named = self.query("select application_name from pg_stat_activity where pid = %s", session)
        pids = [name.rpartition(":")[2] for (name,) in named]
        return next((worker for worker in self.workers if str(worker.pid) in pids), None)

    def sessions(self) -> list[int]:
        """Return the server processes of all workers."""
        return [pid for (pid,) in self.query("select pid from pg_stat_activity where " + OURS)]

    def until_up(self) -> None:
        """Wait until the primary takes connections."""

        def up() -> bool:
            try:
                return self.query("select true") == [(True,)]
            except psycopg.Error:
                return False

        wait_until(up, f"{self.primary.name} takes connections", REACH_S)

    @contextmanager
    def away(self, standby: Standby) -> Iterator[None]:
        """A time in which a standby is away: batches that commit in it are counted."""

        def gone() -> bool:
            return not self.query("select true from pg_stat_replication where application_name = %s", standby.name)

        wait_until(gone, f"{standby.name} is out of view", REACH_S)
        [(since,)] = self.query("select clock_timestamp()")
        yield
        [(batches,)] = self.query("select count(*) from backfill.batch where at > %s", since)
        self.absences.append(Absence(standby.name, batches, self.plan.lanes))

    def batches(self) -> int:
        """Return how many batches there have been."""
        [(count,)] = self.query("select coalesce(sum(sequence), 0)::bigint from backfill.checkpoint")
        return int(count)


class MissedError(BackfillError):
    """A fault did not come about."""


Injection = Callable[[Trial], None]
