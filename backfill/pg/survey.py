"""The layouts that a run would choose for windows here and there in the table."""

from __future__ import annotations

from dataclasses import replace

from backfill.core import layout
from backfill.core.cost import WAL_BYTES_PRIOR
from backfill.core.job import Job
from backfill.core.layout import Heap, Luck
from backfill.core.scan import WINDOW_PAGES, Layout, begin, lay_out
from backfill.core.table import Table
from backfill.errors import Refused
from backfill.pg.reads import read_shape
from backfill.pg.session import Connection
from backfill.pg.statements import Statements

WINDOWS = 5
"""Windows that are looked at, evenly over the table."""


async def read_layouts(
    connection: Connection, job: Job, table: Table, statements: Statements, heap: Heap
) -> tuple[Layout, ...]:
    """Return the layouts that differ, in the order of their windows; none where no row to do was seen."""
    wanted = job.batch.stripes
    windows = range(0, table.pages, WINDOW_PAGES)
    found: dict[tuple[int, ...], Layout] = {}
    for start in windows[:: -(-len(windows) // WINDOWS) or 1]:
        scan = lay_out(replace(begin(table.pages, Layout()), window_start=start), Layout())
        try:
            shape = await read_shape(connection, statements, scan)
        except Refused:  # an expression fails on one of these rows: the batch that has it will say so
            continue
        if shape is None:
            continue
        chosen = layout.decide(
            heap,
            shape,
            Luck(),
            Layout(),
            stripes=None if wanted == "auto" else wanted,
            row_wal_bytes=WAL_BYTES_PRIOR,
        )
        found.setdefault(chosen.sizes, chosen)
    return tuple(found.values())
