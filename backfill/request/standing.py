"""How a job stands, for people: what its worker has written, whether it is there, and what was asked of it last."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.wait_reason import WaitKind

ENDED = frozenset({"done", "unconverged"})
"""States in which nothing is left to do: a later run begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStanding:
    """One job; `saved_state` is what its worker wrote last, and `connected` whether that worker is there.

    `waits_for` is the kind of wait that the worker has written, `waits_why` its reason. `request` is the last one.
    """

    job: str
    saved_state: str
    connected: bool
    waits_for: str | None = None
    waits_why: str | None = None
    request: OperatorRequest | None = None

    @property
    def at_work(self) -> bool:
        """Whether a worker runs the job now."""
        return self.saved_state == "running" and self.connected

    @property
    def ended(self) -> bool:
        """Whether the job is done; what was asked before no longer counts then."""
        return self.saved_state in ENDED

    @property
    def standing(self) -> OperatorRequest | None:
        """The request that keeps the job from working; None if there is none."""
        return self.request if self.request is not None and self.request.stands and not self.ended else None

    @property
    def state(self) -> str:
        """The state to show: `pausing` and `cancelling` until the worker has done what was asked.

        Without a worker nothing is paused: a job that has failed stays failed. It is `abandoned` if its worker is gone.
        """
        request = self.standing
        if request is not None and request.cancels:
            return "cancelling" if self.at_work else "cancelled"
        if request is not None and self.at_work:
            return "paused" if self.waits_for == WaitKind.PAUSED else "pausing"
        return "abandoned" if self.saved_state == "running" and not self.connected else self.saved_state
