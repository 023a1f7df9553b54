"""The statements of a job as `backfill plan` prints them: each under a line that says what it is for."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.sql import Composed

from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements

_UPDATES = {
    (Scope.STRIPE, Pass.FIRST): "a batch: one stripe of a page range, in one transaction with its checkpoint",
    (Scope.LAST_STRIPE, Pass.FIRST): "a batch of a window's last stripe: all remaining rows",
    (Scope.ADDRESSES, Pass.FIRST): "a batch by address, for rows that were found one by one",
    (Scope.STRIPE, Pass.LATER): "a batch in a later pass: skips rows that would still match `where`",
    (Scope.LAST_STRIPE, Pass.LATER): "a window's last stripe in a later pass",
    (Scope.ADDRESSES, Pass.LATER): "a batch by address in a later pass: the usual kind there",
}


def titled(statements: Statements) -> Iterator[tuple[str, Composed]]:
    """Yield the statements of a run with their titles, in the order that they are sent."""
    if statements.read_inputs is not None:
        yield "find the rows of a batch for the function (reads only)", statements.find_inputs[Scope.STRIPE]
        yield "read those rows for the function, outside the batch's transaction", statements.read_inputs
    yield "count the matching rows of a page range by slice and stripe (reads only)", statements.count[Pass.FIRST]
    yield (
        "find matching rows where they are few, for batches by address (reads only)",
        statements.find[Scope.LAST_STRIPE, Pass.FIRST],
    )
    for (scope, which_pass), title in _UPDATES.items():
        # A row function's batches go by address only to find a row that is refused.
        if scope is not Scope.ADDRESSES or statements.mapped is None:
            yield title, statements.update[scope, which_pass]
    yield "the final read: which rows still match", statements.verify
