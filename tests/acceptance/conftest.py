"""What these tests share: commands work as a role with a worker's least rights, never as a superuser.

`database.worker_dsn` is that role's; `database.dsn` is the superuser's, for the test's own questions and tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.fixtures_postgres import Database
from tests.roles import dismiss, employ


@pytest.fixture
def database(database: Database) -> Iterator[Database]:
    """The database of one test, and its worker."""
    worker = f"worker_{database.name}"
    employ(database.dsn, worker)
    yield replace(database, worker=worker)
    dismiss(database.dsn, worker)
