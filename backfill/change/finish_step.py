"""One step of `backfill finish`, as the state keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishStepRecord:
    """What a step makes, when it began and was done, and as which role."""

    what: str
    began_at: str
    done_at: str | None
    role: str

    def __str__(self) -> str:
        how, at = ("done", self.done_at) if self.done_at else ("began", self.began_at)
        return f"{how} {at[:19].replace('T', ' ')} by role {self.role}"
