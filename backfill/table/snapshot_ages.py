"""How old the snapshots of other sessions get, by the last readings: what can be outlasted, and what cannot."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.throttle.signals import Upkeep

SHORT_S, KEPT = 2.0, 10
"""Snapshots up to this age are outlasted; this number of readings shows how old they get."""


@dataclass(frozen=True, slots=True)
class SnapshotAges:
    """`last` is the reading that was seen last; `ages_s` are those of short snapshots, the newest last."""

    last: Upkeep = Upkeep()
    ages_s: tuple[float, ...] = ()

    @property
    def oldest_s(self) -> float:
        """How old short snapshots got lately."""
        return max(self.ages_s, default=0.0)

    def after(self, upkeep: Upkeep) -> SnapshotAges:
        """Return the ages after another reading; one that lives long cannot be outlasted and counts as none."""
        if upkeep is self.last:  # the same answer is handed out until there is another one
            return self
        age_s = upkeep.oldest_snapshot_s or 0.0
        return SnapshotAges(upkeep, (*self.ages_s, age_s if age_s <= SHORT_S else 0.0)[-KEPT:])
