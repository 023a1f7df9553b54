"""A round from its plan to its result: the table, the faults in turn, the end of all runs, the judgement."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psycopg

from backfill.values.errors import BackfillError
from tests.chaos.catalogue import Shape
from tests.chaos.injections import INJECTIONS
from tests.chaos.observations import Watch, observe
from tests.chaos.oracle import judge
from tests.chaos.process import END_S, EndedEarlyError, Worker
from tests.chaos.report import Result
from tests.chaos.schedule import Plan
from tests.chaos.servers import CannotBeHadError, Servers
from tests.chaos.trial import Trial

ATTEMPTS = 3
FINISHERS_MAX = 2
"""One that ends the job that others left, and one that begins it anew."""


def run_trial(plan: Plan, servers: Servers, folder: Path, mutant: str = "") -> Result:
    """Play a round on these servers; what the workers said is in the folder."""
    began_s = time.monotonic()
    trial = Trial(plan, servers, folder, mutant)
    skipped: list[tuple[str, str]] = []
    missed: list[tuple[str, str]] = []
    try:
        trial.open()
        watch = Watch(trial)
        try:
            for name in plan.faults:
                try:
                    inject(trial, name)
                except CannotBeHadError as error:
                    skipped.append((name, str(error)))
                except (BackfillError, psycopg.Error, subprocess.TimeoutExpired, OSError) as error:
                    missed.append((name, f"{type(error).__name__}: {error}".strip()))
            servers_up(trial)
            trial.application.calm()
            with trial.hurried():
                finish(trial)
        finally:
            trial.application.close()
            watch.close()
        violations = judge(observe(trial, watch))
    finally:
        trial.close()
    return Result(plan, time.monotonic() - began_s, violations, tuple(skipped), tuple(missed), str(folder))


def inject(trial: Trial, name: str) -> None:
    """Let a fault happen; again where a worker was done before it could."""
    for _ in range(ATTEMPTS - 1):
        try:
            return INJECTIONS[name](trial)
        except EndedEarlyError:
            servers_up(trial)
            trial.make_due(share=1.0)
    return INJECTIONS[name](trial)


def servers_up(trial: Trial) -> None:
    """End all faults of links and servers; a primary that was lost stays so."""
    if trial.primary is trial.servers.primary:
        trial.servers.restore()
    trial.servers.to_primary.restore()


def finish(trial: Trial) -> None:
    """Let all workers come to their ends; others run where none has proven what was due last."""
    for worker in trial.living():
        _end(trial, worker)
    for _ in range(FINISHERS_MAX):
        if not any(_proves(trial, worker) for worker in trial.workers):
            _end(trial, trial.start())


def _end(trial: Trial, worker: Worker) -> None:
    try:
        trial.ended(worker, timeout_s=END_S)
    except subprocess.TimeoutExpired:
        trial.late.append(f"{worker.log.name} has not ended: {worker.events[-1:]}")
        with suppress(ProcessLookupError):
            worker.close()
        trial.expected.pop(worker.pid, None)


def _proves(trial: Trial, worker: Worker) -> bool:
    """Whether a worker ended with a proof of everything that was made due, by its own word."""
    if not any(event["state"] == "done" for _, event in worker.told("Finished")):
        return False
    calmed_s = trial.application.calmed_s
    if trial.plan.shape is Shape.PARTITIONED:  # one that resumes leaves out what another has proven, maybe before that
        leaves = worker.told("LeafDone")
        return worker.began_s > calmed_s and len(leaves) >= max((event["leaves"] for _, event in leaves), default=1)
    proofs = [at_s - event["took_s"] for at_s, event in worker.told("Verified")]
    return worker.began_s > calmed_s or (bool(proofs) and proofs[-1] > calmed_s + 0.5)
