"""The layouts that a run would choose for windows here and there in the table."""

from __future__ import annotations

from dataclasses import replace

from backfill.events.plan import PlannedLayout
from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work.reads import read_page_profile
from backfill.table.checkpoint import Checkpoint, Layout, begin, lay_out
from backfill.table.definition import Table
from backfill.table.estimate.row_map import RowMap
from backfill.table.stripe_plan import PageProfile
from backfill.table.window_layout import TableTraits, choose_layout
from backfill.table.window_state import StripeHistory
from backfill.throttle.row_cost import WAL_BYTES_PRIOR
from backfill.values.errors import StatementRefused

WINDOWS = 5
"""Windows that are looked at, evenly over the rows to do."""


async def read_layout(
    connection: Connection, job: Job, table: Table, statements: Statements, traits: TableTraits, known: RowMap
) -> PlannedLayout:
    """Return the layouts that differ, in the order of their windows; none if no row to do was seen."""
    found: dict[tuple[int, ...], Layout] = {}
    for page in dict.fromkeys(known.page_at(number / WINDOWS) for number in range(WINDOWS)):
        try:
            profile = await read_page_profile(connection, statements, window_at(table, page))
        except StatementRefused:  # an expression fails on one of these rows: the batch that has it will say so
            continue
        if profile is not None:
            chosen = layout_of(job, traits, profile)
            found.setdefault(chosen.sizes, chosen)
    return PlannedLayout(max(map(len, found), default=1), tuple(layout.why for layout in found.values()))


def window_at(table: Table, page: int) -> Checkpoint:
    """Return the first window of a pass that begins at a page."""
    return lay_out(replace(begin(table.pages, Layout()), window_start=page), Layout())


def layout_of(job: Job, traits: TableTraits, profile: PageProfile | None) -> Layout:
    """Return the layout of a window whose first pages are like this."""
    return choose_layout(
        traits,
        profile,
        StripeHistory(),
        Layout(),
        stripes=None if job.batch.stripes == "auto" else job.batch.stripes,
        row_wal_bytes=WAL_BYTES_PRIOR,
    )
