"""Which rows a job is about, as conditions inside its statements: to do, with a partner, matching still afterwards.

A row that is joined with another table (`using`) is to do when it has a partner with which `on` and `where` hold. A
read asks that by EXISTS, so that a row counts once, however many partners it has; an UPDATE joins, and takes a row
with several partners once, with any of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import SQL, Composed

from backfill.jobfile.job import Job
from backfill.postgres.statements.fragments import (
    NOTHING,
    cast_of,
    expression,
    joined_of,
    name_of,
    row_of,
    target_of,
    verbatim,
)
from backfill.table.definition import Table


@dataclass(frozen=True, slots=True)
class RowPredicates:
    """A job's conditions over one table, and what the server said of its `where`.

    `alone`: it can be asked of the table's rows without the joined table, so a row without a partner may match.
    `foreseen`: it can be asked of the row as the UPDATE would leave it (see `Table.foreseeable`).
    `once`: a row that one of our transactions left matching is not updated again (`xids`).
    """

    job: Job
    table: Table
    foreseen: bool
    alone: bool = True
    once: bool = False

    def fillable(self, *, again: bool) -> Composed:
        """Return the condition of an UPDATE; `again`: after a pass over all rows, only rows that it would fix."""
        if not (again and self.foreseen):
            return self._untouched(self._holds())
        still = self.still_matches()
        if self.job.using is not None:
            # Naming the row keeps the server from asking this of a partner by itself, which `set` may not bear.
            still = SQL("CASE WHEN {}.ctid OPERATOR(pg_catalog.>=) '(0,0)'::pg_catalog.tid THEN {} END").format(
                row_of(self.table), still
            )
        return self._untouched(SQL("{} AND {} IS NOT TRUE").format(self._holds(), still))

    def found(self, *, again: bool) -> Composed:
        """Return the same as the condition of a row by itself, for reads."""
        return self._partnered(self.fillable(again=again))

    def left(self) -> Composed:
        """Return the condition of a row that is still to do, whether or not an UPDATE reaches it."""
        return expression(self.job.where) if self.alone else self._partnered(self._holds())

    @property
    def counts_unconverged(self) -> bool:
        """Whether a read can find the rows that no further UPDATE would fix."""
        return self.foreseen or self.once

    def matching(self) -> Composed:
        """Return the condition of a row, with a partner that an UPDATE joins, that is to do."""
        return self._holds()

    def partnered(self) -> Composed:
        """Return the condition of a row that is to do and has a partner."""
        return self._partnered(self._holds())

    def ours(self) -> Composed:
        """Return the condition of a row that one of our transactions left matching."""
        return SQL("{}.xmin OPERATOR(pg_catalog.=) ANY ({})").format(row_of(self.table), cast_of("xids", "xid[]"))

    def updated_still(self) -> Composed:
        """Return, for RETURNING, whether the updated row matches still.

        With the partner that it was updated from where that is enough: where a later pass does not trust it.
        """
        if self.alone or self.foreseen:
            return expression(self.job.where)
        return self._partnered(self._holds())

    def still_matches(self) -> Composed:
        """Return whether the row as the UPDATE would leave it is to do still, to be used inside a statement.

        The inner select has no FROM: its columns are the outer row's, its output the row with `set` applied.
        """
        asked = expression(self.job.where) if self.alone else self._partnered(self._holds())
        return SQL("(SELECT {} FROM (SELECT {}) AS {})").format(asked, self._row_after(), row_of(self.table))

    def foreseeing(self) -> Composed:
        """Return a select that the server accepts when `still_matches` can be trusted.

        Its `where` sees the row after the UPDATE alone. Inside a statement on the table it would also see the row
        before, by `ctid`, `xmin` or the table's name with its schema, and take that for the row after.
        """
        partner = NOTHING if self.alone else self._and_joined()
        return SQL("SELECT FROM (SELECT {} FROM {}{}) AS {}{} WHERE {}").format(
            self._row_after(),
            target_of(self.table),
            self._and_joined(),
            row_of(self.table),
            partner,
            expression(self.job.where) if self.alone else self._holds(),
        )

    def partnering(self) -> Composed:
        """Return a select from which the server leaves the join out when no row can have two partners."""
        assert self.job.using is not None, "no table is joined"
        return SQL("SELECT FROM {} LEFT JOIN {} ON {}").format(
            target_of(self.table), joined_of(self.job.using), self._holds()
        )

    def _untouched(self, condition: Composed) -> Composed:
        return SQL("{} AND NOT {}").format(condition, self.ours()) if self.once else condition

    def _holds(self) -> Composed:
        where = expression(self.job.where)
        return SQL("{} AND {}").format(expression(self.job.using.on), where) if self.job.using else where

    def _partnered(self, condition: Composed) -> Composed:
        if self.job.using is None:
            return condition
        return SQL("EXISTS (SELECT FROM {} WHERE {})").format(joined_of(self.job.using), condition)

    def _and_joined(self) -> Composed:
        return SQL(", {}").format(joined_of(self.job.using)) if self.job.using else NOTHING

    def _row_after(self) -> Composed:
        assigned = {assignment.column: assignment.expression for assignment in self.job.assignments}
        return SQL(", ").join(
            SQL("{}::{} AS {}").format(expression(assigned[column.name]), verbatim(column.type), name_of(column.name))
            if column.name in assigned
            else SQL("{}.{}").format(row_of(self.table), name_of(column.name))
            for column in self.table.columns
        )
