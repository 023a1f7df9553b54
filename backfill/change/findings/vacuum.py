"""Findings about upkeep: autovacuum, wraparound, and whatever keeps dead rows from being removed."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, listed, stop, warn
from backfill.values.units import format_duration

SNAPSHOT_OLD_S = 60.0
AGE_STOP = 1_600_000_000
"""Transactions at which the server's own emergency vacuum begins (vacuum_failsafe_age)."""
AGE_WARN_SHARE = 1.5
"""Of autovacuum_freeze_max_age: autovacuum should have frozen the table by then, and does not keep up."""


def autovacuum(facts: PlanFacts) -> Iterator[Finding]:
    """Yield that nobody vacuums."""
    if not facts.server.autovacuum or not facts.server.track_counts:
        which = "autovacuum" if not facts.server.autovacuum else "track_counts"
        remedy = f"run: ALTER SYSTEM SET {which} = on; SELECT pg_reload_conf();"
        yield warn("autovacuum", f"{which} is off on this server: no table is vacuumed", remedy)
    off = listed(table.name for table in facts.tables if not table.autovacuum)
    if off:
        yield warn(
            "autovacuum-table",
            f"autovacuum_enabled = off on {off}: what the job leaves behind stays",
            f"run: ALTER TABLE {facts.table} RESET (autovacuum_enabled);",
        )


def rights(facts: PlanFacts) -> Iterator[Finding]:
    """Yield that this role may not vacuum the table."""
    reason = facts.signals.upkeep.vacuum_refusal(facts.table)
    if facts.vacuums and reason is not None:
        yield warn("vacuum-right", f"{reason} (it fills the table without)")


def running(facts: PlanFacts) -> Iterator[Finding]:
    """Yield a vacuum of the table."""
    if facts.signals.upkeep.vacuum is not None:
        yield warn("vacuum-running", "the table is vacuumed to prevent wraparound: a run waits until that is done")
    elif facts.signals.upkeep.vacuumed_by is not None:
        yield warn("vacuum-running", f"the table is being vacuumed by {facts.signals.upkeep.vacuumed_by}")


def wraparound(facts: PlanFacts) -> Iterator[Finding]:
    """Yield a database or a table whose transaction ids run out."""
    ages = [("this database", facts.server.database_age)]
    ages += [(table.name, table.frozen_age) for table in facts.tables]
    what, age = max(ages, key=lambda pair: pair[1])
    limit = round(AGE_WARN_SHARE * facts.server.freeze_max_age)
    if age > AGE_STOP:
        reason = f"{what} age {age:,} > {AGE_STOP:,} transactions: the server stops taking writes at 2.1 billion"
        yield stop("wraparound", reason, "let autovacuum freeze it first: VACUUM (FREEZE), and end what holds it back")
    elif age > limit:
        reason = f"{what} age {age:,} > {limit:,} transactions: autovacuum does not keep up"
        yield warn("wraparound", reason, "vacuum it before a job writes more")


def snapshots(facts: PlanFacts) -> Iterator[Finding]:
    """Yield an old snapshot that keeps dead rows."""
    upkeep = facts.signals.upkeep
    if upkeep.oldest_snapshot_s is not None and upkeep.oldest_snapshot_s > SNAPSHOT_OLD_S:
        age = format_duration(upkeep.oldest_snapshot_s)
        whose = f" ({upkeep.oldest_snapshot})" if upkeep.oldest_snapshot else ""
        yield warn(
            "old-snapshot",
            f"a transaction of {age} holds a snapshot{whose}: while it lives, no update can reuse a page's space",
            "end it before the run",
        )


def prepared(facts: PlanFacts) -> Iterator[Finding]:
    """Yield prepared transactions: they hold locks and dead rows until somebody ends them."""
    for transaction in facts.server.prepared:
        age = format_duration(transaction.age_s)
        reason = f"prepared transaction '{transaction.gid}' of {transaction.owner} is open for {age}"
        remedy = f"run: COMMIT PREPARED or ROLLBACK PREPARED '{transaction.gid}';"
        if transaction.blocks:
            yield stop("prepared-transaction", f"{reason} and locks {facts.table}: no batch can update it", remedy)
        else:
            yield warn("prepared-transaction", f"{reason}: it keeps dead rows and its locks", remedy)
