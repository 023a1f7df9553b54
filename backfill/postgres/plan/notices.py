"""What `backfill plan` reports in addition to its figures: facts that a person may want to change before a run."""

from __future__ import annotations

from collections.abc import Mapping

from backfill.events.plan import Costs
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import check_expressions
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.statements.predicates import RowPredicates
from backfill.table.definition import Table
from backfill.throttle.conditions.replication import counted
from backfill.throttle.signals import Signals
from backfill.upkeep import vacuum
from backfill.values.units import format_duration, format_size

SNAPSHOT_OLD_S = 60.0
ROWS_READ_WHOLE = 10_000


def about_batch(costs: Costs) -> list[str]:
    """Return what the measured batch shows of `where`."""
    rows = costs.places[0].measured.rows if costs.places else 0
    unconverged = costs.places[0].measured.rows_unconverged if costs.places else 0
    if not unconverged:
        return []
    if unconverged == rows:
        return ["'where' stays true for every row of the measured batch: a run would roll back such a first batch"]
    return [f"'where' stays true for {unconverged:,} of {rows:,} measured rows: they cannot converge"]


def about_table(job_file: JobFile, table: Table, statements: Statements, touched: tuple[str, ...] = ()) -> list[str]:
    """Return what there is to say of the table; `touched` are indexed columns that a trigger changes."""
    notices = []
    assigned = {assignment.column for assignment in job_file.job.assignments}
    indexed = [column.name for column in table.columns if column.name in assigned and column.indexed]
    if indexed:
        notices.append(f"{', '.join(indexed)} is indexed: no update can be HOT, every index is written for every row")
    if table.before_update_triggers:
        names = ", ".join(table.before_update_triggers)
        notices.append(f"BEFORE UPDATE triggers run for every row and may change it: {names}")
    if touched:
        columns = ", ".join(touched)
        notices.append(f"a BEFORE UPDATE trigger changes {columns}, which an index has: no update can be HOT")
    if not statements.foreseen:
        notices.append("which rows cannot converge is not foreseen: they are updated once in every pass")
    if not table.key:
        notices.append("the table has no primary key: samples are shown by row address")
    return notices


async def about_others(connection: Connection, job_file: JobFile, table: Table, statements: Statements) -> list[str]:
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


async def about_functions(connection: Connection, job_file: JobFile) -> list[str]:
    """Return which functions give another value each time."""
    job = job_file.job
    texts = [
        *(assignment.expression for assignment in job.assignments),
        job.where,
        *([job.using.on] if job.using else ()),
    ]
    names = {name for text in texts for name in await check_expressions.volatile_functions(connection, text)}
    within = "; in a sub-select, one value for each batch" if "one-value" in job.accept else ""
    return [f"{name}() is volatile: it gives another value for each row and each run{within}" for name in sorted(names)]


def about_replicas(job_file: JobFile, signals: Signals) -> list[str]:
    """Return what there is to say of the replicas."""
    limits = job_file.job.throttle
    present = {replica.name for replica in signals.replicas}
    notices = [f"required replica {name} is not connected" for name in limits.replicas.require if name not in present]
    synchronous = [replica.name for replica in signals.replicas if replica.sync and counted(limits, replica.name)]
    if synchronous:
        names = ", ".join(synchronous)
        notices.append(f"commits of the application wait for {names}: our queue before it is kept shorter")
    if not limits.replicas.direct and not any(counted(limits, replica.name) for replica in signals.replicas):
        notices.append(
            f"no replica is counted: max_wal_rate {format_size(limits.max_wal_rate_bytes_s)}/s alone sets the pace"
        )
    return notices


def about_upkeep(job_file: JobFile, signals: Signals) -> list[str]:
    """Return what keeps the table from being vacuumed, and the archiver from its work."""
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


def about_settings(overridden: Mapping[str, str]) -> list[str]:
    """Return which settings of the role a run does without."""
    names = ", ".join(f"{name} = {value}" for name, value in sorted(overridden.items()) if name.startswith("enable_"))
    return (
        [f"this role has {names}, with which each batch could read the whole table: a run works without"]
        if names
        else []
    )
