"""What may be joined, what `plan` says of a join, and what is refused about one."""

from __future__ import annotations

import psycopg
import pytest

from backfill.jobfile.load import load
from backfill.postgres.plan.make import make_plan
from backfill.values.errors import JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, prepared, run, run_sql
from tests.integration.work.joining import MEANT, USERS, joining

pytestmark = pytest.mark.anyio


READ = {
    "partitioned": (
        "create table joined (user_id int, nick text) partition by hash (user_id)",
        "create table joined_0 partition of joined for values with (modulus 2, remainder 0)",
        "create table joined_1 partition of joined for values with (modulus 2, remainder 1)",
        "insert into joined select * from accounts",
    ),
    "inherited": (
        "create table joined (user_id int, nick text)",
        "create table heirs () inherits (joined)",
        "insert into heirs select * from accounts",
    ),
    "view": ("create view joined as select user_id, max(nick) as nick from accounts group by 1",),
    "materialized": ("create materialized view joined as select user_id, max(nick) as nick from accounts group by 1",),
}


@pytest.mark.parametrize("kind", READ)
async def test_what_can_be_read_can_be_joined(joined_users: Database, kind: str):
    run_sql(joined_users, "drop schema if exists reports cascade", "create schema reports")
    run_sql(joined_users, *(text.replace("joined", "reports.joined") for text in READ[kind]))
    using = {"table": "reports.joined", "as": "j", "on": "j.user_id = users.id"}
    finished, _ = await run(joined_users.worker_dsn, joining(using=using, set={"handle": "j.nick"}))
    fillable = [one for one in USERS if one[0] is None and any(one[1])]
    assert (finished.state, finished.rows_unconverged) == (
        "unconverged",
        len([one for one in USERS if one[0] is None]) - len(fillable),
    )


async def test_a_table_joined_with_itself_is_filled_from_row_to_row(shared: Database):
    """Each row waits for the one before it: passes go on as long as the proof finds a row that an update would mend."""
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        "drop table if exists places",
        "create table places (id int primary key, parent int, root int) with (autovacuum_enabled = off)",
        "insert into places select i, nullif(i / 10, 0), case when i < 10 then i end from generate_series(1, 999) i",
        "update places set parent = 5000 where id = 77",
    )
    using = {"table": "places", "as": "other", "on": "other.id = places.parent"}
    job = joining(
        table="places", set={"root": "other.root"}, where="places.root IS NULL", using=using, accept=["own-table"]
    )
    finished, _ = await run(shared.worker_dsn, job)
    assert (finished.state, finished.rows_unconverged) == ("unconverged", 11)
    wrong = "select count(*) from places where root is distinct from left(id::text, 1)::int"
    assert shared.query(wrong + " and id <> 77 and id / 10 <> 77") == [(0,)]


async def test_names_of_any_kind_are_joined(shared: Database):
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        'drop schema if exists "Sho%p" cascade',
        'create schema "Sho%p"',
        'create table "Sho%p"."Us.ers %s" (id int primary key, "ctid_" text, "Ha""ndle%" text)',
        'create table "Sho%p"."Us.ers" (id int primary key, "N%(low)s" text)',
        'insert into "Sho%p"."Us.ers %s" select i from generate_series(1, 50) i',
        'insert into "Sho%p"."Us.ers" select i, i || \'%\' from generate_series(1, 50) i',
    )
    job = joining(
        table='"Sho%p"."Us.ers %s"',
        set={'"Ha""ndle%"': '"O%n"."N%(low)s" || "Us.ers %s".id % 7'},
        where='"Ha""ndle%" IS NULL -- %s',
        using={"table": '"Sho%p"."Us.ers"', "as": '"O%n"', "on": '"O%n".id = "Us.ers %s".id -- %(high)s'},
    )
    plan = await make_plan(shared.dsn, job)
    assert not [text for text in plan.against if "partner" in text]
    finished, _ = await run(shared.worker_dsn, job)
    assert (finished.state, finished.rows_total) == ("done", 50)
    wrong = 'select count(*) from "Sho%p"."Us.ers %s" where "Ha""ndle%" is distinct from id || \'%\' || id % 7'
    with psycopg.connect(shared.dsn) as connection:
        assert connection.execute(wrong.encode()).fetchall() == [(0,)]


UNIQUE = {
    "": False,
    "create unique index on accounts (user_id, nick)": False,
    "create unique index on accounts (user_id) where nick = 'a'": False,
    "alter table accounts add unique (user_id) deferrable": False,
    "create unique index on accounts (user_id)": True,
}


@pytest.mark.parametrize("index", UNIQUE)
async def test_plan_says_where_a_row_may_have_several_partners(joined_users: Database, index: str):
    run_sql(joined_users, "delete from accounts", *([index] if index else []))
    against = (await make_plan(joined_users.dsn, joining())).against
    several = (
        "no unique index shows that a row has one partner in public.accounts: of several, any one gives the values"
    )
    assert (several in against) is not UNIQUE[index]


@pytest.mark.parametrize("where", [MEANT["alone"].where, MEANT["joined"].where])
async def test_plan_says_where_a_batch_reads_all_of_another_table(joined_users: Database, where: str):
    run_sql(joined_users, "drop index accounts_user_id_idx")
    run_sql(joined_users, "insert into accounts select i, 'x' from generate_series(1000, 40000) i", "analyze accounts")
    whole = "accounts is read whole for each batch, about "
    assert [text for text in (await make_plan(joined_users.dsn, joining(where=where))).against if whole in text]
    run_sql(joined_users, "create index accounts_user_id_idx on accounts (user_id)")
    assert not [text for text in (await make_plan(joined_users.dsn, joining(where=where))).against if whole in text]


FORESEEN = [
    ("handle IS NULL", True),
    ("handle IS DISTINCT FROM nick", True),
    ("handle IS NULL AND users.ctid > '(0,0)'", False),
    ("handle IS DISTINCT FROM nick AND users.xmin::text <> '2'", False),
    ("handle IS DISTINCT FROM nick AND accounts.ctid > '(0,0)'", True),
    ("handle IS DISTINCT FROM nick AND public.users.id > 0", False),
    ("to_jsonb(users) ->> 'handle' IS DISTINCT FROM to_jsonb(accounts) ->> 'nick'", True),
]


@pytest.mark.parametrize(("where", "foreseen"), FORESEEN)
async def test_what_is_foreseen_of_a_joined_row(joined_users: Database, where: str, foreseen: bool):
    job = joining(where=where)
    async with connected(joined_users.dsn, job) as connection:
        _, statements = await prepared(connection, job)
    assert statements.foreseen is foreseen


HERE = "¦"


JOIN = """\
name: users-handle
table: users
set:
  handle: {set}
where: {where}
using:
  table: {table}
  on: {on}
"""


RIGHT = {"set": "nick", "where": "handle IS NULL", "table": "accounts", "on": "accounts.user_id = users.id"}


WRONG = [
    ({"on": "¦account.user_id = users.id"}, 'missing FROM-clause entry for table "account"'),
    ({"on": "accounts.user_id = ¦users.idd"}, "column users.idd does not exist"),
    ({"on": "accounts.user_id ¦= users.handle"}, "operator does not exist: integer = text"),
    ({"on": "¦accounts.user_id"}, "argument of WHERE must be type boolean, not type integer"),
    ({"on": "user_id = id AND ¦ctid > '(0,0)'"}, 'column reference "ctid" is ambiguous'),
    ({"on": "¦count(*) = 1"}, "aggregate functions are not allowed in WHERE"),
    ({"on": "user_id = id AND 1 / 0 = 1"}, "division by zero"),
    ({"set": "lower(¦nickname)"}, 'column "nickname" does not exist'),
    ({"set": "¦a.nick"}, 'missing FROM-clause entry for table "a"'),
    ({"where": "handle IS NULL AND ¦nickname <> ''"}, 'column "nickname" does not exist'),
    ({"table": "¦acounts"}, "table 'public.acounts' does not exist in database "),
    ({"table": "¦accounts_user_id_idx"}, "table 'public.accounts_user_id_idx' is an index; tables, views and"),
    ({"table": "¦sequence"}, "table 'public.sequence' is a sequence; tables, views and"),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG)
async def test_what_is_wrong_with_a_join_is_reported_where_it_stands(
    joined_users: Database, wrong: dict[str, str], said: str
):
    run_sql(joined_users, "create sequence if not exists sequence")
    before, mark, after = JOIN.format(**RIGHT | wrong).partition(HERE)
    job = load(before + after, "job.yaml")
    async with connected(joined_users.dsn, job) as connection:
        with pytest.raises(JobError) as caught:
            await prepared(connection, job)
    if mark:
        place = f"job.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "
        assert str(caught.value).startswith(place)
    assert said in str(caught.value)


async def test_a_joined_table_that_is_not_there_is_reported_with_the_one_that_was_meant(joined_users: Database):
    run_sql(joined_users, "drop schema if exists reports cascade", "create schema reports")
    run_sql(joined_users, "create view reports.account_names as select user_id, nick from accounts")
    for wrong, meant in (("acounts", "public.accounts"), ("account_names", "reports.account_names")):
        job = joining(using={"table": wrong, "on": "user_id = id"})
        with pytest.raises(JobError, match=f"'public.{wrong}' does not exist in .*; did you mean '{meant}'"):
            await make_plan(joined_users.dsn, job)


async def test_a_right_that_is_missing_on_the_joined_table_is_reported_with_its_grant(joined_users: Database):
    role = f"joins_{joined_users.name}"
    run_sql(
        joined_users,
        "drop schema if exists shop cascade",
        "create schema shop",
        "create table shop.accounts as select * from accounts",
        "alter table shop.accounts enable row level security",
        f"create role {role} login",
        f"grant pg_monitor to {role}",
        f"grant select, update on users to {role}",
    )
    job = joining(using={"table": "shop.accounts", "on": "user_id = id"})
    said: list[str] = []
    try:
        while len(said) < 5:
            try:
                await make_plan(joined_users.dsn_for(user=role), job)
                break
            except JobError as error:
                said.append(str(error))
                run_sql(joined_users, said[-1].partition("run: ")[2])
        assert said == [
            f"job.yaml:6:19: table 'shop.accounts' is out of reach; run: GRANT USAGE ON SCHEMA shop TO {role};",
            f"job.yaml:6:19: table 'shop.accounts' cannot be read by role '{role}'; run: GRANT SELECT (user_id, nick) ON shop.accounts TO {role};",
            f"job.yaml:6:19: table 'shop.accounts' has row security that hides rows from role '{role}'; run: ALTER ROLE {role} BYPASSRLS;",
        ]
    finally:
        run_sql(joined_users, f"drop owned by {role}", f"drop role {role}")
