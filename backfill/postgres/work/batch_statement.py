"""A batch as it is asked for: its session, its statements, its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg.sql import Composed

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.batch_parameters import Pass, Scope, range_of, scope_of, untried
from backfill.postgres.statements.compose import Statements
from backfill.table.batch import BatchRequest
from backfill.table.checkpoint import Checkpoint
from backfill.table.definition import Table
from backfill.table.row_counts import BatchRange
from backfill.table.unconverged_xids import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatement:
    """An order on a session. `charge` returns what it wrote, by the position behind it; `values` are a function's.

    `table_at` and `where_at` are positions in the job file. Rows of `xids` are not updated again. `returning` is
    whether RETURNING is known to see what `where` sees of the rows that were updated.
    """

    connection: Connection
    statements: Statements
    job: Job
    table: Table
    request: BatchRequest
    charge: Callable[[int], int]
    values: dict[str, Any]
    table_at: str
    where_at: str
    xids: tuple[int, ...]
    returning: bool | None

    @property
    def checkpoint(self) -> Checkpoint:
        """The place before it."""
        return self.request.checkpoint

    @property
    def batch_range(self) -> BatchRange:
        """Its rows."""
        return self.request.batch_range

    @property
    def update(self) -> Composed:
        """Its UPDATE; a row that is tried again is updated whatever an earlier pass made of it."""
        first = untried(self.checkpoint) or self.request.again is not None
        return self.statements.update[self.scope, Pass.FIRST if first else Pass.LATER]

    @property
    def scope(self) -> Scope:
        """Which rows of its range are its own."""
        return Scope.ADDRESSES if self.batch_range.tids else scope_of(self.checkpoint)

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of its UPDATE; those of a function name the rows that it has values for."""
        return range_of(self.checkpoint, self.batch_range) | self.values | {"xids": parameter(self.xids)}
