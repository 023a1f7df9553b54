"""PostgreSQL for every test: one cluster a session (and xdist worker), one database a test.

`cluster`   a primary and two standbys, `replica-a` behind `link_a` and `replica-b` behind `link_b`.
`database`  a fresh database on that primary, dropped after the test. In tests/integration its server has no standbys
            unless the test asks for `cluster`.

With `--pg docker` both are in containers, for the tests that are marked so.
Whatever a test did to links and replicas through them is undone after it; promoting one is not: a test
that promotes or loses a server makes a sandbox of its own.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from backfill.sandbox import Link, Sandbox, Server, Standby
from backfill.sandbox.query import query
from tests.fault_injection import Clustered, Primary
from tests.fixtures_docker import chosen_tag

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Cluster:
    """A primary with two standbys, each behind a link of its own."""

    sandbox: Sandbox
    primary: Server
    replica_a: Standby
    replica_b: Standby
    link_a: Link
    link_b: Link

    def restore(self) -> None:
        """Undo what a test did: links as new, servers up, replicas streaming and replaying."""
        for link in (self.link_a, self.link_b):
            link.restore()
        for server in (self.primary, self.replica_a, self.replica_b):
            server.thaw()
            server.start()
        for replica in (self.replica_a, self.replica_b):
            [(paused, delay)] = replica.query(
                "select pg_is_wal_replay_paused(), current_setting('recovery_min_apply_delay')"
            )
            if paused:
                replica.resume()
            if delay != "0":
                replica.delay(0)
            replica.wait_streaming()


@dataclass(frozen=True)
class Database:
    """A database of one test, and the role that commands work as, where it has one."""

    name: str
    primary: Primary
    worker: str = "postgres"

    @property
    def dsn(self) -> str:
        """Conninfo of the superuser."""
        return self.dsn_for()

    @property
    def worker_dsn(self) -> str:
        """Conninfo of that role."""
        return self.dsn_for(self.worker)

    def dsn_for(self, user: str = "postgres", password: str | None = None) -> str:
        """Return conninfo of any role."""
        return self.primary.dsn_for(user=user, dbname=self.name, password=password)

    def dsn_through(self, link: Link) -> str:
        """Return conninfo of the superuser whose packets take a link."""
        assert isinstance(self.primary, Server), "clients of a container take no link"
        return self.primary.dsn_through(link, dbname=self.name)

    def query(self, statement: LiteralString, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as superuser."""
        return query(self.dsn, statement, *parameters)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Clustered]:
    if tag := chosen_tag(request.config):
        from tests.containers import running_cluster  # noqa: PLC0415 - only where containers are asked for

        with running_cluster(tag) as made:
            yield made
        return
    with Sandbox() as sandbox:
        primary = sandbox.primary()
        link_a, link_b = sandbox.link(primary), sandbox.link(primary)
        replica_a = sandbox.standby("replica-a", primary, link=link_a)
        replica_b = sandbox.standby("replica-b", primary, link=link_b)
        yield Cluster(sandbox, primary, replica_a, replica_b, link_a, link_b)


@contextmanager
def own_database(primary: Primary) -> Iterator[Database]:
    """A fresh database, dropped at the end with the slots in it."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(primary.dsn, autocommit=True) as connection:
        # The way before 15, where it is a choice: it writes no megabytes of WAL for a test to wonder at.
        strategy = sql.SQL("strategy file_copy" if connection.info.server_version >= 150_000 else "")
        connection.execute(sql.SQL("create database {} {}").format(sql.Identifier(name), strategy))
    yield Database(name, primary)
    with psycopg.connect(primary.dsn, autocommit=True) as connection:
        connection.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = %s and not active",
            [name],
        )
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database(cluster: Clustered) -> Iterator[Database]:
    with own_database(cluster.primary) as made:
        for replica in (cluster.replica_a, cluster.replica_b):
            replica.wait_replayed()
        yield made
        cluster.restore()


@pytest.fixture(autouse=True)
def _restored(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if {"cluster", "database"} & set(request.fixturenames) and "database" not in request.fixturenames:
        request.getfixturevalue("cluster").restore()
