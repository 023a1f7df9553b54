"""What a person asks in the middle of everything: the job is paused and resumed, and its worker may die meanwhile."""

from __future__ import annotations

import signal
from typing import LiteralString

from backfill.sandbox.wait import wait_until
from tests.chaos.tables import JOB
from tests.chaos.trial import REACH_S, Injection, Trial

ASK: LiteralString = "insert into backfill.request (job, action) values (%s, %s)"


def _pause_and_resume(trial: Trial) -> None:
    """A worker pauses; in half of the rounds it is killed so, and the next one pauses, too. Then work goes on."""
    worker = trial.busy()
    try:
        trial.query(ASK, JOB, "pause")
        worker.wait(lambda: worker.waited_for("paused"), "pauses")
        if trial.chance.random() < 0.5:
            worker.send(signal.SIGKILL)
            trial.ended(worker, -9)
            worker = trial.worker()
            worker.wait(lambda: worker.waited_for("paused"), "pauses after another one")
            if done := worker.told("BatchDone"):
                trial.late.append(f"a worker that came to a paused job did {len(done)} batches")
    finally:
        trial.query(ASK, JOB, "resume")
    began = trial.batches()
    wait_until(lambda: trial.worker().living and trial.batches() != began, "it goes on", REACH_S)


INJECTIONS: dict[str, Injection] = {"pause-resume": _pause_and_resume}
