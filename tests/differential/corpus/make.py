"""How a fixed case is written: its own statements, and around them the schema and the worker's rights."""

from __future__ import annotations

from typing import Any

from tests.differential.case import WORKER, Case, Setting

GRANTS = (
    f"GRANT USAGE ON SCHEMA app TO {WORKER}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA app TO {WORKER}",
)


def case(*setup: str, set: dict[str, str], where: str, **rest: Any) -> Case:  # noqa: A002 - the job file's word
    """Return a case of these statements, with dicts as in a job file."""
    made: dict[str, Any] = {name: tuple(one.items()) if isinstance(one, dict) else one for name, one in rest.items()}
    return Case(setup=("CREATE SCHEMA app", *setup, *GRANTS), set_=tuple(set.items()), where=where, **made)


def role(**values: str) -> tuple[Setting, ...]:
    """Return settings of the worker's role."""
    return tuple(Setting("role", name, value) for name, value in values.items())


def database(**values: str) -> tuple[Setting, ...]:
    """Return settings of the database."""
    return tuple(Setting("database", name, value) for name, value in values.items())


def dsn(**values: str) -> tuple[Setting, ...]:
    """Return startup options of the worker's DSN."""
    return tuple(Setting("dsn", name, value) for name, value in values.items())
