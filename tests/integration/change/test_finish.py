"""`finish` on real servers: NOT NULL and indexes, on plain and partitioned tables, whatever was left there before."""

from __future__ import annotations

import pytest

from backfill.events.ddl import DdlDone
from backfill.events.event import Event
from backfill.postgres.state.overrides import tune
from backfill.postgres.state.request import Asked
from tests.fixtures_postgres import Database
from tests.integration.change.finishing import (
    HANDLE_KEY,
    PARTITIONED,
    PLAIN,
    about,
    catalog,
    fill,
    finish,
    finish_job,
    make_table,
)
from tests.integration.jobs import job_file, run_sql

PARTIAL = "CREATE INDEX users_username_id_idx ON public.users USING btree (username, id) WHERE (id > 5)"
SET_AND_DROP = (
    "ALTER TABLE public.users ALTER COLUMN handle SET NOT NULL;"
    " ALTER TABLE public.users DROP CONSTRAINT IF EXISTS backfill_handle_not_null"
)
pytestmark = [pytest.mark.anyio, pytest.mark.majors(14, 18)]


def statements(events: list[Event]) -> list[str]:
    return [event.statement.replace('"', "") for event in events if isinstance(event, DdlDone)]


async def test_a_plain_table_gets_its_constraints_and_a_second_run_does_nothing(server: Database, major: int):
    make_table(server, *PLAIN)
    job = finish_job(not_null=["handle"], indexes=[HANDLE_KEY, {"columns": ["username", "id"], "where": "id > 5"}])
    await fill(server, job)
    done, events = await finish(server, job)
    assert done == ("not_null handle", "index users_handle_key", "index users_username_id_idx")
    assert "users | handle | true | " in about(server, "column")
    assert about(server, "index") == {
        "users_pkey | CREATE UNIQUE INDEX users_pkey ON public.users USING btree (id) | true | true",
        "users_handle_key | CREATE UNIQUE INDEX users_handle_key ON public.users USING btree (handle) | true | true",
        f"users_username_id_idx | {PARTIAL} | true | true",
    }
    assert "users | users_handle_key UNIQUE (handle) | true | u" in about(server, "constraint")
    assert not [text for text in about(server, "constraint") if "CHECK" in text or "backfill" in text]
    if major < 18:
        assert statements(events)[:3] == [
            "ALTER TABLE public.users ADD CONSTRAINT backfill_handle_not_null CHECK (handle IS NOT NULL) NOT VALID",
            "ALTER TABLE public.users VALIDATE CONSTRAINT backfill_handle_not_null",
            SET_AND_DROP,
        ]
    else:
        assert "users | users_handle_not_null NOT NULL handle | true | n" in about(server, "constraint")
    before = catalog(server)
    assert await finish(server, job) == ((), [])
    assert catalog(server) == before
    [(steps,)] = server.query("select finish from backfill.job")
    assert set(steps) == {"not_null handle", "index users_handle_key", "index users_username_id_idx"}
    assert all(step["done_at"] and step["role"] == "postgres" for step in steps.values())


async def test_a_partitioned_table_is_changed_leaf_by_leaf(server: Database):
    make_table(server, *PARTITIONED)
    key = {"columns": ["id", "handle"], "unique": True, "name": "users_id_handle_key", "constraint": True}
    job = finish_job(not_null=["handle"], indexes=[key, {"columns": ["handle"]}])
    await fill(server, job)
    await finish(server, job)
    tables = {"users", "users_1", "users_2", "users_2_1", "users_2_2"}
    assert {f"{table} | handle | true | " for table in tables} <= about(server, "column")
    indexes = about(server, "index")
    assert all(text.endswith("| true | true") for text in indexes)
    for table in tables:
        only = "ONLY " if table in {"users", "users_2"} else ""
        text = f"CREATE INDEX {table}_handle_idx ON {only}public.{table} USING btree (handle)"
        assert f"{table}_handle_idx | {text} | true | true" in indexes
        assert f"{table} | {table}_id_handle_key UNIQUE (id, handle) | true | u" in about(server, "constraint")
    parts = about(server, "part")
    assert "users_2_1_handle_idx | users_2_handle_idx |  | " in parts
    assert "users_2_handle_idx | users_handle_idx |  | " in parts
    before = catalog(server)
    run_sql(server, "create table users_3 partition of users for values from (1000) to (2000)")
    run_sql(server, "drop table users_3")
    assert await finish(server, job) == ((), [])
    assert catalog(server) == before


async def test_a_run_behind_a_finish_makes_no_trigger_and_its_job_is_read_by_name(server: Database):
    make_table(server, *PLAIN)
    job = job_file(sync="trigger", finish={"indexes": [HANDLE_KEY]})
    await fill(server, job)
    assert "sync_trigger removed" in (await finish(server, job))[0]
    run_sql(server, "update users set handle = null where id = 7")
    await fill(server, job)
    assert server.query("select count(*) from users where handle is null") == [(0,)]
    assert server.query("select count(*) from pg_trigger where not tgisinternal") == [(0,)]
    tuned = await tune(server.dsn, job.job.name, {"max_wal_rate": "1MB/s"}, Asked(), reset=False)
    assert tuned.after["max_wal_rate"] == "1MB/s"
