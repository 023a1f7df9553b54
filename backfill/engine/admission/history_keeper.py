"""What the job does, summed up and saved once a minute: the history that a report shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from backfill.engine.ports import Runtime
from backfill.events.event import Event
from backfill.events.history.span import HistorySpan, added

SAVE_SPACING_S = 60.0


class HistorySession(Protocol):
    """What the keeper needs of a session."""

    async def save_history(self, span: HistorySpan) -> None:
        """Add what happened in the last minute to the job's history."""


class HistoryKeeper:
    """Sums up every event that is recorded through its `runtime`.

    A minute whose statement fails is lost, rather than counted twice: nobody knows whether it was committed.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._outer = runtime
        self.runtime = replace(runtime, record=self._record)
        self._span = HistorySpan()
        self._since_s = runtime.now_s()

    async def save(self, session: HistorySession, *, ended: bool = False) -> None:
        """Save what happened since the last time, if that is a minute ago, or the run has `ended`."""
        now_s = self._outer.now_s()
        if self._span.empty or (now_s - self._since_s < SAVE_SPACING_S and not ended):
            return
        span, self._span, self._since_s = self._span, HistorySpan(), now_s
        await session.save_history(span)

    def _record(self, event: Event) -> None:
        self._span = added(self._span, event)
        self._outer.record(event)
