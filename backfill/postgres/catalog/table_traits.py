"""What of a table and its server bears on how its windows are laid out."""

from __future__ import annotations

from backfill.jobfile.job import Job
from backfill.postgres.session.server import ServerFacts
from backfill.table.definition import Table
from backfill.table.window_layout import TableTraits


def traits_of(job: Job, table: Table, server: ServerFacts) -> TableTraits:
    """Return the table's indexes, which of them hold a column that is set, and how far checkpoints are apart."""
    assigned = {assignment.column for assignment in job.assignments}
    return TableTraits(
        indexes=table.indexes,
        indexed=tuple(column.name for column in table.columns if column.name in assigned and column.indexed),
        checkpoint_bytes=server.checkpoint_bytes,
        checkpoint_s=server.checkpoint_s,
        triggers=table.before_update_triggers,
    )
