"""Schema `backfill` made or changed by somebody else: nothing of theirs runs with our rights, and the cause is named."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest

from backfill.postgres.session.connection import connect
from backfill.postgres.state.overrides import tune
from backfill.postgres.state.request import Asked
from backfill.postgres.state.schema import create_state, init, init_script
from backfill.postgres.state.status import read_status
from backfill.values.errors import Halted
from backfill.values.identifier import quote
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, make_users, run, run_sql
from tests.integration.worker import Worker as Session

pytestmark = pytest.mark.anyio

TRAP = """
create function public.spring() returns trigger language plpgsql as
    'begin insert into public.sprung values (current_user::text); return new; end';
create function public.spring_text() returns text language plpgsql as
    'begin insert into public.sprung values (current_user::text); return ''running''; end';
create function public.spring_test(text) returns boolean language plpgsql as
    'begin insert into public.sprung values (current_user::text); return true; end';
"""


@pytest.fixture
def users(shared: Database) -> Database:
    """Table users anew, no state schema, and functions that record who ran them."""
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        "drop table if exists users, sprung cascade",
        "drop function if exists spring, spring_text, spring_test cascade",
        "create table sprung (who text)",
        "grant insert on sprung to public",
        TRAP,
    )
    make_users(shared, 100)
    return shared


@pytest.fixture
def stranger(users: Database) -> Iterator[str]:
    """A role that may create a schema in this database, and nothing else."""
    name = f"stranger_{secrets.token_hex(3)}"
    run_sql(users, f"create role {name} login", f"grant create on database {users.name} to {name}")
    yield name
    run_sql(users, f"drop owned by {name} cascade", f"drop role {name}")


def sprung(database: Database) -> list[tuple[object, ...]]:
    return database.query("select who from sprung")


async def make_state(dsn: str) -> None:
    async with await connect(dsn, application_name="backfill:test") as connection:
        await create_state(connection)


async def test_init_refuses_a_schema_that_another_role_made(users: Database, stranger: str):
    await make_state(users.dsn_for(stranger))
    for table in ("job", "version"):
        trigger = (
            f"create trigger trap before insert or update on backfill.{table} for each row execute function spring()"
        )
        run_sql(users.dsn_for(stranger), trigger)
    expected = (
        f"schema backfill belongs to role {stranger}, which could run code with the rights of postgres through it;"
        " run this as that role, or rename the schema"
    )
    with pytest.raises(Halted) as caught:
        await init(users.dsn, users.worker)
    assert str(caught.value) == expected
    with pytest.raises(psycopg.DatabaseError) as printed:
        run_sql(users, init_script(users.worker))
    assert (printed.value.sqlstate, printed.value.diag.message_primary) == ("BF001", expected)
    assert sprung(users) == []


@pytest.mark.parametrize(
    "made",
    ["table backfill.job (name text, spec jsonb)", "function backfill.f() returns int language sql as 'select 1'"],
)
async def test_init_refuses_an_object_that_another_role_made_in_our_schema(users: Database, stranger: str, made: str):
    run_sql(users, "create schema backfill", f"grant usage, create on schema backfill to {stranger}")
    run_sql(users.dsn_for(stranger), f"create {made}")
    with pytest.raises(Halted, match=rf"(relation|function) backfill\.\w+ belongs to role {stranger}"):
        await init(users.dsn, None)


async def test_the_owner_of_the_database_is_trusted_by_others_but_not_by_a_superuser(users: Database, stranger: str):
    run_sql(users, f"alter database {users.name} owner to {stranger}")
    try:
        await make_state(users.dsn_for(stranger))
        with pytest.raises(Halted, match=f"schema backfill belongs to role {stranger}"):
            await init(users.dsn, None)
        run_sql(
            users.dsn_for(stranger),
            f"grant usage, create on schema backfill to {quote(users.worker)}",
            f"grant all on all tables in schema backfill to {quote(users.worker)}",
        )
        await make_state(users.worker_dsn)
    finally:
        run_sql(users, f"alter database {users.name} owner to postgres")


CODE = {
    "trigger": (
        "create trigger trap before insert or update on backfill.job for each row execute function spring()",
        "trigger trap on table backfill.job is not ours",
    ),
    "rule": (
        "create rule trap as on update to backfill.job do also insert into sprung values (current_user)",
        "rule trap on table backfill.job is not ours",
    ),
    "default": (
        "alter table backfill.job alter reason set default spring_text()",
        "default value for column reason of table backfill.job uses function spring_text() and is not ours",
    ),
    "constraint": (
        "alter table backfill.event add constraint trap check (spring_test(kind)) not valid",
        "constraint trap on table backfill.event uses function spring_test(text) and is not ours",
    ),
    "policy": (
        "create policy trap on backfill.job using (spring_test(name))",
        "policy trap on table backfill.job is not ours",
    ),
    "view": (
        "alter table backfill.event rename to e; create view backfill.event as select *, spring_text() from backfill.e",
        "backfill.event is not one of our tables",
    ),
    "child": ("create table was_job () inherits (backfill.job)", "backfill.job is not one of our tables"),
}


@pytest.mark.parametrize("kind", CODE)
async def test_code_in_the_state_schema_is_refused_by_every_command(users: Database, kind: str):
    await make_state(users.worker_dsn)
    await run(users.worker_dsn, job_file())
    statement, expected = CODE[kind]
    run_sql(users, statement, "truncate sprung")
    for command in (
        run(users.worker_dsn, job_file()),
        init(users.worker_dsn, None),
        read_status(users.worker_dsn, None),
        tune(users.worker_dsn, "users-handle", {"max_lag": "5s"}, Asked(), reset=False),
    ):
        with pytest.raises(Halted) as caught:
            await command
        assert str(caught.value).replace("public.", "") == f"{expected}; drop it, or rename schema backfill"
    assert sprung(users) == []


async def test_a_schema_that_the_worker_was_given_needs_no_right_on_the_database(users: Database, stranger: str):
    run_sql(
        users,
        f"revoke create on database {users.name} from {stranger}",
        f"create schema backfill authorization {stranger}",
        f"grant pg_monitor to {stranger}",
        f"grant select, update on users to {stranger}",
    )
    finished, _ = await run(users.dsn_for(stranger), job_file())
    assert (finished.state, finished.rows_total) == ("done", 100)


async def test_a_foreign_table_of_our_name_is_named_as_the_cause(users: Database):
    run_sql(users, "create schema backfill", "create table backfill.job (id int primary key)")
    for command in (read_status(users.dsn, None), run(users.dsn, job_file()), init(users.dsn, None)):
        with pytest.raises(
            Halted, match=r"^backfill\.job is not one of our tables; drop it, or rename schema backfill$"
        ):
            await command
    assert users.query("select count(*) from pg_class where relnamespace = to_regnamespace('backfill')") == [(2,)]


async def test_a_foreign_table_that_looks_like_ours_is_named_as_the_cause(users: Database):
    run_sql(users, "create schema backfill", "create table backfill.job (name text, spec jsonb)")
    for _ in range(2):
        with pytest.raises(Halted, match="schema backfill is not as any version of backfill makes it: there is no"):
            async with Session(users.dsn, job_file()):
                pass
