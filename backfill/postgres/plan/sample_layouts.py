"""The layouts that a run would choose for windows here and there in the table."""

from __future__ import annotations

from dataclasses import replace

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work.reads import read_page_profile
from backfill.table import window_layout
from backfill.table.checkpoint import WINDOW_PAGES, Layout, begin, lay_out
from backfill.table.definition import Table
from backfill.table.window_layout import StripeHistory, TableTraits
from backfill.throttle.row_cost import WAL_BYTES_PRIOR
from backfill.values.errors import StatementRefused

WINDOWS = 5
"""Windows that are looked at, evenly over the table."""


async def read_layouts(
    connection: Connection, job: Job, table: Table, statements: Statements, traits: TableTraits
) -> tuple[Layout, ...]:
    """Return the layouts that differ, in the order of their windows; none where no row to do was seen."""
    wanted = job.batch.stripes
    windows = range(0, table.pages, WINDOW_PAGES)
    found: dict[tuple[int, ...], Layout] = {}
    for start in windows[:: -(-len(windows) // WINDOWS) or 1]:
        checkpoint = lay_out(replace(begin(table.pages, Layout()), window_start=start), Layout())
        try:
            profile = await read_page_profile(connection, statements, checkpoint)
        except StatementRefused:  # an expression fails on one of these rows: the batch that has it will say so
            continue
        if profile is None:
            continue
        chosen = window_layout.choose_layout(
            traits,
            profile,
            StripeHistory(),
            Layout(),
            stripes=None if wanted == "auto" else wanted,
            row_wal_bytes=WAL_BYTES_PRIOR,
        )
        found.setdefault(chosen.sizes, chosen)
    return tuple(found.values())
