"""The job under the limits that hold now: those of its file, and those that were changed while it runs."""

from __future__ import annotations

from backfill.jobfile.job import Job
from backfill.jobfile.overrides import with_overrides
from backfill.values.errors import JobError


class JobLimits:
    """`job` is the job as it runs; `refused` says why the last overrides do not hold, None when they do."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.refused: str | None = None
        self._job_file = job
        self._overrides: tuple[tuple[str, str], ...] = ()

    def reset(self) -> None:
        """Go back to the job file: a new session has not read any override yet."""
        self.job, self.refused, self._overrides = self._job_file, None, ()

    def override(self, overrides: tuple[tuple[str, str], ...]) -> bool:
        """Let these overrides hold, and no earlier ones; return whether they are other ones than before."""
        if overrides == self._overrides:
            return False
        self._overrides, self.refused = overrides, None
        try:
            self.job = with_overrides(self._job_file, dict(overrides))
        except JobError as error:  # the file has changed since: one of its limits contradicts an override
            self.job, self.refused = self._job_file, str(error)
        return True
