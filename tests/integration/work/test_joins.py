"""Jobs that join: each row that has a partner is filled once, and each that cannot be is counted for what it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import psycopg
import pytest

from backfill.events.batch import BatchDone
from backfill.events.event import Event
from backfill.events.job import PassDone, Verified
from backfill.jobfile.load import JobFile, load
from backfill.postgres.plan.make import make_plan
from backfill.table.batch import TooManyRows
from backfill.values.errors import JobError
from tests.factories import admission, run_order
from tests.fixtures_postgres import Database
from tests.integration.jobs import connected, fill, job_file, next_cut, open_leaf, prepared, run, run_sql, session

pytestmark = pytest.mark.anyio

Partners = tuple[str | None, ...]

NUMBERLESS = 3
PARTNERS = [partners for count in range(4) for partners in combinations_with_replacement((None, "a", "b", "b2"), count)]
"""Which nicks the partners of one row may have: none at all up to three of them."""
USERS: list[tuple[str | None, Partners]] = [
    *((handle, partners) for handle in (None, "a", "c") for partners in PARTNERS),
    *[(None, ())] * NUMBERLESS,
]


def joining(**keys: Any) -> JobFile:
    """Return a job that joins users with their accounts."""
    using = {"table": "accounts", "on": "accounts.user_id = users.id"}
    defaults = {"set": {"handle": "nick"}, "batch": {"stripes": 2}, "using": using}
    return job_file(**defaults | {"throttle": {"replicas": {"ignore": ["*"]}}} | keys)


@pytest.fixture
def users(shared: Database) -> Database:
    """A row for each mixture of a handle and partners, some rows and some accounts without a number to join by."""
    run_sql(
        shared,
        "drop schema if exists backfill cascade",
        "drop table if exists users, accounts cascade",
        "drop function if exists nothing cascade",
        "create table users (place int, id int, handle text) with (autovacuum_enabled = off)",
        "create table accounts (user_id int, nick text)",
        "create index on accounts (user_id)",
        "insert into accounts values (null, 'a'), (null, null)",
    )
    numbered = len(USERS) - NUMBERLESS
    with psycopg.connect(shared.dsn) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into users values (%s, %s, %s)",
            [(place, place if place < numbered else None, handle) for place, (handle, _) in enumerate(USERS)],
        )
        cursor.executemany(
            "insert into accounts values (%s, %s)",
            [(place, nick) for place, (_, partners) in enumerate(USERS) for nick in partners],
        )
    return shared


def handles(database: Database) -> list[str | None]:
    return [handle for (handle,) in database.query("select handle from users order by place")]


def told(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@dataclass(frozen=True)
class Meant:
    """A condition in SQL, and what it means in Python; `alone`: it does not look at the partner."""

    where: str
    alone: bool

    def to_do(self, handle: str | None, partners: Partners) -> bool:
        return handle is None if self.alone else any(handle != nick for nick in partners)

    def mended(self, handle: str | None, partners: Partners) -> bool:
        """Whether the nick of one of its partners would end it."""
        return any((self.alone or handle != nick) and not self.to_do(nick, partners) for nick in partners)


MEANT = {
    "alone": Meant("handle IS NULL", alone=True),
    "joined": Meant("handle IS DISTINCT FROM nick", alone=False),
}
TRIGGER = (
    "create function nothing() returns trigger language plpgsql as 'begin return new; end'",
    "create trigger nothing before update on users for each row execute function nothing()",
)


@pytest.mark.parametrize("meant", MEANT)
async def test_a_row_is_filled_by_a_partner_that_ends_it_or_it_is_counted(users: Database, meant: str):
    means = MEANT[meant]
    finished, events = await run(users.worker_dsn, joining(where=means.where))
    stuck = [one for one in USERS if means.to_do(*one) and not means.mended(*one)]
    for (before, partners), now in zip(USERS, handles(users), strict=True):
        if not means.to_do(before, partners):
            assert now == before
        elif means.mended(before, partners):
            assert now in partners
            assert not means.to_do(now, partners)
        else:
            assert means.to_do(now, partners)
    assert (finished.state, finished.rows_unconverged) == ("unconverged", len(stuck))
    verified = told(events, Verified)[-1]
    without = [one for one in stuck if not one[1]]
    words = "4 have no partner in public.accounts, for the others 'where' stays true after the update; for example"
    assert (words if means.alone else "'where' stays true for them after the update; for example") in finished.why
    assert verified.rows_without_partner == len(without) == (NUMBERLESS + 1 if means.alone else 0)
    assert len(told(events, PassDone)) == len(told(events, Verified)) <= 2
    assert len(finished.samples) == 5


async def test_where_nothing_is_foreseen_the_passes_end_all_the_same(users: Database):
    """Rows without a partner are never updated, and rows of which two partners want different things always."""
    run_sql(users, *TRIGGER)
    for number, means in enumerate(MEANT.values()):
        job = joining(where=means.where, name=f"job-{number}")
        assert not (await make_plan(users.dsn, job)).foreseen
        finished, events = await run(users.worker_dsn, job)
        left = [now for now, (_, partners) in zip(handles(users), USERS, strict=True) if means.to_do(now, partners)]
        assert (finished.state, finished.rows_unconverged) == ("unconverged", len(left))
        assert len(left) >= len([one for one in USERS if means.to_do(*one) and not means.mended(*one)])
        assert finished.passes <= 4
        assert told(events, Verified)[-1].rows_without_partner == (NUMBERLESS + 1 if means.alone else 0)


@pytest.mark.parametrize("meant", MEANT)
async def test_a_scout_counts_rows_and_not_pairs_so_that_the_cap_is_exact(users: Database, meant: str):
    means = MEANT[meant]
    job = joining(where=means.where, batch={"stripes": 2, "max_rows": 7, "rows": 7, "min_rows": 1})
    stripes = users.query("select get_byte(tidsend(ctid), 5) & 1 from users order by place")
    first = [one for one, stripe in zip(USERS, stripes, strict=True) if stripe == (0,)]
    async with session(users.dsn, job) as worker:
        checkpoint = (await open_leaf(worker)).checkpoints[0]
        whole = await next_cut(worker, checkpoint)
        assert whole.rows == len([one for one in first if one[1] and means.to_do(*one)]) > 7
        assert await run_order(worker, checkpoint, whole, admission(whole.rows)) == TooManyRows(whole.rows)
        while checkpoint.stripe == 0:
            batch_range = await next_cut(worker, checkpoint, 7)
            done = await fill(worker, checkpoint, batch_range)
            assert done.rows == batch_range.rows <= 7
            checkpoint = done.checkpoint


async def test_a_table_of_which_no_row_has_a_partner_is_only_read(users: Database):
    run_sql(users, "delete from accounts")
    finished, events = await run(users.worker_dsn, joining())
    lonely = len([handle for handle, _ in USERS if handle is None])
    assert (finished.state, finished.rows_total, finished.rows_unconverged) == ("unconverged", 0, lonely)
    assert finished.why.startswith(
        f"{lonely} rows cannot converge: they have no partner in public.accounts; for example"
    )
    assert told(events, BatchDone) == []
    run_sql(users, "insert into accounts select id, 'late' from users where id % 2 = 0")
    finished, events = await run(users.worker_dsn, joining())
    assert finished.rows_total == len([None for handle in handles(users) if handle == "late"]) > 0
    assert finished.rows_unconverged == lonely - finished.rows_total


async def test_a_condition_on_the_joined_table_asks_for_joined_rows_only(users: Database):
    job = joining(where="handle IS NULL AND nick <> 'b'")
    finished, _ = await run(users.worker_dsn, job)
    assert (finished.state, finished.why) == ("done", "every row is filled")
    wanted = [{"a", "b2"} & set(partners) if handle is None else {handle} for handle, partners in USERS]
    assert all(now in names if names else now is None for now, names in zip(handles(users), wanted, strict=True))


async def test_a_first_batch_in_which_no_partner_ends_a_row_is_rolled_back_and_shown(users: Database):
    before = users.query("select ctid, xmin, handle from users order by place")
    with pytest.raises(JobError) as caught:
        await run(
            users.worker_dsn, joining(set={"handle": "NULL"}, where="handle IS DISTINCT FROM nick AND nick = 'a'")
        )
    assert "for example row (0," in str(caught.value)
    assert '} → {"handle": null}' in str(caught.value)
    assert users.query("select ctid, xmin, handle from users order by place") == before


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
async def test_what_can_be_read_can_be_joined(users: Database, kind: str):
    run_sql(users, "drop schema if exists reports cascade", "create schema reports")
    run_sql(users, *(text.replace("joined", "reports.joined") for text in READ[kind]))
    using = {"table": "reports.joined", "as": "j", "on": "j.user_id = users.id"}
    finished, _ = await run(users.worker_dsn, joining(using=using, set={"handle": "j.nick"}))
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
    job = joining(table="places", set={"root": "other.root"}, where="places.root IS NULL", using=using)
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
    assert not [notice for notice in plan.notices if "partner" in notice]
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
async def test_plan_says_where_a_row_may_have_several_partners(users: Database, index: str):
    run_sql(users, "delete from accounts", *([index] if index else []))
    notices = (await make_plan(users.dsn, joining())).notices
    several = (
        "no unique index shows that a row has one partner in public.accounts: of several, any one gives the values"
    )
    assert (several in notices) is not UNIQUE[index]


@pytest.mark.parametrize("where", [MEANT["alone"].where, MEANT["joined"].where])
async def test_plan_says_where_a_batch_reads_all_of_another_table(users: Database, where: str):
    run_sql(users, "drop index accounts_user_id_idx")
    run_sql(users, "insert into accounts select i, 'x' from generate_series(1000, 40000) i", "analyze accounts")
    whole = "accounts is read whole for each batch, about "
    assert [notice for notice in (await make_plan(users.dsn, joining(where=where))).notices if whole in notice]
    run_sql(users, "create index accounts_user_id_idx on accounts (user_id)")
    assert not [notice for notice in (await make_plan(users.dsn, joining(where=where))).notices if whole in notice]


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
async def test_what_is_foreseen_of_a_joined_row(users: Database, where: str, foreseen: bool):
    job = joining(where=where)
    async with connected(users.dsn, job) as connection:
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
async def test_what_is_wrong_with_a_join_is_told_where_it_stands(users: Database, wrong: dict[str, str], said: str):
    run_sql(users, "create sequence if not exists sequence")
    before, mark, after = JOIN.format(**RIGHT | wrong).partition(HERE)
    job = load(before + after, "job.yaml")
    async with connected(users.dsn, job) as connection:
        with pytest.raises(JobError) as caught:
            await prepared(connection, job)
    if mark:
        place = f"job.yaml:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}: "
        assert str(caught.value).startswith(place)
    assert said in str(caught.value)


async def test_a_joined_table_that_is_not_there_is_told_with_the_one_that_was_meant(users: Database):
    run_sql(users, "drop schema if exists reports cascade", "create schema reports")
    run_sql(users, "create view reports.account_names as select user_id, nick from accounts")
    for wrong, meant in (("acounts", "public.accounts"), ("account_names", "reports.account_names")):
        job = joining(using={"table": wrong, "on": "user_id = id"})
        with pytest.raises(JobError, match=f"'public.{wrong}' does not exist in .*; did you mean '{meant}'"):
            await make_plan(users.dsn, job)


async def test_a_right_that_is_missing_on_the_joined_table_is_told_with_its_grant(users: Database):
    role = f"joins_{users.name}"
    run_sql(
        users,
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
                await make_plan(users.dsn_for(user=role), job)
                break
            except JobError as error:
                said.append(str(error))
                run_sql(users, said[-1].partition("run: ")[2])
        assert said == [
            f"job.yaml:6:19: table 'shop.accounts' is out of reach; run: GRANT USAGE ON SCHEMA shop TO {role};",
            f"job.yaml:6:19: table 'shop.accounts' cannot be read by role '{role}'; run: GRANT SELECT ON shop.accounts TO {role};",
            f"job.yaml:6:19: table 'shop.accounts' has row security that hides rows from role '{role}'; run: ALTER ROLE {role} BYPASSRLS;",
        ]
    finally:
        run_sql(users, f"drop owned by {role}", f"drop role {role}")


@pytest.mark.parametrize("where", ["n IS NULL", "n IS NULL AND nick <> ''"])
async def test_set_is_asked_of_partners_only_whatever_the_order_in_which_the_server_joins(users: Database, where: str):
    """An account of nobody has a nick that no number is made of, and the proof reads accounts as a whole."""
    run_sql(
        users,
        "alter table users add n int",
        "drop index accounts_user_id_idx",
        "delete from accounts",
        "insert into accounts select id, case when id % 2 = 0 then (id * 2)::text end from users where id > 5",
        "insert into accounts select i, 'x' from generate_series(1000, 9000) i",
        "analyze accounts",
    )
    finished, _ = await run(users.worker_dsn, joining(set={"n": "nick::int"}, where=where))
    left = users.query("select count(*) from users where n is null")
    assert left == [(6 + NUMBERLESS + (len(USERS) - NUMBERLESS - 6) // 2,)]
    assert finished.rows_unconverged == (left[0][0] if where == "n IS NULL" else 0)
