"""Every check of a run before its first batch, and what it learns of the table; what a run would raise is raised."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import check_expressions
from backfill.postgres.catalog import table as catalog_table
from backfill.postgres.catalog.leaves import CatalogLeaf, read_leaves
from backfill.postgres.catalog.sync_check import check_sync
from backfill.postgres.catalog.update_effects import check_effects, check_own_rows
from backfill.postgres.change.finish_state import without_removed_trigger
from backfill.postgres.plan.what_is_read import TablesRead, read_tables_read
from backfill.postgres.session.connection import Connection
from backfill.postgres.session.connection_limits import check_connections
from backfill.postgres.session.server import ServerFacts, check_server, read_server
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work import compression
from backfill.table.definition import Table
from backfill.values.compression_support import ServerSupport


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedJob:
    """A job that a run would begin. `table` is the largest of the `leaves`, and the statements are its own.

    `explained` is the server's plan of a batch; `others` is what it reads of other tables.
    """

    server: ServerFacts
    support: ServerSupport
    table: Table
    statements: Statements
    leaves: tuple[CatalogLeaf, ...]
    explained: str
    others: TablesRead
    connections_tight: str | None

    @property
    def pages(self) -> int:
        """Pages of all leaves."""
        return sum(leaf.pages for leaf in self.leaves)


async def check(connection: Connection, job_file: JobFile) -> CheckedJob:
    """Return what was found; raise what a run would raise."""
    job_file = await without_removed_trigger(connection, job_file)
    job = job_file.job
    server = await read_server(connection)
    check_server(server)
    tight = await check_connections(connection, job)
    table = await catalog_table.read_table(connection, job_file, server.role)
    support = await compression.read_support(connection, job, server)
    compression.require_right(job_file, support)
    async with connection.transaction(force_rollback=True):
        await connection.execute("SET LOCAL transaction_read_only = off")  # EXPLAIN of an UPDATE asks for it
        await check_effects(connection, job_file)
        statements = await check_expressions.prepare(connection, job_file, table)
        leaves = await read_leaves(connection, job_file, server.role)
        largest = max(leaves, key=lambda leaf: leaf.pages, default=None)
        for leaf in leaves:
            if leaf.name != job.table and (leaf.differs or leaf is largest):
                one = await catalog_table.read_table(connection, job_file, server.role, leaf.name)
                prepared = await check_expressions.prepare(connection, job_file, one)
                table, statements = (one, prepared) if leaf is largest else (table, statements)
        await check_sync(connection, job_file, table)
        await check_expressions.accept_sources(connection, job_file)
        if leaves:
            await check_own_rows(connection, job_file, table, frozenset(str(leaf.name) for leaf in leaves))
        explained = await check_expressions.explain(
            connection, statements.update[Scope.STRIPE, Pass.FIRST], statements.no_values
        )
        others = await read_tables_read(connection, job_file, table, statements)
    return CheckedJob(
        server=server,
        support=support,
        table=table,
        statements=statements,
        leaves=leaves,
        explained=explained,
        others=others,
        connections_tight=tight,
    )


async def turn_to(connection: Connection, job_file: JobFile, checked: CheckedJob, leaf: CatalogLeaf) -> CheckedJob:
    """Return the same with the table and the statements of another leaf."""
    async with connection.transaction(force_rollback=True):
        await connection.execute("SET LOCAL transaction_read_only = off")
        table = await catalog_table.read_table(connection, job_file, checked.server.role, leaf.name)
        statements = await check_expressions.prepare(connection, job_file, table)
        update = statements.update[Scope.STRIPE, Pass.FIRST]
        explained = await check_expressions.explain(connection, update, statements.no_values)
    return replace(checked, table=table, statements=statements, explained=explained)
