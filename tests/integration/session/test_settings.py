"""Every setting that could matter has a rule, on each major; ours hold for what is ours, the role's for its expressions."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from backfill.postgres.session import settings
from backfill.postgres.session.bounds import bounds_of
from backfill.postgres.session.connection import Connection, connect
from backfill.postgres.session.role_settings import execute_as_role
from backfill.sandbox import Server
from tests.factories import job

pytestmark = pytest.mark.anyio

CATEGORIES = (
    "Client Connection Defaults / Statement Behavior",
    "Client Connection Defaults / Locale and Formatting",
    "Version and Platform Compatibility / %",
    "Query Tuning / Planner Method Configuration",
)
ROLE = {
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "America/New_York",
    "array_nulls": "off",
    "bytea_output": "escape",
    "default_transaction_isolation": "serializable",
    "enable_seqscan": "off",
    "enable_tidscan": "off",
    "extra_float_digits": "-5",
    "idle_session_timeout": "1s",
    "quote_all_identifiers": "on",
    "search_path": "shop, pg_catalog, public",
    "standard_conforming_strings": "off",
    "statement_timeout": "300ms",
    "transform_null_equals": "on",
    "xmloption": "document",
}
READ = sql.SQL("select name, setting from pg_catalog.pg_settings").format()


@pytest.fixture
def server(bare: Server) -> Server:
    with psycopg.connect(bare.dsn, autocommit=True) as connection:
        connection.execute(
            "drop schema if exists shop; drop role if exists worker; create role worker login; create schema shop"
        )
        connection.execute("grant usage on schema shop to worker")
        for name, value in ROLE.items():
            connection.execute(sql.SQL("alter role worker set {} = {}").format(sql.Identifier(name), value))
    return bare


async def read(connection: Connection) -> dict[str, str]:
    cursor = await connection.execute(READ)
    return dict(await cursor.fetchall())


def test_every_setting_of_these_categories_has_one_rule(bare: Server):
    found = bare.query(
        "select name from pg_settings where category like any(%s) and context in ('user', 'superuser')",
        list(CATEGORIES),
    )
    rules = (settings.OURS, settings.SESSION, settings.BOUNDS, settings.ROLES)
    counts = {name: sum(name in rule for rule in rules) for (name,) in found}
    assert {name: count for name, count in counts.items() if count != 1} == {}


async def test_ours_hold_whatever_the_role_has_set(server: Server):
    async with await connect(server.dsn_for(user="worker"), application_name="backfill:test", job=job()) as connection:
        ours = await read(connection)
    for name, value in {**settings.OURS, **settings.SESSION}.items():
        assert ours.get(name, value) == value, name


async def test_the_role_s_statements_run_under_the_settings_of_a_plain_connection(server: Server):
    dsn = server.dsn_for(user="worker") + " options='-c search_path=shop,public -c lc_time=C.utf8'"
    with psycopg.connect(dsn, autocommit=True) as plain:
        plain.execute("set statement_timeout = 0")
        expected: dict[str, str] = dict(plain.execute(READ).fetchall())
    async with await connect(dsn, application_name="backfill:test", job=job()) as connection:
        cursor = await execute_as_role(connection, READ)
        in_role: dict[str, str] = dict(await cursor.fetchall())
        assert (await read(connection))["search_path"] == "pg_catalog, pg_temp"
    bounded = (
        settings.SESSION.keys() | settings.BOUNDS | {"application_name", "client_encoding", "transaction_isolation"}
    )
    assert {name: value for name, value in in_role.items() if expected[name] != value and name not in bounded} == {}
    assert in_role["search_path"] == "shop,public"


async def test_our_settings_come_back_inside_a_transaction_and_after_an_error(server: Server):
    async with await connect(server.dsn_for(user="worker"), application_name="backfill:test", job=job()) as connection:
        async with connection.transaction():
            await execute_as_role(
                connection, sql.SQL("select pg_catalog.set_config('search_path', 'public', false)").format()
            )
            assert (await read(connection))["search_path"] == "pg_catalog, pg_temp"
        with pytest.raises(psycopg.errors.DivisionByZero):
            await execute_as_role(connection, sql.SQL("select 1 / 0").format())
        assert (await read(connection))["search_path"] == "pg_catalog, pg_temp"


async def test_the_environment_s_settings_are_the_role_s(server: Server, monkeypatch: pytest.MonkeyPatch):
    """As psql would have it, PGDATESTYLE and PGTZ hold for expressions, and for nothing that we read."""
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGTZ", "Asia/Kathmandu")
    async with await connect(server.dsn_for(user="worker"), application_name="backfill:test", job=job()) as connection:
        cursor = await execute_as_role(connection, READ)
        in_role: dict[str, str] = dict(await cursor.fetchall())
        ours = await read(connection)
    assert (in_role["DateStyle"], in_role["TimeZone"]) == ("German, DMY", "Asia/Kathmandu")
    assert (ours["DateStyle"], ours["TimeZone"]) == ("ISO, MDY", "UTC")


def test_the_bounds_of_a_wait_have_their_rule():
    assert bounds_of().keys() == settings.BOUNDS
