"""Whether another pass over a leaf is worth it, from what each pass did and what was left behind it.

A pass counts against the limit if others may have caused it: they wrote rows that match. Two kinds of pass cannot go on
for ever by themselves and do not count: one behind which fewer rows match than behind the one before, and, if the job
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
    GO_ON = "go on"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassProgress:
    """What is remembered of the passes of a run: rows left behind the last one, None before the first."""

    reads_own_rows: bool = False
    fillable: int | None = None
    untouched: bool = False
    counted: int = 0

    def after(self, rows: int, found: Verification) -> tuple[PassProgress, Verdict]:
        """Return what to remember after a pass that updated so many rows and its final read, and what follows."""
        fillable = found.rows_fillable
        if fillable == 0:
            return self, Verdict.DONE
        if rows == 0 and self.untouched and fillable == self.fillable:
            return self, Verdict.UNREACHED
        fewer = self.fillable is not None and fillable < self.fillable
        counts = not fewer and not (self.reads_own_rows and rows > 0)
        now = replace(self, fillable=fillable, untouched=rows == 0, counted=self.counted + counts)
        return now, Verdict.GIVE_UP if now.counted >= PASSES_MAX else Verdict.GO_ON


def unreached(found: Verification) -> Verification:
    """Return it with the rows that no UPDATE reaches among those that cannot converge."""
    return replace(
        found, rows_unreached=found.rows_fillable, rows_unconverged=(found.rows_unconverged or 0) + found.rows_fillable
    )
