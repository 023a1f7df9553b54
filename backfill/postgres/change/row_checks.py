"""What in the rows would keep `finish` from its end: NULLs and duplicates, read before anything is changed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from backfill.jobfile.finish import FinishIndex
from backfill.postgres.change.polite_lock import Sleep
from backfill.postgres.change.table_tree import TreeTable
from backfill.postgres.session.bounds import TIMEOUT_S
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.finish_reads import DUPLICATES_SHOWN, count_nulls, find_duplicates
from backfill.retry.sqlstate import CANCELED, LOCK_NOT_AVAILABLE
from backfill.table.proof_pieces import PAGES_FIRST, PieceTime, fewer_pages, next_pages
from backfill.values.errors import StatementRefused
from backfill.values.identifier import TableName
from backfill.values.redact import foreign

TOO_LONG = (CANCELED, LOCK_NOT_AVAILABLE)


@dataclass(frozen=True, slots=True)
class NullCount:
    """Rows in which a column is NULL, and the key of one."""

    column: str
    rows: int
    example: str | None


async def read_nulls(
    connection: Connection,
    tree: Sequence[TreeTable],
    columns: Sequence[str],
    sleep: Sleep,
) -> tuple[NullCount, ...]:
    """Count the NULLs of columns, table by table in pieces: each holds its lock and its snapshot for half a second."""
    found = {column: NullCount(column, 0, None) for column in columns}
    for table in tree:
        query, page, pages, before = count_nulls(table.name, columns, tree[0].key), 0, PAGES_FIRST, None
        while page < table.pages:
            await sleep(0)
            end, began_s = min(page + pages, table.pages), time.monotonic()
            # The last piece has no end: rows may have come behind it.
            high = end if end < table.pages else 2**32 - 1
            try:
                with translated(connection):
                    cursor = await connection.execute(query, {"low": f"({page},0)", "high": f"({high},0)"})
                    row = await cursor.fetchone()
            except StatementRefused as error:
                fewer = fewer_pages(pages) if error.sqlstate in TOO_LONG else None
                if fewer is None:
                    raise
                pages = fewer
                continue
            assert row is not None, "an aggregate has one row"
            for place, column in enumerate(columns):
                count, example = row[2 * place], row[2 * place + 1]
                known = found[column]
                found[column] = NullCount(column, known.rows + count, known.example or example)
            last = PieceTime(end - page, time.monotonic() - began_s)
            pages, before, page = next_pages(before, last, TIMEOUT_S), last, end
    return tuple(count for count in found.values() if count.rows)


async def read_duplicates(connection: Connection, table: TableName, wanted: FinishIndex) -> tuple[str, ...] | None:
    """Return a few keys that occur more than once, each with its number; None if that takes too long to find out."""
    query = find_duplicates(table, wanted.columns, wanted.where)
    try:
        with translated(connection):
            cursor = await execute_as_role(connection, query)
            rows = await cursor.fetchall()
    except StatementRefused as error:
        if error.sqlstate not in TOO_LONG:
            raise
        return None
    shown = [f"{foreign(key)} in {count:,} rows" for key, count in rows[:DUPLICATES_SHOWN]]
    return tuple(shown) + (("and more",) if len(rows) > DUPLICATES_SHOWN else ())
