"""State tables that would be published: refused before they are written, with two ways out that a subscriber survives."""

from __future__ import annotations

import time
from collections.abc import Iterator

import anyio
import psycopg
import pytest

from backfill.postgres.state.schema import init, init_script
from backfill.sandbox import Sandbox, Server
from backfill.sandbox.binaries import find_binaries
from backfill.values.errors import Halted
from tests.fixtures_postgres import Database
from tests.integration.jobs import create_database, drop_database, job_file, make_users, run, run_sql
from tests.majors import binaries, major_of, why_absent

pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]

ROWS = 300
MESSAGE = (
    "publication everything publishes schema backfill, and a subscriber without it stops; publish a list of tables"
    " instead, or create the schema on each subscriber (backfill init --print | psql SUBSCRIBER) and then run:"
    " backfill init --published"
)


@pytest.fixture(scope="module")
def logical(major: int) -> Iterator[Server]:
    """A server whose changes subscribers can follow."""
    usual = find_binaries()
    if major_of(usual) != major and (reason := why_absent(major)):
        pytest.skip(reason)
    with Sandbox((usual if major_of(usual) == major else binaries(major)).directory) as sandbox:
        yield sandbox.primary(settings={"wal_level": "logical"})


@pytest.fixture
def publisher(logical: Server) -> Iterator[Database]:
    database = create_database(logical)
    make_users(database, ROWS)
    yield database
    drop_database(database)


@pytest.fixture
def subscriber(publisher: Database, logical: Server) -> Iterator[Database]:
    """Another database of the same server, which follows the first one."""
    database = create_database(logical)
    make_users(database, 0)
    yield database
    run_sql(
        database, "alter subscription s disable", "alter subscription s set (slot_name = none)", "drop subscription s"
    )
    drop_database(database)
    deadline_s = time.monotonic() + 20
    while publisher.query("select count(*) from pg_replication_slots where active") != [(0,)]:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    publisher.query("select pg_drop_replication_slot(slot_name) from pg_replication_slots")


def subscribe(publisher: Database, subscriber: Database) -> None:
    """Follow publication `everything`; a slot of the same server has to be made beforehand."""
    publisher.query("select pg_create_logical_replication_slot('s', 'pgoutput')")
    run_sql(
        subscriber,
        f"create subscription s connection '{publisher.dsn}' publication everything"
        " with (create_slot = false, slot_name = 's')",
    )


async def filled(subscriber: Database) -> None:
    """Return when all handles have arrived."""
    for _ in range(300):
        if subscriber.query("select count(*) from users where handle = username") == [(ROWS,)]:
            return
        await anyio.sleep(0.1)
    raise AssertionError("the subscriber does not follow")


async def test_nothing_is_written_that_would_stop_a_subscriber(publisher: Database):
    run_sql(publisher, "create publication everything for all tables")
    for command in (run(publisher.worker_dsn, job_file()), init(publisher.dsn, None)):
        with pytest.raises(Halted) as caught:
            await command
        assert str(caught.value) == MESSAGE
    with pytest.raises(psycopg.DatabaseError, match="publication everything publishes schema backfill"):
        run_sql(publisher, init_script(None))
    assert publisher.query("select to_regnamespace('backfill')") == [(None,)]


async def test_a_subscriber_that_has_the_schema_follows_the_whole_job(publisher: Database, subscriber: Database):
    run_sql(publisher, "create publication everything for all tables")
    subscribe(publisher, subscriber)
    run_sql(subscriber, init_script(None))
    await init(publisher.dsn, publisher.worker, published=True)
    finished, _ = await run(publisher.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", ROWS)
    await filled(subscriber)


async def test_a_subscriber_of_a_list_of_tables_needs_nothing(publisher: Database, subscriber: Database):
    run_sql(publisher, "create publication everything for table users")
    subscribe(publisher, subscriber)
    finished, _ = await run(publisher.worker_dsn, job_file())
    assert (finished.state, finished.rows_total) == ("done", ROWS)
    await filled(subscriber)


async def test_a_publication_that_is_made_later_is_refused_by_the_next_run(publisher: Database, major: int):
    await init(publisher.dsn, publisher.worker)
    made = ["for all tables", "for table backfill.job"] + (["for tables in schema backfill"] if major >= 15 else [])
    for kind in made:
        run_sql(publisher, f"create publication everything {kind}")
        with pytest.raises(Halted) as caught:
            await run(publisher.worker_dsn, job_file())
        assert str(caught.value) == MESSAGE
        run_sql(publisher, "drop publication everything")
    assert publisher.query("select count(*) from backfill.job") == [(0,)]
