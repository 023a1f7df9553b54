"""Whether another pass over a leaf is worth it, from what each pass did and what was left behind it.

A pass counts against the limit if others may have caused it: they wrote rows that match. Two kinds of pass cannot go on
forever by themselves and do not count: one behind which fewer rows match than behind the one before, and, if the job
accepts that it reads its own rows (`accept: [own-table]`), one that filled rows, since these may make others match.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from backfill.table.batch import Verification

PASSES_MAX = 50
"""Passes of a run behind which no fewer rows matched than before."""


class Verdict(Enum):
    """What follows a pass and its final read."""

    DONE = "done"  # whatever is left cannot converge, or is rejected
    UNREACHED = "unreached"  # no UPDATE reaches the rows that are left
    UNTOLD = "untold"  # which of the rows that are left were updated before is no longer known
    GO_ON = "go on"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassProgress:
    """What is remembered of the passes of a run: rows left behind the last one, None before the first."""

    reads_own_rows: bool = False
    fillable: int | None = None
    untouched: bool = False
    counted: int = 0

    def after(self, rows: int, found: Verification, *, forgetful: bool = False) -> tuple[PassProgress, Verdict]:
        """Return what to remember after a pass, its number of updated rows and its final read, and what follows.

        `forgetful`: another pass might update a row a second time that one of our transactions left matching.
        """
        fillable = found.rows_fillable
        if fillable == 0:
            return self, Verdict.DONE
        if forgetful:
            return self, Verdict.UNTOLD
        if rows == 0 and self.untouched and fillable == self.fillable:
            return self, Verdict.UNREACHED
        fewer = self.fillable is not None and fillable < self.fillable
        counts = not fewer and not (self.reads_own_rows and rows > 0)
        now = replace(self, fillable=fillable, untouched=rows == 0, counted=self.counted + counts)
        return now, Verdict.GIVE_UP if now.counted >= PASSES_MAX else Verdict.GO_ON


def counted(found: Verification, verdict: Verdict) -> Verification:
    """Return it with the rows that no further pass is for among those that cannot converge."""
    rows = found.rows_fillable
    return replace(
        found,
        rows_unconverged=(found.rows_unconverged or 0) + rows,
        rows_unreached=rows if verdict is Verdict.UNREACHED else 0,
        rows_untold=rows if verdict is Verdict.UNTOLD else 0,
    )
