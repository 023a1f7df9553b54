"""One statement on a connection of its own, for the sandbox and for tests of the plain fact."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg
from psycopg.sql import Composed


def query(dsn: str, statement: LiteralString | Composed, *parameters: object) -> list[tuple[Any, ...]]:
    """Connect, run `statement` in autocommit, return its rows (none for a command), disconnect."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []
