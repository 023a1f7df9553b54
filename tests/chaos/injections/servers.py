"""Servers that are lost: a standby, its walsender, the primary, for good or until it has recovered."""

from __future__ import annotations

from tests.chaos.breakpoints import update
from tests.chaos.injections.kills import crash
from tests.chaos.trial import Injection, Trial

BATCHES = 4
"""So many more than may have been in flight show that a standby's absence is nothing to a worker."""


def _kill_walsender(trial: Trial) -> None:
    """SIGKILL of a walsender: a crash of the primary, in mid-batch."""
    with update(trial):
        [(pid, *_), *_] = trial.query("select pid from pg_stat_replication")
        crash(trial, pid)


def _kill_standby(trial: Trial) -> None:
    """SIGKILL of a standby: nothing commits until it is back."""
    trial.busy()
    standby = trial.chance.choice(trial.servers.standbys)
    standby.kill()
    with trial.away(standby):
        stands_still(trial)
    standby.start()
    standby.wait_streaming()


def stands_still(trial: Trial) -> None:
    """Wait until a worker says whom it misses; or goes on all the same, by some batches."""
    trial.make_due()
    worker, began = trial.worker(), trial.batches()
    waits = len(worker.waited_for("missing"))
    worker.wait(
        lambda: len(worker.waited_for("missing")) > waits + 3 or trial.batches() > began + trial.plan.lanes + BATCHES,
        "it notices that a standby is away",
    )


def _kill_primary(trial: Trial) -> None:
    """SIGKILL of the primary in mid-batch, and its recovery."""
    with update(trial):
        trial.servers.primary.kill()
    trial.servers.primary.start()
    trial.until_up()


def _promote(trial: Trial) -> None:
    """The primary is gone in mid-batch; the heir takes its place and the worker finds it by its DSN of both hosts."""
    [heir] = trial.servers.standbys
    with update(trial) as (worker, _):
        trial.servers.primary.kill()
        if trial.chance.random() < 0.5:
            worker.wait(lambda: worker.waited_for("connection"), "says that there is no session")
        heir.promote()
        trial.primary = heir
    trial.until_up()
    began = len(worker.told("BatchDone"))
    worker.wait(
        lambda: len(worker.told("BatchDone")) > began or worker.told("Finished", state="done"), "finds the heir"
    )


INJECTIONS: dict[str, Injection] = {
    "walsender-killed": _kill_walsender,
    "standby-killed": _kill_standby,
    "primary-killed": _kill_primary,
    "promotion": _promote,
}
