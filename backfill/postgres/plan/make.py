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
from backfill.upkeep import vacuum
from backfill.values.units import format_duration, format_size

SNAPSHOT_OLD_S = 60.0
ROWS_READ_WHOLE = 10_000
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
        about_others = await _about_others(connection, job_file, table, statements)
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
        *_about_batch(costs),
        *_about_table(job_file, table, statements),
        *about_others,
        *await _about_functions(connection, job_file),
        *_about_replicas(job_file, signals),
        *_about_upkeep(job_file, signals),
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


def _about_batch(costs: Costs) -> list[str]:
    measured = costs.plain
    if measured is None or not measured.rows_unconverged:
        return []
    if measured.rows_unconverged == measured.rows:
        return ["'where' stays true for every row of the measured batch: a run would roll back such a first batch"]
    return [
        f"'where' stays true for {measured.rows_unconverged:,} of {measured.rows:,} measured rows: they cannot converge"
    ]


def _text(connection: Connection, statement: Composed) -> str:
    return statement.as_string(connection).replace("%%", "%")


def _about_table(job_file: JobFile, table: Table, statements: Statements) -> list[str]:
    notices = []
    assigned = {one.column for one in job_file.job.assignments}
    indexed = [column.name for column in table.columns if column.name in assigned and column.indexed]
    if indexed:
        notices.append(f"{', '.join(indexed)} is indexed: no update can be HOT, every index is written for every row")
    if table.before_update_triggers:
        names = ", ".join(table.before_update_triggers)
        notices.append(f"BEFORE UPDATE triggers run for every row and may change it: {names}")
    if not statements.foreseen:
        notices.append("which rows cannot converge is not foreseen: they are updated once in every pass")
    if not table.key:
        notices.append("the table has no primary key: samples are shown by row address")
    if table.rows_estimated == 0 and table.pages > 0:
        notices.append("the table was never analysed: its rows are not estimated")
    return notices


async def _about_others(connection: Connection, job_file: JobFile, table: Table, statements: Statements) -> list[str]:
    """Return what there is to say of other tables than the job's own: the joined one, and those of sub-selects."""
    using = job_file.job.using
    whole = {
        f"{node['Relation Name']} is read whole for each batch, about {node['Plan Rows']:,} rows: no index serves it"
        for node in await check_expressions.nodes(
            connection, statements.update[Scope.STRIPE, Pass.FIRST], statements.no_values
        )
        if node["Node Type"] == "Seq Scan" and node["Plan Rows"] >= ROWS_READ_WHOLE
    }
    notices = sorted(whole)
    if using is None:
        return notices
    joined = await check_expressions.nodes(connection, RowPredicates(job_file.job, table, foreseen=False).partnering())
    if any("Join Type" in node for node in joined):  # else the server proved that the join adds no row
        notices.append(
            f"no unique index shows that a row has one partner in {using.table}: of several, any one gives the values"
        )
    return notices


async def _about_functions(connection: Connection, job_file: JobFile) -> list[str]:
    job = job_file.job
    texts = [*(one.expression for one in job.assignments), job.where, *([job.using.on] if job.using else ())]
    names = {name for text in texts for name in await check_expressions.volatile_functions(connection, text)}
    return [f"{name}() is volatile: it gives another value for each row and each run" for name in sorted(names)]


def _about_replicas(job_file: JobFile, signals: Signals) -> list[str]:
    limits = job_file.job.throttle
    present = {one.name for one in signals.replicas}
    notices = [f"required replica {name} is not connected" for name in limits.replicas.require if name not in present]
    synchronous = [one.name for one in signals.replicas if one.sync and counted(limits, one.name)]
    if synchronous:
        names = ", ".join(synchronous)
        notices.append(f"commits of the application wait for {names}: our queue before it is kept shorter")
    if not limits.replicas.direct and not any(counted(limits, one.name) for one in signals.replicas):
        notices.append(
            f"no replica is counted: max_wal_rate {format_size(limits.max_wal_rate_bytes_s)}/s alone sets the pace"
        )
    return notices


def _about_upkeep(job_file: JobFile, signals: Signals) -> list[str]:
    notices = []
    needs = signals.upkeep.vacuum_needs
    if job_file.job.vacuum == "auto" and needs is not None:
        notices.append(f"{vacuum.not_permitted(str(job_file.job.table), needs)} (it fills the table without)")
    oldest_s = signals.upkeep.oldest_snapshot_s
    if oldest_s is not None and oldest_s > SNAPSHOT_OLD_S:
        age = format_duration(oldest_s)
        notices.append(f"a transaction of {age} holds a snapshot: while it lives, no update can reuse a page's space")
    if signals.upkeep.vacuum is not None:
        notices.append("the table is vacuumed to prevent wraparound: a run waits until that is done")
    if signals.archiver is not None and signals.archiver.failing:
        notices.append("the archiver's last try failed: a run waits while WAL waits for it")
    return notices
