"""Links that are cut, half-open or slow: a standby's, and the worker's own."""

from __future__ import annotations

import threading

from tests.chaos.injections.servers import stands_still
from tests.chaos.process import Worker
from tests.chaos.trial import Injection, Trial

SLOW_BYTES_S = 300_000
FROZEN_S = (0.2, 2.0)


def _cut_standby(trial: Trial) -> None:
    """Nothing reaches a standby, and the primary knows it."""
    trial.busy()
    number = trial.chance.randrange(len(trial.servers.links))
    link, standby = trial.servers.links[number], trial.servers.standbys[number]
    link.refuse()
    with trial.away(standby):
        stands_still(trial)
    link.restore()
    standby.wait_streaming()


def _freeze_standby(trial: Trial) -> None:
    """Nothing reaches a standby, and nobody knows it: what is on the way stays there."""
    worker = trial.busy()
    link = trial.chance.choice(trial.servers.links)
    link.freeze()
    seen = len(worker.waited_for("window", "lag", "lag_bytes"))
    worker.wait(lambda: len(worker.waited_for("window", "lag", "lag_bytes")) > seen + 5, "waits for the frozen standby")
    link.restore()


def _slow_standby(trial: Trial) -> None:
    """A standby gets little at a time."""
    worker = trial.busy()
    link = trial.chance.choice(trial.servers.links)
    link.limit(SLOW_BYTES_S)
    _goes_on(worker)
    link.restore()


def _cut_worker(trial: Trial) -> None:
    """The worker's own connections are reset, once or until they are let through again."""
    worker = trial.busy()
    link, refused = trial.servers.to_primary, trial.chance.random() < 0.5
    lost = len(worker.waited_for("connection"))
    if refused:
        link.refuse()
    else:
        link.cut()
    worker.wait(lambda: len(worker.waited_for("connection")) > lost, "says that it has no session")
    link.restore()


def _freeze_worker(trial: Trial) -> None:
    """No byte moves between worker and primary for a moment; then it goes on, or is reset."""
    trial.busy()
    link = trial.servers.to_primary
    link.freeze()
    threading.Event().wait(trial.chance.uniform(*FROZEN_S))
    if trial.chance.random() < 0.5:
        link.cut()
    link.restore()


def _slow_worker(trial: Trial) -> None:
    """The worker is far away, behind a thin line."""
    worker = trial.busy()
    trial.servers.to_primary.limit(SLOW_BYTES_S)
    trial.servers.to_primary.delay(0.02)
    _goes_on(worker)
    trial.servers.to_primary.restore()


def _goes_on(worker: Worker) -> None:
    """Wait for two batches more."""
    began = len(worker.told("BatchDone"))
    worker.wait(lambda: len(worker.told("BatchDone")) > began + 1, "goes on")


INJECTIONS: dict[str, Injection] = {
    "standby-link-cut": _cut_standby,
    "standby-link-frozen": _freeze_standby,
    "standby-link-slow": _slow_standby,
    "worker-link-cut": _cut_worker,
    "worker-link-frozen": _freeze_worker,
    "worker-link-slow": _slow_worker,
}
