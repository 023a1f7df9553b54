"""Compression of our own full-page images: what the server lets this role do, and the doing.

`wal_compression` is a superuser's setting; since PostgreSQL 15 the right to it may be granted. It is set in the batch's
transaction and in the session of our vacuum, if the role may: a right that is taken away costs the
compression and not the batch.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncCursor

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.server import ServerFacts
from backfill.postgres.session.sql_files import statement
from backfill.upkeep.compression import METHODS, best_method
from backfill.values.compression_support import ServerSupport
from backfill.values.errors import JobError
from backfill.values.identifier import quote

GRANTABLE = 150000
"""The first version in which a role that is no superuser may be given the right."""


async def read_support(connection: Connection, job: Job, server: ServerFacts) -> ServerSupport:
    """Return what the server offers to this role."""
    if server.wal_compression != "off":
        return ServerSupport(already=METHODS[-1] if server.wal_compression == "on" else server.wal_compression)
    if job.wal_compression == "off":
        return ServerSupport(why="the job file says wal_compression: off")
    method = best_method(server.wal_compressions)
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            asked = await compress(connection, method)
            allowed = asked is not None and await asked.fetchone() is not None
    if allowed:
        return ServerSupport(method)
    return ServerSupport(why=f"role {server.role!r} may not set wal_compression; {_mended_by(server)}")


def require_right(job_file: JobFile, support: ServerSupport) -> None:
    """Raise JobError where the job file asks for what the role may not do."""
    if job_file.job.wal_compression == "on" and support.why:
        raise JobError(f"{job_file.at('wal_compression')}: {support.why}")


def _mended_by(server: ServerFacts) -> str:
    """Return what gives the role the right."""
    if server.version < GRANTABLE:
        return "that needs a superuser before PostgreSQL 15"
    return f"run: GRANT SET ON PARAMETER wal_compression TO {quote(server.role)};"


@asynccontextmanager
async def compressing(connection: Connection, method: str | None) -> AsyncGenerator[None, None]:
    """Let reads compress as the batches do: with checksums the first hint bit of a page logs its image, too."""
    if method is None:
        yield
        return
    with translated(connection):
        async with connection.transaction():
            await compress(connection, method)
            yield


async def compress(connection: Connection, method: str | None, *, local: bool = True) -> AsyncCursor[Any] | None:
    """Let this transaction, or with `local` off this session, compress where the role may: the cursor has a row then.

    None: nothing was asked for.
    """
    if method is None:
        return None
    name = "work/compress" if connection.info.server_version >= GRANTABLE else "work/compress_as_superuser"
    return await connection.execute(statement(name), {"method": method, "local": local})
