"""Findings about what `set` and `where` give: rows that cannot converge, volatile functions, joins. By measurement."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.change.findings.facts import PlanFacts
from backfill.change.findings.finding import Finding, stop, warn


def convergence(facts: PlanFacts) -> Iterator[Finding]:
    """Yield rows that match `where` after their update as before it."""
    measured = facts.measured
    if measured is None:
        return
    if not measured.rows:
        yield warn("where", f"whether 'where' turns false is unknown: not measured, {measured.unmeasured}")
    elif not measured.rows_unconverged:
        return
    elif measured.rows_unconverged == measured.rows:
        yield stop(
            "where",
            "'where' stays true for every row of the measured batch: a run would roll back such a first batch",
            "make 'where' false for a row that is set",
        )
    else:
        yield warn(
            "where",
            f"'where' stays true for {measured.rows_unconverged:,} of {measured.rows:,} measured rows:"
            " they cannot converge",
            "exclude them in 'where'",
        )


def prediction(facts: PlanFacts) -> Iterator[Finding]:
    """Yield that nobody knows before an update whether it helps."""
    if facts.measured is not None and not facts.measured.predicted:
        yield warn("prediction", "which rows cannot converge is not foreseen: they are updated once in every pass")


def volatile(facts: PlanFacts) -> Iterator[Finding]:
    """Yield functions that give another value each time."""
    if facts.measured is None:
        return
    within = "; in a sub-select, one value for each batch" if facts.measured.one_value else ""
    for name in facts.measured.volatile:
        yield warn("volatile", f"{name}() is volatile: it gives another value for each row and each run{within}")


def joins(facts: PlanFacts) -> Iterator[Finding]:
    """Yield tables that are read whole for each batch, and partners that are not unique."""
    if facts.measured is None:
        return
    for table, rows in facts.measured.read_whole:
        reason = f"{table} is read whole for each batch, about {rows:,} rows: no index serves it"
        yield warn("read-whole", reason, f"create an index on {table} for the condition")
    if facts.measured.several_partners is not None:
        table = facts.measured.several_partners
        yield warn(
            "several-partners",
            f"no unique index shows that a row has one partner in {table}: of several, any one gives the values",
        )


def settings(facts: PlanFacts) -> Iterator[Finding]:
    """Yield settings of the role that a run does without."""
    if facts.measured is not None and facts.measured.enabled_settings:
        names = ", ".join(facts.measured.enabled_settings)
        yield warn(
            "role-settings",
            f"this role has {names}, with which each batch could read the whole table: a run works without",
        )


def state(facts: PlanFacts) -> Iterator[Finding]:
    """Yield that a run could not keep its state."""
    if facts.measured is not None and facts.measured.state_missing:
        yield stop(
            "state-schema",
            "schema backfill is missing and this role may not create it",
            "see backfill init --print",
        )
