"""An index of the job's table, on each of its partitions: from the catalog to the next statement, until it is valid."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from psycopg.sql import Composed

from backfill.change.index_build import IndexAction, IndexStep, TableIndex, next_action
from backfill.change.lock_mode import LockMode
from backfill.change.lock_patience import LOOK_EVERY_S
from backfill.change.object_name import index_name, index_name_of_leaf
from backfill.jobfile.finish import FinishIndex
from backfill.postgres.catalog.table import KINDS
from backfill.postgres.change.ddl_session import DdlSession
from backfill.postgres.change.table_tree import read_tree
from backfill.postgres.session.connection import dict_rows
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements import finish_ddl
from backfill.values.errors import DatabaseError, Halted, StatementRefused
from backfill.values.identifier import TableName

DUPLICATE = "23505"


class DuplicatesFound(Exception):
    """Two rows have the same key; the index that we began is gone again."""


@dataclass(slots=True)
class IndexOperation:
    """One index of the job file, on the job's table and all of its partitions; `made` is whether we have begun it."""

    session: DdlSession
    table: TableName
    wanted: FinishIndex
    made: bool = False

    @property
    def name(self) -> str:
        """Its name on the job's table."""
        return self.wanted.name or index_name(self.table, self.wanted.columns, unique=self.wanted.unique)

    @property
    def step(self) -> str:
        """Its name in the state."""
        return f"index {self.name}"

    @property
    def what(self) -> str:
        """What it makes: the statement for a table without partitions."""
        return self._create(self.table, self.name).as_string()

    async def start(self) -> bool:
        """Build, attach and constrain; return whether there was anything to do. Raises DuplicatesFound."""
        before: IndexAction | None = None
        while (action := await self._next()) is not None:
            if action.step is IndexStep.REFUSE:
                raise Halted(f"{self.step}: {action.text}; rename that, or give this index another name")
            if action == before and action.step is not IndexStep.WAIT:
                raise DatabaseError(f"{self.step}: {action.step.value} {action.text} changed nothing; run again")
            before = action
            await self._act(action)
        return before is not None

    async def verify(self) -> bool:
        """Whether the index is valid on the table and on all partitions."""
        return await self._next() is None

    async def undo(self, table: TableIndex) -> None:
        """Drop the INVALID index that a build of ours has left on a table."""
        await self._drop(TableName(table.table.schema, table.name), table)

    async def read(self) -> tuple[TableIndex, ...]:
        """Return what there is on each table."""
        connection, tree = self.session.connection, await read_tree(self.session.connection, self.table)
        names = {table.oid: index_name_of_leaf(self.name, self.table, table.name) for table in tree}
        parameters = {
            "schema": self.table.schema,
            "name": self.table.name,
            "columns": list(self.wanted.columns),
            "unique": self.wanted.unique,
            "oids": list(names),
            "names": list(names.values()),
        }
        async with dict_rows(connection) as cursor:
            await cursor.execute(statement("change/read_index_tree"), parameters)
            return tuple(self._table_index(row, names[row["oid"]]) for row in await cursor.fetchall())

    def _table_index(self, row: dict[str, Any], name: str) -> TableIndex:
        taken = None
        if row["taken_table"] is not None:
            taken = f"an index of table '{row['taken_table']}'"
        elif row["taken_kind"] is not None and not row["exists"]:
            kinds = {**KINDS, "r": "a table", "p": "a partitioned table"}
            taken = kinds.get(row["taken_kind"], "another object")
        return TableIndex(
            table=TableName(row["schema"], row["table"]),
            parent=TableName(row["parent_schema"], row["parent"]) if row["parent"] else None,
            depth=row["depth"],
            partitioned=row["partitioned"],
            name=name,
            exists=row["exists"],
            same=row["same_columns"] and self._same_predicate(row["predicate"]),
            valid=row["valid"],
            is_constraint=row["is_constraint"],
            attached=row["attached"],
            definition=row["definition"],
            taken_by=taken,
            leftovers=tuple(row["leftovers"]),
            builder=row["builder"],
        )

    def _same_predicate(self, predicate: str | None) -> bool:
        """Whether a partial index has our condition: by its text, or because the state says that we began it."""
        where = self.wanted.where
        if where is None or predicate is None:
            return where is None and predicate is None
        return self.made or _bare(where) == _bare(predicate)

    async def _next(self) -> IndexAction | None:
        return next_action(await self.read(), constraint=self.wanted.constraint)

    async def _act(self, action: IndexAction) -> None:
        table, index = action.table, TableName(action.table.table.schema, action.table.name)
        match action.step:
            case IndexStep.WAIT:
                self.session.say(table.table, f"index {table.name}: {action.text}")
                await self.session.sleep(LOOK_EVERY_S)
            case IndexStep.DROP:
                await self._drop(TableName(table.table.schema, action.text), table)
            case IndexStep.BUILD:
                await self.session.record(self.step, self.what, done=False)
                self.made = True
                await self._build(table)
            case IndexStep.ADD_CONSTRAINT:
                await self.session.politely(
                    finish_ddl.add_constraint(table.table, table.name),
                    table=table.table,
                    lock=LockMode.ACCESS_EXCLUSIVE,
                )
            case IndexStep.CREATE_PARENT:
                await self._create_parent(table)
            case _:
                parent = TableName(*_schema_of(table), action.text)
                await self.session.politely(
                    finish_ddl.attach(parent, index), table=index, lock=LockMode.ACCESS_EXCLUSIVE
                )

    async def _build(self, table: TableIndex) -> None:
        text = self._create(table.table, table.name)
        what = f"building index {table.name} on {table.table}"
        try:
            await self.session.unhurried(text, table=table.table, what=what, as_role=self.wanted.where is not None)
        except StatementRefused as error:
            # The error is what counts: an index that cannot be dropped now is dropped by the next run.
            with suppress(StatementRefused):
                await self.undo(table)
            if error.sqlstate == DUPLICATE:
                raise DuplicatesFound(str(error)) from None
            raise

    async def _drop(self, index: TableName, table: TableIndex) -> None:
        await self.session.unhurried(
            finish_ddl.drop_index(index), table=table.table, what=f"dropping the INVALID index {index.name}"
        )

    async def _create_parent(self, table: TableIndex) -> None:
        wanted = self.wanted
        if wanted.constraint:
            text = finish_ddl.add_parent_constraint(table.table, wanted.columns, table.name)
            await self.session.politely(text, table=table.table, lock=LockMode.ACCESS_EXCLUSIVE)
            return
        text = finish_ddl.create_parent_index(
            table.table, wanted.columns, table.name, unique=wanted.unique, where=wanted.where
        )
        await self.session.politely(text, table=table.table, lock=LockMode.SHARE, as_role=wanted.where is not None)

    def _create(self, table: TableName, name: str) -> Composed:
        wanted = self.wanted
        return finish_ddl.create_index(table, wanted.columns, name, unique=wanted.unique, where=wanted.where)


def _schema_of(table: TableIndex) -> tuple[str]:
    assert table.parent is not None, "only a partition is attached"
    return (table.parent.schema,)


def _bare(expression: str) -> str:
    """Return an expression without blanks and the parentheses that the server puts around it."""
    bare = expression.strip()
    return bare[1:-1].strip() if bare.startswith("(") and bare.endswith(")") else bare
