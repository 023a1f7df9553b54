"""A job that one plain UPDATE would do differently is refused by name before anything is touched, or accepted by name."""

from __future__ import annotations

from typing import Any

import pytest

from backfill.postgres.plan.make import make_plan
from backfill.values.errors import JobError
from tests.fixtures_postgres import Database
from tests.integration.jobs import job_file, run, run_sql

pytestmark = pytest.mark.anyio

USERS = "create table public.users (id int primary key, username text, handle text)"
PARTS = """create table public.users (id int, username text, handle text, part int default 1) partition by list (part);
create table public.users_1 partition of public.users for values in (1);
create table public.users_2 partition of public.users for values in (2)"""
FILL = "insert into public.users (id, username) select i, 'u' || i from generate_series(1, 50) i"
NOTE = """create table public.note (n bigint);
create function public.note() returns trigger language plpgsql security definer as
$$ begin insert into public.note values (1); return null; end $$;
create trigger keep_note after update on public.users for each statement execute function public.note()"""
TOTAL = """create function public.total() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger keep_total after update on public.users referencing new table as n
for each row execute function public.total()"""
LEAF = """create function public.nothing() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger on_leaf after update on public.users_1 for each statement execute function public.nothing()"""
MOVES = """create function public.moves() returns trigger language plpgsql as
$$ begin new.part := 2; return new; end $$;
create trigger mover before update on public.users for each row execute function public.moves()"""
READS = """create function public.reads() returns trigger language plpgsql as
$$ begin new.handle := new.handle || (select count(handle) from public.users); return new; end $$;
create trigger reader before update on public.users for each row execute function public.reads()"""
WRITES = """create function public.writes() returns trigger language plpgsql as
$$ begin update users_2 set handle = new.handle where id = new.id - 1; return null; end $$;
create trigger writer after update of handle on public.users for each row execute function public.writes()"""
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "a statement trigger": (f"{USERS}; {NOTE}", {}, "statement trigger 'keep_note' on 'public.users' fires once"),
    "one on a parent": (f"{PARTS}; {NOTE}", {}, "statement trigger 'keep_note' on 'public.users' does not fire"),
    "one on a leaf": (f"{PARTS}; {LEAF}", {}, "statement trigger 'on_leaf' on leaf 'public.users_1' does not fire"),
    "a transition table": (f"{USERS}; {TOTAL}", {}, "trigger 'keep_total' on 'public.users' reads a transition table"),
    "a trigger that moves rows": (f"{PARTS}; {MOVES}", {}, "trigger 'mover' on 'public.users' sets a column of the"),
    "a rule": (
        f"{USERS}; create table public.log (id int); create rule also as on update to public.users do also insert into public.log values (new.id)",
        {},
        "rule 'also' on 'public.users' rewrites UPDATE",
    ),
    "a deferrable key": (
        f"{USERS}; alter table public.users add constraint one_handle unique (handle) deferrable",
        {},
        "constraint 'one_handle' on 'public.users' is checked when all rows of an UPDATE are set",
    ),
    "a default of its own": (
        (
            f"{PARTS}; alter table public.users alter handle set default 'a';"
            " alter table public.users_2 alter handle set default 'b'"
        ),
        {"set": {"handle": "DEFAULT"}},
        "DEFAULT of 'handle' is 'a'::text in 'public.users' and",
    ),
    "the row as a whole": (
        PARTS,
        {"set": {"handle": "left(users::text, 9)"}},
        "'set' reads the row as a whole",
    ),
    "other rows that change": (
        USERS,
        {"set": {"handle": "(SELECT count(o.handle)::text FROM public.users o)"}},
        "'set' reads column 'handle' of other rows of the table",
    ),
    "other rows that match": (
        USERS,
        {"where": "handle IS NULL AND NOT EXISTS (SELECT FROM users o WHERE o.id < users.id AND o.handle IS NULL)"},
        "'where' reads column 'handle' of other rows of the table",
    ),
    "other rows of another leaf": (
        PARTS,
        {"set": {"handle": "(SELECT max(o.handle) || 'x' FROM public.users o)"}},
        "'set' reads column 'handle' of other rows of the table",
    ),
    "other rows under the same name": (
        USERS,
        {"set": {"handle": "(SELECT max(handle) FROM users)"}},
        "'set' reads column 'handle' of other rows of the table",
    ),
    "other rows as a whole": (
        USERS,
        {"set": {"handle": "(SELECT max(o::text) FROM public.users o)"}},
        "'set' reads column 'handle' of other rows of the table",
    ),
    "a function that names the table": (
        (
            f"{USERS}; create function public.most() returns text stable language plpgsql as"
            " $$ begin return (select max(handle) from public.users); end $$"
        ),
        {"set": {"handle": "coalesce(public.most(), 'first')"}},
        "function 'most' in 'set' names the table",
    ),
    "a row trigger that reads the table": (
        f"{USERS}; {READS}",
        {},
        "the function of trigger 'reader' on 'public.users' names the table",
    ),
    "a row trigger that names a leaf": (
        f"{PARTS}; {WRITES}",
        {},
        "the function of trigger 'writer' on 'public.users' names the table",
    ),
    "an identity of a leaf": (
        (
            "create table public.users (id int primary key, username text, handle text, number int);"
            " create table public.admins (number int generated always as identity) inherits (public.users)"
        ),
        {"set": {"number": "5", "handle": "username"}},
        "column 'number' of leaf 'public.admins' is generated by the server and cannot be set",
    ),
    "one value for all": (
        USERS,
        {"set": {"handle": "(SELECT gen_random_uuid()::text)"}},
        "'set' calls 'gen_random_uuid' in a sub-select that is evaluated once",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_difference_is_refused_by_name_and_nothing_is_touched(database: Database, case: str):
    made, keys, sentence = CASES[case]
    run_sql(database, made, FILL)
    before = database.query("select id, handle from public.users order by id")
    with pytest.raises(JobError) as refused:
        await run(database.dsn, job_file(**keys))
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("job.yaml:")
    with pytest.raises(JobError) as planned:
        await make_plan(database.dsn, job_file(**keys))
    assert str(planned.value) == str(refused.value)
    assert database.query("select id, handle from public.users order by id") == before
    assert database.query("select count(*) from pg_namespace where nspname = 'backfill'") == [(0,)]


ACCEPTED = {
    "a statement trigger": "statement-triggers",
    "a transition table": "statement-triggers",
    "one on a leaf": "statement-triggers",
    "a deferrable key": "several-rows",
    "other rows that change": "own-table",
    "a row trigger that reads the table": "own-table",
    "one value for all": "one-value",
}


@pytest.mark.parametrize("case", ACCEPTED)
async def test_a_difference_that_the_job_file_accepts_is_no_obstacle(database: Database, case: str):
    made, keys, _ = CASES[case]
    run_sql(database, made, FILL)
    finished, _ = await run(database.dsn, job_file(**keys, accept=[ACCEPTED[case]]))
    assert finished.state == "done"
    assert database.query("select count(*) from public.users where handle is null") == [(0,)]


NO_DIFFERENCE: dict[str, tuple[str, dict[str, Any]]] = {
    "other rows, other columns": (
        USERS,
        {"set": {"handle": "(SELECT o.username FROM public.users o WHERE o.id = 1 + users.id % 50)"}},
    ),
    "a disabled trigger": (f"{USERS}; {NOTE}; alter table public.users disable trigger keep_note", {}),
    "a trigger of other columns": (
        f"{USERS}; {NOTE.replace('after update', 'after update of username')}",
        {},
    ),
    "a row trigger": (f"{USERS}; {NOTE.replace('for each statement', 'for each row')}", {}),
    "a star in a text": (USERS, {"set": {"handle": "'users.* and o.handle'"}}),
    "a whole row of a table without leaves": (USERS, {"set": {"handle": "left(users::text, 9)"}}),
}


@pytest.mark.parametrize("case", NO_DIFFERENCE)
async def test_what_is_no_difference_is_not_refused(database: Database, case: str):
    made, keys = NO_DIFFERENCE[case]
    run_sql(database, made, FILL)
    finished, _ = await run(database.dsn, job_file(**keys))
    assert finished.state == "done"


STAYS = {"set": {"handle": "username"}, "where": "id > 0"}


async def test_a_job_that_its_first_batch_refuses_leaves_nothing_behind(database: Database):
    run_sql(database, USERS, FILL)
    with pytest.raises(JobError, match=r"^job\.yaml:4:9: 'where' stays true"):
        await run(database.dsn, job_file(**STAYS))
    assert database.query("select count(*) from public.users where handle is not null") == [(0,)]
    assert database.query("select count(*) from pg_namespace where nspname = 'backfill'") == [(0,)]


async def test_a_job_that_its_first_batch_refuses_leaves_the_state_of_other_jobs(database: Database):
    run_sql(database, USERS, FILL)
    await run(database.dsn, job_file(name="other", where="handle IS NULL AND id < 3"))
    with pytest.raises(JobError, match="'where' stays true"):
        await run(database.dsn, job_file(**STAYS))
    assert database.query("select name, state from backfill.job") == [("other", "done")]


async def test_a_job_that_has_filled_rows_is_kept_when_it_is_refused_later(database: Database):
    run_sql(database, USERS, FILL)
    await run(database.dsn, job_file())
    with pytest.raises(JobError, match="was started with another file"):
        await run(database.dsn, job_file(where="id < 3"))
    assert database.query("select name, state from backfill.job") == [("users-handle", "done")]


async def test_plan_says_how_often_a_volatile_function_in_a_sub_select_is_called(database: Database):
    run_sql(database, USERS, FILL)
    made, keys, _ = CASES["one value for all"]
    assert made == USERS
    found = await make_plan(database.dsn, job_file(**keys, accept=["one-value"]))
    assert any("in a sub-select, one value for each batch" in text for text in found.against)
