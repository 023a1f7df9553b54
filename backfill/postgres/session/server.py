"""The server as a worker needs it: a primary, in full view."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.values.errors import Halted
from backfill.values.identifier import quote

UNDEFINED_OBJECT = "42704"


VERSION_MIN = 140000


PAGE_BYTES = 8192
"""What `table.row_counts` counts line pointers by; other sizes are a build option that packages do not use."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Who we are there, what we may do, and after how much WAL or time the server begins a checkpoint.

    `wal_compression` is the server's own setting, `wal_compressions` what it may be: nothing where it is on or off.
    """

    role: str
    database: str
    version: int
    page_bytes: int
    in_recovery: bool
    visible: bool
    aurora: bool
    checkpoint_bytes: float
    checkpoint_s: float
    wal_compression: str
    wal_compressions: list[str]


async def read_server(connection: Connection) -> ServerFacts:
    """Return the server's facts."""
    with translated(connection):
        async with connection.cursor(row_factory=class_row(ServerFacts)) as cursor:
            await cursor.execute(statement("session/read_server"))
            server = await cursor.fetchone()
    assert server is not None, "a select without FROM has one row"
    return server


def check_server(server: ServerFacts) -> None:
    """Raise Halted for what would leave us blind or powerless."""
    if server.version < VERSION_MIN:
        raise Halted(f"the server is PostgreSQL {server.version // 10000}; Tid Range Scans need 14 or later")
    if server.page_bytes != PAGE_BYTES:
        raise Halted(f"the server's pages have {server.page_bytes} bytes; this version knows pages of {PAGE_BYTES}")
    if server.in_recovery:
        raise Halted("the server is a standby; give a DSN of the primary, or one that lists all hosts")
    if not server.visible:
        raise Halted(
            f"role {server.role!r} cannot see replication, so no job may run;"
            f" run: GRANT pg_monitor TO {quote(server.role)};"
        )
