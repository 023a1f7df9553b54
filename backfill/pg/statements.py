"""Statements that depend on the job, composed with `psycopg.sql`: pure, golden-tested, EXPLAIN-tested.

The job's expressions are SQL by contract and stand between line breaks inside parentheses, so that a comment in
them cannot swallow ours. Everything else is an identifier or a parameter. Addresses are `ctid >= low AND
ctid < high` against the table itself: a Tid Range Scan since PostgreSQL 14, in generic plans too.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Identifier, Literal

from backfill.core.job import Job
from backfill.core.table import Table

_WHERE_RANGE = SQL("ctid >= %(low)s::tid AND ctid < %(high)s::tid")
_RESIDUE = SQL("get_byte(tidsend(ctid), 5) & 63")
"""A row's line pointer modulo 64: the last byte of its address as PostgreSQL sends it."""


@dataclass(frozen=True, slots=True)
class Statements:
    """What the engine may send for one job on one table.

    `update` is for a stripe of several, `update_rest` for the last one or the only one. In passes after the
    first the `…_again` forms follow: where the row after the UPDATE can be `foreseen` they leave out rows
    that would match `where` still, which else were met again in every pass; `verify` counts those apart.
    """

    foreseen: bool
    shape: Composed
    scout: Composed
    scout_again: Composed
    update: Composed
    update_rest: Composed
    update_again: Composed
    update_rest_again: Composed
    verify: Composed
    sample_before: Composed
    sample_after: Composed


def compose(job: Job, table: Table, *, foreseen: bool, stable: bool = True) -> Statements:
    """Return the statements; `foreseen` says whether `still_matches` may be trusted (see `Table.foreseeable`).

    Only where the `set` expressions are `stable` does a look at a table's shape evaluate them.
    """
    where = expression(job.where)
    left = SQL("{} AND {} IS NOT TRUE").format(where, still_matches(job, table)) if foreseen else where
    striped = SQL("(%(mask)s::bigint >> ({})) & 1 = 1").format(_RESIDUE)
    return Statements(
        foreseen=foreseen,
        shape=_shape(job, table, where, stable=stable),
        scout=_scout(table, where),
        scout_again=_scout(table, left),
        update=_update(job, table, SQL("{} AND {}").format(striped, where)),
        update_rest=_update(job, table, where),
        update_again=_update(job, table, SQL("{} AND {}").format(striped, left)),
        update_rest_again=_update(job, table, left),
        verify=_verify(job, table, foreseen=foreseen),
        sample_before=_sample_before(job, table, where),
        sample_after=_sample_after(job, table),
    )


def expression(text: str) -> Composed:
    """Return a job's expression in parentheses of its own lines."""
    return SQL("(\n{}\n)").format(_verbatim(text))


def still_matches(job: Job, table: Table) -> Composed:
    """Return `where` over the row as the UPDATE would leave it, to be used inside a statement on the table.

    The inner select has no FROM: its columns are the outer row's, its output the row with `set` applied.
    """
    after = _row_after(job, table)
    return SQL("(SELECT {} FROM (SELECT {}) AS {})").format(expression(job.where), after, name_of(table.name.name))


def foreseeing(job: Job, table: Table) -> Composed:
    """Return a select that the server accepts when `still_matches` can be trusted.

    Its `where` sees the row after the UPDATE alone. Inside a statement on the table it would also see the row
    before, by `ctid`, `xmin` or the table's name with its schema, and take that for the row after.
    """
    after, name = _row_after(job, table), name_of(table.name.name)
    return SQL("SELECT FROM (SELECT {} FROM {}) AS {} WHERE {}").format(
        after, target_of(table), name, expression(job.where)
    )


def _row_after(job: Job, table: Table) -> Composed:
    assigned = {one.column: one.expression for one in job.assignments}
    return SQL(", ").join(
        SQL("{}::{} AS {}").format(expression(assigned[column.name]), _verbatim(column.type), name_of(column.name))
        if column.name in assigned
        else name_of(table.name.name, column.name)
        for column in table.columns
    )


def _verbatim(text: str) -> SQL:
    """Return text that is SQL already; `%` is doubled because all our statements have parameters."""
    return SQL(text.replace("%", "%%"))


def name_of(*parts: str) -> Identifier:
    """Return a quoted identifier, `%` doubled as in all our text."""
    return Identifier(*(part.replace("%", "%%") for part in parts))


def _text(value: str) -> Literal:
    return Literal(value.replace("%", "%%"))


def target_of(table: Table) -> Composed:
    """Return the table alone, without tables that inherit from it."""
    return SQL("ONLY {}").format(name_of(table.name.schema, table.name.name))


def _set(job: Job) -> Composed:
    return SQL(", ").join(
        SQL("{} = {}").format(name_of(one.column), expression(one.expression)) for one in job.assignments
    )


def _key(table: Table) -> Composed:
    if not table.key:
        return SQL("ctid::text").format()
    parts = (SQL("{}, {}").format(_text(name), name_of(name)) for name in table.key)
    return SQL("jsonb_build_object({})::text").format(SQL(", ").join(parts))


def _scout(table: Table, matching: Composed) -> Composed:
    return SQL(
        "SELECT width_bucket(ctid, %(bounds)s::tid[]) - 1 AS slice,\n"
        "(%(stripes)s::smallint[])[1 + ({})] AS stripe, count(*) AS rows\n"
        "FROM {}\nWHERE {} AND {}\nGROUP BY 1, 2"
    ).format(_RESIDUE, target_of(table), _WHERE_RANGE, matching)


def _shape(job: Job, table: Table, where: Composed, *, stable: bool) -> Composed:
    """Return how rows fill their pages, and what an UPDATE adds to one; values above 2 kB lie in TOAST."""
    stored = SQL(" + ").join(
        SQL("CASE WHEN pg_column_size({one}) > 2000 THEN 18 ELSE coalesce(pg_column_size({one}), 0) END").format(
            one=name_of(table.name.name, column.name)
        )
        for column in table.columns
    )
    grown = SQL("NULL::bigint").format()
    if stable:
        types = {column.name: column.type for column in table.columns}
        pairs = [
            SQL("least(pg_column_size(ROW({}::{})), 2000) - least(pg_column_size(ROW({})), 2000)").format(
                expression(one.expression), _verbatim(types[one.column]), name_of(table.name.name, one.column)
            )
            for one in job.assignments
        ]
        grown = SQL("avg({}) FILTER (WHERE {})").format(SQL(" + ").join(pairs), where)
    return SQL(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE {where}) AS due,\n"
        "avg(24 + {stored}) AS row_bytes,\n{grown} AS grown_bytes\n"
        "FROM {target}\nWHERE {range}"
    ).format(where=where, stored=stored, grown=grown, target=target_of(table), range=_WHERE_RANGE)


def _update(job: Job, table: Table, matching: Composed) -> Composed:
    # A key is made for rows that match still and for no others: it costs more than the count.
    return SQL(
        "WITH filled AS (\nUPDATE {} SET {}\nWHERE {} AND {}\nRETURNING CASE WHEN {} THEN {} END AS unconverged\n)\n"
        "SELECT count(*) AS rows, count(unconverged) AS rows_unconverged,\n"
        "(array_agg(unconverged) FILTER (WHERE unconverged IS NOT NULL))[:5] AS samples\nFROM filled"
    ).format(target_of(table), _set(job), _WHERE_RANGE, matching, expression(job.where), _key(table))


def _verify(job: Job, table: Table, *, foreseen: bool) -> Composed:
    # Samples are looked up by address: an array of all keys would not fit memory where millions of rows are left.
    stuck = SQL("{} IS TRUE").format(still_matches(job, table)) if foreseen else SQL("NULL").format()
    return SQL(
        "SELECT found.rows_left, found.rows_unconverged,\n"
        "ARRAY(SELECT {key} FROM {target} AS sampled WHERE sampled.ctid = ANY (found.tids) LIMIT 5) AS samples\n"
        "FROM (\n"
        "SELECT coalesce(sum(rows), 0)::bigint AS rows_left, coalesce(sum(stuck), 0)::bigint AS rows_unconverged,\n"
        "array_agg(tid) AS tids\n"
        "FROM (\n"
        "SELECT count(*) AS rows, count(*) FILTER (WHERE {stuck}) AS stuck, min(ctid) AS tid\n"
        "FROM {target}\nWHERE {where}\nGROUP BY hashtid(ctid) & 7\n"
        ") AS parts\n) AS found"
    ).format(stuck=stuck, key=_key(table), target=target_of(table), where=expression(job.where))


def _sample_before(job: Job, table: Table, where: Composed) -> Composed:
    return SQL("SELECT ctid::text, {}, {}\nFROM {}\nWHERE {} AND {}\nLIMIT 1").format(
        _key(table), _values(job), target_of(table), _WHERE_RANGE, where
    )


def _sample_after(job: Job, table: Table) -> Composed:
    return SQL("UPDATE {} SET {}\nWHERE ctid = %(tid)s::tid\nRETURNING {}").format(
        target_of(table), _set(job), _values(job)
    )


def _values(job: Job) -> Composed:
    pairs = (SQL("{}, {}").format(_text(one.column), name_of(one.column)) for one in job.assignments)
    return SQL("jsonb_build_object({})::text").format(SQL(", ").join(pairs))
