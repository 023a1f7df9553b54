"""Servers that are lost: a standby, its walsender, the primary, for good or until it has recovered."""

from __future__ import annotations

from tests.chaos.breakpoints import update
from tests.chaos.injections.kills import crash
from tests.chaos.trial import Injection, Trial

BATCHES = 4
"""So many more than may have been in flight show that a standby's absence is nothing to a worker."""


def _kill_walsender(stage: Trial) -> None:
    """SIGKILL of a walsender: a crash of the primary, in mid-batch."""
    with update(stage):
        [(pid, *_), *_] = stage.query("select pid from pg_stat_replication")
        crash(stage, pid)


def _kill_standby(stage: Trial) -> None:
    """SIGKILL of a standby: nothing commits until it is back."""
    stage.busy()
    standby = stage.chance.choice(stage.servers.standbys)
    standby.kill()
    with stage.away(standby):
        stands_still(stage)
    standby.start()
    standby.wait_streaming()


def stands_still(stage: Trial) -> None:
    """Wait until a worker says whom it misses; or goes on all the same, by some batches."""
    stage.make_due()
    worker, began = stage.worker(), stage.batches()
    waits = len(worker.waited_for("missing"))
    worker.wait(
        lambda: len(worker.waited_for("missing")) > waits + 3 or stage.batches() > began + stage.plan.lanes + BATCHES,
        "it notices that a standby is away",
    )


def _kill_primary(stage: Trial) -> None:
    """SIGKILL of the primary in mid-batch, and its recovery."""
    with update(stage):
        stage.servers.primary.kill()
    stage.servers.primary.start()
    stage.until_up()


def _promote(stage: Trial) -> None:
    """The primary is gone in mid-batch; the heir takes its place and the worker finds it by its DSN of both hosts."""
    [heir] = stage.servers.standbys
    with update(stage) as (worker, _):
        stage.servers.primary.kill()
        if stage.chance.random() < 0.5:
            worker.wait(lambda: worker.waited_for("connection"), "says that there is no session")
        heir.promote()
        stage.primary = heir
    stage.until_up()
    began = len(worker.told("BatchDone"))
    worker.wait(
        lambda: len(worker.told("BatchDone")) > began or worker.told("Finished", state="done"), "finds the heir"
    )


DEEDS: dict[str, Injection] = {
    "walsender-killed": _kill_walsender,
    "standby-killed": _kill_standby,
    "primary-killed": _kill_primary,
    "promotion": _promote,
}
