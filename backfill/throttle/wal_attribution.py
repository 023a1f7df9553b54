"""Whose WAL it was: what the primary wrote while several lanes worked, shared evenly among them.

The server counts WAL for all sessions together. Between two known positions, the growth belongs to the lanes that had a
batch open; the WAL of others in that time counts as theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class WalAttribution:
    """The last known position, and what each lane with an open batch has been charged since it opened it."""

    position: int = 0
    charged: dict[int, float] = field(default_factory=dict)


def advance_to(attribution: WalAttribution, position: int) -> WalAttribution:
    """Return the attribution with the primary at a later position."""
    grown = max(0, position - attribution.position)
    if not attribution.charged:
        return replace(attribution, position=max(attribution.position, position))
    share = grown / len(attribution.charged)
    return WalAttribution(
        attribution.position + grown, {lane: bytes_ + share for lane, bytes_ in attribution.charged.items()}
    )


def open_batch(attribution: WalAttribution, lane: int, position: int) -> WalAttribution:
    """Return the attribution with a batch of this lane that begins at a position."""
    reached = advance_to(attribution, position)
    return replace(reached, charged={**reached.charged, lane: 0.0})


def close_batch(attribution: WalAttribution, lane: int, position: int | None) -> tuple[int, WalAttribution]:
    """Return what a lane's batch wrote, and the attribution without it; an unknown position adds nothing."""
    reached = attribution if position is None else advance_to(attribution, position)
    kept = {other: bytes_ for other, bytes_ in reached.charged.items() if other != lane}
    return int(reached.charged.get(lane, 0.0)), replace(reached, charged=kept)
