"""Statements that depend on the job, composed with `psycopg.sql`: pure, golden-tested, EXPLAIN-tested."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier, Literal

from backfill.postgres.statements.fragments import (
    NOTHING,
    expression,
    joined_of,
    key_of,
    name_of,
    object_of,
    range_of,
    residue_of,
    row_of,
    target_of,
)
from backfill.postgres.statements.function_values import FunctionValues
from backfill.postgres.statements.page_profile import compose_shape
from backfill.postgres.statements.predicates import RowPredicates
from backfill.postgres.statements.verification import compose_proof
from backfill.table.definition import Table
from backfill.table.sparse_rows import TIDS_MAX
from backfill.values.identifier import TableName

SKIP_DATABASE_STATS_FROM = 160000


@dataclass(frozen=True, slots=True)
class Statements:
    """What the engine may send for one job on one table.

    `update` is for a stripe of several, `update_rest` for the last one or the only one, `update_rows` for rows whose
    addresses `due` has found. In passes after the
    first the `…_again` forms follow: where the row after the UPDATE can be `foreseen` they leave out rows
    that would match `where` still, which else were met again in every pass; `verify` counts those apart.
    A job with a row function reads its `rows` first; these are None without. `due_of_stripe` finds the rows of a batch
    that was refused, `row_key` and `row_values` tell of one of them: its key, and what it would be set to, where that
    can be asked. Rows that are set aside are `kept` while they match, and each is found by `row_again`. `unforeseen`
    are the same statements for when `set` cannot be asked of every row; None where it is not asked.
    """

    foreseen: bool
    profile: Composed
    scout: Composed
    scout_again: Composed
    due: Composed
    due_again: Composed
    due_of_stripe: Composed
    update: Composed
    update_rest: Composed
    update_rows: Composed
    update_again: Composed
    update_rest_again: Composed
    update_rows_again: Composed
    verify: Composed
    sample_before: Composed
    sample_after: Composed
    row_key: Composed
    row_again: Composed
    kept: Composed
    row_values: Composed | None = None
    mapped: FunctionValues | None = None
    rows: Composed | None = None
    rows_rest: Composed | None = None
    unforeseen: Statements | None = None

    @property
    def no_values(self) -> dict[str, list[str]]:
        """The parameters of a row function's values for no row at all."""
        return {name: [] for name in ("tids", "xmins", *self.mapped.parameters)} if self.mapped else {}


def compose(predicates: RowPredicates, *, stable: bool = True, mapped: FunctionValues | None = None) -> Statements:
    """Return the statements of a job on a table; `stable` is whether `set` gives the same when it is asked again."""
    table = predicates.table
    return Statements(
        foreseen=predicates.foreseen,
        profile=compose_shape(predicates, stable=stable and mapped is None),
        scout=_scout(predicates, again=False),
        scout_again=_scout(predicates, again=True),
        due=_due(predicates, range_of(table), again=False),
        due_again=_due(predicates, range_of(table), again=True),
        due_of_stripe=_due(predicates, _range_and_stripe(predicates), again=False),
        update=_update(predicates, _range_and_stripe(predicates), mapped, again=False),
        update_rest=_update(predicates, range_of(table), mapped, again=False),
        update_rows=_update(predicates, _rows(predicates), mapped, again=False),
        update_again=_update(predicates, _range_and_stripe(predicates), mapped, again=True),
        update_rest_again=_update(predicates, range_of(table), mapped, again=True),
        update_rows_again=_update(predicates, _rows(predicates), mapped, again=True),
        verify=compose_proof(predicates),
        sample_before=_sample_before(predicates),
        sample_after=_sample_after(predicates, mapped),
        row_key=_row_key(predicates),
        row_again=_row_again(predicates),
        kept=_kept(predicates),
        row_values=_row_values(predicates) if stable and mapped is None else None,
        mapped=mapped,
        rows=mapped.rows(table, _reached(predicates, _range_and_stripe(predicates), again=False)) if mapped else None,
        rows_rest=mapped.rows(table, _reached(predicates, range_of(table), again=False)) if mapped else None,
    )


def vacuum_of(table: Table, version: int) -> Composed:
    """Return the VACUUM of the table for a server of this version; it is sent without parameters."""
    options = ["VERBOSE", "SKIP_LOCKED", "INDEX_CLEANUP on", "TRUNCATE off", "PARALLEL 0"]
    options += ["SKIP_DATABASE_STATS"] if version >= SKIP_DATABASE_STATS_FROM else []
    target = Identifier(table.name.schema, table.name.name)
    return SQL("VACUUM ({}) {}").format(SQL(", ").join(map(SQL, options)), target)


def lock_of(table: TableName) -> Composed:
    """Return the LOCK of the table whose leaf a batch is about to update, on the way from above as DDL takes it.

    The UPDATE of a partition locks what is above it by itself, but behind the partition, for its constraint
    (generate_partition_qual in partcache.c): a deadlock with whoever changes the table as a whole.
    """
    return SQL("LOCK TABLE ONLY {} IN ACCESS SHARE MODE").format(Identifier(table.schema, table.name))


def _scout(predicates: RowPredicates, *, again: bool) -> Composed:
    return SQL(
        "SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,\n"
        "(%(stripes)s::smallint[])[1 + ({})] AS stripe, count(*) AS rows\n"
        "FROM {}\nWHERE {} AND {}\nGROUP BY 1, 2"
    ).format(
        residue_of(predicates.table),
        target_of(predicates.table),
        range_of(predicates.table),
        predicates.found(again=again),
    )


def _due(predicates: RowPredicates, which: Composed, *, again: bool) -> Composed:
    # Sorted, as an index on the condition may be what the planner takes; one more than are kept tells that there are.
    return SQL("SELECT {}.ctid::text\nFROM {}\nWHERE {} AND {}\nORDER BY {}.ctid\nLIMIT {}").format(
        row_of(predicates.table),
        target_of(predicates.table),
        which,
        predicates.found(again=again),
        row_of(predicates.table),
        Literal(TIDS_MAX + 1),
    )


def _range_and_stripe(predicates: RowPredicates) -> Composed:
    stripe = SQL("(%(mask)s::bigint >> ({})) & 1 = 1").format(residue_of(predicates.table))
    return SQL("{} AND {}").format(range_of(predicates.table), stripe)


def _rows(predicates: RowPredicates) -> Composed:
    return SQL("{}.ctid = ANY (%(tids)s::tid[])").format(row_of(predicates.table))


def _reached(predicates: RowPredicates, which: Composed, *, again: bool) -> Composed:
    """Return the condition of the rows that a batch updates: `which` of them, and to do."""
    return SQL("{} AND {}").format(which, predicates.fillable(again=again))


def _update(predicates: RowPredicates, which: Composed, mapped: FunctionValues | None, *, again: bool) -> Composed:
    table = predicates.table
    # A key is made for rows that match still and for no others: it costs more than the count.
    return SQL(
        "WITH filled AS (\nUPDATE {} SET {}{}\nWHERE {}{}\n"
        "RETURNING CASE WHEN {} THEN {} END AS unconverged\n)\n"
        "SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,\n"
        "(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples\nFROM filled"
    ).format(
        target_of(table),
        _assignments(predicates, mapped),
        _from(predicates, mapped),
        _guard(predicates, mapped),
        _reached(predicates, which, again=again),
        predicates.updated_still(),
        key_of(table, row_of(table)),
    )


def _sample_before(predicates: RowPredicates) -> Composed:
    table = predicates.table
    return SQL("SELECT ctid::text, {}, {}\nFROM {}\nWHERE {} AND {}\nLIMIT 1").format(
        key_of(table, row_of(table)),
        _values(predicates),
        target_of(table),
        range_of(table),
        predicates.found(again=False),
    )


def _sample_after(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    table = predicates.table
    return SQL("UPDATE {} SET {}{}\nWHERE {}{}.ctid = %(tid)s::tid AND {}\nRETURNING {}").format(
        target_of(table),
        _assignments(predicates, mapped),
        _from(predicates, mapped),
        _guard(predicates, mapped),
        row_of(table),
        predicates.fillable(again=False),
        _values(predicates),
    )


def _row_key(predicates: RowPredicates) -> Composed:
    table = predicates.table
    return SQL("SELECT {}\nFROM {}\nWHERE {}.ctid = %(tid)s::tid").format(
        key_of(table, row_of(table)), target_of(table), row_of(table)
    )


def _row_values(predicates: RowPredicates) -> Composed:
    # Not as the column's type: what a cast to it would cut off is what the column refuses.
    pairs = (
        SQL("{}, {}").format(Literal(one.column.replace("%", "%%")), expression(one.expression))
        for one in predicates.job.assignments
    )
    return SQL(
        "SELECT left(jsonb_build_object({})::text, 500)\nFROM {}{}\nWHERE {}.ctid = %(tid)s::tid AND {}\nLIMIT 1"
    ).format(
        SQL(", ").join(pairs),
        target_of(predicates.table),
        SQL(", {}").format(joined_of(predicates.job.using)) if predicates.job.using else NOTHING,
        row_of(predicates.table),
        predicates.fillable(again=False),
    )


def _row_again(predicates: RowPredicates) -> Composed:
    """Return the read of a row that was set aside, where it is now and while it is to do: by its key if it has one."""
    table, row = predicates.table, row_of(predicates.table)
    which = SQL("{}.ctid = %(tid)s::tid").format(row)
    if table.key:
        # A record of the table's own type reads every type's value as the key's JSON has it.
        which = SQL("({}) = (SELECT {} FROM jsonb_populate_record(NULL::{}, %(key)s::jsonb) AS kept)").format(
            SQL(", ").join(SQL("{}.{}").format(row, name_of(one)) for one in table.key),
            SQL(", ").join(SQL("kept.{}").format(name_of(one)) for one in table.key),
            name_of(table.name.schema, table.name.name),
        )
    return SQL("SELECT {}.ctid::text\nFROM {}\nWHERE {} AND {}").format(
        row, target_of(table), which, predicates.found(again=False)
    )


def _kept(predicates: RowPredicates) -> Composed:
    row = row_of(predicates.table)
    return SQL("SELECT {}.ctid::text\nFROM {}\nWHERE {} AND {}").format(
        row, target_of(predicates.table), _rows(predicates), predicates.left()
    )


def _assignments(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    """Return what stands behind SET."""
    return SQL(", ").join(
        SQL("{} = {}").format(name_of(one.column), (mapped and mapped.value(one.column)) or expression(one.expression))
        for one in predicates.job.assignments
    )


def _from(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    if mapped is not None:
        return SQL("\nFROM {}").format(mapped.source())
    return SQL("\nFROM {}").format(joined_of(predicates.job.using)) if predicates.job.using else NOTHING


def _guard(predicates: RowPredicates, mapped: FunctionValues | None) -> Composed:
    return SQL("{} AND ").format(mapped.unchanged(predicates.table)) if mapped else NOTHING


def _values(predicates: RowPredicates) -> Composed:
    return object_of(tuple(one.column for one in predicates.job.assignments), row_of(predicates.table))
