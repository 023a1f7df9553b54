"""The state schema's migrations: numbered files, each applied once, in one transaction, under one lock.

What a worker applies is what `backfill init --print` prints.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from psycopg.sql import SQL, Composable, Literal

from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.locks import lock_key

KEY = lock_key("schema", "backfill")
FINDING = "BF001"
"""SQLSTATE of our own: the schema may not be used like this, as the message says."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `sql/state/migrations`; its number is that of the schema after it."""

    number: int
    name: str

    @property
    def text(self) -> str:
        """Its statements."""
        return statement(f"state/migrations/{self.name}").decode()


@cache
def migrations() -> tuple[Migration, ...]:
    """Return all of them in order."""
    names = sorted(path.name for path in files("backfill.postgres").joinpath("sql/state/migrations").iterdir())
    return tuple(Migration(int(name[:3]), name.removesuffix(".sql")) for name in names)


def latest() -> int:
    """Return the number of the schema that this version works with."""
    return migrations()[-1].number


@cache
def steps(*, published: bool = False) -> tuple[str, ...]:
    """Return the transactions that create or migrate the schema, in order; what was applied before is left alone.

    `published`: somebody says that each subscriber of this database has the schema, too.
    """
    lock = lock_step()
    foreign = SQL("\nUNION ALL\n").join(
        SQL(_text(name)) for name in ("state/read_foreign_owners", "state/read_foreign_code")
    )
    begun = (
        _format("state/refuse_findings", findings=foreign),
        _text("state/create_version"),
        *([_text("state/save_published")] if published else []),
        _format("state/refuse_findings", findings=SQL(_text("state/read_published"))),
    )
    applied = (
        _format("state/apply_migration", number=Literal(migration.number), statements=SQL(migration.text))
        for migration in migrations()
    )
    return tuple(f"{lock}\n{step}" for step in ("\n".join(begun), *applied))


def lock_step() -> str:
    """Return the statements that keep others from changing the schema until the transaction ends."""
    return _format("state/lock_state", key=Literal(KEY))


def _format(name: str, **values: Composable) -> str:
    return SQL(_text(name)).format(**values).as_string()


def _text(name: str) -> str:
    return statement(name).decode()
