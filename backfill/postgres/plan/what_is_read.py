"""What a job's statements read besides its own table: other tables, whole or by an index; and what is volatile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import check_expressions
from backfill.postgres.session.connection import Connection
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.statements.predicates import RowPredicates
from backfill.table.definition import Table

ROWS_READ_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class TablesRead:
    """Tables that each batch reads whole, with their rows; the joined one if a row may have several partners in it."""

    whole: tuple[tuple[str, int], ...] = ()
    several_partners: str | None = None


async def read_tables_read(
    connection: Connection, job_file: JobFile, table: Table, statements: Statements
) -> TablesRead:
    """Return what there is to say of other tables than the job's own: the joined one, and those of sub-selects."""
    using = job_file.job.using
    nodes = await check_expressions.nodes(connection, statements.update[Scope.STRIPE, Pass.FIRST], statements.no_values)
    whole = {
        (node["Relation Name"], node["Plan Rows"])
        for node in nodes
        if node["Node Type"] == "Seq Scan" and node["Plan Rows"] >= ROWS_READ_WHOLE
    }
    several = None
    if using is not None:
        joined = await check_expressions.nodes(
            connection, RowPredicates(job_file.job, table, foreseen=False).partnering()
        )
        if any("Join Type" in node for node in joined):  # else the server proved that the join adds no row
            several = str(using.table)
    return TablesRead(tuple(sorted(whole)), several)


async def volatile_functions(connection: Connection, job: Job) -> tuple[str, ...]:
    """Return which functions of the job's expressions give another value each time."""
    texts = [
        *(assignment.expression for assignment in job.assignments),
        job.where,
        *([job.using.on] if job.using else ()),
    ]
    names = {name for text in texts for name in await check_expressions.volatile_functions(connection, text)}
    return tuple(sorted(names))


def planner_settings(overridden: Mapping[str, str]) -> tuple[str, ...]:
    """Return which settings of the role a run does without."""
    return tuple(f"{name} = {value}" for name, value in sorted(overridden.items()) if name.startswith("enable_"))
