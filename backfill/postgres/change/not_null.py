"""A column becomes NOT NULL: from the catalog to the next statement, until nothing is left to do."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.sql import Composed

from backfill.change.lock_mode import LockMode
from backfill.change.not_null import NATIVE, NotNullAction, NotNullStep, TableNullability, next_action
from backfill.change.object_name import check_name, not_null_name
from backfill.postgres.change.ddl_session import DdlSession
from backfill.postgres.session.connection import dict_rows
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements import finish_ddl
from backfill.values.errors import DatabaseError, StatementRefused
from backfill.values.identifier import TableName

VIOLATIONS = ("23502", "23514")
"""A row is NULL: as the NOT NULL constraint says it, and as the CHECK does."""


class NullsFound(Exception):
    """A row came in between the check and the constraint, or before us; the constraint that we made is gone again."""


@dataclass(slots=True)
class NotNullOperation:
    """One column of the job's table, and of all tables below it; `made` is whether we have made its constraint."""

    session: DdlSession
    table: TableName
    column: str
    made: bool = False

    @property
    def step(self) -> str:
        """Its name in the state."""
        return f"not_null {self.column}"

    @property
    def what(self) -> str:
        """What it makes, in words."""
        return f"NOT NULL of column '{self.column}'"

    async def start(self) -> bool:
        """Make the column NOT NULL; return whether there was anything to do. Raises NullsFound."""
        before: NotNullAction | None = None
        while (action := await self._next()) is not None:
            if action == before:
                raise DatabaseError(f"{self.what}: {action.step.value} on {action.table} changed nothing; run again")
            before = action
            await self._act(action)
        return before is not None

    async def verify(self) -> bool:
        """Whether the column is NOT NULL and proven, and nothing of ours is left."""
        return await self._next() is None

    async def undo(self) -> None:
        """Drop the constraint that was made for this and is not valid."""
        root = min(await self.read(), key=lambda table: table.depth)
        invalid = root.check is False or (root.constraint == self.name and not root.constraint_valid)
        if self.made and invalid:
            await self._politely(finish_ddl.drop_constraint(self.table, self.name))

    @property
    def name(self) -> str:
        """The constraint's name."""
        return not_null_name(self.table, self.column) if self._version >= NATIVE else check_name(self.column)

    async def read(self) -> tuple[TableNullability, ...]:
        """Return how far each table is."""
        return tuple(state for state, _ in await self._rows())

    async def find_taken(self) -> str | None:
        """Return what else has the name of our constraint."""
        return next((taken for _, taken in await self._rows() if taken is not None), None)

    async def _rows(self) -> list[tuple[TableNullability, str | None]]:
        parameters = {
            "schema": self.table.schema,
            "name": self.table.name,
            "column": self.column,
            "constraint": self.name,
        }
        async with dict_rows(self.session.connection) as cursor:
            await cursor.execute(statement("change/read_nullability"), parameters)
            rows = await cursor.fetchall()
        found = []
        for row in rows:
            name, taken = TableName(row.pop("schema"), row.pop("name")), row.pop("taken_by")
            found.append((TableNullability(table=name, **row), taken))
        return found

    async def _next(self) -> NotNullAction | None:
        return next_action(await self.read(), self.name, version=self._version)

    @property
    def _version(self) -> int:
        return self.session.connection.info.server_version

    async def _act(self, action: NotNullAction) -> None:
        add = finish_ddl.add_not_null if self._version >= NATIVE else finish_ddl.add_check
        drop = finish_ddl.drop_constraint(self.table, action.constraint)
        match action.step:
            case NotNullStep.ADD:
                self.made = True
                await self.session.record(self.step, self.what, done=False)
                await self._politely(add(self.table, self.column, action.constraint))
            case NotNullStep.SET:
                await self._politely(finish_ddl.set_not_null(self.table, self.column), drop)
            case NotNullStep.DROP_CHECK:
                await self._politely(drop)
            case NotNullStep.VALIDATE:
                await self._validate(action)

    async def _validate(self, action: NotNullAction) -> None:
        try:
            await self.session.unhurried(
                finish_ddl.validate(action.table, action.constraint),
                table=action.table,
                what=f"validating {action.constraint} on {action.table}",
            )
        except StatementRefused as error:
            if error.sqlstate not in VIOLATIONS:
                raise
            await self.undo()
            raise NullsFound from None

    async def _politely(self, *statements: Composed) -> None:
        await self.session.politely(*statements, table=self.table, lock=LockMode.ACCESS_EXCLUSIVE)
