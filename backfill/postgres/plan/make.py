"""`backfill plan`: every check of a run, its SQL, its layout, its rows to do, and batches measured and rolled back.

The session is read-only but for what is rolled back.
"""

from __future__ import annotations

import random
from dataclasses import replace

from psycopg.sql import Composed

from backfill.change.findings.facts import MeasuredFacts
from backfill.change.findings.finding import Finding
from backfill.change.findings.registry import find_all
from backfill.events.plan import Costs, Plan, PlannedSql, PlannedTable, RowsToDo
from backfill.events.wal_forecast import ForecastInputs, forecast
from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.leaves import CatalogLeaf
from backfill.postgres.catalog.row_sampler import sample_rows
from backfill.postgres.catalog.table_traits import traits_of
from backfill.postgres.mapping.row_mapper import RowMapper
from backfill.postgres.monitor import read_signals
from backfill.postgres.monitor.side_connection import replica_name
from backfill.postgres.plan.check import CheckedJob, check, turn_to
from backfill.postgres.plan.dry_run import DryRun
from backfill.postgres.plan.finish_titles import titled_finish
from backfill.postgres.plan.indexes_touched import indexes_touched
from backfill.postgres.plan.layout import read_layout
from backfill.postgres.plan.planned_windows import planned_windows
from backfill.postgres.plan.read_facts import read_facts, refuse_blocked
from backfill.postgres.plan.statement_titles import titled
from backfill.postgres.plan.sync_titles import planned_trigger
from backfill.postgres.plan.what_is_read import planner_settings, volatile_functions
from backfill.postgres.session.connection import Connection, connect, translated, worker_name
from backfill.postgres.session.server import PAGE_BYTES
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.schema import read_state
from backfill.table.checkpoint import WINDOW_PAGES, Layout, begin
from backfill.table.estimate.row_map import row_map
from backfill.table.estimate.row_sample import RowSample
from backfill.throttle.conditions.registry import find_stop_conditions
from backfill.throttle.conditions.replication import counted
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState

LEAVES_TOLD = 20
SAMPLES = 3
SAMPLED_PAGES = 1000
SEARCH_S = 5.0
"""Rows to do are counted no longer; a table that is read in this time is counted whole."""


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
    await refuse_blocked(connection, job)
    checked = await check(connection, job_file)
    sample, to_do = await _rows_to_do(connection, job, checked)
    if (leaf := _leaf_to_measure(checked, sample)) is not None:
        checked = await turn_to(connection, job_file, checked, leaf)
    table, statements = checked.table, checked.statements
    signals = await read_signals.read_signals(
        connection, table_oid=table.identity.oid, aurora=checked.server.aurora, limits=job.throttle
    )
    known = row_map(sample.leaf(str(table.name), table.pages).read, table.pages)
    traits = traits_of(job, table, checked.server)
    unmeasured = _unmeasured(checked, job, signals, measuring=measuring)
    touched = () if unmeasured else await indexes_touched(connection, job, table, statements)
    traits = replace(traits, indexed=(*traits.indexed, *touched))
    layout = await read_layout(connection, job, table, statements, traits, known)  # before its pages are dirtied
    costs = Costs(unmeasured=unmeasured)
    if not unmeasured:
        dry_run = DryRun(connection, job, table, statements, traits, checked.support)
        costs = await dry_run.measure(known, sample.due.rows)
    total_bytes, index_pages = await _sizes(connection, checked)
    rate_bytes_s = job.throttle.max_wal_rate_bytes_s
    replicas = (
        *(replica.name for replica in signals.replicas if counted(job.throttle, replica.name)),
        *map(replica_name, job.throttle.replicas.direct),
    )
    inputs = ForecastInputs(
        rows=sample.due,
        due_pages=sample.due_pages,
        heap_pages=checked.pages,
        window_rows=_window_rows(checked, sample),
        table_rows=sample.rows.rows,
        index_pages=index_pages,
        indexes=table.indexes,
        checkpoint_bytes=max(1.0, min(traits.checkpoint_bytes, traits.checkpoint_s * rate_bytes_s)),
        max_wal_rate_bytes_s=rate_bytes_s,
        image_ratio=costs.image_ratio,
        index_image_ratio=costs.index_image_ratio,
        compression=_compression(job, replicas),
        images_paid=costs.images,
    )
    forecasted = None if to_do.estimate is None else forecast(inputs, costs.places)
    wal_bytes = forecasted.wal_bytes if forecasted is not None else None
    finish = titled_finish(job.finish, job.table, checked.server.version, table.name)
    return Plan(
        job=job.name,
        table=_table(job, checked, sample, total_bytes),
        to_do=to_do,
        foreseen=statements.foreseen,
        replicas=replicas,
        window=await planned_windows(connection, job),
        layout=layout,
        costs=costs,
        forecast=forecasted,
        max_wal_rate_bytes_s=rate_bytes_s,
        findings=await _findings(connection, job, checked, signals, costs, touched, wal_bytes),
        samples=tuple(await _samples(connection, job_file, checked)),
        sql=PlannedSql(
            (
                *await planned_trigger(connection, job_file, checked.server.role),
                *((title, _text(connection, composed)) for title, composed in titled(statements)),
                *((title, composed.as_string(connection)) for title, composed in finish),
            ),
            checked.explained,
        ),
    )


async def _rows_to_do(connection: Connection, job: Job, checked: CheckedJob) -> tuple[RowSample, RowsToDo]:
    """Return what was read of all leaves, and the rows to do by that; none if no chunk could be read."""
    sample, error = await sample_rows(
        connection,
        job,
        checked.leaves,
        several=len(checked.leaves) > 1,
        jitter=random.random(),  # noqa: S311 - it spreads reads
        search_s=SEARCH_S,
    )
    why = str(error).splitlines()[0] if error else ""
    known = sample.read or not sample.pages
    return sample, RowsToDo(sample.due if known else None, sample.pages_read, sample.pages, why)


def _leaf_to_measure(checked: CheckedJob, sample: RowSample) -> CatalogLeaf | None:
    """Return the leaf with the most rows to do if the largest one has none, else None."""
    due = {leaf: sample.leaf(str(leaf.name), leaf.pages).due.rows for leaf in checked.leaves}
    most = max(due, key=lambda leaf: due[leaf], default=None)
    idle = not any(rows for leaf, rows in due.items() if leaf.name == checked.table.name)
    return most if most is not None and due[most] and idle else None


def _compression(job: Job, replicas: tuple[str, ...]) -> str:
    """Return when a run compresses images; without a replica nothing makes WAL the limit but the rate."""
    return "off" if job.wal_compression == "auto" and not replicas else job.wal_compression


def _window_rows(checked: CheckedJob, sample: RowSample) -> float:
    """Return the rows to do of the window that a run begins with."""
    for leaf in checked.leaves:
        due = sample.leaf(str(leaf.name), leaf.pages).due.rows
        if due:
            return due * min(1.0, WINDOW_PAGES / max(1, leaf.pages))
    return 0.0


async def _sizes(connection: Connection, checked: CheckedJob) -> tuple[int, int]:
    """Return the bytes of all leaves with their indexes, and the pages of these."""
    oids = [leaf.identity.oid for leaf in checked.leaves]
    with translated(connection):
        cursor = await connection.execute(statement("plan/read_size"), {"oids": oids})
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"
    return row[0], row[1]


def _table(job: Job, checked: CheckedJob, sample: RowSample, total_bytes: int) -> PlannedTable:
    leaves = checked.leaves
    return PlannedTable(
        name=str(job.table),
        pages=checked.pages,
        size_bytes=checked.pages * PAGE_BYTES,
        total_bytes=total_bytes,
        rows=sample.rows.rows if sample.read else sum(leaf.rows_estimated for leaf in leaves),
        key=checked.table.key,
        shown=str(checked.table.name),
        leaf_count=len(leaves),
        leaves=tuple((str(leaf.name), leaf.pages * PAGE_BYTES) for leaf in leaves[:LEAVES_TOLD]),
    )


async def _samples(connection: Connection, job_file: JobFile, checked: CheckedJob) -> list[str]:
    """Return what the job's function makes of a few rows near the table's beginning."""
    if job_file.job.python is None:
        return []
    mapper = RowMapper(job_file)
    try:
        pages = min(checked.table.pages, SAMPLED_PAGES)
        return await mapper.shown(connection, checked.statements, begin(pages, Layout()), SAMPLES)
    finally:
        await mapper.close()


def _unmeasured(checked: CheckedJob, job: Job, signals: Signals, *, measuring: bool) -> str:
    """Return why no batch is measured: what would keep a run from its first batch does so here."""
    if not measuring:
        return "--no-measure was given"
    if job.python is not None:
        return "its rows would have to go through the function first"
    limits = job.throttle
    found = find_stop_conditions(limits, signals, ThrottleState(expected=frozenset(limits.replicas.require)))
    return str(found[0].reason) if found else "" if checked.table.pages else "the table is empty"


async def _findings(
    connection: Connection,
    job: Job,
    checked: CheckedJob,
    signals: Signals,
    costs: Costs,
    touched: tuple[str, ...],
    wal_bytes: int | None,
) -> tuple[Finding, ...]:
    first, state = costs.places[0].measured if costs.places else None, await read_state(connection)
    measured = MeasuredFacts(
        rows=first.rows if first else 0,
        rows_unconverged=first.rows_unconverged if first else 0,
        unmeasured=costs.unmeasured,
        wal_bytes=wal_bytes,
        touched=touched,
        predicted=checked.statements.foreseen,
        volatile=await volatile_functions(connection, job),
        one_value="one-value" in job.accept,
        read_whole=checked.others.whole,
        several_partners=checked.others.several_partners,
        enabled_settings=planner_settings(connection.overridden),
        state_missing=not state.exists and not state.may_create,
        connections_tight=checked.connections_tight,
    )
    return find_all(await read_facts(connection, job, signals, measured))


def _text(connection: Connection, composed: Composed) -> str:
    return composed.as_string(connection).replace("%%", "%")
