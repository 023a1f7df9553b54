"""What these tests share beside `cluster`, and a `database` of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from backfill.sandbox import Sandbox
from tests.fixtures_docker import chosen_tag
from tests.fixtures_postgres import Database, own_database
from tests.integration.jobs import create_database, drop_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from backfill.sandbox import Server
    from tests.fault_injection import Clustered, Primary


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


@pytest.fixture(scope="session")
def lone(request: pytest.FixtureRequest) -> Iterator[Primary]:
    """A primary without standbys: each of these would copy the database of each test, too."""
    if chosen_tag(request.config):
        cluster: Clustered = request.getfixturevalue("cluster")
        yield cluster.primary
        return
    with Sandbox() as sandbox:
        yield sandbox.primary()


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of one test; its server has standbys if the test asks for `cluster`."""
    if "cluster" in request.fixturenames:
        cluster: Clustered = request.getfixturevalue("cluster")
        with own_database(cluster.primary) as made:
            for replica in (cluster.replica_a, cluster.replica_b):
                replica.wait_replayed()
            yield made
            cluster.restore()
    else:
        with own_database(request.getfixturevalue("lone")) as made:
            yield made


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database of one module, for tests that each make their tables anew.

    Its server has standbys if a test of the module asks for `cluster`, and nothing is restored after the others.
    """
    ours = [
        item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module
    ]
    wanted = "cluster" if any("cluster" in item.fixturenames for item in ours) else "lone"
    server = request.getfixturevalue(wanted)
    database = create_database(server if wanted == "lone" else server.primary)
    yield database
    drop_database(database)
