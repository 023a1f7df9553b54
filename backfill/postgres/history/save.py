"""What happened in the last minute is added to the history."""

from __future__ import annotations

from psycopg.types.json import Jsonb

from backfill.events.history.span import HistorySpan
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement


async def save_span(connection: Connection, job: str, span: HistorySpan) -> None:
    """Add a span to the row of this minute, and to that of this hour."""
    signals = {
        measure: {name: [worst.value, worst.limit, worst.unknown] for name, worst in subjects.items()}
        for measure, subjects in span.signals.items()
    }
    values = {
        "job": job,
        "batches": span.batches,
        "rows": span.rows,
        "rows_hot": span.rows_hot,
        "wal_bytes": span.wal_bytes,
        "batch_rows_max": span.batch_rows_max,
        "waits": Jsonb(dict(span.waits)),
        "signals": Jsonb(signals),
    }
    with translated(connection):
        await connection.execute(statement("history/save_span"), values)
