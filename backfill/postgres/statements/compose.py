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
    shape: Composed
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


def compose(matching: RowPredicates, *, stable: bool = True, mapped: FunctionValues | None = None) -> Statements:
    """Return the statements of a job on a table; `stable` is whether `set` gives the same when it is asked again."""
    table = matching.table
    return Statements(
        foreseen=matching.foreseen,
        shape=compose_shape(matching, stable=stable and mapped is None),
        scout=_scout(matching, again=False),
        scout_again=_scout(matching, again=True),
        due=_due(matching, range_of(table), again=False),
        due_again=_due(matching, range_of(table), again=True),
        due_of_stripe=_due(matching, _range_and_stripe(matching), again=False),
        update=_update(matching, _range_and_stripe(matching), mapped, again=False),
        update_rest=_update(matching, range_of(table), mapped, again=False),
        update_rows=_update(matching, _rows(matching), mapped, again=False),
        update_again=_update(matching, _range_and_stripe(matching), mapped, again=True),
        update_rest_again=_update(matching, range_of(table), mapped, again=True),
        update_rows_again=_update(matching, _rows(matching), mapped, again=True),
        verify=compose_proof(matching),
        sample_before=_sample_before(matching),
        sample_after=_sample_after(matching, mapped),
        row_key=_row_key(matching),
        row_again=_row_again(matching),
        kept=_kept(matching),
        row_values=_row_values(matching) if stable and mapped is None else None,
        mapped=mapped,
        rows=mapped.rows(table, _reached(matching, _range_and_stripe(matching), again=False)) if mapped else None,
        rows_rest=mapped.rows(table, _reached(matching, range_of(table), again=False)) if mapped else None,
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


def _scout(matching: RowPredicates, *, again: bool) -> Composed:
    return SQL(
        "SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,\n"
        "(%(stripes)s::smallint[])[1 + ({})] AS stripe, count(*) AS rows\n"
        "FROM {}\nWHERE {} AND {}\nGROUP BY 1, 2"
    ).format(
        residue_of(matching.table), target_of(matching.table), range_of(matching.table), matching.found(again=again)
    )


def _due(matching: RowPredicates, which: Composed, *, again: bool) -> Composed:
    # Sorted, as an index on the condition may be what the planner takes; one more than are kept tells that there are.
    return SQL("SELECT {}.ctid::text\nFROM {}\nWHERE {} AND {}\nORDER BY {}.ctid\nLIMIT {}").format(
        row_of(matching.table),
        target_of(matching.table),
        which,
        matching.found(again=again),
        row_of(matching.table),
        Literal(TIDS_MAX + 1),
    )


def _range_and_stripe(matching: RowPredicates) -> Composed:
    stripe = SQL("(%(mask)s::bigint >> ({})) & 1 = 1").format(residue_of(matching.table))
    return SQL("{} AND {}").format(range_of(matching.table), stripe)


def _rows(matching: RowPredicates) -> Composed:
    return SQL("{}.ctid = ANY (%(tids)s::tid[])").format(row_of(matching.table))


def _reached(matching: RowPredicates, which: Composed, *, again: bool) -> Composed:
    """Return the condition of the rows that a batch updates: `which` of them, and to do."""
    return SQL("{} AND {}").format(which, matching.fillable(again=again))


def _update(matching: RowPredicates, which: Composed, mapped: FunctionValues | None, *, again: bool) -> Composed:
    table = matching.table
    # A key is made for rows that match still and for no others: it costs more than the count.
    return SQL(
        "WITH filled AS (\nUPDATE {} SET {}{}\nWHERE {}{}\n"
        "RETURNING CASE WHEN {} THEN {} END AS unconverged\n)\n"
        "SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,\n"
        "(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples\nFROM filled"
    ).format(
        target_of(table),
        _assignments(matching, mapped),
        _from(matching, mapped),
        _guard(matching, mapped),
        _reached(matching, which, again=again),
        matching.updated_still(),
        key_of(table, row_of(table)),
    )


def _sample_before(matching: RowPredicates) -> Composed:
    table = matching.table
    return SQL("SELECT ctid::text, {}, {}\nFROM {}\nWHERE {} AND {}\nLIMIT 1").format(
        key_of(table, row_of(table)),
        _values(matching),
        target_of(table),
        range_of(table),
        matching.found(again=False),
    )


def _sample_after(matching: RowPredicates, mapped: FunctionValues | None) -> Composed:
    table = matching.table
    return SQL("UPDATE {} SET {}{}\nWHERE {}{}.ctid = %(tid)s::tid AND {}\nRETURNING {}").format(
        target_of(table),
        _assignments(matching, mapped),
        _from(matching, mapped),
        _guard(matching, mapped),
        row_of(table),
        matching.fillable(again=False),
        _values(matching),
    )


def _row_key(matching: RowPredicates) -> Composed:
    table = matching.table
    return SQL("SELECT {}\nFROM {}\nWHERE {}.ctid = %(tid)s::tid").format(
        key_of(table, row_of(table)), target_of(table), row_of(table)
    )


def _row_values(matching: RowPredicates) -> Composed:
    # Not as the column's type: what a cast to it would cut off is what the column refuses.
    pairs = (
        SQL("{}, {}").format(Literal(one.column.replace("%", "%%")), expression(one.expression))
        for one in matching.job.assignments
    )
    return SQL(
        "SELECT left(jsonb_build_object({})::text, 500)\nFROM {}{}\nWHERE {}.ctid = %(tid)s::tid AND {}\nLIMIT 1"
    ).format(
        SQL(", ").join(pairs),
        target_of(matching.table),
        SQL(", {}").format(joined_of(matching.job.using)) if matching.job.using else NOTHING,
        row_of(matching.table),
        matching.fillable(again=False),
    )


def _row_again(matching: RowPredicates) -> Composed:
    """Return the read of a row that was set aside, where it is now and while it is to do: by its key if it has one."""
    table, row = matching.table, row_of(matching.table)
    which = SQL("{}.ctid = %(tid)s::tid").format(row)
    if table.key:
        # A record of the table's own type reads every type's value as the key's JSON has it.
        which = SQL("({}) = (SELECT {} FROM jsonb_populate_record(NULL::{}, %(key)s::jsonb) AS kept)").format(
            SQL(", ").join(SQL("{}.{}").format(row, name_of(one)) for one in table.key),
            SQL(", ").join(SQL("kept.{}").format(name_of(one)) for one in table.key),
            name_of(table.name.schema, table.name.name),
        )
    return SQL("SELECT {}.ctid::text\nFROM {}\nWHERE {} AND {}").format(
        row, target_of(table), which, matching.found(again=False)
    )


def _kept(matching: RowPredicates) -> Composed:
    row = row_of(matching.table)
    return SQL("SELECT {}.ctid::text\nFROM {}\nWHERE {} AND {}").format(
        row, target_of(matching.table), _rows(matching), matching.left()
    )


def _assignments(matching: RowPredicates, mapped: FunctionValues | None) -> Composed:
    """Return what stands behind SET."""
    return SQL(", ").join(
        SQL("{} = {}").format(name_of(one.column), (mapped and mapped.value(one.column)) or expression(one.expression))
        for one in matching.job.assignments
    )


def _from(matching: RowPredicates, mapped: FunctionValues | None) -> Composed:
    if mapped is not None:
        return SQL("\nFROM {}").format(mapped.source())
    return SQL("\nFROM {}").format(joined_of(matching.job.using)) if matching.job.using else NOTHING


def _guard(matching: RowPredicates, mapped: FunctionValues | None) -> Composed:
    return SQL("{} AND ").format(mapped.unchanged(matching.table)) if mapped else NOTHING


def _values(matching: RowPredicates) -> Composed:
    return object_of(tuple(one.column for one in matching.job.assignments), row_of(matching.table))
