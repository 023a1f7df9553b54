"""All jobs of this process, by name: what `/status.json` and the health checks answer."""

from __future__ import annotations

from typing import Any

from backfill import __version__
from backfill.events.event import Event
from backfill.observe.status import JobStatus, begin
from backfill.observe.status_fold import fold
from backfill.observe.status_json import to_json
from backfill.values.units import format_duration


class JobStatuses:
    """A sink that keeps the state of each job."""

    def __init__(self) -> None:
        self.jobs: dict[str, JobStatus] = {}

    def record(self, event: Event, at_s: float) -> None:
        """Fold the event into its job's state."""
        self.jobs[event.job] = fold(self.jobs.get(event.job) or begin(event.job, at_s), event, at_s)

    @property
    def ready(self) -> bool:
        """Whether the database has answered: some job has its lock, or knows who holds it."""
        return any(status.lock_held is not None for status in self.jobs.values())

    def silent(self, now_s: float, silence_max_s: float) -> str | None:
        """Return which unfinished job has had no event for too long, or None.

        There are no events while a statement runs, so the limit is at least twice the job's statement timeout. A
        worker that waits reports it. One that verifies is excused, as its read takes as long as the table is large, and
        one that a daemon has yet to start.
        """
        for status in self.jobs.values():
            silent_s = now_s - status.updated_s
            statement_s = status.begun.statement_timeout_s if status.begun else 0.0
            limit_s = max(silence_max_s, 2 * statement_s)
            excused = status.ended or status.verifying or status.queued
            if silent_s > limit_s and not excused:
                silent, limit = format_duration(silent_s), format_duration(limit_s)
                return f"{status.job} silent {silent} > {limit}"
        return None

    def to_dict(self, now_s: float) -> dict[str, Any]:
        """Return the content of `/status.json`: plain JSON values, ages instead of times, no password."""
        jobs = [to_json(status, now_s) for status in self.jobs.values()]
        return {"version": __version__, "jobs": jobs}
