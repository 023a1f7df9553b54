"""Several workers for one job: started at once, and one that was believed dead and comes back."""

from __future__ import annotations

import signal
import time
from functools import partial
from typing import LiteralString

from backfill.sandbox.wait import wait_until
from tests.chaos.breakpoints import a_row, holding
from tests.chaos.process import Worker
from tests.chaos.trial import OURS, REACH_S, Injection, Trial

TAKEOVER_S = 5.0
GATHER_S = 90.0
"""For all of them to come, each mostly its own start."""


def _crowd(count: int, trial: Trial) -> None:
    """So many at once: one works, the others say for whom they wait; it is killed, another one works soon."""
    trial.make_due()
    with holding(trial, a_row(trial)) as (_, release):  # a row that is due is locked: nobody comes to an end
        for _ in range(count):
            trial.start()
        wait_until(
            lambda: standing(trial)[0] is not None, f"of {count} workers one works and all others wait", GATHER_S
        )
        holder, others = standing(trial)
        assert holder is not None
        killed_s = kill(trial, holder)
        taker = taken_over(trial, others)
        release()
    took_s = taker.told("LockTaken")[0][0] - killed_s
    if took_s > TAKEOVER_S:
        trial.late.append(f"another worker took over {took_s:.1f}s after the first one was killed")
    for other in others:
        if other is not taker and not other.told("LockTaken"):
            other.send(signal.SIGTERM)
            trial.ended(other, 143, 0)


def standing(trial: Trial) -> tuple[Worker | None, list[Worker]]:
    """Return the worker that works and those that wait for it by its name; none while that is not so."""
    living = trial.living()
    working = [one for one in living if one.told("Started")]
    if len(working) != 1:
        return None, []
    [holder], others = working, [one for one in living if one is not working[0]]
    named = [
        one for one in others if any(f":{holder.pid} " in event["holder"] for _, event in one.told("LockWaiting")[-1:])
    ]
    return (holder if named == others else None), others


def kill(trial: Trial, worker: Worker) -> float:
    """SIGKILL; return when."""
    killed_s = time.time()
    worker.send(signal.SIGKILL)
    trial.ended(worker, -9, 0)
    return killed_s


def taken_over(trial: Trial, others: list[Worker]) -> Worker:
    """Wait until another worker has the lock, and return it."""

    def takers() -> list[Worker]:
        return [one for one in others if one.told("LockTaken")]

    wait_until(takers, "another worker takes over", REACH_S)
    return takers()[0]


def _zombie(trial: Trial) -> None:
    """A worker is stopped with both lanes before the table, its locks go to another one, and it wakes up again.

    The session of its second lane lives all the while, and has a batch or what it read for one.
    """
    zombie = trial.busy()
    locks: LiteralString = "select distinct pid from pg_locks join pg_stat_activity using (pid) where granted and"
    with trial.connection() as holder, trial.hurried():
        holder.execute(trial.table.sql("lock table {t} in access exclusive mode"))
        zombie.wait(lambda: len(trial.blocked_by(holder)) == trial.plan.lanes, "stands before the table with all lanes")
        sessions = {pid for pid, _ in trial.blocked_by(holder)}
        zombie.send(signal.SIGSTOP)
        holder.rollback()
    [(first,)] = trial.query(locks + " locktype = 'advisory' and " + OURS)
    wait_until(lambda: not _active(trial, sessions), "what its sessions were asked is answered", REACH_S)
    trial.query("select pg_terminate_backend(%s)", first)
    with trial.hurried():
        successor = trial.start()
        blocking: LiteralString = (
            "select true from pg_stat_activity where pg_blocking_pids(pid) && %s::int[] and " + OURS
        )
        wait_until(
            lambda: not successor.living or trial.query(blocking, list(sessions)),
            "the successor has done all, or has come to what the zombie holds",
            60,
        )
        batches = len(zombie.events)
        zombie.send(signal.SIGCONT)
        wait_until(lambda: not zombie.living or len(zombie.events) > batches, "the zombie wakes up", REACH_S)


def _active(trial: Trial, sessions: set[int]) -> bool:
    text = "select true from pg_stat_activity where pid = any (%s) and state = 'active'"
    return bool(trial.query(text, list(sessions)))


INJECTIONS: dict[str, Injection] = {
    "two-workers": partial(_crowd, 2),
    "five-workers": partial(_crowd, 5),
    "ten-workers": partial(_crowd, 10),
    "zombie": _zombie,
}
