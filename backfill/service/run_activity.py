"""What the job at work does, as far as a daemon has to know before it ends its run for another reason than a signal."""

from __future__ import annotations

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import PassDone, Started, VerificationRestarted
from backfill.events.throttle import SignalsRead, ThrottleDecision, WaitStarted
from backfill.throttle.wait_reason import WaitKind

_SILENT = (SignalsRead, ThrottleDecision)
"""Events that come while a job waits as well as while it works."""


class RunActivity:
    """A reader of events: what each job waits for, and whether it reads its table to verify it."""

    def __init__(self) -> None:
        self._waits_for: dict[str, WaitKind] = {}
        self._verifying: set[str] = set()

    def record(self, event: Event, _at_s: float) -> None:
        """Learn from an event."""
        if isinstance(event, _SILENT):
            return
        self._verifying.discard(event.job)
        match event:
            case WaitStarted(job=job, reason=reason):
                self._waits_for[job] = reason.kind
            case BatchDone() | Started():
                self._waits_for.pop(event.job, None)
            case PassDone() | VerificationRestarted():
                self._waits_for.pop(event.job, None)
                self._verifying.add(event.job)
            case _:
                pass

    def waits_for_window(self, job: str) -> bool:
        """Whether a job waits for its time windows, by the server's clock."""
        return self._waits_for.get(job) is WaitKind.SCHEDULE

    def verifies(self, job: str) -> bool:
        """Whether a job reads its table to verify it: what ends that throws an hour away."""
        return job in self._verifying
