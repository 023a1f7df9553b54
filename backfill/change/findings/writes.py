"""Findings about what an update of one row costs: indexes, triggers, foreign keys."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, listed, warn


def indexed_targets(facts: PlanFacts) -> Iterator[Finding]:
    """Yield indexes that make every update a new index entry."""
    names = listed(name for table in facts.tables for name in table.target_indexes)
    if names:
        yield warn(
            "indexed-target",
            f"index {names} holds a column that is set: no update can be HOT, every index is written for every row",
            "fill first, then build the index",
        )


def touched_indexes(facts: PlanFacts) -> Iterator[Finding]:
    """Yield indexed columns that a trigger changes."""
    if facts.measured is not None and facts.measured.touched:
        columns = listed(facts.measured.touched)
        yield warn(
            "indexed-by-trigger",
            f"a BEFORE UPDATE trigger changes {columns}, which an index has: no update can be HOT",
            "drop that index while the job runs, or let the trigger skip such updates",
        )


def before_triggers(facts: PlanFacts) -> Iterator[Finding]:
    """Yield triggers that may change every row."""
    names = listed(name for table in facts.tables for name in table.before_triggers)
    if names:
        yield warn("before-trigger", f"BEFORE UPDATE triggers run for every row and may change it: {names}")


def after_triggers(facts: PlanFacts) -> Iterator[Finding]:
    """Yield triggers whose work is done for every row."""
    names = listed(name for table in facts.tables for name in table.after_triggers)
    if names:
        yield warn(
            "after-trigger",
            f"AFTER UPDATE triggers run for every row: {names}",
            "check what they write; a WHEN clause saves the call",
        )


def references(facts: PlanFacts) -> Iterator[Finding]:
    """Yield foreign keys that lock a row of another table for every row."""
    names = listed(name for table in facts.tables for name in table.references)
    if names:
        yield warn(
            "foreign-key",
            f"foreign key {names} is checked for every row: its update locks the referenced row against deletion",
        )


def referenced(facts: PlanFacts) -> Iterator[Finding]:
    """Yield foreign keys of others to a column that is set, which look for their rows."""
    for table in facts.tables:
        for other in table.referenced_by:
            how = "by its index" if other.indexed else "by reading it whole: it has no index for that"
            yield warn(
                "referenced",
                f"foreign key {other.name} of {other.table} refers to a column that is set: each change of a value"
                f" looks there, {how}",
                "" if other.indexed else f"create an index on {other.table} for it first",
            )
