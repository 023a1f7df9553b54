"""What runs out or is held by others: locks, time, connections, disk; and a checkpoint that somebody edited."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import LiteralString

import psycopg
from psycopg.sql import Literal

from backfill.sandbox.wait import wait_until
from backfill.values.errors import BackfillError
from tests.chaos.process import Worker
from tests.chaos.trial import OURS, REACH_S, Connection, Injection, MissedError, Trial

HALTED = 4
ATTEMPTS = 20


def _retried(worker: Worker, reason: str) -> int:
    return len(worker.told("RetryScheduled", reason=reason))


def _hold_idle(trial: Trial) -> None:
    """A transaction that does nothing holds a row for longer than the lock timeout."""
    worker = trial.busy()
    with trial.connection() as idle, trial.tuned(worker, '{"max_wal_rate": "1GB/s", "lock_timeout": "100ms"}'):
        trial.make_due()
        idle.execute(trial.table.sql("select from {t} where {target} is null limit 1 for update"))
        seen = _retried(worker, "55P03")
        worker.wait(lambda: _retried(worker, "55P03") > seen + 1, "tries again and again")
        idle.rollback()


def _deadlock(trial: Trial) -> None:
    """The application holds a row that a batch comes to, and then asks for one that the batch has."""
    for _ in range(ATTEMPTS):
        trial.make_due()
        with trial.hurried(), trial.connection() as application:
            row = "select id from {t} where {target} is null order by random() limit 1 for update"
            [(own,)] = application.execute(trial.table.sql(row)).fetchall()
            worker = trial.until_blocked(application)
            if locked := _locked_rows(trial) - {own}:
                _cross(trial, application, worker, min(locked))
                return
    raise MissedError("no batch held a row before the one that it waited for")


def _locked_rows(trial: Trial) -> set[int]:
    """Return the rows that others have locked among those that are due."""
    due: LiteralString = "select id from {t} where {target} is null"
    with trial.connection() as probe:
        rows = probe.execute(trial.table.sql(due)).fetchall()
        free = probe.execute(trial.table.sql(due + " for update skip locked")).fetchall()
        return {number for (number,) in rows} - {number for (number,) in free}


def _cross(trial: Trial, application: Connection, worker: Worker, other: int) -> None:
    """Ask for a row that the batch has, which waits for ours: one of both has to lose."""
    seen = _retried(worker, "40P01")
    try:
        change = "update {t} set counter = counter + 1 where id = {other}"
        application.execute(trial.table.sql(change, other=Literal(other)))
        application.rollback()
    except psycopg.errors.DeadlockDetected:
        return
    worker.wait(lambda: _retried(worker, "40P01") > seen, "the batch loses")


def _run_out_of_time(trial: Trial) -> None:
    """A slow trigger makes any batch longer than the statement timeout; it is over before a row is given up for it."""
    worker = trial.busy()
    limits = '{"max_wal_rate": "1GB/s", "lock_timeout": "100ms", "statement_timeout": "1s"}'
    with trial.tuned(worker, limits):
        trial.make_due()
        trial.query("update public.drag set seconds = 2")
        try:
            worker.wait(lambda: worker.told("BatchRefused", reason="57014"), "a statement takes too long")
        finally:
            trial.query("update public.drag set seconds = 0")


@contextmanager
def _all_taken(trial: Trial) -> Iterator[None]:
    """A time in which every connection that becomes free, and is not kept for superusers, is taken."""
    dsn, end = trial.primary.dsn_for(user=trial.name, dbname=trial.name), threading.Event()

    def take() -> None:
        with ExitStack() as stack:
            while not end.is_set():
                try:
                    stack.enter_context(psycopg.connect(dsn, application_name="taker"))
                except psycopg.Error:
                    end.wait(0.005)

    takers = [threading.Thread(target=take, daemon=True) for _ in range(3)]
    for one in takers:
        one.start()
    try:
        yield
    finally:
        end.set()
        for one in takers:
            one.join(10)


def _take_all_connections(trial: Trial) -> None:
    """No connection is left, and the worker loses its own."""
    worker = trial.busy()

    def over() -> bool:
        told = [event["reason"]["text"] for _, event in worker.waited_for("connection")]
        return not worker.living or any("connection slots" in text or "too many" in text for text in told)

    with _all_taken(trial):
        for _ in range(ATTEMPTS):
            trial.query("select pg_terminate_backend(pid) from pg_stat_activity where " + OURS)
            with suppress(BackfillError):
                wait_until(over, "it is refused", 1)
            if over():
                break
    if not over():
        raise MissedError("the worker found a connection all the same")


def _fill_disk(trial: Trial) -> None:
    """The table's disk is full: the worker halts, and once there is room another one goes on."""
    assert trial.servers.disk is not None
    worker = trial.start(expected=(HALTED,))
    worker.wait(lambda: worker.told("Started"), "starts")
    ballast = trial.servers.disk / "ballast"
    with suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(b"\0" * 65536)
            file.flush()
    trial.ended(worker, HALTED, timeout_s=60)
    if "o space left on device" not in worker.stderr:
        raise MissedError(f"it ended for another reason: {worker.stderr}")
    ballast.unlink()


EDITS: tuple[LiteralString, ...] = (
    "epoch = epoch + 1",
    "sequence = sequence + 1000",
    "next_tid = '(0,0)', window_start = 0, stripe = 0, pass_number = 1",
    "window_start = end_page, window_end = end_page, next_tid = ('(' || end_page || ',0)')::tid",
    "filenode = 1",
    "lanes = lanes + 1",
    "end_page = end_page / 2",
    "sizes = '{}'",
    "window_start = 0, window_end = 0, end_page = 1",
    "stripe = 12",
)
"""Everything but what was counted; the last three are no places at all."""


def _edit_checkpoint(trial: Trial) -> None:
    """Somebody edits a checkpoint, beside a worker or where one was killed."""
    worker = trial.busy()
    if trial.chance.random() < 0.5:
        worker.send(signal.SIGKILL)
        trial.ended(worker, -9, 0)
    edit: LiteralString = "update backfill.checkpoint set " + trial.chance.choice(EDITS)
    trial.query(edit)
    began = trial.batches()
    wait_until(lambda: trial.worker().living and trial.batches() != began, "it goes on", REACH_S)


INJECTIONS: dict[str, Injection] = {
    "idle-lock": _hold_idle,
    "deadlock": _deadlock,
    "statement-timeout": _run_out_of_time,
    "max-connections": _take_all_connections,
    "disk-full": _fill_disk,
    "checkpoint-edited": _edit_checkpoint,
}
