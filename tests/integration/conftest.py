"""What these tests share beside `cluster` and `database`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fixtures_postgres import Cluster, Database
from tests.integration.jobs import create_database, drop_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backfill.sandbox import Server


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of tests that are coroutines: psycopg knows asyncio only."""
    return "asyncio"


@pytest.fixture(scope="module")
def server(bare: Server) -> Iterator[Database]:
    """A database of this module on each major."""
    database = create_database(bare)
    yield database
    drop_database(database)


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of one module, for tests that each make their tables anew.

    They do nothing to links and standbys, unless they ask for `cluster` too: nothing is restored after them.
    """
    cluster: Cluster = request.getfixturevalue("cluster")
    database = create_database(cluster.primary)
    yield database
    drop_database(database)
