"""Links that are cut, half-open or slow: a standby's, and the worker's own."""

from __future__ import annotations

import threading

from tests.chaos.injections.servers import stands_still
from tests.chaos.process import Worker
from tests.chaos.trial import Injection, Trial

SLOW_BYTES_S = 300_000
FROZEN_S = (0.2, 2.0)


def _cut_standby(stage: Trial) -> None:
    """Nothing reaches a standby, and the primary knows it."""
    stage.busy()
    number = stage.chance.randrange(len(stage.servers.links))
    link, standby = stage.servers.links[number], stage.servers.standbys[number]
    link.refuse()
    with stage.away(standby):
        stands_still(stage)
    link.restore()
    standby.wait_streaming()


def _freeze_standby(stage: Trial) -> None:
    """Nothing reaches a standby, and nobody knows it: what is on the way stays there."""
    worker = stage.busy()
    link = stage.chance.choice(stage.servers.links)
    link.freeze()
    seen = len(worker.waited_for("window", "lag", "lag_bytes"))
    worker.wait(lambda: len(worker.waited_for("window", "lag", "lag_bytes")) > seen + 5, "waits for the frozen standby")
    link.restore()


def _slow_standby(stage: Trial) -> None:
    """A standby gets little at a time."""
    worker = stage.busy()
    link = stage.chance.choice(stage.servers.links)
    link.limit(SLOW_BYTES_S)
    _goes_on(worker)
    link.restore()


def _cut_worker(stage: Trial) -> None:
    """The worker's own connections are reset, once or until they are let through again."""
    worker = stage.busy()
    link, refused = stage.servers.to_primary, stage.chance.random() < 0.5
    lost = len(worker.waited_for("connection"))
    if refused:
        link.refuse()
    else:
        link.cut()
    worker.wait(lambda: len(worker.waited_for("connection")) > lost, "says that it has no session")
    link.restore()


def _freeze_worker(stage: Trial) -> None:
    """No byte moves between worker and primary for a moment; then it goes on, or is reset."""
    stage.busy()
    link = stage.servers.to_primary
    link.freeze()
    threading.Event().wait(stage.chance.uniform(*FROZEN_S))
    if stage.chance.random() < 0.5:
        link.cut()
    link.restore()


def _slow_worker(stage: Trial) -> None:
    """The worker is far away, behind a thin line."""
    worker = stage.busy()
    stage.servers.to_primary.limit(SLOW_BYTES_S)
    stage.servers.to_primary.delay(0.02)
    _goes_on(worker)
    stage.servers.to_primary.restore()


def _goes_on(worker: Worker) -> None:
    """Wait for two batches more."""
    began = len(worker.told("BatchDone"))
    worker.wait(lambda: len(worker.told("BatchDone")) > began + 1, "goes on")


DEEDS: dict[str, Injection] = {
    "standby-link-cut": _cut_standby,
    "standby-link-frozen": _freeze_standby,
    "standby-link-slow": _slow_standby,
    "worker-link-cut": _cut_worker,
    "worker-link-frozen": _freeze_worker,
    "worker-link-slow": _slow_worker,
}
