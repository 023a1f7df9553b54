"""What one UPDATE of the job's table does that batches cannot do the same way, as catalog and planner know it.

Raises JobError at the key of the job file at fault. Functions in other languages than SQL are not looked into, but for
the table's name in their text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed

from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.settings import PLAN_TEXTS
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.fragments import expression, joined_of, target_of
from backfill.table.definition import Table
from backfill.table.plain_update import Difference, UpdateEffects, columns_read, find_differences, reads_as_a_whole
from backfill.values.errors import JobError
from backfill.values.identifier import TableName

SCANS_COLUMNS_TOO = "Scan"
"""A scan prints all columns of its table where that is cheaper than a choice: only what is asked of it counts."""


async def check_effects(connection: Connection, job_file: JobFile) -> None:
    """Raise JobError at triggers, rules, constraints or defaults for which an UPDATE is more than its rows."""
    job = job_file.job
    columns = [assignment.column for assignment in job.assignments]
    parameters = {"schema": job.table.schema, "name": job.table.name, "columns": columns}
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("catalog/read_update_effects"), parameters)
            rows = await cursor.fetchall()
    if not rows:
        return  # read_leaves says what is missing
    defaulted = [
        assignment.column for assignment in job.assignments if assignment.expression.strip().upper() == "DEFAULT"
    ]
    _refuse(job_file, find_differences(map(_effects, rows), defaulted))


async def check_own_rows(connection: Connection, job_file: JobFile, table: Table, tree: frozenset[str]) -> None:
    """Raise JobError at an expression for which it matters that batches come one after another.

    `table` is one that holds rows, `tree` the names of all that do.
    """
    job = job_file.job
    row = table.alias or table.name.name
    changing = tuple(column.name for column in table.columns if _changes(table, column.name, job_file))
    sources: list[tuple[tuple[str, ...], str]] = [(("where",), job.where)]
    sources += [
        (("set", assignment.column), assignment.expression)
        for assignment in job.assignments
        if assignment.column not in job.from_python
    ]
    sources += [(("using", "on"), job.using.on)] if job.using else []
    for path, text in sources:
        # Without a parenthesis there is no function and no sub-select; a table can have 1,600 columns to set.
        if text.strip().upper() == "DEFAULT" or ("(" not in text and len(tree) == 1):
            continue
        nodes = await plan_of(connection, job_file, table, text)
        volatile = await _functions(connection, "catalog/read_volatile", text)
        reading = await _functions(connection, "catalog/read_functions_naming", text, table=job.table.name)
        _refuse(job_file, _of_expression(path, nodes, row, changing, tree, volatile, reading))


def _of_expression(
    path: tuple[str, ...],
    nodes: list[dict[str, Any]],
    row: str,
    changing: tuple[str, ...],
    tree: frozenset[str],
    volatile: list[str],
    reading: list[str],
) -> Iterator[Difference]:
    key = ".".join(path[:1])
    texts = [text for node in nodes for text in _texts(node)]
    if len(tree) > 1 and reads_as_a_whole([*texts, *(text for node in nodes for text in node.get("Output", ()))], row):
        yield Difference(
            name="whole-row",
            sentence=f"'{key}' reads the row as a whole, which has the row type of the leaf and not of the job's table;"
            " name the columns",
            path=path,
        )
    for node in nodes:
        name = f"{node.get('Schema')}.{node.get('Relation Name')}"
        alias = node.get("Alias", "")
        if name not in tree or alias == row:
            continue
        whole_output = node.get("Output", ()) if node.get("Parent Relationship") in ("SubPlan", "InitPlan") else ()
        whole = re.sub(r"_\d+$", "", alias)  # what the planner calls a partition's parent above the scans
        read = [
            read for name in {alias, whole} - {row} for read in columns_read([*texts, *whole_output], name, changing)
        ]
        if read:
            yield Difference(
                name="own-table",
                sentence=f"'{key}' reads column '{read[0]}' of other rows of the table, which this job changes: a plain"
                " UPDATE reads them as they were before it, a batch as earlier batches left them",
                path=path,
            )
    for function in reading:
        yield Difference(
            name="own-table",
            sentence=f"function '{function}' in '{key}' names the table, whose rows this job changes: a plain UPDATE"
            " reads them as they were before it, a batch as earlier batches left them",
            path=path,
        )
    for node in nodes:
        if node.get("Parent Relationship") != "InitPlan":
            continue
        once = [name for name in volatile if any(f"{name}(" in text for text in node.get("Output", ()))]
        if once:
            yield Difference(
                name="one-value",
                sentence=f"'{key}' calls '{once[0]}' in a sub-select that is evaluated once: a plain UPDATE gives all"
                " rows one value, batches one value each; without the sub-select each row gets its own",
                path=path,
            )


def _refuse(job_file: JobFile, differences: Iterator[Difference]) -> None:
    for difference in differences:
        if difference.name not in job_file.job.accept:
            raise JobError(f"{job_file.at(*difference.path)}: {difference.text}")


def _effects(row: dict[str, Any]) -> UpdateEffects:
    lists = {key: tuple(value) for key, value in row.items() if isinstance(value, list)}
    return UpdateEffects(
        table=str(TableName(row["schema"], row["name"])),
        is_root=row["is_root"],
        holds_rows=row["holds_rows"],
        defaults=row["defaults"],
        **lists,
    )


def _changes(table: Table, column: str, job_file: JobFile) -> bool:
    """Whether a batch may change a column: it is set, generated, or a trigger may set any."""
    generated = any(target.generated for target in table.columns if target.name == column)
    assigned = any(assignment.column == column for assignment in job_file.job.assignments)
    return assigned or generated or bool(table.before_update_triggers)


async def plan_of(connection: Connection, job_file: JobFile, table: Table, text: str) -> list[dict[str, Any]]:
    """Return the nodes of the plan of an expression over the table, names as the catalog has them."""
    job = job_file.job
    joined = SQL(", {}").format(joined_of(job.using)) if job.using else SQL("").format()
    asked: Composed = SQL("EXPLAIN (VERBOSE, COSTS OFF, FORMAT json) SELECT {} FROM {}{}").format(
        expression(text), target_of(table), joined
    )
    with translated(connection):
        cursor = await execute_as_role(connection, asked, keep=PLAN_TEXTS)
        row = await cursor.fetchone()
    assert row is not None, "a plan is one row"
    return list(_below(row[0][0]["Plan"]))


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _below(child)


def _texts(node: dict[str, Any]) -> Iterator[str]:
    """Yield what a node of a plan computes: conditions always, its output unless it is a scan's."""
    for key, value in node.items():
        if key in ("Plans", "Relation Name", "Schema", "Alias", "Node Type"):
            continue
        if key == "Output" and str(node["Node Type"]).endswith(SCANS_COLUMNS_TOO):
            continue
        yield from (value if isinstance(value, list) and all(isinstance(element, str) for element in value) else ())
        if isinstance(value, str):
            yield value


async def _functions(connection: Connection, name: str, text: str, **parameters: str) -> list[str]:
    with translated(connection):
        cursor = await connection.execute(statement(name), {"expression": text, **parameters})
        return [row[0] for row in await cursor.fetchall()]
