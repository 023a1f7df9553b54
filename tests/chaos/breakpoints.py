"""Where a worker is made to stand: each step holds something that the next statement of the worker needs.

A step is a context manager; what it gives lets go. When the block is left it has let go in any case.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg.sql import Composed

from backfill.sandbox.wait import wait_until
from tests.chaos.process import EndedEarlyError, Worker
from tests.chaos.tables import COMMIT_KEY, JOB, PARTITIONS
from tests.chaos.trial import REACH_S, Connection, Trial

Release = Callable[[], None]
Held = tuple[Worker, Release]


@contextmanager
def holding(trial: Trial, *statements: Composed | bytes) -> Iterator[tuple[Connection, Release]]:
    """Hold what statements lock, until it is let go."""
    with trial.connection() as holder:
        for one in statements:
            if holder.execute(one).rowcount == 0:
                raise EndedEarlyError("nothing is left that could be held")

        def release() -> None:
            with suppress(psycopg.Error):  # a server that was killed meanwhile has let go
                holder.rollback()

        yield holder, release
        release()


@contextmanager
def _blocked(trial: Trial, *statements: Composed | bytes) -> Iterator[Held]:
    trial.make_due()
    with holding(trial, *statements) as (holder, release), trial.hurried():
        yield trial.until_blocked(holder), release


def a_row(trial: Trial) -> Composed:
    """Return the statement that locks any row that is due."""
    return trial.table.sql("select from {t} where {target} is null order by random() limit 1 for update")


@contextmanager
def update(trial: Trial) -> Iterator[Held]:
    """A row is locked: the worker stands in the UPDATE of a batch."""
    with _blocked(trial, a_row(trial)) as held:
        yield held


@contextmanager
def last_leaf(trial: Trial) -> Iterator[Held]:
    """A row of the last leaf is locked: all others are done when the worker stands."""
    row = "select from {leaf} where {target} is null limit 1 for update"
    with _blocked(trial, trial.table.sql(row, leaf=trial.table.leaf(PARTITIONS - 1))) as held:
        yield held


@contextmanager
def checkpoint(trial: Trial) -> Iterator[Held]:
    """The checkpoints are locked: rows are updated, the checkpoint is not."""
    trial.make_due()
    worker = trial.worker()
    worker.wait(lambda: worker.told("BatchDone"), "has a checkpoint")
    with _blocked(trial, f"select from backfill.checkpoint where job = '{JOB}' for update".encode()) as held:
        yield held


@contextmanager
def history(trial: Trial) -> Iterator[Held]:
    """The history is locked: rows and checkpoint are written, the line of history is not."""
    with _blocked(trial, b"lock table backfill.batch in share mode") as held:
        yield held


@contextmanager
def commit(trial: Trial) -> Iterator[Held]:
    """A deferred trigger waits: the worker stands in COMMIT."""
    with _blocked(trial, f"select pg_advisory_xact_lock({COMMIT_KEY})".encode()) as held:
        yield held


class Stepper:
    """Lets a worker do one transaction on the table at a time: a lock is handed on from one session to the next."""

    def __init__(self, trial: Trial, first: Connection, second: Connection) -> None:
        self._stage = trial
        self._lock = trial.table.sql("lock table {t} in access exclusive mode")
        self.holder, self._next = first, second
        self.begin()

    def begin(self) -> None:
        """Lock the table."""
        self.holder.execute(self._lock)

    def said(self, worker: Worker) -> list[str]:
        """Return the statements before which the worker stands; none when it has ended."""
        found: list[tuple[int, str]] = []

        def stands() -> bool:
            found[:] = self._stage.blocked_by(self.holder)
            return bool(found) or not worker.living

        wait_until(stands, "the worker stands before the table", REACH_S)
        return [said for _, said in found]

    def step(self) -> None:
        """Let what stands there go on, and nothing behind it."""
        taking = threading.Thread(target=self._next.execute, args=(self._lock,), daemon=True)
        taking.start()
        asked = "select true from pg_locks where pid = %s and not granted"
        wait_until(lambda: self._stage.query(asked, self._next.info.backend_pid), "the next session asks", REACH_S)
        self.holder.rollback()
        taking.join(REACH_S)
        self.holder, self._next = self._next, self.holder


@contextmanager
def _stepped(trial: Trial, reached: Callable[[str], bool]) -> Iterator[tuple[Worker, Release, Stepper]]:
    trial.make_due()
    with trial.connection() as first, trial.connection() as second, trial.hurried():
        worker = trial.worker()
        worker.wait(lambda: worker.told("Started"), "starts")
        stepper = Stepper(trial, first, second)
        while not any(map(reached, stepper.said(worker))):
            if worker.living:
                stepper.step()
            else:  # it was done before it came there
                stepper.holder.rollback()
                trial.make_due(share=1.0)
                worker = trial.worker()
                stepper.begin()
        yield worker, lambda: _let_go(stepper), stepper
        _let_go(stepper)


def _let_go(stepper: Stepper) -> None:
    with suppress(psycopg.Error):
        stepper.holder.rollback()


def _is_read(said: str) -> bool:
    return said.startswith("SELECT") and ".ctid" in said and not _is_proof(said)


def _is_proof(said: str) -> bool:
    return said.startswith("SELECT found.rows_left")


@contextmanager
def scout(trial: Trial) -> Iterator[Held]:
    """The table is locked while the worker looks for rows."""
    with _stepped(trial, _is_read) as (worker, release, _):
        yield worker, release


@contextmanager
def verify(trial: Trial) -> Iterator[Held]:
    """The table is locked before the proof."""
    with _stepped(trial, _is_proof) as (worker, release, _):
        yield worker, release


@contextmanager
def between_passes(trial: Trial) -> Iterator[Held]:
    """A row is due behind the pass, and the checkpoint is locked: the next pass cannot begin."""
    with _stepped(trial, _is_proof) as (_, let_go, stepper):
        empty = "update {t} set {target} = null, filled = 0 where id = (select min(id) from {t})"
        stepper.holder.execute(trial.table.sql(empty))
        with holding(trial, f"select from backfill.checkpoint where job = '{JOB}' for update".encode()) as (
            holder,
            release,
        ):
            stepper.holder.commit()
            yield trial.until_blocked(holder), release
        let_go()


@contextmanager
def gate(trial: Trial) -> Iterator[Held]:
    """A probe is over its limit: the worker waits before its next batch."""
    found: list[Worker] = []

    def release() -> None:
        trial.query("update public.brake set value = 0")

    def waits() -> bool:
        if not trial.living():
            trial.make_due(share=1.0)
        found[:] = [trial.worker()]
        return bool(found[0].waited_for("probe"))

    trial.make_due()
    trial.query("update public.brake set value = 9")
    try:
        wait_until(waits, "a worker waits at the gate", REACH_S)
        yield found[0], release
    finally:
        release()


@contextmanager
def vacuum(trial: Trial) -> Iterator[Held]:
    """A VACUUM of ours runs."""
    worker = trial.worker()
    worker.wait(lambda: len(worker.told("VacuumStarted")) > len(worker.told("VacuumDone")), "vacuums")
    yield worker, lambda: None


@contextmanager
def random(trial: Trial) -> Iterator[Held]:
    """Any moment: after so many events as were drawn, which may be none."""
    trial.make_due()
    worker = trial.worker()
    enough = len(worker.events) + trial.chance.choice((0, 1, 2, 5, 10, 20, 40, 80))
    wait_until(lambda: not worker.living or len(worker.events) >= enough, "a moment", REACH_S)
    yield worker, lambda: None


STEPS = {
    "update": update,
    "checkpoint": checkpoint,
    "history": history,
    "commit": commit,
    "scout": scout,
    "verify": verify,
    "gate": gate,
    "between-passes": between_passes,
    "vacuum": vacuum,
    "random": random,
}
