"""No transaction ever updates more than `max_rows` rows: counted by a trigger, on tables of every density."""

from __future__ import annotations

import pytest

from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run, run_sql

pytestmark = pytest.mark.anyio

ROWS = 40_000
MAX_ROWS = 700
COUNTING = (
    "create table counted (transaction xid8 not null, rows bigint not null)",
    (
        "create function count_rows() returns trigger language plpgsql as"
        " 'begin insert into counted select pg_current_xact_id(), count(*) from changed; return null; end'"
    ),
    (
        "create trigger count_rows after update on users"
        " referencing new table as changed for each statement execute function count_rows()"
    ),
)
DUE = {
    "all": "true",
    "one in a hundred": "id % 100 = 0",
    "none, then all": "id > 30000",
    "few, then all, then few": "id % 50 = 0 or id between 15000 and 25000",
}


@pytest.mark.parametrize("due", DUE)
@pytest.mark.parametrize("lanes", [1, 3])
async def test_no_transaction_updates_more_rows_than_it_may(database: Database, due: str, lanes: int):
    make_users(database, ROWS)
    run_sql(database, f"update users set handle = username where not ({DUE[due]})", "vacuum full users", *COUNTING)
    [(to_do,)] = database.query("select count(*) from users where handle is null")
    batch = {"rows": MAX_ROWS, "min_rows": 100, "max_rows": MAX_ROWS}
    finished, _ = await run(
        database.dsn,
        job_file(lanes=lanes, batch=batch, throttle={"max_wal_rate": "1GB/s"}, accept=["statement-triggers"]),
    )
    assert (finished.state, finished.rows_total) == ("done", to_do)
    per_transaction = "select sum(rows) as rows from counted group by transaction"
    [(most, total)] = database.query(f"select max(rows), sum(rows) from ({per_transaction}) as sums")
    assert most <= MAX_ROWS
    assert total == to_do
    assert database.query("select count(*) from users where handle is distinct from username") == [(0,)]
