"""What the job waits for, as `status` reads it: kept fresh without a write for each poll."""

from __future__ import annotations

from backfill.engine.ports import Runtime, StatusSession
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.wait_reason import LASTING_KINDS, PACE_KINDS, WaitKind, WaitReason

SAVE_SPACING_S = 1.0
LASTING_SPACING_S = 10.0


class WaitPersistence:
    """Saves the reason at once when its kind changes, else each second; the ordinary pace is not saved."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._saved: tuple[WaitKind | None, str | None, tuple[SeenReplica, ...]] = (None, None, ())
        self._saved_s = float("-inf")

    async def save(
        self, session: StatusSession, reason: WaitReason | None, replicas_seen: tuple[SeenReplica, ...]
    ) -> None:
        """Save why the next batch waits, None when it does not, and the replicas that were seen."""
        kind = None if reason is None or reason.kind in PACE_KINDS else reason.kind
        lasting = kind in LASTING_KINDS
        current = (kind, str(reason) if lasting else None, replicas_seen)
        spacing_s = LASTING_SPACING_S if lasting else SAVE_SPACING_S
        now_s = self._runtime.now_s()
        if current == self._saved and (kind is None or now_s - self._saved_s < spacing_s):
            return
        self._saved, self._saved_s = current, now_s
        await session.save_wait(reason if kind else None, replicas_seen)
