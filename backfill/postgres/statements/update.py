"""The UPDATE of a batch, and of one row as a sample."""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from backfill.postgres.statements.fragments import (
    NOTHING,
    address_of,
    columns_of,
    expression,
    joined_of,
    key_of,
    name_of,
    range_of,
    row_of,
    target_of,
)
from backfill.postgres.statements.function_values import FunctionValues
from backfill.postgres.statements.predicates import RowPredicates


def compose_update(
    predicates: RowPredicates, which: Composed, mapped: FunctionValues | None, *, again: bool
) -> Composed:
    """Return the UPDATE of a batch, which counts its rows and those that match `where` still, and names five of these.

    A key is made for rows that match still and for no others: it costs more than the count.
    """
    table = predicates.table
    return SQL(
        "WITH filled AS (\nUPDATE {target} SET {assignments}{source}\nWHERE {guard}{which} AND {fillable}\n"
        "RETURNING CASE WHEN {still} THEN {key} END AS unconverged, {row}.ctid AS tid\n)\n"
        "SELECT pg_catalog.count(*) AS rows, pg_catalog.count(unconverged) AS rows_unconverged,\n"
        "(pg_catalog.array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples,\n"
        "pg_catalog.array_agg(tid::pg_catalog.text) FILTER (WHERE unconverged IS NOT NULL) AS tids\nFROM filled"
    ).format(
        target=target_of(table),
        assignments=_assignments(predicates, mapped),
        source=_source(predicates, mapped),
        guard=_guard(predicates, mapped),
        which=which,
        fillable=predicates.fillable(again=again),
        still=predicates.updated_still(),
        key=key_of(table, row_of(table)),
        row=row_of(table),
    )


def compose_update_alone(predicates: RowPredicates, which: Composed, mapped: FunctionValues | None) -> Composed:
    """Return the UPDATE of a batch as the job means it: nothing is asked of the rows that it leaves."""
    return SQL("UPDATE {} SET {}{}\nWHERE {}{} AND {}").format(
        target_of(predicates.table),
        _assignments(predicates, mapped),
        _source(predicates, mapped),
        _guard(predicates, mapped),
        which,
        predicates.matching(),
    )


def compose_sample_before(predicates: RowPredicates) -> Composed:
    """Return the read of one row of a range: its address, its key, the columns that are set."""
    table = predicates.table
    return SQL("SELECT {}.ctid::pg_catalog.text, {}, {}\nFROM {}\nWHERE {} AND {}\nLIMIT 1").format(
        row_of(table),
        key_of(table, row_of(table)),
        _values(predicates),
        target_of(table),
        range_of(table),
        predicates.partnered(),
    )


def compose_sample_after(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    """Return the UPDATE of that row, which returns the columns as they are then."""
    table = predicates.table
    return SQL("UPDATE {} SET {}{}\nWHERE {}{} AND {}\nRETURNING {}").format(
        target_of(table),
        _assignments(predicates, mapped),
        _source(predicates, mapped),
        _guard(predicates, mapped),
        address_of(predicates.table),
        predicates.matching(),
        _values(predicates),
    )


def compose_indexed_before(predicates: RowPredicates) -> Composed:
    """Return the read of one row of a range: its address, and its indexed columns as texts."""
    table = predicates.table
    return SQL("SELECT {}.ctid::pg_catalog.text, {}\nFROM {}\nWHERE {} AND {}\nLIMIT 1").format(
        row_of(table), _indexed(predicates), target_of(table), range_of(table), predicates.partnered()
    )


def compose_indexed_after(predicates: RowPredicates) -> Composed:
    """Return the UPDATE of that row, which returns these columns as they are then."""
    return SQL("UPDATE {} SET {}{}\nWHERE {} AND {}\nRETURNING {}").format(
        target_of(predicates.table),
        _assignments(predicates, None),
        _source(predicates, None),
        address_of(predicates.table),
        predicates.matching(),
        _indexed(predicates),
    )


def _indexed(predicates: RowPredicates) -> Composed:
    return SQL(", ").join(
        SQL("{}.{}::pg_catalog.text").format(row_of(predicates.table), name_of(column.name))
        for column in predicates.table.columns_indexed
    )


def _assignments(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    """Return what stands behind SET."""
    return SQL(", ").join(
        SQL("{} = {}").format(
            name_of(assignment.column),
            (mapped and mapped.value(assignment.column)) or expression(assignment.expression),
        )
        for assignment in predicates.job.assignments
    )


def _source(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    if mapped is not None:
        return SQL("\nFROM {}").format(mapped.source())
    return SQL("\nFROM {}").format(joined_of(predicates.job.using)) if predicates.job.using else NOTHING


def _guard(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    return SQL("{} AND ").format(mapped.unchanged(predicates.table)) if mapped else NOTHING


def _values(predicates: RowPredicates) -> Composed:
    return columns_of(tuple(assignment.column for assignment in predicates.job.assignments), row_of(predicates.table))
