"""Whether `finish` may begin: the job is proven, the role may change the table, names are free, rows fit.

Each refusal is one sentence with what to do, and nothing was changed before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from backfill.change.index_build import refusal
from backfill.change.not_null import NATIVE
from backfill.change.sync_trigger import function_name
from backfill.jobfile.finish import FinishIndex
from backfill.jobfile.load import JobFile
from backfill.jobfile.spec import is_same, other_spec, spec_of
from backfill.postgres.catalog.table import missing, no_column
from backfill.postgres.change.finish_state import StoredFinish
from backfill.postgres.change.index import IndexOperation
from backfill.postgres.change.not_null import NotNullOperation
from backfill.postgres.change.polite_lock import Sleep
from backfill.postgres.change.row_checks import NullCount, read_duplicates, read_nulls
from backfill.postgres.change.table_tree import TreeTable
from backfill.postgres.session.connection import Connection, dict_rows, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.checkpoint import read_proofs
from backfill.values.errors import Halted, JobError
from backfill.values.identifier import quote


async def check_rights(connection: Connection) -> None:
    """Raise Halted with the GRANTs that are missing on the state schema."""
    with translated(connection):
        cursor = await connection.execute(statement("change/read_finish_rights"), {})
        grants = [grant for (grant,) in await cursor.fetchall()]
    if grants:
        raise Halted(f"role {connection.info.user!r} may not record what finish does; run: {' '.join(grants)}")


def check_proven(job_file: JobFile, stored: StoredFinish | None) -> None:
    """Raise unless the job is done, and was started with this file."""
    job = job_file.job
    if stored is None:
        raise JobError(f"job {job.name!r} never ran in this database; run it first: backfill run {job_file.file}")
    if not is_same(stored.spec, spec_of(job)):
        raise other_spec(job_file, stored.spec)
    if stored.state != "done":
        raise Halted(
            f"job {job.name!r} is {stored.state}, and finish needs one that is done and proven;"
            f" run: backfill run {job_file.file}"
        )


async def check_proofs(connection: Connection, job_file: JobFile, tree: Sequence[TreeTable]) -> None:
    """Raise Halted if a table with rows has no proof: a partition that came later, for example."""
    oids = {identity.oid for identity in await read_proofs(connection, job_file.job.name)}
    for table in tree:
        if table.kind == "r" and table.pages and table.oid not in oids:
            raise Halted(
                f"table {table.name} is not proven for job {job_file.job.name!r}; run: backfill run {job_file.file}"
            )


async def check_table(connection: Connection, job_file: JobFile, tree: Sequence[TreeTable]) -> None:
    """Raise JobError if the table cannot be changed like this: its kind, its owner, its columns."""
    job, place = job_file.job, job_file.at("table")
    if not tree:
        raise JobError(f"{place}: {await missing(connection, job.table, 'rp')}")
    for table in tree:
        if not table.may_alter:
            how = f"as role {table.owner!r}" if not table.owner_is_superuser else "as a superuser"
            grant = f", or: GRANT {quote(table.owner)} TO {quote(table.role)};" if not table.owner_is_superuser else ""
            raise JobError(
                f"{place}: table {table.name} belongs to role {table.owner!r}, and only its owner may change it;"
                f" run finish {how}{grant}"
            )
    _check_columns(job_file, tree)
    _check_indexes(job_file, tree)


async def check_sync_trigger(connection: Connection, job_file: JobFile) -> None:
    """Raise JobError if the function of the job's trigger belongs to a role whose rights ours does not have."""
    parameters = {"function": function_name(job_file.job.name)}
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("change/read_sync_owner"), parameters)
        found = await cursor.fetchone()
    if found is not None and not found["may_alter"]:
        owner, role = found["owner"], found["role"]
        raise JobError(
            f"{job_file.at('sync')}: the trigger's function belongs to role {owner!r}; run finish as that role,"
            f" or: GRANT {quote(owner)} TO {quote(role)};"
        )


def _check_columns(job_file: JobFile, tree: Sequence[TreeTable]) -> None:
    finish, root = job_file.job.finish, tree[0]
    if finish is None:
        return
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("finish", "not_null", place), column) for place, column in enumerate(finish.not_null)
    ]
    for number, index in enumerate(finish.indexes):
        named += [
            (("finish", "indexes", number, "columns", place), column) for place, column in enumerate(index.columns)
        ]
    for path, column in named:
        if column not in root.columns:
            raise JobError(f"{job_file.at(*path)}: {no_column(root.name, column, root.columns)}")


def _check_indexes(job_file: JobFile, tree: Sequence[TreeTable]) -> None:
    finish, root = job_file.job.finish, tree[0]
    for number, index in enumerate(finish.indexes if finish else ()):
        place = job_file.at("finish", "indexes", number)
        if root.kind == "r" and len(tree) > 1:
            raise JobError(
                f"{place}: table '{root.name}' has children by inheritance, and an index covers one table alone;"
                " remove it, and create an index on each of them"
            )
        keys = {column for table in tree for column in table.partitioned_by} if index.unique else set()
        if lacking := sorted(keys - set(index.columns)):
            raise JobError(
                f"{place}: a unique index of a partitioned table needs all columns of the partition keys, and this one"
                f" lacks {', '.join(lacking)}; add them to 'columns'"
            )
        blocked = [table for table in tree if not table.may_create]
        if blocked:
            schema, role = quote(blocked[0].name.schema), quote(blocked[0].role)
            raise JobError(
                f"{place}: role {blocked[0].role!r} may not create an index in schema {schema};"
                f" run: GRANT CREATE ON SCHEMA {schema} TO {role};"
            )


async def check_not_null(operation: NotNullOperation, job_file: JobFile, tree: Sequence[TreeTable]) -> bool:
    """Return whether the column is still to be made NOT NULL; raise JobError if it cannot be."""
    if await operation.verify():
        return False
    finish = job_file.job.finish
    assert finish is not None, "it has this column"
    place = job_file.at("finish", "not_null", finish.not_null.index(operation.column))
    if taken := await operation.find_taken():
        raise JobError(f"{place}: the name '{operation.name}' is taken by another constraint, {taken}; rename it")
    if operation.session.connection.info.server_version < NATIVE and any(
        operation.column in table.composite_columns for table in tree
    ):
        raise JobError(
            f"{place}: column '{operation.column}' has a composite type, which this server makes NOT NULL only by"
            " reading the whole table under a lock; remove it from 'not_null'"
        )
    return True


async def check_index(operation: IndexOperation, job_file: JobFile, number: int) -> bool:
    """Return whether the index is still to be built; raise JobError if its name is taken."""
    place = job_file.at("finish", "indexes", number)
    for table in await operation.read():
        if why := refusal(table):
            raise JobError(f"{place}: {why}; rename that, or give this index another name")
    return not await operation.verify()


async def check_rows(
    connection: Connection,
    job_file: JobFile,
    tree: Sequence[TreeTable],
    columns: Sequence[str],
    indexes: Sequence[FinishIndex],
    sleep: Sleep,
) -> None:
    """Raise Halted if rows are NULL where they must not be, or equal."""
    if columns:
        for count in await read_nulls(connection, tree, columns, sleep):
            raise nulls(count, job_file)
    for index in indexes:
        if index.unique and (found := await read_duplicates(connection, tree[0].name, index)):
            raise duplicates(index, found)


def nulls(count: NullCount, job_file: JobFile) -> Halted:
    """Return the refusal of a column that still has NULLs."""
    rows = "1 row" if count.rows == 1 else f"{count.rows:,} rows"
    return Halted(
        f"column '{count.column}' is NULL in {rows} of {job_file.job.table}, such as {count.example};"
        " fill them, and make the application set the column on write, then run finish again"
    )


def duplicates(index: FinishIndex, found: Sequence[str]) -> Halted:
    """Return the refusal of values that occur more than once."""
    columns = ", ".join(map(quote, index.columns))
    keys = "; ".join(found)
    return Halted(
        f"a unique index on ({columns}) cannot be built, these keys occur more than once: {keys};"
        " change or delete these rows, then run finish again"
    )
