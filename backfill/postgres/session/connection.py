"""Connections: how they are opened, what bounds them, and driver errors in the project's own words.

One session runs the batches, holds the lock and reads the signals, so that when it dies all three end together.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TypeVar

import psycopg
from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline, Notify
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, TupleRow, dict_row
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from backfill.change.sync_trigger import function_name
from backfill.jobfile.job import Job
from backfill.postgres.session.bounds import answer_bound_s, bounds_of
from backfill.postgres.session.conninfo import InvalidConninfo, mask_values, parse_conninfo, user_of
from backfill.postgres.session.encoding import escape_unknown
from backfill.postgres.session.pipeline import SyncLastPipeline
from backfill.postgres.session.pooler import require_session_mode
from backfill.postgres.session.read_only import find_cause
from backfill.postgres.session.settings import OURS, SESSION, changed
from backfill.postgres.session.sql_files import statement
from backfill.postgres.session.text_array import send_in_binary
from backfill.retry.connect_advice import is_login_refused, is_read_only, with_advice
from backfill.values.errors import ConnectionLost, JobError, LoginRefused, StatementRefused
from backfill.values.redact import foreign
from backfill.values.units import format_duration

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # what it warns of is an error of ours, with its cause
INSUFFICIENT_PRIVILEGE = "42501"
T = TypeVar("T")

_BOUNDS = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "target_session_attrs": "read-write",
}
"""A half-open link is noticed within about 20 s, and a multi-host DSN leads to the primary."""
CANCEL_S = 2.0
"""What cancelling a statement whose answer does not come may take."""
WAIT_INTERVAL_S = 0.1
"""psycopg's own: how often a wait looks up for Ctrl-C."""

WORKER_PREFIX = "backfill:"
"""How the application_name of every worker begins."""
TRANSACTION_TIMEOUT = 170000
"""The first version that has this setting."""


class Connection(AsyncConnection[TupleRow]):
    """Our session; `server_pid` is the process that has its settings and its locks.

    No answer takes longer than `answer_s`, None for any time: a frozen proxy keeps the link up forever.
    """

    server_pid = 0
    answer_s: float | None = None
    role_settings: Mapping[str, str] = {}
    """What the role has set otherwise than we do, see `session.settings`."""
    overridden: Mapping[str, str] = {}
    """Settings of the role that do not hold in this session at all."""
    sync_function = ""
    """The function of the job's trigger, which does nothing in this session."""
    role_schemas: tuple[str, ...] = ()
    """The schemas of the role's search_path that are there, in its order."""

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[AsyncPipeline]:
        """Send all statements of the block at once, the Sync last, so that the server's timers run behind it."""
        if self._pipeline is None:
            self._pipeline = SyncLastPipeline(self)
        async with super().pipeline() as pipeline:
            yield pipeline

    async def wait(
        self,
        gen: PQGen[T],
        interval: float = WAIT_INTERVAL_S,
        timeout: float | None = None,  # noqa: ASYNC109 - psycopg's own
    ) -> T:
        """Wait for an answer; give the session up where none comes in time."""
        bound_s = self.answer_s
        if timeout is not None or bound_s is None:
            return await super().wait(gen, interval, timeout)
        try:
            return await super().wait(gen, interval, bound_s)
        except psycopg.errors._WaitTimeout:  # noqa: SLF001 - named by the method that this overrides
            with suppress(psycopg.Error):  # a COMMIT that waits for a standby ends by nothing else, and holds locks
                await self.cancel_safe(timeout=CANCEL_S)
            self.pgconn.finish()  # it may answer yet, and then to another question
            raise psycopg.OperationalError(f"no answer within {format_duration(bound_s)}") from None


def resolve_dsn(option: str | None, environment: dict[str, str]) -> str:
    """Return the conninfo to use: `--dsn`, else DATABASE_URL, else libpq's own PG* variables and service files.

    Raises JobError when nothing names a database, or when the text is not a connection string.
    """
    dsn = option or environment.get("DATABASE_URL", "")
    if not dsn and not any(environment.get(name) for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")):
        raise JobError(
            "no database given; use --dsn, DATABASE_URL or libpq's PGHOST/PGSERVICE;"
            " to see it work on a database made for you: backfill demo"
        )
    try:
        parse_conninfo(dsn)
    except InvalidConninfo as error:
        raise JobError(f"the DSN cannot be parsed: {error}") from None
    return dsn


def worker_name(job: str) -> str:
    """Return the application_name of a worker: the job, cut where it is long, and where it runs; at most 63 bytes."""
    place = f"@{socket.gethostname()}:{os.getpid()}"[-32:]
    return f"{WORKER_PREFIX}{job}"[: 63 - len(place)] + place


async def connect(dsn: str, *, application_name: str, job: Job | None = None) -> Connection:
    """Open a session in autocommit with every timeout set.

    Raises Lost when there is no server to be had, Halted when a pooler gives us no session.
    """
    connection = await _open(dsn, application_name)
    try:
        with translated(connection):
            # Behind a pooler the protocol names a process that there is not.
            if not await _begin(connection, job, told_pid=connection.info.backend_pid):
                await require_session_mode(connection, lambda: _open(dsn, "backfill:pooler"))
                await _begin(connection, job)
    except BaseException:
        await connection.close()
        raise
    return connection


async def bound(connection: Connection, job: Job) -> None:
    """Set the timeouts of a session again."""
    connection.answer_s = answer_bound_s(job.statement_timeout_s)
    await set_settings(connection, bounds_of(job.statement_timeout_s, job.lock_timeout_s))


async def set_settings(connection: Connection, settings: dict[str, str]) -> None:
    """Set what holds in a session from now on, of settings that this server has."""
    with translated(connection):
        await connection.execute(statement("session/set_settings"), {"settings": Jsonb(settings)})


async def _open(dsn: str, application_name: str) -> Connection:
    given = parse_conninfo(dsn)
    bounds = {name: value for name, value in _BOUNDS.items() if name not in given}
    # UTF-8 whatever the environment says: a job file is, and every name may be.
    conninfo = make_conninfo(dsn, **bounds, application_name=application_name, client_encoding="UTF8")
    try:
        with translated():
            connection = await Connection.connect(
                conninfo,
                autocommit=True,
                # What is prepared in a pipeline that an error aborts is believed there, and is not.
                prepare_threshold=None,
            )
    except ConnectionLost as error:
        said = mask_values(str(error), given)
        if is_read_only(said) and (cause := await find_cause(conninfo)):
            raise ConnectionLost(f"{' '.join(said.split())}; {cause}") from error
        kind = LoginRefused if is_login_refused(said) else ConnectionLost
        raise kind(with_advice(said, user_of(given))) from error
    escape_unknown(connection)
    send_in_binary(connection)
    connection.add_notify_handler(_ignore)  # without a handler, the driver keeps every notification
    return connection


def _ignore(_notification: Notify) -> None:
    """A trigger may LISTEN in our session; nobody here waits for what it hears."""


async def _begin(connection: Connection, job: Job | None, *, told_pid: int | None = None) -> bool:
    """Read the role's settings and set ours; return whether that was done, see open_session.sql."""
    connection.answer_s = answer_bound_s(job.statement_timeout_s) if job else answer_bound_s()
    bounds = bounds_of(job.statement_timeout_s, job.lock_timeout_s) if job else bounds_of()
    wanted = {**OURS, **SESSION, **bounds}
    connection.sync_function = function_name(job.name) if job else ""
    parameters = {
        "told_pid": told_pid,
        "names": [*OURS, *SESSION],
        "settings": Jsonb(wanted),
        "sync_function": connection.sync_function,
    }
    cursor = await connection.execute(statement("session/open_session"), parameters)
    row = await cursor.fetchone()
    if row is None:
        return False
    connection.server_pid, schemas, before, *_ = row
    connection.role_schemas = tuple(schemas)
    connection.role_settings, connection.overridden = changed(before, OURS), changed(before, SESSION)
    return True


@asynccontextmanager
async def untimed(connection: Connection, *, limit_s: float = 0.0) -> AsyncIterator[None]:
    """Let statements of a transaction take as long as they take, or up to a limit of their own."""
    bound_s, connection.answer_s = connection.answer_s, None
    try:
        await connection.execute(SQL("SET LOCAL statement_timeout = {}").format(round(limit_s * 1000)))
        if connection.info.server_version >= TRANSACTION_TIMEOUT:
            await connection.execute("SET LOCAL transaction_timeout = 0")
        yield
    finally:
        connection.answer_s = bound_s


@contextmanager
def translated(connection: Connection | None = None) -> Iterator[None]:
    """Turn driver errors into Lost (no session any more) or Refused (the server's words, SQLSTATE and time)."""
    began_s = time.monotonic()
    try:
        yield
    except psycopg.Error as error:
        message = foreign(str(error)) or type(error).__name__
        error.args = (message,)  # it may be kept and shown with its traceback, too
        gone = connection is not None and connection.closed
        if error.sqlstate is None or gone:
            raise ConnectionLost(message) from error
        raise StatementRefused(message, error.sqlstate, time.monotonic() - began_s) from error


@asynccontextmanager
async def dict_rows(connection: Connection) -> AsyncIterator[AsyncCursor[DictRow]]:
    """Give a cursor in a transaction of its own."""
    with translated(connection):
        async with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            yield cursor
