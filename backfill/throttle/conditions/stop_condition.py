"""A condition that forbids the next batch, and how far a limit has to come back before work goes on.

Hard limits have hysteresis: after a stop, the signal must fall to half of its limit. Only that signal: otherwise one
moment of lag would make a slot that is steadily half full stop the job forever.
"""

from __future__ import annotations

from dataclasses import dataclass

from backfill.throttle.wait_reason import ConditionKey, WaitKind, WaitReason

RESUME_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class StopCondition:
    """A signal that forbids the next batch, and the reason to report; `clears_in_s` is set if the end is known."""

    key: ConditionKey
    reason: WaitReason
    clears_in_s: float | None = None


def stop(kind: WaitKind, subject: str, text: str, *, clears_in_s: float | None = None) -> StopCondition:
    """Return the condition with its reason."""
    return StopCondition((kind, subject), WaitReason(kind, text), clears_in_s)


def limit_share(stopped: frozenset[ConditionKey], kind: WaitKind, subject: str = "") -> float:
    """Return the share of a limit that holds now: all of it, or half after a stop for this signal."""
    return RESUME_SHARE if (kind, subject) in stopped else 1.0


def limit_note(share: float) -> str:
    """Return why a reason shows less than the limit that was set; nothing if it shows all of it."""
    return "" if share == 1.0 else " (after a stop, half of the limit)"
