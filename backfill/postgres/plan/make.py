"""`backfill plan`: every check of a run, its SQL, its layout, and a batch measured and rolled back.

The session is read-only but for what is rolled back.
"""

from __future__ import annotations

from psycopg.sql import Composed

from backfill.events.plan import Costs, ForecastInputs, Plan, forecast, image_ratio
from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import check_expressions
from backfill.postgres.catalog import table as catalog_table
from backfill.postgres.catalog.leaves import read_leaves
from backfill.postgres.catalog.table_traits import traits_of
from backfill.postgres.catalog.update_effects import check_effects, check_own_rows
from backfill.postgres.mapping.row_mapper import RowMapper
from backfill.postgres.monitor import read_signals
from backfill.postgres.monitor.side_connection import replica_name
from backfill.postgres.plan.dry_run import measure
from backfill.postgres.plan.notices import (
    about_batch,
    about_functions,
    about_others,
    about_replicas,
    about_settings,
    about_table,
    about_upkeep,
)
from backfill.postgres.plan.sample_layouts import read_layouts
from backfill.postgres.plan.statement_titles import titled
from backfill.postgres.session.connection import Connection, connect, translated, worker_name
from backfill.postgres.session.server import PAGE_BYTES, check_server, read_server
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.schema import read_state
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.statements.predicates import RowPredicates
from backfill.postgres.work import compression
from backfill.table.checkpoint import Layout, begin
from backfill.table.definition import Table
from backfill.throttle.conditions.registry import find_stop_conditions
from backfill.throttle.conditions.replication import counted
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState

LEAVES_TOLD = 20
SAMPLES = 3
SAMPLED_PAGES = 1000


async def make_plan(dsn: str, job_file: JobFile, *, measuring: bool = True) -> Plan:
    """Return what a run would do; raises what a run would raise before its first batch.

    Without `measuring` no batch is run.
    """
    name = worker_name(job_file.job.name)
    async with await connect(dsn, application_name=name, job=job_file.job) as connection:
        with translated(connection):
            return await _plan(connection, job_file, measuring=measuring)


async def _plan(connection: Connection, job_file: JobFile, *, measuring: bool) -> Plan:
    job = job_file.job
    await connection.set_read_only(True)
    server = await read_server(connection)
    check_server(server)
    root = await catalog_table.read_table(connection, job_file, server.role)
    support = await compression.read_support(connection, job, server)
    compression.require_right(job_file, support)
    async with connection.transaction(force_rollback=True):
        await connection.execute("SET LOCAL transaction_read_only = off")  # EXPLAIN of an UPDATE asks for it
        await check_effects(connection, job_file)
        statements, table = await check_expressions.prepare(connection, job_file, root), root
        listed = await read_leaves(connection, job_file, server.role)
        largest = max(listed, key=lambda leaf: leaf.pages, default=None)
        for leaf in listed:
            if leaf.name != job.table and (leaf.differs or leaf is largest):
                one = await catalog_table.read_table(connection, job_file, server.role, leaf.name)
                prepared = await check_expressions.prepare(connection, job_file, one)
                table, statements = (one, prepared) if leaf is largest else (table, statements)
        await check_expressions.accept_sources(connection, job_file)
        if listed:
            await check_own_rows(connection, job_file, table, frozenset(str(leaf.name) for leaf in listed))
        explained = await check_expressions.explain(
            connection, statements.update[Scope.STRIPE, Pass.FIRST], statements.no_values
        )
        notices_of_others = await about_others(connection, job_file, table, statements)
        searched = await check_expressions.nodes(connection, RowPredicates(job, table, foreseen=False).searching())
    signals = await read_signals.read_signals(
        connection, table_oid=table.identity.oid, aurora=server.aurora, limits=job.throttle
    )
    costs = Costs(unmeasured=_unmeasured(job, signals, table, measuring=measuring))
    if not costs.unmeasured:
        costs = await measure(connection, job, table, statements, support)
    traits = traits_of(job, table, server)
    layouts = await read_layouts(connection, job, table, statements, traits)
    # Of several leaves the others are taken to be as the largest one.
    leaves = sum(leaf.pages for leaf in listed) / table.pages if table.pages and listed else 1.0
    rows_to_do = round(searched[0]["Plan Rows"] * leaves) if table.rows_estimated else None
    rate_bytes_s = job.throttle.max_wal_rate_bytes_s
    total_bytes = round(await _total_bytes(connection, table) * leaves)
    checkpoint_bytes = min(traits.checkpoint_bytes, traits.checkpoint_s * rate_bytes_s)
    ratio = image_ratio(costs.plain, costs.compressed)
    ground = (
        ForecastInputs(
            rows=rows_to_do,
            total_bytes=total_bytes,
            checkpoint_bytes=checkpoint_bytes,
            max_wal_rate_bytes_s=rate_bytes_s,
        )
        if rows_to_do is not None
        else None
    )
    notices = [
        *about_batch(costs),
        *about_table(job_file, table, statements),
        *notices_of_others,
        *await about_functions(connection, job_file),
        *about_settings(connection.overridden),
        *about_replicas(job_file, signals),
        *about_upkeep(job_file, signals),
    ]
    state = await read_state(connection)
    if not state.exists and not state.may_create:
        notices.append("schema backfill is missing and this role may not create it: see backfill init --print")
    return Plan(
        job=job.name,
        table=str(job.table),
        pages=sum(leaf.pages for leaf in listed),
        size_bytes=sum(leaf.pages for leaf in listed) * PAGE_BYTES,
        rows_estimated=sum(leaf.rows_estimated for leaf in listed),
        total_bytes=total_bytes,
        rows_to_do=rows_to_do,
        key=table.key,
        foreseen=statements.foreseen,
        replicas=(
            *(one.name for one in signals.replicas if counted(job.throttle, one.name)),
            *map(replica_name, job.throttle.replicas.direct),
        ),
        stripes=max((len(one.sizes) for one in layouts), default=1),
        layouts=tuple(one.why for one in layouts),
        costs=costs,
        forecast=forecast(ground, costs.plain),
        forecast_compressed=None if ratio is None else forecast(ground, costs.plain, ratio),
        image_ratio=ratio,
        max_wal_rate_bytes_s=rate_bytes_s,
        notices=tuple(notices),
        samples=tuple(await _samples(connection, job_file, table, statements)),
        statements=tuple((title, _text(connection, composed)) for title, composed in titled(statements)),
        explained=explained,
        shown=str(table.name),
        leaf_count=len(listed),
        leaves=tuple((str(leaf.name), leaf.pages * PAGE_BYTES) for leaf in listed[:LEAVES_TOLD]),
    )


async def _samples(connection: Connection, job_file: JobFile, table: Table, statements: Statements) -> list[str]:
    """Return what the job's function makes of a few rows near the table's beginning."""
    if job_file.job.python is None:
        return []
    mapper = RowMapper(job_file)
    try:
        return await mapper.shown(connection, statements, begin(min(table.pages, SAMPLED_PAGES), Layout()), SAMPLES)
    finally:
        await mapper.close()


async def _total_bytes(connection: Connection, table: Table) -> int:
    with translated(connection):
        cursor = await connection.execute(statement("plan/read_size"), {"table_oid": table.identity.oid})
        row = await cursor.fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _unmeasured(job: Job, signals: Signals, table: Table, *, measuring: bool) -> str:
    """Return why no batch is measured: what would keep a run from its first batch does so here."""
    if not measuring:
        return "--no-measure was given"
    if job.python is not None:
        return "its rows would have to go through the function first"
    limits = job.throttle
    found = find_stop_conditions(limits, signals, ThrottleState(expected=frozenset(limits.replicas.require)))
    return str(found[0].reason) if found else "" if table.pages else "the table is empty"


def _text(connection: Connection, statement: Composed) -> str:
    return statement.as_string(connection).replace("%%", "%")
