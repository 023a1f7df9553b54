"""What is remembered between two decisions about a vacuum: row versions that moved, the vacuum that runs, pauses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from backfill.throttle.signals import Upkeep, VacuumResult

PAUSE_S, PAUSE_MAX_S = 10.0, 600.0
"""Pause after a fruitless vacuum; doubled with each in a row, up to the second."""
PAUSE_SHARE = 1.0
"""Pause after a vacuum that did its work, in multiples of its duration: it runs for half of the time at most."""
FRUITLESS_SHARE = 0.5
"""If more than this share of the moved versions stays, older snapshots hold them, and the next vacuum waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VacuumHistory:
    """`moved` row versions since a time and a position, the vacuum that runs, and the pause after the last one.

    `redo_lsn` is the checkpoint that the running vacuum counts on, None if it counts on none. `fruitless` vacuums came
    in a row. `others` counts vacuums of the table by others, `done` our own.
    """

    moved: int = 0
    since_s: float = 0.0
    since_lsn: int = 0
    running_s: float | None = None
    running_moved: int = 0
    running_lsn: int = 0
    redo_lsn: int | None = None
    paused_until_s: float = -inf
    fruitless: int = 0
    done: int = 0
    others: int | None = None


def after_batch(
    history: VacuumHistory, now_s: float, *, moved: int, took_s: float, insert_lsn: int, wal_bytes: int
) -> VacuumHistory:
    """Return the history after a batch in which `moved` row versions left room on their pages."""
    if history.moved == 0:
        history = replace(history, since_s=now_s - took_s, since_lsn=insert_lsn - wal_bytes)
    return replace(history, moved=history.moved + moved)


def after_others(history: VacuumHistory, upkeep: Upkeep) -> VacuumHistory:
    """Return the history after a reading: if others vacuumed the table, nothing has moved since.

    The server may count our own vacuum late.
    """
    if upkeep.vacuums is None:
        return history
    others = upkeep.vacuums - history.done
    if history.others is not None and others > history.others:
        history = replace(history, moved=0)
    return replace(history, others=others if history.others is None else max(others, history.others))


def after_vacuum(history: VacuumHistory, ended: VacuumResult, now_s: float) -> VacuumHistory:
    """Return the history after our vacuum ended; after each fruitless one in a row, the next comes later."""
    began_s = now_s if history.running_s is None else history.running_s
    held = ended.held is not None and ended.held > history.running_moved * FRUITLESS_SHARE
    done = ended.result == "done"
    history = replace(history, running_s=None, done=history.done + done)
    if held or not done:
        pause_s = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(history.fruitless, 10))
        return replace(history, fruitless=history.fruitless + 1, paused_until_s=now_s + pause_s)
    return replace(
        history,
        moved=history.moved - history.running_moved,
        since_s=began_s,
        since_lsn=history.running_lsn,
        fruitless=0,
        paused_until_s=now_s + ended.took_s * PAUSE_SHARE,
    )
