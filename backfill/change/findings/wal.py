"""Findings about the WAL to come: slots that keep it, replicas that may miss it, checkpoints, the archiver."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts, SlotFacts
from backfill.change.findings.finding import Finding, listed, stop, warn
from backfill.values.units import format_duration, format_rate, format_size

CHECKPOINT_MIN_S = 60.0
"""Checkpoints that follow one another faster than this multiply full-page images."""
HEADROOM_SHARE = 0.9
"""A throttle stops when a tenth of max_slot_wal_keep_size is left."""


def slots_lost(facts: PlanFacts) -> Iterator[Finding]:
    """Yield slots that have lost WAL already: a run would wait for them forever."""
    for slot in facts.signals.slots:
        if slot.wal_status == "lost":
            drop = f"rebuild its consumer, or run: SELECT pg_drop_replication_slot('{slot.name}');"
            yield stop("slot-lost", f"slot {slot.name} is lost: a run waits for it forever", drop)


def slots_inactive(facts: PlanFacts) -> Iterator[Finding]:
    """Yield slots that nobody reads: they keep all the WAL of the job on the primary's disk."""
    for slot in facts.server.slots_inactive:
        if slot.wal_status == "lost" or slot.retained_bytes is None:
            continue  # that is another finding; or it was never used, and keeps nothing
        reason = f"slot {slot.name} is inactive and keeps {format_size(slot.retained_bytes)} of WAL"
        remedy = f"start its consumer, or run: SELECT pg_drop_replication_slot('{slot.name}');"
        over = _over(facts, slot)
        if over:
            yield stop("slot-inactive", f"{reason}: {over}", remedy)
        else:
            yield warn("slot-inactive", f"{reason}, and all that the job will write", remedy)


def slots_headroom(facts: PlanFacts) -> Iterator[Finding]:
    """Yield slots at work that would be lost if their consumers fell behind by the WAL to come."""
    wal_bytes = _wal_to_come(facts)
    inactive = {slot.name for slot in facts.server.slots_inactive}
    for slot in facts.signals.slots:
        if wal_bytes is None or slot.safe_bytes is None or slot.name in inactive or slot.wal_status == "lost":
            continue
        if wal_bytes > slot.safe_bytes * HEADROOM_SHARE:
            yield warn(
                "slot-headroom",
                f"slot {slot.name} has {format_size(slot.safe_bytes)} of max_slot_wal_keep_size left, and"
                f" {format_size(wal_bytes)} of WAL are to come: the job waits while its consumer is behind",
                "raise max_slot_wal_keep_size, or watch the consumer",
            )


def _wal_to_come(facts: PlanFacts) -> int | None:
    return facts.measured.wal_bytes if facts.measured is not None else None


def _over(facts: PlanFacts, slot: SlotFacts) -> str:
    """Return why a run could not end while nobody reads the slot; nothing if it could, or if that is not known."""
    to_come = _wal_to_come(facts)
    retained, limit = slot.retained_bytes or 0, facts.limits.max_slot_retained_bytes
    if slot.wal_status == "unreserved":
        return "it is about to be lost, and a run waits for it"
    if retained > limit:
        return f"{format_size(retained)} > {format_size(limit)} (max_slot_retained), and a run waits for it"
    if to_come is None:
        return ""
    if retained + to_come > limit:
        total = format_size(retained + to_come)
        return f"with the WAL to come {total} > {format_size(limit)} (max_slot_retained), and a run would not end"
    if slot.safe_bytes is not None and to_come > slot.safe_bytes * HEADROOM_SHARE:
        left = format_size(slot.safe_bytes)
        return f"{format_size(to_come)} of WAL to come > {left} left of max_slot_wal_keep_size"
    return ""


def unslotted(facts: PlanFacts) -> Iterator[Finding]:
    """Yield replicas without a slot that an interruption could leave behind for good."""
    wal_bytes = _wal_to_come(facts)
    keep = max(facts.server.wal_keep_bytes, 0)
    if facts.server.unslotted and wal_bytes is not None and wal_bytes > keep + facts.server.max_wal_bytes:
        yield warn(
            "wal-keep",
            f"{listed(facts.server.unslotted)} has no replication slot, and {format_size(wal_bytes)} of WAL are to come"
            f" > {format_size(keep)} (wal_keep_size) + {format_size(facts.server.max_wal_bytes)} (max_wal_size):"
            " a replica that is disconnected for long cannot catch up",
            "give it a slot, raise wal_keep_size, or make sure that it can read the archive",
        )


def checkpoints(facts: PlanFacts) -> Iterator[Finding]:
    """Yield a max_wal_size that the job fills too fast."""
    apart_s = facts.server.max_wal_bytes / 2 / facts.limits.max_wal_rate_bytes_s
    wal_bytes = _wal_to_come(facts)
    if wal_bytes is None or wal_bytes < facts.server.max_wal_bytes:
        return
    if apart_s < min(CHECKPOINT_MIN_S, facts.server.checkpoint_s):
        yield warn(
            "checkpoints",
            f"max_wal_size {format_size(facts.server.max_wal_bytes)} is filled within {format_duration(apart_s)} at"
            f" max_wal_rate {format_rate(facts.limits.max_wal_rate_bytes_s)}: frequent checkpoints multiply"
            " full-page images",
            "raise max_wal_size",
        )


def archiver(facts: PlanFacts) -> Iterator[Finding]:
    """Yield an archiver that fails or is behind."""
    found = facts.signals.archiver
    if found is None:
        return
    if found.failing:
        yield warn(
            "archiver",
            "the archiver's last try failed: a run waits while WAL waits for it",
            "see pg_stat_archiver, and fix archive_command",
        )
    elif found.backlog_bytes > facts.limits.max_archive_backlog_bytes:
        size = format_size(found.backlog_bytes)
        yield warn("archiver", f"archiver backlog {size} > {format_size(facts.limits.max_archive_backlog_bytes)}")


def wal_to_come(facts: PlanFacts) -> Iterator[Finding]:
    """Yield that disks have to have room: the server does not say how much they have."""
    wal_bytes = _wal_to_come(facts)
    if wal_bytes is not None and wal_bytes > facts.server.max_wal_bytes:
        yield warn(
            "disk",
            f"{format_size(wal_bytes)} of WAL are to come, and whatever a slot or the archiver waits for stays in"
            " pg_wal; the server does not say how much room its disk has",
            f"check that the disk of pg_wal has {format_size(wal_bytes)} to spare, on the archive and replicas, too",
        )
