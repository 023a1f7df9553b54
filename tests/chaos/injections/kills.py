"""A worker is killed, or told to stop, at each step of its loop."""

from __future__ import annotations

import os
import signal
from functools import partial

import psycopg

from backfill.sandbox.wait import wait_until
from tests.chaos.breakpoints import STEPS as HELD
from tests.chaos.catalogue import STEPS
from tests.chaos.process import Worker
from tests.chaos.trial import REACH_S, Injection, Trial

KILLED, STOPPED = -9, 143


def _kill(step: str, trial: Trial) -> None:
    """SIGKILL; what it held goes before or after the server has noticed, as drawn."""
    with HELD[step](trial) as (worker, release):
        sessions = trial.sessions()
        worker.send(signal.SIGKILL)
        trial.ended(worker, KILLED, 0)  # 0: it had ended at that moment
        if step == "commit" or trial.chance.random() < 0.5:
            wait_until(lambda: not set(sessions) & set(trial.sessions()), "the server notices", 10)
        release()


def _stop(step: str, trial: Trial) -> None:
    """SIGTERM, and as drawn a second one, which cancels what runs."""
    with HELD[step](trial) as (worker, release):
        worker.send(signal.SIGTERM)
        if step == "verify":  # a read that is given up at once: nothing has to let go
            trial.ended(worker, STOPPED)
        elif step not in ("random", "vacuum") and trial.chance.random() < 0.5:
            wait_until(lambda: not worker.living or worker.told("Stopping"), "it stops", 10)
            worker.send(signal.SIGTERM)
            trial.ended(worker, STOPPED, -signal.SIGTERM)  # the same to a shell: it met a worker on its last steps
        release()
        if worker.pid in trial.expected:
            worker.end(REACH_S)
            # Python's own end where modules still load, and 0 where it had ended at that moment.
            usual = (STOPPED, -15, 0) if step == "random" else (STOPPED,)
            trial.ended(worker, *usual, *([0] if _on_its_last_batch(trial, worker) else []))


def _on_its_last_batch(trial: Trial, worker: Worker) -> bool:
    """Whether nothing was left to do when what ran at the signal was over: then it may say that all is done."""
    behind = [
        event
        for _, stopping in worker.told("Stopping")
        for _, event in worker.told("BatchDone")
        if event["at"] > stopping["at"]
    ]
    return len(behind) <= trial.plan.lanes and bool(worker.told("Finished", state="done"))


def _kill_backend(trial: Trial) -> None:
    """SIGKILL of the server process in mid-batch: the server takes it for a crash and recovers."""
    with HELD["update"](trial) as (_, _release):
        [pid, *_] = trial.sessions()
        crash(trial, pid)


def crash(trial: Trial, pid: int) -> None:
    """Kill a process of the primary, which ends all of its sessions, and wait until it is up again."""
    with trial.connection(autocommit=True) as witness:
        os.kill(pid, signal.SIGKILL)

        def over() -> bool:
            try:
                witness.execute("select")
            except psycopg.Error:
                return True
            return False

        wait_until(over, "the server ends its sessions")
    trial.until_up()


INJECTIONS: dict[str, Injection] = {
    **{f"kill-{step}": partial(_kill, step) for step in STEPS},
    **{f"term-{step}": partial(_stop, step) for step in STEPS},
    "backend-killed": _kill_backend,
}
