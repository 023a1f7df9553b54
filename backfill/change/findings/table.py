"""Findings about the table itself: its key, its size, its state in the catalog, and who else sees its rows."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, listed, ok, warn
from backfill.values.units import format_size

DEAD_SHARE = 0.2
"""Dead rows that a vacuum should remove before a table is filled."""
DEAD_ROWS_MIN = 1000


def key(facts: PlanFacts) -> Iterator[Finding]:
    """Yield tables without a primary key."""
    without = listed(table.name for table in facts.tables if not table.has_key)
    if without:
        reason = f"no primary key on {without}: samples are shown by row address"
        yield warn("key", reason, "add one, so that a row can be found again")


def size(facts: PlanFacts) -> Iterator[Finding]:
    """Yield how large the table is: a fact to plan with."""
    heap_bytes = sum(table.heap_bytes for table in facts.tables)
    rows = sum(table.live_rows for table in facts.tables)
    yield ok("size", f"{format_size(heap_bytes)} in {len(facts.tables):,} tables, about {rows:,} rows")


def statistics(facts: PlanFacts) -> Iterator[Finding]:
    """Yield tables that were never analysed."""
    never = listed(table.name for table in facts.tables if not table.analysed and table.heap_bytes)
    if never:
        yield warn("statistics", f"never analysed, so the planner guesses: {never}", f"run: ANALYZE {facts.table};")


def bloat(facts: PlanFacts) -> Iterator[Finding]:
    """Yield tables that are full of dead rows."""
    for table in facts.tables:
        if table.dead_rows >= DEAD_ROWS_MIN and table.dead_rows > DEAD_SHARE * (table.live_rows + table.dead_rows):
            rows = f"{table.name} dead rows {table.dead_rows:,} > {DEAD_SHARE:.0%} of {table.live_rows:,} live ones"
            yield warn("bloat", rows, f"run: VACUUM {table.name};")


def unlogged(facts: PlanFacts) -> Iterator[Finding]:
    """Yield tables that are not replicated."""
    names = listed(table.name for table in facts.tables if not table.logged)
    if names:
        yield warn("unlogged", f"unlogged, so that replicas lack its rows and a crash empties it: {names}")


def unproven_constraints(facts: PlanFacts) -> Iterator[Finding]:
    """Yield constraints that hold for new versions of rows before the rows are filled."""
    for table in facts.tables:
        if table.unproven_constraints:
            names = listed(table.unproven_constraints)
            yield warn(
                "not-valid-constraint",
                f"constraint {names} of {table.name} is NOT VALID: an update of a row that breaks it fails,"
                " the application's updates included",
                "drop it, fill the rows, then add and validate it",
            )


def invalid_indexes(facts: PlanFacts) -> Iterator[Finding]:
    """Yield indexes that a CONCURRENTLY left behind."""
    for table in facts.tables:
        for index in table.invalid_indexes:
            reason = f"index {index} of {table.name} is INVALID: every write pays for it, and no query uses it"
            yield warn("invalid-index", reason, f"run: DROP INDEX CONCURRENTLY {index}; and build it again")


def published(facts: PlanFacts) -> Iterator[Finding]:
    """Yield publications that send every filled row to their subscribers."""
    names = listed(name for table in facts.tables for name in table.publications)
    if names:
        reason = f"publication {names} sends every updated row to its subscribers"
        yield warn("publication", reason, "check that they keep up, and that they have the columns")


def subscribed(facts: PlanFacts) -> Iterator[Finding]:
    """Yield subscriptions that write the table, too."""
    names = listed(name for table in facts.tables for name in table.subscriptions)
    if names:
        reason = f"subscription {names} writes this table, too: the publisher's next update of a row undoes its filling"
        yield warn("subscription", reason, "fill the table on the publisher")


def full_identity(facts: PlanFacts) -> Iterator[Finding]:
    """Yield tables whose updates log the whole old row."""
    names = listed(table.name for table in facts.tables if table.full_identity)
    if names:
        reason = f"REPLICA IDENTITY FULL on {names}: each update writes the old row to the WAL, too"
        yield warn("replica-identity", reason, "give it a key as replica identity")
