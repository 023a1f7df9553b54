"""How long a person or the job's time windows have kept it from working: that says nothing about its pace."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class PausedTime:
    """The seconds of all pauses; lanes that pause together count once."""

    total_s: float = 0.0
    until_s: float = -inf

    def plus(self, began_s: float, ended_s: float) -> PausedTime:
        """Return the time with one more pause, or a piece of one."""
        return PausedTime(self.total_s + max(0.0, ended_s - max(began_s, self.until_s)), max(ended_s, self.until_s))
