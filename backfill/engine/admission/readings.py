"""The events of readings: at most ten a second, and once that there is no replica to watch."""

from __future__ import annotations

from backfill.engine.ports import Runtime
from backfill.events.build import signals_read
from backfill.events.throttle import NoReplicas
from backfill.jobfile.job import Job
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState

MEASURE_SPACING_S = 0.1


class ReadingRecorder:
    """Records readings as events; `worst_lag_s` is the worst lag that any replica had in this run."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._recorded_s = float("-inf")
        self._no_replicas_recorded = False
        self.worst_lag_s = 0.0

    def stale(self) -> bool:
        """Whether the last reading that was recorded is old enough for another one."""
        return self._runtime.now_s() - self._recorded_s >= MEASURE_SPACING_S

    def record(self, job: Job, throttle_state: ThrottleState, signals: Signals) -> None:
        """Record what was read and what the throttle made of it."""
        replica_windows = throttle_state.replica_windows
        self.worst_lag_s = max(self.worst_lag_s, *(replica.lag_s for replica in replica_windows), 0.0)
        alone = not replica_windows and not throttle_state.expected
        if alone and signals.visible and not self._no_replicas_recorded:
            self._no_replicas_recorded = True
            self._runtime.record(NoReplicas(job.name, job.throttle.max_wal_rate_bytes_s))
        if signals.at_s - self._recorded_s >= MEASURE_SPACING_S:
            self._recorded_s = signals.at_s
            self._runtime.record(signals_read(job, throttle_state, signals))
