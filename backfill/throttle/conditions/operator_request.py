"""What a person has asked of a job: to pause, to go on, to end. The last request holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RequestAction(StrEnum):
    """What is asked. A restart ends whatever was asked before: the job begins again."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RESTART = "restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """The last request for a job, by a database role; `since` and `until` are the server's time, for people.

    `left_s` is how long it still holds, None without an end. A later request has a higher `number`.
    """

    number: int
    action: RequestAction
    role: str
    since: str
    reason: str | None = None
    until: str | None = None
    left_s: float | None = None

    @property
    def pauses(self) -> bool:
        """Whether no batch may start now."""
        return self.action is RequestAction.PAUSE and (self.left_s is None or self.left_s > 0)

    @property
    def opens(self) -> bool:
        """Whether the job may work now outside its time windows, too."""
        return self.action is RequestAction.RESUME and self.left_s is not None and self.left_s > 0

    @property
    def cancels(self) -> bool:
        """Whether the job is to end."""
        return self.action is RequestAction.CANCEL

    @property
    def stands(self) -> bool:
        """Whether it keeps the job from working."""
        return self.pauses or self.cancels

    def __str__(self) -> str:
        """Return `paused by alice since 2026-11-29 10:02 UTC, until 2026-11-29 12:02 UTC (deploy)`."""
        when = f"since {self.since}" if self.action is RequestAction.PAUSE else f"at {self.since}"
        end = f", until {self.until}" if self.until else ""
        why = f" ({self.reason})" if self.reason else ""
        return f"{_DONE[self.action]} by {self.role} {when}{end}{why}"


_DONE = {
    RequestAction.PAUSE: "paused",
    RequestAction.RESUME: "resumed",
    RequestAction.CANCEL: "cancelled",
    RequestAction.RESTART: "restarted",
}
