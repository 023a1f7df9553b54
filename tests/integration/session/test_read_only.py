"""A server that writes and refuses ours to is no standby: the setting is named, where it was set, and what lifts it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from backfill.postgres.session.connection import connect
from backfill.postgres.session.read_only import with_setting
from backfill.values.errors import ConnectionLost, StatementRefused
from backfill.values.identifier import quote
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, job_file, run_sql

pytestmark = pytest.mark.anyio

ON = "set default_transaction_read_only = on"


@pytest.fixture
def users(shared: Database) -> Iterator[Database]:
    yield shared
    role, database = quote(shared.worker), shared.name
    for whose in (f"role {role}", f"role {role} in database {database}", f"database {database}"):
        run_sql(shared.primary.dsn, f"alter {whose} reset default_transaction_read_only")


async def cause(dsn: str) -> str:
    with pytest.raises(ConnectionLost, match="session is read-only; ") as caught:
        await connect(dsn, application_name="backfill:test")
    return str(caught.value).partition("session is read-only; ")[2]


async def test_the_setting_is_named_with_where_it_was_set_and_the_least_that_lifts_it(users: Database):
    role, database = users.worker, users.name
    remedy = f"if this role may write, run: ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = off;"
    for whose, words in (
        (f"database {database}", f"for database {database}"),
        (f"role {role}", f"for role {role}"),
        (f"role {role} in database {database}", f"for role {role} in database {database}"),
    ):
        run_sql(users.primary.dsn, f"alter {whose} {ON}")
        assert await cause(users.worker_dsn) == f"default_transaction_read_only is on {words}; {remedy}"
    run_sql(users.primary.dsn, remedy.partition("run: ")[2])
    await (await connect(users.worker_dsn, application_name="backfill:test")).close()
    given = f"{users.worker_dsn} options='-c default_transaction_read_only=on'"
    assert "is on by the DSN or PGOPTIONS; if this role may write, take it out there" in await cause(given)


async def test_a_setting_that_comes_in_mid_run_is_named_too(users: Database):
    async with connected(users.dsn, job_file()) as connection:
        await connection.execute("set default_transaction_read_only = on")
        error = StatementRefused("cannot execute UPDATE in a read-only transaction", "25006", 0.0)
        said = str(await with_setting(connection, error))
    assert said.startswith(
        "cannot execute UPDATE in a read-only transaction; default_transaction_read_only is on by ses"
    )
